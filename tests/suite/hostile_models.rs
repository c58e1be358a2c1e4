//! Models that lie, through the real program and in little memory: each ends with a coded error
//! on its exit code, at once.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use heatproof::compute::Array;
use heatproof::model::tensors;

use super::onnx_writer::{File, With, external, field, floats, node, varint};

/// All addresses that the program gets, in KiB: its memory, and beside it its code, its threads'
/// stacks and what the allocator reserves. Far below what any of these files asks for.
const MEMORY: u32 = 320 << 10;
/// Far above what a case takes (tens of milliseconds), so that a busy machine fails nothing.
const SECONDS: u64 = 20;

/// Ends of a run: its exit code and what it said.
fn run(arguments: &[&Path]) -> (Option<i32>, String) {
    let begun = Instant::now();
    let output = Command::new("sh")
        .args(["-c", "ulimit -v $0 && exec \"$@\""])
        .arg(MEMORY.to_string())
        .arg(env!("CARGO_BIN_EXE_heatproof"))
        .args(arguments)
        // or the allocator reserves a GiB of addresses ahead
        .env("MIMALLOC_ARENA_RESERVE", "16384")
        .env("RAYON_NUM_THREADS", "2")
        .stdin(Stdio::null())
        .output()
        .expect("run");
    let took = begun.elapsed();
    assert!(took.as_secs() < SECONDS, "{arguments:?}: {took:?}");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A folder with images of one size.
struct Place {
    folder: tempfile::TempDir,
    input: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let input = folder.path().join("input.safetensors");
        let x = Array::zeros::<f32>(&[1, 1, 4, 4, 4]);
        let bytes = tensors::to_bytes(&[("input".to_owned(), &x)], None).expect("bytes");
        std::fs::write(&input, bytes).expect("write");
        Self { folder, input }
    }

    /// What becomes of explaining with a model.
    fn explained(&self, name: &str, model: &[u8]) -> (Option<i32>, String) {
        let path = self.folder.path().join(name);
        std::fs::write(&path, model).expect("write");
        let out = self.folder.path().join("out.safetensors");
        run(&[Path::new("explain"), &path, &self.input, &out])
    }

    /// Refused with one of the exit codes of bad files, and these words.
    fn refused(&self, what: &str, name: &str, model: &[u8], words: &[&str]) {
        let (code, text) = self.explained(name, model);
        assert!(matches!(code, Some(4 | 5)), "{what}: {code:?} {text}");
        assert!(!text.contains("panicked"), "{what}: {text}");
        for word in words {
            assert!(text.contains(word), "{what}: {word} in {text}");
        }
    }

    /// Explained, or refused: damage may leave a sound file.
    fn survived(&self, what: &str, name: &str, model: &[u8]) {
        let (code, text) = self.explained(name, model);
        let coded = code == Some(0) || matches!(code, Some(4 | 5)) && text.contains("E-");
        assert!(coded && !text.contains("panicked"), "{what}: {code:?} {text}");
    }
}

fn start() -> File {
    File::new(&[1, 1, 4, 4, 4])
}

fn flat(file: File, from: &str) -> File {
    file.node("Flatten", &[from], "y", &[])
}

fn conv(w: Vec<u8>) -> Vec<u8> {
    flat(start().node("Conv", &["x", "w"], "a", &[]).stored(w), "a").bytes()
}

/// So many nodes in a row, made by `of` from the number, its input and its output.
fn row(count: usize, of: impl Fn(usize, &str, &str) -> Vec<u8>) -> File {
    let mut file = start();
    for n in 0..count {
        let from = if n == 0 { "x".to_owned() } else { format!("v{n}") };
        file.nodes.push(of(n, &from, &format!("v{}", n + 1)));
    }
    flat(file, &format!("v{count}"))
}

