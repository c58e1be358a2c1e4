//! All images of a cohort in the form the network sees.

use std::collections::BTreeMap;

use super::baseline::shares;
use super::fit::Example;
use super::split::SplitRow;
use crate::Result;
use crate::cohort::{Cohort, Participant, Target};
use crate::image::normalise;
use crate::model::input::{InputSpec, prepare, reach_mm, spec_for};
use crate::model::subject::{MaskSource, read_subject};
use crate::progress::{Progress, in_parallel};

/// How the model grid is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputChoice {
    /// Edge of the voxels, mm.
    pub spacing_mm: f64,
    /// Kept free around the largest brain, mm.
    pub margin_mm: f64,
    /// Voxels along i, j, k instead of the smallest that cover all brains.
    pub shape: Option<[usize; 3]>,
    /// How intensities are put on one scale.
    pub normalise: normalise::Options,
}

/// A cohort ready for training; rows without a class are left out.
#[derive(Debug)]
pub struct Ready {
    /// Images and classes, in the order of the cohort.
    pub examples: Vec<Example>,
    /// The same rows for splitting.
    pub rows: Vec<SplitRow>,
    /// Region shares of each row; none when a row has no label map.
    pub shares: Option<Vec<BTreeMap<i32, f64>>>,
    /// The model's input.
    pub input: InputSpec,
    /// Names of the classes.
    pub classes: [String; 2],
    /// What the user should know; one sentence each.
    pub notes: Vec<String>,
}

/// Reads and prepares all images in parallel; the result does not depend on the threads.
///
/// # Errors
/// Those of [`Target::label`], [`read_subject`] and [`prepare`]; [`crate::Error::Interrupted`].
pub fn prepare_cohort(
    cohort: &Cohort,
    target: &Target,
    choice: &InputChoice,
    progress: &dyn Progress,
) -> Result<Ready> {
    let labelled = target.label(cohort)?;
    let distances = target.distances(cohort);
    let chosen: Vec<(&Participant, usize)> = cohort
        .participants
        .iter()
        .zip(&labelled.values)
        .filter_map(|(p, class)| Some((p, usize::from((*class)?))))
        .collect();
    let name = |(p, _): &(&Participant, usize)| p.id.clone();
    let distances = distances.into_iter().zip(&labelled.values).filter(|(_, c)| c.is_some());
    let input = match choice.shape {
        Some(shape) => {
            InputSpec { shape, spacing_mm: choice.spacing_mm, normalise: choice.normalise }
        }
        None => {
            let reaches = in_parallel(&chosen, "measuring brains", progress, name, |(p, _)| {
                reach_mm(&read_subject(p)?.mask)
            })?;
            spec_for(&reaches, choice.spacing_mm, choice.margin_mm, choice.normalise)?
        }
    };
    let read = in_parallel(&chosen, "preparing images", progress, name, |(p, _)| {
        let images = read_subject(p)?;
        let mut notes: Vec<String> =
            images.warnings.iter().map(|w| format!("{}: {w}", p.id)).collect();
        if images.source == MaskSource::NonZero {
            notes.push(format!("{}: no mask; voxels that are not 0 are taken as brain", p.id));
        }
        let ready = prepare(&images.volume, &images.mask, &input)?;
        if ready.coverage < 1.0 {
            let cut = 100.0 * (1.0 - ready.coverage);
            notes.push(format!("{}: {cut:.1} % of the brain is outside the model grid", p.id));
        }
        Ok((ready.volume.into_data(), images.labels.as_ref().map(shares), notes))
    })?;
    let mut out = Ready {
        examples: Vec::with_capacity(chosen.len()),
        rows: Vec::with_capacity(chosen.len()),
        shares: Some(Vec::with_capacity(chosen.len())),
        input,
        classes: labelled.classes,
        notes: Vec::new(),
    };
    if labelled.missing > 0 {
        out.notes.push(format!("{} rows without {} are left out", labelled.missing, target.column));
    }
    let rows = chosen.into_iter().zip(distances).zip(read);
    for (((p, class), (distance, _)), (data, shares, notes)) in rows {
        out.examples.push(Example { id: p.id.clone(), data, class, distance });
        out.rows.push(SplitRow { id: p.id.clone(), subject: p.subject.clone(), class });
        out.notes.extend(notes);
        out.shares = out.shares.zip(shares).map(|(mut all, one)| {
            all.push(one);
            all
        });
    }
    Ok(out)
}
