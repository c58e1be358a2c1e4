//! Where relevance lies beside what region sizes alone say: part of `region_mass`.
//!
//! The map need not agree: a network may read brightness instead of size, or one region to
//! correct for another. Disagreement is reported, never judged.

use super::CARD;
use crate::audit::bench::Bench;
use crate::audit::checks::{of_cohort, outcome};
use crate::audit::finding::Finding;
use crate::image::atlas::{Atlas, Region};
use crate::stats::{Stat, rank};

/// Regions named in the remarks.
const NAMED: usize = 5;

/// `evidence_agreement`: Spearman correlation over the regions between the enrichment of
/// |R| and |AUC − 0.5| of the region's size, with the regions on which both disagree most;
/// nothing where no evidence was gathered.
pub(super) fn compare(bench: &Bench<'_>, atlas: &Atlas, enrichment: &[Stat]) -> Option<Finding> {
    let evidence = bench.evidence?;
    let mut rows: Vec<(&Region, f64, f64)> = Vec::new();
    for (region, enriched) in atlas.regions().zip(enrichment) {
        if let (Ok(e), Ok(auc)) = (enriched, evidence.auc(region.index)) {
            rows.push((region, *e, auc));
        }
    }
    let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().map(|r| (r.1, (r.2 - 0.5).abs())).unzip();
    let mut found = of_cohort(&CARD, "evidence_agreement", outcome(rank::spearman(&x, &y)));
    found.notes.push(format!(
        "Over {} regions; AUCs of region size alone rest on all {} subjects with a class.",
        rows.len(),
        evidence.subjects
    ));
    let mut strongest = rows.clone();
    strongest.sort_by(|a, b| (b.2 - 0.5).abs().total_cmp(&(a.2 - 0.5).abs()));
    found.notes.push(format!(
        "Strongest by size alone: {}.",
        named(&strongest, |r| format!("{} (AUC {:.2}, enrichment {:.1})", r.0.name, r.2, r.1))
    ));
    let mut overlooked = strongest;
    overlooked.retain(|r| evidence.tells(r.0.index) && r.1 < 1.0);
    if !overlooked.is_empty() {
        found.notes.push(format!(
            "Disagreement: size tells the classes apart, relevance is below what the region's \
             size explains: {}.",
            named(&overlooked, |r| format!("{} (AUC {:.2}, enrichment {:.1})", r.0.name, r.2, r.1))
        ));
    }
    let mut silent = rows;
    silent.retain(|r| !evidence.tells(r.0.index) && r.1 > 1.5);
    silent.sort_by(|a, b| b.1.total_cmp(&a.1));
    if !silent.is_empty() {
        found.notes.push(format!(
            "Disagreement: relevance is dense, size does not tell the classes apart: {}.",
            named(&silent, |r| format!("{} (enrichment {:.1}, AUC {:.2})", r.0.name, r.1, r.2))
        ));
    }
    Some(found)
}

type Row<'a> = (&'a Region, f64, f64);

fn named(rows: &[Row<'_>], one: impl Fn(&Row<'_>) -> String) -> String {
    let first: Vec<String> = rows.iter().take(NAMED).map(one).collect();
    let more = rows.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", first.join(", "))
}
