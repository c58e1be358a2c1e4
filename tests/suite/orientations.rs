//! One head in all 48 stored orders, from file to map and back to the file's grid: the same
//! map in the world, and left stays left.

use heatproof::compute::{Array, ConvGeometry, PoolGeometry, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::image::crop::coverage;
use heatproof::image::nifti::{read_mask, read_volume, write_mask, write_volume};
use heatproof::image::reorient::{reorient, reorient_labels};
use heatproof::image::resample::{resample, resample_labels};
use heatproof::image::{Grid, Labels, Mask, Volume, normalise};
use heatproof::model::graph::From;
use heatproof::model::input::{back, prepare, to_array};
use heatproof::model::layers::relu::Relu;
use heatproof::model::layers::{average_pool::AveragePool, flatten::Flatten, max_pool::MaxPool};
use heatproof::model::{Graph, InputSpec};
use heatproof::seed::Seed;

use super::images::stored;
use super::nets::{conv, dense, randomised};

/// A head and how it is brought before the network.
struct Head {
    spec: InputSpec,
    volume: Volume,
    mask: Mask,
    /// World position of the mark, on the left (x < 0).
    mark: [f64; 3],
}

/// An anisotropic, non-cubic, uneven head whose numbers grow differently along every axis,
/// with a bright mark on its left.
fn head(brain: [[usize; 2]; 3], shape: [usize; 3], spacing_mm: f64) -> Head {
    let grid = Grid::new(
        [13, 16, 11],
        [[1.0, 0.0, 0.0, -6.0], [0.0, 1.25, 0.0, -8.5], [0.0, 0.0, 1.5, -7.25]],
    )
    .expect("grid");
    let mark = [3, 10, 6];
    let (mut data, mut mask) = (Vec::new(), Vec::new());
    for v in 0..grid.len() {
        let at = [v % 13, v / 13 % 16, v / (13 * 16)];
        let inside = (0..3).all(|a| (brain[a][0]..=brain[a][1]).contains(&at[a]));
        // a corner cut off, so that no mirror image is the same
        let cut = at[0] + 2 * at[1] < brain[0][0] + 2 * brain[1][0] + 6;
        let near = (0..3).all(|a| at[a].abs_diff(mark[a]) <= 1);
        let ramp = 100.0 + 3.0 * at[0] as f32 + 2.0 * at[1] as f32 - 4.0 * at[2] as f32;
        let wave = ((at[0] * at[1] + 3 * at[2]) % 7) as f32;
        data.push(if near { 400.0 } else { ramp + wave });
        mask.push(inside && !(cut && at[2] > 5));
    }
    let options =
        normalise::Options { method: normalise::Method::ZScore, clip: None, ..Default::default() };
    Head {
        spec: InputSpec { shape, spacing_mm, normalise: options },
        volume: Volume::new(grid.clone(), data).expect("volume"),
        mark: grid.to_world(mark.map(|v| v as f64)),
        mask: Mask::new(grid, mask).expect("mask"),
    }
}

/// A small network with fixed random weights that tells every direction from every other.
fn network([k, j, i]: [usize; 3]) -> Graph {
    let mut graph = Graph::default();
    let g = ConvGeometry { stride: [1, 1, 2], kernel: [3, 3, 2], ..ConvGeometry::same(3) };
    let a = graph.push("c1", conv(1, 4, g), vec![From::Input]);
    let b = graph.push("r1", Box::new(Relu), vec![From::Node(a)]);
    let pool = MaxPool { geometry: PoolGeometry { kernel: [2, 1, 2], ..PoolGeometry::tiles(1) } };
    let c = graph.push("p1", Box::new(pool), vec![From::Node(b)]);
    let mean = AveragePool { geometry: Some(PoolGeometry::tiles(2)) };
    let d = graph.push("mean", Box::new(mean), vec![From::Node(c)]);
    let e = graph.push("flat", Box::new(Flatten), vec![From::Node(d)]);
    let features = graph.describe(&[1, k, j, i]).expect("fits")[e].shape[0];
    let _ = graph.push("d1", dense(features, 2), vec![From::Node(e)]);
    randomised(&graph, &mut Seed(71).stream("test/orientations"), false)
}

/// What one stored order gives, in RAS order: the map on the file's grid, the image and mask
/// the network saw, and a mark carried back alone.
struct Seen {
    map: Volume,
    input: Volume,
    mask: Mask,
    coverage: f64,
    mark: Volume,
}

fn through(head: &Head, order: [usize; 3], flip: [bool; 3], folder: &std::path::Path) -> Seen {
    let image = stored(&head.volume, order, flip);
    let numbers = head.mask.data().iter().map(|&m| f32::from(u8::from(m))).collect();
    let numbers = Volume::new(head.mask.grid().clone(), numbers).expect("mask");
    let numbers = stored(&numbers, order, flip);
    let mask = numbers.data().iter().map(|&m| m > 0.5).collect();
    let mask = Mask::new(numbers.grid().clone(), mask).expect("mask");
    let at = |what: &str| folder.join(format!("{}-{what}.nii.gz", image.grid().axes()));
    write_volume(&at("image"), &image, None, "head").expect("write");
    write_mask(&at("mask"), &mask, None, "brain").expect("write");

    let loaded = read_volume(&at("image")).expect("read");
    let mask = read_mask(&at("mask")).expect("read").image;
    let p = prepare(&loaded.image, &mask, &head.spec).expect("prepared");
    let graph = network(head.spec.tensor_shape());
    let composite = Composite::named("epsilon_alpha2_beta1").expect("known");
    let x = to_array(&[&p]).expect("array");
    let e = explain(&graph, &x, &composite, Start::Margin, &mut Workspace::new());
    let map = e.expect("explained").relevance;
    let carried = |map: &[f32]| {
        let map = back(map, p.grid(), loaded.image.grid()).expect("back");
        write_volume(&at("map"), &map, Some(&loaded.header), "map").expect("write");
        let map = read_volume(&at("map")).expect("read").image;
        assert_eq!(map.grid().axes(), image.grid().axes());
        reorient(&map).expect("reorient")
    };
    let mark = only(&x, nearest(p.grid(), head.mark));
    Seen {
        map: carried(map.host::<f32>().expect("f32")),
        input: p.volume.clone(),
        mask: p.mask.clone(),
        coverage: p.coverage,
        mark: carried(mark.host::<f32>().expect("f32")),
    }
}

/// An array like `x` with a 1 at tensor place `[k, j, i]` alone.
fn only(x: &Array, [k, j, i]: [usize; 3]) -> Array {
    let mut one = Array::zeros::<f32>(x.shape());
    let (rows, columns) = (x.shape()[3], x.shape()[4]);
    one.host_mut::<f32>().expect("f32")[(k * rows + j) * columns + i] = 1.0;
    one
}

/// Tensor place `[k, j, i]` of a world position; of two equally near the upper one.
fn nearest(grid: &Grid, world: [f64; 3]) -> [usize; 3] {
    let [i, j, k] = grid.to_voxel(world).map(|v| (v + 0.1).round() as usize);
    [k, j, i]
}

/// World position of the largest value.
fn peak(volume: &Volume) -> [f64; 3] {
    let data = volume.data();
    let at = (0..data.len()).max_by(|&a, &b| data[a].total_cmp(&data[b])).expect("voxels");
    let [ni, nj, _] = volume.grid().shape();
    volume.grid().to_world([at % ni, at / ni % nj, at / (ni * nj)].map(|v| v as f64))
}

fn apart(a: &Volume, b: &Volume) -> f64 {
    assert!(a.grid().matches(b.grid(), 1e-4), "{:?} {:?}", a.grid(), b.grid());
    let wide = |v: &Volume| v.data().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
    super::nets::gap(&wide(a), &wide(b))
}

fn all_48_agree(head: &Head, tolerance: f64) {
    let folder = tempfile::tempdir().expect("temp folder");
    let truth = through(head, [0, 1, 2], [false; 3], folder.path());
    // the mark is seen where it is, and what is put there returns there: on the left
    for seen in [&truth.input, &truth.mark] {
        let there = peak(seen);
        for a in 0..3 {
            let reach = 0.5 * (head.spec.spacing_mm + head.volume.grid().spacing_mm()[a]) + 1e-6;
            assert!((there[a] - head.mark[a]).abs() <= reach + 1.5, "{there:?} {:?}", head.mark);
        }
        assert!(head.mark[0] < -1.0 && there[0] < 0.0, "{there:?}");
    }
    assert!(truth.map.data().iter().filter(|v| **v != 0.0).count() > 200);
    let mut orders = std::collections::BTreeSet::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for bits in 0..8 {
            let flip = [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0];
            let seen = through(head, order, flip, folder.path());
            orders.insert((order, flip));
            assert_eq!(seen.mask.data(), truth.mask.data(), "mask {order:?} {flip:?}");
            assert_eq!(seen.coverage, truth.coverage, "coverage {order:?} {flip:?}");
            for (what, got, want) in [
                ("input", &seen.input, &truth.input),
                ("map", &seen.map, &truth.map),
                ("mark", &seen.mark, &truth.mark),
            ] {
                let gap = apart(got, want);
                assert!(gap < tolerance, "{what} of {order:?} {flip:?}: {gap:e}");
            }
            let (a, b) = (peak(&seen.mark), peak(&truth.mark));
            assert!((0..3).all(|axis| (a[axis] - b[axis]).abs() < 1e-3), "{a:?} {b:?}");
        }
    }
    assert_eq!(orders.len(), 48);
}

