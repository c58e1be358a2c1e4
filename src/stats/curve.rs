//! How well a score separates two classes: curves, shares and threshold choice.

use super::moments::{finite, require_finite, require_paired, sum_by};
use super::rank::ranks;
use super::{Stat, Undefined, undefined};

/// Four counts at one threshold; positive means score ≥ threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Confusion {
    /// Positives called positive.
    pub true_positive: usize,
    /// Negatives called positive.
    pub false_positive: usize,
    /// Negatives called negative.
    pub true_negative: usize,
    /// Positives called negative.
    pub false_negative: usize,
}

/// One point of the ROC curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// Positive means score ≥ this; `None` for the first point, where nothing is positive.
    pub threshold: Option<f64>,
    /// 1 − specificity.
    pub false_positive_rate: f64,
    /// Sensitivity.
    pub true_positive_rate: f64,
}

fn counts(labels: &[bool], scores: &[f64]) -> Result<(usize, usize), Undefined> {
    require_paired(labels.len(), scores.len())?;
    require_finite(scores)?;
    let positive = labels.iter().filter(|l| **l).count();
    let negative = labels.len() - positive;
    if positive == 0 || negative == 0 {
        return undefined(format!("{positive} positive and {negative} negative row(s)"));
    }
    Ok((positive, negative))
}

