//! The graph under construction: what is known of every value, and the layers so far.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::assembly::Assembly;
pub use super::super::assembly::Signal;
use super::super::layer::Layer;
use super::attributes::{Attributes, Fault};
use super::fold::Budget;
use super::fold::extents::broadcast;
use super::tensors::Tensor;
use crate::Result;
use crate::compute::Array;

/// What is known of a value.
#[derive(Debug, Clone)]
pub enum Value {
    /// Numbers that do not depend on the image.
    Constant(Rc<Tensor>),
    /// An activation.
    Signal(Signal),
    /// Comes after an operator that is not supported.
    Unknown,
}

/// One node with what its inputs are.
#[derive(Debug)]
pub struct Call<'a> {
    /// Attributes and node.
    pub attributes: Attributes<'a>,
    /// Name for the layer.
    pub name: String,
    /// Inputs; `None` for one left out.
    pub inputs: Vec<Option<Value>>,
    /// Version of the operators.
    pub opset: i64,
}

impl Call<'_> {
    /// The operator.
    pub fn operator(&self) -> &str {
        &self.attributes.node.operator
    }

    /// An input that must be an activation.
    ///
    /// # Errors
    /// When it is none.
    pub fn signal(&self, at: usize) -> Result<&Signal, Fault> {
        match self.inputs.get(at) {
            Some(Some(Value::Signal(signal))) => Ok(signal),
            Some(Some(Value::Constant(_))) => Err(format!("input {at} is a constant").into()),
            _ => Err(format!("input {at} is missing").into()),
        }
    }

    /// An input that must be a constant, if it is given.
    ///
    /// # Errors
    /// When it depends on the image.
    pub fn constant(&self, at: usize) -> Result<Option<&Tensor>, Fault> {
        match self.inputs.get(at) {
            None | Some(None) => Ok(None),
            Some(Some(Value::Constant(tensor))) => Ok(Some(tensor)),
            Some(Some(_)) => Err(format!("input {at} depends on the image, not a constant").into()),
        }
    }

    /// Whole numbers of an input, or of an attribute of older operator sets.
    ///
    /// # Errors
    /// When they are of another kind.
    pub fn ints(&self, at: usize, attribute: &str) -> Result<Option<Vec<i64>>, Fault> {
        match self.constant(at)? {
            Some(tensor) => {
                let ints = tensor.as_ints().ok_or(format!("input {at} is not of whole numbers"))?;
                Ok(Some(ints.to_vec()))
            }
            None => Ok(self.attributes.ints(attribute)?),
        }
    }

    /// Real numbers of a constant input as an array of the extents it has.
    ///
    /// # Errors
    /// When it is missing or of whole numbers.
    pub fn weights(&self, at: usize) -> Result<Array, Fault> {
        let tensor = self.constant(at)?.ok_or(format!("input {at} is missing"))?;
        let data = tensor.as_floats().ok_or(format!("input {at} is not of real numbers"))?;
        if let Some(place) = data.iter().position(|v| !v.is_finite()) {
            return Err(format!("input {at} holds {} at place {place}", data[place]).into());
        }
        Ok(Array::from_vec(data.to_vec(), &tensor.dims)?)
    }

    /// The same along one axis of `len` numbers; zeros when left out.
    ///
    /// # Errors
    /// As [`Call::weights`]; for another length.
    pub fn vector(&self, at: usize, len: usize) -> Result<Array, Fault> {
        if self.constant(at)?.is_none() {
            return Ok(Array::zeros::<f32>(&[len]));
        }
        let array = self.weights(at)?;
        if array.len() != len {
            return Err(format!("input {at} has {} numbers, not {len}", array.len()).into());
        }
        Ok(array.reshaped(&[len])?)
    }

    /// One number per channel of a constant that is spread over a signal.
    ///
    /// # Errors
    /// When it differs along another axis than the channels.
    pub fn per_channel(&self, at: usize, dims: &[usize]) -> Result<Vec<f32>, Fault> {
        let tensor = self.weights(at)?;
        let own = tensor.shape();
        let wrong = || format!("a constant of extents {own:?} on {dims:?}, not one per channel");
        if broadcast(dims, own).ok().as_deref() != Some(dims) {
            return Err(wrong().into());
        }
        let missing = dims.len() - own.len();
        if own.iter().enumerate().any(|(a, d)| *d != 1 && a + missing != 1) {
            return Err(wrong().into());
        }
        let values = tensor.host::<f32>()?;
        let channels = dims.get(1).copied().unwrap_or(1);
        match values {
            [one] => Ok(vec![*one; channels]),
            all if all.len() == channels => Ok(all.to_vec()),
            _ => Err(wrong().into()),
        }
    }
}

/// The layers so far, and what computing constants may still take.
#[derive(Debug, Default)]
pub struct Builder {
    /// The layers.
    pub assembly: Assembly,
    /// What constant folding may still use.
    pub budget: Budget,
}

impl Builder {
    /// Appends a layer; the batch is that of its first input.
    ///
    /// # Errors
    /// When its inputs do not fit or its output is beyond memory.
    pub fn push(
        &mut self,
        name: &str,
        layer: impl Layer + 'static,
        inputs: &[&Signal],
    ) -> Result<Value, Fault> {
        Ok(Value::Signal(self.assembly.push(name, layer, inputs)?))
    }
}

/// Values by name.
pub type Values<'a> = HashMap<&'a str, Value>;
