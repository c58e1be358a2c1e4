//! A rich record for tests: fake heads, every kind of finding, hostile words.

mod arms;
mod curves;
mod head;
mod regions;

use head::picture;
use regions::regions;

use crate::audit::finding::{COHORT, Cell, Column, Finding, Interval, Outcome, Series, Table};
use crate::audit::policy::{Judgement, Limit, Policy, Verdict};
use crate::audit::record::*;
use crate::card::{Better, Card};
use crate::provenance::{Provenance, Volatile};

/// A card as a check would bring it.
const fn card(id: &'static str, title: &'static str, question: &'static str) -> Card {
    Card {
        id,
        title,
        question,
        formula: "value = Σ in / Σ all",
        reading: "Higher is better: 1 is perfect and the level of unrelated maps is chance.",
        misleads: "A good number on synthetic data says nothing of patients, and it cannot tell a cause from a companion.",
        source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292",
        unit: "1",
        better: Better::Higher,
    }
}

static CASCADE: Card = card(
    "weights_cascade",
    "Does the map depend on what was learned?",
    "When the network is randomised layer by layer, does the map change?",
);
static EXCHANGE: Card = card(
    "weights_exchangeability",
    "Trained against untrained networks",
    "Could the map come from a network that learned nothing?",
);
static REGIONS: Card =
    card("region_mass", "Where the relevance lies", "Which regions carry the relevance?");
static RECOVERY: Card =
    card("planted_recovery", "Recovery of a planted effect", "Is a planted effect found?");
static CLOSURE: Card =
    card("conservation", "Conservation", "Does the relevance add up from layer to layer?");

/// Cards of the checks in the sample.
pub(crate) static CARDS: &[&Card] = &[&CLOSURE, &CASCADE, &EXCHANGE, &REGIONS, &RECOVERY];

/// A record in which nothing was measured.
pub(crate) fn empty() -> Record {
    Record {
        kind: "heatproof audit record".to_owned(),
        schema_version: SCHEMA_VERSION.to_owned(),
        title: "Empty audit".to_owned(),
        provenance: Provenance::new(7),
        data: DataCard {
            name: "none".to_owned(),
            synthetic: false,
            subjects: 0,
            audited: 0,
            classes: vec![],
            class_counts: vec![],
            target: String::new(),
            notes: vec![],
        },
        model: Some(model()),
        performance: None,
        explanation: explanation(),
        findings: vec![],
        policy: Policy { name: "none".to_owned(), limits: vec![], waivers: vec![] },
        judgements: vec![],
        verdict: Verdict::Described,
        summary: vec![],
        subjects: vec![],
        group_pictures: vec![],
        volatile: Volatile::default(),
    }
}

/// A rich record with this many subjects.
pub(crate) fn record(subjects: usize) -> Record {
    let mut record = empty();
    record.title = "Audit of a preterm/term classifier".to_owned();
    record.provenance.inputs = vec![("model.safetensors".to_owned(), "0123abcd".repeat(8))];
    record.provenance.settings = vec![
        ("rule".to_owned(), "composite <b>".to_owned()),
        ("draws".to_owned(), "99".to_owned()),
    ];
    record.data = DataCard {
        name: "phantom-48".to_owned(),
        synthetic: true,
        subjects: 48,
        audited: subjects,
        classes: vec!["term".to_owned(), "preterm".to_owned()],
        class_counts: vec![24, 24],
        target: "group=preterm".to_owned(),
        notes: vec!["2 rows without an image were left out".to_owned()],
    };
    record.performance = Some(performance());
    record.subjects = (0..subjects).map(subject).collect();
    record.group_pictures = vec![picture(3, "Mean map of the preterm class (24 subjects)")];
    record.findings = findings(subjects);
    record.policy.name = "default".to_owned();
    record.policy.limits = vec![
        limit("weights_cascade", "similarity_at_end", 0.5, Some(0.3), Better::Lower),
        limit("conservation", "closure_residual", 1e-3, None, Better::Lower),
        limit("planted_recovery", "hit_rate", 0.5, Some(0.7), Better::Higher),
    ];
    record.judgements = record.findings.iter().map(judge).collect();
    record.verdict = Verdict::Fail;
    record.summary = vec![
        "Recovery of a planted effect fails: hit rate 0.41 is below the limit 0.5.".to_owned(),
        "Weight randomisation needs review: similarity 0.34 is above 0.3.".to_owned(),
    ];
    record.volatile = Volatile {
        started: "2026-01-02T03:04:05Z".to_owned(),
        seconds: vec![("explain".to_owned(), 12.25)],
        threads: 2,
        platform: "linux x86_64".to_owned(),
    };
    record
}

