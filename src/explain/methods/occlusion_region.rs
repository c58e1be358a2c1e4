//! Occlusion by region: the score without an anatomical region.

use super::passes::falls;
use super::{Method, Question, Regions};
use crate::card::{Better, Card};
use crate::compute::{Array, five};
use crate::{Error, Result};

/// What this method says of itself.
pub static CARD: Card = Card {
    id: "occlusion_region",
    title: "occlusion by region",
    question: "How much does the score fall when a region is taken out of the image?",
    formula: "(f(x) − f(x with the region replaced)) / voxels of the region, at each of its voxels; replaced by 0 (occlusion_region_zero) or by the mean inside the mask (occlusion_region_mean); with _rest also the brain without a label",
    reading: "Summed over a region it is the fall of the score in its unit; large regions have a thin density.",
    misleads: "A hole in the shape of a region shows the region's shape, and the network never saw one; what two regions tell together is not seen.",
    source: "Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901; regions as in DeYoung et al. 2020, https://arxiv.org/abs/1911.03429",
    unit: "1",
    better: Better::Neither,
};

/// The method.
pub static METHOD: Method = Method {
    card: &CARD,
    settings,
    numbers: &[],
    besides: "",
    map: |of, numbers, _| map(of, numbers),
};

/// Whether the mean replaces a region, and whether the rest of the mask is one.
fn settings(word: &str) -> Option<Vec<f64>> {
    let rest = word.strip_prefix(CARD.id)?;
    let (rest, too) = rest.strip_suffix("_rest").map_or((rest, 0.0), |rest| (rest, 1.0));
    match rest {
        "" | "_zero" => Some(vec![0.0, too]),
        "_mean" => Some(vec![1.0, too]),
        _ => None,
    }
}

fn map(of: &Question<'_>, numbers: &[f64]) -> Result<Array> {
    let [n, c, k, j, i] = five(of.x, CARD.id)?;
    let voxels = k * j * i;
    let [mean, rest] = [0, 1].map(|at| numbers.get(at).is_some_and(|v| *v > 0.0));
    let regions = of.regions;
    if regions.len() != n || regions.iter().any(|r| r.labels.len() != voxels) {
        return Err(Error::usage(
            "E-METHOD-002",
            format!("{} label maps on the network's grid for {n} images", regions.len()),
            "Occlusion by region needs the label map of an image: --labels FILE.nii.gz",
        ));
    }
    // The label 0 stands for the rest of the mask.
    let mut labels: Vec<i32> = regions.iter().flat_map(Regions::present).collect();
    labels.sort_unstable();
    labels.dedup();
    if rest {
        labels.push(0);
    }
    let holds = |s: usize, label: i32, v: usize| {
        regions[s].labels[v] == label && (label != 0 || regions[s].inside[v])
    };
    let falls = falls(of, labels.len(), &|number, s, image| {
        for channel in image.chunks_mut(voxels) {
            let inside = || channel.iter().zip(&regions[s].inside).filter(|(_, m)| **m);
            let count = inside().count().max(1) as f64;
            let value = if mean { inside().map(|(v, _)| v).sum::<f64>() / count } else { 0.0 };
            let own = |v: &usize| holds(s, labels[number], *v);
            (0..voxels).filter(own).for_each(|v| channel[v] = value);
        }
    })?;
    let mut map = vec![0.0; n * c * voxels];
    for (s, image) in map.chunks_mut(c * voxels).enumerate() {
        for (label, fall) in labels.iter().zip(&falls) {
            let own: Vec<usize> = (0..voxels).filter(|v| holds(s, *label, *v)).collect();
            let density = fall[s] / (own.len() * c).max(1) as f64;
            for channel in image.chunks_mut(voxels) {
                own.iter().for_each(|&v| channel[v] = density);
            }
        }
    }
    let map = Array::from_vec(map, of.x.shape())?;
    crate::by_type!(of.x, T => map.cast::<T>())
}
