//! Checks measure, a policy judges, a record keeps both.

pub mod applied;
pub mod arms;
pub mod audited;
pub mod baseline;
pub mod bench;
pub mod brought;
pub mod case;
mod cases;
pub mod checks;
pub mod compare;
pub mod describe;
pub mod finding;
pub mod gather;
pub mod group;
pub mod judge;
pub mod metrics;
pub mod networks;
pub mod performance;
pub mod picture;
pub mod policy;
pub mod publish;
pub mod record;
pub mod redrawn;
pub mod relabelled;
pub mod run;
pub mod selftest;
pub mod tools;
