//! What a cascade says: curves, the change of the score, and each stage against the likeness of
//! different subjects.

use super::likeness::{Alike, COSINE, EITHER, MAGNITUDE, MEASURES, SIGNED, UNSIGNED, between};
use super::stages::{Asked, Cascade};
use crate::audit::bench::Bench;
use crate::audit::checks::{mean_of, of_cohort, outcome as outcome_of};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Series, Table};
use crate::stats::discovery::holm;
use crate::stats::permutation::{Tail, sign_flip};
use crate::stats::{Stat, Undefined, moments, undefined};

/// Name of the table of stages against other subjects.
pub const BASELINE: &str = "each stage against the likeness of different subjects";
/// Name of the curve of the score.
pub const CHANGE: &str = "change of the score";
/// Arrangements of a sign-flip test at most.
const FLIPS: usize = 1 << 14;
/// Measures that do not depend on the sign of the score: those of the baseline.
const UNSIGNED_MEASURES: [usize; 3] = [UNSIGNED, MAGNITUDE, EITHER];
/// Measures drawn as curves; the table has all.
const CURVES: [usize; 4] = [SIGNED, MAGNITUDE, COSINE, EITHER];

/// A stage by a measure against the baseline.
struct Row {
    measure: usize,
    stage: usize,
    level: Stat,
    between: Stat,
    /// The excess over the baseline, a number per case.
    excess: Result<Vec<f64>, Undefined>,
    p: Stat,
    /// After Holm.
    adjusted: Stat,
}

/// A cascade with what its findings need.
pub(in super::super) struct Told<'a> {
    bench: &'a Bench<'a>,
    asked: Asked,
    cascade: Cascade,
    between: Vec<Alike>,
}

impl<'a> Told<'a> {
    pub(in super::super) fn new(bench: &'a Bench<'a>, asked: Asked, cascade: Cascade) -> Self {
        Self { bench, asked, cascade, between: between(bench) }
    }

    /// Number of the last stage.
    pub(in super::super) fn last(&self) -> usize {
        self.cascade.labels.len() - 1
    }

    fn purpose(&self, what: &str) -> String {
        format!("{}/{what}", self.asked.card.id)
    }

    /// Mean over draws, per case.
    pub(in super::super) fn per_case(&self, stage: usize, measure: usize) -> Vec<Stat> {
        let of = |case: usize| -> Stat {
            let all = self.cascade.draws.iter().map(|d| d[stage][case].alike[measure].clone());
            moments::mean(&all.collect::<Result<Vec<f64>, _>>()?)
        };
        (0..self.bench.cases.len()).map(of).collect()
    }

    /// Mean over draws and cases with its interval over cases.
    pub(in super::super) fn mean(&self, stage: usize, measure: usize) -> Outcome {
        let purpose = self.purpose(&format!("{measure}/{stage}"));
        mean_of(&self.per_case(stage, measure), self.bench.seed, &purpose)
    }

    fn blank(&self, name: &str, y_label: &str) -> Series {
        let id = self.asked.card.id;
        let x_label = match id {
            "weights_cascade" => "re-initialised from the output down to",
            "weights_bottom_up" => "re-initialised from the input up to",
            "weights_independent" => "the one layer re-initialised",
            _ => "weights permuted from the output down to",
        };
        Series {
            name: name.to_owned(),
            x_label: x_label.to_owned(),
            y_label: y_label.to_owned(),
            labels: self.cascade.labels.clone(),
            x: (0..=self.last()).map(|s| s as f64).collect(),
            ..Series::default()
        }
    }

    /// A curve per measure, and the likeness of different subjects as levels.
    pub(in super::super) fn series(&self) -> Vec<Series> {
        let y = "similarity to the trained network's map";
        let curve = |measure: usize| {
            let mut curve = self.blank(MEASURES[measure], y);
            let points =
                curve.x.clone().into_iter().enumerate().filter_map(|(stage, x)| {
                    match self.mean(stage, measure) {
                        Outcome::Measured { value, interval } => {
                            let (low, high) = interval.map_or((value, value), |i| (i.low, i.high));
                            Some((x, value, low, high))
                        }
                        _ => None,
                    }
                });
            let points: Vec<(f64, f64, f64, f64)> = points.collect();
            // Names belong to all stages or to none.
            curve.labels = points.iter().map(|p| curve.labels[p.0 as usize].clone()).collect();
            curve.x = points.iter().map(|p| p.0).collect();
            curve.y = points.iter().map(|p| p.1).collect();
            curve.low = points.iter().map(|p| p.2).collect();
            curve.high = points.iter().map(|p| p.3).collect();
            curve
        };
        let level = |measure: usize| {
            let values: Vec<f64> =
                self.between.iter().filter_map(|b| b[measure].clone().ok()).collect();
            let name = if measure == MAGNITUDE { "subjects by |R|" } else { "subjects by SSIM" };
            let mut flat = self.blank(name, y);
            flat.y = vec![moments::mean(&values).ok()?; flat.x.len()];
            Some(flat)
        };
        let mut all: Vec<Series> = CURVES.into_iter().map(curve).collect();
        all.retain(|curve| !curve.x.is_empty());
        all.extend([MAGNITUDE, EITHER].into_iter().filter_map(level));
        let change = |stage: usize| {
            let all = self.cascade.draws.iter().flat_map(|d| d[stage].iter().map(|c| c.change));
            let all: Vec<f64> = all.collect();
            all.iter().sum::<f64>() / all.len().max(1) as f64
        };
        let mut changes = self.blank(CHANGE, "mean |change of the score|");
        changes.y = (0..=self.last()).map(change).collect();
        if changes.y.iter().all(|y| y.is_finite()) {
            all.push(changes);
        }
        all
    }

