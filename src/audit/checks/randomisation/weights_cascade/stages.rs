//! Networks drawn anew block by block, and how far their maps are from the audited ones.
//!
//! A cascade is a network per stage and draw: weights, batch statistics on the probes, the maps
//! of all cases. Neighbouring stages begin alike: from the output down with what is not drawn yet,
//! from the input up with what is drawn already. A few cases at a time go through all stages of a
//! draw, and each stage goes on from the activations that it shares with the one before; those of
//! one walk are all that is kept, and no bit of a number changes. It saves part of the pass forth,
//! which is a fifth of an explanation; relevance and the comparing of maps take the rest.

use rayon::prelude::*;

use super::likeness::{Alike, of_case};
use crate::Result;
use crate::audit::bench::{Batch, Bench};
use crate::card::Card;
use crate::compute::Workspace;
use crate::model::Graph;
use crate::model::redraw::Redraw;

/// Stages at most; the layers of deeper networks are drawn in blocks.
const MOST: usize = 8;

/// In which order layers are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Cumulatively, from the output down.
    TopDown,
    /// Cumulatively, from the input up.
    BottomUp,
    /// One at a time, output first.
    Alone,
}

/// A cascade to be carried out.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// Card of the check; its id names the random streams.
    pub card: &'static Card,
    /// The order.
    pub order: Order,
    /// How weights are drawn.
    pub how: Redraw,
    /// Networks drawn.
    pub draws: usize,
}

/// A case at a stage.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The map against the audited one.
    pub alike: Alike,
    /// |change of the score|.
    pub change: f64,
}

/// A cascade carried out.
#[derive(Debug)]
pub struct Cascade {
    /// Names of the stages, beginning with none drawn anew.
    pub labels: Vec<String>,
    /// Per draw, stage and case.
    pub draws: Vec<Vec<Vec<Seen>>>,
}

/// Layers, output first, cut into blocks of nearly equal length, each with its name.
fn blocks(layers: &[String]) -> Vec<(String, &[String])> {
    let count = layers.len().min(MOST);
    let cut = |b: usize| b * layers.len() / count.max(1);
    let name = |block: &[String]| match block {
        [one] => one.clone(),
        [first, .., last] => format!("{first} … {last}"),
        [] => String::new(),
    };
    let parts = (0..count).map(|b| &layers[cut(b)..cut(b + 1)]);
    parts.map(|block| (name(block), block)).collect()
}

/// The layers drawn at each stage, with the name of the stage.
fn stages(layers: &[String], order: Order) -> Vec<(String, Vec<String>)> {
    let mut parts = blocks(layers);
    if order == Order::BottomUp {
        parts.reverse();
    }
    let from = |at: usize| if order == Order::Alone { at } else { 0 };
    let drawn = |at: usize| parts[from(at)..=at].iter().flat_map(|p| p.1.to_vec()).collect();
    (0..parts.len()).map(|at| (parts[at].0.clone(), drawn(at))).collect()
}

/// Some cases, from number `first` on, under several networks: per network and case.
fn compare(bench: &Bench<'_>, first: usize, new: &[Batch]) -> Result<Vec<Vec<Seen>>> {
    let before = &bench.network()?.answers;
    let one = |batch: &Batch, at: usize| {
        let n = first + at;
        Seen {
            alike: of_case(&bench.cases[n], &bench.maps[n], &batch.maps[at]),
            change: (before[n].score - batch.answers[at].score).abs(),
        }
    };
    let of =
        |batch: &Batch| (0..batch.maps.len()).into_par_iter().map(|at| one(batch, at)).collect();
    Ok(new.par_iter().map(of).collect())
}

/// Carries a cascade out; `last` sees the network of each draw's last stage before folding.
///
/// # Errors
/// Those of [`Bench::redrawn`] and [`Bench::explained_in_turn`], and of `last`.
pub fn carry_out(
    bench: &Bench<'_>,
    asked: &Asked,
    last: &mut dyn FnMut(usize, &Graph, &mut Workspace) -> Result<()>,
) -> Result<Cascade> {
    let network = bench.network()?;
    let stages = stages(&network.trained.weighted_layers(), asked.order);
    let mut ws = Workspace::new();
    let own =
        Batch { answers: network.answers.clone(), maps: bench.maps.clone(), ..Batch::default() };
    let unchanged = compare(bench, 0, &[own])?;
    let mut draws = Vec::with_capacity(asked.draws);
    for d in 0..asked.draws {
        let seed = bench.seed.child(&format!("audit/{}/draw-{d}", asked.card.id));
        let (mut nets, mut whole) = (Vec::with_capacity(stages.len()), None);
        for (_, layers) in &stages {
            let net = bench.redrawn(asked.how, layers, seed, &mut ws)?;
            nets.push(net.folded()?);
            whole = Some(net);
        }
        let mut seen = unchanged.clone();
        seen.resize(1 + stages.len(), Vec::with_capacity(bench.cases.len()));
        let nets: Vec<&Graph> = nets.iter().collect();
        bench.explained_in_turn(&nets, &mut ws, &mut |first, batches| {
            let found = compare(bench, first, batches)?;
            seen[1..].iter_mut().zip(found).for_each(|(all, some)| all.extend(some));
            Ok(())
        })?;
        if let Some(net) = whole {
            last(d, &net, &mut ws)?;
        }
        draws.push(seen);
    }
    let names = stages.into_iter().map(|(name, _)| name);
    Ok(Cascade { labels: std::iter::once("none".to_owned()).chain(names).collect(), draws })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|n| format!("l{n}")).collect()
    }

    #[test]
    fn every_layer_is_drawn_once_and_deep_networks_in_blocks() {
        let layers = names(19);
        let parts = blocks(&layers);
        assert_eq!(parts.len(), MOST);
        assert_eq!(
            parts.iter().flat_map(|p| p.1).collect::<Vec<_>>(),
            layers.iter().collect::<Vec<_>>()
        );
        assert!(parts.iter().all(|p| (2..=3).contains(&p.1.len())));
        assert_eq!(parts[0].0, "l0 … l1");
        assert!(blocks(&[]).is_empty());
    }

    #[test]
    fn orders_draw_what_their_names_say() {
        let layers = names(3);
        let of = |order| -> Vec<String> {
            stages(&layers, order)
                .into_iter()
                .map(|(name, l)| format!("{name}:{}", l.join(",")))
                .collect()
        };
        assert_eq!(of(Order::TopDown), ["l0:l0", "l1:l0,l1", "l2:l0,l1,l2"]);
        assert_eq!(of(Order::BottomUp), ["l2:l2", "l1:l2,l1", "l0:l2,l1,l0"]);
        assert_eq!(of(Order::Alone), ["l0:l0", "l1:l1", "l2:l2"]);
    }
}
