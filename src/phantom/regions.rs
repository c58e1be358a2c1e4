//! The regions of the phantom's label maps: numbers, names, sides and tissues.

/// What a region is made of: the column `tissue` of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tissue {
    /// Cortical grey matter.
    Cortex,
    /// Unmyelinated white matter.
    White,
    /// Thalamus, caudate and lentiform nuclei.
    DeepGrey,
    /// Fluid in the ventricles.
    Ventricle,
    /// Fluid around the brain.
    OuterFluid,
    /// Cerebellum.
    Cerebellum,
    /// Brainstem.
    Brainstem,
    /// Corpus callosum.
    Callosum,
    /// Anything else.
    Other,
}

impl Tissue {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cortex => "cortical_grey_matter",
            Self::White => "white_matter",
            Self::DeepGrey => "deep_grey_matter",
            Self::Ventricle => "ventricle",
            Self::OuterFluid => "extra_axial_fluid",
            Self::Cerebellum => "cerebellum",
            Self::Brainstem => "brainstem",
            Self::Callosum => "corpus_callosum",
            Self::Other => "other",
        }
    }
}

/// One row of the region table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The number in the label map; 0 is background and has no row.
    pub index: i32,
    /// Name, with the side.
    pub name: String,
    /// `L`, `R` (of the subject) or `M` for the midline.
    pub side: char,
    /// What it is made of.
    pub tissue: Tissue,
}

/// Paired regions: `2k + 1` is left, `2k + 2` right, for the k-th of these.
const PAIRED: [(&str, Tissue); 14] = [
    ("Frontal cortex", Tissue::Cortex),
    ("Parietal cortex", Tissue::Cortex),
    ("Temporal cortex", Tissue::Cortex),
    ("Occipital cortex", Tissue::Cortex),
    ("Frontal white matter", Tissue::White),
    ("Parietal white matter", Tissue::White),
    ("Temporal white matter", Tissue::White),
    ("Occipital white matter", Tissue::White),
    ("Lateral ventricle", Tissue::Ventricle),
    ("Thalamus", Tissue::DeepGrey),
    ("Caudate nucleus", Tissue::DeepGrey),
    ("Lentiform nucleus", Tissue::DeepGrey),
    ("Cerebellar hemisphere", Tissue::Cerebellum),
    ("Extra-axial fluid", Tissue::OuterFluid),
];

/// Midline regions, numbered after the paired ones.
const MIDLINE: [(&str, Tissue); 5] = [
    ("Cerebellar vermis", Tissue::Cerebellum),
    ("Brainstem", Tissue::Brainstem),
    ("Corpus callosum", Tissue::Callosum),
    ("Third ventricle", Tissue::Ventricle),
    ("Fourth ventricle", Tissue::Ventricle),
];

/// Numbers of the regions as the anatomy uses them. Paired ones give the left number.
pub(crate) mod at {
    pub(crate) const CORTEX: usize = 1;
    pub(crate) const WHITE: usize = 9;
    pub(crate) const VENTRICLE: usize = 17;
    pub(crate) const THALAMUS: usize = 19;
    pub(crate) const CAUDATE: usize = 21;
    pub(crate) const LENTIFORM: usize = 23;
    pub(crate) const CEREBELLUM: usize = 25;
    pub(crate) const FLUID: usize = 27;
    pub(crate) const VERMIS: usize = 29;
    pub(crate) const BRAINSTEM: usize = 30;
    pub(crate) const CALLOSUM: usize = 31;
    pub(crate) const THIRD: usize = 32;
    pub(crate) const FOURTH: usize = 33;
    /// One more than the last number.
    pub(crate) const COUNT: usize = 34;
}

/// The region table of the procedural head, in the order of the numbers.
pub fn regions() -> Vec<Region> {
    let mut rows = Vec::with_capacity(at::COUNT - 1);
    let mut index = 1;
    for (name, tissue) in PAIRED {
        for (side, word) in [('L', "left"), ('R', "right")] {
            rows.push(Region { index, name: format!("{name}, {word}"), side, tissue });
            index += 1;
        }
    }
    for (name, tissue) in MIDLINE {
        rows.push(Region { index, name: name.to_owned(), side: 'M', tissue });
        index += 1;
    }
    rows
}

/// The lobe of a point of the hemispheres: 0 frontal, 1 parietal, 2 temporal, 3 occipital.
/// `p` in the anatomy's frame with x counted outwards (mm).
pub(crate) fn lobe(p: [f32; 3]) -> usize {
    let [x, y, z] = p;
    let sylvian = -4.0 + 0.27 * (14.0 - y);
    if x > 13.0 && z < sylvian && y > -42.0 - 0.2 * x {
        2
    } else if y < -47.0 + 0.25 * (z - 10.0) || (y < -35.0 && z < -2.0) {
        3
    } else if y < -8.0 - 0.2 * (z - 10.0) {
        1
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_used_by_the_anatomy_carry_the_names_they_should() {
        let rows = regions();
        assert_eq!(rows.len(), at::COUNT - 1);
        let name = |n: usize| rows[n - 1].name.as_str();
        assert_eq!(name(at::CORTEX), "Frontal cortex, left");
        assert_eq!(name(at::WHITE + 7), "Occipital white matter, right");
        assert_eq!(name(at::VENTRICLE), "Lateral ventricle, left");
        assert_eq!(name(at::LENTIFORM + 1), "Lentiform nucleus, right");
        assert_eq!(name(at::FLUID), "Extra-axial fluid, left");
        assert_eq!(name(at::VERMIS), "Cerebellar vermis");
        assert_eq!(name(at::FOURTH), "Fourth ventricle");
        assert!(rows.iter().enumerate().all(|(i, r)| r.index as usize == i + 1));
    }
}
