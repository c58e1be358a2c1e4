//! What was found of the card, in words.

use crate::compute::card_rates::CardRate;
use crate::compute::facts::Facts;

/// Line by line.
pub fn facts(card: &Facts) -> String {
    let unsaid = "the driver does not say";
    let number = |v: Option<f64>, unit: &str, digits: usize| {
        v.map_or_else(|| unsaid.to_owned(), |v| format!("{v:.digits$} {unit}"))
    };
    let convolutions =
        if card.cudnn { "our own kernels; cuDNN in tf32 and bf16" } else { "our own kernels" };
    let rows = [
        ("card", format!("{} {}", card.device, card.name)),
        ("capability", card.compute_capability.clone()),
        ("memory", format!("{:.1} GiB", card.memory_bytes as f64 / f64::from(1 << 30))),
        ("peak of f32", number(card.peak_gflops().map(|v| v / 1e3), "TFLOP/s", 2)),
        ("of memory", number(card.peak_gb_per_s(), "GB/s", 0)),
        ("convolutions", convolutions.to_owned()),
    ];
    rows.iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect()
}

/// Line by line.
pub fn rates(rates: &[CardRate]) -> String {
    let mut text = format!(
        "\n{:<32} {:>10} {:>9} {:>8} {:>8} {:>8}\n",
        "on the card, 3³", "ms", "GF/s", "of peak", "GB/s", "of peak"
    );
    let share = |v: Option<f64>| v.map_or("-".to_owned(), |v| format!("{:.0} %", 100.0 * v));
    for rate in rates {
        let [batch, cin, cout, side] = rate.shape;
        let (ms, gflops, bytes) = (rate.milliseconds, rate.gflops, rate.gb_per_s);
        let [peak, bandwidth] = [rate.share_of_peak, rate.share_of_bandwidth].map(share);
        text.push_str(&format!(
            "{:<32} {ms:>10.3} {gflops:>9.1} {peak:>8} {bytes:>8.1} {bandwidth:>8}  \
             batch {batch}, {cin} to {cout}, {side}³\n",
            rate.op
        ));
    }
    if rates.is_empty() {
        text.push_str("left out: this card would need too long for them\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_does_not_say_is_said_to_be_unsaid() {
        let mut card = Facts {
            device: "cuda:0".into(),
            name: "some".into(),
            compute_capability: "9.0".into(),
            memory_bytes: 1 << 30,
            multiprocessors: Some(132),
            clock_mhz: Some(1980.0),
            memory_clock_mhz: None,
            memory_bus_bits: Some(5120),
            cudnn: true,
        };
        let text = facts(&card);
        assert!(
            text.contains("66.91 TFLOP/s") && text.contains("the driver does not say"),
            "{text}"
        );
        card.memory_clock_mhz = Some(2619.0);
        assert!(facts(&card).contains("3352 GB/s"), "{}", facts(&card));
    }

    #[test]
    fn shares_are_shown_or_left_open() {
        let rate = CardRate {
            op: "conv3d forward".into(),
            shape: [8, 1, 8, 96],
            milliseconds: 0.25,
            gflops: 1234.5,
            gb_per_s: 900.0,
            share_of_peak: Some(0.184),
            share_of_bandwidth: None,
        };
        let text = rates(&[rate]);
        assert!(text.contains("0.250") && text.contains("18 %") && text.contains("96³"), "{text}");
        assert!(rates(&[]).contains("left out"));
    }
}
