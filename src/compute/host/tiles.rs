//! Loops of a channel for fused blocks: scale, shift, ReLU and max pool in one pass, and the
//! way back. Compiled for each instruction set and chosen at run time; no step is contracted
//! and sums have fixed lanes, so all of them give the same bits.
#![expect(unsafe_code, reason = "functions compiled for instructions the processor was asked for")]

use super::super::array::Real;

/// The winner of a window that ReLU cut off: nothing goes back.
pub const CUT: u8 = u8::MAX;

/// Windows side by side in one channel; a rest at the far border belongs to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// Extent of the channel along k, j, i.
    pub input: [usize; 3],
    /// Extent of a window, at most 255 voxels.
    pub kernel: [usize; 3],
    /// Number of windows along each axis.
    pub output: [usize; 3],
}

impl Tiles {
    /// Index in the channel of voxel `winner` of window `at`.
    pub fn place(&self, at: usize, winner: u8) -> usize {
        let ([_, oj, oi], [kk, kj, ki]) = (self.output, self.kernel);
        let (at, t) = ([at / oi / oj, at / oi % oj, at % oi], usize::from(winner));
        let (k, j) = (at[0] * kk + t / ki / kj, at[1] * kj + t / ki % kj);
        (k * self.input[1] + j) * self.input[2] + at[2] * ki + t % ki
    }
}

