//! Copies of networks on the card, and how much of it they may take.
//!
//! A network's weights are brought when it is first used and stay until they change, the network is
//! dropped, or others need the room: an audit uses a hundred networks one after another.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::graph::Graph;

/// Of the card's memory in all, the share that copies may take together.
const SHARE: usize = 8;

/// Where a network keeps its copy.
type Slot = Mutex<Option<Arc<Graph>>>;

/// A network's copy on the card, if it has one.
#[derive(Debug, Default)]
pub(super) struct Brought(Arc<Slot>);

/// Every copy with its bytes, the oldest first.
static ALL: Mutex<Vec<(Weak<Slot>, usize)>> = Mutex::new(Vec::new());

/// What a thread that stopped left is whole: nothing is half done under these locks.
fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Brought {
    /// The copy.
    pub(super) fn get(&self) -> Option<Arc<Graph>> {
        locked(&self.0).clone()
    }

    /// Lets go of the copy.
    pub(super) fn forget(&self) {
        locked(&self.0).take();
    }

    /// Keeps a copy of so many bytes on a card with `memory`; where all take more than their
    /// share, the oldest ones go, and are brought again when they are used again.
    pub(super) fn keep(&self, graph: &Arc<Graph>, bytes: usize, memory: usize) {
        let mut all = locked(&ALL);
        all.retain(|(slot, _)| slot.upgrade().is_some_and(|slot| locked(&slot).is_some()));
        let mut taken: usize = all.iter().map(|(_, bytes)| bytes).sum();
        while taken + bytes > memory / SHARE && !all.is_empty() {
            let (slot, freed) = all.remove(0);
            taken -= freed;
            slot.upgrade().iter().for_each(|slot| drop(locked(slot).take()));
        }
        *locked(&self.0) = Some(graph.clone());
        all.push((Arc::downgrade(&self.0), bytes));
    }
}

/// A network where the work is done: itself, or its copy on the card.
#[derive(Debug)]
pub enum AtWork<'a> {
    /// Itself.
    Here(&'a Graph),
    /// Its copy, which lives as long as it is used.
    There(Arc<Graph>),
}

impl Deref for AtWork<'_> {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        match self {
            Self::Here(graph) => graph,
            Self::There(graph) => graph,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies of 30 bytes on a card of 800, of which copies may take 100.
    #[test]
    fn the_oldest_copies_make_room_and_dropped_networks_leave_none() {
        let networks: Vec<Brought> = (0..4).map(|_| Brought::default()).collect();
        let copies: Vec<Arc<Graph>> = (0..4).map(|_| Arc::default()).collect();
        let held = || networks.iter().map(|n| n.get().is_some()).collect::<Vec<_>>();
        for (network, copy) in networks.iter().zip(&copies).take(3) {
            network.keep(copy, 30, 800);
        }
        assert_eq!(held(), [true, true, true, false]);
        networks[3].keep(&copies[3], 30, 800);
        assert_eq!(held(), [false, true, true, true]);
        // What is forgotten takes no room, and what is gone can come again.
        networks[1].forget();
        networks[0].keep(&copies[0], 30, 800);
        assert_eq!(held(), [true, false, true, true]);
        // One copy alone may be larger than the share.
        networks[1].keep(&copies[1], 500, 800);
        assert_eq!(held(), [false, true, false, false]);
        drop(networks);
        assert!(copies.iter().all(|copy| Arc::strong_count(copy) == 1));
    }
}
