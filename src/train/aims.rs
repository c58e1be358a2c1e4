//! What each row's logits should say while fitting.

use super::fit::Task;

/// What the logits of a row should say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// Class.
    pub class: usize,
    /// Probability of the class; the rest is spread evenly over the others.
    pub certainty: f64,
}

impl Aim {
    /// The class and nothing else.
    pub fn sure(class: usize) -> Self {
        Self { class, certainty: 1.0 }
    }
}

/// What each row's logits should say. A row whose number lies far from the limit between the
/// classes tells more than one close to it: its certainty is the logistic function of the
/// distance over `softness` · the root mean square of the fitting rows' distances.
pub fn aims(task: &Task, softness: f64) -> Vec<Aim> {
    let squares: Vec<f64> =
        task.fitting.iter().filter_map(|&r| task.data[r].distance).map(|d| d * d).collect();
    let unit = softness * (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt();
    let certainty = |distance: f64| 1.0 / (1.0 + (-distance / unit).exp());
    task.data
        .iter()
        .map(|e| match e.distance.filter(|_| unit > 0.0) {
            Some(distance) => Aim { class: e.class, certainty: certainty(distance) },
            None => Aim::sure(e.class),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::fit::Example;

    #[test]
    fn rows_close_to_the_limit_are_unsure() {
        let row = |distance| Example { id: String::new(), data: vec![], class: 1, distance };
        let data = [Some(3.0), Some(4.0), Some(0.0), None].map(row);
        let task = Task {
            data: &data,
            extent: [0; 3],
            classes: 2,
            fitting: &[0, 1],
            validation: &[2, 3],
            purpose: "t",
        };
        // The root mean square of 3 and 4 is √12.5; rows outside the fitting part do not count.
        let want = |d: f64| 1.0 / (1.0 + (-d / (0.5 * 12.5f64.sqrt())).exp());
        let got: Vec<f64> = aims(&task, 0.5).iter().map(|a| a.certainty).collect();
        for (got, want) in got.iter().zip([want(3.0), want(4.0), 0.5, 1.0]) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        let sharp: Vec<Aim> = data.iter().map(|e| Aim::sure(e.class)).collect();
        assert_eq!(aims(&task, 0.0), sharp);
    }
}
