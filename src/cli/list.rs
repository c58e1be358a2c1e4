//! `heatproof list`: what the program knows, from the cards.

use super::exit::ExitCode;
use super::term;
use crate::card::{Better, Card};
use crate::explain::composite::COMPOSITES;
use crate::explain::methods::METHODS;
use crate::explain::rules::RULES;
use crate::model::layers::LAYERS;
use crate::report::figures::FIGURES;
use crate::{Error, Result};

/// List what the program knows, or one item in full: question, formula, reading, limits
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  heatproof list checks\n  heatproof list rules z_plus")]
pub struct Args {
    /// What to list
    kind: Kind,
    /// Show this one in full
    id: Option<String>,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Rules of relevance propagation, and composites of them
    Rules,
    /// Layers of networks
    Layers,
    /// Checks of an audit
    Checks,
    /// Figures of the report
    Figures,
    /// Methods beside relevance propagation
    Methods,
}

impl Kind {
    fn cards(self) -> Vec<&'static Card> {
        match self {
            Self::Rules => RULES.iter().map(|rule| rule.card).collect(),
            Self::Layers => LAYERS.to_vec(),
            Self::Checks => super::check_cards().to_vec(),
            Self::Methods => METHODS.iter().map(|method| method.card).collect(),
            Self::Figures => FIGURES.iter().map(|figure| figure.card()).collect(),
        }
    }
}

/// Prints the list.
///
/// # Errors
/// `E-CLI-003` when there is no such item.
pub fn run(args: &Args) -> Result<ExitCode> {
    let cards = args.kind.cards();
    let composites = if matches!(args.kind, Kind::Rules) { COMPOSITES } else { &[] };
    let Some(id) = &args.id else {
        let width = cards.iter().map(|card| card.id.len()).max().unwrap_or_default();
        let lines = cards.iter().map(|card| format!("{:<width$}  {}\n", card.id, card.title));
        let composites = composites.iter().map(|c| format!("{}  {}\n", c.id, c.words()));
        term::out(&lines.chain(composites).collect::<String>())?;
        return Ok(ExitCode::Success);
    };
    if let Some(composite) = composites.iter().find(|c| c.id == id) {
        term::out(&format!("{}: {}\n", composite.id, composite.words()))?;
        return Ok(ExitCode::Success);
    }
    let Some(card) = cards.iter().find(|card| card.id == id) else {
        let ids = cards.iter().map(|card| card.id).chain(composites.iter().map(|c| c.id));
        let ids: Vec<&str> = ids.collect();
        let fix = format!("Choose one of {}", ids.join(", "));
        return Err(Error::usage("E-CLI-003", format!("there is no {id:?} in this list"), fix));
    };
    term::out(&in_full(card))?;
    Ok(ExitCode::Success)
}

fn in_full(card: &Card) -> String {
    let better = match card.better {
        Better::Lower => "lower",
        Better::Higher => "higher",
        Better::Neither => "neither",
    };
    let rows = [
        ("question", card.question),
        ("formula", card.formula),
        ("reading", card.reading),
        ("misleads", card.misleads),
        ("source", card.source),
        ("unit", card.unit),
        ("better", better),
    ];
    let rows = rows.iter().filter(|(_, text)| !text.is_empty());
    let body: String = rows.map(|(name, text)| format!("{name:<9} {text}\n")).collect();
    format!("{}: {}\n{body}", card.id, card.title)
}
