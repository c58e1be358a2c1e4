//! The card against the host. Without a card (or the emulator) they say that they skip.

use super::super::{Array, Workspace, elementwise};
use super::Card;
use crate::seed::Seed;

/// The card, or none with a word about it.
fn card() -> Option<&'static Card> {
    Card::open(0).map_err(|why| eprintln!("skipped: {why}")).ok()
}

fn array(shape: &[usize], purpose: &str) -> Array {
    let mut s = Seed(5).stream(purpose);
    let len = shape.iter().product();
    Array::from_vec((0..len).map(|_| s.normal() as f32).collect(), shape).expect("array")
}

#[test]
fn elementwise_steps_are_those_of_the_host() {
    let Some(card) = card() else { return };
    let ws = &mut Workspace::new();
    let x = array(&[2, 3, 5, 7, 4], "x");
    let there = card.take(&x).expect("taken");
    let got = elementwise::relu(&there, ws).expect("relu").to_f64().expect("host");
    assert_eq!(got, elementwise::relu(&x, ws).expect("relu").to_f64().expect("host"));
    let (sum, mass) = there.sums().expect("sums");
    let (s, m) = x.sums().expect("sums");
    assert!((sum - s).abs() < 1e-9 && (mass - m).abs() < 1e-9);
    let rows = there.rows(1, 2).expect("rows").to_f64().expect("host");
    assert_eq!(rows, x.rows(1, 2).expect("rows").to_f64().expect("host"));
}
