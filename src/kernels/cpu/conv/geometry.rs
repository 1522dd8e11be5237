//! What `gather` computes: which source pixels, through which weights, make which output pixels; and the shape rules that
//! choose its loops.

use super::gather::STRIP;
use crate::cpu::gemm::{Epilogue, PANEL, PANEL_GRAIN};
use std::ops::Range;

/// Output channels of a group for which registers over the reduction may be better filled.
const FEW: usize = 12;
/// What adding up the lanes of an output costs, in multiply-adds.
const FOLD: usize = 3;

/// Which source pixel a tap reads, and which of the taps of `w` it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offset {
    /// Plane, row, column.
    pub at: [isize; 3],
    pub tap: usize,
}

/// Outputs `first + i * step` that read sources `i * stride + offset`.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    pub first: [usize; 3],
    /// In ascending order, plane by plane, row by row.
    pub offsets: Vec<Offset>,
    /// How many there are along each axis.
    pub taps: [usize; 3],
}

/// Strides of `w`.
#[derive(Clone, Copy, Debug)]
pub(super) struct WeightStrides {
    pub tap: usize,
    pub group: usize,
    /// From one source channel to the next.
    pub row: usize,
    /// From one output channel to the next.
    pub column: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Geometry {
    pub batch: usize,
    /// Depth, height, width.
    pub source: [usize; 3],
    pub source_channels: usize,
    pub out: [usize; 3],
    pub out_channels: usize,
    pub groups: usize,
    /// Between source pixels of neighbouring outputs of a phase.
    pub stride: [usize; 3],
    /// Between outputs of a phase.
    pub step: [usize; 3],
    pub phases: Vec<Phase>,
    pub weights: WeightStrides,
    pub weight_elements: usize,
    /// Weights are copied to panels in prepared memory before the first chunk. Where they are not, taps are in order,
    /// source channels a row apart and output channels next to each other.
    pub packed: bool,
    pub epilogue: Epilogue,
}

impl Geometry {
    /// Source channels that a tap sums over.
    pub fn depth(&self) -> usize {
        self.source_channels / self.groups
    }

    pub fn out_group(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Whether registers of 16 over the reduction, and adding up their lanes, cost less than registers over the output
    /// channels, some lanes of which are empty. Instruction sets differ little in the answer, so all have the same.
    pub fn fills_few(&self) -> bool {
        if self.out_group() > FEW || self.out_group() == 0 || self.depth() == 0 {
            return false;
        }
        let [mut along, mut across] = [0, 0];
        let axis = self.along();
        for phase in &self.phases {
            let touch = |pair: &[Offset]| pair[1].at[axis] - pair[0].at[axis] == 1;
            let columns = phase.taps[axis].max(1);
            let first_row = &phase.offsets[..columns.min(phase.offsets.len())];
            let touching = self.groups == 1 && first_row.windows(2).all(touch);
            let run = self.depth() * if touching { columns } else { 1 };
            along += (phase.offsets.len() * self.depth() / run * run.div_ceil(16) + FOLD) * self.out_group();
            across += phase.offsets.len() * self.depth() * 5 / 4;
        }
        along < across
    }

    /// The axis that rows of pixels run along: the last one, unless images have one column.
    pub fn along(&self) -> usize {
        let column = |phase: &Phase| phase.taps[2] <= 1 && phase.offsets.iter().all(|offset| offset.at[2] == 0);
        let narrow = self.source[2] == 1 && self.out[2] == 1 && self.phases.iter().all(column);
        if narrow { 1 } else { 2 }
    }

    /// Whether there is one channel, and rows are long and have neighbours that taps share.
    pub fn shares_rows(&self) -> bool {
        let along = self.along();
        let touch = |phase: &Phase| {
            let row = &phase.offsets[..phase.taps[along].min(phase.offsets.len())];
            row.windows(2).all(|pair| pair[1].at[along] - pair[0].at[along] == 1)
        };
        let long = self.out[along] / self.step[along] >= STRIP / 2;
        self.out_group() == 1 && self.stride[along] == 1 && long && self.phases.iter().all(touch)
    }

    /// Panels of a group.
    pub fn panels(&self) -> usize {
        self.out_group().div_ceil(PANEL)
    }

    /// Taps of all phases.
    pub fn taps(&self) -> usize {
        self.phases.iter().map(|phase| phase.offsets.len()).sum()
    }

    /// The output channels of a panel (of its group), where it starts among its group's packed panels, and its width.
    pub fn packed_panel(&self, panel: usize) -> (Range<usize>, usize, usize) {
        let columns = panel * PANEL..((panel + 1) * PANEL).min(self.out_group());
        let stride = columns.len().next_multiple_of(PANEL_GRAIN);
        (columns, panel * PANEL * self.taps() * self.depth(), stride)
    }

    /// Elements of a group's packed panels.
    pub fn packed_group(&self) -> usize {
        let out_group = self.out_group();
        let width = out_group / PANEL * PANEL + (out_group % PANEL).next_multiple_of(PANEL_GRAIN);
        width * self.taps() * self.depth()
    }
}
