//! The conformance table: every kernel against the f64 reference on geometries chosen to reach
//! its corners, the adjoint law, and the same bytes again for any number of threads.
//!
//! The tests hold the kernels on the machines of their authors; this table holds them on the
//! machine of a user, with the instructions that run there, or on the card (`heatproof doctor`).

mod convolution;
mod others;

use serde::Serialize;

use super::array::{Array, Real};
use super::device::Convolutions;
use super::facts::Facts;
use super::geometry::ConvGeometry;
use super::geometry::PoolGeometry;
use super::precision::Precision;
use super::workspace::Workspace;
use super::{conv3d, device, pool3d};
use crate::seed::{Seed, Stream};
use crate::{Error, Result};

/// Largest |difference| over largest |reference| that conforms in f32. f32 sums of up to a few thousand
/// products are off by 1e-7 to 2e-6; a wrong tap is off by 1e-2 or more.
pub const LIMIT: f64 = 1e-5;

/// One kernel on one geometry. Each number is the largest |difference| to the reference over
/// the largest |reference|; none where there is no such gradient.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The operation.
    pub op: &'static str,
    /// The geometry in words.
    pub case: String,
    /// Of the output.
    pub forward: f64,
    /// Of the gradient by the input.
    pub grad_input: f64,
    /// Of the gradient by the weights.
    pub grad_weight: Option<f64>,
    /// Adjoint law, of linear maps: largest |⟨Wx, y⟩ − ⟨x, Wᵀy⟩| and |⟨Wx, y⟩ − ⟨w, ∂w⟩| over
    /// ‖Wx‖‖y‖.
    pub adjoint: Option<f64>,
    /// The most that each may be: [`LIMIT`], and the rounding of what is made in bf16.
    pub limit: f64,
}

impl Row {
    /// Whether every number is within the limit. A NaN is not.
    pub fn conforms(&self) -> bool {
        let numbers = [Some(self.forward), Some(self.grad_input), self.grad_weight, self.adjoint];
        numbers.iter().flatten().all(|v| *v <= self.limit)
    }
}

/// The same work over and over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repetition {
    /// The operation.
    pub op: String,
    /// The geometry in words.
    pub case: String,
    /// Whether three runs on one thread and one on two gave the same bytes.
    pub same_bytes: bool,
}

/// Every kernel on every geometry of the table, on the device in use.
///
/// # Errors
/// [`Error::Internal`] when a kernel refuses a geometry of the table; `E-DEVICE-003` when the card
/// fails.
pub fn table() -> Result<Vec<Row>> {
    let mut stream = Seed(0).stream("compute/conformance");
    let mut rows = convolution::convolutions(Precision::F32, &mut stream)?;
    if device::facts()?.is_some_and(|card| card.cudnn) {
        // Left to choose, it would be asked for few of these.
        let cudnn = |stream: &mut _, precision| {
            Convolutions::Cudnn.during(|| convolution::convolutions(precision, stream))
        };
        let plain = cudnn(&mut stream, Precision::F32)?.into_iter();
        rows.extend(plain.map(|row| Row { op: "conv3d, cudnn", ..row }));
        for precision in [Precision::Tf32, Precision::Bf16] {
            rows.extend(cudnn(&mut stream, precision)?);
        }
        let ours = || convolution::convolutions(Precision::F32, &mut stream);
        let ours = Convolutions::Ours.during(ours)?.into_iter();
        rows.extend(ours.map(|row| Row { op: "conv3d, ours", ..row }));
    }
    rows.extend(convolution::dense_layers(&mut stream)?);
    rows.extend(others::rows(&mut stream)?);
    Ok(rows)
}

/// Numbers that are the same in f32 and f64.
fn draws(stream: &mut Stream, n: usize) -> Vec<f64> {
    (0..n).map(|_| f64::from(stream.normal() as f32)).collect()
}

/// The numbers in f32, on the device in use.
fn narrow(data: &[f64], shape: &[usize]) -> Result<Array> {
    Array::from_vec(data.iter().map(|v| f32::of(*v)).collect(), shape)?.at_work()
}

