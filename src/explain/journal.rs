//! The ledgers of all samples while a walk writes them. The walk waits for no number: all are fetched
//! together when it has ended.

use super::booked::{Booked, Taken};
use super::ledger::LedgerLine;
use crate::Result;
use crate::compute::Array;

/// Lines so far, output first.
#[derive(Debug, Default)]
pub(super) struct Journal {
    sums: Vec<Array>,
    lines: Vec<Line>,
}

/// Which sums of the journal are meant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums(usize);

/// One line of every sample's ledger.
#[derive(Debug)]
pub(super) struct Line {
    pub layer: String,
    pub kind: &'static str,
    pub rule: String,
    pub received: Sums,
    /// Per input.
    pub handed_on: Vec<Sums>,
    /// Of the samples in turn.
    pub booked: Vec<Booked>,
}

/// Ledger per sample and relevance of biases per layer, as [`super::Explanation`] has them.
type Closed = (Vec<Vec<LedgerLine>>, Vec<(String, Array)>);

impl Journal {
    /// Keeps Σ and Σ|·| per sample, `[n, 2]`.
    pub fn keep(&mut self, sums: Array) -> Sums {
        self.sums.push(sums);
        Sums(self.sums.len() - 1)
    }

    /// The next line.
    pub fn write(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// The ledgers of so many samples, and their sinks.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn closed(self, samples: usize) -> Result<Closed> {
        let booked = self.lines.iter().flat_map(|line| &line.booked);
        let arrays: Vec<&Array> = self.sums.iter().chain(booked.flat_map(Booked::arrays)).collect();
        let mut numbers = Array::all_to_f64(&arrays)?.into_iter();
        let sums: Vec<Vec<f64>> = numbers.by_ref().take(self.sums.len()).collect();
        let (mut ledgers, mut sinks) = (vec![Vec::new(); samples], Vec::new());
        for Line { layer, kind, rule, received, handed_on, booked } in &self.lines {
            let parts = booked.iter().map(|b| b.taken(&mut numbers)).collect::<Result<Vec<_>>>()?;
            let taken = Taken::joined(&parts);
            for (sample, ledger) in ledgers.iter_mut().enumerate() {
                let of = |at: &Sums| (sums[at.0][2 * sample], sums[at.0][2 * sample + 1]);
                ledger.push(LedgerLine {
                    layer: layer.clone(),
                    kind: (*kind).to_owned(),
                    rule: rule.clone(),
                    received: of(received).0,
                    handed_on: handed_on.iter().map(|at| of(at).0).sum(),
                    bias: taken.bias[sample],
                    stabiliser: taken.stabiliser[sample],
                    degenerate: taken.degenerate[sample],
                    mass: of(received).1,
                    mass_handed_on: handed_on.iter().map(|at| of(at).1).sum(),
                });
            }
            if let Some(sink) = taken.sink {
                let shape = [samples, sink.len() / samples.max(1)];
                sinks.push((layer.clone(), Array::from_vec(sink, &shape)?));
            }
        }
        Ok((ledgers, sinks))
    }
}
