//! ONNX files that lie: refused with a code, at once, without memory on a header's word.

use std::time::Instant;

use heatproof::Error;
use heatproof::model::onnx::read;

use super::onnx_operators::imported;
use super::onnx_writer::{File, With, external, field, floats, int, node, port, varint, whole};
use super::support::shared;

fn start() -> File {
    File::new(&[1, 1, 4, 4, 4])
}

fn flat(file: File, from: &str) -> File {
    file.node("Flatten", &[from], "y", &[])
}

/// The code bytes are refused with, or `read`.
fn outcome(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("case.onnx");
    std::fs::write(&path, bytes).expect("write");
    read(&path, None).map_or_else(|e| e.code().to_owned(), |_| "read".to_owned())
}

fn code(file: &File) -> String {
    outcome(&file.bytes())
}

#[test]
fn lies_are_refused_by_their_code() {
    let begun = Instant::now();
    let conv = |w: Vec<u8>| flat(start().node("Conv", &["x", "w"], "a", &[]).stored(w), "a");
    let good = floats("w", &[1, 1, 1, 1, 1], &[2.0]);
    assert_eq!(code(&conv(good.clone())), "read");
    let raw = |shape: &[i64], kind: i64, bytes: &[u8]| {
        let dims: Vec<u8> = shape.iter().flat_map(|d| int(1, *d)).collect();
        [dims, int(2, kind), field(8, b"w"), field(9, bytes)].concat()
    };
    for (what, tensor, want) in [
        ("huge extents", raw(&[1 << 40, 1 << 40, 1, 1, 1], 1, b""), "E-ONNX-004"),
        ("product beyond 64 bits", raw(&[1 << 32, 1 << 32, 1 << 32], 1, b""), "E-ONNX-004"),
        ("negative extent", raw(&[1, -1, 1, 1, 1], 1, b""), "E-ONNX-004"),
        ("a terabyte promised", raw(&[1 << 38, 1, 1, 1, 1], 1, b"1234"), "E-ONNX-004"),
        ("NaN", floats("w", &[1, 1, 1, 1, 1], &[f32::NAN]), "E-ONNX-004"),
        ("infinite", floats("w", &[1, 1, 1, 1, 1], &[f32::INFINITY]), "E-ONNX-004"),
        ("float16 NaN", raw(&[1, 1, 1, 1, 1], 10, &[0x00, 0x7e]), "E-ONNX-004"),
        ("complex", raw(&[1, 1, 1, 1, 1], 14, b"12345678"), "E-ONNX-004"),
        ("strings", raw(&[1, 1, 1, 1, 1], 8, b""), "E-ONNX-004"),
        ("17 axes", raw(&[1; 17], 1, b"1234"), "E-ONNX-001"),
        ("no numbers", [int(1, 1), int(2, 1), field(8, b"w")].concat(), "E-ONNX-004"),
        ("wrong rank", floats("w", &[1, 1], &[1.0]), "E-ONNX-020"),
        ("wrong channels", floats("w", &[1, 2, 1, 1, 1], &[1.0; 2]), "E-ONNX-020"),
        ("kernel beyond the volume", floats("w", &[1, 1, 1, 1, 9], &[1.0; 9]), "E-ONNX-020"),
        ("empty", floats("w", &[0, 1, 1, 1, 1], &[]), "E-ONNX-020"),
    ] {
        assert_eq!(code(&conv(tensor)), want, "{what}");
    }
    for attribute in [
        ("strides", With::Ints(&[0, 1, 1])),
        ("strides", With::Ints(&[1, 1])),
        ("strides", With::Ints(&[i64::MAX, 1, 1])),
        ("dilations", With::Ints(&[i64::MAX, 1, 1])),
        ("pads", With::Ints(&[i64::MAX, 0, 0, i64::MAX, 0, 0])),
        ("pads", With::Ints(&[-1, 0, 0, 0, 0, 0])),
        ("pads", With::Ints(&[1 << 16; 6])),
        ("group", With::Int(0)),
        ("group", With::Int(i64::MIN)),
        ("group", With::Int(i64::MAX)),
        ("auto_pad", With::Text("SOMEHOW")),
        ("kernel_shape", With::Ints(&[3, 3, 3])),
        ("kernel_shape", With::Float(1.0)),
    ] {
        let file =
            flat(start().node("Conv", &["x", "w"], "a", std::slice::from_ref(&attribute)), "a");
        assert_eq!(code(&file.stored(good.clone())), "E-ONNX-020", "{attribute:?}");
    }
    assert!(begun.elapsed().as_secs() < 20);
}

