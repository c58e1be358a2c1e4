//! What is written is read back: values, places, transforms, bytes.

use std::path::Path;

use heatproof::image::crop::{coverage, model_grid};
use heatproof::image::nifti::{
    Written, read_labels, read_mask, read_values, read_volume, write, write_labels, write_mask,
    write_volume,
};
use heatproof::image::normalise::{Options, normalise};
use heatproof::image::resample::{resample, resample_back, resample_mask};
use heatproof::image::{Grid, Labels, Mask, Volume};
use proptest::prelude::*;

use super::support::{marked, set, shared, sum};

#[test]
fn labels_and_masks_keep_their_values_and_bytes_are_stable() {
    let folder = tempfile::tempdir().expect("temp folder");
    let grid = marked().grid().clone();
    let path = folder.path().join("model_v1.2.nii.gz");
    for big in [0, 70_000] {
        let data = (0..grid.len()).map(|v| v as i32 * 3 - 100 - big).collect();
        let labels = Labels::new(grid.clone(), data).expect("labels");
        write_labels(&path, &labels, None, "labels").expect("write");
        let first = std::fs::read(&path).expect("bytes");
        assert_eq!(read_labels(&path).expect("read").image, labels);
        write_labels(&path, &labels, None, "labels").expect("write");
        assert_eq!(std::fs::read(&path).expect("bytes"), first);
    }
    let mask = Mask::new(grid.clone(), (0..grid.len()).map(|v| v % 3 == 0).collect()).expect("m");
    write_mask(&path, &mask, None, "mask").expect("write");
    assert_eq!(read_mask(&path).expect("read").image, mask);
    let half = Volume::new(grid, vec![0.5; 315]).expect("volume");
    write(&path, Written::Volume(&half), None, "", 1).expect("write");
    assert_eq!(read_labels(&path).expect_err("halves").code(), "E-IMAGE-016");
    let error = write_volume(&folder.path().join("x.png"), &half, None, "").expect_err("name");
    assert_eq!(error.code(), "E-IMAGE-017");
}

#[test]
fn a_map_keeps_the_transform_of_its_input_bit_for_bit() {
    let folder = tempfile::tempdir().expect("temp folder");
    let Some(cases) = shared("data/nifti/made_cases") else { return };
    for name in ["ref_int16.nii.gz", "oblique.nii.gz", "sform_only.nii.gz", "qform_only.nii.gz"] {
        let input = read_volume(&cases.join(name)).expect(name);
        let path = folder.path().join(name);
        write_volume(&path, &input.image, Some(&input.header), "map").expect("write");
        let map = read_volume(&path).expect("read");
        let srow = 280..328;
        if input.header.sform_code > 0 {
            assert_eq!(map.header.raw[srow.clone()], input.header.raw[srow], "{name}");
            assert_eq!(map.header.sform_code, input.header.sform_code);
            assert_eq!(map.image.grid(), input.image.grid());
        }
        if input.header.qform_code > 0 {
            assert_eq!(map.header.raw[256..280], input.header.raw[256..280], "{name}");
        }
        assert!(map.header.qform_code > 0 && map.header.sform_code > 0, "{name}");
        assert!(map.image.grid().matches(input.image.grid(), 1e-4), "{name}");
        assert_eq!(map.warnings, Vec::<String>::new(), "{name}");
        let error = write_volume(&path, &marked(), Some(&input.header), "").expect_err("grid");
        assert_eq!(error.code(), "E-IMAGE-017");
    }
}

#[test]
fn a_marker_stays_in_its_place_through_model_grid_and_back() {
    // Stored left-handed and in another axis order, 0.9 x 1 x 1.2 mm.
    let grid = Grid::new(
        [30, 25, 33],
        [[0.0, -1.0, 0.0, 12.0], [0.0, 0.0, 0.9, -15.0], [1.2, 0.0, 0.0, -20.0]],
    )
    .expect("grid");
    let mut image = Volume::new(grid.clone(), vec![0.0; grid.len()]).expect("volume");
    let marker = [11, 17, 9];
    image.data_mut()[grid.index(marker[0], marker[1], marker[2])] = 100.0;
    let mask = Mask::new(grid.clone(), vec![true; grid.len()]).expect("mask");
    let model = model_grid(&mask, [32, 32, 40], 1.5).expect("grid");
    let seen = resample(&image, &model, 0.0).expect("to the model");
    let back = resample_back(&seen, &grid).expect("back");
    let peak = |v: &Volume| {
        let at = (0..v.data().len()).max_by(|&a, &b| v.data()[a].total_cmp(&v.data()[b]));
        let (at, [ni, nj, _]) = (at.expect("voxels"), v.grid().shape());
        v.grid().to_world([at % ni, at / ni % nj, at / (ni * nj)].map(|x| x as f64))
    };
    let world = grid.to_world(marker.map(|v| v as f64));
    for found in [peak(&seen), peak(&back)] {
        assert!((0..3).all(|a| (found[a] - world[a]).abs() <= 1.3), "{found:?} {world:?}");
    }
    assert_eq!(back.grid(), &grid);
}

