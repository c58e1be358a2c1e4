//! How wide a text is in the embedded font, so that layouts need no drawing library.

/// Advance widths of U+0020..=U+007E in thousandths of an em (DejaVu Sans).
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// Width of one line at a size, both in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    let thousandths: u32 = text
        .chars()
        .map(|c| {
            let index = (c as u32).wrapping_sub(32) as usize;
            WIDTHS.get(index).map_or(700, |w| u32::from(*w))
        })
        .sum();
    f64::from(thousandths) * size / 1000.0
}

/// Cuts a text with "…" so that it fits.
pub fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept: String = text.to_owned();
    while kept.pop().is_some() {
        let shown = format!("{}…", kept.trim_end());
        if width(&shown, size) <= room {
            return shown;
        }
    }
    "…".to_owned()
}

/// Breaks a text into at most `lines` lines that fit; the last is cut with "…" if need be.
pub fn wrap(text: &str, size: f64, room: f64, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if line.is_empty() || width(&longer, size) <= room {
            line = longer;
            continue;
        }
        if out.len() + 1 >= lines {
            let rest: Vec<&str> = std::iter::once(word).chain(words.by_ref()).collect();
            line = format!("{line} {}", rest.join(" "));
            break;
        }
        out.push(fit(&line, size, room));
        line = word.to_owned();
    }
    if !line.is_empty() {
        out.push(fit(&line, size, room));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost_silently() {
        let text = "the quick brown fox jumps over the lazy dog again and again and over once more";
        let lines = wrap(text, 10.0, 120.0, 3);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|l| width(l, 10.0) <= 120.0));
        assert!(lines[2].ends_with('…'));
        assert_eq!(wrap("short", 10.0, 120.0, 3), ["short"]);
    }
}
