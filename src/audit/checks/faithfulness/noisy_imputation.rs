//! Does the network still say the same when what the map marks is imputed from its surroundings?
//!
//! * **Question** Is the answer kept when the most relevant voxels are imputed, and lost later when
//!   the least relevant are?
//! * **Formula** The top p % of the mask's voxels become a noisy linear imputation from what is left
//!   (26 neighbours, weights 1/14, 1/28, 1/56; noise of 5 % of the image's deviation). kept: share
//!   of subjects whose called class stays, mean over p = 10, 30, 50, 70, 90. kept_difference:
//!   least relevant first minus most relevant first. fall_difference: the same of the falls of the
//!   score for the answer given, most first minus least first, in units of the score's range when
//!   blobs are taken out; p of its mean by flipping signs of subjects.
//! * **Reading** Above 0: the answer hangs on what the map marks.
//! * **When it misleads** Blurry maps score well, as whole neighbourhoods go at once. The shape of
//!   what was imputed can itself tell the class. Smooth images are not those of training.
//! * **Source** Rong et al. 2022, <https://arxiv.org/abs/2202.00449>; on its bias
//!   <https://arxiv.org/abs/2304.13836>.

use crate::Result;
use crate::audit::bench::{Answer, Bench, Needs};
use crate::audit::checks::{Check, of_cohort, outcome, rows};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::audit::tools::removal::Removal;
use crate::audit::tools::replace::{Filler, Replacement};
use crate::audit::tools::rivals::{RANDOM, Rival};
use crate::card::{Better, Card};
use crate::compute::Workspace;
use crate::seed::Stream;
use crate::stats::moments::{mean, require_finite};
use crate::stats::permutation::{Tail, sign_flip};
use crate::stats::{Stat, Undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "noisy_imputation",
    title: "Imputing the most and the least relevant voxels",
    question: "Does the answer change sooner when the most relevant voxels are imputed than when the least relevant are?",
    formula: "top p % of the voxels imputed from their 26 neighbours (1/14, 1/28, 1/56) with noise; kept_difference = share of subjects with the same called class, least minus most relevant first, mean over p; fall_difference = falls of the score, most minus least first, over its range",
    reading: "Above 0: the answer hangs on what the map marks. fall_difference_p is small when that is so for more subjects, or by more, than signs drawn by chance would give.",
    misleads: "Favours blurry maps. Where the answer survives everything, kept says nothing and the falls must be read. Imputed images are smoother than any the network saw, and the shape of the hole can tell the class.",
    source: "Rong et al. 2022, https://arxiv.org/abs/2202.00449; https://arxiv.org/abs/2304.13836",
    unit: "1",
    better: Better::Higher,
};

/// Shares of the mask's voxels that are imputed.
const SHARES: [f64; 5] = [0.1, 0.3, 0.5, 0.7, 0.9];
/// The numbers, as quantities and as columns.
const QUANTITIES: [&str; 4] = ["kept_difference", "kept_most", "kept_least", "fall_difference"];
const MEASURES: [&str; 4] =
    ["kept, least minus most", "kept, most", "kept, least", "fall, most minus least"];
/// The other method that is measured too: each costs as much as the audited map.
const BESIDE: &str = "gradient_x_input";
/// Sign flips at most.
const FLIPS: usize = 4096;

/// The check.
#[derive(Debug)]
pub struct NoisyImputation;

/// Voxels of the mask by falling relevance for the answer given; equal ones in a random order.
fn order(
    inside: Vec<usize>,
    map: &[f32],
    sign: f64,
    stream: &mut Stream,
) -> Result<Vec<usize>, Undefined> {
    let values: Vec<f64> = inside.iter().map(|&v| sign * f64::from(map[v])).collect();
    require_finite(&values)?;
    let mut order: Vec<usize> = (0..inside.len()).collect();
    stream.shuffle(&mut order);
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    Ok(order.into_iter().map(|n| inside[n]).collect())
}

