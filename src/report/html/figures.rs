//! Figures as data of the page itself, within a byte budget.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::report::dossier::Drawn;
use crate::report::figures::Place;

/// Most bytes of embedded pictures; words and tables take the rest of the 5 MB.
pub(super) const BUDGET: usize = 4_300_000;

/// A figure on the page.
#[derive(Debug, Clone, serde::Serialize)]
pub(super) struct Embedded {
    /// Data of the picture; `None` when it did not fit.
    data: Option<String>,
    /// Stem of the file.
    stem: String,
    title: String,
    alt: String,
    misleads: &'static str,
    width: u32,
    height: u32,
    #[serde(skip)]
    pub(super) place: Place,
    pub(super) checks: Vec<String>,
}

/// Embeds the figures that fit: first the first picture, which the page is about, then each
/// figure's main one, then the others from the smallest, then the other pictures in their order.
pub(super) fn embed(drawn: &[Drawn]) -> Vec<Embedded> {
    let picture = |i: usize| drawn[i].place == Place::Pictures;
    let first = (0..drawn.len()).find(|i| picture(*i));
    let rank = |i: usize| match (picture(i), drawn[i].stem == drawn[i].card.id) {
        _ if Some(i) == first => (0, 0),
        (false, true) => (1, 0),
        (false, false) => (2, drawn[i].png.len()),
        (true, _) => (3, 0),
    };
    let mut order: Vec<usize> = (0..drawn.len()).collect();
    order.sort_by_key(|i| rank(*i));
    let mut left = BUDGET;
    let mut fits = vec![false; drawn.len()];
    for i in order {
        let size = drawn[i].png.len().div_ceil(3) * 4;
        if size <= left {
            left -= size;
            fits[i] = true;
        }
    }
    drawn.iter().zip(fits).map(|(figure, fits)| one(figure, fits)).collect()
}

fn one(figure: &Drawn, fits: bool) -> Embedded {
    Embedded {
        data: fits.then(|| STANDARD.encode(&figure.png)),
        stem: figure.stem.clone(),
        title: figure.title.clone(),
        alt: figure.alt.clone(),
        misleads: figure.card.misleads,
        width: figure.size[0].ceil() as u32,
        height: figure.size[1].ceil() as u32,
        place: figure.place,
        checks: figure.checks.clone(),
    }
}
