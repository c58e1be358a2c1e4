//! The audited subjects: chosen, read, and brought onto one grid.

use std::collections::{BTreeMap, BTreeSet};

use super::brought::Brought;
use super::case::Case;
use super::tools::covariates;
use super::tools::evidence::{Evidence, Regions};
use crate::cohort::Participant;
use crate::files::sha256_file;
use crate::image::header::Header;
use crate::image::{Grid, Labels, Mask, Volume, nifti, reorient, resample};
use crate::model::input::{InputSpec, prepare};
use crate::model::subject::{MaskSource, SubjectImages, read_subject};
use crate::progress::{Progress, in_parallel};
use crate::seed::Seed;
use crate::stats::{Undefined, moments};
use crate::train::baseline::shares;
use crate::{Error, Result};

/// Where a case came from: its map goes back there.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Grid of the image file.
    pub grid: Grid,
    /// Header of the image file.
    pub header: Header,
    /// What the scanner's intensity 0 became.
    pub zero: f64,
}

/// A participant with a class.
pub(super) type Labelled<'a> = (&'a Participant, usize);

/// A subject read: the case, where it came from, its map where one was brought, and what the
/// readers found doubtful.
pub(super) struct Read {
    pub(super) case: Case,
    pub(super) origin: Origin,
    pub(super) map: Option<Vec<f32>>,
    pub(super) notes: Vec<String>,
}

/// Unseen rows, as many of each class as there are and `most` allows, in the order of the
/// cohort.
pub(super) fn choose<'a>(
    rows: &[Labelled<'a>],
    seen: impl Fn(&str) -> bool,
    most: usize,
    seed: Seed,
) -> Result<Vec<Labelled<'a>>> {
    let unseen = (0..rows.len()).filter(|r| !seen(&rows[*r].0.id));
    let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for r in unseen {
        by_class.entry(rows[r].1).or_default().push(r);
    }
    if by_class.is_empty() || most == 0 {
        let what = if most == 0 {
            "no subject is to be audited".to_owned()
        } else {
            format!("all {} subjects were used to train the network", rows.len())
        };
        let fix = "Audit on held-out subjects: train with folds, or name other data";
        return Err(Error::usage("E-AUDIT-002", what, fix));
    }
    for (class, part) in &mut by_class {
        seed.stream(&format!("audit/subjects/class-{class}")).shuffle(part);
    }
    let mut chosen = Vec::new();
    let longest = by_class.values().map(Vec::len).max().unwrap_or(0);
    for at in 0..longest {
        chosen.extend(by_class.values().filter_map(|part| part.get(at).copied()));
    }
    chosen.truncate(most);
    chosen.sort_unstable();
    Ok(chosen.into_iter().map(|r| rows[r]).collect())
}

