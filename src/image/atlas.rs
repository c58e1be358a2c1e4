//! Names, sides and left/right pairs of the regions of a label map.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Labels;
use crate::sheet::{Sheet, is_missing};
use crate::{Error, Result};

/// Side of the body (of the patient, not of the picture).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Patient's left.
    Left,
    /// Patient's right.
    Right,
    /// Midline, both, or not said.
    Neither,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Value in the label map.
    pub index: i32,
    /// Name as in the table.
    pub name: String,
    /// Side.
    pub side: Side,
    /// Index of the same region on the other side.
    pub pair: Option<i32>,
}

/// The regions of a label map, by index. 0 is background and never among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Atlas {
    regions: BTreeMap<i32, Region>,
}

impl Atlas {
    /// Reads a region table (CSV or TSV): a column `index` (or `id`, `value`), a column `name`
    /// (or `label`, `region`) and, if present, `side` or `hemisphere` (`L`, `R`, `left`, `right`,
    /// `lh`, `rh`). Without that column, or where it says nothing, the side is taken from the
    /// name ("Right Thalamus", "Thalamus - R", "thalamus_L", "ctx-lh-cuneus").
    ///
    /// # Errors
    /// As [`Sheet::read`]; `E-TABLE-004` when a column is missing; `E-IMAGE-022` for an index
    /// that is no integer or appears twice.
    pub fn read(path: &Path) -> Result<Self> {
        let sheet = Sheet::read(path)?;
        let index = sheet.need(&["index", "id", "value"])?;
        let name = sheet.need(&["name", "label", "region"])?;
        let side = sheet.column(&["side", "hemisphere", "hemi"]);
        let mut regions = BTreeMap::new();
        for (row, line) in sheet.rows.iter().zip(&sheet.lines) {
            let refuse = |allowed: &str| {
                Error::refused(
                    "E-IMAGE-022",
                    path,
                    format!("{} in line {line}", sheet.columns[index]),
                    format!("{:?}", row[index]),
                    allowed,
                    "Correct the region table",
                )
            };
            let number: i32 = row[index].parse().map_err(|_| refuse("a whole number"))?;
            if number == 0 {
                continue;
            }
            let said = side.map_or(Side::Neither, |s| side_word(&row[s]));
            let region = Region {
                index: number,
                side: if said == Side::Neither { split(&row[name]).0 } else { said },
                name: if is_missing(&row[name]) { plain(number) } else { row[name].clone() },
                pair: None,
            };
            if regions.insert(number, region).is_some() {
                return Err(refuse("each index once"));
            }
        }
        Ok(Self { regions }.paired())
    }

    /// A table for a label map without names: "region 12".
    pub fn of_labels(labels: &Labels) -> Self {
        let mut regions = BTreeMap::new();
        for &index in labels.data() {
            if index != 0 {
                regions.entry(index).or_insert_with(|| Region {
                    index,
                    name: plain(index),
                    side: Side::Neither,
                    pair: None,
                });
            }
        }
        Self { regions }
    }

    /// Adds "region 12" for every label of the map the table does not name; returns how
    /// many were added.
    pub fn complete(&mut self, labels: &Labels) -> usize {
        let before = self.regions.len();
        for (index, region) in Self::of_labels(labels).regions {
            self.regions.entry(index).or_insert(region);
        }
        self.regions.len() - before
    }

    /// All regions by ascending index.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.regions.values()
    }

    /// Number of regions.
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// True without regions.
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// The region of a label.
    pub fn get(&self, index: i32) -> Option<&Region> {
        self.regions.get(&index)
    }

    /// The name of a label, "region 12" if the table has none.
    pub fn name(&self, index: i32) -> String {
        self.get(index).map_or_else(|| plain(index), |r| r.name.clone())
    }

    /// Pairs regions whose names agree but for the side, where the partner is unique.
    fn paired(mut self) -> Self {
        let mut groups: BTreeMap<String, [Vec<i32>; 2]> = BTreeMap::new();
        for r in self.regions.values() {
            let at = match r.side {
                Side::Left => 0,
                Side::Right => 1,
                Side::Neither => continue,
            };
            groups.entry(split(&r.name).1).or_default()[at].push(r.index);
        }
        for group in groups.values() {
            if let [[left], [right]] = [&group[0][..], &group[1][..]] {
                for (one, other) in [(left, right), (right, left)] {
                    if let Some(r) = self.regions.get_mut(one) {
                        r.pair = Some(*other);
                    }
                }
            }
        }
        self
    }
}

