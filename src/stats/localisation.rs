//! How well a map of amounts (|R|, or its positive part) finds a region that is known.
//! Names and definitions as in Quantus 0.6.0; undefined where that gives NaN, a hit for an
//! empty region, or a share of a signed sum.

use super::complexity::amounts;
use super::moments::{finite, require_paired, sum_by};
use super::{Stat, Undefined, undefined};

/// Σ amounts and the voxels of the truth; refuses signed maps, empty maps and empty truths.
fn checked(map: &[f64], truth: &[bool]) -> Result<(f64, usize), Undefined> {
    require_paired(map.len(), truth.len())?;
    let total = amounts(map)?;
    match truth.iter().filter(|t| **t).count() {
        0 => undefined("the truth is empty"),
        inside => Ok((total, inside)),
    }
}

fn within(map: &[f64], truth: &[bool]) -> f64 {
    sum_by(map.len(), &|v| if truth[v] { map[v] } else { 0.0 })
}

/// Relevance mass accuracy Σ_truth a / Σ a (Arras et al. 2022), 0 to 1; the share of voxels
/// in the truth is what chance gives. Quantus divides by the signed sum when asked for signed
/// maps and then leaves 0 to 1: amounts alone are taken here.
///
/// # Errors
/// Undefined for an empty truth, negative or not finite amounts, or when all are zero.
pub fn relevance_mass_accuracy(map: &[f64], truth: &[bool]) -> Stat {
    let (total, _) = checked(map, truth)?;
    finite(within(map, truth) / total, "the mass accuracy")
}

/// What Quantus adds to the total in its attribution localisation.
const TOTAL_OFFSET: f64 = 1e-9;

/// Attribution localisation Σ_truth a / (Σ a + 1e-9) (Kohlbrenner et al. 2020, Quantus's
/// coding): the [`relevance_mass_accuracy`] but for the offset, which has the unit of the map
/// and pulls maps in very small units towards 0. Quantus takes the size of the truth, for its
/// weighted form and its warnings, from `x_batch[2:]`, which is infinite for one or two
/// samples; that form is not offered.
///
/// # Errors
/// As [`relevance_mass_accuracy`].
pub fn attribution_localisation(map: &[f64], truth: &[bool]) -> Stat {
    let (total, _) = checked(map, truth)?;
    finite(within(map, truth) / (total + TOTAL_OFFSET), "the attribution localisation")
}

