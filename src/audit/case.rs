//! What is audited: the subjects on the model's grid, the network, and its maps.

use std::collections::BTreeSet;

use super::arms::Compared;
use super::evidence::Evidence;
use super::finding::Interval;
use crate::compute::{Array, Workspace};
use crate::explain::ledger::LedgerLine;
use crate::explain::{Composite, Explanation, Start, explain};
use crate::image::atlas::Atlas;
use crate::image::{Grid, Labels, Mask};
use crate::model::Graph;
use crate::progress::check_stop;
use crate::seed::Seed;
use crate::{Error, Result};

/// Subjects explained at once.
const BATCH: usize = 4;
/// Subjects on which batch statistics of re-initialised networks are recalibrated.
const PROBES: usize = 8;
/// Re-initialised networks unless told otherwise: the smallest p is then 0.01.
pub const DRAWS: usize = 99;

/// One subject, everything on the model's grid, i fastest.
#[derive(Debug, Clone)]
pub struct Case {
    /// Participant id.
    pub id: String,
    /// Number of the true class.
    pub class: usize,
    /// What the network sees.
    pub data: Vec<f32>,
    /// The model's grid.
    pub grid: Grid,
    /// The brain.
    pub mask: Mask,
    /// Regions.
    pub labels: Option<Labels>,
    /// Where the effect was planted.
    pub truth: Option<Mask>,
    /// True when the explained network is known not to have been fitted on this subject.
    pub held_out: bool,
    /// SHA-256 of the image file.
    pub image_sha256: String,
}

impl Case {
    /// Positions of the voxels inside the mask, ascending.
    pub fn inside(&self) -> Vec<usize> {
        self.mask.data().iter().enumerate().filter_map(|(v, m)| m.then_some(v)).collect()
    }

    fn check(&self, shape: [usize; 3], classes: usize) -> Result<()> {
        let id = &self.id;
        let same = self.grid.shape() == shape
            && self.mask.grid().shape() == shape
            && self.labels.as_ref().is_none_or(|l| l.grid().shape() == shape)
            && self.truth.as_ref().is_none_or(|t| t.grid().shape() == shape)
            && self.data.len() == self.grid.len();
        if !same {
            return Err(Error::shape(format!("images of {id}"), shape, self.grid.shape()));
        }
        let fix = "Correct the subject or leave it out of the audit";
        if self.mask.count() == 0 {
            return Err(Error::usage("E-AUDIT-001", format!("the mask of {id} is empty"), fix));
        }
        if self.class >= classes {
            let what = format!("{id} has class {}, there are {classes}", self.class);
            return Err(Error::usage("E-AUDIT-001", what, fix));
        }
        if let Some(v) = self.data.iter().find(|v| !v.is_finite()) {
            let what = format!("the image of {id} holds {v}");
            return Err(Error::usage("E-AUDIT-001", what, fix));
        }
        Ok(())
    }
}

/// The map of one subject.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The explained score.
    pub score: f64,
    /// Logits of the network.
    pub logits: Vec<f64>,
    /// Relevance per voxel, i fastest.
    pub relevance: Vec<f32>,
    /// Ledger, output first.
    pub ledger: Vec<LedgerLine>,
}

/// Everything a check may look at.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The network that is explained: batch norm folded.
    pub graph: &'a Graph,
    /// The same network before folding, from which re-initialised ones are made.
    pub trained: &'a Graph,
    /// The subjects, all on one grid.
    pub cases: &'a [Case],
    /// Names of the regions.
    pub atlas: Option<&'a Atlas>,
    /// What region sizes alone say of the label.
    pub evidence: Option<&'a Evidence>,
    /// Class names, class 0 first.
    pub classes: &'a [String],
    /// Rules.
    pub composite: &'a Composite,
    /// What is explained.
    pub start: Start,
    /// Seed of the audit.
    pub seed: Seed,
    /// Re-initialised networks of the exchangeability test.
    pub draws: usize,
    /// Interval of the AUC on subjects the network is not known to have seen, or why there is
    /// none.
    pub performance: std::result::Result<Interval, String>,
    /// Scores, maps and ledgers, one per case.
    pub explanations: Vec<Explained>,
    /// Other methods with their maps, see [`Bench::compare_with`].
    pub arms: Vec<Compared>,
}

