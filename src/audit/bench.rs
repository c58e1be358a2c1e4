//! The bench of an audit: subjects, their maps, and what made the maps, as far as it is known.

use std::collections::BTreeSet;

use super::arms::Compared;
use super::case::Case;
use super::finding::Interval;
use super::networks::split;
pub use super::networks::{Answer, Batch, Explained, Explainer, Kin, Other};
use super::tools::evidence::Evidence;
use super::tools::removal::Removals;
use crate::compute::{Array, Workspace};
use crate::explain::{Composite, Start, explain, explain_in_turn, images_at_once, start};
use crate::image::atlas::Atlas;
use crate::model::Graph;
use crate::progress::check_stop;
use crate::seed::Seed;
use crate::{Error, Result};

/// Re-initialised networks unless told otherwise: the smallest p is then 0.01.
pub const DRAWS: usize = 99;

/// What a check looks at; each holds what the one before it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Images and maps.
    Maps,
    /// The network too: its answers to images.
    Network,
    /// The rule too, by which the network's maps can be made again.
    Explainer,
}

/// Everything a check may look at.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The subjects, all on one grid where there is a network.
    pub cases: &'a [Case],
    /// The audited maps, one per case: relevance per voxel, i fastest.
    pub maps: Vec<Vec<f32>>,
    /// What made the maps, in a word: the rule, or where the maps came from.
    pub maker: &'a str,
    /// Class names, class 0 first.
    pub classes: &'a [String],
    /// The network, where there is one.
    pub network: Option<Explained<'a>>,
    /// The rule, where the maps were made here.
    pub explainer: Option<Explainer<'a>>,
    /// Names of the regions.
    pub atlas: Option<&'a Atlas>,
    /// What region sizes alone say of the label.
    pub evidence: Option<&'a Evidence>,
    /// Seed of the audit.
    pub seed: Seed,
    /// Re-initialised networks of the exchangeability test.
    pub draws: usize,
    /// Networks fitted as the audited one on classes dealt anew, not folded.
    pub label_randomised: Vec<Graph>,
    /// Interval of the AUC on subjects the network is not known to have seen, or why there is
    /// none.
    pub performance: std::result::Result<Interval, String>,
    /// Audited subjects that are also subjects of the training (audited id, training id), or
    /// why that is not known.
    pub twins: std::result::Result<Vec<[String; 2]>, String>,
    /// Other methods with their maps, see [`Bench::compare_with`].
    pub arms: Vec<Compared>,
    /// Other networks of the same training.
    pub others: Vec<Other>,
    /// Per case the intensity on the network's scale that the scanner calls 0; empty when
    /// nobody knows.
    pub zeros: Vec<f64>,
    /// What taking parts of the brain out does to the score, see [`Bench::removals`].
    pub(super) removals: Removals,
}

impl<'a> Bench<'a> {
    /// Cases with maps made elsewhere, and nothing known of what made them. `network`, `atlas`,
    /// `evidence`, `draws`, `label_randomised` and `performance` are set afterwards where they
    /// differ from none, none, none, [`DRAWS`], none and nothing measured.
    ///
    /// # Errors
    /// `E-AUDIT-001` for cases that cannot be audited, [`Error::Shape`] for cases and maps on
    /// different grids.
    pub fn of_maps(
        cases: &'a [Case],
        maps: Vec<Vec<f32>>,
        maker: &'a str,
        classes: &'a [String],
        seed: Seed,
    ) -> Result<Self> {
        check(cases, classes.len(), false)?;
        let fits = |(case, map): (&Case, &Vec<f32>)| case.grid.len() == map.len();
        if maps.len() != cases.len() || !cases.iter().zip(&maps).all(fits) {
            return Err(Error::internal("maps that do not fit their cases"));
        }
        Ok(Self {
            cases,
            maps,
            maker,
            classes,
            network: None,
            explainer: None,
            atlas: None,
            evidence: None,
            seed,
            draws: DRAWS,
            label_randomised: Vec::new(),
            performance: Err("nothing was measured".to_owned()),
            twins: Err("the training is not known".to_owned()),
            arms: Vec::new(),
            others: Vec::new(),
            zeros: Vec::new(),
            removals: Removals::default(),
        })
    }

    /// Explains all cases, and sets the rest as [`Bench::of_maps`] does.
    ///
    /// # Errors
    /// As [`Bench::of_maps`], and those of [`explain`].
    pub fn new(
        graph: &'a Graph,
        trained: &'a Graph,
        cases: &'a [Case],
        classes: &'a [String],
        composite: &'a Composite,
        start: Start,
        seed: Seed,
    ) -> Result<Self> {
        check(cases, classes.len(), true)?;
        let blank = cases.iter().map(|c| vec![0.0; c.grid.len()]).collect();
        let mut bench = Self::of_maps(cases, blank, &composite.id, classes, seed)?;
        bench.network = Some(Explained { graph, trained, start, answers: Vec::new() });
        bench.explainer = Some(Explainer { composite, ledgers: Vec::new(), instead: None });
        let made = bench.explained(graph, &mut Workspace::new())?;
        bench.maps = made.maps;
        bench.network = Some(Explained { graph, trained, start, answers: made.answers });
        bench.explainer = Some(Explainer { composite, ledgers: made.ledgers, instead: None });
        Ok(bench)
    }

