//! How well held-out subjects are classified: each number with its interval, per fold and
//! pooled over folds.

use std::collections::{BTreeMap, BTreeSet};

use crate::seed::Seed;
use crate::stats::bootstrap::{Bounds, Units, percentile};
use crate::stats::logistic::{fit, sigmoid, softplus};
use crate::stats::moments::{require_finite, require_paired, sum_by};
use crate::stats::{Stat, Undefined, auc_interval, curve, undefined};

/// Draws of the bootstrap unless asked otherwise.
pub const DEFAULT_DRAWS: usize = 2000;
/// Coverage of the intervals.
pub const LEVEL: f64 = 0.95;

/// One held-out row and what the model said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Subject; all rows of a subject are drawn together.
    pub subject: String,
    /// Fold in which it was held out.
    pub fold: usize,
    /// True for class 1.
    pub label: bool,
    /// Log-odds of class 1, natural logarithm.
    pub log_odds: f64,
}

/// Log-odds of a probability, ln p − ln(1 − p), with p kept 1e-15 away from 0 and 1, where
/// it would be infinite.
///
/// # Errors
/// Undefined outside [0, 1].
pub fn log_odds_of(probability: f64) -> Stat {
    if !(0.0..=1.0).contains(&probability) {
        return undefined(format!("{probability} is not a probability"));
    }
    let p = probability.clamp(1e-15, 1.0 - 1e-15);
    Ok(p.ln() - (-p).ln_1p())
}

/// The metrics, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Area under the ROC curve; 0.5 is chance.
    RocAuc,
    /// (sensitivity + specificity)/2 at probability 0.5; 0.5 is chance.
    BalancedAccuracy,
    /// Share of class 1 called so at probability 0.5.
    Sensitivity,
    /// Share of class 0 called so at probability 0.5.
    Specificity,
    /// Mean squared error of the probability.
    Brier,
    /// Mean −ln(probability of the true class), nats.
    LogLoss,
    /// Slope of the label's log-odds on the model's; 1 is calibrated, below 1 overconfident.
    CalibrationSlope,
}

impl Metric {
    /// All metrics.
    pub const ALL: [Self; 7] = [
        Self::RocAuc,
        Self::BalancedAccuracy,
        Self::Sensitivity,
        Self::Specificity,
        Self::Brier,
        Self::LogLoss,
        Self::CalibrationSlope,
    ];

    /// snake_case name, part of the output contract.
    pub fn id(self) -> &'static str {
        match self {
            Self::RocAuc => "roc_auc",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::Sensitivity => "sensitivity",
            Self::Specificity => "specificity",
            Self::Brier => "brier",
            Self::LogLoss => "log_loss",
            Self::CalibrationSlope => "calibration_slope",
        }
    }

    /// Unit: `nat` for the log loss, `1` otherwise.
    pub fn unit(self) -> &'static str {
        if self == Self::LogLoss { "nat" } else { "1" }
    }

    /// How its interval is made: for the AUC Newcombe's with subjects of several rows as
    /// [`auc_interval::over_subjects`] counts them, for the others the percentiles of a bootstrap.
    pub fn interval_by(self) -> &'static str {
        if self == Self::RocAuc { "Newcombe" } else { "percentile bootstrap" }
    }

    /// Least and greatest value it can take, in its own unit.
    pub fn range(self) -> (f64, f64) {
        match self {
            Self::LogLoss => (0.0, f64::INFINITY),
            Self::CalibrationSlope => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (0.0, 1.0),
        }
    }

    /// The number for these rows.
    ///
    /// # Errors
    /// Undefined without rows, for log-odds that are not finite, and where the metric needs
    /// both classes and one is absent.
    pub fn of(self, labels: &[bool], log_odds: &[f64]) -> Stat {
        let at_half = || curve::confusion(labels, log_odds, 0.0);
        match self {
            Self::RocAuc => curve::auc(labels, log_odds),
            Self::BalancedAccuracy => at_half()?.balanced_accuracy(),
            Self::Sensitivity => at_half()?.sensitivity(),
            Self::Specificity => at_half()?.specificity(),
            Self::Brier => {
                require_finite(log_odds)?;
                let p: Vec<f64> = log_odds.iter().map(|t| sigmoid(*t)).collect();
                curve::brier(labels, &p)
            }
            Self::LogLoss => log_loss(labels, log_odds),
            Self::CalibrationSlope => calibration_slope(labels, log_odds),
        }
    }
}

