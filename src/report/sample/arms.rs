//! Other methods beside the audited maps, as the checks write them.

use super::picture;
use crate::audit::checks::randomisation::weights_cascade;
use crate::audit::checks::stability::arm_agreement;
use crate::audit::finding::{COHORT, Cell, Column, Finding, Outcome, Table};
use crate::audit::record::Picture;

/// The names of the arms.
const WORDS: [&str; 4] =
    ["gradient", "integrated_gradients_gausslegendre4", "smooth_grad_n4_s0.1", "occlusion_region"];

/// Pictures by other methods of the first subjects.
pub(super) fn pictures(subject: usize) -> Vec<Picture> {
    if subject > 1 {
        return Vec::new();
    }
    WORDS.iter().enumerate().map(|(n, word)| picture(subject + n + 5, word)).collect()
}

fn table(name: &str, first: Option<&str>, measures: usize) -> Table {
    let names: Vec<&str> = first.into_iter().chain(WORDS).collect();
    let row = |(r, name): (usize, &&str)| {
        let mut row = vec![Cell::Text((*name).to_owned())];
        for m in 0..measures {
            let v = 0.8 - 0.23 * r as f64 - 0.1 * m as f64;
            let missing = m == 3 && r == 2;
            let cells = [v, v - 0.09, v + 0.08].map(|v| {
                if missing { Cell::Missing("no label map".into()) } else { Cell::Number(v) }
            });
            row.extend(cells);
        }
        row
    };
    let column = |n: usize| Column { name: format!("column {n}"), unit: String::new() };
    Table {
        name: name.to_owned(),
        columns: (0..=3 * measures).map(column).collect(),
        rows: names.iter().enumerate().map(row).collect(),
    }
}

/// Findings of both checks that speak of arms.
pub(super) fn findings() -> [Finding; 2] {
    let made = |check: &str, quantity: &str, value, table| {
        let mut found = Finding::new(check, COHORT, quantity, "1", Outcome::measured(value));
        found.tables = vec![table];
        found
    };
    let (agreement, anew) = (arm_agreement::ARMS, weights_cascade::arms::ARMS);
    [
        made("arm_agreement", "agreement_gradient", 0.8, table(agreement, None, 4)),
        made(
            "weights_cascade",
            "similarity_full_gradient",
            0.57,
            table(anew, Some("epsilon_plus (audited)"), 2),
        ),
    ]
}
