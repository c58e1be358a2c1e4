//! `heatproof metrics`: numbers of maps that any program made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::columns::{columns, safe};
use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::Result;
use crate::audit::metrics::{Maps, Metrics, Row, measure};
use crate::image::nifti::{read_labels, read_mask, read_values};
use crate::image::{Grid, align};
use crate::progress::Progress;
use crate::report::number::short;
use crate::stats::Stat;
use crate::stats::region::Region;

/// Measure one or two maps, whoever made them; no model is needed
///
/// Likeness of A and B, how concentrated each map is, its sums over regions, and whether it
/// finds a truth. All files lie on one grid; their voxels may be stored in any order. Numbers
/// end in _abs where they are of |R|. What has no value says why: null in JSON, with the
/// reason under "reasons".
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof metrics lrp.nii.gz gradient.nii.gz \
    --mask brain.nii.gz --labels regions.nii.gz --json\n\n\
    JSON: similarity.\"a|b\".NAME, single.NAME.a, regions.a.LABEL.NAME, reasons.\"PLACE\", \
    shape, affine, voxels, voxel_mm3, truth_share, files, warnings")]
pub struct Args {
    /// Map to describe (NIfTI)
    a: PathBuf,
    /// Map to compare it with
    b: Option<PathBuf>,
    /// Voxels that count; all when not given
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Label map: a table of its regions, label 0 among them
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Mask of where relevance ought to lie
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Names of the maps in the output.
const NAMES: [&str; 2] = ["a", "b"];

/// Measures and prints.
///
/// # Errors
/// Those of the readers; `E-IMAGE-024` for a file on another grid than A.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let (maps, warnings) = read(args)?;
    let found = measure(&maps);
    if args.json {
        term::json(&as_json(args, &maps.grid, &found, &warnings))?;
    } else {
        warnings.iter().for_each(|w| terminal.say(&format!("note: {}", safe(w))));
        term::out(&words(args, &maps.grid, &found))?;
    }
    Ok(ExitCode::Success)
}

/// All files, in the order of the voxels of A, and what is to be said of them.
fn read(args: &Args) -> Result<(Maps, Vec<String>)> {
    let mut warnings = Vec::new();
    let mut note = |path: &Path, of: Vec<String>| {
        warnings.extend(of.into_iter().map(|w| format!("{}: {w}", path.display())));
    };
    let first = read_values(&args.a)?;
    note(&args.a, first.warnings);
    let grid = first.image.grid().clone();
    let mut maps =
        Maps { a: first.image.into_data(), b: None, mask: None, labels: None, truth: None, grid };
    if let Some(path) = &args.b {
        let read = read_values(path)?;
        note(path, read.warnings);
        maps.b = Some(align::aligned_volume(&read.image, &maps.grid, path)?.into_data());
    }
    for (path, slot) in [(&args.mask, &mut maps.mask), (&args.truth, &mut maps.truth)] {
        let Some(path) = path else { continue };
        let read = read_mask(path)?;
        note(path, read.warnings);
        *slot = Some(align::aligned_mask(&read.image, &maps.grid, path)?.into_data());
    }
    if let Some(path) = &args.labels {
        let read = read_labels(path)?;
        note(path, read.warnings);
        maps.labels = Some(align::aligned_labels(&read.image, &maps.grid, path)?.into_data());
    }
    Ok((maps, warnings))
}

/// The numbers of a region: those with the names of `metrics.json`, then volume and density.
fn row_of(region: &Region, voxel_mm3: f64) -> Row {
    let ml = region.voxels as f64 * voxel_mm3 / 1000.0;
    vec![
        ("voxels", Ok(region.voxels as f64)),
        ("sum", Ok(region.sum)),
        ("mean", Ok(region.mean)),
        ("positive_sum", Ok(region.positive_sum)),
        ("negative_sum", Ok(region.negative_sum)),
        ("abs_share", region.abs_share.clone()),
        ("max", Ok(region.max)),
        ("std_population", Ok(region.std_population)),
        ("volume_ml", Ok(ml)),
        ("density_per_ml", Ok(region.sum / ml)),
    ]
}

/// Numbers as JSON; what is undefined is null and its reason goes to `reasons` by place.
fn object(place: &str, row: &Row, reasons: &mut Map<String, Value>) -> Value {
    let one = |(name, stat): &(&str, Stat)| {
        let value = match stat {
            Ok(v) if *name == "voxels" => json!(*v as u64),
            Ok(v) => json!(v),
            Err(why) => {
                reasons.insert(format!("{place}.{name}"), json!(why.0));
                Value::Null
            }
        };
        ((*name).to_owned(), value)
    };
    Value::Object(row.iter().map(one).collect())
}

