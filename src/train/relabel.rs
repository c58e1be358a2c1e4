//! Networks fitted as one was, on classes dealt anew: what the images tell when nothing is to be
//! learned.

use std::collections::BTreeMap;

use super::fit::{Example, Task};
use super::members::fit_members;
use super::prepare::{InputChoice, Ready, prepare_cohort};
use super::settings::Settings;
use crate::cohort::{Cohort, Target};
use crate::compute::Precision;
use crate::model::{Graph, ModelSpec};
use crate::progress::Progress;
use crate::seed::{Seed, Stream};
use crate::{Error, Result};

/// Images that one draw after another is fitted on.
#[derive(Debug)]
pub struct Relabelled<'a> {
    spec: &'a ModelSpec,
    settings: &'a Settings,
    examples: Vec<Example>,
    /// Whose scan each example is.
    subjects: Vec<String>,
    fitting: Vec<usize>,
    validation: Vec<usize>,
}

impl<'a> Relabelled<'a> {
    /// Prepares the images that a network was fitted on.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-TRAIN-006` when the data lack one of them; those of [`Target::parse`]
    /// and [`prepare_cohort`].
    pub fn of(
        spec: &'a ModelSpec,
        settings: &'a Settings,
        cohort: &Cohort,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let (target, input) = (Target::parse(&spec.target)?, spec.input);
        let choice = InputChoice {
            spacing_mm: input.spacing_mm,
            margin_mm: 0.0,
            shape: Some(input.shape),
            normalise: input.normalise,
        };
        let Ready { examples, .. } = prepare_cohort(cohort, &target, &choice, progress)?;
        let rows = |ids: &[String]| -> Result<Vec<usize>> {
            let row = |id: &String| {
                examples.iter().position(|e| e.id == *id).ok_or_else(|| {
                    let what = format!("the data lack {id}, on which the network was fitted");
                    Error::usage("E-TRAIN-006", what, "Name the data that it was trained on")
                })
            };
            ids.iter().map(row).collect()
        };
        let (fitting, validation) =
            (rows(&spec.training.fitting)?, rows(&spec.training.validation)?);
        let subject = |e: &Example| {
            let who = cohort.participants.iter().find(|p| p.id == e.id);
            who.map_or_else(|| e.id.clone(), |p| p.subject.clone())
        };
        let subjects = examples.iter().map(subject).collect();
        Ok(Self { spec, settings, examples, subjects, fitting, validation })
    }

    /// Fits one network from a fresh start, with the classes of the subjects fitted dealt anew among
    /// them, and so those of the subjects that choose the epoch. All else is as it was.
    ///
    /// # Errors
    /// Those of [`fit_members`].
    pub fn fit(&self, seed: Seed, progress: &dyn Progress) -> Result<Graph> {
        let mut examples = self.examples.clone();
        let mut stream = seed.stream("train/relabel");
        deal(&mut examples, &self.subjects, &self.fitting, &mut stream);
        deal(&mut examples, &self.subjects, &self.validation, &mut stream);
        let task = Task {
            data: &examples,
            extent: self.spec.input.tensor_shape(),
            classes: self.spec.classes.len(),
            fitting: &self.fitting,
            validation: &self.validation,
            purpose: "relabelled",
        };
        // An audit computes in f32, whatever the network was trained in, on whatever device.
        let precision = Precision::F32;
        let settings = Settings { seed: seed.0, precision, ..self.settings.clone() };
        Ok(fit_members(&self.spec.architecture, &task, &settings, None, progress)?.graph)
    }
}

/// Deals the classes of the subjects of some rows anew among them; how far each was from the limit
/// goes with its class. A subject's rows get those of another one's, in their order, over again
/// where that one has fewer: scans of a subject must not tell each other's class apart.
fn deal(examples: &mut [Example], subjects: &[String], rows: &[usize], stream: &mut Stream) {
    let mut of: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    rows.iter().for_each(|&row| of.entry(&subjects[row]).or_default().push(row));
    let answer = |&row: &usize| (examples[row].class, examples[row].distance);
    let mut answers: Vec<Vec<(usize, Option<f64>)>> =
        of.values().map(|rows| rows.iter().map(answer).collect()).collect();
    stream.shuffle(&mut answers);
    for (rows, answers) in of.into_values().zip(answers) {
        for (row, (class, distance)) in rows.into_iter().zip(answers.into_iter().cycle()) {
            (examples[row].class, examples[row].distance) = (class, distance);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_dealt_among_their_rows_with_their_distances() {
        let example = |n: usize| Example {
            id: format!("s{n}"),
            data: Vec::new(),
            class: n % 2,
            distance: Some(if n % 2 == 1 { n as f64 } else { -(n as f64) }),
        };
        let before: Vec<Example> = (0..40).map(example).collect();
        let mut after = before.clone();
        let rows: Vec<usize> = (10..40).collect();
        let alone: Vec<String> = before.iter().map(|e| e.id.clone()).collect();
        deal(&mut after, &alone, &rows, &mut Seed(3).stream("deal"));
        assert_eq!(after[..10], before[..10]);
        let moved = (10..40).filter(|&n| after[n].class != before[n].class).count();
        assert!((5..25).contains(&moved), "{moved}");
        let sorted = |all: &[Example]| {
            let mut d: Vec<f64> = all.iter().filter_map(|e| e.distance).collect();
            d.sort_by(f64::total_cmp);
            d
        };
        assert_eq!(sorted(&after), sorted(&before));
        assert!(after.iter().all(|e| (e.class == 1) == (e.distance.expect("known") > 0.0)));
    }

    #[test]
    fn scans_of_a_subject_stay_in_one_class() {
        let example = |n: usize| Example {
            id: format!("s{}_ses-{}", n / 3, n % 3),
            data: Vec::new(),
            class: n / 3 % 2,
            distance: None,
        };
        let before: Vec<Example> = (0..60).map(example).collect();
        let subjects: Vec<String> = (0..60).map(|n| format!("s{}", n / 3)).collect();
        let mut after = before.clone();
        // One scan of the last subject is not dealt and keeps its class.
        deal(&mut after, &subjects, &(0..59).collect::<Vec<_>>(), &mut Seed(4).stream("deal"));
        for scans in after[..57].chunks(3) {
            assert!(scans.iter().all(|e| e.class == scans[0].class), "{scans:?}");
        }
        let moved = (0..19).filter(|s| after[3 * s].class != before[3 * s].class).count();
        assert!(after[59] == before[59] && moved > 3, "{moved}");
    }
}
