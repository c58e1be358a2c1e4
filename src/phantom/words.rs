//! The text files of a synthetic data set: descriptions, tables and side-cars.

use serde_json::{Value, json};

use super::acquire::NOISE;
use super::latents::{Group, Latents};
use super::regions::Region;
use super::settings::{Settings, Source};
use super::subject::{Subject, TRUTH_THRESHOLD};

/// The sentence that no reader may miss.
const SYNTHETIC: &str = "All images are synthetic (heatproof phantom); no child was scanned.";

fn name(settings: &Settings) -> String {
    format!("heatproof phantom, {} arm, synthetic", settings.arm.id())
}

fn made_by(settings: &Settings) -> Value {
    let from = match settings.source {
        Source::Procedural => "heads drawn in code",
        Source::Template(_) => "heads deformed from a template image, whose licence applies",
    };
    json!([{
        "Name": "heatproof phantom",
        "Version": env!("CARGO_PKG_VERSION"),
        "Description": format!(
            "{SYNTHETIC} Arm {}, seed {}, {} subjects, {from}.",
            settings.arm.id(), settings.seed.0, settings.subjects
        ),
    }])
}

/// `dataset_description.json` of the images.
pub(crate) fn raw_description(settings: &Settings) -> Value {
    json!({
        "Name": name(settings),
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "GeneratedBy": made_by(settings),
    })
}

/// `dataset_description.json` of the truth.
pub(crate) fn truth_description(settings: &Settings) -> Value {
    json!({
        "Name": format!("{}: truth", name(settings)),
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "DatasetLinks": { "raw": "../.." },
        "GeneratedBy": made_by(settings),
    })
}

/// The readme.
pub(crate) fn readme(settings: &Settings) -> String {
    format!(
        "# {}\n\n{SYNTHETIC}\n\nNewborn heads at term-equivalent age, T2w, skull-stripped: \
         voxels outside the brain are exactly 0{}. `group` in `participants.tsv` is the \
         label.\n\nArm `{}`: {}.\n\n`derivatives/phantom` holds for each subject the regions \
         (`dseg`), the brain mask, the truth (`label-effect`: voxels whose noise-free \
         brightness the label changes by more than {} of mean white matter; the standard \
         deviation of the noise is about {} of it), and where there is one the distractor \
         (`label-distractor`) and the counterfactual twin (`desc-counterfactual`: the same \
         head, pose, gain, bias and noise with the other label). In the term group the truth \
         is what would change if the child had been born preterm. In the shortcut arm the \
         truth is empty and the distractor is the marker.\n\nThese are test objects for \
         audits, not models of infants.\n",
        name(settings),
        if settings.arm == super::Arm::Shortcut { ", but for the marker" } else { "" },
        settings.arm.id(),
        settings.arm.description(),
        TRUTH_THRESHOLD,
        NOISE,
    )
}

/// `participants.json`.
pub(crate) fn columns() -> Value {
    json!({
        "participant_id": { "Description": "Synthetic subject" },
        "group": {
            "Description": "The label",
            "Levels": { "term": "born at 37 weeks or later", "preterm": "born at 24 to 34 weeks" },
        },
        "gestational_age_weeks": {
            "Description": "Gestational age at birth", "Units": "weeks",
        },
        "age_at_scan_weeks": {
            "Description": "Postmenstrual age at the scan, equally distributed in both groups",
            "Units": "weeks",
        },
        "sex": { "Description": "Sex", "Levels": { "F": "female", "M": "male" } },
        "head_size_ml": {
            "Description": "Volume inside the skull, independent of the group", "Units": "mL",
        },
    })
}

/// `participants.tsv`.
pub(crate) fn participants(rows: &[(String, Group, Latents)]) -> String {
    let head =
        "participant_id\tgroup\tgestational_age_weeks\tage_at_scan_weeks\tsex\thead_size_ml\n";
    rows.iter().fold(head.to_owned(), |text, (id, group, l)| {
        format!(
            "{text}{id}\t{}\t{:.1}\t{:.1}\t{}\t{:.0}\n",
            group.name(),
            l.gestational_age_weeks,
            l.age_at_scan_weeks,
            if l.female { "F" } else { "M" },
            l.head_size_ml
        )
    })
}

/// `dseg.tsv`.
pub(crate) fn region_table(regions: &[Region]) -> String {
    regions.iter().fold("index\tname\tside\ttissue\n".to_owned(), |text, r| {
        format!("{text}{}\t{}\t{}\t{}\n", r.index, r.name, r.side, r.tissue.name())
    })
}

/// `dseg.json`: the columns of the region table.
pub(crate) fn region_columns() -> Value {
    json!({
        "index": { "Description": "Number in the label maps; 0 is background" },
        "name": { "Description": "Region" },
        "side": {
            "Description": "Side of the body",
            "Levels": { "L": "left", "R": "right", "M": "midline" },
        },
        "tissue": { "Description": "What the region is made of" },
    })
}

/// Side-car of a scan.
pub(crate) fn scan() -> Value {
    json!({ "Description": SYNTHETIC, "SkullStripped": true })
}

/// Side-car of a file on the scan's grid.
pub(crate) fn beside(id: &str, description: &str) -> Value {
    let scan = format!("bids:raw:{id}/anat/{id}_T2w.nii.gz");
    json!({
        "Description": format!("{description} {SYNTHETIC}"),
        "Sources": [scan.clone()],
        "SpatialReference": scan,
    })
}

/// Side-car of the truth, with what the label did to this subject.
pub(crate) fn truth(subject: &Subject) -> Value {
    let text = format!(
        "Brain voxels whose noise-free brightness the label changes by more than \
         {TRUTH_THRESHOLD} of mean white matter (counterfactual twin)."
    );
    let mut value = beside(&subject.id, &text);
    value["Type"] = json!("ROI");
    value["Effects"] = json!(subject.effects);
    value
}
