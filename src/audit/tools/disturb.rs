//! What should not matter: an image as another scan, another position in the scanner or
//! another pipeline would have given it.
//!
//! Every disturbance has a strength in its own unit and is drawn from a stream; the same
//! stream at another strength gives the same pattern, stronger or weaker. Places are world
//! millimetres (RAS+), so voxels may be anisotropic and axes may run anywhere.

use std::f64::consts::{PI, TAU};

use crate::Result;
use crate::image::crop::centre_of_mass;
use crate::image::{Grid, Mask, Volume, resample};
use crate::seed::Stream;

/// Plane waves whose sum is a bias field.
const WAVES: usize = 4;
/// Strengths of each disturbance, ascending.
pub const STRENGTHS: usize = 3;
/// Shortest and longest wave of a bias field, mm.
const WAVE_MM: [f64; 2] = [120.0, 240.0];

/// The image before.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Intensities as the network sees them, i fastest.
    pub data: &'a [f32],
    /// Their grid.
    pub grid: &'a Grid,
    /// The brain.
    pub mask: &'a Mask,
    /// The intensity that the scanner calls 0; the least inside the mask when nobody knows.
    pub zero: Option<f64>,
}

impl Before<'_> {
    /// The intensity that counts as 0.
    pub fn zero(&self) -> f64 {
        self.zero.unwrap_or_else(|| self.inside().fold(f64::INFINITY, f64::min))
    }

    fn inside(&self) -> impl Iterator<Item = f64> + '_ {
        let both = self.data.iter().zip(self.mask.data());
        both.filter(|(_, m)| **m).map(|(v, _)| f64::from(*v))
    }

    /// The values inside the mask changed, the others as they are.
    fn changed(&self, mut to: impl FnMut(usize, f64) -> f64) -> Vec<f32> {
        let both = self.data.iter().zip(self.mask.data()).enumerate();
        both.map(|(v, (x, m))| if *m { to(v, f64::from(*x)) as f32 } else { *x }).collect()
    }
}

/// What a disturbance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// √((x + n₁)² + n₂²) with normal n, x counted from the scanner's 0.
    Noise,
    /// x · (1 + b) with a smooth b, x counted from the scanner's 0.
    Bias,
    /// x · g on the network's scale: what is left of a gain when the scale of the intensities
    /// was estimated wrongly, as standardising takes the scanner's own gain out altogether.
    Gain,
    /// The head moved in any direction.
    Shift,
    /// The head moved along an axis of the grid by whole voxels: nothing is interpolated.
    Voxels,
    /// The head turned about any axis through its centre of mass.
    Rotation,
    /// The head in another registration: an affine map near the identity.
    Registration,
    /// Onto coarser voxels and back.
    Resampling,
}

/// A declared disturbance.
#[derive(Debug, Clone, Copy)]
pub struct Disturbance {
    /// Name as part of a quantity.
    pub id: &'static str,
    /// What its strength is, with the unit.
    pub strength: &'static str,
    /// What it does.
    pub kind: Kind,
    /// Strengths, ascending; see [`Disturbance::strengths`].
    strengths: [f64; STRENGTHS],
    /// Draws at each strength.
    pub draws: usize,
}

const fn declared(
    id: &'static str,
    strength: &'static str,
    kind: Kind,
    strengths: [f64; STRENGTHS],
    draws: usize,
) -> Disturbance {
    Disturbance { id, strength, kind, strengths, draws }
}

/// Which of the strengths is the usual one: what two scans of one subject on one day may
/// differ by.
pub const USUAL: usize = 1;

/// All disturbances. The middle strengths: a signal-to-noise ratio of 33; the bias that a
/// correction leaves; a twentieth of the intensity; 1 mm and 1°, as motion between two scans;
/// one voxel; 1 %, a millimetre at the rim of a head.
pub static DISTURBANCES: &[Disturbance] = &[
    declared("noise", "noise, % of the mean signal (100 / SNR)", Kind::Noise, [1.0, 3.0, 6.0], 2),
    declared("bias_field", "largest bias, %", Kind::Bias, [2.0, 5.0, 10.0], 2),
    declared("gain", "factor of intensity, or its inverse", Kind::Gain, [1.02, 1.05, 1.1], 2),
    declared("shift", "shift, mm", Kind::Shift, [0.5, 1.0, 2.0], 2),
    declared("shift_voxels", "shift, voxels", Kind::Voxels, [1.0, 2.0, 3.0], 2),
    declared("rotation", "rotation, degrees", Kind::Rotation, [0.5, 1.0, 2.0], 2),
    declared("registration", "stretch and shear, %", Kind::Registration, [0.5, 1.0, 2.0], 2),
    declared("resampling", "coarsest voxel on the way, mm", Kind::Resampling, [1.25, 1.5, 2.0], 1),
];

/// A disturbed image, and where the head went.
#[derive(Debug, Clone)]
pub struct Disturbed {
    /// Intensities on the same grid.
    pub data: Vec<f32>,
    /// The original voxels at their new places; none where nothing moved.
    moved: Option<Grid>,
}

