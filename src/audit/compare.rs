//! Compares two baselines: numbers within stated tolerances, verdicts exactly. What is
//! gone never counts as a pass.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, CheckValue, SubjectBaseline, major};
use super::finding::COHORT;
use super::judge::{number, word};
use super::policy::Verdict;
use crate::{Error, Result};

/// |new − old| may be up to the larger of `abs` and `rel`·|old|.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// In the unit of the number.
    pub abs: f64,
    /// Share of the old number; for regions and maps of the old largest |value|.
    pub rel: f64,
}

/// Tolerances by kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerances {
    /// Explained scores, log-odds.
    pub score: Tolerance,
    /// Numbers of checks on one subject.
    pub check: Tolerance,
    /// Numbers of checks on the cohort.
    pub cohort: Tolerance,
    /// Region vectors, by the largest difference.
    pub region: Tolerance,
    /// Coarse maps, by the largest difference.
    pub map: Tolerance,
}

impl Default for Tolerances {
    /// Above what another order of float32 sums changes, below what a reader would notice;
    /// conventions, to be replaced by measured noise where it is known.
    fn default() -> Self {
        Self {
            score: Tolerance { abs: 1e-4, rel: 1e-4 },
            check: Tolerance { abs: 1e-6, rel: 1e-3 },
            cohort: Tolerance { abs: 1e-6, rel: 1e-3 },
            region: Tolerance { abs: 1e-9, rel: 1e-3 },
            map: Tolerance { abs: 1e-12, rel: 1e-3 },
        }
    }
}

/// What became of a number; ordered from harmless to serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Equal after rounding.
    Same,
    /// Within the tolerance.
    MovedWithinNoise,
    /// Only in the new one: the baseline does not describe it. Counts as moved.
    New,
    /// Beyond the tolerance.
    Moved,
    /// Only in the old one, and only described there. Counts as moved.
    Deleted,
    /// The verdict or the predicted class is another; a judged number that is gone too.
    VerdictFlipped,
}

/// One compared number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Participant id or `cohort`.
    pub subject: String,
    /// `check/quantity`, or `score`, `predicted`, `regions`, `map`, `verdict`.
    pub what: String,
    /// What became of it.
    pub change: Change,
    /// |new − old|, or the largest one; none where a side is missing.
    pub difference: Option<f64>,
    /// The tolerance that applied.
    pub tolerance: Option<f64>,
    /// Old and new in words.
    pub detail: String,
}

/// A whole comparison, most serious and largest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The worst change.
    pub worst: Change,
    /// Everything compared.
    pub items: Vec<Item>,
    /// What else differs: engine, weights, images, rule, program version.
    pub notes: Vec<String>,
}

/// Compares a new baseline with an old one.
///
/// # Errors
/// [`Error::Baseline`]: `E-BASELINE-005` for another layout, architecture or input shape,
/// `E-BASELINE-006` for another set of regions, `E-BASELINE-007` for a tolerance that is
/// negative or not finite.
pub fn compare(old: &Baseline, new: &Baseline, tolerances: Tolerances) -> Result<Comparison> {
    compatible(old, new)?;
    let t = tolerances;
    for x in [t.score, t.check, t.cohort, t.region, t.map] {
        if !(x.abs >= 0.0 && x.rel >= 0.0 && x.abs.is_finite() && x.rel.is_finite()) {
            let what = format!("a tolerance of {} absolute and {} relative", x.abs, x.rel);
            return Err(Error::baseline("E-BASELINE-007", what, "Give finite ones from 0 up"));
        }
    }
    let mut items = Vec::new();
    let mut notes = differing_settings(old, new);
    let by_id = |b: &'_ Baseline| -> BTreeMap<String, usize> {
        b.subjects.iter().enumerate().map(|(i, s)| (s.id.clone(), i)).collect()
    };
    let (before, after) = (by_id(old), by_id(new));
    for (id, &i) in &before {
        match after.get(id) {
            Some(&j) => subject(&old.subjects[i], &new.subjects[j], &t, &mut items, &mut notes)?,
            None => items.push(gone(id, "subject", Change::VerdictFlipped)),
        }
    }
    for id in after.keys().filter(|id| !before.contains_key(*id)) {
        items.push(gone(id, "subject", Change::New));
    }
    values(COHORT, &old.cohort, &new.cohort, t.cohort, &mut items);
    items.push(verdicts(COHORT, "verdict", old.verdict, new.verdict));
    items.sort_by(|a, b| {
        let rank = |i: &Item| Reverse(i.change);
        (rank(a).cmp(&rank(b)))
            .then(effect(b).total_cmp(&effect(a)))
            .then_with(|| (&a.subject, &a.what).cmp(&(&b.subject, &b.what)))
    });
    let worst = items.iter().map(|i| i.change).max().unwrap_or(Change::Same);
    Ok(Comparison { worst, items, notes })
}

