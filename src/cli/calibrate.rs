//! `heatproof calibrate`: the program's statistics shown to hold, by simulation.

use std::path::PathBuf;

use super::exit::ExitCode;
use super::term;
use crate::files::write_whole;
use crate::progress::Progress;
use crate::provenance::Provenance;
use crate::report::{png, proof as picture};
use crate::seed::Seed;
use crate::stats::proof::{BAND, Coverage, Proof, prove};
use crate::{Error, Result};

/// From so many subjects on the intervals that audits use must hold.
const FROM: usize = 8;

/// Show by simulation that p-values, corrections and intervals of an audit keep their word
///
/// Writes OUT/calibration.json and OUT/calibration.png and prints a table in Markdown. Takes a
/// few minutes. Exit code 1 when a test, a correction, or an interval that audits use at 8
/// subjects or more does not hold by more than two standard errors of the simulation.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof calibrate out")]
pub struct Args {
    /// Folder to write
    out: PathBuf,
    /// Simulations of each test; error rates and coverages get twice as many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    simulations: usize,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Simulates, writes, prints.
///
/// # Errors
/// Those of [`prove`]; [`Error::Io`].
pub fn run(args: &Args, progress: &dyn Progress) -> Result<ExitCode> {
    let proof = prove(Seed(args.seed), args.simulations, progress)?;
    let mut provenance = Provenance::new(args.seed);
    provenance.engine = "cpu f64".to_owned();
    provenance.settings = vec![
        ("command".to_owned(), "calibrate".to_owned()),
        ("simulations".to_owned(), args.simulations.to_string()),
    ];
    let written = serde_json::json!({ "provenance": provenance, "proof": proof });
    let text = serde_json::to_string_pretty(&written)
        .map_err(|e| Error::internal(format!("writing JSON: {e}")))?;
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io("making", &args.out, e))?;
    write_whole(&args.out.join("calibration.json"), (text + "\n").as_bytes())?;
    let image = png::draw(&picture::scene(&proof), &provenance)?;
    write_whole(&args.out.join("calibration.png"), &image)?;
    term::out(&tables(&proof))?;
    Ok(if proof.holds(FROM) { ExitCode::Success } else { ExitCode::Failed })
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn head(cells: &[&str]) -> String {
    row(cells) + &row(&vec!["---"; cells.len()])
}

fn yes(holds: bool) -> &'static str {
    if holds { "yes" } else { "**no**" }
}

/// To three digits behind the point.
fn rounded(v: f64) -> String {
    format!("{v:.3}")
}

/// What was shown, as tables in Markdown.
fn tables(proof: &Proof) -> String {
    let mut text =
        head(&["test", "data under the hypothesis", "D", "p", "at most 0.05", "uniform"]);
    for t in &proof.tests {
        let numbers = [t.distance, t.p, t.rejected].map(rounded);
        let [d, p, rejected] = numbers.each_ref().map(String::as_str);
        text += &row(&[&t.test, &t.data, d, p, rejected, yes(t.holds)]);
    }
    text += "\n";
    text += &head(&["error rate", "data", "rate", "standard error", "at most", "holds"]);
    for r in &proof.rates {
        let numbers = [r.value, r.error, r.most].map(rounded);
        let [value, error, most] = numbers.each_ref().map(String::as_str);
        text += &row(&[&r.rate, &r.data, value, error, most, yes(r.holds)]);
    }
    text += "\n";
    let mut sizes: Vec<usize> = proof.coverage.iter().map(|c| c.n).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let numbers: Vec<String> = sizes.iter().map(usize::to_string).collect();
    let names = ["interval of", "made by", "data"].into_iter();
    text += &head(&names.chain(numbers.iter().map(String::as_str)).collect::<Vec<_>>());
    let mut seen: Vec<[&str; 3]> = Vec::new();
    for c in &proof.coverage {
        let key: [&str; 3] = [&c.statistic, &c.interval, &c.data];
        if !seen.contains(&key) {
            seen.push(key);
        }
    }
    seen.sort_unstable();
    for key in seen {
        let of = |n: &usize| {
            let same =
                |c: &&Coverage| [c.statistic.as_str(), &c.interval, &c.data] == key && c.n == *n;
            proof.coverage.iter().find(same).map_or_else(String::new, |c| {
                let asked = (BAND[0]..=BAND[1]).contains(&c.coverage) && c.defined == 1.0;
                let bold = if asked { "" } else { "**" };
                let some = if c.defined < 1.0 {
                    format!(" of {}", rounded(c.defined))
                } else {
                    String::new()
                };
                format!("{bold}{}{bold}{some}", rounded(c.coverage))
            })
        };
        let used = proof.coverage.iter().any(|c| c.used && c.interval == key[1]);
        let made = if used { format!("{} (used)", key[1]) } else { key[1].to_owned() };
        let numbers: Vec<String> = sizes.iter().map(of).collect();
        let first = [key[0], made.as_str(), key[2]].into_iter();
        text += &row(&first.chain(numbers.iter().map(String::as_str)).collect::<Vec<_>>());
    }
    text
}
