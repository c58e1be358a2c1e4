//! What relevance propagation is compared with: gradients, modified gradients, averages
//! over paths and noise, occlusion, class activation. One file and one registry line each.

pub mod grad_cam;
pub mod gradient;
pub mod gradient_x_input;
pub mod guided_backprop;
pub mod integrated_gradients;
pub mod occlusion;
pub mod occlusion_region;
pub mod passes;
pub mod regions;
pub mod smooth_grad;

use super::start::Start;
use crate::card::Card;
use crate::compute::{Array, Workspace, blocks};
use crate::model::Graph;
use crate::seed::Seed;
use crate::{Error, Result};

pub use regions::Regions;

/// What a method explains.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The network, in inference form.
    pub graph: &'a Graph,
    /// Samples `[n, c, k, j, i]`.
    pub x: &'a Array,
    /// One per sample.
    pub starts: &'a [Start],
    /// For methods that draw noise.
    pub seed: Seed,
    /// One per sample, for occlusion by region; empty where there are none.
    pub regions: &'a [Regions],
    /// Bytes that the arrays of a pass may take, see [`Question::at_once`].
    pub memory: usize,
}

impl<'a> Question<'a> {
    /// A question without regions, with [`passes::MEMORY`].
    pub fn new(graph: &'a Graph, x: &'a Array, starts: &'a [Start], seed: Seed) -> Self {
        Self { graph, x, starts, seed, regions: &[], memory: passes::MEMORY }
    }
}

/// A number a method can be given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// What stands before it in a word, as `w` in `occlusion_w8_s4_zero`; may be nothing.
    pub letter: &'static str,
    /// The least it can be.
    pub least: f64,
    /// The largest it can be.
    pub most: f64,
    /// Whether it is a whole number.
    pub whole: bool,
}

impl Number {
    /// What it can be.
    fn allows(&self, v: f64) -> bool {
        (self.least..=self.most).contains(&v) && (!self.whole || v.fract() == 0.0)
    }

    fn words(&self) -> String {
        let whole = if self.whole { "whole " } else { "" };
        let name = if self.letter.is_empty() { "it" } else { self.letter };
        let most = if self.most < f64::MAX {
            format!("from {} to {}", self.least, self.most)
        } else {
            format!("of at least {}", self.least)
        };
        format!("{name} is a {whole}number {most}")
    }
}

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Its own description.
    pub card: &'static Card,
    /// The numbers a word of the command line gives it; none when the word is not for it.
    pub settings: fn(&str) -> Option<Vec<f64>>,
    /// The numbers it takes, for messages.
    pub numbers: &'static [Number],
    /// What else numbers must keep to; empty when nothing.
    pub besides: &'static str,
    /// Its map: shaped like the input, or `[n, 1, k', j', i']` of a layer (Grad-CAM).
    pub map: fn(&Question<'_>, &[f64], &mut Workspace) -> Result<Array>,
}

/// Every method. `deconvnet` and the like stand in the file of the method they vary.
pub static METHODS: &[&Method] = &[
    &grad_cam::METHOD,
    &gradient::METHOD,
    &gradient_x_input::METHOD,
    &guided_backprop::METHOD,
    &guided_backprop::DECONVNET,
    &guided_backprop::BETA_SMOOTH,
    &integrated_gradients::METHOD,
    &occlusion::METHOD,
    &occlusion_region::METHOD,
    &smooth_grad::METHOD,
    &smooth_grad::SQUARED,
];

/// A method with its numbers.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The method.
    pub method: &'static Method,
    /// Its numbers.
    pub numbers: Vec<f64>,
}

impl Chosen {
    /// By the name of the command line, for example `occlusion_w3_s2_zero`.
    pub fn named(word: &str) -> Option<Self> {
        METHODS
            .iter()
            .find_map(|method| (method.settings)(word).map(|numbers| Self { method, numbers }))
    }