#[test]
fn graphs_that_go_nowhere_are_refused_by_their_code() {
    let mut bare = start();
    bare.outputs.clear();
    let mut two = flat(start().node("Add", &["x", "z"], "a", &[]), "a");
    two.inputs.push(port("z", &[1, 1, 4, 4, 4]));
    let mut old = flat(start(), "x");
    old.opset = 9;
    let mut future = flat(start(), "x");
    future.opset = i64::MAX;
    let mut foreign = start();
    foreign.nodes.push([node("Flatten", &["x"], &["y"], &[]), field(7, b"com.evil")].concat());
    let ring = start().node("Add", &["x", "b"], "a", &[]).node("Relu", &["a"], "b", &[]).node(
        "Flatten",
        &["b"],
        "y",
        &[],
    );
    let twice = flat(start().node("Relu", &["x"], "a", &[]).node("Relu", &["x"], "a", &[]), "a");
    for (what, file, want) in [
        ("no output", bare, "E-ONNX-010"),
        ("two inputs", two, "E-ONNX-010"),
        ("a circle", ring, "E-ONNX-003"),
        ("itself", flat(start().node("Relu", &["a"], "a", &[]), "a"), "E-ONNX-003"),
        ("from nowhere", flat(start().node("Add", &["x", "gone"], "a", &[]), "a"), "E-ONNX-003"),
        ("made twice", twice, "E-ONNX-003"),
        ("operator set 9", old, "E-ONNX-002"),
        ("operator set of the future", future, "E-ONNX-002"),
        ("foreign operators", foreign, "E-ONNX-020"),
        ("an image out", start().node("Relu", &["x"], "y", &[]), "E-ONNX-012"),
        ("a 2D network", flat(File::new(&[1, 1, 8, 8]), "x"), "E-ONNX-011"),
        ("a huge input", flat(File::new(&[1, 1, 65536, 65536, 65536]), "x"), "E-ONNX-011"),
        ("an open input", flat(File::new(&[1, 1, -1, 4, 4]), "x"), "E-ONNX-011"),
        ("an empty input", flat(File::new(&[1, 0, 4, 4, 4]), "x"), "E-ONNX-011"),
    ] {
        assert_eq!(code(&file), want, "{what}");
    }
}

#[test]
fn constants_cannot_be_made_to_fill_memory() {
    let begun = Instant::now();
    let huge = flat(
        start().node("ConstantOfShape", &["s"], "c", &[]).node("Add", &["x", "c"], "a", &[]),
        "a",
    );
    for extents in [&[1 << 30, 1 << 9][..], &[i64::MAX, i64::MAX], &[-5], &[1 << 23, 2]] {
        let file = huge.clone().stored(whole("s", extents));
        assert_eq!(code(&file), "E-ONNX-020", "{extents:?}");
    }
    let expand = flat(
        start().node("Expand", &["one", "s"], "c", &[]).node("Mul", &["x", "c"], "a", &[]),
        "a",
    );
    let file = expand.stored(floats("one", &[1], &[1.0])).stored(whole("s", &[1 << 40]));
    assert_eq!(code(&file), "E-ONNX-020");
    // a thousand steps that would each be allowed
    let mut file =
        start().stored(whole("s", &[1 << 20])).node("ConstantOfShape", &["s"], "c0", &[]);
    for n in 0..1000 {
        let (a, b) = (format!("c{n}"), format!("c{}", n + 1));
        file = file.node("Concat", &[&a, "tiny"], &b, &[("axis", With::Int(0))]);
    }
    let file = flat(file.node("Add", &["x", "c1000"], "a", &[]), "a");
    assert_eq!(code(&file.stored(floats("tiny", &[1], &[0.0]))), "E-ONNX-020");
    for values in [[0, i64::MAX, 1], [i64::MIN, i64::MAX, 1 << 62], [0, 5, 0]] {
        let mut file = start().node("Range", &["a0", "a1", "a2"], "c", &[]);
        for (n, v) in values.iter().enumerate() {
            file = file.stored(whole(&format!("a{n}"), &[*v]));
        }
        let file = flat(file.node("Reshape", &["x", "c"], "a", &[]), "a");
        assert_eq!(code(&file), "E-ONNX-020", "{values:?}");
    }
    assert!(begun.elapsed().as_secs() < 10);
}

