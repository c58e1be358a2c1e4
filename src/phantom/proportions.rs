//! The sizes of the parts of one head: what it was born with, and what the label adds.

/// Sizes that differ between heads and do not depend on the label. Factors are relative
/// to the average term-equivalent head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Traits {
    /// Factors of the diameter of the lateral ventricles, left and right.
    pub(crate) ventricle: [f32; 2],
    /// Width of the fluid added between skull and brain (mm, may be negative).
    pub(crate) fluid_mm: f32,
    /// Depth of the deep sulci (mm).
    pub(crate) sulci_mm: f32,
    /// Thickness of the cortex (mm).
    pub(crate) cortex_mm: f32,
    /// Factor of the length of the deep nuclei.
    pub(crate) deep_grey: f32,
    /// Factor of the length of the cerebellum.
    pub(crate) cerebellum: f32,
    /// Factor of the thickness of the callosum.
    pub(crate) callosum: f32,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            ventricle: [1.0; 2],
            fluid_mm: 0.0,
            sulci_mm: 10.5,
            cortex_mm: 2.4,
            deep_grey: 1.0,
            cerebellum: 1.0,
            callosum: 1.0,
        }
    }
}

/// What the label does to a head. All zero: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Effects {
    /// Relative gain in diameter of the lateral ventricles, left and right.
    pub ventricle: [f32; 2],
    /// Withdrawal of the brain's surface from the skull (mm), filled by fluid.
    pub fluid_mm: f32,
    /// Relative loss of the depth of sulci.
    pub unfolding: f32,
    /// Relative loss of cortical thickness.
    pub thinning: f32,
    /// Relative loss of the volume of the deep nuclei.
    pub deep_grey: f32,
    /// Relative loss of the diameter of the cerebellum.
    pub cerebellum: f32,
    /// Relative loss of the thickness of the callosum.
    pub callosum: f32,
    /// Relative gain of T2w brightness in the middle of periventricular patches (DEHSI).
    pub bright_white: f32,
}

impl Effects {
    /// True when the label changes nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Traits {
    /// The head after the label's effects (brightness is not a size and is left out).
    pub(crate) fn with(self, effects: &Effects) -> Self {
        let e = effects;
        Self {
            ventricle: [0, 1].map(|s| self.ventricle[s] * (1.0 + e.ventricle[s])),
            fluid_mm: self.fluid_mm + e.fluid_mm,
            sulci_mm: self.sulci_mm * (1.0 - e.unfolding),
            cortex_mm: self.cortex_mm * (1.0 - e.thinning),
            deep_grey: self.deep_grey * (1.0 - e.deep_grey).max(0.1).cbrt(),
            cerebellum: self.cerebellum * (1.0 - e.cerebellum),
            callosum: self.callosum * (1.0 - e.callosum),
        }
    }
}
