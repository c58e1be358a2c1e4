use super::*;
use crate::report::{dossier, number, sample};

fn page(record: &Record) -> String {
    let drawn = dossier::draw(record).expect("drawn");
    render(record, sample::CARDS, &drawn).expect("page")
}

#[test]
fn every_number_stands_on_the_page_as_in_the_json() {
    let record = sample::record(2);
    let page = page(&record);
    let json = dossier::to_json(&record).expect("json");
    for finding in &record.findings {
        let Some(value) = finding.outcome.value() else { continue };
        let digits = number::exact(value);
        assert!(json.contains(&format!("\"value\": {digits}")), "json lacks {digits}");
        assert!(page.contains(&format!("<data value=\"{digits}\"")), "page lacks {digits}");
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere_and_hostile_words_stay_words() {
    let record = sample::record(2);
    let page = page(&record);
    for part in page.split("src=\"").skip(1) {
        assert!(part.starts_with("data:image/png;base64,"));
    }
    for part in page.split("href=\"").skip(1) {
        assert!(part.starts_with('#'), "external link");
    }
    for word in ["@import", "url(", "<link", "<iframe", "fetch("] {
        assert!(!page.contains(word), "{word} on the page");
    }
    assert_eq!(page.matches("<script>").count(), 1, "only our own script");
    assert!(!page.contains("alert(1)</script>") && page.contains("&lt;script&gt;"));
    assert!(page.starts_with("<!doctype html>"), "the doctype comes first");
    assert!(page.contains("SYNTHETIC DATA"));
}

#[test]
fn the_page_keeps_its_byte_budget_and_says_what_it_left_out() {
    let page = page(&sample::record(9));
    assert!(page.len() <= 5_000_000, "{} bytes", page.len());
    assert!(!page.contains("src=\"\""));
    let pictures = page.matches("<img").count() + page.matches("not embedded").count();
    assert!(pictures > 9);
    assert_eq!(page.matches("<img").count(), page.matches(" alt=\"").count());
}
