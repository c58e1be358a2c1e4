//! The terminal: the only code that prints. Results go to standard output, progress and
//! errors to standard error.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::progress::{Progress, request_stop};
use crate::{Error, Result};

/// Writes a result to standard output. A reader who has left (a closed pipe) is no error.
///
/// # Errors
/// [`Error::Io`] when the system refuses for another reason.
pub fn out(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("writing", "standard output", e))
        }
        _ => Ok(()),
    }
}

/// Writes a value as indented JSON to standard output.
///
/// # Errors
/// As [`out`]; [`Error::Internal`] when the value cannot be written as JSON.
pub fn json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::internal(format!("writing JSON: {e}")))?;
    out(&(text + "\n"))
}

/// Prints an error as `error[E-…]: …`.
pub fn error(error: &Error) {
    complain(&error.to_string());
}

/// Prints a message that begins with its code, `E-…: …`, as an error.
pub fn complain(message: &str) {
    let (code, rest) = message.split_once(": ").unwrap_or(("E-INTERNAL-001", message));
    let head = format!("error[{code}]");
    if coloured() {
        line(&format!("\x1b[1;31m{head}\x1b[0m: {rest}"));
    } else {
        line(&format!("{head}: {rest}"));
    }
}

/// A line on standard error; when nobody can read it, nothing can be done about it.
fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn given(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn coloured() -> bool {
    std::io::stderr().is_terminal() && !given("NO_COLOR") && !dumb()
}

/// The first SIGINT or SIGTERM asks long work to stop, so that what is finished is kept;
/// the second ends the process at once.
///
/// # Errors
/// [`Error::Io`] when the system refuses handlers.
pub fn watch_signals() -> Result<()> {
    let refused = |e| Error::io("watching", "signals", e);
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(refused)?;
    let watch = move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                std::process::exit(128 + signal);
            }
            asked = true;
            request_stop(usize::try_from(signal).unwrap_or(15));
            line("stopping after the work at hand; once more to stop at once");
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(refused)?;
    Ok(())
}

/// What is going on.
#[derive(Debug)]
struct Stage {
    name: String,
    total: u64,
    done: u64,
    /// Tenths that were printed.
    said: u64,
    start: Instant,
    bar: Option<ProgressBar>,
}

/// Progress for people: a bar on a terminal, plain lines elsewhere (logs, CI).
#[derive(Debug)]
pub struct Terminal {
    quiet: bool,
    bars: bool,
    stage: Mutex<Option<Stage>>,
}

impl Terminal {
    /// Progress on standard error, or none when `quiet`.
    pub fn new(quiet: bool) -> Self {
        let bars = std::io::stderr().is_terminal() && !given("CI") && !dumb();
        Self { quiet, bars, stage: Mutex::new(None) }
    }

    /// A panic elsewhere must not hide itself behind a second one here.
    fn stage(&self) -> MutexGuard<'_, Option<Stage>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(name: &str, total: u64) -> ProgressBar {
        let bar = ProgressBar::new(total).with_prefix(name.to_owned());
        let form = "{prefix} [{bar:30}] {pos}/{len} {eta} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

impl Progress for Terminal {
    fn begin(&self, stage: &str, total: u64) {
        if self.quiet {
            return;
        }
        let bar = self.bars.then(|| Self::bar(stage, total));
        if bar.is_none() {
            line(&format!("{stage}: {total} to do"));
        }
        let name = stage.to_owned();
        let start = Instant::now();
        *self.stage() = Some(Stage { name, total, done: 0, said: 0, start, bar });
    }

    fn advance(&self, n: u64, note: &str) {
        let mut guard = self.stage();
        let Some(stage) = guard.as_mut() else { return };
        stage.done += n;
        if let Some(bar) = &stage.bar {
            bar.inc(n);
            bar.set_message(note.to_owned());
            return;
        }
        let tenths = stage.done * 10 / stage.total.max(1);
        if tenths > stage.said {
            stage.said = tenths;
            line(&format!("{}: {} of {} {note}", stage.name, stage.done, stage.total));
        }
    }

    fn end(&self) {
        let Some(stage) = self.stage().take() else { return };
        if let Some(bar) = stage.bar {
            bar.finish_and_clear();
        }
        line(&format!("{}: done in {:.1} s", stage.name, stage.start.elapsed().as_secs_f64()));
    }

    fn say(&self, text: &str) {
        if self.quiet {
            return;
        }
        match self.stage().as_ref().and_then(|stage| stage.bar.as_ref()) {
            Some(bar) => bar.suspend(|| line(text)),
            None => line(text),
        }
    }
}

impl Drop for Terminal {
    /// An error leaves no bar behind.
    fn drop(&mut self) {
        if let Some(bar) = self.stage().take().and_then(|stage| stage.bar) {
            bar.finish_and_clear();
        }
    }
}
