//! Maps for which the answer of the test is known beforehand.
//!
//! What does not look at the network must not stand out: the edges of the image (Sobel), its
//! magnitude, a constant. What is made of the weights alone, the gradient, must be another under
//! each network. Its p is told without a limit: gradients of untrained networks hardly resemble
//! each other, so that none can stand out by less likeness, however much was learned; nor does it by
//! |R| alone in the sound worlds of the self-test. A test that gets one of these wrong says nothing
//! of the audited rule.

use super::ranked::{Ranked, Standard};
use crate::Result;
use crate::audit::arms::{Arm, Compared};
use crate::audit::bench::Bench;
use crate::audit::case::Case;
use crate::audit::checks::outcome;
use crate::audit::finding::{Cell, Column, Outcome, Table};
use crate::compute::Workspace;
use crate::model::Graph;
use crate::stats::permutation::{Tail, rank_p};

/// Name of the table with the p-value of other methods.
pub const ARMS: &str = "the same test of other methods";
/// Networks under which the methods of the table are made again: as many as p = 0.05 takes.
pub const FEW: usize = super::ranked::FEWEST;
/// Bytes for the passes of all networks that are made side by side.
const MEMORY: usize = 1 << 30;
/// Methods of the table, where they are arms of the audit.
const METHODS: [&str; 3] = ["gradient_x_input", "smooth_grad", "integrated_gradients"];

/// Magnitude of the Sobel gradient of an image `[i, j, k]`, i fastest: per axis the difference of
/// both neighbours, weighted 1, 2, 1 along the two other axes; the border is repeated.
pub fn sobel(shape: [usize; 3], image: &[f32]) -> Vec<f32> {
    let stride = [1, shape[0], shape[0] * shape[1]];
    let along = |values: &[f64], axis: usize, weights: [f64; 3]| -> Vec<f64> {
        let (n, step) = (shape[axis], stride[axis]);
        let at = |v: usize| {
            let place = v / step % n;
            let before = if place > 0 { v - step } else { v };
            let after = if place + 1 < n { v + step } else { v };
            weights[0] * values[before] + weights[1] * values[v] + weights[2] * values[after]
        };
        (0..values.len()).map(at).collect()
    };
    let image: Vec<f64> = image.iter().map(|v| f64::from(*v)).collect();
    let mut squares = vec![0.0; image.len()];
    for axis in 0..3 {
        let mut part = along(&image, axis, [-1.0, 0.0, 1.0]);
        for other in (0..3).filter(|other| *other != axis) {
            part = along(&part, other, [1.0, 2.0, 1.0]);
        }
        squares.iter_mut().zip(part).for_each(|(s, d)| *s += d * d);
    }
    squares.into_iter().map(|s| s.sqrt() as f32).collect()
}

/// A map per case that no network had a part in.
fn blind(bench: &Bench<'_>, map: impl Fn(&Case) -> Vec<f32>) -> Result<Standard> {
    Standard::of(bench, &bench.cases.iter().map(map).collect::<Vec<_>>())
}

/// The test of maps that are the same under the trained network and `draws` others.
fn of_blind(maps: &Standard, draws: usize) -> Outcome {
    Ranked::of(&vec![maps; draws + 1]).p_value()
}

/// `(quantity, p)` of the controls that no network had a part in: p must be 1.
///
/// A constant map has no rank order, and the test must refuse it. Then p is that of the same rank
/// test by equality of maps (1 where two are the same, else 0). Should the test give a number, it
/// is that number.
///
/// # Errors
/// Those of [`Standard::of`].
pub fn blind_controls(bench: &Bench<'_>) -> Result<Vec<(&'static str, Outcome)>> {
    let edges = blind(bench, |c| sobel(c.grid.shape(), &c.data))?;
    let image = blind(bench, |c| c.data.iter().map(|v| v.abs()).collect())?;
    let flat = blind(bench, |c| vec![1.0; c.data.len()])?;
    let constant = match of_blind(&flat, bench.draws) {
        Outcome::Unmeasurable { .. } => outcome(rank_p(1.0, &vec![1.0; bench.draws], Tail::Less)),
        number => number,
    };
    Ok(vec![
        ("control_sobel_p", of_blind(&edges, bench.draws)),
        ("control_image_p", of_blind(&image, bench.draws)),
        ("control_constant_p", constant),
    ])
}

/// The arms of the audit that the table tells of, with their own maps.
pub fn arms<'a>(bench: &'a Bench<'_>) -> Vec<&'a Compared> {
    let told =
        |arm: &&Compared| METHODS.contains(&arm.arm.chosen.method.card.id) && arm.maps.is_ok();
    bench.arms.iter().filter(told).collect()
}

/// The maps of arms under another network.
///
/// # Errors
/// Those of [`Bench::maps_within`].
pub fn drawn(
    bench: &Bench<'_>,
    arms: &[&Arm],
    net: &Graph,
    ws: &mut Workspace,
) -> Result<Vec<Standard>> {
    let one = MEMORY / rayon::current_num_threads();
    arms.iter().map(|arm| Standard::of(bench, &bench.maps_within(one, arm, net, ws)?)).collect()
}

/// A row per method with its p-values by sign and size, by sign, by size.
pub fn table(rows: &[(String, Ranked)]) -> Table {
    let names = ["method", "p", "p by sign", "p by size", "networks"];
    let cell = |outcome: Outcome| match outcome {
        Outcome::Measured { value, .. } => Cell::Number(value),
        Outcome::Unmeasurable { why } | Outcome::NotApplicable { why } => Cell::Missing(why),
    };
    let line = |(word, ranked): &(String, Ranked)| {
        vec![
            Cell::Text(word.clone()),
            cell(ranked.p_value()),
            cell(ranked.judged(&ranked.by_sign)),
            cell(ranked.judged(&ranked.by_size)),
            Cell::Number((ranked.by_both.len() - 1) as f64),
        ]
    };
    let column = |name: &str| Column { name: name.to_owned(), unit: String::new() };
    Table {
        name: ARMS.to_owned(),
        columns: names.map(column).to_vec(),
        rows: rows.iter().map(line).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sobel_of_a_plane_and_a_step_by_hand() {
        // x = 3i + 4k: differences of 6 and 8 times the weights (1 + 2 + 1)² = 16.
        let shape = [5, 4, 6];
        let at = |v: usize| [v % 5, v / 5 % 4, v / 20];
        let plane: Vec<f32> = (0..120).map(|v| (3 * at(v)[0] + 4 * at(v)[2]) as f32).collect();
        let edges = sobel(shape, &plane);
        for v in (0..120).filter(|v| (1..4).contains(&at(*v)[0]) && (1..5).contains(&at(*v)[2])) {
            assert_eq!(edges[v], 160.0);
        }
        assert!(sobel(shape, &[7.0; 120]).iter().all(|v| *v == 0.0));
        let step: Vec<f32> = (0..120).map(|v| f32::from(u8::from(at(v)[1] > 1))).collect();
        for (v, edge) in sobel(shape, &step).into_iter().enumerate() {
            assert_eq!(edge, if (1..3).contains(&at(v)[1]) { 16.0 } else { 0.0 });
        }
    }
}