fn model() -> ModelCard {
    let columns = ["name", "kind", "output", "parameters", "rule"];
    let columns = columns.map(|n| Column { name: n.to_owned(), unit: String::new() }).to_vec();
    let text = |t: &str| Cell::Text(t.to_owned());
    let row = |n: &str, k: &str, p| {
        vec![text(n), text(k), text("16×24×24×24"), Cell::Number(p), text("epsilon")]
    };
    ModelCard {
        architecture: "compact".to_owned(),
        parameters: 123_457,
        input_shape: [48, 56, 48],
        spacing_mm: 2.0,
        sha256: "0123abcd".repeat(8),
        layers: Table {
            name: "Layers".to_owned(),
            columns,
            rows: vec![row("block1.conv", "conv3d", 432.0), row("head", "linear", 66.0)],
        },
        fold_proof: "2.1e-7 on 4 inputs".to_owned(),
    }
}

fn explanation() -> ExplanationCard {
    ExplanationCard {
        rule: "composite-flat".to_owned(),
        stabiliser: "1e-6 absolute, sign(0)=+1".to_owned(),
        bias: "kept and reported".to_owned(),
        start: "log-odds of preterm over term".to_owned(),
        convention: "own".to_owned(),
        colour_range: "±99.5 % quantile of |R| inside the masks, same for all".to_owned(),
    }
}

fn performance() -> Performance {
    let columns = ["metric", "value", "low", "high"];
    let columns = columns.map(|n| Column { name: n.to_owned(), unit: String::new() }).to_vec();
    let row = |n: &str, v, l, h| {
        vec![Cell::Text(n.to_owned()), Cell::Number(v), Cell::Number(l), Cell::Number(h)]
    };
    let curve = |fold: usize, name: &str, from: f64| Series {
        name: format!("{name}, fold {fold}"),
        x_label: "epoch".to_owned(),
        y_label: if name == "AUC" { "AUC".to_owned() } else { "loss (nats)".to_owned() },
        labels: vec![],
        x: (1..=40).map(f64::from).collect(),
        y: (1..=40)
            .map(|e| {
                let fall = (-f64::from(e) / 9.0).exp();
                let wave = 0.02 * (f64::from(e) * (1.3 + fold as f64)).sin();
                if name == "AUC" { 0.93 - 0.4 * fall + wave } else { from + 0.5 * fall + wave }
            })
            .collect(),
        low: vec![],
        high: vec![],
    };
    Performance {
        source: "5-fold cross-validation, pooled".to_owned(),
        metrics: Table {
            name: "Held-out performance".to_owned(),
            columns,
            rows: vec![row("AUC", 0.9123, 0.85, 0.962), row("balanced accuracy", 0.84, 0.75, 0.91)],
        },
        roc: vec![[0.0, 0.0], [0.0, 0.4], [0.1, 0.7], [0.3, 0.9], [0.6, 1.0], [1.0, 1.0]],
        curves: vec![
            curve(1, "training", 0.1),
            curve(1, "held out", 0.22),
            curve(2, "training", 0.12),
            curve(2, "held out", 0.25),
            curve(1, "AUC", 0.0),
            curve(2, "AUC", 0.0),
        ],
        notes: vec!["Ventricle volume alone reaches AUC 0.81.".to_owned()],
    }
}

fn limit(check: &str, quantity: &str, fail: f64, warn: Option<f64>, better: Better) -> Limit {
    let reason = "Unrelated maps of two subjects reach 0.3; half of a perfect score is the least a reviewer would accept.".to_owned();
    Limit {
        check: check.to_owned(),
        quantity: quantity.to_owned(),
        fail: Some(fail),
        inconclusive: None,
        warn,
        better,
        reason,
        gate: false,
    }
}

fn judge(f: &Finding) -> Judgement {
    let verdict = match f.quantity.as_str() {
        "hit_rate" => Verdict::Fail,
        "similarity_at_end" => Verdict::Warn,
        "closure_residual" => Verdict::Pass,
        "p" => Verdict::Inconclusive,
        _ => Verdict::Described,
    };
    let because = format!("{} has no number to hide", f.quantity);
    Judgement {
        check: f.check.clone(),
        quantity: f.quantity.clone(),
        subject: f.subject.clone(),
        verdict,
        because,
    }
}

fn series(name: &str, x: &str, y: &str, labels: &[&str], values: Vec<f64>, spread: f64) -> Series {
    let with = |d: f64| if spread > 0.0 { values.iter().map(|v| v + d).collect() } else { vec![] };
    Series {
        name: name.to_owned(),
        x_label: x.to_owned(),
        y_label: y.to_owned(),
        labels: labels.iter().map(|l| (*l).to_owned()).collect(),
        x: (0..values.len()).map(|i| i as f64).collect(),
        low: with(-spread),
        high: with(spread),
        y: values,
    }
}