fn plain(index: i32) -> String {
    format!("region {index}")
}

fn side_word(word: &str) -> Side {
    match word.trim().to_lowercase().as_str() {
        "l" | "left" | "lh" | "lt" => Side::Left,
        "r" | "right" | "rh" | "rt" => Side::Right,
        _ => Side::Neither,
    }
}

/// Side said by a name, and the name without it, in lower case, for pairing.
fn split(name: &str) -> (Side, String) {
    let mut words: Vec<&str> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    // "RightThalamus": a side glued to a capitalised word.
    if let Some(first) = words.first().copied() {
        for side in ["Right", "Left"] {
            if let Some(rest) = first.strip_prefix(side)
                && rest.starts_with(char::is_uppercase)
            {
                words.splice(0..1, [side, rest]);
            }
        }
    }
    let last = words.len().saturating_sub(1);
    let side_at = |at: usize, word: &str| {
        // A single letter counts only at the ends: "layer L 3" is not a side.
        if word.len() == 1 && at != 0 && at != last { Side::Neither } else { side_word(word) }
    };
    let sides: Vec<Side> = words.iter().enumerate().map(|(at, w)| side_at(at, w)).collect();
    let has = |side| sides.contains(&side);
    let side = match (has(Side::Left), has(Side::Right)) {
        (true, false) => Side::Left,
        (false, true) => Side::Right,
        _ => return (Side::Neither, words.join(" ").to_lowercase()),
    };
    let rest: Vec<&str> =
        words.iter().zip(&sides).filter(|(_, s)| **s == Side::Neither).map(|(w, _)| *w).collect();
    (side, rest.join(" ").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_found_in_names() {
        for (name, side, rest) in [
            ("Frontal Lobe GM - R", Side::Right, "frontal lobe gm"),
            ("Right Thalamus Proper", Side::Right, "thalamus proper"),
            ("thalamus_L", Side::Left, "thalamus"),
            ("R_V1", Side::Right, "v1"),
            ("ctx-lh-cuneus", Side::Left, "ctx cuneus"),
            ("LeftPutamen", Side::Left, "putamen"),
            ("3rdVentricle", Side::Neither, "3rdventricle"),
            ("layer L 3", Side::Neither, "layer l 3"),
            ("left-right bridge", Side::Neither, "left right bridge"),
            ("Brainstem", Side::Neither, "brainstem"),
        ] {
            assert_eq!(split(name), (side, rest.to_owned()), "{name}");
        }
    }

    #[test]
    fn tables_with_and_without_a_side_column_are_paired() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("regions.csv");
        std::fs::write(&path, "id,label,hemisphere\n0,bg,\n1,cuneus,L\n5,cuneus,R\n7,stem,B\n")
            .expect("write");
        let atlas = Atlas::read(&path).expect("read");
        assert_eq!(atlas.len(), 3);
        assert_eq!(atlas.get(1).and_then(|r| r.pair), Some(5));
        assert_eq!(atlas.get(5).map(|r| (r.side, r.pair)), Some((Side::Right, Some(1))));
        assert_eq!(atlas.get(7).map(|r| (r.side, r.pair)), Some((Side::Neither, None)));
        assert_eq!(atlas.name(99), "region 99");
        std::fs::write(&path, "index,name\n1,A - L\n1,A - R\n").expect("write");
        assert_eq!(Atlas::read(&path).expect_err("twice").code(), "E-IMAGE-022");
    }
}
