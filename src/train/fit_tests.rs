use super::*;
use crate::compute::Precision;
use crate::progress::Silent;
use crate::seed::Stream;
use crate::train::augment::Augmentation;
use crate::train::network::Loss;

/// Logits = weight · x, and a running mean as a statistic.
#[derive(Debug)]
struct Linear {
    weight: Array,
    mean: Array,
}

impl Linear {
    fn new(voxels: usize) -> Self {
        Self { weight: Array::zeros::<f32>(&[2, voxels]), mean: Array::zeros::<f32>(&[1]) }
    }
}

impl Network for Linear {
    fn parameters(&self) -> Vec<(String, &Array)> {
        vec![("weight".into(), &self.weight)]
    }
    fn parameters_mut(&mut self) -> Vec<(String, &mut Array)> {
        vec![("weight".into(), &mut self.weight)]
    }
    fn state(&self) -> Vec<(String, &Array)> {
        vec![("weight".into(), &self.weight), ("mean".into(), &self.mean)]
    }
    fn with_state(&self, mut state: BTreeMap<String, Array>) -> Result<Self> {
        let mut take = |n: &str| state.remove(n).ok_or_else(|| Error::internal(n));
        Ok(Self { weight: take("weight")?, mean: take("mean")? })
    }
    fn forward(&self, x: &Array, _: &mut Workspace) -> Result<Array> {
        let (x, w) = (x.host::<f32>()?, self.weight.host::<f32>()?);
        let width = w.len() / 2;
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let rows = x.chunks_exact(width);
        let out: Vec<f32> =
            rows.flat_map(|row| [dot(row, &w[..width]), dot(row, &w[width..])]).collect();
        let n = out.len() / 2;
        Array::from_vec(out, &[n, 2])
    }
    fn train_step(
        &mut self,
        x: &Array,
        loss: &mut Loss,
        (dropout, _): (&mut Stream, Precision),
        ws: &mut Workspace,
    ) -> Result<(f64, Vec<Array>)> {
        let (value, slope) = loss(&self.forward(x, ws)?)?;
        self.mean.host_mut::<f32>()?[0] += dropout.normal() as f32;
        let (x, slope) = (x.host::<f32>()?, slope.host::<f32>()?);
        let width = self.weight.len() / 2;
        let mut g = vec![0.0f32; 2 * width];
        for (row, s) in x.chunks_exact(width).zip(slope.chunks_exact(2)) {
            for (c, s) in s.iter().enumerate() {
                row.iter().enumerate().for_each(|(v, x)| g[c * width + v] += s * x);
            }
        }
        Ok((value, vec![Array::from_vec(g, &[2, width])?]))
    }
}

const EXTENT: [usize; 3] = [3, 4, 2];

fn data(n: usize) -> Vec<Example> {
    let mut s = Seed(5).stream("fit-test");
    (0..n)
        .map(|at| {
            let class = usize::from(at % 3 == 0);
            let mut data: Vec<f32> = (0..24).map(|_| 0.5 * s.normal() as f32).collect();
            data[7] += class as f32 * 2.0 - 1.0;
            Example { id: format!("s{at}"), data, class, distance: None }
        })
        .collect()
}

fn settings() -> Settings {
    Settings {
        epochs: 12,
        min_epochs: 4,
        patience: 6,
        batch: 4,
        lr: 0.05,
        // The grid is 2 × 4 × 3 voxels and the signal one of them: no shifts.
        augment: Augmentation { shift: 0, ..Augmentation::default() },
        ..Settings::default()
    }
}

fn run(epochs_before_stop: Option<usize>, path: Option<&Path>) -> Fitted<Linear> {
    let data = data(30);
    let (fitting, validation): (Vec<usize>, Vec<usize>) = (0..30).partition(|r| r % 5 != 0);
    let task = Task {
        data: &data,
        extent: EXTENT,
        classes: 2,
        fitting: &fitting,
        validation: &validation,
        purpose: "fold-0",
    };
    if let (Some(epochs), Some(path)) = (epochs_before_stop, path) {
        let key = key("linear", &task, &settings()).expect("key");
        let mut cut = Run::new(Linear::new(24), key, &task, &settings()).expect("run");
        for _ in 0..epochs {
            cut.epoch(&task, &settings()).expect("epoch");
        }
        cut.save(path).expect("save");
    }
    fit_network(Linear::new(24), "linear", &task, &settings(), path, &Silent).expect("fit")
}

fn bits(f: &Fitted<Linear>) -> Vec<u32> {
    let all = f.graph.state().into_iter();
    all.flat_map(|(_, a)| a.host::<f32>().expect("f32").iter().map(|v| v.to_bits())).collect()
}

#[test]
fn it_learns_and_a_resumed_fit_ends_at_the_same_bytes() {
    let whole = run(None, None);
    let first = whole.curves[0].validation.expect("loss");
    let last = whole.curves[whole.best_epoch].validation.expect("loss");
    assert!(last < 0.7 * first, "{first} {last} {:?}", whole.curves);
    for stop in [1, 3, 7] {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("c.safetensors");
        let resumed = run(Some(stop), Some(&path));
        assert_eq!((bits(&resumed), &resumed.curves), (bits(&whole), &whole.curves), "{stop}");
        let again = run(None, Some(&path));
        assert_eq!((bits(&again), again.best_epoch), (bits(&whole), whole.best_epoch));
    }
}

#[test]
fn threads_and_foreign_checkpoints_change_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("c.safetensors");
    checkpoint::save(&path, &Marks { key: "other".into(), ..Marks::default() }, &[]).expect("save");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("pool");
    let other = pool.install(|| run(None, Some(&path)));
    assert_eq!(bits(&other), bits(&run(None, None)));
    std::fs::write(&path, b"damaged").expect("write");
    assert_eq!(bits(&run(None, Some(&path))), bits(&other));
}

#[test]
fn batches_hold_every_row_once_and_both_classes() {
    let data = data(31);
    let fitting: Vec<usize> = (0..31).collect();
    let task = Task {
        data: &data,
        extent: EXTENT,
        classes: 2,
        fitting: &fitting,
        validation: &[],
        purpose: "t",
    };
    let b = batches(&task, &Settings { batch: 8, ..settings() }, 0);
    let mut all = b.concat();
    all.sort_unstable();
    assert_eq!(all, fitting);
    assert!(b.iter().all(|rows| (7..=8).contains(&rows.len())));
    let has = |rows: &Vec<usize>, c| rows.iter().any(|r| data[*r].class == c);
    assert!(b.iter().all(|rows| has(rows, 0) && has(rows, 1)));
    assert_ne!(b, batches(&task, &Settings { batch: 8, ..settings() }, 1));
}
