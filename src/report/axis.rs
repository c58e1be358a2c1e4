//! Axes with round ticks.

use super::measure;
use super::number::short;
use super::scene::Axis;

/// A linear axis from at most `low` to at least `high`, ending on round numbers.
pub fn linear(label: &str, low: f64, high: f64) -> Axis {
    let (low, high) = if low.is_finite() && high.is_finite() { (low, high) } else { (0.0, 1.0) };
    let (low, high) = if high > low {
        (low, high)
    } else {
        let pad = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        (low - pad, low + pad)
    };
    let step = round_step((high - low) / 5.0);
    let first = (low / step + 1e-9).floor();
    let last = (high / step - 1e-9).ceil();
    let ticks = (0..=(last - first) as usize)
        .map(|i| {
            let v = (first + i as f64) * step;
            (v, if v.abs() < step * 1e-6 { "0".to_owned() } else { short(v) })
        })
        .collect();
    Axis {
        label: label.to_owned(),
        low: first * step,
        high: last * step,
        log: false,
        ticks,
        upright: false,
        grid: true,
    }
}

/// A logarithmic axis over whole decades.
pub fn log(label: &str, low: f64, high: f64) -> Axis {
    let first = low.max(1e-300).log10().floor();
    let last = high.max(1e-300).log10().ceil().max(first + 1.0);
    let every = ((last - first) / 6.0).ceil().max(1.0);
    let ticks = (0..=((last - first) / every) as usize)
        .map(|i| {
            let decade = first + i as f64 * every;
            (10f64.powf(decade), power_of_ten(decade as i32))
        })
        .collect();
    Axis {
        label: label.to_owned(),
        low: 10f64.powf(first),
        high: 10f64.powf(last),
        log: true,
        ticks,
        upright: false,
        grid: true,
    }
}

/// An axis of names at 0, 1, 2, …; names stand upright when they do not fit into `room`
/// pixels each, and only every n-th is written when there are more than 60.
pub fn named(label: &str, names: &[String], room: f64) -> Axis {
    let every = names.len().div_ceil(60).max(1);
    let upright = names.iter().any(|n| measure::width(n, 10.5) > room * every as f64 - 4.0);
    Axis {
        label: label.to_owned(),
        low: -0.5,
        high: names.len() as f64 - 0.5,
        log: false,
        ticks: names
            .iter()
            .enumerate()
            .step_by(every)
            .map(|(i, n)| (i as f64, measure::fit(n, 10.5, 170.0)))
            .collect(),
        upright,
        grid: false,
    }
}

/// An axis of names from top to bottom, for lying bars.
pub fn rows(names: &[String], room: f64) -> Axis {
    let n = names.len() as f64;
    Axis {
        label: String::new(),
        low: n - 0.5,
        high: -0.5,
        log: false,
        ticks: names
            .iter()
            .enumerate()
            .map(|(i, name)| (i as f64, measure::fit(name, 10.5, room)))
            .collect(),
        upright: false,
        grid: false,
    }
}

fn round_step(rough: f64) -> f64 {
    let magnitude = 10f64.powf(rough.log10().floor());
    let ratio = rough / magnitude;
    let nice = match ratio {
        r if r <= 1.0 => 1.0,
        r if r <= 2.0 => 2.0,
        r if r <= 2.5 => 2.5,
        r if r <= 5.0 => 5.0,
        _ => 10.0,
    };
    nice * magnitude
}

fn power_of_ten(exponent: i32) -> String {
    let digits: String = exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        })
        .collect();
    format!("10{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_data() {
        let axis = linear("x", 0.03, 0.97);
        assert_eq!((axis.low, axis.high), (0.0, 1.0));
        assert_eq!(axis.ticks.len(), 6);
        let axis = log("x", 3e-9, 2e-5);
        assert!(axis.low <= 3e-9 && axis.high >= 2e-5);
        assert!(axis.ticks.iter().any(|(_, t)| t == "10⁻⁹"));
        assert!(linear("x", 1.0, 1.0).high > 1.0);
        assert!(linear("x", f64::NAN, 1.0).high.is_finite());
    }
}
