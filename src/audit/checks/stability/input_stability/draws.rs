//! The draws: images disturbed, explained and set beside the maps they had.

use rayon::prelude::*;

use crate::Result;
use crate::audit::bench::{Answer, Bench};
use crate::audit::case::Case;
use crate::audit::tools::alike::within;
use crate::audit::tools::disturb::{Before, DISTURBANCES, Disturbed, STRENGTHS};
use crate::compute::Workspace;
use crate::stats::moments::{self, sum_by};
use crate::stats::{Stat, rank, undefined};

/// Images of a job: every thread has those of its own in memory, with their maps.
const CHUNK: usize = 4;
/// A value below this share of the largest counts as near 0.
const NEAR: f64 = 0.01;

/// One draw of one disturbance at one strength on one subject.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// Whether the predicted class changed.
    pub flipped: bool,
    /// Spearman's correlation with the map before.
    similarity: Stat,
    /// The same of the map before, carried there and back.
    floor: Stat,
    /// ‖φ′ − φ‖ / ‖φ‖.
    relative: Stat,
    /// ‖φ′ − φ‖.
    change: Stat,
    /// ‖φ′ − φ‖ / ‖x′ − x‖.
    lipschitz: Stat,
    /// ‖(φ′ − φ) / φ‖ / ‖(x′ − x) / x‖.
    stability: Stat,
    /// |change of the score|.
    score: f64,
}

/// A number of a subject at a strength.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of {
    Similarity,
    Floor,
    Mean,
    Most,
    Undivided,
    Lipschitz,
    Stability,
    Score,
}

/// What is told of a strength, as the columns have it.
pub(super) const WHAT: [(Of, &str); 8] = [
    (Of::Similarity, "Spearman of R"),
    (Of::Floor, "the same of a map carried there and back"),
    (Of::Mean, "average sensitivity (Quantus)"),
    (Of::Most, "max sensitivity (Quantus)"),
    (Of::Undivided, "max sensitivity (Yeh et al., unit of R)"),
    (Of::Lipschitz, "local Lipschitz estimate"),
    (Of::Stability, "relative input stability"),
    (Of::Score, "|change of the score|"),
];

impl Of {
    /// Over the draws of a subject that did not flip: the mean at this strength, or the largest
    /// up to it; none when no draw of this strength is left, so that all numbers of a strength
    /// are of the same subjects.
    pub(super) fn of(self, case: &[Vec<Drawn>], strength: usize) -> Option<Stat> {
        if case[strength].iter().all(|d| d.flipped) {
            return None;
        }
        let most = matches!(self, Self::Most | Self::Undivided | Self::Lipschitz | Self::Stability);
        let from = if most { 0 } else { strength };
        let kept = case[from..=strength].iter().flatten().filter(|d| !d.flipped);
        let values: Vec<Stat> = kept.map(|d| self.one(d)).collect();
        let values: std::result::Result<Vec<f64>, _> = values.into_iter().collect();
        Some(values.and_then(|v| {
            if most { Ok(v.into_iter().fold(0.0, f64::max)) } else { moments::mean(&v) }
        }))
    }

    fn one(self, draw: &Drawn) -> Stat {
        match self {
            Self::Similarity => draw.similarity.clone(),
            Self::Floor => draw.floor.clone(),
            Self::Mean | Self::Most => draw.relative.clone(),
            Self::Undivided => draw.change.clone(),
            Self::Lipschitz => draw.lipschitz.clone(),
            Self::Stability => draw.stability.clone(),
            Self::Score => Ok(draw.score),
        }
    }
}

/// Disturbance, strength and draw by number.
type Task = [usize; 3];

/// All draws: by case, disturbance, strength, draw. Some of a case's draws make a job, and jobs are
/// shared out: of one the images are disturbed or compared while those of others are explained.
pub(super) fn drawn(bench: &Bench<'_>) -> Result<Vec<Vec<Vec<Vec<Drawn>>>>> {
    let strengths = |n: usize| -> Vec<[f64; STRENGTHS]> {
        DISTURBANCES.iter().map(|d| d.strengths(&bench.cases[n].grid)).collect()
    };
    let tasks: Vec<Task> = (0..DISTURBANCES.len())
        .flat_map(|d| (0..STRENGTHS).map(move |s| [d, s]))
        .flat_map(|[d, s]| (0..DISTURBANCES[d].draws).map(move |r| [d, s, r]))
        .collect();
    let jobs: Vec<(usize, &[Task])> = (0..bench.cases.len())
        .flat_map(|n| tasks.chunks(CHUNK).map(move |part| (n, part)))
        .collect();
    let made: Vec<Vec<Drawn>> = jobs
        .par_iter()
        .map_init(Workspace::new, |ws, (n, part)| some(bench, *n, &strengths(*n), part, ws))
        .collect::<Result<_>>()?;
    let none = |n| strengths(n).iter().map(|s| s.iter().map(|_| Vec::new()).collect()).collect();
    let mut found: Vec<Vec<Vec<Vec<Drawn>>>> = (0..bench.cases.len()).map(none).collect();
    for ((n, part), drawn) in jobs.into_iter().zip(made) {
        part.iter().zip(drawn).for_each(|(&[d, s, _], one)| found[n][d][s].push(one));
    }
    Ok(found)
}

