//! Which regions carry the relevance, and do they carry more than their size explains?

use super::{Figure, Place, of};
use crate::Result;
use crate::audit::finding::{Cell, Table};
use crate::audit::record::Record;
use crate::card::{Better, Card};
use crate::report::number::{range, short};
use crate::report::scene::{Axis, Frame, HEAD, Item, Mark, Panel, Scene};
use crate::report::{axis, chart, colour, stem};

/// What it says of itself.
pub static CARD: Card = Card {
    id: "region_bars",
    title: "Relevance by region",
    question: "Which regions carry the relevance, and do they carry more than their size explains?",
    formula: "share = relevance in the region / relevance in the mask; enrichment = share / volume share",
    reading: "Left: share of the relevance with its interval. Middle: share over volume share; beyond 1 the region carries more than its size. Right: how well the region alone separates the classes (0.5 is guessing).",
    misleads: "Large regions collect relevance by size alone; a region may carry relevance because it helps to read another one.",
    source: "Böhle et al. 2019, doi:10.3389/fnagi.2019.00194",
    unit: "1",
    better: Better::Neither,
};

/// The figure.
pub struct RegionBars;

/// Most regions drawn: those with the largest |share|.
const MOST: usize = 32;

/// One region.
struct Region {
    name: String,
    share: f64,
    interval: Option<(f64, f64)>,
    enrichment: Option<f64>,
    auc: Option<f64>,
}

impl Figure for RegionBars {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn place(&self) -> Place {
        Place::Checks
    }

    fn checks(&self) -> &'static [&'static str] {
        &["region_mass"]
    }

    fn scenes(&self, record: &Record) -> Result<Vec<(String, Scene)>> {
        let mut scenes = Vec::new();
        for finding in of(record, self.checks()) {
            for table in &finding.tables {
                let regions = regions(table);
                if !regions.is_empty() {
                    let name = match scenes.len() {
                        0 => CARD.id.to_owned(),
                        n => format!("{}-{}-{}", CARD.id, stem::safe(&finding.subject), n + 1),
                    };
                    scenes.push((name, draw(&regions, table.rows.len())));
                }
            }
        }
        let series = chart::scenes(
            "region_bars-series",
            CARD.title,
            CARD.question,
            of(record, self.checks()),
        );
        scenes.extend(series);
        Ok(scenes)
    }
}

/// Regions of a table that has the columns `region` and `share`, largest |share| first.
fn regions(table: &Table) -> Vec<Region> {
    let column = |name: &str| table.columns.iter().position(|c| c.name == name);
    let (Some(region), Some(share)) = (column("region"), column("share")) else {
        return Vec::new();
    };
    let number = |row: &[Cell], at: Option<usize>| match at.and_then(|i| row.get(i)) {
        Some(Cell::Number(v)) if v.is_finite() => Some(*v),
        _ => None,
    };
    let text = |row: &[Cell], at: Option<usize>| match at.and_then(|i| row.get(i)) {
        Some(Cell::Text(t)) => t.clone(),
        _ => String::new(),
    };
    let mut regions: Vec<Region> = table
        .rows
        .iter()
        .filter_map(|row| {
            let name = format!("{} {}", text(row, Some(region)), text(row, column("side")));
            let interval = number(row, column("share_low")).zip(number(row, column("share_high")));
            Some(Region {
                name: name.trim().to_owned(),
                share: number(row, Some(share))?,
                interval,
                enrichment: number(row, column("enrichment")),
                auc: number(row, column("auc")),
            })
        })
        .collect();
    regions.sort_by(|a, b| b.share.abs().total_cmp(&a.share.abs()));
    regions.truncate(MOST);
    regions
}

