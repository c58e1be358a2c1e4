//! Sums over rows of numbers.

use candle_core::DType;

use super::super::array::Array;
use super::Card;
use super::launch::Argument;
use crate::Result;

/// Numbers a part of a row has at least.
const PIECE: usize = 1 << 14;
/// Parts of a row at most.
const PIECES: usize = 256;

impl Card {
    /// What a kernel of `kernels/rows.cu` adds up: `width` sums for each of `rows` rows of `row`
    /// numbers, `[rows, width]` in f64. `arguments` come before the kernel's place for sums, the
    /// length of a row and the number of parts.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub(super) fn sums_of_rows(
        &self,
        kernel: &'static str,
        dtype: DType,
        [rows, row, width]: [usize; 3],
        arguments: &[Argument],
    ) -> Result<Array> {
        let pieces = row.div_ceil(PIECE).clamp(1, PIECES);
        let parts = self.room(DType::F64, &[rows, pieces, width])?;
        let [rows32, pieces32] = [rows, pieces].map(|n| n as u32);
        let own = [self.of(&parts)?, row.into(), (pieces as i32).into()];
        let all: Vec<Argument> = arguments.iter().copied().chain(own).collect();
        self.run(kernel, dtype, [rows32, pieces32, 1], &all)?;
        if pieces == 1 {
            return parts.reshaped(&[rows, width]);
        }
        let sums = self.room(DType::F64, &[rows, width])?;
        let own = [self.of(&parts)?, self.of(&sums)?, (pieces as i32).into(), (width as i32).into()];
        self.each("add_pieces", dtype, rows * width, &own)?;
        Ok(sums)
    }

    /// Per row of `rows`: sum and sum of magnitudes, on the host.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub fn row_sums(&self, x: &Array, rows: usize) -> Result<Vec<(f64, f64)>> {
        let sizes = [rows, x.len() / rows.max(1), 2];
        let sums = self.sums_of_rows("row_sums", x.dtype(), sizes, &[self.of(x)?])?.to_f64()?;
        Ok(sums.chunks_exact(2).map(|s| (s[0], s[1])).collect())
    }
}
