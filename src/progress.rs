//! Progress of long work, and the request to stop. Lower floors report here; only the
//! terminal (`cli`) prints.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

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

/// Does `work` for every item in parallel and reports each by its name. Results come in
/// order; of several errors the first in order counts, so that nothing depends on threads.
///
/// # Errors
/// Those of the work; [`Error::Interrupted`].
pub fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    stage: &str,
    progress: &dyn Progress,
    name: impl Fn(&I) -> String + Sync,
    work: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    progress.begin(stage, items.len() as u64);
    let one = |item: &I| {
        check_stop()?;
        let done = work(item);
        progress.advance(1, &name(item));
        done
    };
    let all: Vec<Result<T>> = items.par_iter().map(one).collect();
    progress.end();
    all.into_iter().collect()
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
