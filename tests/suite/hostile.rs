//! Files that lie: refused with a code, never a panic, never memory on a header's word.

use heatproof::image::nifti::{inspect, read_labels, read_mask, read_volume};

use super::support::{gzip, header, set, shared};

fn voxels(count: usize) -> Vec<u8> {
    (0..count).flat_map(|v| (v as i16).to_le_bytes()).collect()
}

/// The code a file is refused with, or `read`.
fn outcome(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("case.nii.gz");
    std::fs::write(&path, bytes).expect("write");
    let _ = (inspect(&path), read_labels(&path), read_mask(&path));
    read_volume(&path).map_or_else(|e| e.code().to_owned(), |_| "read".to_owned())
}

fn damaged(at: usize, value: &[u8]) -> Vec<u8> {
    let mut bytes = header([4, 4, 4], 4, 16);
    set(&mut bytes, at, value);
    bytes.extend(voxels(64));
    bytes
}

/// Peak memory of this process in KiB, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn single_damaged_fields_are_refused_by_their_code() {
    let f = |v: f32| v.to_le_bytes().to_vec();
    let i = |v: i16| v.to_le_bytes().to_vec();
    for (what, at, value, code) in [
        ("nothing", 344, b"n+1\0".to_vec(), "read"),
        ("size field", 0, vec![1, 2, 3, 4], "E-IMAGE-001"),
        ("magic", 344, b"n+9\0".to_vec(), "E-IMAGE-001"),
        ("Analyze", 344, vec![0; 4], "E-IMAGE-002"),
        ("rank 0", 40, i(0), "E-IMAGE-004"),
        ("rank 9", 40, i(9), "E-IMAGE-004"),
        ("rank 2", 40, i(2), "E-IMAGE-013"),
        ("negative extent", 42, i(-4), "E-IMAGE-004"),
        ("complex", 70, [i(32), i(64)].concat(), "E-IMAGE-006"),
        ("rgb", 70, [i(128), i(24)].concat(), "E-IMAGE-006"),
        ("float128", 70, [i(1536), i(128)].concat(), "E-IMAGE-006"),
        ("unknown type", 70, i(4242), "E-IMAGE-006"),
        ("int16 with bitpix 8", 72, i(8), "E-IMAGE-007"),
        ("vox_offset NaN", 108, f(f32::NAN), "E-IMAGE-008"),
        ("vox_offset 1e30", 108, f(1e30), "E-IMAGE-008"),
        ("vox_offset negative", 108, f(-352.0), "E-IMAGE-008"),
        ("vox_offset fraction", 108, f(352.5), "E-IMAGE-008"),
        ("vox_offset in the header", 108, f(100.0), "E-IMAGE-008"),
        ("vox_offset past the end", 108, f(4000.0), "E-IMAGE-008"),
        ("vox_offset cuts voxels", 108, f(400.0), "E-IMAGE-011"),
        ("sform NaN", 280, f(f32::NAN), "E-IMAGE-009"),
        ("sform singular", 280, f(0.0), "E-IMAGE-009"),
        ("more voxels than bytes", 42, i(5), "E-IMAGE-011"),
        ("scl_slope NaN", 112, f(f32::NAN), "read"),
        ("scl_slope infinite", 112, f(f32::INFINITY), "read"),
        ("unit code 7", 123, vec![7], "read"),
    ] {
        assert_eq!(outcome(&damaged(at, &value)), code, "{what}");
        assert_eq!(outcome(&gzip(&damaged(at, &value))), code, "{what}, compressed");
    }
}

#[test]
fn vox_offset_is_obeyed_without_an_extension_flag() {
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("x.nii");
    let mut bytes = header([4, 4, 4], 4, 16);
    set(&mut bytes, 108, &400f32.to_le_bytes());
    bytes.extend([0xee; 48]);
    bytes.extend(voxels(64));
    for bytes in [gzip(&bytes), bytes] {
        std::fs::write(&path, &bytes).expect("write");
        let image = read_volume(&path).expect("read").image;
        assert!(image.data().iter().enumerate().all(|(at, &v)| v == at as f32));
    }
}

