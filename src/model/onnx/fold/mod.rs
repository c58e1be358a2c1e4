//! Constant folding: the operators that exporters compute shapes with, on constants, at the
//! input shape the network is read for. Memory is bounded before it is taken.

use std::cell::Cell;

pub mod extents;

mod arithmetic;
mod rearrange;

use super::attributes::{Attributes, Fault};
use super::tensors::{Data, Tensor};
use arithmetic::{cast, elementwise, select, unary};
use extents::{broadcast, extents, product, reshaped, squeezed, unsqueezed};
use rearrange::{concat, gather, slice, spread, transpose};

/// Most numbers of one folded tensor.
const MOST: usize = 1 << 23;
/// Most numbers that all folding together may make.
const BUDGET: usize = 1 << 24;

/// What folding has used up.
#[derive(Debug, Default)]
pub struct Budget(Cell<usize>);

impl Budget {
    /// Books `count` more numbers.
    fn book(&self, count: usize) -> Result<(), String> {
        let used = self.0.get().saturating_add(count);
        self.0.set(used);
        if count > MOST || used > BUDGET {
            return Err(format!("a constant of {count} numbers; at most {MOST} are computed"));
        }
        Ok(())
    }
}

/// Operators that are computed on constants.
pub const FOLDED: &[&str] = &[
    "Add",
    "Cast",
    "Ceil",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Div",
    "Equal",
    "Expand",
    "Floor",
    "Gather",
    "Greater",
    "Identity",
    "Less",
    "Max",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Range",
    "ReduceProd",
    "Reshape",
    "Shape",
    "Size",
    "Slice",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// The value of an operator all of whose inputs are constants (`None`: left out).
///
/// # Errors
/// Why it cannot be computed.
pub fn fold(
    operator: &str,
    inputs: &[Option<&Tensor>],
    attributes: &Attributes<'_>,
    opset: i64,
    budget: &Budget,
) -> Result<Tensor, Fault> {
    let first = || inputs.first().copied().flatten().ok_or("no input".to_owned());
    let given = |at: usize| inputs.get(at).copied().flatten();
    let need = |at: usize| given(at).ok_or(format!("input {at} is missing"));
    match operator {
        "Constant" => attributes.constant(),
        "Identity" => Ok(first()?.clone()),
        "Cast" => Ok(cast(first()?, attributes.int("to", 1)?)?),
        "Shape" => {
            let dims: Vec<i64> = first()?.dims.iter().map(|&d| d as i64).collect();
            Ok(shape(&dims, attributes)?)
        }
        "Size" => Ok(scalar(first()?.len() as i64)),
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Equal" | "Less" | "Greater" | "Max" | "Min" => {
            Ok(elementwise(operator, first()?, need(1)?, budget)?)
        }
        "Floor" | "Ceil" | "Sqrt" | "Neg" | "Not" => Ok(unary(operator, first()?)?),
        "Where" => Ok(select(first()?, need(1)?, need(2)?, budget)?),
        "ConstantOfShape" => {
            let dims = extents(ints(first()?)?)?;
            let count = product(&dims)?;
            budget.book(count)?;
            let data = match attributes.tensor("value")?.map(|t| t.data) {
                Some(Data::Int(v)) => Data::Int(vec![v.first().copied().unwrap_or(0); count]),
                Some(Data::Float(v)) => Data::Float(vec![v.first().copied().unwrap_or(0.0); count]),
                None => Data::Float(vec![0.0; count]),
            };
            Ok(Tensor { dims, data })
        }
        "Range" => {
            let one = |at: usize| need(at).and_then(ints).map(|v| v.first().copied().unwrap_or(0));
            let (from, to, step) = (one(0)?, one(1)?, one(2)?);
            if step == 0 {
                return Err("a step of 0".into());
            }
            let span = i128::from(to) - i128::from(from);
            let step_wide = i128::from(step);
            let count = ((span + step_wide - step_wide.signum()) / step_wide).max(0);
            let count = usize::try_from(count).map_err(|_| "a range beyond memory".to_owned())?;
            budget.book(count)?;
            Ok(Tensor::ints(
                (0..count as i64).map(|n| from.wrapping_add(n.wrapping_mul(step))).collect(),
            ))
        }
        "ReduceProd" => {
            let values = ints(first()?)?;
            let all = values.iter().try_fold(1i64, |p, v| p.checked_mul(*v));
            let all = all.ok_or("a product beyond 64 bits")?;
            let kept = attributes.int("keepdims", 1)? != 0;
            let dims = if kept { vec![1; first()?.dims.len()] } else { Vec::new() };
            Ok(Tensor { dims, data: Data::Int(vec![all]) })
        }
        "Gather" => Ok(gather(first()?, need(1)?, attributes.int("axis", 0)?, budget)?),
        "Concat" => {
            let parts: Option<Vec<&Tensor>> = inputs.iter().copied().collect();
            let axis = attributes.int("axis", 0)?;
            Ok(concat(&parts.ok_or("an input is missing")?, axis, budget)?)
        }
        "Slice" => {
            let list = |at: usize, name: &str| match given(at) {
                Some(t) => ints(t).map(|v| Some(v.to_vec())),
                None => attributes.ints(name),
            };
            let starts = list(1, "starts")?.ok_or("no starts")?;
            let ends = list(2, "ends")?.ok_or("no ends")?;
            let (axes, steps) = (list(3, "axes")?, list(4, "steps")?);
            let (axes, steps) = (axes.as_deref(), steps.as_deref());
            Ok(slice(first()?, &starts, &ends, axes, steps, budget)?)
        }
        "Transpose" => Ok(transpose(first()?, attributes.ints("perm")?, budget)?),
        "Expand" => {
            let wanted = extents(ints(need(1)?)?)?;
            let dims = broadcast(&first()?.dims, &wanted)?;
            Ok(spread(first()?, &dims, budget)?)
        }
        "Reshape" => {
            let zero = attributes.int("allowzero", 0)? != 0;
            let dims = reshaped(&first()?.dims, ints(need(1)?)?, zero)?;
            Ok(Tensor { dims, data: first()?.data.clone() })
        }
        "Squeeze" | "Unsqueeze" => {
            let axes = match given(1) {
                Some(t) => Some(ints(t)?.to_vec()),
                None if opset < 13 => attributes.ints("axes")?,
                None => None,
            };
            let dims = if operator == "Squeeze" {
                squeezed(&first()?.dims, axes.as_deref())?
            } else {
                unsqueezed(&first()?.dims, &axes.ok_or("no axes")?)?
            };
            Ok(Tensor { dims, data: first()?.data.clone() })
        }
        other => Err(format!("{other} is not computed on constants").into()),
    }
}

/// A single whole number.
pub fn scalar(value: i64) -> Tensor {
    Tensor { dims: Vec::new(), data: Data::Int(vec![value]) }
}

/// `Shape`, whole or from `start` to `end`.
///
/// # Errors
/// For an attribute of another kind.
pub fn shape(dims: &[i64], attributes: &Attributes<'_>) -> Result<Tensor, String> {
    let rank = dims.len() as i64;
    let place = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (attributes.int("start", 0)?, attributes.int("end", rank)?);
    Ok(Tensor::ints(dims.get(place(start)..place(end)).unwrap_or_default().to_vec()))
}

fn ints(tensor: &Tensor) -> Result<&[i64], String> {
    tensor.as_ints().ok_or("real numbers where whole ones belong".to_owned())
}
