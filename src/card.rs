//! What a rule, layer, check or figure says of itself. Help, README tables and the
//! report's plain words are made from these cards.

/// Which way of a number is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Smaller is better.
    Lower,
    /// Larger is better.
    Higher,
    /// Only described: no direction is good.
    Neither,
}

/// An item's own description. `id` is the file name, the JSON id and the name on the
/// command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// snake_case id, equal to the file's name.
    pub id: &'static str,
    /// A short title for people.
    pub title: &'static str,
    /// The question it answers, or what it does, in one sentence.
    pub question: &'static str,
    /// The formula, in plain text.
    pub formula: &'static str,
    /// How to read the number.
    pub reading: &'static str,
    /// When it misleads, and what it cannot tell.
    pub misleads: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The unit of the number, or "1".
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
}
