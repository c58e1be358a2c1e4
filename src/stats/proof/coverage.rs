//! How often intervals hold the true value.

use super::uniformity::skewed;
use super::{BAND, Coverage, LEVEL};
use crate::seed::{Seed, Stream};
use crate::stats::bootstrap::{Bounds, Units, percentile};
use crate::stats::linear_model::Design;
use crate::stats::mean_interval::mean_interval;
use crate::stats::{Undefined, auc_interval, curve, delong, effect_size, moments};
use crate::stats::{normal, student};

/// Draws of a bootstrap.
const DRAWS: usize = 599;
/// Subjects of the means; the others begin with the third.
const SIZES: [usize; 6] = [3, 5, 8, 16, 24, 60];
/// Maps of a subject where there are several.
const MAPS: usize = 3;

/// What is drawn, and of what the interval is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    /// A mean of values whose skewness is 0, √2 (the sum of two exponential ones) or 2.
    Mean(Law),
    /// AUC of normal scores apart by so many standard deviations, two classes alike.
    Area(f64),
    /// The same with three scans a subject, which share half of their variance.
    Scans(f64),
    /// g of two groups alike, apart by so many standard deviations.
    Size(Law, f64),
    /// The same with three maps a subject, which share half of their variance.
    Maps,
    /// The same beside a covariate that follows the group.
    Beside,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Law {
    Normal,
    Skewed,
    Exponential,
}

/// One statistic at one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    what: What,
    n: usize,
}

/// An interval: its name, whether audits use it, and what it gave.
type Given = (&'static str, bool, Result<Bounds, Undefined>);

/// All of them, the longest first.
pub(super) fn cells() -> Vec<Cell> {
    use Law::{Exponential, Normal, Skewed};
    let apart = [0.0, 1.0, 2.0];
    let areas = apart.map(What::Area).into_iter().chain(apart.map(What::Scans));
    let sizes = [What::Size(Normal, 0.0), What::Size(Normal, 0.8), What::Size(Skewed, 0.8)];
    let means = [Normal, Skewed, Exponential].map(What::Mean);
    let rest = areas.chain(sizes).chain([What::Maps, What::Beside]);
    let at = |what: What, sizes: &'static [usize]| sizes.iter().map(move |&n| Cell { what, n });
    let mut all: Vec<Cell> = rest.flat_map(|what| at(what, &SIZES[2..])).collect();
    all.extend(means.into_iter().flat_map(|what| at(what, &SIZES)));
    all.sort_by_key(|cell| std::cmp::Reverse(cell.n));
    all
}

impl Law {
    /// Values of standard deviation 1 about 0.
    fn draw(self, s: &mut Stream, n: usize) -> Vec<f64> {
        match self {
            Self::Normal => (0..n).map(|_| s.normal()).collect(),
            Self::Exponential => skewed(s, n).into_iter().map(|x| x - 1.0).collect(),
            Self::Skewed => {
                let (a, b) = (skewed(s, n), skewed(s, n));
                a.iter().zip(b).map(|(a, b)| (a + b - 2.0) / 2.0f64.sqrt()).collect()
            }
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Skewed => "skewness 1.4",
            Self::Exponential => "exponential, skewness 2",
        }
    }
}

impl What {
    fn statistic(self) -> &'static str {
        match self {
            Self::Mean(_) => "mean",
            Self::Area(_) | Self::Scans(_) => "AUC",
            Self::Size(..) | Self::Maps | Self::Beside => "effect size g",
        }
    }

    fn data(self) -> String {
        match self {
            Self::Mean(law) => law.words().to_owned(),
            Self::Area(d) => format!("normal scores, AUC {:.2}", area(d)),
            Self::Scans(d) => format!("normal, AUC {:.2}, {MAPS} scans a subject", area(d)),
            Self::Size(law, d) => format!("{}, g {d}", law.words()),
            Self::Maps => format!("normal, g 0.8, {MAPS} maps a subject"),
            Self::Beside => "normal, g 0.8, beside a covariate".to_owned(),
        }
    }

    /// The true value and the intervals of one simulation.
    fn simulate(self, n: usize, s: &mut Stream) -> (f64, Vec<Given>) {
        match self {
            Self::Mean(law) => (0.0, of_mean(&law.draw(s, n), s)),
            Self::Area(d) => (area(d), of_area(n, d, s)),
            Self::Scans(d) => (area(d), of_scans(n, d, s)),
            Self::Size(law, d) => (d, of_size(law, d, n, s)),
            Self::Maps => (0.8, of_maps(n, s)),
            Self::Beside => (0.8, vec![("model", true, beside(n, s))]),
        }
    }
}

