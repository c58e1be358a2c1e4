//! What an ONNX file does not say: the images its network was trained on. A user writes it
//! beside the file, as `NAME.toml` or `model.toml`.

use std::path::Path;

use serde::Deserialize;

use super::input::InputSpec;
use crate::compute::{Array, five};
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

/// What stands beside an ONNX file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Companion {
    /// Names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Order of the tensor's axes.
    pub axes: Axes,
    /// Grid and intensities of the input.
    pub input: InputSpec,
}

impl Companion {
    /// Reads `NAME.toml` or `model.toml` beside `onnx`.
    ///
    /// # Errors
    /// `E-MODEL-018` when there is none, `E-MODEL-019` with the line when it cannot be used.
    pub fn beside(onnx: &Path) -> Result<Self> {
        let choices = [onnx.with_extension("toml"), onnx.with_file_name("model.toml")];
        let path = choices.iter().find(|p| p.is_file()).ok_or_else(|| {
            Error::model(
                "E-MODEL-018",
                format!("{} says nothing of the images it was trained on", onnx.display()),
                format!("Write {} as in {EXAMPLE:?}, or give tensors", choices[0].display()),
            )
        })?;
        Self::parse(&files::read_toml(path)?, path)
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

    /// `[n, c, k, j, i]` in the order of the network, or a map of the network in that order.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of axes.
    pub fn turned(&self, x: &Array) -> Result<Array> {
        match self.axes {
            Axes::Kji => x.duplicate(),
            Axes::Ijk => reversed(x),
        }
    }
}

/// What such a file looks like.
const EXAMPLE: &str = "classes = ['term', 'preterm']\naxes = 'ijk'\n[input]\nshape = [64, 64, 64]\n\
    spacing_mm = 3.0\n[input.normalise]\nmethod = 'z_score'\nclip = [0.5, 99.5]\noutside = 'zero'\n";

/// The three spatial axes in reverse.
fn reversed(x: &Array) -> Result<Array> {
    let [n, c, a, b, d] = five(x, "an image")?;
    crate::by_type!(x, T => {
        let source = x.host::<T>()?;
        let mut data = Vec::with_capacity(source.len());
        for channel in source.chunks(a * b * d) {
            for w in 0..d {
                for v in 0..b {
                    data.extend((0..a).map(|u| channel[(u * b + v) * d + w]));
                }
            }
        }
        Array::from_vec(data, &[n, c, d, b, a])
    })
}

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

    #[test]
    fn turning_twice_is_where_it_began() {
        let x = Array::from_vec((0..24).map(f64::from).collect(), &[1, 1, 2, 3, 4]).expect("x");
        let turned = reversed(&x).expect("turned");
        assert_eq!(turned.shape(), [1, 1, 4, 3, 2]);
        assert_eq!(turned.to_f64().expect("host")[1], 12.0);
        let back = reversed(&turned).expect("back");
        assert_eq!(back.to_f64().expect("host"), x.to_f64().expect("host"));
    }
}
