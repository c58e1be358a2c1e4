//! The training loop.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::DType;
use rayon::prelude::*;

use super::aims::{Aim, aims};
use super::checkpoint::{self, CurveRow, Groups, Marks};
use super::feed::{augmented, batches, each_batch};
use super::loss::CrossEntropy;
use super::network::Network;
use super::optimiser::{AdamW, AdamWOptions};
use super::schedule::Cosine;
use super::settings::Settings;
use crate::compute::{Array, Workspace, device, update};
use crate::files::sha256_hex;
use crate::model::{ArchitectureSpec, Graph, build};
use crate::progress::{Progress, check_stop};
use crate::seed::Seed;
use crate::{Error, Result};

/// One image and its class.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Unique id; names the streams of its augmentation.
    pub id: String,
    /// Normalised intensities in tensor order `[k, j, i]`, exactly 0 outside the brain.
    pub data: Vec<f32>,
    /// Class number.
    pub class: usize,
    /// Where the class is a range of a number: how far the number is from the limit.
    pub distance: Option<f64>,
}

/// What is fitted on what.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// All examples.
    pub data: &'a [Example],
    /// Extents in tensor order `[k, j, i]`.
    pub extent: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Rows fitted.
    pub fitting: &'a [usize],
    /// Rows that choose the epoch; with none the last epoch is kept.
    pub validation: &'a [usize],
    /// Names the random streams, for example `fold-2`.
    pub purpose: &'a str,
}

/// A fitted network.
#[derive(Debug)]
pub struct Fitted<N = Graph> {
    /// The network with the averaged weights of the best epoch.
    pub graph: N,
    /// Learning curves.
    pub curves: Vec<CurveRow>,
    /// Epoch the weights are from.
    pub best_epoch: usize,
    /// SHA-256 of settings and data.
    pub key: String,
}

/// Fits a fresh network of an architecture; see [`fit_network`].
///
/// # Errors
/// Those of [`build`] and [`fit_network`].
pub fn fit(
    spec: &ArchitectureSpec,
    task: &Task,
    settings: &Settings,
    checkpoint: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Fitted> {
    let purpose = format!("train/weights/{}", task.purpose);
    let graph = build(spec, Seed(settings.seed).child(&purpose))?;
    let text = serde_json::to_string(spec).map_err(|e| Error::internal(e.to_string()))?;
    fit_network(graph, &text, task, settings, checkpoint, progress)
}

/// Fits a network with AdamW. Classes count alike; the moving average of the weights is
/// judged on the validation rows, and the average of the epoch with the lowest smoothed
/// validation loss is kept. With a checkpoint the fit goes on where it stopped and ends at
/// the same bytes; `identity` names the network in its key.
///
/// # Errors
/// `E-TRAIN-001` (diverged), `002` (settings), [`Error::Shape`], [`Error::Io`],
/// [`Error::Interrupted`].
pub fn fit_network<N: Network>(
    network: N,
    identity: &str,
    task: &Task,
    settings: &Settings,
    checkpoint: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Fitted<N>> {
    settings.check()?;
    settings.precision.check()?;
    check(task)?;
    let mut run = Run::new(network, key(identity, task, settings)?, task, settings)?;
    if let Some(path) = checkpoint {
        run.resume(path, progress)?;
    }
    progress.begin(&format!("fitting {}", task.purpose), settings.epochs as u64);
    progress.advance(run.marks.epochs as u64, "");
    while !run.marks.done {
        let row = run.epoch(task, settings)?;
        if let Some(path) = checkpoint {
            run.save(path)?;
        }
        let of = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
        let note = format!("loss {:.4}, validation {}", row.training, of(row.validation));
        progress.advance(1, &note);
    }
    progress.end();
    let best_epoch = run.marks.best.map_or(run.marks.epochs - 1, |b| b.0);
    let graph = moved(&run.network, run.best.unwrap_or(run.ema), Array::at_rest)?;
    Ok(Fitted { graph, curves: run.marks.curves, best_epoch, key: run.marks.key })
}

fn check(task: &Task) -> Result<()> {
    let voxels: usize = task.extent.iter().product();
    let rows = || task.fitting.iter().chain(task.validation);
    if let Some(r) = rows().find(|r| **r >= task.data.len()) {
        return Err(Error::shape("training rows", task.data.len(), r));
    }
    if let Some(r) = rows().find(|r| task.data[**r].data.len() != voxels) {
        let what = format!("image of {}", task.data[*r].id);
        return Err(Error::shape(what, task.extent, task.data[*r].data.len()));
    }
    if task.fitting.len() < 2 || rows().any(|r| task.data[*r].class >= task.classes) {
        return Err(Error::shape("training rows", "two or more of known classes", task.fitting));
    }
    Ok(())
}

/// SHA-256 of everything the result depends on.
fn key(identity: &str, task: &Task, settings: &Settings) -> Result<String> {
    let json = |v: Result<String, serde_json::Error>| v.map_err(|e| Error::internal(e.to_string()));
    let mut text = format!("{} {identity}\n", env!("CARGO_PKG_VERSION"));
    text += &json(serde_json::to_string(settings))?;
    text += &format!("\n{} {:?} {}\n", task.purpose, task.extent, task.classes);
    for (part, rows) in [("fitting", task.fitting), ("validation", task.validation)] {
        let lines: Vec<String> = rows
            .par_iter()
            .map(|&r| {
                let e = &task.data[r];
                let bytes: Vec<u8> = e.data.iter().flat_map(|v| v.to_le_bytes()).collect();
                let hash = sha256_hex(&bytes);
                format!("{part} {r} {:?} {} {:?} {hash}\n", e.id, e.class, e.distance)
            })
            .collect();
        text += &lines.concat();
    }
    Ok(sha256_hex(text.as_bytes()))
}

type State = BTreeMap<String, Array>;

fn copy<'a>(arrays: impl IntoIterator<Item = (String, &'a Array)>) -> Result<State> {
    arrays.into_iter().map(|(n, a)| Ok((n, a.duplicate()?))).collect()
}

