//! Does the map depend on where relevance starts, or do all starts end in one map?
//!
//! * **Question** Does what happens at the top of the network reach the map?
//! * **Formula** Relevance of random normal numbers at the input of the output layer (of the
//!   last layer with weights that reads a few numbers at least), handed down by the rule; mean
//!   |cosine| of pairs of starts at every layer with weights, and at the input inside the mask.
//! * **Reading** Near 0: starts stay apart. 1: the rule has collapsed to rank one, and the map is
//!   the same whatever the upper layers say, but for its sign and size.
//! * **When it misleads** A network whose last layers truly come down to one direction collapses
//!   by right. Random starts are no answers of the network.
//! * **Source** Sixt et al. 2020 (cosine similarity convergence; here of either sign),
//!   <https://arxiv.org/abs/1912.09818>.

use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::case::Case;
use crate::audit::checks::{Check, interval, mean_of, of_cohort};
use crate::audit::finding::{Finding, Outcome, Series};
use crate::card::{Better, Card};
use crate::compute::{Array, Workspace};
use crate::explain::propagate::hand_down;
use crate::model::Graph;
use crate::model::graph::{From, Node};
use crate::model::layer::Role;
use crate::progress::check_stop;
use crate::stats::{Stat, moments, undefined};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "rank_collapse",
    title: "Convergence of maps from random starts",
    question: "Does what happens at the top of the network reach the map?",
    formula: "random normal relevance at the input of the output layer, handed down by the rule; mean |cosine| of pairs of starts at each layer; cosine_input: at the input inside the mask",
    reading: "Near 0: starts stay apart. 1: the rule has collapsed to rank one, and the map is the same whatever the upper layers say, but for sign and size.",
    misleads: "A network whose last layers truly come down to one direction collapses by right. Random starts are no answers of the network.",
    source: "Sixt et al. 2020, https://arxiv.org/abs/1912.09818",
    unit: "1",
    better: Better::Lower,
};

/// Random starts per subject.
const STARTS: usize = 4;
/// Fewer numbers are no room for starts to differ in.
const FEWEST: usize = 8;

/// The check.
#[derive(Debug)]
pub struct RankCollapse;

/// The node where relevance starts, with the shape of its outputs: what the layer with weights
/// nearest to the output reads.
fn start(graph: &Graph, input: &[usize]) -> Result<Option<(usize, Vec<usize>)>> {
    let rows = graph.describe(input)?;
    let affine = graph.nodes().iter().rev().filter(|n| matches!(n.layer.role(), Role::Affine(_)));
    let mut read = affine.filter_map(|node| match node.inputs[..] {
        [From::Node(below)] => Some((below, rows[below].shape.clone())),
        _ => None,
    });
    Ok(read.find(|(_, shape)| shape.iter().product::<usize>() >= FEWEST))
}

/// Mean |cosine| of all pairs of rows.
fn convergence(rows: &[Vec<f64>]) -> Stat {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let norms: Vec<f64> = rows.iter().map(|r| dot(r, r).sqrt()).collect();
    if norms.iter().any(|n| !(n.is_finite() && *n > 0.0)) {
        return undefined("a start of which nothing arrives");
    }
    let pairs = (0..rows.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let cosine = |(a, b): (usize, usize)| (dot(&rows[a], &rows[b]) / norms[a] / norms[b]).abs();
    moments::mean(&pairs.map(cosine).collect::<Vec<_>>())
}

fn rows(of: &Array) -> Result<Vec<Vec<f64>>> {
    let all = of.to_f64()?;
    Ok(all.chunks(all.len() / STARTS).map(<[f64]>::to_vec).collect())
}

/// Per place on the way down the convergence of a case, beginning with the starts themselves.
fn of_case(
    bench: &Bench<'_>,
    case: &Case,
    (at, shape): (usize, &[usize]),
    ws: &mut Workspace,
) -> Result<Vec<(String, Stat)>> {
    let graph = bench.network()?.graph;
    let mut stream = bench.seed.stream(&format!("audit/{}/{}", CARD.id, case.id));
    let numbers = STARTS * shape.iter().product::<usize>();
    let drawn: Vec<f32> = (0..numbers).map(|_| stream.normal() as f32).collect();
    let first = Array::from_vec(drawn, &[&[STARTS], shape].concat())?;
    let mut seen = vec![("start".to_owned(), convergence(&rows(&first)?))];
    let x = bench.tensor(std::iter::repeat_n(case.data.as_slice(), STARTS))?;
    let composite = bench.explainer()?.composite;
    let mut look = |node: &Node, relevance: &Array| {
        seen.push((node.name.clone(), convergence(&rows(relevance)?)));
        Ok(())
    };
    let input = hand_down(graph, &x, composite, (at, first), &mut look, ws)?;
    let (maps, inside) = (rows(&input)?, case.inside());
    let within = |map: &Vec<f64>| inside.iter().map(|&v| map[v]).collect::<Vec<f64>>();
    seen.push(("input".to_owned(), convergence(&maps.iter().map(within).collect::<Vec<_>>())));
    ws.give(x);
    ws.give(input);
    Ok(seen)
}

impl Check for RankCollapse {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let shape = bench.batch(0, 1)?.shape()[1..].to_vec();
        let Some((at, shape)) = start(bench.network()?.graph, &shape)? else {
            let why = format!("no layer with weights reads {FEWEST} numbers of a layer below");
            return Ok(vec![of_cohort(&CARD, "cosine_input", Outcome::NotApplicable { why })]);
        };
        let mut ws = Workspace::new();
        let mut cases: Vec<Vec<(String, Stat)>> = Vec::new();
        for case in bench.cases {
            check_stop()?;
            cases.push(of_case(bench, case, (at, &shape), &mut ws)?);
        }
        let places: Vec<String> = cases[0].iter().map(|(name, _)| name.clone()).collect();
        let stats = |place: usize| cases.iter().map(|c| c[place].1.clone()).collect::<Vec<_>>();
        let last = places.len() - 1;
        let outcome = mean_of(&stats(last), bench.seed, &format!("{}/{last}", CARD.id));
        let mut found = of_cohort(&CARD, "cosine_input", outcome);
        let mut curve = Series {
            name: "mean |cosine| of maps from random starts".to_owned(),
            x_label: "relevance received by".to_owned(),
            y_label: "|cosine|".to_owned(),
            ..Series::default()
        };
        for (place, name) in places.into_iter().enumerate() {
            let all: Vec<f64> = stats(place).into_iter().flatten().collect();
            let Ok(mean) = moments::mean(&all) else { continue };
            let band = interval(&all, bench.seed, &format!("{}/{place}", CARD.id));
            let (low, high) = band.map_or((mean, mean), |b| (b.low, b.high));
            curve.labels.push(name);
            curve.x.push(curve.x.len() as f64);
            curve.y.push(mean);
            curve.low.push(low);
            curve.high.push(high);
        }
        found.series.push(curve);
        found.notes.push(format!("{STARTS} starts per subject; the interval is over subjects."));
        Ok(vec![found])
    }
}
