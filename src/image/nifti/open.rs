//! From a path to a checked header and a stream that stands before the first voxel.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::decode;
use super::fields::{self, Fields, SIZE_1, SIZE_2};
use super::geometry;
use crate::image::header::Header;
use crate::{Error, Result};

/// Voxels of the largest file that is read: 512 Mi.
pub const MAX_VOXELS: u64 = 512 << 20;
/// Bytes of header extensions that are skipped at most.
const MAX_OFFSET: f64 = (256u64 << 20) as f64;
/// Deflate cannot make more than 1032 bytes out of one.
const MAX_RATIO: u64 = 1032;

/// A file, opened and sniffed.
pub(super) struct Stream {
    pub path: PathBuf,
    pub reader: Box<dyn Read>,
    pub compressed: bool,
    pub file_len: u64,
}

/// A described file: header, doubts, and the first reason to refuse it, if any.
pub(super) struct Opened {
    pub header: Header,
    pub fields: Fields,
    pub warnings: Vec<String>,
    /// Why its geometry cannot be used; the header still describes it.
    pub problem: Option<Error>,
    stream: Stream,
    consumed: u64,
}

impl Stream {
    fn open(path: &Path) -> Result<Self> {
        let io = |e| Error::io("reading", path, e);
        let data = fs::metadata(path).map_err(io)?;
        if data.is_dir() {
            return Err(io(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
        // By content, not by name: both mistakes are common.
        let start = io::BufRead::fill_buf(&mut file).map_err(io)?;
        let compressed = start.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn Read> =
            if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Self { path: path.to_path_buf(), reader, compressed, file_len: data.len() })
    }

    /// Bytes this file can hold at most once decompressed.
    fn most_bytes(&self) -> u64 {
        if self.compressed { self.file_len.saturating_mul(MAX_RATIO) } else { self.file_len }
    }

    /// Reads until `buffer` is full or the file ends; returns the bytes read.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut have = 0;
        while have < buffer.len() {
            match self.reader.read(&mut buffer[have..]) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(e)),
            }
        }
        Ok(have)
    }

    /// Reads and forgets up to `count` bytes; returns the bytes skipped.
    pub fn skip(&mut self, count: u64) -> Result<u64> {
        let skipped = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink());
        skipped.map_err(|e| self.broken(e))
    }

    fn broken(&self, error: io::Error) -> Error {
        let damaged = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
        );
        if !(self.compressed && damaged) {
            return Error::io("reading", &self.path, error);
        }
        Error::refused(
            "E-IMAGE-012",
            &self.path,
            "gzip stream",
            format!("damaged ({error})"),
            "a whole stream with a valid checksum",
            "Copy or download the file again",
        )
    }

    /// Refuses a file that ends before its voxels do.
    pub fn too_short(&self, seen: impl ToString, promised: u64) -> Error {
        Error::refused(
            "E-IMAGE-011",
            &self.path,
            "voxel data",
            seen,
            format!("{promised} bytes, as the header promises"),
            "The file was cut short or its header is wrong: copy or export it again",
        )
    }
}

/// Name without `.gz`, lowercased.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.strip_suffix(".gz").map(str::to_owned).unwrap_or(name)
}

/// The first existing file called like `path` with extension `wanted`, `wanted.gz` or either
/// in capitals.
fn partner(path: &Path, wanted: &str) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let stem = name.strip_suffix(".gz").or(name.strip_suffix(".GZ")).unwrap_or(&name);
    let stem = Path::new(stem).file_stem()?.to_string_lossy().into_owned();
    let upper = wanted.to_uppercase();
    [wanted.to_owned(), format!("{wanted}.gz"), upper.clone(), format!("{upper}.GZ")]
        .into_iter()
        .map(|extension| path.with_file_name(format!("{stem}.{extension}")))
        .find(|candidate| candidate.is_file())
}

/// Opens an image file (`.nii`, `.hdr` or `.img`, compressed or not) and checks its header.
///
/// # Errors
/// [`Error::Io`] when unreadable, `E-IMAGE-001` to `005` and `012` when there is no header
/// to describe.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let voxel_file = plain_name(path).ends_with(".img");
    let header_path = match voxel_file.then(|| partner(path, "hdr")) {
        Some(Some(hdr)) => hdr,
        Some(None) | None => path.to_path_buf(),
    };
    let mut stream = Stream::open(&header_path)?;
    let mut raw = vec![0; SIZE_1];
    let mut have = stream.fill(&mut raw)?;
    if have == SIZE_1 && fields::is_version_2(&raw) {
        raw.resize(SIZE_2, 0);
        have += stream.fill(&mut raw[SIZE_1..])?;
    }
    raw.truncate(have);
    let fields = fields::parse(&header_path, raw)?;
    let mut consumed = have as u64;
    if fields.pair {
        stream = open_voxels(path, &header_path, voxel_file)?;
        consumed = 0;
    }
    describe(path, fields, stream, consumed)
}

