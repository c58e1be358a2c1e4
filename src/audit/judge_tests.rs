use super::*;
use crate::audit::policy::Waiver;

fn limit(better: Better, fail: Option<f64>, warn: Option<f64>) -> Limit {
    Limit {
        check: "c".into(),
        quantity: "q".into(),
        fail,
        inconclusive: None,
        warn,
        better,
        gate: false,
        reason: "reasons".into(),
    }
}

fn policy(limits: Vec<Limit>) -> Policy {
    Policy { name: "p".into(), limits, waivers: Vec::new() }
}

fn finding(subject: &str, outcome: Outcome) -> Finding {
    Finding::new("c", subject, "q", "1", outcome)
}

fn verdict_of(limit: &Limit, value: f64) -> Verdict {
    let f = finding("s", Outcome::Measured { value, interval: None });
    let (_, verdict, _) = judge(&policy(vec![limit.clone()]), &[f], &[], None).expect("judged");
    verdict
}

#[test]
fn every_boundary() {
    use Verdict::*;
    let low = limit(Better::Lower, Some(0.5), Some(0.3));
    let above = |x: f64| x.next_up();
    for (value, want) in
        [(0.0, Pass), (0.3, Pass), (above(0.3), Warn), (0.5, Warn), (above(0.5), Fail)]
    {
        assert_eq!(verdict_of(&low, value), want, "{value}");
    }
    let high = limit(Better::Higher, Some(0.5), Some(0.6));
    for (value, want) in
        [(0.7, Pass), (0.6, Pass), (0.6f64.next_down(), Warn), (0.5, Warn), (0.499, Fail)]
    {
        assert_eq!(verdict_of(&high, value), want, "{value}");
    }
    let mut gate = limit(Better::Higher, None, None);
    gate.inconclusive = Some(0.5);
    assert_eq!(verdict_of(&gate, 0.5), Inconclusive);
    assert_eq!(verdict_of(&gate, 0.2), Inconclusive);
    assert_eq!(verdict_of(&gate, above(0.5)), Pass);
    for l in [low, high, gate] {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(verdict_of(&l, value), Inconclusive, "{value} never passes");
        }
    }
}

#[test]
fn outcomes_without_a_number_and_findings_without_a_limit() {
    let p = policy(vec![limit(Better::Lower, Some(1.0), None)]);
    let not = finding("s", Outcome::NotApplicable { why: "no mask".into() });
    let (j, v, summary) = judge(&p, &[not], &[], None).expect("judged");
    assert_eq!((j[0].verdict, v), (Verdict::Described, Verdict::Described));
    assert!(summary[0].contains("nothing was judged"));
    let un = finding("s", Outcome::Unmeasurable { why: "empty".into() });
    let (_, v, _) = judge(&p, std::slice::from_ref(&un), &[], None).expect("judged");
    assert_eq!(v, Verdict::Inconclusive);
    let (_, v, _) = judge(&policy(vec![]), &[un], &[], None).expect("judged");
    assert_eq!(v, Verdict::Described);
    assert_eq!(judge(&policy(vec![]), &[], &[], None).expect("judged").1, Verdict::Described);
}

#[test]
fn what_is_missing_does_not_pass_and_what_is_unknown_is_an_error() {
    const CARD: Card = Card {
        id: "c",
        title: "",
        question: "",
        formula: "",
        reading: "",
        misleads: "",
        source: "",
        unit: "1",
        better: Better::Lower,
    };
    let p = policy(vec![limit(Better::Lower, Some(1.0), None)]);
    let (j, v, s) = judge(&p, &[], &[&CARD], None).expect("judged");
    assert_eq!((j.len(), v), (1, Verdict::Inconclusive));
    assert!(s[0].contains("c/q") && s[0].contains("no such finding"), "{s:?}");
    let error = judge(&p, &[], &[], None).expect_err("unknown check");
    assert_eq!(error.code(), "E-POLICY-006");
    let error = judge(&policy(vec![]), &[], &[], Some("today")).expect_err("no date");
    assert_eq!(error.code(), "E-POLICY-007");
}

fn waiver(subject: &str, until: &str) -> Waiver {
    Waiver {
        check: "c".into(),
        quantity: "*".into(),
        subject: subject.into(),
        reason: "known artefact".into(),
        until: until.into(),
    }
}

