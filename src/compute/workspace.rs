//! Buffers kept for reuse: fresh memory costs page faults that take longer than many a
//! kernel (docs/performance.md).

use candle_core::DType;

use super::array::Array;
use super::place::on_card;
use crate::{Result, by_type};

/// A store of buffers. One per worker; never shared between threads.
#[derive(Debug, Default)]
pub struct Workspace {
    f32: Store<f32>,
    f64: Store<f64>,
    places: Store<u32>,
    winners: Store<u8>,
    packed: Vec<f32>,
}

/// Idle buffers of one type.
#[derive(Debug, Default)]
struct Store<T> {
    kept: Vec<Vec<T>>,
    made: usize,
}

/// At most this many idle buffers of each type are kept; the smallest goes, which costs least to
/// make again.
const KEPT: usize = 64;
/// Shorter buffers are left to the allocator, which has such at hand.
const SHORT: usize = 1024;

impl<T: Copy + Default> Store<T> {
    /// The smallest idle buffer that fits, or a new one; one of more than twice the length is
    /// left for those who need it.
    fn take(&mut self, len: usize) -> Vec<T> {
        if len < SHORT {
            return vec![T::default(); len];
        }
        let capacity = |b: &usize| self.kept[*b].capacity();
        let fits = |b: &usize| (len..=2 * len).contains(&capacity(b));
        match (0..self.kept.len()).filter(fits).min_by_key(capacity) {
            Some(best) => {
                let mut buffer = self.kept.remove(best);
                // Contents are the caller's to overwrite; only the grown part is initialised.
                buffer.resize(len, T::default());
                buffer
            }
            None => {
                self.made += 1;
                vec![T::default(); len]
            }
        }
    }

    fn give(&mut self, buffer: Vec<T>) {
        if buffer.capacity() < SHORT {
            return;
        }
        self.kept.push(buffer);
        if self.kept.len() > KEPT {
            let capacity = |b: &usize| self.kept[*b].capacity();
            let smallest = (0..self.kept.len()).min_by_key(capacity).unwrap_or_default();
            drop(self.kept.remove(smallest));
        }
    }
}

impl Workspace {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An array of `shape` with the number type of `like`; contents are whatever was there.
    ///
    /// # Errors
    /// Never in practice; [`crate::Error::Shape`] if the buffer were of the wrong length.
    pub fn take(&mut self, like: DType, shape: &[usize]) -> Result<Array> {
        let len = shape.iter().product();
        match like {
            DType::F64 => Array::from_vec(self.f64.take(len), shape),
            _ => Array::from_vec(self.f32.take(len), shape),
        }
    }

    /// An array of `shape` with the number type of `like`, where `like` is.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn take_beside(&mut self, like: &Array, shape: &[usize]) -> Result<Array> {
        on_card!(like, card => card.room(like.dtype(), shape));
        self.take(like.dtype(), shape)
    }

    /// A copy of an array.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn copy(&mut self, array: &Array) -> Result<Array> {
        on_card!(array, card => card.copy(array));
        let mut copy = self.take(array.dtype(), array.shape())?;
        by_type!(array, T => copy.host_mut::<T>()?.copy_from_slice(array.host::<T>()?));
        Ok(copy)
    }

    /// A copy of an array where the work is done ([`super::device`]).
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn copy_at_work(&mut self, array: &Array) -> Result<Array> {
        match array.sent()? {
            Some(there) => Ok(there),
            None => self.copy(array),
        }
    }

    /// The array on the host: from a card to a buffer of this store.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn at_rest(&mut self, array: Array) -> Result<Array> {
        on_card!(&array, card => {
            let mut copy = self.take(array.dtype(), array.shape())?;
            card.fill(&array, &mut copy).map(|()| copy)
        });
        Ok(array)
    }

    /// Takes an array back.
    pub fn give(&mut self, array: Array) {
        match array.dtype() {
            DType::F64 => array.into_vec().into_iter().for_each(|b| self.f64.give(b)),
            DType::F32 => array.into_vec().into_iter().for_each(|b| self.f32.give(b)),
            _ => {}
        }
    }

    /// Room for `len` places of maxima; contents are whatever was there.
    pub fn take_places(&mut self, len: usize) -> Vec<u32> {
        self.places.take(len)
    }

    /// Takes places back.
    pub fn give_places(&mut self, places: Vec<u32>) {
        self.places.give(places);
    }

    /// Room for the winners of `len` windows; contents are whatever was there.
    pub fn take_winners(&mut self, len: usize) -> Vec<u8> {
        self.winners.take(len)
    }

    /// Takes winners back.
    pub fn give_winners(&mut self, winners: Vec<u8>) {
        self.winners.give(winners);
    }

    /// Room for the weights of a convolution as its kernel reads them: one, which grows.
    pub(super) fn packed(&mut self) -> &mut Vec<f32> {
        &mut self.packed
    }

    /// Buffers made because no idle one fitted (short ones aside). Work that repeats itself
    /// makes none from its second time on.
    pub fn made(&self) -> usize {
        self.f32.made + self.f64.made + self.places.made + self.winners.made
    }
}
