//! Could the map of the trained network be the map of a network that learned nothing?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::number::range;
use crate::report::scene::{Anchor, Frame, HEAD, Item, Key, Mark, Panel, Scene};
use crate::report::{axis, chart, colour, summary};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "exchangeability",
    title: "Trained network among re-initialised ones",
    question: "Could the map of the trained network be the map of a network that learned nothing?",
    formula: "similarity of each map to the others; p = rank of the trained network among all",
    reading: "The marked line is the trained network, the bars are networks with fresh weights. A trained network inside the bars means that its maps cannot be told from those of untrained ones.",
    misleads: "A small p shows that training changed the map, not that the map is right.",
    source: "this audit",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct Exchangeability;

impl Figure for Exchangeability {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["weights_exchangeability"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let mut values: Vec<f64> = Vec::new();
        let mut trained: Vec<f64> = Vec::new();
        let mut label = String::new();
        for series in of(record, self.checks()).flat_map(|f| &f.series) {
            label.clone_from(&series.y_label);
            let alone = series.y.len() == 1 || series.name.to_lowercase().starts_with("trained");
            for (i, y) in series.y.iter().enumerate().filter(|(_, y)| y.is_finite()) {
                let named = series.labels.get(i).is_some_and(|l| l.eq_ignore_ascii_case("trained"));
                if alone || named { trained.push(*y) } else { values.push(*y) }
            }
        }
        if values.len() < 2 {
            return Ok(Vec::new());
        }
        let said: Vec<String> = of(record, self.checks())
            .map(|f| {
                format!(
                    "{}: {}",
                    summary::words(&f.quantity),
                    summary::outcome_words(&f.outcome, &f.unit)
                )
            })
            .take(3)
            .collect();
        let mut scene = Scene::new(CARD.title, CARD.reading, [chart::WIDTH, HEAD + 370.0]);
        scene.alt.push_str(&format!(
            " {} re-initialised networks. {}.",
            values.len(),
            said.join("; ")
        ));
        scene.items.push(Item::Panel(histogram(&values, &trained, &label, &said.join("   ·   "))));
        Ok(vec![(CARD.id.to_owned(), scene)])
    }
}

fn histogram(values: &[f64], trained: &[f64], label: &str, said: &str) -> Panel {
    let (low, high) = range(values.iter().chain(trained).copied()).unwrap_or((0.0, 1.0));
    let x = axis::linear(label, low, high);
    let bins = (2.0 * (values.len() as f64).sqrt()).ceil().clamp(5.0, 40.0) as usize;
    let (from, to) = range(values.iter().copied()).unwrap_or((low, high));
    let to = if to > from { to } else { from + 0.02 * (x.high - x.low) };
    let wide = (to - from) / bins as f64;
    let mut counts = vec![0usize; bins];
    for v in values {
        counts[(((v - from) / wide) as usize).min(bins - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let y = axis::linear("networks", 0.0, most);
    let rects = counts
        .iter()
        .enumerate()
        .filter(|(_, n)| **n > 0)
        .map(|(i, n)| {
            [from + wide * (i as f64 + 0.04), from + wide * (i as f64 + 0.96), 0.0, *n as f64]
        })
        .collect();
    let mut marks =
        vec![Mark::Bars { rects, colour: colour::mix(colour::PAPER, colour::cycle(0), 0.6) }];
    for v in trained {
        let points = vec![[*v, 0.0], [*v, y.high]];
        marks.push(Mark::Line { points, colour: colour::cycle(1), width: 2.4, dashed: false });
        let left = x.place(*v) > 0.7;
        let (text, anchor) =
            if left { ("trained  ", Anchor::End) } else { ("  trained", Anchor::Start) };
        marks.push(Mark::Words {
            at: [*v, y.high * 0.95],
            text: text.to_owned(),
            colour: colour::cycle(1),
            anchor,
        });
    }
    let keys = vec![
        Key {
            label: format!("{} re-initialised networks", values.len()),
            colour: colour::mix(colour::PAPER, colour::cycle(0), 0.6),
        },
        Key { label: "trained network".to_owned(), colour: colour::cycle(1) },
    ];
    Panel {
        frame: Frame::new(84.0, HEAD + 44.0, chart::WIDTH - 114.0, 260.0),
        title: said.to_owned(),
        x,
        y,
        marks,
        keys,
    }
}
