//! Exit codes: part of the program's contract, frozen by a test.

use crate::audit::policy::Verdict;
use crate::error::Error;

/// Why the program ends.
///
/// | code | meaning |
/// | --- | --- |
/// | 0 | all gates pass |
/// | 1 | a gate failed |
/// | 2 | wrong use |
/// | 3 | some items could not be run |
/// | 4 | an input is unreadable or was refused |
/// | 5 | the model is not supported |
/// | 6 | the baseline is missing or incompatible |
/// | 7 | inconclusive |
/// | 8 | values moved against the baseline |
/// | 9 | a verdict flipped against the baseline |
/// | 70 | internal fault |
/// | 130 | interrupted by SIGINT |
/// | 143 | interrupted by SIGTERM |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// All gates pass.
    Success = 0,
    /// A gate failed.
    Failed = 1,
    /// The command line, a table or a policy asks for something impossible.
    Usage = 2,
    /// Some items could not be run; the others are done.
    Partial = 3,
    /// An input is unreadable or was refused.
    Input = 4,
    /// The model is not supported.
    Model = 5,
    /// The baseline is missing or incompatible.
    Baseline = 6,
    /// It could not be decided.
    Inconclusive = 7,
    /// Values moved against the baseline.
    Moved = 8,
    /// A verdict flipped against the baseline.
    Flipped = 9,
    /// A fault of the program.
    Internal = 70,
    /// SIGINT (128 + 2).
    Interrupted = 130,
    /// SIGTERM (128 + 15).
    Terminated = 143,
}

impl ExitCode {
    /// Every code and its meaning, for help and README.
    pub const TABLE: &[(i32, &str)] = &[
        (0, "all gates pass"),
        (1, "a gate failed"),
        (2, "wrong use"),
        (3, "some items could not be run"),
        (4, "an input is unreadable or was refused"),
        (5, "the model is not supported"),
        (6, "the baseline is missing or incompatible"),
        (7, "inconclusive"),
        (8, "values moved against the baseline"),
        (9, "a verdict flipped against the baseline"),
        (70, "internal fault"),
        (130, "interrupted by SIGINT"),
        (143, "interrupted by SIGTERM"),
    ];

    /// The number given to the system.
    pub fn code(self) -> i32 {
        i32::from(self as u8)
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

impl From<&Error> for ExitCode {
    fn from(error: &Error) -> Self {
        match error {
            Error::Refused(_) | Error::Io { .. } => Self::Input,
            Error::Usage { .. } => Self::Usage,
            Error::Model { .. } => Self::Model,
            Error::Baseline { .. } => Self::Baseline,
            Error::Shape { .. } | Error::Tensor { .. } | Error::Internal { .. } => Self::Internal,
            Error::Interrupted { signal: "SIGTERM" } => Self::Terminated,
            Error::Interrupted { .. } => Self::Interrupted,
        }
    }
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Described | Verdict::Pass | Verdict::Waived | Verdict::Warn => Self::Success,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_frozen() {
        use ExitCode::*;
        let all = [
            Success,
            Failed,
            Usage,
            Partial,
            Input,
            Model,
            Baseline,
            Inconclusive,
            Moved,
            Flipped,
            Internal,
            Interrupted,
            Terminated,
        ];
        let codes: Vec<i32> = all.iter().map(|c| c.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130, 143]);
        assert_eq!(codes, ExitCode::TABLE.iter().map(|(c, _)| *c).collect::<Vec<_>>());
    }

    #[test]
    fn errors_and_verdicts_have_their_codes() {
        let io = std::io::Error::other("gone");
        let cases = [
            (Error::refused("E-X-001", "f", "a", 1, "b", "c"), 4),
            (Error::io("reading", "f", io), 4),
            (Error::usage("E-X-001", "a", "b"), 2),
            (Error::model("E-X-001", "a", "b"), 5),
            (Error::baseline("E-X-001", "a", "b"), 6),
            (Error::shape("a", 1, 2), 70),
            (Error::Tensor { op: "a", message: "b".into() }, 70),
            (Error::internal("a"), 70),
            (Error::Interrupted { signal: "SIGINT" }, 130),
            (Error::Interrupted { signal: "SIGTERM" }, 143),
        ];
        for (error, code) in &cases {
            assert_eq!(ExitCode::from(error).code(), *code, "{error}");
        }
        use Verdict::*;
        let codes =
            [Described, Pass, Waived, Warn, Inconclusive, Fail].map(|v| ExitCode::from(v).code());
        assert_eq!(codes, [0, 0, 0, 0, 7, 1]);
    }
}
