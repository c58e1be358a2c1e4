//! Scene to PNG. This folder is the only place that names plotters. The font is embedded:
//! nothing of the machine's fonts is used, and equal scenes give equal bytes.

mod canvas;
mod encode;
mod panel;

use super::scene::{HEAD, Item, Scene, Text};
use super::{colour, measure};
use crate::provenance::Provenance;
use crate::{Error, Result};
use canvas::Canvas;

/// Pixels of the file per page pixel.
pub const SCALE: u32 = 2;

/// Largest width or height of a figure in page pixels.
const LARGEST: f64 = 4000.0;

/// Draws a scene at twice the page's resolution and encodes it with the provenance as text.
///
/// # Errors
/// [`Error::Internal`] when the scene has no sensible size or the drawing library refuses.
pub fn draw(scene: &Scene, provenance: &Provenance) -> Result<Vec<u8>> {
    let [width, height] = scene.size;
    if !(1.0..=LARGEST).contains(&width) || !(1.0..=LARGEST).contains(&height) {
        return Err(Error::internal(format!("figure of {width} × {height} pixels")));
    }
    let mut pixels = canvas::Pixels::blank(width.ceil() as u32, height.ceil() as u32);
    {
        let canvas = Canvas::on(&mut pixels)?;
        heading(&canvas, scene)?;
        for item in &scene.items {
            paint(&canvas, item)?;
        }
        canvas.finish()?;
    }
    let (width, height, rgb) = pixels.shrink();
    encode::png(width, height, &rgb, scene, provenance)
}

fn heading(canvas: &Canvas<'_>, scene: &Scene) -> Result<()> {
    let room = scene.size[0] - 40.0;
    let title = measure::fit(&scene.title, 17.0, room - 115.0);
    canvas.text(&Text::new([20.0, 23.0], title, 17.0))?;
    for (i, line) in measure::wrap(&scene.subtitle, 11.0, room, 2).into_iter().enumerate() {
        let y = 43.0 + 14.5 * i as f64;
        debug_assert!(y < HEAD);
        canvas.text(&Text::new([20.0, y], line, 11.0).colour(colour::MUTED))?;
    }
    Ok(())
}

fn paint(canvas: &Canvas<'_>, item: &Item) -> Result<()> {
    match item {
        Item::Panel(panel) => panel::paint(canvas, panel),
        Item::Raster(raster) => canvas.raster(raster),
        Item::Stroke(stroke) => canvas.line(&stroke.points, stroke.colour, stroke.width),
        Item::Patch(patch) => canvas.rectangle(patch.frame, patch.colour, patch.opacity),
        Item::Text(text) => canvas.text(text),
    }
}
