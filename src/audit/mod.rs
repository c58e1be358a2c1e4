//! Checks measure, a policy judges, a record keeps both.

pub mod finding;
pub mod judge;
pub mod policy;
pub mod record;
