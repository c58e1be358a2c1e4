use super::*;
use crate::seed::Seed;
use crate::stats::permutation::two_sample;

const GROUP: [f64; 8] = [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];

fn outcomes() -> Vec<Vec<f64>> {
    vec![
        vec![2.1, 3.9, 6.2, 7.8, 11.3, 12.1, 13.2, 17.5],
        vec![1.0, -2.0, 0.5, 3.0, -1.0, 4.0, -0.5, 5.0],
    ]
}

fn age() -> Vec<f64> {
    vec![1.0, 2.0, 3.5, 4.0, 5.0, 6.5, 7.0, 8.0]
}

/// p and family-wise p over all arrangements, by refitting the full model to each with NumPy
/// 2.4.6 (`pinv`), for [`outcomes`] with [`age`] as nuisance variable.
#[test]
fn agrees_with_full_refits_over_all_arrangements() {
    let strata = [0, 0, 0, 0, 1, 1, 1, 1];
    let pairs = [0, 0, 1, 1, 2, 2, 3, 3];
    let cases = [
        (Exchange::Free, [[0.533_060_52, 0.802_182_54], [0.223_437_50, 0.420_486_11]]),
        (Exchange::Within(&strata), [[0.739_583_33, 0.906_25], [0.276_041_67, 0.479_166_67]]),
        (Exchange::Whole(&pairs), [[0.625, 0.791_666_67], [0.458_333_33, 0.5]]),
    ];
    let m = 40_000;
    for (exchange, want) in cases {
        let mut s = Seed(3).stream("freedman lane");
        let found = test(&GROUP, &[age()], &outcomes(), exchange, m, &mut s).expect("effects");
        assert_eq!((found.freedom, found.permutations), (5, m));
        let effects: Vec<Effect> = found.outcomes.into_iter().flatten().collect();
        assert!((effects[0].t - 0.654_148_669_619_598_4).abs() < 1e-10);
        assert!((effects[0].estimate - 0.573_953_974_895_396_8).abs() < 1e-10);
        assert!((effects[0].sigma * found.leverage - 0.877_406_011_127_662_1).abs() < 1e-10);
        for (effect, [p, family]) in effects.iter().zip(want) {
            // Four standard errors of a share of 40,000 are below 0.01.
            assert!((effect.p - p).abs() < 0.01, "{exchange:?}: {effect:?}, {p}");
            assert!((effect.p_family - family).abs() < 0.01, "{exchange:?}: {effect:?}, {family}");
        }
    }
}

#[test]
fn without_nuisance_variables_it_is_the_exact_test_of_two_samples() {
    let y = &outcomes()[0];
    let part = |g: f64| -> Vec<f64> {
        y.iter().zip(GROUP).filter(|(_, x)| *x == g).map(|(y, _)| *y).collect()
    };
    let mut s = Seed(4).stream("two");
    let exact = two_sample(&part(1.0), &part(0.0), Tail::TwoSided, 100, &mut s).expect("p");
    assert!(exact.exact);
    let drawn = test(&GROUP, &[], &outcomes()[..1], Exchange::Free, 20_000, &mut s).expect("p");
    let effect = drawn.outcomes[0].clone().expect("effect");
    assert!((effect.p - exact.p).abs() < 0.015, "{} {}", effect.p, exact.p);
    assert_eq!((effect.p, effect.p), (effect.p_family, effect.q), "one outcome is its family");
    assert!((effect.estimate - (12.05 - 6.475)).abs() < 1e-12);
}

#[test]
fn a_constant_outcome_is_undefined_alone_and_spoils_nothing() {
    let run = |outcomes: &[Vec<f64>]| {
        let mut s = Seed(5).stream("constant");
        test(&GROUP, &[age()], outcomes, Exchange::Free, 500, &mut s).expect("effects").outcomes
    };
    let alone = run(&outcomes());
    let mut more = outcomes();
    more.insert(1, vec![0.25; 8]);
    more.push(age().iter().map(|a| 3.0 * a - 1.0).collect());
    let found = run(&more);
    assert!(found[1].clone().expect_err("constant").0.contains("constant"));
    assert!(found[3].clone().expect_err("explained").0.contains("nuisance"));
    assert_eq!([&found[0], &found[2]], [&alone[0], &alone[1]]);
}

#[test]
fn an_effect_is_found_and_a_nuisance_variable_takes_a_false_one_away() {
    let mut s = Seed(6).stream("effect");
    let group: Vec<f64> = (0..40).map(|i| f64::from(i % 2)).collect();
    let age: Vec<f64> = group.iter().map(|g| 1.5 * g + s.normal()).collect();
    let of = |by: &[f64], gain: f64, s: &mut Stream| -> Vec<f64> {
        by.iter().map(|x| gain * x + s.normal()).collect()
    };
    let mut outcomes = vec![of(&group, 2.0, &mut s), of(&age, 2.0, &mut s)];
    outcomes.extend((0..20).map(|_| of(&group, 0.0, &mut s)));
    let mut p = |nuisance: &[Vec<f64>]| -> Vec<f64> {
        let found = test(&group, nuisance, &outcomes, Exchange::Free, 999, &mut s);
        found.expect("effects").outcomes.into_iter().flatten().map(|f| f.p_family).collect()
    };
    let (plain, given) = (p(&[]), p(std::slice::from_ref(&age)));
    assert!(plain[0] <= 0.01 && plain[1] <= 0.01, "{plain:?}");
    assert!(given[0] <= 0.01 && given[1] > 0.05, "{given:?}");
    assert!(given[2..].iter().all(|p| *p > 0.05), "{given:?}");
}

#[test]
fn undefined_cases() {
    let mut s = Seed(7).stream("undefined");
    let mut why = |effect: &[f64], nuisance: &[Vec<f64>], exchange, m| {
        test(effect, nuisance, &outcomes(), exchange, m, &mut s).expect_err("undefined").0
    };
    let free = Exchange::Free;
    assert!(why(&[1.0; 8], &[], free, 9).contains("the effect is a combination"));
    assert!(why(&GROUP, &[vec![2.0; 8]], free, 9).contains("column 1"));
    assert!(why(&GROUP, &[age(), age()], free, 9).contains("column 2"));
    assert!(why(&GROUP, &[], free, 0).contains("without permutations"));
    assert!(why(&GROUP[1..], &[], free, 9).contains("paired"));
    assert!(why(&GROUP, &[], Exchange::Within(&[0; 3]), 9).contains("paired"));
    assert!(why(&GROUP, &[], Exchange::Within(&[0, 1, 2, 3, 4, 5, 6, 7]), 9).contains("no rows"));
    let short = test(&[0.0, 1.0, 1.0], &[], &[vec![1.0, 2.0, 4.0]], free, 9, &mut s);
    assert!(short.expect_err("too few").0.contains("3 rows"));
}
