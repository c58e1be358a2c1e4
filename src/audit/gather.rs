//! From a model or maps, and a data set, to everything an audit needs.

use std::path::PathBuf;

use super::applied;
use super::arms::Arm;
use super::audited::Audited;
use super::bench::{Bench, DRAWS, Other};
use super::brought::Brought;
use super::case::Case;
use super::cases::{self, Labelled, Origin};
use super::finding::Interval;
use super::networks::beside;
use super::record::{DataCard, Performance};
use super::relabelled::relabelled;
use super::tools::covariates;
use super::tools::evidence::Evidence;
use crate::cohort::target::Labelled as Classes;
use crate::cohort::{Cohort, Participant, Target};
use crate::compute::{Array, Workspace};
use crate::explain::{Composite, Start};
use crate::image::atlas::Atlas;
use crate::model::Graph;
use crate::model::bundle::Bundle;
use crate::model::graph::FoldProof;
use crate::model::input::InputSpec;
use crate::model::network::Network;
use crate::progress::{Progress, in_parallel};
use crate::seed::Seed;
use crate::train::apply::saw;
use crate::{Error, Result};

/// Inputs on which the folding of batch norm is proved.
const PROOFS: usize = 4;
/// Class of everybody where nothing tells subjects apart.
const EVERYBODY: &str = "all";

/// What to audit and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Folder of maps that were made elsewhere; none when maps are made here.
    pub maps: Option<PathBuf>,
    /// Which subjects are of class 1, for maps without a network.
    pub condition: Option<String>,
    /// Rule or composite; not used for maps that were made elsewhere.
    pub rule: String,
    /// `margin`, or a class.
    pub target: String,
    /// Subjects audited at most.
    pub subjects: usize,
    /// Re-initialised networks of the exchangeability test.
    pub draws: usize,
    /// Networks fitted on classes dealt anew.
    pub label_draws: usize,
    /// Methods beside the rule, see [`Arm::list`].
    pub arms: String,
    /// Seed of the audit.
    pub seed: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            maps: None,
            condition: None,
            rule: "epsilon_plus".to_owned(),
            target: "margin".to_owned(),
            subjects: 24,
            draws: DRAWS,
            label_draws: 0,
            arms: "default".to_owned(),
            seed: 1,
        }
    }
}

/// The network of an audit.
#[derive(Debug)]
pub struct Studied {
    /// The network as it came.
    pub network: Network,
    /// Grid and intensities of its images.
    pub input: InputSpec,
    /// The same with batch norm folded: what is explained.
    pub canonical: Graph,
    /// How exactly folding kept it.
    pub proof: FoldProof,
    /// What is explained.
    pub start: Start,
    /// Other networks of the same training.
    pub others: Vec<Other>,
}

/// What made the maps.
#[derive(Debug)]
pub enum Maker {
    /// A rule, here.
    Rule(Composite),
    /// Another program: where the maps come from in a word, and the maps, one per case.
    Elsewhere(String, Vec<Vec<f32>>),
}

/// Everything an audit looks at.
#[derive(Debug)]
pub struct Gathered {
    /// The network, unless only maps were brought.
    pub studied: Option<Studied>,
    /// What made the maps.
    pub maker: Maker,
    /// Class names, class 0 first.
    pub classes: Vec<String>,
    /// The audited subjects.
    pub cases: Vec<Case>,
    /// Their files, in the same order.
    pub origins: Vec<Origin>,
    /// Names of the regions, where there are label maps.
    pub atlas: Option<Atlas>,
    /// What region sizes say, where all subjects of the data have label maps.
    pub evidence: Option<Evidence>,
    /// Interval of the AUC, or why there is none.
    pub interval: std::result::Result<Interval, String>,
    /// How well the network classifies.
    pub performance: Option<Performance>,
    /// What is said of the data.
    pub data: DataCard,
    /// Seed of the audit.
    pub seed: Seed,
    /// Re-initialised networks.
    pub draws: usize,
    /// Audited subjects that are also subjects of the training, or why that is not known.
    pub twins: std::result::Result<Vec<[String; 2]>, String>,
    /// Networks fitted on classes dealt anew.
    pub label_randomised: Vec<Graph>,
    /// Methods beside the rule; none without a network.
    pub arms: Vec<Arm>,
}

