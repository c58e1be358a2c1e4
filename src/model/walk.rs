//! The passes that need speed and little memory: inference, and a training step. They follow
//! the [`plan`](super::plan), and let go of every array with its last use.
//! [`Graph::trace`] and [`Graph::backward`] do the same layer by layer and keep everything.

use super::first;
use super::graph::{From, Graph, Node, Trace, accumulate};
use super::layer::{Gradients, Layer, Mode, Part, Pass, Saved};
use super::layers::batch_norm::BatchNorm;
use super::plan::{Block, Step, inference, training};
use crate::compute::{Array, Marks, Precision, Workspace, device, fused};
use crate::seed::Stream;
use crate::{Error, Result};

/// Share of a new batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// What an update of the weights needs of a step: the loss and the parameters' gradients.
type Update = (f64, Vec<Array>);

impl Graph {
    /// Logits `[n, classes]` of `x [n, 1, k, j, i]` in inference mode.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input does not fit; `E-DEVICE-003` when the card fails.
    pub fn forward(&self, x: &Array, ws: &mut Workspace) -> Result<Array> {
        let graph = self.at_work()?;
        device::pass(|| device::at_work(x, |x| graph.forward_there(x, ws)))
    }

    fn forward_there(&self, x: &Array, ws: &mut Workspace) -> Result<Array> {
        let mut walk = Walk::new(self.nodes(), x, inference(self.nodes()));
        // by node: the last step that reads its output
        let mut last_use = vec![usize::MAX; self.nodes().len()];
        for (at, step) in walk.steps.iter().enumerate() {
            for from in step.nodes().flat_map(|n| &self.nodes()[n].inputs) {
                if let From::Node(n) = from {
                    last_use[*n] = at;
                }
            }
        }
        for (at, step) in walk.steps.clone().into_iter().enumerate() {
            walk.forward(step, &mut Mode::Infer, ws)?;
            for n in (0..last_use.len()).filter(|&n| last_use[n] == at) {
                walk.outputs[n].take().into_iter().for_each(|a| ws.give(a));
            }
            for saved in step.nodes() {
                std::mem::replace(&mut walk.saved[saved], Saved::Nothing).recycle(ws);
            }
        }
        walk.outputs.pop().flatten().ok_or_else(|| Error::internal("an empty graph"))
    }

    /// A pass in inference mode that keeps every output but those of a ReLU whose max pool, with
    /// windows side by side, alone listens to it, and of the affine layer before it unless that
    /// is among the `wanted`. Of the pool it keeps which voxels won ([`Trace::winners`]). An
    /// output that is missing is an empty array.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input does not fit.
    pub fn trace_winners(
        &self,
        input: Array,
        wanted: &dyn Fn(usize) -> bool,
        ws: &mut Workspace,
    ) -> Result<Trace> {
        let trace = Trace { input, outputs: Vec::new(), saved: Vec::new() };
        self.trace_on(trace, 0, wanted, ws)
    }

    /// As [`Graph::trace_winners`], going on from the trace of another network whose first
    /// `unchanged` nodes are this one's ([`Graph::unchanged_since`]): bit for bit what a pass from
    /// the input gives.
    ///
    /// # Errors
    /// As [`Graph::trace_winners`].
    pub fn trace_on(
        &self,
        mut trace: Trace,
        unchanged: usize,
        wanted: &dyn Fn(usize) -> bool,
        ws: &mut Workspace,
    ) -> Result<Trace> {
        self.cut(&mut trace, unchanged, ws);
        let done = trace.outputs.len();
        for step in inference(self.nodes()).into_iter().filter(|s| *s.nodes().start() >= done) {
            match step {
                Step::Block(Block { source, norm: None, last, kernel, over }) => {
                    let z = trace.at(source);
                    let shape = self.nodes()[last - 1].layer.out_shape(&[&z.shape()[1..]])?;
                    let _ = self.nodes()[last].layer.out_shape(&[&shape])?;
                    let done = fused::forward(z, None, kernel, ws)?;
                    let nothing = || done.output.nothing();
                    if let Some(n) = over.filter(|n| !wanted(*n)) {
                        ws.give(std::mem::replace(&mut trace.outputs[n], nothing()));
                    }
                    trace.outputs.extend([nothing(), done.output]);
                    trace.saved.extend([Saved::Nothing, Saved::Winners(done.winners)]);
                }
                Step::Rectified(n) if !wanted(n) => {
                    let x = trace.at(self.nodes()[n].inputs[0]);
                    match rectified(&self.nodes()[n], x, ws)? {
                        Some(y) => {
                            trace.outputs.extend([y.nothing(), y]);
                            trace.saved.extend([Saved::Nothing, Saved::Nothing]);
                        }
                        None => self.extend_all(&mut trace, step, ws)?,
                    }
                }
                Step::Block(_) | Step::Layer(_) | Step::First(..) | Step::Rectified(_) => {
                    self.extend_all(&mut trace, step, ws)?;
                }
            }
        }
        Ok(trace)
    }