fn interval(low: f64, high: f64) -> Option<Interval> {
    Some(Interval { low, high, level: 0.95, method: "percentile bootstrap".to_owned() })
}

fn randomisations() -> Vec<Finding> {
    let mut cascade = Finding::new(
        "weights_cascade",
        COHORT,
        "similarity_at_end",
        "1",
        Outcome::with_interval(0.341_234_567, interval(0.21, 0.48)),
    );
    let stages = ["none", "head", "block3", "block2", "block1", "all"];
    let y = "Spearman correlation";
    let values = vec![1.0, 0.72, 0.51, 0.44, 0.39, 0.34];
    cascade.series = vec![
        series(
            "similarity to the original map",
            "randomised from the output",
            y,
            &stages,
            values,
            0.08,
        ),
        series(
            "between two subjects",
            "randomised from the output",
            y,
            &stages,
            vec![0.3; 6],
            0.03,
        ),
    ];
    let mut exchange =
        Finding::new("weights_exchangeability", COHORT, "p", "1", Outcome::measured(0.02));
    let drawn =
        (0..49).map(|i| 0.3 + 0.12 * f64::from(i * 37 % 49) / 49.0 + 0.05 * f64::from(i % 5) / 5.0);
    exchange.series = vec![
        series(
            "re-initialised",
            "network",
            "mean similarity to the others",
            &[],
            drawn.collect(),
            0.0,
        ),
        series("trained", "network", "mean similarity to the others", &[], vec![0.19], 0.0),
    ];
    vec![cascade, exchange]
}

fn findings(subjects: usize) -> Vec<Finding> {
    let why = "one of two controls misbehaved <script>alert(1)</script>".to_owned();
    let mut failed = Finding::new(
        "planted_recovery",
        COHORT,
        "hit_rate",
        "1",
        Outcome::with_interval(0.41, interval(0.3, 0.52)),
    );
    failed.series = vec![series(
        "hit rate",
        "subject",
        "hit rate",
        &["a", "b", "c", "d"],
        vec![0.2, 0.5, 0.4, 0.54],
        0.0,
    )];
    failed.notes = vec!["The effect was planted at 2 of 4 places.".to_owned()];
    let mut region =
        Finding::new("region_mass", COHORT, "background_share", "1", Outcome::measured(0.043));
    region.tables = vec![regions()];
    let mut out = randomisations();
    out.extend(arms::findings());
    out.extend(curves::findings());
    out.extend([region, failed]);
    out.push(Finding::new("stability", COHORT, "noise", "1", Outcome::Unmeasurable { why }));
    let mut noise = Finding::new("deletion", COHORT, "area", "log-odds", Outcome::measured(1.75));
    noise.series = vec![series(
        "score",
        "voxels removed (%)",
        "score (log-odds)",
        &[],
        vec![3.0, 1.5, 0.4, -0.2],
        0.3,
    )];
    out.push(noise);
    for i in 0..subjects {
        let v = 1.234_567_89e-7 * (i + 1) as f64;
        out.push(Finding::new(
            "conservation",
            &id(i),
            "closure_residual",
            "1",
            Outcome::measured(v),
        ));
    }
    out
}

fn id(i: usize) -> String {
    if i == 1 { "<script>x</script>".to_owned() } else { format!("sub-{:02}", i + 1) }
}

fn subject(i: usize) -> SubjectRecord {
    let layers = ["head", "pool", "block3.conv", "block2.conv", "block1.conv"];
    let line = |(n, layer): (usize, &&str)| {
        let received = 3.1 * 0.93_f64.powi(n as i32);
        let bias = received * (0.05 + 0.01 * i as f64) * if n % 2 == 0 { 1.0 } else { -1.0 };
        let stabiliser = received * 0.02;
        LedgerLine {
            layer: (*layer).to_owned(),
            kind: "conv3d".to_owned(),
            rule: "epsilon".to_owned(),
            received,
            handed_on: received - bias - stabiliser - 1e-7 * (i + n) as f64,
            bias,
            stabiliser,
            degenerate: 0.0,
            mass: 2.0 * received,
            mass_handed_on: 2.2 * received,
        }
    };
    SubjectRecord {
        id: id(i),
        truth: "preterm".to_owned(),
        predicted: Some(if i == 2 { "term" } else { "preterm" }.to_owned()),
        score: Some(2.345_678 - i as f64),
        probability: Some(0.912_345),
        held_out: true,
        ledger: layers.iter().enumerate().map(line).collect(),
        picture: picture(i, "Cuts at equal steps through the brain; model grid, 2 mm"),
        arms: arms::pictures(i),
        image_sha256: "fedc9876".repeat(8),
        map: Some("explanations/map.nii.gz".to_owned()),
    }
}