/// Difference in tolerances; a missing side is larger than any number.
fn effect(item: &Item) -> f64 {
    match (item.difference, item.tolerance) {
        (Some(d), Some(t)) if t > 0.0 => d / t,
        (Some(0.0), _) => 0.0,
        _ => f64::INFINITY,
    }
}

fn compatible(old: &Baseline, new: &Baseline) -> Result<()> {
    let fix = "Record a new baseline and say why";
    let pairs = [
        ("kind", old.kind.clone(), new.kind.clone()),
        ("layout", major(&old.schema_version).to_owned(), major(&new.schema_version).to_owned()),
        ("architecture", old.architecture.clone(), new.architecture.clone()),
        ("input shape", format!("{:?}", old.input_shape), format!("{:?}", new.input_shape)),
    ];
    match pairs.iter().find(|(_, a, b)| a != b) {
        Some((name, a, b)) => {
            let what = format!("the {name} was {a} and is {b}");
            Err(Error::baseline("E-BASELINE-005", what, fix))
        }
        None => Ok(()),
    }
}

fn differing_settings(old: &Baseline, new: &Baseline) -> Vec<String> {
    let pairs = [
        ("engine", &old.engine, &new.engine),
        ("weights", &old.model_sha256, &new.model_sha256),
        ("rule", &old.rule, &new.rule),
        ("explained output", &old.start, &new.start),
        ("program version", &old.program_version, &new.program_version),
    ];
    let other = pairs.into_iter().filter(|(_, a, b)| a != b);
    other.map(|(name, a, b)| format!("{name}: was {a}, is {b}")).collect()
}

fn subject(
    old: &SubjectBaseline,
    new: &SubjectBaseline,
    t: &Tolerances,
    items: &mut Vec<Item>,
    notes: &mut Vec<String>,
) -> Result<()> {
    let id = &old.id;
    if old.image_sha256 != new.image_sha256 {
        notes.push(format!("image of {id}: another file than before"));
    }
    if old.score.or(new.score).is_some() {
        items.push(moved(id, "score", old.score.as_slice(), new.score.as_slice(), t.score));
    }
    if old.predicted != new.predicted {
        let mut item = gone(id, "predicted", Change::VerdictFlipped);
        item.detail = {
            let name = |p: &Option<String>| p.clone().unwrap_or_else(|| "not asked".to_owned());
            format!("was {}, is {}", name(&old.predicted), name(&new.predicted))
        };
        items.push(item);
    }
    values(id, &old.values, &new.values, t.check, items);
    match (old.region_names.is_empty(), new.region_names.is_empty()) {
        (false, false) if old.region_names != new.region_names => {
            let what = format!("the regions of {id} are other ones than in the baseline");
            let fix = "Use the same label map, or record a new baseline";
            return Err(Error::baseline("E-BASELINE-006", what, fix));
        }
        (false, false) => {
            items.push(moved(id, "regions", &old.regions, &new.regions, t.region));
        }
        (false, true) => items.push(gone(id, "regions", Change::Deleted)),
        (true, false) => items.push(gone(id, "regions", Change::New)),
        (true, true) => {}
    }
    match (&old.map, &new.map) {
        (Some(a), Some(b)) if a.shape == b.shape => {
            items.push(moved(id, "map", &a.values, &b.values, t.map));
        }
        (Some(_), _) => items.push(gone(id, "map", Change::Deleted)),
        (None, Some(_)) => items.push(gone(id, "map", Change::New)),
        (None, None) => {}
    }
    Ok(())
}

/// Numbers side by side, by the largest difference.
fn moved(subject: &str, what: &str, old: &[f64], new: &[f64], tolerance: Tolerance) -> Item {
    if old.len() != new.len() {
        let mut item = gone(subject, what, Change::Moved);
        item.detail = format!("was {} numbers, is {}", old.len(), new.len());
        return item;
    }
    let gap = |i: usize| (new[i] - old[i]).abs();
    let widest = (0..old.len()).max_by(|a, b| gap(*a).total_cmp(&gap(*b)));
    let size = old.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let allowed = tolerance.abs.max(tolerance.rel * size);
    let (difference, detail) = widest.map_or((0.0, String::new()), |i| {
        (gap(i), format!("was {}, is {}", number(old[i]), number(new[i])))
    });
    let change = if old == new {
        Change::Same
    } else if difference <= allowed {
        Change::MovedWithinNoise
    } else {
        // A difference that is not a number lands here too.
        Change::Moved
    };
    Item {
        subject: subject.to_owned(),
        what: what.to_owned(),
        change,
        difference: difference.is_finite().then_some(difference),
        tolerance: Some(allowed),
        detail,
    }
}

