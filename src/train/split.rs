//! Who trains and who tests. Subjects are split, never rows; the split depends on the seed
//! and on the ids, never on the order of the rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::seed::Seed;
use crate::{Error, Result};

/// One row as far as splitting is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SplitRow {
    /// Unique id of the row.
    pub id: String,
    /// The subject the row belongs to.
    pub subject: String,
    /// Class number.
    pub class: usize,
}

/// A fold number for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    /// Number of folds.
    pub k: usize,
    /// Fold in which each row is tested, in the order of the rows given.
    pub of_row: Vec<usize>,
}

impl Folds {
    /// Numbers of the rows tested in a fold.
    pub fn test_rows(&self, fold: usize) -> Vec<usize> {
        (0..self.of_row.len()).filter(|&i| self.of_row[i] == fold).collect()
    }

    /// Numbers of the rows not tested in a fold.
    pub fn training_rows(&self, fold: usize) -> Vec<usize> {
        (0..self.of_row.len()).filter(|&i| self.of_row[i] != fold).collect()
    }
}

/// Classes of each subject that occurs.
type Subjects<'a> = BTreeMap<&'a str, BTreeSet<usize>>;

fn subjects<'a>(rows: impl Iterator<Item = &'a SplitRow>) -> Subjects<'a> {
    let mut out = Subjects::new();
    rows.for_each(|r| {
        out.entry(r.subject.as_str()).or_default().insert(r.class);
    });
    out
}

/// Subjects with at least one row of each class.
fn class_sizes(subjects: &Subjects) -> BTreeMap<usize, usize> {
    let mut sizes = BTreeMap::new();
    subjects.values().flatten().for_each(|c| *sizes.entry(*c).or_default() += 1);
    sizes
}

/// Classes, and the subjects that have rows of exactly these.
type Stratum<'a> = (Vec<usize>, Vec<&'a str>);

/// Subjects with the hash that orders them.
type Keyed<'a> = Vec<(u64, &'a str)>;

/// Subjects by their set of classes, each group in an order that only the seed, the
/// purpose and the names decide; single-class groups first.
fn strata<'a>(subjects: &Subjects<'a>, seed: Seed, purpose: &str) -> Vec<Stratum<'a>> {
    let mut groups: BTreeMap<(usize, Vec<usize>), Keyed<'_>> = BTreeMap::new();
    for (name, classes) in subjects {
        let key = seed.stream(&format!("split/{purpose}/{name}")).next_u64();
        let classes: Vec<usize> = classes.iter().copied().collect();
        groups.entry((classes.len(), classes)).or_default().push((key, name));
    }
    groups
        .into_iter()
        .map(|((_, classes), mut names)| {
            names.sort_unstable();
            (classes, names.into_iter().map(|(_, name)| name).collect())
        })
        .collect()
}

/// Stratified k folds over subjects. Subjects of one class are dealt round, so their
/// number differs by at most one between folds; a subject with rows of several classes
/// goes where its scarcest class is thinnest.
///
/// # Errors
/// [`Error::Usage`]: `E-SPLIT-001` for fewer subjects of a class than folds,
/// `E-SPLIT-002` for k below 2, `E-SPLIT-003` for an id that occurs twice, `E-SPLIT-004`
/// for fewer than two classes.
pub fn stratified_folds(rows: &[SplitRow], k: usize, seed: Seed) -> Result<Folds> {
    if k < 2 {
        let fix = "Ask for at least 2 folds";
        return Err(Error::usage("E-SPLIT-002", format!("{k} fold(s) asked for"), fix));
    }
    check_ids(rows)?;
    let subjects = subjects(rows.iter());
    let sizes = class_sizes(&subjects);
    check_classes(&sizes)?;
    if let Some((class, size)) = sizes.iter().min_by_key(|(_, size)| **size).filter(|s| *s.1 < k) {
        return Err(too_few(*class, *size, k));
    }
    let fold_of = deal(&subjects, &sizes, k, seed);
    let of_row: Vec<usize> = rows.iter().map(|r| fold_of[r.subject.as_str()]).collect();
    let seen: BTreeSet<(usize, usize)> =
        rows.iter().zip(&of_row).map(|(r, fold)| (*fold, r.class)).collect();
    for (class, size) in &sizes {
        if (0..k).any(|fold| !seen.contains(&(fold, *class))) {
            return Err(too_few(*class, *size, k));
        }
    }
    Ok(Folds { k, of_row })
}

fn deal<'a>(
    subjects: &Subjects<'a>,
    sizes: &BTreeMap<usize, usize>,
    k: usize,
    seed: Seed,
) -> BTreeMap<&'a str, usize> {
    let mut fold_of = BTreeMap::new();
    let mut held: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); k];
    let mut totals = vec![0usize; k];
    let mut next = 0;
    for (mut classes, names) in strata(subjects, seed, "folds") {
        classes.sort_by_key(|c| (sizes.get(c).copied().unwrap_or(0), *c));
        for name in names {
            let fold = if classes.len() == 1 {
                // The deal goes on where the last class ended: totals stay even too.
                next += 1;
                (next - 1) % k
            } else {
                let load = |f: &usize| {
                    let of = |c: &usize| held[*f].get(c).copied().unwrap_or(0);
                    (classes.iter().map(of).collect::<Vec<_>>(), totals[*f], *f)
                };
                (0..k).min_by_key(load).unwrap_or(0)
            };
            classes.iter().for_each(|c| *held[fold].entry(*c).or_default() += 1);
            totals[fold] += 1;
            fold_of.insert(name, fold);
        }
    }
    fold_of
}

