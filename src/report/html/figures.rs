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

/// Embeds the figures that fit: first the first picture, which the page is about, then all that
/// are not pictures, then the other pictures in their order.
pub(super) fn embed(drawn: &[Drawn]) -> Vec<Embedded> {
    let picture = |i: &usize| drawn[*i].place == Place::Pictures;
    let mut order: Vec<usize> = (0..drawn.len()).collect();
    let first = order.iter().copied().find(picture);
    order.sort_by_key(|i| picture(i) && Some(*i) != first);
    order.sort_by_key(|i| Some(*i) != first);
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