fn as_json(args: &Args, grid: &Grid, found: &Metrics, warnings: &[String]) -> Value {
    let (mut reasons, mut single, mut regions) = (Map::new(), Map::new(), Map::new());
    let similarity = found.similarity.as_ref().map_or_else(
        || json!({}),
        |row| json!({ "a|b": object("similarity.a|b", row, &mut reasons) }),
    );
    for (n, (name, row)) in NAMES.into_iter().zip(&found.single).enumerate() {
        for (metric, stat) in row {
            // One entry a metric, as in metrics.json: the place ends in the map's name.
            let place = format!("single.{metric}");
            let value = object(&place, &vec![(name, stat.clone())], &mut reasons);
            let entry = single.entry(*metric).or_insert_with(|| json!({}));
            entry[name] = value[name].clone();
        }
        let mut table = Map::new();
        match found.regions.get(n) {
            None => continue,
            Some(Err(why)) => _ = reasons.insert(format!("regions.{name}"), json!(why.0)),
            Some(Ok(by_label)) => {
                for (label, region) in by_label {
                    let row = row_of(region, grid.voxel_mm3());
                    let place = format!("regions.{name}.{label}");
                    table.insert(label.to_string(), object(&place, &row, &mut reasons));
                }
            }
        }
        regions.insert(name.to_owned(), Value::Object(table));
    }
    let file = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
    json!({
        "shape": grid.shape(),
        "affine": grid.affine(),
        "voxels": found.voxels,
        "voxel_mm3": grid.voxel_mm3(),
        "truth_share": found.truth_share,
        "files": {
            "a": args.a.display().to_string(),
            "b": file(&args.b),
            "mask": file(&args.mask),
            "labels": file(&args.labels),
            "truth": file(&args.truth),
        },
        "similarity": similarity,
        "single": single,
        "regions": regions,
        "reasons": reasons,
        "warnings": warnings,
    })
}

/// The number, or a word for none, whose reason goes below the tables.
fn cell(place: &str, stat: &Stat, reasons: &mut Vec<String>) -> String {
    stat.as_ref().map_or_else(
        |why| {
            reasons.push(format!("{place}: {}\n", why.0));
            "undefined".to_owned()
        },
        |v| short(*v),
    )
}

/// Rows of a table, each under a name, one column a map.
fn table(rows: Vec<(String, Vec<&Stat>)>, maps: &[&str], reasons: &mut Vec<String>) -> String {
    let mut text: Vec<Vec<String>> = Vec::new();
    text.push(std::iter::once("").chain(maps.iter().copied()).map(str::to_owned).collect());
    for (name, stats) in rows {
        let mut line = vec![name.clone()];
        for (map, stat) in maps.iter().zip(stats) {
            line.push(cell(&format!("{map}, {name}"), stat, reasons));
        }
        text.push(line);
    }
    columns(&text)
}

/// The regions of one map, a row a label.
fn region_table(
    map: &str,
    by_label: &BTreeMap<i32, Region>,
    voxel_mm3: f64,
    reasons: &mut Vec<String>,
) -> String {
    let mut text: Vec<Vec<String>> = Vec::new();
    for (label, region) in by_label {
        let row = row_of(region, voxel_mm3);
        if text.is_empty() {
            let names = std::iter::once("label").chain(row.iter().map(|(name, _)| *name));
            text.push(names.map(str::to_owned).collect());
        }
        let mut line = vec![label.to_string()];
        for (name, stat) in &row {
            line.push(cell(&format!("{map}, region {label}, {name}"), stat, reasons));
        }
        text.push(line);
    }
    columns(&text)
}

fn words(args: &Args, grid: &Grid, found: &Metrics) -> String {
    let mut reasons = Vec::new();
    let extents = grid.shape().map(|n| n.to_string()).join(" x ");
    let mut text = format!("{} of {} voxels ({extents})\n", found.voxels, grid.len());
    for (name, path) in NAMES.iter().zip(std::iter::once(&args.a).chain(&args.b)) {
        text.push_str(&format!("{name}: {}\n", safe(&path.display().to_string())));
    }
    if let Some(row) = &found.similarity {
        let rows = row.iter().map(|(name, stat)| ((*name).to_owned(), vec![stat])).collect();
        text.push_str(&format!("\n{}", table(rows, &["a and b"], &mut reasons)));
    }
    let metric = |n: usize| {
        let stats = found.single.iter().map(|row| &row[n].1).collect();
        (found.single[0][n].0.to_owned(), stats)
    };
    let rows = (0..found.single[0].len()).map(metric).collect();
    text.push_str(&format!("\n{}", table(rows, &NAMES[..found.single.len()], &mut reasons)));
    if let Some(share) = found.truth_share {
        text.push_str(&format!(
            "chance gives {} for mass, rank, top 100 and localisation, 0.5 for the AUC\n",
            short(share)
        ));
    }
    for (name, regions) in NAMES.iter().zip(&found.regions) {
        match regions {
            Err(why) => reasons.push(format!("{name}, regions: {}\n", why.0)),
            Ok(by_label) => {
                let rows = region_table(name, by_label, grid.voxel_mm3(), &mut reasons);
                text.push_str(&format!("\nRegions of {name}\n{rows}"));
            }
        }
    }
    if !reasons.is_empty() {
        text.push_str(&format!("\nUndefined\n{}", reasons.concat()));
    }
    text
}
