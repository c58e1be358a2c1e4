//! The self-test and the checks as the README lists them.

use heatproof::audit::checks;
use heatproof::audit::selftest::{Caught, TRIALS};

#[test]
fn the_readme_lists_every_trial_and_no_other() {
    let readme = include_str!("../../README.md");
    let section = readme.split("## The audit audited").nth(1).expect("section");
    let section = section.split("\n## ").next().expect("section");
    let rows: Vec<&str> = section.lines().filter(|l| l.starts_with("| ")).skip(2).collect();
    let want: Vec<String> = TRIALS
        .iter()
        .map(|t| {
            let by = match t.caught {
                Caught::Sound => "all checks pass".to_owned(),
                Caught::By(check, quantity) => format!("`{check}/{quantity}`"),
                Caught::Refused(code) => format!("`{code}`"),
            };
            format!("| {} | {by} |", t.title)
        })
        .collect();
    assert_eq!(rows, want);
}

#[test]
fn the_readme_asks_the_question_of_every_check() {
    let readme = include_str!("../../README.md");
    for check in checks::all() {
        let id = check.card().id;
        assert!(readme.contains(&format!("| `{id}` | ")), "{id} is not in the README");
    }
}
