//! Which rule each layer with weights gets: an ordered list of choices, the first that fits
//! a layer is taken.

use super::glob::matches_glob;
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
pub const NORMS: [&str; 2] = ["channel_affine", "group_norm"];

/// Layers that a message names at most.
const MOST_NAMED: usize = 20;

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

impl Position {
    fn word(self) -> String {
        match self {
            Self::First => "first".to_owned(),
            Self::Last => "last".to_owned(),
            Self::Number(n) => n.to_string(),
        }
    }
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

impl Choice {
    /// Nodes of a graph it is for.
    fn fits(&self, graph: &Graph) -> Vec<usize> {
        let fits = |n: &usize| {
            let node = &graph.nodes()[*n];
            let kind = node.layer.card().id;
            (self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind))
                && self.name.as_deref().is_none_or(|glob| matches_glob(glob, &node.name))
        };
        let mut all = weighted(graph).into_iter().filter(fits);
        match self.position {
            None => all.collect(),
            Some(Position::First) => all.next().into_iter().collect(),
            Some(Position::Last) => all.next_back().into_iter().collect(),
            Some(Position::Number(at)) => all.nth(at).into_iter().collect(),
        }
    }
}

/// Rules for the layers of a network.
#[derive(Debug, Clone)]
pub struct Composite {
    /// Name, for example `epsilon_plus`.
    pub id: String,
    /// Choices; the first that fits is taken.
    pub choices: Vec<Choice>,
    /// What layers with weights get that no choice fits: the ε rule.
    pub fallback: Applied,
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
        let epsilon = vec![stabiliser.epsilon];
        let fallback = Applied::new(&super::rules::epsilon::RULE, epsilon, convention);
        Self { id: id.to_owned(), choices, fallback, stabiliser, bounds: None, convention }
    }

    /// The same with this bias policy in every layer.
    pub fn with_bias(mut self, bias: super::terms::BiasPolicy) -> Self {
        let chosen = self.choices.iter_mut().map(|c| &mut c.applied);
        chosen.chain([&mut self.fallback]).for_each(|applied| applied.bias = bias);
        self
    }

    /// The network as these rules explain it, with the proof that it is the same.
    ///
    /// # Errors
    /// As [`Graph::canonical`]; `E-RULE-010` for a choice by name or number that fits no layer.
    pub fn canonical(
        &self,
        graph: &Graph,
        probe: &Array,
        ws: &mut Workspace,
    ) -> Result<(Graph, FoldProof)> {
        let (canonical, proof) = match self.convention {
            Convention::Zennit => graph.canonical_as_zennit(probe, ws)?,
            _ => graph.canonical(probe, ws)?,
        };
        self.names_layers_of(&canonical)?;
        Ok((canonical, proof))
    }

    /// Whether each choice by name or number fits a layer of a canonical graph. One by kind
    /// alone, or for the first or last of a kind, may fit none: a composite serves several
    /// networks.
    ///
    /// # Errors
    /// `E-RULE-010` with the choice and the layers there are.
    pub fn names_layers_of(&self, graph: &Graph) -> Result<()> {
        let one = |c: &&Choice| c.name.is_some() || matches!(c.position, Some(Position::Number(_)));
        let Some(vain) = self.choices.iter().filter(one).find(|c| c.fits(graph).is_empty()) else {
            return Ok(());
        };
        let name = vain.name.iter().map(|n| format!("name {n:?}"));
        let kinds = (!vain.kinds.is_empty()).then(|| format!("kind {}", vain.kinds.join(" or ")));
        let place = vain.position.map(|p| format!("position {}", p.word()));
        let asked: Vec<String> = name.chain(kinds).chain(place).collect();
        let there = weighted(graph).into_iter().map(|n| &graph.nodes()[n]);
        let there: Vec<String> =
            there.map(|n| format!("{} ({})", n.name, n.layer.card().id)).collect();
        let more = there.len().saturating_sub(MOST_NAMED);
        let shown = there[..there.len() - more].join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        Err(Error::usage(
            "E-RULE-010",
            format!("{}: no layer has {}", self.id, asked.join(", ")),
            format!("Layers with weights, from the input: {shown}{rest}"),
        ))
    }

    /// What each node of a graph gets; none for nodes without weights.
    pub fn assign(&self, graph: &Graph) -> Vec<Option<Applied>> {
        let mut given: Vec<Option<Applied>> = graph.nodes().iter().map(|_| None).collect();
        for choice in &self.choices {
            for n in choice.fits(graph) {
                let _ = given[n].get_or_insert_with(|| choice.applied.clone());
            }
        }
        for n in weighted(graph) {
            let _ = given[n].get_or_insert_with(|| self.fallback.clone());
        }
        given
    }
}

