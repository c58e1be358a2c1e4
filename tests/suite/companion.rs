//! An ONNX network explained on an image: the map is the one of the same numbers as tensors.

use assert_cmd::Command;
use heatproof::compute::Array;
use heatproof::image::{Grid, Volume, nifti};
use heatproof::model::tensors;

use super::nets::gap;
use super::support::shared;

fn heatproof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_heatproof"))
}

#[test]
fn an_image_and_its_tensor_give_one_map_in_either_order_of_axes() {
    let Some(golden) = shared("golden") else { return };
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    // the network of the file sees 12 × 14 × 10
    let _ = std::fs::copy(golden.join("plain.onnx"), at("net.onnx")).expect("copy");
    let value = |i: usize, j: usize, k: usize| {
        let at = [i, j, k].map(|v| v as f64);
        ((0.7 * at[0]).sin() + (0.9 * at[1]).cos() * (0.4 * at[2] + 1.0).sin() + 2.5) as f32
    };
    for (axes, [ni, nj, nk]) in [("ijk", [12, 14, 10]), ("kji", [10, 14, 12])] {
        let grid = Grid::new(
            [ni, nj, nk],
            [[1.0, 0.0, 0.0, -4.0], [0.0, 1.0, 0.0, 2.0], [0.0, 0.0, 1.0, 7.0]],
        );
        let grid = grid.expect("grid");
        let data = (0..grid.len()).map(|v| value(v % ni, v / ni % nj, v / (ni * nj))).collect();
        let volume = Volume::new(grid, data).expect("volume");
        nifti::write_volume(&at("image.nii.gz"), &volume, None, "test").expect("written");
        let text = format!(
            "classes = ['a', 'b']\naxes = '{axes}'\n[input]\nshape = [{ni}, {nj}, {nk}]\n\
             spacing_mm = 1.0\n[input.normalise]\nmethod = 'none'\n"
        );
        std::fs::write(at("net.toml"), text).expect("written");
        // the tensor as PyTorch would have it: last axis fastest
        let [d, h, w] = if axes == "ijk" { [ni, nj, nk] } else { [nk, nj, ni] };
        let of = |v: usize| {
            let (a, b, c) = (v / (h * w), v / w % h, v % w);
            if axes == "ijk" { value(a, b, c) } else { value(c, b, a) }
        };
        let x: Vec<f32> = (0..d * h * w).map(of).collect();
        let x = Array::from_vec(x, &[1, 1, d, h, w]).expect("tensor");
        let bytes = tensors::to_bytes(&[("input".to_owned(), &x)], None).expect("bytes");
        std::fs::write(at("x.safetensors"), bytes).expect("written");
        for (input, out) in [("x.safetensors", "map.safetensors"), ("image.nii.gz", "map.nii.gz")] {
            heatproof()
                .args(["explain"])
                .args([at("net.onnx"), at(input), at(out)])
                .args(["--rule", "epsilon_plus", "--target", "1"])
                .assert()
                .success();
        }
        let bytes = std::fs::read(at("map.safetensors")).expect("map");
        let tensor = tensors::one(&at("map.safetensors"), &bytes, "relevance").expect("map");
        let tensor = tensor.to_f64().expect("host");
        let image = nifti::read_volume(&at("map.nii.gz")).expect("map");
        let image: Vec<f64> = (0..d * h * w)
            .map(|v| {
                let (a, b, c) = (v / (h * w), v / w % h, v % w);
                let [i, j, k] = if axes == "ijk" { [a, b, c] } else { [c, b, a] };
                f64::from(image.image.data()[i + ni * (j + nj * k)])
            })
            .collect();
        assert!(gap(&image, &tensor) < 1e-5, "{axes}: {:e}", gap(&image, &tensor));
    }
    // without the file beside it the network cannot be shown an image
    std::fs::remove_file(at("net.toml")).expect("removed");
    let failed = heatproof()
        .args(["explain"])
        .args([at("net.onnx"), at("image.nii.gz"), at("none.nii.gz")])
        .assert()
        .code(5);
    let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
    assert!(said.contains("E-MODEL-018") && said.contains("net.toml"), "{said}");
}