/// A function compiled for AVX-512, AVX2 and whatever the target has.
macro_rules! by_processor {
    ($(#[$doc:meta])* $name:ident<$t:ident>($($arg:ident: $type:ty),*) -> $out:ty $body:block) => {
        $(#[$doc])*
        pub fn $name<$t: Real>($($arg: $type),*) -> $out {
            #[inline(always)]
            fn plain<$t: Real>($($arg: $type),*) -> $out $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2")]
                fn avx512<$t: Real>($($arg: $type),*) -> $out { plain($($arg),*) }
                #[target_feature(enable = "avx2")]
                fn avx2<$t: Real>($($arg: $type),*) -> $out { plain($($arg),*) }
                let wide = std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512bw");
                if wide {
                    // SAFETY: the processor has the instructions.
                    return unsafe { avx512($($arg),*) };
                }
                if std::is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            plain($($arg),*)
        }
    };
}

/// Partial sums a long sum is made of.
const LANES: usize = 16;

/// Voxels whose mean and squares are taken while they are in the nearest cache.
const BLOCK: usize = 1 << 12;

by_processor! {
    /// Count, mean and Σ(x − mean)² in f64: two passes over each block, merged in order
    /// (Chan, Golub and LeVeque 1983).
    moments<T>(x: &[T]) -> [f64; 3] {
        let mut all = [0.0; 3];
        for block in x.chunks(BLOCK) {
            let (whole, rest) = block.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for x in whole {
                sums.iter_mut().zip(x).for_each(|(s, x)| *s += x.wide());
            }
            sums.iter_mut().zip(rest).for_each(|(s, x)| *s += x.wide());
            let mean = sums.iter().sum::<f64>() / block.len() as f64;
            let mut squares = [0.0; LANES];
            for x in whole {
                for (s, x) in squares.iter_mut().zip(x) {
                    let apart = x.wide() - mean;
                    *s += apart * apart;
                }
            }
            for (s, x) in squares.iter_mut().zip(rest) {
                let apart = x.wide() - mean;
                *s += apart * apart;
            }
            all = merged(all, [block.len() as f64, mean, squares.iter().sum()]);
        }
        all
    }
}

/// Count, mean and squares of two sets as of their union.
pub fn merged(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    let count = a[0] + b[0];
    if count == 0.0 {
        return a;
    }
    let apart = b[1] - a[1];
    let (share, cross) = (b[0] / count, a[0] * b[0] / count);
    [count, a[1] + apart * share, a[2] + b[2] + apart * apart * cross]
}

by_processor! {
    /// `y = max over window of max(a·z + b, 0)` and the first voxel that reaches it, [`CUT`]
    /// where it is 0.
    rectified_maxima<T>(z: &[T], t: Tiles, map: [T; 2], y: &mut [T], winners: &mut [u8]) -> () {
        let ([_, ij, ii], [kk, kj, ki], [_, oj, oi]) = (t.input, t.kernel, t.output);
        let lines = y.chunks_exact_mut(oi).zip(winners.chunks_exact_mut(oi));
        for (line, (y, winners)) in lines.enumerate() {
            y.fill(T::ZERO);
            winners.fill(CUT);
            let (k, j) = (line / oj * kk, line % oj * kj);
            for row in 0..kk * kj {
                let from = ((k + row / kj) * ij + j + row % kj) * ii;
                let (z, first) = (&z[from..from + oi * ki], (row * ki) as u8);
                match ki {
                    1 => climb::<T, 1>(z, map, first, y, winners),
                    2 => climb::<T, 2>(z, map, first, y, winners),
                    3 => climb::<T, 3>(z, map, first, y, winners),
                    _ => for (at, &z) in z.iter().enumerate() {
                        let value = z * map[0] + map[1];
                        if value > y[at / ki] {
                            y[at / ki] = value;
                            winners[at / ki] = first + (at % ki) as u8;
                        }
                    },
                }
            }
        }
    }
}

/// Lets one row of voxels, `K` to a window, take the lead where it is larger.
#[inline(always)]
fn climb<T: Real, const K: usize>(
    z: &[T],
    [a, b]: [T; 2],
    first: u8,
    y: &mut [T],
    winners: &mut [u8],
) {
    for ((z, y), winner) in z.as_chunks::<K>().0.iter().zip(y).zip(winners) {
        for (at, &z) in z.iter().enumerate() {
            let value = z * a + b;
            // Selected, not branched on: which voxel wins cannot be predicted.
            let wins = value > *y;
            *y = if wins { value } else { *y };
            *winner = if wins { first + at as u8 } else { *winner };
        }
    }
}

by_processor! {
    /// Σ dy and Σ dy·y where y > 0, in f64.
    gated_sums<T>(dy: &[T], y: &[T]) -> [f64; 2] {
        let (mut plain, mut product) = ([0.0; LANES], [0.0; LANES]);
        let ((dys, dy_rest), (ys, y_rest)) = (dy.as_chunks::<LANES>(), y.as_chunks::<LANES>());
        for (dy, y) in dys.iter().zip(ys) {
            for lane in 0..LANES {
                let gate = if y[lane] > T::ZERO { dy[lane] } else { T::ZERO }.wide();
                plain[lane] += gate;
                product[lane] += gate * y[lane].wide();
            }
        }
        for (lane, (dy, y)) in dy_rest.iter().zip(y_rest).enumerate() {
            let gate = if *y > T::ZERO { *dy } else { T::ZERO }.wide();
            plain[lane] += gate;
            product[lane] += gate * y.wide();
        }
        [plain.iter().sum(), product.iter().sum()]
    }
}

by_processor! {
    /// Writes `b·z + d`, at each window's winner `+ a·dy`, over `z`.
    spread<T>(z: &mut [T], t: Tiles, dy: &[T], winners: &[u8], map: [T; 3]) -> () {
        let ([_, ij, ii], [kk, kj, ki], [ok, oj, oi]) = (t.input, t.kernel, t.output);
        let [a, b, d] = map;
        for (line, z) in z.chunks_exact_mut(ii).enumerate() {
            let (k, j) = (line / ij, line % ij);
            let covered = if k < ok * kk && j < oj * kj { oi * ki } else { 0 };
            let (z, rest) = z.split_at_mut(covered);
            rest.iter_mut().for_each(|z| *z = *z * b + d);
            if covered == 0 {
                continue;
            }
            let from = (k / kk * oj + j / kj) * oi;
            let (dy, winners) = (&dy[from..from + oi], &winners[from..from + oi]);
            let first = ((k % kk * kj + j % kj) * ki) as u8;
            match ki {
                1 => hand_out::<T, 1>(z, dy, winners, first, map),
                2 => hand_out::<T, 2>(z, dy, winners, first, map),
                3 => hand_out::<T, 3>(z, dy, winners, first, map),
                _ => for (at, z) in z.iter_mut().enumerate() {
                    let wins = winners[at / ki] == first + (at % ki) as u8;
                    *z = *z * b + d + if wins { a * dy[at / ki] } else { T::ZERO };
                },
            }
        }
    }
}

/// One row of [`spread`], `K` voxels to a window.
#[inline(always)]
fn hand_out<T: Real, const K: usize>(
    z: &mut [T],
    dy: &[T],
    winners: &[u8],
    first: u8,
    [a, b, d]: [T; 3],
) {
    for ((z, &dy), &winner) in z.as_chunks_mut::<K>().0.iter_mut().zip(dy).zip(winners) {
        let share = a * dy;
        for (at, z) in z.iter_mut().enumerate() {
            let wins = winner == first + at as u8;
            *z = *z * b + d + if wins { share } else { T::ZERO };
        }
    }
}

by_processor! {
    /// `Σ x·w` in f64.
    dot<T>(x: &[T], w: &[T]) -> f64 {
        let mut sums = [0.0; LANES];
        let ((xs, x_rest), (ws, w_rest)) = (x.as_chunks::<LANES>(), w.as_chunks::<LANES>());
        for (x, w) in xs.iter().zip(ws) {
            for lane in 0..LANES {
                sums[lane] += x[lane].wide() * w[lane].wide();
            }
        }
        for (sum, (x, w)) in sums.iter_mut().zip(x_rest.iter().zip(w_rest)) {
            *sum += x.wide() * w.wide();
        }
        sums.iter().sum()
    }
}

by_processor! {
    /// `sums += factor · w`, element by element in f64.
    add_scaled<T>(sums: &mut [f64], factor: f64, w: &[T]) -> () {
        sums.iter_mut().zip(w).for_each(|(sum, w)| *sum += factor * w.wide());
    }
}

by_processor! {
    /// Σ and Σ|·| in f64.
    sum_and_mass<T>(x: &[T]) -> [f64; 2] {
        let (mut sums, mut masses) = ([0.0; LANES], [0.0; LANES]);
        let (whole, rest) = x.as_chunks::<LANES>();
        for x in whole {
            for lane in 0..LANES {
                sums[lane] += x[lane].wide();
                masses[lane] += x[lane].wide().abs();
            }
        }
        for (lane, x) in rest.iter().enumerate() {
            sums[lane] += x.wide();
            masses[lane] += x.wide().abs();
        }
        [sums.iter().sum(), masses.iter().sum()]
    }
}
