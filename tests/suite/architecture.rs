//! The floors and fences of the source tree, held by reading it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor; imports go downwards only. As in `src/lib.rs`.
const FLOORS: &[&[&str]] = &[
    &["error", "seed", "card", "provenance", "progress", "files", "sheet", "stats"],
    &["image", "cohort", "compute"],
    &["phantom", "model"],
    &["train", "explain"],
    &["audit"],
    &["report"],
    &["cli"],
];
/// Floor 0 is one floor of small tools that may use each other.
const TOOLS: usize = 0;
/// Most lines of a file.
const LONGEST: usize = 400;
/// Files that are longer, with the reason.
const DEBT: &[(&str, &str)] = &[];
/// Folders of items with a registry in their `mod.rs`.
const REGISTRIES: &[&str] = &[
    "src/report/figures",
    "src/explain/rules",
    "src/explain/methods",
    "src/audit/checks/anatomy",
    "src/audit/checks/complexity",
    "src/audit/checks/conservation",
    "src/audit/checks/faithfulness",
    "src/audit/checks/localisation",
    "src/audit/checks/performance",
    "src/audit/checks/randomisation",
    "src/audit/checks/shortcuts",
    "src/audit/checks/stability",
    "src/model/layers",
];

struct Source {
    /// `src/…`, with `/`.
    path: String,
    lines: usize,
    /// Without line comments.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    files(&root().join("src"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("text");
        let path = path.strip_prefix(root()).expect("inside").to_string_lossy().replace('\\', "/");
        Source { path, lines: text.lines().count(), code: without_comments(&text) }
    };
    let found: Vec<Source> = paths.into_iter().map(read).collect();
    assert!(found.len() > 50, "the source tree was found");
    found
}

fn without_comments(text: &str) -> String {
    let kept = text.lines().map(|line| match line.find("//") {
        // A slash pair in a string (an address) is no comment.
        Some(at) if line[..at].matches('"').count() % 2 == 0 => &line[..at],
        _ => line,
    });
    kept.collect::<Vec<_>>().join("\n")
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The top module of a file; none for `lib.rs` and the programs.
fn module(path: &str) -> Option<&str> {
    let first = path.strip_prefix("src/")?.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main", "cuda_main"].contains(&name)).then_some(name)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows each whole `word` in the code.
fn after<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    code.match_indices(word)
        .filter(|(at, _)| !code[..*at].chars().next_back().is_some_and(is_word))
        .map(move |(at, _)| &code[at + word.len()..])
}

fn leading_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c| !is_word(c)).unwrap_or(text.len())]
}