#[test]
fn onnx_files_that_lie_are_refused_in_little_memory() {
    let place = Place::new();
    let good = conv(floats("w", &[1, 1, 1, 1, 1], &[2.0]));
    let (code, text) = place.explained("good.onnx", &good);
    assert_eq!(code, Some(0), "{text}");
    let refused = |what: &str, bytes: &[u8], words: &[&str]| {
        place.refused(what, "case.onnx", bytes, words);
    };
    refused("empty", b"", &["E-ONNX-001"]);
    refused("no model", b"not a model at all", &["E-ONNX-001"]);
    for (what, value) in [("NaN", f32::NAN), ("infinite", f32::INFINITY)] {
        let bytes = conv(floats("w", &[1, 1, 1, 1, 1], &[value]));
        refused(what, &bytes, &["E-ONNX-004", "tensor 'w'"]);
    }
    let circle = start().node("Add", &["x", "b"], "a", &[]).node("Relu", &["a"], "b", &[]);
    refused("a circle", &flat(circle, "b").bytes(), &["E-ONNX-003"]);
    refused("wrong channels", &conv(floats("w", &[1, 2, 1, 1, 1], &[1.0; 2])), &["E-ONNX-020"]);
    refused("huge extents", &conv(floats("w", &[1 << 40, 1 << 20, 1], &[])), &["E-ONNX-004"]);
    let far = flat(File::new(&[1, 1, 65536, 65536, 65536]), "x").bytes();
    refused("a huge input", &far, &["E-ONNX-011"]);
    let claimed = [varint(7 << 3 | 2), varint(1 << 50), b"abc".to_vec()].concat();
    refused("a claimed length", &claimed, &["E-ONNX-001"]);
    for location in ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "link.bin"] {
        #[cfg(unix)]
        if location == "link.bin" {
            let link = place.folder.path().join(location);
            std::os::unix::fs::symlink("/etc/passwd", link).expect("link");
        }
        let bytes = conv(external("w", &[1, 1, 1, 1, 1], &[("location", location)]));
        refused(location, &bytes, &["E-ONNX-005"]);
    }
    // a graph in an attribute of a node of a graph, and so on
    let mut nested = node("Relu", &["x"], &["y"], &[]);
    for _ in 0..1500 {
        let graph = field(6, &field(1, &nested));
        let attribute = field(5, &[field(1, b"then_branch"), graph].concat());
        nested = [field(2, b"y"), field(4, b"If"), attribute].concat();
    }
    let mut deep = start();
    deep.nodes.push(nested);
    refused("nested graphs", &deep.bytes(), &["E-ONNX-0"]);
    let twice = flat(start().node("Relu", &["x"], "a", &[]).node("Relu", &["x"], "a", &[]), "a");
    refused("one name, two values", &twice.bytes(), &["E-ONNX-003"]);
    let doubling =
        row(60, |_, from, to| node("Concat", &[from, from], &[to], &[("axis", With::Int(1))]));
    refused("channels that double", &doubling.bytes(), &["E-ONNX-020"]);
    let shared = row(3000, |_, from, to| node("Add", &[from, "w"], &[to], &[]));
    let shared = shared.stored(floats("w", &[1 << 16], &vec![1.0; 1 << 16]));
    refused("one tensor, read by all", &shared.bytes(), &["E-ONNX-0"]);
    let chain =
        row(3000, |n, from, to| node("Mul", &[if n == 0 { "w" } else { from }, "w"], &[to], &[]));
    let chain = chain.stored(floats("w", &[1 << 18], &vec![1.0; 1 << 18]));
    refused("constants, computed on and on", &chain.bytes(), &["E-ONNX-0"]);
}

#[test]
fn nodes_of_one_name_cost_no_time() {
    let place = Place::new();
    let same = row(40_000, |_, from, to| {
        [field(1, from.as_bytes()), field(2, to.as_bytes()), field(3, b"a"), field(4, b"Relu")]
            .concat()
    });
    // sound, but for the memory that so many activations take
    let path = place.folder.path().join("same.onnx");
    std::fs::write(&path, same.bytes()).expect("write");
    let (code, text) = run(&[Path::new("inspect"), &path]);
    assert_eq!(code, Some(0), "{text}");
}

/// A number of `n` bytes, least first.
fn little(value: u64, n: usize) -> Vec<u8> {
    value.to_le_bytes()[..n].to_vec()
}

/// An archive of entries as they are: name, content, claimed size, method.
fn zip(entries: &[(&str, &[u8], u32, u16)]) -> Vec<u8> {
    let (mut all, mut index) = (Vec::new(), Vec::new());
    for (name, content, claimed, method) in entries {
        let mut hash = flate2::Crc::new();
        hash.update(content);
        let fields = [
            little(20, 2),
            little(0, 2),
            little((*method).into(), 2),
            little(0, 4),
            little(hash.sum().into(), 4),
            little(content.len() as u64, 4),
            little((*claimed).into(), 4),
            little(name.len() as u64, 2),
            little(0, 2),
        ]
        .concat();
        let at = all.len() as u64;
        all.extend([b"PK\x03\x04", &fields[..], name.as_bytes(), content].concat());
        let more = [little(0, 2), little(0, 2), little(0, 2), little(0, 4), little(at, 4)].concat();
        let version = little(20, 2);
        index.extend([b"PK\x01\x02", &version[..], &fields, &more, name.as_bytes()].concat());
    }
    let count = little(entries.len() as u64, 2);
    let (size, at) = (little(index.len() as u64, 4), little(all.len() as u64, 4));
    let end = [b"PK\x05\x06".to_vec(), little(0, 4), count.clone(), count, size, at, little(0, 2)];
    [all, index, end.concat()].concat()
}

fn text(word: &str) -> Vec<u8> {
    [b"X", &little(word.len() as u64, 4)[..], word.as_bytes()].concat()
}

