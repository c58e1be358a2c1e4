//! Networks from ONNX files: the same numbers as their makers computed, and ledgers that close.

use std::io::Write as _;
use std::path::Path;

use heatproof::compute::{Array, Workspace};
use heatproof::explain::{Composite, Start, explain};
use heatproof::model::onnx::{Imported, read};
use safetensors::SafeTensors;

use super::nets::gap;
use super::support::golden;

/// A tensor of a safetensors file.
fn stored(file: &Path, name: &str) -> Array {
    let bytes = std::fs::read(file).expect("file");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let view = tensors.tensor(name).expect("tensor");
    let numbers = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Array::from_vec(numbers.collect::<Vec<f32>>(), view.shape()).expect("shape")
}

/// The largest residual of any layer's ledger, for any sample, of the foldable network.
fn worst_residual(imported: &Imported, x: &Array) -> f64 {
    let ws = &mut Workspace::new();
    let (graph, proof) = imported.graph.canonical(x, ws).expect("canonical");
    assert!(proof.drift < 1e-5, "{proof:?}");
    let composite = Composite::named("epsilon_plus").expect("known");
    let e = explain(&graph, x, &composite, Start::Class(0), ws).expect("explained");
    assert_eq!(e.relevance.shape(), x.shape());
    e.ledgers.iter().flatten().map(|line| line.residual()).fold(0.0, f64::max)
}

#[test]
fn networks_of_both_exporters_give_their_makers_logits_and_their_ledgers_close() {
    let Some(folder) = golden() else { return };
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
            let worst = worst_residual(&imported, &x);
            assert!(worst <= 1e-6, "{file}: {worst:e}");
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
}

/// Every `NAME.onnx` of the folder $HEATPROOF_NETWORKS against the `logits` another program
/// computed for the `input` in `NAME.safetensors`. For large networks, not kept with the source.
#[test]
fn networks_of_a_folder_give_their_makers_logits() {
    let Some(folder) = std::env::var_os("HEATPROOF_NETWORKS") else {
        // Not eprintln: the test harness would swallow it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no large networks; set HEATPROOF_NETWORKS");
        return;
    };
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let file = entry.expect("entry").path();
        if file.extension().is_none_or(|e| e != "onnx") {
            continue;
        }
        let truth = file.with_extension("safetensors");
        let (x, logits) = (stored(&truth, "input"), stored(&truth, "logits"));
        let begun = std::time::Instant::now();
        let imported = match read(&file, None) {
            Ok(imported) => imported,
            Err(error) => {
                faults.push(format!("{}: {error}", file.display()));
                continue;
            }
        };
        let took = begun.elapsed();
        let y = imported.graph.forward(&x, &mut Workspace::new()).expect("forward");
        let apart = gap(&y.to_f64().expect("host"), &logits.to_f64().expect("host"));
        let worst = worst_residual(&imported, &x);
        let line = format!(
            "{}: {} layers, read in {took:?}, logits {apart:.1e}, ledger {worst:.1e}",
            file.display(),
            imported.graph.nodes().len()
        );
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{line}\n"));
        if apart > 1e-4 || worst > 1e-6 {
            faults.push(line);
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
