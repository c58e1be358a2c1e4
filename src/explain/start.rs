//! What is explained, and the relevance or gradient it starts with.

use crate::compute::Array;
use crate::model::Graph;
use crate::model::graph::From;
use crate::model::layer::Role;
use crate::{Error, Result};

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Two classes: log-odds of class 1 over class 0; one logit: itself; more classes: the
    /// largest logit minus the mean of the others.
    Margin,
    /// The class's logit minus the mean of the others; of one logit, class 1 is the logit and
    /// class 0 its negative.
    MarginOf(usize),
    /// One class's logit; of one logit, class 1 is the logit and class 0 its negative.
    Class(usize),
}

/// The start of a batch.
#[derive(Debug)]
pub struct Seeded {
    /// The explained score per sample: the weighted sum of its logits.
    pub scores: Vec<f64>,
    /// Weight of every logit, `[n, classes]`: the gradient of the scores.
    pub weights: Array,
    /// Weight times logit, `[n, classes]`: exactly what an appended layer of these weights
    /// hands on by LRP-0. For the margin z1 − z0 that is −z0 and z1.
    pub relevance: Array,
}

impl Start {
    /// `margin`, `margin:CLASS`, the name of a class or its number from 0.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-RULE-002` naming the classes.
    pub fn named(word: &str, classes: &[String]) -> Result<Self> {
        let class = |word: &str| {
            let by_name = classes.iter().position(|c| c == word);
            by_name.or_else(|| word.parse().ok().filter(|c| *c < classes.len().max(2)))
        };
        let found = match (word, word.strip_prefix("margin:")) {
            ("margin", _) => Some(Self::Margin),
            (_, Some(of)) => class(of).map(Self::MarginOf),
            _ => class(word).map(Self::Class),
        };
        found.ok_or_else(|| {
            let known: Vec<String> =
                classes.iter().enumerate().map(|(n, c)| format!("{n} ({c})")).collect();
            Error::usage(
                "E-RULE-002",
                format!("there is no target {word:?}"),
                format!("Choose margin, margin:CLASS, or a class: {}", known.join(", ")),
            )
        })
    }

    /// One start per sample from a list as `0,1,1`; a single word is for all samples.
    ///
    /// # Errors
    /// `E-RULE-002` for an unknown class or a list of another length.
    pub fn each(words: &str, classes: &[String], samples: usize) -> Result<Vec<Self>> {
        let list: Vec<Self> =
            words.split(',').map(|w| Self::named(w.trim(), classes)).collect::<Result<_>>()?;
        match list.as_slice() {
            [one] => Ok(vec![*one; samples]),
            list if list.len() == samples => Ok(list.to_vec()),
            list => Err(Error::usage(
                "E-RULE-002",
                format!("{} targets for {samples} samples", list.len()),
                "Give one target, or one for every sample",
            )),
        }
    }

    /// What is explained of a network with so many logits, in words. A single logit may stand
    /// for two named classes.
    pub fn words(self, classes: &[String], logits: usize) -> String {
        let name = |c: usize| classes.get(c).cloned().unwrap_or_else(|| format!("class {c}"));
        match self {
            Self::MarginOf(0) | Self::Class(0) if logits == 1 => match classes {
                [first, second] => format!("log-odds of {first} over {second}"),
                _ => "minus the logit".to_owned(),
            },
            Self::Margin if classes.len() == 2 => {
                format!("log-odds of {} over {}", name(1), name(0))
            }
            _ if logits == 1 => match classes {
                [first, second] => format!("log-odds of {second} over {first}"),
                _ => "logit".to_owned(),
            },
            Self::Margin => "largest logit minus the mean of the others".to_owned(),
            Self::MarginOf(c) => format!("logit of {} minus the mean of the others", name(c)),
            Self::Class(c) => format!("logit of {}", name(c)),
        }
    }

    /// Weights of one sample's logits; none where the start does not fit.
    fn weights(self, logits: &[f64]) -> Option<Vec<f64>> {
        let n = logits.len();
        let against_mean = |c: usize| {
            let weight = |k: usize| if k == c { 1.0 } else { -1.0 / (n - 1) as f64 };
            (0..n).map(weight).collect()
        };
        let first_largest = || {
            let better = |best: usize, k: usize| if logits[k] > logits[best] { k } else { best };
            (1..n).fold(0, better)
        };
        match self {
            Self::Margin if n == 1 => Some(vec![1.0]),
            Self::Margin if n == 2 => Some(vec![-1.0, 1.0]),
            Self::Margin if n > 2 => Some(against_mean(first_largest())),
            Self::MarginOf(c) | Self::Class(c) if n == 1 && c < 2 => {
                Some(vec![if c == 1 { 1.0 } else { -1.0 }])
            }
            Self::MarginOf(c) if c < n => Some(against_mean(c)),
            Self::Class(c) if c < n => Some((0..n).map(|k| f64::from(u8::from(k == c))).collect()),
            _ => None,
        }
    }
}

