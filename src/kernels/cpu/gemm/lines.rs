//! Products whose rows of A lie in lines: equally distant within a line, the lines as far apart as they may be.
//!
//! ```text
//! image, every second pixel     a . b . c .     line 0: rows 0, 1, 2 of A
//!                               . . . . . .
//!                               d . e . f .     line 1: rows 3, 4, 5
//! ```

use super::{Gemm, GemmShape, PANEL, Split, extent};

/// Row i of A is at `i / rows * stride + i % rows * row_stride`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Lines {
    pub rows: usize,
    pub stride: usize,
}

impl Lines {
    /// Where a row starts.
    pub fn start(self, row: usize, row_stride: usize) -> usize {
        row / self.rows * self.stride + row % self.rows * row_stride
    }
}

impl Gemm {
    /// Lines of `rows` rows of A, `stride` elements apart, for products that [`takes_lines`](Self::takes_lines) allows.
    ///
    /// # Panics
    /// For other products.
    #[must_use]
    pub(crate) fn with_lines(mut self, rows: usize, stride: usize) -> Self {
        assert!(Self::takes_lines(&self.shape) && rows > 0 && !self.needs_finish(), "{:?}", self.shape);
        // Widest tiles alone.
        self.columns = Split::new(self.shape.n, self.columns.parts, PANEL);
        self.lines = Some(Lines { rows, stride });
        self
    }

    /// Whether a product's rows of A may lie in lines: where its tiles are of the widest alone.
    pub(crate) fn takes_lines(shape: &GemmShape) -> bool {
        let GemmShape { m, n, a, .. } = shape;
        *m > 1 && *n > 0 && n.is_multiple_of(PANEL) && a.col_stride == 1
    }

    /// Elements that A spans.
    pub(super) fn a_extent(&self) -> usize {
        let GemmShape { batch, m, k, a, .. } = self.shape;
        match self.lines {
            Some(lines) if batch * m * k > 0 => {
                // The last row, or the last of the line before it.
                let last_of_line = (m / lines.rows * lines.rows).saturating_sub(1);
                let last = lines.start(m - 1, a.row_stride).max(lines.start(last_of_line, a.row_stride));
                (batch - 1) * a.batch_stride + last + k
            }
            _ => extent(batch, m, k, a),
        }
    }
}
