//! Pixels to PNG bytes, with what made them written as text chunks.

use crate::provenance::Provenance;
use crate::report::scene::Scene;
use crate::{Error, Result};

/// PNG with title, description and provenance; no time, so that equal pixels give equal bytes.
pub(super) fn png(
    width: u32,
    height: u32,
    rgb: &[u8],
    scene: &Scene,
    provenance: &Provenance,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    encoder.set_filter(png::Filter::Adaptive);
    // 2 pixels per page pixel of 1/96 inch: 192 dpi = 7559 per metre.
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: 7559,
        yppu: 7559,
        unit: png::Unit::Meter,
    }));
    let json = serde_json::to_string(provenance).map_err(|e| Error::internal(e.to_string()))?;
    let chunks = [
        ("Title", ascii(&scene.title)),
        ("Description", ascii(&scene.alt)),
        ("Software", ascii(&format!("{} {}", provenance.program, provenance.version))),
        ("Provenance", ascii(&json)),
    ];
    for (key, text) in chunks {
        encoder.add_text_chunk(key.to_owned(), text).map_err(refused)?;
    }
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(rgb).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(out)
}

/// tEXt chunks hold Latin-1 only: everything beyond ASCII is written as `\uXXXX`.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match char::from_u32(u32::from(unit)) {
            Some(c) if c.is_ascii() && c != '\0' => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

fn refused(error: png::EncodingError) -> Error {
    Error::internal(format!("encoding a figure: {error}"))
}
