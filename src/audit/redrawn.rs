//! The audited network with layers drawn anew.

use super::bench::Bench;
use crate::Result;
use crate::compute::Workspace;
use crate::model::Graph;
use crate::model::redraw::Redraw;
use crate::seed::Seed;

/// Subjects on which batch statistics of re-initialised networks are recalibrated.
const PROBES: usize = 8;

impl Bench<'_> {
    /// The trained network with the named layers drawn anew, made canonical.
    ///
    /// # Errors
    /// As [`Bench::redrawn`], and those of [`Graph::folded`].
    pub fn randomised(&self, layers: &[String], seed: Seed, ws: &mut Workspace) -> Result<Graph> {
        self.redrawn(Redraw::Fresh, layers, seed, ws)?.folded()
    }

    /// The trained network with the named layers drawn anew. Batch statistics that change by it
    /// are recalibrated on the first few cases.
    ///
    /// # Errors
    /// As [`Bench::network`], and those of [`Graph::redrawn`].
    pub fn redrawn(
        &self,
        how: Redraw,
        layers: &[String],
        seed: Seed,
        ws: &mut Workspace,
    ) -> Result<Graph> {
        let probe = self.batch(0, PROBES.min(self.cases.len()))?;
        let drawn = self.network()?.trained.redrawn(how, layers, seed, Some(&probe), ws)?;
        ws.give(probe);
        Ok(drawn)
    }
}
