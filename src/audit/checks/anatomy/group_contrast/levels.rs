//! How far an effect hangs on the network: folds and seeds as levels beside subjects.

use super::super::region_mass::cell;
use super::{CARD, Measured};
use crate::Result;
use crate::audit::bench::{Bench, Kin};
use crate::audit::checks::{LEVEL, of_cohort};
use crate::audit::finding::{Cell, Column, Finding, Outcome, Table};
use crate::compute::Workspace;
use crate::image::atlas::Atlas;
use crate::stats::effect_size::of_model;
use crate::stats::linear_model::Design;
use crate::stats::student::critical;
use crate::stats::{Stat, Undefined, moments, normal, undefined};

/// What the audited subjects' regions hold under the other networks of the training.
pub(super) struct Networks {
    folds: std::result::Result<Vec<Vec<Measured>>, String>,
    seeds: std::result::Result<Vec<Vec<Measured>>, String>,
}

/// Class and covariates of the subjects.
pub(super) struct Model {
    design: Design,
    leverage: f64,
    freedom: usize,
    rows: usize,
}

impl Model {
    /// # Errors
    /// Undefined where the class is a combination of the covariates.
    pub(super) fn new(
        effect: &[f64],
        nuisance: &[Vec<f64>],
    ) -> std::result::Result<Self, Undefined> {
        let rows = effect.len();
        let mut columns = vec![vec![1.0; rows]];
        columns.extend(nuisance.iter().cloned());
        columns.push(effect.to_vec());
        let design = Design::new(&columns)?;
        let leverage = design.leverage(&last(&design))?;
        Ok(Self { freedom: rows.saturating_sub(design.len()), design, leverage, rows })
    }

    /// g of the class, and its standard error over subjects.
    fn effect(&self, values: &[f64]) -> std::result::Result<[f64; 2], Undefined> {
        let fit = self.design.fit(values)?;
        let t = self.design.contrast(&fit, &last(&self.design))?.t;
        let (g, bounds) = of_model(t, self.leverage, self.freedom, self.rows, LEVEL)?;
        let z = normal::quantile(0.5 + LEVEL / 2.0)?;
        Ok([g, (bounds.high - bounds.low) / (2.0 * z)])
    }
}

/// The contrast that is the last coefficient.
fn last(design: &Design) -> Vec<f64> {
    (0..design.len()).map(|at| f64::from(u8::from(at + 1 == design.len()))).collect()
}

/// An effect over networks.
#[derive(Debug, Clone)]
pub(super) struct Spread {
    /// g under the audited network.
    pub(super) own: Stat,
    /// Standard deviation of g over the networks of all folds.
    pub(super) folds: Stat,
    /// The same over the members of the audited network.
    pub(super) seeds: Stat,
    /// g ± √((z·s)² + (t·d)²): s the error over subjects, d over networks, see [`spread`].
    pub(super) low: Stat,
    /// Upper end.
    pub(super) high: Stat,
}

/// g of one region over networks. The error over networks is that of the folds where there are
/// several: theirs holds that of the start, too, each fold being fitted from its own. Where there
/// is one fold it is that of the members over √M, as the audited network is the mean of M. t has a
/// degree of freedom less than there are networks.
pub(super) fn spread(
    own: std::result::Result<[f64; 2], Undefined>,
    folds: std::result::Result<Vec<f64>, Undefined>,
    seeds: std::result::Result<Vec<f64>, Undefined>,
) -> Spread {
    let over = |all: &std::result::Result<Vec<f64>, Undefined>| -> Stat {
        moments::sd(all.as_ref().map_err(Clone::clone)?)
    };
    let [of_folds, of_seeds] = [over(&folds), over(&seeds)];
    let half = || -> Stat {
        let [_, error] = own.clone()?;
        let z = normal::quantile(0.5 + LEVEL / 2.0)?;
        let (apart, count) = match (&of_folds, &of_seeds, &folds, &seeds) {
            (Ok(d), _, Ok(all), _) => (*d, all.len()),
            (_, Ok(d), _, Ok(all)) => (d / (all.len() as f64).sqrt(), all.len()),
            _ => return undefined("the training has no other network"),
        };
        Ok((z * error).hypot(critical(LEVEL, (count - 1) as f64)? * apart))
    };
    let half = half();
    let end = |sign: f64| -> Stat { Ok(own.clone()?[0] + sign * half.clone()?) };
    let (low, high) = (end(-1.0), end(1.0));
    Spread { own: own.map(|o| o[0]), folds: of_folds, seeds: of_seeds, low, high }
}

impl Networks {
    /// The regions under the networks of the bench; without the rule, or without networks of a
    /// kind, the reason.
    ///
    /// # Errors
    /// Those of [`Bench::explained`].
    pub(super) fn of(bench: &Bench<'_>, atlas: &Atlas, rows: &[usize]) -> Result<Self> {
        let mut ws = Workspace::new();
        let mut of = |kin: Kin, fewest: usize, none: &str| {
            if bench.explainer.is_none() {
                return Ok(Err("the maps cannot be made again here by other networks".to_owned()));
            }
            let own: Vec<_> = bench.others.iter().filter(|o| o.kin == kin).collect();
            if own.len() < fewest {
                return Ok(Err(none.to_owned()));
            }
            let mut all = Vec::with_capacity(own.len());
            for other in own {
                let maps = bench.explain_with(&other.graph, &mut ws)?;
                all.push(Measured::of(bench, &maps, atlas, rows));
            }
            Ok::<_, crate::Error>(Ok(all))
        };
        Ok(Self {
            folds: of(Kin::Fold, 1, "the training has one fold")?,
            seeds: of(Kin::Seed, 2, "the network of a fold is one network, not several starts")?,
        })
    }