/// Chooses subjects the network never saw (of each class alike, by the seed), brings their
/// images, regions, truth and maps onto one grid, and folds the network. Without a network the
/// grid is that of each image.
///
/// # Errors
/// [`Error::Usage`] `E-AUDIT-002` when every subject was used in training, `E-AUDIT-005`; `E-RULE-001`,
/// `E-RULE-002`; those of [`Target::label`], of [`relabelled`], of [`Brought`], of the readers
/// and of [`Graph::canonical`].
pub fn gather(
    audited: Option<Audited>,
    cohort: &Cohort,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Gathered> {
    let seed = Seed(request.seed);
    let label_randomised = relabelled(audited.as_ref(), cohort, request, progress)?;
    let mut notes = cohort.notes.clone();
    let subject = Subject::of(audited, cohort, request, &mut notes)?;
    let Subject { network, others, classes, rows, counts, condition, measured } = subject;
    let ids: Vec<&str> = rows.iter().map(|(p, _)| p.id.as_str()).collect();
    let brought = request.maps.as_deref().map(|f| Brought::find(f, &ids)).transpose()?;
    let mapped: Vec<Labelled<'_>> = match &brought {
        Some(maps) => rows.iter().filter(|(p, _)| maps.has(&p.id)).copied().collect(),
        None => rows.clone(),
    };
    if mapped.len() < rows.len() {
        notes.push(format!("{} of {} subjects have no map", rows.len() - mapped.len(), rows.len()));
    }
    let training = network.as_ref().and_then(|(n, _)| n.training());
    let knows = |id: &str| training.is_some_and(|t| saw(t, id));
    let chosen = cases::choose(&mapped, knows, request.subjects, seed)?;
    let twins = match training {
        Some(_) => Ok(cases::twins(&chosen, &rows, knows, progress)?),
        None => Err("the training is not known".to_owned()),
    };
    let input = network.as_ref().map(|(_, input)| input);
    let name = |(p, _): &Labelled<'_>| p.id.clone();
    let held_out = training.is_some();
    let work = |row: &Labelled<'_>| cases::read(row, input, brought.as_ref(), held_out);
    let read = in_parallel(&chosen, "reading subjects", progress, name, work)?;
    let (mut cases, mut origins, mut maps) = (Vec::new(), Vec::new(), Vec::new());
    let mut atlas = cohort.regions.as_deref().map(Atlas::read).transpose()?;
    let mut unnamed = 0;
    for cases::Read { case, origin, map, notes: said } in read {
        if let Some(labels) = &case.labels {
            unnamed += atlas.get_or_insert_default().complete(labels);
        }
        notes.extend(said);
        cases.push(case);
        origins.push(origin);
        maps.extend(map);
    }
    let people: Vec<&Participant> = chosen.iter().map(|(p, _)| *p).collect();
    let told = Target::parse(&condition).map_or_else(|_| String::new(), |t| t.column);
    covariates::fill(&mut cases, &people, &told);
    if unnamed > 0 {
        notes.push(format!("{unnamed} regions have no name in a region table"));
    }
    let maker = match brought {
        Some(brought) => Maker::Elsewhere(brought.name, maps),
        None => Maker::Rule(Composite::named(&request.rule)?),
    };
    let (interval, performance) = match (measured, &network) {
        (Some((interval, performance)), _) => (
            interval.ok_or("the AUC of the training has no interval".to_owned()),
            Some(performance),
        ),
        (None, Some((network, input))) => {
            let found = applied::measured(network, input, &rows, seed, progress)?;
            notes.extend(found.notes);
            (found.interval, Some(found.performance))
        }
        (None, None) => (Err("the maps came without a network".to_owned()), None),
    };
    let arms = if network.is_some() { Arm::list(&request.arms)? } else { Vec::new() };
    let studied =
        network.map(|(n, input)| studied(n, input, &others, &cases, request)).transpose()?;
    let data = DataCard {
        name: cohort.name.clone(),
        synthetic: cohort.synthetic,
        subjects: cohort.participants.len(),
        audited: cases.len(),
        classes: classes.clone(),
        class_counts: counts,
        target: condition,
        notes,
    };
    let evidence = if classes.len() == 2 { cases::evidence(&rows, progress)? } else { None };
    Ok(Gathered {
        studied,
        maker,
        classes,
        cases,
        origins,
        atlas,
        evidence,
        interval,
        performance,
        data,
        seed,
        draws: request.draws,
        twins,
        label_randomised,
        arms,
    })
}

/// Folds a network and proves it on the first cases; folds the others beside it.
fn studied(
    network: Network,
    input: InputSpec,
    others: &[Bundle],
    cases: &[Case],
    request: &Request,
) -> Result<Studied> {
    let start = Start::named(&request.target, &network.classes)?;
    let probes: Vec<f32> = cases.iter().take(PROOFS).flat_map(|c| c.data.clone()).collect();
    let [k, j, i] = input.tensor_shape();
    let probe = Array::from_vec(probes, &[cases.len().min(PROOFS), 1, k, j, i])?;
    let mut ws = Workspace::new();
    let (canonical, proof) = network.graph.canonical(&probe, &mut ws)?;
    let others = beside(&network, others, cases, &probe, &mut ws)?;
    Ok(Studied { network, input, canonical, proof, start, others })
}

