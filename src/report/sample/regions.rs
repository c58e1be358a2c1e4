//! A region table as the check of regions writes it.

use crate::audit::finding::{Cell, Column, Table};

/// Twelve regions, one without an AUC.
pub(super) fn regions() -> Table {
    let names = "region side volume_ml relevance_sum share share_low share_high density enrichment laterality auc";
    let unit = |n: &str| if n == "volume_ml" { "ml" } else { "1" }.to_owned();
    let columns = names.split(' ').map(|n| Column { name: n.to_owned(), unit: unit(n) }).collect();
    let all = [
        "cortical grey",
        "white matter",
        "lateral ventricle",
        "thalamus",
        "cerebellum",
        "hippocampus",
    ];
    let rows = (0..12)
        .map(|i| {
            let share = 0.34 * (-0.22 * f64::from(i)).exp() - 0.04;
            let side = if i % 2 == 0 { "left" } else { "right" };
            let mut row =
                vec![Cell::Text(all[i as usize / 2].to_owned()), Cell::Text(side.to_owned())];
            row.extend(
                [30.0 / f64::from(i + 1), 2.0 * share, share, share - 0.03, share + 0.04]
                    .map(Cell::Number),
            );
            row.extend([0.01 * share, 0.4 + 0.2 * f64::from(i * 5 % 9), 0.1].map(Cell::Number));
            row.push(if i == 4 {
                Cell::Missing("fewer than 5 voxels".to_owned())
            } else {
                Cell::Number(0.5 + 0.03 * f64::from(i))
            });
            row
        })
        .collect();
    Table { name: "regions".to_owned(), columns, rows }
}
