//! How many passes through a network hold memory of a card at once.
//!
//! Threads that share out an audit's work each begin passes of their own. A card does one kernel after
//! another: passes beyond a few only take its memory.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

thread_local! {
    /// Passes of this thread that are under way: within one, another may be begun. It is the thread's, whatever
    /// the seats: a program has one kind.
    static WITHIN: Cell<usize> = const { Cell::new(0) };
}

/// Passes that may be under way at once.
#[derive(Debug)]
pub struct Seats {
    free: Mutex<usize>,
    left: Condvar,
    /// How long a thread waits for one. Whoever has a seat waits for nobody who waits for one: a pass on
    /// a card is handed to no pool of threads. Should that be broken one day, work is slow, not stuck.
    patience: Duration,
}

/// A seat, until it is dropped; it stays with its thread.
#[derive(Debug)]
pub struct Seat<'a> {
    of: Option<&'a Seats>,
    thread: PhantomData<*const ()>,
}

impl Seats {
    /// So many.
    pub const fn new(many: usize, patience: Duration) -> Self {
        Self { free: Mutex::new(many), left: Condvar::new(), patience }
    }

    /// Waits for a seat. A thread that has one takes no second.
    pub fn take(&self) -> Seat<'_> {
        let before = WITHIN.get();
        WITHIN.set(before + 1);
        if before > 0 {
            return Seat { of: None, thread: PhantomData };
        }
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.left.wait_timeout_while(free, self.patience, |free| *free == 0);
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let seated = *free > 0;
        *free -= usize::from(seated);
        Seat { of: seated.then_some(self), thread: PhantomData }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        WITHIN.set(WITHIN.get() - 1);
        if let Some(of) = self.of {
            *of.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            of.left.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn no_more_passes_than_seats_and_one_within_another_takes_none() {
        let seats = Seats::new(3, Duration::from_secs(60));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let pass = || {
            let _seat = seats.take();
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _within = seats.take();
            std::thread::sleep(Duration::from_millis(2));
            now.fetch_sub(1, Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..4).for_each(|_| pass()));
            }
        });
        assert_eq!(most.into_inner(), 3);
        assert_eq!(seats.free.into_inner().expect("whole"), 3);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let seats = Seats::new(1, Duration::from_millis(20));
        let first = seats.take();
        std::thread::scope(|scope| {
            // A second thread goes on without a seat, and gives none back.
            scope.spawn(|| drop(seats.take()));
        });
        assert_eq!(*seats.free.lock().expect("whole"), 0);
        drop(first);
        assert_eq!(*seats.free.lock().expect("whole"), 1);
    }
}
