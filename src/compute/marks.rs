//! Small whole numbers that a pass keeps for the way back: places of maxima, winners of windows.

use super::workspace::Workspace;
use crate::Result;

/// Marks where the arrays of the pass are.
#[derive(Debug)]
pub enum Marks<T> {
    /// On the host.
    Host(Vec<T>),
    /// On the card, in an array of such numbers.
    #[cfg(feature = "cuda")]
    Card(super::Array),
}

impl<T> Marks<T> {
    /// The marks, on the host.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when they are not there.
    pub fn host(&self) -> Result<&[T]> {
        match self {
            Self::Host(marks) => Ok(marks),
            #[cfg(feature = "cuda")]
            Self::Card(_) => Err(crate::Error::internal("marks of the host expected")),
        }
    }

    /// The same for writing.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when they are not on the host.
    pub fn host_mut(&mut self) -> Result<&mut [T]> {
        match self {
            Self::Host(marks) => Ok(marks),
            #[cfg(feature = "cuda")]
            Self::Card(_) => Err(crate::Error::internal("marks of the host expected")),
        }
    }

    /// The array that holds them.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when they are not on the card.
    #[cfg(feature = "cuda")]
    pub(super) fn array(&self) -> Result<&super::Array> {
        match self {
            Self::Card(marks) => Ok(marks),
            Self::Host(_) => Err(crate::Error::internal("marks of the card expected")),
        }
    }

    /// The buffer, if it is the host's.
    pub(super) fn into_vec(self) -> Option<Vec<T>> {
        match self {
            Self::Host(marks) => Some(marks),
            #[cfg(feature = "cuda")]
            Self::Card(_) => None,
        }
    }
}

impl Marks<u32> {
    /// Hands the buffer back.
    pub fn recycle(self, ws: &mut Workspace) {
        self.into_vec().into_iter().for_each(|marks| ws.give_places(marks));
    }
}

impl Marks<u8> {
    /// Hands the buffer back.
    pub fn recycle(self, ws: &mut Workspace) {
        self.into_vec().into_iter().for_each(|marks| ws.give_winners(marks));
    }
}
