//! What the arms promise, measured on many subjects.

use super::*;
use crate::seed::Seed;

fn cohort(arm: Arm, subjects: usize) -> Vec<Subject> {
    let settings = Settings { subjects, arm, seed: Seed(11), ..Settings::default() };
    (0..subjects).map(|i| subject(&settings, i).expect("made")).collect()
}

/// Millilitres of the regions of a tissue.
fn volume(s: &Subject, tissue: Tissue) -> f64 {
    let table = regions();
    let inside = |l: i32| usize::try_from(l).is_ok_and(|l| l > 0 && table[l - 1].tissue == tissue);
    let count = s.labels.data().iter().filter(|l| inside(**l)).count();
    count as f64 * s.labels.grid().voxel_mm3() / 1000.0
}

/// Mean brightness of the brain.
fn brightness(s: &Subject) -> f64 {
    let pairs = s.image.data().iter().zip(s.brain.data());
    let sum: f64 = pairs.filter(|(_, inside)| **inside).map(|(v, _)| f64::from(*v)).sum();
    sum / s.brain.count() as f64
}

/// Coefficient of variation of the brain: mean brightness free of gain.
fn contrast(s: &Subject) -> f64 {
    let mean = brightness(s);
    let pairs = s.image.data().iter().zip(s.brain.data());
    let sum: f64 = pairs.filter(|(_, i)| **i).map(|(v, _)| (f64::from(*v) - mean).powi(2)).sum();
    (sum / s.brain.count() as f64).sqrt() / mean
}

/// Chance that a preterm subject has the larger value (area under the ROC curve).
fn auc(cohort: &[Subject], value: impl Fn(&Subject) -> f64) -> f64 {
    let of = |g| -> Vec<f64> { cohort.iter().filter(|s| s.group == g).map(&value).collect() };
    let (preterm, term) = (of(Group::Preterm), of(Group::Term));
    let wins: f64 = preterm
        .iter()
        .flat_map(|p| term.iter().map(move |t| if p > t { 1.0 } else { f64::from(p == t) / 2.0 }))
        .sum();
    wins / (preterm.len() * term.len()) as f64
}

