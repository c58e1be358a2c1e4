//! Primitive shapes on a pixel buffer. Shapes are drawn at twice the size of the file and
//! averaged down, which smooths every edge.

use std::sync::LazyLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::SCALE;
use crate::report::colour::{PAPER, Rgb};
use crate::report::scene::{Anchor, Frame, Raster, Text};
use crate::{Error, Result};

/// Drawn pixels per pixel of the file.
const OVER: u32 = 2;
/// Height of the font (ascent and descent) over its em.
const HEIGHT_PER_EM: f64 = 2384.0 / 2048.0;
/// How far the library's middle of a line stands above the middle of its letters, in em.
const DROP: f64 = 0.17;

static FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");
static REGISTERED: LazyLock<bool> =
    LazyLock::new(|| plotters::style::register_font("sans-serif", FontStyle::Normal, FONT).is_ok());

/// The buffer a canvas draws on.
pub(super) struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Pixels {
    /// White paper of a size in page pixels.
    pub(super) fn blank(width: u32, height: u32) -> Self {
        let (width, height) = (width * SCALE * OVER, height * SCALE * OVER);
        Self { width, height, rgb: vec![PAPER[0]; width as usize * height as usize * 3] }
    }

    /// Width, height and bytes of the file's pixels: the mean of the drawn ones.
    pub(super) fn shrink(&self) -> (u32, u32, Vec<u8>) {
        let (width, height) = (self.width / OVER, self.height / OVER);
        let row = self.width as usize * 3;
        let over = OVER as usize;
        let mut out = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height as usize {
            for x in 0..width as usize {
                for c in 0..3 {
                    let mut sum = 0u32;
                    for dy in 0..over {
                        for dx in 0..over {
                            let at = (y * over + dy) * row + (x * over + dx) * 3 + c;
                            sum += u32::from(self.rgb[at]);
                        }
                    }
                    out.push(((sum + OVER * OVER / 2) / (OVER * OVER)) as u8);
                }
            }
        }
        (width, height, out)
    }
}

/// Draws in page pixels.
pub(super) struct Canvas<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    /// A canvas on a buffer.
    pub(super) fn on(pixels: &'a mut Pixels) -> Result<Self> {
        if !*REGISTERED {
            return Err(Error::internal("the embedded font is unreadable"));
        }
        let size = (pixels.width, pixels.height);
        let area = BitMapBackend::with_buffer(&mut pixels.rgb, size).into_drawing_area();
        Ok(Self { area })
    }

    /// Ends the drawing.
    pub(super) fn finish(&self) -> Result<()> {
        self.area.present().map_err(refused)
    }

    /// A filled rectangle.
    pub(super) fn rectangle(&self, frame: Frame, colour: Rgb, opacity: f64) -> Result<()> {
        let (x0, y0) = device([frame.left, frame.top]);
        let (x1, y1) = device([frame.left + frame.width, frame.top + frame.height]);
        if x1 <= x0 || y1 <= y0 {
            return Ok(());
        }
        let style = rgb(colour).mix(opacity).filled();
        self.area.draw(&Rectangle::new([(x0, y0), (x1, y1)], style)).map_err(refused)
    }

    /// A polyline.
    pub(super) fn line(&self, points: &[[f64; 2]], colour: Rgb, width: f64) -> Result<()> {
        if points.len() < 2 {
            return Ok(());
        }
        let stroke = (width * f64::from(SCALE * OVER)).round().max(1.0) as u32;
        let path: Vec<(i32, i32)> = points.iter().map(|p| device(*p)).collect();
        let style = rgb(colour).stroke_width(stroke);
        self.area.draw(&PathElement::new(path, style)).map_err(refused)
    }

    /// A filled polygon.
    pub(super) fn polygon(&self, points: &[[f64; 2]], colour: Rgb, opacity: f64) -> Result<()> {
        if points.len() < 3 {
            return Ok(());
        }
        let path: Vec<(i32, i32)> = points.iter().map(|p| device(*p)).collect();
        self.area.draw(&Polygon::new(path, rgb(colour).mix(opacity))).map_err(refused)
    }

    /// A dot with a white rim.
    pub(super) fn dot(&self, at: [f64; 2], colour: Rgb, radius: f64) -> Result<()> {
        for (colour, radius) in [(PAPER, radius + 0.8), (colour, radius)] {
            let size = (radius * f64::from(SCALE * OVER)).round() as i32;
            self.area
                .draw(&Circle::new(device(at), size, rgb(colour).filled()))
                .map_err(refused)?;
        }
        Ok(())
    }

    /// One line of text.
    pub(super) fn text(&self, text: &Text) -> Result<()> {
        let size = text.size * HEIGHT_PER_EM * f64::from(SCALE * OVER);
        let across = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let mut font = ("sans-serif", size).into_font();
        if text.upright {
            font = font.transform(FontTransform::Rotate270);
        }
        let colour = rgb(text.colour);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(across, VPos::Center));
        let drop = DROP * text.size;
        let [x, y] = text.at;
        let at = if text.upright { [x + drop, y] } else { [x, y + drop] };
        self.area.draw_text(&text.text, &style, device(at)).map_err(refused)
    }

    /// An image, each of its pixels a rectangle.
    pub(super) fn raster(&self, raster: &Raster) -> Result<()> {
        let (columns, rows) = (raster.columns, raster.rows);
        if raster.rgb.len() != columns * rows * 3 {
            return Err(Error::shape("figure raster", columns * rows * 3, raster.rgb.len()));
        }
        let Frame { left, top, width, height } = raster.frame;
        let (x0, y0) = device([left, top]);
        let (x1, y1) = device([left + width, top + height]);
        let (wide, high) = ((x1 - x0).max(0) as usize, (y1 - y0).max(0) as usize);
        if columns == 0 || rows == 0 || wide == 0 || high == 0 {
            return Ok(());
        }
        let mut pixels = Vec::with_capacity(wide * high * 3);
        for y in 0..high {
            let row = y * rows / high * columns;
            for x in 0..wide {
                let at = (row + x * columns / wide) * 3;
                pixels.extend_from_slice(&raster.rgb[at..at + 3]);
            }
        }
        let size = (wide as u32, high as u32);
        let element = BitMapElement::with_owned_buffer((x0, y0), size, pixels)
            .ok_or_else(|| Error::internal("a figure's raster has the wrong size"))?;
        self.area.draw(&element).map_err(refused)
    }
}

fn device(at: [f64; 2]) -> (i32, i32) {
    let scale = f64::from(SCALE * OVER);
    ((at[0] * scale).round() as i32, (at[1] * scale).round() as i32)
}

fn rgb(c: Rgb) -> RGBColor {
    RGBColor(c[0], c[1], c[2])
}

fn refused<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> Error {
    Error::internal(format!("drawing a figure: {error}"))
}
