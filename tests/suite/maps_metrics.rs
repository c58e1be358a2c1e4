//! `heatproof metrics` on small maps whose numbers are known in closed form.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use heatproof::image::{Grid, Labels, Mask, Volume, nifti};
use serde_json::Value;

const SHAPE: [usize; 3] = [12, 10, 9];
const VOXEL_MM3: f64 = 1.5 * 2.0 * 1.25;
/// Voxels of the truth: a box of 4 × 5 × 3 in the half where i is small.
const INSIDE: f64 = 60.0;
const ALL: f64 = 1080.0;

fn grid() -> Grid {
    Grid::new(SHAPE, [[1.5, 0.0, 0.0, -9.0], [0.0, 2.0, 0.0, 4.0], [0.0, 0.0, 1.25, 0.5]])
        .expect("grid")
}

/// True in the box.
fn inside(v: usize) -> bool {
    let [ni, nj, _] = SHAPE;
    let (i, j, k) = (v % ni, v / ni % nj, v / ni / nj);
    (1..5).contains(&i) && (2..7).contains(&j) && (3..6).contains(&k)
}

/// One value inside the box, another outside.
fn step(within: f32, outside: f32) -> Vec<f32> {
    (0..grid().len()).map(|v| if inside(v) { within } else { outside }).collect()
}

/// The same voxels stored along (S, L, A) instead of (R, A, S).
fn stored_otherwise<V: Copy>(data: &[V]) -> (Grid, Vec<V>) {
    let ([ni, nj, nk], m) = (SHAPE, *grid().affine());
    let mut affine = [[0.0; 4]; 3];
    let corner = grid().to_world([ni as f64 - 1.0, 0.0, 0.0]);
    for r in 0..3 {
        affine[r] = [m[r][2], -m[r][0], m[r][1], corner[r]];
    }
    let mut out = Vec::new();
    for j in 0..nj {
        for i in (0..ni).rev() {
            out.extend((0..nk).map(|k| data[i + ni * (j + nj * k)]));
        }
    }
    (Grid::new([nk, ni, nj], affine).expect("grid"), out)
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn map(&self, name: &str, grid: Grid, data: Vec<f32>) -> PathBuf {
        let path = self.path(name);
        let volume = Volume::new(grid, data).expect("volume");
        nifti::write_volume(&path, &volume, None, "test").expect("written");
        path
    }

    fn mask(&self, name: &str, grid: Grid, data: Vec<bool>) -> PathBuf {
        let path = self.path(name);
        nifti::write_mask(&path, &Mask::new(grid, data).expect("mask"), None, "").expect("written");
        path
    }

    fn labels(&self, name: &str, grid: Grid, data: Vec<i32>) -> PathBuf {
        let path = self.path(name);
        let labels = Labels::new(grid, data).expect("labels");
        nifti::write_labels(&path, &labels, None, "").expect("written");
        path
    }
}

