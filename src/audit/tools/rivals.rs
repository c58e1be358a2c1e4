//! What the audited maps are measured beside: the maps of other methods, and controls that explain
//! nothing.

use std::borrow::Cow;

use super::replace::background;
use crate::audit::bench::Bench;
use crate::audit::case::Case;

/// What a map's number at a voxel stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapKind {
    /// The voxel's share of the score: relevance, input times gradient, a path's attribution.
    Global,
    /// The score's change per unit of the voxel: a gradient. Times the change of the voxel it
    /// predicts the change of the score.
    Local,
}

/// Maps to measure, one per case.
#[derive(Debug)]
pub struct Rival<'a> {
    /// Its name.
    pub name: String,
    /// What its numbers stand for.
    pub kind: MapKind,
    /// The maps, or why there are none.
    pub maps: std::result::Result<Cow<'a, [Vec<f32>]>, String>,
}

/// Name of the control that is the size of the image.
pub const INTENSITY: &str = "control: |image|";
/// Name of the control that is noise.
pub const RANDOM: &str = "control: random";
/// Name of the control that is the same everywhere.
pub const CONSTANT: &str = "control: constant";

impl Rival<'_> {
    /// What the map of a case says the score falls by when voxel `v` becomes background: the map
    /// itself, or times x − background where it is a gradient.
    pub fn contribution(&self, map: &[f32], case: &Case, background: f64, v: usize) -> f64 {
        let value = f64::from(map[v]);
        match self.kind {
            MapKind::Global => value,
            MapKind::Local => value * (f64::from(case.data[v]) - background),
        }
    }
}

impl<'a> Bench<'a> {
    /// The audited maps first, then other methods ([`Bench::arms`]), then the controls |image|,
    /// random (normal, from a stream per subject) and constant.
    pub fn rivals(&self) -> Vec<Rival<'_>> {
        let mut all = vec![Rival {
            name: format!("{} (audited)", self.maker),
            kind: MapKind::Global,
            maps: Ok(Cow::Borrowed(self.maps.as_slice())),
        }];
        all.extend(self.arms.iter().map(|arm| Rival {
            name: arm.arm.word.clone(),
            kind: kind(arm.arm.chosen.method.card.id),
            maps: arm.maps.as_ref().map(|m| Cow::Borrowed(m.as_slice())).map_err(Clone::clone),
        }));
        let control = |name: &str, map: &dyn Fn(&Case) -> Vec<f32>| Rival {
            name: name.to_owned(),
            kind: MapKind::Global,
            maps: Ok(Cow::Owned(self.cases.iter().map(map).collect())),
        };
        let intensity = |case: &Case| {
            let none = background(case) as f32;
            case.data.iter().map(|x| (x - none).abs()).collect()
        };
        let random = |case: &Case| {
            let mut stream = self.seed.stream(&format!("audit/rivals/random/{}", case.id));
            case.data.iter().map(|_| stream.normal() as f32).collect()
        };
        all.push(control(INTENSITY, &intensity));
        all.push(control(RANDOM, &random));
        all.push(control(CONSTANT, &|case| vec![1.0; case.data.len()]));
        all
    }
}

/// What the numbers of a method stand for, by its id. Grad-CAM and squares are no change of the
/// score at all; they count as shares.
fn kind(id: &str) -> MapKind {
    match id {
        "gradient" | "smooth_grad" | "guided_backprop" | "deconvnet" | "beta_smooth" => {
            MapKind::Local
        }
        _ => MapKind::Global,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::methods::METHODS;

    #[test]
    fn every_local_method_is_one() {
        let local = METHODS.iter().filter(|m| kind(m.card.id) == MapKind::Local);
        let ids: Vec<&str> = local.map(|m| m.card.id).collect();
        assert_eq!(ids, ["gradient", "guided_backprop", "deconvnet", "beta_smooth", "smooth_grad"]);
    }
}
