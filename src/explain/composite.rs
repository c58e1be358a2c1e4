//! Which rule each layer with weights gets: an ordered list of choices, the first that fits
//! a layer is taken.

use super::rules::{Applied, Convention, RULES};
use crate::compute::relevance::Stabiliser;
use crate::compute::{Array, Workspace};
use crate::model::Graph;
use crate::model::graph::FoldProof;
use crate::model::layer::Role;
use crate::{Error, Result};

/// Kinds that count as convolutions.
pub const CONVOLUTIONS: [&str; 2] = ["conv3d", "transposed_conv3d"];
/// Kinds of the layers composites are made for.
pub const LINEAR: [&str; 3] = ["conv3d", "transposed_conv3d", "dense"];
/// Kinds of norms that were not folded.
const NORMS: [&str; 2] = ["channel_affine", "group_norm"];

/// Place of a layer among those its choice fits, from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The one nearest the input.
    First,
    /// The one nearest the output.
    Last,
    /// By number, from 0.
    Number(usize),
}

/// One line of a composite.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Kinds of layers, as `heatproof list layers` has them; any when empty.
    pub kinds: Vec<String>,
    /// Name of the layer, with `*` for any characters; any when none.
    pub name: Option<String>,
    /// Place among the layers of these kinds and names; any when none.
    pub position: Option<Position>,
    /// What they get.
    pub applied: Applied,
}

/// Rules for the layers of a network.
#[derive(Debug, Clone)]
pub struct Composite {
    /// Name, for example `epsilon_plus`.
    pub id: String,
    /// Choices; the first that fits is taken. A layer none fits gets the ε rule.
    pub choices: Vec<Choice>,
    /// Stabiliser of sums and average pools.
    pub stabiliser: Stabiliser,
    /// Least and largest value of the input, for z-box; when none, −3 to 3, wider where a
    /// sample has values beyond.
    pub bounds: Option<(f64, f64)>,
    /// Whose habits are followed.
    pub convention: Convention,
}

/// The named composites: id, rule of the first layer (and of which kinds), of convolutions,
/// of dense layers.
pub static COMPOSITES: &[Named] = &[
    Named { id: "epsilon_plus", first: None, conv: "z_plus", dense: "epsilon" },
    Named { id: "epsilon_alpha2_beta1", first: None, conv: "alpha2_beta1", dense: "epsilon" },
    Named { id: "epsilon_plus_flat", first: Some("flat"), conv: "z_plus", dense: "epsilon" },
    Named {
        id: "epsilon_alpha2_beta1_flat",
        first: Some("flat"),
        conv: "alpha2_beta1",
        dense: "epsilon",
    },
    Named { id: "epsilon_gamma_box", first: Some("z_box"), conv: "gamma_0.25", dense: "epsilon" },
    Named {
        id: "first_wsquare_epsilon_plus",
        first: Some("w_square"),
        conv: "z_plus",
        dense: "epsilon",
    },
    Named { id: "excitation_backprop", first: None, conv: "z_plus", dense: "z_plus" },
];

/// A composite of the registry.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Id on the command line.
    pub id: &'static str,
    /// Rule of the layer nearest the input.
    pub first: Option<&'static str>,
    /// Rule of convolutions.
    pub conv: &'static str,
    /// Rule of dense layers.
    pub dense: &'static str,
}

impl Named {
    /// What it does, in words.
    pub fn words(&self) -> String {
        let first = self.first.map_or(String::new(), |r| format!("{r} in the first layer, "));
        format!("{first}{} in convolutions, {} in dense layers", self.conv, self.dense)
    }

    fn choices(&self, convention: Convention) -> Result<Vec<Choice>> {
        let mut choices = Vec::new();
        let mut add = |kinds: &[&str], position, rule: &str| -> Result<()> {
            let applied = Applied::named(rule, convention).ok_or_else(|| unknown(rule))??;
            let kinds = kinds.iter().map(|k| (*k).to_owned()).collect();
            choices.push(Choice { kinds, name: None, position, applied });
            Ok(())
        };
        if let Some(rule) = self.first {
            // The box and w² are for convolutions that read an image; flat for any layer.
            let kinds = if rule == "flat" { &LINEAR[..] } else { &CONVOLUTIONS[..] };
            add(kinds, Some(Position::First), rule)?;
        }
        add(&CONVOLUTIONS, None, self.conv)?;
        add(&["dense"], None, self.dense)?;
        Ok(choices)
    }
}

fn unknown(word: &str) -> Error {
    let composites = COMPOSITES.iter().map(|c| c.id);
    let known: Vec<&str> = composites.chain(RULES.iter().map(|r| r.card.id)).collect();
    Error::usage(
        "E-RULE-001",
        format!("no rule '{word}'"),
        format!(
            "Known: {}; with numbers as in epsilon_0.25, gamma_1.5, alpha3_beta2; before them \
             zennit:, captum:, boehle: or innvestigate:; or a file NAME.toml",
            known.join(", ")
        ),
    )
}

