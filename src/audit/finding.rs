//! What a check found: a number with its interval and evidence, or the reason why there
//! is none. A finding holds no opinion; a [`super::policy::Policy`] judges it.

use serde::{Deserialize, Serialize};

/// A confidence or reference interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end, in the unit of the value.
    pub low: f64,
    /// Upper end, in the unit of the value.
    pub high: f64,
    /// Coverage, for example 0.95.
    pub level: f64,
    /// How it was made, for example "percentile bootstrap over 8 subjects".
    pub method: String,
}

/// The result of a measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// A number.
    Measured {
        /// The number, finite.
        value: f64,
        /// Its interval, where one is defined.
        interval: Option<Interval>,
    },
    /// The question does not arise here (no label map, no planted truth, …).
    NotApplicable {
        /// Why.
        why: String,
    },
    /// It should have been measured and could not be.
    Unmeasurable {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// A number without interval; a number that is not finite becomes unmeasurable.
    pub fn measured(value: f64) -> Self {
        Self::with_interval(value, None)
    }

    /// A number with an interval; a number that is not finite becomes unmeasurable.
    pub fn with_interval(value: f64, interval: Option<Interval>) -> Self {
        if value.is_finite() {
            Self::Measured { value, interval }
        } else {
            Self::Unmeasurable { why: format!("the result is {value}") }
        }
    }

    /// The number, if there is one.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Measured { value, .. } => Some(*value),
            _ => None,
        }
    }
}

/// A curve or a row of bars that goes with a finding.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// What is drawn.
    pub name: String,
    /// Name and unit of x.
    pub x_label: String,
    /// Name and unit of y.
    pub y_label: String,
    /// Names of the points where x counts stages or bars; empty otherwise.
    pub labels: Vec<String>,
    /// Positions.
    pub x: Vec<f64>,
    /// Values.
    pub y: Vec<f64>,
    /// Lower band, or empty.
    pub low: Vec<f64>,
    /// Upper band, or empty.
    pub high: Vec<f64>,
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A finite number.
    Number(f64),
    /// No value, with the reason.
    Missing(String),
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Unit, "1" for a share, "" for text.
    pub unit: String,
}

/// A table that goes with a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What the table shows.
    pub name: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows, each as long as the columns.
    pub rows: Vec<Vec<Cell>>,
}

/// One measurement of one check on one subject or on the cohort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Id of the check.
    pub check: String,
    /// Participant id, or `cohort`.
    pub subject: String,
    /// Which number of the check: snake_case, part of the JSON contract.
    pub quantity: String,
    /// Unit of the number ("1" for shares and ratios).
    pub unit: String,
    /// The number or why there is none.
    pub outcome: Outcome,
    /// Curves that go with it.
    pub series: Vec<Series>,
    /// Tables that go with it.
    pub tables: Vec<Table>,
    /// Remarks in plain words.
    pub notes: Vec<String>,
}

/// Subject name of findings that speak of the whole cohort.
pub const COHORT: &str = "cohort";

impl Finding {
    /// A finding without evidence.
    pub fn new(check: &str, subject: &str, quantity: &str, unit: &str, outcome: Outcome) -> Self {
        Self {
            check: check.to_owned(),
            subject: subject.to_owned(),
            quantity: quantity.to_owned(),
            unit: unit.to_owned(),
            outcome,
            series: Vec::new(),
            tables: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// `check/quantity`, the key by which policies and baselines name it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.check, self.quantity)
    }
}
