//! From a model and a data set to everything an audit needs.

use std::collections::BTreeMap;

use super::arms::Arm;
use super::case::{Bench, Case, DRAWS};
use super::evidence::Evidence;
use super::finding::Interval;
use super::record::DataCard;
use crate::cohort::{Cohort, Participant, Target};
use crate::compute::{Array, Workspace};
use crate::explain::{Composite, Start};
use crate::files::sha256_file;
use crate::image::atlas::Atlas;
use crate::image::header::Header;
use crate::image::{Grid, nifti, resample};
use crate::model::Graph;
use crate::model::bundle::Bundle;
use crate::model::graph::FoldProof;
use crate::model::input::prepare;
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
    /// The network as trained.
    pub bundle: Bundle,
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
    /// Interval of the held-out AUC of the training.
    pub performance: Option<Interval>,
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
    bundle: Bundle,
    performance: Option<Interval>,
    cohort: &Cohort,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Gathered> {
    let composite = Composite::named(&request.rule)?;
    let start = Start::named(&request.target, &bundle.spec.classes)?;
    let arms = Arm::list(&request.arms)?;
    let seed = Seed(request.seed);
    let labelled = Target::parse(&bundle.spec.target)?.label(cohort)?;
    let rows: Vec<Labelled<'_>> = cohort
        .participants
        .iter()
        .zip(&labelled.values)
        .filter_map(|(p, class)| Some((p, usize::from((*class)?))))
        .collect();
    let chosen = choose(&rows, &bundle, request.subjects, seed)?;
    let mut notes = cohort.notes.clone();
    let name = |(p, _): &Labelled<'_>| p.id.clone();
    let read = in_parallel(&chosen, "reading subjects", progress, name, |row| case(row, &bundle))?;
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
    let [k, j, i] = bundle.spec.input.tensor_shape();
    let probe = Array::from_vec(probes, &[cases.len().min(PROOFS), 1, k, j, i])?;
    let (canonical, proof) = bundle.graph.canonical(&probe, &mut Workspace::new())?;
    let data = DataCard {
        name: cohort.name.clone(),
        synthetic: cohort.synthetic,
        subjects: cohort.participants.len(),
        audited: cases.len(),
        classes: bundle.spec.classes.clone(),
        class_counts: labelled.counts.to_vec(),
        target: bundle.spec.target.clone(),
        notes,
    };
    let evidence = evidence(&rows, progress)?;
    let draws = request.draws;
    Ok(Gathered {
        bundle,
        canonical,
        proof,
        composite,
        start,
        cases,
        origins,
        atlas,
        evidence,
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
        let classes = &self.bundle.spec.classes;
        let (graph, trained) = (&self.canonical, &self.bundle.graph);
        let (composite, start, seed) = (&self.composite, self.start, self.seed);
        let mut bench = Bench::new(graph, trained, &self.cases, classes, composite, start, seed)?;
        bench.atlas = self.atlas.as_ref();
        bench.evidence = self.evidence.as_ref();
        bench.draws = self.draws;
        bench.performance = self.performance.clone();
        bench.compare_with(&self.arms)?;
        Ok(bench)
    }
}

/// Unseen rows, as many of each class as there are and `most` allows, in the order of the
/// cohort.
fn choose<'a>(
    rows: &[Labelled<'a>],
    bundle: &Bundle,
    most: usize,
    seed: Seed,
) -> Result<Vec<Labelled<'a>>> {
    let unseen = (0..rows.len()).filter(|&r| !saw(&bundle.spec.training, &rows[r].0.id));
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

fn case((who, class): &Labelled<'_>, bundle: &Bundle) -> Result<(Case, Origin, Vec<String>)> {
    let images = read_subject(who)?;
    let ready = prepare(&images.volume, &images.mask, &bundle.spec.input)?;
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
        held_out: true,
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
