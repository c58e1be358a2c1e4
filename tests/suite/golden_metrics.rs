//! Values of SciPy, scikit-image, scikit-learn and Quantus (shared/golden/README.md), from the
//! folder $HEATPROOF_GOLDEN: every number of its metrics.json is compared, an unknown one fails.

use std::path::Path;

use assert_cmd::Command;
use heatproof::image::{Grid, Labels, Mask, Volume, nifti};
use heatproof::stats::calibration::expected_calibration_error;
use heatproof::stats::curve::{auc, average_precision, brier, confusion};
use heatproof::stats::discovery::{benjamini_hochberg, benjamini_yekutieli};
use heatproof::stats::effect_size::{cliffs_delta, cohens_d, hedges_g};
use heatproof::stats::rank::{cosine, kendall_tau_b, mean_squared_error, pearson, spearman};
use heatproof::stats::rank_test::{mann_whitney, wilcoxon_signed_rank};
use heatproof::stats::region::regions;
use heatproof::stats::reliability::icc_2_1;
use heatproof::stats::ssim::{Window, shared_range, ssim};
use heatproof::stats::student::welch;
use heatproof::stats::{Stat, Tested, Undefined, complexity, localisation};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::support::golden;

/// Relative agreement asked for.
const TOLERANCE: f64 = 1e-6;
/// Rounding of sums that should be zero.
const ROUNDING: f64 = 1e-13;

struct Golden {
    truth: Value,
    tensors: Vec<u8>,
}

/// The folder, or none (said aloud) where there is none; half a folder is a fault.
fn load() -> Option<Golden> {
    let folder = golden()?;
    let read = |name: &str| {
        std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name} of {folder:?}: {e}"))
    };
    // Python writes NaN, which is no JSON: a value that is undefined.
    let text = String::from_utf8(read("metrics.json")).expect("text").replace("NaN", "null");
    let truth = serde_json::from_str(&text).expect("metrics.json");
    Some(Golden { truth, tensors: read("metrics.safetensors") })
}

