//! NIfTI files in and out.
//!
//! The crate `nifti` gives the NIfTI-1 header type and the codes of voxel types and units;
//! opening, checking and reading are ours, because a header is a claim: nothing is
//! allocated, skipped or scaled on its word before it was checked against the file.
//!
//! | code | refused |
//! | --- | --- |
//! | `E-IMAGE-001` | not a NIfTI file: empty, too short, wrong size field or magic |
//! | `E-IMAGE-002` | Analyze 7.5, which does not say where left is |
//! | `E-IMAGE-003` | the other file of a `.hdr`/`.img` pair is missing |
//! | `E-IMAGE-004` | extents |
//! | `E-IMAGE-005` | more voxels than the limit |
//! | `E-IMAGE-006` | voxel type not supported |
//! | `E-IMAGE-007` | `bitpix` contradicts `datatype` |
//! | `E-IMAGE-008` | `vox_offset` |
//! | `E-IMAGE-009` | voxel-to-world matrix |
//! | `E-IMAGE-010` | voxel size |
//! | `E-IMAGE-011` | fewer voxels than promised |
//! | `E-IMAGE-012` | damaged gzip stream |
//! | `E-IMAGE-013` | not one 3D image |
//! | `E-IMAGE-014` | no finite value |
//! | `E-IMAGE-015` | constant image |
//! | `E-IMAGE-016` | labels that are not integers of 32 bits |
//! | `E-IMAGE-017` | file name, extents or reference header for writing |
//! | `E-IMAGE-018` | more data after the voxels than the limit |
//! | `E-IMAGE-025` | a map with voxels that are not finite |
//!
//! `E-IMAGE-020` is an empty mask ([`super::crop`]), `021` an undefined normalisation
//! ([`super::normalise`]), `022` a region table ([`super::atlas`]), `024` an image on another
//! grid ([`super::align`]).

mod decode;
mod fields;
mod geometry;
mod inspect;
mod open;
mod read;
mod write;

pub use inspect::{Inspection, inspect};
pub use open::MAX_VOXELS;
pub use read::{Loaded, read_labels, read_map, read_mask, read_values, read_volume};
pub use write::{DEFAULT_GZIP_LEVEL, Written, write, write_labels, write_mask, write_volume};
