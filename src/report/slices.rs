//! Slices of one picture: the anatomy alone and, below it, the anatomy under relevance, in
//! three planes, with letters, millimetres, scale bar and colour range on the picture.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::colour::{self, INK, MUTED, NIGHT, OUTLINE};
use super::number::short;
use super::scene::{Anchor, Frame, HEAD, Item, Patch, Raster, Scene, Stroke, Text};
use crate::audit::record::{Picture, Plane, Record, Slice};

/// Which side of the patient is drawn on the left of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Display {
    /// The patient's right is on the left of the picture, as clinical viewers show it.
    #[default]
    Radiological,
    /// The patient's left is on the left of the picture.
    Neurological,
}

/// Most cuts of one plane.
const MOST: usize = 7;
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 118.0;
const GAP: f64 = 4.0;
/// Largest width and height of a tile.
const TILE: [f64; 2] = [150.0, 170.0];
/// Tiles below this width do not say where they lie.
const NARROW: f64 = 100.0;
const LETTER: [u8; 3] = [236, 236, 236];

/// A slice with its bytes decoded and checked.
struct Cut<'a> {
    slice: &'a Slice,
    anatomy: Vec<u8>,
    relevance: Vec<i8>,
    outline: Vec<u8>,
}

impl<'a> Cut<'a> {
    /// `None` where the bytes do not fit the size.
    fn read(slice: &'a Slice) -> Option<Self> {
        let n = slice.size[0].checked_mul(slice.size[1]).filter(|n| *n > 0 && *n <= 1 << 20)?;
        let sound = slice.pixel_mm.iter().all(|mm| mm.is_finite() && *mm > 0.0);
        let bytes = |text: &str| STANDARD.decode(text).ok().filter(|b| b.len() == n);
        let anatomy = bytes(&slice.anatomy).filter(|_| sound)?;
        let relevance = bytes(&slice.relevance).unwrap_or_default();
        let outline = bytes(&slice.outline).unwrap_or_default();
        let relevance = relevance.into_iter().map(u8::cast_signed).collect();
        Some(Self { slice, anatomy, relevance, outline })
    }

    /// Width and height in mm.
    fn extent(&self) -> [f64; 2] {
        let s = self.slice;
        [s.size[0] as f64 * s.pixel_mm[0], s.size[1] as f64 * s.pixel_mm[1]]
    }
}

/// The picture as a figure; `None` when it holds no readable slice.
pub fn scene(picture: &Picture, title: &str, record: &Record, display: Display) -> Option<Scene> {
    let planes = [Plane::Axial, Plane::Coronal, Plane::Sagittal].map(|plane| cuts(picture, plane));
    let most = planes.iter().map(Vec::len).max().filter(|n| *n > 0)?;
    let tile = ((WIDTH - LEFT - RIGHT + GAP) / most as f64 - GAP).min(TILE[0]);
    let scale = planes
        .iter()
        .flatten()
        .map(|c| (tile / c.extent()[0]).min(TILE[1] / c.extent()[1]))
        .fold(f64::INFINITY, f64::min);
    let coloured = planes.iter().flatten().any(|c| !c.relevance.is_empty());
    let mut scene = Scene::new(title, subtitle(display, coloured), [WIDTH, 0.0]);
    let mut top = HEAD + 12.0;
    for (name, plane) in ["Axial", "Coronal", "Sagittal"].iter().zip(&planes) {
        top = rows(&mut scene, name, plane, top, tile, scale, display, coloured);
    }
    if coloured {
        let right = LEFT + most as f64 * (tile + GAP) - GAP;
        colour_bar(&mut scene, picture.colour_range, right + 26.0, HEAD + 30.0);
    }
    let outlined = planes.iter().flatten().any(|c| !c.outline.is_empty());
    footer(&mut scene, picture, record, top + 8.0, outlined, coloured);
    let right = LEFT + most as f64 * (tile + GAP) - GAP + RIGHT;
    scene.size[0] = right.max(620.0);
    Some(scene)
}

fn subtitle(display: Display, coloured: bool) -> String {
    let side = match display {
        Display::Radiological => {
            "Radiological display: the patient's right (R) is on the left of the picture."
        }
        Display::Neurological => {
            "Neurological display: the patient's left (L) is on the left of the picture."
        }
    };
    if coloured {
        format!("{side} Upper row of each plane: the anatomy alone; lower row: under relevance.")
    } else {
        side.to_owned()
    }
}

