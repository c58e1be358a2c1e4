//! The middle slices of a subject by every method, side by side.

use crate::audit::record::{Picture, Plane, Record, Slice, SubjectRecord};
use crate::report::colour::MUTED;
use crate::report::number::short;
use crate::report::scene::{Anchor, Frame, HEAD, Item, Scene, Text};
use crate::report::slices::{Display, position, tile};
use crate::report::{measure, stem};

const LEFT: f64 = 74.0;
const GAP: f64 = 4.0;
const WIDTH: f64 = 1060.0;
/// Room for the names above the columns.
const NAMES: f64 = 58.0;

/// A figure for every subject that has pictures by other methods.
pub(super) fn scenes(record: &Record) -> Vec<(String, Scene)> {
    let stems = stem::unique(record.subjects.iter().map(|s| s.id.as_str()));
    let own = record.subjects.iter().zip(stems).filter(|(s, _)| !s.arms.is_empty());
    own.map(|(subject, stem)| (format!("arms-{stem}"), scene(record, subject))).collect()
}

/// The cut of a plane that stands in the middle.
fn middle(picture: &Picture, plane: Plane) -> Option<&Slice> {
    let mut own: Vec<&Slice> = picture.slices.iter().filter(|s| s.plane == plane).collect();
    own.sort_by(|a, b| a.position_mm.total_cmp(&b.position_mm));
    own.get(own.len() / 2).copied()
}

fn scene(record: &Record, subject: &SubjectRecord) -> Scene {
    let title = format!("{}: the same slices by every method", subject.id);
    let reading = "Radiological display. Each method has a colour range of its own, given above \
                   it: compare places and signs, not strengths.";
    let mut scene = Scene::new(title, reading, [WIDTH, 0.0]);
    let audited = std::iter::once((record.explanation.rule.as_str(), &subject.picture));
    let columns: Vec<(&str, &Picture)> =
        audited.chain(subject.arms.iter().map(|p| (p.caption.as_str(), p))).collect();
    let wide = ((WIDTH - LEFT - 20.0) / columns.len() as f64 - GAP).min(150.0);
    let left = |column: usize| LEFT + column as f64 * (wide + GAP);
    for (column, (word, picture)) in columns.iter().enumerate() {
        let name = if column == 0 { format!("{word} (audited)") } else { (*word).to_owned() };
        let mut lines = measure::wrap(&name.replace('_', " "), 9.0, wide, 3);
        lines.push(format!("±{}", short(picture.colour_range)));
        for (n, line) in lines.iter().enumerate() {
            let at = [left(column) + 0.5 * wide, HEAD + 8.0 + 12.0 * n as f64];
            scene.items.push(Item::Text(Text::new(at, line, 9.0).anchor(Anchor::Middle)));
        }
    }
    let mut top = HEAD + NAMES;
    for (name, plane) in
        [("Axial", Plane::Axial), ("Coronal", Plane::Coronal), ("Sagittal", Plane::Sagittal)]
    {
        let cuts: Vec<Option<&Slice>> = columns.iter().map(|c| middle(c.1, plane)).collect();
        let aspect =
            |s: &&Slice| s.size[1] as f64 * s.pixel_mm[1] / (s.size[0] as f64 * s.pixel_mm[0]);
        let tall = cuts.iter().flatten().map(aspect).fold(0.0, f64::max);
        let height = wide * if tall.is_finite() { tall.clamp(0.2, 2.0) } else { 1.0 };
        scene.items.push(Item::Text(Text::new([14.0, top + 10.0], name, 12.0)));
        if let Some(cut) = cuts.iter().flatten().next() {
            let at = Text::new([14.0, top + 26.0], position(cut), 9.0).colour(MUTED);
            scene.items.push(Item::Text(at));
        }
        for (column, cut) in cuts.iter().enumerate() {
            if let Some(cut) = cut {
                let frame = Frame::new(left(column), top, wide, height);
                tile(&mut scene, cut, frame, Display::Radiological);
            }
        }
        top += height + GAP;
    }
    let foot = "Full colour at the 99.5 % quantile of |map| inside the masks over all audited \
                subjects; red is positive, blue negative. Units differ between methods.";
    for line in measure::wrap(foot, 10.5, WIDTH - 60.0, 2) {
        scene.items.push(Item::Text(Text::new([14.0, top + 12.0], line, 10.5).colour(MUTED)));
        top += 15.0;
    }
    scene.size[1] = top + 16.0;
    let words: Vec<&str> = columns.iter().map(|c| c.0).collect();
    scene.alt.push_str(&format!(" Methods: {}.", words.join(", ")));
    scene
}