/// Chosen subjects that are also among those the network was trained on: the same bytes, or
/// another scan of the same subject.
pub(super) fn twins(
    chosen: &[Labelled<'_>],
    rows: &[Labelled<'_>],
    seen: impl Fn(&str) -> bool,
    progress: &dyn Progress,
) -> Result<Vec<[String; 2]>> {
    let name = |(p, _): &Labelled<'_>| p.id.clone();
    let hash = |rows: &[Labelled<'_>]| {
        in_parallel(rows, "comparing with the training", progress, name, |(p, _)| {
            sha256_file(&p.image)
        })
    };
    let training: Vec<Labelled<'_>> = rows.iter().filter(|(p, _)| seen(&p.id)).copied().collect();
    let (own, known) = (hash(chosen)?, hash(&training)?);
    let mut twins = Vec::new();
    for ((audited, _), bytes) in chosen.iter().zip(&own) {
        let same = training.iter().zip(&known).find(|((other, _), other_bytes)| {
            *other_bytes == bytes || other.subject == audited.subject
        });
        twins.extend(same.map(|((other, _), _)| [audited.id.clone(), other.id.clone()]));
    }
    Ok(twins)
}

/// Reads a subject onto the grid of the network, or, where there is none, onto that of its
/// image turned to RAS.
pub(super) fn read(
    (who, class): &Labelled<'_>,
    input: Option<&InputSpec>,
    brought: Option<&Brought>,
    held_out: bool,
) -> Result<Read> {
    let images = read_subject(who)?;
    let mut notes: Vec<String> =
        images.warnings.iter().map(|w| format!("{}: {w}", who.id)).collect();
    if images.source == MaskSource::NonZero {
        notes.push(format!("{}: no mask; voxels that are not 0 are taken as brain", who.id));
    }
    let Seen { data, mask, coverage, zero } = seen(&images, input)?;
    if coverage < 1.0 {
        let cut = 100.0 * (1.0 - coverage);
        notes.push(format!("{}: {cut:.1} % of the brain is outside the model grid", who.id));
    }
    let grid = mask.grid().clone();
    let map = match brought {
        Some(maps) => {
            let map = maps.read(&who.id, images.volume.grid())?;
            Some(match input {
                Some(_) => resample::resample(&map, &grid, 0.0)?.into_data(),
                None => reorient::reorient(&map)?.into_data(),
            })
        }
        None => None,
    };
    let regions = images.labels.as_ref();
    let labels = regions.map(|l| resample::resample_labels(l, &grid)).transpose()?;
    let truth = match &who.truth {
        Some(path) => Some(resample::resample_mask(&nifti::read_mask(path)?.image, &grid)?),
        None => None,
    };
    let image_sha256 = sha256_file(&who.image)?;
    let id = who.id.clone();
    let (class, covariates) = (*class, covariates::gain(&images.volume, &images.mask));
    let case =
        Case { id, class, mask, data, labels, truth, held_out, covariates, image_sha256, grid };
    let origin = Origin { grid: images.volume.grid().clone(), header: images.header, zero };
    Ok(Read { case, origin, map, notes })
}

/// What the network sees of an image, the brain there, the share of the brain within, and what
/// intensity 0 became.
struct Seen {
    data: Vec<f32>,
    mask: Mask,
    coverage: f64,
    zero: f64,
}

/// Without a network: the image itself, turned to RAS.
fn seen(images: &SubjectImages, input: Option<&InputSpec>) -> Result<Seen> {
    let Some(input) = input else {
        let image = reorient::reorient(&images.volume)?;
        let mask = resample::resample_mask(&images.mask, image.grid())?;
        return Ok(Seen { data: image.into_data(), mask, coverage: 1.0, zero: 0.0 });
    };
    let ready = prepare(&images.volume, &images.mask, input)?;
    let (coverage, zero) = (ready.coverage, ready.zero);
    Ok(Seen { data: ready.volume.into_data(), mask: ready.mask, coverage, zero })
}

/// What region sizes and brightness say over all subjects of the data, by their first scans; none
/// when one has no label map.
pub(super) fn evidence(rows: &[Labelled<'_>], progress: &dyn Progress) -> Result<Option<Evidence>> {
    if rows.iter().any(|(p, _)| p.labels.is_none()) {
        return Ok(None);
    }
    let mut seen = BTreeSet::new();
    let mut rows: Vec<Labelled<'_>> = rows.to_vec();
    rows.retain(|(who, _)| seen.insert(who.subject.as_str()));
    let name = |(p, _): &Labelled<'_>| p.id.clone();
    let all = in_parallel(&rows, "measuring regions", progress, name, |(p, _)| {
        let Some(path) = p.labels.as_deref() else { return Ok(None) };
        let labels = nifti::read_labels(path)?.image;
        // An image that cannot be read and is not audited does not stop the audit.
        let bright = nifti::read_volume(&p.image).ok().and_then(|v| brightness(&v.image, &labels));
        Ok(Some((shares(&labels), bright)))
    })?;
    let (sizes, bright): (Vec<_>, Vec<_>) = all.into_iter().flatten().unzip();
    let labels: Vec<bool> = rows.iter().map(|r| r.1 == 1).collect();
    let bright: Option<Vec<Regions>> = bright.into_iter().collect();
    let why = || Undefined("not every image lies on the grid of its label map".to_owned());
    Ok(Some(Evidence::of(&sizes, bright.as_deref().ok_or_else(why), &labels)))
}

/// Mean intensity of every region over the median of all labelled voxels, which no gain changes;
/// none on another grid than the labels or where the median is not above 0.
fn brightness(image: &Volume, labels: &Labels) -> Option<Regions> {
    if image.grid().shape() != labels.grid().shape() {
        return None;
    }
    let mut sums: BTreeMap<i32, (f64, f64)> = BTreeMap::new();
    let mut values = Vec::new();
    for (value, label) in image.data().iter().zip(labels.data()).filter(|(_, l)| **l != 0) {
        let sum = sums.entry(*label).or_default();
        *sum = (sum.0 + f64::from(*value), sum.1 + 1.0);
        values.push(f64::from(*value));
    }
    let middle = moments::median(&values).ok().filter(|m| *m > 0.0)?;
    Some(sums.into_iter().map(|(label, (sum, n))| (label, sum / n / middle)).collect())
}
