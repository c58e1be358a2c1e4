//! The order of work on a graph: single layers, and runs of them that are done as one.

use super::graph::{From, Node};
use super::layer::{Part, Role};

/// Batch norm, ReLU and max pool in a row, of which one or the other may be missing: a block
/// that [`crate::compute::fused`] does in one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// What goes in.
    pub source: From,
    /// The batch norm's node.
    pub norm: Option<usize>,
    /// The node whose output is the block's.
    pub last: usize,
    /// Window of the pool, one voxel without a pool.
    pub kernel: [usize; 3],
    /// Node of the affine layer before that nobody else listens to: its output may be written
    /// over once it has been used.
    pub over: Option<usize>,
}

/// One piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A layer by itself.
    Layer(usize),
    /// Several as one.
    Block(Block),
    /// An affine layer and the ReLU that alone listens to it; in inference only.
    Rectified(usize),
    /// An affine layer of the network's input, volumes, and the block with a batch norm that
    /// alone listens to it; in training only (the module `first`).
    First(usize, Block),
}

impl Step {
    /// The nodes done, in order.
    pub fn nodes(&self) -> std::ops::RangeInclusive<usize> {
        match self {
            Self::Layer(n) => *n..=*n,
            Self::Rectified(n) => *n..=*n + 1,
            Self::Block(block) => block.first()..=block.last,
            Self::First(n, block) => *n..=block.last,
        }
    }

    /// The node whose output the step leaves.
    pub fn last(&self) -> usize {
        *self.nodes().end()
    }
}

impl Block {
    /// The block's first node: a run is made of neighbours.
    fn first(&self) -> usize {
        self.norm.unwrap_or(self.last - 1)
    }
}

/// How many inputs every node's output is.
fn listeners(nodes: &[Node]) -> Vec<usize> {
    let mut listeners = vec![0usize; nodes.len()];
    for from in nodes.iter().flat_map(|node| &node.inputs) {
        if let From::Node(n) = from {
            listeners[*n] += 1;
        }
    }
    listeners
}

/// The steps of a graph in inference: as [`steps`], and affine layers together with their ReLU.
pub fn inference(nodes: &[Node]) -> Vec<Step> {
    let listeners = listeners(nodes);
    let mut all: Vec<Step> = Vec::new();
    for step in steps(nodes) {
        let pair = match (all.last(), step) {
            (Some(Step::Layer(n)), Step::Layer(m)) if listeners[*n] == 1 => {
                let follows = nodes[m].inputs == [From::Node(*n)];
                let affine = matches!(nodes[*n].layer.role(), Role::Affine(_));
                (follows && affine && matches!(nodes[m].layer.part(), Part::Rectifier))
                    .then_some(*n)
            }
            _ => None,
        };
        match (pair, all.last_mut()) {
            (Some(n), Some(last)) => *last = Step::Rectified(n),
            _ => all.push(step),
        }
    }
    all
}

/// The steps of a graph in a training step: as [`steps`], and the first affine layer together
/// with its block.
pub fn training(nodes: &[Node]) -> Vec<Step> {
    let mut all: Vec<Step> = Vec::new();
    for step in steps(nodes) {
        match (all.last_mut(), step) {
            (Some(last @ Step::Layer(_)), Step::Block(block)) if is_first(nodes, &block) => {
                *last = Step::First(last.last(), block);
            }
            _ => all.push(step),
        }
    }
    all
}

/// Whether a block with a batch norm takes the output of an affine layer that is not needed
/// otherwise, just before it, and sees volumes of the network's input.
fn is_first(nodes: &[Node], block: &Block) -> bool {
    let Some(over) = block.over.filter(|n| block.norm == Some(n + 1)) else { return false };
    let volumes = match nodes[over].layer.role() {
        Role::Affine(affine) => affine.weight().shape().len() == 5,
        _ => false,
    };
    volumes && nodes[over].inputs == [From::Input]
}

/// The steps of a graph, in order.
pub fn steps(nodes: &[Node]) -> Vec<Step> {
    let listeners = listeners(nodes);
    let mut steps = Vec::new();
    while let Some(at) = steps.last().map_or(Some(0), |s: &Step| Some(s.last() + 1)) {
        if at >= nodes.len() {
            break;
        }
        let step = block(nodes, &listeners, at).map_or(Step::Layer(at), Step::Block);
        steps.push(step);
    }
    steps
}

/// The block that begins with node `at`, if there is one.
fn block(nodes: &[Node], listeners: &[usize], at: usize) -> Option<Block> {
    // whether the next node takes this one's output, and nobody else does
    let next = |n: usize| {
        let node = nodes.get(n + 1)?;
        (listeners[n] == 1 && node.inputs == [From::Node(n)]).then(|| node.layer.part())
    };
    let [source] = nodes[at].inputs[..] else { return None };
    let (norm, relu) = match nodes[at].layer.part() {
        Part::Norm(_) => matches!(next(at)?, Part::Rectifier).then_some((Some(at), at + 1))?,
        Part::Rectifier => (None, at),
        Part::Tiles(_) | Part::Other => return None,
    };
    let (kernel, last) = match next(relu) {
        Some(Part::Tiles(kernel)) => (kernel, relu + 1),
        _ if norm.is_some() => ([1; 3], relu),
        _ => return None,
    };
    let over = match source {
        From::Node(n) if listeners[n] == 1 => {
            matches!(nodes[n].layer.role(), Role::Affine(_)).then_some(n)
        }
        From::Node(_) | From::Input => None,
    };
    Some(Block { source, norm, last, kernel, over })
}