#[test]
fn waivers_hold_until_their_end_and_stale_ones_are_reported() {
    let bad =
        [finding("sub-01", Outcome::measured(2.0)), finding("sub-02", Outcome::measured(0.0))];
    let run = |w: Waiver, today: Option<&str>| {
        let mut p = policy(vec![limit(Better::Lower, Some(1.0), None)]);
        p.waivers.push(w);
        judge(&p, &bad, &[], today).expect("judged")
    };
    let (j, v, s) = run(waiver("sub-*", "2026-05-01"), Some("2026-05-01"));
    assert_eq!(
        (j.len(), j[0].verdict, j[1].verdict, v),
        (2, Verdict::Waived, Verdict::Pass, Verdict::Waived)
    );
    assert!(s[0].starts_with("Waived: c/q of sub-01") && s[0].contains("known artefact"), "{s:?}");
    for (w, today, words) in [
        (waiver("sub-*", "2026-05-01"), Some("2026-05-02"), "ended on 2026-05-01"),
        (waiver("sub-9*", "2026-05-01"), Some("2026-05-01"), "matches no finding"),
        (waiver("sub-*", "2026-05-01"), None, "date is not known"),
    ] {
        let (j, v, _) = run(w, today);
        assert_eq!((v, j[0].verdict), (Verdict::Fail, Verdict::Fail), "{words}");
        let last = j.last().expect("waiver line");
        assert_eq!((last.check.as_str(), last.quantity.as_str()), ("policy", "waiver"));
        assert!(last.verdict == Verdict::Warn && last.because.contains(words), "{}", last.because);
    }
}

#[test]
fn a_gate_that_does_not_hold_makes_all_inconclusive() {
    let mut gate = limit(Better::Higher, None, Some(0.6));
    gate.gate = true;
    let p = policy(vec![gate]);
    let run = |o: Outcome| judge(&p, &[finding(COHORT, o)], &[], None).expect("judged").1;
    assert_eq!(run(Outcome::measured(0.7)), Verdict::Pass);
    assert_eq!(run(Outcome::measured(0.5)), Verdict::Warn);
    assert_eq!(run(Outcome::NotApplicable { why: "x".into() }), Verdict::Inconclusive);
    let mut waived = p.clone();
    waived.limits[0].fail = Some(0.5);
    waived.waivers.push(waiver("*", "2030-01-01"));
    let f = [finding(COHORT, Outcome::measured(0.1))];
    let (j, v, _) = judge(&waived, &f, &[], Some("2026-01-01")).expect("judged");
    assert_eq!((j[0].verdict, v), (Verdict::Waived, Verdict::Inconclusive));
}

#[test]
fn sentences_are_plain_and_most_serious_first() {
    let p = policy(vec![limit(Better::Lower, Some(0.8), Some(0.5))]);
    let f: Vec<Finding> = [0.6, 0.93, 0.95, 0.1]
        .iter()
        .enumerate()
        .map(|(i, v)| finding(&format!("sub-{i}"), Outcome::measured(*v)))
        .collect();
    let (_, _, s) = judge(&p, &f, &[], None).expect("judged");
    assert_eq!(
        s,
        [
            "Fail: c/q of 2 subjects, first sub-1: value 0.93, limit at most 0.8, because reasons.",
            "Warning: c/q of sub-0: value 0.6, limit at most 0.5, because reasons.",
            "Pass: 1 number(s) lie within their limits.",
        ]
    );
    assert_eq!(
        [1e-7, 0.05, 12345.678, 100.0, 0.0].map(number),
        ["1.000e-7", "0.05", "12346", "100", "0"]
    );
}

#[test]
fn the_built_in_policy_holds_a_constant_model_inconclusive() {
    let mut p = Policy::default_policy().expect("built in");
    p.limits.retain(|l| l.check == "model_performance");
    let f = Finding::new("model_performance", COHORT, "auc_low", "1", Outcome::measured(0.5));
    let (_, v, s) = judge(&p, &[f], &[], None).expect("judged");
    assert_eq!(v, Verdict::Inconclusive);
    assert!(s.iter().any(|t| t.contains("limit above 0.5")), "{s:?}");
}
