//! `heatproof judge`: a record judged by another policy.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::exit::ExitCode;
use super::{check_cards, term};
use crate::audit::judge::{judge, word};
use crate::audit::policy::Policy;
use crate::report::dossier;
use crate::{Error, Result, files};

/// Largest policy that is read.
const LARGEST: u64 = 1 << 20;

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

fn read_policy(path: &Path) -> Result<Policy> {
    let bytes = files::read_limited(path, LARGEST)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let what = format!("{} is not text in UTF-8", path.display());
        Error::usage("E-POLICY-001", what, "Give a policy in TOML")
    })?;
    Policy::from_toml(&text, &path.display().to_string())
}

/// The day in UTC; none when the clock stands before 1970.
fn today() -> Option<String> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(date(seconds / 86_400))
}

/// The Gregorian date of a day counted from 1970-01-01.
fn date(days: u64) -> String {
    // Years are counted from 1 March, so that the leap day comes last.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let part = (5 * day + 2) / 153;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{:02}", day - (153 * part + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_have_their_dates() {
        let cases = [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ];
        for (days, want) in cases {
            assert_eq!(date(days), want);
        }
    }
}