/// What an audit is of: the network, if there is one, and who is of which class.
struct Subject<'a> {
    network: Option<(Network, InputSpec)>,
    others: Vec<Bundle>,
    classes: Vec<String>,
    rows: Vec<Labelled<'a>>,
    counts: Vec<usize>,
    condition: String,
    measured: Option<(Option<Interval>, Performance)>,
}

impl<'a> Subject<'a> {
    fn of(
        audited: Option<Audited>,
        cohort: &'a Cohort,
        request: &Request,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let Some(audited) = audited else { return Self::of_maps(cohort, request) };
        let Audited { network, condition, measured, others, .. } = audited;
        let input = network.input.ok_or_else(|| Error::internal("a network of no images"))?;
        let labelled = Target::parse(&condition)?.label(cohort)?;
        let turned = turned(&labelled, &network.classes);
        notes.extend(network.notes.iter().cloned());
        let classes = network.classes.clone();
        if network.training().is_none() {
            let holds = &classes[usize::from(!turned)];
            notes.push(format!("Class '{holds}' is where {condition} holds."));
        }
        let mut counts = labelled.counts.to_vec();
        if turned {
            counts.reverse();
        }
        let rows = rows(cohort, &labelled, turned);
        let network = Some((network, input));
        Ok(Self { network, others, classes, rows, counts, condition, measured })
    }

    fn of_maps(cohort: &'a Cohort, request: &Request) -> Result<Self> {
        let (network, others, measured) = (None, Vec::new(), None);
        let Some(condition) = request.condition.clone() else {
            let rows: Vec<_> = cohort.participants.iter().map(|p| (p, 0)).collect();
            let (counts, classes) = (vec![rows.len()], vec![EVERYBODY.to_owned()]);
            let condition = "no condition".to_owned();
            return Ok(Self { network, others, classes, rows, counts, condition, measured });
        };
        let labelled = Target::parse(&condition)?.label(cohort)?;
        let rows = rows(cohort, &labelled, false);
        let (classes, counts) = (labelled.classes.to_vec(), labelled.counts.to_vec());
        Ok(Self { network, others, classes, rows, counts, condition, measured })
    }
}

/// Participants with a class; `turned` where the network's class 0 is the one the condition
/// holds for.
fn rows<'a>(cohort: &'a Cohort, labelled: &Classes, turned: bool) -> Vec<Labelled<'a>> {
    let all = cohort.participants.iter().zip(&labelled.values);
    all.filter_map(|(p, class)| Some((p, usize::from(((*class)? == 1) != turned)))).collect()
}

impl Gathered {
    /// The bench, with all cases explained, by the rule and by the other methods.
    ///
    /// # Errors
    /// As [`Bench::new`], [`Bench::of_maps`] and [`Bench::compare_with`].
    pub fn bench(&self) -> Result<Bench<'_>> {
        let (cases, classes, seed) = (&self.cases, &self.classes, self.seed);
        let mut bench = match (&self.maker, &self.studied) {
            (Maker::Rule(composite), Some(s)) => {
                let (graph, trained) = (&s.canonical, &s.network.graph);
                Bench::new(graph, trained, cases, classes, composite, s.start, seed)?
            }
            (Maker::Elsewhere(name, maps), _) => {
                Bench::of_maps(cases, maps.clone(), name, classes, seed)?
            }
            (Maker::Rule(_), None) => return Err(Error::internal("a rule without a network")),
        };
        if let (Maker::Elsewhere(..), Some(s)) = (&self.maker, &self.studied) {
            bench.answered_by(&s.canonical, &s.network.graph, s.start)?;
        }
        bench.atlas = self.atlas.as_ref();
        bench.evidence = self.evidence.as_ref();
        bench.draws = self.draws;
        bench.twins = self.twins.clone();
        let copies = self.label_randomised.iter().map(Graph::duplicate);
        bench.label_randomised = copies.collect::<Result<_>>()?;
        bench.performance = self.interval.clone();
        bench.zeros = self.origins.iter().map(|o| o.zero).collect();
        let others = self.studied.iter().flat_map(|s| &s.others);
        bench.others = others.map(Other::duplicate).collect::<Result<_>>()?;
        bench.compare_with(&self.arms)?;
        Ok(bench)
    }
}

/// Whether the network's class 0 is the one the condition holds for, by the names.
fn turned(labelled: &Classes, classes: &[String]) -> bool {
    let [absent, holds] = &labelled.classes;
    classes.first() == Some(holds) || classes.get(1) == Some(absent)
}
