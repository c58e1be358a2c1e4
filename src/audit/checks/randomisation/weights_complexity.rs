//! Do maps become less ordered when the network forgets what it learned?
//!
//! * **Question** Is the map of the trained network simpler than those of networks drawn anew?
//! * **Formula** H: Shannon entropy in nats of the histogram of a map inside the mask, 100 equal
//!   bins from its least to its largest value. Per subject (H(drawn anew) − H(own)) / H(own),
//!   mean over draws and subjects. Beside it the rise of the entropy of the classes'
//!   probabilities, in nats.
//! * **Reading** Above 0: the trained network's maps are more ordered. Both rises together say
//!   that map and answer lost their order alike.
//! * **When it misleads** The bins hang on the two most extreme voxels of a map. A network may
//!   have learned to use much of the brain: a rise is no merit.
//! * **Source** Hedström et al. 2024, eMPRT, <https://arxiv.org/abs/2401.06465>.

use crate::Result;
use crate::audit::bench::{Answer, Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort};
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::stats::complexity::entropy;
use crate::stats::logistic::sigmoid;
use crate::stats::moments::{mean, require_finite};
use crate::stats::{Stat, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_complexity",
    title: "Rise of complexity with all layers re-initialised",
    question: "Is the map of the trained network simpler than those of networks drawn anew?",
    formula: "H = entropy of the histogram of the map inside the mask (100 bins from least to largest value); rise = mean (H(drawn anew) - H(own)) / H(own); output_entropy_rise = mean rise of the entropy of the classes' probabilities in nats",
    reading: "Above 0: the trained network's maps are more ordered than those of networks that learned nothing.",
    misleads: "The bins hang on the two most extreme voxels. A network may have learned to use much of the brain: a rise is no merit, its absence no fault.",
    source: "Hedström et al. 2024, https://arxiv.org/abs/2401.06465",
    unit: "1",
    better: Better::Neither,
};

/// Bins of a histogram.
const BINS: usize = 100;
/// Networks drawn.
const DRAWS: usize = 3;

/// The check.
#[derive(Debug)]
pub struct WeightsComplexity;

/// Entropy in nats of the histogram of values in equal bins from the least to the largest; a
/// constant has 0.
///
/// # Errors
/// Undefined without values, or for values that are not finite.
pub fn histogram_entropy(values: &[f64]) -> Stat {
    require_finite(values)?;
    let ends = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
    if values.is_empty() {
        return undefined("a histogram of nothing");
    }
    let width = (ends.1 - ends.0) / BINS as f64;
    let mut counts = vec![0.0; BINS];
    for v in values {
        let bin = if width > 0.0 { ((v - ends.0) / width) as usize } else { 0 };
        counts[bin.min(BINS - 1)] += 1.0;
    }
    entropy(&counts)
}

/// Entropy in nats of the probabilities of an answer; one logit stands for two classes.
fn of_answer(answer: &Answer) -> Stat {
    match answer.logits.as_slice() {
        [one] => entropy(&[sigmoid(*one), sigmoid(-one)]),
        all => {
            let top = all.iter().fold(f64::NEG_INFINITY, |m, l| m.max(*l));
            entropy(&all.iter().map(|l| (l - top).exp()).collect::<Vec<_>>())
        }
    }
}

/// Mean over draws of the rise, per case.
fn rises(own: &[Stat], drawn: &[Vec<Stat>], rise: fn(f64, f64) -> Stat) -> Vec<Stat> {
    let of = |(case, own): (usize, &Stat)| -> Stat {
        let own = own.clone()?;
        let all = drawn.iter().map(|d| rise(own, d[case].clone()?));
        mean(&all.collect::<std::result::Result<Vec<f64>, _>>()?)
    };
    own.iter().enumerate().map(of).collect()
}

impl Check for WeightsComplexity {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let layers = bench.network()?.trained.weighted_layers();
        let of_maps = |maps: &[Vec<f32>]| -> Vec<Stat> {
            let within = |(case, map): (&crate::audit::case::Case, &Vec<f32>)| {
                let inside = case.inside();
                let values: Vec<f64> = inside.iter().map(|&v| f64::from(map[v])).collect();
                histogram_entropy(&values)
            };
            bench.cases.iter().zip(maps).map(within).collect()
        };
        let mut ws = Workspace::new();
        let (mut maps, mut answers) = (Vec::new(), Vec::new());
        for d in 0..DRAWS {
            let seed = bench.seed.child(&format!("audit/{}/draw-{d}", CARD.id));
            let net = bench.randomised(&layers, seed, &mut ws)?;
            let new = bench.explained(&net, &mut ws)?;
            maps.push(of_maps(&new.maps));
            answers.push(new.answers.iter().map(of_answer).collect::<Vec<_>>());
        }
        let share = |own: f64, new: f64| match own {
            0.0 => undefined("a map of entropy 0 has no relative rise"),
            own => Ok((new - own) / own),
        };
        let rise = rises(&of_maps(&bench.maps), &maps, share);
        let own: Vec<Stat> = bench.network()?.answers.iter().map(of_answer).collect();
        let of_output = rises(&own, &answers, |own, new| Ok(new - own));
        let told =
            |stats: &[Stat], what: &str| mean_of(stats, bench.seed, &format!("{}/{what}", CARD.id));
        let mut found = of_cohort(&CARD, "rise", told(&rise, "rise"));
        found.notes.push(format!("{DRAWS} networks, {BINS} bins; the interval is over subjects."));
        let mut output = of_cohort(&CARD, "output_entropy_rise", told(&of_output, "output"));
        output.unit = "nat".to_owned();
        Ok(vec![found, output])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_of_histograms_by_hand() {
        let near = |values: &[f64], want: f64| {
            let got = histogram_entropy(values).expect("defined");
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        };
        // One voxel in each bin, the ends included; half at either end; a constant.
        near(&(0..100).map(|i| f64::from(i) / 99.0).collect::<Vec<_>>(), 100f64.ln());
        near(&[-3.0, -3.0, 5.0, 5.0], 2f64.ln());
        near(&[2.0; 7], 0.0);
        assert!(histogram_entropy(&[]).is_err() && histogram_entropy(&[f64::NAN]).is_err());
        let answer = |logits: &[f64]| Answer { score: 0.0, logits: logits.to_vec() };
        let both = [answer(&[3f64.ln()]), answer(&[0.0, 3f64.ln()]), answer(&[500.0, -500.0])];
        // Probabilities 3/4 and 1/4.
        let want = 4f64.ln() - 0.75 * 3f64.ln();
        let got = both.map(|a| of_answer(&a).expect("defined"));
        assert!((got[0] - want).abs() < 1e-12 && (got[1] - want).abs() < 1e-12, "{got:?}");
        assert!(got[2].abs() < 1e-12);
    }
}