fn check_ids(rows: &[SplitRow]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match rows.iter().find(|r| !seen.insert(r.id.as_str())) {
        Some(twice) => Err(Error::usage(
            "E-SPLIT-003",
            format!("row id {} occurs twice", twice.id),
            "Give every row its own id",
        )),
        None => Ok(()),
    }
}

fn check_classes(sizes: &BTreeMap<usize, usize>) -> Result<()> {
    if sizes.len() >= 2 {
        return Ok(());
    }
    let what = format!("{} class(es) among the rows", sizes.len());
    Err(Error::usage("E-SPLIT-004", what, "Choose a target that gives two classes"))
}

fn too_few(class: usize, size: usize, k: usize) -> Error {
    Error::usage(
        "E-SPLIT-001",
        format!("class {class} has {size} subject(s), too few for {k} folds"),
        format!("Ask for at most {} folds or add subjects", size.max(2)),
    )
}

/// Splits training rows (given by number) into fitting and validation rows, both
/// ascending: from each group of subjects with the same classes the share `fraction`,
/// rounded, and of each class at least one subject on either side. `purpose` names the
/// split, for example `fold-2`.
///
/// # Errors
/// [`Error::Usage`]: `E-SPLIT-006` for a fraction outside (0, 1) or a class with fewer
/// than two subjects, `E-SPLIT-007` for a row number beyond the table, and the codes 003
/// and 004 of [`stratified_folds`].
pub fn validation_split(
    rows: &[SplitRow],
    training: &[usize],
    fraction: f64,
    seed: Seed,
    purpose: &str,
) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        let what = format!("a validation share of {fraction}");
        return Err(Error::usage("E-SPLIT-006", what, "Give a share between 0 and 1"));
    }
    check_ids(rows)?;
    if let Some(i) = training.iter().find(|i| **i >= rows.len()) {
        let what = format!("training row {i} of {}", rows.len());
        return Err(Error::usage("E-SPLIT-007", what, "Number rows from 0"));
    }
    let subjects = subjects(training.iter().map(|&i| &rows[i]));
    check_classes(&class_sizes(&subjects))?;
    let mut chosen: BTreeSet<&str> = BTreeSet::new();
    for (_, names) in strata(&subjects, seed, &format!("validation/{purpose}")) {
        let wanted = (fraction * names.len() as f64).round() as usize;
        // A group of one stays in training; larger groups give and keep at least one.
        let take = if names.len() < 2 { 0 } else { wanted.clamp(1, names.len() - 1) };
        chosen.extend(&names[..take]);
    }
    let (mut validation, mut fitting): (Vec<usize>, Vec<usize>) =
        training.iter().partition(|&&i| chosen.contains(rows[i].subject.as_str()));
    fitting.sort_unstable();
    validation.sort_unstable();
    let classes = |part: &[usize]| part.iter().map(|&i| rows[i].class).collect::<BTreeSet<_>>();
    let both: Vec<usize> = classes(&fitting).intersection(&classes(&validation)).copied().collect();
    if both.len() < class_sizes(&subjects).len() {
        let what = "a class has too few subjects to be in both the fitting and validation parts";
        return Err(Error::usage("E-SPLIT-006", what, "Add subjects or validate on fewer folds"));
    }
    Ok((fitting, validation))
}

