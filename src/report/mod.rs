//! The report: figures and one self-contained page, made from the record alone.
//!
//! [`scene`] says what a figure shows, [`png`] draws it, [`figures`] lists what is drawn,
//! [`html`] lays out the page, [`dossier`] writes the folder.

pub mod axis;
pub mod chart;
pub mod colour;
pub mod dossier;
pub mod figures;
pub mod html;
pub mod measure;
pub mod number;
pub mod png;
pub mod proof;
pub mod scene;
pub mod slices;
pub mod stem;
pub mod summary;

#[cfg(test)]
pub(crate) mod sample;
