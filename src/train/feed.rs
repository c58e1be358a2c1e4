//! What a network is fed with: batches of an epoch, augmented.

use std::thread::Builder;

use candle_core::DType;
use rayon::prelude::*;

use super::fit::Task;
use super::settings::Settings;
use crate::compute::{Array, Workspace};
use crate::seed::Seed;
use crate::{Error, Result};

/// The fitting rows in batches of nearly equal size, the classes spread evenly: within each
/// class the order is drawn, then the classes are interleaved by their share done.
pub(super) fn batches(task: &Task, settings: &Settings, epoch: usize) -> Vec<Vec<usize>> {
    let purpose = format!("train/shuffle/{}/epoch-{epoch}", task.purpose);
    let mut stream = Seed(settings.seed).stream(&purpose);
    let mut placed = Vec::with_capacity(task.fitting.len());
    for class in 0..task.classes {
        let of_class = |r: &&usize| task.data[**r].class == class;
        let mut rows: Vec<usize> = task.fitting.iter().filter(of_class).copied().collect();
        stream.shuffle(&mut rows);
        let (offset, n) = (stream.uniform(), rows.len() as f64);
        placed.extend(rows.iter().enumerate().map(|(at, &r)| ((at as f64 + offset) / n, r)));
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n = placed.len();
    // Batch statistics need two rows at least.
    let count = n.div_ceil(settings.batch).min(n / 2).max(1);
    let part = |b: usize| placed[b * n / count..(b + 1) * n / count].iter().map(|p| p.1).collect();
    (0..count).map(part).collect()
}

/// The images of a batch `[n, 1, k, j, i]`, each as its stream of this epoch draws it.
pub(super) fn augmented(
    task: &Task,
    rows: &[usize],
    settings: &Settings,
    epoch: usize,
    ws: &mut Workspace,
) -> Result<Array> {
    let [k, j, i] = task.extent;
    let one = |&r: &usize| {
        let e = &task.data[r];
        let purpose = format!("train/augment/{}/epoch-{epoch}/{}", task.purpose, e.id);
        let draw = settings.augment.draw(&mut Seed(settings.seed).stream(&purpose));
        draw.apply([i, j, k], &e.data)
    };
    let mut x = ws.take(DType::F32, &[rows.len(), 1, k, j, i])?;
    let images = x.host_mut::<f32>()?.par_chunks_mut(k * j * i).zip(rows);
    images.for_each(|(image, row)| image.copy_from_slice(&one(row)));
    Ok(x)
}

/// Gives every batch, made by `make` and brought to where the work is done, to `work`, which hands
/// the array back. With `ahead` the next batch is made while this one is at work: on a card the
/// processors have nothing else to do. What a batch holds does not depend on when it is made.
pub(super) fn each_batch(
    batches: &[Vec<usize>],
    make: &(dyn Fn(&[usize], &mut Workspace) -> Result<Array> + Sync),
    ahead: bool,
    mut work: impl FnMut(&[usize], Array) -> Result<Array>,
) -> Result<()> {
    let mut ws = Workspace::new();
    if !ahead {
        for rows in batches {
            let x = make(rows, &mut ws)?;
            ws.give(work(rows, x)?);
        }
        return Ok(());
    }
    let mut next = batches.first().map(|rows| make(rows, &mut ws));
    for (at, rows) in batches.iter().enumerate() {
        let Some(x) = next.take().transpose()? else { break };
        next = std::thread::scope(|scope| {
            let (ws, next) = (&mut ws, batches.get(at + 1));
            let started =
                next.map(|rows| Builder::new().spawn_scoped(scope, move || make(rows, ws)));
            drop(work(rows, x.at_work()?)?);
            let panicked = |_| Err(Error::internal("a batch could not be made"));
            Ok(started.zip(next).map(|(started, rows)| match started {
                Ok(thread) => thread.join().unwrap_or_else(panicked),
                // No thread could be started: what it would have done is done here.
                Err(_) => make(rows, &mut Workspace::new()),
            }))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_made_ahead_are_the_same_and_their_faults_are_told() {
        let batches: Vec<Vec<usize>> = vec![vec![0, 1], vec![2], vec![3, 4, 5]];
        let make = |rows: &[usize], ws: &mut Workspace| {
            let mut x = ws.take(DType::F64, &[rows.len()])?;
            let numbers = x.host_mut::<f64>()?.iter_mut().zip(rows);
            numbers.for_each(|(x, row)| *x = (row * row) as f64);
            Ok(x)
        };
        let all = |ahead: bool| {
            let mut seen = Vec::new();
            each_batch(&batches, &make, ahead, |rows, x| {
                seen.push((rows.to_vec(), x.to_f64()?));
                Ok(x)
            })
            .expect("batches");
            seen
        };
        assert_eq!(all(true), all(false));
        assert_eq!(all(true)[2].1, [9.0, 16.0, 25.0]);
        let broken = |rows: &[usize], ws: &mut Workspace| match rows {
            [2] => Err(Error::internal("row 2")),
            rows => make(rows, ws),
        };
        for ahead in [true, false] {
            let mut done = 0;
            let found = each_batch(&batches, &broken, ahead, |_, x| {
                done += 1;
                Ok(x)
            });
            assert!(found.expect_err("broken").to_string().contains("row 2") && done == 1);
        }
    }
}
