//! Operators and the layers they become.

mod activation;
mod combine;
mod convolution;
mod dense;
mod normalise;
mod pool;
mod shape;

use super::attributes::Fault;
use super::builder::{Builder, Call, Value};

/// What takes an operator over.
pub type Operator = fn(&mut Builder, &Call<'_>) -> Result<Value, Fault>;

/// Every operator that may act on activations.
pub static OPERATORS: &[(&str, Operator)] = &[
    ("Add", combine::add),
    ("AveragePool", pool::average),
    ("BatchNormalization", normalise::batch),
    ("Cast", shape::same),
    ("Clip", activation::clip),
    ("Concat", combine::concat),
    ("Conv", convolution::conv),
    ("ConvTranspose", convolution::transposed),
    ("Div", combine::divide),
    ("Dropout", shape::dropout),
    ("Elu", activation::elu),
    ("Flatten", shape::flatten),
    ("Gelu", activation::gelu),
    ("Gemm", dense::gemm),
    ("GlobalAveragePool", pool::global_average),
    ("GlobalMaxPool", pool::global_max),
    ("GroupNormalization", normalise::group),
    ("HardSigmoid", activation::hard_sigmoid),
    ("HardSwish", activation::hard_swish),
    ("Identity", shape::same),
    ("InstanceNormalization", normalise::instance),
    ("LeakyRelu", activation::leaky_relu),
    ("LogSoftmax", activation::log_softmax),
    ("MatMul", dense::matmul),
    ("MaxPool", pool::max),
    ("Mul", combine::multiply),
    ("PRelu", activation::prelu),
    ("Pad", shape::pad),
    ("ReduceMax", pool::reduce_max),
    ("ReduceMean", pool::reduce_mean),
    ("Relu", activation::relu),
    ("Reshape", shape::reshape),
    ("Shape", shape::extents),
    ("Sigmoid", activation::sigmoid),
    ("Softmax", activation::softmax),
    ("Squeeze", shape::squeeze),
    ("Sub", combine::subtract),
    ("Sum", combine::sum),
    ("Swish", activation::swish),
    ("Tanh", activation::tanh),
    ("Transpose", shape::transpose),
    ("Unsqueeze", shape::unsqueeze),
];

/// The operator of that name.
pub fn find(name: &str) -> Option<Operator> {
    OPERATORS.iter().find(|(n, _)| *n == name).map(|(_, o)| *o)
}