/// [`MEASURES`], then for every share what is kept, most first and least first.
fn measure(
    bench: &Bench<'_>,
    removal: &Removal,
    map: &[f32],
    n: usize,
    ws: &mut Workspace,
) -> Result<Vec<Stat>> {
    let case = &bench.cases[n];
    let mut stream = bench.seed.stream(&format!("audit/{}/ties/{}", CARD.id, case.id));
    let ready = order(case.inside(), map, removal.sign, &mut stream).and_then(|order| {
        let filler = Filler::new(Replacement::Imputed, bench.cases, n, bench.seed)?;
        Ok((order, filler, removal.range()?))
    });
    let count = MEASURES.len() + 2 * SHARES.len();
    let (order, filler, range) = match ready {
        Ok(ready) => ready,
        Err(why) => return Ok(vec![Err(why); count]),
    };
    let voxels = |s: usize| {
        let out = (SHARES[s % SHARES.len()] * order.len() as f64).round() as usize;
        if s < SHARES.len() { order[..out].to_vec() } else { order[order.len() - out..].to_vec() }
    };
    let answers = match removal.answers(bench, n, &filler, 2 * SHARES.len(), &voxels, ws)? {
        Ok(answers) => answers,
        Err(why) => return Ok(vec![Err(why); count]),
    };
    let own = removal.whole.called();
    let kept: Vec<f64> = answers.iter().map(|a| f64::from(u8::from(a.called() == own))).collect();
    let fall = |a: &Answer| removal.sign * (removal.whole.score - a.score) / range;
    let falls: Vec<f64> = answers.iter().map(fall).collect();
    let halves = |of: &[f64]| -> Result<[f64; 2], Undefined> {
        let (most, least) = of.split_at(SHARES.len());
        Ok([mean(most)?, mean(least)?])
    };
    let all = || -> Result<Vec<f64>, Undefined> {
        let ([kept_most, kept_least], [most, least]) = (halves(&kept)?, halves(&falls)?);
        let first = vec![kept_least - kept_most, kept_most, kept_least, most - least];
        Ok([first, kept.clone()].concat())
    };
    Ok(match all() {
        Ok(values) => values.into_iter().map(Ok).collect(),
        Err(why) => vec![Err(why); count],
    })
}

/// Whether the differences of the falls are above 0 by more than random signs give.
fn flipped(bench: &Bench<'_>, row: &rows::Row) -> Stat {
    let at = QUANTITIES.len() - 1;
    let own: Vec<f64> = row.cases.iter().map(|c| c[at].clone()).collect::<Result<_, _>>()?;
    let mut stream = bench.seed.stream(&format!("audit/{}/flips/{}", CARD.id, row.name));
    Ok(sign_flip(&own, Tail::Greater, FLIPS, &mut stream)?.p)
}

/// What is kept at each share, mean over subjects with intervals.
fn curves(row: &rows::Row, names: [&str; 2]) -> Vec<Series> {
    let curve = |which: usize| {
        let mut curve = Series {
            name: names[which].to_owned(),
            x_label: "share of the brain's voxels imputed".to_owned(),
            y_label: "share of subjects whose called class stays".to_owned(),
            ..Series::default()
        };
        let means = &row.means[MEASURES.len() + which * SHARES.len()..];
        for (share, mean) in SHARES.iter().zip(means) {
            let Outcome::Measured { value, interval } = mean else { continue };
            curve.x.push(*share);
            curve.y.push(*value);
            curve.low.push(interval.as_ref().map_or(*value, |i| i.low));
            curve.high.push(interval.as_ref().map_or(*value, |i| i.high));
        }
        curve
    };
    (0..2).map(curve).filter(|c| !c.x.is_empty()).collect()
}

impl Check for NoisyImputation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Network
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let removals = bench.removals()?;
        let keep = |rival: &Rival<'_>| [BESIDE, RANDOM].contains(&rival.name.as_str());
        let count = MEASURES.len() + 2 * SHARES.len();
        let all = rows::measured_of(bench, CARD.id, &keep, count, |(_, map, n), ws| {
            measure(bench, &removals[n], map, n, ws)
        })?;
        let mut found = rows::findings(bench, &CARD, &QUANTITIES, &all)?;
        let cohort = &mut found[bench.cases.len()];
        cohort.tables.push(rows::table("imputation by method", &MEASURES, &all));
        cohort.series = curves(&all[0], ["most relevant first", "least relevant first"]);
        found.push(of_cohort(&CARD, "fall_difference_p", outcome(flipped(bench, &all[0]))));
        for random in all.iter().filter(|r| r.name == RANDOM) {
            let names = ["random voxels", "random voxels, the others"];
            found[bench.cases.len()].series.extend(curves(random, names));
            let p = flipped(bench, random);
            found.push(of_cohort(&CARD, "control_random_p", outcome(p)));
        }
        Ok(found)
    }
}
