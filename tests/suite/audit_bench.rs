//! A bench whose truth is known, for the tests of checks: heads, regions, a planted effect, and
//! untrained networks.

use std::sync::LazyLock;

use heatproof::audit::bench::{Bench, Kin, Other};
use heatproof::audit::case::Case;
use heatproof::audit::checks::Check;
use heatproof::audit::finding::{COHORT, Finding};
use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace};
use heatproof::explain::{Composite, Start};
use heatproof::image::{Grid, Labels, Mask};
use heatproof::model::graph::From;
use heatproof::model::layers::{average_pool::AveragePool, flatten::Flatten};
use heatproof::model::{ArchitectureSpec, Graph, build};
use heatproof::seed::Seed;

use super::nets::{conv, heads};

/// Input voxels as the tensor has them: `[k, j, i]`.
pub(crate) const INPUT: [usize; 3] = [12, 16, 12];
/// Subjects.
pub(crate) const CASES: usize = 8;
/// Re-initialised networks: the smallest p is 0.05.
pub(crate) const NETWORKS: usize = 19;
/// Slices below this one hold the planted effect.
pub(crate) const PLANTED: usize = 5;

pub(crate) static CLASSES: LazyLock<Vec<String>> =
    LazyLock::new(|| vec!["term".into(), "preterm".into()]);
pub(crate) static COMPOSITE: LazyLock<Composite> =
    LazyLock::new(|| Composite::named("epsilon_plus").expect("known"));

/// Heads in the half of the grid that the mask holds (all but the outermost voxels), the
/// truth in the lower slices, and a region for each of four quarters.
pub(crate) static HEADS: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let [k, j, i] = INPUT;
    let grid = Grid::centred([i, j, k], [3.0; 3]).expect("grid");
    let voxels = i * j * k;
    let images = heads(&mut Seed(70).stream("test/audit/heads"), CASES, INPUT);
    let images = images.to_f64().expect("images");
    let at = |v: usize| [v % i, v / i % j, v / (i * j)];
    let inside = |v: usize| (0..3).all(|a| at(v)[a] > 0 && at(v)[a] + 1 < [i, j, k][a]);
    let mask = |keep: &dyn Fn(usize) -> bool| {
        Mask::new(grid.clone(), (0..voxels).map(keep).collect()).expect("mask")
    };
    let region = |v: usize| i32::from(at(v)[2] >= PLANTED) + 2 * i32::from(at(v)[1] >= 8) + 1;
    let labels = (0..voxels).map(|v| if inside(v) { region(v) } else { 0 }).collect();
    let labels = Labels::new(grid.clone(), labels).expect("labels");
    (0..CASES)
        .map(|n| Case {
            id: format!("sub-{n}"),
            class: n % 2,
            data: images[n * voxels..(n + 1) * voxels].iter().map(|v| *v as f32).collect(),
            grid: grid.clone(),
            mask: mask(&inside),
            labels: Some(labels.clone()),
            truth: Some(mask(&|v| at(v)[2] < PLANTED)),
            held_out: true,
            covariates: std::collections::BTreeMap::new(),
            image_sha256: String::new(),
        })
        .collect()
});

/// A network as it is drawn before any training, with the batch statistics of the heads.
pub(crate) fn untrained(seed: u64) -> Graph {
    let spec = ArchitectureSpec::named("compact", INPUT, 2).expect("known");
    let graph = build(&spec, Seed(seed)).expect("built");
    let data: Vec<f32> = HEADS.iter().flat_map(|c| c.data.iter().copied()).collect();
    let [k, j, i] = INPUT;
    let probe = Array::from_vec(data, &[CASES, 1, k, j, i]).expect("heads");
    let layers = graph.weighted_layers();
    graph.reinitialised(&layers, Seed(seed), Some(&probe), &mut Workspace::new()).expect("drawn")
}

