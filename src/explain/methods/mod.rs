//! What relevance propagation is compared with: gradients, modified gradients, averages
//! over paths and noise, occlusion, class activation. One file and one registry line each.

pub mod grad_cam;
pub mod gradient;
pub mod gradient_x_input;
pub mod guided_backprop;
pub mod integrated_gradients;
pub mod occlusion;
pub mod smooth_grad;

use super::start::Start;
use crate::Result;
use crate::card::Card;
use crate::compute::{Array, Workspace};
use crate::model::Graph;
use crate::seed::Seed;

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
}

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Its own description.
    pub card: &'static Card,
    /// The numbers a word of the command line gives it; none when the word is not for it.
    pub settings: fn(&str) -> Option<Vec<f64>>,
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

    /// Its map.
    ///
    /// # Errors
    /// Those of the graph; [`crate::Error::Model`] `E-MODEL-005` for a start that does not fit.
    pub fn map(&self, of: &Question<'_>, ws: &mut Workspace) -> Result<Array> {
        (self.method.map)(of, &self.numbers, ws)
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
