//! Limits with reasons, read from TOML and checked whole before any is used.
//! [`super::judge`] gives the verdicts.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::card::Better;
use crate::{Error, Result};

/// What a limit says of a finding; ordered from harmless to serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No limit applies: the number is only described.
    Described,
    /// Within the limit.
    Pass,
    /// Outside the limit, but waived with a reason.
    Waived,
    /// Between the warning and the failing limit.
    Warn,
    /// Could not be decided: unmeasurable, or a control misbehaved.
    Inconclusive,
    /// Outside the limit.
    Fail,
}

/// The judgement of one finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Check id.
    pub check: String,
    /// Quantity.
    pub quantity: String,
    /// Participant id or `cohort`.
    pub subject: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The value and the limit in words, and the limit's reason.
    pub because: String,
}

/// A set of limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Name of the policy.
    pub name: String,
    /// Limits.
    pub limits: Vec<Limit>,
    /// Waivers.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// One limit: on which quantity, where it warns and where it fails, and why there.
/// At least one of the three levels is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Check id.
    pub check: String,
    /// Quantity of the check.
    pub quantity: String,
    /// Fails above this (Lower is better) or below it (Higher is better).
    #[serde(default)]
    pub fail: Option<f64>,
    /// At this value or beyond it the finding is inconclusive: nothing has been shown.
    #[serde(default)]
    pub inconclusive: Option<f64>,
    /// Warns beyond this.
    #[serde(default)]
    pub warn: Option<f64>,
    /// Which way is good: lower or higher.
    pub better: Better,
    /// When this one is neither Pass nor Warn, the whole is at least inconclusive.
    #[serde(default)]
    pub gate: bool,
    /// Why this limit.
    pub reason: String,
}

/// An exception with a reason and an end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Check id; `*` stands for any text, `?` for one character, here and below.
    pub check: String,
    /// Quantity.
    pub quantity: String,
    /// Participant id, `cohort`, or a pattern.
    pub subject: String,
    /// Why it is waived.
    pub reason: String,
    /// Last day on which it holds, `YYYY-MM-DD`.
    pub until: String,
}

/// The policy used when none is given.
pub const DEFAULT_TOML: &str = include_str!("policy.default.toml");

/// As [`Policy`], with the place of each entry for messages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    limits: Vec<Spanned<Limit>>,
    #[serde(default)]
    waivers: Vec<Spanned<Waiver>>,
}

impl Policy {
    /// The policy built into the program.
    ///
    /// # Errors
    /// [`Error::Usage`] if the embedded text were broken (a test holds that it is not).
    pub fn default_policy() -> Result<Self> {
        Self::from_toml(DEFAULT_TOML, "the built-in policy")
    }

    /// Reads a policy; `source` names it in messages.
    ///
    /// # Errors
    /// [`Error::Usage`] with source, line and why: `E-POLICY-001` text that is not such a
    /// policy, `-002` an empty reason or name, `-003` levels that are missing, not finite
    /// or contradict each other, `-004` two limits for one quantity, `-005` a date that is
    /// none.
    pub fn from_toml(text: &str, source: &str) -> Result<Self> {
        let written: Written = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |s| line_at(text, s.start));
            refuse("E-POLICY-001", source, line, e.message())
        })?;
        let mut seen = std::collections::BTreeSet::new();
        for limit in &written.limits {
            let line = line_at(text, limit.span().start);
            let limit = limit.get_ref();
            limit.check_levels().map_err(|(code, why)| refuse(code, source, line, &why))?;
            if !seen.insert((limit.check.clone(), limit.quantity.clone())) {
                let why = format!("a second limit for {}/{}", limit.check, limit.quantity);
                return Err(refuse("E-POLICY-004", source, line, &why));
            }
        }
        for waiver in &written.waivers {
            let line = line_at(text, waiver.span().start);
            waiver.get_ref().check().map_err(|(code, why)| refuse(code, source, line, &why))?;
        }
        Ok(Self {
            name: written.name,
            limits: written.limits.into_iter().map(Spanned::into_inner).collect(),
            waivers: written.waivers.into_iter().map(Spanned::into_inner).collect(),
        })
    }

    /// Checks a policy that came another way (from a record) as [`Policy::from_toml`] does.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the entry.
    pub fn check(&self) -> Result<()> {
        let limits = self.limits.iter().map(Limit::check_levels);
        let all = limits.chain(self.waivers.iter().map(Waiver::check));
        for (i, found) in all.enumerate() {
            found.map_err(|(code, why)| {
                Error::usage(code, format!("policy {}: entry {}: {why}", self.name, i + 1), FIX)
            })?;
        }
        Ok(())
    }
}

const FIX: &str = "Correct the policy; its format is that of the built-in one";

