//! What a driver says of a card, and the most that a card of this kind can do.

use serde::Serialize;

/// A card. What the driver does not say is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// `cuda:N`.
    pub device: String,
    /// The maker's name of it.
    pub name: String,
    /// For example `9.0`.
    pub compute_capability: String,
    /// Bytes of its memory.
    pub memory_bytes: usize,
    /// Multiprocessors.
    pub multiprocessors: Option<u32>,
    /// Highest clock of these, MHz.
    pub clock_mhz: Option<f64>,
    /// Highest clock of the memory, MHz.
    pub memory_clock_mhz: Option<f64>,
    /// Width of its bus, bits.
    pub memory_bus_bits: Option<u32>,
    /// Whether cuDNN is part of the program.
    pub cudnn: bool,
}

/// Multiply-adds of f32 per cycle of a multiprocessor: of every kind from 8.6 (Ampere) on, and 9.0
/// (Hopper). Of 8.0 (A100) it is half.
const PER_CYCLE: f64 = 128.0;

impl Facts {
    /// 10⁹ operations of f32 a second at the highest clock, a multiply-add counted as two.
    pub fn peak_gflops(&self) -> Option<f64> {
        let half = if self.compute_capability == "8.0" { 0.5 } else { 1.0 };
        let per_cycle = 2.0 * PER_CYCLE * half * f64::from(self.multiprocessors?);
        Some(per_cycle * self.clock_mhz? / 1e3)
    }

    /// 10⁹ bytes a second read or written: two transfers a cycle over the whole bus.
    pub fn peak_gb_per_s(&self) -> Option<f64> {
        Some(2.0 * self.memory_clock_mhz? * f64::from(self.memory_bus_bits?) / 8.0 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maker's data sheets: H100 SXM 66.9 TFLOP/s (132 multiprocessors, 1980 MHz), A100 19.5
    /// TFLOP/s and 1555 GB/s (108, 1410 MHz; 1215 MHz and 5120 bits).
    #[test]
    fn peaks_are_those_of_data_sheets() {
        let a100 = Facts {
            device: "cuda:0".into(),
            name: "A100".into(),
            compute_capability: "8.0".into(),
            memory_bytes: 40 << 30,
            multiprocessors: Some(108),
            clock_mhz: Some(1410.0),
            memory_clock_mhz: Some(1215.0),
            memory_bus_bits: Some(5120),
            cudnn: false,
        };
        let near =
            |found: Option<f64>, sheet: f64| (found.expect("peak") / sheet - 1.0).abs() < 5e-3;
        assert!(near(a100.peak_gflops(), 19_500.0));
        assert!(near(a100.peak_gb_per_s(), 1555.0));
        let h100 = Facts {
            compute_capability: "9.0".into(),
            multiprocessors: Some(132),
            clock_mhz: Some(1980.0),
            memory_clock_mhz: None,
            ..a100
        };
        assert!(near(h100.peak_gflops(), 66_900.0));
        assert_eq!(h100.peak_gb_per_s(), None);
    }
}
