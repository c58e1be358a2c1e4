//! Do the maps follow age, head size, the gain of the scan or another covariate more than the label?
//!
//! * **Question** With what of a subject does the pattern of its map go? Covariates are the numbers of
//!   the table of participants, the size of the head (`mask_ml`) and the gain of the scan (the median
//!   intensity of the brain as the file has it, `raw_median_intensity`).
//! * **Formula** Share of |R| per region. `label`: mean over the regions of |Spearman's correlation
//!   of the share with the class|, less its mean over orders of the classes dealt anew. Per
//!   covariate the same with its values less the mean of their class, dealt anew within classes
//!   (`covariate_NAME`). `*_p`: share of the orders that give as much.
//! * **Reading** 0 is chance. A covariate above the label: the maps tell more of it than of the
//!   class.
//! * **When it misleads** A covariate that goes with the class (age, where the class is prematurity)
//!   is tested within classes only. The size of a region changes with head size, and its share of
//!   relevance with it. Few subjects show little; many covariates make one of them seem to matter
//!   by chance.
//! * **Source** Dyrba et al. 2021, <https://doi.org/10.1186/s13195-021-00924-2>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::anatomy::region_mass::region_shares;
use crate::audit::checks::{Check, of_cohort, outcome};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::card::{Better, Card};
use crate::seed::Stream;
use crate::stats::{Stat, moments, permutation, rank, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "covariates_followed",
    title: "Covariates that the maps follow",
    question: "Do the maps follow age, head size, the gain of the scan or another covariate more than the label?",
    formula: "mean over regions of |Spearman(share of |R|, variable)| less its mean over orders dealt anew; covariates less the mean of their class, dealt within classes; *_p = share of the orders that give as much",
    reading: "0 is chance. A covariate above the label: the maps tell more of it than of the class.",
    misleads: "A covariate that goes with the class is tested within classes only; the share of a region follows its size; of many covariates one seems to matter by chance.",
    source: "Dyrba et al. 2021, https://doi.org/10.1186/s13195-021-00924-2",
    unit: "1",
    better: Better::Neither,
};

/// Fewest subjects of a class.
const FEWEST: usize = 4;
/// Orders dealt.
const ORDERS: usize = 199;

/// The check.
#[derive(Debug)]
pub struct CovariatesFollowed;

/// Mean over the columns of |Spearman(column, values)|; columns without variation are left out.
fn strength(columns: &[Vec<f64>], values: &[f64]) -> Stat {
    let all: Vec<f64> =
        columns.iter().filter_map(|c| rank::spearman(c, values).ok()).map(f64::abs).collect();
    if all.is_empty() { undefined("no region or no variation") } else { moments::mean(&all) }
}

/// Strength above chance, and the p of the orders; values are dealt anew within `groups`.
fn above_chance(
    columns: &[Vec<f64>],
    values: &[f64],
    groups: &[Vec<usize>],
    stream: &mut Stream,
) -> [Stat; 2] {
    let own = match strength(columns, values) {
        Ok(own) => own,
        Err(why) => return [Err(why.clone()), Err(why)],
    };
    let mut null = Vec::with_capacity(ORDERS);
    for _ in 0..ORDERS {
        let mut dealt = values.to_vec();
        for group in groups {
            let mut order = group.clone();
            stream.shuffle(&mut order);
            group.iter().zip(order).for_each(|(to, from)| dealt[*to] = values[from]);
        }
        null.extend(strength(columns, &dealt));
    }
    let p = permutation::rank_p(own, &null, permutation::Tail::Greater);
    [moments::mean(&null).map(|chance| own - chance), p]
}