    /// The layers of a step one by one.
    fn extend_all(&self, trace: &mut Trace, step: Step, ws: &mut Workspace) -> Result<()> {
        step.nodes().try_for_each(|n| self.extend(trace, n, &mut Mode::Infer, ws))
    }

    /// One forward and backward pass in training mode; running statistics are updated.
    /// `loss` gets the logits and returns the loss and its gradient. Gradients come in the
    /// order of [`Graph::parameters`].
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn train_step(
        &mut self,
        x: &Array,
        loss: &mut dyn FnMut(&Array) -> Result<(f64, Array)>,
        dropout: &mut Stream,
        ws: &mut Workspace,
    ) -> Result<Update> {
        self.train_step_in(Precision::F32, x, loss, dropout, ws)
    }

    /// [`Graph::train_step`] with convolutions in a precision.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn train_step_in(
        &mut self,
        precision: Precision,
        x: &Array,
        loss: &mut dyn FnMut(&Array) -> Result<(f64, Array)>,
        dropout: &mut Stream,
        ws: &mut Workspace,
    ) -> Result<Update> {
        let mut walk = Walk::new(self.nodes(), x, training(self.nodes()));
        walk.precision = precision;
        device::pass(|| {
            let mut mode = Mode::Train(dropout, precision);
            walk.steps.clone().into_iter().try_for_each(|step| walk.forward(step, &mut mode, ws))
        })?;
        let logits = walk.outputs.last().and_then(Option::as_ref).ok_or_else(gone)?;
        let (value, start) = loss(logits)?;
        let start = start.beside(logits)?;
        let mut gradients = device::pass(|| walk.backward(start, ws))?;
        let mut saved = walk.saved;
        // What is kept on the host: numbers of channels and the weights that are.
        let of_channels = gradients.iter_mut().filter(|g| g.shape().len() <= 1);
        let of_norms = saved.iter_mut().filter_map(Saved::of_channels).flatten();
        Array::all_at_rest(of_norms.chain(of_channels).collect())?;
        for (node, saved) in self.nodes_mut().iter_mut().zip(saved) {
            node.layer.absorb(&saved, MOMENTUM)?;
            saved.recycle(ws);
        }
        Ok((value, gradients))
    }
}

impl Trace {
    /// Of a max pool of [`Graph::trace_winners`]: which voxel won each window, the window, and
    /// the shape of what was pooled.
    pub fn winners(&self, graph: &Graph, n: usize) -> Option<(&Marks<u8>, [usize; 3], Vec<usize>)> {
        let nodes = graph.nodes();
        let (Saved::Winners(winners), Part::Tiles(kernel)) =
            (self.saved.get(n)?, nodes[n].layer.part())
        else {
            return None;
        };
        let [From::Node(rectifier)] = nodes[n].inputs[..] else { return None };
        let rows = graph.describe(&self.input.shape()[1..]).ok()?;
        let mut shape = vec![self.input.shape()[0]];
        shape.extend(&rows.get(rectifier)?.shape);
        Some((winners, kernel, shape))
    }
}

/// A pass under way.
struct Walk<'a> {
    nodes: &'a [Node],
    steps: Vec<Step>,
    input: &'a Array,
    /// Of the convolutions on the way back.
    precision: Precision,
    /// Outputs still needed, by node; a block has that of its last alone.
    outputs: Vec<Option<Array>>,
    /// What the first block kept of its affine layer's output.
    kept: Vec<Option<Array>>,
    saved: Vec<Saved>,
}