fn named(state: &State) -> Vec<(String, &Array)> {
    state.iter().map(|(n, a)| (n.clone(), a)).collect()
}

/// The network with these numbers, each moved.
fn moved<N: Network>(network: &N, state: State, by: fn(Array) -> Result<Array>) -> Result<N> {
    network.with_state(state.into_iter().map(|(n, a)| Ok((n, by(a)?))).collect::<Result<_>>()?)
}

/// An array to where its kernels look for it: what belongs to a channel steers them from the host.
fn to_kernels(array: Array) -> Result<Array> {
    if array.shape().len() > 1 { array.at_work() } else { Ok(array) }
}

struct Run<N> {
    network: N,
    optimiser: AdamW,
    ema: State,
    best: Option<State>,
    marks: Marks,
    loss: CrossEntropy,
    /// What each row's logits should say while fitting, by number.
    aims: Vec<Aim>,
    judge: CrossEntropy,
    workspace: Workspace,
}

impl<N: Network> Run<N> {
    fn new(network: N, key: String, task: &Task, settings: &Settings) -> Result<Self> {
        let network = match device::on_card()? {
            true => moved(&network, copy(network.state())?, to_kernels)?,
            false => network,
        };
        let options =
            AdamWOptions { weight_decay: settings.weight_decay, ..AdamWOptions::default() };
        let classes = |rows: &[usize]| rows.iter().map(|&r| task.data[r].class).collect::<Vec<_>>();
        let balanced =
            |rows, smoothing| CrossEntropy::balanced(&classes(rows), task.classes, smoothing);
        Ok(Self {
            optimiser: AdamW::new(&network.parameters(), options)?,
            ema: copy(network.state())?,
            best: None,
            marks: Marks { key, ..Marks::default() },
            loss: balanced(task.fitting, settings.smoothing),
            aims: aims(task, settings.softness),
            judge: balanced(task.validation, 0.0),
            workspace: Workspace::new(),
            network,
        })
    }

    fn epoch(&mut self, task: &Task, settings: &Settings) -> Result<CurveRow> {
        let epoch = self.marks.epochs;
        let batches = batches(task, settings, epoch);
        let schedule = Cosine {
            peak: settings.lr,
            floor: settings.lr_floor,
            warmup: settings.warmup_epochs * batches.len(),
            steps: settings.epochs * batches.len(),
        };
        let purpose = format!("train/dropout/{}/epoch-{epoch}", task.purpose);
        let mut dropout = Seed(settings.seed).stream(&purpose);
        let (mut total, mut rate) = (0.0, 0.0);
        let made = |rows: &[usize], ws: &mut Workspace| augmented(task, rows, settings, epoch, ws);
        each_batch(&batches, &made, device::on_card()?, |rows, x| {
            check_stop()?;
            let aims: Vec<Aim> = rows.iter().map(|&r| self.aims[r]).collect();
            let loss = &self.loss;
            let (value, gradients) = self.network.train_step(
                &x,
                &mut |logits| loss.of(logits, &aims),
                (&mut dropout, settings.precision),
                &mut self.workspace,
            )?;
            rate = schedule.rate(self.marks.steps);
            self.optimiser.step(&mut self.network.parameters_mut(), &gradients, rate)?;
            gradients.into_iter().for_each(|g| self.workspace.give(g));
            self.marks.steps += 1;
            self.average(settings)?;
            total += value * rows.len() as f64;
            Ok(x)
        })?;
        let row = self.judge(task, settings, epoch, rate, total / task.fitting.len() as f64)?;
        self.marks.epochs += 1;
        let since = self.marks.best.map_or(0, |(best, _)| epoch - best);
        let early = self.marks.epochs >= settings.min_epochs && since >= settings.patience;
        self.marks.done = self.marks.epochs >= settings.epochs || early;
        Ok(row)
    }

