//! Group contrasts with the networks of a training as levels.

use std::sync::LazyLock;

use heatproof::audit::bench::{Bench, Kin};
use heatproof::audit::checks::anatomy::group_contrast::GroupContrast;
use heatproof::audit::finding::{Cell, Finding, Outcome};
use heatproof::image::atlas::Atlas;
use heatproof::model::Graph;

use super::audit_bench::*;

static ATLAS: LazyLock<Atlas> =
    LazyLock::new(|| Atlas::of_labels(HEADS[0].labels.as_ref().expect("labels")));

/// The findings with folds and members of these networks.
fn contrasts(own: &Graph, folds: &[&Graph], members: &[&Graph]) -> Vec<Finding> {
    measured(&GroupContrast, own, |bench: &mut Bench<'_>| {
        bench.atlas = Some(&ATLAS);
        others(bench, &[folds, members].concat());
        for (n, member) in bench.others.iter_mut().skip(folds.len()).enumerate() {
            (member.name, member.kin) = (format!("member_{n}"), Kin::Seed);
        }
    })
}

fn networks(found: &[Finding]) -> &Finding {
    found.iter().find(|f| f.quantity == "true_share_networks").expect("finding")
}

/// Numbers of the first region: g, its spread over folds and over seeds, both ends.
fn numbers(found: &[Finding]) -> [Option<f64>; 5] {
    let row = &networks(found).tables[0].rows[0];
    std::array::from_fn(|n| match row[n + 2] {
        Cell::Number(v) => Some(v),
        _ => None,
    })
}

#[test]
fn networks_that_agree_leave_the_interval_of_the_subjects_and_others_widen_it() {
    let (own, second, third) = (untrained(61), untrained(62), untrained(63));
    let same = numbers(&contrasts(&own, &[&own, &own], &[]));
    let [g, folds, seeds, low, high] = same;
    assert!(folds.expect("folds") < 1e-9 && seeds.is_none(), "{same:?}");
    // Copies say nothing new: the interval is that of the subjects, in the first table.
    let found = contrasts(&own, &[&own, &own], &[]);
    let first = found.iter().find(|f| f.quantity == "true_share").expect("contrast");
    let table = serde_json::to_value(&first.tables[0]).expect("json");
    for (end, column) in [(low, 6), (high, 7)] {
        let plain = table["rows"][0][column]["number"].as_f64().expect("number");
        assert!((end.expect("end") - plain).abs() < 1e-6, "{end:?} {plain}");
    }
    let apart = numbers(&contrasts(&own, &[&second, &third], &[&own, &second]));
    assert_eq!(apart[0], g);
    assert!(apart[1].expect("folds") > 0.0 && apart[2].expect("seeds") > 0.0, "{apart:?}");
    assert!(apart[3] < low && apart[4] > high, "{apart:?} {same:?}");
}

#[test]
fn one_network_has_no_level_of_networks_and_members_alone_have_seeds() {
    let (own, second) = (untrained(61), untrained(62));
    let alone = contrasts(&own, &[], &[]);
    let Outcome::NotApplicable { why } = &networks(&alone).outcome else { panic!("{alone:?}") };
    assert!(why.contains("one fold") && why.contains("one network"), "{why}");
    let members = numbers(&contrasts(&own, &[], &[&own, &second]));
    assert!(members[1].is_none() && members[2].expect("seeds") > 0.0, "{members:?}");
    assert!(members[3].is_some() && members[4].is_some());
}
