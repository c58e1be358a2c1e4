//! Images that must be read, whatever order, type or container they are stored in.

use heatproof::image::nifti::{inspect, read_labels, read_values, read_volume, write_volume};
use heatproof::image::reorient::reorient;
use heatproof::image::resample::resample;
use heatproof::image::{Grid, Volume};

use super::support::{gzip, header, marked, set, shared, sum};

#[test]
fn made_cases_are_read_or_refused_as_their_list_says() {
    let Some(folder) = shared("data/nifti/made_cases") else { return };
    let text = std::fs::read(folder.join("cases.json")).expect("cases.json");
    let json: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let cases = json["cases"].as_object().expect("cases");
    assert!(cases.len() >= 56);
    for (name, case) in cases {
        let path = folder.join(name);
        let read = read_volume(&path);
        let described = inspect(&path);
        match (case["expect"].as_str().expect("expect"), read) {
            ("read" | "either", Ok(loaded)) => {
                let seen = described.expect("described");
                assert_eq!(seen.refusal, None, "{name}");
                check_case(name, case, &loaded.image, &seen);
            }
            ("refuse" | "either", Err(error)) => {
                assert!(error.code().starts_with("E-IMAGE-"), "{name}: {error}");
                let refused = described.map_or_else(|e| Some(e.to_string()), |d| d.refusal);
                assert_eq!(refused, Some(error.to_string()), "{name}");
            }
            (expected, Ok(_)) => panic!("{name}: expected {expected}, was read"),
            (expected, Err(error)) => panic!("{name}: expected {expected}: {error}"),
        }
    }
}

fn check_case(
    name: &str,
    case: &serde_json::Value,
    image: &Volume,
    seen: &heatproof::image::nifti::Inspection,
) {
    if let Some(shape) = case["shape"].as_array() {
        let shape: Vec<usize> =
            shape.iter().map(|v| v.as_u64().expect("extent") as usize).collect();
        assert_eq!(image.grid().shape().to_vec(), shape, "{name}");
        assert_eq!(seen.shape, shape, "{name}");
    }
    if let Some(want) = case["sum"].as_f64() {
        assert_eq!(sum(image), want, "{name}");
        assert_eq!(seen.sum, Some(want), "{name}");
    }
    if let Some(want) = case["n_nan"].as_u64() {
        let seen = seen.nonfinite.expect("counted");
        assert!(seen > 0 && seen <= want, "{name}: {seen} of at most {want}");
    }
    for (r, row) in case["affine"].as_array().into_iter().flatten().take(3).enumerate() {
        for (c, v) in row.as_array().expect("row").iter().enumerate() {
            let gap = (image.grid().affine()[r][c] - v.as_f64().expect("number")).abs();
            assert!(gap < 1e-4, "{name}: affine [{r}][{c}] off by {gap}");
        }
    }
    if let Some(axes) = case["nibabel"].as_str().and_then(|n| n.strip_prefix("loads "))
        && case["affine"].is_array()
    {
        assert!(axes.ends_with(&seen.axes), "{name}: {axes} {}", seen.axes);
    }
}

#[test]
fn doubtful_cases_are_read_with_a_warning() {
    let Some(folder) = shared("data/nifti/made_cases") else { return };
    for (name, word) in [
        ("qform_sform_conflict_leftright.nii.gz", "contradict"),
        ("no_orientation.nii.gz", "left and right"),
        ("negative_pixdim.nii.gz", "absolute"),
        ("some_nan.nii.gz", "NaN"),
        ("some_inf.nii.gz", "NaN or infinite"),
    ] {
        let loaded = read_volume(&folder.join(name)).expect(name);
        assert!(loaded.warnings.iter().any(|w| w.contains(word)), "{name}: {:?}", loaded.warnings);
        assert!(loaded.image.data().iter().all(|v| v.is_finite()), "{name}");
    }
    let clean = read_volume(&folder.join("ref_int16.nii.gz")).expect("reference");
    assert_eq!(clean.warnings, Vec::<String>::new());
    let metres = read_volume(&folder.join("units_metre.nii.gz")).expect("metres");
    assert!(metres.image.grid().matches(clean.image.grid(), 1e-2));
}

