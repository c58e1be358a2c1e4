//! The inner loops of convolutions: a tile of output voxels for a block of channels at a time.
//!
//! Each is one generic body, compiled for every set of instructions and block height; the
//! tables [`Kernels`] hand out what fits. A sum is made in the order channel, tap, so that it
//! does not depend on the tile it falls into; with fused multiply-add it is the same number for
//! every vector length.
#![expect(
    clippy::needless_range_loop,
    reason = "sums stay in registers only when counted loops index them"
)]
#![expect(unsafe_code, reason = "bodies compiled for instructions that are detected at run time")]

use super::isa::Isa;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};

/// Vectors of a tile of a full block: with its rows, and the operands, all registers.
pub const WIDTH: usize = 3;
/// Taps whose products are summed together.
pub const TAPS: usize = 3;
/// Most numbers of a tile of one channel.
pub const MOST: usize = WIDEST * 16;
/// Vectors of the widest tile, that of a single row.
const WIDEST: usize = 8;
/// Most channels of a block.
pub const ROWS: usize = 8;

/// Numbers of a channel that a block makes before they are copied to their places.
pub const SHEET: usize = 384;

/// Room for what a block makes: rows of [`SHEET`] numbers.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub struct Sheet(pub [f32; ROWS * SHEET]);

impl Default for Sheet {
    fn default() -> Self {
        Self([0.0; ROWS * SHEET])
    }
}

/// Room for a tile of a block, on a line of the cache.
#[derive(Debug, Clone)]
#[repr(align(64))]
pub struct Room(pub [f32; ROWS * WIDTH * 16]);

impl Default for Room {
    fn default() -> Self {
        Self([0.0; ROWS * WIDTH * 16])
    }
}

/// The part of a buffer that begins on a line of the cache: loads that cross lines cost twice.
pub fn aligned(buffer: &mut [f32]) -> &mut [f32] {
    let skip = buffer.as_ptr().align_offset(64).min(buffer.len());
    &mut buffer[skip..]
}

/// A length of at least `numbers` that is an odd number of cache lines: rows so far apart do not
/// fall into the same few sets of the cache.
pub fn odd_lines(numbers: usize) -> usize {
    let lines = numbers.div_ceil(16);
    (lines + usize::from(lines.is_multiple_of(2))) * 16
}

/// Numbers to ask for beyond those used, so that [`aligned`] has room.
pub const ALIGNMENT: usize = 16;

/// What [`Kernels::weighted`] sums: for every row m and voxel p of the tile
/// `start[m] + Σ_{channel, tap} weights[channel, tap, m] · x[at + channel · step + tap + p]`.
#[derive(Debug, Clone, Copy)]
pub struct Weighted<'a> {
    /// Padded planes of all input channels.
    pub x: &'a [f32],
    /// Where the tile begins.
    pub at: usize,
    /// Distance between channels.
    pub step: usize,
    /// Input channels.
    pub inputs: usize,
    /// Distances of the taps; of the first of three neighbours each, for a kernel of runs.
    pub taps: &'a [usize],
    /// Weights as they are used.
    pub weights: &'a [f32],
    /// What every row begins with.
    pub start: &'a [f32],
    /// Taps whose products are summed before they are added to the sum of those before: a long
    /// chain of additions rounds more than several short ones.
    pub part: usize,
    /// Whether negative sums become 0.
    pub rectify: bool,
    /// Distance between rows of what is written.
    pub to_step: usize,
}

/// What [`Kernels::products`] sums: `Σ_p dy[row · dy_step + p] · x[taps[t] + p]` over `count`
/// numbers of each of `planes` planes.
#[derive(Debug, Clone, Copy)]
pub struct Products<'a> {
    /// Padded planes.
    pub x: &'a [f32],
    /// Where each tap begins.
    pub taps: [usize; TAPS],
    /// Gradients between zeros.
    pub dy: &'a [f32],
    /// Distance between rows of gradients.
    pub dy_step: usize,
    /// Numbers, whole vectors.
    pub count: usize,
    /// Planes.
    pub planes: usize,
    /// Distance between planes, of `x` and of `dy`.
    pub plane_steps: [usize; 2],
}

