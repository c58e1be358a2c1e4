//! BIDS folders: `sub-*/[ses-*/]anat`, derivatives, participants and sessions tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::entities::Named;
use super::{Cohort, Participant, description, no_images, stem};
use crate::sheet::Sheet;
use crate::{Error, Result};

const IMAGES: [&str; 2] = [".nii.gz", ".nii"];

/// Subject, session (may be empty) and all image files that belong to the scan.
type Scans = BTreeMap<(String, String), Vec<Named>>;

/// Reads a BIDS folder.
pub(super) fn read(root: &Path) -> Result<Cohort> {
    let (name, synthetic) = description(root)?;
    let mut notes = Vec::new();
    let mut scans = Scans::new();
    collect(root, &mut scans)?;
    let mut folders = vec![root.to_path_buf()];
    for folder in subfolders(&root.join("derivatives"), "")? {
        collect(&folder, &mut scans)?;
        folders.push(folder);
    }
    let raw = |n: &Named| n.path.starts_with(root) && !n.path.starts_with(root.join("derivatives"));
    let modality = choose_modality(&scans, &raw).ok_or_else(|| no_images(root, "none found"))?;
    let table = Covariates::read(root, &mut notes)?;
    let mut participants = Vec::new();
    for ((subject, session), files) in &scans {
        let candidates: Vec<&Named> =
            files.iter().filter(|f| f.suffix == modality && raw(f)).collect();
        let id = scan_id(subject, session);
        let Some(image) = plainest(&candidates) else {
            notes.push(format!("{id} has no {modality} image; left out"));
            continue;
        };
        if candidates.len() > 1 {
            let chosen = image.path.file_name().unwrap_or_default().to_string_lossy();
            notes.push(format!("{id} has {} {modality} images; {chosen} used", candidates.len()));
        }
        participants.push(Participant {
            covariates: table.of(root, subject, session)?,
            labels: beside(files, image, |f| f.suffix == "dseg"),
            mask: beside(files, image, |f| f.suffix == "mask" && f.get("desc") == Some("brain")),
            truth: beside(files, image, Named::is_truth),
            image: image.path.clone(),
            subject: subject.clone(),
            id,
        });
    }
    table.order(&mut participants, &mut notes);
    if participants.is_empty() {
        return Err(no_images(root, "none found"));
    }
    let regions = lookup(&folders, &participants, &mut notes)?;
    let name = name.unwrap_or_else(|| stem(root));
    Ok(Cohort { name, participants, regions, synthetic, notes })
}

fn scan_id(subject: &str, session: &str) -> String {
    if session.is_empty() { subject.to_owned() } else { format!("{subject}_{session}") }
}

/// Entries of a folder in order of their names; none when it does not exist.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let io = |e| Error::io("reading", folder, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn subfolders(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let all = entries(folder)?;
    Ok(all.into_iter().filter(|p| p.is_dir() && name_of(p).starts_with(prefix)).collect())
}

/// Files of `sub-*/anat` and `sub-*/ses-*/anat` of one data set.
fn collect(root: &Path, scans: &mut Scans) -> Result<()> {
    for subject in subfolders(root, "sub-")? {
        let mut places = vec![(String::new(), subject.clone())];
        places.extend(subfolders(&subject, "ses-")?.into_iter().map(|s| (name_of(&s), s)));
        for (session, place) in places {
            let files: Vec<Named> = entries(&place.join("anat"))?
                .iter()
                .filter(|p| p.is_file())
                .filter_map(|p| Named::parse(p, &IMAGES))
                .collect();
            if !files.is_empty() {
                scans.entry((name_of(&subject), session)).or_default().extend(files);
            }
        }
    }
    Ok(())
}

/// T2w unless fewer scans have one than have a T1w.
fn choose_modality(scans: &Scans, raw: &impl Fn(&Named) -> bool) -> Option<&'static str> {
    let count = |suffix: &str| {
        scans.values().filter(|fs| fs.iter().any(|f| f.suffix == suffix && raw(f))).count()
    };
    let (t2, t1) = (count("T2w"), count("T1w"));
    if t2 == 0 && t1 == 0 { None } else { Some(if t2 >= t1 { "T2w" } else { "T1w" }) }
}

fn plainest<'a>(candidates: &[&'a Named]) -> Option<&'a Named> {
    candidates.iter().copied().min_by_key(|f| f.rank())
}

/// The plainest file of a kind in the space of the image. A file in another space (a
/// template's) would put regions in the wrong place.
fn beside(files: &[Named], image: &Named, wanted: impl Fn(&Named) -> bool) -> Option<PathBuf> {
    let fits = |f: &&Named| {
        let own = [image.suffix.as_str(), "orig", "individual"];
        let space = f.get("space");
        wanted(f)
            && (space.is_none_or(|s| own.contains(&s)) || space == image.get("space"))
            && f.get("run").is_none_or(|r| image.get("run") == Some(r))
    };
    let candidates: Vec<&Named> = files.iter().filter(fits).collect();
    plainest(&candidates).map(|f| f.path.clone())
}

