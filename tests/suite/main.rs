//! The integration tests, in one binary: each module is a subject.

mod architecture;
mod audit;
mod autograd;
mod cli;
mod closure;
mod cohorts;
mod faults;
mod golden_stats;
mod gradients;
mod hostile;
mod images;
mod independence;
mod kernels;
mod layers;
mod nets;
mod onnx;
mod onnx_hostile;
mod onnx_operators;
mod onnx_writer;
mod orientations;
mod relevance;
mod replicas;
mod spine;
mod spine_audit;
mod support;
mod writing;
