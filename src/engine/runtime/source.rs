//! Data sources: columns of rows in host memory, gathered by row number into a step's inputs.

use std::sync::Arc;

use crate::core::{Array, DType, Error, Result, Shape, Storage};

/// One column: `rows` rows of equal size, kept alive by whoever owns the memory.
#[derive(Clone)]
pub struct Column {
    pub address: usize,
    pub rows: usize,
    /// Sizes of one row.
    pub row_sizes: Vec<usize>,
    pub dtype: DType,
}

impl Column {
    /// Where row `row` is.
    pub fn row(&self, row: usize) -> *const u8 {
        (self.address as *const u8).wrapping_add(row * self.row_bytes())
    }

    pub fn row_bytes(&self) -> usize {
        self.row_sizes.iter().product::<usize>() * self.dtype.size()
    }

    /// A column over an array, which must outlive it.
    pub fn of(array: &Array) -> Column {
        Column {
            address: array.as_ptr() as usize,
            rows: array.sizes()[0],
            row_sizes: array.sizes()[1..].to_vec(),
            dtype: array.dtype(),
        }
    }
}

/// Columns with the same number of rows.
#[derive(Clone)]
pub struct Source {
    pub columns: Vec<Column>,
    pub rows: usize,
}

impl Source {
    pub fn new(columns: Vec<Column>) -> Result<Source> {
        let rows = columns.first().map_or(0, |column| column.rows);
        if let Some(other) = columns.iter().find(|column| column.rows != rows) {
            return Err(Error::shape(format!("the arrays of a data source have {rows} and {} rows", other.rows)));
        }
        Ok(Source { columns, rows })
    }

    /// The shapes of a batch of `rows` rows.
    pub fn batch_sizes(&self, rows: usize) -> Vec<Vec<usize>> {
        self.columns
            .iter()
            .map(|column| std::iter::once(rows).chain(column.row_sizes.iter().copied()).collect())
            .collect()
    }
}

/// The batches of a group of steps: step `s` takes `batch` rows from position `first + s * batch` of the order.
#[derive(Clone)]
pub struct Feed {
    pub source: Arc<Source>,
    /// Row numbers, checked against the source; `None` is 0, 1, 2, ...
    pub order: Option<Arc<Vec<usize>>>,
    pub first: usize,
    pub batch: usize,
}

/// Bytes that one chunk gathers.
const CHUNK: usize = 1 << 16;

impl Feed {
    /// Checks that every row the steps will ask for exists.
    pub fn check(&self, steps: usize) -> Result<()> {
        let last = self.first + steps * self.batch;
        let available = self.order.as_ref().map_or(self.source.rows, |order| order.len());
        if last > available {
            return Err(Error::index(format!("{steps} steps need rows up to {last}, the data has {available}")));
        }
        match self.order.as_ref().and_then(|order| order.iter().find(|&&row| row >= self.source.rows)) {
            Some(row) => Err(Error::index(format!("row {row} of a source with {} rows", self.source.rows))),
            None => Ok(()),
        }
    }

    /// Memory for one batch of every column.
    pub fn buffers(&self) -> Result<Vec<Storage>> {
        let sizes = self.source.batch_sizes(self.batch);
        self.source
            .columns
            .iter()
            .zip(&sizes)
            .map(|(column, sizes)| Storage::zeroed(crate::core::Spec::new(Shape::known(sizes), column.dtype).bytes()?))
            .collect()
    }

    fn column_chunks(&self, column: &Column) -> usize {
        (column.row_bytes() * self.batch).div_ceil(CHUNK).clamp(1, self.batch.max(1))
    }

    pub fn chunks(&self) -> usize {
        self.source.columns.iter().map(|column| self.column_chunks(column)).sum()
    }

    /// Copies one chunk of step `step`'s rows into `buffers`.
    pub fn gather(&self, step: usize, chunk: usize, buffers: &[Storage]) {
        let mut chunk = chunk;
        for (column, buffer) in self.source.columns.iter().zip(buffers) {
            let chunks = self.column_chunks(column);
            if chunk >= chunks {
                chunk -= chunks;
                continue;
            }
            let bytes = column.row_bytes();
            let rows = ironhorn_kernels::cpu::disjoint::part(self.batch, chunks, chunk, 1);
            for i in rows {
                let position = self.first + step * self.batch + i;
                let row = self.order.as_ref().map_or(position, |order| order[position]);
                debug_assert!(row < column.rows);
                // SAFETY: `check` found every row in range; the column's owner keeps it alive during the run; chunks
                // write rows of their own.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        (column.address as *const u8).add(row * bytes),
                        buffer.as_ptr().add(i * bytes),
                        bytes,
                    );
                }
            }
            return;
        }
    }
}