    /// Names the network that the maps explain, and asks it about all cases.
    ///
    /// # Errors
    /// [`Error::Shape`] for cases on different grids; those of [`Graph::forward`].
    pub fn answered_by(
        &mut self,
        graph: &'a Graph,
        trained: &'a Graph,
        start: Start,
    ) -> Result<()> {
        check(self.cases, self.classes.len(), true)?;
        let images: Vec<&[f32]> = self.cases.iter().map(|c| c.data.as_slice()).collect();
        let answers = self.answers(graph, start, &images, &mut Workspace::new())?;
        self.network = Some(Explained { graph, trained, start, answers });
        Ok(())
    }

    /// Why a check that needs so much cannot be carried out here, or none where it can.
    pub fn lacks(&self, needs: Needs) -> Option<&'static str> {
        match needs {
            Needs::Network | Needs::Explainer if self.network.is_none() => {
                Some("the maps came without the network that they explain")
            }
            Needs::Explainer if self.explainer.is_none() => {
                Some("the maps were made elsewhere and cannot be made again here")
            }
            _ => None,
        }
    }

    /// The network.
    ///
    /// # Errors
    /// [`Error::Internal`] where [`Bench::lacks`] says that there is none.
    pub fn network(&self) -> Result<&Explained<'a>> {
        self.network.as_ref().ok_or_else(|| Error::internal("a bench without a network"))
    }

    /// The rule.
    ///
    /// # Errors
    /// [`Error::Internal`] where [`Bench::lacks`] says that there is none.
    pub fn explainer(&self) -> Result<&Explainer<'a>> {
        self.explainer.as_ref().ok_or_else(|| Error::internal("a bench without a rule"))
    }

    /// The images of cases `from..to` as a tensor `[n, 1, k, j, i]`.
    ///
    /// # Errors
    /// [`Error::Shape`] never in practice: the cases were checked.
    pub fn batch(&self, from: usize, to: usize) -> Result<Array> {
        let cases = self.cases.get(from..to).unwrap_or_default();
        self.tensor(cases.iter().map(|c| c.data.as_slice()))
    }

    /// Images on the grid of the cases, i fastest, as a tensor `[n, 1, k, j, i]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for images of another size.
    pub fn tensor<'b>(&self, images: impl Iterator<Item = &'b [f32]>) -> Result<Array> {
        let [i, j, k] = self.cases.first().map_or([0; 3], |c| c.grid.shape());
        let (mut data, mut n) = (Vec::new(), 0);
        for image in images {
            data.extend_from_slice(image);
            n += 1;
        }
        Array::from_vec(data, &[n, 1, k, j, i])
    }

    /// How many images share a pass through a network; the numbers do not depend on it.
    pub(super) fn at_once(&self, graph: &Graph) -> Result<usize> {
        let [i, j, k] = self.cases.first().map_or([1; 3], |c| c.grid.shape());
        images_at_once(graph, &[1, k, j, i])
    }

    /// Answers of a canonical network to images on the grid of the cases, in batches that do
    /// not change the numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] for images of another size; those of [`Graph::forward`];
    /// [`Error::Interrupted`].
    pub fn answers(
        &self,
        graph: &Graph,
        start: Start,
        images: &[&[f32]],
        ws: &mut Workspace,
    ) -> Result<Vec<Answer>> {
        let mut out = Vec::with_capacity(images.len());
        for part in images.chunks(self.at_once(graph)?) {
            check_stop()?;
            let x = self.tensor(part.iter().copied())?;
            let logits = graph.forward(&x, ws)?;
            ws.give(x);
            let scores = start::seed(&logits, &vec![start; part.len()])?.scores;
            let values = logits.to_f64()?;
            let rows = values.chunks((values.len() / part.len()).max(1));
            let both = scores.into_iter().zip(rows);
            out.extend(both.map(|(score, l)| Answer { score, logits: l.to_vec() }));
            ws.give(logits);
        }
        Ok(out)
    }

    /// Scores of the network for images on the grid of the cases: what is explained, in its
    /// unit.
    ///
    /// # Errors
    /// As [`Bench::network`] and [`Bench::answers`].
    pub fn scores(&self, images: &[&[f32]], ws: &mut Workspace) -> Result<Vec<f64>> {
        let network = self.network()?;
        let all = self.answers(network.graph, network.start, images, ws)?;
        Ok(all.into_iter().map(|a| a.score).collect())
    }

    /// Answers, maps and ledgers of images on the grid of the cases under a canonical network.
    ///
    /// # Errors
    /// As [`Bench::network`] and [`Bench::explainer`], and those of [`explain`].
    pub fn explain_images(
        &self,
        graph: &Graph,
        images: &[&[f32]],
        ws: &mut Workspace,
    ) -> Result<Batch> {
        self.explain_from(graph, images, self.network()?.start, ws)
    }

    /// As [`Bench::explain_images`], of another start than the audited one.
    ///
    /// # Errors
    /// As [`Bench::explain_images`].
    pub fn explain_from(
        &self,
        graph: &Graph,
        images: &[&[f32]],
        start: Start,
        ws: &mut Workspace,
    ) -> Result<Batch> {
        self.made(self.explainer()?.composite, graph, images, start, ws)
    }

    /// As [`Bench::explain_images`], by another rule than the audited one.
    ///
    /// # Errors
    /// As [`Bench::explain_images`].
    pub fn explain_by(
        &self,
        composite: &Composite,
        graph: &Graph,
        images: &[&[f32]],
        ws: &mut Workspace,
    ) -> Result<Batch> {
        self.made(composite, graph, images, self.network()?.start, ws)
    }

    fn made(
        &self,
        composite: &Composite,
        graph: &Graph,
        images: &[&[f32]],
        start: Start,
        ws: &mut Workspace,
    ) -> Result<Batch> {
        let mut out = Batch::default();
        for part in images.chunks(self.at_once(graph)?) {
            check_stop()?;
            let x = self.tensor(part.iter().copied())?;
            let found = explain(graph, &x, composite, start, ws)?;
            ws.give(x);
            split(found, part.len(), &mut out, ws)?;
        }
        self.planted(&mut out, images)?;
        Ok(out)
    }

    /// Maps made without the network, where the self-test plants them.
    fn planted(&self, out: &mut Batch, images: &[&[f32]]) -> Result<()> {
        if let (Some(map), Some(case)) = (self.explainer()?.instead, self.cases.first()) {
            out.maps = images.iter().map(|image| map(case.grid.shape(), image)).collect();
        }
        Ok(())
    }

    /// Answers, maps and ledgers of all cases under several canonical networks of one structure, a
    /// few cases at a time under all of them: `look` gets the number of the first of these cases
    /// and what was found under each network. The numbers are those of [`Bench::explained`]; what
    /// two neighbours share at the input is computed once ([`explain_in_turn`]).
    ///
    /// # Errors
    /// As [`Bench::explained`]; those of `look`.
    pub fn explained_in_turn(
        &self,
        graphs: &[&Graph],
        ws: &mut Workspace,
        look: &mut dyn FnMut(usize, &[Batch]) -> Result<()>,
    ) -> Result<()> {
        let (composite, start) = (self.explainer()?.composite, self.network()?.start);
        let Some(first) = graphs.first() else { return Ok(()) };
        let some = self.at_once(first)?;
        for (part, images) in self.images().chunks(some).enumerate() {
            check_stop()?;
            let x = self.tensor(images.iter().copied())?;
            let mut batches = Vec::with_capacity(graphs.len());
            for pieces in explain_in_turn(graphs, &x, composite, start, ws)? {
                let mut batch = Batch::default();
                for piece in pieces {
                    let n = piece.scores.len();
                    split(piece, n, &mut batch, ws)?;
                }
                self.planted(&mut batch, images)?;
                batches.push(batch);
            }
            ws.give(x);
            look(part * some, &batches)?;
        }
        Ok(())
    }

    /// Answers, maps and ledgers of all cases under another canonical network.
    ///
    /// # Errors
    /// As [`Bench::explain_images`].
    pub fn explained(&self, graph: &Graph, ws: &mut Workspace) -> Result<Batch> {
        self.explain_images(graph, &self.images(), ws)
    }

    /// What the network sees of each case.
    pub fn images(&self) -> Vec<&'a [f32]> {
        self.cases.iter().map(|c| c.data.as_slice()).collect()
    }

    /// The maps of all cases under another canonical network.
    ///
    /// # Errors
    /// As [`Bench::explained`].
    pub fn explain_with(&self, graph: &Graph, ws: &mut Workspace) -> Result<Vec<Vec<f32>>> {
        Ok(self.explained(graph, ws)?.maps)
    }
}

/// Refuses cases that cannot be audited together; a network needs them on one grid.
fn check(cases: &[Case], classes: usize, one_grid: bool) -> Result<()> {
    let fix = "Choose subjects to audit, each once";
    let Some(first) = cases.first() else {
        return Err(Error::usage("E-AUDIT-001", "there is no subject to audit", fix));
    };
    let mut seen = BTreeSet::new();
    for case in cases {
        case.check(if one_grid { first.grid.shape() } else { case.grid.shape() }, classes)?;
        if !seen.insert(case.id.as_str()) {
            return Err(Error::usage("E-AUDIT-001", format!("{} occurs twice", case.id), fix));
        }
    }
    Ok(())
}
