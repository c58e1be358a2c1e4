//! Augmentation: parameters are drawn, then applied; the same draw gives the same image.

use serde::{Deserialize, Serialize};

use crate::seed::{Seed, Stream};

/// How far images are varied; 0 everywhere leaves them as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Probability of exchanging left and right.
    pub flip: f64,
    /// Largest shift along each axis, whole voxels.
    pub shift: usize,
    /// Largest rotation about each axis, degrees.
    pub rotation_deg: f64,
    /// Largest change of size, as a share.
    pub scaling: f64,
    /// Largest change of contrast (factor on the values), as a share.
    pub gain: f64,
    /// Largest |ln exponent| of the intensity curve.
    pub gamma: f64,
    /// Standard deviation of the noise inside the brain, unit of the values.
    pub noise: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            flip: 0.0,
            shift: 2,
            rotation_deg: 0.0,
            scaling: 0.0,
            gain: 0.1,
            gamma: 0.1,
            noise: 0.05,
        }
    }
}

impl Augmentation {
    /// Leaves images as they are.
    pub const NONE: Self = Self {
        flip: 0.0,
        shift: 0,
        rotation_deg: 0.0,
        scaling: 0.0,
        gain: 0.0,
        gamma: 0.0,
        noise: 0.0,
    };

    /// Draws one variation. Every quantity is drawn whatever the settings, so that changing
    /// one does not shift the others.
    pub fn draw(&self, stream: &mut Stream) -> Draw {
        let flip = stream.chance(self.flip);
        let mut spread = |size: f64| size * stream.range(-1.0, 1.0);
        let most = self.shift as f64 + 0.5;
        let limit = self.shift as i64;
        let shift = [0; 3].map(|_: i64| (spread(most).round() as i64).clamp(-limit, limit));
        let rotation = [0.0; 3].map(|_: f64| spread(self.rotation_deg.to_radians()));
        let scale = 1.0 + spread(self.scaling);
        let gain = 1.0 + spread(self.gain);
        let gamma = spread(self.gamma).exp();
        Draw {
            flip,
            shift,
            rotation,
            scale,
            gain,
            gamma,
            noise: self.noise,
            key: Seed(stream.next_u64()),
        }
    }
}

/// One variation of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Left and right exchanged.
    pub flip: bool,
    /// Shift along i, j, k, voxels.
    pub shift: [i64; 3],
    /// Rotation about i, j, k through the centre, radians.
    pub rotation: [f64; 3],
    /// Factor of size.
    pub scale: f64,
    /// Factor on the values.
    pub gain: f64,
    /// Exponent of the intensity curve.
    pub gamma: f64,
    /// Standard deviation of the noise.
    pub noise: f64,
    /// Seed of the noise.
    pub key: Seed,
}

impl Draw {
    /// The image varied: `data` has `shape` voxels along i, j, k, i fastest, and is exactly 0
    /// outside the brain, where it stays exactly 0.
    pub fn apply(&self, shape: [usize; 3], data: &[f32]) -> Vec<f32> {
        let mut out = if self.rotation == [0.0; 3] && self.scale == 1.0 {
            self.moved(shape, data)
        } else {
            self.turned(shape, data)
        };
        self.curve(&mut out);
        if self.noise > 0.0 {
            let mut stream = self.key.stream("noise");
            for v in out.iter_mut().filter(|v| **v != 0.0) {
                *v += (self.noise * stream.normal()) as f32;
            }
        }
        out
    }

    /// Flip and whole-voxel shift: values are copied, none is interpolated.
    fn moved(&self, [ni, nj, nk]: [usize; 3], data: &[f32]) -> Vec<f32> {
        let from = |at: usize, shift: i64, n: usize| {
            let p = at as i64 - shift;
            (0..n as i64).contains(&p).then_some(p as usize)
        };
        let mut out = vec![0.0; data.len()];
        for k in 0..nk {
            for j in 0..nj {
                let (Some(sk), Some(sj)) = (from(k, self.shift[2], nk), from(j, self.shift[1], nj))
                else {
                    continue;
                };
                let row = &data[ni * (sj + nj * sk)..][..ni];
                let target = &mut out[ni * (j + nj * k)..][..ni];
                for (i, v) in target.iter_mut().enumerate() {
                    if let Some(si) = from(i, self.shift[0], ni) {
                        *v = row[if self.flip { ni - 1 - si } else { si }];
                    }
                }
            }
        }
        out
    }

