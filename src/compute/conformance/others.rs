//! Pools against their windows, batch norm against its definition.

use super::{LIMIT, Row, apart, draws, gap, narrow};
use crate::Result;
use crate::compute::geometry::PoolGeometry;
use crate::compute::workspace::Workspace;
use crate::compute::{batch_norm, pool3d, reference};
use crate::seed::Stream;

/// What it is for, extent, window.
fn pools() -> Vec<(&'static str, [usize; 3], PoolGeometry)> {
    let tiles = PoolGeometry::tiles;
    let overlapping = PoolGeometry {
        stride: [2; 3],
        pad_before: [1; 3],
        pad_after: [1; 3],
        count_padding: false,
        ..tiles(3)
    };
    vec![
        ("tiles of 2", [8, 8, 8], tiles(2)),
        ("tiles of 2, a rest at the border", [9, 7, 11], tiles(2)),
        ("tiles of 3", [9, 10, 11], tiles(3)),
        ("overlapping, padded", [9, 8, 7], overlapping),
        ("three extents", [6, 7, 8], PoolGeometry { kernel: [1, 2, 3], ..tiles(2) }),
        ("the whole volume", [6, 6, 6], tiles(6)),
    ]
}

/// Shapes of batch norms.
const NORMS: [[usize; 5]; 3] = [[2, 8, 8, 8, 8], [3, 5, 7, 9, 11], [1, 16, 5, 3, 2]];

/// All rows.
pub fn rows(stream: &mut Stream) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (why, extent, geometry) in pools() {
        for average in [false, true] {
            rows.push(pool(why, extent, &geometry, average, stream)?);
        }
    }
    for shape in NORMS {
        rows.push(norm(shape, stream)?);
    }
    Ok(rows)
}

/// One channel; its places of maxima need no tie rule, normal numbers being all different.
fn pool(
    why: &str,
    extent: [usize; 3],
    g: &PoolGeometry,
    average: bool,
    stream: &mut Stream,
) -> Result<Row> {
    let windows = reference::windows(extent, g)?;
    let [k, j, i] = extent;
    let [ok, oj, oi] = g.output(extent)?;
    let (x, dy) = (draws(stream, k * j * i), draws(stream, windows.len()));
    let (xa, dya) = (narrow(&x, &[1, 1, k, j, i])?, narrow(&dy, &[1, 1, ok, oj, oi])?);
    let (mut truth, mut back) = (Vec::with_capacity(windows.len()), vec![0.0; x.len()]);
    for (window, dy) in windows.iter().zip(&dy) {
        if average {
            let whole = g.kernel.iter().product();
            let share = 1.0 / if g.count_padding { whole } else { window.len() } as f64;
            truth.push(window.iter().map(|&v| x[v]).sum::<f64>() * share);
            window.iter().for_each(|&v| back[v] += dy * share);
        } else if let Some(&top) = window.iter().max_by(|a, b| x[**a].total_cmp(&x[**b])) {
            truth.push(x[top]);
            back[top] += dy;
        }
    }
    let mut ws = Workspace::new();
    let (y, dx) = if average {
        let y = pool3d::average_forward(&xa, g, &mut ws)?;
        (y, pool3d::average_backward(&dya, g, extent, &mut ws)?)
    } else {
        let maxima = pool3d::max_forward(&xa, g, &mut ws)?;
        let dx = pool3d::max_backward(&dya, &maxima.places, g, extent, &mut ws)?;
        (maxima.output, dx)
    };
    Ok(Row {
        op: if average { "average_pool" } else { "max_pool" },
        case: format!("{why}: {k}x{j}x{i}"),
        forward: gap(&y, &truth)?,
        grad_input: gap(&dx, &back)?,
        grad_weight: None,
        adjoint: Some(apart(&y, &dy, (&x, &dx))?),
        limit: LIMIT,
    })
}

/// With the statistics of the batch, which are part of the gradient; no linear map.
fn norm(shape: [usize; 5], stream: &mut Stream) -> Result<Row> {
    const EPSILON: f64 = 1e-5;
    let [n, channels, extent @ ..] = shape;
    let voxels: usize = extent.iter().product();
    let (x, dy) = (draws(stream, n * channels * voxels), draws(stream, n * channels * voxels));
    let (gamma, beta) = (draws(stream, channels), draws(stream, channels));
    let mut y = vec![0.0; x.len()];
    let mut dx = vec![0.0; x.len()];
    let mut dw = vec![0.0; 2 * channels];
    for c in 0..channels {
        let places: Vec<usize> = (0..n)
            .flat_map(|s| (0..voxels).map(move |v| (s * channels + c) * voxels + v))
            .collect();
        let mean_of = |term: &dyn Fn(usize) -> f64| {
            places.iter().map(|&p| term(p)).sum::<f64>() / places.len() as f64
        };
        let mean = mean_of(&|p| x[p]);
        let root = (mean_of(&|p| (x[p] - mean).powi(2)) + EPSILON).sqrt();
        let unit = |p: usize| (x[p] - mean) / root;
        let (of_dy, of_both) = (mean_of(&|p| dy[p]), mean_of(&|p| dy[p] * unit(p)));
        for &p in &places {
            y[p] = gamma[c] * unit(p) + beta[c];
            dx[p] = gamma[c] / root * (dy[p] - of_dy - unit(p) * of_both);
        }
        dw[c] = of_both * places.len() as f64;
        dw[channels + c] = of_dy * places.len() as f64;
    }
    let (xa, dya) = (narrow(&x, &shape)?, narrow(&dy, &shape)?);
    let mut ws = Workspace::new();
    let of = batch_norm::statistics(&xa)?;
    let ya = of.map(&gamma, &beta, EPSILON)?.apply(&xa, &mut ws)?;
    let (dxa, [dgamma, dbeta]) = batch_norm::backward(&xa, &dya, &gamma, &of, EPSILON, &mut ws)?;
    let dwa = narrow(&[dgamma.to_f64()?, dbeta.to_f64()?].concat(), &[2 * channels])?;
    Ok(Row {
        op: "batch_norm",
        case: format!("{n}x{channels} channels, {}x{}x{}", extent[0], extent[1], extent[2]),
        forward: gap(&ya, &y)?,
        grad_input: gap(&dxa, &dx)?,
        grad_weight: Some(gap(&dwa, &dw)?),
        adjoint: None,
        limit: LIMIT,
    })
}