impl Disturbance {
    /// Its strengths on a grid, ascending, in its unit.
    pub fn strengths(&self, grid: &Grid) -> [f64; STRENGTHS] {
        match self.kind {
            Kind::Resampling => self.strengths.map(|factor| factor * coarsest(grid)),
            _ => self.strengths,
        }
    }

    /// The image disturbed, by the `draw`-th draw of a stream of its own.
    ///
    /// # Errors
    /// Those of [`Grid::new`] for a strength beyond all measure, and of the resampling.
    pub fn apply(
        &self,
        before: &Before<'_>,
        strength: f64,
        draw: usize,
        mut stream: Stream,
    ) -> Result<Disturbed> {
        let still = |data: Vec<f32>| Ok(Disturbed { data, moved: None });
        match self.kind {
            Kind::Noise => still(noise(before, strength / 100.0, &mut stream)),
            Kind::Bias => still(bias(before, strength / 100.0, &mut stream)),
            Kind::Gain => {
                let factor = if draw.is_multiple_of(2) { strength } else { 1.0 / strength };
                still(before.data.iter().map(|x| (factor * f64::from(*x)) as f32).collect())
            }
            Kind::Resampling => still(coarsened(before, strength / coarsest(before.grid))?),
            Kind::Shift | Kind::Voxels | Kind::Rotation | Kind::Registration => {
                let way = way(self.kind, before, strength, &mut stream)?;
                let moved = Grid::new(before.grid.shape(), after(&way, before.grid.affine()))?;
                let brain = Mask::new(moved.clone(), before.mask.data().to_vec())?;
                let to = resample::resample_mask(&brain, before.grid)?;
                let data = carried(before.data, &brain, &to)?;
                Ok(Disturbed { data, moved: Some(moved) })
            }
        }
    }
}

impl Disturbed {
    /// Whether the head moved.
    pub fn moved(&self) -> bool {
        self.moved.is_some()
    }

    /// A map of the disturbed image at the original places, trilinear, 0 where the head left
    /// the grid.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for a map of another size.
    pub fn back(&self, map: &[f32], grid: &Grid) -> Result<Vec<f32>> {
        let Some(moved) = &self.moved else { return Ok(map.to_vec()) };
        let map = Volume::new(grid.clone(), map.to_vec())?;
        Ok(resample::resample(&map, moved, 0.0)?.into_data())
    }

    /// An unchanged map carried to the new places and back: what interpolation alone costs.
    ///
    /// # Errors
    /// As [`Disturbed::back`].
    pub fn there_and_back(&self, map: &[f32], grid: &Grid) -> Result<Vec<f32>> {
        let Some(moved) = &self.moved else { return Ok(map.to_vec()) };
        let map = Volume::new(moved.clone(), map.to_vec())?;
        self.back(resample::resample(&map, grid, 0.0)?.data(), grid)
    }

    /// Voxels of the brain that stayed in view, ascending.
    ///
    /// # Errors
    /// As [`Disturbed::back`].
    pub fn in_view(&self, mask: &Mask) -> Result<Vec<usize>> {
        let mut kept = mask.data().to_vec();
        if let Some(moved) = &self.moved {
            let brain = Mask::new(moved.clone(), kept.clone())?;
            let there = resample::resample_mask(&brain, mask.grid())?;
            let back = resample::resample_mask(&there, moved)?;
            kept.iter_mut().zip(back.data()).for_each(|(k, b)| *k &= *b);
        }
        Ok(kept.iter().enumerate().filter_map(|(v, k)| k.then_some(v)).collect())
    }
}

fn coarsest(grid: &Grid) -> f64 {
    grid.spacing_mm().into_iter().fold(0.0, f64::max)
}

fn noise(before: &Before<'_>, share: f64, stream: &mut Stream) -> Vec<f32> {
    let (zero, voxels) = (before.zero(), before.mask.count() as f64);
    let sigma = share * before.inside().map(|x| x - zero).sum::<f64>() / voxels;
    // Drawn for every voxel, so that a voxel's noise does not hang on the mask.
    let drawn: Vec<[f64; 2]> =
        before.data.iter().map(|_| [stream.normal(), stream.normal()]).collect();
    before.changed(|v, x| {
        let [one, two] = drawn[v].map(|n| sigma * n);
        zero + (x - zero + one).hypot(two)
    })
}

fn bias(before: &Before<'_>, most: f64, stream: &mut Stream) -> Vec<f32> {
    let wave = |_| {
        let length = stream.range(WAVE_MM[0], WAVE_MM[1]);
        (direction(stream).map(|d| TAU * d / length), stream.range(0.0, TAU))
    };
    let waves: Vec<([f64; 3], f64)> = (0..WAVES).map(wave).collect();
    let [ni, nj, _] = before.grid.shape();
    let field: Vec<f64> = (0..before.data.len())
        .map(|v| {
            let p = before.grid.to_world([v % ni, v / ni % nj, v / (ni * nj)].map(|n| n as f64));
            let one = |(k, phase): &([f64; 3], f64)| (dot(k, &p) + phase).cos();
            waves.iter().map(one).sum()
        })
        .collect();
    // Centred and scaled inside the brain: the strength is the largest bias there.
    let inside = || field.iter().zip(before.mask.data()).filter(|(_, m)| **m).map(|(b, _)| *b);
    let mean = inside().sum::<f64>() / before.mask.count() as f64;
    let peak = inside().map(|b| (b - mean).abs()).fold(f64::MIN_POSITIVE, f64::max);
    let zero = before.zero();
    before.changed(|v, x| zero + (x - zero) * (1.0 + most * (field[v] - mean) / peak))
}

