//! What a file asks for that relevance cannot be propagated through, told all at once.

use std::collections::BTreeMap;
use std::path::Path;

use super::{document, shown, supported};
use crate::{Error, Result};

/// Most lines of a list of unsupported operators.
const MOST_LINES: usize = 40;

/// Nodes that cannot be taken over, by operator and reason.
#[derive(Debug, Default)]
pub struct Unsupported(BTreeMap<(String, String), Vec<String>>);

impl Unsupported {
    /// Takes one more node down.
    pub fn add(&mut self, node: &document::Node<'_>, name: &str, why: String) {
        let why: String = why.chars().filter(|c| !c.is_control()).take(300).collect();
        let key = (shown(&node.operator), why);
        self.0.entry(key).or_default().push(name.to_owned());
    }

    /// Refuses the file when there is one.
    ///
    /// # Errors
    /// [`Error::Model`] `E-ONNX-020` naming all of them and what is supported.
    pub fn check(&self, path: &Path) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let line = |((operator, why), nodes): (&(String, String), &Vec<String>)| {
            let more = if nodes.len() > 1 {
                format!(" and {} more", nodes.len() - 1)
            } else {
                String::new()
            };
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("{operator} (node '{}'{more}){why}", nodes[0])
        };
        let lines: Vec<String> = self.0.iter().take(MOST_LINES).map(line).collect();
        let rest = self.0.len().saturating_sub(MOST_LINES);
        let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
        let what = format!("{}: not supported: {}{rest}", path.display(), lines.join("; "));
        let fix = format!("Supported operators: {}", supported().join(", "));
        Err(Error::model("E-ONNX-020", what, fix))
    }
}
