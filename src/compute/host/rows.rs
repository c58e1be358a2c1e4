//! The row transforms of Winograd's minimal filtering F(2×2, 3×3) over planes and rows; voxels
//! along i stay as they are, so that every transform is additions of whole rows.
//!
//! Source: Lavin and Gray 2015, <https://arxiv.org/abs/1509.09308>. Along one axis, with four
//! inputs d, three weights g and two outputs y:
//! `y = Aᵀ [(G g) ⊙ (Bᵀ d)]`, `Bᵀ d = (d0 − d2, d1 + d2, d2 − d1, d1 − d3)`,
//! `G g = (g0, (g0 + g1 + g2) / 2, (g0 − g1 + g2) / 2, g2)`,
//! `Aᵀ m = (m0 + m1 + m2, m1 − m2 − m3)`.
#![expect(
    clippy::needless_range_loop,
    reason = "sums stay in registers only when counted loops index them"
)]
#![expect(unsafe_code, reason = "bodies compiled for instructions that are detected at run time")]

use super::isa::Isa;
use super::kernels::{Kernels, ROWS, Room, WIDTH};
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd, Single};

/// Positions of the transformed domain.
pub const POSITIONS: usize = 16;

/// Sixteen rows of four planes by four rows.
pub type Sources<'a> = [&'a [f32]; POSITIONS];

/// `Bᵀ d` of four values.
macro_rules! before {
    ($d:expr) => {
        [S::sub($d[0], $d[2]), S::add($d[1], $d[2]), S::sub($d[2], $d[1]), S::sub($d[1], $d[3])]
    };
}

/// `Aᵀ m` of four values.
macro_rules! after {
    ($m:expr) => {
        [S::add(S::add($m[0], $m[1]), $m[2]), S::sub(S::sub($m[1], $m[2]), $m[3])]
    };
}

/// Whether vectors of a set cover a row: the last one may overlap the one before it.
fn covers<S: Simd>(len: usize) -> bool {
    len >= S::LANES
}

/// Transforms `len` numbers of sixteen rows; position p goes to `to[p · step..]`.
#[inline(always)]
unsafe fn spread<S: Simd>(rows: &Sources<'_>, len: usize, to: &mut [f32], step: usize) {
    let mut next = 0;
    while next < len {
        let q = next.min(len - S::LANES);
        // SAFETY: the caller has the instructions and rows that hold the range.
        unsafe {
            let mut half = [[S::splat(0.0); 4]; 4];
            for row in 0..4 {
                let plane = [
                    S::load(rows[row], q),
                    S::load(rows[4 + row], q),
                    S::load(rows[8 + row], q),
                    S::load(rows[12 + row], q),
                ];
                let plane = before!(plane);
                for a in 0..4 {
                    half[a][row] = plane[a];
                }
            }
            for a in 0..4 {
                let whole = before!(half[a]);
                for b in 0..4 {
                    S::store(to, (a * 4 + b) * step + q, whole[b]);
                }
            }
        }
        next += S::LANES;
    }
}

/// Transforms tiles of `rows` channels and `width` vectors back, adds the bias.
#[inline(always)]
unsafe fn collect<S: Simd>(
    positions: &[Room; POSITIONS],
    rows: usize,
    width: usize,
    bias: &[f32],
    rectify: bool,
    (out, quarter, step): (&mut [f32], usize, usize),
) {
    for row in 0..rows {
        for n in 0..width {
            let at = (row * width + n) * S::LANES;
            // SAFETY: the caller has the instructions; tiles hold `rows · width` vectors.
            unsafe {
                let start = S::splat(bias[row]);
                let mut half = [[S::splat(0.0); 4]; 2];
                for b in 0..4 {
                    let plane = [
                        S::load(&positions[b].0, at),
                        S::load(&positions[4 + b].0, at),
                        S::load(&positions[8 + b].0, at),
                        S::load(&positions[12 + b].0, at),
                    ];
                    let plane = after!(plane);
                    half[0][b] = plane[0];
                    half[1][b] = plane[1];
                }
                for a in 0..2 {
                    let both = after!(half[a]);
                    for b in 0..2 {
                        let mut value = S::add(both[b], start);
                        if rectify {
                            value = S::max(value, S::splat(0.0));
                        }
                        let to = (a * 2 + b) * quarter + row * step + n * S::LANES;
                        S::store(out, to, value);
                    }
                }
            }
        }
    }
}

/// `to[q] = Σ sign · row[q]` for one, two or four rows.
#[inline(always)]
unsafe fn combine<S: Simd, const K: usize>(
    rows: &[&[f32]; K],
    signs: &[f32; K],
    from: usize,
    len: usize,
    to: &mut [f32],
) {
    let mut next = 0;
    while next < len {
        let q = next.min(len - S::LANES);
        // SAFETY: the caller has the instructions and rows that hold the range.
        unsafe {
            let mut sum = S::splat(0.0);
            for n in 0..K {
                // A sign times a number is exact.
                sum = S::fma(S::splat(signs[n]), S::load(rows[n], from + q), sum);
            }
            S::store(to, q, sum);
        }
        next += S::LANES;
    }
}

