//! What is to be told apart: `group=preterm`, `age_years>=45`.

use std::collections::BTreeSet;

use super::Cohort;
use crate::sheet::is_missing;
use crate::{Error, Result};

/// Comparison of a covariate with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
    /// `<=`
    AtMost,
    /// `<`
    Below,
}

/// Longest first, so that `>=` is not read as `>`.
const OPS: [(&str, Op); 7] = [
    ("!=", Op::NotEqual),
    (">=", Op::AtLeast),
    ("<=", Op::AtMost),
    ("==", Op::Equal),
    ("=", Op::Equal),
    (">", Op::Above),
    ("<", Op::Below),
];

impl Op {
    fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::AtLeast => ">=",
            Self::Above => ">",
            Self::AtMost => "<=",
            Self::Below => "<",
        }
    }

    fn opposite(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::AtLeast => Self::Below,
            Self::Above => Self::AtMost,
            Self::AtMost => Self::Above,
            Self::Below => Self::AtLeast,
        }
    }
}

/// A condition on a covariate; class 1 where it holds, class 0 where it does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The covariate.
    pub column: String,
    /// The comparison.
    pub op: Op,
    /// The value compared with, as written.
    pub value: String,
    /// The value as a number; always there for `>= > <= <`.
    number: Option<f64>,
}

/// The classes of a cohort.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Class of each participant, in order; none where the covariate is missing.
    pub values: Vec<Option<u8>>,
    /// Names of class 0 and class 1.
    pub classes: [String; 2],
    /// Participants of class 0 and class 1.
    pub counts: [usize; 2],
    /// Participants without a class.
    pub missing: usize,
}

fn usage(what: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::usage("E-TARGET-001", what, fix)
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.column, self.op.symbol(), self.value)
    }
}

impl Target {
    /// Parses `column=value` or `column>=number` (`= != >= > <= <`).
    ///
    /// # Errors
    /// [`Error::Usage`] `E-TARGET-001` when the form is another or a number is none.
    pub fn parse(text: &str) -> Result<Self> {
        let form = "Write for example group=preterm or age_years>=45";
        let at = text
            .find(['!', '>', '<', '='])
            .ok_or_else(|| usage(format!("the target {text:?} has no comparison"), form))?;
        let (column, rest) = text.split_at(at);
        let found = OPS.iter().find_map(|&(s, op)| rest.strip_prefix(s).map(|v| (op, v)));
        let (op, value) = found
            .ok_or_else(|| usage(format!("the target {text:?} has an unknown comparison"), form))?;
        let (column, value) = (column.trim(), value.trim());
        if column.is_empty() || value.is_empty() {
            return Err(usage(format!("the target {text:?} lacks a column or a value"), form));
        }
        let number = value.parse::<f64>().ok().filter(|n| n.is_finite());
        if number.is_none() && !matches!(op, Op::Equal | Op::NotEqual) {
            return Err(usage(format!("the target {text:?} compares with no number"), form));
        }
        Ok(Self { column: column.to_owned(), op, value: value.to_owned(), number })
    }

    /// The class of every participant. For `=` and `!=` with exactly two levels in the data
    /// the classes are named by the levels, else by the condition and its opposite.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-TARGET-002` when the column is not there (lists the columns),
    /// `003` when a value is no number, `004` when all participants fall into one class
    /// (lists the levels seen).
    pub fn label(&self, cohort: &Cohort) -> Result<Labelled> {
        let cells: Vec<Option<&str>> = cohort
            .participants
            .iter()
            .map(|p| p.covariates.get(&self.column).map(String::as_str))
            .collect();
        if cells.iter().all(Option::is_none) {
            return Err(Error::usage(
                "E-TARGET-002",
                format!("there is no column {:?}", self.column),
                format!("Columns are: {}", list(cohort.columns().iter().map(String::as_str))),
            ));
        }
        let mut values = Vec::with_capacity(cells.len());
        for (cell, who) in cells.iter().zip(&cohort.participants) {
            let known = cell.filter(|c| !is_missing(c));
            values.push(known.map(|c| self.holds(c, &who.id)).transpose()?.map(u8::from));
        }
        let levels: BTreeSet<&str> =
            cells.iter().flatten().map(|c| c.trim()).filter(|c| !is_missing(c)).collect();
        let count = |class| values.iter().filter(|v| **v == Some(class)).count();
        let counts = [count(0), count(1)];
        if counts.contains(&0) {
            return Err(Error::usage(
                "E-TARGET-004",
                format!(
                    "{self} puts {} participants into class 0 and {} into class 1",
                    counts[0], counts[1]
                ),
                format!(
                    "Choose a condition that splits {:?}: its values are {}",
                    self.column,
                    list(levels.iter().copied())
                ),
            ));
        }
        let missing = values.iter().filter(|v| v.is_none()).count();
        Ok(Labelled { classes: self.classes(&levels), values, counts, missing })
    }

    /// How far each participant's covariate is from the number it is compared with, in its
    /// unit; none where it is missing, and for `=` and `!=`.
    pub fn distances(&self, cohort: &Cohort) -> Vec<Option<f64>> {
        let ordered = !matches!(self.op, Op::Equal | Op::NotEqual);
        let of = |cell: &String| {
            let seen = cell.trim().parse::<f64>().ok().filter(|n| n.is_finite())?;
            self.number.filter(|_| ordered).map(|limit| (seen - limit).abs())
        };
        cohort.participants.iter().map(|p| p.covariates.get(&self.column).and_then(of)).collect()
    }

