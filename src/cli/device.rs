//! The device of a command, and the second program that has CUDA in it.
//!
//! A program linked to CUDA does not even start where CUDA's libraries are missing. So there are
//! two: this one, asked for a card, finds `heatproof-cuda` beside itself and hands over.

use super::term::Terminal;
use crate::compute::device::{self, Asked};
use crate::progress::Progress;
use crate::{Error, Result};

/// Chooses the device; may hand over to the program with CUDA and then does not return.
///
/// # Errors
/// `E-DEVICE-001` (no such device), `002` (the card cannot be used), `004` (no program with CUDA
/// that starts).
pub fn choose(asked: Option<Asked>, terminal: &Terminal) -> Result<()> {
    let asked = match asked {
        Some(asked) => asked,
        None => Asked::by_variable()?,
    };
    let refusal = match asked {
        Asked::Cpu => None,
        Asked::Auto | Asked::Cuda(_) => other::hand_over()?,
    };
    let instead = match (asked, refusal) {
        (Asked::Cuda(_), Some(why)) => return Err(why),
        (_, Some(why)) => {
            device::choose(Asked::Cpu)?;
            Some(why.to_string())
        }
        (_, None) => device::choose(asked)?.instead.clone(),
    };
    if let Some(why) = instead {
        terminal.say(&format!("computing on the CPU: {why}"));
    }
    Ok(())
}

/// There is CUDA in this program.
#[cfg(feature = "cuda")]
mod other {
    use super::{Error, Result};

    pub fn hand_over() -> Result<Option<Error>> {
        Ok(None)
    }
}

/// The program with CUDA.
#[cfg(not(feature = "cuda"))]
mod other {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{Error, Result};

    /// Its name.
    const PROGRAM: &str = "heatproof-cuda";

    /// Hands over and does not return, or says why not.
    pub fn hand_over() -> Result<Option<Error>> {
        let own =
            std::env::current_exe().map_err(|e| Error::io("looking up", "this program", e))?;
        let program = own.with_file_name(format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX));
        Ok(match fault(&program) {
            Some(why) => Some(Error::usage(
                "E-DEVICE-004",
                format!("this program was built without CUDA, and {why}"),
                "Put heatproof-cuda beside heatproof and CUDA's libraries where the system looks, \
                 or use --device cpu",
            )),
            None => Some(start(&program)),
        })
    }

    /// Why it cannot be used.
    fn fault(program: &Path) -> Option<String> {
        if !program.is_file() {
            return Some(format!("there is no {PROGRAM} at {}", program.display()));
        }
        let tried = match Command::new(program).arg("--version").output() {
            Err(why) => return Some(format!("{} does not start: {why}", program.display())),
            Ok(tried) => tried,
        };
        if tried.status.success() {
            return None;
        }
        let said = String::from_utf8_lossy(&tried.stderr).into_owned();
        Some(missing(&said).map_or_else(
            || format!("{} does not start: {}", program.display(), said.trim()),
            |library| {
                let searched = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
                let searched = match searched.as_str() {
                    "" => "LD_LIBRARY_PATH is not set".to_owned(),
                    folders => format!("LD_LIBRARY_PATH is {folders}"),
                };
                let place = program.display();
                format!("{place} does not start: {library} was not found ({searched})")
            },
        ))
    }

    /// The library that the system's loader could not find.
    pub(super) fn missing(said: &str) -> Option<&str> {
        let rest = said.split_once("error while loading shared libraries: ")?.1;
        rest.split_once(": cannot open").map(|(library, _)| library)
    }

    /// Starts it with the words and the environment of this process.
    fn start(program: &PathBuf) -> Error {
        let mut command = Command::new(program);
        command.args(std::env::args_os().skip(1));
        #[cfg(unix)]
        let why = std::os::unix::process::CommandExt::exec(&mut command);
        #[cfg(not(unix))]
        let why = match command.status() {
            Ok(status) => std::process::exit(status.code().unwrap_or(70)),
            Err(why) => why,
        };
        Error::io("starting", program, why)
    }
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::other::missing;

    #[test]
    fn the_loaders_words_name_the_library() {
        let said = "./heatproof-cuda: error while loading shared libraries: libcublas.so.13: cannot \
                    open shared object file: No such file or directory\n";
        assert_eq!(missing(said), Some("libcublas.so.13"));
        assert_eq!(missing("something else"), None);
    }
}
