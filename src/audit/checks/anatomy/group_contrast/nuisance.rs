//! Which covariates stand beside the class.

use crate::audit::bench::Bench;
use crate::audit::tools::covariates::HEAD;
use crate::stats::linear_model::Design;
use crate::stats::student::welch;
use crate::stats::{Undefined, moments};

/// Names of the age at the scan, of which one is used.
const AGES: &[&str] = &[
    "age_at_scan_weeks",
    "age_at_scan",
    "scan_age",
    "scan_pma",
    "pma_at_scan",
    "pma",
    "age_years",
    "age",
];
/// Names of the sex.
const SEXES: &[&str] = &["sex", "gender"];
/// Subjects for each covariate: with fewer, what is estimated of it is noise.
const PER_COVARIATE: usize = 5;
/// p of Welch's test at which a covariate is said to go with the class.
const CONFOUNDED: f64 = 0.05;

/// Covariates in use, and what is to be said of them.
pub(super) struct Nuisance {
    pub(super) columns: Vec<(String, Vec<f64>)>,
    pub(super) notes: Vec<String>,
}

impl Nuisance {
    /// Age at the scan, sex and head size, where all have them, as many as the subjects bear and
    /// none that is a combination of the class and those before it.
    pub(super) fn of(bench: &Bench<'_>, rows: &[usize], classes: &[usize]) -> Self {
        let mut made = Self { columns: Vec::new(), notes: Vec::new() };
        let class: Vec<f64> = classes.iter().map(|c| *c as f64).collect();
        let Ok(mut design) = Design::new(&[vec![1.0; rows.len()], class]) else { return made };
        let most = rows.len() / PER_COVARIATE;
        for (what, names) in [("age at the scan", AGES), ("sex", SEXES), ("head size", &[HEAD])] {
            let Some((name, values)) = column(bench, rows, names) else {
                made.notes
                    .push(format!("No {what} is known of all subjects: it is not adjusted for."));
                continue;
            };
            if values.iter().all(|v| *v == values[0]) {
                made.notes.push(format!("{name} is the same for all."));
                continue;
            }
            made.say_confounded(&name, &values, classes, bench.classes);
            if made.columns.len() == most {
                made.notes.push(format!(
                    "{name} is left out: {} subjects bear {most} covariates.",
                    rows.len()
                ));
            } else if design.add(&values) {
                made.columns.push((name, values));
            } else {
                made.notes.push(format!(
                    "{name} is left out: it is a combination of the class and the other covariates, and no statistic can tell them apart."
                ));
            }
        }
        made
    }

    /// Says when a covariate goes with the class.
    fn say_confounded(&mut self, name: &str, values: &[f64], classes: &[usize], names: &[String]) {
        let part = |class: usize| -> Vec<f64> {
            values.iter().zip(classes).filter(|(_, c)| **c == class).map(|(v, _)| *v).collect()
        };
        let (a, b) = (part(0), part(1));
        let told =
            || Ok::<_, Undefined>((welch(&a, &b)?.p, moments::mean(&a)?, moments::mean(&b)?));
        if let Ok((p, low, high)) = told()
            && p <= CONFOUNDED
        {
            self.notes.push(format!(
                "{name} goes with the class: its mean is {low:.4} in {} and {high:.4} in {} (Welch p = {p:.2e}). What it explains of the relevance cannot be told from the class.",
                names[0], names[1]
            ));
        }
    }
}

/// The first of some covariates that all have, with its name; one of two values is found by the
/// name before the `=`.
fn column(bench: &Bench<'_>, rows: &[usize], names: &[&str]) -> Option<(String, Vec<f64>)> {
    let first = &bench.cases[*rows.first()?].covariates;
    let name = names.iter().find_map(|wanted| {
        let same =
            |name: &&String| name.split('=').next().is_some_and(|n| n.eq_ignore_ascii_case(wanted));
        first.keys().find(same)
    })?;
    let of = |&n: &usize| bench.cases[n].covariates.get(name).copied();
    Some((name.clone(), rows.iter().map(of).collect::<Option<Vec<f64>>>()?))
}
