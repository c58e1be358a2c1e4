//! The layers: one file and one registry line each.

pub mod add;
pub mod average_pool;
pub mod batch_norm;
pub mod channel_affine;
pub mod clip;
pub mod concat;
pub mod conv3d;
pub mod dense;
pub mod dropout;
pub mod elu;
pub mod flatten;
pub mod gate;
pub mod gelu;
pub mod gelu_tanh;
pub mod group_norm;
pub mod hard_sigmoid;
pub mod hard_swish;
pub mod leaky_relu;
pub mod max_pool;
pub mod pad;
pub mod prelu;
pub mod relu;
pub mod reshape;
pub mod reverse_axes;
pub mod sigmoid;
pub mod silu;
pub mod softmax;
pub mod tanh;
pub mod transposed_conv3d;

use crate::card::Card;

/// Every layer kind.
pub static LAYERS: &[&Card] = &[
    &add::CARD,
    &average_pool::CARD,
    &batch_norm::CARD,
    &channel_affine::CARD,
    &clip::CARD,
    &concat::CARD,
    &conv3d::CARD,
    &dense::CARD,
    &dropout::CARD,
    &elu::CARD,
    &flatten::CARD,
    &gate::CARD,
    &gelu::CARD,
    &gelu_tanh::CARD,
    &group_norm::CARD,
    &hard_sigmoid::CARD,
    &hard_swish::CARD,
    &leaky_relu::CARD,
    &max_pool::CARD,
    &pad::CARD,
    &prelu::CARD,
    &relu::CARD,
    &reshape::CARD,
    &reverse_axes::CARD,
    &sigmoid::CARD,
    &silu::CARD,
    &softmax::CARD,
    &tanh::CARD,
    &transposed_conv3d::CARD,
];
