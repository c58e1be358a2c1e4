//! Methods beside the audited rule: the comparison arms of an audit.

use super::bench::Bench;
use super::case::Case;
use crate::compute::{Array, Workspace};
use crate::explain::methods::{Chosen, METHODS, Question, Regions, grad_cam, passes};
use crate::model::Graph;
use crate::progress::check_stop;
use crate::{Error, Result};

/// Arms unless told otherwise: the methods in forms that are cheap, with their numbers
/// in their names.
pub const USUAL: [&str; 9] = [
    "gradient",
    "gradient_x_input",
    "integrated_gradients_gausslegendre4",
    "smooth_grad_n4_s0.1",
    "smooth_grad_squared_n4_s0.1",
    "guided_backprop",
    "occlusion_w16_s16",
    "occlusion_region",
    "grad_cam",
];

/// One method.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Its name on the command line, with its numbers.
    pub word: String,
    /// The method.
    pub chosen: Chosen,
}

impl Arm {
    /// `default` for [`USUAL`], `all` for every method with the numbers it has when none are
    /// given, `none`, or names with commas.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-AUDIT-005` for a name that is no method, or one given twice.
    pub fn list(words: &str) -> Result<Vec<Self>> {
        let names: Vec<&str> = match words.trim() {
            "none" => Vec::new(),
            "default" => USUAL.to_vec(),
            "all" => METHODS.iter().map(|m| m.card.id).collect(),
            list => list.split(',').map(str::trim).collect(),
        };
        let mut arms: Vec<Self> = Vec::new();
        for word in names {
            let refuse = |why: &str| {
                let known: Vec<&str> = METHODS.iter().map(|m| m.card.id).collect();
                let fix =
                    format!("Give default, all, none, or methods once each: {}", known.join(", "));
                Error::usage("E-AUDIT-005", format!("--arms: {word:?} {why}"), fix)
            };
            let chosen = Chosen::named(word).ok_or_else(|| refuse("is no method"))?;
            let arm = Self { word: word.to_owned(), chosen };
            if arms.iter().any(|a| a.key() == arm.key()) {
                return Err(refuse("is named twice"));
            }
            arms.push(arm);
        }
        Ok(arms)
    }

    /// Its name as part of a quantity: dots become underscores.
    pub fn key(&self) -> String {
        self.word.replace(['.', '-', '+'], "_")
    }
}

/// An arm with its maps.
#[derive(Debug)]
pub struct Compared {
    /// The arm.
    pub arm: Arm,
    /// A map per case, i fastest; or why there are none.
    pub maps: std::result::Result<Vec<Vec<f32>>, String>,
}

fn regions(case: &Case) -> Option<Regions> {
    let labels = case.labels.as_ref()?.data().to_vec();
    Some(Regions { labels, inside: case.mask.data().to_vec() })
}

impl Bench<'_> {
    /// Makes the maps of the arms, once. An arm that cannot be made here keeps the reason.
    ///
    /// # Errors
    /// As [`Bench::network`]; [`Error::Interrupted`].
    pub fn compare_with(&mut self, arms: &[Arm]) -> Result<()> {
        let mut ws = Workspace::new();
        self.arms.clear();
        for arm in arms {
            let maps = match self.maps_of(arm, self.network()?.trained, &mut ws) {
                Ok(maps) => Ok(maps),
                Err(stop @ Error::Interrupted { .. }) => return Err(stop),
                Err(error) => Err(error.to_string()),
            };
            self.arms.push(Compared { arm: arm.clone(), maps });
        }
        Ok(())
    }

    /// The maps of an arm for all cases under a network that need not be folded, on the grid
    /// of the input.
    ///
    /// # Errors
    /// Those of [`Chosen::map`]; [`Error::Interrupted`].
    pub fn maps_of(&self, arm: &Arm, graph: &Graph, ws: &mut Workspace) -> Result<Vec<Vec<f32>>> {
        self.maps_within(passes::MEMORY, arm, graph, ws)
    }

    /// The same with a bound in bytes on the arrays of a pass, for networks side by side. The maps
    /// do not depend on it.
    ///
    /// # Errors
    /// As [`Bench::maps_of`].
    pub fn maps_within(
        &self,
        memory: usize,
        arm: &Arm,
        graph: &Graph,
        ws: &mut Workspace,
    ) -> Result<Vec<Vec<f32>>> {
        let mut out = Vec::with_capacity(self.cases.len());
        let some = self.at_once(graph)?;
        for from in (0..self.cases.len()).step_by(some) {
            check_stop()?;
            let to = (from + some).min(self.cases.len());
            let x = self.batch(from, to)?;
            let starts = vec![self.network()?.start; to - from];
            let regions: Option<Vec<Regions>> = self.cases[from..to].iter().map(regions).collect();
            let regions = regions.unwrap_or_default();
            let seed = self.seed.child("audit/arms");
            let question =
                Question { regions: &regions, memory, ..Question::new(graph, &x, &starts, seed) };
            let map = arm.chosen.map(&question, ws)?;
            out.extend(on_input(map, &x)?);
            ws.give(x);
        }
        Ok(out)
    }
}

/// A map per sample with as many voxels as the input.
fn on_input(map: Array, x: &Array) -> Result<Vec<Vec<f32>>> {
    let &[_, _, k, j, i] = x.shape() else { return Err(Error::internal("no images")) };
    let map = if map.shape() == x.shape() { map } else { grad_cam::enlarged(&map, [k, j, i])? };
    Ok(map.host::<f32>()?.chunks(k * j * i).map(<[f32]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_methods_once_each() {
        assert_eq!(Arm::list("default").expect("usual").len(), USUAL.len());
        assert_eq!(Arm::list("all").expect("all").len(), METHODS.len());
        assert!(Arm::list("none").expect("none").is_empty());
        let two = Arm::list("gradient, smooth_grad_n2_s0.5").expect("two");
        assert_eq!(two[1].key(), "smooth_grad_n2_s0_5");
        for (wrong, said) in [("epsilon", "no method"), ("gradient,gradient", "twice"), ("", "no")]
        {
            let error = Arm::list(wrong).expect_err(wrong);
            assert_eq!(error.code(), "E-AUDIT-005");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
