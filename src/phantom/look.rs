//! Mosaics for the eye, made by ignored tests only:
//! `HEATPROOF_LOOK=<folder> cargo test --lib phantom::look -- --ignored`.

use std::path::{Path, PathBuf};

use crate::image::Volume;

/// Where pictures go, if anybody wants them.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os("HEATPROOF_LOOK").map(PathBuf::from)
}

/// Slices of each volume in a row: `n` axial, coronal and sagittal ones, `zoom` pixels a
/// voxel, anterior up or to the right, scaled to the 99.5th percentile.
pub(crate) fn mosaic(path: &Path, volumes: &[&Volume], n: usize, zoom: usize) {
    let cell = volumes.iter().flat_map(|v| v.grid().shape()).max().expect("a volume") * zoom;
    let (width, height) = (cell * n, cell * 3 * volumes.len());
    let mut pixels = vec![0u8; width * height];
    for (row, volume) in volumes.iter().enumerate() {
        let mut sorted: Vec<f32> = volume.data().iter().copied().filter(|v| *v > 0.0).collect();
        sorted.sort_by(f32::total_cmp);
        let top = sorted.get(sorted.len() * 995 / 1000).copied().unwrap_or(1.0);
        let s = volume.grid().shape();
        for plane in 0..3 {
            let (along, a, b) = [(2, 0, 1), (1, 0, 2), (0, 1, 2)][plane];
            for c in 0..n {
                let cut = s[along] * (c + 2) / (n + 3);
                for v in 0..s[b] * zoom {
                    for u in 0..s[a] * zoom {
                        let mut at = [0; 3];
                        at[along] = cut;
                        at[a] = u / zoom;
                        at[b] = s[b] - 1 - v / zoom;
                        let value = volume.at(at[0], at[1], at[2]) / top * 255.0;
                        let y = (row * 3 + plane) * cell + v;
                        pixels[y * width + c * cell + u] = value.clamp(0.0, 255.0) as u8;
                    }
                }
            }
        }
    }
    let file = std::fs::File::create(path).expect("picture file");
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("header");
    writer.write_image_data(&pixels).expect("pixels");
}

#[test]
#[ignore = "makes pictures for the eye"]
fn a_real_template() {
    let (Some(out), Some(file)) = (folder(), std::env::var_os("HEATPROOF_T2W")) else { return };
    let real = crate::image::nifti::read_volume(Path::new(&file)).expect("readable").image;
    mosaic(&out.join("real.png"), &[&real], 7, 2);
}

#[test]
#[ignore = "makes pictures for the eye"]
fn the_bare_head() {
    use super::*;
    let Some(out) = folder() else { return };
    for (name, n, mm, zoom) in [("fine", 96, 1.3, 2), ("coarse", 48, 2.7, 4)] {
        let grid = crate::image::Grid::centred([n; 3], [mm; 3]).expect("grid");
        let anatomy = anatomy::Anatomy {
            traits: Default::default(),
            bright_white: 0.0,
            folds: std::sync::Arc::new([folds::Folds::new(1), folds::Folds::new(2)]),
            patches: noise::Noise::new(3),
        };
        let placement = placement::Placement {
            scale: 1.0,
            turn: [0.0; 3],
            shift: [0.0; 3],
            warp_mm: 3.0,
            warp: [4, 5, 6].map(noise::Noise::new),
        };
        let start = std::time::Instant::now();
        let scene = render::render(&grid, &placement, &anatomy, noise::Noise::new(7)).expect("ok");
        eprintln!("{name}: {:?}", start.elapsed());
        for region in regions::regions() {
            let count = scene.labels.data().iter().filter(|v| **v == region.index).count();
            eprintln!("{:28} {:.1} ml", region.name, count as f64 * grid.voxel_mm3() / 1000.0);
        }
        eprintln!("all {:.1}", scene.brain.count() as f64 * grid.voxel_mm3() / 1000.0);
        mosaic(&out.join(format!("{name}.png")), &[&scene.light], 7, zoom);
        mosaic(&out.join(format!("{name}_few.png")), &[&scene.light], 4, zoom * 2);
    }
}