fn picked(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|&r| values[r]).collect()
}

fn of_mean(x: &[f64], s: &mut Stream) -> Vec<Given> {
    let mean = |rows: &[usize]| moments::mean(&picked(x, rows));
    vec![
        ("bootstrap-t, Student below 5", true, mean_interval(x, LEVEL, DRAWS, s).map(|(b, _)| b)),
        ("Student", false, student::mean_interval(x, LEVEL)),
        ("percentile", false, percentile(&Units::rows(x.len()), LEVEL, DRAWS, s, mean)),
    ]
}

/// AUC of normal scores so far apart.
fn area(apart: f64) -> f64 {
    normal::cdf(apart / 2.0f64.sqrt())
}

fn of_area(n: usize, apart: f64, s: &mut Stream) -> Vec<Given> {
    let labels: Vec<bool> = (0..n).map(|i| i % 2 == 1).collect();
    let scores: Vec<f64> =
        labels.iter().map(|l| s.normal() + if *l { apart } else { 0.0 }).collect();
    vec![
        ("Newcombe", true, auc_interval::auc_interval(&labels, &scores, LEVEL)),
        ("DeLong", false, delong::auc_interval(&labels, &scores, LEVEL)),
        ("percentile", false, resampled(&labels, &scores, &Units::by_label(&labels), s)),
    ]
}

fn of_scans(n: usize, apart: f64, s: &mut Stream) -> Vec<Given> {
    let [group, scores] = groups(Law::Normal, apart, n, MAPS, s);
    let labels: Vec<bool> = group.iter().map(|g| *g == 1.0).collect();
    let subjects: Vec<usize> = (0..n * MAPS).map(|row| row / MAPS).collect();
    let of = |class: usize| (0..n).filter(move |subject| subject % 2 == class);
    let scans = |subject: usize| (subject * MAPS..(subject + 1) * MAPS).collect();
    let units = Units::strata([0, 1].map(|class| of(class).map(scans).collect()).to_vec());
    vec![
        ("Newcombe", true, auc_interval::over_subjects(&labels, &scores, &subjects, LEVEL)),
        (
            "Newcombe over scans, wrongly",
            false,
            auc_interval::auc_interval(&labels, &scores, LEVEL),
        ),
        ("percentile", false, resampled(&labels, &scores, &units, s)),
    ]
}

fn resampled(
    labels: &[bool],
    scores: &[f64],
    units: &Units,
    s: &mut Stream,
) -> Result<Bounds, Undefined> {
    percentile(units, LEVEL, DRAWS, s, |rows| {
        let drawn: Vec<bool> = rows.iter().map(|&r| labels[r]).collect();
        curve::auc(&drawn, &picked(scores, rows))
    })
}

/// The class of each row, and the values.
fn groups(law: Law, d: f64, n: usize, maps: usize, s: &mut Stream) -> [Vec<f64>; 2] {
    let share = if maps > 1 { 0.5f64.sqrt() } else { 1.0 };
    let own = law.draw(s, n);
    let noise = law.draw(s, n * maps);
    let value = |row: usize| {
        let subject = row / maps;
        let rest = (1.0 - share * share).sqrt() * noise[row];
        share * own[subject] + rest + d * (subject % 2) as f64
    };
    let group = |row: usize| ((row / maps) % 2) as f64;
    [(0..n * maps).map(group).collect(), (0..n * maps).map(value).collect()]
}

