//! Does the score fall faster when what the map calls relevant is taken out first?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::checks::faithfulness::region_perturbation::{CARD as CHECK, NAMES};
use crate::audit::finding::{COHORT, Finding, Series};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::colour::{self, MUTED, PAPER, Rgb};
use crate::report::number::range;
use crate::report::scene::{Frame, HEAD, Item, Key, Mark, Panel, Scene};
use crate::report::{axis, chart, summary};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "perturbation_curves",
    title: "Taking the brain out in the order of relevance",
    question: "Does the score fall faster when what the map calls relevant is taken out first?",
    formula: "fall of the score for the answer given, over its range, against the volume taken out; thick: mean with its interval over subjects; thin: subjects; band: middle 95 % of the means of random orders, one per subject",
    reading: "A map that knows what the score hangs on has its first curve above the band of random orders and its second below it.",
    misleads: "The images in between are unlike any the network saw; the ends are the same for every order.",
    source: "Samek et al. 2017, https://arxiv.org/abs/1509.06321",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct PerturbationCurves;

/// Height of a plot.
const HEIGHT: f64 = 290.0;
/// Room left of a plot for its axis.
const LEFT: f64 = 76.0;

impl Figure for PerturbationCurves {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["region_perturbation"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let own: Vec<&Finding> = of(record, self.checks()).collect();
        let drawn = ["abpc", "regions_abpc"].map(|quantity| (quantity, all(&own, quantity)));
        let drawn: Vec<_> = drawn.into_iter().filter(|(_, all)| !all.is_empty()).collect();
        if drawn.is_empty() {
            return Ok(Vec::new());
        }
        let mut scene =
            Scene::new(CARD.title, CARD.reading, [chart::WIDTH, HEAD + 44.0 + HEIGHT + 56.0]);
        let wide = chart::WIDTH / drawn.len() as f64;
        for (n, (quantity, all)) in drawn.iter().enumerate() {
            let left = n as f64 * wide + LEFT;
            let frame = Frame::new(left, HEAD + 44.0, wide - LEFT - 24.0, HEIGHT);
            let said = said(&own, quantity);
            scene.alt.push_str(&format!(" {said}."));
            scene.items.push(Item::Panel(panel(frame, &said, all)));
        }
        Ok(vec![(CARD.id.to_owned(), scene)])
    }
}

/// The series of a quantity with whose they are, subjects first.
fn all<'a>(own: &[&'a Finding], quantity: &str) -> Vec<(bool, &'a Series)> {
    let mut all: Vec<(bool, &Series)> = own
        .iter()
        .filter(|f| f.quantity == quantity)
        .flat_map(|f| f.series.iter().map(|s| (f.subject == COHORT, s)))
        .filter(|(_, s)| !chart::points(s).is_empty())
        .collect();
    all.sort_by_key(|(cohort, _)| *cohort);
    all
}

/// What is taken out, with the area between the curves and its p.
fn said(own: &[&Finding], quantity: &str) -> String {
    let value = |name: &str| {
        let found = own.iter().find(|f| f.subject == COHORT && f.quantity == name);
        found.map_or_else(|| "none".to_owned(), |f| summary::outcome_words(&f.outcome, CHECK.unit))
    };
    let parts = if quantity.starts_with("regions") { "Regions" } else { "Blobs" };
    format!("{parts}: ABPC {}, p {}", value(quantity), value(&format!("{quantity}_p")))
}

fn tint(name: &str) -> Rgb {
    match NAMES.iter().position(|n| *n == name) {
        Some(0) => colour::cycle(1),
        Some(1) => colour::cycle(0),
        _ => MUTED,
    }
}

fn panel(frame: Frame, title: &str, all: &[(bool, &Series)]) -> Panel {
    let values = all.iter().flat_map(|(_, s)| s.y.iter().chain(&s.low).chain(&s.high)).copied();
    let (low, high) = range(values).unwrap_or((0.0, 1.0));
    let (mut bands, mut thin, mut thick, mut keys) = (vec![], vec![], vec![], vec![]);
    for (cohort, series) in all {
        let (colour, points) = (tint(&series.name), chart::points(series));
        if !cohort {
            let pale = colour::mix(PAPER, colour, 0.25);
            thin.push(Mark::Line { points, colour: pale, width: 0.8, dashed: false });
            continue;
        }
        let random = series.name == NAMES[2];
        let spread = chart::spread(series);
        if random {
            bands.push(Mark::Band { points: spread, colour, opacity: 0.25 });
        } else {
            thick.push(Mark::Whiskers { points: spread, colour, sideways: false });
            thick.push(Mark::Dots { points: points.clone(), colour, radius: 3.0 });
        }
        thick.push(Mark::Line { points, colour, width: 2.2, dashed: random });
        // Two plots side by side: "most first" rather than "most relevant first".
        keys.push(Key { label: series.name.replace(" relevant", ""), colour });
    }
    let first = all.first().map(|(_, s)| *s);
    // The plot's own name says what is taken out.
    let y = first.map_or("", |s| s.y_label.as_str());
    Panel {
        frame,
        title: title.to_owned(),
        x: axis::linear(first.map_or("", |s| s.x_label.as_str()), 0.0, 1.0),
        y: axis::linear(y, low.min(0.0), high.max(0.0)),
        marks: [bands, thin, thick].concat(),
        keys,
    }
}
