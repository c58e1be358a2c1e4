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
use crate::Result;
use crate::card::Card;
use crate::compute::{Array, Workspace, blocks};
use crate::model::Graph;
use crate::seed::Seed;

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