fn of_size(law: Law, d: f64, n: usize, s: &mut Stream) -> Vec<Given> {
    let [group, values] = groups(law, d, n, 1, s);
    let subjects: Vec<usize> = (0..n).collect();
    let both = bootstrapped(&values, &group, &subjects, s);
    vec![("model", true, modelled(&values, &group, &[])), ("BCa over subjects", false, both)]
}

fn of_maps(n: usize, s: &mut Stream) -> Vec<Given> {
    let [group, values] = groups(Law::Normal, 0.8, n, MAPS, s);
    let subjects: Vec<usize> = (0..n * MAPS).map(|row| row / MAPS).collect();
    let rows: Vec<usize> = (0..n * MAPS).collect();
    vec![
        ("BCa over subjects", false, bootstrapped(&values, &group, &subjects, s)),
        ("BCa over maps, wrongly", false, bootstrapped(&values, &group, &rows, s)),
    ]
}

fn bootstrapped(
    values: &[f64],
    group: &[f64],
    subjects: &[usize],
    s: &mut Stream,
) -> Result<Bounds, Undefined> {
    let in_b: Vec<bool> = group.iter().map(|g| *g == 1.0).collect();
    let how = (LEVEL, DRAWS);
    effect_size::over_subjects(values, &in_b, subjects, effect_size::hedges_g, how, s)
}

fn beside(n: usize, s: &mut Stream) -> Result<Bounds, Undefined> {
    let [group, values] = groups(Law::Normal, 0.8, n, 1, s);
    let age: Vec<f64> = group.iter().map(|g| 0.7 * g + s.normal()).collect();
    let values: Vec<f64> = values.iter().zip(&age).map(|(v, a)| v + 0.6 * a).collect();
    modelled(&values, &group, &[age])
}

/// The interval of [`effect_size::of_model`].
fn modelled(values: &[f64], group: &[f64], nuisance: &[Vec<f64>]) -> Result<Bounds, Undefined> {
    let n = values.len();
    let mut columns = vec![vec![1.0; n]];
    columns.extend(nuisance.iter().cloned());
    columns.push(group.to_vec());
    let design = Design::new(&columns)?;
    let fit = design.fit(values)?;
    let mut last = vec![0.0; columns.len()];
    last[columns.len() - 1] = 1.0;
    let found = design.contrast(&fit, &last)?;
    Ok(effect_size::of_model(found.t, design.leverage(&last)?, fit.freedom, n, LEVEL)?.1)
}

impl Cell {
    pub(super) fn name(&self) -> String {
        format!("{} of {}, {} subjects", self.what.statistic(), self.what.data(), self.n)
    }

    pub(super) fn show(&self, seed: Seed, simulations: usize) -> Vec<Coverage> {
        let mut found: Vec<Coverage> = Vec::new();
        for n in 0..simulations {
            let mut s = seed.stream(&format!("proof/{}/{n}", self.name()));
            let (truth, given) = self.what.simulate(self.n, &mut s);
            for (at, (interval, used, bounds)) in given.into_iter().enumerate() {
                if found.len() == at {
                    found.push(Coverage {
                        statistic: self.what.statistic().to_owned(),
                        interval: interval.to_owned(),
                        used,
                        data: self.what.data(),
                        n: self.n,
                        defined: 0.0,
                        coverage: 0.0,
                        error: 0.0,
                        width: 0.0,
                        holds: false,
                    });
                }
                if let Ok(bounds) = bounds {
                    let c = &mut found[at];
                    c.defined += 1.0;
                    c.coverage += f64::from(u8::from(bounds.low <= truth && truth <= bounds.high));
                    c.width += bounds.high - bounds.low;
                }
            }
        }
        for c in &mut found {
            let defined = c.defined.max(1.0);
            (c.coverage, c.width) = (c.coverage / defined, c.width / defined);
            c.defined /= simulations as f64;
            c.error = (c.coverage * (1.0 - c.coverage) / defined).sqrt();
            let reach = |sign: f64| c.coverage + sign * 2.0 * c.error;
            c.holds = reach(1.0) >= BAND[0] && reach(-1.0) <= BAND[1] && c.defined == 1.0;
        }
        found
    }
}
