//! Large arrays on their way between host and card.
//!
//! The driver copies from and to memory of a program through page-locked memory of its own, with one
//! thread, which must also be given fresh pages as it goes: 28 MB of maps took longer than what they were
//! made with. Here two pieces of page-locked memory take turns: while the card fills one, some threads
//! empty the other. They are threads of their own: one of the pool that shares out the work would, while
//! it waits for its copies, begin other work, which may want the pieces that it holds.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaSlice, DevicePtr, DevicePtrMut, DriverError, result, sys,
};

use super::Card;
use super::card::{Held, failed};
use crate::{Error, Result};

/// Bytes of a piece.
const PIECE: usize = 8 << 20;
/// Bytes that one thread copies at least.
const SHARE: usize = 1 << 20;
/// Threads that copy, at most.
const COPIERS: usize = 8;
/// Bytes from which on an array is worth it.
const LARGE: usize = 1 << 20;

/// Page-locked memory, and when what was last asked for with it is done.
struct Piece {
    memory: *mut u8,
    done: CudaEvent,
}

// SAFETY: the memory belongs to the piece alone, and CUDA takes calls from any thread.
unsafe impl Send for Piece {}

/// Two pieces that take turns; made with the first large array, kept as long as the card.
pub struct Ferry([Piece; 2]);

fn fill(from: &[u8], to: &mut [MaybeUninit<u8>]) {
    debug_assert_eq!(from.len(), to.len());
    // SAFETY: one is as long as the other, and they are borrowed apart.
    unsafe { from.as_ptr().copy_to_nonoverlapping(to.as_mut_ptr().cast(), to.len()) };
}

/// Fills `to` from as many bytes, with no more threads than work is shared out to, and with this one alone
/// where no other can be started.
fn copy(from: &[u8], to: &mut [MaybeUninit<u8>]) {
    let most = rayon::current_num_threads().min(COPIERS);
    let threads = (to.len() / SHARE).clamp(1, most);
    let share = to.len().div_ceil(threads).max(1);
    let shares = Mutex::new(to.chunks_mut(share).zip(from.chunks(share)));
    let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some((to, from)) = next() {
            fill(from, to);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            if Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: the memory is the piece's own. A driver that fails here has failed before.
        let _ = unsafe { result::free_host(self.memory.cast()) };
    }
}

impl Ferry {
    fn new(card: &Card) -> std::result::Result<Self, DriverError> {
        let stream = card.device.cuda_stream();
        let context = stream.context();
        context.bind_to_thread()?;
        let piece = || {
            // Made first: with the memory it becomes a piece, which gives the memory back.
            let done = context.new_event(Some(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING))?;
            // SAFETY: asks for memory; whoever reads it has it filled before.
            let memory = unsafe { result::malloc_host(PIECE, 0)? };
            Ok::<_, DriverError>(Piece { memory: memory.cast(), done })
        };
        Ok(Self([piece()?, piece()?]))
    }

    /// Fills `to` from what lies at `from` on the card.
    fn bring(
        &self,
        card: &Card,
        from: sys::CUdeviceptr,
        to: &mut [MaybeUninit<u8>],
    ) -> std::result::Result<(), DriverError> {
        let stream = card.device.cuda_stream();
        stream.context().bind_to_thread()?;
        let (bytes, pieces) = (to.len(), to.len().div_ceil(PIECE));
        let ask = |n: usize| {
            let Piece { memory, done } = &self.0[n % 2];
            let len = PIECE.min(bytes - n * PIECE);
            // SAFETY: the piece has PIECE bytes, and nobody else holds it: its last numbers were
            // copied away, or are read by a copy queued before in the same stream.
            let piece = unsafe { std::slice::from_raw_parts_mut(*memory, len) };
            let at = from + (n * PIECE) as u64;
            // SAFETY: the array on the card has as many bytes, and the piece lives with the card.
            unsafe { result::memcpy_dtoh_async(piece, at, stream.cu_stream())? };
            done.record(&stream)
        };
        ask(0)?;
        for (n, to) in to.chunks_mut(PIECE).enumerate() {
            if n + 1 < pieces {
                ask(n + 1)?;
            }
            let Piece { memory, done } = &self.0[n % 2];
            done.synchronize()?;
            // SAFETY: the card has filled the piece, as the event says.
            let piece = unsafe { std::slice::from_raw_parts(*memory, to.len()) };
            copy(piece, to);
        }
        Ok(())
    }

    /// Sends `from` to `to` on the card. What was not copied yet when it returns is copied before
    /// anything that is asked of the stream afterwards.
    fn send(
        &self,
        card: &Card,
        from: &[u8],
        to: sys::CUdeviceptr,
    ) -> std::result::Result<(), DriverError> {
        let stream = card.device.cuda_stream();
        stream.context().bind_to_thread()?;
        for (n, from) in from.chunks(PIECE).enumerate() {
            let Piece { memory, done } = &self.0[n % 2];
            done.synchronize()?;
            let room = memory.cast::<MaybeUninit<u8>>();
            // SAFETY: the piece has PIECE bytes, and the card is done with it.
            copy(from, unsafe { std::slice::from_raw_parts_mut(room, from.len()) });
            // SAFETY: so much of the piece has just been written.
            let piece = unsafe { std::slice::from_raw_parts(*memory, from.len()) };
            let at = to + (n * PIECE) as u64;
            // SAFETY: the array on the card has as many bytes, and the piece lives with the card.
            unsafe { result::memcpy_htod_async(at, piece, stream.cu_stream())? };
            done.record(&stream)?;
        }
        Ok(())
    }
}