/// Mean ln(1 + e^∓t) from the log-odds t: no probability is rounded to 0 on the way. Nats.
///
/// # Errors
/// Undefined without rows or for log-odds that are not finite.
pub fn log_loss(labels: &[bool], log_odds: &[f64]) -> Stat {
    require_paired(labels.len(), log_odds.len())?;
    require_finite(log_odds)?;
    if labels.is_empty() {
        return undefined("no rows");
    }
    let one = |i: usize| softplus(if labels[i] { -log_odds[i] } else { log_odds[i] });
    Ok(sum_by(labels.len(), &one) / labels.len() as f64)
}

/// Slope b of logit P(label) = a + b·log-odds, by maximum likelihood (Cox 1958). No unit.
///
/// # Errors
/// Undefined when a class is absent, all log-odds are equal, or they separate the classes
/// (then no finite slope is the most likely).
pub fn calibration_slope(labels: &[bool], log_odds: &[f64]) -> Stat {
    let area = curve::auc(labels, log_odds)?;
    if area == 0.0 || area == 1.0 {
        return undefined("the log-odds separate the classes; no finite slope");
    }
    if log_odds.iter().all(|t| *t == log_odds[0]) {
        return undefined("all log-odds are equal");
    }
    let rows: Vec<Vec<f64>> = log_odds.iter().map(|t| vec![*t]).collect();
    fit(&rows, labels, 0.0)?.slope(0).map_or_else(|| undefined("no slope"), Ok)
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRow {
    /// The metric.
    pub metric: Metric,
    /// The fold, or `None` for all folds pooled.
    pub fold: Option<usize>,
    /// Rows it rests on.
    pub rows: usize,
    /// The number.
    pub value: Stat,
    /// Its interval over subjects, by [`Metric::interval_by`]; pooled over folds,
    /// [widened](widening).
    pub interval: Result<Bounds, Undefined>,
}

/// By how much an interval pooled over `folds` folds is wider than that of its held-out
/// subjects: √(1 + K/(K − 1)), and 1 for a single fold. The latter takes the fitted networks
/// as given. Those of a cross-validation share most of their training
/// subjects and so err together: the variance of a mean over K folds is not σ²/K but
/// σ²(1/K + n_test/n_train), which is K·n_test/n_train = K/(K − 1) more (Nadeau & Bengio
/// 2003, <https://doi.org/10.1023/A:1024068626366>; a rule of thumb for means, used here
/// for every pooled metric).
pub fn widening(folds: usize) -> f64 {
    if folds < 2 { 1.0 } else { (1.0 + folds as f64 / (folds - 1) as f64).sqrt() }
}

/// All metrics, pooled first, then fold by fold. Bootstraps take `draws` draws of subjects
/// within classes (a subject with rows of both classes is a stratum of its own kind); the
/// pooled ones are [widened](widening), those of one fold say nothing of another training.
/// Pooled log-odds of different folds come from different models: a shift between folds
/// lowers the pooled AUC. Rows are put in order first, so that the order given does not
/// matter.
pub fn table(predictions: &[Prediction], draws: usize, seed: Seed) -> Vec<MetricRow> {
    let mut all: Vec<&Prediction> = predictions.iter().collect();
    all.sort_by(|a, b| {
        let key = |p: &'_ Prediction| (p.fold, p.label);
        (a.subject.cmp(&b.subject))
            .then(key(a).cmp(&key(b)))
            .then(a.log_odds.total_cmp(&b.log_odds))
    });
    let folds: BTreeSet<usize> = all.iter().map(|p| p.fold).collect();
    let count = folds.len();
    let parts = std::iter::once(None).chain(folds.into_iter().map(Some));
    let mut out = Vec::new();
    for fold in parts {
        let factor = if fold.is_none() { widening(count) } else { 1.0 };
        let part: Vec<&Prediction> =
            all.iter().filter(|p| fold.is_none_or(|f| p.fold == f)).copied().collect();
        let units = units(&part);
        for metric in Metric::ALL {
            let mut row = line(metric, fold, &part, &units, draws, seed);
            if let (Ok(value), Ok(bounds)) = (&row.value, &mut row.interval) {
                *bounds = bounds.widened(*value, factor, metric.range());
            }
            out.push(row);
        }
    }
    out
}

fn units(part: &[&Prediction]) -> Units {
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, p) in part.iter().enumerate() {
        rows.entry(&p.subject).or_default().push(i);
    }
    let mut strata: BTreeMap<BTreeSet<bool>, Vec<Vec<usize>>> = BTreeMap::new();
    for unit in rows.into_values() {
        let classes = unit.iter().map(|&i| part[i].label).collect();
        strata.entry(classes).or_default().push(unit);
    }
    Units::strata(strata.into_values().collect())
}

