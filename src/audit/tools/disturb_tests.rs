use super::*;
use crate::seed::Seed;

/// Anisotropic, left-handed voxels: i to posterior, j to the left, k up.
fn grid() -> Grid {
    let affine = [[0.0, -1.5, 0.0, 20.0], [-1.0, 0.0, 0.0, 15.0], [0.0, 0.0, 3.0, -10.0]];
    Grid::new([24, 20, 10], affine).expect("grid")
}

fn at(grid: &Grid, v: usize) -> [f64; 3] {
    let [ni, nj, _] = grid.shape();
    [v % ni, v / ni % nj, v / (ni * nj)].map(|n| n as f64)
}

/// A brain all but the outer voxels, and a value from the place in the world.
fn head(value: impl Fn([f64; 3]) -> f64) -> (Vec<f32>, Mask) {
    let grid = grid();
    let deep = |v: usize| {
        let p = at(&grid, v);
        (0..3).all(|a| p[a] >= 2.0 && p[a] + 3.0 <= grid.shape()[a] as f64)
    };
    let inside: Vec<bool> = (0..grid.len()).map(deep).collect();
    let one = |v: usize| if inside[v] { value(grid.to_world(at(&grid, v))) as f32 } else { 0.0 };
    let data = (0..grid.len()).map(one).collect();
    (data, Mask::new(grid, inside).expect("mask"))
}

fn named(id: &str) -> &'static Disturbance {
    DISTURBANCES.iter().find(|d| d.id == id).expect("declared")
}

fn apply(id: &str, data: &[f32], mask: &Mask, strength: f64, draw: usize) -> Disturbed {
    let before = Before { data, grid: mask.grid(), mask, zero: Some(-50.0) };
    let stream = Seed(3).stream(&format!("test/{id}/{draw}"));
    named(id).apply(&before, strength, draw, stream).expect("disturbed")
}

#[test]
fn rician_noise_has_the_moments_that_rice_gave_it() {
    // Signal 60 above the scanner's 0, σ = 6: mean σ√(π/2)·L½(−50), second moment A² + 2σ².
    let (data, mask) = head(|_| 10.0);
    let noisy = apply("noise", &data, &mask, 10.0, 0);
    let inside: Vec<f64> = noisy
        .data
        .iter()
        .zip(mask.data())
        .filter(|(_, m)| **m)
        .map(|(v, _)| f64::from(*v) + 50.0)
        .collect();
    let n = inside.len() as f64;
    let mean = inside.iter().sum::<f64>() / n;
    let square = inside.iter().map(|v| v * v).sum::<f64>() / n;
    assert!((mean - 60.3).abs() < 0.5 && (square - 3672.0).abs() < 60.0, "{mean} {square}");
    let outside = noisy.data.iter().zip(mask.data()).filter(|(_, m)| !**m);
    assert!(outside.map(|(v, _)| *v).all(|v| v == 0.0));
    // A dark voxel cannot fall below the scanner's 0: its mean is σ√(π/2).
    let (data, mask) = head(|p| if p[0] > 0.0 { 70.0 } else { -50.0 });
    let noisy = apply("noise", &data, &mask, 10.0, 0);
    assert!(noisy.data.iter().all(|v| *v >= -50.0));
}

#[test]
fn a_bias_field_is_as_large_as_it_says_and_smooth() {
    let (data, mask) = head(|_| 50.0);
    let bent = apply("bias_field", &data, &mask, 5.0, 0);
    let share: Vec<f64> =
        bent.data.iter().zip(&data).map(|(b, x)| f64::from(b - x) / 100.0).collect();
    let most = share.iter().fold(0.0f64, |m, b| m.max(b.abs()));
    assert!((most - 0.05).abs() < 1e-6, "{most}");
    let kept = (1..share.len()).filter(|v| mask.data()[*v] && mask.data()[v - 1]);
    let step = kept.map(|v| (share[v] - share[v - 1]).abs()).fold(0.0, f64::max);
    assert!(step < 0.01, "{step}");
    let gain = |draw| apply("gain", &data, &mask, 1.25, draw).data;
    assert!(gain(0).iter().zip(&data).all(|(g, x)| *g == 1.25 * x));
    assert!(gain(1).iter().zip(&data).all(|(g, x)| (*g - x / 1.25).abs() < 1e-5));
}

#[test]
fn whole_voxels_are_carried_back_exactly_and_what_left_is_not_counted() {
    let (data, mask) = head(|p| 3.0 + p[0].sin() + p[1] * 0.1 + p[2]);
    for draw in 0..6 {
        let shifted = apply("shift_voxels", &data, &mask, 4.0, draw);
        assert!(shifted.moved() && shifted.data != data);
        let kept = shifted.in_view(&mask).expect("kept");
        let back = shifted.back(&shifted.data, mask.grid()).expect("back");
        let same = shifted.there_and_back(&data, mask.grid()).expect("map");
        assert!(kept.iter().all(|v| back[*v] == data[*v] && same[*v] == data[*v]));
        // Four voxels along one axis, of which two were free.
        let lost = mask.count() - kept.len();
        let faces = [16 * 6, 20 * 6, 20 * 16].map(|face| 2 * face);
        assert!(faces.contains(&lost), "{lost}");
    }
}

