//! Figures, one per file. A figure draws only what the record holds: where data are missing
//! it gives no scene, and never an error.

pub mod arms;
pub mod cascade_curve;
pub mod exchangeability;
pub mod finding_series;
pub mod group_contrast;
pub mod group_pictures;
pub mod learning_curves;
pub mod ledger_bars;
pub mod perturbation_curves;
pub mod recovery;
pub mod region_bars;
pub mod roc;
pub mod slices_overlay;
pub mod stability_curves;
pub mod verdict_table;

use super::scene::Scene;
use crate::Result;
use crate::audit::finding::Finding;
use crate::audit::record::Record;
use crate::card::Card;

/// Where a figure stands on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Beside the verdict.
    Verdict,
    /// Among the pictures.
    Pictures,
    /// Below the check it draws (see [`Figure::checks`]), or after all checks.
    Checks,
    /// Beside the performance.
    Performance,
    /// Beside the ledger.
    Ledger,
}

/// A figure of the report.
pub trait Figure: Sync {
    /// What it says of itself; the id is the file's name.
    fn card(&self) -> &'static Card;

    /// Where it stands on the page.
    fn place(&self) -> Place;

    /// Ids of the checks whose findings it draws.
    fn checks(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a scene of this figure, named by its stem, belongs to a check.
    fn belongs(&self, _stem: &str, check: &str) -> bool {
        self.checks().contains(&check)
    }

    /// The figures, each with the stem of its file name; empty when there is nothing to draw.
    ///
    /// # Errors
    /// Only on faults of ours; missing data give no figure.
    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>>;
}

/// Every figure, in the order of the page.
pub static FIGURES: &[&dyn Figure] = &[
    &verdict_table::VerdictTable,
    &slices_overlay::SlicesOverlay,
    &group_pictures::GroupPictures,
    &ledger_bars::LedgerBars,
    &cascade_curve::CascadeCurve,
    &exchangeability::Exchangeability,
    &perturbation_curves::PerturbationCurves,
    &arms::Arms,
    &stability_curves::StabilityCurves,
    &region_bars::RegionBars,
    &group_contrast::GroupContrast,
    &recovery::Recovery,
    &finding_series::FindingSeries,
    &learning_curves::LearningCurves,
    &roc::Roc,
];

/// Findings of the checks a figure draws.
fn of<'a>(
    record: &'a Record,
    checks: &'static [&'static str],
) -> impl Iterator<Item = &'a Finding> {
    record.findings.iter().filter(|f| checks.contains(&f.check.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_complete() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/figures");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("folder")
            .map(|f| f.expect("entry").file_name().to_string_lossy().into_owned())
            .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        let mut ids: Vec<&str> = FIGURES.iter().map(|f| f.card().id).collect();
        ids.sort_unstable();
        assert_eq!(files, ids);
    }
}
