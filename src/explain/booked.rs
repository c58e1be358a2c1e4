//! What a layer booked beside what it handed on. The numbers stay where they were made until they are
//! asked for: to fetch them from a card is to wait for all that it was asked before.

use crate::compute::{Array, relevance};
use crate::{Error, Result};

/// Where relevance of some samples went besides to the inputs.
#[derive(Debug)]
pub struct Booked {
    samples: usize,
    divided: Vec<Divided>,
    /// Per sample: relevance of a border.
    border: Option<Array>,
}

/// What was booked of one quotient.
#[derive(Debug)]
struct Divided {
    /// As [`relevance::Quotient::bins`].
    bins: Array,
    /// Bias of the sum that was divided by: it has a share.
    bias: Option<Array>,
    /// For that, Σ s per sample and channel where the bins do not have it.
    features: Option<Array>,
    /// Whether the share is kept per channel.
    sink: bool,
}

/// The same on the host, per sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// By the bias.
    pub bias: Vec<f64>,
    /// The same per channel `[n, channels]`, with [`super::terms::BiasPolicy::Sink`] and a bias.
    pub sink: Option<Vec<f64>>,
    /// By the stabiliser.
    pub stabiliser: Vec<f64>,
    /// At outputs that nothing can serve.
    pub degenerate: Vec<f64>,
}

impl Booked {
    /// Nothing so far.
    pub fn nothing(samples: usize) -> Self {
        Self { samples, divided: Vec::new(), border: None }
    }

    /// Relevance of a border, `[n]`.
    pub fn of_border(sums: Array) -> Self {
        Self { samples: sums.len(), divided: Vec::new(), border: Some(sums) }
    }

    /// Books the bins of a quotient; where the sum that was divided by had a bias, that and the
    /// quotient, and whether the bias's share is kept per channel.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card's memory is short.
    pub fn divide(&mut self, bins: Array, bias: Option<(Array, &Array)>, sink: bool) -> Result<()> {
        // A channel of one number is its own sum.
        let single = |s: &&Array| s.len() == s.shape()[..2].iter().product::<usize>();
        let (bias, s) = bias.unzip();
        let features = s.filter(single).map(Array::duplicate).transpose()?;
        self.divided.push(Divided { bins, bias, features, sink });
        Ok(())
    }

    /// All arrays, in the order in which [`Booked::taken`] takes their numbers.
    pub(super) fn arrays(&self) -> impl Iterator<Item = &Array> {
        let all = self.divided.iter().flat_map(|one| {
            [Some(&one.bins), one.bias.as_ref(), one.features.as_ref()].into_iter().flatten()
        });
        all.chain(&self.border)
    }

    /// What was taken, from the numbers of [`Booked::arrays`].
    ///
    /// # Errors
    /// [`Error::Internal`] when there are too few.
    pub(super) fn taken(&self, numbers: &mut impl Iterator<Item = Vec<f64>>) -> Result<Taken> {
        let mut next = || numbers.next().ok_or_else(|| Error::internal("a ledger cut short"));
        let zeros = || vec![0.0; self.samples];
        let mut all = Taken { bias: zeros(), sink: None, stabiliser: zeros(), degenerate: zeros() };
        for Divided { bias, features, sink, .. } in &self.divided {
            let bins = next()?;
            let taken = relevance::taken(&bins, self.samples);
            add(&mut all.stabiliser, taken.iter().map(|t| t[0]));
            add(&mut all.degenerate, taken.iter().map(|t| t[1]));
            if bias.is_none() {
                continue;
            }
            let bias = next()?;
            let by_channel = match features {
                Some(_) => next()?,
                None => bins.into_iter().skip(2).step_by(3).collect(),
            };
            let shares: Vec<f64> =
                by_channel.iter().zip(bias.iter().cycle()).map(|(s, b)| s * b).collect();
            add(&mut all.bias, shares.chunks(bias.len().max(1)).map(|c| c.iter().sum()));
            if *sink {
                add(all.sink.get_or_insert_with(|| vec![0.0; shares.len()]), shares);
            }
        }
        if self.border.is_some() {
            add(&mut all.degenerate, next()?);
        }
        Ok(all)
    }

    /// What was taken.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn fetched(&self) -> Result<Taken> {
        let numbers = Array::all_to_f64(&self.arrays().collect::<Vec<_>>())?;
        self.taken(&mut numbers.into_iter())
    }
}

impl Taken {
    /// Of the samples of one after those of another.
    pub(super) fn joined(parts: &[Self]) -> Self {
        let all = |of: fn(&Self) -> &Vec<f64>| parts.iter().flat_map(of).copied().collect();
        let sinks: Option<Vec<&[f64]>> = parts.iter().map(|p| p.sink.as_deref()).collect();
        Self {
            bias: all(|p| &p.bias),
            sink: sinks.map(|s| s.concat()),
            stabiliser: all(|p| &p.stabiliser),
            degenerate: all(|p| &p.degenerate),
        }
    }
}

fn add(sum: &mut [f64], more: impl IntoIterator<Item = f64>) {
    sum.iter_mut().zip(more).for_each(|(s, m)| *s += m);
}
