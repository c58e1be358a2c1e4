//! Where an array's numbers are: on the host, or on the card in use.

use super::array::{Array, Real};
#[cfg(feature = "cuda")]
use super::cuda::Card;
use crate::{Result, by_type};

/// Lets the card answer where the array lies there: `on_card!(array, card => result)`. Nothing in
/// a program without CUDA.
#[cfg(feature = "cuda")]
macro_rules! on_card {
    ($array:expr, $card:ident => $body:expr) => {
        if let Some($card) = $array.card()? {
            return $body;
        }
    };
}
#[cfg(not(feature = "cuda"))]
macro_rules! on_card {
    ($array:expr, $card:ident => $body:expr) => {};
}
pub(crate) use on_card;

impl Array {
    /// The card the numbers are on, if they are on one.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when it is not the card in use.
    #[cfg(feature = "cuda")]
    pub(super) fn card(&self) -> Result<Option<&'static Card>> {
        if self.on_host() {
            return Ok(None);
        }
        let card = Card::opened().filter(|card| card.holds(self.storage()));
        card.map(Some)
            .ok_or_else(|| crate::Error::internal("an array of a card that is not in use"))
    }

    /// Zeros of the same number type as `self`, where `self` is.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn zeros_like_type(&self, shape: &[usize]) -> Result<Self> {
        on_card!(self, card => card.zeros(self.dtype(), shape));
        Ok(by_type!(self, T => Self::zeros::<T>(shape)))
    }

    /// An array of the same number type without numbers, on the host.
    pub fn nothing(&self) -> Self {
        by_type!(self, T => Self::zeros::<T>(&[0]))
    }

    /// The array on the device in use ([`super::device`]).
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn at_work(self) -> Result<Self> {
        Ok(self.sent()?.unwrap_or(self))
    }

    /// A copy on the card, of an array of the host, where the card is the device in use.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn sent(&self) -> Result<Option<Self>> {
        #[cfg(feature = "cuda")]
        if self.on_host()
            && super::device::on_card()?
            && let Some(card) = Card::opened()
        {
            return card.take(self).map(Some);
        }
        Ok(None)
    }

    /// The array where `other` is.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn beside(self, other: &Self) -> Result<Self> {
        if other.on_host() { self.at_rest() } else { self.at_work() }
    }

    /// The array on the host.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn at_rest(self) -> Result<Self> {
        if self.on_host() { Ok(self) } else { self.fetched() }
    }

    /// A copy on the host.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn fetched(&self) -> Result<Self> {
        on_card!(self, card => card.give(self));
        by_type!(self, T => Self::from_vec(self.host::<T>()?.to_vec(), self.shape()))
    }

    /// Brings small arrays to the host, those that are on a card with one wait for all.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn all_at_rest(mut arrays: Vec<&mut Self>) -> Result<()> {
        arrays.retain(|a| !a.on_host());
        let numbers = Self::all_to_f64(&arrays.iter().map(|a| &**a).collect::<Vec<_>>())?;
        for (array, numbers) in arrays.into_iter().zip(numbers) {
            let wide = Self::from_vec(numbers, array.shape())?;
            *array = by_type!(array, T => wide.cast::<T>()?);
        }
        Ok(())
    }

    /// Lets `body` change the numbers on the host, wherever they are.
    ///
    /// # Errors
    /// Those of `body`; `E-DEVICE-003` when the card fails.
    pub fn edit<T: Real>(&mut self, body: impl FnOnce(&mut [T]) -> Result<()>) -> Result<()> {
        if self.on_host() {
            return body(self.host_mut()?);
        }
        let mut copy = self.fetched()?;
        body(copy.host_mut()?)?;
        *self = copy.at_work()?;
        Ok(())
    }
}
