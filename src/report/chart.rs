//! Series of findings to plots: series with the same axes share a plot; the same series of
//! several subjects become thin lines under their median.

use super::axis;
use super::colour::{self, MUTED, PAPER, Rgb};
use super::measure;
use super::number::{median, range};
use super::scene::{Frame, HEAD, Item, Key, Mark, Panel, Scene};
use crate::audit::finding::{COHORT, Finding, Series};

/// Width of a figure of charts.
pub const WIDTH: f64 = 920.0;
/// Height of the plotting area of a chart.
const HEIGHT: f64 = 250.0;
/// Charts in one figure.
const PER_FIGURE: usize = 3;

/// Series that share axes.
struct Group<'a> {
    first: &'a Series,
    members: Vec<(&'a str, &'a Series)>,
}

/// Figures of all series of the findings, a few charts in each; none when there is no series.
pub fn scenes<'a>(
    stem: &str,
    title: &str,
    subtitle: &str,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Vec<(String, Scene)> {
    stacked([stem, title, subtitle], PER_FIGURE, findings)
}

/// The same with so many charts in each figure.
pub fn stacked<'a>(
    [stem, title, subtitle]: [&str; 3],
    charts: usize,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> Vec<(String, Scene)> {
    let all = findings.into_iter().flat_map(|f| f.series.iter().map(|s| (f.subject.as_str(), s)));
    let groups = group(all.filter(|(_, s)| !points(s).is_empty()));
    groups
        .chunks(charts)
        .enumerate()
        .map(|(i, chunk)| {
            let stem = if i == 0 { stem.to_owned() } else { format!("{stem}-{}", i + 1) };
            (stem, stack(title, subtitle, chunk))
        })
        .collect()
}

fn group<'a>(all: impl Iterator<Item = (&'a str, &'a Series)>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (subject, series) in all {
        let same = |g: &&mut Group<'_>| {
            g.first.x_label == series.x_label
                && g.first.y_label == series.y_label
                && g.first.labels == series.labels
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.members.push((subject, series)),
            None => groups.push(Group { first: series, members: vec![(subject, series)] }),
        }
    }
    groups
}

