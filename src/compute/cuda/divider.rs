//! Division as kernels do it: by multiplication.

use super::launch::Argument;

/// `Divider` of the kernels: division of numbers below 2³¹ by multiplication.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Divider {
    /// What is divided by.
    pub by: u32,
    /// What is multiplied by.
    pub times: u32,
    /// Bits dropped then.
    pub shift: u32,
}

impl Divider {
    /// To divide by a number of at least 1.
    pub fn new(by: usize) -> Self {
        // times = 2^shift / by, rounded up: off by less than 2^-31 of a whole for n < 2^31.
        let by = by.max(1) as u64;
        debug_assert!(u32::try_from(by).is_ok(), "{by} is no divisor of 32 bits");
        let shift = 31 + by.next_power_of_two().trailing_zeros();
        Self { by: by as u32, times: ((1u64 << shift) / by + 1) as u32, shift }
    }

    /// As numbers of a structure.
    pub fn numbers(by: usize) -> [usize; 3] {
        let Self { by, times, shift } = Self::new(by);
        [by, times, shift].map(|v| v as usize)
    }

    /// One for each of some divisors.
    pub fn all(by: &[usize]) -> Vec<usize> {
        by.iter().flat_map(|by| Self::numbers(*by)).collect()
    }

    /// `Volume` of the kernels, of these extents.
    pub fn volume(extents: &[usize]) -> Vec<usize> {
        let from = |axis: usize| extents[axis..].iter().product::<usize>();
        Self::all(&[from(0), from(1), from(2)])
    }

    /// As an argument.
    pub fn argument(by: usize) -> Argument {
        Argument::ints(&[&Self::numbers(by)])
    }
}