    /// Moves the average towards the weights; at first faster, so that it forgets the start.
    fn average(&mut self, settings: &Settings) -> Result<()> {
        let t = self.marks.steps as f64;
        let keep = settings.ema.min((1.0 + t) / (10.0 + t)) as f32;
        for (name, now) in self.network.state() {
            let mean = self
                .ema
                .get_mut(&name)
                .ok_or_else(|| Error::internal(format!("{name} has no average")))?;
            update::towards(mean, now, 1.0 - keep)?;
        }
        Ok(())
    }

    fn judge(
        &mut self,
        task: &Task,
        settings: &Settings,
        epoch: usize,
        rate: f64,
        training: f64,
    ) -> Result<CurveRow> {
        let mut row = CurveRow { epoch, rate, training, validation: None, smoothed: None };
        if !task.validation.is_empty() {
            let network = self.network.with_state(copy(named(&self.ema))?)?;
            let logits =
                predict(&network, task, task.validation, settings.batch, &mut self.workspace)?;
            let aims: Vec<Aim> =
                task.validation.iter().map(|&r| Aim::sure(task.data[r].class)).collect();
            let flat: Vec<f64> = logits.concat();
            let logits = Array::from_vec(flat, &[aims.len(), task.classes])?;
            let value = self.judge.of(&logits, &aims)?.0;
            let before = self.marks.curves.last().and_then(|r| r.smoothed).unwrap_or(value);
            let keep = settings.loss_memory;
            let smoothed = keep * before + (1.0 - keep) * value;
            (row.validation, row.smoothed) = (Some(value), Some(smoothed));
            let sought = epoch >= settings.warmup_epochs || epoch + 1 == settings.epochs;
            if sought && self.marks.best.is_none_or(|(_, least)| smoothed < least) {
                self.marks.best = Some((epoch, smoothed));
                self.best = Some(copy(named(&self.ema))?);
            }
        }
        self.marks.curves.push(row);
        Ok(row)
    }

    fn save(&self, path: &Path) -> Result<()> {
        let mut groups = vec![
            ("state", self.network.state()),
            ("ema", named(&self.ema)),
            ("moment", self.optimiser.moments()),
        ];
        groups.extend(self.best.as_ref().map(|b| ("best", named(b))));
        checkpoint::save(path, &self.marks, &groups)
    }

    /// Goes on from a checkpoint of the same settings and data; any other is left alone.
    fn resume(&mut self, path: &Path, progress: &dyn Progress) -> Result<()> {
        let ignored = |why: &str| {
            progress.say(&format!("checkpoint {} ignored: {why}", path.display()));
            Ok(())
        };
        match checkpoint::load(path) {
            Ok(None) => Ok(()),
            Ok(Some((marks, _))) if marks.key != self.marks.key => {
                ignored("it is of other settings or data")
            }
            Ok(Some((marks, groups))) => self.restore(marks, groups),
            Err(error @ Error::Refused(_)) => ignored(&error.to_string()),
            Err(error) => Err(error),
        }
    }

    fn restore(&mut self, marks: Marks, mut groups: Groups) -> Result<()> {
        let mut take = |group: &str| groups.remove(group).unwrap_or_default();
        self.network = moved(&self.network, take("state"), to_kernels)?;
        let stored = |state: State| state.into_iter().map(|(n, a)| Ok((n, to_kernels(a)?)));
        self.ema = stored(take("ema")).collect::<Result<_>>()?;
        self.optimiser.restore(&mut take("moment"), marks.steps)?;
        self.best = marks.best.map(|_| stored(take("best")).collect()).transpose()?;
        self.marks = marks;
        Ok(())
    }
}

/// Logits of rows in inference mode, `batch` images at a time.
///
/// # Errors
/// As [`Network::forward`]; [`Error::Interrupted`].
pub fn predict<N: Network>(
    network: &N,
    task: &Task,
    rows: &[usize],
    batch: usize,
    ws: &mut Workspace,
) -> Result<Vec<Vec<f64>>> {
    let [k, j, i] = task.extent;
    let mut out = Vec::with_capacity(rows.len());
    for part in rows.chunks(batch.max(1)) {
        check_stop()?;
        let mut x = ws.take(DType::F32, &[part.len(), 1, k, j, i])?;
        let images = x.host_mut::<f32>()?.chunks_mut(k * j * i).zip(part);
        images.for_each(|(image, &row)| image.copy_from_slice(&task.data[row].data));
        let logits = network.forward(&x, ws)?;
        ws.give(x);
        if logits.shape() != [part.len(), task.classes] {
            return Err(Error::shape("logits", [part.len(), task.classes], logits.shape()));
        }
        out.extend(logits.to_f64()?.chunks_exact(task.classes).map(<[f64]>::to_vec));
        ws.give(logits);
    }
    Ok(out)
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
