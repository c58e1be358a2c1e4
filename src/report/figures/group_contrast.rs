//! Which regions carry more relevance in one class than in the other?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::finding::{Cell, Finding, Table};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::number::{range, short};
use crate::report::scene::{Frame, HEAD, Item, Key, Mark, Panel, Scene};
use crate::report::{axis, chart, colour, stem};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "group_contrast",
    title: "Relevance between the classes",
    question: "Which regions carry more relevance in one class than in the other?",
    formula: "g of the class beside the covariates, with its 95 % interval",
    reading: "Right of 0 the second class has more. Orange regions differ with the error over all regions held at 0.05; of the others no difference is shown.",
    misleads: "An interval that leaves out 0 is no finding by itself: there are many regions.",
    source: "Winkler et al. 2014, doi:10.1016/j.neuroimage.2014.01.060",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct GroupContrast;

/// Most regions drawn: those with the largest |g|.
const MOST: usize = 32;
/// Family-wise error at which a region is marked.
const ALPHA: f64 = 0.05;

/// One region.
struct Row {
    name: String,
    g: f64,
    ends: [f64; 2],
    differs: bool,
}

impl Figure for GroupContrast {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["group_contrast"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let shares = of(record, self.checks()).filter(|f| f.quantity.ends_with("_share"));
        let drawn = shares.filter_map(|finding| {
            let table = finding.tables.first()?;
            let all = rows(table);
            (!all.is_empty()).then_some((finding, table, all))
        });
        let scene = |(n, (finding, table, all)): (usize, (&Finding, &Table, Vec<Row>))| {
            let name = match n {
                0 => CARD.id.to_owned(),
                _ => format!("{}-{}", CARD.id, stem::safe(&finding.quantity)),
            };
            (name, draw(table, all))
        };
        Ok(drawn.enumerate().map(scene).collect())
    }
}

/// Regions with an effect, the largest |g| first.
fn rows(table: &Table) -> Vec<Row> {
    let at = |name: &str| table.columns.iter().position(|c| c.name == name);
    let number = |row: &[Cell], name: &str| match row.get(at(name)?)? {
        Cell::Number(v) if v.is_finite() => Some(*v),
        _ => None,
    };
    let text = |row: &[Cell], name: &str| match at(name).and_then(|i| row.get(i)) {
        Some(Cell::Text(t)) => t.clone(),
        _ => String::new(),
    };
    let read = |row: &Vec<Cell>| {
        Some(Row {
            name: full_name(text(row, "region"), &text(row, "side")),
            g: number(row, "g")?,
            ends: [number(row, "g_low")?, number(row, "g_high")?],
            differs: number(row, "p_fwe")? <= ALPHA,
        })
    };
    let mut all: Vec<Row> = table.rows.iter().filter_map(read).collect();
    all.sort_by(|a, b| b.g.abs().total_cmp(&a.g.abs()));
    all.truncate(MOST);
    all
}

/// A region with its side, unless the name says it.
fn full_name(region: String, side: &str) -> String {
    if side.is_empty() || region.ends_with(side) { region } else { format!("{region} {side}") }
}

