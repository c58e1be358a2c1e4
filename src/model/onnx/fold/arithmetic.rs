//! Arithmetic on constants.

use super::super::tensors::{Data, Tensor};
use super::extents::broadcast;
use super::rearrange::spread;
use super::{Budget, ints};

pub(super) fn cast(tensor: &Tensor, to: i64) -> Result<Tensor, String> {
    let data = match (&tensor.data, to) {
        (Data::Float(v), 1 | 11) => Data::Float(v.clone()),
        (Data::Int(v), 1 | 11) => Data::Float(v.iter().map(|v| *v as f32).collect()),
        (Data::Float(v), 9) => Data::Int(v.iter().map(|v| i64::from(*v != 0.0)).collect()),
        (Data::Int(v), 9) => Data::Int(v.iter().map(|v| i64::from(*v != 0)).collect()),
        (Data::Float(v), 6 | 7) => Data::Int(v.iter().map(|v| *v as i64).collect()),
        (Data::Int(v), 6 | 7) => Data::Int(v.clone()),
        _ => return Err(format!("a cast to type {to}")),
    };
    Ok(Tensor { dims: tensor.dims.clone(), data })
}

pub(super) fn unary(operator: &str, x: &Tensor) -> Result<Tensor, String> {
    let data = match (operator, &x.data) {
        ("Floor", Data::Float(v)) => Data::Float(v.iter().map(|v| v.floor()).collect()),
        ("Ceil", Data::Float(v)) => Data::Float(v.iter().map(|v| v.ceil()).collect()),
        ("Sqrt", Data::Float(v)) => Data::Float(v.iter().map(|v| v.sqrt()).collect()),
        ("Neg", Data::Float(v)) => Data::Float(v.iter().map(|v| -v).collect()),
        ("Neg", Data::Int(v)) => Data::Int(v.iter().map(|v| v.wrapping_neg()).collect()),
        ("Not", Data::Int(v)) => Data::Int(v.iter().map(|v| i64::from(*v == 0)).collect()),
        _ => return Err(format!("{operator} of these numbers")),
    };
    Ok(Tensor { dims: x.dims.clone(), data })
}

pub(super) fn elementwise(
    operator: &str,
    a: &Tensor,
    b: &Tensor,
    budget: &Budget,
) -> Result<Tensor, String> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let (a, b) = (spread(a, &dims, budget)?, spread(b, &dims, budget)?);
    let data = match (&a.data, &b.data) {
        (Data::Int(a), Data::Int(b)) => {
            let pairs = a.iter().zip(b);
            Data::Int(pairs.map(|(a, b)| whole(operator, *a, *b)).collect::<Result<_, _>>()?)
        }
        (Data::Float(a), Data::Float(b)) => {
            let pairs = a.iter().zip(b);
            let of = |f: fn(f32, f32) -> f32| Data::Float(pairs.map(|(a, b)| f(*a, *b)).collect());
            match operator {
                "Add" => of(|a, b| a + b),
                "Sub" => of(|a, b| a - b),
                "Mul" => of(|a, b| a * b),
                "Div" => of(|a, b| a / b),
                "Max" => of(f32::max),
                "Min" => of(f32::min),
                _ => return Err(format!("{operator} of real constants")),
            }
        }
        _ => return Err("real and whole numbers together".to_owned()),
    };
    Ok(Tensor { dims, data })
}

fn whole(operator: &str, a: i64, b: i64) -> Result<i64, String> {
    let value = match operator {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        // rounded towards zero, as ONNX Runtime does
        "Div" => a.checked_div(b),
        // with the sign of the divisor (fmod = 0)
        "Mod" => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        "Equal" => Some(i64::from(a == b)),
        "Less" => Some(i64::from(a < b)),
        "Greater" => Some(i64::from(a > b)),
        "Max" => Some(a.max(b)),
        _ => Some(a.min(b)),
    };
    value.ok_or(format!("{operator} of {a} and {b}"))
}

pub(super) fn select(
    which: &Tensor,
    a: &Tensor,
    b: &Tensor,
    budget: &Budget,
) -> Result<Tensor, String> {
    let dims = broadcast(&broadcast(&which.dims, &a.dims)?, &b.dims)?;
    let [which, a, b] = [which, a, b].map(|t| spread(t, &dims, budget));
    let (which, a, b) = (which?, a?, b?);
    let choose = ints(&which)?;
    let data = match (&a.data, &b.data) {
        (Data::Int(a), Data::Int(b)) => {
            let pairs = choose.iter().zip(a.iter().zip(b));
            Data::Int(pairs.map(|(c, (a, b))| if *c != 0 { *a } else { *b }).collect())
        }
        (Data::Float(a), Data::Float(b)) => {
            let pairs = choose.iter().zip(a.iter().zip(b));
            Data::Float(pairs.map(|(c, (a, b))| if *c != 0 { *a } else { *b }).collect())
        }
        _ => return Err("real and whole numbers together".to_owned()),
    };
    Ok(Tensor { dims, data })
}
