//! Can the network tell the classes apart from images without anatomy?
//!
//! * **Question** What does the network still know when only the background, only the outline of
//!   the brain, or only two grey levels are left?
//! * **Formula** AUC of the score over the audited subjects, on images of which only the
//!   `background` is left (every brain voxel at the cohort's mean), only the `outline` (the same,
//!   and the background at its own mean), only `two_levels` (each brain voxel at the mean of
//!   the lighter or of the darker half). `X_p`: share of the orders of the labels for which the
//!   scores rank class 1 as high; `X_kept`: Spearman correlation of the score with that of the whole image.
//! * **Reading** A small p: the network does not need what was taken away.
//! * **When it misleads** Such images are unlike any the network has seen: an AUC of 0.5 does not
//!   show that no shortcut is used. Outline and two levels hold real anatomy (size, ventricles).
//!   With few subjects little is seen.
//! * **Source** Tinauer et al. 2022, <https://doi.org/10.1038/s41598-022-24541-7>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, of_cohort, outcome};
use crate::audit::finding::{Finding, Interval, Outcome};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::seed::Stream;
use crate::stats::permutation::{self, Tail};
use crate::stats::{Stat, auc_interval, curve, rank};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "poor_inputs",
    title: "Images without anatomy",
    question: "Can the network tell the classes apart from background, outline or two grey levels alone?",
    formula: "AUC of the score on images of which only the background, the outline or two grey levels are left; *_p = share of the orders of the labels for which the scores rank class 1 as high; *_kept = Spearman correlation with the score of the whole image",
    reading: "A small p: the network does not need what was taken away.",
    misleads: "Such images are unlike any the network has seen: 0.5 does not show that no shortcut is used. Outline and grey levels hold real anatomy. With few subjects little is seen.",
    source: "Tinauer et al. 2022, https://doi.org/10.1038/s41598-022-24541-7",
    unit: "1",
    better: Better::Higher,
};

/// Coverage of the intervals.
const LEVEL: f64 = 0.95;

/// Orders of the labels drawn where there are too many to try all.
const ORDERS: usize = 9999;

/// The check.
#[derive(Debug)]
pub struct PoorInputs;

/// What is left of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Whole,
    Background,
    Outline,
    TwoLevels,
}

/// With the names of their quantities.
const POOR: [(Left, &str); 3] =
    [(Left::Background, "background"), (Left::Outline, "outline"), (Left::TwoLevels, "two_levels")];

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, n) = values.fold((0.0f64, 0u64), |(s, n), v| (s + f64::from(v), n + 1));
    if n == 0 { 0.0 } else { (sum / n as f64) as f32 }
}

fn part(case: &Case, inside: bool) -> impl Iterator<Item = f32> {
    let all = case.data.iter().zip(case.mask.data());
    all.filter(move |(_, m)| **m == inside).map(|(v, _)| *v)
}

/// The image with only that left; `grey` is the mean brain of the cohort.
fn poor(case: &Case, left: Left, grey: f32) -> Vec<f32> {
    let own = mean(part(case, true));
    let mut sorted: Vec<f32> = part(case, true).collect();
    sorted.sort_by(f32::total_cmp);
    let (dark, light) = sorted.split_at(sorted.len() / 2);
    let (middle, dark, light) = (
        light.first().copied().unwrap_or(own),
        mean(dark.iter().copied()),
        mean(light.iter().copied()),
    );
    let voxel = |(v, inside): (&f32, &bool)| match left {
        Left::Whole => *v,
        _ if !inside => *v,
        Left::Background | Left::Outline => grey,
        Left::TwoLevels if *v < middle => dark,
        Left::TwoLevels => light,
    };
    let image: Vec<f32> = case.data.iter().zip(case.mask.data()).map(voxel).collect();
    if left == Left::Outline {
        // Nothing of the background but its mean, or the outline would not be alone.
        let around = mean(part(case, false));
        let flat = image.iter().zip(case.mask.data());
        return flat.map(|(v, inside)| if *inside { *v } else { around }).collect();
    }
    image
}

