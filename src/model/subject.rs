//! A subject's files read: image, brain mask, label map.

use crate::Result;
use crate::cohort::Participant;
use crate::image::header::Header;
use crate::image::{Labels, Mask, Volume, nifti};

/// Where the brain mask came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskSource {
    /// The mask file.
    File,
    /// Labels that are not 0.
    Labels,
    /// Voxels of the image that are not exactly 0.
    NonZero,
}

/// A subject's images, each on the grid of its file (world RAS+ mm).
#[derive(Debug, Clone)]
pub struct SubjectImages {
    /// The scan.
    pub volume: Volume,
    /// Header of the scan's file.
    pub header: Header,
    /// The brain.
    pub mask: Mask,
    /// Where the mask came from.
    pub source: MaskSource,
    /// The label map, if there is one.
    pub labels: Option<Labels>,
    /// What the readers found doubtful; one sentence each.
    pub warnings: Vec<String>,
}

/// Reads a participant's image, and the brain mask from the mask file, else the label map,
/// else the voxels that are not 0.
///
/// # Errors
/// Those of [`nifti::read_volume`], [`nifti::read_mask`] and [`nifti::read_labels`].
pub fn read_subject(who: &Participant) -> Result<SubjectImages> {
    let scan = nifti::read_volume(&who.image)?;
    let (volume, mut warnings) = (scan.image, scan.warnings);
    let labels = match &who.labels {
        Some(path) => {
            let read = nifti::read_labels(path)?;
            warnings.extend(read.warnings);
            Some(read.image)
        }
        None => None,
    };
    let (mask, source) = match (&who.mask, &labels) {
        (Some(path), _) => {
            let read = nifti::read_mask(path)?;
            warnings.extend(read.warnings);
            (read.image, MaskSource::File)
        }
        (None, Some(labels)) => {
            let inside = labels.data().iter().map(|l| *l != 0).collect();
            (Mask::new(labels.grid().clone(), inside)?, MaskSource::Labels)
        }
        (None, None) => (Mask::nonzero(&volume), MaskSource::NonZero),
    };
    Ok(SubjectImages { volume, header: scan.header, mask, source, labels, warnings })
}
