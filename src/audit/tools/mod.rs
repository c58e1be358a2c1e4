//! What checks measure with: images disturbed, parts taken out and replaced, maps compared and made
//! coarse, what is known of the subjects beside them. No check sees another check's work but
//! through these.

pub mod alike;
pub mod coarse;
pub mod covariates;
pub mod disturb;
pub mod evidence;
pub mod impute;
pub mod removal;
pub mod replace;
pub mod rivals;
pub mod supervoxels;
