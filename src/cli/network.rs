//! The network a command names: a file a user brings, or a folder this program trained.

use std::path::Path;

use crate::Result;
use crate::cli::term::Terminal;
use crate::model::network::Network;
use crate::progress::Progress;
use crate::train::models::Models;

/// Whether it is a file: an ONNX network or a state dict, not a folder of this program.
pub fn is_file(model: &Path) -> bool {
    model.is_file() || Network::is_onnx(model)
}

/// For tensors of these extents, fed to it as they are.
///
/// # Errors
/// Those of [`Network::read`] and [`Models::load`].
pub fn of_tensors(model: &Path, fold: usize, shape: [usize; 5], say: &Terminal) -> Result<Network> {
    let network = match is_file(model) {
        true => Network::read(model, Some(shape))?,
        false => Models::load(model)?.fold(fold)?.into(),
    };
    Ok(told(network, say))
}

/// For images.
///
/// # Errors
/// Those of [`Network::of_images`] and [`Models::load`].
pub fn of_images(model: &Path, fold: usize, say: &Terminal) -> Result<Network> {
    let network = match is_file(model) {
        true => Network::of_images(model)?,
        false => Models::load(model)?.fold(fold)?.into(),
    };
    Ok(told(network, say))
}

fn told(network: Network, say: &Terminal) -> Network {
    network.notes.iter().for_each(|note| say.say(&format!("note: {note}")));
    network
}
