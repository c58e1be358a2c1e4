//! Several networks of one architecture as one wider network whose logits are their mean.
//!
//! The networks stand side by side as groups of the convolutions, and the last layer reads
//! all of them. So the mean is a network like any other: what explains and audits one
//! network explains and audits it, layer by layer.

use std::collections::BTreeMap;

use super::architecture::{ArchitectureSpec, build};
use super::graph::Graph;
use crate::compute::Array;
use crate::seed::Seed;
use crate::{Error, Result};

/// The network `spec` with `spec.members` members describes, from as many networks of the
/// same spec with one member: per input its logits are the mean of theirs, to rounding.
///
/// # Errors
/// Those of [`build`]; [`Error::Internal`] when the networks do not fit the spec.
pub fn join(spec: &ArchitectureSpec, members: &[Graph]) -> Result<Graph> {
    let wide = build(spec, Seed(0))?;
    if members.len() != spec.members {
        return Err(Error::internal(format!("{} of {} members", members.len(), spec.members)));
    }
    let states: Vec<BTreeMap<String, &Array>> =
        members.iter().map(|m| m.state().into_iter().collect()).collect();
    let mut joined = BTreeMap::new();
    for (name, slot) in wide.state() {
        let parts = states.iter().map(|state| {
            let part = state.get(&name).ok_or_else(|| Error::internal(format!("no {name}")))?;
            Ok((part.shape(), part.host::<f32>()?))
        });
        let parts: Vec<(&[usize], &[f32])> = parts.collect::<Result<_>>()?;
        let data = match name.as_str() {
            "dense.weight" => side_by_side(&parts),
            "dense.bias" => mean(&parts),
            // Channels of the first member, then those of the second, and so on.
            _ => parts.iter().flat_map(|(_, data)| data.iter().copied()).collect(),
        };
        joined.insert(name, Array::from_vec(data, slot.shape())?);
    }
    wide.with_state(joined)
}

/// The networks that [`join`] put side by side, the first `most` of them. The bias of the last
/// layer is that of the mean, of which the members' own cannot be told: logits are a member's but
/// for a constant.
///
/// # Errors
/// Those of [`build`]; [`Error::Internal`] when the network does not fit the spec.
pub fn parted(spec: &ArchitectureSpec, wide: &Graph, most: usize) -> Result<Vec<Graph>> {
    let single = build(&ArchitectureSpec { members: 1, ..spec.clone() }, Seed(0))?;
    let states: BTreeMap<String, &Array> = wide.state().into_iter().collect();
    let part = |member: usize| {
        let mut own = BTreeMap::new();
        for (name, slot) in single.state() {
            let whole = states.get(&name).ok_or_else(|| Error::internal(format!("no {name}")))?;
            let data = whole.host::<f32>()?;
            let length = slot.shape().iter().product::<usize>();
            let part: Vec<f32> = match name.as_str() {
                "dense.bias" => data.to_vec(),
                "dense.weight" => {
                    let width = slot.shape().get(1).copied().unwrap_or(1);
                    let rows = data.chunks(width * spec.members);
                    let own = rows.flat_map(|row| row.chunks(width).nth(member).unwrap_or(&[]));
                    own.map(|v| v * spec.members as f32).collect()
                }
                _ => data.chunks(length).nth(member).unwrap_or(&[]).to_vec(),
            };
            own.insert(name, Array::from_vec(part, slot.shape())?);
        }
        single.with_state(own)
    };
    (0..spec.members.min(most)).map(part).collect()
}

/// Rows of the weights one after another, each a share of the mean.
fn side_by_side(parts: &[(&[usize], &[f32])]) -> Vec<f32> {
    let share = 1.0 / parts.len() as f32;
    let rows = parts.first().map_or(0, |(shape, _)| shape[0]);
    let row = |at: usize| {
        parts.iter().flat_map(move |(shape, data)| &data[at * shape[1]..(at + 1) * shape[1]])
    };
    (0..rows).flat_map(row).map(|v| v * share).collect()
}

fn mean(parts: &[(&[usize], &[f32])]) -> Vec<f32> {
    let share = 1.0 / parts.len() as f32;
    let length = parts.first().map_or(0, |(_, data)| data.len());
    (0..length).map(|at| parts.iter().map(|(_, data)| data[at]).sum::<f32>() * share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::Workspace;
    use crate::model::layer::Mode;

    #[test]
    fn the_logits_are_the_mean_of_the_members_logits() {
        let one = ArchitectureSpec::named("compact", [17, 24, 19], 2).expect("known");
        let members: Vec<Graph> = (0..3).map(|n| build(&one, Seed(n)).expect("built")).collect();
        let wide = join(&ArchitectureSpec { members: 3, ..one.clone() }, &members).expect("joined");
        let mut s = Seed(9).stream("test/members");
        let x: Vec<f32> = (0..2 * 17 * 24 * 19).map(|_| s.normal() as f32).collect();
        let x = Array::from_vec(x, &[2, 1, 17, 24, 19]).expect("shape");
        let logits = |graph: &Graph| {
            let input = x.duplicate().expect("copy");
            let trace = graph.trace(input, &mut Mode::Infer, &mut Workspace::new());
            trace.expect("trace").outputs.last().expect("logits").to_f64().expect("host")
        };
        let each: Vec<Vec<f64>> = members.iter().map(logits).collect();
        for (at, joint) in logits(&wide).into_iter().enumerate() {
            let mean = each.iter().map(|l| l[at]).sum::<f64>() / 3.0;
            assert!((joint - mean).abs() < 1e-5, "{joint} {mean}");
        }
        assert_eq!(wide.weighted_layers(), members[0].weighted_layers());
        let again = parted(&ArchitectureSpec { members: 3, ..one }, &wide, 2).expect("parted");
        assert_eq!(again.len(), 2);
        for (found, member) in again.iter().zip(&members) {
            let (found, member) = (logits(found), logits(member));
            // Untrained networks have no bias, so nothing is lost.
            assert!(found.iter().zip(&member).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        }
    }
}
