//! What is audited of one subject: everything on the grid of the maps.

use std::collections::BTreeMap;

use crate::image::{Grid, Labels, Mask};
use crate::{Error, Result};

/// One subject, everything on one grid (that of the model, or of the maps), i fastest.
#[derive(Debug, Clone)]
pub struct Case {
    /// Participant id.
    pub id: String,
    /// Number of the true class.
    pub class: usize,
    /// What the network sees.
    pub data: Vec<f32>,
    /// The model's grid.
    pub grid: Grid,
    /// The brain.
    pub mask: Mask,
    /// Regions.
    pub labels: Option<Labels>,
    /// Where the effect was planted.
    pub truth: Option<Mask>,
    /// True when the explained network is known not to have been fitted on this subject.
    pub held_out: bool,
    /// Numbers of the table of participants and the size of the mask, by name; see
    /// [`super::tools::covariates`].
    pub covariates: BTreeMap<String, f64>,
    /// SHA-256 of the image file.
    pub image_sha256: String,
}

impl Case {
    /// A subject for tests: an image of ones, a mask of everything, and nothing else known.
    #[cfg(test)]
    pub fn plain(id: &str, class: usize, grid: &Grid) -> Self {
        Self {
            id: id.to_owned(),
            class,
            data: vec![1.0; grid.len()],
            grid: grid.clone(),
            mask: Mask::new(grid.clone(), vec![true; grid.len()]).expect("mask"),
            labels: None,
            truth: None,
            held_out: true,
            covariates: BTreeMap::new(),
            image_sha256: String::new(),
        }
    }

    /// [`Case::plain`] with four regions, slabs of sixteen voxels each.
    #[cfg(test)]
    pub fn slabs(id: &str, class: usize) -> Self {
        let grid = Grid::centred([4, 4, 4], [2.0; 3]).expect("grid");
        let labels = Labels::new(grid.clone(), (0..64).map(|v| v / 16 + 1).collect());
        Self { labels: Some(labels.expect("labels")), ..Self::plain(id, class, &grid) }
    }

    /// Whose scan it is.
    pub fn subject(&self) -> &str {
        self.id.split("_ses-").next().unwrap_or_default()
    }

    /// Positions of the voxels inside the mask, ascending.
    pub fn inside(&self) -> Vec<usize> {
        self.mask.data().iter().enumerate().filter_map(|(v, m)| m.then_some(v)).collect()
    }

    /// Refuses a case whose parts lie on different grids, whose mask is empty, or whose class or
    /// image is none.
    ///
    /// # Errors
    /// [`Error::Shape`], `E-AUDIT-001`.
    pub(super) fn check(&self, shape: [usize; 3], classes: usize) -> Result<()> {
        let id = &self.id;
        let same = self.grid.shape() == shape
            && self.mask.grid().shape() == shape
            && self.labels.as_ref().is_none_or(|l| l.grid().shape() == shape)
            && self.truth.as_ref().is_none_or(|t| t.grid().shape() == shape)
            && self.data.len() == self.grid.len();
        if !same {
            return Err(Error::shape(format!("images of {id}"), shape, self.grid.shape()));
        }
        let fix = "Correct the subject or leave it out of the audit";
        if self.mask.count() == 0 {
            return Err(Error::usage("E-AUDIT-001", format!("the mask of {id} is empty"), fix));
        }
        if self.class >= classes {
            let what = format!("{id} has class {}, there are {classes}", self.class);
            return Err(Error::usage("E-AUDIT-001", what, fix));
        }
        if let Some(v) = self.data.iter().find(|v| !v.is_finite()) {
            let what = format!("the image of {id} holds {v}");
            return Err(Error::usage("E-AUDIT-001", what, fix));
        }
        Ok(())
    }
}