/// Area under the ROC curve, P(score⁺ > score⁻) + ½ P(equal), from the rank sum
/// (Mann & Whitney 1947; Hanley & McNeil 1982). No unit, 0 to 1.
///
/// # Errors
/// Undefined when a class is absent or a score is not finite.
pub fn auc(labels: &[bool], scores: &[f64]) -> Stat {
    let (positive, negative) = counts(labels, scores)?;
    let ranks = ranks(scores);
    let rank_sum = sum_by(ranks.len(), &|i| if labels[i] { ranks[i] } else { 0.0 });
    let (p, n) = (positive as f64, negative as f64);
    Ok((rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// Rows by falling score, as runs of equal scores: score, positives, negatives.
fn runs(labels: &[bool], scores: &[f64]) -> Vec<(f64, usize, usize)> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut out: Vec<(f64, usize, usize)> = Vec::new();
    for i in order {
        let (up, down) = (usize::from(labels[i]), usize::from(!labels[i]));
        match out.last_mut() {
            Some(run) if run.0 == scores[i] => {
                run.1 += up;
                run.2 += down;
            }
            _ => out.push((scores[i], up, down)),
        }
    }
    out
}

/// The ROC curve from (0, 0) to (1, 1), one point per distinct score; its trapezoidal
/// area is [`auc`].
///
/// # Errors
/// As [`auc`].
pub fn roc(labels: &[bool], scores: &[f64]) -> Result<Vec<RocPoint>, Undefined> {
    let (positive, negative) = counts(labels, scores)?;
    let mut points =
        vec![RocPoint { threshold: None, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut tp, mut fp) = (0, 0);
    for (score, up, down) in runs(labels, scores) {
        tp += up;
        fp += down;
        points.push(RocPoint {
            threshold: Some(score),
            false_positive_rate: fp as f64 / negative as f64,
            true_positive_rate: tp as f64 / positive as f64,
        });
    }
    Ok(points)
}

/// Average precision Σ (recall_i − recall_{i−1}) · precision_i over distinct scores, no
/// interpolation. No unit; the share of positives is what chance gives.
///
/// # Errors
/// As [`auc`].
pub fn average_precision(labels: &[bool], scores: &[f64]) -> Stat {
    let (positive, _) = counts(labels, scores)?;
    let (mut tp, mut called, mut area) = (0, 0, 0.0);
    for (_, up, down) in runs(labels, scores) {
        tp += up;
        called += up + down;
        area += up as f64 / positive as f64 * (tp as f64 / called as f64);
    }
    Ok(area)
}

/// Counts at a threshold (score ≥ threshold is called positive).
///
/// # Errors
/// Undefined for unequal lengths or values that are not finite.
pub fn confusion(labels: &[bool], scores: &[f64], threshold: f64) -> Result<Confusion, Undefined> {
    require_paired(labels.len(), scores.len())?;
    require_finite(scores)?;
    require_finite(&[threshold])?;
    let mut out = Confusion::default();
    for (&label, &score) in labels.iter().zip(scores) {
        match (label, score >= threshold) {
            (true, true) => out.true_positive += 1,
            (true, false) => out.false_negative += 1,
            (false, true) => out.false_positive += 1,
            (false, false) => out.true_negative += 1,
        }
    }
    Ok(out)
}

fn share(part: usize, whole: usize, of: &str) -> Stat {
    if whole == 0 { undefined(format!("no {of}")) } else { Ok(part as f64 / whole as f64) }
}

impl Confusion {
    /// TP / (TP + FN), no unit.
    ///
    /// # Errors
    /// Undefined without positives.
    pub fn sensitivity(&self) -> Stat {
        share(self.true_positive, self.true_positive + self.false_negative, "positive rows")
    }

    /// TN / (TN + FP), no unit.
    ///
    /// # Errors
    /// Undefined without negatives.
    pub fn specificity(&self) -> Stat {
        share(self.true_negative, self.true_negative + self.false_positive, "negative rows")
    }

    /// (sensitivity + specificity) / 2, no unit; 0.5 is chance.
    ///
    /// # Errors
    /// Undefined when a class is absent.
    pub fn balanced_accuracy(&self) -> Stat {
        Ok((self.sensitivity()? + self.specificity()?) / 2.0)
    }

    /// F1 = 2TP / (2TP + FP + FN), no unit.
    ///
    /// # Errors
    /// Undefined when nothing is positive or called so.
    pub fn f1(&self) -> Stat {
        let twice = 2 * self.true_positive;
        share(twice, twice + self.false_positive + self.false_negative, "positive rows or calls")
    }

    /// Matthews' correlation (TP·TN − FP·FN)/√((TP+FP)(TP+FN)(TN+FP)(TN+FN)), −1 to 1.
    ///
    /// # Errors
    /// Undefined when a row or a column of the four counts is empty.
    pub fn mcc(&self) -> Stat {
        let (tp, fp) = (self.true_positive as f64, self.false_positive as f64);
        let (tn, fneg) = (self.true_negative as f64, self.false_negative as f64);
        let under = (tp + fp) * (tp + fneg) * (tn + fp) * (tn + fneg);
        if under == 0.0 {
            return undefined("one class is absent or never called");
        }
        finite((tp * tn - fp * fneg) / under.sqrt(), "the correlation")
    }
}

/// Brier score mean (p − y)², 0 to 1, smaller is better (Brier 1950).
///
/// # Errors
/// Undefined without rows or for probabilities outside [0, 1].
pub fn brier(labels: &[bool], probabilities: &[f64]) -> Stat {
    require_paired(labels.len(), probabilities.len())?;
    require_finite(probabilities)?;
    if let Some(p) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return undefined(format!("{p} is not a probability"));
    }
    if labels.is_empty() {
        return undefined("no rows");
    }
    let n = labels.len();
    let miss = |i: usize| (probabilities[i] - f64::from(u8::from(labels[i]))).powi(2);
    Ok(sum_by(n, &miss) / n as f64)
}

/// The threshold with the largest sensitivity + specificity − 1 (Youden 1950), half-way
/// between the two scores it separates; of equal ones the one nearest to the middle of
/// the scores' order, so that a constant score gives no answer rather than an end.
/// Choose it on training rows only. Unit of the score.
///
/// # Errors
/// As [`auc`]; undefined too when all scores are equal.
pub fn youden_threshold(labels: &[bool], scores: &[f64]) -> Stat {
    let (positive, negative) = counts(labels, scores)?;
    let runs = runs(labels, scores);
    let (mut tp, mut fp) = (0, 0);
    let mut best: Option<(f64, usize, f64)> = None;
    for pair in runs.windows(2) {
        tp += pair[0].1;
        fp += pair[0].2;
        let j = tp as f64 / positive as f64 - fp as f64 / negative as f64;
        let off = (2 * (tp + fp)).abs_diff(labels.len());
        if best.is_none_or(|(b, o, _)| j > b || (j == b && off < o)) {
            best = Some((j, off, pair[0].0 / 2.0 + pair[1].0 / 2.0));
        }
    }
    best.map_or_else(|| undefined("all scores are equal"), |(_, _, cut)| Ok(cut))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    fn labels(n: usize) -> Vec<bool> {
        (0..n).map(|i| i % 3 == 0).collect()
    }

    #[test]
    fn four_oracles() {
        let y = labels(3000);
        let exact: Vec<f64> = y.iter().map(|l| if *l { 0.9 } else { 0.1 }).collect();
        let inverted: Vec<f64> = exact.iter().map(|p| 1.0 - p).collect();
        let mut s = Seed(9).stream("curve");
        let random: Vec<f64> = y.iter().map(|_| s.uniform()).collect();
        let flat = vec![0.5; y.len()];
        assert_eq!(auc(&y, &exact), Ok(1.0));
        assert_eq!(auc(&y, &inverted), Ok(0.0));
        assert!((auc(&y, &random).expect("random") - 0.5).abs() < 0.04);
        assert_eq!(auc(&y, &flat), Ok(0.5));
        assert_eq!(average_precision(&y, &exact), Ok(1.0));
        let distinct: Vec<f64> = random.iter().zip(&inverted).map(|(r, p)| p + 0.01 * r).collect();
        let low = average_precision(&y, &distinct).expect("inverted");
        let chance = average_precision(&y, &flat).expect("constant");
        assert!(low < chance && (chance - 1.0 / 3.0).abs() < 1e-12);
        let bacc = |p: &[f64]| confusion(&y, p, 0.5).and_then(|c| c.balanced_accuracy());
        assert_eq!((bacc(&exact), bacc(&inverted), bacc(&flat)), (Ok(1.0), Ok(0.0), Ok(0.5)));
        let order = [&exact, &flat, &random, &inverted].map(|p| brier(&y, p).expect("brier"));
        assert!(order.is_sorted(), "{order:?}");
        assert!((order[1] - 0.25).abs() < 1e-12);
    }

    #[test]
    fn hand_worked() {
        let y = [false, false, true, true];
        let s = [0.1, 0.4, 0.35, 0.8];
        assert_eq!(auc(&y, &s), Ok(0.75));
        assert!((average_precision(&y, &s).expect("ap") - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15);
        assert_eq!(auc(&y, &[0.1, 0.35, 0.35, 0.8]), Ok(0.875));
        let points = roc(&y, &s).expect("roc");
        let area: f64 = points
            .windows(2)
            .map(|w| {
                (w[1].false_positive_rate - w[0].false_positive_rate)
                    * (w[1].true_positive_rate + w[0].true_positive_rate)
                    / 2.0
            })
            .sum();
        assert_eq!(area, 0.75);
        let c = confusion(&y, &s, 0.4).expect("counts");
        assert_eq!(
            c,
            Confusion { true_positive: 1, false_positive: 1, true_negative: 1, false_negative: 1 }
        );
        assert_eq!((c.f1(), c.mcc()), (Ok(0.5), Ok(0.0)));
        let cut = youden_threshold(&[false, false, true], &[0.1, 0.2, 0.6]).expect("cut");
        assert!((cut - 0.4).abs() < 1e-15);
    }

    #[test]
    fn undefined_cases() {
        assert!(auc(&[true, true], &[0.1, 0.2]).is_err());
        assert!(auc(&[true, false], &[0.1, f64::NAN]).is_err());
        assert!(brier(&[true], &[1.2]).is_err() && brier(&[], &[]).is_err());
        assert!(youden_threshold(&[true, false], &[0.5, 0.5]).is_err());
        assert!(Confusion::default().sensitivity().is_err());
        assert!(confusion(&[true], &[0.2], f64::NAN).is_err());
    }
}
