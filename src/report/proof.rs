//! The picture of the calibration proof: p-values against the uniform law, errors over many
//! regions, and coverage of intervals against the band they should lie in.

use super::axis;
use super::chart::{WIDTH, reference};
use super::colour::{self, INK, MUTED};
use super::measure;
use super::number::short;
use super::scene::{Anchor, Axis, Frame, Item, Key, Mark, Panel, Scene};
use crate::stats::proof::{BAND, Coverage, MOST_ERRORS, Proof, Uniform};

/// Panels of p-values in a row.
const ACROSS: usize = 4;
/// Height of such a panel.
const SQUARE: f64 = 150.0;
/// Room between panels.
const GAP: f64 = 58.0;
/// Least coverage drawn.
const FLOOR: f64 = 0.5;

/// The picture.
pub fn scene(proof: &Proof) -> Scene {
    let title = "Do the statistics of an audit keep their word?";
    let subtitle = format!(
        "Simulated: {} p-values a test, {} samples an error rate and a coverage. Top: p-values of true hypotheses lie on the diagonal. Below: corrections stay under their limit, coverages of 95 % intervals within the band.",
        proof.simulations,
        2 * proof.simulations
    );
    let mut scene = Scene::new(title, subtitle, [WIDTH, 0.0]);
    let mut top = 118.0;
    let side = (WIDTH - 70.0 - 20.0 - GAP * (ACROSS - 1) as f64) / ACROSS as f64;
    for (i, test) in proof.tests.iter().enumerate() {
        let left = 62.0 + (side + GAP) * (i % ACROSS) as f64;
        let frame = Frame::new(left, top + 222.0 * (i / ACROSS) as f64, side, SQUARE);
        scene.items.push(Item::Panel(quantiles(test, frame)));
        scene.alt.push_str(&format!(" {}: Kolmogorov p {}.", test.test, short(test.p)));
    }
    top += 222.0 * proof.tests.len().div_ceil(ACROSS) as f64 + 8.0;
    let height = 22.0 * proof.rates.len() as f64;
    scene.items.push(Item::Panel(rates(proof, Frame::new(420.0, top, WIDTH - 450.0, height))));
    top += height + 96.0;
    for statistic in ["mean", "AUC", "effect size g"] {
        let all: Vec<&Coverage> =
            proof.coverage.iter().filter(|c| c.statistic == statistic).collect();
        let frame = Frame::new(74.0, top, WIDTH - 104.0, 150.0);
        scene.items.push(Item::Panel(coverages(statistic, &all, frame)));
        top += 236.0;
    }
    scene.size[1] = top - 40.0;
    scene
}

/// p-values in order against their expected places.
fn quantiles(test: &Uniform, frame: Frame) -> Panel {
    let n = test.values.len() as f64;
    let points = test.values.iter().enumerate().map(|(i, p)| [(i as f64 + 0.5) / n, *p]).collect();
    // Within this distance of the diagonal lie 95 of 100 samples (Kolmogorov).
    let reach = 1.358 / n.sqrt();
    let band = [0.0, 1.0].map(|x| [x, (x - reach).max(0.0), (x + reach).min(1.0)]);
    let unit = |label: &str| Axis {
        ticks: [0.0, 0.5, 1.0].map(|v| (v, short(v))).to_vec(),
        ..axis::linear(label, 0.0, 1.0)
    };
    let tint = if test.holds { colour::cycle(0) } else { colour::cycle(1) };
    let said = format!("p = {}", short((test.p * 1000.0).round() / 1000.0));
    Panel {
        frame,
        title: test.test.clone(),
        x: unit("expected"),
        y: unit("p-value"),
        marks: vec![
            Mark::Band { points: band.to_vec(), colour: MUTED, opacity: 0.16 },
            reference([[0.0, 0.0], [1.0, 1.0]]),
            Mark::Line { points, colour: tint, width: 2.0, dashed: false },
            Mark::Words { at: [0.97, 0.09], text: said, colour: INK, anchor: Anchor::End },
        ],
        keys: Vec::new(),
    }
}

