//! What is compared: numbers per region and subject.

use super::super::region_mass::{parts, ratio};
use super::named;
use crate::audit::bench::Bench;
use crate::image::atlas::{Atlas, Side};
use crate::stats::{Stat, Undefined};

/// One number of every region and subject.
pub(super) struct Measured {
    pub(super) id: &'static str,
    pub(super) words: &'static str,
    pub(super) unit: &'static str,
    /// Name and side.
    pub(super) regions: Vec<(String, &'static str)>,
    /// Per region the numbers of all rows; undefined where one is.
    pub(super) values: Vec<Result<Vec<f64>, Undefined>>,
}

impl Measured {
    pub(super) const IDS: [&'static str; 3] = ["share", "density", "asymmetry"];

    /// Share, density and asymmetry of maps, one per case.
    pub(super) fn of(
        bench: &Bench<'_>,
        maps: &[Vec<f32>],
        atlas: &Atlas,
        rows: &[usize],
    ) -> Vec<Self> {
        // Per row and part Σ|R|, ΣR, voxels; regions begin with part 2.
        let of = |&n: &usize| {
            let case = &bench.cases[n];
            (parts(case, Some(atlas), &maps[n]), case.grid.voxel_mm3() / 1000.0)
        };
        let own: Vec<(Vec<[f64; 3]>, f64)> = rows.iter().map(of).collect();
        let each = |stat: &dyn Fn(&[[f64; 3]], f64) -> Stat| -> Result<Vec<f64>, Undefined> {
            own.iter().map(|(p, ml)| stat(p, *ml)).collect()
        };
        let share = |r: usize| each(&|p, _| ratio(p[r + 2][0], p.iter().map(|q| q[0]).sum()));
        let density = |r: usize| each(&|p, ml| ratio(p[r + 2][1], p[r + 2][2] * ml));
        let at: Vec<_> = atlas.regions().collect();
        let pairs: Vec<(usize, usize)> = (0..at.len())
            .filter(|&l| at[l].side == Side::Left)
            .filter_map(|l| {
                let other = at[l].pair?;
                Some((l, at.iter().position(|r| r.index == other)?))
            })
            .collect();
        let apart = |(l, r): &(usize, usize)| {
            each(&|p, _| ratio(p[l + 2][0] - p[r + 2][0], p[l + 2][0] + p[r + 2][0]))
        };
        let (regions, n) = (named(atlas), at.len());
        let both = |(l, _): &(usize, usize)| (regions[*l].0.clone(), "left − right");
        vec![
            Self {
                id: Self::IDS[0],
                words: "Share of |R|",
                unit: "1",
                values: (0..n).map(share).collect(),
                regions: regions.clone(),
            },
            Self {
                id: Self::IDS[1],
                words: "Density of R",
                unit: "1/ml",
                values: (0..n).map(density).collect(),
                regions: regions.clone(),
            },
            Self {
                id: Self::IDS[2],
                words: "Asymmetry of |R|",
                unit: "1",
                values: pairs.iter().map(apart).collect(),
                regions: pairs.iter().map(both).collect(),
            },
        ]
    }
}
