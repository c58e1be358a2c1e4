//! Parallel tasks that write to separate, strided parts of one output.
#![expect(unsafe_code, reason = "rows of a channel-major output interleave between tasks")]

use std::marker::PhantomData;

/// A slice that several tasks may write to, each to its own elements.
#[derive(Debug)]
pub struct Disjoint<'a, T> {
    start: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: elements are only reached through `part`, whose contract demands disjointness.
unsafe impl<T: Send> Send for Disjoint<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Disjoint<'_, T> {}

impl<'a, T> Disjoint<'a, T> {
    /// Wraps a slice for the length of a parallel section.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// Elements `from..from + len`.
    ///
    /// # Safety
    /// No two parts alive at the same time may overlap.
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's contract")]
    pub unsafe fn part(&self, from: usize, len: usize) -> &mut [T] {
        assert!(from.checked_add(len).is_some_and(|end| end <= self.len), "part out of range");
        // SAFETY: in range by the assertion, exclusive by contract.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}
