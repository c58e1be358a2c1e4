//! A short training and an explanation, on the card and on the processors.

use std::time::Instant;

use serde::Serialize;

use crate::compute::{Array, Workspace, device};
use crate::explain::{Composite, Start, explain};
use crate::model::{ArchitectureSpec, Graph};
use crate::progress::Silent;
use crate::seed::Seed;
use crate::train::fit::{Example, Fitted, Task, fit};
use crate::train::settings::Settings;
use crate::{Error, Result};

/// Extent of the images.
const EXTENT: [usize; 3] = [12, 13, 14];
/// Images, half of each class.
const IMAGES: usize = 8;
/// Epochs.
const EPOCHS: usize = 3;
/// Rules explained with.
const RULES: &str = "epsilon_plus";
/// Largest difference of a training loss, as a share of it. Rounding apart at every step.
const LOSS_LIMIT: f64 = 1e-3;
/// Largest difference of a map of the same network, as a share of its largest magnitude.
const MAP_LIMIT: f64 = 1e-4;

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Training loss of each epoch on the processors, nats.
    pub losses_cpu: Vec<f64>,
    /// The same on the card.
    pub losses_card: Vec<f64>,
    /// Largest difference of these, as a share.
    pub loss_off_by: f64,
    /// Most that conforms.
    pub loss_limit: f64,
    /// Rules explained with.
    pub rules: &'static str,
    /// Largest difference of the maps of one network, over the largest magnitude.
    pub map_off_by: f64,
    /// Most that conforms.
    pub map_limit: f64,
    /// Seconds of training and explaining on the processors.
    pub seconds_cpu: f64,
    /// On the card.
    pub seconds_card: f64,
}

impl Trial {
    /// Whether both ended at the same numbers. A NaN is not.
    pub fn conforms(&self) -> bool {
        self.loss_off_by <= self.loss_limit && self.map_off_by <= self.map_limit
    }

    /// Trains and explains on both.
    ///
    /// # Errors
    /// Those of training and explaining.
    pub fn run() -> Result<Self> {
        let data = images();
        let start = Instant::now();
        let (fitted, here) = device::on_host(|| {
            let fitted = trained(&data)?;
            let map = map(&fitted.graph, &data)?;
            Ok::<_, Error>((fitted, map))
        })?;
        let seconds_cpu = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let other = trained(&data)?;
        let there = map(&fitted.graph, &data)?;
        device::finish()?;
        let seconds_card = start.elapsed().as_secs_f64();
        let losses = |fitted: &Fitted| fitted.curves.iter().map(|row| row.training).collect();
        let (losses_cpu, losses_card): (Vec<f64>, Vec<f64>) = (losses(&fitted), losses(&other));
        Ok(Self {
            loss_off_by: apart(&losses_card, &losses_cpu),
            losses_cpu,
            losses_card,
            loss_limit: LOSS_LIMIT,
            rules: RULES,
            map_off_by: apart(&there, &here),
            map_limit: MAP_LIMIT,
            seconds_cpu,
            seconds_card,
        })
    }

    /// Line by line.
    pub fn words(&self) -> String {
        let fault = |off: f64, limit: f64| if off <= limit { "" } else { "  WRONG" };
        let (loss, map) = (self.loss_off_by, self.map_off_by);
        let [a, b] = [fault(loss, self.loss_limit), fault(map, self.map_limit)];
        let (cpu, card) = (self.seconds_cpu, self.seconds_card);
        let last = self.losses_cpu.last().copied().unwrap_or(f64::NAN);
        format!(
            "\na short training and its maps, against the CPU\n\
             loss, {EPOCHS} epochs      {loss:.1e}  (at most {:.0e}; at the end {last:.4}){a}\n\
             maps, {RULES}  {map:.1e}  (of the largest; at most {:.0e}){b}\n\
             seconds             {card:.1} on the card, {cpu:.1} on the CPU, the first use included\n",
            self.loss_limit, self.map_limit
        )
    }
}

/// Largest difference over the largest magnitude.
fn apart(got: &[f64], truth: &[f64]) -> f64 {
    let scale = truth.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    // Not `f64::max`, which would leave a NaN out.
    let larger = |m: f64, d: f64| if m.is_nan() || d <= m { m } else { d };
    got.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, larger) / scale
}

/// Noise, in every second image with a bright corner.
fn images() -> Vec<Example> {
    let mut stream = Seed(0).stream("cli/doctor/trial");
    let [k, j, i] = EXTENT;
    let image = |n: usize| {
        let class = n % 2;
        let mut voxel = |at: usize| {
            let corner = at / (j * i) < k / 2 && at / i % j < j / 2 && at % i < i / 2;
            stream.normal() as f32 + if corner && class == 1 { 1.0 } else { 0.0 }
        };
        let data = (0..k * j * i).map(&mut voxel).collect();
        Example { id: format!("image-{n}"), data, class, distance: None }
    };
    (0..IMAGES).map(image).collect()
}

fn trained(data: &[Example]) -> Result<Fitted> {
    let fitting: Vec<usize> = (0..data.len()).collect();
    let task = Task {
        data,
        extent: EXTENT,
        classes: 2,
        fitting: &fitting,
        validation: &[],
        purpose: "doctor",
    };
    let settings = Settings { epochs: EPOCHS, warmup_epochs: 1, ..Settings::default() };
    fit(&ArchitectureSpec::named("compact", EXTENT, 2)?, &task, &settings, None, &Silent)
}

fn map(graph: &Graph, data: &[Example]) -> Result<Vec<f64>> {
    let ([k, j, i], ws) = (EXTENT, &mut Workspace::new());
    let voxels = data.iter().flat_map(|image| image.data.iter().copied()).collect::<Vec<f32>>();
    let x = Array::from_vec(voxels, &[data.len(), 1, k, j, i])?;
    let composite = Composite::named(RULES)?;
    let (canonical, _) = composite.canonical(graph, &x, ws)?;
    explain(&canonical, &x, &composite, Start::Margin, ws)?.relevance.to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That a card's trial conforms is tested by the command itself (`tests/suite/card.rs`): here
    /// other tests use the card meanwhile.
    #[test]
    fn what_is_apart_is_shown() {
        let trial = Trial {
            losses_cpu: vec![0.7, 0.5],
            losses_card: vec![0.7, 0.5],
            loss_off_by: 2e-6,
            loss_limit: LOSS_LIMIT,
            rules: RULES,
            map_off_by: 3e-7,
            map_limit: MAP_LIMIT,
            seconds_cpu: 1.0,
            seconds_card: 2.0,
        };
        assert!(trial.conforms() && !trial.words().contains("WRONG"), "{}", trial.words());
        for off in [f64::NAN, 1e-2] {
            let wrong = [
                Trial { map_off_by: off, ..trial.clone() },
                Trial { loss_off_by: off, ..trial.clone() },
            ];
            for wrong in wrong {
                assert!(!wrong.conforms() && wrong.words().matches("WRONG").count() == 1);
            }
        }
    }

    #[test]
    fn differences_are_relative_to_the_largest() {
        assert_eq!(apart(&[1.0, -3.0], &[2.0, -4.0]), 0.25);
        assert!(apart(&[f64::NAN, 1.0], &[1.0, 1.0]).is_nan());
    }
}