#[test]
fn all_48_stored_orders_of_a_head_give_one_map() {
    all_48_agree(&head([[1, 10], [2, 14], [1, 9]], [12, 14, 13], 1.1), 1e-5);
}

/// A box whose centre lies between voxels, seen by a model grid whose voxels lie half way
/// between those of the file: every nearest neighbour is a tie, and centres lie on faces.
fn ties(spacing: f64, origin: [f64; 3]) -> Head {
    let mut head = head([[2, 11], [4, 13], [2, 9]], [11, 9, 9], spacing);
    let [x, y, z] = origin;
    let affine = [[spacing, 0.0, 0.0, x], [0.0, spacing, 0.0, y], [0.0, 0.0, spacing, z]];
    let grid = Grid::new([13, 16, 11], affine).expect("grid");
    let inside = |v: usize| {
        let at = [v % 13, v / 13 % 16, v / (13 * 16)];
        (2..=11).contains(&at[0]) && (4..=13).contains(&at[1]) && (2..=9).contains(&at[2])
    };
    head.mark = grid.to_world([3.0, 10.0, 6.0]);
    head.volume = Volume::new(grid.clone(), head.volume.into_data()).expect("volume");
    let mask = (0..grid.len()).map(inside).collect();
    head.mask = Mask::new(grid, mask).expect("mask");
    head
}

