//! From a model and a data set to everything an audit needs.

use std::collections::BTreeMap;

use super::applied;
use super::arms::Arm;
use super::audited::Audited;
use super::bench::{Bench, DRAWS};
use super::case::Case;
use super::evidence::Evidence;
use super::finding::Interval;
use super::record::{DataCard, Performance};
use crate::cohort::{Cohort, Participant, Target};
use crate::compute::{Array, Workspace};
use crate::explain::{Composite, Start};
use crate::files::sha256_file;
use crate::image::atlas::Atlas;
use crate::image::header::Header;
use crate::image::{Grid, nifti, resample};
use crate::model::Graph;
use crate::model::graph::FoldProof;
use crate::model::input::{InputSpec, prepare};
use crate::model::network::Network;
use crate::model::subject::{MaskSource, read_subject};
use crate::progress::{Progress, in_parallel};
use crate::seed::Seed;
use crate::train::apply::saw;
use crate::train::baseline::shares;
use crate::{Error, Result};

/// Inputs on which the folding of batch norm is proved.
const PROOFS: usize = 4;

/// What to audit and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// Rule or composite.
    pub rule: String,
    /// `margin`, or a class.
    pub target: String,
    /// Subjects audited at most.
    pub subjects: usize,
    /// Re-initialised networks of the exchangeability test.
    pub draws: usize,
    /// Methods beside the rule, see [`Arm::list`].
    pub arms: String,
    /// Seed of the audit.
    pub seed: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            rule: "epsilon_plus".to_owned(),
            target: "margin".to_owned(),
            subjects: 24,
            draws: DRAWS,
            arms: "default".to_owned(),
            seed: 1,
        }
    }
}

/// Where a case came from: its map goes back there.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Grid of the image file.
    pub grid: Grid,
    /// Header of the image file.
    pub header: Header,
}

/// Everything an audit looks at.
#[derive(Debug)]
pub struct Gathered {
    /// The network as it came.
    pub network: Network,
    /// Grid and intensities of its images.
    pub input: InputSpec,
    /// The same with batch norm folded: what is explained.
    pub canonical: Graph,
    /// How exactly folding kept it.
    pub proof: FoldProof,
    /// Rules.
    pub composite: Composite,
    /// What is explained.
    pub start: Start,
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
    pub performance: Performance,
    /// What is said of the data.
    pub data: DataCard,
    /// Seed of the audit.
    pub seed: Seed,
    /// Re-initialised networks.
    pub draws: usize,
    /// Methods beside the rule.
    pub arms: Vec<Arm>,
}

/// A participant with a class.
type Labelled<'a> = (&'a Participant, usize);

/// Chooses subjects the network never saw (of each class alike, by the seed), brings their
/// images, regions and truth onto the model's grid, and folds the network.
///
/// # Errors
/// [`Error::Usage`] `E-AUDIT-002` when every subject was used in training, `E-AUDIT-005`; `E-RULE-001`,
/// `E-RULE-002`; those of [`Target::label`], of the readers and of [`Graph::canonical`].
pub fn gather(
    audited: Audited,
    cohort: &Cohort,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Gathered> {
    let composite = Composite::named(&request.rule)?;
    let Audited { network, condition, measured } = audited;
    let input = network.input.ok_or_else(|| Error::internal("a network of no images"))?;
    let start = Start::named(&request.target, &network.classes)?;
    let arms = Arm::list(&request.arms)?;
    let seed = Seed(request.seed);
    let labelled = Target::parse(&condition)?.label(cohort)?;
    let mut notes = cohort.notes.clone();
    let turned = turned(&labelled, &network.classes);
    notes.extend(network.notes.iter().cloned());
    if network.training().is_none() {
        let holds = &network.classes[usize::from(!turned)];
        notes.push(format!("Class '{holds}' is where {condition} holds."));
    }
    let rows: Vec<Labelled<'_>> = cohort
        .participants
        .iter()
        .zip(&labelled.values)
        .filter_map(|(p, class)| Some((p, usize::from(((*class)? == 1) != turned))))
        .collect();
    let chosen = choose(&rows, &network, request.subjects, seed)?;
    let name = |(p, _): &Labelled<'_>| p.id.clone();
    let held_out = network.training().is_some();
    let work = |row: &Labelled<'_>| case(row, &input, held_out);
    let read = in_parallel(&chosen, "reading subjects", progress, name, work)?;
    let (mut cases, mut origins) = (Vec::new(), Vec::new());
    let mut atlas = cohort.regions.as_deref().map(Atlas::read).transpose()?;
    let mut unnamed = 0;
    for (case, origin, said) in read {
        if let Some(labels) = &case.labels {
            unnamed += atlas.get_or_insert_default().complete(labels);
        }
        notes.extend(said);
        cases.push(case);
        origins.push(origin);
    }
    if unnamed > 0 {
        notes.push(format!("{unnamed} regions have no name in a region table"));
    }
    let probes: Vec<f32> = cases.iter().take(PROOFS).flat_map(|c| c.data.clone()).collect();
    let [k, j, i] = input.tensor_shape();
    let probe = Array::from_vec(probes, &[cases.len().min(PROOFS), 1, k, j, i])?;
    let (canonical, proof) = network.graph.canonical(&probe, &mut Workspace::new())?;
    let (interval, performance) = match measured {
        Some((interval, performance)) => {
            (interval.ok_or("the AUC of the training has no interval".to_owned()), performance)
        }
        None => {
            let found = applied::measured(&network, &input, &rows, seed, progress)?;
            notes.extend(found.notes);
            (found.interval, found.performance)
        }
    };
    let mut class_counts = labelled.counts.to_vec();
    if turned {
        class_counts.reverse();
    }
    let data = DataCard {
        name: cohort.name.clone(),
        synthetic: cohort.synthetic,
        subjects: cohort.participants.len(),
        audited: cases.len(),
        classes: network.classes.clone(),
        class_counts,
        target: condition,
        notes,
    };
    let evidence = evidence(&rows, progress)?;
    let draws = request.draws;
    Ok(Gathered {
        network,
        input,
        canonical,
        proof,
        composite,
        start,
        cases,
        origins,
        atlas,
        evidence,
        interval,
        performance,
        data,
        seed,
        draws,
        arms,
    })
}

impl Gathered {
    /// The bench, with all cases explained, by the rule and by the other methods.
    ///
    /// # Errors
    /// As [`Bench::new`] and [`Bench::compare_with`].
    pub fn bench(&self) -> Result<Bench<'_>> {
        let classes = &self.network.classes;
        let (graph, trained) = (&self.canonical, &self.network.graph);
        let (composite, start, seed) = (&self.composite, self.start, self.seed);
        let mut bench = Bench::new(graph, trained, &self.cases, classes, composite, start, seed)?;
        bench.atlas = self.atlas.as_ref();
        bench.evidence = self.evidence.as_ref();
        bench.draws = self.draws;
        bench.performance = self.interval.clone();
        bench.compare_with(&self.arms)?;
        Ok(bench)
    }
}