fn line(
    metric: Metric,
    fold: Option<usize>,
    part: &[&Prediction],
    units: &Units,
    draws: usize,
    seed: Seed,
) -> MetricRow {
    let of = |rows: &mut dyn Iterator<Item = usize>| {
        let (labels, odds): (Vec<bool>, Vec<f64>) =
            rows.map(|i| (part[i].label, part[i].log_odds)).unzip();
        metric.of(&labels, &odds)
    };
    let value = of(&mut (0..part.len()));
    let place = fold.map_or_else(|| "pooled".to_owned(), |f| format!("fold-{f}"));
    let mut stream = seed.stream(&format!("metrics/{place}/{}", metric.id()));
    let interval = if metric == Metric::RocAuc {
        let subjects: Vec<&str> = part.iter().map(|p| p.subject.as_str()).collect();
        let (labels, odds): (Vec<bool>, Vec<f64>) =
            part.iter().map(|p| (p.label, p.log_odds)).unzip();
        auc_interval::over_subjects(&labels, &odds, &subjects, LEVEL)
    } else {
        percentile(units, LEVEL, draws, &mut stream, |rows| of(&mut rows.iter().copied()))
    };
    MetricRow { metric, fold, rows: part.len(), value, interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(n: usize, gain: f64) -> Vec<Prediction> {
        let mut s = Seed(11).stream("metrics-test");
        (0..n)
            .map(|i| {
                let true_odds = 2.0 * s.normal();
                let label = s.uniform() < sigmoid(true_odds);
                let subject = format!("sub-{i:04}");
                Prediction { subject, fold: i % 2, label, log_odds: gain * true_odds }
            })
            .collect()
    }

    fn pooled(rows: &[MetricRow], metric: Metric) -> MetricRow {
        rows.iter().find(|r| r.metric == metric && r.fold.is_none()).expect("row").clone()
    }

    #[test]
    fn a_calibrated_model_has_slope_one_and_an_overconfident_one_less() {
        let one = |gain| {
            let p = made(3000, gain);
            let (y, t): (Vec<bool>, Vec<f64>) = p.iter().map(|p| (p.label, p.log_odds)).unzip();
            calibration_slope(&y, &t).expect("slope")
        };
        assert!((one(1.0) - 1.0).abs() < 0.1, "{}", one(1.0));
        assert!((one(2.0) - one(1.0) / 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_table_holds_every_metric_per_fold_and_pooled_whatever_the_order() {
        let mut p = made(80, 1.0);
        let rows = table(&p, 300, Seed(1));
        assert_eq!(rows.len(), 21);
        for row in &rows {
            let value = row.value.clone().expect("value");
            let b = row.interval.clone().expect("interval");
            assert!(b.low <= value && value <= b.high && b.low < b.high, "{row:?}");
        }
        p.reverse();
        assert_eq!(table(&p, 300, Seed(1)), rows);
        let ids: BTreeSet<&str> = Metric::ALL.iter().map(|m| m.id()).collect();
        assert_eq!(ids.len(), 7);
    }

    #[test]
    fn pooled_intervals_are_wider_than_those_of_one_hold_out() {
        let folds = made(80, 1.0);
        let mut once = folds.clone();
        once.iter_mut().for_each(|p| p.fold = 0);
        let of = |p: &[Prediction]| pooled(&table(p, 300, Seed(1)), Metric::RocAuc);
        let (wide, narrow) = (of(&folds), of(&once));
        assert_eq!(wide.value, narrow.value);
        let value = wide.value.expect("value");
        let (wide, narrow) = (wide.interval.expect("wide"), narrow.interval.expect("narrow"));
        let factor = 3f64.sqrt(); // two folds: 1 + 2/1
        assert!((value - wide.low - factor * (value - narrow.low)).abs() < 1e-12);
        assert!((wide.high - (value + factor * (narrow.high - value)).min(1.0)).abs() < 1e-12);
        assert_eq!((widening(0), widening(1)), (1.0, 1.0));
        assert!((widening(5) - 1.5).abs() < 1e-15);
    }

    #[test]
    fn scans_of_a_subject_do_not_count_as_subjects_in_the_interval_of_the_auc() {
        let mut once = made(40, 1.0);
        once.iter_mut().for_each(|p| p.fold = 0);
        let thrice: Vec<Prediction> = (0..120).map(|row| once[row / 3].clone()).collect();
        let of = |p: &[Prediction]| pooled(&table(p, 100, Seed(1)), Metric::RocAuc);
        let (once, thrice) = (of(&once), of(&thrice));
        assert_eq!((once.value, once.interval), (thrice.value, thrice.interval));
    }

    #[test]
    fn oracles() {
        let mut exact = made(60, 1.0);
        exact.iter_mut().for_each(|p| p.log_odds = if p.label { 3.0 } else { -3.0 });
        let rows = table(&exact, 200, Seed(1));
        assert_eq!(pooled(&rows, Metric::RocAuc).value, Ok(1.0));
        assert_eq!(pooled(&rows, Metric::BalancedAccuracy).value, Ok(1.0));
        assert!(pooled(&rows, Metric::CalibrationSlope).value.is_err());
        let loss = pooled(&rows, Metric::LogLoss).value.expect("loss");
        assert!((loss - (-3f64).exp().ln_1p()).abs() < 1e-12);
        exact.iter_mut().for_each(|p| p.log_odds = 0.0);
        let rows = table(&exact, 200, Seed(1));
        let auc = pooled(&rows, Metric::RocAuc);
        // Newcombe's of 0.5 has the same reach on both sides; a bootstrap had a point.
        let bounds = auc.interval.expect("interval");
        assert!(auc.value == Ok(0.5) && (bounds.low + bounds.high - 1.0).abs() < 1e-12);
        assert!(bounds.low < 0.4, "{bounds:?}");
        assert_eq!(pooled(&rows, Metric::Brier).value, Ok(0.25));
        assert!(pooled(&rows, Metric::CalibrationSlope).value.is_err());
    }

    #[test]
    fn undefined_cases() {
        assert!(log_loss(&[], &[]).is_err() && log_loss(&[true], &[f64::NAN]).is_err());
        assert!(log_odds_of(1.2).is_err() && log_odds_of(f64::NAN).is_err());
        assert!((log_odds_of(0.75).expect("odds") - 3f64.ln()).abs() < 1e-15);
        assert!(log_odds_of(1.0).expect("kept away from 1").is_finite());
        for m in Metric::ALL {
            assert!(m.of(&[], &[]).is_err(), "{m:?}");
            assert!(m.of(&[true, false], &[f64::INFINITY, 0.0]).is_err(), "{m:?}");
        }
        assert!(table(&[], 200, Seed(1)).iter().all(|r| r.value.is_err() && r.interval.is_err()));
    }
}