fn gone() -> Error {
    Error::internal("an array is gone that is still needed")
}

/// Output of an affine layer and its ReLU, where the layer makes both at once.
fn rectified(node: &Node, x: &Array, ws: &mut Workspace) -> Result<Option<Array>> {
    let _ = node.layer.out_shape(&[&x.shape()[1..]])?;
    node.layer.forward_rectified(x, ws)
}

fn norm_of(node: &Node) -> Result<&BatchNorm> {
    match node.layer.part() {
        Part::Norm(norm) => Ok(norm),
        _ => Err(Error::internal("a block with another layer for its batch norm")),
    }
}

impl<'a> Walk<'a> {
    fn new(nodes: &'a [Node], input: &'a Array, steps: Vec<Step>) -> Self {
        Self {
            nodes,
            steps,
            input,
            precision: Precision::F32,
            outputs: nodes.iter().map(|_| None).collect(),
            kept: Vec::new(),
            saved: nodes.iter().map(|_| Saved::Nothing).collect(),
        }
    }

    fn at(&self, from: From) -> Result<&Array> {
        match from {
            From::Input => Ok(self.input),
            From::Node(n) => self.outputs[n].as_ref().ok_or_else(gone),
        }
    }

    fn inputs(&self, n: usize) -> Result<Vec<&Array>> {
        self.nodes[n].inputs.iter().map(|&from| self.at(from)).collect()
    }

    fn forward(&mut self, step: Step, mode: &mut Mode<'_>, ws: &mut Workspace) -> Result<()> {
        let output = match step {
            Step::Layer(n) => {
                let (layer, inputs) = (&self.nodes[n].layer, self.inputs(n)?);
                let shapes: Vec<&[usize]> = inputs.iter().map(|a| &a.shape()[1..]).collect();
                let _ = layer.out_shape(&shapes)?;
                let (output, saved) = layer.forward(&inputs, mode, ws)?;
                self.saved[n] = saved;
                output
            }
            Step::Block(block) => self.block_forward(block, mode, ws)?,
            Step::First(n, block) => {
                let (affine, norm) = self.first(n, block)?;
                let made = first::forward((affine, norm), self.input, block.kernel, mode, ws)?;
                self.kept = made.kept;
                self.saved[n + 1] = made.statistics;
                self.saved[block.last] = Saved::Winners(made.done.winners);
                made.done.output
            }
            Step::Rectified(n) => {
                let x = self.at(self.nodes[n].inputs[0])?;
                match rectified(&self.nodes[n], x, ws)? {
                    Some(y) => y,
                    None => {
                        self.forward(Step::Layer(n), mode, ws)?;
                        return self.forward(Step::Layer(n + 1), mode, ws);
                    }
                }
            }
        };
        self.outputs[step.last()] = Some(output);
        Ok(())
    }

    fn block_forward(
        &mut self,
        block: Block,
        mode: &Mode<'_>,
        ws: &mut Workspace,
    ) -> Result<Array> {
        let z = self.at(block.source)?;
        let mut shape = z.shape()[1..].to_vec();
        for n in Step::Block(block).nodes() {
            shape = self.nodes[n].layer.out_shape(&[&shape])?;
        }
        let Some(n) = block.norm else {
            let done = fused::forward(z, None, block.kernel, ws)?;
            self.saved[block.last] = Saved::Winners(done.winners);
            return Ok(done.output);
        };
        let (map, statistics) = norm_of(&self.nodes[n])?.prepared(z, mode)?;
        let done = fused::forward(z, Some(&map), block.kernel, ws)?;
        if let (Some(before), Saved::Statistics(..)) = (block.over, &statistics) {
            self.saved[before] = Saved::Centred;
        }
        self.saved[n] = statistics;
        self.saved[block.last] = Saved::Winners(done.winners);
        Ok(done.output)
    }