impl Golden {
    fn tensor(&self, name: &str) -> (Vec<usize>, Vec<f64>) {
        let all = SafeTensors::deserialize(&self.tensors).expect("metrics.safetensors");
        let tensor = all.tensor(name).expect(name);
        fn wide<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            bytes.chunks_exact(N).map(|b| f(b.try_into().expect("whole"))).collect()
        }
        let values = match tensor.dtype() {
            Dtype::F64 => wide(tensor.data(), f64::from_le_bytes),
            Dtype::F32 => wide(tensor.data(), |b| f64::from(f32::from_le_bytes(b))),
            Dtype::I32 => wide(tensor.data(), |b| f64::from(i32::from_le_bytes(b))),
            other => panic!("{name} is {other:?}"),
        };
        (tensor.shape().to_vec(), values)
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.tensor(name).1
    }

    fn map(&self, name: &str) -> Vec<f64> {
        self.numbers(&format!("map.{name}"))
    }

    fn shape(&self) -> [usize; 3] {
        self.tensor("mask").0.try_into().expect("three axes")
    }

    fn truth_mask(&self) -> Vec<bool> {
        self.numbers("mask").iter().map(|v| *v != 0.0).collect()
    }

    fn labels(&self) -> Vec<i32> {
        self.numbers("labels").iter().map(|v| *v as i32).collect()
    }

    /// What the library says of the value at a place of metrics.json; none when it knows no
    /// such value.
    fn ours(&self, place: &[&str]) -> Option<Stat> {
        match place {
            ["shape", axis] => self.shape().get(index(axis)?).map(|n| Ok(*n as f64)),
            ["similarity", pair, metric] => self.similarity(pair.split_once('|')?, metric),
            ["single", metric, map] => self.single(metric, map),
            ["regions", map, label, field] => self.region(map, label.parse().ok()?, field),
            ["stats", rest @ ..] => self.statistics(rest),
            ["classification", rest @ ..] => self.classification(rest),
            _ => None,
        }
    }

    fn similarity(&self, (x, y): (&str, &str), metric: &str) -> Option<Stat> {
        let (p, q) = (self.map(x), self.map(y));
        let like = |window| ssim(&p, &q, self.shape(), window, shared_range(&p, &q)?, None);
        Some(match metric {
            "pearson" => pearson(&p, &q),
            "spearman" => spearman(&p, &q),
            "spearman_abs" => spearman(&absolute(&p), &absolute(&q)),
            "cosine" => cosine(&p, &q),
            "mse" => mean_squared_error(&p, &q),
            _ if metric.starts_with("ssim_uniform_win") => {
                let edge = metric.strip_prefix("ssim_uniform_win")?;
                match edge.strip_suffix("_range") {
                    Some(_) => shared_range(&p, &q),
                    None => like(Window::Uniform(edge.parse().ok()?)),
                }
            }
            _ => {
                let sigma = metric.strip_prefix("ssim_gaussian_sigma")?;
                like(Window::Gaussian(sigma.parse().ok()?))
            }
        })
    }

    fn single(&self, metric: &str, map: &str) -> Option<Stat> {
        let (amounts, truth) = (absolute(&self.map(map)), self.truth_mask());
        Some(match metric {
            "sparseness_gini_abs" => complexity::sparseness(&amounts),
            "complexity_entropy_abs" => complexity::entropy(&amounts),
            "relevance_mass_accuracy_abs" => {
                localisation::relevance_mass_accuracy(&amounts, &truth)
            }
            "relevance_rank_accuracy_abs" => {
                localisation::relevance_rank_accuracy(&amounts, &truth)
            }
            "pointing_game_abs" => localisation::pointing_game(&amounts, &truth),
            "attribution_localisation_abs" => {
                localisation::attribution_localisation(&amounts, &truth)
            }
            "localisation_auc" => auc(&truth, &amounts),
            _ if metric.starts_with("top_") => {
                let k = between(metric, "top_", "_intersection_abs")?;
                localisation::top_k_intersection(&amounts, &truth, k as usize)
            }
            _ => {
                let epsilon = between(metric, "effective_complexity_eps", "_abs_normalised")?;
                complexity::effective_complexity(&amounts, epsilon)
            }
        })
    }

    fn region(&self, map: &str, label: i32, field: &str) -> Option<Stat> {
        let found = regions(&self.map(map), &self.labels()).expect("regions");
        let region = found.get(&label)?;
        Some(match field {
            "voxels" => Ok(region.voxels as f64),
            "sum" => Ok(region.sum),
            "mean" => Ok(region.mean),
            "positive_sum" => Ok(region.positive_sum),
            "negative_sum" => Ok(region.negative_sum),
            "abs_share" => region.abs_share.clone(),
            "max" => Ok(region.max),
            "std_population" => Ok(region.std_population),
            _ => return None,
        })
    }

    fn statistics(&self, place: &[&str]) -> Option<Stat> {
        let [u, v, pair] = ["u", "v", "u_paired"].map(|name| self.numbers(name));
        let p = || self.numbers("p_values");
        let part = |test: Result<Tested, Undefined>, at: &str| match at {
            "0" => Some(test.map(|t| t.statistic)),
            "1" => Some(test.map(|t| t.p)),
            _ => None,
        };
        let member = |all: Result<Vec<f64>, Undefined>, at: &str| {
            all.map(|q| q.get(index(at)?).copied()).transpose()
        };
        match place {
            ["mannwhitneyu_two_sided_asymptotic", at] => part(mann_whitney(&u, &v), at),
            ["welch_t", at] => part(welch(&u, &v), at),
            ["wilcoxon_signed_rank", at] => part(wilcoxon_signed_rank(&u, &pair), at),
            ["benjamini_hochberg", at] => member(benjamini_hochberg(&p()), at),
            ["benjamini_yekutieli", at] => member(benjamini_yekutieli(&p()), at),
            ["cohens_d_v_minus_u"] => Some(cohens_d(&u, &v)),
            ["hedges_g_v_minus_u"] => Some(hedges_g(&u, &v)),
            ["cliffs_delta_v_over_u"] => Some(cliffs_delta(&u, &v)),
            ["icc2_1_two_raters"] => Some(icc_2_1(&[&u, &pair])),
            [tau] => {
                let first: usize = tau.strip_prefix("kendall_tau_b_first")?.parse().ok()?;
                Some(kendall_tau_b(u.get(..first)?, pair.get(..first)?))
            }
            _ => None,
        }
    }

    fn classification(&self, place: &[&str]) -> Option<Stat> {
        let y: Vec<bool> = self.numbers("y_true").iter().map(|v| *v == 1.0).collect();
        let s = self.numbers("y_score");
        let threshold = self.truth["classification"]["threshold"].as_f64()?;
        let counts = confusion(&y, &s, threshold).ok()?;
        Some(match place {
            // Given, not measured.
            ["threshold"] => Ok(threshold),
            ["tn_fp_fn_tp", at] => {
                let c = counts;
                let all = [c.true_negative, c.false_positive, c.false_negative, c.true_positive];
                Ok(*all.get(index(at)?)? as f64)
            }
            ["roc_auc"] => auc(&y, &s),
            ["average_precision"] => average_precision(&y, &s),
            ["balanced_accuracy"] => counts.balanced_accuracy(),
            ["sensitivity"] => counts.sensitivity(),
            ["specificity"] => counts.specificity(),
            ["f1"] => counts.f1(),
            ["mcc"] => counts.mcc(),
            ["brier"] => brier(&y, &s),
            [ece] => {
                let bins = between(ece, "ece_", "_equal_width_bins")?;
                expected_calibration_error(&y, &s, bins as usize)
            }
            _ => return None,
        })
    }
}

fn index(text: &str) -> Option<usize> {
    text.parse().ok()
}

/// The number between two parts of a name.
fn between(name: &str, before: &str, after: &str) -> Option<f64> {
    name.strip_prefix(before)?.strip_suffix(after)?.parse().ok()
}

fn absolute(map: &[f64]) -> Vec<f64> {
    map.iter().map(|v| v.abs()).collect()
}