/// Linear ramps are interpolated exactly: where the head went can be read off them.
fn went(id: &str, strength: f64) -> Vec<([f64; 3], [f64; 3])> {
    let ramps: Vec<Disturbed> = (0..3)
        .map(|axis| {
            let (data, mask) = head(|p| 1000.0 + p[axis]);
            apply(id, &data, &mask, strength, 0)
        })
        .collect();
    let (data, mask) = head(|_| 1.0);
    let grid = mask.grid();
    let kept = apply(id, &data, &mask, strength, 0);
    let deep = |v: &usize| {
        let p = at(grid, *v);
        (0..3).all(|a| p[a] >= 6.0 && p[a] + 7.0 <= grid.shape()[a] as f64 || a == 2)
            && (4.0..=5.0).contains(&p[2])
    };
    let voxels = (0..data.len()).filter(deep).filter(|v| kept.data[*v] != 0.0);
    voxels
        .map(|v| {
            let from = [0, 1, 2].map(|a| f64::from(ramps[a].data[v]) - 1000.0);
            (from, grid.to_world(at(grid, v)))
        })
        .collect()
}

#[test]
fn millimetres_and_degrees_are_those_of_the_world_on_uneven_voxels() {
    for (from, to) in went("shift", 1.7) {
        let length = (0..3).map(|a| (to[a] - from[a]).powi(2)).sum::<f64>().sqrt();
        assert!((length - 1.7).abs() < 1e-3, "{length}");
    }
    let turned = went("rotation", 2.0);
    let (one, last) = (turned[0], turned[turned.len() - 1]);
    let apart = |a: [f64; 3], b: [f64; 3]| [0, 1, 2].map(|n| a[n] - b[n]);
    let (before, after) = (apart(one.0, last.0), apart(one.1, last.1));
    let size = |d: &[f64; 3]| dot(d, d).sqrt();
    assert!((size(&before) / size(&after) - 1.0).abs() < 1e-4, "lengths stay");
    let angle = |d: &[f64; 3], e: &[f64; 3]| (dot(d, e) / size(d) / size(e)).acos().to_degrees();
    let widest = turned
        .iter()
        .flat_map(|a| turned.iter().map(move |b| (a, b)))
        .filter(|(a, b)| size(&apart(a.1, b.1)) > 1.0)
        .map(|(a, b)| angle(&apart(a.0, b.0), &apart(a.1, b.1)))
        .fold(0.0, f64::max);
    assert!(widest < 2.01 && widest > 1.5, "{widest}");
    assert!(turned.iter().all(|(a, b)| size(&apart(*a, *b)) < 1.5), "about the centre");
}

#[test]
fn a_right_handed_turn_leaves_handedness_alone_and_the_rim_is_not_darkened() {
    let r = rotation([0.0, 0.0, 1.0], PI / 2.0);
    let turned = [0, 1, 2].map(|n| dot(&r[n], &[1.0, 0.0, 0.0]));
    assert!((turned[1] - 1.0).abs() < 1e-12 && turned[0].abs() < 1e-12, "right goes to anterior");
    let (data, mask) = head(|_| 7.0);
    for id in ["shift", "rotation", "registration"] {
        let moved = apply(id, &data, &mask, 1.3, 0);
        assert!(moved.data.iter().all(|v| *v == 0.0 || (*v - 7.0).abs() < 1e-4), "{id}");
    }
    let coarse = apply("resampling", &data, &mask, 6.0, 0);
    let near = |(v, m): (&f32, &bool)| (*v - if *m { 7.0 } else { 0.0 }).abs() < 1e-4;
    assert!(!coarse.moved() && coarse.data.iter().zip(mask.data()).all(near));
}

#[test]
fn strengths_ascend_and_no_strength_changes_nothing() {
    let (data, mask) = head(|p| p[0] * 0.3 + p[2]);
    for d in DISTURBANCES {
        let strengths = d.strengths(mask.grid());
        assert!(strengths.is_sorted_by(|a, b| a < b) && d.draws > 0, "{}", d.id);
        let none = match d.kind {
            Kind::Gain => 1.0,
            Kind::Resampling => 3.0,
            _ => 0.0,
        };
        let same = apply(d.id, &data, &mask, none, 0).data;
        let far = same.iter().zip(&data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-4, "{} {far}", d.id);
        let [_, usual, _] = strengths;
        assert_ne!(apply(d.id, &data, &mask, usual, 0).data, data, "{}", d.id);
    }
}