/// One-sided permutation test of the mean rank of class 1; 1 where all scores are equal.
fn chance(labels: &[bool], scores: &[f64], stream: &mut Stream) -> Stat {
    if scores.windows(2).all(|w| w[0] == w[1]) {
        return Ok(1.0);
    }
    let ranks = rank::ranks(scores);
    let of = |class: bool| -> Vec<f64> {
        let all = ranks.iter().zip(labels);
        all.filter(|(_, l)| **l == class).map(|(r, _)| *r).collect()
    };
    Ok(permutation::two_sample(&of(true), &of(false), Tail::Greater, ORDERS, stream)?.p)
}

impl Check for PoorInputs {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let mut ws = Workspace::new();
        let grey = mean(bench.cases.iter().flat_map(|c| part(c, true)));
        let mut scores_of = |left: Left| -> Result<Vec<f64>> {
            let mut scores = Vec::with_capacity(bench.cases.len());
            for case in bench.cases {
                scores.extend(bench.scores(&[&poor(case, left, grey)], &mut ws)?);
            }
            Ok(scores)
        };
        let whole = scores_of(Left::Whole)?;
        let labels: Vec<bool> = bench.cases.iter().map(|c| c.class == 1).collect();
        let subjects: Vec<&str> = bench.cases.iter().map(Case::subject).collect();
        let mut out = Vec::new();
        for (left, name) in POOR {
            let scores = scores_of(left)?;
            let bounds = auc_interval::over_subjects(&labels, &scores, &subjects, LEVEL);
            let interval = bounds.as_ref().ok().map(|b| Interval {
                low: b.low,
                high: b.high,
                level: LEVEL,
                method: format!("Newcombe over {} images", labels.len()),
            });
            let auc = match curve::auc(&labels, &scores) {
                Ok(auc) => Outcome::with_interval(auc, interval),
                Err(why) => Outcome::Unmeasurable { why: why.0 },
            };
            let mut stream = bench.seed.stream(&format!("audit/{}/{name}", CARD.id));
            let p = chance(&labels, &scores, &mut stream);
            out.push(of_cohort(&CARD, &format!("{name}_auc"), auc));
            out.push(of_cohort(&CARD, &format!("{name}_p"), outcome(p)));
            let kept = outcome(rank::spearman(&whole, &scores));
            out.push(of_cohort(&CARD, &format!("{name}_kept"), kept));
        }
        out[0].notes.push(format!(
            "Of {} audited subjects. Where the brain is cut out of the image, nothing is left but \
             its outline, and background and outline say the same.",
            labels.len()
        ));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Grid, Mask};

    #[test]
    fn chance_is_exact_where_it_can_be() {
        let mut stream = crate::seed::Seed(1).stream("test");
        let labels = [true, true, false, false, false];
        assert_eq!(chance(&labels, &[5.0, 4.0, 1.0, 2.0, 3.0], &mut stream), Ok(0.1));
        assert_eq!(chance(&labels, &[1.0, 2.0, 3.0, 4.0, 5.0], &mut stream), Ok(1.0));
        assert_eq!(chance(&labels, &[7.0; 5], &mut stream), Ok(1.0));
        assert!(chance(&[true; 2], &[1.0, 2.0], &mut stream).is_err());
    }

    #[test]
    fn each_image_holds_only_what_its_name_says() {
        let grid = Grid::centred([6, 1, 1], [1.0; 3]).expect("grid");
        let case = Case {
            data: vec![9.0, 1.0, 2.0, 3.0, 6.0, 7.0],
            mask: Mask::new(grid.clone(), vec![false, true, true, true, true, false]).expect("m"),
            ..Case::plain("a", 0, &grid)
        };
        assert_eq!(poor(&case, Left::Whole, 4.0), case.data);
        assert_eq!(poor(&case, Left::Background, 4.0), [9.0, 4.0, 4.0, 4.0, 4.0, 7.0]);
        assert_eq!(poor(&case, Left::Outline, 4.0), [8.0, 4.0, 4.0, 4.0, 4.0, 8.0]);
        assert_eq!(poor(&case, Left::TwoLevels, 4.0), [9.0, 1.5, 1.5, 4.5, 4.5, 7.0]);
    }
}
