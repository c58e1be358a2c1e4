//! Networks from ONNX files: the same numbers as their makers computed, and ledgers that close.

use std::path::Path;

use heatproof::compute::{Array, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::onnx::{Imported, read};
use safetensors::SafeTensors;

use super::nets::gap;
use super::support::shared;

/// A tensor of a safetensors file.
fn stored(file: &Path, name: &str) -> Array {
    let bytes = std::fs::read(file).expect("file");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let view = tensors.tensor(name).expect("tensor");
    let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Array::from_vec(numbers.collect::<Vec<f32>>(), view.shape()).expect("shape")
}

/// The ledger of every sample closes, layer by layer and as a whole.
fn closes(name: &str, imported: &Imported, x: &Array) {
    let ws = &mut Workspace::new();
    let (graph, proof) = imported.graph.canonical(x, ws).expect("canonical");
    assert!(proof.drift < 1e-5, "{name}: {proof:?}");
    let composite = Composite::named("epsilon_plus").expect("known");
    let e = explain(&graph, x, &composite, Start::Class(0), ws).expect("explained");
    assert_eq!(e.relevance.shape(), x.shape(), "{name}");
    for line in e.ledgers.iter().flatten() {
        assert!(line.residual() <= 1e-6, "{name}: {:e} {line:?}", line.residual());
    }
}

#[test]
fn networks_of_both_exporters_give_their_makers_logits_and_their_ledgers_close() {
    let Some(folder) = shared("golden") else { return };
    let mut seen = 0;
    for name in ["plain", "plain_nobias", "batchnorm", "strided", "residual", "concat", "seed_like"]
    {
        let truth = folder.join(format!("{name}.safetensors"));
        let (x, logits) = (stored(&truth, "input"), stored(&truth, "logits"));
        for file in [format!("{name}.onnx"), format!("{name}_torchscript.onnx")] {
            let imported = read(&folder.join(&file), None).expect(&file);
            assert_eq!(imported.input_shape, x.shape(), "{file}");
            let y = imported.graph.forward(&x, &mut Workspace::new()).expect(&file);
            let apart = gap(&y.to_f64().expect("host"), &logits.to_f64().expect("host"));
            assert!(apart < 1e-5, "{file}: {apart:e}");
            closes(&file, &imported, &x);
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
}
