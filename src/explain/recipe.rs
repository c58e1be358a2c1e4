//! Composites that people write: TOML, one table per choice.

use serde::Deserialize;

use super::composite::{Choice, Composite, LINEAR, Position};
use super::rules::{Applied, Convention};
use super::terms::BiasPolicy;
use crate::compute::relevance::Stabiliser;
use crate::{Error, Result};

/// The file: `name`, and optionally `convention`, `bias`, `bounds`, `[stabiliser]` of sums
/// and pools, then `[[layers]]` in the order in which they are tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    convention: Convention,
    bias: Option<BiasPolicy>,
    bounds: Option<[f64; 2]>,
    stabiliser: Option<Stabiliser>,
    #[serde(default)]
    layers: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    rule: String,
    kind: Option<Kinds>,
    name: Option<String>,
    position: Option<Place>,
    bias: Option<BiasPolicy>,
    stabiliser: Option<Stabiliser>,
    rescue: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Kinds {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Place {
    Number(usize),
    Word(String),
}

impl Composite {
    /// A composite from TOML; `source` is for messages.
    ///
    /// # Errors
    /// [`Error::Usage`] `E-RULE-005` with the line for text that is no composite,
    /// `E-RULE-001` and `E-RULE-003` for rules.
    pub fn from_toml(text: &str, source: &str) -> Result<Self> {
        let refuse = |why: String| {
            let fix = "name = \"...\", then [[layers]] with rule and optionally kind, name, \
                       position (first, last or a number), bias, stabiliser, rescue";
            Error::usage("E-RULE-005", format!("{source}: {why}"), fix)
        };
        let written: Written = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            refuse(format!("line {line}: {}", e.message()))
        })?;
        if written.layers.is_empty() {
            return Err(refuse("there is no [[layers]]".to_owned()));
        }
        let choice = |line: Line| -> Result<Choice> {
            let mut applied = match Applied::named(&line.rule, written.convention) {
                Some(applied) => applied?,
                None => return Err(refuse(format!("there is no rule {:?}", line.rule))),
            };
            applied.stabiliser = line.stabiliser.unwrap_or(applied.stabiliser);
            applied.bias = line.bias.or(written.bias).unwrap_or(applied.bias);
            applied.rescue = line.rescue.unwrap_or(applied.rescue);
            if applied.stabiliser.epsilon.is_nan() || applied.stabiliser.epsilon < 0.0 {
                return Err(refuse("a stabiliser is below 0".to_owned()));
            }
            let position = match line.position {
                None => None,
                Some(Place::Number(n)) => Some(Position::Number(n)),
                Some(Place::Word(w)) if w == "first" => Some(Position::First),
                Some(Place::Word(w)) if w == "last" => Some(Position::Last),
                Some(Place::Word(w)) => return Err(refuse(format!("there is no position {w:?}"))),
            };
            let kinds = match line.kind {
                None if line.name.is_some() => Vec::new(),
                None => LINEAR.map(str::to_owned).to_vec(),
                Some(Kinds::One(kind)) => vec![kind],
                Some(Kinds::Several(kinds)) => kinds,
            };
            Ok(Choice { kinds, name: line.name, position, applied })
        };
        let choices = written.layers.into_iter().map(choice).collect::<Result<_>>()?;
        let mut composite = Self::of(&written.name, choices, written.convention);
        composite.stabiliser = written.stabiliser.unwrap_or(composite.stabiliser);
        composite.bounds = match written.bounds {
            Some([low, high]) if low <= 0.0 && 0.0 <= high && high - low > 0.0 => Some((low, high)),
            Some(_) => return Err(refuse("bounds are a number up to 0 and one from 0".to_owned())),
            None => None,
        };
        Ok(composite)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_composite_says_which_layer_gets_what() {
        let text = "name = \"mine\"\nbias = \"drop\"\nbounds = [-1.0, 2.0]\n\
            [[layers]]\nrule = \"z_box\"\nkind = \"conv3d\"\nposition = \"first\"\n\
            [[layers]]\nrule = \"gamma_0.5\"\nname = \"block*\"\nstabiliser = { epsilon = 1e-3 }\n\
            [[layers]]\nrule = \"epsilon\"\nposition = 2\nbias = \"sink\"\n";
        let composite = Composite::from_toml(text, "t.toml").expect("read");
        assert_eq!((composite.id.as_str(), composite.bounds), ("mine", Some((-1.0, 2.0))));
        let [first, block, third] = composite.choices.as_slice() else { panic!("three") };
        assert_eq!((first.position, first.applied.bias), (Some(Position::First), BiasPolicy::Drop));
        assert!(block.kinds.is_empty() && block.applied.stabiliser.epsilon == 1e-3);
        assert_eq!(
            (third.position, third.applied.bias),
            (Some(Position::Number(2)), BiasPolicy::Sink)
        );
        for (wrong, said) in [
            ("name = \"a\"", "[[layers]]"),
            ("name = \"a\"\n[[layers]]\nrule = \"none\"", "none"),
            ("name = \"a\"\n[[layers]]\nrule = \"flat\"\nposition = \"middle\"", "middle"),
            ("name = \"a\"\nspare = 1\n[[layers]]\nrule = \"flat\"", "line 2"),
            ("name = \"a\"\nbounds = [1.0, 2.0]\n[[layers]]\nrule = \"flat\"", "bounds"),
        ] {
            let error = Composite::from_toml(wrong, "t.toml").expect_err(wrong).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
