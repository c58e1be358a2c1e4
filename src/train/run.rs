//! Cross-validation: a model per fold, judged on the subjects it never saw.

use std::path::Path;

use super::baseline;
use super::fit::{Fitted, Task, predict};
use super::members::fit_members;
use super::metrics::{self, Prediction};
use super::pool::{Alignment, common_scale};
use super::prepare::{InputChoice, Ready, prepare_cohort};
use super::settings::{SETTINGS, Settings};
use super::split::{SplitRow, assert_disjoint, stratified_folds, validation_split};
use super::write::{self, FoldSplit, MetricLine, PredictionRow, Splits};
use crate::Result;
use crate::cohort::{Cohort, Target};
use crate::compute::Workspace;
use crate::files::clear_unfinished;
use crate::model::bundle::{Bundle, ModelSpec, SCHEMA_VERSION, TrainingSummary};
use crate::model::{ArchitectureSpec, InputSpec};
use crate::progress::Progress;
use crate::seed::Seed;

/// Settings of a cross-validation.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSettings {
    /// Name of the architecture.
    pub architecture: String,
    /// Networks averaged per fold.
    pub members: usize,
    /// How the model grid is chosen.
    pub input: InputChoice,
    /// Folds; 1 is a single hold-out.
    pub folds: usize,
    /// Share of subjects held out when `folds` is 1.
    pub hold_out: f64,
    /// Share of the training subjects that choose the epoch. With 0 all are fitted and the
    /// last epoch is kept: a handful of subjects is better fitted than listened to.
    pub validation: f64,
    /// Bootstrap draws of the intervals.
    pub draws: usize,
    /// Settings of each fit; its seed is the seed of the run.
    pub fit: Settings,
}

/// What a cross-validation found.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSummary {
    /// The model's input.
    pub input: InputSpec,
    /// Names of class 0 and class 1.
    pub classes: [String; 2],
    /// Held-out rows, in the order of the cohort within each fold.
    pub predictions: Vec<PredictionRow>,
    /// Network and baseline, pooled and per fold.
    pub metrics: Vec<MetricLine>,
    /// Who was where.
    pub splits: Splits,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Rows of a fold by number.
