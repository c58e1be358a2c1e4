//! `heatproof doctor`: whether the kernels are right on this machine, and how fast it is.

mod card;
mod machine;
mod trial;

use serde::Serialize;

use self::machine::Machine;
use self::trial::Trial;
use super::exit::ExitCode;
use super::term::{self, Terminal};
use crate::Result;
use crate::compute::card_rates::{self, CardRate};
use crate::compute::conformance::{self, LIMIT, Repetition, Row};
use crate::compute::device;
use crate::compute::facts::Facts;
use crate::compute::rates::{self, ConvRate, Peak};
use crate::progress::Progress;

/// Check every kernel on this machine against slow arithmetic in f64, and measure its speed
///
/// Each kernel runs on small arrays whose extents, strides, paddings and groups reach its
/// corners. "off by" is the largest difference to the reference over the largest reference;
/// the adjoint law says that a layer and its way back belong together. Rates are of one core,
/// the best of several runs. With `--device cuda` all of it is done on the card, and a short
/// training and its maps are held to the processors'.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof doctor\n  heatproof doctor --json > doctor.json\n\n\
    Exit code 0 when every kernel is right, 70 when one is not: then results of this program\n\
    on this machine are not to be trusted. Send the output of --json with a report.")]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Leave out how fast the machine is
    #[arg(long)]
    no_rates: bool,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Findings {
    version: &'static str,
    machine: Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<Facts>,
    limit: f64,
    conforms: bool,
    kernels: Vec<Row>,
    repetitions: Vec<Repetition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rates: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_rates: Option<Vec<CardRate>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<Trial>,
}

/// Speed of one core.
#[derive(Debug, Serialize)]
struct Rates {
    multiply_add_peaks: Vec<Peak>,
    copy_gb_per_s: f64,
    convolutions: Vec<ConvRate>,
}

impl Rates {
    fn measure() -> Result<Self> {
        Ok(Self {
            multiply_add_peaks: rates::fma_peaks(),
            copy_gb_per_s: rates::copy_bandwidth(),
            convolutions: rates::convolutions()?,
        })
    }

    /// The most this processor can do, whatever the kernels use.
    fn peak(&self) -> f64 {
        self.multiply_add_peaks.iter().map(|p| p.gflops).fold(f64::MIN_POSITIVE, f64::max)
    }
}

/// Checks, measures and prints.
///
/// # Errors
/// Those of the kernels.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let card = device::facts()?;
    terminal.say("checking the kernels");
    let (kernels, repetitions) = (conformance::table()?, conformance::repetitions()?);
    let trial = card.is_some().then(Trial::run).transpose()?;
    let (mut rates, mut card_rates) = (None, None);
    if !args.no_rates {
        terminal.say("measuring the machine; other work on it makes the numbers smaller");
        match &card {
            Some(card) => card_rates = Some(card_rates::rates(card)?),
            None => rates = Some(Rates::measure()?),
        }
    }
    let conforms = kernels.iter().all(Row::conforms)
        && repetitions.iter().all(|r| r.same_bytes)
        && trial.as_ref().is_none_or(Trial::conforms);
    let version = env!("CARGO_PKG_VERSION");
    let machine = Machine::look();
    let limit = LIMIT;
    let found = Findings {
        version,
        machine,
        card,
        limit,
        conforms,
        kernels,
        repetitions,
        rates,
        card_rates,
        trial,
    };
    if args.json {
        term::json(&found)?;
    } else {
        term::out(&words(&found))?;
    }
    Ok(if conforms { ExitCode::Success } else { ExitCode::Internal })
}

fn words(found: &Findings) -> String {
    let mut text = found.machine.words();
    text.push_str(&found.card.as_ref().map(card::facts).unwrap_or_default());
    text.push_str(&format!(
        "\n{:<14} {:>8} {:>9} {:>9} {:>9}      (off by; at most {LIMIT:.0e})\n",
        "kernel", "output", "by input", "by weight", "adjoint"
    ));
    let number = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{v:.1e}"));
    for row in &found.kernels {
        let numbers =
            [Some(row.forward), Some(row.grad_input), row.grad_weight, row.adjoint].map(number);
        let [y, dx, dw, adjoint] = numbers;
        let fault = if row.conforms() { "" } else { "  WRONG" };
        let limit = match row.limit {
            LIMIT => String::new(),
            limit => format!("; at most {limit:.1e}"),
        };
        let (op, case) = (row.op, &row.case);
        text.push_str(&format!(
            "{op:<14} {y:>8} {dx:>9} {dw:>9} {adjoint:>9}  {case}{limit}{fault}\n"
        ));
    }
    text.push_str("\nthree runs on one thread and one on two\n");
    for r in &found.repetitions {
        let what = if r.same_bytes { "same bytes" } else { "DIFFERENT" };
        text.push_str(&format!("{:<24} {what}  {}\n", r.op, r.case));
    }
    text.push_str(&found.trial.as_ref().map(Trial::words).unwrap_or_default());
    if let Some(rates) = &found.rates {
        text.push_str(&speed(rates));
    }
    if let Some(rates) = &found.card_rates {
        text.push_str(&card::rates(rates));
    }
    let right = found.kernels.iter().filter(|row| row.conforms()).count()
        + found.repetitions.iter().filter(|r| r.same_bytes).count();
    let all = found.kernels.len() + found.repetitions.len();
    let verdict = if found.conforms { "all kernels are right" } else { "NOT all are right" };
    text + &format!("\n{right} of {all} rows: {verdict}\n")
}

fn speed(rates: &Rates) -> String {
    let mut text = "\nspeed of one core\n".to_owned();
    for peak in &rates.multiply_add_peaks {
        let (name, gflops) = (peak.instruction_set, peak.gflops);
        text.push_str(&format!("multiply-adds, {name:<12} {gflops:>7.1} GF/s\n"));
    }
    let copy = rates.copy_gb_per_s;
    text.push_str(&format!("{:<27} {copy:>7.1} GB/s read and written\n", "copy of memory"));
    text.push_str("\nconvolution 3³                GF/s   of the highest peak\n");
    for rate in &rates.convolutions {
        let [cin, cout, side] = rate.shape;
        let what = format!("{:<11} {cin} to {cout}, {side}³", rate.pass);
        let share = 100.0 * rate.gflops / rates.peak();
        text.push_str(&format!("{what:<27} {:>7.1} {share:>6.0} %\n", rate.gflops));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_kernel_is_shown() {
        let row = |forward| Row {
            op: "conv3d",
            case: "a case".into(),
            forward,
            grad_input: 1e-7,
            grad_weight: None,
            adjoint: Some(1e-8),
            limit: LIMIT,
        };
        let repetition = Repetition { op: "conv3d".into(), case: "b".into(), same_bytes: false };
        let found = Findings {
            version: "0",
            machine: Machine::look(),
            limit: LIMIT,
            conforms: false,
            kernels: vec![row(1e-7), row(0.5)],
            repetitions: vec![repetition],
            rates: None,
            card: None,
            card_rates: None,
            trial: None,
        };
        let text = words(&found);
        assert!(text.contains("5.0e-1") && text.matches("WRONG").count() == 1, "{text}");
        assert!(text.contains("DIFFERENT") && text.contains("1 of 3 rows: NOT"), "{text}");
    }
}
