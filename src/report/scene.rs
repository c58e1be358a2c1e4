//! What a figure shows, as plain data in page pixels and data units. A scene knows nothing
//! of the library that draws it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::colour::{INK, Rgb};

/// Height kept free for title and subtitle.
pub const HEAD: f64 = 70.0;

/// A figure: size, words and items, drawn in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// Title, drawn at the top left.
    pub title: String,
    /// One line under the title: how to read it.
    pub subtitle: String,
    /// The same in words, for those who cannot see it.
    pub alt: String,
    /// Width and height in page pixels.
    pub size: [f64; 2],
    /// What is drawn.
    pub items: Vec<Item>,
}

impl Scene {
    /// An empty figure.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>, size: [f64; 2]) -> Self {
        let (title, subtitle) = (title.into(), subtitle.into());
        let alt = format!("{title}. {subtitle}");
        Self { title, subtitle, alt, size, items: Vec::new() }
    }
}

/// A rectangle in page pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Left edge.
    pub left: f64,
    /// Upper edge.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Frame {
    /// A rectangle.
    pub fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self { left, top, width, height }
    }
}

/// Which point of a text stands at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// One line of text, vertically centred on its position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// Position in page pixels.
    pub at: [f64; 2],
    /// The words.
    pub text: String,
    /// Size in page pixels.
    pub size: f64,
    /// Colour.
    pub colour: Rgb,
    /// Which point stands at `at`.
    pub anchor: Anchor,
    /// Reads from bottom to top.
    pub upright: bool,
}

impl Text {
    /// Dark text that begins at `at`.
    pub fn new(at: [f64; 2], text: impl Into<String>, size: f64) -> Self {
        Self { at, text: text.into(), size, colour: INK, anchor: Anchor::Start, upright: false }
    }

    /// The same in another colour.
    pub fn colour(self, colour: Rgb) -> Self {
        Self { colour, ..self }
    }

    /// The same with another anchor.
    pub fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    /// The same, reading from bottom to top.
    pub fn upright(self) -> Self {
        Self { upright: true, ..self }
    }
}

/// A colour image; every pixel is drawn as a rectangle of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Raster {
    /// Where, in page pixels.
    pub frame: Frame,
    /// Pixels along x.
    pub columns: usize,
    /// Pixels along y.
    pub rows: usize,
    /// Red, green, blue, row by row from the top left.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub rgb: Vec<u8>,
}

/// A polyline in page pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stroke {
    /// Points.
    pub points: Vec<[f64; 2]>,
    /// Colour.
    pub colour: Rgb,
    /// Width in page pixels.
    pub width: f64,
}

/// A filled rectangle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patch {
    /// Where.
    pub frame: Frame,
    /// Colour.
    pub colour: Rgb,
    /// 0 to 1.
    pub opacity: f64,
}

/// An entry of a legend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The words.
    pub label: String,
    /// Colour of the swatch.
    pub colour: Rgb,
}

/// An axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Name and unit.
    pub label: String,
    /// Value at the beginning.
    pub low: f64,
    /// Value at the end.
    pub high: f64,
    /// Decades are equally long.
    pub log: bool,
    /// Where there is a tick, and what stands at it.
    pub ticks: Vec<(f64, String)>,
    /// Tick labels read from bottom to top.
    pub upright: bool,
    /// A line across the panel at each tick.
    pub grid: bool,
}

impl Axis {
    /// Where a value lies, 0 at the beginning and 1 at the end, never outside.
    pub fn place(&self, v: f64) -> f64 {
        let (v, low, high) = if self.log {
            (v.max(f64::MIN_POSITIVE).log10(), self.low.log10(), self.high.log10())
        } else {
            (v, self.low, self.high)
        };
        let t = if high != low { (v - low) / (high - low) } else { 0.5 };
        if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// A mark in data units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// A polyline.
    Line {
        /// x and y.
        points: Vec<[f64; 2]>,
        /// Colour.
        colour: Rgb,
        /// Width in page pixels.
        width: f64,
        /// Broken line.
        dashed: bool,
    },
    /// A region between two curves.
    Band {
        /// x, low, high.
        points: Vec<[f64; 3]>,
        /// Colour.
        colour: Rgb,
        /// 0 to 1.
        opacity: f64,
    },
    /// Rectangles: x from, x to, y from, y to.
    Bars {
        /// The rectangles.
        rects: Vec<[f64; 4]>,
        /// Colour.
        colour: Rgb,
    },
    /// Intervals: position, low, high.
    Whiskers {
        /// The intervals.
        points: Vec<[f64; 3]>,
        /// Colour.
        colour: Rgb,
        /// They lie along x instead of y.
        sideways: bool,
    },
    /// Dots.
    Dots {
        /// x and y.
        points: Vec<[f64; 2]>,
        /// Colour.
        colour: Rgb,
        /// Radius in page pixels.
        radius: f64,
    },
    /// Words at a point.
    Words {
        /// x and y.
        at: [f64; 2],
        /// The words.
        text: String,
        /// Colour.
        colour: Rgb,
        /// Which point stands at `at`.
        anchor: Anchor,
    },
}

/// A plot: axes and marks. The frame is the plotting area; labels stand outside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// Plotting area in page pixels.
    pub frame: Frame,
    /// Title above the area.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Marks in drawing order.
    pub marks: Vec<Mark>,
    /// Legend, drawn above the area, right aligned.
    pub keys: Vec<Key>,
}

/// Something drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A plot.
    Panel(Panel),
    /// An image.
    Raster(Raster),
    /// A polyline.
    Stroke(Stroke),
    /// A filled rectangle.
    Patch(Patch),
    /// Words.
    Text(Text),
}

fn to_base64<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(d)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}
