//! Does relevance lie where the image holds nothing?
//!
//! * **Question** How much relevance do voxels get whose value is exactly 0?
//! * **Formula** Σ|R| over voxels with x = 0 over Σ|R| of all voxels.
//! * **Reading** 0 for rules in proportion to the input (epsilon, gamma, alpha-beta). Flat, w² and
//!   box rules in the first layer spread relevance over empty voxels: that comes from the rule, not
//!   from the network.
//! * **When it misleads** A voxel inside the brain may be 0 by chance, and a background that is
//!   not exactly 0 is not seen; `region_mass` tells what lies outside the mask.
//! * **Source** Montavon et al. 2019, <https://doi.org/10.1007/978-3-030-28954-6_10>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::{Check, mean_of, of_cohort, of_subject};
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::stats::{Stat, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "zero_input",
    title: "Relevance where the image is empty",
    question: "How much relevance do voxels get whose value is exactly 0?",
    formula: "sum of |R| over voxels with x = 0 over the sum of |R| of all voxels",
    reading: "0 for rules in proportion to the input; flat, w-square and box rules spread relevance over empty voxels by themselves.",
    misleads: "A background that is not exactly 0 is not seen here; region_mass tells what lies outside the mask.",
    source: "Montavon et al. 2019, https://doi.org/10.1007/978-3-030-28954-6_10",
    unit: "1",
    better: Better::Lower,
};

/// The check.
#[derive(Debug)]
pub struct ZeroInput;

fn share(image: &[f32], map: &[f32]) -> Stat {
    let (mut empty, mut all) = (0.0f64, 0.0f64);
    for (x, r) in image.iter().zip(map) {
        let size = f64::from(r.abs());
        all += size;
        empty += if *x == 0.0 { size } else { 0.0 };
    }
    if all > 0.0 { Ok(empty / all) } else { undefined("the map is zero") }
}

impl Check for ZeroInput {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Maps
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let pairs = bench.cases.iter().zip(&bench.maps);
        let all: Vec<Stat> = pairs.map(|(case, map)| share(&case.data, map)).collect();
        let each = bench.cases.iter().zip(&all);
        let mut out: Vec<Finding> =
            each.map(|(c, s)| of_subject(&CARD, &c.id, "zero_share", s.clone())).collect();
        let whole = mean_of(&all, bench.seed, "zero_input/zero_share");
        out.push(of_cohort(&CARD, "zero_share", whole));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_exactly_empty_counts() {
        assert_eq!(share(&[0.0, -0.0, 1.0, 1e-30], &[1.0, -2.0, 3.0, 2.0]), Ok(3.0 / 8.0));
        assert!(share(&[0.0], &[0.0]).is_err());
    }
}
