//! DeLong's interval for the area under the ROC curve: no draws, rows as units.

use super::bootstrap::Bounds;
use super::moments::{mean, sum_by};
use super::rank::ranks;
use super::{Undefined, curve, normal, undefined};

/// AUC ± z·√(s₁²/m + s₀²/n), s² the sample variances of the placement values of positives
/// and negatives, cut to [0, 1] (DeLong, DeLong & Clarke-Pearson 1988; ranks as in Sun &
/// Xu 2014). No unit. Rows must be independent: with several rows per subject use
/// [`super::bootstrap`] over subjects.
///
/// # Errors
/// Undefined with fewer than two rows in a class, for scores that are not finite, a level
/// outside (0, 1), or when the variance is zero (perfect or constant scores), where the
/// method has no interval.
pub fn auc_interval(labels: &[bool], scores: &[f64], level: f64) -> Result<Bounds, Undefined> {
    let area = curve::auc(labels, scores)?;
    let z = normal::quantile(0.5 + level / 2.0)?;
    if !(level > 0.0 && level < 1.0) {
        return undefined(format!("an interval of level {level}, outside 0 to 1"));
    }
    let mut variance = 0.0;
    for class in [true, false] {
        let placed: Vec<f64> =
            placements(labels, scores, class).into_iter().map(|(_, p)| p).collect();
        if placed.len() < 2 {
            return undefined("fewer than two rows in a class");
        }
        let centre = mean(&placed)?;
        let m = placed.len() as f64;
        variance += sum_by(placed.len(), &|i| (placed[i] - centre).powi(2)) / (m - 1.0) / m;
    }
    if variance <= 0.0 {
        return undefined(format!("the variance of an AUC of {area} is zero by this method"));
    }
    let half = z * variance.sqrt();
    Ok(Bounds { low: (area - half).max(0.0), high: (area + half).min(1.0), level, excluded: 0 })
}

/// Rows of a class, each with the share of the other class that lies below it, ties half; the
/// share above is one minus this, with the same variance. Both classes must have rows.
pub(super) fn placements(labels: &[bool], scores: &[f64], class: bool) -> Vec<(usize, f64)> {
    let all = ranks(scores);
    let rows: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
    let own = ranks(&rows.iter().map(|&i| scores[i]).collect::<Vec<_>>());
    let others = (labels.len() - rows.len()) as f64;
    rows.iter().zip(own).map(|(&i, own)| (i, (all[i] - own) / others)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;
    use crate::stats::bootstrap::{Units, percentile};

    #[test]
    fn hand_worked() {
        // Positives 2, 4; negatives 1, 3: placements {½, 1} and {0, ½} below → both s² = ⅛.
        let y = [true, true, false, false];
        let b = auc_interval(&y, &[2.0, 4.0, 1.0, 3.0], 0.5).expect("interval");
        let half = 0.674_489_750_196_081_7 * (0.125f64 / 2.0 * 2.0).sqrt();
        assert!((b.low - (0.75 - half)).abs() < 1e-12, "{b:?}");
        assert!((b.high - (0.75 + half)).abs() < 1e-12, "{b:?}");
    }

    #[test]
    fn is_close_to_the_bootstrap_and_undefined_at_the_ends() {
        let mut s = Seed(8).stream("delong");
        let y: Vec<bool> = (0..120).map(|i| i % 2 == 0).collect();
        let x: Vec<f64> = y.iter().map(|l| s.normal() + f64::from(u8::from(*l))).collect();
        let area = |rows: &[usize]| {
            let l: Vec<bool> = rows.iter().map(|&i| y[i]).collect();
            curve::auc(&l, &rows.iter().map(|&i| x[i]).collect::<Vec<_>>())
        };
        let b = percentile(&Units::by_label(&y), 0.95, 2000, &mut s, area).expect("bootstrap");
        let d = auc_interval(&y, &x, 0.95).expect("delong");
        assert!((b.low - d.low).abs() < 0.02 && (b.high - d.high).abs() < 0.02, "{b:?} {d:?}");
        assert!(auc_interval(&[true, true, false, false], &[4.0, 3.0, 2.0, 1.0], 0.95).is_err());
        assert!(auc_interval(&y, &[0.5; 120], 0.95).is_err());
        assert!(auc_interval(&y, &x, 1.0).is_err() && auc_interval(&y, &x, -0.5).is_err());
    }
}
