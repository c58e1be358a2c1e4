//! Architectures as data: a spec is enough to build the graph again.

use serde::{Deserialize, Serialize};

use super::graph::{From, Graph};
use super::layer::Layer;
use super::layers::{
    batch_norm::BatchNorm, conv3d::Conv3d, dense::Dense, dropout::Dropout, flatten::Flatten,
    max_pool::MaxPool, relu::Relu,
};
use crate::compute::{Array, ConvGeometry, PoolGeometry};
use crate::seed::Seed;
use crate::{Error, Result};

/// An architecture and its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectureSpec {
    /// `compact` or `boehle2019`.
    pub name: String,
    /// Input voxels as the tensor has them: `[k, j, i]`.
    pub input: [usize; 3],
    /// Output logits.
    pub classes: usize,
    /// Channels of the convolution blocks.
    pub channels: Vec<usize>,
    /// Dropout before the dense layers.
    pub dropout: f64,
    /// Networks side by side whose logits are averaged (see [`super::members`]); `compact`
    /// alone may have more than one.
    #[serde(default = "one")]
    pub members: usize,
}

fn one() -> usize {
    1
}

/// Most networks averaged into one.
pub const MOST_MEMBERS: usize = 64;

/// Known names.
pub const ARCHITECTURES: [&str; 2] = ["compact", "boehle2019"];

impl ArchitectureSpec {
    /// The default settings of a named architecture for an input extent `[k, j, i]`.
    ///
    /// `compact`: blocks of 3³ convolution, batch norm, ReLU and pool 2 with 8, 16, 32, 64
    /// channels until the volume is small, then one dense layer with a weight per place.
    /// `boehle2019`: four unpadded 3³ blocks (8, 16, 32, 64 channels; pools 2, 3, 2, 3),
    /// dropout 0.4 and 128 hidden units, after moboehle/Pytorch-LRP.
    ///
    /// # Errors
    /// `E-MODEL-001` for an unknown name (lists the known ones).
    pub fn named(name: &str, input: [usize; 3], classes: usize) -> Result<Self> {
        let blocks = (input.iter().min().copied().unwrap_or(1) as f64 / 3.0).log2().floor();
        let (channels, dropout) = match name {
            "compact" => (vec![8, 16, 32, 64][..(blocks.clamp(1.0, 4.0) as usize)].to_vec(), 0.2),
            "boehle2019" => (vec![8, 16, 32, 64], 0.4),
            _ => {
                return Err(Error::model(
                    "E-MODEL-001",
                    format!("no architecture '{name}'"),
                    format!("Known: {}", ARCHITECTURES.join(", ")),
                ));
            }
        };
        Ok(Self { name: name.to_owned(), input, classes, channels, dropout, members: 1 })
    }
}

fn zeros(shape: &[usize]) -> Array {
    Array::zeros::<f32>(shape)
}

/// Appends layers one after another.
struct Chain {
    graph: Graph,
    last: From,
}

impl Chain {
    fn then(&mut self, name: &str, layer: impl Layer + 'static) {
        self.last = From::Node(self.graph.push(name, Box::new(layer), vec![self.last]));
    }

    fn block(&mut self, n: usize, cin: usize, cout: usize, geometry: ConvGeometry) -> Result<()> {
        let [k, j, i] = geometry.kernel;
        let conv =
            Conv3d::new(zeros(&[cout, cin / geometry.groups, k, j, i]), zeros(&[cout]), geometry)?;
        self.then(&format!("conv{n}"), conv);
        self.then(&format!("norm{n}"), BatchNorm::fresh(cout)?);
        self.then(&format!("relu{n}"), Relu);
        Ok(())
    }

    fn dense(&mut self, name: &str, i: usize, o: usize) -> Result<()> {
        self.then(name, Dense::new(zeros(&[o, i]), zeros(&[o]))?);
        Ok(())
    }
}

/// Builds the graph with fresh weights drawn from `seed`.
///
/// # Errors
/// `E-MODEL-002` when the input is too small for the layers, `E-MODEL-001` for an unknown name,
/// `E-MODEL-017` for a number of members the architecture cannot have.
pub fn build(spec: &ArchitectureSpec, seed: Seed) -> Result<Graph> {
    let mut chain = Chain { graph: Graph::default(), last: From::Input };
    let compact = spec.name == "compact";
    if !ARCHITECTURES.contains(&spec.name.as_str()) {
        return Err(ArchitectureSpec::named(&spec.name, spec.input, spec.classes)
            .err()
            .unwrap_or_else(|| Error::internal("an architecture without a name")));
    }
    let most = if compact { MOST_MEMBERS } else { 1 };
    if !(1..=most).contains(&spec.members) {
        return Err(Error::model(
            "E-MODEL-017",
            format!("{} members of '{}'", spec.members, spec.name),
            format!("1 to {most} for this architecture"),
        ));
    }
    let geometry = if compact { ConvGeometry::same(3) } else { ConvGeometry::valid(3) };
    let mut cin = 1;
    for (n, &cout) in spec.channels.iter().enumerate() {
        // All members read the same image, then each its own channels.
        let groups = if n == 0 { 1 } else { spec.members };
        let cout = cout * spec.members;
        chain.block(n + 1, cin, cout, ConvGeometry { groups, ..geometry })?;
        let size = if compact || n % 2 == 0 { 2 } else { 3 };
        let pool = MaxPool { geometry: PoolGeometry::tiles(size) };
        chain.then(&format!("pool{}", n + 1), pool);
        cin = cout;
    }
    if compact {
        // A weight per place: a global average would lose where evidence lies.
        let features = shape_of(&chain.graph, spec)?.iter().product();
        chain.then("flat", Flatten);
        chain.then("drop", Dropout { rate: spec.dropout });
        chain.dense("dense", features, spec.classes)?;
    } else {
        chain.then("flat", Flatten);
        let features = shape_of(&chain.graph, spec)?.iter().product();
        chain.then("drop1", Dropout { rate: spec.dropout });
        chain.dense("dense1", features, 128)?;
        chain.then("relu5", Relu);
        chain.then("drop2", Dropout { rate: spec.dropout });
        chain.dense("dense2", 128, spec.classes)?;
    }
    let _ = shape_of(&chain.graph, spec)?;
    let mut ws = crate::compute::Workspace::new();
    chain.graph.reinitialised(&chain.graph.weighted_layers(), seed, None, &mut ws)
}

fn shape_of(graph: &Graph, spec: &ArchitectureSpec) -> Result<Vec<usize>> {
    let [k, j, i] = spec.input;
    let rows = graph.describe(&[1, k, j, i]).map_err(|error| {
        Error::model(
            "E-MODEL-002",
            format!(
                "an input of {:?} voxels is too small for '{}': {error}",
                spec.input, spec.name
            ),
            "Use a smaller voxel size, or the architecture 'compact'",
        )
    })?;
    Ok(rows.last().map(|r| r.shape.clone()).unwrap_or_default())
}