    /// Everything geometric in one trilinear step. A voxel is brain where the nearest voxel
    /// is; background neighbours do not darken its rim.
    fn turned(&self, shape: [usize; 3], data: &[f32]) -> Vec<f32> {
        let centre = shape.map(|n| (n as f64 - 1.0) / 2.0);
        let m = self.inverse_matrix();
        let mut out = Vec::with_capacity(data.len());
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                for i in 0..shape[0] {
                    let at = [i, j, k];
                    let d: [f64; 3] =
                        std::array::from_fn(|a| at[a] as f64 - self.shift[a] as f64 - centre[a]);
                    let mut p: [f64; 3] = std::array::from_fn(|r| {
                        centre[r] + (0..3).map(|c| m[r][c] * d[c]).sum::<f64>()
                    });
                    if self.flip {
                        p[0] = shape[0] as f64 - 1.0 - p[0];
                    }
                    out.push(sample(shape, data, p));
                }
            }
        }
        out
    }

    /// (Rz·Ry·Rx)ᵀ / scale: from the varied image to the original.
    fn inverse_matrix(&self) -> [[f64; 3]; 3] {
        let [(sx, cx), (sy, cy), (sz, cz)] = self.rotation.map(f64::sin_cos);
        let forward = [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ];
        std::array::from_fn(|r| std::array::from_fn(|c| forward[c][r] / self.scale))
    }

    /// Gain and gamma between the darkest and the brightest value of the brain.
    fn curve(&self, data: &mut [f32]) {
        let brain = || data.iter().copied().filter(|v| *v != 0.0);
        let low = f64::from(brain().fold(f32::INFINITY, f32::min));
        let high = f64::from(brain().fold(f32::NEG_INFINITY, f32::max));
        if high <= low || (self.gain == 1.0 && self.gamma == 1.0) {
            return;
        }
        for v in data.iter_mut().filter(|v| **v != 0.0) {
            let share = ((f64::from(*v) - low) / (high - low)).clamp(0.0, 1.0);
            let bent = low + (high - low) * share.powf(self.gamma);
            *v = (self.gain * bent) as f32;
        }
    }
}

fn sample(shape: [usize; 3], data: &[f32], p: [f64; 3]) -> f32 {
    let inside = |q: [f64; 3]| -> Option<usize> {
        let fits = (0..3).all(|a| q[a] >= 0.0 && q[a] < shape[a] as f64);
        fits.then(|| q[0] as usize + shape[0] * (q[1] as usize + shape[1] * q[2] as usize))
    };
    if inside(p.map(|x| (x + 0.5).floor())).is_none_or(|at| data[at] == 0.0) {
        return 0.0;
    }
    let (low, mut sum, mut mass) = (p.map(f64::floor), 0.0, 0.0);
    for corner in 0..8 {
        let bit = [corner & 1, corner >> 1 & 1, corner >> 2 & 1].map(f64::from);
        let weight: f64 = (0..3)
            .map(|a| if bit[a] == 1.0 { p[a] - low[a] } else { 1.0 - p[a] + low[a] })
            .product();
        let value = inside(std::array::from_fn(|a| low[a] + bit[a])).map_or(0.0, |at| data[at]);
        if value != 0.0 {
            sum += weight * f64::from(value);
            mass += weight;
        }
    }
    if mass > 0.0 { (sum / mass) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [6, 7, 8];

    fn image() -> Vec<f32> {
        (0..336).map(|v| if v % 5 == 0 { 0.0 } else { (v as f32 * 0.37).sin() + 2.0 }).collect()
    }

    fn still() -> Draw {
        Augmentation::NONE.draw(&mut Seed(1).stream("a"))
    }

    #[test]
    fn nothing_drawn_changes_nothing_and_the_same_draw_gives_the_same() {
        assert_eq!(still().apply(SHAPE, &image()), image());
        let all =
            Augmentation { flip: 0.5, rotation_deg: 8.0, scaling: 0.1, ..Augmentation::default() };
        let draw = all.draw(&mut Seed(1).stream("b"));
        assert_eq!(draw.apply(SHAPE, &image()), draw.apply(SHAPE, &image()));
        assert_ne!(draw, all.draw(&mut Seed(1).stream("c")));
    }

    #[test]
    fn flips_and_shifts_move_voxels_whole() {
        let flipped = Draw { flip: true, ..still() };
        assert_eq!(flipped.apply(SHAPE, &flipped.apply(SHAPE, &image())), image());
        assert_eq!(flipped.apply(SHAPE, &image())[0], image()[5]);
        let shifted = Draw { shift: [1, -2, 0], ..still() }.apply(SHAPE, &image());
        assert_eq!(shifted[3 + 6 * 2], image()[2 + 6 * 4]);
        assert_eq!(shifted[0], 0.0);
    }

    #[test]
    fn a_quarter_turn_is_a_permutation_and_the_background_stays_0() {
        let shape = [5, 5, 3];
        let data: Vec<f32> = (0..75).map(|v| if v % 4 == 0 { 0.0 } else { v as f32 }).collect();
        let turn = Draw { rotation: [0.0, 0.0, std::f64::consts::FRAC_PI_2], ..still() };
        let mut four = data.clone();
        (0..4).for_each(|_| four = turn.apply(shape, &four));
        for (a, b) in four.iter().zip(&data) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
        let bent = Draw { gain: 1.1, gamma: 0.8, noise: 0.1, ..still() };
        for (a, b) in bent.apply(SHAPE, &image()).iter().zip(image()) {
            assert_eq!(*a == 0.0, b == 0.0);
        }
    }
}