/// `{"NAME": tensor}` in the pickle format: so many f32 along one axis of storage 0.
fn state_dict(name: &str, count: u32) -> Vec<u8> {
    let count = [b"J".to_vec(), little(count.into(), 4)].concat();
    let storage = [
        b"(".to_vec(),
        text("storage"),
        b"ctorch\nFloatStorage\n".to_vec(),
        text("0"),
        text("cpu"),
    ];
    let storage = [storage.concat(), count.clone(), b"tQ".to_vec()].concat();
    let extents = [b"K\x00(".to_vec(), count, b"t(K\x01t\x89)t".to_vec()].concat();
    let call = b"ctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    [b"\x80\x02}".to_vec(), text(name), call, storage, extents, b"Rs.".to_vec()].concat()
}

#[test]
fn state_dicts_that_lie_are_refused_in_little_memory() {
    let place = Place::new();
    let pt = |pickle: &[u8], numbers: &[u8]| {
        let size = |b: &[u8]| b.len() as u32;
        zip(&[("m/data.pkl", pickle, size(pickle), 0), ("m/data/0", numbers, size(numbers), 0)])
    };
    let refused = |what: &str, bytes: &[u8], words: &[&str]| {
        place.refused(what, "case.pt", bytes, words);
    };
    let ones: Vec<u8> = (0..8).flat_map(|_| 1f32.to_le_bytes()).collect();
    let good = pt(&state_dict("w", 8), &ones);
    refused("a network nobody knows", &good, &["E-MODEL-020", "(w, "]);
    let bad = [&ones[..28], &f32::NAN.to_le_bytes()].concat();
    let not_finite = pt(&state_dict("fc.weight", 8), &bad);
    refused("NaN", &not_finite, &["E-TORCH-005", "fc.weight", "place 7"]);
    refused("a count beyond the storage", &pt(&state_dict("w", 9), &ones), &["E-TORCH-004"]);
    let many = pt(&state_dict("w", i32::MAX as u32), &ones);
    refused("a giant count", &many, &["E-TORCH-004"]);
    let pickle = state_dict("w", 8);
    let bomb = zip(&[("m/data.pkl", &pickle, u32::MAX - 1, 8), ("m/data/0", &ones, 32, 0)]);
    refused("a compressed entry", &bomb, &["E-TORCH-001"]);
    let claimed = zip(&[("m/data.pkl", &pickle, u32::MAX - 1, 0), ("m/data/0", &ones, 32, 0)]);
    refused("an entry that claims 4 GB", &claimed, &["E-TORCH-0"]);
    let escaping = zip(&[("../../m/data.pkl", &pickle, 9, 0)]);
    refused("an entry outside", &escaping, &["E-TORCH-001"]);
    let size = pickle.len() as u32;
    let twice = zip(&[
        ("m/data.pkl", &pickle, size, 0),
        ("m/data/0", &ones, 32, 0),
        ("m/data/0", &ones[..4], 4, 0),
    ]);
    refused("a storage twice", &twice, &["E-"]);
    let deep = [b"\x80\x02".to_vec(), vec![b']'; 1], vec![0x85; 1 << 20], b".".to_vec()].concat();
    refused("a million tuples in each other", &pt(&deep, &ones), &["E-TORCH-002"]);
    let endless = [b"\x80\x02".to_vec(), vec![b'N'; (1 << 21) + 9], b".".to_vec()].concat();
    refused("objects without end", &pt(&endless, &ones), &["E-TORCH-001", "objects"]);
    let call = pt(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", &ones);
    refused("a call", &call, &["E-TORCH-002"]);

    let refused = |what: &str, header: &str, words: &[&str]| {
        let bytes = [little(header.len() as u64, 8), header.as_bytes().to_vec(), vec![0; 8]];
        place.refused(what, "case.safetensors", &bytes.concat(), words);
    };
    refused("a header nested", &"[".repeat(1 << 20), &["E-MODEL-010"]);
    let huge = r#"{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#;
    refused("huge extents", huge, &["E-MODEL-010"]);
    let far = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,9999999999]}}"#;
    refused("numbers beyond the file", far, &["E-MODEL-010"]);
    let endless = [little(u64::MAX, 8), vec![b'{'; 64]].concat();
    place.refused("a header without end", "case.safetensors", &endless, &["E-MODEL-010"]);
}

#[test]
fn damaged_models_are_refused_or_read() {
    let place = Place::new();
    let onnx = conv(floats("w", &[1, 1, 1, 1, 1], &[2.0]));
    let numbers = [0; 32];
    let pickle = state_dict("w", 8);
    let pt = zip(&[("m/data.pkl", &pickle, pickle.len() as u32, 0), ("m/data/0", &numbers, 32, 0)]);
    let mut s = heatproof::seed::Seed(93).stream("test/hostile_models");
    for (name, whole) in [("case.onnx", onnx), ("case.pt", pt)] {
        for n in 0..12 {
            let cut = n * whole.len() / 12;
            place.survived(&format!("{name} cut at {cut}"), name, &whole[..cut]);
            let mut bytes = whole.clone();
            let (at, value) = (s.below(bytes.len()), s.below(256) as u8);
            bytes[at] = value;
            place.survived(&format!("{name}, byte {at} is {value}"), name, &bytes);
        }
    }
}
