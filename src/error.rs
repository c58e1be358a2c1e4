//! One error type for the library, grouped by what the user can do about it.
//!
//! Every variant carries a stable code (`E-IMAGE-003`), what was seen, what is
//! allowed and what to do. Messages are lowercase fragments.

use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file was refused: file, field, value seen, value allowed, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Stable code, for example `E-IMAGE-003`.
    pub code: &'static str,
    /// The file.
    pub path: PathBuf,
    /// The header field, column or key.
    pub field: String,
    /// The value seen.
    pub seen: String,
    /// The values allowed.
    pub allowed: String,
    /// What the user can do.
    pub fix: String,
}

/// Everything that can go wrong, by what the user can do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is unreadable or was refused (exit code 4).
    #[error("{code}: {path}: {field} is {seen}; allowed: {allowed}. {fix}",
        code = .0.code, path = .0.path.display(), field = .0.field, seen = .0.seen,
        allowed = .0.allowed, fix = .0.fix)]
    Refused(Box<Refusal>),
    /// The command line, a table or a policy asks for something impossible (exit code 2).
    #[error("{code}: {what}. {fix}")]
    Usage {
        /// Stable code.
        code: &'static str,
        /// What is wrong, with the value seen.
        what: String,
        /// What to do.
        fix: String,
    },
    /// A model cannot be used as asked (exit code 5).
    #[error("{code}: {what}. {fix}")]
    Model {
        /// Stable code.
        code: &'static str,
        /// What is wrong, with layer name and value seen.
        what: String,
        /// What to do.
        fix: String,
    },
    /// A baseline is missing or was made by something incompatible (exit code 6).
    #[error("{code}: {what}. {fix}")]
    Baseline {
        /// Stable code.
        code: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        fix: String,
    },
    /// Two shapes that must agree do not.
    #[error("E-SHAPE-001: {what}: expected shape {expected}, got {got}")]
    Shape {
        /// Layer or operation.
        what: String,
        /// Expected shape.
        expected: String,
        /// Shape seen.
        got: String,
    },
    /// The tensor library refused an operation.
    #[error("E-TENSOR-001: {op}: {message}")]
    Tensor {
        /// The operation.
        op: &'static str,
        /// The library's message, first line only.
        message: String,
    },
    /// The operating system refused a read or a write (exit code 4).
    #[error("E-IO-001: {doing} {path}: {source}", path = path.display())]
    Io {
        /// "reading", "writing", "creating".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// SIGINT or SIGTERM arrived; what was finished is saved (exit code 130 or 143).
    #[error(
        "E-STOP-001: interrupted by {signal}; finished work is kept, run the same command again to go on"
    )]
    Interrupted {
        /// "SIGINT" or "SIGTERM".
        signal: &'static str,
    },
    /// A fault of ours (exit code 70).
    #[error("E-INTERNAL-001: {what}")]
    Internal {
        /// What was found inconsistent.
        what: String,
    },
}

impl Error {
    /// A refused file. Fields as in [`Refusal`].
    pub fn refused(
        code: &'static str,
        path: impl AsRef<Path>,
        field: impl Into<String>,
        seen: impl ToString,
        allowed: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Refused(Box::new(Refusal {
            code,
            path: path.as_ref().to_path_buf(),
            field: field.into(),
            seen: seen.to_string(),
            allowed: allowed.into(),
            fix: fix.into(),
        }))
    }

    /// A usage error.
    pub fn usage(code: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Usage { code, what: what.into(), fix: fix.into() }
    }

    /// A model that cannot be used as asked.
    pub fn model(code: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Model { code, what: what.into(), fix: fix.into() }
    }

    /// A baseline that is missing or incompatible.
    pub fn baseline(code: &'static str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Baseline { code, what: what.into(), fix: fix.into() }
    }

    /// Two shapes that do not agree.
    pub fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Debug,
        got: impl std::fmt::Debug,
    ) -> Self {
        Self::Shape {
            what: what.into(),
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        }
    }

    /// An operating-system error with the file it happened on.
    pub fn io(doing: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { doing, path: path.as_ref().to_path_buf(), source }
    }

    /// A fault of ours.
    pub fn internal(what: impl Into<String>) -> Self {
        Self::Internal { what: what.into() }
    }

    /// The stable code of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(r) => r.code,
            Self::Usage { code, .. } | Self::Model { code, .. } | Self::Baseline { code, .. } => {
                code
            }
            Self::Shape { .. } => "E-SHAPE-001",
            Self::Tensor { .. } => "E-TENSOR-001",
            Self::Io { .. } => "E-IO-001",
            Self::Interrupted { .. } => "E-STOP-001",
            Self::Internal { .. } => "E-INTERNAL-001",
        }
    }
}

/// Gives candle's errors our form: the operation named, backtraces cut off.
pub trait TensorResult<T> {
    /// Wraps a candle error with the name of the operation that failed.
    ///
    /// # Errors
    /// Passes the candle error on as [`Error::Tensor`].
    fn tensor(self, op: &'static str) -> Result<T>;
}

impl<T> TensorResult<T> for candle_core::Result<T> {
    fn tensor(self, op: &'static str) -> Result<T> {
        self.map_err(|error| Error::Tensor {
            op,
            message: error.to_string().lines().next().unwrap_or_default().to_owned(),
        })
    }
}