#[test]
fn real_heads_and_their_labels_share_a_grid() {
    let Some(data) = shared("data") else { return };
    for (image, labels) in [
        ("fetal_cc0/GA28_operated_srr.nii.gz", "fetal_cc0/GA28_operated_parcellation.nii.gz"),
        ("ixi_adult/IXI013-HH-1212_T1brain.nii.gz", "ixi_adult/IXI013-HH-1212_muse.nii.gz"),
        ("neonate/paired_1mm/neonate_T2w.nii.gz", "neonate/paired_1mm/neonate_bounti43.nii.gz"),
    ] {
        let head = read_volume(&data.join(image)).expect(image).image;
        let labels = read_labels(&data.join(labels)).expect(labels).image;
        assert!(head.grid().matches(labels.grid(), 1e-2), "{image}");
        let mask =
            Mask::new(labels.grid().clone(), labels.data().iter().map(|&v| v != 0).collect())
                .expect("mask");
        let model = model_grid(&mask, [64, 64, 64], 3.0).expect("grid");
        assert_eq!(coverage(&mask, &model).expect("share"), 1.0, "{image}");
        let small = resample(&head, &model, 0.0).expect("resample");
        let small_mask = resample_mask(&mask, &model).expect("resample");
        let out = normalise(&small, &small_mask, &Options::default()).expect("normalise");
        assert!(out.volume.data().iter().all(|v| v.is_finite() && v.abs() < 20.0));
        // Averaging keeps the integral over space.
        let mm3 = |v: &Volume| sum(v) * v.grid().voxel_mm3();
        assert!((mm3(&small) / mm3(&head) - 1.0).abs() < 0.02, "{image}");
    }
}

#[test]
fn a_sheared_grid_has_no_qform() {
    let folder = tempfile::tempdir().expect("temp folder");
    let grid =
        Grid::new([4, 4, 4], [[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
            .expect("grid");
    let image = Volume::new(grid, (0..64).map(|v| v as f32).collect()).expect("volume");
    let path = folder.path().join("sheared.nii");
    write_volume(&path, &image, None, "").expect("write");
    let loaded = read_volume(&path).expect("read");
    assert_eq!((loaded.header.qform_code, loaded.header.sform_code), (0, 1));
    assert_eq!(loaded.image, image);
}

fn rotation(a: f64, b: f64, c: f64) -> [[f64; 3]; 3] {
    let (sa, ca, sb, cb, sc, cc) = (a.sin(), a.cos(), b.sin(), b.cos(), c.sin(), c.cos());
    [
        [ca * cb, ca * sb * sc - sa * cc, ca * sb * cc + sa * sc],
        [sa * cb, sa * sb * sc + ca * cc, sa * sb * cc - ca * sc],
        [-sb, cb * sc, cb * cc],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_rigid_grid_survives_writing_in_sform_and_qform(
        angles in [-3.2f64..3.2, -3.2..3.2, -3.2..3.2],
        edges in [0.3f64..4.0, 0.3..4.0, 0.3..4.0],
        offset in [-200.0f64..200.0, -200.0..200.0, -200.0..200.0],
        shape in [1usize..9, 1..9, 1..9],
        left in any::<bool>(),
        text in "[ -~é]{0,90}",
    ) {
        let r = rotation(angles[0], angles[1], angles[2]);
        let flip = if left { -1.0 } else { 1.0 };
        let affine: [[f64; 4]; 3] = std::array::from_fn(|i| {
            [flip * r[i][0] * edges[0], r[i][1] * edges[1], r[i][2] * edges[2], offset[i]]
        });
        let grid = Grid::new(shape, affine).expect("grid");
        let data = (0..grid.len()).map(|v| v as f32 - 0.1).collect();
        let image = Volume::new(grid.clone(), data).expect("volume");
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("x.nii");
        write_volume(&path, &image, None, &text).expect("write");
        let back = read_values(&path).expect("read");
        prop_assert_eq!(back.image.data(), image.data());
        prop_assert!(back.image.grid().matches(&grid, 1e-3));
        prop_assert!(!back.warnings.iter().any(|w| w.contains("qform")), "{:?}", back.warnings);
        prop_assert!(back.header.qform_code > 0);
        qform_alone(&path, &grid)?;
    }

    #[test]
    fn grids_invert(
        angles in [-3.2f64..3.2, -3.2..3.2, -3.2..3.2],
        voxel in [-50.0f64..50.0, -50.0..50.0, -50.0..50.0],
    ) {
        let r = rotation(angles[0], angles[1], angles[2]);
        let grid = Grid::new([3, 3, 3], r.map(|row| [row[0], 2.0 * row[1], -0.7 * row[2], 9.0]))
            .expect("grid");
        let back = grid.to_voxel(grid.to_world(voxel));
        prop_assert!((0..3).all(|a| (back[a] - voxel[a]).abs() < 1e-9));
    }
}

/// With the sform removed the qform must lead to the same place.
fn qform_alone(path: &Path, grid: &Grid) -> Result<(), TestCaseError> {
    let mut bytes = std::fs::read(path).expect("bytes");
    set(&mut bytes, 254, &0i16.to_le_bytes());
    std::fs::write(path, bytes).expect("write");
    let back = read_values(path).expect("read");
    let smallest = grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
    prop_assert!(back.image.grid().matches(grid, 0.05 * smallest));
    Ok(())
}