fn gone(subject: &str, what: &str, change: Change) -> Item {
    let detail = if change == Change::New { "not in the baseline" } else { "no longer there" };
    Item {
        subject: subject.to_owned(),
        what: what.to_owned(),
        change,
        difference: None,
        tolerance: None,
        detail: detail.to_owned(),
    }
}

fn verdicts(subject: &str, what: &str, old: Verdict, new: Verdict) -> Item {
    let same = old == new;
    Item {
        subject: subject.to_owned(),
        what: what.to_owned(),
        change: if same { Change::Same } else { Change::VerdictFlipped },
        difference: same.then_some(0.0),
        tolerance: None,
        detail: format!("was {}, is {}", word(old), word(new)),
    }
}

fn values(
    subject: &str,
    old: &[CheckValue],
    new: &[CheckValue],
    tolerance: Tolerance,
    items: &mut Vec<Item>,
) {
    let named = |v: &CheckValue| format!("{}/{}", v.check, v.quantity);
    let lacks = |all: &[CheckValue], v: &CheckValue| {
        !all.iter().any(|o| o.check == v.check && o.quantity == v.quantity)
    };
    for a in old {
        let Some(b) = new.iter().find(|b| b.check == a.check && b.quantity == a.quantity) else {
            // A deleted result that was judged takes its verdict with it.
            let judged = a.verdict != Verdict::Described;
            let change = if judged { Change::VerdictFlipped } else { Change::Deleted };
            items.push(gone(subject, &named(a), change));
            continue;
        };
        let mut item = match (a.value, b.value) {
            (Some(x), Some(y)) => moved(subject, &named(a), &[x], &[y], tolerance),
            (Some(_), None) => gone(subject, &named(a), Change::Deleted),
            (None, Some(_)) => gone(subject, &named(a), Change::New),
            (None, None) => verdicts(subject, &named(a), a.verdict, b.verdict),
        };
        if a.verdict != b.verdict && item.change != Change::VerdictFlipped {
            let turn = format!("verdict was {}, is {}", word(a.verdict), word(b.verdict));
            item.detail = format!("{turn}; {}", item.detail);
            item.change = Change::VerdictFlipped;
        }
        items.push(item);
    }
    let fresh = new.iter().filter(|b| lacks(old, b));
    items.extend(fresh.map(|b| gone(subject, &named(b), Change::New)));
}

impl Change {
    /// The change as printed, equal to its JSON id.
    pub fn id(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::MovedWithinNoise => "moved_within_noise",
            Self::New => "new",
            Self::Moved => "moved",
            Self::Deleted => "deleted",
            Self::VerdictFlipped => "verdict_flipped",
        }
    }
}

impl Comparison {
    /// A plain-text table: counts, remarks, then what changed, at most `most` lines of it;
    /// numbers that are the same are only counted.
    pub fn describe(&self, most: usize) -> String {
        let count = |c: Change| self.items.iter().filter(|i| i.change == c).count();
        use Change::*;
        let counts: Vec<String> = [VerdictFlipped, Deleted, Moved, New, MovedWithinNoise, Same]
            .into_iter()
            .map(|c| format!("{} {}", count(c), c.id()))
            .collect();
        let mut out = format!("{}: {}\n", self.worst.id(), counts.join(", "));
        self.notes.iter().for_each(|n| out.push_str(&format!("note: {n}\n")));
        let changed: Vec<&Item> = self.items.iter().filter(|i| i.change != Same).collect();
        if changed.is_empty() {
            return out;
        }
        let head = ["change", "subject", "what", "difference", "tolerance", "detail"];
        let mut rows = vec![head.map(str::to_owned)];
        let cell = |v: Option<f64>| v.map_or("-".to_owned(), number);
        rows.extend(changed.iter().take(most).map(|i| {
            let (subject, what, detail) = (i.subject.clone(), i.what.clone(), i.detail.clone());
            [i.change.id().to_owned(), subject, what, cell(i.difference), cell(i.tolerance), detail]
        }));
        let width = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..5).map(width).collect();
        for row in &rows {
            let left = (0..5).map(|c| format!("{:<w$}  ", row[c], w = widths[c]));
            let line: String = left.chain(std::iter::once(row[5].clone())).collect();
            out.push_str(line.trim_end());
            out.push('\n');
        }
        if changed.len() > most {
            out.push_str(&format!("… and {} more\n", changed.len() - most));
        }
        out
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
