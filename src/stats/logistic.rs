//! Logistic regression with an L2 penalty, fitted by Newton's method.

use super::moments::{mean, require_finite, require_paired, sum_by};
use super::{Undefined, undefined};

/// A fitted model: log-odds = intercept + Σ weight·(x − centre)/scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    /// Log-odds at the mean of the training rows.
    pub intercept: f64,
    /// Log-odds per standard deviation of each column; 0 for constant columns.
    pub weights: Vec<f64>,
    /// Mean of each column in the training rows, unit of the column.
    pub centre: Vec<f64>,
    /// Standard deviation (n) of each column; 1 for constant columns.
    pub scale: Vec<f64>,
}

const MOST_STEPS: usize = 100;
/// Fits whose log-odds pass this are running off to infinity (separated classes).
const RUNAWAY: f64 = 1e4;

/// 1 / (1 + e^−t), without overflow.
pub fn sigmoid(t: f64) -> f64 {
    if t >= 0.0 {
        1.0 / (1.0 + (-t).exp())
    } else {
        let e = t.exp();
        e / (1.0 + e)
    }
}

/// ln(1 + e^t), without overflow.
pub fn softplus(t: f64) -> f64 {
    t.max(0.0) + (-t.abs()).exp().ln_1p()
}

impl Logistic {
    /// Log-odds of class 1 for one row.
    ///
    /// # Errors
    /// Undefined when the row has another number of columns or a value is not finite.
    pub fn log_odds(&self, row: &[f64]) -> super::Stat {
        require_paired(row.len(), self.weights.len())?;
        require_finite(row)?;
        let term = |j: usize| self.weights[j] * (row[j] - self.centre[j]) / self.scale[j];
        super::moments::finite(self.intercept + sum_by(row.len(), &term), "the log-odds")
    }

    /// Log-odds per unit of column `j`, or `None` beyond the columns.
    pub fn slope(&self, j: usize) -> Option<f64> {
        Some(self.weights.get(j)? / self.scale.get(j)?)
    }
}

/// Minimises Σ ln(1 + e^t) − y·t + ½·l2·Σ weight² over standardised columns; the intercept
/// is not penalised. Newton steps from 0 with halving, so the result depends on the rows
/// only. With `l2` = 0 this is plain maximum likelihood.
///
/// # Errors
/// Undefined without rows or one of the classes, for ragged rows, values that are not
/// finite, a negative penalty, columns that repeat each other, or when no finite optimum
/// exists (classes that can be separated and no penalty).
pub fn fit(rows: &[Vec<f64>], labels: &[bool], l2: f64) -> Result<Logistic, Undefined> {
    let (x, centre, scale) = standardise(rows, labels, l2)?;
    let width = centre.len();
    let mut beta = vec![0.0; width + 1];
    let mut loss = objective(&x, labels, &beta, l2);
    for _ in 0..MOST_STEPS {
        let (gradient, hessian) = derivatives(&x, labels, &beta, l2);
        let step = solve(hessian, gradient)?;
        let mut rate = 1.0;
        let (next, found) = loop {
            let trial: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b - rate * s).collect();
            let value = objective(&x, labels, &trial, l2);
            if value <= loss || rate < 1e-10 {
                break (trial, value);
            }
            rate /= 2.0;
        };
        let moved = beta.iter().zip(&next).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        let size = next.iter().fold(1.0f64, |m, b| m.max(b.abs()));
        if size > RUNAWAY {
            break;
        }
        if found <= loss {
            (beta, loss) = (next, found);
        }
        if moved <= 1e-10 * size {
            // Fitted probabilities of exactly the labels: flat, not an optimum.
            let flat = l2 == 0.0 && loss < 1e-6 * labels.len() as f64;
            return if flat { separated() } else { Ok(finish(beta, centre, scale)) };
        }
    }
    separated()
}

fn separated<T>() -> Result<T, Undefined> {
    undefined("no finite optimum: the classes can be separated")
}

fn finish(mut beta: Vec<f64>, centre: Vec<f64>, scale: Vec<f64>) -> Logistic {
    let weights = beta.split_off(1);
    Logistic { intercept: beta[0], weights, centre, scale }
}

type Standardised = (Vec<Vec<f64>>, Vec<f64>, Vec<f64>);

/// Rows with a leading 1 and columns of mean 0 and standard deviation 1.
fn standardise(rows: &[Vec<f64>], labels: &[bool], l2: f64) -> Result<Standardised, Undefined> {
    require_paired(rows.len(), labels.len())?;
    if !(l2.is_finite() && l2 >= 0.0) {
        return undefined(format!("a penalty of {l2}"));
    }
    if !labels.contains(&true) || !labels.contains(&false) {
        return undefined("a class without rows");
    }
    let width = rows[0].len();
    for row in rows {
        require_paired(row.len(), width)?;
        require_finite(row)?;
    }
    let (mut centre, mut scale) = (Vec::new(), Vec::new());
    for j in 0..width {
        let column: Vec<f64> = rows.iter().map(|r| r[j]).collect();
        let m = mean(&column)?;
        let square = sum_by(column.len(), &|i| (column[i] - m).powi(2)) / column.len() as f64;
        let constant = column.iter().all(|v| *v == column[0]);
        centre.push(if constant { column[0] } else { m });
        scale.push(if constant || square == 0.0 { 1.0 } else { square.sqrt() });
    }
    let x = rows
        .iter()
        .map(|r| {
            let z = (0..width).map(|j| (r[j] - centre[j]) / scale[j]);
            std::iter::once(1.0).chain(z).collect()
        })
        .collect();
    Ok((x, centre, scale))
}