/// Error rates with two standard errors, and their limit.
fn rates(proof: &Proof, frame: Frame) -> Panel {
    let rows: Vec<String> = proof
        .rates
        .iter()
        .map(|r| {
            let kind =
                if r.rate.contains("max-T") { "any false, max-T" } else { "share false, BH" };
            format!("{kind}: {}", r.data.replace(", a covariate", ""))
        })
        .collect();
    let all = proof.rates.iter().enumerate();
    let whiskers = all
        .clone()
        .map(|(i, r)| [i as f64, (r.value - 2.0 * r.error).max(0.0), r.value + 2.0 * r.error]);
    let dots = all.map(|(i, r)| [r.value, i as f64]).collect();
    let last = rows.len() as f64 - 0.5;
    Panel {
        frame,
        title: "Errors over 40 regions at 0.05, and the limit".to_owned(),
        x: axis::linear("rate, with two standard errors", 0.0, 0.08),
        y: axis::rows(&rows, 380.0),
        marks: vec![
            reference([[MOST_ERRORS, -0.5], [MOST_ERRORS, last]]),
            Mark::Whiskers { points: whiskers.collect(), colour: colour::cycle(0), sideways: true },
            Mark::Dots { points: dots, colour: colour::cycle(0), radius: 3.2 },
        ],
        keys: Vec::new(),
    }
}

/// Per number of subjects and kind of interval a bar over all that was drawn.
fn coverages(statistic: &str, all: &[&Coverage], frame: Frame) -> Panel {
    let mut kinds: Vec<(&str, bool)> = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    for c in all {
        if !kinds.contains(&(&c.interval, c.used)) {
            kinds.push((&c.interval, c.used));
        }
        sizes.push(c.n);
    }
    kinds.sort_by_key(|(_, used)| !used);
    sizes.sort_unstable();
    sizes.dedup();
    let names: Vec<String> = sizes.iter().map(|n| n.to_string()).collect();
    let x = axis::named("subjects", &names, frame.width / names.len() as f64);
    let ends = [x.low, x.high];
    let y = Axis {
        low: FLOOR,
        high: 1.0,
        ticks: [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0].map(|v| (v, short(v))).to_vec(),
        ..axis::linear("coverage", FLOOR, 1.0)
    };
    let band = ends.map(|x| [x, BAND[0], BAND[1]]).to_vec();
    let mut marks = vec![Mark::Band { points: band, colour: colour::cycle(2), opacity: 0.22 }];
    let wide = 0.7 / kinds.len().max(1) as f64;
    let mut keys = Vec::new();
    for (k, (kind, used)) in kinds.iter().enumerate() {
        let tint = colour::cycle([0, 1, 3, 4][k.min(3)]);
        let mut rects = Vec::new();
        for (at, n) in sizes.iter().enumerate() {
            let of = all.iter().filter(|c| c.interval == *kind && c.n == *n);
            let Some((low, high)) = super::number::range(of.map(|c| c.coverage)) else { continue };
            let left = at as f64 - 0.35 + wide * k as f64;
            // A bar of one value is still seen.
            let middle = 0.5 * (low + high);
            let half = (0.5 * (high - low)).max(0.003);
            let (low, high) = ((middle - half).max(FLOOR), (middle + half).min(1.0));
            rects.push([left + 0.12 * wide, left + 0.88 * wide, low, high]);
        }
        marks.push(Mark::Bars { rects, colour: tint });
        let label = if *used { format!("{kind} (used)") } else { (*kind).to_owned() };
        keys.push(Key { label: measure::fit(&label, 10.5, 240.0), colour: tint });
    }
    let title = format!("Coverage of 95 % intervals, {statistic}: from the worst to the best data");
    Panel { frame, title, x, y, marks, keys }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::provenance::Provenance;
    use crate::report::png;
    use crate::seed::Seed;
    use crate::stats::proof::prove;

    #[test]
    fn every_number_of_a_proof_has_its_place_in_the_picture() {
        let proof = prove(Seed(3), 100, &Silent).expect("proof");
        let drawn = scene(&proof);
        let panels: Vec<&Panel> = drawn
            .items
            .iter()
            .filter_map(|i| if let Item::Panel(p) = i { Some(p) } else { None })
            .collect();
        assert_eq!(panels.len(), proof.tests.len() + 4);
        let bars = |p: &&Panel| {
            let of = |m: &Mark| if let Mark::Bars { rects, .. } = m { rects.len() } else { 0 };
            p.marks.iter().map(of).sum::<usize>()
        };
        // Three kinds of means at six sizes, four of AUCs and three of g at four.
        let counts: Vec<usize> = panels[panels.len() - 3..].iter().map(bars).collect();
        assert_eq!(counts, [18, 16, 12]);
        png::draw(&drawn, &Provenance::new(3)).expect("png");
    }
}