/// Largest |difference| over largest |reference|.
fn gap(kernel: &Array, truth: &[f64]) -> Result<f64> {
    let got = kernel.to_f64()?;
    if got.len() != truth.len() {
        return Err(Error::shape("conformance", truth.len(), kernel.shape()));
    }
    let scale = truth.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    // Not `f64::max`, which would leave a NaN out.
    let worst = got.iter().zip(truth).map(|(a, b)| (a - b).abs());
    let larger = |m: f64, d: f64| if m.is_nan() || d <= m { m } else { d };
    Ok(worst.fold(0.0, larger) / scale)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// ⟨y, dy⟩ against another pairing that must equal it, over ‖y‖‖dy‖.
fn apart(y: &Array, dy: &[f64], other: (&[f64], &Array)) -> Result<f64> {
    let y = y.to_f64()?;
    let scale = (dot(&y, &y) * dot(dy, dy)).sqrt().max(f64::MIN_POSITIVE);
    Ok((dot(&y, dy) - dot(other.0, &other.1.to_f64()?)).abs() / scale)
}

/// Convolutions (channels in and out, side, batch): small ones, and some large enough to be cut
/// among threads.
const LARGER: [[usize; 4]; 6] =
    [[3, 8, 9, 2], [8, 12, 8, 1], [1, 8, 40, 2], [8, 16, 33, 1], [32, 32, 24, 1], [64, 64, 6, 3]];

/// Runs of each.
const AGAIN: usize = 4;

/// Seconds that a card may need for one step at its highest rate. No card needs a thousandth of it;
/// an emulated one would need hours.
const PATIENCE: f64 = 2.0;

/// Whether a card can be expected to do this many operations in bearable time; the host always is.
pub(super) fn bearable(card: Option<&Facts>, operations: usize) -> bool {
    let peak = card.and_then(Facts::peak_gflops);
    peak.is_none_or(|gflops| operations as f64 / 1e9 / gflops <= PATIENCE)
}

/// Whether the kernels give the same bytes in three runs on one thread and one on two, on the device
/// in use.
///
/// # Errors
/// [`Error::Internal`] when threads cannot be started; `E-DEVICE-003` when the card fails.
pub fn repetitions() -> Result<Vec<Repetition>> {
    let pool = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map_err(|e| Error::internal(format!("{threads} threads cannot be started: {e}")))
    };
    let (one, two) = (pool(1)?, pool(2)?);
    let mut found = Vec::new();
    let mut stream = Seed(0).stream("compute/conformance/repetitions");
    let facts = device::facts()?;
    for [cin, cout, side, batch] in LARGER {
        if !bearable(facts.as_ref(), 3 * AGAIN * 2 * 27 * cin * cout * side.pow(3) * batch) {
            continue;
        }
        let case = format!("{cin} to {cout} channels, {side}³, batch {batch}");
        let g = ConvGeometry::same(3);
        let mut draw = |shape: &[usize]| narrow(&draws(&mut stream, shape.iter().product()), shape);
        let x = draw(&[batch, cin, side, side, side])?;
        let dy = draw(&[batch, cout, side, side, side])?;
        let w = draw(&[cout, cin, 3, 3, 3])?;
        let test = |op: &str, work: &(dyn Fn() -> Result<Array> + Sync)| -> Result<Repetition> {
            let bits = |pool: &rayon::ThreadPool| -> Result<Vec<u32>> {
                Ok(pool
                    .install(work)?
                    .at_rest()?
                    .host::<f32>()?
                    .iter()
                    .map(|v| v.to_bits())
                    .collect())
            };
            let first = bits(&one)?;
            let same_bytes = bits(&one)? == first && bits(&one)? == first && bits(&two)? == first;
            Ok(Repetition { op: op.to_owned(), case: case.clone(), same_bytes })
        };
        let ws = Workspace::new;
        let passes = |more: &str, precision: Precision| -> Result<[Repetition; 3]> {
            Ok([
                test(&format!("conv3d forward{more}"), &|| {
                    conv3d::forward_as(&x, &w, None, &g, precision, &mut ws())
                })?,
                test(&format!("conv3d grad_input{more}"), &|| {
                    conv3d::grad_input_as(&dy, &w, &g, [side; 3], precision, &mut ws())
                })?,
                test(&format!("conv3d grad_weight{more}"), &|| {
                    conv3d::grad_weight_in(precision, &x, &dy, &g, &mut ws())
                })?,
            ])
        };
        found.extend(passes("", Precision::F32)?);
        if facts.as_ref().is_some_and(|card| card.cudnn) {
            let cudnn =
                |more: &str, precision| Convolutions::Cudnn.during(|| passes(more, precision));
            found.extend(cudnn(", cudnn", Precision::F32)?);
            found.extend(cudnn(", tf32", Precision::Tf32)?);
            found.extend(cudnn(", bf16", Precision::Bf16)?);
        }
        let tiles = PoolGeometry::tiles(2);
        found.push(test("max_pool forward", &|| {
            Ok(pool3d::max_forward(&dy, &tiles, &mut ws())?.output)
        })?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_a_wrong_tap_or_a_nan_does_not_conform() {
        let row = Row {
            op: "conv3d",
            case: String::new(),
            forward: 1e-7,
            grad_input: 1e-6,
            grad_weight: None,
            adjoint: Some(1e-7),
            limit: LIMIT,
        };
        assert!(row.conforms());
        assert!(!Row { forward: 1e-2, ..row.clone() }.conforms());
        assert!(!Row { grad_input: f64::NAN, ..row.clone() }.conforms());
        assert!(!Row { adjoint: Some(1e-4), ..row.clone() }.conforms());
        assert!(Row { adjoint: Some(1e-4), limit: 1e-3, ..row }.conforms());
    }

    #[test]
    fn a_gap_is_relative_to_the_largest_and_sees_nan() {
        let array = |v: &[f64]| narrow(v, &[v.len()]).expect("array");
        assert_eq!(gap(&array(&[1.0, 3.0]), &[2.0, -4.0]).expect("gap"), 7.0 / 4.0);
        assert!(gap(&array(&[f64::NAN, 1.0]), &[0.0, 1.0]).expect("gap").is_nan());
        assert!(gap(&array(&[1.0]), &[1.0, 2.0]).is_err());
        // ⟨(1, 2), (3, 4)⟩ = 11 and ⟨(2), (5)⟩ = 10, over √5 · 5.
        let apart = apart(&array(&[1.0, 2.0]), &[3.0, 4.0], (&[2.0], &array(&[5.0])));
        assert!((apart.expect("pairing") - 1.0 / (5.0 * 5f64.sqrt())).abs() < 1e-12);
    }
}