#[test]
fn files_of_other_projects_are_read_or_refused_as_known() {
    let Some(folder) = shared("data/nifti") else { return };
    let text = std::fs::read_to_string(folder.join("../manifest.csv")).expect("manifest");
    let mut read = 0;
    for row in csv::Reader::from_reader(text.as_bytes()).into_records() {
        let row = row.expect("row");
        let known = ["nifti/nibabel/", "nifti/nifti-rs/", "nifti/orientations/"];
        if !known.iter().any(|k| row[0].starts_with(k)) || row[0].ends_with(".img") {
            continue;
        }
        let path = folder.join("..").join(&row[0]);
        let want = row
            .iter()
            .find(|c| c.contains('x') && c.split('x').all(|n| n.parse::<usize>().is_ok()));
        match (inspect(&path), want) {
            (Ok(seen), Some(want)) if !seen.datatype.starts_with("rgb") => {
                let shape: Vec<String> = seen.shape.iter().map(usize::to_string).collect();
                assert!(want.trim_end_matches("x1").starts_with(&shape.join("x")), "{}", &row[0]);
                read += usize::from(seen.refusal.is_none());
                if shape.len() == 3 && seen.axes != "???" {
                    assert!(row.iter().any(|c| c == seen.axes), "{}: {}", &row[0], seen.axes);
                }
            }
            (Ok(_), _) => {}
            (Err(error), _) => {
                assert!(error.code().starts_with("E-IMAGE-"), "{}: {error}", &row[0]);
            }
        }
    }
    assert!(read >= 25, "only {read} files could be used");
    for kind in [
        "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32",
        "float64",
    ] {
        let path = folder.join(format!("nifti-rs/27_{kind}.nii"));
        let seen = inspect(&path).expect("described");
        assert_eq!(seen.datatype, kind);
        let first = inspect(&folder.join("nifti-rs/27_float64.nii")).expect("described");
        assert_eq!((seen.sum, seen.min, seen.max), (first.sum, first.min, first.max), "{kind}");
    }
}

#[test]
fn eight_stored_orders_are_one_image() {
    let Some(folder) = shared("data/nifti/orientations") else { return };
    let read = |axes: &str| {
        let loaded = read_volume(&folder.join(format!("{axes}.nii.gz"))).expect(axes);
        assert_eq!(loaded.image.grid().axes(), axes);
        loaded.image
    };
    let reference = read("RAS");
    for axes in ["AIL", "IPR", "LAS", "LPS", "PSR", "RPI", "SLP"] {
        let canonical = reorient(&read(axes)).expect("reorient");
        assert!(canonical.grid().matches(reference.grid(), 0.01), "{axes}");
        assert_eq!(canonical.data(), reference.data(), "{axes}");
    }
}

/// The same voxels stored in another axis order.
pub fn stored(ras: &Volume, order: [usize; 3], flip: [bool; 3]) -> Volume {
    let (shape, m) = (ras.grid().shape(), ras.grid().affine());
    let new_shape = order.map(|w| shape[w]);
    let mut affine = [[0.0; 4]; 3];
    for r in 0..3 {
        affine[r][3] = m[r][3];
        for v in 0..3 {
            let column = m[r][order[v]];
            affine[r][v] = if flip[v] { -column } else { column };
            affine[r][3] += if flip[v] { column * (new_shape[v] as f64 - 1.0) } else { 0.0 };
        }
    }
    let grid = Grid::new(new_shape, affine).expect("grid");
    let mut data = vec![0.0; grid.len()];
    for k in 0..new_shape[2] {
        for j in 0..new_shape[1] {
            for i in 0..new_shape[0] {
                let mut w = [0; 3];
                for (v, at) in [i, j, k].into_iter().enumerate() {
                    w[order[v]] = if flip[v] { new_shape[v] - 1 - at } else { at };
                }
                data[grid.index(i, j, k)] = ras.at(w[0], w[1], w[2]);
            }
        }
    }
    Volume::new(grid, data).expect("volume")
}