fn draw(regions: &[Region], of: usize) -> Scene {
    let height = 19.0 * regions.len() as f64 + 8.0;
    let size = [chart::WIDTH, HEAD + 36.0 + height + 52.0];
    let mut scene = Scene::new(CARD.title, CARD.reading, size);
    let said: Vec<String> =
        regions.iter().take(8).map(|r| format!("{} {}", r.name, short(r.share))).collect();
    scene.alt.push_str(&format!(" Largest shares: {}.", said.join(", ")));
    let names: Vec<String> = regions.iter().map(|r| r.name.clone()).collect();
    let top = HEAD + 36.0;
    let mut drawn = vec![share_panel(regions, &names, of)];
    if regions.iter().any(|r| r.enrichment.is_some()) {
        drawn.push(ratio_panel(regions, "Enrichment", "share over volume share", 1.0, |r| {
            r.enrichment
        }));
    }
    if regions.iter().any(|r| r.auc.is_some()) {
        drawn.push(ratio_panel(regions, "Region alone", "AUC for the label", 0.5, |r| r.auc));
    }
    let room = chart::WIDTH - 190.0 - 30.0;
    let side = if drawn.len() > 1 { 0.24 * room } else { 0.0 };
    let first = room - side * (drawn.len() - 1) as f64;
    for (i, mut panel) in drawn.into_iter().enumerate() {
        let left = 190.0 + if i == 0 { 0.0 } else { first + side * (i - 1) as f64 + 28.0 };
        let width = if i == 0 { first } else { side - 28.0 };
        panel.frame = Frame::new(left, top, width, height);
        scene.items.push(Item::Panel(panel));
    }
    scene
}

fn share_panel(regions: &[Region], names: &[String], of: usize) -> Panel {
    let ends = |r: &Region| r.interval.map_or([r.share, r.share], |(low, high)| [low, high]);
    let all = regions.iter().flat_map(|r| [ends(r)[0], ends(r)[1], r.share, 0.0]);
    let (low, high) = range(all).unwrap_or((0.0, 1.0));
    let bar = |(i, r): (usize, &Region)| [0.0, r.share, i as f64 - 0.32, i as f64 + 0.32];
    let (mut supports, mut opposes) = (Vec::new(), Vec::new());
    for (i, region) in regions.iter().enumerate() {
        if region.share < 0.0 { &mut opposes } else { &mut supports }.push(bar((i, region)));
    }
    let whiskers = regions.iter().enumerate();
    let whiskers =
        whiskers.filter_map(|(i, r)| r.interval.map(|(low, high)| [i as f64, low, high]));
    let title = if of > regions.len() {
        format!("Relevance share ({} largest of {of})", regions.len())
    } else {
        "Relevance share".to_owned()
    };
    Panel {
        frame: Frame::new(0.0, 0.0, 0.0, 0.0),
        title,
        x: axis::linear("share of the relevance", low, high),
        y: axis::rows(names, 160.0),
        marks: vec![
            Mark::Bars { rects: supports, colour: colour::relevance(0.8).0 },
            Mark::Bars { rects: opposes, colour: colour::relevance(-0.8).0 },
            Mark::Whiskers { points: whiskers.collect(), colour: colour::INK, sideways: true },
        ],
        keys: Vec::new(),
    }
}

fn ratio_panel(
    regions: &[Region],
    title: &str,
    label: &str,
    neutral: f64,
    value: fn(&Region) -> Option<f64>,
) -> Panel {
    let dots: Vec<[f64; 2]> =
        regions.iter().enumerate().filter_map(|(i, r)| value(r).map(|v| [v, i as f64])).collect();
    let (low, high) = range(dots.iter().map(|d| d[0]).chain([neutral])).unwrap_or((0.0, 1.0));
    let y = Axis { ticks: Vec::new(), ..axis::rows(&vec![String::new(); regions.len()], 0.0) };
    let x = axis::linear(label, low - 0.1 * (high - low), high);
    let x = Axis { ticks: x.ticks.into_iter().step_by(2).collect(), ..x };
    Panel {
        frame: Frame::new(0.0, 0.0, 0.0, 0.0),
        title: title.to_owned(),
        x,
        y,
        marks: vec![
            chart::reference([[neutral, -0.5], [neutral, regions.len() as f64 - 0.5]]),
            Mark::Dots { points: dots, colour: colour::cycle(0), radius: 3.2 },
        ],
        keys: Vec::new(),
    }
}
