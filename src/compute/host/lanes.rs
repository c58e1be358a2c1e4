//! The two inner loops of [`super::flat`] for x86-64 with AVX2 and fused multiply-add.
//! Elsewhere [`available`] is false and convolutions go through columns.
#![expect(unsafe_code, reason = "vector instructions on checked ranges")]

/// Numbers in a vector.
pub const LANES: usize = 8;
/// Output channels of a block: with three vectors each, and the operands, all 16 registers.
pub const ROWS: usize = 4;
/// Voxels of a tile.
pub const TILE: usize = 3 * LANES;
/// Neighbouring taps whose products are summed together.
pub const TAPS: usize = 3;

/// Whether this processor has the instructions.
#[cfg(target_arch = "x86_64")]
pub fn available() -> bool {
    std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma")
}

/// Whether this processor has the instructions.
#[cfg(not(target_arch = "x86_64"))]
pub fn available() -> bool {
    false
}

/// For each of [`ROWS`] rows `o` and [`TILE`] voxels `p`:
/// `start[o] + Σ_{channel, tap} w[channel, tap, o] · x[channel · len + from + taps[tap] + p]`.
///
/// # Panics
/// When a voxel lies outside `x`, or [`available`] is false (faults of ours).
pub fn weighted(
    x: &[f32],
    len: usize,
    from: usize,
    taps: &[usize],
    w: &[f32],
    start: [f32; ROWS],
) -> [[f32; TILE]; ROWS] {
    let most = taps.iter().copied().max().unwrap_or(0) + from + TILE;
    assert!(len > 0 && most <= len && x.len().is_multiple_of(len), "tile outside its channel");
    assert!(w.len() == x.len() / len * taps.len() * ROWS, "weights do not fit the channels");
    assert!(available(), "AVX2 kernels on another processor");
    let mut out = [[0.0; TILE]; ROWS];
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the processor has the instructions; every read is in range (above).
    unsafe {
        avx2::weighted(x, len, from, taps, w, start, &mut out);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, &mut out);
    out
}

/// Neighbouring windows of [`products`]: tap `t` starts at `x[at + t · step]`.
#[derive(Debug, Clone, Copy)]
pub struct Windows<'a> {
    /// All channels of a sample.
    pub x: &'a [f32],
    /// Where the first tap starts.
    pub at: usize,
    /// Distance between taps.
    pub step: usize,
    /// Number of taps, at most [`TAPS`].
    pub some: usize,
}

/// Gradients of [`products`]: row `o` is `dy[o · len + from..][..count]`.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// [`ROWS`] rows.
    pub dy: &'a [f32],
    /// Distance between rows.
    pub len: usize,
    /// First voxel.
    pub from: usize,
    /// Voxels, in whole vectors.
    pub count: usize,
}

/// `Σ_p dy[o, p] · x[t, p]` for each row `o` and tap `t`.
///
/// # Panics
/// As [`weighted`].
pub fn products(windows: Windows<'_>, rows: Rows<'_>) -> [[f32; TAPS]; ROWS] {
    let (Windows { x, at, step, some }, Rows { dy, len, from, count }) = (windows, rows);
    // Taps beyond `some` are read where the last one is and never used.
    let distance: [usize; TAPS] = std::array::from_fn(|t| at + t.min(some.max(1) - 1) * step);
    assert!(distance[TAPS - 1] + count <= x.len(), "window outside its sample");
    assert!((ROWS - 1) * len + from + count <= dy.len(), "gradient outside its block");
    assert!(count.is_multiple_of(LANES), "a part of a vector");
    assert!(available(), "AVX2 kernels on another processor");
    let mut out = [[0.0; TAPS]; ROWS];
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the processor has the instructions; every read is in range (above).
    unsafe {
        avx2::products(x, distance, &rows, &mut out);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = &mut out;
    out
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_storeu_ps,
    };

    use super::{LANES, ROWS, Rows, TAPS, TILE};

    /// # Safety
    /// AVX2 and FMA; ranges as checked by [`super::weighted`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn weighted(
        x: &[f32],
        len: usize,
        from: usize,
        taps: &[usize],
        w: &[f32],
        start: [f32; ROWS],
        out: &mut [[f32; TILE]; ROWS],
    ) {
        let mut sums = start.map(|s| [_mm256_set1_ps(s); TILE / LANES]);
        let mut weight = w.as_ptr();
        for channel in x.chunks_exact(len) {
            for tap in taps {
                // SAFETY: the tile at every tap lies in the channel, and there are ROWS
                // weights per channel and tap.
                unsafe {
                    let p = channel.as_ptr().add(from + tap);
                    let values: [_; TILE / LANES] = [
                        _mm256_loadu_ps(p),
                        _mm256_loadu_ps(p.add(LANES)),
                        _mm256_loadu_ps(p.add(2 * LANES)),
                    ];
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let factor = _mm256_broadcast_ss(&*weight.add(row));
                        for (sum, value) in sums.iter_mut().zip(values) {
                            *sum = _mm256_fmadd_ps(factor, value, *sum);
                        }
                    }
                    weight = weight.add(ROWS);
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.chunks_exact_mut(LANES).zip(sums) {
                // SAFETY: the chunk holds LANES numbers.
                unsafe { _mm256_storeu_ps(out.as_mut_ptr(), sum) };
            }
        }
    }

    /// # Safety
    /// AVX2 and FMA; ranges as checked by [`super::products`].
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn products(
        x: &[f32],
        distance: [usize; TAPS],
        &Rows { dy, len, from, count }: &Rows<'_>,
        out: &mut [[f32; TAPS]; ROWS],
    ) {
        let mut sums = [[_mm256_setzero_ps(); TAPS]; ROWS];
        for p in (0..count).step_by(LANES) {
            // SAFETY: `count` voxels from each tap and each row of gradients are in range.
            unsafe {
                let values = distance.map(|d| _mm256_loadu_ps(x.as_ptr().add(d + p)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let slope = _mm256_loadu_ps(dy.as_ptr().add(row * len + from + p));
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = _mm256_fmadd_ps(slope, value, *sum);
                    }
                }
            }
        }
        for (out, sums) in out.iter_mut().zip(sums) {
            for (out, sum) in out.iter_mut().zip(sums) {
                let mut parts = [0.0; LANES];
                // SAFETY: `parts` holds LANES numbers.
                unsafe { _mm256_storeu_ps(parts.as_mut_ptr(), sum) };
                *out = parts.iter().sum();
            }
        }
    }
}