fn open_voxels(path: &Path, header_path: &Path, voxel_file: bool) -> Result<Stream> {
    let voxels = if voxel_file && header_path != path {
        Some(path.to_path_buf())
    } else {
        partner(header_path, "img")
    };
    voxels.map_or_else(
        || {
            Err(Error::refused(
                "E-IMAGE-003",
                path,
                "the .img file beside the .hdr file",
                "missing",
                "both files of the pair, with the same name, in one folder",
                "Put the missing file beside this one, or convert the pair to .nii.gz",
            ))
        },
        |p| Stream::open(&p),
    )
}

fn describe(path: &Path, fields: Fields, stream: Stream, consumed: u64) -> Result<Opened> {
    let dims = geometry::dims(path, &fields)?;
    let mut warnings = Vec::new();
    let shape = std::array::from_fn(|a| dims.get(a).copied().unwrap_or(1));
    let units = geometry::units(&fields, &mut warnings);
    let (affine, affine_source) = geometry::affine(&fields, shape, units, &mut warnings);
    let problem = geometry::check(path, &fields, shape, affine, affine_source).err();
    let scaled = fields.slope.is_finite() && fields.slope != 0.0;
    if scaled && !fields.inter.is_finite() {
        warnings.push("scl_inter is not finite; 0 is used".into());
    }
    let header = Header {
        version: fields.version,
        big_endian: fields.big_endian,
        datatype: decode::name(fields.datatype),
        datatype_code: fields.datatype,
        slope: if scaled { fields.slope } else { 1.0 },
        inter: if scaled && fields.inter.is_finite() { fields.inter } else { 0.0 },
        units,
        sform_code: fields.sform_code,
        qform_code: fields.qform_code,
        pixdim: std::array::from_fn(|i| fields.pixdim[i]),
        quatern: fields.quatern,
        affine_source,
        affine,
        description: fields.description.clone(),
        raw: fields.raw.clone(),
        dims,
    };
    Ok(Opened { header, fields, warnings, problem, stream, consumed })
}

impl Opened {
    /// Moves to the first voxel, having checked that the file can hold `bytes` from there.
    ///
    /// # Errors
    /// `E-IMAGE-008` for an impossible `vox_offset`, `E-IMAGE-011` for a file that is too
    /// short, `E-IMAGE-012` for a damaged stream.
    pub fn seek_voxels(&mut self, bytes: u64) -> Result<&mut Stream> {
        let offset = self.offset()?;
        let most = self.stream.most_bytes();
        if offset.saturating_add(bytes) > most {
            let seen = if self.stream.compressed {
                format!("at most {most} bytes, compressed to {}", self.stream.file_len)
            } else {
                format!("{} bytes", most.saturating_sub(offset))
            };
            if offset >= most {
                return Err(self.bad_offset(format!("{offset}, after the end of the file")));
            }
            return Err(self.stream.too_short(seen, bytes));
        }
        let gap = offset - self.consumed;
        if self.stream.skip(gap)? < gap {
            return Err(self.bad_offset(format!("{offset}, after the end of the file")));
        }
        Ok(&mut self.stream)
    }

    fn offset(&mut self) -> Result<u64> {
        let offset = self.fields.vox_offset;
        let least = match (self.fields.pair, self.fields.version) {
            (true, _) => 0.0,
            (false, 1) => (SIZE_1 + 4) as f64,
            (false, _) => (SIZE_2 + 4) as f64,
        };
        if offset == 0.0 && least > 0.0 {
            self.warnings.push(format!("vox_offset is 0; {least} is used"));
            return Ok(least as u64);
        }
        if !(offset.is_finite() && offset.fract() == 0.0 && (least..=MAX_OFFSET).contains(&offset))
        {
            return Err(self.bad_offset(offset.to_string()));
        }
        Ok(offset as u64)
    }

    fn bad_offset(&self, seen: String) -> Error {
        Error::refused(
            "E-IMAGE-008",
            &self.stream.path,
            "vox_offset",
            seen,
            "a whole number of bytes after the header and within the file",
            "The file was cut short or its header is damaged: export it again",
        )
    }
}
