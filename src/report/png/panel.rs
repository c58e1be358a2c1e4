//! Axes and marks of a plot.

use super::canvas::Canvas;
use crate::Result;
use crate::report::colour::{GRID, INK, LINE, MUTED};
use crate::report::measure;
use crate::report::scene::{Anchor, Frame, Mark, Panel, Text};

/// Size of tick labels in page pixels.
const TICK: f64 = 10.5;

/// Paints a plot.
pub(super) fn paint(canvas: &Canvas<'_>, panel: &Panel) -> Result<()> {
    grid(canvas, panel)?;
    axes(canvas, panel)?;
    for mark in &panel.marks {
        paint_mark(canvas, panel, mark)?;
    }
    header(canvas, panel)
}

fn point(panel: &Panel, x: f64, y: f64) -> [f64; 2] {
    let Frame { left, top, width, height } = panel.frame;
    [left + width * panel.x.place(x), top + height * (1.0 - panel.y.place(y))]
}

fn grid(canvas: &Canvas<'_>, panel: &Panel) -> Result<()> {
    let Frame { left, top, width, height } = panel.frame;
    if panel.x.grid {
        for (v, _) in &panel.x.ticks {
            let x = left + width * panel.x.place(*v);
            canvas.line(&[[x, top], [x, top + height]], GRID, 0.8)?;
        }
    }
    if panel.y.grid {
        for (v, _) in &panel.y.ticks {
            let y = top + height * (1.0 - panel.y.place(*v));
            canvas.line(&[[left, y], [left + width, y]], GRID, 0.8)?;
        }
    }
    Ok(())
}

fn axes(canvas: &Canvas<'_>, panel: &Panel) -> Result<()> {
    let Frame { left, top, width, height } = panel.frame;
    let bottom = top + height;
    canvas.line(&[[left, bottom], [left + width, bottom]], LINE, 1.0)?;
    canvas.line(&[[left, top], [left, bottom]], LINE, 1.0)?;
    let mut deepest: f64 = 0.0;
    for (v, label) in &panel.x.ticks {
        let x = left + width * panel.x.place(*v);
        canvas.line(&[[x, bottom], [x, bottom + 4.0]], LINE, 1.0)?;
        let text = if panel.x.upright {
            deepest = deepest.max(measure::width(label, TICK));
            Text::new([x, bottom + 8.0], label, TICK).upright().anchor(Anchor::End)
        } else {
            deepest = deepest.max(TICK);
            Text::new([x, bottom + 13.0], label, TICK).anchor(Anchor::Middle)
        };
        canvas.text(&text)?;
    }
    let mut widest: f64 = 0.0;
    for (v, label) in &panel.y.ticks {
        let y = top + height * (1.0 - panel.y.place(*v));
        canvas.line(&[[left - 4.0, y], [left, y]], LINE, 1.0)?;
        widest = widest.max(measure::width(label, TICK));
        canvas.text(&Text::new([left - 8.0, y], label, TICK).anchor(Anchor::End))?;
    }
    let below = Text::new([left + 0.5 * width, bottom + 22.0 + deepest], &panel.x.label, 11.0);
    canvas.text(&below.colour(MUTED).anchor(Anchor::Middle))?;
    let label = measure::fit(&panel.y.label, 11.0, height + 20.0);
    let beside = Text::new([left - 18.0 - widest, top + 0.5 * height], label, 11.0);
    canvas.text(&beside.colour(MUTED).anchor(Anchor::Middle).upright())
}

fn header(canvas: &Canvas<'_>, panel: &Panel) -> Result<()> {
    let Frame { left, top, width, .. } = panel.frame;
    let lift = if panel.keys.is_empty() { 14.0 } else { 32.0 };
    let title = measure::fit(&panel.title, 12.5, width);
    canvas.text(&Text::new([left, top - lift], title, 12.5).colour(INK))?;
    let room = width / panel.keys.len().max(1) as f64 - 30.0;
    let mut x = left;
    for key in &panel.keys {
        let wanted: f64 = panel.keys.iter().map(|k| measure::width(&k.label, TICK) + 34.0).sum();
        let label =
            if wanted > width { measure::fit(&key.label, TICK, room) } else { key.label.clone() };
        canvas.rectangle(Frame::new(x, top - 17.5, 12.0, 9.0), key.colour, 1.0)?;
        canvas.text(&Text::new([x + 17.0, top - 13.0], &label, TICK))?;
        x += measure::width(&label, TICK) + 34.0;
    }
    Ok(())
}

fn paint_mark(canvas: &Canvas<'_>, panel: &Panel, mark: &Mark) -> Result<()> {
    let at = |x: f64, y: f64| point(panel, x, y);
    match mark {
        Mark::Line { points, colour, width, dashed } => {
            let path: Vec<[f64; 2]> = points.iter().map(|p| at(p[0], p[1])).collect();
            if *dashed {
                dashes(&path).iter().try_for_each(|d| canvas.line(d, *colour, *width))
            } else {
                canvas.line(&path, *colour, *width)
            }
        }
        Mark::Band { points, colour, opacity } => {
            let lower = points.iter().map(|p| at(p[0], p[1]));
            let upper = points.iter().rev().map(|p| at(p[0], p[2]));
            canvas.polygon(&lower.chain(upper).collect::<Vec<_>>(), *colour, *opacity)
        }
        Mark::Bars { rects, colour } => rects.iter().try_for_each(|r| {
            let (a, b) = (at(r[0], r[2]), at(r[1], r[3]));
            let (left, top) = (a[0].min(b[0]), a[1].min(b[1]));
            let frame = Frame::new(left, top, (a[0] - b[0]).abs(), (a[1] - b[1]).abs());
            canvas.rectangle(frame, *colour, 1.0)
        }),
        Mark::Whiskers { points, colour, sideways } => points.iter().try_for_each(|p| {
            let ends = if *sideways {
                [at(p[1], p[0]), at(p[2], p[0])]
            } else {
                [at(p[0], p[1]), at(p[0], p[2])]
            };
            whisker(canvas, ends, *colour, *sideways)
        }),
        Mark::Dots { points, colour, radius } => {
            points.iter().try_for_each(|p| canvas.dot(at(p[0], p[1]), *colour, *radius))
        }
        Mark::Words { at: [x, y], text, colour, anchor } => {
            canvas.text(&Text::new(at(*x, *y), text, TICK).colour(*colour).anchor(*anchor))
        }
    }
}

fn whisker(
    canvas: &Canvas<'_>,
    ends: [[f64; 2]; 2],
    colour: [u8; 3],
    sideways: bool,
) -> Result<()> {
    canvas.line(&ends, colour, 1.2)?;
    let cap = if sideways { [0.0, 3.0] } else { [3.0, 0.0] };
    ends.iter().try_for_each(|e| {
        canvas.line(&[[e[0] - cap[0], e[1] - cap[1]], [e[0] + cap[0], e[1] + cap[1]]], colour, 1.2)
    })
}

/// Cuts a path into dashes of 6 pixels with gaps of 4.
fn dashes(path: &[[f64; 2]]) -> Vec<[[f64; 2]; 2]> {
    let mut out = Vec::new();
    for pair in path.windows(2) {
        let (dx, dy) = (pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]);
        let length = dx.hypot(dy);
        let mut from = 0.0;
        while from < length {
            let to = (from + 6.0_f64).min(length);
            let along = |d: f64| [pair[0][0] + dx * d / length, pair[0][1] + dy * d / length];
            out.push([along(from), along(to)]);
            from += 10.0;
        }
    }
    out
}