/// Ratio of the group means, preterm to term.
fn ratio(cohort: &[Subject], value: impl Fn(&Subject) -> f64) -> f64 {
    let mean = |g| {
        let of: Vec<f64> = cohort.iter().filter(|s| s.group == g).map(&value).collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    mean(Group::Preterm) / mean(Group::Term)
}

/// A number measured on a subject.
type Feature<'a> = (&'a str, &'a dyn Fn(&Subject) -> f64);

/// Bound on the distance of a chance AUC from one half: 3 standard errors.
fn chance(subjects: usize) -> f64 {
    let half = subjects as f64 / 2.0;
    3.0 * ((2.0 * half + 1.0) / (12.0 * half * half)).sqrt()
}

#[test]
fn realistic_effects_have_the_directions_and_sizes_of_the_literature() {
    let all = cohort(Arm::Realistic, 60);
    let of = |t| ratio(&all, |s| volume(s, t));
    let (ventricle, cortex, deep) =
        (of(Tissue::Ventricle), of(Tissue::Cortex), of(Tissue::DeepGrey));
    let (fluid, cerebellum) = (of(Tissue::OuterFluid), of(Tissue::Cerebellum));
    let callosum = of(Tissue::Callosum);
    eprintln!(
        "ventricle {ventricle:.2} cortex {cortex:.2} deep {deep:.2} fluid {fluid:.2} \
         cerebellum {cerebellum:.2} callosum {callosum:.2} white {:.2}",
        of(Tissue::White)
    );
    for t in [Tissue::Ventricle, Tissue::Cortex, Tissue::DeepGrey, Tissue::OuterFluid] {
        eprintln!("auc {t:?} {:.2}", auc(&all, |s| volume(s, t)));
    }
    eprintln!("auc mean {:.2} cv {:.2}", auc(&all, brightness), auc(&all, contrast));
    // Diameter +22 % is volume +49 %; the third and fourth ventricle stay as they are.
    assert!((1.3..1.75).contains(&ventricle), "{ventricle}");
    assert!((0.72..0.84).contains(&cortex), "{cortex}");
    assert!((0.70..0.86).contains(&deep), "{deep}");
    assert!((1.2..2.0).contains(&fluid), "{fluid}");
    // Diameter -8.7 % is volume -24 %.
    assert!((0.66..0.86).contains(&cerebellum), "{cerebellum}");
    assert!(callosum < 0.92, "{callosum}");
    let heads = auc(&all, |s| s.brain.count() as f64);
    assert!((heads - 0.5).abs() < chance(60), "{heads}");
    let mean = auc(&all, brightness);
    assert!(mean < 0.85, "the label must not be trivial by mean brightness: {mean}");
}

#[test]
fn effects_grow_with_earlier_birth() {
    let all = cohort(Arm::Volume, 40);
    let preterm: Vec<&Subject> = all.iter().filter(|s| s.group == Group::Preterm).collect();
    let mean = |early: bool| {
        let of: Vec<f64> = preterm
            .iter()
            .filter(|s| (s.latents.gestational_age_weeks < 29.5) == early)
            .map(|s| f64::from(s.effects.ventricle[0]))
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(mean(true) > 1.3 * mean(false), "{} {}", mean(true), mean(false));
    assert!(preterm.iter().all(|s| s.truth.count() > 20));
}

#[test]
fn nothing_tells_the_groups_apart_in_the_null_arm() {
    let all = cohort(Arm::Null, 64);
    assert!(all.iter().all(|s| s.truth.count() == 0 && s.counterfactual.is_none()));
    let features: [Feature; 6] = [
        ("mean", &brightness),
        ("contrast", &contrast),
        ("brain", &|s| s.brain.count() as f64),
        ("ventricle", &|s| volume(s, Tissue::Ventricle)),
        ("cortex", &|s| volume(s, Tissue::Cortex)),
        ("age at scan", &|s| s.latents.age_at_scan_weeks),
    ];
    for (name, feature) in features {
        let a = auc(&all, feature);
        assert!((a - 0.5).abs() < chance(64), "{name}: {a}");
    }
}

#[test]
fn only_the_marker_tells_the_groups_apart_in_the_shortcut_arm() {
    let (leaky, null) = (cohort(Arm::Shortcut, 24), cohort(Arm::Null, 24));
    for (a, b) in leaky.iter().zip(&null) {
        let marker = a.distractor.as_ref().expect("marker");
        assert!(marker.count() > 0 && a.truth.count() == 0);
        for at in 0..a.image.data().len() {
            assert!(!(marker.data()[at] && a.brain.data()[at]));
            // Brain voxels are bit for bit those of the null arm.
            if a.brain.data()[at] {
                assert_eq!(a.image.data()[at], b.image.data()[at]);
            } else if !marker.data()[at] {
                assert_eq!(a.image.data()[at], 0.0);
            }
        }
    }
    let lit = |s: &Subject| {
        let marker = s.distractor.as_ref().expect("marker");
        let any = s.image.data().iter().zip(marker.data()).any(|(v, m)| *m && *v > 0.0);
        f64::from(u8::from(any))
    };
    assert!(auc(&leaky, lit) > 0.8, "{}", auc(&leaky, lit));
}

#[test]
fn twins_differ_only_where_the_label_shows() {
    for arm in [Arm::Volume, Arm::Intensity, Arm::Suppressor] {
        for s in cohort(arm, 4) {
            let twin = s.counterfactual.as_ref().expect("twin");
            let same = (0..s.image.data().len())
                .filter(|at| s.image.data()[*at] == twin.data()[*at] && s.brain.data()[*at])
                .count();
            assert!(same > s.brain.count() / 2, "{arm:?}: {same} of {}", s.brain.count());
            assert!(s.truth.count() > 10 && s.truth.count() < s.brain.count() / 3, "{arm:?}");
        }
    }
}

#[test]
fn decoys_lie_in_both_groups_and_say_nothing() {
    let all = cohort(Arm::Decoy, 16);
    assert!(all.iter().all(|s| s.distractor.as_ref().is_some_and(|d| d.count() > 5)));
}

#[test]
fn the_suppressor_helps_and_alone_says_nothing() {
    let all = cohort(Arm::Suppressor, 40);
    let table = regions();
    let mean = |s: &Subject, tissue: Tissue| {
        let of: Vec<f64> = s
            .image
            .data()
            .iter()
            .zip(s.labels.data())
            .filter(|(_, l)| **l > 0 && table[**l as usize - 1].tissue == tissue)
            .map(|(v, _)| f64::from(*v))
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    let white = |s: &Subject| mean(s, Tissue::White);
    let alone = auc(&all, |s| mean(s, Tissue::DeepGrey) / white(s));
    let helper = auc(&all, |s| mean(s, Tissue::Cerebellum) / white(s));
    let both = auc(&all, |s| mean(s, Tissue::DeepGrey) / mean(s, Tissue::Cerebellum));
    eprintln!("suppressor: alone {alone:.2} helper {helper:.2} both {both:.2}");
    assert!(both > alone + 0.1 && (helper - 0.5).abs() < chance(40), "{alone} {helper} {both}");
}

#[test]
fn heads_fit_into_the_field_of_view_and_keep_their_stated_size() {
    // The narrowest field in use: 96 voxels of 1.3 mm, here with fewer and larger voxels.
    let settings =
        Settings { arm: Arm::Null, spacing_mm: [2.6; 3], seed: Seed(5), ..Settings::default() };
    for s in (0..settings.subjects).map(|i| subject(&settings, i).expect("made")) {
        let shape = s.brain.grid().shape();
        for (at, inside) in s.brain.data().iter().enumerate() {
            let v = [at % shape[0], at / shape[0] % shape[1], at / shape[0] / shape[1]];
            let edge = (0..3).any(|a| v[a] == 0 || v[a] == shape[a] - 1);
            assert!(!(*inside && edge), "{} touches the edge at {v:?}", s.id);
            assert_eq!(*inside, s.image.data()[at] != 0.0);
            assert_eq!(*inside, s.labels.data()[at] != 0);
        }
        let ml = s.brain.count() as f64 * s.brain.grid().voxel_mm3() / 1000.0;
        assert!((ml / s.latents.head_size_ml - 1.0).abs() < 0.08, "{ml} {:?}", s.latents);
    }
}

#[test]
fn a_subject_depends_on_nothing_but_its_arguments() {
    let settings = Settings::default();
    let (a, _, b) = (subject(&settings, 5), subject(&settings, 2), subject(&settings, 5));
    assert_eq!(a.expect("made").image, b.expect("made").image);
    assert_eq!(subject(&settings, 48).expect_err("too far").code(), "E-PHANTOM-004");
    let small = Settings { shape: [16; 3], ..Settings::default() };
    assert_eq!(subject(&small, 0).expect_err("too small").code(), "E-PHANTOM-002");
}

#[test]
fn a_template_must_say_where_its_white_matter_is() {
    let model = cohort(Arm::Null, 1).remove(0);
    let table: Vec<Region> = regions().into_iter().filter(|r| r.tissue != Tissue::White).collect();
    let error = Template::new(model.image, model.labels, table).expect_err("no white matter");
    assert_eq!(error.code(), "E-PHANTOM-011");
}
