//! Signed distance to a region of a label map, sampled smoothly.

use super::shape::Point;
use crate::image::Grid;

/// Entries of the table of moves for each multiple of the volume, and the largest multiple.
const PER_FACTOR: usize = 20;
const MOST: usize = 4;

/// Signed distance (mm) on a grid, negative inside the region.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    shape: [usize; 3],
    data: Vec<f32>,
    /// How far the surface lies from the region's own when it holds a multiple of its
    /// volume: entry `n` for `n / PER_FACTOR` times.
    moves: Vec<f32>,
}

impl Field {
    /// The distance to a region, or `None` when the region is empty or everything.
    pub(crate) fn new(grid: &Grid, inside: &[bool]) -> Option<Self> {
        let count = inside.iter().filter(|v| **v).count();
        if count == 0 || count == inside.len() {
            return None;
        }
        let shape = grid.shape();
        let spacing = grid.spacing_mm().map(|v| v as f32);
        let to = |want: bool| distance(shape, spacing, inside, want);
        let (out, own) = (to(true), to(false));
        // Squared distances run between voxel centres; the surface lies half way.
        let half = 0.25 * (spacing[0] + spacing[1] + spacing[2]) / 1.5;
        let data: Vec<f32> = out
            .iter()
            .zip(&own)
            .map(|(o, i)| if *o > 0.0 { o.sqrt() - half } else { half - i.sqrt() })
            .collect();
        let data = blurred(shape, &data);
        let mut sorted = data.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let level = |n: usize| sorted[(n * count / PER_FACTOR).min(sorted.len() - 1)];
        let moves = (0..=MOST * PER_FACTOR).map(|n| level(n) - level(PER_FACTOR)).collect();
        Some(Self { shape, data, moves })
    }

    /// How far (mm) the surface must move outwards for the region to hold `factor` times
    /// its volume.
    pub(crate) fn move_for(&self, factor: f32) -> f32 {
        let place = (factor.max(0.0) * PER_FACTOR as f32).min((MOST * PER_FACTOR) as f32 - 0.001);
        let (n, part) = (place as usize, place.fract());
        self.moves[n] * (1.0 - part) + self.moves[n + 1] * part
    }

    /// Distance and its gradient per voxel step at a fractional voxel position, held at
    /// the border outside the grid.
    pub(crate) fn at(&self, v: Point) -> (f32, Point) {
        let mut base = [0usize; 3];
        let mut f = [0.0f32; 3];
        for a in 0..3 {
            let c = v[a].clamp(0.0, (self.shape[a] - 1) as f32);
            base[a] = (c as usize).min(self.shape[a].saturating_sub(2));
            f[a] = c - base[a] as f32;
        }
        let (mut value, mut slope) = (0.0, [0.0; 3]);
        for corner in 0..8usize {
            let bit = [corner & 1, corner >> 1 & 1, corner >> 2];
            let at: [usize; 3] = std::array::from_fn(|a| (base[a] + bit[a]).min(self.shape[a] - 1));
            let d = self.data[at[0] + self.shape[0] * (at[1] + self.shape[1] * at[2])];
            let w: Point = std::array::from_fn(|a| if bit[a] == 1 { f[a] } else { 1.0 - f[a] });
            value += d * w[0] * w[1] * w[2];
            for a in 0..3 {
                let sign = if bit[a] == 1 { 1.0 } else { -1.0 };
                slope[a] += sign * d * w[(a + 1) % 3] * w[(a + 2) % 3];
            }
        }
        (value, slope)
    }
}

/// Mean over neighbours along each axis in turn, weights 1-2-1: takes the steps of the
/// label map off its surface.
fn blurred(shape: [usize; 3], data: &[f32]) -> Vec<f32> {
    let mut now = data.to_vec();
    let step = [1, shape[0], shape[0] * shape[1]];
    for axis in 0..3 {
        let last = now;
        now = (0..last.len())
            .map(|at| {
                let v = at / step[axis] % shape[axis];
                let low = if v > 0 { last[at - step[axis]] } else { last[at] };
                let high = if v + 1 < shape[axis] { last[at + step[axis]] } else { last[at] };
                0.25 * low + 0.5 * last[at] + 0.25 * high
            })
            .collect();
    }
    now
}

/// Squared distance (mm²) to the nearest voxel whose value is `want`: exact, axis by axis
/// (Felzenszwalb and Huttenlocher 2012).
fn distance(shape: [usize; 3], spacing: Point, inside: &[bool], want: bool) -> Vec<f32> {
    const FAR: f32 = 1e9;
    let mut data: Vec<f32> = inside.iter().map(|v| if *v == want { 0.0 } else { FAR }).collect();
    let step = [1, shape[0], shape[0] * shape[1]];
    for axis in 0..3 {
        let n = shape[axis];
        let mut line = vec![0.0; n];
        for start in 0..data.len() {
            if !(start / step[axis]).is_multiple_of(n) {
                continue;
            }
            for (i, value) in line.iter_mut().enumerate() {
                *value = data[start + i * step[axis]];
            }
            for (i, value) in envelope(&line, spacing[axis]).into_iter().enumerate() {
                data[start + i * step[axis]] = value;
            }
        }
    }
    data
}

/// Lower envelope of the parabolas over one line.
fn envelope(line: &[f32], spacing: f32) -> Vec<f32> {
    let s2 = spacing * spacing;
    let meet = |p: usize, q: usize| {
        let (x, y) = (p as f32, q as f32);
        ((line[q] + s2 * y * y) - (line[p] + s2 * x * x)) / (2.0 * s2 * (y - x))
    };
    let (mut hull, mut from) = (vec![0usize], vec![f32::NEG_INFINITY]);
    for q in 1..line.len() {
        let mut s = meet(hull[hull.len() - 1], q);
        while hull.len() > 1 && s <= from[from.len() - 1] {
            hull.pop();
            from.pop();
            s = meet(hull[hull.len() - 1], q);
        }
        hull.push(q);
        from.push(s);
    }
    let mut k = 0;
    (0..line.len())
        .map(|i| {
            while k + 1 < hull.len() && from[k + 1] < i as f32 {
                k += 1;
            }
            let away = (i as f32 - hull[k] as f32) * spacing;
            line[hull[k]] + away * away
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_moves_of_a_ball_are_those_of_the_ball() {
        let grid = Grid::centred([41, 41, 41], [1.0; 3]).expect("grid");
        let radius = 10.0;
        let away = |at: usize| {
            let p = grid.to_world([at % 41, at / 41 % 41, at / 1681].map(|v| v as f64));
            p.iter().map(|v| v * v).sum::<f64>().sqrt()
        };
        let inside: Vec<bool> = (0..grid.len()).map(|at| away(at) < radius).collect();
        let field = Field::new(&grid, &inside).expect("neither empty nor full");
        let (wider, thinner) = (field.move_for(1.331), field.move_for(0.729));
        assert!((wider - 1.0).abs() < 0.15 && (thinner + 1.0).abs() < 0.15, "{wider} {thinner}");
        assert!(field.move_for(1.0).abs() < 1e-4);
        let (d, slope) = field.at([34.0, 20.0, 20.0]);
        assert!((d - 4.0).abs() < 0.6 && (slope[0] - 1.0).abs() < 0.1, "{d} {slope:?}");
        // Six mm from the centre: the blur rounds the tip of the distance, not its flanks.
        assert!((field.at([26.0, 20.0, 20.0]).0 + 4.0).abs() < 0.6); // measured: -3.5
        assert!(Field::new(&grid, &vec![false; grid.len()]).is_none());
    }
}