fn refuse(code: &'static str, source: &str, line: usize, why: &str) -> Error {
    Error::usage(code, format!("{source}, line {line}: {}", why.trim().replace('\n', "; ")), FIX)
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

type Complaint = (&'static str, String);

fn named(check: &str, quantity: &str, reason: &str) -> std::result::Result<(), Complaint> {
    for (field, text) in [("check", check), ("quantity", quantity), ("reason", reason)] {
        if text.trim().is_empty() {
            return Err(("E-POLICY-002", format!("{field} is empty; it is required")));
        }
    }
    Ok(())
}

impl Limit {
    fn check_levels(&self) -> std::result::Result<(), Complaint> {
        named(&self.check, &self.quantity, &self.reason)?;
        let wrong = |why: String| Err(("E-POLICY-003", why));
        // From harmless to serious: later levels must lie further out.
        let levels: Vec<(&str, f64)> =
            [("warn", self.warn), ("inconclusive", self.inconclusive), ("fail", self.fail)]
                .into_iter()
                .filter_map(|(name, level)| Some((name, level?)))
                .collect();
        if levels.is_empty() {
            return wrong("none of fail, inconclusive and warn is given".into());
        }
        if let Some((name, level)) = levels.iter().find(|(_, level)| !level.is_finite()) {
            return wrong(format!("{name} is {level}, not a finite number"));
        }
        for pair in levels.windows(2) {
            let ((inner, a), (outer, b)) = (pair[0], pair[1]);
            let backwards = match self.better {
                Better::Lower => a > b,
                Better::Higher => a < b,
                Better::Neither => return wrong("better is neither; a limit needs a side".into()),
            };
            if backwards {
                return wrong(format!("{inner} {a} lies beyond {outer} {b}"));
            }
        }
        if self.better == Better::Neither {
            return wrong("better is neither; a limit needs a side".into());
        }
        Ok(())
    }
}

impl Waiver {
    fn check(&self) -> std::result::Result<(), Complaint> {
        named(&self.check, &self.quantity, &self.reason)?;
        if self.subject.trim().is_empty() {
            return Err(("E-POLICY-002", "subject is empty; it is required".into()));
        }
        if !is_date(&self.until) {
            let why = format!("until is \"{}\"; a date YYYY-MM-DD is required", self.until);
            return Err(("E-POLICY-005", why));
        }
        Ok(())
    }

    /// True when the three patterns match.
    pub fn covers(&self, check: &str, quantity: &str, subject: &str) -> bool {
        matches(&self.check, check)
            && matches(&self.quantity, quantity)
            && matches(&self.subject, subject)
    }
}

/// True for `YYYY-MM-DD` with a month and a day that exist; such dates sort as text.
pub fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b'-',
            _ => b.is_ascii_digit(),
        });
    if !shape {
        return false;
    }
    let number = |r: std::ops::Range<usize>| text[r].parse::<u32>().unwrap_or(0);
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Whole-text match; `*` stands for any text, `?` for one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut i, mut j) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while j < t.len() {
        if i < p.len() && p[i] == '*' {
            star = Some((i, j));
            i += 1;
        } else if i < p.len() && (p[i] == '?' || p[i] == t[j]) {
            (i, j) = (i + 1, j + 1);
        } else if let Some((at, taken)) = star {
            // Let the last star swallow one character more.
            star = Some((at, taken + 1));
            (i, j) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_reads_and_gives_reasons() {
        let policy = Policy::default_policy().expect("built-in policy");
        assert!(policy.limits.len() >= 9);
        assert!(policy.limits.iter().all(|l| l.reason.len() > 30));
        policy.check().expect("checked");
    }

    fn code(text: &str) -> (&'static str, String) {
        let error = Policy::from_toml(text, "p.toml").expect_err(text);
        (error.code(), error.to_string())
    }

    fn with(entry: &str) -> String {
        format!("name = \"p\"\n\n[[limits]]\ncheck = \"a\"\nquantity = \"b\"\n{entry}\n")
    }

    #[test]
    fn hostile_text_is_refused_with_line_and_reason() {
        let low = "better = \"lower\"\nreason = \"r\"\n";
        let cases = [
            ("", "E-POLICY-001"),
            ("name = 3\nlimits = []", "E-POLICY-001"),
            (&with(&format!("{low}fail = 1.0\nspare = 2")), "E-POLICY-001"),
            (&with("better = \"lower\"\nfail = 1.0"), "E-POLICY-001"),
            (&with("better = \"lower\"\nfail = 1.0\nreason = \"  \""), "E-POLICY-002"),
            (&with(low), "E-POLICY-003"),
            (&with(&format!("{low}fail = nan")), "E-POLICY-003"),
            (&with(&format!("{low}warn = inf")), "E-POLICY-003"),
            (&with(&format!("{low}warn = 2.0\nfail = 1.0")), "E-POLICY-003"),
            (&with("better = \"neither\"\nfail = 1.0\nreason = \"r\""), "E-POLICY-003"),
            (&with("better = \"higher\"\nwarn = 1.0\nfail = 2.0\nreason = \"r\""), "E-POLICY-003"),
            (
                &(with(&format!("{low}fail = 1.0")) + &with(&format!("{low}fail = 1.0"))[11..]),
                "E-POLICY-004",
            ),
        ];
        for (text, want) in cases {
            let (got, message) = code(text);
            assert_eq!(got, want, "{text}\n{message}");
            assert!(message.contains("p.toml, line "), "{message}");
        }
        assert!(code(&with(&format!("{low}fail = nan"))).1.contains("line 3"));
        let waiver = "name = \"p\"\nlimits = []\n[[waivers]]\ncheck = \"*\"\nquantity = \"*\"\nsubject = \"*\"\nreason = \"r\"\nuntil = ";
        for date in ["2026-02-29", "soon", "2026-13-01", "2026-1-1", ""] {
            assert_eq!(code(&format!("{waiver}\"{date}\"")).0, "E-POLICY-005");
        }
        assert!(Policy::from_toml(&format!("{waiver}\"2028-02-29\""), "p").is_ok());
    }

    #[test]
    fn patterns() {
        for (p, t, want) in [
            ("*", "", true),
            ("sub-*", "sub-01", true),
            ("sub-?1", "sub-01", true),
            ("*-01", "sub-01-01", true),
            ("sub", "sub-01", false),
            ("?", "", false),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(matches(p, t), want, "{p} {t}");
        }
    }
}
