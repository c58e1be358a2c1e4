//! What the system says of its processor. What it does not say is left out.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::compute::instruction_set;

/// A processor and what of it is used.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// As the system calls it.
    processor: Option<String>,
    /// Instruction set that the kernels use.
    instruction_set: &'static str,
    /// Threads that compute.
    threads: usize,
    /// Sizes of the first core's caches, innermost first.
    caches: Vec<Cache>,
}

#[derive(Debug, Serialize)]
struct Cache {
    /// For example `L1 data`.
    name: String,
    /// As the system writes it, for example `48K`.
    size: String,
}

impl Machine {
    /// Reads `/proc` and `/sys` where there are such folders.
    pub fn look() -> Self {
        Self {
            processor: fs::read_to_string("/proc/cpuinfo").ok().and_then(|t| processor(&t)),
            instruction_set: instruction_set(),
            threads: rayon::current_num_threads(),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
        }
    }

    /// Line by line.
    pub fn words(&self) -> String {
        let unknown = || "unknown".to_owned();
        let caches: Vec<String> =
            self.caches.iter().map(|c| format!("{} {}", c.name, c.size)).collect();
        let caches = if caches.is_empty() { unknown() } else { caches.join(", ") };
        let rows = [
            ("processor", self.processor.clone().unwrap_or_else(unknown)),
            ("instructions", self.instruction_set.to_owned()),
            ("threads", self.threads.to_string()),
            ("caches", caches),
        ];
        rows.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect()
    }
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|l| l.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn caches(folder: &Path) -> Vec<Cache> {
    let one = |n: usize| {
        let read = |file: &str| {
            let text = fs::read_to_string(folder.join(format!("index{n}")).join(file)).ok()?;
            Some(text.trim().to_owned())
        };
        let kind = match read("type")?.as_str() {
            "Data" => " data",
            "Instruction" => " instructions",
            _ => "",
        };
        Some(Cache { name: format!("L{}{kind}", read("level")?), size: read("size")? })
    };
    (0..8).map_while(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_is_there_and_leaves_out_what_is_not() {
        let text = "processor\t: 0\nmodel name\t: Some Core 3\nmodel name\t: other\n";
        assert_eq!(processor(text).as_deref(), Some("Some Core 3"));
        assert_eq!(processor("flags : fpu\n"), None);
        let folder = tempfile::tempdir().expect("folder");
        for (n, [level, kind, size]) in
            [["1", "Data", "48K"], ["2", "Unified", "2048K"]].iter().enumerate()
        {
            let index = folder.path().join(format!("index{n}"));
            fs::create_dir(&index).expect("folder");
            for (file, text) in [("level", level), ("type", kind), ("size", size)] {
                fs::write(index.join(file), format!("{text}\n")).expect("written");
            }
        }
        let found: Vec<String> =
            caches(folder.path()).iter().map(|c| format!("{} {}", c.name, c.size)).collect();
        assert_eq!(found, ["L1 data 48K", "L2 2048K"]);
        assert!(caches(&folder.path().join("none")).is_empty());
    }
}
