//! The audit audited: defects are planted, and each must be caught by the check meant for it;
//! sound cases must pass all checks.
//!
//! Everything runs on small phantoms whose networks are trained here, through the same code as a
//! user's audit. A trial is one entry of [`TRIALS`].

pub mod faulty;
mod plants;
mod trials;
mod worlds;

use std::path::Path;

use serde::{Deserialize, Serialize};

use self::worlds::Worlds;
use super::bench::Bench;
use super::checks::{self, Check};
use super::finding::Finding;
use super::gather::{Gathered, Request, gather};
use super::judge::judge;
use super::policy::{Judgement, Policy, Verdict};
use crate::card::Card;
use crate::cohort::Cohort;
use crate::progress::{Progress, Silent, check_stop};
use crate::{Error, Result};

pub use self::trials::TRIALS;
pub use self::worlds::World;

/// Re-initialised networks of a trial.
const DRAWS: usize = 39;
/// Subjects audited in a trial.
const AUDITED: usize = 12;

/// What a trial plants.
#[derive(Clone, Copy)]
pub enum Plant {
    /// Nothing: a sound case.
    Nothing,
    /// Something in what is asked for or in the data.
    Data(fn(&mut Request, &mut Cohort)),
    /// Something in the network, the images, the regions or the truth.
    Gathered(fn(&mut Gathered) -> Result<()>),
    /// Something in the maps or in what makes them.
    Bench(fn(&mut Bench<'_>) -> Result<()>),
    /// Something in files of maps, below the folder given.
    Files(fn(&Path) -> Result<()>),
}

/// What must catch a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caught {
    /// Nothing: all checks must pass.
    Sound,
    /// This quantity of this check, judged by the built-in policy.
    By(&'static str, &'static str),
    /// The reader, which must refuse with this code.
    Refused(&'static str),
}

/// One trial.
#[derive(Clone, Copy)]
pub struct Trial {
    /// snake_case id.
    pub id: &'static str,
    /// What was planted, in plain words.
    pub title: &'static str,
    /// The phantoms and the network.
    pub world: World,
    /// The defect.
    pub plant: Plant,
    /// What must catch it.
    pub caught: Caught,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Id of the trial.
    pub trial: String,
    /// What was planted.
    pub planted: String,
    /// What must catch it: `check/quantity`, a code, or `all checks pass`.
    pub meant: String,
    /// What was seen: the verdict and its reason, the refusal, or how many numbers passed.
    pub seen: String,
    /// True when it was caught, or passed where it is sound.
    pub ok: bool,
}

/// Runs all trials in a folder that may be written to. Trainings are shared by trials.
///
/// # Errors
/// Those of making phantoms, training and auditing; [`Error::Interrupted`].
pub fn run(folder: &Path, progress: &dyn Progress) -> Result<Vec<Row>> {
    let mut worlds = Worlds::new(folder);
    let policy = Policy::default_policy()?;
    progress.begin("self-test", TRIALS.len() as u64);
    let mut rows = Vec::with_capacity(TRIALS.len());
    for trial in TRIALS {
        check_stop()?;
        rows.push(one(trial, &mut worlds, &policy)?);
        progress.advance(1, trial.title);
    }
    progress.end();
    Ok(rows)
}

fn one(trial: &Trial, worlds: &mut Worlds, policy: &Policy) -> Result<Row> {
    let row = |meant: String, seen: String, ok: bool| Row {
        trial: trial.id.to_owned(),
        planted: trial.title.to_owned(),
        meant,
        seen,
        ok,
    };
    match trial.caught {
        Caught::Refused(code) => {
            let (seen, ok) = match findings(trial, worlds, &[]) {
                Err(stop @ Error::Interrupted { .. }) => return Err(stop),
                Err(error) => (format!("refused with {}", error.code()), error.code() == code),
                Ok(_) => ("not refused".to_owned(), false),
            };
            Ok(row(code.to_owned(), seen, ok))
        }
        Caught::By(check, quantity) => {
            let own: Vec<&dyn Check> =
                checks::all().into_iter().filter(|c| c.card().id == check).collect();
            let found = findings(trial, worlds, &own)?;
            let judged = judged(policy, &found)?;
            let worst = judged
                .iter()
                .filter(|j| j.check == check && j.quantity == quantity)
                .max_by_key(|j| j.verdict);
            let meant = format!("{check}/{quantity}");
            let Some(j) = worst else { return Ok(row(meant, "not measured".to_owned(), false)) };
            let seen = format!("{}: {}", super::judge::word(j.verdict), j.because);
            Ok(row(meant, seen, j.verdict >= Verdict::Warn))
        }
        Caught::Sound => {
            let found = findings(trial, worlds, &checks::all())?;
            let judged = judged(policy, &found)?;
            let wrong = judged.iter().find(|j| j.verdict >= Verdict::Inconclusive);
            let passed = judged.iter().filter(|j| j.verdict == Verdict::Pass).count();
            let seen = match wrong {
                Some(j) => format!("{}/{} of {}: {}", j.check, j.quantity, j.subject, j.because),
                None => format!("{passed} numbers within their limits, none outside"),
            };
            Ok(row("all checks pass".to_owned(), seen, wrong.is_none()))
        }
    }
}

/// What checks find after the defect was planted.
fn findings(trial: &Trial, worlds: &mut Worlds, checks: &[&dyn Check]) -> Result<Vec<Finding>> {
    let (audited, mut cohort) = worlds.audited(trial.world)?;
    let arms = if trial.caught == Caught::Sound { "default" } else { "none" };
    let mut request =
        Request { subjects: AUDITED, draws: DRAWS, arms: arms.to_owned(), ..Request::default() };
    match trial.plant {
        Plant::Data(plant) => plant(&mut request, &mut cohort),
        Plant::Files(plant) => {
            let maps = worlds.maps(trial.world)?;
            plant(&maps)?;
            request.maps = Some(maps);
        }
        _ => {}
    }
    let mut gathered = gather(Some(audited), &cohort, &request, &Silent)?;
    if let Plant::Gathered(plant) = trial.plant {
        plant(&mut gathered)?;
    }
    let mut bench = gathered.bench()?;
    if let Plant::Bench(plant) = trial.plant {
        plant(&mut bench)?;
    }
    let mut found = Vec::new();
    for check in checks.iter().filter(|c| bench.lacks(c.needs()).is_none()) {
        check_stop()?;
        found.extend(check.measure(&bench)?);
    }
    Ok(found)
}

/// Judgements of what was found; of a limit without a finding only where its check was made.
fn judged(policy: &Policy, found: &[Finding]) -> Result<Vec<Judgement>> {
    let cards: Vec<&'static Card> = checks::all().iter().map(|c| c.card()).collect();
    let (judgements, ..) = judge(policy, found, &cards, None)?;
    let made = |j: &Judgement| found.iter().any(|f| f.check == j.check);
    Ok(judgements.into_iter().filter(made).collect())
}
