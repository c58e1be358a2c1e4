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
        sizes: [usize; 3],
        arguments: &[Argument],
    ) -> Result<Array> {
        self.sums_of_long_rows(kernel, dtype, (sizes, 1), arguments)
    }

    /// The same where each of `row` steps has some numbers to do.
    ///
    /// # Errors
    /// `E-DEVICE-003` when the card fails.
    pub(super) fn sums_of_long_rows(
        &self,
        kernel: &'static str,
        dtype: DType,
        ([rows, row, width], numbers): ([usize; 3], usize),
        arguments: &[Argument],
    ) -> Result<Array> {
        let pieces = (row * numbers).div_ceil(PIECE).clamp(1, PIECES);
        let parts = self.room(DType::F64, &[rows, pieces, width])?;
        let [rows32, pieces32] = [rows, pieces].map(|n| n as u32);
        let own = [self.of(&parts)?, row.into(), pieces.into()];
        let all: Vec<Argument> = arguments.iter().copied().chain(own).collect();
        self.run(kernel, dtype, [rows32, pieces32, 1], &all)?;
        if pieces == 1 {
            return parts.reshaped(&[rows, width]);
        }
        let sums = self.room(DType::F64, &[rows, width])?;
        let own = [self.of(&parts)?, self.of(&sums)?, pieces.into(), width.into()];
        self.each("add_pieces", dtype, rows * width, &own)?;
        Ok(sums)
    }

    /// Sums of rows on the host, `width` for each.
    fn sums(
        &self,
        kernel: &'static str,
        dtype: DType,
        sizes: [usize; 3],
        arguments: &[Argument],
    ) -> Result<Vec<f64>> {
        self.sums_of_rows(kernel, dtype, sizes, arguments)?.to_f64()
    }

    /// Per row of `rows`: sum and sum of magnitudes, on the card.
    pub fn row_sums(&self, x: &Array, rows: usize) -> Result<Array> {
        let sizes = [rows, x.len() / rows.max(1), 2];
        self.sums_of_rows("row_sums", x.dtype(), sizes, &[self.of(x)?])
    }

    /// Per row: Σ x², on the card.
    pub fn row_squares(&self, x: &Array, rows: usize) -> Result<Array> {
        let sizes = [rows, x.len() / rows.max(1), 1];
        self.sums_of_rows("row_squares", x.dtype(), sizes, &[self.of(x)?])
    }

    /// `negatives`, on the card.
    pub fn negatives(&self, x: &Array) -> Result<Array> {
        let rows = x.shape()[0];
        let sizes = [rows, x.len() / rows.max(1), 1];
        self.sums_of_rows("row_negatives", x.dtype(), sizes, &[self.of(x)?])?.reshaped(&[rows])
    }

    /// `comes_to` of relevance that every output has.
    pub fn meets(&self, r: &Array, z: &Array, positive: bool) -> Result<bool> {
        let arguments = [self.of(r)?, self.of(z)?, positive.into()];
        let sums = self.sums("row_meetings", z.dtype(), [1, z.len(), 1], &arguments)?;
        Ok(sums[0] > 0.0)
    }

    /// `ranges`, on the card.
    pub fn ranges(&self, x: &Array) -> Result<Array> {
        let rows = x.shape()[0];
        let row = x.len() / rows.max(1);
        let pieces = row.div_ceil(PIECE).clamp(1, PIECES);
        let ranges = |x: &Array, row: usize, pieces: usize| -> Result<Array> {
            let out = self.room(DType::F64, &[rows, pieces * 2])?;
            let arguments = [self.of(x)?, self.of(&out)?, row.into(), pieces.into()];
            self.run("row_ranges", x.dtype(), [rows as u32, pieces as u32, 1], &arguments)?;
            Ok(out)
        };
        let parts = ranges(x, row, pieces)?;
        if pieces == 1 { Ok(parts) } else { ranges(&parts, pieces * 2, 1) }
    }

    /// `channel_sums`, on the card.
    pub fn channel_sums(&self, x: &Array) -> Result<Array> {
        let (samples, channels) = (x.shape()[0], x.shape()[1]);
        let sums = self.row_sums(x, samples * channels)?;
        let y = self.room(x.dtype(), &[channels])?;
        let arguments = [self.of(&sums)?, self.of(&y)?, samples.into(), 2usize.into()];
        self.each("channel_totals", x.dtype(), channels, &arguments)?;
        Ok(y)
    }
}
