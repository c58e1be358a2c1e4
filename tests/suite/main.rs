//! The one integration test binary.

mod golden_stats;
