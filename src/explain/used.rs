//! What each layer of a network was explained by, so that every result can say it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::composite::Composite;
use super::ledger::LedgerLine;
use super::rules::{Applied, Convention};
use super::terms::BiasPolicy;
use crate::compute::relevance::{Damping, Stabiliser};
use crate::model::Graph;
use crate::model::layer::Role;

/// What one layer that divides relevance by a sum was explained by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Used {
    /// Layer name.
    pub layer: String,
    /// Rule with its numbers, or `norm` for sums and average pools, which have no weights.
    pub rule: String,
    /// What ε does to a sum z.
    pub stabiliser_mode: Damping,
    /// ε.
    pub stabiliser_value: f64,
    /// Whether a sum of exactly 0 counts as positive.
    pub zero_is_positive: bool,
    /// What happens to the share of the bias; none for layers without weights.
    pub bias_policy: Option<BiasPolicy>,
    /// Whether neurons with contributions of one sign keep all their relevance.
    pub rescue: bool,
}

impl Used {
    fn of(layer: &str, applied: &Applied) -> Self {
        let stabiliser = applied.stabiliser;
        Self {
            bias_policy: Some(applied.bias),
            rescue: applied.rescue,
            ..Self::sum(layer, applied.words(), stabiliser)
        }
    }

    fn sum(layer: &str, rule: String, stabiliser: Stabiliser) -> Self {
        Self {
            layer: layer.to_owned(),
            rule,
            stabiliser_mode: stabiliser.mode,
            stabiliser_value: stabiliser.epsilon,
            zero_is_positive: stabiliser.zero_is_positive,
            bias_policy: None,
            rescue: false,
        }
    }

    /// Stabiliser in words.
    pub fn stabiliser(&self) -> String {
        let (epsilon, mode) = (self.stabiliser_value, self.stabiliser_mode);
        Stabiliser { epsilon, mode, zero_is_positive: self.zero_is_positive }.words()
    }

    /// Bias policy in words; empty for layers without weights.
    pub fn bias(&self) -> &'static str {
        self.bias_policy.map_or("", BiasPolicy::word)
    }

    /// All but the layer.
    fn words(&self) -> String {
        let bias = self.bias_policy.map_or(String::new(), |b| format!(", biases {}", b.word()));
        let rescue = if self.rescue { ", neurons of one sign rescued" } else { "" };
        format!("{}, stabiliser {}{bias}{rescue}", self.rule, self.stabiliser())
    }
}

impl Composite {
    /// What each layer that divides relevance gets, input first: layers with weights, sums and
    /// average pools. Layers that only pass relevance on are left out.
    pub fn used(&self, graph: &Graph) -> Vec<Used> {
        let rules = self.assign(graph);
        let one = |(node, applied): (&crate::model::graph::Node, Option<Applied>)| match (
            node.layer.role(),
            applied,
        ) {
            (Role::Affine(_) | Role::PerSample(_), Some(a)) if !a.passes() => {
                Some(Used::of(&node.name, &a))
            }
            (Role::Proportional | Role::Merge, _) => {
                Some(Used::sum(&node.name, "norm".to_owned(), self.stabiliser))
            }
            _ => None,
        };
        graph.nodes().iter().zip(rules).filter_map(one).collect()
    }
}

/// A line for all layers that are treated alike, in the order of the first of them.
pub fn grouped(used: &[Used]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for one in used {
        let words = one.words();
        match groups.iter_mut().find(|(w, _)| *w == words) {
            Some((_, layers)) => layers.push(&one.layer),
            None => groups.push((words, vec![&one.layer])),
        }
    }
    groups.into_iter().map(|(words, layers)| format!("{}: {words}", layers.join(", "))).collect()
}

/// A ledger line with everything that must be known to make it again.
#[derive(Debug, Clone, Serialize)]
pub struct Told<'a> {
    #[serde(flatten)]
    line: &'a LedgerLine,
    stabiliser_mode: Option<Damping>,
    stabiliser_value: Option<f64>,
    zero_is_positive: Option<bool>,
    bias_policy: Option<BiasPolicy>,
    rescue: Option<bool>,
    convention: Convention,
    start: &'a str,
}

/// The lines of a ledger with stabiliser, bias policy, convention and start; null where a
/// layer divides nothing.
pub fn told<'a>(
    lines: &'a [LedgerLine],
    used: &[Used],
    convention: Convention,
    start: &'a str,
) -> Vec<Told<'a>> {
    let by_name: BTreeMap<&str, &Used> = used.iter().map(|u| (u.layer.as_str(), u)).collect();
    let one = |line: &'a LedgerLine| {
        let own = by_name.get(line.layer.as_str());
        Told {
            line,
            stabiliser_mode: own.map(|u| u.stabiliser_mode),
            stabiliser_value: own.map(|u| u.stabiliser_value),
            zero_is_positive: own.map(|u| u.zero_is_positive),
            bias_policy: own.and_then(|u| u.bias_policy),
            rescue: own.map(|u| u.rescue),
            convention,
            start,
        }
    };
    lines.iter().map(one).collect()
}