    /// Gradients of the parameters, for a gradient of the last node's output.
    fn backward(&mut self, start: Array, ws: &mut Workspace) -> Result<Vec<Array>> {
        let mut grads: Vec<Option<Array>> = self.nodes.iter().map(|_| None).collect();
        let mut parameters: Vec<Vec<Array>> = self.nodes.iter().map(|_| Vec::new()).collect();
        if let Some(last) = grads.last_mut() {
            *last = Some(start);
        }
        while let Some(step) = self.steps.pop() {
            let last = step.last();
            let Some(grad) = grads[last].take() else { continue };
            let (back, of, sources) = match step {
                Step::Layer(n) => {
                    let inputs = self.inputs(n)?;
                    let wanted = self.nodes[n].inputs.iter().any(|f| *f != From::Input);
                    // an affine layer's output has become its gradient; it does not look
                    let output = self.outputs[n].as_ref().unwrap_or(&grad);
                    let (saved, precision) = (&self.saved[n], self.precision);
                    let pass = Pass { inputs: &inputs, output, saved, grad: &grad, precision };
                    let back = self.nodes[n].layer.backward(&pass, wanted, ws)?;
                    (back, n, self.nodes[n].inputs.clone())
                }
                Step::Block(block) => {
                    let back = self.block_backward(block, &grad, ws)?;
                    (back, block.norm.unwrap_or(last), vec![block.source])
                }
                Step::First(n, block) => {
                    let done = self.done(block)?;
                    let kept = std::mem::take(&mut self.kept);
                    let (affine, norm) = self.first(n, block)?;
                    let given = (self.input, &self.saved[n + 1], block.kernel);
                    let block = (&done, &grad, self.precision);
                    let back = first::backward((affine, norm), given, kept, block, ws)?;
                    ws.give(done.output);
                    done.winners.recycle(ws);
                    let [affine, norm] = back;
                    parameters[n + 1] = norm;
                    (Gradients { inputs: Vec::new(), parameters: affine }, n, Vec::new())
                }
                Step::Rectified(_) => return Err(gone()),
            };
            parameters[of] = back.parameters;
            for (from, gradient) in sources.into_iter().zip(back.inputs) {
                match from {
                    From::Input => ws.give(gradient),
                    From::Node(n) => accumulate(&mut grads[n], gradient, ws)?,
                }
            }
            [Some(grad), self.outputs[last].take()].into_iter().flatten().for_each(|a| ws.give(a));
        }
        Ok(parameters.into_iter().flatten().collect())
    }

    /// The affine layer and the batch norm of a first block.
    fn first(&self, n: usize, block: Block) -> Result<(&'a dyn Layer, &'a BatchNorm)> {
        let norm = block.norm.ok_or_else(|| Error::internal("a first block without its norm"))?;
        Ok((self.nodes[n].layer.as_ref(), norm_of(&self.nodes[norm])?))
    }

    /// What a block left, taken.
    fn done(&mut self, block: Block) -> Result<fused::Rectified> {
        let saved = std::mem::replace(&mut self.saved[block.last], Saved::Nothing);
        match (self.outputs[block.last].take(), saved) {
            (Some(output), Saved::Winners(winners)) => Ok(fused::Rectified { output, winners }),
            _ => Err(gone()),
        }
    }

    fn block_backward(
        &mut self,
        block: Block,
        grad: &Array,
        ws: &mut Workspace,
    ) -> Result<Gradients> {
        let z = match block.over {
            Some(n) => self.outputs[n].take().ok_or_else(gone)?,
            None => ws.copy(self.at(block.source)?)?,
        };
        let done = self.done(block)?;
        let (dz, parameters) = match block.norm {
            Some(n) => {
                let (norm, kernel) = (norm_of(&self.nodes[n])?, block.kernel);
                norm.fused_backward((&done, grad), &self.saved[n], kernel, |_, back| {
                    let mut z = z;
                    back.add(0..z.shape()[0], Some(&z))?;
                    back.spread(0, &mut z)?;
                    Ok(z)
                })?
            }
            None => (fused::backward(z, &done, grad, None, block.kernel)?.0, Vec::new()),
        };
        ws.give(done.output);
        done.winners.recycle(ws);
        Ok(Gradients { inputs: vec![dz], parameters })
    }
}
