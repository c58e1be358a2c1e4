//! Findings of newer checks that have a figure of their own, as the checks write them.

use super::{interval, series};
use crate::audit::finding::{COHORT, Cell, Column, Finding, Outcome, Table};

/// Names of the curves of a perturbation.
const ORDERS: [&str; 3] = crate::audit::checks::faithfulness::region_perturbation::NAMES;

fn perturbed() -> Finding {
    let area = Outcome::with_interval(0.87, interval(0.82, 0.93));
    let mut found = Finding::new("region_perturbation", COHORT, "abpc", "1", area);
    let curve = |name: &str, y: Vec<f64>, spread: f64| {
        series(name, "share of the brain replaced", "fall of the score", &[], y, spread)
    };
    found.series = vec![
        curve(ORDERS[0], vec![0.0, 0.6, 0.9, 1.0], 0.05),
        curve(ORDERS[1], vec![0.0, 0.1, 0.3, 1.0], 0.05),
        curve(ORDERS[2], vec![0.0, 0.35, 0.6, 1.0], 0.1),
    ];
    found
}

fn disturbed() -> Finding {
    let mut found =
        Finding::new("input_stability", COHORT, "similarity_noise", "1", Outcome::measured(0.9));
    let y = vec![0.97, 0.9, 0.8];
    found.series = vec![series("noise", "strength", "Spearman of R", &["a", "b", "c"], y, 0.02)];
    found
}

fn contrast() -> Finding {
    let mut found =
        Finding::new("group_contrast", COHORT, "true_share", "1", Outcome::measured(0.02));
    let columns = ["region", "side", "g", "g_low", "g_high", "p_fwe"];
    let unit = |n: &&str| Column { name: (*n).to_owned(), unit: String::new() };
    let row = |name: &str, g: f64, p: f64| {
        let numbers = [g, g - 0.5, g + 0.5, p].map(Cell::Number);
        [Cell::Text(name.to_owned()), Cell::Text("left".to_owned())].into_iter().chain(numbers)
    };
    let rows = [row("ventricle", 1.4, 0.01), row("cerebellum", -0.2, 0.9)];
    found.tables = vec![Table {
        name: "share by class".to_owned(),
        columns: columns.iter().map(unit).collect(),
        rows: rows.into_iter().map(Iterator::collect).collect(),
    }];
    found
}

pub(super) fn findings() -> [Finding; 3] {
    [perturbed(), disturbed(), contrast()]
}
