use super::*;
use crate::audit::baseline::{CoarseMap, KIND, SCHEMA_VERSION};

fn value(check: &str, value: Option<f64>, verdict: Verdict) -> CheckValue {
    CheckValue { check: check.into(), quantity: "q".into(), value, verdict }
}

fn made() -> Baseline {
    let subject = |id: &str| SubjectBaseline {
        id: id.into(),
        score: Some(2.0),
        predicted: Some("a".into()),
        image_sha256: "1".into(),
        values: vec![
            value("judged", Some(0.5), Verdict::Pass),
            value("plain", Some(0.25), Verdict::Described),
        ],
        region_names: vec!["left".into(), "right".into()],
        regions: vec![1.0, -3.0],
        map: Some(CoarseMap { subject: id.into(), shape: [1, 1, 2], values: vec![0.5, 1.0] }),
    };
    Baseline {
        kind: KIND.into(),
        schema_version: SCHEMA_VERSION.into(),
        program_version: "0".into(),
        engine: "cpu f32".into(),
        architecture: "compact".into(),
        input_shape: [8, 8, 8],
        model_sha256: "abc".into(),
        rule: "epsilon".into(),
        start: "log-odds".into(),
        subjects: vec![subject("sub-01"), subject("sub-02")],
        cohort: vec![value("p", Some(0.01), Verdict::Pass)],
        verdict: Verdict::Pass,
    }
}

fn run(edit: impl FnOnce(&mut Baseline)) -> Comparison {
    let mut new = made();
    edit(&mut new);
    compare(&made(), &new, Tolerances::default()).expect("comparable")
}

#[test]
fn equal_ones_are_the_same() {
    let c = run(|_| ());
    assert_eq!((c.worst, c.items.len(), c.notes.len()), (Change::Same, 12, 0));
    assert_eq!(c.describe(10).lines().count(), 1);
}

#[test]
fn noise_moves_and_flips_are_told_apart_and_sorted() {
    let c = run(|b| *b.subjects[0].score.as_mut().expect("score") += 1e-4);
    assert_eq!(c.worst, Change::MovedWithinNoise);
    assert!(c.items[0].difference.expect("number") <= c.items[0].tolerance.expect("number"));
    let c = run(|b| *b.subjects[0].score.as_mut().expect("score") += 1e-3);
    assert_eq!((c.worst, c.items[0].what.as_str()), (Change::Moved, "score"));
    let c = run(|b| {
        *b.subjects[0].score.as_mut().expect("score") += 1e-3;
        b.subjects[1].regions[0] += 0.5;
        b.subjects[1].map.as_mut().expect("map").values[1] = 0.999;
    });
    let order: Vec<&str> = c.items.iter().take(3).map(|i| i.what.as_str()).collect();
    assert_eq!(order, ["regions", "score", "map"], "{}", c.describe(9));
    let c = run(|b| {
        b.subjects[0].values[0].verdict = Verdict::Warn;
        *b.subjects[1].score.as_mut().expect("score") += 9.0;
    });
    assert_eq!((c.worst, c.items[0].what.as_str()), (Change::VerdictFlipped, "judged/q"));
    let text = c.describe(1);
    assert!(
        text.contains("verdict was Pass, is Warning") && text.ends_with("… and 1 more\n"),
        "{text}"
    );
    assert_eq!(run(|b| b.subjects[0].predicted = Some("b".into())).worst, Change::VerdictFlipped);
    assert_eq!(run(|b| b.verdict = Verdict::Fail).worst, Change::VerdictFlipped);
    assert_eq!(run(|b| b.cohort[0].value = Some(0.02)).worst, Change::Moved);
}

#[test]
fn what_is_gone_never_passes() {
    type Edit = fn(&mut Baseline);
    let cases: [(Edit, Change); 8] = [
        (|b| drop(b.subjects.pop()), Change::VerdictFlipped),
        (|b| drop(b.subjects[0].values.remove(0)), Change::VerdictFlipped),
        (|b| drop(b.subjects[0].values.pop()), Change::Deleted),
        (|b| b.subjects[0].values[1].value = None, Change::Deleted),
        (|b| b.subjects[0].map = None, Change::Deleted),
        (|b| b.cohort.clear(), Change::VerdictFlipped),
        (|b| b.cohort.push(value("x", Some(1.0), Verdict::Pass)), Change::New),
        (
            |b| {
                let mut s = b.subjects[0].clone();
                s.id = "sub-03".into();
                b.subjects.push(s);
            },
            Change::New,
        ),
    ];
    for (i, (edit, want)) in cases.into_iter().enumerate() {
        assert_eq!(run(edit).worst, want, "case {i}");
    }
    assert!(Change::Deleted > Change::Moved && Change::New > Change::MovedWithinNoise);
    let c = run(|b| {
        b.subjects[0].regions.clear();
        b.subjects[0].region_names.clear();
    });
    assert_eq!(c.worst, Change::Deleted);
    assert_eq!(run(|b| b.subjects[0].score = Some(f64::NAN)).worst, Change::Moved);
}

#[test]
fn incompatible_ones_are_refused_and_other_settings_noted() {
    let code = |edit: fn(&mut Baseline)| {
        let mut new = made();
        edit(&mut new);
        compare(&made(), &new, Tolerances::default()).expect_err("refused").code()
    };
    assert_eq!(code(|b| b.schema_version = "2.0.0".into()), "E-BASELINE-005");
    assert_eq!(code(|b| b.architecture = "deep".into()), "E-BASELINE-005");
    assert_eq!(code(|b| b.input_shape = [9, 8, 8]), "E-BASELINE-005");
    assert_eq!(code(|b| b.subjects[1].region_names[0] = "other".into()), "E-BASELINE-006");
    let mut bad = Tolerances::default();
    bad.score.abs = f64::NAN;
    assert_eq!(compare(&made(), &made(), bad).expect_err("refused").code(), "E-BASELINE-007");
    let c = run(|b| {
        b.engine = "cuda f32".into();
        b.schema_version = "1.3.0".into();
        b.subjects[0].image_sha256 = "2".into();
    });
    assert_eq!((c.worst, c.notes.len()), (Change::Same, 2));
}