fn run(args: &[&Path]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("heatproof").expect("the program");
    let output = command
        .env("NO_COLOR", "1")
        .env("CI", "1")
        .arg("metrics")
        .args(args)
        .output()
        .expect("run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn json(args: &[&Path]) -> Value {
    let (code, text, errors) = run(&[args, &[Path::new("--json")]].concat());
    assert_eq!((code, errors.as_str()), (0, ""), "{text}");
    serde_json::from_str(&text).expect("JSON")
}

fn near(found: &Value, want: f64) {
    let got = found.as_f64().unwrap_or_else(|| panic!("{found} instead of {want}"));
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{got} instead of {want}");
}

/// A map of the box, its inverse, truth and labels stored in another order: a reader that
/// mixed up left and right would miss the box.
#[test]
fn closed_forms_whatever_the_stored_order() {
    let files = Files::new();
    let a = files.map("a.nii.gz", grid(), step(2.0, 0.0));
    let (turned, data) = stored_otherwise(&step(-2.0, 0.0));
    let b = files.map("b.nii", turned.clone(), data);
    let flags: Vec<bool> = (0..grid().len()).map(inside).collect();
    let truth = files.mask("truth.nii", turned.clone(), stored_otherwise(&flags).1);
    let numbers: Vec<i32> = flags.iter().map(|f| if *f { 17 } else { 0 }).collect();
    let labels = files.labels("labels.nii", turned, stored_otherwise(&numbers).1);
    let option = |name| Path::new(name);
    let found = json(&[&a, &b, option("--truth"), &truth, option("--labels"), &labels]);
    assert_eq!(found["shape"], serde_json::json!([12, 10, 9]));
    assert_eq!(found["voxels"], 1080);
    // B has no positive part, and nine voxels hold no Gaussian window of eleven.
    let reasons: Vec<&String> = found["reasons"].as_object().expect("reasons").keys().collect();
    let want =
        ["similarity.a|b.ssim_gaussian_sigma1.5", "single.relevance_mass_accuracy_positive.b"];
    assert_eq!(reasons, want);
    near(&found["truth_share"], INSIDE / ALL);
    let alike = &found["similarity"]["a|b"];
    for (name, want) in [("pearson", -1.0), ("spearman", -1.0), ("cosine", -1.0)] {
        near(&alike[name], want);
    }
    near(&alike["spearman_abs"], 1.0);
    near(&alike["mse"], 16.0 * INSIDE / ALL);
    near(&alike["ssim_uniform_win7_range"], 4.0);
    let single = |name: &str| found["single"][name].clone();
    for map in ["a", "b"] {
        near(&single("gini_abs")[map], 1.0 - INSIDE / ALL);
        near(&single("complexity_entropy_abs")[map], INSIDE.ln());
        near(&single("effective_complexity_eps1e-5_abs_normalised")[map], INSIDE);
        near(&single("relevance_mass_accuracy_abs")[map], 1.0);
        near(&single("relevance_rank_accuracy_abs")[map], 1.0);
        near(&single("pointing_game_abs")[map], 1.0);
        near(&single("top_100_intersection_abs")[map], 0.6);
        near(&single("localisation_auc")[map], 1.0);
        near(&found["regions"][map]["0"]["abs_share"], 0.0);
    }
    let region = &found["regions"]["b"]["17"];
    near(&region["voxels"], INSIDE);
    near(&region["sum"], -2.0 * INSIDE);
    near(&region["negative_sum"], -2.0 * INSIDE);
    near(&region["positive_sum"], 0.0);
    near(&region["abs_share"], 1.0);
    near(&region["max"], -2.0);
    near(&region["std_population"], 0.0);
    near(&region["volume_ml"], INSIDE * VOXEL_MM3 / 1000.0);
    near(&region["density_per_ml"], -2000.0 / VOXEL_MM3);
}

/// Linear maps b = 3a + 1 inside the mask; outside it anything.
#[test]
fn only_the_mask_counts() {
    let files = Files::new();
    let ramp = |v: usize| (v % 97) as f32;
    let a = files.map("a.nii", grid(), (0..grid().len()).map(ramp).collect());
    let other = |v: usize| if inside(v) { 3.0 * ramp(v) + 1.0 } else { -ramp(v) };
    let b = files.map("b.nii", grid(), (0..grid().len()).map(other).collect());
    let mask = files.mask("mask.nii", grid(), (0..grid().len()).map(inside).collect());
    let found = json(&[&a, &b, Path::new("--mask"), &mask]);
    assert_eq!(found["voxels"], 60);
    near(&found["similarity"]["a|b"]["pearson"], 1.0);
    near(&found["similarity"]["a|b"]["spearman"], 1.0);
    assert!(json(&[&a, &b])["similarity"]["a|b"]["pearson"].as_f64().expect("number") < 0.5);
    // A map beside itself, in a shape that holds the windows.
    let found = json(&[&a, &a, Path::new("--mask"), &mask]);
    near(&found["similarity"]["a|b"]["ssim_uniform_win7"], 1.0);
    near(&found["similarity"]["a|b"]["mse"], 0.0);
}

#[test]
fn undefined_is_null_with_a_reason_and_said_in_words() {
    let files = Files::new();
    let a = files.map("a.nii", grid(), step(0.0, 0.0));
    let b = files.map("b.nii", grid(), step(1.0, 0.0));
    let truth = files.mask("truth.nii", grid(), vec![false; grid().len()]);
    let args: [&Path; 4] = [&a, &b, Path::new("--truth"), &truth];
    let (code, text, _) = run(&[&args[..], &[Path::new("--json")]].concat());
    assert_eq!(code, 0);
    let found: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(found["similarity"]["a|b"]["pearson"], Value::Null);
    let reason = |place: &str| found["reasons"][place].as_str().unwrap_or("none").to_owned();
    assert_eq!(reason("similarity.a|b.pearson"), "a correlation with a constant");
    // The volume is smaller than a Gaussian's window of 11 voxels.
    assert!(reason("similarity.a|b.ssim_gaussian_sigma1.5").contains("smaller than 11"));
    assert_eq!(found["single"]["gini_abs"]["a"], Value::Null);
    assert!(reason("single.gini_abs.a").contains("all amounts are zero"));
    near(&found["single"]["gini_abs"]["b"], 1.0 - INSIDE / ALL);
    assert_eq!(reason("single.pointing_game_abs.b"), "the truth is empty");
    assert!(found["warnings"][0].as_str().expect("text").ends_with("the mask is empty"));
    let (code, text, errors) = run(&args);
    assert_eq!(code, 0);
    assert!(text.contains("a and b, pearson: a correlation with a constant"), "{text}");
    assert!(text.contains("undefined") && !text.contains("NaN"), "{text}");
    assert!(errors.contains("the mask is empty"), "{errors}");
}

#[test]
fn other_grids_are_refused_with_both() {
    let files = Files::new();
    let a = files.map("a.nii", grid(), step(1.0, 0.0));
    let mut affine = *grid().affine();
    affine[0][3] += 1.5;
    let shifted = Grid::new(SHAPE, affine).expect("grid");
    let b = files.map("shifted.nii", shifted, step(1.0, 0.0));
    let (code, text, errors) = run(&[&a, &b]);
    assert_eq!((code, text.as_str()), (4, ""));
    assert!(errors.starts_with("error[E-IMAGE-024]"), "{errors}");
    assert!(errors.contains("-9.0") && errors.contains("-7.5"), "{errors}");
    let small = Grid::new([12, 10, 8], *grid().affine()).expect("grid");
    let labels = files.labels("small.nii", small, vec![1; 960]);
    let (code, _, errors) = run(&[&a, Path::new("--labels"), &labels]);
    assert_eq!(code, 4);
    assert!(errors.contains("[12, 10, 8]") && errors.contains("[12, 10, 9]"), "{errors}");
}