/// Top-k intersection #(k largest ∩ truth) / k (Theiner et al. 2021), 0 to 1; the share of
/// voxels in the truth is what chance gives. Of amounts that tie at the k-th place the truth
/// counts by its share among them, which is the mean over all orders of the ties; Quantus
/// takes them in the order of its sort.
///
/// # Errors
/// As [`relevance_mass_accuracy`]; undefined too for a k of 0 or beyond the voxels.
pub fn top_k_intersection(map: &[f64], truth: &[bool], k: usize) -> Stat {
    checked(map, truth)?;
    if k == 0 || k > map.len() {
        return undefined(format!("the {k} largest of {} amounts", map.len()));
    }
    let mut sorted = map.to_vec();
    let (_, edge, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    let edge = *edge;
    let count = |keep: &dyn Fn(usize) -> bool| (0..map.len()).filter(|v| keep(*v)).count() as f64;
    let (above, tied) = (count(&|v| map[v] > edge), count(&|v| map[v] == edge));
    let hits = count(&|v| truth[v] && map[v] > edge);
    let tied_hits = count(&|v| truth[v] && map[v] == edge);
    Ok((hits + (k as f64 - above) * tied_hits / tied) / k as f64)
}

/// Relevance rank accuracy: the [`top_k_intersection`] with k the number of voxels in the
/// truth (Arras et al. 2022).
///
/// # Errors
/// As [`relevance_mass_accuracy`].
pub fn relevance_rank_accuracy(map: &[f64], truth: &[bool]) -> Stat {
    let (_, inside) = checked(map, truth)?;
    top_k_intersection(map, truth, inside)
}

/// Pointing game: 1 when a largest amount lies in the truth, 0 otherwise (Zhang et al. 2018).
/// One voxel decides; average it over subjects. Quantus counts an empty truth and a constant
/// map as hits: both are undefined here.
///
/// # Errors
/// As [`relevance_mass_accuracy`]; undefined too for a constant map, which points nowhere.
pub fn pointing_game(map: &[f64], truth: &[bool]) -> Stat {
    checked(map, truth)?;
    let most = map.iter().fold(0.0f64, |m, x| m.max(*x));
    if map.iter().all(|x| *x == most) {
        return undefined("a constant map points nowhere");
    }
    let hit = map.iter().zip(truth).any(|(x, inside)| *inside && *x == most);
    Ok(f64::from(u8::from(hit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    const SHARE: f64 = 0.1;

    fn truth() -> Vec<bool> {
        (0..2000).map(|v| (300..500).contains(&v)).collect()
    }

    /// Exact, random, constant, inverted.
    fn maps() -> [Vec<f64>; 4] {
        let exact: Vec<f64> = truth().iter().map(|t| f64::from(u8::from(*t))).collect();
        let inverted = exact.iter().map(|x| 1.0 - x).collect();
        let mut s = Seed(8).stream("localisation");
        let random = (0..2000).map(|_| s.uniform()).collect();
        [exact, random, vec![0.7; 2000], inverted]
    }

    #[test]
    fn four_oracles() {
        let truth = truth();
        type Measure = fn(&[f64], &[bool]) -> Stat;
        let top: Measure = |m, t| top_k_intersection(m, t, 100);
        let shares: [Measure; 4] =
            [relevance_mass_accuracy, attribution_localisation, relevance_rank_accuracy, top];
        for (n, f) in shares.into_iter().enumerate() {
            let got = maps().map(|m| f(&m, &truth).expect("defined"));
            let want = [1.0, SHARE, SHARE, 0.0];
            let slack = [1e-9, 0.06, 1e-9, 1e-9];
            for i in 0..4 {
                assert!((got[i] - want[i]).abs() < slack[i], "measure {n}, map {i}: {got:?}");
            }
        }
        let [exact, _, constant, inverted] = maps();
        assert_eq!(pointing_game(&exact, &truth), Ok(1.0));
        assert_eq!(pointing_game(&inverted, &truth), Ok(0.0));
        assert!(pointing_game(&constant, &truth).is_err());
        let mut s = Seed(9).stream("pointing");
        let hits: f64 = (0..1000)
            .map(|_| {
                let random: Vec<f64> = (0..200).map(|_| s.uniform()).collect();
                pointing_game(&random, &truth[200..400]).expect("random")
            })
            .sum();
        assert!((hits / 1000.0 - 0.5).abs() < 0.05, "{hits} of 1000 for half the voxels");
    }

    #[test]
    fn ties_count_by_their_share() {
        let map = [5.0, 2.0, 2.0, 2.0, 1.0];
        let truth = [false, true, false, true, false];
        // The largest is outside; of the three that tie two are inside: 2/3 of one place.
        assert!((top_k_intersection(&map, &truth, 2).expect("ties") - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(top_k_intersection(&map, &truth, 4), Ok(0.5));
        assert_eq!(pointing_game(&[2.0, 2.0, 1.0], &[false, true, false]), Ok(1.0));
        assert!((relevance_mass_accuracy(&map, &truth).expect("mass") - 4.0 / 12.0).abs() < 1e-15);
    }

    #[test]
    fn undefined_cases() {
        let (map, truth) = ([1.0, 2.0], [true, false]);
        type Measure = fn(&[f64], &[bool]) -> Stat;
        let all: [Measure; 4] = [
            relevance_mass_accuracy,
            attribution_localisation,
            relevance_rank_accuracy,
            pointing_game,
        ];
        for f in all {
            assert!(f(&map, &[false, false]).is_err(), "an empty truth is no hit");
            assert!(f(&[-1.0, 2.0], &truth).is_err() && f(&[0.0, 0.0], &truth).is_err());
            assert!(f(&map, &[true]).is_err() && f(&[f64::NAN, 1.0], &truth).is_err());
        }
        assert!(top_k_intersection(&map, &truth, 0).is_err());
        assert!(top_k_intersection(&map, &truth, 3).is_err());
    }
}