/// Refuses two parts that share a subject.
///
/// # Errors
/// [`Error::Usage`] `E-SPLIT-005` naming the subjects (ten at most).
pub fn assert_disjoint(train: &[SplitRow], test: &[SplitRow]) -> Result<()> {
    let (a, b) = (subjects(train.iter()), subjects(test.iter()));
    let shared: Vec<&str> = a.keys().filter(|s| b.contains_key(**s)).copied().collect();
    if shared.is_empty() {
        return Ok(());
    }
    let more = if shared.len() > 10 { ", …" } else { "" };
    let names = shared[..shared.len().min(10)].join(", ");
    Err(Error::usage(
        "E-SPLIT-005",
        format!("{} subject(s) are in both training and test: {names}{more}", shared.len()),
        "Split by subject; results on subjects seen in training say nothing of new ones",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(subject: &str, session: usize, class: usize) -> SplitRow {
        SplitRow { id: format!("{subject}_{session}"), subject: subject.into(), class }
    }

    fn table(negative: usize, positive: usize, mixed: usize) -> Vec<SplitRow> {
        let mut rows = Vec::new();
        for i in 0..negative + positive + mixed {
            let name = format!("sub-{i:03}");
            rows.push(row(&name, 1, usize::from(i >= negative)));
            if i % 3 == 0 {
                rows.push(row(&name, 2, usize::from(i >= negative)));
            }
            if i >= negative + positive {
                rows.push(row(&name, 3, 0));
            }
        }
        rows
    }

    #[test]
    fn the_split_is_frozen() {
        let folds = stratified_folds(&table(4, 4, 0), 2, Seed(7)).expect("folds");
        let again = stratified_folds(&table(4, 4, 0), 2, Seed(7)).expect("folds");
        assert_eq!(folds, again);
        let other =
            (0..20).any(|s| stratified_folds(&table(4, 4, 0), 2, Seed(s)).expect("folds") != folds);
        assert!(other, "the seed matters");
    }

    #[test]
    fn refusals_have_codes() {
        let code =
            |rows: &[SplitRow], k| stratified_folds(rows, k, Seed(1)).expect_err("refused").code();
        assert_eq!(code(&table(9, 3, 0), 4), "E-SPLIT-001");
        assert_eq!(code(&table(9, 3, 0), 1), "E-SPLIT-002");
        assert_eq!(code(&[row("a", 1, 0), row("a", 1, 1)], 2), "E-SPLIT-003");
        assert_eq!(code(&table(9, 0, 0), 2), "E-SPLIT-004");
        assert_eq!(code(&[], 2), "E-SPLIT-004");
        let rows = table(6, 6, 0);
        let all: Vec<usize> = (0..rows.len()).collect();
        let part = |rows: &[SplitRow], of: &[usize], f| {
            validation_split(rows, of, f, Seed(1), "x").map_err(|e| e.code())
        };
        for f in [0.0, 1.0, f64::NAN, -0.5] {
            assert_eq!(part(&rows, &all, f), Err("E-SPLIT-006"));
        }
        assert_eq!(part(&table(5, 1, 0), &[0, 8], 0.3), Err("E-SPLIT-007"));
        assert_eq!(part(&table(5, 1, 0), &[0, 1, 2, 3, 4, 5, 6, 7], 0.3), Err("E-SPLIT-006"));
    }

    #[test]
    fn a_leak_is_refused_by_name() {
        let rows = table(3, 3, 0);
        assert!(assert_disjoint(&rows[..2], &rows[2..]).is_ok());
        let error = assert_disjoint(&rows[..1], &rows[1..]).expect_err("two sessions, two parts");
        assert_eq!(error.code(), "E-SPLIT-005");
        assert!(error.to_string().contains("sub-000"), "{error}");
    }

    proptest! {
        #[test]
        fn folds_do_not_leak_are_even_and_ignore_the_order(
            negative in 5usize..40, positive in 5usize..40, mixed in 0usize..6,
            k in 2usize..6, seed: u64, turn in 0usize..1000,
        ) {
            let rows = table(negative, positive, mixed);
            let folds = stratified_folds(&rows, k, Seed(seed)).expect("folds");
            let pick = |of: Vec<usize>| of.into_iter().map(|i| rows[i].clone()).collect::<Vec<_>>();
            let mut tested = 0;
            for f in 0..k {
                let (train, test) = (pick(folds.training_rows(f)), pick(folds.test_rows(f)));
                prop_assert!(assert_disjoint(&train, &test).is_ok());
                tested += test.len();
            }
            prop_assert_eq!(tested, rows.len());
            for pure in [[0usize].as_slice(), &[1]] {
                let all = subjects(rows.iter());
                let names = all.iter().filter(|(_, c)| c.iter().eq(pure)).map(|(n, _)| *n);
                let mut counts = vec![0usize; k];
                for name in names {
                    let at = rows.iter().position(|r| r.subject == name).expect("row");
                    counts[folds.of_row[at]] += 1;
                }
                let spread = counts.iter().max().expect("k") - counts.iter().min().expect("k");
                prop_assert!(spread <= 1, "{:?}", counts);
            }
            let mut turned = rows.clone();
            turned.rotate_left(turn % rows.len());
            let again = stratified_folds(&turned, k, Seed(seed)).expect("folds");
            for (r, fold) in turned.iter().zip(&again.of_row) {
                let at = rows.iter().position(|x| x == r).expect("same rows");
                prop_assert_eq!(folds.of_row[at], *fold);
            }
        }

        #[test]
        fn validation_is_disjoint_and_stratified(
            negative in 4usize..40, positive in 4usize..40, fraction in 0.1f64..0.5, seed: u64,
        ) {
            let rows = table(negative, positive, 0);
            let all: Vec<usize> = (0..rows.len()).collect();
            let (fit, held) = validation_split(&rows, &all, fraction, Seed(seed), "t").expect("split");
            let pick = |of: &[usize]| of.iter().map(|&i| rows[i].clone()).collect::<Vec<_>>();
            prop_assert!(assert_disjoint(&pick(&fit), &pick(&held)).is_ok());
            prop_assert_eq!(fit.len() + held.len(), rows.len());
            let kept = class_sizes(&subjects(pick(&held).iter()));
            for (class, n) in [(0, negative), (1, positive)] {
                let got = kept[&class] as f64;
                prop_assert!((got - fraction * n as f64).abs() <= 1.0);
            }
        }
    }
}
