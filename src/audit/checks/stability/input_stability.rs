//! Does the map stay when the image is disturbed as scanners and pipelines disturb it?
//!
//! * **Question** Would another scan of the same head on the same day have shown the same?
//! * **Formula** Per disturbance and strength: Spearman's correlation of φ(x) and φ(x′) inside
//!   the mask, maps of moved heads carried back first and what left the view left out;
//!   ‖φ(x′) − φ(x)‖ / ‖φ(x)‖, mean and largest over draws (the form of Quantus; Yeh et al. do
//!   not divide: that form stands beside it); largest ‖φ(x′) − φ(x)‖ / ‖x′ − x‖ (local Lipschitz
//!   estimate); largest ‖(φ(x′) − φ(x)) / φ(x)‖ / ‖(x′ − x) / x‖ over voxels where neither φ nor
//!   x is near 0 (relative input stability). Largest values are over all draws up to a strength.
//!   `margin`: the least over disturbances, at their middle strength, of the correlation, plus
//!   what carrying an unchanged map there and back loses, less the correlation of maps of
//!   different subjects.
//! * **Reading** Correlation 1 and change 0: the map stays. A margin below 0: a disturbance
//!   changes a map more than another subject does.
//! * **When it misleads** A map that never changes is stable and says nothing. Intensities are
//!   not standardised again after the disturbance. Draws whose predicted class flips are counted
//!   and left out, so few draws may remain where the network is unsure. Distances of images mean
//!   nothing when the head moved: Lipschitz and relative stability are not given there.
//! * **Source** Yeh et al. 2019, <https://arxiv.org/abs/1901.09392>; Alvarez-Melis & Jaakkola
//!   2018, <https://arxiv.org/abs/1806.08049>; Agarwal et al. 2022,
//!   <https://arxiv.org/abs/2203.06877>.

mod draws;

use draws::{Drawn, Of, WHAT, drawn};

use super::arm_agreement::{cell, columns};
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::{Cell, Finding, Outcome, Series, Table};
use crate::audit::tools::alike::between_subjects;
use crate::audit::tools::disturb::{DISTURBANCES, Disturbance, USUAL};
use crate::card::{Better, Card};
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "input_stability",
    title: "Maps of disturbed images",
    question: "Would another scan of the same head on the same day have shown the same?",
    formula: "Spearman of R before and after, inside the mask, moved maps carried back; |R' - R| / |R| (Quantus; Yeh et al. do not divide), mean and largest; largest |R' - R| / |x' - x|; relative input stability; margin = least over disturbances of correlation + loss of carrying alone - correlation between subjects",
    reading: "Correlation 1 and change 0: the map stays. A margin below 0: a disturbance changes a map more than another subject does.",
    misleads: "A map that never changes is stable and says nothing. Gain is what a wrong scale leaves: standardising takes the scanner's own gain out. Intensities are not standardised again. Draws whose predicted class flips are counted apart and left out of all other numbers. Windows that step over voxels answer to odd and even shifts differently.",
    source: "Yeh et al. 2019, https://arxiv.org/abs/1901.09392; Alvarez-Melis & Jaakkola 2018, https://arxiv.org/abs/1806.08049; Agarwal et al. 2022, https://arxiv.org/abs/2203.06877",
    unit: "1",
    better: Better::Neither,
};

/// Name of the table that has a row per disturbance and strength.
pub const TABLE: &str = "disturbances";

/// The check.
#[derive(Debug)]
pub struct InputStability;

/// All draws of one disturbance: by case, strength, draw.
type Draws = Vec<Vec<Vec<Drawn>>>;

/// A number over subjects, each over its draws that did not flip; subjects of whom no draw is
/// left are left out.
fn over(bench: &Bench<'_>, all: &Draws, of: Of, strength: usize, purpose: &str) -> Outcome {
    let stats: Vec<Stat> = all.iter().filter_map(|case| of.of(case, strength)).collect();
    if stats.is_empty() {
        let why = "every draw flipped the predicted class".to_owned();
        return Outcome::Unmeasurable { why };
    }
    mean_of(&stats, bench.seed, &format!("input_stability/{purpose}/{strength}"))
}

/// Share of draws whose predicted class flipped.
fn flips(all: &Draws, strength: usize) -> f64 {
    let own: Vec<&Drawn> = all.iter().flat_map(|case| &case[strength]).collect();
    own.iter().filter(|d| d.flipped).count() as f64 / own.len() as f64
}

fn number(outcome: &Outcome) -> Stat {
    match outcome {
        Outcome::Measured { value, .. } => Ok(*value),
        Outcome::NotApplicable { why } | Outcome::Unmeasurable { why } => undefined(why.clone()),
    }
}

/// What is known of one disturbance: by strength the outcomes of [`WHAT`], and the share of
/// flips.
struct Known {
    of: &'static Disturbance,
    strengths: [f64; 3],
    outcomes: Vec<Vec<Outcome>>,
    flips: Vec<f64>,
}

fn known(bench: &Bench<'_>, of: &'static Disturbance, all: &Draws) -> Known {
    let strengths = of.strengths(&bench.cases[0].grid);
    let at = |s: usize| -> Vec<Outcome> {
        WHAT.iter().map(|(w, name)| over(bench, all, *w, s, &format!("{}/{name}", of.id))).collect()
    };
    let outcomes = (0..strengths.len()).map(at).collect();
    let flips = (0..strengths.len()).map(|s| flips(all, s)).collect();
    Known { of, strengths, outcomes, flips }
}