fn dot(row: &[f64], beta: &[f64]) -> f64 {
    row.iter().zip(beta).fold(0.0, |t, (a, b)| t + a * b)
}

fn objective(x: &[Vec<f64>], labels: &[bool], beta: &[f64], l2: f64) -> f64 {
    let one = |i: usize| {
        let t = dot(&x[i], beta);
        softplus(if labels[i] { -t } else { t })
    };
    sum_by(x.len(), &one) + 0.5 * l2 * dot(&beta[1..], &beta[1..])
}

fn derivatives(
    x: &[Vec<f64>],
    labels: &[bool],
    beta: &[f64],
    l2: f64,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let width = beta.len();
    let mut gradient = vec![0.0; width];
    let mut hessian = vec![vec![0.0; width]; width];
    for (row, &label) in x.iter().zip(labels) {
        let p = sigmoid(dot(row, beta));
        let (miss, weight) = (p - f64::from(u8::from(label)), p * (1.0 - p));
        for a in 0..width {
            gradient[a] += miss * row[a];
            for b in 0..=a {
                hessian[a][b] += weight * row[a] * row[b];
            }
        }
    }
    for a in 1..width {
        gradient[a] += l2 * beta[a];
        hessian[a][a] += l2;
        // A constant column has no curvature and no slope: any positive number keeps it 0.
        if x.iter().all(|row| row[a] == 0.0) {
            hessian[a][a] += 1.0;
        }
    }
    (gradient, hessian)
}

/// Solves H·s = g by Cholesky on the lower triangle.
fn solve(mut h: Vec<Vec<f64>>, mut g: Vec<f64>) -> Result<Vec<f64>, Undefined> {
    let n = g.len();
    let top = (0..n).fold(0.0f64, |m, i| m.max(h[i][i]));
    for i in 0..n {
        for j in 0..=i {
            let cross = (0..j).fold(h[i][j], |t, k| t - h[i][k] * h[j][k]);
            if i != j {
                h[i][j] = cross / h[j][j];
            } else if cross > 1e-12 * top {
                h[i][i] = cross.sqrt();
            } else {
                return undefined(
                    "no single optimum: columns repeat each other or classes can be separated",
                );
            }
        }
        g[i] = (0..i).fold(g[i], |t, k| t - h[i][k] * g[k]) / h[i][i];
    }
    for i in (0..n).rev() {
        g[i] = (i + 1..n).fold(g[i], |t, k| t - h[k][i] * g[k]) / h[i][i];
    }
    Ok(g)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn two_by_two_table_by_hand() {
        // x = 0: 3 of 4 negative; x = 1: 3 of 4 positive → slope ln 3 − ln ⅓ = 2 ln 3.
        let rows: Vec<Vec<f64>> = [0., 0., 0., 0., 1., 1., 1., 1.].map(|v| vec![v]).to_vec();
        let y = [false, false, false, true, true, true, true, false];
        let model = fit(&rows, &y, 0.0).expect("fit");
        assert!((model.slope(0).expect("column") - 2.0 * 3f64.ln()).abs() < 1e-9);
        assert!((model.log_odds(&[0.0]).expect("row") + 3f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn recovers_what_made_the_data_and_shrinks_with_the_penalty() {
        let mut s = Seed(6).stream("logistic");
        let rows: Vec<Vec<f64>> =
            (0..4000).map(|_| vec![s.normal(), 5.0 + 3.0 * s.normal()]).collect();
        let y: Vec<bool> =
            rows.iter().map(|r| s.uniform() < sigmoid(0.5 + r[0] - 0.4 * (r[1] - 5.0))).collect();
        let model = fit(&rows, &y, 0.0).expect("fit");
        let slopes = [0, 1].map(|j| model.slope(j).expect("column"));
        assert!((slopes[0] - 1.0).abs() < 0.15 && (slopes[1] + 0.4).abs() < 0.06, "{slopes:?}");
        let shrunk = fit(&rows, &y, 1e4).expect("fit");
        assert!(shrunk.weights[0].abs() < 0.3 * model.weights[0].abs());
    }

    #[test]
    fn undefined_cases() {
        let rows = vec![vec![0.0], vec![1.0], vec![2.0], vec![3.0]];
        let y = [false, false, true, true];
        assert!(fit(&rows, &y, 0.0).is_err(), "separated");
        let model = fit(&rows, &y, 1.0).expect("the penalty gives an optimum");
        assert!(model.weights[0] > 0.0 && model.weights[0].is_finite());
        assert!(fit(&rows, &[true; 4], 1.0).is_err() && fit(&[], &[], 1.0).is_err());
        assert!(fit(&rows, &y, -1.0).is_err() && fit(&rows, &y, f64::NAN).is_err());
        let twice: Vec<Vec<f64>> = rows.iter().map(|r| vec![r[0], r[0]]).collect();
        assert!(fit(&twice, &[false, true, false, true], 0.0).is_err(), "repeated column");
        let flat: Vec<Vec<f64>> = rows.iter().map(|r| vec![r[0], 7.0]).collect();
        assert_eq!(fit(&flat, &y, 1.0).expect("constant column").weights[1], 0.0);
        assert!(model.log_odds(&[1.0, 2.0]).is_err() && model.log_odds(&[f64::NAN]).is_err());
    }
}
