//! Colours: signed relevance, verdicts (told apart by symbol and word too), grey anatomy.

use crate::audit::policy::Verdict;

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// Text.
pub const INK: Rgb = [28, 36, 48];
/// Secondary text.
pub const MUTED: Rgb = [92, 103, 118];
/// Axis lines.
pub const LINE: Rgb = [150, 160, 172];
/// Grid lines.
pub const GRID: Rgb = [228, 232, 237];
/// Paper.
pub const PAPER: Rgb = [255, 255, 255];
/// Words of caution.
pub const CAUTION: Rgb = [148, 98, 0];
/// Behind slices.
pub const NIGHT: Rgb = [0, 0, 0];
/// Outline of the truth or of the focus region on slices.
pub const OUTLINE: Rgb = [120, 255, 110];

/// Series colours, told apart under the common colour-vision deficiencies (Okabe and Ito).
pub const CYCLE: [Rgb; 7] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [230, 159, 0],
    [86, 180, 233],
    [110, 110, 110],
];

/// Colour of the n-th series.
pub fn cycle(n: usize) -> Rgb {
    CYCLE[n % CYCLE.len()]
}

/// Colour and opacity of a signed relevance in units of the colour range: red supports the
/// class, blue opposes it; the opacity is |v|, so that zero shows the anatomy untouched.
pub fn relevance(v: f64) -> (Rgb, f64) {
    let v = if v.is_finite() { v.clamp(-1.0, 1.0) } else { 0.0 };
    let reach = 0.5 * (0.35 + 0.5 * v.abs());
    let t = if v >= 0.0 { 0.5 - reach } else { 0.5 + reach };
    let c = colorous::RED_BLUE.eval_continuous(t);
    ([c.r, c.g, c.b], v.abs())
}

/// `over` laid on `under` with an opacity.
pub fn mix(under: Rgb, over: Rgb, opacity: f64) -> Rgb {
    let one = |u: u8, o: u8| {
        (f64::from(u) + (f64::from(o) - f64::from(u)) * opacity.clamp(0.0, 1.0)).round() as u8
    };
    [one(under[0], over[0]), one(under[1], over[1]), one(under[2], over[2])]
}

/// Anatomy grey under relevance.
pub fn overlay(grey: u8, v: f64) -> Rgb {
    let (colour, opacity) = relevance(v);
    mix([grey; 3], colour, opacity)
}

/// How a verdict is shown: colour, symbol, word. No verdict is told by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerdictLook {
    /// Colour, dark enough for white text.
    pub colour: Rgb,
    /// Symbol.
    pub symbol: &'static str,
    /// Word.
    pub word: &'static str,
    /// Style class on the page.
    pub class: &'static str,
    /// The verdict over a whole audit in plain words.
    pub sentence: &'static str,
}

/// The look of a verdict.
pub fn verdict(v: Verdict) -> VerdictLook {
    let (colour, symbol, word, class, sentence) = match v {
        Verdict::Described => (
            [92, 103, 118],
            "·",
            "described",
            "described",
            "The explanations were measured, but no limit was applied: there is nothing to pass or fail.",
        ),
        Verdict::Pass => (
            [0, 107, 84],
            "✓",
            "pass",
            "pass",
            "The explanations stayed within every limit of this audit.",
        ),
        Verdict::Waived => (
            [27, 106, 158],
            "~",
            "waived",
            "waived",
            "The explanations stayed within the limits, except where a limit was waived with a reason.",
        ),
        Verdict::Warn => (
            [148, 98, 0],
            "!",
            "review",
            "warn",
            "The explanations need a second look before anyone relies on them.",
        ),
        Verdict::Inconclusive => (
            [126, 66, 130],
            "?",
            "inconclusive",
            "inconclusive",
            "This audit could not decide whether the explanations can be relied on.",
        ),
        Verdict::Fail => (
            [178, 57, 8],
            "✗",
            "fail",
            "fail",
            "The explanations should not be relied on as they stand.",
        ),
    };
    VerdictLook { colour, symbol, word, class, sentence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relevance_is_symmetric_and_zero_is_transparent() {
        assert_eq!(relevance(0.0).1, 0.0);
        assert_eq!(overlay(87, 0.0), [87; 3]);
        let (red, a) = relevance(1.0);
        let (blue, b) = relevance(-1.0);
        assert_eq!(a, b);
        assert!(red[0] > red[2] && blue[2] > blue[0]);
        assert_eq!(relevance(f64::NAN).1, 0.0);
    }
}
