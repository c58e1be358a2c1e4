//! The network that was explained, its answers and its rule, and the networks beside it.

use super::case::Case;
use crate::compute::{Array, Workspace};
use crate::explain::ledger::LedgerLine;
use crate::explain::{Composite, Explanation, Start};
use crate::model::Graph;
use crate::model::bundle::Bundle;
use crate::model::members::parted;
use crate::model::network::{Network, Origin};
use crate::train::apply::saw;
use crate::{Error, Result};

/// Members of a network looked at as networks of their own.
const MEMBERS: usize = 8;

/// What the network answers for one subject.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The explained score.
    pub score: f64,
    /// Logits of the network.
    pub logits: Vec<f64>,
}

impl Answer {
    /// The class the network calls: of one logit by its sign, otherwise the first largest.
    pub fn called(&self) -> usize {
        match self.logits.as_slice() {
            [one] => usize::from(*one > 0.0),
            all => (0..all.len()).fold(0, |best, c| if all[c] > all[best] { c } else { best }),
        }
    }
}

/// The network that was explained.
#[derive(Debug)]
pub struct Explained<'a> {
    /// Batch norm folded: what is explained.
    pub graph: &'a Graph,
    /// The same network before folding, from which re-initialised ones are made.
    pub trained: &'a Graph,
    /// What is explained.
    pub start: Start,
    /// Its answers, one per case.
    pub answers: Vec<Answer>,
}

/// A map made of an image alone: extents along i, j, k, and the voxels.
pub type Blind = fn([usize; 3], &[f32]) -> Vec<f32>;

/// The rule, and where the relevance of each layer went.
#[derive(Debug)]
pub struct Explainer<'a> {
    /// Rules.
    pub composite: &'a Composite,
    /// Ledgers, one per case, output first.
    pub ledgers: Vec<Vec<LedgerLine>>,
    /// Maps made of image and extents alone, whatever the network: a defect that the self-test
    /// plants.
    pub instead: Option<Blind>,
}

/// How another network of the same training came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kin {
    /// Fitted on other subjects: the network of another fold.
    Fold,
    /// Fitted on the same subjects from another start: a member of the audited network, which is
    /// their mean.
    Seed,
}

/// Another network of the same training.
#[derive(Debug)]
pub struct Other {
    /// Its name, for example `fold_1` or `member_0`.
    pub name: String,
    /// How it came about.
    pub kin: Kin,
    /// The network with batch norm folded.
    pub graph: Graph,
    /// Per case whether it was fitted or chosen with that subject in sight.
    pub saw: Vec<bool>,
}

impl Other {
    /// The same again.
    ///
    /// # Errors
    /// Those of [`Graph::duplicate`].
    pub fn duplicate(&self) -> Result<Self> {
        let (name, saw) = (self.name.clone(), self.saw.clone());
        Ok(Self { name, kin: self.kin, graph: self.graph.duplicate()?, saw })
    }
}

/// The networks of other folds, and the members of the audited one where it has several.
///
/// # Errors
/// Those of [`Graph::canonical`] and [`parted`].
pub(super) fn beside(
    audited: &Network,
    folds: &[Bundle],
    cases: &[Case],
    probe: &Array,
    ws: &mut Workspace,
) -> Result<Vec<Other>> {
    let mut all = Vec::new();
    for bundle in folds {
        let training = &bundle.spec.training;
        all.push(Other {
            name: format!("fold_{}", training.fold),
            kin: Kin::Fold,
            graph: bundle.graph.canonical(probe, ws)?.0,
            saw: cases.iter().map(|c| saw(training, &c.id)).collect(),
        });
    }
    let Origin::Trained(spec) = &audited.origin else { return Ok(all) };
    if spec.architecture.members > 1 {
        let members = parted(&spec.architecture, &audited.graph, MEMBERS)?;
        for (n, member) in members.iter().enumerate() {
            all.push(Other {
                name: format!("member_{n}"),
                kin: Kin::Seed,
                graph: member.canonical(probe, ws)?.0,
                saw: cases.iter().map(|c| saw(&spec.training, &c.id)).collect(),
            });
        }
    }
    Ok(all)
}

/// A batch explained: an answer, a map and a ledger per sample.
#[derive(Debug, Default)]
pub struct Batch {
    /// Answers.
    pub answers: Vec<Answer>,
    /// Maps, i fastest.
    pub maps: Vec<Vec<f32>>,
    /// Ledgers, output first.
    pub ledgers: Vec<Vec<LedgerLine>>,
}

/// Cuts an explanation into its samples.
pub(super) fn split(
    found: Explanation,
    n: usize,
    out: &mut Batch,
    ws: &mut Workspace,
) -> Result<()> {
    let Explanation { scores, logits, relevance, ledgers, .. } = found;
    let values: Vec<f32> = relevance.to_f64()?.into_iter().map(|v| v as f32).collect();
    ws.give(relevance);
    let (voxels, classes) = (values.len() / n.max(1), logits.len() / n.max(1));
    if scores.len() != n || ledgers.len() != n || voxels * n != values.len() || classes * n == 0 {
        return Err(Error::internal(format!("{} explanations of {n} samples", scores.len())));
    }
    let answers = scores.into_iter().zip(logits.chunks(classes));
    out.answers.extend(answers.map(|(score, l)| Answer { score, logits: l.to_vec() }));
    out.maps.extend(values.chunks(voxels).map(<[f32]>::to_vec));
    out.ledgers.extend(ledgers);
    Ok(())
}