/// How a map was made, as results carry it.
#[derive(Debug, Clone, Serialize)]
pub struct Account {
    /// Rule, composite or method, as it was asked for.
    pub way: String,
    /// What is explained, in words: one for all samples, or one each.
    pub start: Vec<String>,
    /// Whose habits the rules follow; none for other methods.
    pub convention: Option<&'static str>,
    /// Numbers of another method, in the order of its formula.
    pub numbers: Vec<f64>,
    /// Rule, stabiliser and bias policy of each layer that divides relevance.
    pub layers: Vec<Used>,
}

impl Account {
    /// The account of rules on a canonical network.
    pub fn of_rules(way: &str, composite: &Composite, graph: &Graph, start: Vec<String>) -> Self {
        let (convention, layers) = (Some(composite.convention.word()), composite.used(graph));
        Self { way: way.to_owned(), start, convention, numbers: Vec::new(), layers }
    }

    /// The account of another method.
    pub fn of_method(way: &str, numbers: &[f64], start: Vec<String>) -> Self {
        let (convention, layers) = (None, Vec::new());
        Self { way: way.to_owned(), start, convention, numbers: numbers.to_vec(), layers }
    }

    /// Lines for people, indented.
    pub fn lines(&self) -> String {
        let convention = self.convention.map_or(String::new(), |c| format!(", convention {c}"));
        let head = format!("  explains {}{convention}\n", self.start.join(", "));
        let layers = grouped(&self.layers).into_iter().map(|line| format!("  {line}\n"));
        std::iter::once(head).chain(layers).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ArchitectureSpec, build};
    use crate::seed::Seed;

    #[test]
    fn every_layer_says_its_rule_stabiliser_and_bias() {
        let spec = ArchitectureSpec::named("compact", [12, 16, 12], 2).expect("known");
        let graph = build(&spec, Seed(1)).expect("built").folded().expect("folded");
        let text = "name = \"mine\"\nbias = \"drop\"\n\
            [[layers]]\nrule = \"gamma\"\nkind = \"conv3d\"\nposition = \"first\"\n\
            stabiliser = { epsilon = 0.25, mode = \"root_mean_square\" }\n\
            [[layers]]\nrule = \"z_plus\"\nkind = \"conv3d\"\nbias = \"sink\"\n\
            [[layers]]\nrule = \"alpha2_beta1\"\nkind = \"dense\"\nrescue = true\n\
            stabiliser = { epsilon = 1e-3 }\n";
        let composite = Composite::from_toml(text, "mine.toml").expect("read");
        let account = Account::of_rules("mine", &composite, &graph, vec!["logit of 1".to_owned()]);
        let line = |layer: &str| account.layers.iter().find(|u| u.layer == layer).expect("line");
        let first = line("conv1");
        assert_eq!((first.rule.as_str(), first.bias()), ("gamma", "drop"));
        assert_eq!(first.stabiliser_value, 0.25);
        assert_eq!(first.stabiliser_mode, Damping::RootMeanSquare);
        assert_eq!((line("conv2").rule.as_str(), line("conv2").bias()), ("z_plus", "sink"));
        assert!(line("dense").rescue && line("dense").stabiliser_value == 1e-3);
        let boehle = Composite::named("boehle:epsilon_alpha2_beta1").expect("known").used(&graph);
        let rescued = boehle.iter().filter(|u| u.rescue).map(|u| u.rule.as_str());
        assert!(rescued.clone().count() > 0 && rescued.into_iter().all(|r| r == "alpha2_beta1"));
        // Weights are in three layers; pools of averages divide, too, and have no bias.
        assert!(account.layers.iter().all(|u| u.bias_policy.is_some() != (u.rule == "norm")));
        let said = account.lines();
        for words in ["explains logit of 1, convention own", "conv2: z_plus", "biases sink"] {
            assert!(said.contains(words), "{words} in {said}");
        }
        let same = Composite::named("captum:epsilon").expect("known");
        let same: Vec<Used> = same.used(&graph).into_iter().filter(|u| u.rule != "norm").collect();
        assert_eq!(grouped(&same).len(), 1, "{:?}", grouped(&same));
        assert!(grouped(&same)[0].contains("1e-9 absolute"), "{:?}", grouped(&same));
    }
}
