//! Loops of a channel for fused blocks: scale, shift, ReLU and max pool in one pass, and the
//! way back. Compiled for each instruction set and chosen at run time; no step is contracted
//! and sums have fixed lanes, so all of them give the same bits.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "instructions found at run time"))]

use super::super::array::Real;
#[cfg(target_arch = "x86_64")]
use super::isa::Isa;

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
                match Isa::chosen() {
                    // SAFETY: the processor has the instructions.
                    Isa::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { avx2($($arg),*) },
                    Isa::Portable => {}
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
                for lane in 0..LANES {
                    sums[lane] += x[lane].wide();
                }
            }
            sums.iter_mut().zip(rest).for_each(|(s, x)| *s += x.wide());
            let mean = sums.iter().sum::<f64>() / block.len() as f64;
            let mut squares = [0.0; LANES];
            for x in whole {
                for lane in 0..LANES {
                    let apart = x[lane].wide() - mean;
                    squares[lane] += apart * apart;
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
        // Cut by index from the arguments, of which the compiler knows that they do not overlap.
        for line in 0..y.len() / oi {
            let (y, winners) = (&mut y[line * oi..][..oi], &mut winners[line * oi..][..oi]);
            let (k, j) = (line / oj * kk, line % oj * kj);
            let row = |row: usize| &z[((k + row / kj) * ij + j + row % kj) * ii..][..oi * ki];
            match [kk, kj, ki] {
                [1, 1, 1] => ones(row(0), map, y, winners),
                [2, 2, 2] => cubes([row(0), row(1), row(2), row(3)], map, y, winners),
                _ => {
                    y.fill(T::ZERO);
                    winners.fill(CUT);
                    for r in 0..kk * kj {
                        for (at, &z) in row(r).iter().enumerate() {
                            let (value, best) = (z * map[0] + map[1], &mut y[at / ki]);
                            if value > *best {
                                *best = value;
                                winners[at / ki] = (r * ki + at % ki) as u8;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One row of windows of one voxel.
#[inline(always)]
fn ones<T: Real>(z: &[T], [a, b]: [T; 2], y: &mut [T], winners: &mut [u8]) {
    for ((y, winner), &z) in y.iter_mut().zip(winners).zip(z) {
        let value = z * a + b;
        let wins = value > T::ZERO;
        *y = if wins { value } else { T::ZERO };
        *winner = if wins { 0 } else { CUT };
    }
}

/// One row of windows of 2 × 2 × 2 voxels, four rows of the channel.
#[inline(always)]
fn cubes<T: Real>(rows: [&[T]; 4], [a, b]: [T; 2], y: &mut [T], winners: &mut [u8]) {
    let [p, q, r, s] = rows.map(|row| row.as_chunks::<2>().0);
    let windows = p.iter().zip(q).zip(r.iter().zip(s));
    for ((y, winner), ((p, q), (r, s))) in y.iter_mut().zip(winners).zip(windows) {
        // Selected, not branched on: which voxel wins cannot be predicted. Stored always: a
        // store that depends on the numbers keeps the loop from using vectors.
        let (mut best, mut won) = (T::ZERO, u32::from(CUT));
        for (at, z) in [p[0], p[1], q[0], q[1], r[0], r[1], s[0], s[1]].into_iter().enumerate() {
            let value = z * a + b;
            let wins = value > best;
            best = if wins { value } else { best };
            won = if wins { at as u32 } else { won };
        }
        (*y, *winner) = (best, won as u8);
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

by_processor! {
    /// Writes `s = gain · r / (z + ε sign(z))`, made in f64 with sign(0) = 1, over `z`; returns
    /// Σ of what ε took where z ≠ 0, of what it took where z = 0, and of s. ε is above 0.
    quotients<T>(r: &[T], factors: [f64; 2], z: &mut [T]) -> [f64; 3] {
        let [gain, epsilon] = factors;
        let mut sums = [[0.0; LANES]; 3];
        let r = &r[..z.len()];
        let ((zs, z_rest), (rs, r_rest)) = (z.as_chunks_mut::<LANES>(), r.as_chunks::<LANES>());
        for (z, r) in zs.iter_mut().zip(rs) {
            for lane in 0..LANES {
                let [quotient, taken, zero] = divided(r[lane], z[lane], gain, epsilon);
                z[lane] = T::of(quotient);
                sums[0][lane] += taken - zero;
                sums[1][lane] += zero;
                sums[2][lane] += quotient;
            }
        }
        for (z, r) in z_rest.iter_mut().zip(r_rest) {
            let [quotient, taken, zero] = divided(*r, *z, gain, epsilon);
            *z = T::of(quotient);
            sums[0][0] += taken - zero;
            sums[1][0] += zero;
            sums[2][0] += quotient;
        }
        sums.map(|lanes| lanes.iter().sum())
    }
}

/// One quotient as it is rounded, what ε took, and the same where z = 0.
#[inline(always)]
fn divided<T: Real>(r: T, z: T, gain: f64, epsilon: f64) -> [f64; 3] {
    let z = z.wide();
    let stabiliser = if z >= 0.0 { epsilon } else { -epsilon };
    let quotient = T::of(gain * r.wide() / (z + stabiliser)).wide() + 0.0;
    let taken = stabiliser * quotient;
    [quotient, taken, if z == 0.0 { taken } else { 0.0 }]
}
