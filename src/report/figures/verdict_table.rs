//! What did each check find, against which limit, and why that limit?

use super::{Figure, Place};
use crate::Result;
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::colour::{self, GRID, MUTED, PAPER};
use crate::report::measure;
use crate::report::scene::{Anchor, Frame, HEAD, Item, Patch, Scene, Stroke, Text};
use crate::report::summary::{self, Row};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "verdict_table",
    title: "Verdicts",
    question: "What did each check find, against which limit, and why that limit?",
    formula: "worst verdict over the subjects of each quantity",
    reading: "Most serious first. A verdict compares a number with a limit that was set beforehand; the reason stands beside it.",
    misleads: "Passing every check does not prove an explanation right; it was only not shown to be wrong.",
    source: "this audit",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct VerdictTable;

/// Most rows drawn; the page lists all.
const MOST: usize = 36;
const WIDTH: f64 = 1000.0;
/// Left edges of the columns: verdict, check, value, limit, reason.
const COLUMNS: [(f64, &str); 5] = [
    (20.0, "verdict"),
    (126.0, "check and quantity"),
    (352.0, "value"),
    (556.0, "limit"),
    (706.0, "reason"),
];

impl Figure for VerdictTable {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Verdict
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let rows = summary::rows(record);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut scene = Scene::new(title(record), CARD.reading, [WIDTH, 0.0]);
        let mut y = HEAD + 10.0;
        for (x, name) in COLUMNS {
            scene.items.push(Item::Text(Text::new([x, y], name, 10.5).colour(MUTED)));
        }
        y += 14.0;
        for row in rows.iter().take(MOST) {
            y = draw_row(&mut scene, row, y);
        }
        if rows.len() > MOST {
            let rest = format!("and {} more quantities in the report", rows.len() - MOST);
            scene.items.push(Item::Text(Text::new([20.0, y + 14.0], rest, 10.5).colour(MUTED)));
            y += 24.0;
        }
        scene.size[1] = y + 14.0;
        Ok(vec![(CARD.id.to_owned(), scene)])
    }
}

fn title(record: &Record) -> String {
    let look = colour::verdict(record.verdict);
    format!("Verdict: {} {} (policy {})", look.symbol, look.word, record.policy.name)
}

/// One row; gives the height at which the next begins.
fn draw_row(scene: &mut Scene, row: &Row, top: f64) -> f64 {
    let cells: Vec<Vec<String>> = [&row.value, &row.limit, &row.reason]
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let end = COLUMNS.get(i + 3).map_or(WIDTH - 14.0, |c| c.0 - 12.0);
            measure::wrap(text, 10.5, end - COLUMNS[i + 2].0, 3)
        })
        .collect();
    let lines = cells.iter().map(Vec::len).max().unwrap_or(1).max(2);
    let height = 14.0 * lines as f64 + 12.0;
    let rule = vec![[20.0, top], [WIDTH - 14.0, top]];
    scene.items.push(Item::Stroke(Stroke { points: rule, colour: GRID, width: 1.0 }));
    let look = colour::verdict(row.verdict);
    let pill = Frame::new(20.0, top + 6.0, 94.0, 18.0);
    scene.items.push(Item::Patch(Patch { frame: pill, colour: look.colour, opacity: 1.0 }));
    let word = format!("{} {}", look.symbol, look.word);
    let word = Text::new([67.0, top + 15.0], word, 10.5).colour(PAPER).anchor(Anchor::Middle);
    scene.items.push(Item::Text(word));
    let name = measure::fit(&summary::words(&row.check), 11.5, 214.0);
    scene.items.push(Item::Text(Text::new([126.0, top + 13.0], name, 11.5)));
    let quantity = measure::fit(&summary::words(&row.quantity), 10.0, 214.0);
    scene.items.push(Item::Text(Text::new([126.0, top + 28.0], quantity, 10.0).colour(MUTED)));
    for (i, cell) in cells.iter().enumerate() {
        for (n, line) in cell.iter().enumerate() {
            let at = [COLUMNS[i + 2].0, top + 13.0 + 14.0 * n as f64];
            scene.items.push(Item::Text(Text::new(at, line, 10.5)));
        }
    }
    scene.alt.push_str(&format!(
        " {} {}: {}, {}{}.",
        summary::words(&row.check),
        summary::words(&row.quantity),
        look.word,
        row.value,
        if row.limit.is_empty() { String::new() } else { format!(", limit {}", row.limit) }
    ));
    top + height
}