impl Check for CovariatesFollowed {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let none = |why: &str| {
            Ok(vec![of_cohort(&CARD, "label", Outcome::NotApplicable { why: why.to_owned() })])
        };
        let n = bench.cases.len();
        let of_class = |c: usize| (0..n).filter(|s| bench.cases[*s].class == c).collect::<Vec<_>>();
        let classes: Vec<Vec<usize>> = (0..bench.classes.len()).map(of_class).collect();
        if classes.len() != 2 || classes.iter().any(|c| c.len() < FEWEST) {
            return none("two classes of at least four subjects each are needed");
        }
        let Some(columns) = region_shares(bench) else {
            return none("an atlas or a label map is missing, or a map is zero");
        };
        let label: Vec<f64> = bench.cases.iter().map(|c| c.class as f64).collect();
        let mut asked = vec![("label".to_owned(), label, vec![(0..n).collect::<Vec<_>>()])];
        let names = bench.cases.iter().map(|c| c.covariates.keys().collect::<Vec<_>>());
        let shared = names.reduce(|a, b| a.into_iter().filter(|k| b.contains(k)).collect());
        for name in shared.unwrap_or_default() {
            let mut values: Vec<f64> = bench.cases.iter().map(|c| c.covariates[name]).collect();
            for class in &classes {
                let mean = class.iter().map(|s| values[*s]).sum::<f64>() / class.len() as f64;
                class.iter().for_each(|s| values[*s] -= mean);
            }
            let key: String =
                name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            asked.push((format!("covariate_{key}"), values, classes.clone()));
        }
        let (mut out, mut bars) = (Vec::new(), Vec::new());
        for (name, values, groups) in &asked {
            let mut stream = bench.seed.stream(&format!("audit/{}/{name}", CARD.id));
            let [above, p] = above_chance(&columns, values, groups, &mut stream);
            bars.extend(above.clone().ok().map(|v| (name.clone(), v)));
            out.push(of_cohort(&CARD, name, outcome(above)));
            out.push(of_cohort(&CARD, &format!("{name}_p"), outcome(p)));
        }
        let label = bars.first().filter(|(name, _)| name == "label").map(|(_, v)| *v);
        let more: Vec<&str> = bars
            .iter()
            .filter(|(_, v)| label.is_some_and(|l| *v > l))
            .map(|(name, _)| name.as_str())
            .collect();
        out[0].notes.push(match more.as_slice() {
            [] => "No covariate is followed more than the label.".to_owned(),
            some => format!("Followed more than the label: {}.", some.join(", ")),
        });
        out[0].series.push(Series {
            name: "above chance".to_owned(),
            x_label: "variable".to_owned(),
            y_label: "mean |Spearman| over regions, above chance".to_owned(),
            labels: bars.iter().map(|(name, _)| name.clone()).collect(),
            x: (0..bars.len()).map(|i| i as f64).collect(),
            y: bars.iter().map(|(_, v)| *v).collect(),
            ..Series::default()
        });
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::case::Case;
    use crate::audit::tools::covariates::GAIN;
    use crate::image::atlas::Atlas;
    use crate::seed::Seed;

    /// Maps whose share in a slab of a head goes with its gain, or with nothing.
    fn followed(by_gain: bool) -> Vec<Finding> {
        let mut s = Seed(6).stream("test/gain");
        let gains: Vec<f64> = (0..16).map(|_| s.normal()).collect();
        let case = |n: usize| Case {
            covariates: [(GAIN.to_owned(), 500.0 + 90.0 * gains[n])].into(),
            ..Case::slabs(&format!("sub-{n:02}"), n % 2)
        };
        let cases: Vec<Case> = (0..16).map(case).collect();
        let mut map = |n: usize| -> Vec<f32> {
            let own = if by_gain { gains[n] } else { s.normal() };
            let level = [4.0 + own, 4.0 - own, 4.0, 4.0].map(|l| l + 0.1 * s.normal());
            (0..64).map(|v| level[v / 16] as f32).collect()
        };
        let maps = (0..16).map(&mut map).collect();
        let classes = ["a".to_owned(), "b".to_owned()];
        let mut bench = Bench::of_maps(&cases, maps, "test", &classes, Seed(2)).expect("bench");
        let atlas = cases[0].labels.as_ref().map(Atlas::of_labels);
        bench.atlas = atlas.as_ref();
        CovariatesFollowed.measure(&bench).expect("measured")
    }

    #[test]
    fn maps_that_follow_the_gain_of_the_scan_are_found() {
        let p = |by_gain: bool| {
            let quantity = format!("covariate_{GAIN}_p");
            let found = followed(by_gain);
            let of = found.iter().find(|f| f.quantity == quantity).expect("gain");
            (of.outcome.value().expect("p"), found[0].notes[0].contains(GAIN))
        };
        let (with, named) = p(true);
        assert!(with <= 0.01 && named, "{with}");
        assert!(p(false).0 > 0.05, "{:?}", p(false));
    }

    #[test]
    fn what_is_followed_is_told_from_what_is_not() {
        let mut noise = Seed(4).stream("test/followed");
        let n = 16;
        let groups = [(0..8).collect::<Vec<usize>>(), (8..16).collect()];
        let size: Vec<f64> = (0..n).map(|_| noise.normal()).collect();
        let other: Vec<f64> = (0..n).map(|_| noise.normal()).collect();
        let columns: Vec<Vec<f64>> =
            (0..6).map(|_| size.iter().map(|s| s + 0.5 * noise.normal()).collect()).collect();
        let mut stream = Seed(4).stream("test/orders");
        let [above, p] = above_chance(&columns, &size, &groups, &mut stream);
        assert!(above.expect("defined") > 0.3 && p.expect("p") <= 0.01);
        let [above, p] = above_chance(&columns, &other, &groups, &mut stream);
        assert!(above.expect("defined") < 0.25 && p.expect("p") > 0.05);
        let [none, _] = above_chance(&[], &size, &groups, &mut stream);
        assert!(none.is_err());
    }
}
