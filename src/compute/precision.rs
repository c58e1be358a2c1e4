//! How exactly a training multiplies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::device;
use crate::{Error, Result};

/// How exactly the convolutions of a training pass are made. It goes with the pass, from the
/// training step to the kernel; nothing else is asked for anything but f32. Arrays and weights are f32
/// in all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Products and sums of f32.
    #[default]
    F32,
    /// cuDNN may round factors to TF32 (10 bits after the point); sums are f32. Convolutions with groups
    /// of fewer than 32 channels, read or made, stay f32, in which they are faster; so in bf16.
    Tf32,
    /// Factors, and what is made of them, are rounded to bf16 (7 bits after the point, the exponents
    /// of f32); sums are f32.
    Bf16,
}

impl Precision {
    /// Whether the device in use can do it.
    ///
    /// # Errors
    /// `E-DEVICE-006` for all but f32 without a card or without cuDNN; those of [`device::on_card`].
    pub fn check(self) -> Result<()> {
        let missing = match self {
            Self::F32 => return Ok(()),
            _ if !device::on_card()? => "the work is done on the CPU",
            _ if !cfg!(feature = "cudnn") => "this program was built without cuDNN",
            _ => return Ok(()),
        };
        Err(Error::usage(
            "E-DEVICE-006",
            format!("precision {self} is one of cuDNN on a card, and {missing}"),
            "Choose --device cuda and a program built with cuDNN, or --precision f32",
        ))
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "f32" => Ok(Self::F32),
            "tf32" => Ok(Self::Tf32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(Error::usage(
                "E-DEVICE-007",
                format!("there is no precision {word:?}"),
                "Choose f32, tf32 or bf16",
            )),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}
