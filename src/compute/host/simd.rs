//! Vectors of numbers, behind one trait: the kernels are written once and compiled for each
//! set of instructions.
//!
//! Every method is inlined into a kernel that has the instructions enabled. Ranges are
//! asserted in builds with debug assertions, so that the tests run checked kernels.
#![expect(unsafe_code, reason = "vector instructions and unchecked loads of checked ranges")]

/// A set of instructions on vectors of [`Simd::LANES`] f32.
///
/// # Safety of the methods
/// The processor has the instructions, and ranges lie within their slices.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector.
    type V: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Output channels of a block: with [`super::kernels::WIDTH`] vectors each, and the operands,
    /// all registers.
    const ROWS: usize;
    /// All lanes the same.
    unsafe fn splat(value: f32) -> Self::V;
    /// `x[at..at + LANES]`.
    unsafe fn load(x: &[f32], at: usize) -> Self::V;
    /// Writes `x[at..at + LANES]`.
    unsafe fn store(x: &mut [f32], at: usize, v: Self::V);
    /// `a · b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a − b`.
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// The larger of both; `b` where one is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The same vector, made before any later load: where a kernel needs every register there
    /// is, a load that the compiler moves ahead drives a sum to memory.
    #[inline(always)]
    unsafe fn settled(v: Self::V) -> Self::V {
        v
    }
    /// Sum of the lanes, in a fixed order.
    unsafe fn sum(v: Self::V) -> f32;
    /// Sums of four vectors' lanes, in a fixed order.
    unsafe fn sums(v: [Self::V; 4]) -> [f32; 4];
}

/// Asserts a range in builds with debug assertions.
macro_rules! within {
    ($x:expr, $at:expr, $count:expr) => {
        debug_assert!($at + $count <= $x.len(), "{} + {} of {}", $at, $count, $x.len())
    };
}

/// What every processor has.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 4] {
        [value; 4]
    }

    #[inline(always)]
    unsafe fn load(x: &[f32], at: usize) -> [f32; 4] {
        within!(x, at, 4);
        // SAFETY: the range lies within the slice; any alignment will do.
        unsafe { x.as_ptr().add(at).cast::<[f32; 4]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(x: &mut [f32], at: usize, v: [f32; 4]) {
        within!(x, at, 4);
        // SAFETY: as in `load`.
        unsafe { x.as_mut_ptr().add(at).cast::<[f32; 4]>().write_unaligned(v) }
    }

    #[inline(always)]
    unsafe fn fma(a: [f32; 4], b: [f32; 4], c: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|l| a[l] * b[l] + c[l])
    }

    #[inline(always)]
    unsafe fn add(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|l| a[l] + b[l])
    }

    #[inline(always)]
    unsafe fn sub(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|l| a[l] - b[l])
    }

    #[inline(always)]
    unsafe fn max(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
        std::array::from_fn(|l| if a[l] > b[l] { a[l] } else { b[l] })
    }

    #[inline(always)]
    unsafe fn sum(v: [f32; 4]) -> f32 {
        (v[0] + v[2]) + (v[1] + v[3])
    }

    #[inline(always)]
    unsafe fn sums(v: [[f32; 4]; 4]) -> [f32; 4] {
        // SAFETY: no instruction is asked for.
        v.map(|v| unsafe { Self::sum(v) })
    }
}

/// One number at a time, for what is left of a row.
#[derive(Debug, Clone, Copy)]
pub struct Single;

impl Simd for Single {
    type V = f32;
    const LANES: usize = 1;
    const ROWS: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> f32 {
        value
    }

    #[inline(always)]
    unsafe fn load(x: &[f32], at: usize) -> f32 {
        x[at]
    }

    #[inline(always)]
    unsafe fn store(x: &mut [f32], at: usize, v: f32) {
        x[at] = v;
    }

    #[inline(always)]
    unsafe fn fma(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }

