//! The command line: parses, runs one command, sets the exit code. Only [`term`] prints.

mod apart;
pub mod audit;
pub mod baseline;
pub mod calibrate;
mod clock;
mod columns;
pub mod demo;
mod device;
pub mod doctor;
pub mod exit;
pub mod explain;
pub mod inspect;
pub mod judge;
pub mod list;
pub mod metrics;
mod network;
pub mod phantom;
pub mod predict;
pub mod report;
mod selftest;
pub mod term;
pub mod train;

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use clap::{Parser, Subcommand};

use crate::audit::checks;
use crate::card::Card;
use crate::compute::device::Asked;
use crate::{Error, Result};
use exit::ExitCode;
use term::Terminal;

#[derive(Debug, Parser)]
#[command(
    version,
    about = "Audits explanations of 3D networks on MRI. Not a medical device.",
    after_help = exit_table(),
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// Threads to compute with; all cores when not given
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Where to compute: auto (a card if there is one), cpu, cuda or cuda:N; HEATPROOF_DEVICE says it
    /// where this does not, and else it is cpu
    #[arg(long, global = true, value_name = "DEVICE")]
    device: Option<Asked>,
    /// No progress on standard error; errors are still printed
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Phantom(phantom::Args),
    Train(train::Args),
    Predict(predict::Args),
    Explain(explain::Args),
    Audit(audit::Args),
    Metrics(metrics::Args),
    Demo(demo::Args),
    Inspect(inspect::Args),
    Doctor(doctor::Args),
    Selftest(selftest::Args),
    List(list::Args),
    Report(report::Args),
    Judge(judge::Args),
    Baseline(baseline::Args),
    Calibrate(calibrate::Args),
}

impl Command {
    /// Whether networks are worked with, and so a device.
    fn computes(&self) -> bool {
        match self {
            Self::Train(_) | Self::Predict(_) | Self::Explain(_) | Self::Audit(_) => true,
            Self::Demo(_) | Self::Doctor(_) | Self::Selftest(_) => true,
            Self::Phantom(_) | Self::Metrics(_) | Self::Inspect(_) | Self::List(_) => false,
            Self::Report(_) | Self::Judge(_) | Self::Baseline(_) | Self::Calibrate(_) => false,
        }
    }
}

/// Runs the command of this process.
pub fn main() -> std::process::ExitCode {
    match Cli::try_parse() {
        Ok(cli) => guarded(&cli).into(),
        Err(refusal) => {
            // A closed pipe is no reason to fail when help is printed.
            let _ = refusal.print();
            let code = if refusal.use_stderr() { ExitCode::Usage } else { ExitCode::Success };
            code.into()
        }
    }
}

/// A panic is a fault of ours and has its own exit code.
fn guarded(cli: &Cli) -> ExitCode {
    match catch_unwind(AssertUnwindSafe(|| run(cli))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            term::error(&error);
            ExitCode::from(&error)
        }
        Err(_) => {
            term::error(&Error::internal("the program stopped at the fault printed above"));
            ExitCode::Internal
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    term::watch_signals()?;
    if let Some(threads) = cli.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.get());
        pool.build_global().map_err(|e| {
            let what = format!("{threads} threads cannot be started: {e}");
            Error::usage("E-CLI-001", what, "Ask for fewer threads")
        })?;
    }
    let terminal = Terminal::new(cli.quiet);
    if cli.command.computes() {
        device::choose(cli.device, &terminal)?;
    }
    match &cli.command {
        Command::Phantom(args) => phantom::run(args, &terminal),
        Command::Train(args) => train::run(args, &terminal),
        Command::Predict(args) => predict::run(args, &terminal),
        Command::Explain(args) => explain::run(args, &terminal),
        Command::Audit(args) => audit::run(args, &terminal),
        Command::Metrics(args) => metrics::run(args, &terminal),
        Command::Demo(args) => demo::run(args, &terminal),
        Command::Inspect(args) => inspect::run(args),
        Command::Doctor(args) => doctor::run(args, &terminal),
        Command::Selftest(args) => selftest::run(args, &terminal),
        Command::List(args) => list::run(args),
        Command::Report(args) => report::run(args),
        Command::Judge(args) => judge::run(args),
        Command::Baseline(args) => baseline::run(args),
        Command::Calibrate(args) => calibrate::run(args, &terminal),
    }
}

/// Cards of the checks, for pages and policies.
fn check_cards() -> &'static [&'static Card] {
    static CARDS: LazyLock<Vec<&'static Card>> =
        LazyLock::new(|| checks::all().iter().map(|check| check.card()).collect());
    &CARDS
}

fn exit_table() -> String {
    let rows = ExitCode::TABLE.iter().map(|(code, meaning)| format!("\n  {code:>3}  {meaning}"));
    format!("Exit codes:{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
