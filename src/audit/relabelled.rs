//! Networks fitted as the audited one, on classes dealt anew.

use super::audited::Audited;
use super::gather::Request;
use crate::cohort::Cohort;
use crate::model::Graph;
use crate::model::network::Origin;
use crate::progress::Progress;
use crate::seed::Seed;
use crate::train::relabel::Relabelled;
use crate::{Error, Result};

/// As many networks as asked for, not folded.
///
/// # Errors
/// [`Error::Usage`] `E-AUDIT-021` for a network that this program did not train, or whose
/// settings were not kept; those of [`Relabelled::of`] and [`Relabelled::fit`].
pub fn relabelled(
    audited: Option<&Audited>,
    cohort: &Cohort,
    request: &Request,
    progress: &dyn Progress,
) -> Result<Vec<Graph>> {
    if request.label_draws == 0 {
        return Ok(Vec::new());
    }
    let known = audited.and_then(|a| match &a.network.origin {
        Origin::Trained(spec) => Some((spec, a.settings.as_ref()?)),
        _ => None,
    });
    let (spec, settings) = known.ok_or_else(|| {
        let what = "--label-draws for a network whose training settings are not known";
        let fix = "Train with this program, which keeps settings.json, or leave --label-draws out";
        Error::usage("E-AUDIT-021", what, fix)
    })?;
    let images = Relabelled::of(spec, settings, cohort, progress)?;
    let seed = |draw: usize| Seed(request.seed).child(&format!("audit/label-draws/{draw}"));
    (0..request.label_draws).map(|draw| images.fit(seed(draw), progress)).collect()
}