#[test]
fn all_48_axis_orders_are_read_back_as_the_same_image() {
    let folder = tempfile::tempdir().expect("temp folder");
    let reference = marked();
    let mut names = std::collections::BTreeSet::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for bits in 0..8 {
            let image = stored(&reference, order, [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0]);
            let path = folder.path().join(format!("{}.nii.gz", image.grid().axes()));
            names.insert(image.grid().axes());
            write_volume(&path, &image, None, "marked").expect("write");
            let loaded = read_volume(&path).expect("read");
            assert_eq!(loaded.warnings, Vec::<String>::new());
            assert_eq!(loaded.image, image);
            assert!(loaded.header.qform_code > 0 && loaded.header.sform_code > 0);
            assert_eq!(reorient(&loaded.image).expect("reorient"), reference);
            assert_eq!(resample(&loaded.image, reference.grid(), 0.0).expect("ok"), reference);
        }
    }
    assert_eq!(names.len(), 48);
}

#[test]
fn every_voxel_type_and_byte_order_gives_the_same_values() {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("x.nii");
    let values = [0u8, 1, 2, 3, 100, 127, 9, 8];
    macro_rules! check {
        ($($type:ty, $code:expr);*) => {$(
            for big in [false, true] {
                let size = size_of::<$type>();
                let mut bytes = header([2, 2, 2], $code, 8 * size as i16);
                if big {
                    swap_header(&mut bytes);
                }
                for v in values {
                    let word = <$type>::from(v as i8 as $type);
                    bytes.extend(if big { word.to_be_bytes() } else { word.to_le_bytes() });
                }
                std::fs::write(&path, &bytes).expect("write");
                let loaded = read_values(&path).expect("read");
                assert_eq!(loaded.image.data(), values.map(f32::from), "{}", stringify!($type));
                assert_eq!(loaded.header.datatype_code, $code);
                let labels = read_labels(&path).expect("labels").image;
                assert_eq!(labels.data(), values.map(i32::from));
            }
        )*};
    }
    check!(u8, 2; i8, 256; u16, 512; i16, 4; u32, 768; i32, 8; u64, 1280; i64, 1024; f32, 16; f64, 64);
}

/// Turns the fields that `header` sets to big-endian.
fn swap_header(bytes: &mut [u8]) {
    bytes[..4].reverse();
    (40..76).step_by(2).for_each(|a| bytes[a..a + 2].reverse());
    (76..120).step_by(4).for_each(|a| bytes[a..a + 4].reverse());
    (252..256).step_by(2).for_each(|a| bytes[a..a + 2].reverse());
    (256..328).step_by(4).for_each(|a| bytes[a..a + 4].reverse());
}

#[test]
fn pairs_are_found_from_either_file_compressed_or_not() {
    let folder = tempfile::tempdir().expect("temp folder");
    let mut head = header([2, 2, 2], 2, 8);
    head.truncate(348);
    set(&mut head, 108, &0f32.to_le_bytes());
    set(&mut head, 344, b"ni1\0");
    let voxels = [0u8, 1, 2, 3, 4, 5, 6, 7];
    for (name, gz) in [("a", false), ("b", true)] {
        let at = |e: &str| folder.path().join(format!("{name}.{e}{}", if gz { ".gz" } else { "" }));
        let bytes = |b: &[u8]| if gz { gzip(b) } else { b.to_vec() };
        std::fs::write(at("hdr"), bytes(&head)).expect("write");
        let alone = read_volume(&at("hdr")).expect_err("no .img");
        assert_eq!(alone.code(), "E-IMAGE-003");
        std::fs::write(at("img"), bytes(&voxels)).expect("write");
        for file in ["hdr", "img"] {
            assert_eq!(read_volume(&at(file)).expect(file).image.at(1, 1, 1), 7.0);
        }
    }
}