impl Card {
    /// Does `body` with the pieces; says whether it did. Where memory cannot be page-locked, or what is
    /// to be copied is small, the driver's own way is left.
    fn with_ferry(
        &self,
        step: &str,
        bytes: usize,
        body: impl FnOnce(&Ferry) -> std::result::Result<(), DriverError>,
    ) -> Result<bool> {
        if bytes < LARGE {
            return Ok(false);
        }
        let mut kept = self.ferry.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Ferry::new(self).ok();
        }
        let Some(ferry) = kept.as_ref() else { return Ok(false) };
        let done = body(ferry);
        if done.is_err() {
            // Copies may be under way: the pieces go when these have ended.
            let _ = self.device.cuda_stream().synchronize();
            *kept = None;
        }
        done.map(|()| true).map_err(|why| failed(step, why))
    }

    /// The first `len` numbers of an array of the card, where they are many.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver fails.
    pub(super) fn brought<T: Held>(
        &self,
        from: &CudaSlice<T>,
        len: usize,
    ) -> Result<Option<Vec<T>>> {
        let mut made = Vec::<T>::with_capacity(len);
        if !self.bring(from, &mut made.spare_capacity_mut()[..len])? {
            return Ok(None);
        }
        // SAFETY: every number was written.
        unsafe { made.set_len(len) };
        Ok(Some(made))
    }

    /// Fills `to` with the first numbers of an array of the card, where they are many; says whether it
    /// did.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver fails.
    pub(super) fn bring<T: Held>(
        &self,
        from: &CudaSlice<T>,
        to: &mut [MaybeUninit<T>],
    ) -> Result<bool> {
        if to.len() > from.len() {
            return Err(Error::internal("more numbers asked for than an array has"));
        }
        let bytes = std::mem::size_of_val(to);
        // SAFETY: the same memory as bytes, none of which is read before it is written.
        let room = unsafe { std::slice::from_raw_parts_mut(to.as_mut_ptr().cast(), bytes) };
        let stream = self.device.cuda_stream();
        let (from, _recorded) = from.device_ptr(&stream);
        self.with_ferry("copying from it", bytes, |ferry| ferry.bring(self, from, room))
    }

    /// Sends numbers to an array of the card, where they are many; says whether it did.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the driver fails.
    pub(super) fn send<T: Held>(&self, data: &[T], to: &mut CudaSlice<T>) -> Result<bool> {
        if data.len() > to.len() {
            return Err(Error::internal("more numbers sent than an array has"));
        }
        let bytes = std::mem::size_of_val(data);
        // SAFETY: numbers have no bytes between them, and any byte may be read.
        let data = unsafe { std::slice::from_raw_parts(data.as_ptr().cast::<u8>(), bytes) };
        let stream = self.device.cuda_stream();
        let (to, _recorded) = to.device_ptr_mut(&stream);
        self.with_ferry("copying to it", bytes, |ferry| ferry.send(self, data, to))
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::super::super::Array;
    use super::super::tests::card;
    use super::{LARGE, PIECE};

    /// Lengths about the sizes of pieces, one array after another, each read again at once.
    #[test]
    fn arrays_of_any_length_come_back_as_they_went() {
        let Some(card) = card() else { return };
        for bytes in [LARGE - 8, LARGE, PIECE - 8, PIECE, PIECE + 8, 2 * PIECE + 8, 5 * PIECE / 2] {
            let len = bytes / 8;
            let narrow: Vec<f32> = (0..2 * len).map(|n| (n % 9973) as f32).collect();
            let narrow = Array::from_vec(narrow, &[2 * len]).expect("array");
            let wide = Array::from_vec((0..len).map(|n| n as f64 + 0.5).collect(), &[len]);
            let (there, wide) = (card.take(&narrow).expect("sent"), wide.expect("array"));
            let mut back = Array::zeros::<f64>(&[len]);
            card.fill(&card.take(&wide).expect("sent"), &mut back).expect("brought");
            assert!(back.host::<f64>().expect("f64") == wide.host::<f64>().expect("f64"));
            let back = card.give(&there).expect("brought");
            assert!(back.host::<f32>().expect("f32") == narrow.host::<f32>().expect("f32"));
        }
    }

    /// While one waits for its shares to be copied, its thread must not begin another's array.
    #[test]
    fn tasks_of_the_pool_may_move_arrays_at_once() {
        let Some(card) = card() else { return };
        // So many threads however small the machine is: with two it goes well by chance.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(16).build().expect("threads");
        let one = |n: i32| {
            let len = LARGE / 2;
            let mine = Array::from_vec(vec![n as f32; len], &[len]).expect("array");
            let back = card.give(&card.take(&mine).expect("sent")).expect("brought");
            assert!(back.host::<f32>().expect("f32").iter().all(|v| *v == n as f32));
        };
        pool.install(|| (0..1024).into_par_iter().for_each(one));
    }
}