fn stack(title: &str, subtitle: &str, groups: &[Group<'_>]) -> Scene {
    let mut scene = Scene::new(title, subtitle, [WIDTH, 0.0]);
    let mut top = HEAD;
    for group in groups {
        let (panel, depth) = chart(group, top + 44.0);
        scene.alt.push_str(&format!(" {}.", describe(group)));
        scene.items.push(Item::Panel(panel));
        top += 44.0 + HEIGHT + depth + 14.0;
    }
    scene.size[1] = top + 6.0;
    scene
}

/// One chart at a height of the figure, and how deep its labels hang below it.
fn chart(group: &Group<'_>, top: f64) -> (Panel, f64) {
    let frame = Frame::new(84.0, top, WIDTH - 84.0 - 30.0, HEIGHT);
    let first = group.first;
    let ys = group
        .members
        .iter()
        .flat_map(|(_, s)| s.y.iter().chain(&s.low).chain(&s.high).copied().collect::<Vec<f64>>());
    let (low, high) = range(ys).unwrap_or((0.0, 1.0));
    let names = named(first);
    let bars = names && group.members.len() == 1 && first.low.is_empty();
    let y = if bars {
        axis::linear(&first.y_label, low.min(0.0), high.max(0.0))
    } else {
        axis::linear(&first.y_label, low, high)
    };
    let x = if names {
        axis::named(&first.x_label, &first.labels, frame.width / first.labels.len() as f64)
    } else {
        let xs = group.members.iter().flat_map(|(_, s)| points(s).into_iter().map(|p| p[0]));
        let (low, high) = range(xs).unwrap_or((0.0, 1.0));
        axis::linear(&first.x_label, low, high)
    };
    let depth = depth_of(&x);
    let mut panel = Panel { frame, title: first.name.clone(), x, y, marks: vec![], keys: vec![] };
    if bars {
        add_bars(&mut panel, first);
    } else {
        add_lines(&mut panel, group);
    }
    (panel, depth)
}

/// How deep tick labels and axis name hang below a plot.
pub fn depth_of(x: &super::scene::Axis) -> f64 {
    let ticks = if x.upright {
        x.ticks.iter().map(|(_, t)| measure::width(t, 10.5)).fold(0.0, f64::max)
    } else {
        10.5
    };
    30.0 + ticks
}

fn add_bars(panel: &mut Panel, series: &Series) {
    let rects = points(series).iter().map(|p| [p[0] - 0.36, p[0] + 0.36, 0.0, p[1]]).collect();
    panel.marks.push(Mark::Bars { rects, colour: colour::cycle(0) });
}

fn add_lines(panel: &mut Panel, group: &Group<'_>) {
    let mut names: Vec<&str> = Vec::new();
    for (_, series) in &group.members {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    for (i, name) in names.iter().enumerate() {
        let same: Vec<&(&str, &Series)> =
            group.members.iter().filter(|(_, s)| s.name == *name).collect();
        let tint = colour::cycle(i);
        let label = match same.as_slice() {
            [(subject, _)] if *subject == COHORT || names.len() > 1 => (*name).to_owned(),
            [(subject, _)] => format!("{name}, {subject}"),
            many => format!("{name}, {} subjects and their median", many.len()),
        };
        panel.keys.push(Key { label, colour: tint });
        if let [(_, series)] = same.as_slice() {
            single(panel, series, tint);
        } else {
            many(panel, &same.iter().map(|(_, s)| *s).collect::<Vec<_>>(), tint);
        }
    }
    if let ([key], true) = (panel.keys.as_slice(), names.len() == 1) {
        panel.title = key.label.clone();
        panel.keys.clear();
    } else {
        panel.title.clear();
    }
    panel.keys.truncate(colour::CYCLE.len());
}

fn single(panel: &mut Panel, series: &Series, tint: Rgb) {
    let line = points(series);
    let spread = spread(series);
    if !spread.is_empty() && spread.len() > 1 {
        panel.marks.push(Mark::Band { points: spread, colour: tint, opacity: 0.16 });
    } else if !spread.is_empty() {
        panel.marks.push(Mark::Whiskers { points: spread, colour: tint, sideways: false });
    }
    let dots = named(series) || line.len() <= 25;
    panel.marks.push(Mark::Line { points: line.clone(), colour: tint, width: 2.0, dashed: false });
    if dots {
        panel.marks.push(Mark::Dots { points: line, colour: tint, radius: 3.2 });
    }
}

fn many(panel: &mut Panel, series: &[&Series], tint: Rgb) {
    let pale = colour::mix(PAPER, tint, 0.35);
    let lines: Vec<Vec<[f64; 2]>> = series.iter().map(|s| points(s)).collect();
    for points in &lines {
        let points = points.clone();
        panel.marks.push(Mark::Line { points, colour: pale, width: 1.0, dashed: false });
    }
    let xs: Vec<f64> = lines.first().map(|l| l.iter().map(|p| p[0]).collect()).unwrap_or_default();
    let middle: Vec<[f64; 2]> = xs
        .iter()
        .filter_map(|x| {
            let at = |l: &Vec<[f64; 2]>| l.iter().find(|p| p[0] == *x).map(|p| p[1]);
            let values: Vec<f64> = lines.iter().filter_map(at).collect();
            median(&values).map(|m| [*x, m])
        })
        .collect();
    panel.marks.push(Mark::Line { points: middle, colour: tint, width: 2.4, dashed: false });
}

/// True when the points have names.
pub fn named(series: &Series) -> bool {
    !series.labels.is_empty() && series.labels.len() == series.y.len()
}

/// The finite points of a series; named points stand at 0, 1, 2, ….
pub fn points(series: &Series) -> Vec<[f64; 2]> {
    series
        .y
        .iter()
        .enumerate()
        .filter_map(|(i, y)| position(series, i).map(|x| [x, *y]))
        .filter(|p| p.iter().all(|v| v.is_finite()))
        .collect()
}

/// x, low, high where a series has a finite interval.
pub fn spread(series: &Series) -> Vec<[f64; 3]> {
    let both = series.low.iter().zip(&series.high).enumerate();
    both.filter_map(|(i, (low, high))| position(series, i).map(|x| [x, *low, *high]))
        .filter(|p| p.iter().all(|v| v.is_finite()))
        .collect()
}

fn position(series: &Series, i: usize) -> Option<f64> {
    if named(series) || series.x.is_empty() { Some(i as f64) } else { series.x.get(i).copied() }
}

fn describe(group: &Group<'_>) -> String {
    let (low, high) =
        range(group.members.iter().flat_map(|(_, s)| s.y.iter().copied())).unwrap_or((0.0, 0.0));
    format!(
        "{} against {}: {} curves, from {} to {}",
        group.first.y_label,
        group.first.x_label,
        group.members.len(),
        super::number::short(low),
        super::number::short(high)
    )
}

/// A broken horizontal or vertical reference line.
pub fn reference(points: [[f64; 2]; 2]) -> Mark {
    Mark::Line { points: points.to_vec(), colour: MUTED, width: 1.2, dashed: true }
}
