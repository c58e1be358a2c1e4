//! What the label does: the arms of a phantom study.

use crate::{Error, Result};

/// One way in which the label may show, or not, in the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Every preterm head draws its own mixture of effects with the directions and mean
    /// sizes of the literature; all grow with prematurity.
    Realistic,
    /// Only the lateral ventricles are wider.
    Volume,
    /// Only the white matter is brighter, in patches (DEHSI).
    Intensity,
    /// The label does nothing: everything found is false.
    Null,
    /// As `Realistic`; every head of both groups also has a bright lesion in a random
    /// place that says nothing of the label.
    Decoy,
    /// The deep grey matter is brighter with the label, and shares a nuisance with the
    /// cerebellum, which itself says nothing but helps to cancel the nuisance.
    Suppressor,
    /// The label changes no anatomy, but leaks through a marker in the background.
    Shortcut,
}

impl Arm {
    /// All arms, the default first.
    pub const ALL: [Self; 7] = [
        Self::Realistic,
        Self::Volume,
        Self::Intensity,
        Self::Null,
        Self::Decoy,
        Self::Suppressor,
        Self::Shortcut,
    ];

    /// The word on the command line and in tables.
    pub fn id(self) -> &'static str {
        match self {
            Self::Realistic => "realistic",
            Self::Volume => "volume",
            Self::Intensity => "intensity",
            Self::Null => "null",
            Self::Decoy => "decoy",
            Self::Suppressor => "suppressor",
            Self::Shortcut => "shortcut",
        }
    }

    /// One sentence: where the label shows, and what an audit must find.
    pub fn description(self) -> &'static str {
        match self {
            Self::Realistic => {
                "a random mixture of preterm effects in each preterm head (ventricles, outer \
                 fluid, cortex, deep grey matter, cerebellum, callosum, bright white matter), \
                 stronger with earlier birth; relevance should fall on what changed"
            }
            Self::Volume => {
                "only the lateral ventricles are wider in the preterm group; relevance should \
                 fall on their walls"
            }
            Self::Intensity => {
                "only periventricular patches of white matter are brighter in the preterm \
                 group; relevance should fall on the patches"
            }
            Self::Null => {
                "the label changes nothing; performance must be at chance and no region may \
                 stand out"
            }
            Self::Decoy => {
                "the realistic effects, and in every head of both groups a bright lesion in a \
                 random place; relevance on the lesion is wrong"
            }
            Self::Suppressor => {
                "deep grey matter is brighter in the preterm group and shares a nuisance with \
                 the cerebellum; relevance on the cerebellum is faithful to a good model but \
                 is no anatomy of the label"
            }
            Self::Shortcut => {
                "no anatomical effect; a bright marker in a corner of the background is there \
                 in 95 % of the preterm and 5 % of the term scans; relevance outside the brain \
                 must be reported"
            }
        }
    }

    /// The arm of a word.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-PHANTOM-001` when there is no such arm.
    pub fn parse(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|arm| arm.id() == word).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|arm| arm.id()).collect();
            Error::usage(
                "E-PHANTOM-001",
                format!("there is no phantom arm {word:?}"),
                format!("Choose one of {}", words.join(", ")),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_is_found_by_its_word_and_no_other_word_is_one() {
        assert!(Arm::ALL.iter().all(|a| Arm::parse(a.id()).expect("known") == *a));
        assert_eq!(Arm::parse("Realistic").expect_err("case counts").code(), "E-PHANTOM-001");
    }
}