/// Every number of a JSON value with the way to it.
fn leaves<'a>(value: &'a Value, place: &[&str], found: &mut Vec<(Vec<String>, &'a Value)>) {
    let mut into = |key: &str, inner: &'a Value| leaves(inner, &[place, &[key]].concat(), found);
    match value {
        Value::Object(map) => map.iter().for_each(|(key, inner)| into(key, inner)),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(n, inner)| into(&n.to_string(), inner));
        }
        leaf => found.push((place.iter().map(|k| (*k).to_owned()).collect(), leaf)),
    }
}

/// Rank accuracy and top-k depend on the order of ties there (the folder's README).
fn depends_on_ties(place: &[&str]) -> bool {
    matches!(place, ["single", metric, "ties"]
        if *metric == "relevance_rank_accuracy_abs" || metric.starts_with("top_"))
}

/// False too for a number that is none.
fn alike(got: f64, want: f64) -> bool {
    (got - want).abs() <= TOLERANCE * want.abs() + ROUNDING
}

#[test]
fn golden_metrics() {
    let Some(golden) = load() else { return };
    let mut all = Vec::new();
    leaves(&golden.truth, &[], &mut all);
    let (mut faults, mut compared) = (Vec::new(), [0usize; 6]);
    let sections = ["shape", "similarity", "single", "regions", "stats", "classification"];
    for (place, want) in &all {
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        if depends_on_ties(&place) {
            continue;
        }
        match (golden.ours(&place), want.as_f64()) {
            (None, _) => faults.push(format!("{place:?} is unknown")),
            (Some(Ok(got)), Some(want)) if !alike(got, want) => {
                faults.push(format!("{place:?}: got {got}, want {want}"));
            }
            (Some(Err(why)), Some(want)) => faults.push(format!("{place:?}: {why}, want {want}")),
            (Some(Ok(got)), None) => faults.push(format!("{place:?}: got {got}, want none")),
            (Some(_), _) => {}
        }
        if let Some(n) = sections.iter().position(|s| *s == place[0]) {
            compared[n] += 1;
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), all.len(), faults.join("\n"));
    assert!(compared.iter().all(|n| *n > 0), "an empty section: {sections:?} {compared:?}");
}

/// The map tensors as files: the tensor's last axis is the fastest, as NIfTI's first is.
fn written(golden: &Golden, folder: &Path) {
    let [k, j, i] = golden.shape();
    let grid = Grid::centred([i, j, k], [1.0, 1.5, 2.0]).expect("grid");
    for name in ["a", "b", "noise", "neg_a", "ties"] {
        let data = golden.map(name).iter().map(|v| *v as f32).collect();
        let volume = Volume::new(grid.clone(), data).expect("volume");
        nifti::write_volume(&folder.join(format!("{name}.nii")), &volume, None, "").expect("map");
    }
    let labels = Labels::new(grid.clone(), golden.labels()).expect("labels");
    nifti::write_labels(&folder.join("labels.nii"), &labels, None, "").expect("labels");
    let mask = Mask::new(grid, golden.truth_mask()).expect("mask");
    nifti::write_mask(&folder.join("truth.nii"), &mask, None, "").expect("mask");
}

#[test]
fn golden_metrics_on_the_command_line() {
    let Some(golden) = load() else { return };
    let folder = tempfile::tempdir().expect("folder");
    written(&golden, folder.path());
    let mut all = Vec::new();
    leaves(&golden.truth, &[], &mut all);
    let (mut faults, mut compared) = (Vec::new(), [0usize; 3]);
    for other in ["b", "noise", "neg_a", "ties"] {
        let file = |name: &str| folder.path().join(format!("{name}.nii"));
        let output = Command::cargo_bin("heatproof")
            .expect("the program")
            .args(["metrics", "--json", "--labels"])
            .args([file("labels"), "--truth".into(), file("truth"), file("a"), file(other)])
            .output()
            .expect("run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let called = |map: &str| match map {
            "a" => Some("a"),
            map if map == other => Some("b"),
            _ => None,
        };
        for (place, want) in &all {
            let place: Vec<&str> = place.iter().map(String::as_str).collect();
            let got = match &place[..] {
                place if depends_on_ties(place) => continue,
                ["similarity", pair, metric] if *pair == format!("a|{other}") => {
                    compared[0] += 1;
                    &found["similarity"]["a|b"][metric]
                }
                ["single", metric, map] => {
                    let Some(name) = called(map) else { continue };
                    compared[1] += 1;
                    &found["single"][metric][name]
                }
                ["regions", map, label, field] => {
                    let Some(name) = called(map) else { continue };
                    compared[2] += 1;
                    &found["regions"][name][label][field]
                }
                _ => continue,
            };
            // The command has one window, k and threshold; others are the library's.
            let chosen = ["ssim_", "top_", "effective_complexity_"];
            if got.is_null() && chosen.iter().any(|c| place.iter().any(|p| p.starts_with(c))) {
                continue;
            }
            let same = match (got.as_f64(), want.as_f64()) {
                (Some(got), Some(want)) => alike(got, want),
                (None, None) => true,
                _ => false,
            };
            if !same {
                faults.push(format!("{place:?} beside {other}: got {got}, want {want}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(compared.iter().all(|n| *n > 0), "{compared:?}");
}