/// `dseg.tsv` or `*_dseg.tsv` in the data set or a derivative; of several the one whose
/// `desc` most label maps have.
fn lookup(
    folders: &[PathBuf],
    participants: &[Participant],
    notes: &mut Vec<String>,
) -> Result<Option<PathBuf>> {
    let mut kinds: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for path in participants.iter().filter_map(|p| p.labels.as_deref()) {
        let desc = Named::parse(path, &IMAGES).and_then(|n| n.get("desc").map(str::to_owned));
        *kinds.entry(desc).or_default() += 1;
    }
    if kinds.len() > 1 {
        notes.push("the label maps differ in desc-: check that they share one numbering".into());
    }
    let labels = participants.iter().find_map(|p| p.labels.as_deref());
    let beside = labels.and_then(Path::parent).map(Path::to_path_buf);
    let mut found = Vec::new();
    for folder in folders.iter().chain(&beside) {
        for path in entries(folder)? {
            let named = Named::parse(&path, &[".tsv"]).filter(|n| n.suffix == "dseg");
            found.extend(named.filter(|_| path.is_file()));
        }
    }
    let used = |n: &Named| kinds.get(&n.get("desc").map(str::to_owned)).copied().unwrap_or(0);
    let best = found.iter().enumerate().min_by_key(|(at, n)| (std::cmp::Reverse(used(n)), *at));
    Ok(best.map(|(_, n)| n.path.clone()))
}

/// Covariates of each id.
type Rows = BTreeMap<String, BTreeMap<String, String>>;

/// Rows of `participants.tsv`.
struct Covariates {
    order: Vec<String>,
    rows: Rows,
}

/// Rows of a table by the id in its first column, ids with their `prefix`.
fn keyed(path: &Path, key: &str, prefix: &str) -> Result<(Vec<String>, Rows)> {
    let sheet = Sheet::read(path)?;
    let at = sheet.need(&[key])?;
    let (mut order, mut rows) = (Vec::new(), BTreeMap::new());
    for (row, line) in sheet.rows.iter().zip(&sheet.lines) {
        let id = if row[at].starts_with(prefix) {
            row[at].clone()
        } else {
            format!("{prefix}{}", row[at])
        };
        let others = sheet.columns.iter().zip(row).enumerate().filter(|(c, _)| *c != at);
        let values = others.map(|(_, (c, v))| (c.clone(), v.clone())).collect();
        if rows.insert(id.clone(), values).is_some() {
            return Err(Error::refused(
                "E-COHORT-002",
                path,
                format!("{key} in line {line}"),
                format!("{id:?}, seen before"),
                "each id once",
                "Remove or rename the repeated row",
            ));
        }
        order.push(id);
    }
    Ok((order, rows))
}

impl Covariates {
    fn read(root: &Path, notes: &mut Vec<String>) -> Result<Self> {
        let path = root.join("participants.tsv");
        if !path.is_file() {
            notes.push("no participants.tsv: there are no covariates".into());
            return Ok(Self { order: Vec::new(), rows: BTreeMap::new() });
        }
        let (order, rows) = keyed(&path, "participant_id", "sub-")?;
        Ok(Self { order, rows })
    }

    /// Covariates of a scan: the participant's row, then the session's, which wins.
    fn of(&self, root: &Path, subject: &str, session: &str) -> Result<BTreeMap<String, String>> {
        let mut values = self.rows.get(subject).cloned().unwrap_or_default();
        let path = root.join(subject).join(format!("{subject}_sessions.tsv"));
        if !session.is_empty() && path.is_file() {
            let (_, mut rows) = keyed(&path, "session_id", "ses-")?;
            values.extend(rows.remove(session).unwrap_or_default());
        }
        Ok(values)
    }

    /// Puts scans in the order of the table, those not in it last, and notes mismatches.
    fn order(&self, participants: &mut [Participant], notes: &mut Vec<String>) {
        if self.order.is_empty() {
            return;
        }
        let place: BTreeMap<&str, usize> =
            self.order.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        let at = |p: &Participant| place.get(p.subject.as_str()).copied().unwrap_or(usize::MAX);
        // Stable: sessions keep their order.
        participants.sort_by_key(at);
        let seen: BTreeSet<&str> = participants.iter().map(|p| p.subject.as_str()).collect();
        for id in self.order.iter().filter(|id| !seen.contains(id.as_str())) {
            notes.push(format!("{id} is in participants.tsv but has no image; left out"));
        }
        for id in seen.iter().filter(|id| !place.contains_key(*id)) {
            notes.push(format!("{id} has an image but is not in participants.tsv"));
        }
    }
}
