//! Smooth seeded noise in space: the same value for the same seed and place, whatever the
//! order of evaluation.

use super::shape::Point;

/// Gradient noise with one feature per unit of its coordinates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noise {
    seed: u32,
}

impl Noise {
    /// Noise of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed: (seed ^ (seed >> 32)) as u32 }
    }

    fn corner(self, cell: [i32; 3], offset: Point) -> f32 {
        let mut h = self.seed
            ^ (cell[0] as u32).wrapping_mul(0x8da6_b343)
            ^ (cell[1] as u32).wrapping_mul(0xd816_3841)
            ^ (cell[2] as u32).wrapping_mul(0xcb1a_b31f);
        h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
        h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
        h ^= h >> 15;
        // Twelve edge directions (Perlin 2002); four of them twice.
        let [x, y, z] = offset;
        let h = h & 15;
        let u = if h < 8 { x } else { y };
        let v = match h {
            0..=3 => y,
            12 | 14 => x,
            _ => z,
        };
        (if h & 1 == 0 { u } else { -u }) + (if h & 2 == 0 { v } else { -v })
    }

    /// Value at a place: about -1 to 1, mean 0, standard deviation about 0.28.
    pub(crate) fn at(self, p: Point) -> f32 {
        let base = p.map(f32::floor);
        let cell = base.map(|v| v as i32);
        let f = [p[0] - base[0], p[1] - base[1], p[2] - base[2]];
        let w = f.map(|t| t * t * t * (t * (t * 6.0 - 15.0) + 10.0));
        let mut sum = 0.0;
        for corner in 0..8usize {
            let bit = [corner & 1, corner >> 1 & 1, corner >> 2];
            let mut weight = 1.0;
            for a in 0..3 {
                weight *= if bit[a] == 1 { w[a] } else { 1.0 - w[a] };
            }
            let c: [i32; 3] = std::array::from_fn(|a| cell[a].wrapping_add(bit[a] as i32));
            let o: Point = std::array::from_fn(|a| f[a] - bit[a] as f32);
            sum += weight * self.corner(c, o);
        }
        sum
    }

    /// Two octaves, the second at half size and half strength.
    pub(crate) fn rough(self, p: Point) -> f32 {
        self.at(p) + 0.5 * self.at([2.0 * p[0] + 7.3, 2.0 * p[1] - 3.1, 2.0 * p[2] + 1.7])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_continuous_centred_and_depends_on_the_seed() {
        let (one, two) = (Noise::new(1), Noise::new(2));
        let place = |i: usize| {
            let t = i as f32;
            [t * 0.37, (t * 0.61).sin() * 9.0, t * 0.011 - 20.0]
        };
        let values: Vec<f32> = (0..4000).map(|i| one.at(place(i))).collect();
        let mean = values.iter().sum::<f32>() / 4000.0;
        let sd = (values.iter().map(|v| v * v).sum::<f32>() / 4000.0).sqrt();
        assert!(mean.abs() < 0.03 && (0.2..0.4).contains(&sd), "{mean} {sd}");
        assert!((one.at([0.9999, 2.3, 1.1]) - one.at([1.0001, 2.3, 1.1])).abs() < 1e-3);
        assert!((0..50).any(|i| (one.at(place(i)) - two.at(place(i))).abs() > 0.1));
    }
}
