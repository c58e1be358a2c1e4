//! The rules: one file and one registry line each.

pub mod alpha_beta;
pub mod epsilon;
pub mod z_plus;

use super::terms::Group;
use crate::card::Card;

/// A rule as data.
#[derive(Debug)]
pub struct Rule {
    /// Its own description.
    pub card: &'static Card,
    /// Its groups.
    pub groups: fn() -> Vec<Group>,
}

/// Every rule.
pub static RULES: &[&Rule] = &[&alpha_beta::RULE, &epsilon::RULE, &z_plus::RULE];