fn draw(table: &Table, all: Vec<Row>) -> Scene {
    let height = 19.0 * all.len() as f64 + 8.0;
    let size = [chart::WIDTH, HEAD + 50.0 + height + 52.0];
    let mut scene = Scene::new(CARD.title, CARD.reading, size);
    let differ: Vec<String> =
        all.iter().filter(|r| r.differs).map(|r| format!("{} g {}", r.name, short(r.g))).collect();
    let said = if differ.is_empty() { "none".to_owned() } else { differ.join(", ") };
    scene.alt.push_str(&format!(" {}. Regions that differ: {said}.", table.name));
    let names: Vec<String> = all.iter().map(|r| r.name.clone()).collect();
    let reach = range(all.iter().flat_map(|r| r.ends).chain([0.0])).unwrap_or((-1.0, 1.0));
    let mut classes = table.columns.iter().filter_map(|c| c.name.strip_prefix("mean_"));
    let (a, b) = (classes.next().unwrap_or("class 0"), classes.next().unwrap_or("class 1"));
    let x = axis::linear(&format!("g:  more in {a}  <  0  <  more in {b}"), reach.0, reach.1);
    let mut marks = vec![chart::reference([[0.0, -0.5], [0.0, all.len() as f64 - 0.5]])];
    for (differs, tint) in [(false, colour::cycle(0)), (true, colour::cycle(1))] {
        let own = || all.iter().enumerate().filter(move |(_, r)| r.differs == differs);
        let points = own().map(|(i, r)| [i as f64, r.ends[0], r.ends[1]]).collect();
        marks.push(Mark::Whiskers { points, colour: tint, sideways: true });
        let points = own().map(|(i, r)| [r.g, i as f64]).collect();
        let radius = if differs { 4.6 } else { 3.2 };
        marks.push(Mark::Dots { points, colour: tint, radius });
    }
    let key = |label: &str, n: usize| Key { label: label.to_owned(), colour: colour::cycle(n) };
    let title = match table.rows.len() {
        n if n > all.len() => format!("{} ({} largest of {n})", table.name, all.len()),
        _ => table.name.clone(),
    };
    scene.items.push(Item::Panel(Panel {
        frame: Frame::new(210.0, HEAD + 50.0, chart::WIDTH - 240.0, height),
        title,
        x,
        y: axis::rows(&names, 180.0),
        marks,
        keys: vec![
            key("differs, p over all regions at most 0.05", 1),
            key("not shown to differ", 0),
        ],
    }));
    scene
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::finding::{COHORT, Column, Outcome};
    use crate::provenance::Provenance;
    use crate::report::{png, sample};

    #[test]
    fn regions_that_differ_are_marked_and_those_without_effect_left_out() {
        let columns = ["region", "side", "mean_term", "mean_preterm", "g", "g_low", "g_high"];
        let columns = columns.into_iter().chain(["p_fwe"]);
        let columns = columns.map(|n| Column { name: n.to_owned(), unit: String::new() });
        let row = |name: &str, numbers: [f64; 6]| {
            let texts = [name, "left"].map(|t| Cell::Text(t.to_owned()));
            texts.into_iter().chain(numbers.map(Cell::Number)).collect::<Vec<_>>()
        };
        let mut rows = vec![
            row("thalamus", [0.1, 0.1, 0.2, -0.6, 1.0, 0.9]),
            row("ventricle, left", [0.1, 0.3, 2.1, 1.2, 3.0, 0.002]),
        ];
        rows.push(vec![Cell::Missing("constant".to_owned()); 8]);
        let table = Table { name: "Share".to_owned(), columns: columns.collect(), rows };
        let outcome = Outcome::measured(1.0);
        let mut finding = Finding::new("group_contrast", COHORT, "true_share", "1", outcome);
        finding.tables.push(table);
        let mut record = sample::empty();
        record.findings.push(finding);
        let scenes = GroupContrast.scenes(&record).expect("scenes");
        let [(name, scene)] = &scenes[..] else { panic!("{}", scenes.len()) };
        assert_eq!(name, "group_contrast");
        assert!(scene.alt.contains("differ: ventricle, left g 2.1."), "{}", scene.alt);
        let Some(Item::Panel(panel)) = scene.items.first() else { panic!("no panel") };
        let rows: Vec<&str> = panel.y.ticks.iter().map(|(_, t)| t.as_str()).collect();
        assert_eq!(rows, ["ventricle, left", "thalamus left"], "the largest first");
        assert!(
            panel.x.label.contains("more in term") && panel.x.label.contains("more in preterm")
        );
        png::draw(scene, &Provenance::new(1)).expect("png");
    }
}
