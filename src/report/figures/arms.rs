//! Would another method have shown the same, and does its map depend on the weights?

mod slices;

use super::{Figure, Place};
use crate::Result;
use crate::audit::checks::randomisation::weights_cascade;
use crate::audit::checks::stability::arm_agreement;
use crate::audit::finding::{Cell, Table};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::number::short;
use crate::report::scene::{Anchor, Axis, Frame, HEAD, Item, Key, Mark, Panel, Scene};
use crate::report::{axis, chart, colour};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "arms",
    title: "Other methods beside the audited maps",
    question: "Would another method have shown the same, and does its map depend on the weights?",
    formula: "left: similarity to the audited map; right: similarity of a method's map to its own map when all layers are drawn anew",
    reading: "Left: 1 is the same order of voxels (or regions), 0 unrelated. Right: near 0 a map depends on what was learned.",
    misleads: "Agreement is no proof, as methods share faults, and low similarity on the right is no merit: noise scores best. Maps without a sign are to be read by |R|. Methods beside the audited rule are drawn anew fewer times.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct Arms;

/// Height of a row.
const ROW: f64 = 44.0;
/// Room for names.
const NAMES: f64 = 226.0;

impl Figure for Arms {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["arm_agreement"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let named = |name: &str| {
            let tables = record.findings.iter().flat_map(|f| &f.tables);
            tables.into_iter().find(|t| t.name == name && !t.rows.is_empty())
        };
        let mut scenes = Vec::new();
        if let Some(agreement) = named(arm_agreement::ARMS) {
            scenes.push((CARD.id.to_owned(), dots(agreement, named(weights_cascade::arms::ARMS))));
        }
        scenes.extend(slices::scenes(record));
        Ok(scenes)
    }
}

fn text(row: &[Cell]) -> String {
    match row.first() {
        Some(Cell::Text(name)) => name.clone(),
        _ => String::new(),
    }
}

fn number(cell: Option<&Cell>) -> Option<f64> {
    match cell {
        Some(Cell::Number(v)) if v.is_finite() => Some(*v),
        _ => None,
    }
}

fn dots(agreement: &Table, anew: Option<&Table>) -> Scene {
    // The audited rule stands first; it is in the second table alone.
    let audited = anew.and_then(|t| t.rows.first()).map(|row| text(row));
    let mut names: Vec<String> = vec![audited.unwrap_or_else(|| "the audited rule".to_owned())];
    names.extend(agreement.rows.iter().map(|row| text(row)));
    let height = ROW * names.len() as f64;
    let top = HEAD + 44.0;
    let mut scene = Scene::new(CARD.title, CARD.reading, [chart::WIDTH, top + height + 56.0]);
    let wide = (chart::WIDTH - NAMES - 60.0) / 2.0;
    let left = Frame::new(NAMES + 14.0, top, wide, height);
    let right = Frame::new(NAMES + 34.0 + wide, top, wide, height);
    let rows = axis::rows(&names, NAMES);
    let of_arms: Vec<&[Cell]> = agreement.rows.iter().map(Vec::as_slice).collect();
    let label = "similarity to the audited map (ρ: Spearman)";
    let mut panel = measured(left, label, rows.clone(), &arm_agreement::MEASURES, &of_arms, 1);
    panel.marks.push(Mark::Words {
        at: [0.0, 0.0],
        text: "the audited map itself".to_owned(),
        colour: colour::MUTED,
        anchor: Anchor::Middle,
    });
    scene.items.push(Item::Panel(panel));
    let again: Vec<&[Cell]> = anew.iter().flat_map(|t| t.rows.iter().map(Vec::as_slice)).collect();
    let (label, none) = (
        "similarity to its own map, all layers drawn anew (ρ: Spearman)",
        Axis { ticks: Vec::new(), ..rows },
    );
    let measures = weights_cascade::arms::MEASURES;
    scene.items.push(Item::Panel(measured(right, label, none, &measures, &again, 0)));
    let said = agreement.rows.iter().map(|row| {
        format!("{} {}", text(row), number(row.get(1)).map_or("no number".to_owned(), short))
    });
    let said: Vec<String> = said.collect();
    scene.alt.push_str(&format!(" Mean Spearman correlation of R: {}.", said.join(", ")));
    scene
}

/// Dots with intervals, a colour for each measure; the first row of the table stands at
/// `first`.
fn measured(
    frame: Frame,
    label: &str,
    y: Axis,
    measures: &[&str],
    rows: &[&[Cell]],
    first: usize,
) -> Panel {
    let x = axis::linear(label, -1.0, 1.0);
    let depth = y.low.max(y.high);
    let mut marks = vec![chart::reference([[0.0, -0.5], [0.0, depth]])];
    let mut keys = Vec::new();
    for (m, measure) in measures.iter().enumerate() {
        let shift = 0.2 * (m as f64 - 0.5 * (measures.len() as f64 - 1.0));
        let (mut points, mut whiskers) = (Vec::new(), Vec::new());
        for (r, row) in rows.iter().enumerate() {
            let at = (r + first) as f64 + shift;
            if let Some(v) = number(row.get(1 + 3 * m)) {
                points.push([v, at]);
            }
            let ends = (number(row.get(2 + 3 * m)), number(row.get(3 + 3 * m)));
            if let (Some(low), Some(high)) = ends {
                whiskers.push([at, low, high]);
            }
        }
        let colour = colour::cycle(m);
        marks.push(Mark::Whiskers { points: whiskers, colour, sideways: true });
        marks.push(Mark::Dots { points, colour, radius: 3.2 });
        // Four names do not fit side by side; the axis says what ρ is.
        let label = measure.replace("Spearman of ", "ρ ");
        keys.push(Key { label, colour });
    }
    Panel { frame, title: String::new(), x, y, marks, keys }
}
