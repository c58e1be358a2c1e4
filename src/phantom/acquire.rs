//! The scanner: gain, bias field and Rician noise.

use super::noise::Noise;
use crate::Result;
use crate::image::{Grid, Mask, Volume};
use crate::seed::Stream;

/// Standard deviation of the noise, relative to mean white matter, at its middle.
pub const NOISE: f64 = 0.03;
/// Length of a wave of the bias field (mm).
const BIAS_MM: f64 = 80.0;

/// Size of the scan-to-scan changes of brightness.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    gain: f64,
    noise: f64,
    bias: Noise,
    strength: f64,
    stream: Stream,
}

impl Scanner {
    /// One scan's settings; nothing here depends on the label.
    pub(crate) fn draw(mut stream: Stream) -> Self {
        Self {
            gain: 4.0 * (0.18 * stream.normal().clamp(-2.5, 2.5)).exp(),
            noise: 100.0 * NOISE * stream.range(0.7, 1.3),
            bias: Noise::new(stream.next_u64()),
            strength: stream.range(0.05, 0.2),
            stream,
        }
    }

    /// Scans a head. Voxels outside `seen` stay exactly 0, as after skull stripping. The
    /// noise of a voxel does not depend on the head: twins get the same.
    pub(crate) fn scan(&self, light: &Volume, seen: &Mask) -> Result<Volume> {
        let mut stream = self.stream.clone();
        let grid = light.grid().clone();
        let shape = grid.shape();
        let mut data = vec![0.0f32; grid.len()];
        for (at, value) in data.iter_mut().enumerate() {
            let (one, two) = (self.noise * stream.normal(), self.noise * stream.normal());
            if !seen.data()[at] {
                continue;
            }
            let voxel = [at % shape[0], at / shape[0] % shape[1], at / shape[0] / shape[1]];
            let true_light = f64::from(light.data()[at]) * self.bias_at(&grid, voxel);
            let measured = ((true_light + one).powi(2) + two.powi(2)).sqrt();
            // A brain voxel is never exactly 0, which means outside.
            *value = (self.gain * measured).max(1e-3) as f32;
        }
        Volume::new(grid, data)
    }

    fn bias_at(&self, grid: &Grid, voxel: [usize; 3]) -> f64 {
        let p = grid.to_world(voxel.map(|v| v as f64)).map(|v| (v / BIAS_MM) as f32);
        1.0 + self.strength * f64::from(self.bias.at(p))
    }
}