#[test]
fn broken_streams_are_refused_and_odd_ones_read() {
    let good = damaged(344, b"n+1\0");
    let packed = gzip(&good);
    let mut flipped = packed.clone();
    let crc = flipped.len() - 6;
    flipped[crc] ^= 1;
    assert_eq!(outcome(&flipped), "E-IMAGE-012");
    assert_eq!(outcome(&packed[..packed.len() - 9]), "E-IMAGE-012");
    assert_eq!(outcome(&packed[..packed.len() - 3]), "E-IMAGE-012");
    assert_eq!(outcome(&[gzip(&good[..200]), gzip(&good[200..])].concat()), "read");
    assert_eq!(outcome(&[good.clone(), vec![7; 999]].concat()), "read");
    assert_eq!(outcome(&gzip(&[good.clone(), vec![7; 999]].concat())), "read");
    assert_eq!(outcome(b""), "E-IMAGE-001");
    assert_eq!(outcome(b"this is a text file, not an image"), "E-IMAGE-001");
    assert_eq!(outcome(&good[..300]), "E-IMAGE-001");
    assert_eq!(outcome(&good[..352]), "E-IMAGE-008");
    assert_eq!(outcome(&good[..good.len() - 1]), "E-IMAGE-011");
}

#[test]
fn every_cut_and_every_flipped_header_byte_is_survived() {
    let good = damaged(344, b"n+1\0");
    for length in (0..good.len()).step_by(7) {
        assert_ne!(outcome(&good[..length]), "read", "{length}");
    }
    let folder = tempfile::tempdir().expect("temp folder");
    let path = folder.path().join("x.nii");
    for at in 0..348 {
        for bits in [0xff, 0x80, 0x01] {
            let mut bytes = good.clone();
            bytes[at] ^= bits;
            std::fs::write(&path, &bytes).expect("write");
            if let Err(error) = read_volume(&path) {
                assert!(error.code().starts_with("E-IMAGE-"), "byte {at}: {error}");
            }
        }
    }
}

#[test]
fn lying_headers_and_bombs_cost_no_memory() {
    let before = peak_kib();
    let mut huge = header([20_000, 20_000, 20_000], 64, 64);
    huge.extend([0; 4096]);
    assert_eq!(outcome(&huge), "E-IMAGE-005");
    assert_eq!(outcome(&gzip(&huge)), "E-IMAGE-005");
    // 1000 x 1000 x 700 voxels of zeros in a small file: over the limit of voxels.
    assert_eq!(outcome(&gzip(&header([1000, 1000, 700], 4, 16))), "E-IMAGE-005");
    // 4 GB promised within the limit of voxels, by files far too small to hold them.
    let mut lying = header([800, 800, 800], 64, 64);
    lying.extend([0; 100_000]);
    assert_eq!(outcome(&lying), "E-IMAGE-011");
    assert_eq!(outcome(&gzip(&lying)), "E-IMAGE-011");
    // 130 MB promised; the compressed file could hold them by its size, but ends after 1 MB
    // of zeros and a tail of noise in the name of an extra member.
    let mut noise = 1u32;
    let tail: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(200_000)
    .collect();
    let mut short = header([400, 400, 400], 4, 16);
    short.extend(vec![0; 1 << 20]);
    short.extend(tail);
    assert_eq!(outcome(&gzip(&short)), "E-IMAGE-011");
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        // Other tests run at the same time; the lies above ask for gigabytes.
        assert!(after - before < 400 << 10, "peak grew by {} KiB", after - before);
    }
}

#[test]
fn fuzzing_crashes_of_another_reader_are_refused() {
    let Some(folder) = shared("data/nifti/nifti-rs") else { return };
    for entry in std::fs::read_dir(folder).expect("list") {
        let path = entry.expect("entry").path();
        let name = path.file_name().expect("name").to_string_lossy().into_owned();
        if ["fuzz", "rgb", "complex"].iter().any(|p| name.starts_with(p)) {
            let error = read_volume(&path).expect_err(&name);
            assert!(error.code().starts_with("E-IMAGE-"), "{name}: {error}");
        }
    }
}
