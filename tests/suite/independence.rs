//! A map depends on its image and its network alone: not on the batch it is computed in, nor
//! on the number of threads. Equal to the last bit.

use heatproof::Result;
use heatproof::compute::{Array, Workspace};
use heatproof::explain::ledger::LedgerLine;
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::{ArchitectureSpec, Graph, build};
use heatproof::seed::Seed;

use super::nets::{canonical, heads, rules};

const INPUT: [usize; 3] = [30, 26, 28];

/// Scores, maps and ledgers, one per sample, with numbers as bits.
type Maps = Vec<(u64, Vec<u32>, Vec<LedgerLine>)>;

fn maps(graph: &Graph, x: &Array, rule: &str, threads: usize) -> Maps {
    let composite = Composite::named(rule).expect("known");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
    let e = pool
        .install(|| explain(graph, x, &composite, Start::Margin, &mut Workspace::new()))
        .expect("explained");
    let voxels = INPUT.iter().product();
    let data = e.relevance.host::<f32>().expect("f32");
    let bits = data.chunks(voxels).map(|map| map.iter().map(|v| v.to_bits()).collect());
    let scores = e.scores.iter().map(|s| s.to_bits());
    scores.zip(bits).zip(e.ledgers).map(|((s, m), l)| (s, m, l)).collect()
}

/// Three heads; the second has no negative voxel, so that it takes shortcuts alone.
fn batch() -> Array {
    let mut x = heads(&mut Seed(52).stream("test/independence"), 3, INPUT);
    let voxels = INPUT.iter().product();
    let second = &mut x.host_mut::<f32>().expect("f32")[voxels..2 * voxels];
    second.iter_mut().for_each(|v| *v = v.abs());
    x
}

#[test]
fn maps_do_not_depend_on_the_batch_or_the_threads() {
    let (graph, x) = (canonical("compact", INPUT, 51), batch());
    for rule in rules() {
        let id = rule.card.id;
        let together = maps(&graph, &x, id, 1);
        assert!(together == maps(&graph, &x, id, 2), "{id}: threads");
        for (n, one) in together.into_iter().enumerate() {
            let alone = x.rows(n, n + 1).expect("row");
            for threads in [1, 2] {
                let [alone] = &maps(&graph, &alone, id, threads)[..] else { panic!("one map") };
                assert!(*alone == one, "{id}: sample {n} alone, {threads} threads");
            }
        }
    }
}

#[test]
fn explaining_twice_gives_the_same_and_leaves_the_network_as_it_was() {
    let (graph, x) = (canonical("compact", INPUT, 51), batch());
    let composite = Composite::named("epsilon_alpha2_beta1").expect("known");
    // a workspace that was used before, its buffers full of old numbers
    let mut ws = Workspace::new();
    let mut once = || -> Result<_> {
        let before = graph.forward(&x, &mut ws)?.to_f64()?;
        let e = explain(&graph, &x, &composite, Start::Class(1), &mut ws)?;
        assert_eq!(graph.forward(&x, &mut ws)?.to_f64()?, before);
        let map = e.relevance.to_f64()?;
        ws.give(e.relevance);
        Ok((e.scores, map, e.ledgers))
    };
    let first = once().expect("explained");
    assert!(first == once().expect("explained"));
}

#[test]
fn a_training_step_does_not_depend_on_the_threads() {
    let step = |threads: usize| {
        let spec = ArchitectureSpec::named("compact", INPUT, 2).expect("known");
        let mut graph = build(&spec, Seed(53)).expect("built");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let mut loss = |z: &Array| -> Result<(f64, Array)> {
            Ok((z.sums()?.0, Array::from_vec(vec![0.5f32, -0.5, 0.25, 1.0, -1.0, 0.0], &[3, 2])?))
        };
        let mut dropout = Seed(54).stream("test/dropout");
        let (value, gradients) = pool
            .install(|| graph.train_step(&batch(), &mut loss, &mut dropout, &mut Workspace::new()))
            .expect("step");
        let gradients = gradients.iter().map(|g| g.to_f64().expect("host"));
        let state = graph.state().into_iter().map(|(_, a)| a.to_f64().expect("host"));
        (value, gradients.collect::<Vec<_>>(), state.collect::<Vec<_>>())
    };
    assert!(step(1) == step(2));
}