#[test]
fn ties_between_voxels_are_decided_alike_in_every_order() {
    all_48_agree(&ties(1.0, [-6.0, -8.0, -6.0]), 1e-5);
}

#[test]
fn ties_are_decided_alike_where_rounding_blurs_them() {
    all_48_agree(&ties(0.75, [-38.13, -141.37, 77.77]), 1e-4);
}

#[test]
fn faces_are_decided_alike_in_every_order_though_float32_rounds_the_transform() {
    let spacing = 0.7;
    let at = |origin: [f64; 3]| {
        let row = |a: usize| {
            let mut row = [0.0, 0.0, 0.0, origin[a]];
            row[a] = spacing;
            row
        };
        Grid::new([13, 16, 11], [row(0), row(1), row(2)]).expect("grid")
    };
    let origin = [-38.13, -141.37, 77.77];
    let atlas = at(origin.map(|o| o + spacing / 2.0));
    let numbers = (1..=atlas.len() as i32).collect();
    let constant = Volume::new(atlas.clone(), vec![7.0; atlas.len()]).expect("volume");
    let labels = Labels::new(atlas.clone(), numbers).expect("labels");
    let head = Volume::new(at(origin), vec![0.0; 13 * 16 * 11]).expect("volume");
    let mut truth = None;
    for order in [[0, 1, 2], [1, 2, 0], [2, 1, 0]] {
        for bits in 0..8 {
            let image = stored(&head, order, [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0]);
            // as a file holds it
            let rounded = image.grid().affine().map(|row| row.map(|v| f64::from(v as f32)));
            let grid = Grid::new(image.grid().shape(), rounded).expect("grid");
            let labels = resample_labels(&labels, &grid).expect("labels");
            let values = resample(&constant, &grid, -1.0).expect("values");
            let all = Mask::new(grid.clone(), vec![true; grid.len()]).expect("mask");
            let seen = (
                reorient_labels(&labels).expect("reorient").into_data(),
                reorient(&values).expect("reorient").into_data(),
                coverage(&all, &atlas).expect("coverage"),
            );
            let want = truth.get_or_insert_with(|| seen.clone());
            assert_eq!(seen.0, want.0, "labels, {order:?} {bits}");
            assert_eq!(seen.1, want.1, "values at the faces, {order:?} {bits}");
            assert_eq!(seen.2, want.2, "coverage, {order:?} {bits}");
        }
    }
    let (labels, values, _) = truth.expect("seen");
    assert!(labels.iter().filter(|l| **l > 0).count() >= 12 * 15 * 10);
    assert!(values.iter().all(|v| (v - 7.0).abs() < 1e-5 || *v == -1.0));
}