/// A direction in space, all alike.
fn direction(stream: &mut Stream) -> [f64; 3] {
    loop {
        let d = [0; 3].map(|_: i32| stream.normal());
        let length = dot(&d, &d).sqrt();
        if length > 1e-6 {
            return d.map(|x| x / length);
        }
    }
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    (0..3).map(|n| a[n] * b[n]).sum()
}

/// From a place in the world to the place where it went.
fn way(
    kind: Kind,
    before: &Before<'_>,
    strength: f64,
    stream: &mut Stream,
) -> Result<[[f64; 4]; 3]> {
    let mut linear = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let mut step = [0.0; 3];
    match kind {
        Kind::Voxels => {
            let (axis, sign) = (stream.below(3), if stream.chance(0.5) { 1.0 } else { -1.0 });
            step = [0, 1, 2].map(|r| sign * strength * before.grid.affine()[r][axis]);
        }
        Kind::Shift => step = direction(stream).map(|d| strength * d),
        Kind::Rotation => linear = rotation(direction(stream), strength * PI / 180.0),
        _ => {
            for value in linear.iter_mut().flatten() {
                *value += strength / 100.0 * stream.range(-1.0, 1.0);
            }
        }
    }
    let centre = centre_of_mass(before.mask)?;
    Ok([0, 1, 2].map(|r| {
        let [a, b, c] = linear[r];
        [a, b, c, centre[r] - dot(&linear[r], &centre) + step[r]]
    }))
}

/// Rodrigues' formula: a turn about a unit axis by an angle (radians), right-handed.
fn rotation(axis: [f64; 3], angle: f64) -> [[f64; 3]; 3] {
    let ([x, y, z], (s, c)) = (axis, angle.sin_cos());
    let cross = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]];
    [0, 1, 2].map(|r| {
        [0, 1, 2].map(|k| {
            let same = f64::from(u8::from(r == k));
            c * same + s * cross[r][k] + (1.0 - c) * axis[r] * axis[k]
        })
    })
}

/// The affine of a grid whose voxels went the way.
fn after(way: &[[f64; 4]; 3], affine: &[[f64; 4]; 3]) -> [[f64; 4]; 3] {
    [0, 1, 2].map(|r| {
        [0, 1, 2, 3].map(|c| {
            let last = if c == 3 { way[r][3] } else { 0.0 };
            (0..3).map(|m| way[r][m] * affine[m][c]).sum::<f64>() + last
        })
    })
}

/// Values from one brain to another: inside it from brain alone, so that the background does
/// not darken its rim; outside from what lay outside.
fn carried(data: &[f32], from: &Mask, to: &Mask) -> Result<Vec<f32>> {
    let of = |keep: &dyn Fn(f32, bool) -> f32| -> Result<Vec<f32>> {
        let own = data.iter().zip(from.data()).map(|(x, m)| keep(*x, *m)).collect();
        let own = Volume::new(from.grid().clone(), own)?;
        Ok(resample::resample(&own, to.grid(), 0.0)?.into_data())
    };
    let inner = of(&|x, m| if m { x } else { 0.0 })?;
    let weight = of(&|_, m| f32::from(u8::from(m)))?;
    let outer = of(&|x, m| if m { 0.0 } else { x })?;
    let value = |v: usize| if weight[v] > 0.0 { inner[v] / weight[v] } else { 0.0 };
    Ok((0..inner.len()).map(|v| if to.data()[v] { value(v) } else { outer[v] }).collect())
}

/// Down to voxels coarser by a factor, about the same centre, and up again.
fn coarsened(before: &Before<'_>, factor: f64) -> Result<Vec<f32>> {
    let (shape, affine) = (before.grid.shape(), before.grid.affine());
    let coarse = shape.map(|n| (n as f64 / factor).ceil().max(1.0) as usize);
    let middle = before.grid.to_world(shape.map(|n| (n as f64 - 1.0) / 2.0));
    let half = coarse.map(|n| (n as f64 - 1.0) / 2.0);
    let wide = [0, 1, 2].map(|r| {
        let [a, b, c, _] = affine[r].map(|x| factor * x);
        [a, b, c, middle[r] - dot(&[a, b, c], &half)]
    });
    let wide = Grid::new(coarse, wide)?;
    let there = resample::resample_mask(before.mask, &wide)?;
    carried(&carried(before.data, before.mask, &there)?, &there, before.mask)
}

#[cfg(test)]
#[path = "disturb_tests.rs"]
mod tests;
