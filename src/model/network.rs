//! One network from whatever a user brings: an ONNX file, a state dict, or a folder this
//! program trained.

use std::path::Path;

use super::bundle::{Bundle, ModelSpec, TrainingSummary};
use super::companion::{Axes, Companion};
use super::graph::{From, Graph};
use super::input::InputSpec;
use super::layers::reverse_axes::ReverseAxes;
use super::{known, onnx, tensors, weights};
use crate::files::sha256_hex;
use crate::{Error, Result};

/// Ending of the names of ONNX files; another file is taken for a state dict.
const ONNX: &str = "onnx";

/// A network with what is known of it.
#[derive(Debug)]
pub struct Network {
    /// The network; batch norm is not folded yet.
    pub graph: Graph,
    /// Extents `[n, c, …]` of the input it was read for; any other batch works too.
    pub shape: [usize; 5],
    /// Names of the classes, in the order of the logits; numbers where nothing names them.
    pub classes: Vec<String>,
    /// Grid and intensities of its images, where known.
    pub input: Option<InputSpec>,
    /// Where it came from.
    pub origin: Origin,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Where a network came from.
#[derive(Debug)]
pub enum Origin {
    /// An ONNX file.
    Onnx {
        /// Name of the input.
        input: String,
        /// Name of the output.
        output: String,
        /// Version of the operator set.
        opset: i64,
        /// Program that wrote the file.
        producer: String,
    },
    /// A state dict.
    Weights {
        /// Id of the architecture its names were recognised as.
        architecture: &'static str,
    },
    /// A training of this program.
    Trained(Box<ModelSpec>),
}

impl std::convert::From<Bundle> for Network {
    fn from(bundle: Bundle) -> Self {
        let Bundle { spec, graph } = bundle;
        let [k, j, i] = spec.input.tensor_shape();
        Self {
            graph,
            shape: [1, 1, k, j, i],
            classes: spec.classes.clone(),
            input: Some(spec.input),
            origin: Origin::Trained(Box::new(spec)),
            notes: Vec::new(),
        }
    }
}

impl Network {
    /// Whether a file is named as ONNX files are.
    pub fn is_onnx(path: &Path) -> bool {
        path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ONNX))
    }

    /// Reads an ONNX file or a state dict for inputs of `shape` `[n, c, …]`; without one, for
    /// what the file or the companion beside it says.
    ///
    /// # Errors
    /// `E-MODEL-019` when the companion cannot be used or names other classes than there are
    /// logits, `E-MODEL-023` when nothing says the input of a state dict; those of
    /// [`onnx::read`], [`weights::read`] and [`known::build`].
    pub fn read(path: &Path, shape: Option<[usize; 5]>) -> Result<Self> {
        let companion = Companion::beside(path)?;
        let shape = shape.or(companion.as_ref().map(Companion::tensor_shape));
        let mut network = if Self::is_onnx(path) {
            Self::of_onnx(path, shape)?
        } else {
            let shape = shape.ok_or_else(|| open(path))?;
            Self::of_weights(path, companion.as_ref(), shape)?
        };
        let width = network.logits()?;
        match companion {
            Some(companion) => {
                fits(path, &companion.classes, width)?;
                network.classes = companion.classes;
                network.input = Some(companion.input);
            }
            None => network.classes = (0..width).map(|c| c.to_string()).collect(),
        }
        Ok(network)
    }

    /// Reads an ONNX file or a state dict to be shown images: its graph takes them in this
    /// program's order of axes `[n, 1, k, j, i]` and ends where explanations start.
    ///
    /// # Errors
    /// `E-MODEL-018` without a companion; those of [`Network::read`].
    pub fn of_images(path: &Path) -> Result<Self> {
        let companion = Companion::beside(path)?.ok_or_else(|| Companion::missing(path))?;
        let mut network = Self::read(path, Some(companion.tensor_shape()))?;
        network.graph = network.graph.before_links()?;
        if companion.axes == Axes::Ijk {
            network.graph = network.graph.after(ReverseAxes)?;
            let [n, c, i, j, k] = network.shape;
            network.shape = [n, c, k, j, i];
        }
        Ok(network)
    }

    fn of_onnx(path: &Path, shape: Option<[usize; 5]>) -> Result<Self> {
        let read = onnx::read(path, shape)?;
        let (input, output) = (read.input_name, read.output_name);
        let origin = Origin::Onnx { input, output, opset: read.opset, producer: read.producer };
        Ok(Self::new(read.graph, read.input_shape, origin, read.notes))
    }

    fn of_weights(path: &Path, companion: Option<&Companion>, shape: [usize; 5]) -> Result<Self> {
        let key = companion.and_then(|c| c.weights_key.as_deref());
        let choice = companion.map(|c| c.architecture.clone()).unwrap_or_default();
        let built = known::build(path, weights::read(path, key)?, &choice, shape)?;
        let origin = Origin::Weights { architecture: built.architecture };
        Ok(Self::new(built.graph, shape, origin, built.notes))
    }

    fn new(graph: Graph, shape: [usize; 5], origin: Origin, notes: Vec<String>) -> Self {
        Self { graph, shape, classes: Vec::new(), input: None, origin, notes }
    }

    /// How many logits it has.
    fn logits(&self) -> Result<usize> {
        let rows = self.graph.describe(&self.shape[1..])?;
        Ok(rows.last().and_then(|row| row.shape.first().copied()).unwrap_or(0))
    }

    /// What its training kept, where this program trained it.
    pub fn training(&self) -> Option<&TrainingSummary> {
        match &self.origin {
            Origin::Trained(spec) => Some(&spec.training),
            _ => None,
        }
    }

    /// What it is, in a word.
    pub fn architecture(&self) -> &str {
        match &self.origin {
            Origin::Onnx { .. } => ONNX,
            Origin::Weights { architecture } => architecture,
            Origin::Trained(spec) => &spec.architecture.name,
        }
    }

    /// SHA-256 of its weights as `weights.safetensors` of this program holds them.
    ///
    /// # Errors
    /// Those of [`tensors::to_bytes`].
    pub fn sha256(&self) -> Result<String> {
        Ok(sha256_hex(&tensors::to_bytes(&self.graph.state(), None)?))
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> usize {
        self.graph.parameters().iter().map(|(_, a)| a.len()).sum()
    }
}

impl Graph {
    /// The same graph behind a layer that its input passes first.
    fn after(&self, first: ReverseAxes) -> Result<Self> {
        let mut graph = Self::default();
        let first = graph.push("image_axes", Box::new(first), vec![From::Input]);
        for node in self.nodes() {
            let moved = |from: &From| match from {
                From::Input => From::Node(first),
                From::Node(n) => From::Node(n + 1),
            };
            let inputs = node.inputs.iter().map(moved).collect();
            let _ = graph.push(&node.name, node.layer.duplicate()?, inputs);
        }
        Ok(graph)
    }
}

fn open(path: &Path) -> Error {
    Error::model(
        "E-MODEL-023",
        format!("the weights in {} do not say the size of the network's input", path.display()),
        format!(
            "Give it, samples and channels first, as --input 1,1,96,96,96, or write {} beside it",
            path.with_extension("toml").display()
        ),
    )
}

/// Every logit has its class; one logit may stand for two.
fn fits(path: &Path, classes: &[String], width: usize) -> Result<()> {
    let named = classes.len();
    if named == width || (width == 1 && named == 2) {
        return Ok(());
    }
    Err(Error::model(
        "E-MODEL-019",
        format!("{named} classes are named for {}, which has {width} logits", path.display()),
        "Name every class in the order of the logits",
    ))
}