/// Layers that get a rule, from the input.
fn weighted(graph: &Graph) -> Vec<usize> {
    let nodes = graph.nodes().iter().enumerate();
    let own = |role: Role<'_>| matches!(role, Role::Affine(_) | Role::PerSample(_));
    nodes.filter(|(_, node)| own(node.layer.role())).map(|(n, _)| n).collect()
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
        assert_eq!(applied("captum:epsilon").words(), "epsilon_1e-9");
        assert_eq!(applied("gamma_1000000").words(), "gamma_1e6");
        assert_eq!(applied("zplus").words(), "z_plus");
        for wrong in [
            "alpha2_beta2",
            "gamma_-1",
            "gamma_x",
            "none",
            "other:epsilon",
            "epsilon_inf",
            "gamma_1e308",
        ] {
            assert!(Composite::named(wrong).is_err(), "{wrong}");
        }
        for named in COMPOSITES {
            assert!(Composite::named(named.id).is_ok(), "{}", named.id);
        }
    }

    /// A group norm before a dense layer.
    fn with_a_norm() -> Graph {
        use crate::model::graph::From;
        use crate::model::layers::{dense::Dense, flatten::Flatten, group_norm::GroupNorm};
        let zeros = Array::zeros::<f32>;
        let norm = GroupNorm::new(zeros(&[2]), zeros(&[2]), 1, 0.1).expect("norm");
        let dense = Dense::new(zeros(&[1, 16]), zeros(&[1])).expect("dense");
        let mut graph = Graph::default();
        let a = graph.push("norm", Box::new(norm), vec![From::Input]);
        let b = graph.push("flat", Box::new(Flatten), vec![From::Node(a)]);
        let _ = graph.push("fc", Box::new(dense), vec![From::Node(b)]);
        graph
    }

    #[test]
    fn what_is_said_of_all_layers_reaches_those_that_no_choice_fits() {
        use super::super::terms::BiasPolicy;
        let graph = with_a_norm();
        let named = Composite::named("epsilon_plus").expect("known").with_bias(BiasPolicy::Sink);
        let text = "name = \"t\"\nbias = \"sink\"\nstabiliser = { epsilon = 0.25 }\n\
            [[layers]]\nrule = \"gamma\"\n";
        let written = Composite::from_toml(text, "t.toml").expect("read");
        for (composite, rules, epsilon) in
            [(named, ["epsilon", "epsilon"], 1e-6), (written, ["epsilon_0.25", "gamma"], 0.25)]
        {
            let given: Vec<Applied> = composite.assign(&graph).into_iter().flatten().collect();
            let words: Vec<String> = given.iter().map(Applied::words).collect();
            assert_eq!(words, rules);
            assert!(given.iter().all(|a| a.bias == BiasPolicy::Sink));
            assert_eq!(given[0].stabiliser.epsilon, epsilon);
        }
    }

    #[test]
    fn a_choice_by_name_or_number_that_fits_no_layer_is_named() {
        let graph = with_a_norm();
        let read = |lines: &str| {
            let text = format!("name = \"t\"\n[[layers]]\nrule = \"gamma\"\n{lines}");
            Composite::from_toml(&text, "t.toml").expect("read").names_layers_of(&graph)
        };
        for sound in ["name = \"f*\"", "position = 0", "kind = \"conv3d\"\nposition = \"last\""] {
            assert!(read(sound).is_ok(), "{sound}");
        }
        for (wrong, said) in [
            ("name = \"flat\"", "name \"flat\""),
            ("name = \"fc\"\nposition = 1", "position 1"),
            ("kind = \"dense\"\nname = \"norm\"", "kind dense"),
        ] {
            let error = read(wrong).expect_err(wrong).to_string();
            assert!(error.contains("E-RULE-010") && error.contains(said), "{error}");
            assert!(error.contains("norm (group_norm), fc (dense)"), "{error}");
        }
    }
}
