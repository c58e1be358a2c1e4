use super::*;
use crate::audit::finding::{Outcome, Series, Table};
use crate::audit::judge::judge;
use crate::audit::policy::Policy;
use crate::audit::record::{DataCard, ExplanationCard, ModelCard, Picture, SubjectRecord};
use crate::provenance::{Provenance, Volatile};

fn subject(id: &str, score: f64) -> SubjectRecord {
    SubjectRecord {
        id: id.into(),
        truth: "a".into(),
        predicted: Some(if score > 0.0 { "b" } else { "a" }.into()),
        score: Some(score),
        probability: Some(0.5),
        held_out: true,
        ledger: vec![],
        picture: Picture { caption: String::new(), colour_range: 1.0, slices: vec![] },
        image_sha256: "1".into(),
        arms: Vec::new(),
        map: None,
    }
}

fn findings() -> Vec<Finding> {
    let mut findings = Vec::new();
    for id in ["sub-02", "sub-01"] {
        let mut f =
            Finding::new("region_mass", id, "background_share", "1", Outcome::measured(1.0 / 30.0));
        f.series.push(Series {
            name: "regions".into(),
            labels: vec!["left".into(), "right".into()],
            y: vec![0.1, 2.0 / 3.0],
            ..Series::default()
        });
        findings.push(f);
    }
    let p = Outcome::measured(0.01);
    findings.push(Finding::new("weights_exchangeability", COHORT, "p_value", "1", p));
    findings
}

fn made() -> Record {
    let table = Table { name: String::new(), columns: vec![], rows: vec![] };
    let findings = findings();
    let mut policy = Policy::default_policy().expect("policy");
    let kept = ["region_mass/background_share", "weights_exchangeability/p_value"];
    policy.limits.retain(|l| kept.contains(&format!("{}/{}", l.check, l.quantity).as_str()));
    let (judgements, verdict, summary) = judge(&policy, &findings, &[], None).expect("judged");
    let word = String::new;
    Record {
        kind: "heatproof audit record".into(),
        schema_version: "1.0.0".into(),
        title: word(),
        provenance: Provenance::new(1),
        data: DataCard {
            name: word(),
            synthetic: true,
            subjects: 2,
            audited: 2,
            classes: vec![],
            class_counts: vec![],
            target: word(),
            notes: vec![],
        },
        model: Some(ModelCard {
            architecture: "compact".into(),
            parameters: 1,
            input_shape: [8, 8, 8],
            spacing_mm: 2.0,
            sha256: "abc".into(),
            layers: table,
            fold_proof: word(),
        }),
        performance: None,
        explanation: ExplanationCard {
            rule: "epsilon".into(),
            stabiliser: word(),
            bias: word(),
            start: "log-odds".into(),
            convention: word(),
            colour_range: word(),
        },
        findings,
        policy,
        judgements,
        verdict,
        summary,
        subjects: vec![subject("sub-02", 1.0 / 3.0), subject("sub-01", -2.5)],
        group_pictures: vec![],
        volatile: Volatile::default(),
    }
}

fn map(subject: &str) -> CoarseMap {
    CoarseMap { subject: subject.into(), shape: [1, 2, 1], values: vec![0.1, -0.2] }
}

#[test]
fn a_record_becomes_a_small_sorted_rounded_baseline_and_reads_back() {
    let b = record(&made(), &[map("sub-01")]).expect("baseline");
    assert_eq!(b.subjects.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(), ["sub-01", "sub-02"]);
    assert_eq!(b.subjects[1].score, Some(0.333333333));
    assert_eq!(b.subjects[0].regions, [0.1, 0.666666667]);
    assert_eq!(b.subjects[0].values[0].verdict, Verdict::Pass);
    assert!(b.subjects[0].map.is_some() && b.subjects[1].map.is_none());
    assert_eq!((b.cohort.len(), b.cohort[0].value), (1, Some(0.01)));
    let text = b.to_json().expect("text");
    assert_eq!(Baseline::from_json(&text, "f").expect("read"), b);
    assert!(text.len() < 2000 && text.lines().count() >= 2, "{text}");
}

#[test]
fn region_tables_serve_as_well_as_series() {
    let mut r = made();
    r.findings[1].series.clear();
    let text = |t: &str| Cell::Text(t.into());
    r.findings[1].tables.push(Table {
        name: "regions".into(),
        columns: vec![],
        rows: vec![
            vec![text("left"), Cell::Number(0.5)],
            vec![text("none"), Cell::Missing("no voxels".into())],
        ],
    });
    let b = record(&r, &[]).expect("baseline");
    assert_eq!((b.subjects[0].region_names.len(), b.subjects[0].regions[0]), (1, 0.5));
}

#[test]
fn refusals() {
    let code = |r: &Record, maps: &[CoarseMap]| record(r, maps).expect_err("refused").code();
    let mut r = made();
    r.subjects[0].score = Some(f64::NAN);
    assert_eq!(code(&r, &[]), "E-BASELINE-001");
    let mut bad = map("sub-01");
    bad.values.pop();
    assert_eq!(code(&made(), &[bad]), "E-BASELINE-002");
    let large = CoarseMap { subject: "sub-01".into(), shape: [17, 1, 1], values: vec![0.0; 17] };
    assert_eq!(code(&made(), &[large]), "E-BASELINE-002");
    assert_eq!(code(&made(), &[map("sub-09")]), "E-BASELINE-002");
    assert_eq!(code(&made(), &[map("sub-01"), map("sub-01")]), "E-BASELINE-002");
    let mut r = made();
    r.judgements.clear();
    assert_eq!(code(&r, &[]), "E-BASELINE-003");
    let good = record(&made(), &[]).expect("baseline").to_json().expect("text");
    for text in [
        "".to_owned(),
        "[]".to_owned(),
        good.replace("\"1.0.0\"", "\"2.0.0\""),
        good.replace(KIND, "other"),
        good.replace("\"engine\"", "\"motor\""),
    ] {
        assert_eq!(Baseline::from_json(&text, "f").expect_err("refused").code(), "E-BASELINE-004");
    }
}

#[test]
fn rounding() {
    assert_eq!(rounded(1.0 / 3.0), 0.333333333);
    assert_eq!(rounded(123456789.4), 123456789.0);
    assert!(rounded(-0.0).is_sign_positive());
    assert_eq!(rounded(rounded(2.0 / 3.0)), rounded(2.0 / 3.0));
}