    #[inline(always)]
    unsafe fn add(a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    unsafe fn sub(a: f32, b: f32) -> f32 {
        a - b
    }

    #[inline(always)]
    unsafe fn max(a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }

    #[inline(always)]
    unsafe fn sum(v: f32) -> f32 {
        v
    }

    #[inline(always)]
    unsafe fn sums(v: [f32; 4]) -> [f32; 4] {
        v
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Simd;

    /// AVX2 and fused multiply-add.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2;

    /// AVX-512.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512;

    /// One set of x86 instructions.
    macro_rules! x86 {
        ($name:ident, $v:ty, $lanes:literal, $rows:literal, $set1:ident, $load:ident, $store:ident,
         $fma:ident, $add:ident, $sub:ident, $max:ident, $sum:expr, $sums:expr, $settled:expr) => {
            impl Simd for $name {
                type V = $v;
                const LANES: usize = $lanes;
                const ROWS: usize = $rows;

                #[inline(always)]
                unsafe fn splat(value: f32) -> $v {
                    // SAFETY: the processor has the instruction.
                    unsafe { $set1(value) }
                }

                #[inline(always)]
                unsafe fn load(x: &[f32], at: usize) -> $v {
                    within!(x, at, $lanes);
                    // SAFETY: the range lies within the slice.
                    unsafe { $load(x.as_ptr().add(at)) }
                }

                #[inline(always)]
                unsafe fn store(x: &mut [f32], at: usize, v: $v) {
                    within!(x, at, $lanes);
                    // SAFETY: the range lies within the slice.
                    unsafe { $store(x.as_mut_ptr().add(at), v) }
                }

                #[inline(always)]
                unsafe fn fma(a: $v, b: $v, c: $v) -> $v {
                    // SAFETY: the processor has the instruction.
                    unsafe { $fma(a, b, c) }
                }

                #[inline(always)]
                unsafe fn add(a: $v, b: $v) -> $v {
                    // SAFETY: the processor has the instruction.
                    unsafe { $add(a, b) }
                }

                #[inline(always)]
                unsafe fn sub(a: $v, b: $v) -> $v {
                    // SAFETY: the processor has the instruction.
                    unsafe { $sub(a, b) }
                }

                #[inline(always)]
                unsafe fn max(a: $v, b: $v) -> $v {
                    // SAFETY: the processor has the instruction.
                    unsafe { $max(a, b) }
                }

                #[inline(always)]
                unsafe fn settled(v: $v) -> $v {
                    // SAFETY: the processor has the registers.
                    unsafe { $settled(v) }
                }

                #[inline(always)]
                unsafe fn sum(v: $v) -> f32 {
                    // SAFETY: the processor has the instructions.
                    unsafe { $sum(v) }
                }

                #[inline(always)]
                unsafe fn sums(v: [$v; 4]) -> [f32; 4] {
                    // SAFETY: the processor has the instructions.
                    unsafe { $sums(v) }
                }
            }
        };
    }

    /// No instruction; what comes after it in memory stays after it. Inlined as the intrinsics
    /// are, into kernels that have the registers.
    #[inline]
    #[target_feature(enable = "avx")]
    fn settled8(mut v: __m256) -> __m256 {
        // Miri carries no assembly out.
        if !cfg!(miri) {
            // SAFETY: nothing is done.
            unsafe {
                std::arch::asm!("/* {0} */", inout(ymm_reg) v, options(nostack, preserves_flags))
            };
        }
        v
    }

    /// AVX-512 has registers to spare.
    #[inline(always)]
    unsafe fn settled16(v: __m512) -> __m512 {
        v
    }

    /// Halves added until one number is left.
    #[inline(always)]
    unsafe fn sum8(v: __m256) -> f32 {
        // SAFETY: AVX has all of these.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    unsafe fn sum16(v: __m512) -> f32 {
        // SAFETY: AVX-512 has all of these.
        unsafe { sum8(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v))) }
    }

    /// Four vectors are transposed while they are added: lane l of the result is their sum l.
    #[inline(always)]
    unsafe fn sums8(v: [__m256; 4]) -> [f32; 4] {
        // SAFETY: AVX has all of these.
        unsafe {
            // No closures here: what they call would not be inlined.
            let front =
                _mm256_add_ps(_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
            let back =
                _mm256_add_ps(_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
            let low = _mm256_shuffle_ps::<0x44>(front, back);
            let all = _mm256_add_ps(low, _mm256_shuffle_ps::<0xEE>(front, back));
            let half = _mm256_extractf128_ps::<1>(all);
            let mut out = [0.0; 4];
            _mm_storeu_ps(out.as_mut_ptr(), _mm_add_ps(_mm256_castps256_ps128(all), half));
            out
        }
    }

    /// As [`sums8`].
    #[inline(always)]
    unsafe fn sums16(v: [__m512; 4]) -> [f32; 4] {
        // SAFETY: AVX-512 has all of these.
        unsafe {
            let halves = [
                _mm256_add_ps(_mm512_castps512_ps256(v[0]), _mm512_extractf32x8_ps::<1>(v[0])),
                _mm256_add_ps(_mm512_castps512_ps256(v[1]), _mm512_extractf32x8_ps::<1>(v[1])),
                _mm256_add_ps(_mm512_castps512_ps256(v[2]), _mm512_extractf32x8_ps::<1>(v[2])),
                _mm256_add_ps(_mm512_castps512_ps256(v[3]), _mm512_extractf32x8_ps::<1>(v[3])),
            ];
            sums8(halves)
        }
    }

    x86!(
        Avx2,
        __m256,
        8,
        4,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_max_ps,
        sum8,
        sums8,
        settled8
    );
    x86!(
        Avx512,
        __m512,
        16,
        8,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_max_ps,
        sum16,
        sums16,
        settled16
    );
}
