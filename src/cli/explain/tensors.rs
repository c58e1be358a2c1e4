//! Maps of tensors that are fed to the network as they are.

use std::collections::BTreeMap;

use super::{Args, ends_with, sound, unwritten};
use crate::cli::exit::ExitCode;
use crate::cli::network;
use crate::cli::term::{self, Terminal};
use crate::compute::{Array, Workspace};
use crate::explain::methods::Question;
use crate::explain::used::{Account, told};
use crate::explain::way::Way;
use crate::explain::{Start, explain_each};
use crate::model::tensors;
use crate::seed::Seed;
use crate::{Error, Result, files};

/// Largest file of tensors that is read.
const LARGEST: u64 = 8 << 30;

/// Explains every sample and writes maps and logits.
pub(super) fn run(args: &Args, ways: &[(String, Way)], terminal: &Terminal) -> Result<ExitCode> {
    if !ends_with(&args.out, "safetensors") {
        let what = format!("maps of tensors cannot be written as {}", args.out.display());
        return Err(Error::usage("E-CLI-006", what, "Name OUT with .safetensors"));
    }
    let bytes = files::read_limited(&args.input, LARGEST)?;
    let x = tensors::one(&args.input, &bytes, "input")?;
    let shape = tensors::sound(&args.input, &x)?;
    let samples = shape[0];
    let network = network::of_tensors(&args.model, args.fold.unwrap_or(0), shape, terminal)?;
    let graph = network.graph.before_links()?;
    let starts = Start::each(&args.target, &network.classes, samples)?;
    let mut ws = Workspace::new();
    let logits = graph.forward(&x, &mut ws)?;
    sound::finite("the array of logits", &logits)?;
    let wide = logits.len() / samples;
    let mut written: Vec<(String, Array)> = vec![("logits".to_owned(), logits)];
    let mut words: Vec<String> = starts.iter().map(|s| s.words(&network.classes, wide)).collect();
    if args.target.split(',').count() == 1 {
        words.truncate(1);
    }
    let (mut ledgers, mut accounts) = (BTreeMap::new(), Vec::new());
    let mut text = format!("{samples} sample(s)\n");
    for (name, way) in ways {
        let key = match ways.len() {
            1 => "relevance".to_owned(),
            _ => format!("relevance.{name}"),
        };
        let map = match way {
            Way::Rules(composite) => {
                let (canonical, proof) = composite.canonical(&graph, &x, &mut ws)?;
                let found = explain_each(&canonical, &x, composite, &starts, &mut ws)?;
                let residual = sound::residual(name, found.ledgers.iter().flatten())?;
                text.push_str(&format!(
                    "{name}: {} batch norm folded (logits differ by {:.1e} of the largest), \
                     largest unaccounted share of a layer {residual:.1e}\n",
                    proof.folded, proof.drift
                ));
                let account = Account::of_rules(name, composite, &canonical, words.clone());
                let lines = found.ledgers.iter().zip(&starts).map(|(ledger, start)| {
                    let start = start.words(&network.classes, wide);
                    serde_json::to_value(told(
                        ledger,
                        &account.layers,
                        composite.convention,
                        &start,
                    ))
                });
                let lines = lines.collect::<std::result::Result<Vec<_>, _>>().map_err(unwritten)?;
                let _ = ledgers.insert(name.clone(), lines);
                text.push_str(&account.lines());
                accounts.push(account);
                for (layer, sink) in found.sinks {
                    written.push((format!("bias.{name}.{layer}"), sink.cast::<f32>()?));
                }
                found.relevance
            }
            Way::Method(chosen) => {
                // The network as it came: Grad-CAM looks at a layer that folding removes.
                let question = Question::new(&graph, &x, &starts, Seed(args.seed));
                accounts.push(Account::of_method(name, &chosen.numbers, words.clone()));
                chosen.map(&question, &mut ws)?
            }
        };
        sound::finite(&format!("the map of {name}"), &map)?;
        written.push((key, map));
    }
    let arrays: Vec<(String, &Array)> = written.iter().map(|(n, a)| (n.clone(), a)).collect();
    let accounts = serde_json::to_string(&accounts).map_err(unwritten)?;
    files::write_whole(&args.out, &tensors::to_bytes(&arrays, Some(&accounts))?)?;
    if let Some(path) = &args.ledger {
        files::write_whole(path, &serde_json::to_vec_pretty(&ledgers).map_err(unwritten)?)?;
    }
    text.push_str(&format!("{}\n", args.out.display()));
    term::out(&text)?;
    Ok(ExitCode::Success)
}
