//! Does the map change when the network forgets what it learned, layer by layer?
//!
//! * **Question** Do the maps depend on the learned weights?
//! * **Formula** Layers drawn anew from the output down, cumulatively; per stage the
//!   similarity with the trained network's map inside the mask: Spearman of R and of |R|,
//!   Pearson, cosine, SSIM in 3D (maps divided by their root second moment; of either sign: the
//!   larger of SSIM(x, y) and SSIM(x, −y)). `similarity_full`: mean of |Spearman| with all
//!   layers drawn anew. Each stage is tested against the similarity of different subjects' maps
//!   under the trained network: sign flips over subjects, Holm over stages and measures.
//! * **Reading** Near 0 at the end, and below the similarity between subjects.
//! * **When it misleads** Lower layers keep their scale until late; noisy maps score best.
//!   SSIM leans to 1 where few voxels hold most of a map: read it against the level between
//!   subjects. The interval is over subjects and holds the few draws fixed.
//! * **Source** Adebayo et al. 2018, <https://arxiv.org/abs/1810.03292>; Binder et al. 2023;
//!   Sixt et al. 2020, <https://arxiv.org/abs/1912.09818> (either sign); Arun et al. 2021,
//!   <https://doi.org/10.1148/ryai.2021200267> (between subjects).

pub mod arms;
pub mod likeness;
pub mod stages;
mod told;

pub(super) use told::Told;
pub use told::{BASELINE, CHANGE};

use self::stages::{Asked, Order, carry_out};
use crate::Result;
use crate::audit::bench::{Bench, Needs};
use crate::audit::checks::Check;
use crate::audit::finding::Finding;
use crate::card::{Better, Card};
use crate::model::redraw::Redraw;

/// What it says of itself.
pub static CARD: Card = Card {
    id: "weights_cascade",
    title: "Cascade of re-initialised layers",
    question: "Do the maps depend on the learned weights?",
    formula: "layers drawn anew from the output down; Spearman of R and |R|, Pearson, cosine and SSIM (of either sign: max of SSIM(x, y) and SSIM(x, -y)) with the trained network's map inside the mask; similarity_full = mean |Spearman| with all layers drawn anew; ssim_full_excess_high = upper 95 % bound of SSIM of either sign minus that of different subjects",
    reading: "Near 0 when all layers are drawn anew, and below the similarity between subjects (an excess below 0).",
    misleads: "Lower layers keep their scale until late, and noisy maps score best: never rank methods by it. SSIM leans to 1 where few voxels hold most of a map. The interval is over subjects, with the draws held fixed.",
    source: "Adebayo et al. 2018, https://arxiv.org/abs/1810.03292; Binder et al. 2023, https://arxiv.org/abs/2211.12486; Sixt et al. 2020, https://arxiv.org/abs/1912.09818; Arun et al. 2021, https://doi.org/10.1148/ryai.2021200267",
    unit: "1",
    better: Better::Lower,
};

/// Networks drawn.
const DRAWS: usize = 3;
/// Of these, networks under which the other methods are made again.
const DRAWS_OF_ARMS: usize = 1;

/// The check.
#[derive(Debug)]
pub struct WeightsCascade;

impl Check for WeightsCascade {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn needs(&self) -> Needs {
        Needs::Explainer
    }

    fn measure(&self, bench: &Bench<'_>) -> Result<Vec<Finding>> {
        let (order, how) = (Order::TopDown, Redraw::Fresh);
        let asked = Asked { card: &CARD, order, how, draws: DRAWS };
        let mut of_arms = Vec::new();
        let cascade = carry_out(bench, &asked, &mut |draw, net, ws| {
            if draw < DRAWS_OF_ARMS {
                of_arms.push(arms::under(bench, net, ws)?);
            }
            Ok(())
        })?;
        let told = Told::new(bench, asked, cascade);
        let mut all = told.findings("full", told.last());
        let own = [all[0].outcome.clone(), told.mean(told.last(), likeness::MAGNITUDE)];
        all.extend(arms::findings(bench, &of_arms, own));
        Ok(all)
    }
}