/// First names of a path's tail: one, or those at the outer level of `{…}`.
fn heads(tail: &str) -> Vec<&str> {
    let Some(list) = tail.trim_start().strip_prefix('{') else { return vec![leading_word(tail)] };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(leading_word(&list[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// Top modules that a file names, by `crate::` or by climbing with `super::`.
fn named(source: &Source) -> BTreeSet<&str> {
    let mut found: BTreeSet<&str> = after(&source.code, "crate::").flat_map(heads).collect();
    // As many `super::` as the file is deep reach the root.
    let is_folder = source.path.ends_with("/mod.rs");
    let depth = source.path.matches('/').count() - usize::from(is_folder);
    let climbs = after(&source.code, "super::").filter_map(|tail| {
        let (mut rest, mut climbed) = (tail, 1);
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, climbed) = (next, climbed + 1);
        }
        (climbed >= depth.max(1)).then_some(rest)
    });
    found.extend(climbs.flat_map(heads));
    found.retain(|name| floor(name).is_some());
    found
}

/// Code that is compiled into the program: not tests.
fn shipped(source: &Source) -> &str {
    let stem = source.path.rsplit('/').next().unwrap_or_default();
    let folder = source.path.contains("/sample/");
    if folder || ["tests.rs", "look.rs", "sample.rs"].contains(&stem) || stem.ends_with("_tests.rs")
    {
        return "";
    }
    source.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn imports_go_downwards_only() {
    let mut faults = Vec::new();
    for source in &sources() {
        let Some(own) = module(&source.path) else { continue };
        let Some(here) = floor(own) else {
            faults.push(format!("{}: module {own} is on no floor", source.path));
            continue;
        };
        for name in named(source) {
            let there = floor(name).unwrap_or_default();
            let sideways = there == here && name != own && here != TOOLS;
            if there > here || sideways {
                let why = if sideways { "sideways" } else { "upwards" };
                faults.push(format!("{}: {own} imports {name}, {why}", source.path));
            }
        }
    }
    none(faults);
}

#[test]
fn the_reader_of_imports_sees_all_forms() {
    let code = "use crate::{Error, audit::{judge, report}, card};\ncrate::stats::mean();\n\
        super::super::cli::main(); super::cohort();";
    let path = "src/image/x.rs".to_owned();
    let source = Source { path, lines: 3, code: code.to_owned() };
    assert_eq!(named(&source).into_iter().collect::<Vec<_>>(), ["audit", "card", "cli", "stats"]);
    assert_eq!(without_comments("a // crate::cli\n\"http://x\""), "a \n\"http://x\"");
}

#[test]
fn files_are_short() {
    let debt = |path: &str| DEBT.iter().any(|(name, reason)| *name == path && !reason.is_empty());
    let all = sources();
    let long = all.iter().filter(|s| s.lines > LONGEST && !debt(&s.path));
    none(long.map(|s| format!("{}: {} lines, at most {LONGEST}", s.path, s.lines)).collect());
    let paid = |path: &str| !all.iter().any(|s| s.path == path && s.lines > LONGEST);
    none(DEBT.iter().filter(|(p, _)| paid(p)).map(|(p, _)| format!("{p}: debt is paid")).collect());
}

#[test]
fn each_foreign_thing_has_one_home() {
    let mut faults = Vec::new();
    for source in &sources() {
        let path = source.path.as_str();
        let mut fence = |hit: bool, homes: &[&str], what: &str| {
            if hit && !homes.iter().any(|home| path.starts_with(home)) {
                faults.push(format!("{path}: {what} outside {}", homes.join(", ")));
            }
        };
        fence(names_nifti_crate(&source.code), &["src/image/nifti"], "the crate nifti");
        let plots = after(&source.code, "plotters::").next().is_some();
        fence(plots, &["src/report/png"], "the crate plotters");
        let is_unsafe = after(&source.code, "unsafe").any(|rest| !rest.starts_with(is_word));
        fence(is_unsafe, &["src/compute/host", "src/compute/cuda"], "unsafe code");
        let code = shipped(source);
        let prints = ["println!", "eprintln!", "print!", "eprint!", "dbg!"];
        let prints = prints.iter().any(|word| after(code, word).next().is_some());
        fence(prints, &["src/cli/term.rs"], "printing");
    }
    none(faults);
}

/// `nifti::` names the crate unless the file imports our module of that name.
fn names_nifti_crate(code: &str) -> bool {
    let ours = after(code, "use ").any(|rest| {
        let import = rest.split(';').next().unwrap_or_default();
        let local = ["crate::image", "super"].iter().any(|p| import.starts_with(p));
        local && import.split(|c| !is_word(c)).any(|word| word == "nifti")
    });
    let bare = |(at, _): (usize, &str)| {
        let before = &code[..at];
        let inner = before.ends_with("image::") || before.ends_with("super::");
        let root = before.ends_with("use ") || (before.ends_with("::") && !inner);
        root || (!inner && !ours && !before.chars().next_back().is_some_and(is_word))
    };
    code.match_indices("nifti::").any(bare)
}

#[test]
fn every_item_is_in_its_registry() {
    let mut faults = Vec::new();
    for folder in REGISTRIES {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        let registry = fs::read_to_string(root().join(folder).join("mod.rs")).expect("mod.rs");
        let registry = without_comments(&registry);
        for entry in entries {
            let name = entry.expect("entry").file_name().to_string_lossy().into_owned();
            let Some(item) = name.strip_suffix(".rs").filter(|stem| *stem != "mod") else {
                continue;
            };
            let declared = after(&registry, "mod ").any(|rest| leading_word(rest) == item);
            let listed = after(&registry, item).any(|rest| rest.starts_with("::"));
            if !declared || !listed {
                faults.push(format!("{folder}/{name} is not in {folder}/mod.rs"));
            }
        }
    }
    none(faults);
}
