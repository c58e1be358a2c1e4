//! Linear models by least squares: coefficients, residuals, and the t of a contrast.

use super::moments::{finite, require_finite, require_paired, sum_by};
use super::{Stat, Undefined, undefined};

/// A column of which less than this share is its own is a combination of those before it.
const OWN: f64 = 1e-8;

/// Σ a·b.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum_by(a.len().min(b.len()), &|i| a[i] * b[i])
}

/// Columns of a linear model as Q·R: Q orthonormal, R upper triangular (Gram and Schmidt, each
/// column twice, which is as exact as reflections: Giraud, Langou & Rozložník 2005).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Design {
    /// Columns of Q.
    q: Vec<Vec<f64>>,
    /// Columns of R, each down to its diagonal.
    r: Vec<Vec<f64>>,
}

/// A fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// One per column of the design, unit of y over unit of the column.
    pub coefficients: Vec<f64>,
    /// y − Xβ, unit of y.
    pub residuals: Vec<f64>,
    /// Rows − columns.
    pub freedom: usize,
    /// Residual standard deviation √(Σe²/freedom), unit of y.
    pub sigma: f64,
}

/// An estimated contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// cᵀβ.
    pub estimate: f64,
    /// σ·√(cᵀ(XᵀX)⁻¹c), unit of the estimate.
    pub error: f64,
    /// estimate / error, no unit.
    pub t: f64,
}

impl Design {
    /// A design of these columns (with one of ones for an intercept, which is not added).
    ///
    /// # Errors
    /// Undefined without columns, for unequal lengths, values that are not finite, or when a
    /// column is a combination of those before it: the reason names it by its place.
    pub fn new(columns: &[Vec<f64>]) -> Result<Self, Undefined> {
        let mut made = Self::default();
        for (place, column) in columns.iter().enumerate() {
            require_paired(column.len(), columns[0].len())?;
            require_finite(column)?;
            if !made.add(column) {
                return undefined(format!(
                    "column {place} of the model is a combination of those before it"
                ));
            }
        }
        if columns.is_empty() { undefined("a model without columns") } else { Ok(made) }
    }

    /// Adds a finite column; false, and nothing added, when it is a combination of those before.
    pub fn add(&mut self, column: &[f64]) -> bool {
        let (own, triangle) = self.split(column);
        let length = dot(&own, &own).sqrt();
        let whole = dot(column, column).sqrt();
        let independent = length.is_finite() && length > OWN * whole;
        if independent {
            self.q.push(own.iter().map(|v| v / length).collect());
            self.r.push(triangle.into_iter().chain([length]).collect());
        }
        independent
    }

