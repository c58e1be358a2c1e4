//! Composites that people write: TOML, one table per choice.

use serde::Deserialize;

use super::composite::{Choice, Composite, LINEAR, NORMS, Position};
use super::rules::{Applied, Convention};
use super::terms::BiasPolicy;
use crate::compute::relevance::{Damping, Stabiliser};
use crate::{Error, Result};

/// The file: `name`, and optionally `convention`, `bias` of all layers, `bounds`,
/// `[stabiliser]` of sums, average pools and the layers that no entry fits, then `[[layers]]`
/// in the order in which they are tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    convention: Convention,
    bias: Option<BiasPolicy>,
    bounds: Option<[f64; 2]>,
    stabiliser: Option<Part>,
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
    stabiliser: Option<Part>,
    rescue: Option<bool>,
}

/// What is said of a stabiliser; the rest stays as the rule and the convention have it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    epsilon: Option<f64>,
    mode: Option<Damping>,
    zero_is_positive: Option<bool>,
}

impl Part {
    /// What was said over what is; none for an ε that is no finite number from 0.
    fn over(self, own: Stabiliser) -> Option<Stabiliser> {
        let epsilon = self.epsilon.unwrap_or(own.epsilon);
        (epsilon.is_finite() && epsilon >= 0.0).then(|| Stabiliser {
            epsilon,
            mode: self.mode.unwrap_or(own.mode),
            zero_is_positive: self.zero_is_positive.unwrap_or(own.zero_is_positive),
        })
    }
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
        let merged = |own: Stabiliser, part: Option<Part>| match part {
            None => Ok(own),
            Some(part) => part.over(own).ok_or_else(|| {
                let epsilon = part.epsilon.unwrap_or_default();
                refuse(format!("the stabiliser's epsilon is {epsilon}; a finite number from 0"))
            }),
        };
        let stabilised = |applied: Applied, part| -> Result<Applied> {
            let stabiliser = merged(applied.stabiliser, part)?;
            Ok(applied.with_stabiliser(stabiliser))
        };
        let choice = |line: Line| -> Result<Choice> {
            let mut applied = match Applied::named(&line.rule, written.convention) {
                Some(applied) => applied?,
                None => return Err(refuse(format!("there is no rule {:?}", line.rule))),
            };
            applied = stabilised(applied, line.stabiliser)?;
            applied.bias = line.bias.or(written.bias).unwrap_or(applied.bias);
            applied.rescue = line.rescue.unwrap_or(applied.rescue);
            if applied.rescue && !applied.can_rescue() {
                let why = "rescue is for rules of two groups, alpha_beta and gamma";
                return Err(refuse(format!("{why}, not for {}", applied.words())));
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
            let without_rules = |kind: &&String| !LINEAR.iter().chain(&NORMS).any(|k| k == kind);
            if let Some(kind) = kinds.iter().find(without_rules) {
                let known = [&LINEAR[..], &NORMS[..]].concat().join(", ");
                return Err(refuse(format!("no rule applies to kind {kind:?}, only to {known}")));
            }
            Ok(Choice { kinds, name: line.name, position, applied })
        };
        let choices = written.layers.into_iter().map(choice).collect::<Result<_>>()?;
        let mut composite = Self::of(&written.name, choices, written.convention);
        composite.stabiliser = merged(composite.stabiliser, written.stabiliser)?;
        composite.fallback = stabilised(composite.fallback, written.stabiliser)?;
        composite.fallback.bias = written.bias.unwrap_or(composite.fallback.bias);
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
    use super::super::composite::COMPOSITES;
    use super::super::rules::RULES;
    use super::*;

    #[test]
    fn the_page_names_every_rule_and_composite_and_its_example_is_read() {
        let page = include_str!("../../docs/rules.md");
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        let composite = Composite::from_toml(example.expect("example"), "rules.md").expect("read");
        let words: Vec<String> = composite.choices.iter().map(|c| c.applied.words()).collect();
        // The last is what the convention adds for norms.
        assert_eq!(words, ["z_box", "alpha2_beta1", "gamma_0.5", "epsilon_0.25", "pass"]);
        for rule in RULES {
            let line = format!("- `{}`: `{}`\n", rule.card.id, rule.card.formula);
            assert!(page.contains(&line), "{line}");
        }
        for c in COMPOSITES {
            let first = c.first.map_or(String::new(), |rule| format!("`{rule}` "));
            let line = format!("| `{}` | {first}| `{}` | `{}` |\n", c.id, c.conv, c.dense);
            assert!(page.contains(&line), "{line}");
        }
        let kinds = [&LINEAR[..], &NORMS[..]].concat();
        let conventions = Convention::ALL.map(|(word, _)| word);
        for word in kinds.into_iter().chain(conventions) {
            assert!(page.contains(&format!("`{word}`")), "{word}");
        }
    }

    #[test]
    fn part_of_a_stabiliser_leaves_the_rest_to_rule_and_convention() {
        let text = "name = \"mine\"\nconvention = \"boehle\"\nstabiliser = { epsilon = 0.5 }\n\
            [[layers]]\nrule = \"epsilon_0.25\"\nstabiliser = { mode = \"clipped\" }\n";
        let composite = Composite::from_toml(text, "t.toml").expect("read");
        let own = Stabiliser { epsilon: 0.25, mode: Damping::Clipped, zero_is_positive: false };
        assert_eq!(composite.choices[0].applied.stabiliser, own);
        let sums = Stabiliser { epsilon: 0.5, mode: Damping::Absolute, zero_is_positive: false };
        assert_eq!((composite.stabiliser, composite.fallback.stabiliser), (sums, sums));
    }

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
            ("name = \"a\"\n[[layers]]\nrule = \"flat\"\nkind = \"conv2d\"", "transposed_conv3d"),
            ("name = \"a\"\nstabiliser.epsilon = inf\n[[layers]]\nrule = \"flat\"", "inf"),
            ("name = \"a\"\n[[layers]]\nrule = \"flat\"\nstabiliser.epsilon = -1.0", "-1"),
            ("name = \"a\"\n[[layers]]\nrule = \"flat\"\nstabiliser.eps = 1.0", "eps"),
            ("name = \"a\"\n[[layers]]\nrule = \"z_plus\"\nrescue = true", "two groups"),
            ("name = \"a\"\nbounds = [1.0, 2.0]\n[[layers]]\nrule = \"flat\"", "bounds"),
        ] {
            let error = Composite::from_toml(wrong, "t.toml").expect_err(wrong).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
