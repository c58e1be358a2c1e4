//! Relevance divided by sums of contributions.

use super::super::array::Array;
use super::super::flow::{Flow, Winners};
use super::super::relevance::{Damping, Quotient, Served, Stabiliser};
use super::Card;
use super::fused::{cells, tiles};
use super::launch::Argument;
use crate::Result;

impl Card {
    /// `relevance::quotient`: `s` is written over `z`.
    pub fn quotient(
        &self,
        r: &Flow<'_>,
        z: Array,
        served: Served<'_>,
        stabiliser: Stabiliser,
    ) -> Result<Quotient> {
        let samples = z.shape()[0];
        let channels = samples * z.shape()[1];
        let voxels = (z.len() / channels.max(1)).max(1);
        // Features of a dense layer are channels of one voxel: they are added by the sample.
        let rows = if voxels == 1 && matches!(r, Flow::Whole(_)) { samples } else { channels };
        let squares = match stabiliser.mode {
            Damping::RootMeanSquare => Some(self.row_squares(&z, samples)?),
            Damping::Absolute | Damping::Clipped => None,
        };
        let mode = match stabiliser.mode {
            Damping::Absolute => 0,
            Damping::RootMeanSquare => 1,
            Damping::Clipped => 2,
        };
        let only = served.only.map_or(0, |(_, positive)| if positive { 1 } else { 2 });
        let zero = usize::from(stabiliser.zero_is_positive);
        let way = [mode, zero, only, usize::from(served.beside.is_some())];
        // What is not looked at stays unread: any array will do for it.
        let sign = served.only.map_or(&z, |(sign, _)| sign);
        let rest = [
            self.of(&z)?,
            self.of(sign)?,
            self.of(served.beside.unwrap_or(&z))?,
            self.of(squares.as_ref().unwrap_or(&z))?,
            (rows / samples.max(1)).into(),
            Argument::ints(&[&way]),
            served.gain.into(),
            stabiliser.epsilon.into(),
        ];
        let sizes = [rows, z.len() / rows.max(1), 3];
        let bins = match r {
            Flow::Whole(r) => {
                let all: Vec<Argument> = [self.of(r)?].into_iter().chain(rest).collect();
                self.sums_of_rows("row_quotients", z.dtype(), sizes, &all)?
            }
            Flow::Winners(of) => {
                let t = of.tiles()?;
                let first = [self.of(&of.values)?, self.of(of.winners.array()?)?, tiles(&t)];
                let all: Vec<Argument> = first.into_iter().chain(rest).collect();
                let sizes = [rows, cells(&t).iter().product(), 3];
                let cell = t.kernel.iter().product();
                self.sums_of_long_rows("row_quotients_won", z.dtype(), (sizes, cell), &all)?
            }
        };
        Ok(Quotient { s: z, bins })
    }

    /// `relevance::comes_to` behind a pool.
    pub fn meets_won(&self, of: &Winners<'_>, z: &Array, positive: bool) -> Result<bool> {
        let [channels, _, windows] = of.sizes();
        let arguments = [
            self.of(&of.values)?,
            self.of(of.winners.array()?)?,
            tiles(&of.tiles()?),
            self.of(z)?,
            positive.into(),
        ];
        let sizes = [channels, windows, 1];
        let sums = self.sums_of_rows("row_meetings_won", z.dtype(), sizes, &arguments)?;
        Ok(sums.to_f64()?.iter().any(|s| *s > 0.0))
    }
}
