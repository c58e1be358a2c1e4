//! How defects are planted.

use std::path::Path;

use super::faulty::{Fault, planted};
use crate::audit::bench::Bench;
use crate::audit::case::Case;
use crate::audit::checks::randomisation::weights_exchangeability::controls::sobel;
use crate::audit::gather::{Gathered, Request};
use crate::cohort::Cohort;
use crate::image::{Grid, Labels, Volume, nifti};
use crate::model::Graph;
use crate::{Error, Result};

/// Changes the explained network.
fn explained(of: &mut Gathered, change: impl Fn(&Graph) -> Result<Graph>) -> Result<()> {
    let studied = of.studied.as_mut().ok_or_else(|| Error::internal("no network"))?;
    studied.canonical = change(&studied.canonical)?;
    Ok(())
}

/// The second convolution with a fault on its way back.
fn at_fault(of: &mut Gathered, fault: Fault) -> Result<()> {
    explained(of, |graph| {
        let mut convolutions = graph.nodes().iter().filter(|n| n.layer.card().id == "conv3d");
        let second = convolutions.nth(1).ok_or_else(|| Error::internal("one convolution"))?;
        planted(graph, &second.name, fault)
    })
}

pub(super) fn wrong_transpose(of: &mut Gathered) -> Result<()> {
    at_fault(of, Fault::Mirrored)
}

pub(super) fn wrong_sign(of: &mut Gathered) -> Result<()> {
    at_fault(of, Fault::Negated)
}

/// Biases that folding should have moved into the convolutions are left out.
pub(super) fn dropped_bias(of: &mut Gathered) -> Result<()> {
    explained(of, |graph| {
        let mut copy = graph.duplicate()?;
        for (name, array) in copy.parameters_mut() {
            if name.ends_with("bias") {
                array.host_mut::<f32>()?.fill(0.0);
            }
        }
        Ok(copy)
    })
}

/// Every weight of the convolutions made positive: no neuron then has negative parts.
pub(super) fn one_signed(of: &mut Gathered) -> Result<()> {
    explained(of, |graph| {
        let mut copy = graph.duplicate()?;
        for (name, array) in copy.parameters_mut() {
            if name.contains("conv") && name.ends_with("weight") {
                array.host_mut::<f32>()?.iter_mut().for_each(|w| *w = w.abs());
            }
        }
        Ok(copy)
    })
}

/// Labels moved to other voxels.
fn placed(of: &mut Gathered, from: impl Fn(&Case, [usize; 3]) -> Option<usize>) -> Result<()> {
    for case in &mut of.cases {
        let Some(labels) = &case.labels else { continue };
        let [ni, nj, nk] = case.grid.shape();
        let mut data = Vec::with_capacity(case.grid.len());
        for k in 0..nk {
            for j in 0..nj {
                for i in 0..ni {
                    data.push(from(case, [i, j, k]).map_or(0, |v| labels.data()[v]));
                }
            }
        }
        case.labels = Some(Labels::new(case.grid.clone(), data)?);
    }
    Ok(())
}

pub(super) fn mirrored_atlas(of: &mut Gathered) -> Result<()> {
    placed(of, |case, [i, j, k]| {
        let [ni, ..] = case.grid.shape();
        Some(case.grid.index(ni - 1 - i, j, k))
    })
}

/// As an affine that is two voxels off puts them.
pub(super) fn shifted_atlas(of: &mut Gathered) -> Result<()> {
    placed(of, |case, [i, j, k]| Some(case.grid.index(i, j.checked_sub(2)?, k)))
}

/// Relevance of each subject dealt anew over the voxels of the brain.
pub(super) fn shuffled_map(bench: &mut Bench<'_>) -> Result<()> {
    for (case, map) in bench.cases.iter().zip(&mut bench.maps) {
        let inside = case.inside();
        let mut values: Vec<f32> = inside.iter().map(|&v| map[v]).collect();
        bench.seed.stream(&format!("selftest/shuffled/{}", case.id)).shuffle(&mut values);
        inside.into_iter().zip(values).for_each(|(v, r)| map[v] = r);
    }
    Ok(())
}

/// Relevance of the other class.
pub(super) fn wrong_class(bench: &mut Bench<'_>) -> Result<()> {
    bench.maps.iter_mut().flatten().for_each(|r| *r = -*r);
    Ok(())
}

/// Maps that show where the image is brightest, as a decoy lesion is.
pub(super) fn brightest(bench: &mut Bench<'_>) -> Result<()> {
    for (case, map) in bench.cases.iter().zip(&mut bench.maps) {
        let inside = case.inside();
        let mut values: Vec<f32> = inside.iter().map(|&v| case.data[v]).collect();
        values.sort_by(f32::total_cmp);
        let limit = values.get(values.len() * 99 / 100).copied().unwrap_or(f32::MAX);
        map.fill(0.0);
        inside.into_iter().filter(|&v| case.data[v] > limit).for_each(|v| map[v] = 1.0);
    }
    Ok(())
}

/// Edges of the image, whatever the network.
pub(super) fn edges(bench: &mut Bench<'_>) -> Result<()> {
    let explainer = bench.explainer.as_mut().ok_or_else(|| Error::internal("no rule"))?;
    explainer.instead = Some(sobel);
    bench.maps = bench.cases.iter().map(|c| sobel(c.grid.shape(), &c.data)).collect();
    Ok(())
}

/// Every second row shows the image of the row before it, so that many held-out rows show what
/// the network was trained on.
pub(super) fn leaked(_: &mut Request, cohort: &mut Cohort) {
    for pair in cohort.participants.chunks_exact_mut(2) {
        let [first, second] = pair else { continue };
        second.image.clone_from(&first.image);
    }
}

pub(super) fn flat_first_layer(request: &mut Request, _: &mut Cohort) {
    request.rule = "epsilon_plus_flat".to_owned();
}

pub(super) fn doubling_rule(of: &mut Gathered) -> Result<()> {
    use crate::audit::gather::Maker;
    use crate::explain::Composite;
    of.maker = Maker::Rule(Composite::named("epsilon_alpha2_beta1")?);
    one_signed(of)
}

/// Every map of a folder, changed by hand.
fn spoilt(folder: &Path, change: impl Fn(&Path, Volume) -> Result<()>) -> Result<()> {
    let unreadable = |e| Error::io("reading", folder, e);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        change(&path, nifti::read_values(&path)?.image)?;
    }
    Ok(())
}

fn write(path: &Path, grid: Grid, data: Vec<f32>) -> Result<()> {
    nifti::write_volume(path, &Volume::new(grid, data)?, None, "self-test")
}

pub(super) fn not_a_number(folder: &Path) -> Result<()> {
    spoilt(folder, |path, map| {
        let (grid, mut data) = (map.grid().clone(), map.into_data());
        data[0] = f32::NAN;
        write(path, grid, data)
    })
}

pub(super) fn shifted_affine(folder: &Path) -> Result<()> {
    spoilt(folder, |path, map| {
        let mut affine = *map.grid().affine();
        affine[1][3] += 3.0;
        write(path, Grid::new(map.grid().shape(), affine)?, map.into_data())
    })
}

pub(super) fn cut_short(folder: &Path) -> Result<()> {
    spoilt(folder, |path, _| {
        let bytes = std::fs::read(path).map_err(|e| Error::io("reading", path, e))?;
        std::fs::write(path, &bytes[..bytes.len() / 2]).map_err(|e| Error::io("writing", path, e))
    })
}