#[test]
fn truncated_and_random_bytes_never_panic() {
    let file = flat(
        start()
            .node("Conv", &["x", "w"], "a", &[("strides", With::Ints(&[1, 1, 1]))])
            .stored(floats("w", &[1, 1, 1, 1, 1], &[2.0])),
        "a",
    );
    let whole = file.bytes();
    for cut in 0..whole.len() {
        let _ = outcome(&whole[..cut]);
    }
    let mut stream = heatproof::seed::Seed(91).stream("test/onnx");
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + stream.below(3) {
            let at = stream.below(bytes.len());
            bytes[at] = stream.below(256) as u8;
        }
        let _ = outcome(&bytes);
    }
    assert_eq!(outcome(b""), "E-ONNX-001");
    assert_eq!(outcome(b"not a model at all"), "E-ONNX-001");
    // a message within a message, a thousand times
    let mut nested = Vec::new();
    for _ in 0..1000 {
        nested = field(7, &nested);
    }
    assert!(outcome(&nested).starts_with("E-ONNX-0"));
    assert_eq!(outcome(&[varint(7 << 3 | 2), varint(u64::MAX)].concat()), "E-ONNX-001");
}

#[test]
fn external_files_stay_in_the_folder() {
    let folder = tempfile::tempdir().expect("temp folder");
    let model = folder.path().join("model");
    std::fs::create_dir(&model).expect("folder");
    std::fs::write(folder.path().join("outside.bin"), [0u8; 64]).expect("write");
    std::fs::write(model.join("inside.bin"), [0u8; 8]).expect("write");
    let outcome = |location: &str, more: &[(&str, &str)]| {
        let entries = [&[("location", location)], more].concat();
        let tensor = external("w", &[1, 1, 1, 1, 1], &entries);
        let file = flat(start().node("Conv", &["x", "w"], "a", &[]).stored(tensor), "a");
        read(&file.write(&model), None).map_or_else(|e| e.code().to_owned(), |_| "read".to_owned())
    };
    assert_eq!(outcome("inside.bin", &[("offset", "4"), ("length", "4")]), "read");
    assert_eq!(outcome("inside.bin", &[]), "read");
    for (location, more, want) in [
        ("../outside.bin", &[][..], "E-ONNX-005"),
        ("./inside.bin", &[], "E-ONNX-005"),
        ("a/../../outside.bin", &[], "E-ONNX-005"),
        ("/etc/hostname", &[], "E-ONNX-005"),
        ("C:\\x", &[], "E-ONNX-005"),
        ("", &[], "E-ONNX-005"),
        ("gone.bin", &[], "E-IO-001"),
        ("inside.bin", &[("offset", "5")], "E-ONNX-004"),
        ("inside.bin", &[("offset", "18446744073709551615")], "E-ONNX-004"),
        ("inside.bin", &[("offset", "-1")], "E-ONNX-004"),
        ("inside.bin", &[("length", "8")], "E-ONNX-004"),
    ] {
        assert_eq!(outcome(location, more), want, "{location} {more:?}");
    }
    #[cfg(unix)]
    {
        let link = |from: &str, to: &std::path::Path| {
            std::os::unix::fs::symlink(to, model.join(from)).expect("link");
        };
        link("link.bin", &folder.path().join("outside.bin"));
        link("folder", folder.path());
        assert_eq!(outcome("link.bin", &[]), "E-ONNX-005");
        assert_eq!(outcome("folder/outside.bin", &[]), "E-ONNX-005");
        std::fs::create_dir(model.join("sub")).expect("folder");
        assert_eq!(outcome("sub", &[]), "E-ONNX-005");
    }
}

#[test]
fn all_unsupported_operators_are_named_at_once() {
    let file = flat(
        start()
            .node("LayerNormalization", &["x", "g"], "a", &[])
            .node("Einsum", &["a", "a"], "b", &[])
            .node("Relu", &["b"], "c", &[])
            .node("Einsum", &["c", "c"], "d", &[])
            .node("Erf", &["d"], "e", &[])
            .stored(floats("g", &[4], &[1.0; 4])),
        "e",
    );
    let error = imported(&file, None).expect_err("refused");
    let text = error.to_string();
    assert!(matches!(error, Error::Model { code: "E-ONNX-020", .. }), "{text}");
    for word in [
        "LayerNormalization (node 'net.a')",
        "Einsum (node 'net.b' and 1 more)",
        "Erf",
        "Supported operators: Add,",
        "Conv,",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
}

#[test]
fn damaged_golden_files_never_panic() {
    let Some(folder) = shared("golden") else { return };
    let whole = std::fs::read(folder.join("batchnorm_torchscript.onnx")).expect("file");
    let mut stream = heatproof::seed::Seed(92).stream("test/onnx");
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + stream.below(4) {
            let at = stream.below(bytes.len());
            bytes[at] = stream.below(256) as u8;
        }
        bytes.truncate(if stream.chance(0.3) { stream.below(bytes.len()) } else { bytes.len() });
        let _ = outcome(&bytes);
    }
}