struct Parts {
    fitting: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

/// Trains a model per fold and writes to `out`: `fold-K/` (bundle, `settings.json`, `curves.tsv`, and
/// `checkpoint.safetensors`, from which an interrupted run goes on), `predictions.tsv`,
/// `metrics.json`, `splits.json`. Subjects never fall into two parts of a fold, and the
/// held-out part chooses nothing.
///
/// # Errors
/// Those of preparing, splitting, fitting and writing; [`crate::Error::Interrupted`].
pub fn cross_validate(
    cohort: &Cohort,
    target: &Target,
    settings: &RunSettings,
    out: &Path,
    progress: &dyn Progress,
) -> Result<TrainSummary> {
    settings.fit.check()?;
    let ready = prepare_cohort(cohort, target, &settings.input, progress)?;
    let parts = split(&ready.rows, settings)?;
    let shape = ready.input.tensor_shape();
    let architecture = ArchitectureSpec {
        members: settings.members,
        ..ArchitectureSpec::named(&settings.architecture, shape, 2)?
    };
    let labels: Vec<bool> = ready.rows.iter().map(|r| r.class == 1).collect();
    let (mut predictions, mut alignments, mut folds) = (Vec::new(), Vec::new(), Vec::new());
    let mut notes = ready.notes.clone();
    let mut workspace = Workspace::new();
    clear_unfinished(out)?;
    for (fold, part) in parts.iter().enumerate() {
        let name = format!("fold-{fold}");
        let task = Task {
            data: &ready.examples,
            extent: ready.input.tensor_shape(),
            classes: 2,
            fitting: &part.fitting,
            validation: &part.validation,
            purpose: &name,
        };
        let folder = out.join(&name);
        clear_unfinished(&folder)?;
        let fitted = fit_members(&architecture, &task, &settings.fit, Some(&folder), progress)?;
        write::json(&folder.join(SETTINGS), &settings.fit)?;
        write::curves(&folder.join("curves.tsv"), &fitted.curves)?;
        let mut odds = |rows: &[usize]| -> Result<Vec<f64>> {
            let logits = predict(&fitted.graph, &task, rows, settings.fit.batch, &mut workspace)?;
            Ok(logits.iter().map(|l| l[1] - l[0]).collect())
        };
        let training: Vec<usize> = [&part.fitting[..], &part.validation].concat();
        let seen: Vec<(bool, f64)> =
            training.iter().map(|&r| labels[r]).zip(odds(&training)?).collect();
        alignments.push(Alignment::of(&seen));
        let volumes = ready.shares.as_ref().and_then(|shares| {
            baseline::predict(shares, &labels, &training, &part.test)
                .map_err(|e| notes.push(format!("{name}: no region-volume baseline: {e}")))
                .ok()
        });
        for (at, (&r, log_odds)) in part.test.iter().zip(odds(&part.test)?).enumerate() {
            let row = &ready.rows[r];
            predictions.push(PredictionRow {
                id: row.id.clone(),
                subject: row.subject.clone(),
                fold,
                class: row.class,
                log_odds,
                aligned: log_odds,
                baseline: volumes.as_ref().map(|v| v[at]),
            });
        }
        folds.push(save(fitted, &architecture, &ready, target, settings, part, fold, &folder)?);
    }
    if alignments.len() > 1 {
        let common = common_scale(&alignments);
        for p in &mut predictions {
            p.aligned = alignments[p.fold].apply(p.log_odds, common);
        }
    }
    if ready.shares.is_none() {
        notes.push("no region-volume baseline: not every row has a label map".to_owned());
    }
    let metrics = table(&predictions, settings);
    let (target, seed) = (target.to_string(), settings.fit.seed);
    let splits = Splits { schema_version: 1, target, seed, folds };
    write::predictions(&out.join("predictions.tsv"), &predictions)?;
    write::json(&out.join("metrics.json"), &metrics)?;
    write::json(&out.join("splits.json"), &splits)?;
    let (input, classes) = (ready.input, ready.classes);
    Ok(TrainSummary { input, classes, predictions, metrics, splits, notes })
}

fn split(rows: &[SplitRow], settings: &RunSettings) -> Result<Vec<Parts>> {
    let seed = Seed(settings.fit.seed);
    let outer: Vec<(Vec<usize>, Vec<usize>)> = if settings.folds == 1 {
        let all: Vec<usize> = (0..rows.len()).collect();
        vec![validation_split(rows, &all, settings.hold_out, seed, "hold-out")?]
    } else {
        let folds = stratified_folds(rows, settings.folds, seed)?;
        (0..folds.k).map(|f| (folds.training_rows(f), folds.test_rows(f))).collect()
    };
    let inner = |(fold, (training, test)): (usize, (Vec<usize>, Vec<usize>))| {
        let purpose = format!("fold-{fold}");
        let (fitting, validation) = if settings.validation == 0.0 {
            (training.clone(), Vec::new())
        } else {
            validation_split(rows, &training, settings.validation, seed, &purpose)?
        };
        let of = |part: &[usize]| part.iter().map(|&r| rows[r].clone()).collect::<Vec<_>>();
        assert_disjoint(&of(&training), &of(&test))?;
        assert_disjoint(&of(&fitting), &of(&validation))?;
        Ok(Parts { fitting, validation, test })
    };
    outer.into_iter().enumerate().map(inner).collect()
}

#[expect(clippy::too_many_arguments, reason = "the parts of a bundle, each named once")]
fn save(
    fitted: Fitted,
    architecture: &ArchitectureSpec,
    ready: &Ready,
    target: &Target,
    settings: &RunSettings,
    part: &Parts,
    fold: usize,
    folder: &Path,
) -> Result<FoldSplit> {
    let ids = |rows: &[usize]| rows.iter().map(|&r| ready.rows[r].id.clone()).collect::<Vec<_>>();
    let training = TrainingSummary {
        fold,
        folds: settings.folds,
        epochs: fitted.curves.len(),
        best_epoch: fitted.best_epoch,
        fitting: ids(&part.fitting),
        validation: ids(&part.validation),
        held_out: ids(&part.test),
        precision: settings.fit.precision,
        key: fitted.key,
    };
    let spec = ModelSpec {
        schema_version: SCHEMA_VERSION,
        architecture: architecture.clone(),
        input: ready.input,
        classes: ready.classes.to_vec(),
        target: target.to_string(),
        seed: settings.fit.seed,
        training: training.clone(),
        weights_sha256: String::new(),
    };
    let sha256 = Bundle { spec, graph: fitted.graph }.save(folder)?;
    let TrainingSummary { fitting, validation, held_out, .. } = training;
    let bundle = format!("fold-{fold}");
    Ok(FoldSplit { fold, bundle, sha256, fitting, validation, held_out })
}

/// Network and baseline: folds from each model's own log-odds, the pool from the aligned.
fn table(rows: &[PredictionRow], settings: &RunSettings) -> Vec<MetricLine> {
    let seed = Seed(settings.fit.seed).child("train/metrics");
    let of = |log_odds: &dyn Fn(&PredictionRow) -> Option<f64>| {
        let one = |r: &PredictionRow| {
            Some(Prediction {
                subject: r.subject.clone(),
                fold: r.fold,
                label: r.class == 1,
                log_odds: log_odds(r)?,
            })
        };
        let all: Option<Vec<Prediction>> = rows.iter().map(one).collect();
        all.map(|p| metrics::table(&p, settings.draws, seed)).unwrap_or_default()
    };
    let pooled = of(&|r| Some(r.aligned));
    let folds = of(&|r| Some(r.log_odds));
    let volumes = of(&|r| r.baseline);
    let network = pooled
        .iter()
        .filter(|r| r.fold.is_none())
        .chain(folds.iter().filter(|r| r.fold.is_some()))
        .map(|r| MetricLine::new("network", r));
    network.chain(volumes.iter().map(|r| MetricLine::new("region_volumes", r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::normalise;

    fn settings(folds: usize) -> RunSettings {
        RunSettings {
            architecture: "compact".into(),
            members: 1,
            input: InputChoice {
                spacing_mm: 2.0,
                margin_mm: 4.0,
                shape: None,
                normalise: normalise::Options::default(),
            },
            folds,
            hold_out: 0.25,
            validation: 0.2,
            draws: 200,
            fit: Settings::default(),
        }
    }

    fn rows() -> Vec<SplitRow> {
        let row = |at: usize| SplitRow {
            id: format!("r{at}"),
            subject: format!("s{}", at / 2),
            class: at / 2 % 2,
        };
        (0..48).map(row).collect()
    }

    #[test]
    fn every_row_is_in_one_part_and_no_subject_in_two() {
        let rows = rows();
        for folds in [1, 4] {
            let parts = split(&rows, &settings(folds)).expect("parts");
            assert_eq!(parts.len(), folds);
            for p in &parts {
                let mut all = [&p.fitting[..], &p.validation, &p.test].concat();
                all.sort_unstable();
                assert_eq!(all, (0..48).collect::<Vec<_>>());
                let held: Vec<&str> = p.test.iter().map(|&r| rows[r].subject.as_str()).collect();
                let rest = p.fitting.iter().chain(&p.validation);
                assert!(!held.is_empty() && !p.validation.is_empty());
                assert!(rest.into_iter().all(|&r| !held.contains(&rows[r].subject.as_str())));
            }
        }
        let all = split(&rows, &RunSettings { validation: 0.0, ..settings(4) }).expect("parts");
        assert!(all.iter().all(|p| p.validation.is_empty() && p.fitting.len() == 36));
        let parts = split(&rows, &settings(4)).expect("parts");
        assert_eq!(parts.iter().map(|p| p.test.len()).sum::<usize>(), 48);
    }

    #[test]
    fn the_pool_rests_on_aligned_and_the_folds_on_own_log_odds() {
        let row = |at: usize| PredictionRow {
            id: format!("r{at}"),
            subject: format!("s{at}"),
            fold: at % 2,
            class: at / 2 % 2,
            log_odds: if at / 2 % 2 == 1 { 1.0 } else { -1.0 },
            aligned: 0.0,
            baseline: None,
        };
        let lines = table(&(0..20).map(row).collect::<Vec<_>>(), &settings(2));
        let auc = |fold| {
            let of = |l: &&MetricLine| l.metric == "roc_auc" && l.fold == fold;
            lines.iter().find(of).and_then(|l| l.value)
        };
        assert_eq!((auc(None), auc(Some(0))), (Some(0.5), Some(1.0)));
        assert!(lines.iter().all(|l| l.model == "network"));
    }
}
