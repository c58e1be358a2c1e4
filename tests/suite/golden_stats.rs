//! Agreement with values computed by other programs (shared/golden/README.md).

use std::path::PathBuf;

use heatproof::stats::curve::{auc, average_precision, brier, confusion};
use heatproof::stats::rank::{cosine, kendall_tau_b, pearson, spearman};
use heatproof::stats::ssim::{Window, shared_range, ssim};
use heatproof::stats::{Stat, complexity};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

struct Golden {
    truth: Value,
    tensors: Vec<u8>,
}

fn load() -> Option<Golden> {
    let shared = std::env::var_os("HEATPROOF_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let folder = shared.join("golden");
    let (Ok(text), Ok(tensors)) = (
        std::fs::read_to_string(folder.join("metrics.json")),
        std::fs::read(folder.join("metrics.safetensors")),
    ) else {
        eprintln!("SKIPPED: no metrics.json and metrics.safetensors in {}", folder.display());
        return None;
    };
    Some(Golden { truth: serde_json::from_str(&text).expect("metrics.json"), tensors })
}

impl Golden {
    fn numbers(&self, name: &str) -> Vec<f64> {
        let all = SafeTensors::deserialize(&self.tensors).expect("metrics.safetensors");
        let tensor = all.tensor(name).expect(name);
        let bytes = tensor.data();
        match tensor.dtype() {
            Dtype::F64 => bytes
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes(b.try_into().expect("8 bytes")))
                .collect(),
            Dtype::F32 => bytes
                .chunks_exact(4)
                .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes"))))
                .collect(),
            Dtype::I32 => bytes
                .chunks_exact(4)
                .map(|b| f64::from(i32::from_le_bytes(b.try_into().expect("4 bytes"))))
                .collect(),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn absolute(&self, name: &str) -> Vec<f64> {
        self.numbers(name).iter().map(|v| v.abs()).collect()
    }

    fn agree(&self, pointer: &[&str], got: Stat) {
        let want = pointer.iter().fold(&self.truth, |at, key| &at[*key]);
        let want = want.as_f64().unwrap_or_else(|| panic!("{pointer:?} is not in metrics.json"));
        let got = got.unwrap_or_else(|why| panic!("{pointer:?}: {why}"));
        let gap = (got - want).abs();
        assert!(gap <= 1e-6 * want.abs(), "{pointer:?}: got {got}, want {want}");
    }
}

#[test]
fn similarity() {
    let Some(g) = load() else { return };
    let shape = [16, 18, 14];
    for (x, y) in [("a", "b"), ("a", "noise"), ("a", "neg_a"), ("a", "ties")] {
        let pair = format!("{x}|{y}");
        let at = |metric| ["similarity", pair.as_str(), metric];
        let [p, q] = [x, y].map(|k| g.numbers(&format!("map.{k}")));
        let [pa, qa] = [x, y].map(|k| g.absolute(&format!("map.{k}")));
        g.agree(&at("pearson"), pearson(&p, &q));
        g.agree(&at("spearman"), spearman(&p, &q));
        g.agree(&at("spearman_abs"), spearman(&pa, &qa));
        g.agree(&at("cosine"), cosine(&p, &q));
        let range = shared_range(&p, &q).expect("range");
        g.agree(&at("ssim_uniform_win7_range"), Ok(range));
        let uniform = ssim(&p, &q, shape, Window::Uniform(7), range, None);
        g.agree(&at("ssim_uniform_win7"), uniform);
        let gaussian = ssim(&p, &q, shape, Window::Gaussian(1.5), range, None);
        g.agree(&at("ssim_gaussian_sigma1.5"), gaussian);
    }
}

#[test]
fn classification_and_rank_statistics() {
    let Some(g) = load() else { return };
    let y: Vec<bool> = g.numbers("y_true").iter().map(|v| *v == 1.0).collect();
    let s = g.numbers("y_score");
    let at = |metric| ["classification", metric];
    let counts = confusion(&y, &s, 0.5).expect("counts");
    let want: Vec<u64> = g.truth["classification"]["tn_fp_fn_tp"]
        .as_array()
        .expect("four counts")
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    let got =
        [counts.true_negative, counts.false_positive, counts.false_negative, counts.true_positive];
    assert_eq!(got.map(|c| c as u64).to_vec(), want);
    g.agree(&at("roc_auc"), auc(&y, &s));
    g.agree(&at("average_precision"), average_precision(&y, &s));
    g.agree(&at("balanced_accuracy"), counts.balanced_accuracy());
    g.agree(&at("sensitivity"), counts.sensitivity());
    g.agree(&at("specificity"), counts.specificity());
    g.agree(&at("f1"), counts.f1());
    g.agree(&at("mcc"), counts.mcc());
    g.agree(&at("brier"), brier(&y, &s));
    let tau = kendall_tau_b(&g.numbers("u"), &g.numbers("u_paired"));
    g.agree(&["stats", "kendall_tau_b_first17"], tau);
}

#[test]
fn complexity_and_localisation_auc() {
    let Some(g) = load() else { return };
    let truth: Vec<bool> = g.numbers("mask").iter().map(|v| *v > 0.0).collect();
    for key in ["a", "b", "noise", "ties"] {
        let map = g.absolute(&format!("map.{key}"));
        // The reference adds 1e-7 before the Gini and works in float32 otherwise.
        let lifted: Vec<f64> = map.iter().map(|v| v + 1e-7).collect();
        g.agree(&["single", "sparseness_gini_abs", key], complexity::gini(&lifted));
        g.agree(&["single", "complexity_entropy_abs", key], complexity::entropy(&map));
        g.agree(&["single", "localisation_auc", key], auc(&truth, &map));
    }
}
