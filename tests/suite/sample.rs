//! The report kept in `reports/sample` is what this program draws of its numbers.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Share of an image's bytes that may differ: another processor rounds other colours, and
/// nothing else.
const ROUNDED: f64 = 1e-3;

/// The page with its pictures taken out, and the pictures.
fn parts(page: &str) -> (String, Vec<Vec<u8>>) {
    const MARK: &str = "data:image/png;base64,";
    let (mut text, mut pictures) = (String::new(), Vec::new());
    for (n, piece) in page.split(MARK).enumerate() {
        if n == 0 {
            text.push_str(piece);
            continue;
        }
        let end = piece.find(['"', '\'', ')']).expect("an end");
        pictures.push(STANDARD.decode(&piece[..end]).expect("base64"));
        text.push_str(&piece[end..]);
    }
    (text, pictures)
}

fn pixels(png: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().expect("png");
    let mut pixels = vec![0; reader.output_buffer_size().expect("size")];
    let _ = reader.next_frame(&mut pixels).expect("pixels");
    pixels
}

fn alike(what: &str, kept: &[u8], drawn: &[u8]) {
    let (kept, drawn) = (pixels(kept), pixels(drawn));
    assert_eq!(kept.len(), drawn.len(), "{what}: another size");
    let differ = kept.iter().zip(&drawn).filter(|(a, b)| a != b).count();
    let share = differ as f64 / kept.len() as f64;
    assert!(share <= ROUNDED, "{what}: {differ} of {} bytes differ", kept.len());
}

#[test]
fn the_kept_report_is_drawn_again_from_its_numbers() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/sample");
    let copy = tempfile::tempdir().expect("folder");
    for file in ["report.json", "report.html"] {
        let _ = fs::copy(kept.join(file), copy.path().join(file)).expect("copy");
    }
    Command::new(env!("CARGO_BIN_EXE_heatproof")).arg("report").arg(copy.path()).assert().success();
    let read = |folder: &Path, name: &str| fs::read(folder.join(name)).expect("file");
    assert_eq!(read(&kept, "report.json"), read(copy.path(), "report.json"));
    let page = |folder: &Path| String::from_utf8(read(folder, "report.html")).expect("text");
    let ((text, pictures), (again, drawn)) = (parts(&page(&kept)), parts(&page(copy.path())));
    assert!(text == again, "the page's text differs: draw reports/sample again");
    assert!(pictures.len() > 5 && pictures.len() == drawn.len(), "{}", pictures.len());
    for (n, (kept, drawn)) in pictures.iter().zip(&drawn).enumerate() {
        alike(&format!("picture {n} of the page"), kept, drawn);
    }
    let shown = "figures/slices_overlay-sub-036.png";
    alike(shown, &read(&kept, shown), &read(copy.path(), shown));
}
