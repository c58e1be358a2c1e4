//! Numbers as people read them. The exact digits go beside them on the page.

/// Four significant digits, thousands unbroken, a true minus sign.
pub fn short(v: f64) -> String {
    if !v.is_finite() {
        return "–".to_owned();
    }
    let size = v.abs();
    let text = if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        scientific(v)
    } else {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 5) as usize;
        trim(&format!("{v:.decimals$}"))
    };
    text.replace('-', "−")
}

/// As [`short`], with the unit behind it unless the unit is "1" or empty.
pub fn with_unit(v: f64, unit: &str) -> String {
    if unit.is_empty() || unit == "1" { short(v) } else { format!("{} {unit}", short(v)) }
}

/// The digits as in `report.json`.
pub fn exact(v: f64) -> String {
    serde_json::to_string(&v).unwrap_or_default()
}

/// A p-value or count-like share for captions.
pub fn percent(v: f64) -> String {
    format!("{} %", short(100.0 * v))
}

fn scientific(v: f64) -> String {
    let text = format!("{v:.2e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trim(mantissa)),
        None => text,
    }
}

fn trim(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// Median of finite numbers, or `None`.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => None,
        _ if n % 2 == 1 => Some(sorted[n / 2]),
        _ => Some(0.5 * (sorted[n / 2 - 1] + sorted[n / 2])),
    }
}

/// Smallest and largest finite number, or `None`.
pub fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |r, v| match r {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(short(0.873_456), "0.8735");
        assert_eq!(short(-12.0), "−12");
        assert_eq!(short(1.234e-7), "1.23e−7");
        assert_eq!(short(0.0), "0");
        assert_eq!(short(123_456.7), "123457");
        assert_eq!(with_unit(3.5, "ml"), "3.5 ml");
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    }
}
