//! Maps of one NIfTI image, on its own grid.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Args, sound, unwritten};
use crate::cli::exit::ExitCode;
use crate::cli::network;
use crate::cli::term::{self, Terminal};
use crate::cohort::Participant;
use crate::compute::{Array, Workspace};
use crate::explain::methods::{Question, Regions, grad_cam};
use crate::explain::used::{Account, told};
use crate::explain::way::Way;
use crate::explain::{Start, explain};
use crate::image::{Labels, nifti, resample};
use crate::model::Graph;
use crate::model::companion::Companion;
use crate::model::input::{Prepared, back, prepare, to_array};
use crate::model::subject::{MaskSource, read_subject};
use crate::model::tensors;
use crate::progress::Progress;
use crate::seed::Seed;
use crate::train::apply::saw;
use crate::{Error, Result, files};

/// Explains the image and writes a map per rule or method.
pub(super) fn run(
    args: &Args,
    ways: &[(String, Way)],
    maps: &[PathBuf],
    terminal: &Terminal,
) -> Result<ExitCode> {
    let network = network::of_images(&args.model, args.fold.unwrap_or(0), terminal)?;
    let input = network.input.as_ref().ok_or_else(|| Companion::missing(&args.model))?;
    let start = Start::named(&args.target, &network.classes)?;
    let images = read_subject(&participant(args))?;
    for warning in &images.warnings {
        terminal.say(&format!("note: {warning}"));
    }
    if images.source == MaskSource::NonZero {
        terminal.say("note: no mask was given; voxels that are not 0 are taken as brain");
    }
    let ready = prepare(&images.volume, &images.mask, input)?;
    let (x, mut ws) = (to_array(&[&ready])?, Workspace::new());
    let _ = tensors::sound(&args.input, &x)?;
    let regions = regions(&ready, images.labels.as_ref())?;
    let asked = Asked {
        graph: &network.graph,
        x: &x,
        start,
        classes: &network.classes,
        seed: args.seed,
        regions: &regions,
        books: args.ledger.is_some(),
    };
    let mut text = String::new();
    let mut ledgers = BTreeMap::new();
    for ((name, way), out) in ways.iter().zip(maps) {
        let made = make(&asked, name, way, &mut ws)?;
        sound::finite(&format!("the map of {name}"), &made.map)?;
        let map: Vec<f32> = made.map.to_f64()?.into_iter().map(|v| v as f32).collect();
        let volume = back(&map, ready.grid(), images.volume.grid())?;
        nifti::write_volume(out, &volume, Some(&images.header), &format!("heatproof {name}"))?;
        let sum: f64 = map.iter().map(|v| f64::from(*v)).sum();
        text.push_str(&format!(
            "{}: {} = {:.6}; the map of {name} sums to {sum:.6}\n{}{}",
            out.display(),
            made.words,
            made.score,
            made.account.lines(),
            made.said,
        ));
        if let Some(ledger) = made.ledger {
            let _ = ledgers.insert(name.clone(), ledger);
        }
    }
    if let Some(path) = &args.ledger {
        files::write_whole(path, &serde_json::to_vec_pretty(&ledgers).map_err(unwritten)?)?;
    }
    if network.training().is_some_and(|t| saw(t, &participant(args).id)) {
        text.push_str("this image was used to train the network\n");
    }
    term::out(&text)?;
    Ok(ExitCode::Success)
}

/// Labels and mask as the network sees them; none without a label map.
fn regions(ready: &Prepared, labels: Option<&Labels>) -> Result<Vec<Regions>> {
    let Some(labels) = labels else { return Ok(Vec::new()) };
    let labels = resample::resample_labels(labels, ready.grid())?.data().to_vec();
    Ok(vec![Regions { labels, inside: ready.mask.data().to_vec() }])
}

/// What is explained of one image.
struct Asked<'a> {
    graph: &'a Graph,
    x: &'a Array,
    start: Start,
    classes: &'a [String],
    seed: u64,
    regions: &'a [Regions],
    /// Whether ledgers are written.
    books: bool,
}

/// A map with what is known of it.
struct Made {
    /// Shaped like the input.
    map: Array,
    /// What is explained.
    words: String,
    score: f64,
    account: Account,
    /// Of rules: how exact they were; of regions: what each holds.
    said: String,
    /// Of rules: lines; of other methods: regions, where there are any.
    ledger: Option<Value>,
}

fn make(of: &Asked<'_>, name: &str, way: &Way, ws: &mut Workspace) -> Result<Made> {
    let &Asked { graph, x, start, classes, seed, regions, books } = of;
    match way {
        Way::Rules(composite) => {
            let (canonical, proof) = composite.canonical(graph, x, ws)?;
            let mut found = explain(&canonical, x, composite, start, ws)?;
            if !books && !found.sinks.is_empty() {
                let what = format!("{name} keeps the relevance of biases, with no file for it");
                let fix = "Add --ledger FILE.json, or choose --bias absorb or drop";
                return Err(Error::usage("E-CLI-012", what, fix));
            }
            let words = start.words(classes, found.logits.len());
            let account = Account::of_rules(name, composite, &canonical, vec![words.clone()]);
            let ledger = found.ledgers.swap_remove(0);
            let residual = sound::residual(name, &ledger)?;
            let said = format!(
                "rule {name}, {} batch norm folded (logits differ by {:.1e} of the largest), \
                 largest unaccounted share of a layer {residual:.1e}\n",
                proof.folded, proof.drift
            );
            let lines = told(&ledger, &account.layers, composite.convention, &words);
            let mut lines = serde_json::to_value(lines).map_err(unwritten)?;
            for line in lines.as_array_mut().into_iter().flatten() {
                if let Some((_, sink)) = found.sinks.iter().find(|(n, _)| line["layer"] == **n) {
                    line["sink"] = serde_json::json!(sink.to_f64()?);
                }
            }
            let (map, score, ledger) = (found.relevance, found.scores[0], Some(lines));
            Ok(Made { map, words, score, account, said, ledger })
        }
        Way::Method(chosen) => {
            let starts = [start];
            let question = Question { regions, ..Question::new(graph, x, &starts, Seed(seed)) };
            let map = chosen.map(&question, ws)?;
            let &[_, _, k, j, i] = x.shape() else { return Err(Error::internal("no image")) };
            let map =
                if map.shape() == x.shape() { map } else { grad_cam::enlarged(&map, [k, j, i])? };
            let logits = graph.forward(x, ws)?;
            sound::finite("the array of logits", &logits)?;
            let score = crate::explain::start::seed(&logits, &starts)?.scores[0];
            let words = start.words(classes, logits.len());
            let account = Account::of_method(name, &chosen.numbers, vec![words.clone()]);
            let sums = regions.first().map(|r| Ok::<_, Error>(r.sums(map.host::<f32>()?)));
            let sums = sums.transpose()?.map(|sums| serde_json::json!({ "regions": sums }));
            Ok(Made { map, words, score, account, said: String::new(), ledger: sums })
        }
    }
}

fn participant(args: &Args) -> Participant {
    let name = args.input.file_name().map_or_else(String::new, |n| n.to_string_lossy().into());
    let id = name.split('.').next().unwrap_or_default().to_owned();
    Participant {
        subject: id.clone(),
        id,
        image: args.input.clone(),
        labels: args.labels.clone(),
        mask: args.mask.clone(),
        truth: None,
        covariates: BTreeMap::new(),
    }
}
