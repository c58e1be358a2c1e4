//! `heatproof audit`: the explanations of a model measured, judged and reported.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::apart::outside_model;
use super::exit::ExitCode;
use super::term::{self, Terminal};
use super::{check_cards, clock, judge, network};
use crate::audit::audited::Audited;
use crate::audit::checks;
use crate::audit::describe::{explanation_card, model_card};
use crate::audit::gather::{Maker, Request, gather};
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
#[command(
    override_usage = "heatproof audit [OPTIONS] MODEL DATA OUT\n       heatproof audit [OPTIONS] --maps FOLDER [--model MODEL] DATA OUT"
)]
#[command(after_help = "Example:\n  heatproof audit model cohort audit\n  \
    heatproof audit model scans.csv audit --fold 2 --policy limits.toml\n  \
    heatproof audit net.onnx scans.csv audit --condition group=preterm\n  \
    heatproof audit --maps heatmaps scans.csv audit --condition group=preterm\n  \
    heatproof audit --maps heatmaps --model net.onnx scans.csv audit --condition group=preterm")]
pub struct Args {
    /// MODEL: folder of a training, or one fold-K folder of it; or an ONNX file or a PyTorch state
    /// dict with NAME.toml beside it, as for explain; left out with --maps. DATA: BIDS folder or
    /// table. OUT: folder to write
    #[arg(num_args = 2..=3, required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Audit these maps instead of making any: a folder with a NIfTI file ID.nii.gz or
    /// ID_anything.nii.gz per subject, on the grid of its image, made by any program
    #[arg(long, value_name = "FOLDER")]
    maps: Option<PathBuf>,
    /// With --maps: the network that they explain, to test whether it depends on what they show
    #[arg(long, value_name = "MODEL", requires = "maps")]
    model: Option<PathBuf>,
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
    #[arg(long, value_name = "NAME", default_value = "epsilon_plus", conflicts_with = "maps")]
    rule: String,
    /// What to explain: margin (log-odds of the two classes), or a class by name or number
    #[arg(long, value_name = "CLASS", default_value = "margin")]
    target: String,
    /// Re-initialised networks to compare with; 19 at least for p = 0.05
    #[arg(long, value_name = "K", default_value_t = Request::default().draws)]
    draws: usize,
    /// Networks to fit as this one on classes dealt anew, and to compare with (needs the data
    /// of the training, and its time for each); 19 at least for p = 0.05
    #[arg(long, value_name = "K", default_value_t = Request::default().label_draws)]
    label_draws: usize,
    /// Methods to set beside the rule, with commas: see `heatproof list methods`; or default
    /// (nine of them, with few points and draws), all, none
    #[arg(long, value_name = "NAME[,NAME]", default_value = "default")]
    arms: String,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// The model, unless maps are audited, the data, and the folder to write.
    fn paths(&self) -> Result<(Option<&Path>, &Path, &Path)> {
        match (self.paths.as_slice(), &self.maps) {
            ([model, data, out], None) => Ok((Some(model), data, out)),
            ([data, out], Some(_)) => Ok((None, data, out)),
            (paths, maps) => {
                let (with, fix) = match maps {
                    Some(_) => ("with", "Give DATA and OUT; name the network by --model"),
                    None => ("without", "Give MODEL, DATA and OUT"),
                };
                let what = format!("{} paths {with} --maps", paths.len());
                Err(Error::usage("E-AUDIT-010", what, fix))
            }
        }
    }
}

/// Audits and prints the verdict.
///
/// # Errors
/// `E-CLI-013` for an OUT in the model's folder; those of the readers, of measuring, judging and
/// writing.
pub fn run(args: &Args, terminal: &Terminal) -> Result<ExitCode> {
    let policy = match &args.policy {
        Some(path) => judge::read_policy(path)?,
        None => Policy::default_policy()?,
    };
    let request = Request {
        maps: args.maps.clone(),
        condition: args.condition.clone(),
        rule: args.rule.clone(),
        target: args.target.clone(),
        subjects: args.subjects,
        draws: args.draws,
        label_draws: args.label_draws,
        arms: args.arms.clone(),
        seed: args.seed,
    };
    let mut files = Vec::new();
    let (model, data, out) = args.paths()?;
    let audited = match model.or(args.model.as_deref()) {
        Some(path) => {
            outside_model(path, "OUT", out)?;
            Some(network_of(path, args, &mut files)?)
        }
        None => None,
    };
    if let Some(audited) = &audited {
        audited.network.notes.iter().for_each(|note| terminal.say(&format!("note: {note}")));
    }
    let cohort = Cohort::read(data)?;
    let job = Job { audited, files, cohort, request, policy, command: "audit" };
    Ok(perform(job, out, Vec::new(), terminal)?.into())
}

/// The network of a file or of a training.
fn network_of(path: &Path, args: &Args, files: &mut Vec<(String, String)>) -> Result<Audited> {
    if network::is_file(path) {
        let audited = Audited::brought(path, args.condition.as_deref())?;
        files.push(("network".to_owned(), files::sha256_file(path)?));
        Ok(audited)
    } else if args.condition.is_some() {
        let what = "--condition for a network that says itself what it tells apart";
        Err(Error::usage("E-AUDIT-009", what, "Leave --condition out"))
    } else {
        Audited::trained(Models::load(path)?, args.fold)
    }
}

/// An audit to be done.
pub(super) struct Job {
    /// The network; none for maps alone.
    pub audited: Option<Audited>,
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
    let fold = audited.as_ref().and_then(Audited::fold);
    let description = match &audited {
        Some(audited) => audited.description_sha256()?,
        None => None,
    };
    let gathered = gather(audited, &cohort, &request, terminal)?;
    let composite = match &gathered.maker {
        Maker::Rule(composite) => Some(composite),
        Maker::Elsewhere(..) => None,
    };
    let model = gathered.studied.as_ref().map(|s| model_card(s, composite)).transpose()?;
    let arms: Vec<&str> = gathered.arms.iter().map(|a| a.word.as_str()).collect();
    let mut provenance = Provenance::new(request.seed);
    let setting = |name: &str, value: String| (name.to_owned(), value);
    provenance.settings = vec![
        setting("command", command.to_owned()),
        setting("fold", fold.map_or("none".to_owned(), |f| f.to_string())),
        setting("rule", composite.map_or_else(|| "made elsewhere".to_owned(), |c| c.id.clone())),
        setting("target", request.target.clone()),
        setting("subjects", request.subjects.to_string()),
        setting("draws", request.draws.to_string()),
        setting("label_draws", request.label_draws.to_string()),
        setting("arms", arms.join(",")),
    ];
    provenance.inputs = model.iter().map(|m| setting("weights", m.sha256.clone())).collect();
    provenance.inputs.extend(description.map(|sha256| setting("model.json", sha256)));
    provenance.inputs.extend(files);
    let bench = gathered.bench()?;
    let frame = Frame {
        title: format!("Audit of {} on {}", gathered.data.target, gathered.data.name),
        provenance,
        data: gathered.data.clone(),
        model,
        performance: gathered.performance.clone(),
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