/// The readable cuts of a plane by position, at most [`MOST`] of them.
fn cuts(picture: &Picture, plane: Plane) -> Vec<Cut<'_>> {
    let own = picture.slices.iter().filter(|s| s.plane == plane && s.position_mm.is_finite());
    let mut cuts: Vec<Cut<'_>> = own.filter_map(Cut::read).collect();
    cuts.sort_by(|a, b| a.slice.position_mm.total_cmp(&b.slice.position_mm));
    let n = cuts.len();
    if n > MOST {
        let keep: Vec<usize> = (0..MOST).map(|i| i * (n - 1) / (MOST - 1)).collect();
        let mut index = 0..;
        cuts.retain(|_| index.next().is_some_and(|i| keep.contains(&i)));
    }
    cuts
}

/// Both rows of a plane; gives the height at which the next plane begins.
#[expect(clippy::too_many_arguments, reason = "the geometry of one figure, used once")]
fn rows(
    scene: &mut Scene,
    name: &str,
    cuts: &[Cut<'_>],
    top: f64,
    tile: f64,
    scale: f64,
    display: Display,
    coloured: bool,
) -> f64 {
    if cuts.is_empty() {
        return top;
    }
    let height = cuts.iter().map(|c| c.extent()[1] * scale).fold(0.0, f64::max);
    let kinds: &[(&str, bool)] =
        if coloured { &[("anatomy", false), ("relevance", true)] } else { &[("anatomy", false)] };
    let mut y = top;
    for (i, (kind, under)) in kinds.iter().enumerate() {
        if i == 0 {
            scene.items.push(Item::Text(Text::new([20.0, y + 10.0], name, 13.0)));
        }
        let at = if i == 0 { 27.0 } else { 10.0 };
        scene.items.push(Item::Text(Text::new([20.0, y + at], *kind, 10.5).colour(MUTED)));
        for (column, cut) in cuts.iter().enumerate() {
            let frame = Frame::new(LEFT + column as f64 * (tile + GAP), y, tile, height);
            paint_tile(scene, cut, frame, scale, display, *under);
            if column == 0 && i == 0 {
                scale_bar(scene, frame, scale);
            }
        }
        y += height + GAP;
    }
    y + 10.0
}

/// One slice under its relevance, as large as the frame allows, without an outline, which
/// would hide too much of a small picture.
pub(super) fn tile(scene: &mut Scene, slice: &Slice, frame: Frame, display: Display) {
    if let Some(cut) = Cut::read(slice) {
        let cut = Cut { outline: Vec::new(), ..cut };
        let [w, h] = cut.extent();
        paint_tile(scene, &cut, frame, (frame.width / w).min(frame.height / h), display, true);
    }
}

fn paint_tile(
    scene: &mut Scene,
    cut: &Cut<'_>,
    tile: Frame,
    scale: f64,
    display: Display,
    under: bool,
) {
    scene.items.push(Item::Patch(Patch { frame: tile, colour: NIGHT, opacity: 1.0 }));
    let [w, h] = cut.extent().map(|mm| mm * scale);
    let frame =
        Frame::new(tile.left + 0.5 * (tile.width - w), tile.top + 0.5 * (tile.height - h), w, h);
    let flip = flipped(display);
    scene.items.push(Item::Raster(raster(cut, frame, flip, under)));
    scene.items.extend(contour(cut, frame, flip).into_iter().map(Item::Stroke));
    let [mut left, mut right, above, below] = letters(cut.slice.plane);
    if flip {
        std::mem::swap(&mut left, &mut right);
    }
    let (x, y) = (tile.left + 0.5 * tile.width, tile.top + 0.5 * tile.height);
    let (end, bottom) = (tile.left + tile.width, tile.top + tile.height);
    let letter = |at: [f64; 2], text: &str| {
        Item::Text(Text::new(at, text, 9.0).colour(LETTER).anchor(Anchor::Middle))
    };
    scene.items.push(letter([tile.left + 7.0, y], left));
    scene.items.push(letter([end - 7.0, y], right));
    scene.items.push(letter([x, tile.top + 7.0], above));
    scene.items.push(letter([x, bottom - 7.0], below));
    // In a narrow tile it would stand on the upper letter.
    if tile.width >= NARROW {
        let at = [tile.left + 4.0, tile.top + 7.0];
        let label = Text::new(at, position(cut.slice), 8.0).colour(LETTER);
        scene.items.push(Item::Text(label));
    }
}

/// Where a slice lies, as `z −1.5 mm`.
pub(super) fn position(slice: &Slice) -> String {
    let axis = match slice.plane {
        Plane::Axial => "z",
        Plane::Coronal => "y",
        Plane::Sagittal => "x",
    };
    format!("{axis} {} mm", short((10.0 * slice.position_mm).round() / 10.0))
}

/// Whether the first coordinate runs to the left of the picture; in sagittal cuts the face
/// then looks to the left.
fn flipped(display: Display) -> bool {
    display == Display::Radiological
}

/// Letters at the low and high end of the first, then the high and low end of the second
/// coordinate.
fn letters(plane: Plane) -> [&'static str; 4] {
    match plane {
        Plane::Axial => ["L", "R", "A", "P"],
        Plane::Coronal => ["L", "R", "S", "I"],
        Plane::Sagittal => ["P", "A", "S", "I"],
    }
}

/// Pixels from the top left; drawn smoothed between voxels so that edges do not distract.
fn raster(cut: &Cut<'_>, frame: Frame, flip: bool, under: bool) -> Raster {
    let [w, h] = cut.slice.size;
    let fine = 2;
    let (columns, rows) = (w * fine, h * fine);
    let mut rgb = Vec::with_capacity(columns * rows * 3);
    let centre = |i: usize| (i as f64 + 0.5) / fine as f64 - 0.5;
    for row in 0..rows {
        let y = centre(rows - 1 - row);
        for column in 0..columns {
            let x = centre(if flip { columns - 1 - column } else { column });
            let grey = between(|i| f64::from(cut.anatomy[i]), [w, h], x, y).round() as u8;
            let pixel = if under && !cut.relevance.is_empty() {
                let r = between(|i| f64::from(cut.relevance[i]), [w, h], x, y) / 127.0;
                colour::overlay(grey, r)
            } else {
                [grey; 3]
            };
            rgb.extend_from_slice(&pixel);
        }
    }
    Raster { frame, columns, rows, rgb }
}

/// Bilinear value at fractional voxel coordinates, constant beyond the edge.
fn between(at: impl Fn(usize) -> f64, [w, h]: [usize; 2], x: f64, y: f64) -> f64 {
    let (x, y) = (x.clamp(0.0, w as f64 - 1.0), y.clamp(0.0, h as f64 - 1.0));
    let (x0, y0) = (x.floor() as usize, y.floor() as usize);
    let (x1, y1) = ((x0 + 1).min(w - 1), (y0 + 1).min(h - 1));
    let (fx, fy) = (x - x0 as f64, y - y0 as f64);
    let lower = at(y0 * w + x0) * (1.0 - fx) + at(y0 * w + x1) * fx;
    let upper = at(y1 * w + x0) * (1.0 - fx) + at(y1 * w + x1) * fx;
    lower * (1.0 - fy) + upper * fy
}

/// The border between outlined and other pixels, dark below light so that it shows on both.
fn contour(cut: &Cut<'_>, frame: Frame, flip: bool) -> Vec<Stroke> {
    let [w, h] = cut.slice.size;
    if cut.outline.is_empty() {
        return Vec::new();
    }
    let inside = |x: isize, y: isize| {
        (0..w as isize).contains(&x)
            && (0..h as isize).contains(&y)
            && cut.outline[y as usize * w + x as usize] != 0
    };
    let corner = |x: isize, y: isize| {
        let (u, v) = (x as f64 / w as f64, y as f64 / h as f64);
        let u = if flip { 1.0 - u } else { u };
        [frame.left + frame.width * u, frame.top + frame.height * (1.0 - v)]
    };
    let mut edges: Vec<[[f64; 2]; 2]> = Vec::new();
    for y in 0..=h as isize {
        for x in 0..=w as isize {
            if inside(x, y) != inside(x - 1, y) {
                edges.push([corner(x, y), corner(x, y + 1)]);
            }
            if inside(x, y) != inside(x, y - 1) {
                edges.push([corner(x, y), corner(x + 1, y)]);
            }
        }
    }
    let strokes = [(NIGHT, 3.0), (OUTLINE, 1.5)].into_iter();
    strokes
        .flat_map(|(colour, width)| {
            edges.iter().map(move |e| Stroke { points: longer(*e, 0.5 * width), colour, width })
        })
        .collect()
}

/// A horizontal or vertical edge, longer by `by` at both ends so that corners close.
fn longer([a, b]: [[f64; 2]; 2], by: f64) -> Vec<[f64; 2]> {
    let length = (b[0] - a[0]).hypot(b[1] - a[1]).max(1e-9);
    let step = [by * (b[0] - a[0]) / length, by * (b[1] - a[1]) / length];
    vec![[a[0] - step[0], a[1] - step[1]], [b[0] + step[0], b[1] + step[1]]]
}

fn scale_bar(scene: &mut Scene, tile: Frame, scale: f64) {
    let room = 0.4 * tile.width / scale;
    let mm = [50.0, 20.0, 10.0, 5.0, 2.0, 1.0].into_iter().find(|mm| *mm <= room).unwrap_or(1.0);
    let (x, y) = (tile.left + tile.width - 5.0, tile.top + tile.height - 6.0);
    let points = vec![[x - mm * scale, y], [x, y]];
    scene.items.push(Item::Stroke(Stroke { points, colour: LETTER, width: 2.0 }));
    let label = Text::new([x, y - 8.0], format!("{} mm", short(mm)), 8.0);
    scene.items.push(Item::Text(label.colour(LETTER).anchor(Anchor::End)));
}

fn colour_bar(scene: &mut Scene, range: f64, left: f64, top: f64) {
    let (rows, height) = (128usize, 200.0);
    let shade = |row: usize| 1.0 - 2.0 * row as f64 / (rows - 1) as f64;
    let rgb = (0..rows)
        .flat_map(|row| [40u8, 150].map(|grey| colour::overlay(grey, shade(row))))
        .flatten()
        .collect();
    let frame = Frame::new(left, top, 22.0, height);
    scene.items.push(Item::Raster(Raster { frame, columns: 2, rows, rgb }));
    let middle = top + 0.5 * height;
    for (y, value) in [(top, range), (middle, 0.0), (top + height, -range)] {
        let sign = if value > 0.0 { "+" } else { "" };
        let label = format!("{sign}{}", short(value));
        scene.items.push(Item::Text(Text::new([left + 28.0, y], label, 10.0)));
    }
    let words = [(top - 16.0, "supports"), (top + height + 16.0, "opposes")];
    for (y, text) in words {
        scene.items.push(Item::Text(Text::new([left, y], text, 10.5).colour(INK)));
    }
    for (i, line) in ["R per voxel", "in log-odds", "(dark and light", "tissue)"].iter().enumerate()
    {
        let at = [left, top + height + 34.0 + 13.0 * i as f64];
        scene.items.push(Item::Text(Text::new(at, *line, 9.0).colour(MUTED)));
    }
}

fn footer(
    scene: &mut Scene,
    picture: &Picture,
    record: &Record,
    top: f64,
    outlined: bool,
    coloured: bool,
) {
    let mut lines = vec![picture.caption.clone()];
    if coloured {
        lines.push(format!(
            "Explained: {}. Rule: {}. Full colour at ±{} ({}); opacity proportional to |R|, no threshold.",
            record.explanation.start,
            record.explanation.rule,
            short(picture.colour_range),
            record.explanation.colour_range
        ));
    }
    if outlined {
        lines.push("Green line: outline of the truth or of the focus region.".to_owned());
    }
    scene.alt = format!("{}. {} {}", scene.title, scene.subtitle, lines.join(" "));
    let mut y = top;
    for line in lines.iter().flat_map(|l| super::measure::wrap(l, 10.5, 880.0, 2)) {
        scene.items.push(Item::Text(Text::new([20.0, y], line, 10.5).colour(MUTED)));
        y += 15.0;
    }
    scene.size[1] = y + 6.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patients_right_is_drawn_on_the_left() {
        let slice = Slice {
            plane: Plane::Axial,
            position_mm: 0.0,
            size: [2, 1],
            pixel_mm: [1.0, 1.0],
            anatomy: STANDARD.encode([10u8, 200]),
            relevance: String::new(),
            outline: String::new(),
        };
        let cut = Cut::read(&slice).expect("readable");
        let frame = Frame::new(0.0, 0.0, 2.0, 1.0);
        let radiological = raster(&cut, frame, flipped(Display::Radiological), false);
        assert_eq!(radiological.rgb[0], 200, "the rightmost voxel of the patient comes first");
        let neurological = raster(&cut, frame, flipped(Display::Neurological), false);
        assert_eq!(neurological.rgb[0], 10);
    }
}