/// Some draws of a case.
fn some(
    bench: &Bench<'_>,
    n: usize,
    strengths: &[[f64; STRENGTHS]],
    part: &[Task],
    ws: &mut Workspace,
) -> Result<Vec<Drawn>> {
    let (case, network) = (&bench.cases[n], bench.network()?);
    let before = Before {
        data: &case.data,
        grid: &case.grid,
        mask: &case.mask,
        zero: bench.zeros.get(n).copied(),
    };
    let disturb = |&[d, s, r]: &Task| {
        // One pattern for all strengths of a draw.
        let name = format!("audit/input_stability/{}/{}/{r}", case.id, DISTURBANCES[d].id);
        DISTURBANCES[d].apply(&before, strengths[d][s], r, bench.seed.stream(&name))
    };
    let disturbed: Vec<Disturbed> = part.par_iter().map(disturb).collect::<Result<_>>()?;
    let images: Vec<&[f32]> = disturbed.iter().map(|d| d.data.as_slice()).collect();
    let made = bench.explain_images(network.graph, &images, ws)?;
    let all = disturbed.par_iter().zip(&made.maps).zip(&made.answers);
    let own = &bench.maps[n];
    all.map(|((d, map), answer)| compare(&before, case, own, d, map, [&network.answers[n], answer]))
        .collect()
}

fn norm(values: &[f64]) -> f64 {
    sum_by(values.len(), &|v| values[v].powi(2)).sqrt()
}

fn apart(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| b - a).collect()
}

fn ratio(part: f64, whole: f64, of: &str) -> Stat {
    if !(part.is_finite() && whole.is_finite()) {
        return undefined("a map holds values that are not finite");
    }
    if whole > 0.0 { Ok(part / whole) } else { undefined(format!("{of} is zero")) }
}

fn compare(
    before: &Before<'_>,
    case: &Case,
    own: &[f32],
    disturbed: &Disturbed,
    map: &[f32],
    [was, is]: [&Answer; 2],
) -> Result<Drawn> {
    let voxels = disturbed.in_view(&case.mask)?;
    let old = within(own, &voxels);
    let new = within(&disturbed.back(map, &case.grid)?, &voxels);
    let floor = if disturbed.moved() {
        rank::spearman(&old, &within(&disturbed.there_and_back(own, &case.grid)?, &voxels))
    } else {
        Ok(1.0)
    };
    let difference = apart(&old, &new);
    let change = norm(&difference);
    let moved = || undefined("the head moved: a distance of images says nothing");
    let (lipschitz, stability) = if disturbed.moved() {
        (moved(), moved())
    } else {
        let (x, y) = (within(&case.data, &voxels), within(&disturbed.data, &voxels));
        let step = apart(&x, &y);
        let light: Vec<f64> = x.iter().map(|x| x - before.zero()).collect();
        let lipschitz = ratio(change, norm(&step), "the change of the image");
        (lipschitz, relative(&old, &difference, &light, &step))
    };
    Ok(Drawn {
        flipped: was.called() != is.called(),
        similarity: rank::spearman(&old, &new),
        floor,
        relative: ratio(change, norm(&old), "the map"),
        change: moments::require_finite(&[change]).map(|()| change),
        lipschitz,
        stability,
        score: (is.score - was.score).abs(),
    })
}

/// ‖Δφ / φ‖ / ‖Δx / x‖ over the voxels where φ and x are both more than a hundredth of their
/// largest: near 0 a quotient is noise.
fn relative(map: &[f64], change: &[f64], image: &[f64], step: &[f64]) -> Stat {
    let least = |v: &[f64]| NEAR * v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let (of_map, of_image) = (least(map), least(image));
    let kept: Vec<usize> =
        (0..map.len()).filter(|&v| map[v].abs() > of_map && image[v].abs() > of_image).collect();
    let share = |part: &[f64], whole: &[f64]| -> f64 {
        sum_by(kept.len(), &|k| (part[kept[k]] / whole[kept[k]]).powi(2)).sqrt()
    };
    ratio(share(change, map), share(step, image), "the relative change of the image")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(similarity: f64, relative: f64, flipped: bool) -> Drawn {
        Drawn {
            flipped,
            similarity: Ok(similarity),
            floor: Ok(1.0),
            relative: Ok(relative),
            change: Ok(2.0 * relative),
            lipschitz: undefined("moved"),
            stability: Ok(0.0),
            score: 0.5,
        }
    }

    #[test]
    fn means_are_of_a_strength_and_the_largest_of_all_up_to_it() {
        let case = vec![
            vec![draw(0.9, 0.4, false), draw(0.7, 0.2, false)],
            vec![draw(0.6, 0.3, false), draw(-1.0, 9.0, true)],
            vec![draw(-1.0, 9.0, true)],
        ];
        assert_eq!(Of::Similarity.of(&case, 0), Some(Ok(0.8)));
        assert_eq!(Of::Similarity.of(&case, 1), Some(Ok(0.6)), "a flip is not mixed in");
        assert_eq!((Of::Mean.of(&case, 1), Of::Most.of(&case, 1)), (Some(Ok(0.3)), Some(Ok(0.4))));
        assert_eq!(Of::Undivided.of(&case, 1), Some(Ok(0.8)));
        assert_eq!(Of::Similarity.of(&case, 2), None, "nothing is left");
        assert_eq!(Of::Most.of(&case, 2), None, "nothing of this strength is left");
        assert!(Of::Lipschitz.of(&case, 0).expect("some").is_err());
    }

    #[test]
    fn relative_stability_looks_away_where_map_or_image_are_nearly_0() {
        // 0.1 and 0.1 of the map for 0.2 and 0.2 of the image.
        let (map, image) = ([10.0, -20.0, 0.01, 5.0], [1.0, 2.0, 1.0, 0.001]);
        let (change, step) = ([1.0, 2.0, 50.0, 50.0], [0.2, 0.4, 0.0, 3.0]);
        assert!((relative(&map, &change, &image, &step).expect("ratio") - 0.5).abs() < 1e-12);
        assert!(relative(&map, &change, &image, &[0.0; 4]).is_err());
        assert!(relative(&[0.0; 4], &change, &image, &step).is_err());
    }
}
