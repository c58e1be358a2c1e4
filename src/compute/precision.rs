//! How exactly a training multiplies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::device;
use crate::{Error, Result};

/// How exactly the convolutions of a training pass are made. It goes with the pass, from the
/// training step to the kernel; nothing else is asked for anything but f32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Products and sums of f32.
    #[default]
    F32,
    /// cuDNN may round factors to TF32 (10 bits after the point); sums are f32.
    Tf32,
}

impl Precision {
    /// Whether the device in use can do it.
    ///
    /// # Errors
    /// `E-DEVICE-006` for TF32 without a card or without cuDNN; those of [`device::on_card`].
    pub fn check(self) -> Result<()> {
        let missing = match self {
            Self::F32 => return Ok(()),
            Self::Tf32 if !device::on_card()? => "the work is done on the CPU",
            Self::Tf32 if !cfg!(feature = "cudnn") => "this program was built without cuDNN",
            Self::Tf32 => return Ok(()),
        };
        Err(Error::usage(
            "E-DEVICE-006",
            format!("precision tf32 is a rounding of cuDNN on a card, and {missing}"),
            "Choose --device cuda, or --precision f32",
        ))
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let what = match word {
            "f32" => return Ok(Self::F32),
            "tf32" => return Ok(Self::Tf32),
            "bf16" => {
                "precision bf16 is not offered: its arrays of half the size are not built".into()
            }
            _ => format!("there is no precision {word:?}"),
        };
        Err(Error::usage("E-DEVICE-007", what, "Choose f32 or tf32"))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
        })
    }
}