/// The node whose output is explained: the last, or the one below a softmax or sigmoid at
/// the end, since a probability mixes all classes.
///
/// # Errors
/// [`Error::Internal`] for an empty graph.
pub fn logits_node(graph: &Graph) -> Result<usize> {
    let mut n = graph.nodes().len().checked_sub(1).ok_or_else(|| Error::internal("empty graph"))?;
    while let (Role::Link, From::Node(below)) =
        (graph.nodes()[n].layer.role(), graph.nodes()[n].inputs[0])
    {
        n = below;
    }
    Ok(n)
}

/// Scores, weights and starting relevance of `logits [n, classes]`.
///
/// # Errors
/// [`Error::Model`] `E-MODEL-005` when a start does not fit the logits; [`Error::Shape`]
/// for another number of starts.
pub fn seed(logits: &Array, starts: &[Start]) -> Result<Seeded> {
    let &[n, classes] = logits.shape() else {
        return Err(Error::shape("logits", "[samples, classes]", logits.shape()));
    };
    if starts.len() != n {
        return Err(Error::shape("starts", n, starts.len()));
    }
    let values = logits.to_f64()?;
    let mut weights = Vec::with_capacity(values.len());
    for (start, row) in starts.iter().zip(values.chunks(classes.max(1))) {
        weights.extend(start.weights(row).ok_or_else(|| {
            Error::model(
                "E-MODEL-005",
                format!("a start {start:?} with {classes} logits"),
                "Name a class the network has, or use the margin",
            )
        })?);
    }
    let parts: Vec<f64> = values.iter().zip(&weights).map(|(z, w)| z * w).collect();
    let scores = parts.chunks(classes.max(1)).map(|row| row.iter().sum()).collect();
    let like = |data: Vec<f64>| -> Result<Array> {
        let wide = Array::from_vec(data, logits.shape())?;
        crate::by_type!(logits, T => wide.cast::<T>())
    };
    Ok(Seeded { scores, weights: like(weights)?, relevance: like(parts)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_the_sign_of_a_single_logit() {
        let named = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let (none, two) = (named(&["0"]), named(&["term", "preterm"]));
        let (plus, minus) = ("log-odds of preterm over term", "log-odds of term over preterm");
        for (start, unnamed, of_two) in [
            (Start::Margin, "logit", plus),
            (Start::Class(1), "logit", plus),
            (Start::MarginOf(1), "logit", plus),
            (Start::Class(0), "minus the logit", minus),
            (Start::MarginOf(0), "minus the logit", minus),
        ] {
            assert_eq!(start.words(&none, 1), unnamed, "{start:?}");
            assert_eq!(start.words(&two, 1), of_two, "{start:?}");
        }
        assert_eq!(Start::Margin.words(&two, 2), plus);
        assert_eq!(Start::Class(0).words(&two, 2), "logit of term");
        let others = "logit of term minus the mean of the others";
        assert_eq!(Start::MarginOf(0).words(&two, 2), others);
    }

    #[test]
    fn scores_are_what_the_words_say() {
        let of = |logits: &[f64], start: Start| -> Result<f64> {
            let array = Array::from_vec(logits.to_vec(), &[1, logits.len()])?;
            Ok(seed(&array, &[start])?.scores[0])
        };
        for (logits, start, score) in [
            (&[3.0, 5.0][..], Start::Margin, 2.0),
            (&[3.0, 5.0], Start::MarginOf(0), -2.0),
            (&[3.0, 5.0], Start::Class(0), 3.0),
            (&[4.0], Start::Margin, 4.0),
            (&[4.0], Start::Class(0), -4.0),
            (&[4.0], Start::MarginOf(1), 4.0),
            (&[1.0, 7.0, 3.0], Start::Margin, 5.0),
            (&[1.0, 7.0, 3.0], Start::MarginOf(0), -4.0),
        ] {
            assert!((of(logits, start).expect("fits") - score).abs() < 1e-12, "{start:?}");
        }
        assert!(of(&[1.0, 2.0], Start::Class(2)).is_err());
        let classes = ["term".to_owned(), "preterm".to_owned()];
        let each = Start::each("0,preterm,margin", &classes, 3).expect("list");
        assert_eq!(each, [Start::Class(0), Start::Class(1), Start::Margin]);
        assert!(Start::each("0,1", &classes, 3).is_err());
        assert!(Start::named("2", &classes).is_err());
    }
}