/// Whether the network's class 0 is the one the condition holds for, by the names.
fn turned(labelled: &crate::cohort::target::Labelled, classes: &[String]) -> bool {
    let [absent, holds] = &labelled.classes;
    classes.first() == Some(holds) || classes.get(1) == Some(absent)
}

/// Unseen rows, as many of each class as there are and `most` allows, in the order of the
/// cohort.
fn choose<'a>(
    rows: &[Labelled<'a>],
    network: &Network,
    most: usize,
    seed: Seed,
) -> Result<Vec<Labelled<'a>>> {
    let seen = |r: usize| network.training().is_some_and(|t| saw(t, &rows[r].0.id));
    let unseen = (0..rows.len()).filter(|r| !seen(*r));
    let mut by_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for r in unseen {
        by_class.entry(rows[r].1).or_default().push(r);
    }
    if by_class.is_empty() || most == 0 {
        let what = if most == 0 {
            "no subject is to be audited".to_owned()
        } else {
            format!("all {} subjects were used to train the network", rows.len())
        };
        let fix = "Audit on held-out subjects: train with folds, or name other data";
        return Err(Error::usage("E-AUDIT-002", what, fix));
    }
    for (class, part) in &mut by_class {
        seed.stream(&format!("audit/subjects/class-{class}")).shuffle(part);
    }
    let mut chosen = Vec::new();
    let longest = by_class.values().map(Vec::len).max().unwrap_or(0);
    for at in 0..longest {
        chosen.extend(by_class.values().filter_map(|part| part.get(at).copied()));
    }
    chosen.truncate(most);
    chosen.sort_unstable();
    Ok(chosen.into_iter().map(|r| rows[r]).collect())
}

fn case(
    (who, class): &Labelled<'_>,
    input: &InputSpec,
    held_out: bool,
) -> Result<(Case, Origin, Vec<String>)> {
    let images = read_subject(who)?;
    let ready = prepare(&images.volume, &images.mask, input)?;
    let mut notes: Vec<String> =
        images.warnings.iter().map(|w| format!("{}: {w}", who.id)).collect();
    if images.source == MaskSource::NonZero {
        notes.push(format!("{}: no mask; voxels that are not 0 are taken as brain", who.id));
    }
    if ready.coverage < 1.0 {
        let cut = 100.0 * (1.0 - ready.coverage);
        notes.push(format!("{}: {cut:.1} % of the brain is outside the model grid", who.id));
    }
    let grid = ready.grid().clone();
    let regions = images.labels.as_ref();
    let labels = regions.map(|l| resample::resample_labels(l, &grid)).transpose()?;
    let truth = match &who.truth {
        Some(path) => Some(resample::resample_mask(&nifti::read_mask(path)?.image, &grid)?),
        None => None,
    };
    let made = Case {
        id: who.id.clone(),
        class: *class,
        mask: ready.mask.clone(),
        data: ready.volume.into_data(),
        labels,
        truth,
        held_out,
        image_sha256: sha256_file(&who.image)?,
        grid,
    };
    let origin = Origin { grid: images.volume.grid().clone(), header: images.header };
    Ok((made, origin, notes))
}

/// What region sizes say over all subjects of the data; none when one has no label map.
fn evidence(rows: &[Labelled<'_>], progress: &dyn Progress) -> Result<Option<Evidence>> {
    if rows.iter().any(|(p, _)| p.labels.is_none()) {
        return Ok(None);
    }
    let name = |(p, _): &Labelled<'_>| p.id.clone();
    let all = in_parallel(rows, "measuring regions", progress, name, |(p, _)| {
        p.labels.as_deref().map(|path| Ok(shares(&nifti::read_labels(path)?.image))).transpose()
    })?;
    let all: Vec<BTreeMap<i32, f64>> = all.into_iter().flatten().collect();
    let labels: Vec<bool> = rows.iter().map(|r| r.1 == 1).collect();
    Ok(Some(Evidence::of(&all, &labels)))
}
