//! Our side of the comparison that `benches/peers/peers.py` runs: one line in, one line out.
//!
//! | line | answer |
//! | --- | --- |
//! | `ceilings` | GB/s of a copy, instruction set that runs, GF/s of multiply-adds of each set; of a card GB/s of its memory, its name, GF/s of f32, by its clocks |
//! | `run COUNT ITEM` | CPU seconds and wall seconds of one repetition, mean of COUNT |
//! | `memory` | most resident memory so far, in bytes; of a card that of its arrays |
//! | `numbers PATH ITEM` | writes what goes into an item and comes out as safetensors |
//!
//! An ITEM is a word and numbers (`conv_forward 8 16 96 1`, `train 64 8`); it is built when it
//! is first named, warmed up once, and kept until another is named. Threads are those of
//! `RAYON_NUM_THREADS`, the device that of `HEATPROOF_DEVICE`.
#![allow(dead_code, reason = "each bench uses a part of what they share")]

#[path = "../common/mod.rs"]
mod common;

use std::io::{BufRead, Write};
use std::time::Instant;

use cpu_time::ProcessTime;
use heatproof::compute::{Array, Workspace, device, instruction_set, rates};
use heatproof::model::tensors::to_bytes;

use common::networks::{
    forward, gradients, images, maps, plain, reinitialised, relevance, resnet18, train,
};
use common::{Fallible, Pass, Shape, Work};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Most memory this process has had, in bytes: on a card, or where there is none on the host.
fn memory() -> Fallible<usize> {
    if let Some(bytes) = device::held_at_most()? {
        return Ok(bytes);
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<usize>()? * 1024)
}

/// Word and numbers of an item.
fn parsed(item: &str) -> Fallible<(&str, Vec<usize>)> {
    let (word, numbers) = item.split_once(' ').ok_or("an item is a word and numbers")?;
    Ok((word, numbers.split(' ').map(str::parse).collect::<Result<_, _>>()?))
}

/// What goes into an item and, as `out.…`, what comes out.
fn numbers(item: &str) -> Fallible<Vec<u8>> {
    let ((word, extents), mut ws) = (parsed(item)?, Workspace::new());
    let mut all: Vec<(String, Array)> = Vec::new();
    match extents.as_slice() {
        &[a, b, c, d] => {
            let (shape, pass) = (Shape([a, b, c, d]), Pass::named(word).ok_or("no such pass")?);
            let arrays = shape.arrays()?;
            all.push(("out.y".to_owned(), shape.made(pass, &arrays, &mut ws)?));
            all.extend(["x", "dy", "w"].map(str::to_owned).into_iter().zip(arrays));
        }
        &[side, batch] => {
            let (mut graph, x) = (plain(side)?, images(side, batch)?);
            if word != "train" {
                graph = graph.folded()?;
            }
            for (name, array) in graph.parameters() {
                all.push((name, array.duplicate()?));
            }
            if word == "train" {
                let names: Vec<String> = all.iter().map(|(n, _)| format!("out.{n}")).collect();
                all.extend(names.into_iter().zip(gradients(&mut graph, &x, &mut ws)?));
            } else {
                all.push(("out.map".to_owned(), maps(&graph, &x, word, &mut ws)?));
            }
            all.push(("x".to_owned(), x));
        }
        _ => return Err(format!("unknown item {item}").into()),
    }
    let named: Vec<(String, &Array)> = all.iter().map(|(n, a)| (n.clone(), a)).collect();
    Ok(to_bytes(&named, None)?)
}

/// The work an item stands for.
fn build(item: &str) -> Fallible<Work> {
    let (word, numbers) = parsed(item)?;
    match (word, numbers.as_slice()) {
        (word, &[a, b, c, d]) => Shape([a, b, c, d]).work(Pass::named(word).ok_or("no such pass")?),
        ("forward", &[side, batch]) => forward(plain(side)?, images(side, batch)?),
        ("train", &[side, batch]) => train(plain(side)?, images(side, batch)?),
        ("resnet_train", &[side, batch]) => train(resnet18(side)?, images(side, batch)?),
        ("resnet_epsilon_plus", &[side, batch]) => {
            relevance(&resnet18(side)?, images(side, batch)?, "epsilon_plus")
        }
        ("reinitialised", &[side, batch]) => {
            reinitialised(plain(side)?, images(side, batch)?, "epsilon_plus")
        }
        (composite, &[side, batch]) => relevance(&plain(side)?, images(side, batch)?, composite),
        _ => Err(format!("unknown item {item}").into()),
    }
}

/// Time of one repetition on the CPU and on the wall.
fn timed(work: &mut Work, count: u32) -> Fallible<(f64, f64)> {
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    (0..count).try_for_each(|_| work())?;
    device::finish()?;
    let (used, passed) = (cpu.elapsed(), start.elapsed());
    Ok(((used / count).as_secs_f64(), (passed / count).as_secs_f64()))
}

fn main() -> Fallible<()> {
    let mut kept: Option<(String, Work)> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            None if line == "memory" => memory()?.to_string(),
            None if line == "ceilings" => {
                if let Some(card) = device::facts()? {
                    let unsaid = |rate: Option<f64>| rate.unwrap_or(f64::NAN);
                    let (copy, peak) = (unsaid(card.peak_gb_per_s()), unsaid(card.peak_gflops()));
                    format!("{copy} {} f32={peak}", card.name.replace(' ', "-"))
                } else {
                    let named = |p: rates::Peak| format!("{}={}", p.instruction_set, p.gflops);
                    let peaks: Vec<_> = rates::fma_peaks().into_iter().map(named).collect();
                    let copy = rates::copy_bandwidth();
                    format!("{copy} {} {}", instruction_set(), peaks.join(" "))
                }
            }
            Some(("numbers", rest)) => {
                let (path, item) = rest.split_once(' ').ok_or("numbers PATH ITEM")?;
                std::fs::write(path, numbers(item)?)?;
                path.to_owned()
            }
            Some(("run", rest)) => {
                let (count, item) = rest.split_once(' ').ok_or("run COUNT ITEM")?;
                if kept.as_ref().is_none_or(|(name, _)| name != item) {
                    // The old one goes first, so that both are never in memory.
                    drop(kept.take());
                    let mut work = build(item)?;
                    work()?;
                    kept = Some((item.to_owned(), work));
                }
                let (_, work) = kept.as_mut().ok_or("nothing is built")?;
                let (used, passed) = timed(work, count.parse::<u32>()?.max(1))?;
                format!("{used} {passed}")
            }
            // Arguments of cargo's own harness come without lines; anything else is a mistake.
            _ => return Err(format!("unknown line {line:?}").into()),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