    /// Every stage by every measure against the likeness of different subjects: is the
    /// map of a subject less like its own before than like another subject's?
    fn rows(&self) -> Vec<Row> {
        let test = |excess: &Result<Vec<f64>, Undefined>, what: &str| -> Stat {
            let mut stream = self.bench.seed.stream(&format!("audit/{}", self.purpose(what)));
            Ok(sign_flip(excess.as_ref().map_err(Clone::clone)?, Tail::Less, FLIPS, &mut stream)?.p)
        };
        let row = |measure: usize, stage: usize| {
            let own = self.per_case(stage, measure);
            let other = self.between.iter().map(|b| b[measure].clone());
            let pair = |(a, b): (&Stat, Stat)| Ok(a.clone()? - b?);
            let excess: Result<Vec<f64>, Undefined> =
                own.iter().zip(other.clone()).map(pair).collect();
            let mean = |all: Vec<Stat>| -> Stat {
                moments::mean(&all.into_iter().collect::<Result<Vec<f64>, _>>()?)
            };
            let p = if UNSIGNED_MEASURES.contains(&measure) {
                test(&excess, &format!("flips/{measure}/{stage}"))
            } else {
                undefined("only measures without sign are tested")
            };
            let (level, between) = (mean(own), mean(other.collect()));
            Row { measure, stage, level, between, excess, adjusted: p.clone(), p }
        };
        let measures = 0..MEASURES.len();
        let stages = |measure: usize| (1..=self.last()).map(move |stage| (measure, stage));
        let mut rows: Vec<Row> = measures.flat_map(stages).map(|(m, s)| row(m, s)).collect();
        let known: Vec<usize> = (0..rows.len()).filter(|r| rows[*r].p.is_ok()).collect();
        let p: Vec<f64> = known.iter().filter_map(|r| rows[*r].p.clone().ok()).collect();
        if let Ok(adjusted) = holm(&p) {
            known.into_iter().zip(adjusted).for_each(|(r, p)| rows[r].adjusted = Ok(p));
        }
        rows
    }

    fn excess(&self, row: &Row) -> Outcome {
        let purpose = self.purpose(&format!("excess/{}/{}", row.measure, row.stage));
        match &row.excess {
            Ok(all) => {
                let stats: Vec<Stat> = all.iter().map(|d| Ok(*d)).collect();
                mean_of(&stats, self.bench.seed, &purpose)
            }
            Err(why) => Outcome::Unmeasurable { why: why.0.clone() },
        }
    }

    fn table(&self, rows: &[Row]) -> Table {
        let names = ["measure", "stage", "similarity", "between subjects", "excess"];
        let more = ["upper 95 % bound of the excess", "p", "p after Holm"];
        let column = |name: &&str| {
            let unit = if ["measure", "stage"].contains(name) { "" } else { "1" };
            Column { name: (*name).to_owned(), unit: unit.to_owned() }
        };
        let cell = |stat: &Stat| stat.clone().map_or_else(|why| Cell::Missing(why.0), Cell::Number);
        let line = |row: &Row| {
            let [excess, high] = both(&self.excess(row));
            let texts = [MEASURES[row.measure].to_owned(), self.cascade.labels[row.stage].clone()];
            let numbers = [&row.level, &row.between, &excess, &high, &row.p, &row.adjusted];
            texts.into_iter().map(Cell::Text).chain(numbers.into_iter().map(cell)).collect()
        };
        Table {
            name: BASELINE.to_owned(),
            columns: names.iter().chain(&more).map(column).collect(),
            rows: rows.iter().map(line).collect(),
        }
    }

    /// The findings at a stage: `similarity_NAME` with curves, table and notes, its upper bound,
    /// that of |R|, and SSIM against the likeness of different subjects.
    pub(in super::super) fn findings(&self, name: &str, stage: usize) -> Vec<Finding> {
        let card = self.asked.card;
        let rows = self.rows();
        let made = |quantity: String, outcome: Outcome| of_cohort(card, &quantity, outcome);
        let own = self.mean(stage, UNSIGNED);
        let [_, high] = both(&own);
        let mut main = made(format!("similarity_{name}"), own);
        main.series = self.series();
        main.tables.push(self.table(&rows));
        main.notes.push(format!(
            "{} draws; intervals and tests are over subjects, with the draws held fixed.",
            self.asked.draws
        ));
        let mut all = vec![
            main,
            made(format!("similarity_{name}_high"), outcome_of(high)),
            made(format!("similarity_{name}_magnitude"), self.mean(stage, MAGNITUDE)),
            made(format!("ssim_{name}"), self.mean(stage, EITHER)),
        ];
        if let Some(row) = rows.iter().find(|r| (r.measure, r.stage) == (EITHER, stage)) {
            let [_, high] = both(&self.excess(row));
            let p = row.adjusted.clone();
            all.push(made(format!("ssim_{name}_excess_high"), outcome_of(high)));
            all.push(made(format!("ssim_{name}_p_value"), outcome_of(p)));
        }
        all
    }
}

/// The number and the upper end of its interval.
fn both(outcome: &Outcome) -> [Stat; 2] {
    match outcome {
        Outcome::Measured { value, interval } => {
            let none = "fewer than three subjects have no interval".to_owned();
            [Ok(*value), interval.as_ref().map(|i| i.high).ok_or(Undefined(none))]
        }
        Outcome::Unmeasurable { why } | Outcome::NotApplicable { why } => {
            [Err(Undefined(why.clone())), Err(Undefined(why.clone()))]
        }
    }
}