impl Known {
    /// Similarity at the usual strength, plus what carrying alone loses, less `level`.
    fn margin(&self, level: f64) -> Stat {
        let usual = &self.outcomes[USUAL];
        let (found, floor) = (number(&usual[0])?, number(&usual[1])?);
        Ok(found + (1.0 - floor) - level)
    }

    fn rows(&self) -> impl Iterator<Item = Vec<Cell>> + '_ {
        self.strengths.iter().enumerate().map(|(s, strength)| {
            let mut row = vec![Cell::Text(format!("{}: {}", self.of.id, self.of.strength))];
            row.extend([*strength, self.flips[s]].map(Cell::Number));
            row.extend(self.outcomes[s].iter().map(|o| cell(number(o))));
            row
        })
    }

    /// Similarity over strength, and beside it what carrying alone leaves and what maps of
    /// different subjects have.
    fn series(&self, between: &Stat) -> Vec<Series> {
        let blank = |name: &str| Series {
            name: name.to_owned(),
            x_label: self.of.strength.to_owned(),
            y_label: "Spearman of R".to_owned(),
            ..Series::default()
        };
        let line = |name: &str, what: usize, band: bool| {
            let mut line = blank(name);
            for (s, x) in self.strengths.iter().enumerate() {
                let Outcome::Measured { value, interval } = &self.outcomes[s][what] else {
                    continue;
                };
                line.x.push(*x);
                line.y.push(*value);
                if band {
                    let ends = interval.as_ref().map_or((*value, *value), |i| (i.low, i.high));
                    line.low.push(ends.0);
                    line.high.push(ends.1);
                }
            }
            line
        };
        let mut all = vec![line(&self.of.id.replace('_', " "), 0, true)];
        let floor = line("the same map carried there and back", 1, false);
        if floor.y.iter().any(|y| *y != 1.0) {
            all.push(floor);
        }
        if let Ok(level) = between {
            let mut flat = blank("maps of different subjects");
            flat.x = self.strengths.to_vec();
            flat.y = vec![*level; flat.x.len()];
            all.push(flat);
        }
        all
    }

    fn findings(&self, between: &Stat) -> Vec<Finding> {
        let made = |name: &str, outcome: Outcome| {
            of_cohort(&CARD, &format!("{name}_{}", self.of.id), outcome)
        };
        let usual = &self.outcomes[USUAL];
        let mut similarity = made("similarity", usual[0].clone());
        similarity.series = self.series(between);
        vec![
            similarity,
            made("sensitivity_avg", usual[2].clone()),
            made("sensitivity_max", usual[3].clone()),
            made("flips", Outcome::measured(self.flips[USUAL])),
        ]
    }
}

/// The least margin over disturbances, and whose it is.
fn least(bench: &Bench<'_>, all: &[Known], between: &Stat) -> Finding {
    let none = |outcome: Outcome| of_cohort(&CARD, "margin", outcome);
    if bench.cases.len() < 2 {
        let why = "one subject has no other to be compared with".to_owned();
        return none(Outcome::NotApplicable { why });
    }
    let own = |k: &Known| between.clone().and_then(|level| Ok((k.margin(level)?, k.of.id)));
    let margins: std::result::Result<Vec<(f64, &str)>, _> = all.iter().map(own).collect();
    match margins {
        Err(why) => none(Outcome::Unmeasurable { why: why.0 }),
        Ok(margins) => {
            let worst =
                margins.iter().fold((f64::INFINITY, ""), |a, b| if b.0 < a.0 { *b } else { a });
            let mut found = none(Outcome::measured(worst.0));
            found.notes.push(format!("The least margin is that of {}.", worst.1));
            found
        }
    }
}

fn table(all: &[Known]) -> Table {
    let mut names = vec!["disturbance", "strength", "flips"];
    names.extend(WHAT.iter().map(|(_, name)| *name));
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let rows = all.iter().flat_map(Known::rows).collect();
    Table { name: TABLE.to_owned(), columns: columns(&names), rows }
}

impl Check for InputStability {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let cases = drawn(bench)?;
        let all: Vec<Known> = DISTURBANCES
            .iter()
            .enumerate()
            .map(|(d, of)| {
                let own: Draws = cases.iter().map(|case| case[d].clone()).collect();
                known(bench, of, &own)
            })
            .collect();
        let between = between_subjects(bench);
        let mut margin = least(bench, &all, &between);
        margin.tables.push(table(&all));
        let scores: Vec<f64> = bench.network()?.answers.iter().map(|a| a.score).collect();
        let spread = moments::sd(&scores).map_or_else(|why| why.0, |sd| format!("{sd:.3}"));
        margin.notes.push(format!(
            "Numbers are means over {} subjects; |change of the score| is in its unit (over the \
             subjects its standard deviation is {spread}). Quantities without a strength in their \
             name are of the middle strength.",
            bench.cases.len()
        ));
        if bench.zeros.is_empty() {
            margin.notes.push(
                "Where the scanner's intensity 0 lies is not known: the least value inside the \
                 mask was taken for it by noise and bias field."
                    .to_owned(),
            );
        }
        Ok(std::iter::once(margin).chain(all.iter().flat_map(|k| k.findings(&between))).collect())
    }
}
