//! Where did the relevance that reached each layer go?

use super::{Figure, Place};
use crate::Result;
use crate::audit::record::{LedgerLine, Record};
use crate::card::{Better, Card};
use crate::report::number::{median, range, short};
use crate::report::scene::{Frame, HEAD, Item, Key, Mark, Panel, Scene};
use crate::report::{axis, chart, colour};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "ledger_bars",
    title: "Relevance ledger",
    question: "Where did the relevance that reached each layer go?",
    formula: "received = handed on + bias + stabiliser + degenerate + residual",
    reading: "Each bar splits what a layer received (median over subjects; whisker: range of the share handed on). What is not handed on does not reach the image. Right: what the books fail to explain.",
    misleads: "A closed ledger shows careful arithmetic, not a right explanation.",
    source: "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct LedgerBars;

/// Shares beyond this are drawn at the edge.
const EDGE: f64 = 3.0;
/// Residuals below this are drawn here.
const FLOOR: f64 = 1e-12;

/// A part of a ledger line.
type Part = fn(&LedgerLine) -> f64;

/// What a bar is made of.
const PARTS: [(&str, Part); 4] = [
    ("handed on", |l| l.handed_on),
    ("bias", |l| l.bias),
    ("stabiliser", |l| l.stabiliser),
    ("degenerate", |l| l.degenerate),
];

impl Figure for LedgerBars {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Ledger
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let layers = layers(record);
        if layers.is_empty() {
            return Ok(Vec::new());
        }
        let height = (30.0 * layers.len() as f64).min(3000.0);
        let size = [chart::WIDTH, HEAD + 44.0 + height + 56.0];
        let mut scene = Scene::new(CARD.title, CARD.reading, size);
        let names: Vec<String> = layers.iter().map(|(name, _)| name.clone()).collect();
        scene.alt.push_str(&words(&layers));
        let top = HEAD + 44.0;
        let left = Frame::new(150.0, top, 460.0, height);
        let right = Frame::new(650.0, top, chart::WIDTH - 680.0, height);
        scene.items.push(Item::Panel(shares(&layers, &names, left)));
        scene.items.push(Item::Panel(residuals(&layers, right)));
        Ok(vec![(CARD.id.to_owned(), scene)])
    }
}

/// Lines of all subjects by layer, output first.
fn layers(record: &Record) -> Vec<(String, Vec<&LedgerLine>)> {
    let mut layers: Vec<(String, Vec<&LedgerLine>)> = Vec::new();
    for line in record.subjects.iter().flat_map(|s| &s.ledger) {
        match layers.iter_mut().find(|(name, _)| *name == line.layer) {
            Some((_, lines)) => lines.push(line),
            None => layers.push((line.layer.clone(), vec![line])),
        }
    }
    layers
}

fn share(lines: &[&LedgerLine], part: Part) -> Vec<f64> {
    let finite = |v: &f64| v.is_finite();
    lines.iter().map(|l| part(l) / l.received).filter(finite).collect()
}

fn shares(layers: &[(String, Vec<&LedgerLine>)], names: &[String], frame: Frame) -> Panel {
    let mut rects: [Vec<[f64; 4]>; 4] = Default::default();
    let mut whiskers = Vec::new();
    let (mut lowest, mut highest) = (0.0_f64, 1.0_f64);
    for (i, (_, lines)) in layers.iter().enumerate() {
        let (mut up, mut down) = (0.0_f64, 0.0_f64);
        for (part, rects) in PARTS.iter().zip(&mut rects) {
            let Some(middle) = median(&share(lines, part.1)) else { continue };
            let from = if middle >= 0.0 { &mut up } else { &mut down };
            let y = i as f64;
            rects.push([*from, *from + middle, y - 0.34, y + 0.34]);
            *from += middle;
        }
        (lowest, highest) = (lowest.min(down), highest.max(up));
        if let Some((low, high)) = range(share(lines, PARTS[0].1)).filter(|(low, high)| high > low)
        {
            whiskers.push([i as f64, low, high]);
            (lowest, highest) = (lowest.min(low), highest.max(high));
        }
    }
    let tints = [0, 1, 4, 3].map(colour::cycle);
    let mut marks: Vec<Mark> =
        rects.into_iter().zip(tints).map(|(rects, colour)| Mark::Bars { rects, colour }).collect();
    marks.push(Mark::Whiskers { points: whiskers, colour: colour::INK, sideways: true });
    marks.push(chart::reference([[1.0, -0.5], [1.0, names.len() as f64 - 0.5]]));
    let label = "share of the relevance received (axis cut at ±3)";
    let label =
        if lowest < -EDGE || highest > EDGE { label } else { "share of the relevance received" };
    let keys = PARTS.iter().zip(tints);
    Panel {
        frame,
        title: "Output at the top, image at the bottom".to_owned(),
        x: axis::linear(label, lowest.max(-EDGE), highest.min(EDGE)),
        y: axis::rows(names, 120.0),
        marks,
        keys: keys.map(|(p, colour)| Key { label: p.0.to_owned(), colour }).collect(),
    }
}

fn residuals(layers: &[(String, Vec<&LedgerLine>)], frame: Frame) -> Panel {
    let all = |lines: &[&LedgerLine]| -> Vec<f64> {
        let values = lines.iter().map(|l| l.residual()).filter(|v| v.is_finite());
        values.map(|v| v.max(FLOOR)).collect()
    };
    let (mut dots, mut whiskers) = (Vec::new(), Vec::new());
    for (i, (_, lines)) in layers.iter().enumerate() {
        let values = all(lines);
        if let (Some(middle), Some((low, high))) = (median(&values), range(values.iter().copied()))
        {
            dots.push([middle, i as f64]);
            whiskers.push([i as f64, low, high]);
        }
    }
    let (low, high) = range(whiskers.iter().flat_map(|w| [w[1], w[2]])).unwrap_or((FLOOR, 1.0));
    let mut y = axis::rows(&vec![String::new(); layers.len()], 0.0);
    y.ticks.clear();
    Panel {
        frame,
        title: "Closure residual (lower is better)".to_owned(),
        x: axis::log("|residual| over Σ|R|", low, high),
        y,
        marks: vec![
            Mark::Whiskers { points: whiskers, colour: colour::MUTED, sideways: true },
            Mark::Dots { points: dots, colour: colour::cycle(0), radius: 3.4 },
        ],
        keys: Vec::new(),
    }
}

fn words(layers: &[(String, Vec<&LedgerLine>)]) -> String {
    let said = |(name, lines): &(String, Vec<&LedgerLine>)| {
        let middle = median(&share(lines, PARTS[0].1)).map_or("no number".to_owned(), short);
        format!("{name} {middle}")
    };
    let list: Vec<String> = layers.iter().map(said).collect();
    format!(" Median share handed on, from output to image: {}.", list.join(", "))
}
