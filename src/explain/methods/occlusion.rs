//! Occlusion: the score without a window of the image.

use super::passes::falls;
use super::{Method, Number, Question, number};
use crate::card::{Better, Card};
use crate::compute::{Array, five};
use crate::{Error, Result};

/// What this method says of itself.
pub static CARD: Card = Card {
    id: "occlusion",
    title: "occlusion",
    question: "How much does the score fall when a window of the image is set to zero?",
    formula: "mean over the windows that hold the voxel of f(x) − f(x with the window 0); cubes of w voxels every s, cut at the border, all channels at once: occlusion_w8_s4_zero",
    reading: "In units of the score, without any assumption about the network.",
    misleads: "A hole is an image the network never saw; what two places tell together is not seen.",
    source: "Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901; windows as in Captum 0.9",
    unit: "1",
    better: Better::Neither,
};

/// Voxels of a window along each axis, and from one window to the next.
const NUMBERS: &[Number] = &[
    Number { letter: "w", least: 1.0, most: 1024.0, whole: true },
    Number { letter: "s", least: 1.0, most: 1024.0, whole: true },
];

/// The method.
pub static METHOD: Method = Method {
    card: &CARD,
    settings,
    numbers: NUMBERS,
    besides: "s at most w",
    map: |of, numbers, _| map(of, numbers),
};

fn settings(word: &str) -> Option<Vec<f64>> {
    let rest = word.strip_prefix("occlusion")?;
    let rest = rest.strip_suffix("_zero").unwrap_or(rest);
    if rest.is_empty() {
        return Some(vec![8.0, 4.0]);
    }
    let (w, s) = rest.strip_prefix('_')?.split_once('_')?;
    let (w, s) = (number(w, "w")?, number(s, "s")?);
    // A stride beyond the window would leave voxels that no window holds.
    let sound = NUMBERS[0].allows(w) && NUMBERS[1].allows(s) && s <= w;
    sound.then(|| vec![w, s])
}

/// Starts and ends of the windows along an axis; the last may be cut by the border.
fn windows(extent: usize, window: usize, stride: usize) -> Vec<(usize, usize)> {
    let steps = extent.saturating_sub(window).div_ceil(stride) + 1;
    (0..steps).map(|n| (n * stride, (n * stride + window).min(extent))).collect()
}

fn map(of: &Question<'_>, numbers: &[f64]) -> Result<Array> {
    let &[w, s] = numbers else { return Err(Error::internal("occlusion without a window")) };
    let [n, c, k, j, i] = five(of.x, "occlusion")?;
    let along = [k, j, i].map(|extent| windows(extent, w as usize, s as usize));
    let places: Vec<[(usize, usize); 3]> = along[0]
        .iter()
        .flat_map(|a| along[1].iter().flat_map(move |b| [(*a, *b)]))
        .flat_map(|(a, b)| along[2].iter().map(move |c| [a, b, *c]))
        .collect();
    let falls = falls(of, places.len(), &|number, _, image| {
        for channel in image.chunks_mut(k * j * i) {
            each(places[number], [j, i], |v| channel[v] = 0.0);
        }
    })?;
    let mut map = vec![0.0; n * c * k * j * i];
    let mut held = vec![0.0; k * j * i];
    for (place, fall) in places.iter().zip(&falls) {
        each(*place, [j, i], |v| held[v] += 1.0);
        for (channel, values) in map.chunks_mut(k * j * i).enumerate() {
            each(*place, [j, i], |v| values[v] += fall[channel / c]);
        }
    }
    for values in map.chunks_mut(k * j * i) {
        values.iter_mut().zip(&held).for_each(|(v, h)| *v /= h);
    }
    let map = Array::from_vec(map, of.x.shape())?;
    crate::by_type!(of.x, T => map.cast::<T>())
}

/// Calls with the place of every voxel of a window.
fn each(window: [(usize, usize); 3], [j, i]: [usize; 2], mut call: impl FnMut(usize)) {
    let [ks, js, is] = window.map(|(from, to)| from..to);
    for a in ks {
        for b in js.clone() {
            let row = (a * j + b) * i;
            (row + is.start..row + is.end).for_each(&mut call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_voxel_and_are_cut_at_the_border() {
        assert_eq!(windows(12, 3, 2), [(0, 3), (2, 5), (4, 7), (6, 9), (8, 11), (10, 12)]);
        assert_eq!(windows(2, 3, 2), [(0, 2)]);
        assert_eq!(settings("occlusion_w3_s2_zero"), Some(vec![3.0, 2.0]));
        assert_eq!(settings("occlusion_w2_s3"), None);
    }
}
