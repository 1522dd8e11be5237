//! A kernel as data: what a lowering fills in.

use super::{Cost, Io, Kernel, Prepare};
use crate::core::Result;

type Body = Box<dyn Fn(usize, usize, &Io) -> Result<()> + Send + Sync>;

/// A kernel whose body is a closure over its geometry.
pub struct Lowered {
    phases: Vec<usize>,
    scratch: usize,
    cost: Cost,
    in_place: Vec<usize>,
    prepare: Option<Prepare>,
    prepares_to_keep: bool,
    body: Body,
}

impl Lowered {
    /// A kernel of one phase. `body(phase, chunk, io)` runs under the contract of [`Kernel::run`].
    pub fn new(chunks: usize, body: impl Fn(usize, usize, &Io) -> Result<()> + Send + Sync + 'static) -> Lowered {
        Lowered {
            phases: vec![chunks],
            scratch: 0,
            cost: Cost::default(),
            in_place: Vec::new(),
            prepare: None,
            prepares_to_keep: false,
            body: Box::new(body),
        }
    }

    /// More phases after the first; those without chunks are skipped.
    #[must_use]
    pub fn then(mut self, chunks: usize) -> Lowered {
        self.phases.push(chunks);
        self
    }

    #[must_use]
    pub fn scratch(mut self, bytes: usize) -> Lowered {
        self.scratch = bytes;
        self
    }

    /// Says what the first phases make of some inputs alone. Nothing is said by a `prepare` without bytes.
    #[must_use]
    pub fn prepare(mut self, prepare: Prepare) -> Lowered {
        self.prepare = (prepare.bytes > 0).then_some(prepare);
        self
    }

    /// Leaves out the phases that prepare where their inputs change in every run: see [`Kernel::prepares_to_keep`].
    #[must_use]
    pub fn only_to_keep(mut self) -> Lowered {
        self.prepares_to_keep = true;
        self
    }

    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Lowered {
        self.cost = cost;
        self
    }

    /// The inputs that output 0 may be written over.
    #[must_use]
    pub fn in_place(mut self, inputs: Vec<usize>) -> Lowered {
        self.in_place = inputs;
        self
    }
}

impl Kernel for Lowered {
    fn phases(&self) -> Vec<usize> {
        self.phases.clone()
    }

    fn scratch(&self) -> usize {
        self.scratch
    }

    fn prepare(&self) -> Option<&Prepare> {
        self.prepare.as_ref()
    }

    fn prepares_to_keep(&self) -> bool {
        self.prepares_to_keep
    }

    unsafe fn run(&self, phase: usize, chunk: usize, io: &Io) -> Result<()> {
        (self.body)(phase, chunk, io)
    }

    fn in_place(&self, index: usize) -> bool {
        self.in_place.contains(&index)
    }

    fn cost(&self) -> Cost {
        self.cost
    }
}

/// Writes a lowering once for float32 and float64: `floats!(dtype, T => expression)`; `None` for other types.
macro_rules! floats {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::core::DType::Float32 => {
                type $t = f32;
                $body
            }
            $crate::core::DType::Float64 => {
                type $t = f64;
                $body
            }
            _ => Ok(None),
        }
    };
}
pub(crate) use floats;
