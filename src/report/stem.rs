//! File-name stems from ids that may hold anything.

/// Letters, digits, `-` and `_` are kept, everything else becomes `_`; at most 80 characters.
pub fn safe(id: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = id.chars().take(80).map(kept).collect();
    if stem.is_empty() { "_".to_owned() } else { stem }
}

/// Safe stems, no two alike: a later twin gets its number (file systems may ignore case).
pub fn unique<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for id in ids {
        let stem = safe(id);
        let taken = |name: &str| out.iter().any(|o| o.eq_ignore_ascii_case(name));
        let mut name = stem.clone();
        let mut n = 2;
        while taken(&name) {
            name = format!("{stem}-{n}");
            n += 1;
        }
        out.push(name);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_stay_inside_the_folder() {
        assert_eq!(safe("../../etc/passwd"), "______etc_passwd");
        assert_eq!(unique(["a/b", "a:b", "A_b"]), ["a_b", "a_b-2", "A_b-3"]);
    }
}
