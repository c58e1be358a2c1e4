//! `heatproof judge`: a record judged by another policy.

use std::path::{Path, PathBuf};

use super::clock::today;
use super::exit::ExitCode;
use super::{check_cards, term};
use crate::audit::judge::{judge, word};
use crate::audit::policy::Policy;
use crate::report::dossier;
use crate::{Result, files};

/// Judge the findings of an audit folder by a policy, without measuring again
///
/// Policy, judgements, verdict, figures and page are replaced; findings stay. The exit
/// code says the verdict: 0, 1 (a gate failed) or 7 (inconclusive).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof judge audit --policy limits.toml")]
pub struct Args {
    /// Folder of an audit
    out: PathBuf,
    /// Policy with limits and waivers (TOML)
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Day for which waivers are read; the system's (UTC) when not given
    #[arg(long, value_name = "YYYY-MM-DD")]
    today: Option<String>,
}

/// Judges and writes the folder.
///
/// # Errors
/// Those of the record, the policy, [`judge`] and [`dossier::write`].
pub fn run(args: &Args) -> Result<ExitCode> {
    let policy = read_policy(&args.policy)?;
    let mut record = dossier::read(&args.out)?;
    let today = args.today.clone().or_else(today);
    let (judgements, verdict, summary) =
        judge(&policy, &record.findings, check_cards(), today.as_deref())?;
    let mut text = format!("{} by policy {}\n", word(verdict), policy.name);
    summary.iter().for_each(|sentence| text.push_str(&format!("{sentence}\n")));
    record.policy = policy;
    record.judgements = judgements;
    record.verdict = verdict;
    record.summary = summary;
    dossier::write(&record, check_cards(), &args.out)?;
    term::out(&text)?;
    Ok(verdict.into())
}

/// A policy file.
///
/// # Errors
/// Those of [`files::read_toml`] and [`Policy::from_toml`].
pub(super) fn read_policy(path: &Path) -> Result<Policy> {
    Policy::from_toml(&files::read_toml(path)?, &path.display().to_string())
}
