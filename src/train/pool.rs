//! Log-odds of different folds' models put on one scale before they are pooled.
//!
//! Each fold has its own model, and models differ in offset and confidence; pooled as they
//! are, the shift between folds lowers the pooled AUC. Each fold's log-odds are centred and
//! scaled by numbers of the rows that fold did NOT hold out (fitting and validation rows):
//! the held-out rows and their classes are never looked at.

/// What is subtracted from and divided out of a fold's log-odds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// Midpoint of the mean log-odds of both classes, nats.
    pub centre: f64,
    /// Standard deviation of the log-odds about the centre, nats; 1 when they do not vary.
    pub scale: f64,
}

impl Alignment {
    /// From the class (true for class 1) and log-odds (nats) of rows that were not held out.
    pub fn of(rows: &[(bool, f64)]) -> Self {
        let mean = |class: bool| {
            let of: Vec<f64> = rows.iter().filter(|r| r.0 == class).map(|r| r.1).collect();
            (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
        };
        let means: Vec<f64> = [mean(false), mean(true)].into_iter().flatten().collect();
        let centre = means.iter().sum::<f64>() / means.len().max(1) as f64;
        let square = rows.iter().map(|r| (r.1 - centre).powi(2)).sum::<f64>();
        let scale = (square / rows.len().max(1) as f64).sqrt();
        Self { centre, scale: if scale.is_finite() && scale > 1e-9 { scale } else { 1.0 } }
    }

    /// A held-out log-odds on the common scale, nats; `common` is [`common_scale`].
    pub fn apply(&self, log_odds: f64, common: f64) -> f64 {
        (log_odds - self.centre) / self.scale * common
    }
}

/// Geometric mean of the folds' scales: gives pooled log-odds their unit back.
pub fn common_scale(folds: &[Alignment]) -> f64 {
    let sum: f64 = folds.iter().map(|a| a.scale.ln()).sum();
    (sum / folds.len().max(1) as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_and_stretched_folds_meet() {
        let rows = [(false, -1.0), (false, -3.0), (true, 2.0), (true, 4.0), (true, 3.0)];
        let other = rows.map(|(c, t)| (c, 5.0 + 4.0 * t));
        let (a, b) = (Alignment::of(&rows), Alignment::of(&other));
        let common = common_scale(&[a, b]);
        assert!((a.apply(0.7, common) - b.apply(5.0 + 2.8, common)).abs() < 1e-12);
        assert!((common - 2.0 * a.scale).abs() < 1e-12);
        assert_eq!(Alignment::of(&[(true, 1.0)]), Alignment { centre: 1.0, scale: 1.0 });
        assert_eq!(Alignment::of(&[]), Alignment { centre: 0.0, scale: 1.0 });
        assert_eq!(common_scale(&[]), 1.0);
    }
}