/// Lines of several rows, a fixed distance apart.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// How many.
    pub count: usize,
    /// Distance between lines of the sources.
    pub from_step: usize,
    /// Distance between lines of the target.
    pub to_step: usize,
    /// Numbers of a line.
    pub len: usize,
}

macro_rules! bodies {
    ($module:ident, [$simd:ty $(, $smaller:ty)*], $(#[$feature:meta])?) => {
        mod $module {
            use super::*;

            $(#[$feature])?
            pub unsafe fn spread(rows: &Sources<'_>, len: usize, to: &mut [f32], step: usize) {
                // SAFETY: the caller's contract; a row is as long as the vectors that cover it.
                unsafe {
                    if covers::<$simd>(len) {
                        return super::spread::<$simd>(rows, len, to, step);
                    }
                    $(if covers::<$smaller>(len) {
                        return super::spread::<$smaller>(rows, len, to, step);
                    })*
                }
            }

            $(#[$feature])?
            pub unsafe fn collect(
                positions: &[Room; POSITIONS],
                rows: usize,
                width: usize,
                bias: &[f32],
                rectify: bool,
                out: (&mut [f32], usize, usize),
            ) {
                // SAFETY: the caller's contract.
                unsafe {
                    super::collect::<$simd>(positions, rows, width, bias, rectify, out);
                }
            }

            $(#[$feature])?
            pub unsafe fn combine<const K: usize>(
                rows: &[&[f32]; K],
                signs: &[f32; K],
                lines: Lines,
                to: &mut [f32],
            ) {
                for line in 0..lines.count {
                    let (at, len) = (line * lines.from_step, lines.len);
                    let to = &mut to[line * lines.to_step..];
                    // SAFETY: as in `spread`.
                    unsafe {
                        if covers::<$simd>(len) {
                            super::combine::<$simd, K>(rows, signs, at, len, to);
                            continue;
                        }
                        $(if covers::<$smaller>(len) {
                            super::combine::<$smaller, K>(rows, signs, at, len, to);
                            continue;
                        })*
                    }
                }
            }
        }
    };
}

bodies!(portable, [Portable, Single],);
#[cfg(target_arch = "x86_64")]
bodies!(avx2, [Avx2, Portable, Single], #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
bodies!(
    avx512,
    [Avx512, Avx2, Portable, Single],
    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
);

/// Calls the body of a set of instructions that the processor has.
macro_rules! call {
    ($isa:expr, $body:ident($($argument:expr),*)) => {
        // SAFETY: `Kernels` holds a set that the processor has; ranges are checked by the
        // functions below.
        unsafe {
            match $isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 if Isa::Avx512.available() => avx512::$body($($argument),*),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 if Isa::Avx2.available() => avx2::$body($($argument),*),
                _ => portable::$body($($argument),*),
            }
        }
    };
}

/// Transforms the first `len` numbers of sixteen rows; position p goes to `to[p · step..]`.
///
/// # Panics
/// When a row is shorter or the positions overlap (faults of ours).
pub fn transform(isa: Isa, rows: &Sources<'_>, len: usize, to: &mut [f32], step: usize) {
    assert!(rows.iter().all(|row| row.len() >= len) && len <= step, "rows are too short");
    assert!((POSITIONS - 1) * step + len <= to.len(), "no room for the positions");
    call!(isa, spread(rows, len, to, step));
}

/// Transforms tiles of `rows` channels and `width` vectors back: row r of output plane a and row
/// b of each pair goes to `out[(2 a + b) · quarter + r · step..]`.
///
/// # Panics
/// When there are fewer biases than rows or no room (faults of ours).
pub fn restore(
    kernels: Kernels,
    positions: &[Room; POSITIONS],
    [rows, width]: [usize; 2],
    bias: &[f32],
    rectify: bool,
    (out, quarter, step): (&mut [f32], usize, usize),
) {
    assert!(bias.len() >= rows && rows * width <= ROWS * WIDTH, "no such tile");
    let last = 3 * quarter + (rows - 1) * step + width * kernels.lanes;
    assert!(rows > 0 && last <= out.len(), "no room for the tile");
    call!(kernels.isa, collect(positions, rows, width, bias, rectify, (out, quarter, step)));
}

/// `Σ sign · row`, line by line; `rows` begin where their first lines do.
///
/// # Panics
/// When a row or the target is shorter than its lines (a fault of ours).
pub fn combined<const K: usize>(
    isa: Isa,
    rows: &[&[f32]; K],
    signs: &[f32; K],
    lines: Lines,
    to: &mut [f32],
) {
    if lines.count == 0 || lines.len == 0 {
        return;
    }
    let last = lines.count - 1;
    let held = |row: &&[f32]| row.len() >= last * lines.from_step + lines.len;
    assert!(rows.iter().all(held), "rows are too short");
    assert!(to.len() >= last * lines.to_step + lines.len, "no room for the lines");
    call!(isa, combine(rows, signs, lines, to));
}
