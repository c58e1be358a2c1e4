//! Files written whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// How the name of a file that is still being written ends; it starts with a dot.
const PART: &str = ".part";

/// Writes `bytes` to `path` through a temporary file, fsync and rename, so that an
/// interrupted run or a full disk never leaves half a file that reads as whole.
///
/// # Errors
/// [`Error::Io`] with the path when the system refuses.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|e| Error::io("creating", folder, e))?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let part: PathBuf = folder.join(format!(".{name}.{}{PART}", std::process::id()));
    let attempt = || -> std::io::Result<()> {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&part);
        Error::io("writing", path, e)
    })
}

/// Deletes the unfinished files that runs killed while writing left directly in `folder`. Only for
/// folders in which no other run may be writing now. A folder that is not there has none.
///
/// # Errors
/// [`Error::Io`] with the path when the system refuses.
pub fn clear_unfinished(folder: &Path) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| Error::io("listing", folder, e))?,
    };
    for entry in entries {
        let path = entry.map_err(|e| Error::io("listing", folder, e))?.path();
        if path.file_name().is_some_and(|name| unfinished(&name.to_string_lossy())) {
            fs::remove_file(&path).map_err(|e| Error::io("deleting", &path, e))?;
        }
    }
    Ok(())
}

/// Whether [`write_whole`] gives such a name, `.NAME.PROCESS.part`, to what it is writing.
fn unfinished(name: &str) -> bool {
    let process = name.strip_suffix(PART).and_then(|rest| rest.rsplit_once('.'));
    process.is_some_and(|(file, number)| file.starts_with('.') && number.parse::<u32>().is_ok())
}

/// Reads a whole file, refusing one over `limit` bytes before reading it.
///
/// # Errors
/// [`Error::Io`] when unreadable, [`Error::Refused`] when larger than `limit`.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map_err(|e| Error::io("reading", path, e))?.len();
    if size > limit {
        return Err(Error::refused(
            "E-FILE-001",
            path,
            "file size",
            format!("{size} bytes"),
            format!("at most {limit} bytes"),
            "Check that this is the file you meant",
        ));
    }
    fs::read(path).map_err(|e| Error::io("reading", path, e))
}

/// Reads a file of settings in TOML that a person wrote: text, at most 1 MiB.
///
/// # Errors
/// Those of [`read_limited`]; [`Error::Usage`] `E-FILE-002` for bytes that are no text.
pub fn read_toml(path: &Path) -> Result<String> {
    String::from_utf8(read_limited(path, 1 << 20)?).map_err(|_| {
        let what = format!("{} is not text in UTF-8", path.display());
        Error::usage("E-FILE-002", what, "Give a file in TOML")
    })
}

/// SHA-256 in lowercase hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of a file in lowercase hex, read in pieces.
///
/// # Errors
/// [`Error::Io`] when unreadable.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io("reading", path, e))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer)
            .map_err(|e| Error::io("reading", path, e))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_deleted_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temp folder");
        let whole = [".download.part", ".hidden", "weights.7.part", "weights.safetensors"];
        for name in whole.iter().chain(&[".weights.safetensors.7.part"]) {
            fs::write(folder.path().join(name), b"x").expect("file");
        }
        clear_unfinished(folder.path()).expect("cleared");
        let names = fs::read_dir(folder.path()).expect("list");
        let mut names: Vec<_> = names.map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        assert_eq!(names, whole);
        clear_unfinished(&folder.path().join("none")).expect("no folder, nothing to do");
    }

    #[test]
    fn a_refused_write_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("temp folder");
        let target = folder.path().join("taken");
        fs::create_dir(&target).expect("folder in the way");
        fs::write(target.join("x"), b"x").expect("file in it");
        let error = write_whole(&target, b"abc").expect_err("a folder cannot be replaced");
        assert_eq!(error.code(), "E-IO-001");
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
    }
}