/// The network with one of its arrays changed.
pub(crate) fn changed(graph: &Graph, name: &str, change: impl Fn(&mut [f32])) -> Graph {
    let mut copy = graph.duplicate().expect("copy");
    let mut parameters = copy.parameters_mut();
    let found = parameters.iter_mut().find(|p| p.0 == name).expect("parameter");
    change(found.1.host_mut::<f32>().expect("f32"));
    copy
}

/// The mean of each half as a logit: relevance is the image's own share in its half, so that
/// what a disturbance does to the map is what it does to the image.
pub(crate) fn halves() -> Graph {
    with_halves(Graph::default())
}

/// The same beside a convolution whose output nobody reads: weights without influence.
pub(crate) fn without_influence() -> Graph {
    let mut graph = Graph::default();
    let _ = graph.push("unread", conv(1, 2, ConvGeometry::same(3)), vec![From::Input]);
    with_halves(graph)
}

fn with_halves(mut graph: Graph) -> Graph {
    let halves = PoolGeometry {
        kernel: [INPUT[0] / 2, INPUT[1], INPUT[2]],
        stride: [INPUT[0] / 2, INPUT[1], INPUT[2]],
        ..PoolGeometry::tiles(1)
    };
    let pool = AveragePool { geometry: Some(halves) };
    let mean = graph.push("mean", Box::new(pool), vec![From::Input]);
    let _ = graph.push("flat", Box::new(Flatten), vec![From::Node(mean)]);
    graph
}

/// What the checks say of a network on the heads, after `plant` has had its way.
pub(crate) fn measured(
    check: &dyn Check,
    trained: &Graph,
    plant: impl Fn(&mut Bench<'_>),
) -> Vec<Finding> {
    measured_by(&COMPOSITE, check, trained, plant)
}

/// The same by another rule.
pub(crate) fn measured_by(
    rule: &Composite,
    check: &dyn Check,
    trained: &Graph,
    plant: impl Fn(&mut Bench<'_>),
) -> Vec<Finding> {
    let folded = trained.folded().expect("folded");
    let (cases, seed) = (&HEADS[..], Seed(71));
    let mut bench =
        Bench::new(&folded, trained, cases, &CLASSES, rule, Start::Margin, seed).expect("bench");
    bench.draws = NETWORKS;
    plant(&mut bench);
    check.measure(&bench).expect("measured")
}

/// Other networks, and who of the subjects they had seen.
pub(crate) fn others(bench: &mut Bench<'_>, networks: &[&Graph]) {
    bench.others = networks
        .iter()
        .enumerate()
        .map(|(n, net)| Other {
            name: format!("fold_{}", n + 1),
            kin: Kin::Fold,
            graph: net.folded().expect("folded"),
            saw: (0..CASES).map(|c| c < 3 + n).collect(),
        })
        .collect();
}

/// All numbers of a quantity but the cohort's, or the cohort's alone.
pub(crate) fn values(findings: &[Finding], quantity: &str, cohort: bool) -> Vec<f64> {
    let own = findings.iter().filter(|f| f.quantity == quantity);
    own.filter(|f| (f.subject == COHORT) == cohort)
        .map(|f| f.outcome.value().unwrap_or_else(|| panic!("{:?}", f.outcome)))
        .collect()
}

pub(crate) fn cohort(findings: &[Finding], quantity: &str) -> f64 {
    let all = values(findings, quantity, true);
    assert_eq!(all.len(), 1, "{quantity}");
    all[0]
}

/// Maps drawn by a rule from the voxel's place, the same for every subject.
pub(crate) fn draw(bench: &mut Bench<'_>, value: impl Fn(&Case, usize) -> f32) {
    for (case, map) in bench.cases.iter().zip(&mut bench.maps) {
        *map = (0..case.grid.len()).map(|v| value(case, v)).collect();
    }
}

pub(crate) fn truth(case: &Case, v: usize) -> f32 {
    f32::from(u8::from(case.truth.as_ref().is_some_and(|t| t.data()[v])))
}