    /// What the columns do not explain of `y`, and its products with the columns of Q.
    fn split(&self, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut left, mut along) = (y.to_vec(), vec![0.0; self.q.len()]);
        for _ in 0..2 {
            for (q, total) in self.q.iter().zip(&mut along) {
                let part = dot(q, &left);
                left.iter_mut().zip(q).for_each(|(v, q)| *v -= part * q);
                *total += part;
            }
        }
        (left, along)
    }

    /// y − Xβ: what the columns do not explain. Unit of y.
    pub fn residuals(&self, y: &[f64]) -> Vec<f64> {
        self.split(y).0
    }

    /// Orthonormal columns that span those given.
    pub fn basis(&self) -> &[Vec<f64>] {
        &self.q
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.q.len()
    }

    /// True without columns.
    pub fn is_empty(&self) -> bool {
        self.q.is_empty()
    }

    /// Fits β minimising Σ(y − Xβ)².
    ///
    /// # Errors
    /// Undefined for another number of rows, values that are not finite, or no more rows than
    /// columns.
    pub fn fit(&self, y: &[f64]) -> Result<Fit, Undefined> {
        require_paired(self.q.first().map_or(0, Vec::len), y.len())?;
        require_finite(y)?;
        let Some(freedom) = y.len().checked_sub(self.len()).filter(|f| *f > 0) else {
            return undefined(format!("{} rows for {} coefficients", y.len(), self.len()));
        };
        let (residuals, along) = self.split(y);
        let mut coefficients = along;
        for j in (0..self.len()).rev() {
            coefficients[j] /= self.r[j][j];
            for i in 0..j {
                coefficients[i] -= self.r[j][i] * coefficients[j];
            }
        }
        require_finite(&coefficients)?;
        let square = dot(&residuals, &residuals) / freedom as f64;
        let sigma = finite(square.sqrt(), "the residual standard deviation")?;
        Ok(Fit { coefficients, residuals, freedom, sigma })
    }

    /// √(cᵀ(XᵀX)⁻¹c), by which the residual standard deviation is multiplied for the error of
    /// a contrast: the length of R⁻ᵀc.
    ///
    /// # Errors
    /// Undefined unless `contrast` has one number per column.
    pub fn leverage(&self, contrast: &[f64]) -> Stat {
        require_paired(contrast.len(), self.len())?;
        let mut solved: Vec<f64> = Vec::new();
        for (j, column) in self.r.iter().enumerate() {
            let known = dot(&column[..j], &solved);
            solved.push((contrast[j] - known) / column[j]);
        }
        finite(dot(&solved, &solved).sqrt(), "the leverage")
    }

    /// The contrast cᵀβ of a fit of this design, with its t on `fit.freedom` degrees of freedom.
    ///
    /// # Errors
    /// As [`Design::leverage`]; undefined where the model leaves no residual.
    pub fn contrast(&self, fit: &Fit, contrast: &[f64]) -> Result<Contrast, Undefined> {
        let error = fit.sigma * self.leverage(contrast)?;
        let estimate = dot(contrast, &fit.coefficients);
        if error <= 1e-12 * estimate.abs() {
            return undefined("the model leaves no residual");
        }
        Ok(Contrast { estimate, error, t: finite(estimate / error, "t")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::student;

    /// `(y, age, group)` of the values that statsmodels got.
    fn data() -> [Vec<f64>; 3] {
        let y = vec![2.1, 3.9, 6.2, 7.8, 11.3, 12.1, 13.2, 17.5];
        let age = vec![1.0, 2.0, 3.5, 4.0, 5.0, 6.5, 7.0, 8.0];
        let group = vec![0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0];
        [y, age, group]
    }

    #[test]
    fn agrees_with_statsmodels() {
        // statsmodels 0.15.0: OLS(y, column_stack([ones, age, group])).fit().
        let [y, age, group] = data();
        let design = Design::new(&[vec![1.0; 8], age, group]).expect("design");
        let fit = design.fit(&y).expect("fit");
        let found = [0, 1, 2].map(|j| {
            let mut c = [0.0; 3];
            c[j] = 1.0;
            design.contrast(&fit, &c).expect("contrast")
        });
        let want = [
            [-0.276_412_133_891_219_55, 0.827_798_043_713_305_8, -0.333_912_523_701_191_95],
            [2.000_418_410_041_843, 0.190_616_612_655_036_57, 10.494_459_964_316_164],
            [0.573_953_974_895_396_8, 0.877_406_011_127_662_1, 0.654_148_669_619_598_4],
        ];
        for (got, [estimate, error, t]) in found.iter().zip(want) {
            assert!((got.estimate - estimate).abs() < 1e-12, "{got:?}");
            assert!((got.error - error).abs() < 1e-12, "{got:?}");
            assert!((got.t - t).abs() < 1e-10, "{got:?}");
        }
        assert_eq!(fit.freedom, 5);
        assert!(
            (student::two_sided(found[2].t, 5.0).expect("p") - 0.541_904_193_240_381_3).abs()
                < 1e-12
        );
    }

    #[test]
    fn a_straight_line_by_hand() {
        // x −1, 0, 1; y 0, 0, 3: slope 3/2, mean 1, residuals ½, −1, ½; σ² = 3/2, error √(3/4).
        let design = Design::new(&[vec![1.0; 3], vec![-1.0, 0.0, 1.0]]).expect("design");
        let fit = design.fit(&[0.0, 0.0, 3.0]).expect("fit");
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} {b}");
        near(fit.coefficients[0], 1.0);
        near(fit.coefficients[1], 1.5);
        [0.5, -1.0, 0.5].iter().zip(&fit.residuals).for_each(|(a, b)| near(*a, *b));
        near(fit.sigma, 1.5f64.sqrt());
        let slope = design.contrast(&fit, &[0.0, 1.0]).expect("slope");
        near(slope.error, 0.75f64.sqrt());
        near(slope.t, 1.5 / 0.75f64.sqrt());
    }

    #[test]
    fn a_far_origin_is_no_dependence_and_a_copy_is() {
        let years: Vec<f64> = (0..8).map(|i| 2000.0 + 0.01 * f64::from(i * i)).collect();
        let design = Design::new(&[vec![1.0; 8], years.clone()]).expect("design");
        let y: Vec<f64> = years.iter().map(|x| 3.0 * (x - 2000.0) + 1.0).collect();
        let fit = design.fit(&y).expect("fit");
        assert!((fit.coefficients[1] - 3.0).abs() < 1e-7, "{:?}", fit.coefficients);
        assert!(fit.sigma < 1e-9);
        assert!(design.contrast(&fit, &[0.0, 1.0]).is_err(), "no residual");
        let copy: Vec<f64> = years.iter().map(|x| 7.0 - 2.0 * x).collect();
        let why = Design::new(&[vec![1.0; 8], years, copy]).expect_err("dependent");
        assert!(why.0.contains("column 2"), "{why}");
    }

    #[test]
    fn undefined_cases() {
        assert!(Design::new(&[]).is_err() && Design::new(&[vec![0.0; 3]]).is_err());
        assert!(Design::new(&[vec![1.0; 3], vec![1.0; 2]]).is_err());
        assert!(Design::new(&[vec![f64::NAN; 3]]).is_err());
        let full = Design::new(&[vec![1.0; 2], vec![0.0, 1.0]]).expect("design");
        assert!(full.fit(&[1.0, 2.0]).is_err(), "nothing is left");
        let one = Design::new(&[vec![1.0; 3]]).expect("design");
        assert!(one.fit(&[1.0]).is_err() && one.fit(&[1.0, 2.0, f64::INFINITY]).is_err());
        assert!(one.leverage(&[1.0, 0.0]).is_err());
    }
}