impl Composite {
    /// A composite by name; a rule's name means that rule in every convolution and dense
    /// layer. A convention may stand before it, as in `captum:gamma_0.25`.
    ///
    /// # Errors
    /// `E-RULE-001` naming the known ids, `E-RULE-003` for numbers a rule cannot have.
    pub fn named(word: &str) -> Result<Self> {
        let (convention, name) = match word.split_once(':') {
            Some((before, name)) => {
                let known = Convention::ALL.iter().find(|(n, _)| *n == before);
                (known.ok_or_else(|| unknown(word))?.1, name)
            }
            None => (Convention::Own, word),
        };
        let named = COMPOSITES.iter().find(|c| c.id == name);
        let choices = match (named, Applied::named(name, convention)) {
            (Some(named), _) => named.choices(convention)?,
            (None, Some(applied)) => {
                let kinds = LINEAR.map(str::to_owned).to_vec();
                vec![Choice { kinds, name: None, position: None, applied: applied? }]
            }
            (None, None) => return Err(unknown(word)),
        };
        Ok(Self::of(word, choices, convention))
    }

    /// A composite of choices.
    pub fn of(id: &str, mut choices: Vec<Choice>, convention: Convention) -> Self {
        if convention == Convention::Zennit {
            let applied = Applied::new(&super::rules::pass::RULE, Vec::new(), convention);
            let kinds = NORMS.map(str::to_owned).to_vec();
            choices.push(Choice { kinds, name: None, position: None, applied });
        }
        let stabiliser = convention.stabiliser();
        Self { id: id.to_owned(), choices, stabiliser, bounds: None, convention }
    }

    /// The same with this bias policy in every layer.
    pub fn with_bias(mut self, bias: super::terms::BiasPolicy) -> Self {
        self.choices.iter_mut().for_each(|c| c.applied.bias = bias);
        self
    }

    /// The network as these rules explain it, with the proof that it is the same.
    ///
    /// # Errors
    /// As [`Graph::canonical`].
    pub fn canonical(
        &self,
        graph: &Graph,
        probe: &Array,
        ws: &mut Workspace,
    ) -> Result<(Graph, FoldProof)> {
        match self.convention {
            Convention::Zennit => graph.canonical_as_zennit(probe, ws),
            _ => graph.canonical(probe, ws),
        }
    }

    /// What each node of a graph gets; none for nodes without weights.
    pub fn assign(&self, graph: &Graph) -> Vec<Option<Applied>> {
        let nodes = graph.nodes();
        let affine: Vec<usize> = (0..nodes.len())
            .filter(|n| matches!(nodes[*n].layer.role(), Role::Affine(_) | Role::PerSample(_)))
            .collect();
        let mut given: Vec<Option<Applied>> = nodes.iter().map(|_| None).collect();
        for choice in &self.choices {
            let fits = |n: &usize| {
                let node = &nodes[*n];
                let kind = node.layer.card().id;
                (choice.kinds.is_empty() || choice.kinds.iter().any(|k| k == kind))
                    && choice.name.as_deref().is_none_or(|glob| matches_glob(glob, &node.name))
            };
            let all: Vec<usize> = affine.iter().copied().filter(fits).collect();
            let chosen: Vec<usize> = match choice.position {
                None => all,
                Some(Position::First) => all.first().copied().into_iter().collect(),
                Some(Position::Last) => all.last().copied().into_iter().collect(),
                Some(Position::Number(at)) => all.get(at).copied().into_iter().collect(),
            };
            for n in chosen {
                let _ = given[n].get_or_insert_with(|| choice.applied.clone());
            }
        }
        for n in affine {
            let epsilon = self.convention.stabiliser().epsilon;
            let _ = given[n].get_or_insert_with(|| {
                Applied::new(&super::rules::epsilon::RULE, vec![epsilon], self.convention)
            });
        }
        given
    }

    /// Bounds of every sample, from its least and largest value.
    pub fn bounds_of(&self, ranges: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let usual = |(low, high): &(f64, f64)| (low.min(-3.0), high.max(3.0));
        ranges.iter().map(|r| self.bounds.unwrap_or_else(|| usual(r))).collect()
    }
}

/// Whether `*` in the pattern can stand for what the name has there.
fn matches_glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_numbers_and_conventions() {
        let applied =
            |word: &str| Composite::named(word).expect("known").choices[0].applied.clone();
        assert_eq!(applied("gamma_1.5").numbers, [1.5]);
        assert_eq!(applied("alpha3_beta2").words(), "alpha3_beta2");
        assert_eq!(applied("epsilon_0.25").stabiliser.epsilon, 0.25);
        assert_eq!(applied("epsilon_1e-6").words(), "epsilon");
        assert_eq!(applied("captum:epsilon").stabiliser.epsilon, 1e-9);
        assert_eq!(applied("zplus").words(), "z_plus");
        for wrong in ["alpha2_beta2", "gamma_-1", "gamma_x", "none", "other:epsilon", "epsilon_inf"]
        {
            assert!(Composite::named(wrong).is_err(), "{wrong}");
        }
        for named in COMPOSITES {
            assert!(Composite::named(named.id).is_ok(), "{}", named.id);
        }
    }

    #[test]
    fn globs() {
        for (pattern, name, fits) in [
            ("layer*", "layer4.conv", true),
            ("*conv", "layer4.conv", true),
            ("l*4*v", "layer4.conv", true),
            ("conv", "conv1", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches_glob(pattern, name), fits, "{pattern} {name}");
        }
    }
}