    /// Effects of a measure, region by region.
    pub(super) fn spreads(&self, measured: &Measured, at: usize, model: &Model) -> Vec<Spread> {
        let one = |r: usize| {
            let own = measured.values[r].clone().and_then(|v| model.effect(&v));
            let under = |all: &std::result::Result<Vec<Vec<Measured>>, String>| {
                let all = all.as_ref().map_err(|why| Undefined(why.clone()))?;
                let g = |m: &Vec<Measured>| {
                    Ok(model.effect(m[at].values[r].as_ref().map_err(Clone::clone)?)?[0])
                };
                all.iter().map(g).collect::<std::result::Result<Vec<f64>, Undefined>>()
            };
            // The audited network is that of a fold.
            let folds = own.clone().and_then(|[g, _]| {
                under(&self.folds).map(|all| std::iter::once(g).chain(all).collect())
            });
            spread(own, folds, under(&self.seeds))
        };
        (0..measured.regions.len()).map(one).collect()
    }

    /// How many of the regions that differ keep their sign over networks, with the table of all.
    pub(super) fn finding(
        &self,
        name: &str,
        measured: &Measured,
        spreads: &[Spread],
        apart: &[usize],
    ) -> Finding {
        let quantity = format!("{name}_networks");
        if let (Err(folds), Err(seeds)) = (&self.folds, &self.seeds) {
            let why = if folds == seeds { folds.clone() } else { format!("{folds}; {seeds}") };
            return of_cohort(&CARD, &quantity, Outcome::NotApplicable { why });
        }
        let keeps = |r: &&usize| {
            let s = &spreads[**r];
            matches!((&s.low, &s.high), (Ok(low), Ok(high)) if *low > 0.0 || *high < 0.0)
        };
        let kept = apart.iter().filter(keeps).count();
        let mut found = of_cohort(&CARD, &quantity, Outcome::measured(kept as f64));
        let column = |n: &str, unit: &str| Column { name: n.to_owned(), unit: unit.to_owned() };
        let names = ["g", "sd_folds", "sd_seeds", "low_networks", "high_networks"];
        let first = [column("region", ""), column("side", "")].into_iter();
        let row = |(r, s): (usize, &Spread)| {
            let (region, side) = &measured.regions[r];
            let numbers = [&s.own, &s.folds, &s.seeds, &s.low, &s.high].map(|n| cell(n.clone()));
            [Cell::Text(region.clone()), Cell::Text((*side).to_owned())]
                .into_iter()
                .chain(numbers)
                .collect()
        };
        found.tables.push(Table {
            name: format!("{} over networks, {name}", measured.words),
            columns: first.chain(names.map(|n| column(n, "1"))).collect(),
            rows: spreads.iter().enumerate().map(row).collect(),
        });
        let count = |all: &std::result::Result<Vec<Vec<Measured>>, String>| match all {
            Ok(all) => all.len().to_string(),
            Err(why) => format!("none: {why}"),
        };
        found.notes.push(format!(
            "Of {} regions with p_fwe of at most 0.05 the number counts those whose interval over \
             subjects and networks leaves out 0. Networks of other folds: {}; members of the \
             audited network: {}. Networks of other folds have seen most of these subjects in \
             training.",
            apart.len(),
            count(&self.folds),
            count(&self.seeds)
        ));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_over_networks_is_as_wide_as_its_parts_say() {
        // Folds 0.4, 0.6, 0.8: d = 0.2, t of 2 degrees 4.302653 (tables); z·0.1 = 0.1959964.
        let none = || Err(Undefined("none".to_owned()));
        let folds = || Ok(vec![0.4, 0.6, 0.8]);
        let found = spread(Ok([0.4, 0.1]), folds(), none());
        assert!((found.folds.expect("sd") - 0.2).abs() < 1e-12 && found.seeds.is_err());
        let half = (0.195_996_4f64.powi(2) + (4.302_652_7f64 * 0.2).powi(2)).sqrt();
        assert!((found.low.expect("low") - (0.4 - half)).abs() < 1e-6);
        assert!((found.high.expect("high") - (0.4 + half)).abs() < 1e-6);
        // Members alone: of four the mean has half their deviation; t of 3 degrees 3.182446.
        let seeds = || Ok(vec![0.1, 0.3, 0.5, 0.7]);
        let found = spread(Ok([0.4, 0.0]), none(), seeds());
        let d = (0.2f64 / 3.0).sqrt();
        assert!((found.high.expect("high") - 0.4 - 3.182_446_3 * d / 2.0).abs() < 1e-6);
        // With both the folds decide.
        let both = spread(Ok([0.4, 0.1]), folds(), seeds());
        assert!((both.high.expect("high") - (0.4 + half)).abs() < 1e-6);
        assert!((both.seeds.expect("sd") - d).abs() < 1e-12);
        assert!(spread(Ok([0.4, 0.1]), none(), none()).low.is_err());
        assert!(spread(none_of_pair(), folds(), seeds()).high.is_err());
    }

    fn none_of_pair() -> std::result::Result<[f64; 2], Undefined> {
        Err(Undefined("constant".to_owned()))
    }
}