    /// True when a value equals the target's, as text or as a number (`1` and `1.0`).
    fn equals(&self, cell: &str) -> bool {
        let same = |n: f64| cell.trim().parse::<f64>().is_ok_and(|c| c == n);
        cell.trim() == self.value || self.number.is_some_and(same)
    }

    fn holds(&self, cell: &str, id: &str) -> Result<bool> {
        match self.op {
            Op::Equal => return Ok(self.equals(cell)),
            Op::NotEqual => return Ok(!self.equals(cell)),
            _ => {}
        }
        let parsed = cell.trim().parse::<f64>().ok().filter(|n| n.is_finite());
        let (Some(seen), Some(limit)) = (parsed, self.number) else {
            return Err(Error::usage(
                "E-TARGET-003",
                format!("{} of {id} is {cell:?}, which is no number", self.column),
                "Correct the table, write n/a where the value is missing, or compare with =",
            ));
        };
        Ok(match self.op {
            Op::AtLeast => seen >= limit,
            Op::Above => seen > limit,
            Op::AtMost => seen <= limit,
            _ => seen < limit,
        })
    }

    fn classes(&self, levels: &BTreeSet<&str>) -> [String; 2] {
        let named = match self.op {
            Op::Equal | Op::NotEqual => {
                let others: Vec<&&str> = levels.iter().filter(|l| !self.equals(l)).collect();
                let other = match others[..] {
                    [only] => (*only).to_owned(),
                    _ => format!("not {}", self.value),
                };
                [other, self.value.clone()]
            }
            op => {
                let opposite = Self { op: op.opposite(), ..self.clone() };
                return [opposite.to_string(), self.to_string()];
            }
        };
        let [other, own] = named;
        if self.op == Op::Equal { [other, own] } else { [own, other] }
    }
}

/// A list for a message, cut when long.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.collect();
    match all.len() {
        0 => "none".into(),
        1..=20 => all.join(", "),
        n => format!("{}, … ({n} in all)", all[..20].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::Participant;

    fn cohort(column: &str, values: &[&str]) -> Cohort {
        let row = |(at, v): (usize, &&str)| Participant {
            id: format!("p{at}"),
            subject: format!("p{at}"),
            image: "x.nii".into(),
            labels: None,
            mask: None,
            truth: None,
            covariates: [(column.to_owned(), (*v).to_owned())].into(),
        };
        Cohort {
            name: "t".into(),
            participants: values.iter().enumerate().map(row).collect(),
            regions: None,
            synthetic: false,
            notes: vec![],
        }
    }

    fn label(target: &str, values: &[&str]) -> Result<Labelled> {
        Target::parse(target)?.label(&cohort("group", values))
    }

    #[test]
    fn distances_are_to_the_limit_of_an_order_only() {
        let of = |target: &str, values: &[&str]| {
            Target::parse(target).expect("target").distances(&cohort("group", values))
        };
        assert_eq!(of("group>=45", &["50", "41.5", "n/a"]), [Some(5.0), Some(3.5), None]);
        assert_eq!(of("group<1", &["-1", "1"]), [Some(2.0), Some(0.0)]);
        assert_eq!(of("group=2", &["2", "3"]), [None, None]);
        assert_eq!(of("other>2", &["2", "3"]), [None, None]);
    }

    #[test]
    fn two_levels_name_the_classes() {
        let l = label("group=preterm", &["term", "preterm", "n/a", "preterm"]).expect("ok");
        assert_eq!(l.values, [Some(0), Some(1), None, Some(1)]);
        assert_eq!(l.classes, ["term", "preterm"]);
        assert_eq!((l.counts, l.missing), ([1, 2], 1));
        let l = label("group!=term", &["term", "preterm"]).expect("ok");
        assert_eq!(
            (l.values, l.classes),
            (vec![Some(0), Some(1)], ["term", "preterm"].map(String::from))
        );
        let l = label("group=a", &["a", "b", "c"]).expect("ok");
        assert_eq!(l.classes, ["not a", "a"]);
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let l = label("group >= 45", &["9", "45.0", "100", ""]).expect("ok");
        assert_eq!(l.values, [Some(0), Some(1), Some(1), None]);
        assert_eq!(l.classes, ["group<45", "group>=45"]);
        assert_eq!(label("group=1", &["1.0", "0"]).expect("ok").values, [Some(1), Some(0)]);
    }

    #[test]
    fn mistakes_are_explained_with_what_was_seen() {
        for (target, values, code, word) in [
            ("group", &["a", "b"][..], "E-TARGET-001", "comparison"),
            ("group>=x", &["a", "b"], "E-TARGET-001", "number"),
            ("=x", &["a", "b"], "E-TARGET-001", "column"),
            ("grup=a", &["a", "b"], "E-TARGET-002", "group"),
            ("group>3", &["4", "b"], "E-TARGET-003", "p1"),
            ("group=c", &["a", "b"], "E-TARGET-004", "a, b"),
        ] {
            let error = label(target, values).expect_err(target);
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
