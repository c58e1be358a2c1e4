//! Several networks fitted on the same rows from different starts, and their mean.

use std::path::Path;

use super::checkpoint::CurveRow;
use super::fit::{Fitted, Task, fit};
use super::settings::Settings;
use crate::Result;
use crate::files::sha256_hex;
use crate::model::ArchitectureSpec;
use crate::model::members::join;
use crate::progress::Progress;

/// Fits `spec.members` networks and joins them into the one `spec` describes. Checkpoints
/// lie in `folder`, if any; the curves are means over the members still running.
///
/// # Errors
/// Those of [`fit`] and [`join`].
pub fn fit_members(
    spec: &ArchitectureSpec,
    task: &Task,
    settings: &Settings,
    folder: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Fitted> {
    let single = ArchitectureSpec { members: 1, ..spec.clone() };
    let mut fitted = Vec::new();
    for member in 0..spec.members {
        let (purpose, file) = match member {
            0 => (task.purpose.to_owned(), "checkpoint.safetensors".to_owned()),
            n => (format!("{}/member-{n}", task.purpose), format!("checkpoint-{n}.safetensors")),
        };
        let task = Task { purpose: &purpose, ..*task };
        let checkpoint = folder.map(|folder| folder.join(file));
        fitted.push(fit(&single, &task, settings, checkpoint.as_deref(), progress)?);
    }
    if fitted.len() == 1 {
        return Ok(fitted.remove(0));
    }
    let keys: Vec<&str> = fitted.iter().map(|f| f.key.as_str()).collect();
    let key = sha256_hex(keys.join(" ").as_bytes());
    let curves = mean_curves(&fitted);
    let best_epoch = fitted.iter().map(|f| f.best_epoch).max().unwrap_or(0);
    let members: Vec<_> = fitted.into_iter().map(|f| f.graph).collect();
    Ok(Fitted { graph: join(spec, &members)?, curves, best_epoch, key })
}

fn mean_curves(fitted: &[Fitted]) -> Vec<CurveRow> {
    let epochs = fitted.iter().map(|f| f.curves.len()).max().unwrap_or(0);
    let at = |epoch: usize| {
        let rows: Vec<&CurveRow> = fitted.iter().filter_map(|f| f.curves.get(epoch)).collect();
        let mean = |of: &dyn Fn(&CurveRow) -> Option<f64>| -> Option<f64> {
            let all: Option<Vec<f64>> = rows.iter().map(|r| of(r)).collect();
            all.map(|v| v.iter().sum::<f64>() / v.len() as f64)
        };
        CurveRow {
            epoch,
            rate: mean(&|r| Some(r.rate)).unwrap_or(0.0),
            training: mean(&|r| Some(r.training)).unwrap_or(0.0),
            validation: mean(&|r| r.validation),
            smoothed: mean(&|r| r.smoothed),
        }
    };
    (0..epochs).map(at).collect()
}
