//! `heatproof audit`: the explanations of a model measured, judged and reported.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::exit::ExitCode;
use super::term::{self, Terminal};
use super::{check_cards, clock, judge, network};
use crate::audit::audited::Audited;
use crate::audit::checks;
use crate::audit::describe::{explanation_card, model_card};
use crate::audit::gather::{Request, gather};
use crate::audit::judge::word;
use crate::audit::policy::{Policy, Verdict};
use crate::audit::publish::write_maps;
use crate::audit::run::{Frame, run as measure};
use crate::cohort::Cohort;
use crate::progress::Progress;
use crate::provenance::{Provenance, Volatile};
use crate::report::dossier;
use crate::train::models::Models;
use crate::{Error, Result, files};

/// Audit the explanations of a model on subjects it never saw
///
/// Explains held-out subjects (of a network that is no training of this program: subjects not
/// known to be held out), measures the maps, judges the findings by a policy and writes
/// report.html, report.json, figures and the maps. The exit code says the verdict: 0, 1 (a
/// gate failed) or 7 (inconclusive).
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof audit model cohort audit\n  \
    heatproof audit model scans.csv audit --fold 2 --policy limits.toml\n  \
    heatproof audit net.onnx scans.csv audit --condition group=preterm")]
pub struct Args {
    /// Folder of a training, or one fold-K folder of it; or an ONNX file or a PyTorch state dict
    /// with NAME.toml beside it, as for explain
    model: PathBuf,
    /// BIDS folder or table
    data: PathBuf,
    /// Folder to write
    out: PathBuf,
    /// Policy with limits and waivers (TOML); the built-in one when not given
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Which subjects are of the network's second class, for a file, which does not say it:
    /// column=value or column>=number (also !=, >, <, <=)
    #[arg(long, value_name = "CONDITION")]
    condition: Option<String>,
    /// Audit the network of this fold, on the subjects it held out
    #[arg(long, value_name = "K", default_value_t = 0)]
    fold: usize,
    /// Subjects audited at most, as many of each class as possible
    #[arg(long, value_name = "N", default_value_t = Request::default().subjects)]
    subjects: usize,
    /// Rule or composite; see `heatproof list rules`
    #[arg(long, value_name = "NAME", default_value = "epsilon_plus")]
    rule: String,
    /// What to explain: margin (log-odds of the two classes), or a class by name or number
    #[arg(long, value_name = "CLASS", default_value = "margin")]
    target: String,
    /// Re-initialised networks to compare with; 19 at least for p = 0.05
    #[arg(long, value_name = "K", default_value_t = Request::default().draws)]
    draws: usize,
    /// Methods to set beside the rule, with commas: see `heatproof list methods`; or default
    /// (nine of them, with few points and draws), all, none
    #[arg(long, value_name = "NAME[,NAME]", default_value = "default")]
    arms: String,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Audits and prints the verdict.
///
/// # Errors
/// Those of the readers, of measuring, judging and writing.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let policy = match &args.policy {
        Some(path) => judge::read_policy(path)?,
        None => Policy::default_policy()?,
    };
    let request = Request {
        rule: args.rule.clone(),
        target: args.target.clone(),
        subjects: args.subjects,
        draws: args.draws,
        arms: args.arms.clone(),
        seed: args.seed,
    };
    let mut files = Vec::new();
    let audited = if network::is_file(&args.model) {
        let audited = Audited::brought(&args.model, args.condition.as_deref())?;
        files.push(("network".to_owned(), files::sha256_file(&args.model)?));
        audited
    } else if args.condition.is_some() {
        let what = "--condition for a network that says itself what it tells apart";
        return Err(Error::usage("E-AUDIT-009", what, "Leave --condition out"));
    } else {
        Audited::trained(Models::load(&args.model)?, args.fold)?
    };
    audited.network.notes.iter().for_each(|note| terminal.say(&format!("note: {note}")));
    let cohort = Cohort::read(&args.data)?;
    let job = Job { audited, files, cohort, request, policy, command: "audit" };
    Ok(perform(job, &args.out, Vec::new(), terminal)?.into())
}

/// An audit to be done.
pub(super) struct Job {
    /// The network.
    pub audited: Audited,
    /// Files that are not of a training, with their SHA-256.
    pub files: Vec<(String, String)>,
    /// The data.
    pub cohort: Cohort,
    /// What to do.
    pub request: Request,
    /// How to judge.
    pub policy: Policy,
    /// The command, for the record.
    pub command: &'static str,
}

/// Gathers, measures, judges, writes, and prints the verdict and its reasons. `seconds` are
/// the stages before.
pub(super) fn perform(
    job: Job,
    out: &Path,
    mut seconds: Vec<(String, f64)>,
    terminal: &Terminal,
) -> Result<Verdict> {
    let (started, start) = (clock::now(), Instant::now());
    let Job { audited, files, cohort, request, policy, command } = job;
    let (fold, description) = (audited.fold(), audited.description_sha256()?);
    let gathered = gather(audited, &cohort, &request, terminal)?;
    let model = model_card(&gathered)?;
    let arms: Vec<&str> = gathered.arms.iter().map(|a| a.word.as_str()).collect();
    let mut provenance = Provenance::new(request.seed);
    let setting = |name: &str, value: String| (name.to_owned(), value);
    provenance.settings = vec![
        setting("command", command.to_owned()),
        setting("fold", fold.map_or("none".to_owned(), |f| f.to_string())),
        setting("rule", request.rule.clone()),
        setting("target", request.target.clone()),
        setting("subjects", request.subjects.to_string()),
        setting("draws", request.draws.to_string()),
        setting("arms", arms.join(",")),
    ];
    provenance.inputs = vec![setting("weights", model.sha256.clone())];
    provenance.inputs.extend(description.map(|sha256| setting("model.json", sha256)));
    provenance.inputs.extend(files);
    let bench = gathered.bench()?;
    let frame = Frame {
        title: format!("Audit of {} on {}", gathered.data.target, gathered.data.name),
        provenance,
        data: gathered.data.clone(),
        model,
        performance: Some(gathered.performance.clone()),
        explanation: explanation_card(&gathered)?,
        today: clock::today(),
        volatile: Volatile::default(),
    };
    let mut record = measure(&bench, &checks::all(), &policy, frame, terminal)?;
    write_maps(&gathered, &bench, &mut record, out, terminal)?;
    seconds.append(&mut record.volatile.seconds);
    seconds.push(("audit".to_owned(), start.elapsed().as_secs_f64()));
    record.volatile = Volatile {
        started,
        seconds,
        threads: rayon::current_num_threads(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    };
    dossier::write(&record, check_cards(), out)?;
    let mut text = format!("{} by policy {}\n", word(record.verdict), policy.name);
    record.summary.iter().for_each(|sentence| text.push_str(&format!("{sentence}\n")));
    text.push_str(&format!("{}\n", out.join("report.html").display()));
    term::out(&text)?;
    Ok(record.verdict)
}