    /// Why a word that begins as a method is none: the number that is wrong and what it can be.
    /// None for a word that begins as no method with numbers.
    pub fn refused(word: &str) -> Option<Error> {
        let begins =
            |m: &&&Method| word.strip_prefix(m.card.id).is_some_and(|r| r.starts_with('_'));
        let longest = METHODS.iter().filter(begins).max_by_key(|m| m.card.id.len());
        let method = longest.filter(|m| !m.numbers.is_empty())?;
        let parts = word[method.card.id.len() + 1..].split('_');
        let wrong = parts.into_iter().find_map(|part| {
            let given = |n: &&Number| part.starts_with(n.letter);
            let number = method.numbers.iter().find(given)?;
            let text = &part[number.letter.len()..];
            let sound = text.parse().is_ok_and(|v| number.allows(v));
            (!sound).then_some((number.letter, text))
        });
        let what = match wrong {
            Some(("", text)) => format!("{word}: the number is {text:?}"),
            Some((letter, text)) => format!("{word}: {letter} = {text:?}"),
            None => format!("{word}: no such numbers of {}", method.card.id),
        };
        let all = method.numbers.iter().map(Number::words);
        let besides = Some(method.besides.to_owned()).filter(|b| !b.is_empty());
        let fix: Vec<String> = all.chain(besides).collect();
        let fix = format!("{}; see heatproof list methods {}", fix.join(", "), method.card.id);
        Some(Error::usage("E-METHOD-003", what, fix))
    }

    /// Its map, made of as many samples at once as the memory holds.
    ///
    /// # Errors
    /// Those of the graph; [`crate::Error::Model`] `E-MODEL-005` for a start that does not
    /// fit; `E-METHOD-001` and `E-METHOD-002` for a method that cannot be used here.
    pub fn map(&self, of: &Question<'_>, ws: &mut Workspace) -> Result<Array> {
        let (n, few) = (of.x.shape()[0], of.at_once()?);
        if n <= few {
            return (self.method.map)(of, &self.numbers, ws);
        }
        let mut parts = Vec::new();
        for from in (0..n).step_by(few) {
            let to = (from + few).min(n);
            let (x, starts) = (of.x.rows(from, to)?, &of.starts[from..to]);
            let regions = of.regions.get(from..to).unwrap_or_default();
            let part = Question { x: &x, starts, regions, ..*of };
            parts.push((self.method.map)(&part, &self.numbers, ws)?);
        }
        blocks::stack(&parts.iter().collect::<Vec<_>>(), ws)
    }
}

/// The settings of a method without numbers.
fn plain(word: &str, names: &[&str]) -> Option<Vec<f64>> {
    names.contains(&word).then(Vec::new)
}

/// The number after `letter` in one of the `_`-separated parts of a word.
fn number(part: &str, letter: &str) -> Option<f64> {
    part.strip_prefix(letter)?.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_is_named_with_what_it_can_be() {
        for (word, said) in [
            ("occlusion_w0_s1_zero", ["w = \"0\"", "from 1 to 1024"]),
            ("occlusion_w2_s3_zero", ["no such numbers", "s at most w"]),
            ("occlusion_w2.5_s1", ["w = \"2.5\"", "whole"]),
            ("smooth_grad_n0", ["n = \"0\"", "from 1 to 10000"]),
            ("smooth_grad_n5_s-1", ["s = \"-1\"", "of at least 0"]),
            ("smooth_grad_squared_nx_s1", ["n = \"x\"", "list methods smooth_grad_squared"]),
            ("integrated_gradients_gausslegendre0", ["gausslegendre = \"0\"", "4096"]),
            ("beta_smooth_-1", ["the number is \"-1\"", "of at least 0"]),
        ] {
            assert!(Chosen::named(word).is_none(), "{word}");
            let error = Chosen::refused(word).expect(word).to_string();
            assert!(said.iter().all(|s| error.contains(s)), "{error}");
        }
        for word in ["gamma_0.25", "gradient_2", "occlusionw3", "occlusion_region_n"] {
            assert!(Chosen::refused(word).is_none(), "{word}");
        }
    }
}
