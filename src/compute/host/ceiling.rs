//! Multiply-adds on registers alone: the most that a core can do with an instruction set.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "instructions found at run time"))]

use std::hint::black_box;

/// Sums that do not wait for each other; more than latency times units of today's processors.
const CHAINS: usize = 12;

/// Work for one instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// Name of the instruction set.
    pub name: &'static str,
    /// Floating-point operations of a round; a multiply-add is two.
    pub flops: usize,
    /// Does so many rounds; the result is of no use.
    pub run: fn(usize) -> f32,
}

/// A factor and a summand that keep the sums finite, unknown to the compiler.
fn operands() -> (f32, f32) {
    (black_box(0.999), black_box(0.001))
}

/// Those this processor has, narrowest first.
pub fn bursts() -> Vec<Burst> {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "there are no others"))]
    let mut all = vec![Burst { name: "portable", flops: 2 * CHAINS * 4, run: portable }];
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has the instructions.
            let run = |rounds| unsafe { x86::avx2(rounds) };
            all.push(Burst { name: "avx2", flops: 2 * CHAINS * 8, run });
        }
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the instructions.
            let run = |rounds| unsafe { x86::avx512(rounds) };
            all.push(Burst { name: "avx512", flops: 2 * CHAINS * 16, run });
        }
    }
    all
}

/// What the compiler makes of plain code: a product and a sum where the target has no fused one.
fn portable(rounds: usize) -> f32 {
    let (factor, summand) = operands();
    let mut sums = [[1f32; 4]; CHAINS];
    for _ in 0..rounds {
        for sum in sums.iter_mut().flatten() {
            *sum = *sum * factor + summand;
        }
    }
    sums.iter().flatten().sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        _mm256_add_ps, _mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_add_ps,
        _mm512_cvtss_f32, _mm512_fmadd_ps, _mm512_set1_ps,
    };

    use super::{CHAINS, operands};

    macro_rules! burst {
        ($name:ident, $features:literal, $set:ident, $fma:ident, $add:ident, $first:ident) => {
            /// Rounds of one multiply-add per chain.
            #[target_feature(enable = $features)]
            pub fn $name(rounds: usize) -> f32 {
                let (factor, summand) = operands();
                let (factor, summand) = ($set(factor), $set(summand));
                let mut sums = [$set(1.0); CHAINS];
                for _ in 0..rounds {
                    for sum in &mut sums {
                        *sum = $fma(*sum, factor, summand);
                    }
                }
                $first(sums.into_iter().fold($set(0.0), |a, b| $add(a, b)))
            }
        };
    }

    burst!(avx2, "avx2,fma", _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32);
    burst!(avx512, "avx512f", _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32);
}
