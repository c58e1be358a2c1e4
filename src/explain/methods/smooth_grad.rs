//! SmoothGrad and its squared variant: gradients averaged over noise.

use super::super::backward;
use super::passes::sum_of_gradients;
use super::{Method, Number, Question, number};
use crate::Result;
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace};

/// What SmoothGrad says of itself.
pub static CARD: Card = Card {
    id: "smooth_grad",
    title: "SmoothGrad",
    question: "What is the gradient on average over images with noise?",
    formula: "mean over n of df/dx(x + e), e normal with sd s · (max − min) of the sample; smooth_grad_n20_s0.1",
    reading: "As the gradient, with less grain.",
    misleads: "Explains the network around the image, not at it; depends on the noise.",
    source: "Smilkov et al. 2017, https://arxiv.org/abs/1706.03825",
    unit: "1",
    better: Better::Neither,
};

/// What the squared variant says of itself.
pub static SQUARED_CARD: Card = Card {
    id: "smooth_grad_squared",
    title: "SmoothGrad squared",
    question: "How strongly does the score react on average over images with noise?",
    formula: "mean over n of (df/dx(x + e))², as smooth_grad",
    reading: "Without sign.",
    misleads: "As SmoothGrad; large values dominate.",
    source: "Hooker et al. 2019, https://arxiv.org/abs/1806.10758",
    unit: "1",
    better: Better::Neither,
};

/// Draws, and the noise's standard deviation as a part of the sample's range.
const NUMBERS: &[Number] = &[
    Number { letter: "n", least: 1.0, most: 10_000.0, whole: true },
    Number { letter: "s", least: 0.0, most: f64::MAX, whole: false },
];

/// SmoothGrad.
pub static METHOD: Method = Method {
    card: &CARD,
    settings: |word| settings(word, &["smooth_grad", "smoothgrad"]),
    numbers: NUMBERS,
    besides: "both are given",
    map: |of, numbers, ws| map(of, numbers, false, ws),
};

/// Its squared variant.
pub static SQUARED: Method = Method {
    card: &SQUARED_CARD,
    settings: |word| settings(word, &["smooth_grad_squared", "smoothgrad_squared"]),
    numbers: NUMBERS,
    besides: "both are given",
    map: |of, numbers, ws| map(of, numbers, true, ws),
};

/// Draws and noise: `_n20_s0.1` after the name.
fn settings(word: &str, names: &[&str]) -> Option<Vec<f64>> {
    names.iter().find_map(|name| match word.strip_prefix(name)? {
        "" => Some(vec![20.0, 0.1]),
        rest => {
            let (n, s) = rest.strip_prefix("_")?.split_once('_')?;
            let n = number(n, "n").filter(|n| NUMBERS[0].allows(*n))?;
            Some(vec![n, number(s, "s")?])
        }
    })
}

fn map(of: &Question<'_>, numbers: &[f64], squared: bool, ws: &mut Workspace) -> Result<Array> {
    let &[draws, share] = numbers else { return backward::gradient(of, of.x, ws) };
    // The same noise for every sample: a map does not depend on the batch.
    let voxels = of.x.len() / of.x.shape()[0].max(1);
    let noise = |draw: usize| -> Vec<f64> {
        let mut stream = of.seed.stream(&format!("explain/smooth_grad/{draw}"));
        (0..voxels).map(|_| stream.normal()).collect()
    };
    let noisy = |noise: &Vec<f64>, sample: &[f64]| {
        let low = sample.iter().copied().fold(f64::INFINITY, f64::min);
        let high = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sd = share * (high - low);
        sample.iter().zip(noise).map(|(v, n)| v + sd * n).collect()
    };
    let part = |_: usize, g: f64| (if squared { g * g } else { g }) / draws;
    let map = sum_of_gradients(of, draws as usize, &noise, &noisy, &part, ws)?;
    let map = Array::from_vec(map, of.x.shape())?;
    crate::by_type!(of.x, T => map.cast::<T>())
}
