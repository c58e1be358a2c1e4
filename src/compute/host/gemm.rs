//! A bounds-checked door to the `gemm` crate.
#![expect(unsafe_code, reason = "gemm takes raw pointers; every extent is checked here first")]

use super::super::array::Real;

/// A strided matrix view: element `(r, c)` lies at `r * row_step + c * col_step`.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T> {
    /// The numbers.
    pub data: &'a [T],
    /// Distance between rows.
    pub row_step: usize,
    /// Distance between columns.
    pub col_step: usize,
}

/// A strided matrix view for writing.
#[derive(Debug)]
pub struct ViewMut<'a, T> {
    /// The numbers.
    pub data: &'a mut [T],
    /// Distance between rows.
    pub row_step: usize,
    /// Distance between columns.
    pub col_step: usize,
}

fn reach(rows: usize, cols: usize, row_step: usize, col_step: usize) -> usize {
    if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_step + (cols - 1) * col_step + 1 }
}

/// `out = left · right`, or `out += left · right`, with `m × k` times `k × n`, on the
/// calling thread. The result does not depend on what other threads do.
///
/// # Panics
/// When a view is too short for its extents (a fault of ours, never of input).
pub fn product<T: Real>(
    [m, n, k]: [usize; 3],
    left: View<'_, T>,
    right: View<'_, T>,
    out: ViewMut<'_, T>,
    accumulate: bool,
) {
    assert!(left.data.len() >= reach(m, k, left.row_step, left.col_step), "left view too short");
    assert!(
        right.data.len() >= reach(k, n, right.row_step, right.col_step),
        "right view too short"
    );
    assert!(out.data.len() >= reach(m, n, out.row_step, out.col_step), "out view too short");
    // SAFETY: all three views hold the extents asked for (checked above); strides are
    // far below isize::MAX because the slices exist.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.data.as_mut_ptr(),
            out.col_step as isize,
            out.row_step as isize,
            accumulate,
            left.data.as_ptr(),
            left.col_step as isize,
            left.row_step as isize,
            right.data.as_ptr(),
            right.col_step as isize,
            right.row_step as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