impl<'a> Bench<'a> {
    /// Explains all cases. `atlas`, `evidence`, `draws` and `performance` are set
    /// afterwards where they differ from none, none, [`DRAWS`] and nothing measured.
    ///
    /// # Errors
    /// `E-AUDIT-001` for cases that cannot be audited, [`Error::Shape`] for cases on
    /// different grids, and those of [`explain`].
    pub fn new(
        graph: &'a Graph,
        trained: &'a Graph,
        cases: &'a [Case],
        classes: &'a [String],
        composite: &'a Composite,
        start: Start,
        seed: Seed,
    ) -> Result<Self> {
        let fix = "Choose subjects to audit, each once";
        let Some(first) = cases.first() else {
            return Err(Error::usage("E-AUDIT-001", "there is no subject to audit", fix));
        };
        let mut seen = BTreeSet::new();
        for case in cases {
            case.check(first.grid.shape(), classes.len())?;
            if !seen.insert(case.id.as_str()) {
                let what = format!("{} occurs twice", case.id);
                return Err(Error::usage("E-AUDIT-001", what, fix));
            }
        }
        let (draws, explanations) = (DRAWS, Vec::new());
        let mut bench = Self {
            graph,
            trained,
            cases,
            atlas: None,
            evidence: None,
            classes,
            composite,
            start,
            seed,
            draws,
            performance: Err("nothing was measured".to_owned()),
            explanations,
            arms: Vec::new(),
        };
        bench.explanations = bench.explained(graph, &mut Workspace::new())?;
        Ok(bench)
    }

    /// The images of cases `from..to` as a tensor `[n, 1, k, j, i]`.
    ///
    /// # Errors
    /// [`Error::Shape`] never in practice: the cases were checked.
    pub fn batch(&self, from: usize, to: usize) -> Result<Array> {
        let cases = self.cases.get(from..to).unwrap_or_default();
        let [i, j, k] = self.cases.first().map_or([0; 3], |c| c.grid.shape());
        let data: Vec<f32> = cases.iter().flat_map(|c| c.data.iter().copied()).collect();
        Array::from_vec(data, &[cases.len(), 1, k, j, i])
    }

    /// Scores, logits, maps and ledgers of all cases under another canonical network.
    ///
    /// # Errors
    /// Those of [`explain`]; [`Error::Interrupted`].
    pub fn explained(&self, graph: &Graph, ws: &mut Workspace) -> Result<Vec<Explained>> {
        let mut out = Vec::with_capacity(self.cases.len());
        for from in (0..self.cases.len()).step_by(BATCH) {
            check_stop()?;
            let to = (from + BATCH).min(self.cases.len());
            let x = self.batch(from, to)?;
            let found = explain(graph, &x, self.composite, self.start, ws)?;
            ws.give(x);
            out.extend(split(found, to - from, ws)?);
        }
        Ok(out)
    }

    /// The maps of all cases under another canonical network.
    ///
    /// # Errors
    /// As [`Bench::explained`].
    pub fn explain_with(&self, graph: &Graph, ws: &mut Workspace) -> Result<Vec<Vec<f32>>> {
        let found = self.explained(graph, ws)?;
        Ok(found.into_iter().map(|e| e.relevance).collect())
    }

    /// The trained network with the named layers drawn anew, made canonical.
    ///
    /// # Errors
    /// As [`Bench::redrawn`], and those of [`Graph::folded`].
    pub fn randomised(&self, layers: &[String], seed: Seed, ws: &mut Workspace) -> Result<Graph> {
        self.redrawn(layers, seed, ws)?.folded()
    }

    /// The trained network with the named layers drawn anew. Batch statistics are
    /// recalibrated on the first few cases.
    ///
    /// # Errors
    /// Those of [`Graph::reinitialised`].
    pub fn redrawn(&self, layers: &[String], seed: Seed, ws: &mut Workspace) -> Result<Graph> {
        let probe = self.batch(0, PROBES.min(self.cases.len()))?;
        let drawn = self.trained.reinitialised(layers, seed, Some(&probe), ws)?;
        ws.give(probe);
        Ok(drawn)
    }
}

/// An explanation cut into its samples.
fn split(found: Explanation, n: usize, ws: &mut Workspace) -> Result<Vec<Explained>> {
    let Explanation { scores, logits, relevance, ledgers, .. } = found;
    let values: Vec<f32> = relevance.to_f64()?.into_iter().map(|v| v as f32).collect();
    ws.give(relevance);
    let (voxels, classes) = (values.len() / n.max(1), logits.len() / n.max(1));
    if scores.len() != n || ledgers.len() != n || voxels * n != values.len() || classes * n == 0 {
        return Err(Error::internal(format!("{} explanations of {n} samples", scores.len())));
    }
    let samples = scores.into_iter().zip(ledgers).enumerate();
    Ok(samples
        .map(|(s, (score, ledger))| Explained {
            score,
            logits: logits[s * classes..(s + 1) * classes].to_vec(),
            relevance: values[s * voxels..(s + 1) * voxels].to_vec(),
            ledger,
        })
        .collect())
}
