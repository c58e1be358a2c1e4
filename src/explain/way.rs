//! A way to make a map, by the name of the command line: rules of relevance or another
//! method.

use std::path::Path;

use super::composite::Composite;
use super::methods::{Chosen, METHODS};
use crate::{Error, Result, files};

/// A way to make a map.
#[derive(Debug, Clone)]
pub enum Way {
    /// Relevance propagation by these rules.
    Rules(Composite),
    /// Another method.
    Method(Chosen),
}

impl Way {
    /// A rule, a composite, a method, or a file `NAME.toml` with a composite.
    ///
    /// # Errors
    /// `E-RULE-001` naming what there is, `E-METHOD-003` for wrong numbers of a method; those of reading a composite.
    pub fn named(word: &str) -> Result<Self> {
        if Path::new(word).extension().is_some_and(|e| e == "toml") {
            let text = files::read_toml(Path::new(word))?;
            return Composite::from_toml(&text, word).map(Self::Rules);
        }
        if let Some(chosen) = Chosen::named(word) {
            return Ok(Self::Method(chosen));
        }
        if let Some(error) = Chosen::refused(word) {
            return Err(error);
        }
        Composite::named(word).map(Self::Rules).map_err(|error| match error {
            Error::Usage { code: "E-RULE-001", what, fix } => {
                let methods: Vec<&str> = METHODS.iter().map(|m| m.card.id).collect();
                Error::usage("E-RULE-001", what, format!("{fix}; methods: {}", methods.join(", ")))
            }
            other => other,
        })
    }

    /// Several, separated by commas, each with the word that names it; files are named by
    /// their stem.
    ///
    /// # Errors
    /// As [`Way::named`]; `E-RULE-006` for a name given twice.
    pub fn list(words: &str) -> Result<Vec<(String, Self)>> {
        let mut ways: Vec<(String, Self)> = Vec::new();
        for word in words.split(',').map(str::trim) {
            let path = Path::new(word);
            let toml = path.extension().is_some_and(|e| e == "toml");
            let stem = path.file_stem().filter(|_| toml).map(|s| s.to_string_lossy().into_owned());
            let name = stem.unwrap_or_else(|| word.to_owned());
            if ways.iter().any(|(n, _)| *n == name) {
                let fix = "Name each rule or method once";
                return Err(Error::usage("E-RULE-006", format!("{name} is named twice"), fix));
            }
            ways.push((name, Self::named(word)?));
        }
        Ok(ways)
    }
}
