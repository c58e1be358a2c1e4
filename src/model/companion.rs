//! What an ONNX file or a state dict does not say: the images its network was trained on. A
//! user writes it beside the file, as `NAME.toml` or `model.toml`.

use std::path::Path;

use serde::Deserialize;

use super::input::InputSpec;
use super::known::Choice;
use crate::{Error, Result, files};

/// Order of a tensor's three spatial axes, first to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axes {
    /// Right, anterior, superior: as nibabel and MONAI hand on an image in RAS+ order.
    Ijk,
    /// Superior, anterior, right: as SimpleITK does, and this program.
    Kji,
}

/// What stands beside a file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companion {
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Order of the tensor's axes.
    pub axes: Axes,
    /// Grid and intensities of the input.
    pub input: InputSpec,
    /// Key of the weights in a checkpoint that holds several dictionaries of tensors.
    #[serde(default)]
    pub weights_key: Option<String>,
    /// What the weights of a state dict do not say of its architecture.
    #[serde(default)]
    pub architecture: Choice,
}

impl Companion {
    /// Reads `NAME.toml` or `model.toml` beside `file`; none where there is neither.
    ///
    /// # Errors
    /// `E-MODEL-019` with the line when it cannot be used.
    pub fn beside(file: &Path) -> Result<Option<Self>> {
        let choices = [file.with_extension("toml"), file.with_file_name("model.toml")];
        let found = choices.iter().find(|p| p.is_file());
        found.map(|path| Self::parse(&files::read_toml(path)?, path)).transpose()
    }

    /// That there is none: `E-MODEL-018`.
    pub fn missing(file: &Path) -> Error {
        Error::model(
            "E-MODEL-018",
            format!("{} says nothing of the images it was trained on", file.display()),
            format!(
                "Write {} as in {EXAMPLE:?}, or give tensors",
                file.with_extension("toml").display()
            ),
        )
    }

    /// Reads it from text; `path` is for messages.
    ///
    /// # Errors
    /// As [`Companion::beside`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let refuse = |why: String| {
            let fix = format!("As in {EXAMPLE:?}");
            Error::model("E-MODEL-019", format!("{}: {why}", path.display()), fix)
        };
        let read: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            refuse(format!("line {line}: {}", e.message()))
        })?;
        read.input.check()?;
        if read.classes.is_empty() {
            return Err(refuse("no class is named".to_owned()));
        }
        Ok(read)
    }

    /// Extents `[1, 1, …]` of the tensor of one image.
    pub fn tensor_shape(&self) -> [usize; 5] {
        let [i, j, k] = self.input.shape;
        match self.axes {
            Axes::Ijk => [1, 1, i, j, k],
            Axes::Kji => [1, 1, k, j, i],
        }
    }
}

/// What such a file looks like.
const EXAMPLE: &str = "classes = ['term', 'preterm']\naxes = 'ijk'\n[input]\nshape = [64, 64, 64]\n\
    spacing_mm = 3.0\n[input.normalise]\nmethod = 'z_score'\nclip = [0.5, 99.5]\noutside = 'zero'\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_reads_and_wrong_ones_say_where() {
        let read = Companion::parse(EXAMPLE, Path::new("t.toml")).expect("example");
        assert_eq!((read.axes, read.tensor_shape()), (Axes::Ijk, [1, 1, 64, 64, 64]));
        for (from, to) in [("ijk", "xyz"), ("3.0", "-3.0"), ("['term', 'preterm']", "[]")] {
            let error = Companion::parse(&EXAMPLE.replace(from, to), Path::new("t.toml"));
            assert!(error.is_err(), "{to}");
        }
    }
}
