//! Norms and the blocks they begin, on the card against the host.

use super::super::super::{Array, Real, batch_norm, fused, group_norm};
use super::super::tests::{alike, array, both, numbers};
use crate::by_type;
use crate::seed::Stream;

#[test]
fn norms() {
    both(|dtype, limit, s| {
        let shape = [3, 4, 3, 5, 2];
        let far = |s: &mut Stream| {
            let mut x = array(&shape, dtype, s);
            by_type!(x, T => {
                x.host_mut::<T>().expect("host").iter_mut().for_each(|v| *v += T::of(100.0));
            });
            x
        };
        let (x, dy) = (far(s), array(&shape, dtype, s));
        let (gamma, beta) = ([1.0, -0.5, 2.0, 0.25], [0.5, 0.0, -1.5, 3.0]);
        // A mean of 100 costs digits: what is compared is within ε · 100.
        let limit = 200.0 * limit;
        alike("statistics", &[&x], limit, |a, _| {
            let of = batch_norm::statistics(&a[0])?;
            let mut pieces = batch_norm::Moments::default();
            pieces.add(&a[0].rows(0, 1)?)?;
            pieces.add(&a[0].rows(1, 3)?)?;
            let same = pieces.finished()?;
            Ok([&of.mean, &of.variance, &same.mean, &same.variance].map(numbers).concat())
        });
        alike("batch norm", &[&x, &dy], limit, |a, ws| {
            let of = batch_norm::statistics(&a[0])?;
            let y = of.map(&gamma, &beta, 1e-5)?.apply(&a[0], ws)?;
            let (dx, [dgamma, dbeta]) = batch_norm::backward(&a[0], &a[1], &gamma, &of, 1e-5, ws)?;
            Ok([&y, &dx, &dgamma, &dbeta].map(numbers).concat())
        });
        for groups in [1, 2, 4] {
            alike("group norm", &[&x, &dy], limit, |a, ws| {
                let of = group_norm::statistics(&a[0], groups)?;
                let y = of.map(&gamma, &beta, 1e-5)?.apply(&a[0], ws)?;
                let (dx, [dgamma, dbeta]) =
                    group_norm::backward(&a[0], &a[1], &gamma, &of, 1e-5, ws)?;
                Ok([&y, &dx, &dgamma, &dbeta].map(numbers).concat())
            });
        }
    });
}

#[test]
fn fused_blocks_and_their_way_back() {
    both(|dtype, limit, s| {
        for (kernel, extent) in [
            ([1; 3], [3, 4, 5]),
            ([2; 3], [5, 6, 7]),
            ([2; 3], [5, 7, 6]),
            ([3, 1, 2], [7, 3, 5]),
            ([3, 3, 2], [4, 5, 8]),
        ] {
            let shape = [3, 2, extent[0], extent[1], extent[2]];
            let z = array(&shape, dtype, s);
            let o = fused::tiles(&shape, kernel).expect("tiles").output;
            let o = if kernel == [1; 3] { extent } else { o };
            let dy = array(&[3, 2, o[0], o[1], o[2]], dtype, s);
            // Of one channel the pooled values do not tell x̂.
            for gamma in [[1.5, 1.0], [0.02, 1.0]] {
                let (beta, epsilon) = ([0.2, -0.3], 1e-5);
                alike(&format!("fused {kernel:?}"), &[&z, &dy], 20.0 * limit, |a, ws| {
                    let of = batch_norm::statistics(&a[0])?;
                    let map = of.map(&gamma, &beta, epsilon)?;
                    let done = fused::forward(&a[0], Some(&map), kernel, ws)?;
                    let (gamma, beta, statistics) = (&gamma[..], &beta[..], &of);
                    let norm = fused::Norm { gamma, beta, statistics, epsilon };
                    let z = ws.copy(&a[0])?;
                    let (dz, sums) = fused::backward(z, &done, &a[1], Some(norm), kernel)?;
                    // The same some samples at a time.
                    let mut back = fused::Backward::new(&done, &a[1], Some(norm), kernel)?;
                    let mut pieces = [(0, a[0].rows(0, 1)?), (1, a[0].rows(1, 3)?)];
                    for (first, z) in &pieces {
                        back.add(*first..*first + z.shape()[0], Some(z))?;
                    }
                    for (first, z) in &mut pieces {
                        back.spread(*first, z)?;
                    }
                    let parts = back.parameters()?;
                    let all: Vec<&Array> = [&done.output, &dz].into_iter().chain(&sums).collect();
                    let more = pieces.iter().map(|(_, z)| z).chain(&parts);
                    Ok(all.into_iter().chain(more).flat_map(numbers).collect())
                });
            }
            alike("rectified", &[&z, &dy], 0.0, |a, ws| {
                let done = fused::forward(&a[0], None, kernel, ws)?;
                let (dz, _) = fused::backward(ws.copy(&a[0])?, &done, &a[1], None, kernel)?;
                Ok([numbers(&done.output), numbers(&dz)].concat())
            });
        }
    });
}