/// Truth as a picture.
fn white(mask: &crate::image::Mask) -> Volume {
    let data = mask.data().iter().map(|v| if *v { 1.0 } else { 0.0 }).collect();
    Volume::new(mask.grid().clone(), data).expect("same grid")
}

#[test]
#[ignore = "makes pictures for the eye"]
fn subjects_of_every_arm() {
    use super::*;
    let Some(out) = folder() else { return };
    let start = std::time::Instant::now();
    for arm in Arm::ALL {
        let settings = Settings { arm, ..Settings::default() };
        let find = |g| (0..).find(|i| super::latents::group(&settings, *i) == g).expect("one");
        let pick = [find(Group::Preterm), find(Group::Term)];
        let two = pick.map(|i| subject(&settings, i).expect("made"));
        let truths = [white(&two[0].truth), white(&two[1].truth)];
        let rows: Vec<&Volume> = vec![&two[0].image, &truths[0], &two[1].image];
        mosaic(&out.join(format!("arm_{}.png", arm.id())), &rows, 7, 4);
    }
    eprintln!("14 subjects {} ms", start.elapsed().as_millis());
}

#[test]
#[ignore = "makes pictures for the eye"]
fn subjects_of_a_template() {
    use super::*;
    let paths = ["HEATPROOF_T2W", "HEATPROOF_LABELS", "HEATPROOF_REGIONS"].map(std::env::var_os);
    let (Some(out), [Some(a), Some(b), Some(c)]) = (folder(), paths) else { return };
    let template = Template::read(Path::new(&a), Path::new(&b), Path::new(&c)).expect("read");
    let source = Source::Template(std::sync::Arc::new(template));
    let settings =
        Settings { source, shape: [96; 3], spacing_mm: [1.35; 3], ..Settings::default() };
    let start = std::time::Instant::now();
    let index = (0..).find(|i| super::latents::group(&settings, *i) == Group::Preterm);
    let s = subject(&settings, index.expect("one")).expect("made");
    eprintln!("template subject {} ms {:?}", start.elapsed().as_millis(), s.effects);
    let twin = s.counterfactual.clone().expect("preterm");
    mosaic(&out.join("template.png"), &[&s.image, &twin, &white(&s.truth)], 7, 2);
}

#[test]
#[ignore = "measures speed and writes a cohort for a validator"]
fn a_whole_cohort() {
    let Some(out) = folder() else { return };
    let settings = super::Settings::default();
    let start = std::time::Instant::now();
    for index in 0..settings.subjects {
        std::hint::black_box(super::subject(&settings, index).expect("made"));
    }
    eprintln!("48 subjects with twins, one core: {} ms", start.elapsed().as_millis());
    let start = std::time::Instant::now();
    let settings = super::Settings { subjects: 6, arm: super::Arm::Decoy, ..settings };
    super::write_bids(&settings, &out.join("bids"), &crate::progress::Silent).expect("written");
    eprintln!("6 written in {} ms", start.elapsed().as_millis());
}

#[test]
#[ignore = "prints how much of the brain each arm's truth covers"]
fn share_of_truth() {
    for arm in super::Arm::ALL {
        let settings = super::Settings { arm, subjects: 12, ..Default::default() };
        let share = |i| {
            let s = super::subject(&settings, i).expect("made");
            let other = s.distractor.as_ref().map_or(0, crate::image::Mask::count);
            (s.truth.count() as f64 / s.brain.count() as f64, other as f64)
        };
        let all: Vec<_> = (0..12).map(share).collect();
        let truth = all.iter().map(|v| v.0).sum::<f64>() / 12.0;
        let other = all.iter().map(|v| v.1).sum::<f64>() / 12.0;
        eprintln!("{:10} truth {truth:.3} of the brain, distractor {other:.0} voxels", arm.id());
    }
}