/// A body of [`Kernels::weighted`]: writes rows of whole vectors.
pub type WeightedBody = unsafe fn(&Weighted<'_>, &mut [f32]);
/// A body of [`Kernels::products`].
pub type ProductsBody = unsafe fn(&Products<'_>, &mut [[f32; TAPS]; ROWS]);

#[inline(always)]
unsafe fn weighted<S: Simd, const M: usize, const N: usize, const RUN: usize>(
    t: &Weighted<'_>,
    out: &mut [f32],
) {
    // SAFETY: the caller has the instructions and ranges that fit (asserted in debug builds).
    unsafe {
        debug_assert!(M <= t.start.len());
        let (mut from, mut tap, mut w) = (t.at, 0, 0);
        let mut left = t.inputs * t.taps.len();
        let mut first = true;
        loop {
            let mut sums = [[S::splat(0.0); N]; M];
            if first {
                for m in 0..M {
                    sums[m] = [S::splat(*t.start.get_unchecked(m)); N];
                }
            }
            let some = left.min(t.part);
            for _ in 0..some {
                debug_assert!(tap < t.taps.len() && w + M * RUN <= t.weights.len());
                let at = from + *t.taps.get_unchecked(tap);
                for run in 0..RUN {
                    let mut values = [S::splat(0.0); N];
                    for n in 0..N {
                        values[n] = S::load(t.x, at + run + n * S::LANES);
                    }
                    for m in 0..M {
                        let weight = S::splat(*t.weights.get_unchecked(w + m));
                        for n in 0..N {
                            sums[m][n] = S::fma(weight, values[n], sums[m][n]);
                        }
                        for n in 0..N {
                            sums[m][n] = S::settled(sums[m][n]);
                        }
                    }
                    w += M;
                }
                tap += 1;
                if tap == t.taps.len() {
                    (tap, from) = (0, from + t.step);
                }
            }
            left -= some;
            if !first {
                for m in 0..M {
                    for n in 0..N {
                        let before = S::load(out, m * t.to_step + n * S::LANES);
                        sums[m][n] = S::add(before, sums[m][n]);
                    }
                }
            }
            if t.rectify && left == 0 {
                for m in 0..M {
                    for n in 0..N {
                        sums[m][n] = S::max(sums[m][n], S::splat(0.0));
                    }
                }
            }
            for m in 0..M {
                for n in 0..N {
                    S::store(out, m * t.to_step + n * S::LANES, sums[m][n]);
                }
            }
            if left == 0 {
                break;
            }
            first = false;
        }
    }
}

#[inline(always)]
unsafe fn products<S: Simd, const M: usize>(t: &Products<'_>, out: &mut [[f32; TAPS]; ROWS]) {
    // SAFETY: as in `weighted`.
    unsafe {
        let mut sums = [[S::splat(0.0); TAPS]; M];
        for plane in 0..t.planes {
            let (x, dy) = (plane * t.plane_steps[0], plane * t.plane_steps[1]);
            let mut p = 0;
            while p < t.count {
                let mut values = [S::splat(0.0); TAPS];
                for n in 0..TAPS {
                    values[n] = S::load(t.x, t.taps[n] + x + p);
                }
                for m in 0..M {
                    let slope = S::load(t.dy, m * t.dy_step + dy + p);
                    for n in 0..TAPS {
                        sums[m][n] = S::fma(slope, values[n], sums[m][n]);
                    }
                    for n in 0..TAPS {
                        sums[m][n] = S::settled(sums[m][n]);
                    }
                }
                p += S::LANES;
            }
        }
        let mut m = 0;
        while m + 4 <= M {
            for n in 0..TAPS {
                let four = S::sums([sums[m][n], sums[m + 1][n], sums[m + 2][n], sums[m + 3][n]]);
                for o in 0..4 {
                    out[m + o][n] = four[o];
                }
            }
            m += 4;
        }
        while m < M {
            for n in 0..TAPS {
                out[m][n] = S::sum(sums[m][n]);
            }
            m += 1;
        }
    }
}

/// The kernels of one set of instructions.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    /// The set.
    pub isa: Isa,
    /// Numbers in a vector.
    pub lanes: usize,
    /// Most output channels of a block.
    pub rows: usize,
}

/// Functions of one set: the bodies under its instructions, and a table of them.
macro_rules! kernels {
    ($module:ident, $simd:ty, [$($rows:literal: $($width:literal)*;)*], $(#[$feature:meta])?) => {
        mod $module {
            use super::*;

            $(#[$feature])?
            unsafe fn weighted_here<const M: usize, const N: usize, const RUN: usize>(
                t: &Weighted<'_>,
                out: &mut [f32],
            ) {
                // SAFETY: the caller's contract.
                unsafe { weighted::<$simd, M, N, RUN>(t, out) }
            }

            $(#[$feature])?
            unsafe fn products_here<const M: usize>(
                t: &Products<'_>,
                out: &mut [[f32; TAPS]; ROWS],
            ) {
                // SAFETY: the caller's contract.
                unsafe { products::<$simd, M>(t, out) }
            }

            pub fn weighted_body(rows: usize, width: usize, runs: bool) -> Option<WeightedBody> {
                match (rows, width, runs) {
                    $($(
                        ($rows, $width, false) => Some(weighted_here::<$rows, $width, 1>),
                        ($rows, $width, true) => Some(weighted_here::<$rows, $width, TAPS>),
                    )*)*
                    _ => None,
                }
            }

            pub fn products_body(rows: usize) -> Option<ProductsBody> {
                match rows {
                    $($rows => Some(products_here::<$rows>),)*
                    _ => None,
                }
            }
        }
    };
}

kernels!(portable, Portable, [
    1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6; 3: 1 2 3; 4: 1 2 3;
],);
#[cfg(target_arch = "x86_64")]
kernels!(avx2, Avx2, [
    1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5; 3: 1 2 3; 4: 1 2 3;
], #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
kernels!(
    avx512,
    Avx512,
    [
        1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6; 3: 1 2 3 4; 4: 1 2 3; 5: 1 2 3; 6: 1 2 3; 7: 1 2 3;
        8: 1 2 3;
    ],
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
);

impl Kernels {
    /// Those of a set, or of the portable one where the processor lacks it.
    pub fn of(isa: Isa) -> Self {
        let isa = if isa.available() { isa } else { Isa::Portable };
        let (lanes, rows) = match isa {
            Isa::Portable => (Portable::LANES, Portable::ROWS),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => (Avx2::LANES, Avx2::ROWS),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => (Avx512::LANES, Avx512::ROWS),
            #[cfg(not(target_arch = "x86_64"))]
            _ => (Portable::LANES, Portable::ROWS),
        };
        Self { isa, lanes, rows }
    }

    /// Rows of a block when `channels` are cut into blocks as even as can be.
    pub fn block(&self, channels: usize) -> usize {
        channels.div_ceil(channels.div_ceil(self.rows).max(1)).max(1)
    }

    /// The kernel for a block of `rows` and a tile of `width` vectors; with `runs`, taps come
    /// as three neighbours each.
    ///
    /// # Panics
    /// For a block or tile it has not (a fault of ours).
    pub fn weighted(&self, rows: usize, width: usize, runs: bool) -> WeightedBody {
        let body = match self.isa {
            Isa::Portable => portable::weighted_body(rows, width, runs),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::weighted_body(rows, width, runs),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::weighted_body(rows, width, runs),
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable::weighted_body(rows, width, runs),
        };
        body.unwrap_or_else(|| panic!("no kernel of {rows} rows and {width} vectors"))
    }

    /// The kernel for a block of `rows`.
    ///
    /// # Panics
    /// For a block it has not (a fault of ours).
    pub fn products(&self, rows: usize) -> ProductsBody {
        let body = match self.isa {
            Isa::Portable => portable::products_body(rows),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::products_body(rows),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::products_body(rows),
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable::products_body(rows),
        };
        body.unwrap_or_else(|| panic!("no kernel of {rows} rows"))
    }

    /// Calls `visit(first vector, vectors)` for the tiles that `vectors` are cut into, for
    /// blocks of `rows`: few rows have wide tiles, so that enough sums are under way at once.
    pub fn tiles(
        &self,
        rows: usize,
        vectors: std::ops::Range<usize>,
        mut visit: impl FnMut(usize, usize),
    ) {
        // Sums, the values of a row and a weight are all in registers: AVX2 has sixteen.
        let most = match (rows, self.isa) {
            (1, _) => WIDEST,
            (2, Isa::Avx2) => 5,
            (2, _) => 6,
            (3, Isa::Avx512) => 4,
            _ => WIDTH,
        };
        let mut at = vectors.start;
        while at < vectors.end {
            let left = vectors.end - at;
            let width = if left <= most { left } else { most.min(left.div_ceil(2)) };
            visit(at, width);
            at += width;
        }
    }
}
