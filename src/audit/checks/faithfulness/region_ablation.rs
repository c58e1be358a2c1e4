//! Does the score fall most without the regions that carry most relevance?
//!
//! * **Question** Does the relevance of a part say what the score loses with it?
//! * **Formula** Over the regions of the label map (with the brain without label), and over blobs:
//!   Pearson's and Spearman's correlation of the part's summed relevance with the fall of the
//!   score when the part becomes background. Cohort: mean over subjects.
//! * **Reading** 1: as much relevance as the score loses; 0: unrelated; negative: the wrong way.
//! * **When it misleads** Large parts have both more relevance and more effect: the control that is
//!   constant shows what volume alone gives. Parts that stand in for each other lose little one by
//!   one. A part without relevance may suppress noise.
//! * **Source** Ancona et al. 2018, <https://arxiv.org/abs/1711.06104>; regions as in DeYoung et
//!   al. 2020, <https://arxiv.org/abs/1911.03429>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, of_cohort, rows};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::audit::tools::removal::Removal;
use crate::card::{Better, Card};
use crate::stats::{Stat, rank, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "region_ablation",
    title: "Relevance of a part and what the score loses without it",
    question: "Does the relevance of a part say what the score loses with it?",
    formula: "correlation over regions, and over blobs, of the summed relevance with f(x) - f(x with the part replaced by background); mean over subjects",
    reading: "1: relevance goes with the loss; 0: unrelated; negative: the wrong way round. Compare with the constant control, which knows the volumes alone.",
    misleads: "Parts that stand in for each other lose little one by one, and a hole is an image the network never saw. Parts that only suppress noise count as relevant.",
    source: "Ancona et al. 2018, https://arxiv.org/abs/1711.06104; DeYoung et al. 2020, https://arxiv.org/abs/1911.03429",
    unit: "1",
    better: Better::Higher,
};

/// The numbers, as quantities and as columns.
const QUANTITIES: [&str; 4] =
    ["blob_spearman", "blob_pearson", "region_spearman", "region_pearson"];
const MEASURES: [&str; 4] =
    ["Spearman, blobs", "Pearson, blobs", "Spearman, regions", "Pearson, regions"];
/// Fewer parts have no order worth a number.
const FEWEST: usize = 3;

/// The check.
#[derive(Debug)]
pub struct RegionAblation;

fn correlations(removal: Option<&Removal>, value: &dyn Fn(usize) -> f64) -> [Stat; 2] {
    let Some(removal) = removal else { return [(); 2].map(|()| undefined("no label map")) };
    if removal.parts.len() < FEWEST {
        return [(); 2].map(|()| undefined(format!("fewer than {FEWEST} parts")));
    }
    let sums = removal.sums(value);
    [rank::spearman(&sums, &removal.singles), rank::pearson(&sums, &removal.singles)]
}

impl Check for RegionAblation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (blobs, regions) = (bench.removals()?, bench.region_removals()?);
        // Without label maps, blobs alone.
        let kept = if regions.is_empty() { 2 } else { QUANTITIES.len() };
        let all = rows::of_contributions(bench, &CARD, kept, |_, value, n| {
            let own = [Some(&blobs[n]), regions.get(n)].map(|r| correlations(r, value));
            own.concat().into_iter().take(kept).collect()
        })?;
        let mut found = rows::findings(bench, &CARD, &QUANTITIES[..kept], &all)?;
        if regions.is_empty() {
            for quantity in &QUANTITIES[kept..] {
                let why = "not every subject has a label map".to_owned();
                found.push(of_cohort(&CARD, quantity, Outcome::NotApplicable { why }));
            }
        }
        let cohort = bench.cases.len();
        found[cohort].tables.push(rows::table(
            "loss and relevance by method",
            &MEASURES[..kept],
            &all,
        ));
        found[cohort].series.push(falls(blobs));
        found[cohort].notes.push(
            "Gradients count times image minus background, other methods as they are. Falls are \
             those of the explained score, whichever class was called."
                .to_owned(),
        );
        found.push(rows::control_p(bench, &CARD, &all, 0));
        Ok(found)
    }
}

/// How much single blobs move the score: the falls of all subjects in order of size, so that a
/// correlation over falls that are all the same is seen.
fn falls(removals: &[Removal]) -> Series {
    let mut y: Vec<f64> = removals.iter().flat_map(|r| r.singles.iter().copied()).collect();
    y.sort_unstable_by(f64::total_cmp);
    let last = y.len().saturating_sub(1).max(1) as f64;
    Series {
        name: "falls of single blobs".to_owned(),
        x_label: "share of all blobs".to_owned(),
        y_label: "fall of the score without the blob".to_owned(),
        x: (0..y.len()).map(|n| n as f64 / last).collect(),
        y,
        ..Series::default()
    }
}
