//! Progress of long work, and the request to stop. Lower floors report here; only the
//! terminal (`cli`) prints.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result};

/// Somebody who listens to long work.
pub trait Progress: Sync {
    /// A stage begins, of `total` steps.
    fn begin(&self, stage: &str, total: u64);
    /// `n` steps of the current stage are done; `note` is the latest news.
    fn advance(&self, n: u64, note: &str);
    /// The stage is over.
    fn end(&self);
    /// A line worth keeping.
    fn say(&self, line: &str);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn advance(&self, _: u64, _: &str) {}
    fn end(&self) {}
    fn say(&self, _: &str) {}
}

static SIGNAL: AtomicUsize = AtomicUsize::new(0);

/// Notes that a signal arrived (called by the terminal's handler only).
pub fn request_stop(signal: usize) {
    SIGNAL.store(signal, Ordering::SeqCst);
}

/// Long loops ask here between items.
///
/// # Errors
/// [`Error::Interrupted`] after SIGINT or SIGTERM.
pub fn check_stop() -> Result<()> {
    match SIGNAL.load(Ordering::SeqCst) {
        0 => Ok(()),
        2 => Err(Error::Interrupted { signal: "SIGINT" }),
        _ => Err(Error::Interrupted { signal: "SIGTERM" }),
    }
}
