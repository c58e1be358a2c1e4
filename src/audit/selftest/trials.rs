//! The trials: what is planted, and what must catch it.

use super::plants;
use super::{Caught, Plant, Trial, World};
use crate::phantom::Arm;

/// The world most defects are planted in: the label widens the ventricles.
const USUAL: World = World::Trained(Arm::Volume);

/// A defect in the usual world.
const fn defect(
    id: &'static str,
    title: &'static str,
    plant: Plant,
    check: &'static str,
    quantity: &'static str,
) -> Trial {
    Trial { id, title, world: USUAL, plant, caught: Caught::By(check, quantity) }
}

/// A file of maps that has to be refused.
const fn refused(
    id: &'static str,
    title: &'static str,
    plant: fn(&std::path::Path) -> crate::Result<()>,
    code: &'static str,
) -> Trial {
    Trial { id, title, world: USUAL, plant: Plant::Files(plant), caught: Caught::Refused(code) }
}

/// A world that is itself the defect.
const fn cohort(
    id: &'static str,
    title: &'static str,
    world: World,
    check: &'static str,
    quantity: &'static str,
) -> Trial {
    Trial { id, title, world, plant: Plant::Nothing, caught: Caught::By(check, quantity) }
}

/// A sound case.
const fn sound(id: &'static str, title: &'static str, arm: Arm) -> Trial {
    let (world, plant) = (World::Trained(arm), Plant::Nothing);
    Trial { id, title, world, plant, caught: Caught::Sound }
}

/// All trials, in the order of the table.
pub static TRIALS: &[Trial] = &[
    sound("sound_volume", "nothing: the label widens the ventricles", Arm::Volume),
    sound("sound_intensity", "nothing: the label brightens white matter", Arm::Intensity),
    sound("sound_decoy", "nothing: as realistic, with a bright lesion in every head", Arm::Decoy),
    defect(
        "wrong_transpose",
        "a convolution whose kernel is not mirrored on the way back",
        Plant::Gathered(plants::wrong_transpose),
        "engine_oracles",
        "lrp_0_gap",
    ),
    defect(
        "wrong_sign",
        "a layer that hands relevance on with the other sign",
        Plant::Gathered(plants::wrong_sign),
        "ledger_closure",
        "residual",
    ),
    defect(
        "dropped_bias",
        "biases lost while folding batch norm",
        Plant::Gathered(plants::dropped_bias),
        "fold_exactness",
        "drift",
    ),
    defect(
        "one_signed_doubling",
        "an alpha-beta rule on neurons without negative parts, which doubles relevance",
        Plant::Gathered(plants::doubling_rule),
        "ledger_leakage",
        "amplification",
    ),
    defect(
        "flat_first_layer",
        "a rule that spreads relevance over the background",
        Plant::Data(plants::flat_first_layer),
        "region_mass",
        "background_share",
    ),
    defect(
        "edge_detector",
        "edges of the image shown as the explanation",
        Plant::Bench(plants::edges),
        "weights_exchangeability",
        "p_value",
    ),
    defect(
        "shuffled_map",
        "relevance dealt anew over the voxels of the brain",
        Plant::Bench(plants::shuffled_map),
        "planted_recovery",
        "enrichment_auc_low",
    ),
    defect(
        "wrong_class",
        "the explanation of the other class",
        Plant::Bench(plants::wrong_class),
        "region_perturbation",
        "abpc_p",
    ),
    cohort(
        "half_trained",
        "a network stopped after its first epoch",
        World::HalfTrained(Arm::Volume),
        "model_performance",
        "auc_low",
    ),
    cohort(
        "label_randomised",
        "labels that say nothing of the images",
        World::Trained(Arm::Null),
        "model_performance",
        "auc_low",
    ),
    cohort(
        "shortcut_cohort",
        "a marker in the background that gives the label away",
        World::Trained(Arm::Shortcut),
        "region_mass",
        "background_share",
    ),
    cohort(
        "shortcut_inputs",
        "the same: the background alone tells the classes apart",
        World::Trained(Arm::Shortcut),
        "poor_inputs",
        "background_p",
    ),
    cohort(
        "suppressor_cohort",
        "a region that says nothing of the label and only cancels a nuisance",
        World::Trained(Arm::Suppressor),
        "suppressors",
        "relevance_share",
    ),
    defect(
        "leaking_cohort",
        "subjects of the training audited under other names",
        Plant::Data(plants::leaked),
        "leaked_subjects",
        "twins",
    ),
    Trial {
        id: "decoy",
        title: "maps that show a bright lesion that says nothing of the label",
        world: World::Trained(Arm::Decoy),
        plant: Plant::Bench(plants::brightest),
        caught: Caught::By("planted_recovery", "enrichment_auc_low"),
    },
    defect(
        "mirrored_atlas",
        "regions mirrored from left to right",
        Plant::Gathered(plants::mirrored_atlas),
        "atlas_fit",
        "margin",
    ),
    defect(
        "shifted_atlas",
        "regions two voxels off",
        Plant::Gathered(plants::shifted_atlas),
        "atlas_fit",
        "margin",
    ),
    refused(
        "not_a_number",
        "a map with a voxel that is no number",
        plants::not_a_number,
        "E-IMAGE-025",
    ),
    refused("truncated_map", "a map file cut short", plants::cut_short, "E-IMAGE-012"),
    refused(
        "shifted_affine",
        "a map whose affine is 3 mm off",
        plants::shifted_affine,
        "E-IMAGE-024",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::audit::checks;
    use crate::audit::policy::Policy;

    #[test]
    fn every_trial_has_a_name_of_its_own_and_a_limit_that_can_catch_it() {
        let ids: BTreeSet<&str> = TRIALS.iter().map(|t| t.id).collect();
        assert_eq!(ids.len(), TRIALS.len());
        let policy = Policy::default_policy().expect("policy");
        for trial in TRIALS {
            let Caught::By(check, quantity) = trial.caught else { continue };
            assert!(checks::all().iter().any(|c| c.card().id == check), "{check}");
            let known =
                |l: &&crate::audit::policy::Limit| l.check == check && l.quantity == quantity;
            assert!(policy.limits.iter().any(|l| known(&l)), "{check}/{quantity} has no limit");
        }
    }
}
