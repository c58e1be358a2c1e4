//! The network that was explained, its answers and its rule, and the networks beside it.

use crate::compute::Workspace;
use crate::explain::ledger::LedgerLine;
use crate::explain::{Composite, Explanation, Start};
use crate::model::Graph;
use crate::{Error, Result};

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

/// Another network of the same training.
#[derive(Debug)]
pub struct Other {
    /// Its name, for example `fold_1`.
    pub name: String,
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
        Ok(Self { name, graph: self.graph.duplicate()?, saw })
    }
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
