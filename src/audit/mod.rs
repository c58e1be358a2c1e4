//! Checks measure, a policy judges, a record keeps both.

pub mod baseline;
pub mod case;
pub mod checks;
pub mod compare;
pub mod finding;
pub mod judge;
pub mod picture;
pub mod policy;
pub mod record;
pub mod run;
