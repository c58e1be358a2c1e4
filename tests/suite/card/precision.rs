//! Precisions below f32: a card's and a training's, and no map's.

use super::run;

/// Reduced precision is a card's and a training's: elsewhere it is a wrong use, said before any work.
#[test]
fn a_precision_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let table = "participant_id,image,group\na,a.nii,a\nb,b.nii,b\n";
    std::fs::write(folder.path().join("t.csv"), table).expect("written");
    std::fs::write(folder.path().join("s.toml"), "precision = \"tf32\"\n").expect("written");
    let train = "train t.csv out --target group=a --device cpu";
    for (more, code) in [
        ("--precision tf32", "E-DEVICE-006"),
        ("--settings s.toml", "E-DEVICE-006"),
        ("--precision bf16", "E-DEVICE-006"),
        ("--precision half", "E-DEVICE-007"),
    ] {
        let (exit, _, errors) = run(folder.path(), &format!("{train} {more}"));
        assert_eq!(exit, 2, "{errors}");
        assert!(errors.contains(code), "{more}: {errors}");
        assert!(errors.contains("f32"), "{more}: {errors}");
    }
    let (_, _, errors) = run(folder.path(), "audit m t.csv out --precision tf32");
    assert!(errors.contains("--precision"), "{errors}");
    assert!(!folder.path().join("out").exists());
}

#[cfg(feature = "cudnn")]
mod with_cudnn {
    use heatproof::compute::{Array, Precision, Workspace, device};
    use heatproof::explain::{Composite, Start, explain};
    use heatproof::model::{ArchitectureSpec, build};
    use heatproof::progress::Silent;
    use heatproof::seed::Seed;
    use heatproof::train::fit::{Example, Task, fit};
    use heatproof::train::settings::Settings;

    use super::super::super::nets::{gap, random};
    use super::super::super::spine::{good, json};
    use super::super::with_cuda::{carded, weights};

    /// Channels enough that tensor cores pay: convolutions of fewer are made in f32.
    fn wide(extent: [usize; 3]) -> ArchitectureSpec {
        let spec = ArchitectureSpec::named("compact", extent, 2).expect("spec");
        ArchitectureSpec { channels: vec![8, 32, 32], ..spec }
    }

    /// The precision of a training belongs to its passes: it changes their gradients, and no map
    /// made meanwhile or afterwards.
    #[test]
    fn a_trainings_precision_reaches_its_gradients_and_no_map() {
        if !device::on_card().expect("device") {
            eprintln!("skipped: HEATPROOF_DEVICE chooses no card");
            return;
        }
        let spec = wide([13, 12, 14]);
        let made = build(&spec, Seed(6)).expect("network");
        let x = random(&mut Seed(6).stream("x"), &[2, 1, 13, 12, 14], false);
        let step = |precision: Precision| -> Vec<f64> {
            let mut graph = made.duplicate().expect("copy");
            let mut loss = |z: &Array| {
                let slope = random(&mut Seed(6).stream("slope"), z.shape(), false);
                Ok((0.0, slope))
            };
            let (dropout, ws) = (&mut Seed(6).stream("dropout"), &mut Workspace::new());
            let x = x.duplicate().expect("copy").at_work().expect("card");
            let done = graph.train_step_in(precision, &x, &mut loss, dropout, ws).expect("step");
            done.1.iter().flat_map(|g| g.to_f64().expect("numbers")).collect()
        };
        let map = || -> Vec<f64> {
            let composite = Composite::named("epsilon_plus").expect("rule");
            let ws = &mut Workspace::new();
            let (graph, _) = composite.canonical(&made, &x, ws).expect("canonical");
            let found = explain(&graph, &x, &composite, Start::Class(0), ws).expect("explained");
            found.relevance.to_f64().expect("numbers")
        };
        let before = (step(Precision::F32), map());
        for (precision, least) in [(Precision::Tf32, 1e-5), (Precision::Bf16, 1e-3)] {
            let apart = gap(&step(precision), &before.0);
            assert!((least..0.5).contains(&apart), "{precision}: {apart:e}");
            assert_eq!(step(precision), step(precision));
            let meanwhile = std::thread::scope(|threads| {
                let training = threads.spawn(|| (0..3).for_each(|_| drop(step(precision))));
                let maps: Vec<Vec<f64>> = (0..3).map(|_| map()).collect();
                training.join().expect("trained");
                maps
            });
            assert!(meanwhile.iter().all(|map| *map == before.1), "{precision}");
        }
        assert_eq!((step(Precision::F32), map()), before);
    }

    /// Ends near the weights of f32, at the same bytes twice.
    #[test]
    fn a_training_in_bf16_ends_near_that_of_f32_and_repeats_itself() {
        if !device::on_card().expect("device") {
            eprintln!("skipped: HEATPROOF_DEVICE chooses no card");
            return;
        }
        let (extent, mut stream) = ([12, 13, 12], Seed(7).stream("images"));
        let image = |n: usize| {
            let data = (0..12 * 13 * 12).map(|_| stream.normal() as f32 + (n % 2) as f32).collect();
            Example { id: format!("image-{n}"), data, class: n % 2, distance: None }
        };
        let data: Vec<Example> = (0..6).map(image).collect();
        let fitting: Vec<usize> = (0..data.len()).collect();
        let trained = |precision: Precision| -> Vec<Vec<f64>> {
            let (data, fitting, validation) = (&data[..], &fitting[..], &[][..]);
            let task = Task { data, extent, classes: 2, fitting, validation, purpose: "precision" };
            let settings =
                Settings { epochs: 2, warmup_epochs: 1, precision, ..Settings::default() };
            let fitted = fit(&wide(extent), &task, &settings, None, &Silent).expect("fitted");
            let all = fitted.graph.parameters();
            all.iter().map(|(_, array)| array.to_f64().expect("numbers")).collect()
        };
        let (full, short) = (trained(Precision::F32), trained(Precision::Bf16));
        assert_eq!(short, trained(Precision::Bf16));
        let gaps: Vec<f64> = full.iter().zip(&short).map(|(a, b)| gap(b, a)).collect();
        let most = gaps.iter().copied().fold(0.0, f64::max);
        // AdamW takes first steps of one length, whatever the gradient: where it is near 0 they part.
        assert!((1e-3..0.3).contains(&most), "{gaps:?}");
    }

    /// The command says what it was, and repeats itself.
    #[test]
    fn a_record_names_the_precision() {
        let temporary = tempfile::tempdir().expect("folder");
        let folder = temporary.path();
        if !carded(folder) {
            return;
        }
        let _ = good(folder, "phantom data --subjects 8 --arm volume --shape 20 --spacing 6.5");
        let fit = "--target group=preterm --folds 2 --spacing 10 --epochs 1 --device cuda";
        for model in ["short", "again"] {
            let _ = good(folder, &format!("train data {model} {fit} --precision bf16"));
        }
        let [short, again] = ["short", "again"].map(|m| weights(&folder.join(m)));
        assert!(std::fs::read(&short).ok() == std::fs::read(&again).ok());
        let settings = json(&short.with_file_name("settings.json"));
        assert_eq!(settings["precision"], "bf16");
    }
}
