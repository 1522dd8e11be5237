//! The loop nest under `forward` and `backward_input`: every output pixel gathers the source pixels that its taps name.
//!
//! ```text
//! chunk = (rows of the output's planes, panels of 64 output channels)            fixed by shape
//!   for block of a plane's rows   their source rows, of every plane that taps reach, are copied once, with zeros around
//!                                 them, if the border of a plane is touched; planes outside are left out
//!     for phase                 outputs whose taps lie alike: one, or the product of a backward pass's strides
//!       for stretch of the reduction   at most 1024 deep: its weights stay in L2
//!         for panel of 64 output channels
//!           for tile of 6 or 12 pixels, which may belong to different rows
//!             for tap, for p in its run      a run is a kernel row (all taps, if they touch) times the channels
//!         few channels: the loops of `few`, or of `strip`, for all pixels
//! ```
//!
//! Output pixel `first + i * step` of a phase reads source pixels `i * stride + offset` for each tap's offset, along each
//! axis. An image is a volume of one plane. Multiply-add units limit the speed.

use super::few::{BEYOND, Few, FewRows};
use super::geometry::{Geometry, Offset, Phase};
use super::strip::Strip;
use super::{BLOCK_ELEMENTS, copy_padded};
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::tile::{MOST_ROWS, Tap, Tile};
use crate::cpu::gemm::{Activation, Addends, Compute, MOST_CHUNKS, Split, blocks, pack_panel, row_tiles};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Multiplications that make a chunk.
const CHUNK_WORK: usize = 75_000;
/// Rows of weights that a stretch reads.
const STRETCH: usize = 1024;
/// Steps of a reduction that make strips of two registers faster than tiles.
const SHORT: usize = 48;
/// Pixels of a row that make it a strip.
pub(super) const STRIP: usize = 8;
/// As few output channels for which `winograd` is not faster.
const FEW_TILED: usize = 8;
/// Elements of weights that a chunk packs.
const PACK_ELEMENTS: usize = 32 * 1024;

#[derive(Clone, Debug)]
pub(super) struct Gather {
    geometry: Geometry,
    rows: Split,
    /// Panels of all groups.
    units: Split,
    /// Rows of the output that share a buffer.
    block_rows: usize,
    /// Columns of the source that outputs read.
    columns: Range<isize>,
    /// The taps of all phases, in the order in which they are packed.
    order: Vec<usize>,
    /// Registers run over the reduction: weights are packed channel by channel.
    few: bool,
    /// Neighbouring outputs of a phase share what they read: rows of one channel.
    few_rows: bool,
}

/// Where source pixels are: pixel (z, y, x) is at `(z - origin[0]) * plane + (y - origin[1]) * width + x - origin[2]`.
struct Image<'a, T> {
    pixels: &'a [T],
    origin: [isize; 3],
    plane: usize,
    width: usize,
}

/// What the pixels of one phase and block have in common.
struct Pixels<'a, T> {
    image: &'a Image<'a, T>,
    /// Where each pixel's source and output are; of strips, each row's first.
    a_rows: &'a [isize],
    c_rows: &'a [isize],
    /// The pixels of each row, if they are computed as strips, and how far apart their sources and outputs are.
    strip: Option<[usize; 3]>,
    weights: &'a [T],
    target: Target<'a, T>,
}

/// Where the outputs of one plane are, and what is added to them.
#[derive(Clone, Copy)]
struct Target<'a, T> {
    bias: Option<&'a [T]>,
    /// Null, the plane of the residual, or the output's own where it accumulates.
    start: *const T,
    out: *mut T,
}

/// A part of the reduction: source channels `piece` (of all touching taps) of some taps, whose `b` counts in taps.
struct Stretch<'a> {
    taps: &'a [Tap],
    piece: Range<usize>,
    first: bool,
    last: bool,
}

impl Gather {
    /// `work` is the number of multiplications.
    pub fn new(geometry: Geometry, work: usize) -> Self {
        let [out_depth, out_height, out_width] = geometry.out;
        let wanted = (work / CHUNK_WORK).clamp(1, MOST_CHUNKS);
        let rows = Split::new(geometry.batch * out_depth * out_height, wanted, 1);
        let units = Split::new(geometry.groups * geometry.panels(), wanted / rows.parts, 1);

        let [mut columns, mut lines] = [None, None];
        for phase in &geometry.phases {
            let count = phase_range(&(0..out_width), phase.first[2], geometry.step[2]).len();
            for &Offset { at: [_, y, x], .. } in phase.offsets.iter().filter(|_| count > 0) {
                let last = ((count - 1) * geometry.stride[2]) as isize + x;
                columns = Some(hull(columns, x..last + 1));
                lines = Some(hull(lines, y..y + 1));
            }
        }
        let [columns, lines] = [columns, lines].map(Option::unwrap_or_default);
        let planes = geometry.phases.iter().map(|phase| phase.taps[0]).max().unwrap_or(1).min(geometry.source[0]);
        let line = (columns.len() * geometry.source_channels * planes).max(1);
        let spare = (BLOCK_ELEMENTS / line).saturating_sub(lines.len());
        let most_pixels = (16 * 1024 / out_width.max(1)).max(1);
        let block_rows = (spare / geometry.stride[1] * geometry.step[1]).clamp(1, most_pixels);
        let offsets = geometry.phases.iter().flat_map(|phase| &phase.offsets);
        let order = offsets.map(|offset| offset.tap).collect();
        let few = geometry.packed && geometry.fills_few();
        let few_rows = few && geometry.shares_rows();
        Self { geometry, rows, units, block_rows, columns, order, few, few_rows }
    }

    /// Whether this is faster than tiles that share multiplications, which fill registers with channels.
    pub fn beats_tiles(&self) -> bool {
        self.few && self.geometry.out_group() <= FEW_TILED
    }

    pub fn chunks(&self) -> usize {
        self.rows.parts * self.units.parts
    }

    /// The rows of the output that a chunk makes, if it makes all their channels.
    pub fn rows_of(&self, chunk: usize) -> Option<Range<usize>> {
        (self.units.parts == 1).then(|| self.rows.range(chunk))
    }

    pub fn prepared_elements(&self) -> usize {
        if self.geometry.packed { self.geometry.groups * self.packed_group() } else { 0 }
    }

    /// Elements of a group's packed weights.
    fn packed_group(&self) -> usize {
        let geometry = &self.geometry;
        if self.few { geometry.out_group() * geometry.taps() * geometry.depth() } else { geometry.packed_group() }
    }

    /// The order of the packed taps, which depends on the image where padding or strides do, and how they are packed; the rest
    /// follows from the weights.
    pub fn layout(&self) -> Vec<usize> {
        if !self.geometry.packed {
            return Vec::new();
        }
        self.order.iter().copied().chain([usize::from(self.few)]).collect()
    }

    fn packing(&self) -> Split {
        let pieces = self.geometry.groups * self.geometry.panels() * self.geometry.taps();
        Split::new(pieces, (self.prepared_elements() / PACK_ELEMENTS).clamp(1, MOST_CHUNKS), 1)
    }

    pub fn prepare_chunks(&self) -> usize {
        if self.prepared_elements() == 0 { 0 } else { self.packing().parts }
    }

    /// Packs a part of the weights.
    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, w: &[T], prepared: Disjoint<T>) {
        assert!(chunk < self.prepare_chunks(), "chunk {chunk} of {}", self.prepare_chunks());
        assert!(prepared.len() >= self.prepared_elements(), "the prepared memory is too short");
        let geometry = &self.geometry;
        let [taps, depth, panels] = [geometry.taps(), geometry.depth(), geometry.panels()];
        for piece in self.packing().range(chunk) {
            let [unit, position] = [piece / taps, piece % taps];
            let [group, panel] = [unit / panels, unit % panels];
            let (columns, panel_start, stride) = geometry.packed_panel(panel);
            let strides = geometry.weights;
            let from = group * strides.group + self.order[position] * strides.tap + columns.start * strides.column;
            let end = from + (depth.max(1) - 1) * strides.row + (columns.len() - 1) * strides.column;
            assert!(depth == 0 || end < w.len(), "the weights are too short");
            if self.few {
                for column in columns {
                    let from =
                        &w[group * strides.group + self.order[position] * strides.tap + column * strides.column..];
                    let start = group * self.packed_group() + (column * taps + position) * depth;
                    // SAFETY: pieces are apart, and so are the channels of one.
                    let to = unsafe { prepared.range(start..start + depth) };
                    for (to, from) in to.iter_mut().zip(from.iter().step_by(strides.row)) {
                        *to = *from;
                    }
                }
                continue;
            }
            let start = group * geometry.packed_group() + panel_start + position * depth * stride;
            // SAFETY: pieces are apart; the source was checked, the destination is sliced to its size.
            unsafe {
                let to = prepared.range(start..start + depth * stride);
                let from = w.as_ptr().wrapping_add(from);
                pack_panel(isa, from, strides.row, strides.column, depth, columns.len(), to.as_mut_ptr(), stride);
            }
        }
    }

    /// Computes one chunk of the output.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        source: &[T],
        w: &[T],
        addends: Addends<T>,
        out: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        let geometry = &self.geometry;
        let volume = geometry.source.iter().product::<usize>() * geometry.source_channels;
        let [out_depth, out_height, out_width] = geometry.out;
        let out_channels = geometry.out_channels;
        let out_plane = out_height * out_width * out_channels;
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(source.len() >= geometry.batch * volume, "the source is too short");
        assert!(out.len() >= geometry.batch * out_depth * out_plane, "the output is too short");
        assert!(addends.bias.is_none_or(|bias| bias.len() >= out_channels), "the bias is too short");
        assert!(
            addends.residual.is_none_or(|residual| residual.len() >= out.len() && !geometry.epilogue.accumulate),
            "the residual is too short, or the output accumulates"
        );
        let start = match addends.residual {
            Some(residual) => residual.as_ptr(),
            None if geometry.epilogue.accumulate => out.as_ptr().cast_const(),
            None => std::ptr::null(),
        };
        assert!(prepared.len() >= self.prepared_elements(), "the prepared memory is too short");
        let weights = if geometry.packed {
            // SAFETY: `prepare` wrote all of it, and nothing writes to it now.
            unsafe { std::slice::from_raw_parts(prepared.as_ptr().cast_const(), self.prepared_elements()) }
        } else {
            w
        };
        assert!(geometry.packed || weights.len() >= geometry.weight_elements, "the weights are too short");

        let rows = self.rows.range(chunk / self.units.parts);
        let units = self.units.range(chunk % self.units.parts);
        if out_width == 0 || units.is_empty() {
            return;
        }
        let mut row = rows.start;
        while row < rows.end {
            let plane = row / out_height;
            let lines = row % out_height..(row % out_height + (rows.end - row)).min(out_height);
            row += lines.len();
            let source = &source[plane / out_depth * volume..][..volume];
            let out = out.as_ptr().wrapping_add(plane * out_plane);
            let start = if start.is_null() { start } else { start.wrapping_add(plane * out_plane) };
            let target = Target { bias: addends.bias, start, out };
            for first in lines.clone().step_by(self.block_rows) {
                let lines = first..(first + self.block_rows).min(lines.end);
                self.run_block(isa, plane % out_depth, &lines, &units, source, weights, target);
                if !geometry.epilogue.activation.in_store() {
                    self.activate(isa, &lines, &units, out);
                }
            }
        }
    }

    /// Computes the rows `lines` of one plane.
    fn run_block<T: Compute>(
        &self,
        isa: Isa,
        plane: usize,
        lines: &Range<usize>,
        units: &Range<usize>,
        source: &[T],
        weights: &[T],
        target: Target<T>,
    ) {
        let geometry = &self.geometry;
        let [depth, height, width] = geometry.source;
        let channels = geometry.source_channels;
        let [mut planes, mut read] = [None, None];
        for phase in &geometry.phases {
            let deep = phase_range(&(plane..plane + 1), phase.first[0], geometry.step[0]);
            let down = phase_range(lines, phase.first[1], geometry.step[1]);
            if let (false, false, Some(low), Some(high)) =
                (deep.is_empty(), down.is_empty(), phase.offsets.first(), phase.offsets.last())
            {
                let span = |range: Range<usize>, axis: usize| {
                    let start = (range.start * geometry.stride[axis]) as isize + low.at[axis];
                    let end = ((range.end - 1) * geometry.stride[axis]) as isize + high.at[axis] + 1;
                    start..end
                };
                planes = Some(hull(planes, span(deep, 0)));
                read = Some(hull(read, span(down, 1)));
            }
        }
        let planes = planes.unwrap_or_default();
        let planes = planes.start.clamp(0, depth as isize)..planes.end.clamp(0, depth as isize);
        let read = read.unwrap_or_default();
        let inside = |range: &Range<isize>, length: usize| range.start >= 0 && range.end <= length as isize;
        // Tiles of rows read beyond their ends.
        let beyond = if self.few_rows { BEYOND } else { 0 };
        let in_place = inside(&read, height) && inside(&self.columns, width) && beyond == 0;
        let room = read.len() * self.columns.len();
        workspace::with(if in_place { 0 } else { (planes.len() * room + beyond) * channels }, |buffer: &mut [T]| {
            let image = if in_place {
                Image { pixels: source, origin: [0; 3], plane: height * width, width }
            } else {
                let step = height * width * channels;
                for (plane, to) in planes.clone().zip(buffer.chunks_exact_mut((room * channels).max(1))) {
                    let from = &source[plane as usize * step..][..step];
                    copy_padded(from, [height, width, channels], read.clone(), self.columns.clone(), to);
                }
                let origin = [planes.start, read.start, self.columns.start];
                Image { pixels: buffer, origin, plane: room, width: self.columns.len() }
            };
            let mut position = 0;
            for phase in &geometry.phases {
                for i in phase_range(&(plane..plane + 1), phase.first[0], geometry.step[0]) {
                    let down = phase_range(lines, phase.first[1], geometry.step[1]);
                    for (down, kernel_rows) in self.inside_taps(phase, down) {
                        self.run_phase(isa, phase, i, down, kernel_rows, position, units, &image, weights, target);
                    }
                }
                position += phase.offsets.len();
            }
        });
    }

    /// Cuts the rows of a phase where the kernel rows that are inside of the image, above and below, change.
    fn inside_taps(&self, phase: &Phase, down: Range<usize>) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let [_, height, _] = self.geometry.source;
        let stride = self.geometry.stride[1];
        let [_, kernel_rows, across] = phase.taps;
        // Short rows are worth less alone than the taps that they save.
        let cut = self.geometry.out[2] / self.geometry.step[2] >= MOST_ROWS / 2;
        let inside = move |i: usize| {
            let y = |offset: &Offset| (i * stride) as isize + offset.at[1];
            let rows = || phase.offsets.iter().step_by(across.max(1)).take(kernel_rows);
            let above = rows().take_while(|&offset| y(offset) < 0).count();
            let reached = rows().take_while(|&offset| y(offset) < height as isize).count();
            above..reached.max(above)
        };
        // Rows before this one do not reach below the image.
        let lowest = phase.offsets.last().map_or(0, |offset| offset.at[1]);
        let all_inside = (height as isize - lowest).max(0) as usize / stride;
        let mut start = down.start;
        std::iter::from_fn(move || {
            if start >= down.end {
                return None;
            }
            if !cut {
                return Some((std::mem::replace(&mut start, down.end)..down.end, 0..kernel_rows));
            }
            let taps = inside(start);
            let first = if taps == (0..kernel_rows) { all_inside.clamp(start + 1, down.end) } else { start + 1 };
            let end = (first..down.end).find(|&i| inside(i) != taps).unwrap_or(down.end);
            Some((std::mem::replace(&mut start, end)..end, taps))
        })
    }

    /// Computes the outputs (`deep`, `down` x all) of one phase over its taps in `kernel_rows` of the planes that are
    /// inside of the source. The phase's first tap is at `position` among the taps of all phases.
    fn run_phase<T: Compute>(
        &self,
        isa: Isa,
        phase: &Phase,
        deep: usize,
        down: Range<usize>,
        kernel_rows: Range<usize>,
        position: usize,
        units: &Range<usize>,
        image: &Image<T>,
        weights: &[T],
        target: Target<T>,
    ) {
        let geometry = &self.geometry;
        let channels = geometry.source_channels;
        let [_, _, out_width] = geometry.out;
        let across = phase_range(&(0..out_width), phase.first[2], geometry.step[2]);
        if down.is_empty() || across.is_empty() {
            return;
        }
        let [kernel_planes, all_rows, kernel_columns] = phase.taps;
        let z = (deep * geometry.stride[0]) as isize;
        let plane_of = |k: usize| z + phase.offsets[k * all_rows * kernel_columns].at[0];
        let inside = |k: &usize| (0..geometry.source[0] as isize).contains(&plane_of(*k));
        let kernel_planes = if all_rows * kernel_columns == 0 { 0 } else { kernel_planes };
        let used_planes = || (0..kernel_planes).filter(inside);
        let count = used_planes().count() * kernel_rows.len() * kernel_columns;
        let short = phase.offsets.len() * geometry.depth() <= SHORT;
        let narrow = geometry.out_group() <= T::tiles(isa).lanes * (1 + usize::from(short));
        // Images of one column are one row.
        let along = geometry.along();
        let (lines, row) = if along == 1 { (0..1, down.clone()) } else { (down.clone(), across.clone()) };
        let places = |axis: usize, image: usize, out: usize| {
            [geometry.stride[axis] * image * channels, geometry.step[axis] * out * geometry.out_channels]
        };
        let line_steps = places(1, image.width, out_width);
        let steps = if along == 1 { line_steps } else { places(2, 1, 1) };
        let strip = self.few_rows || narrow && !self.few && row.len() >= STRIP;
        let strip = strip.then_some([row.len(), steps[0], steps[1]]);
        let listed = if strip.is_some() { 1 } else { row.len() };
        let pixels = lines.len() * listed;
        workspace::with(2 * pixels, |rows: &mut [isize]| {
            workspace::with(2 * count, |taps: &mut [Tap]| {
                let (a_rows, c_rows) = rows.split_at_mut(pixels);
                // Before a tap is added, this may lie outside of the image.
                let y = (down.start * geometry.stride[1]) as isize - image.origin[1];
                let x = (across.start * geometry.stride[2]) as isize - image.origin[2];
                let mut a_line = (y * image.width as isize + x) * channels as isize;
                let out_row = (phase.first[1] + down.start * geometry.step[1]) * out_width;
                let out_column = phase.first[2] + across.start * geometry.step[2];
                let mut c_line = ((out_row + out_column) * geometry.out_channels) as isize;
                for (a_rows, c_rows) in a_rows.chunks_exact_mut(listed).zip(c_rows.chunks_exact_mut(listed)) {
                    let [mut a_row, mut c_row] = [a_line, c_line];
                    for (a, c) in a_rows.iter_mut().zip(c_rows) {
                        (*a, *c) = (a_row, c_row);
                        a_row += steps[0] as isize;
                        c_row += steps[1] as isize;
                    }
                    a_line += line_steps[0] as isize;
                    c_line += line_steps[1] as isize;
                }
                let pixels = Pixels { image, a_rows, c_rows, strip, weights, target };
                let (taps, scaled) = taps.split_at_mut(count);
                let mut next = taps.iter_mut();
                for plane in used_planes() {
                    let from = (plane_of(plane) - image.origin[0]) * image.plane as isize;
                    for row in kernel_rows.clone() {
                        let first = (plane * all_rows + row) * kernel_columns;
                        for (index, tap) in (first..first + kernel_columns).zip(&mut next) {
                            let [_, y, x] = phase.offsets[index].at;
                            tap.a = (from + y * image.width as isize + x) * channels as isize;
                            tap.b = (position + index) as isize;
                        }
                    }
                }
                if self.few_rows {
                    let across = if along == 1 { kernel_rows.len() } else { kernel_columns }.max(1);
                    for row in 0..count / across {
                        taps[row] = Tap { b: taps[row * across].b * geometry.depth() as isize, ..taps[row * across] };
                    }
                    for unit in units.clone() {
                        // SAFETY: pixels, taps and weights are inside of the image, which goes on behind its rows, the weights
                        // and the output, and this part of the output is this call's alone.
                        unsafe { self.run_few_rows(isa, unit, &taps[..count / across], across, &pixels) }
                    }
                    return;
                }
                let mut panels = |stretch: &Stretch| {
                    for unit in units.clone() {
                        // SAFETY: pixels, taps and panels are inside of the image, the weights and the output, and this
                        // part of the output is this call's alone.
                        unsafe { self.run_panel(isa, unit, stretch, &pixels, scaled) }
                    }
                };
                if count == 0 {
                    panels(&Stretch { taps: &[], piece: 0..0, first: true, last: true });
                    return;
                }
                let depth = geometry.depth();
                let merged = self.touching_taps(taps, kernel_columns);
                for index in 0..count / merged {
                    taps[index] = taps[index * merged];
                }
                let taps = &taps[..count / merged];
                let run = merged * depth;
                for piece in blocks(0..run, STRETCH) {
                    let at_once = (STRETCH / piece.len().max(1)).max(1);
                    let groups = taps.len().div_ceil(at_once);
                    for (index, taps) in taps.chunks(at_once).enumerate() {
                        let first = piece.start == 0 && index == 0;
                        let last = piece.end == run && index + 1 == groups;
                        panels(&Stretch { taps, piece: piece.clone(), first, last });
                    }
                }
            });
        });
    }

    /// How many neighbouring taps read one piece of memory: all, those of a kernel row, or 1.
    fn touching_taps(&self, taps: &[Tap], across: usize) -> usize {
        let geometry = &self.geometry;
        let channels = geometry.source_channels as isize;
        let touch =
            |taps: &[Tap]| taps.windows(2).all(|pair| pair[1].a - pair[0].a == channels && pair[1].b - pair[0].b == 1);
        let merged = if geometry.groups > 1 {
            1
        } else if touch(taps) {
            taps.len()
        } else if taps.chunks(across).all(touch) {
            across
        } else {
            1
        };
        if merged * geometry.depth() > STRETCH { 1 } else { merged }
    }

    /// Adds a stretch of the reduction to one panel of output channels of all pixels. `scaled` has room for its taps.
    ///
    /// # Safety
    /// Everything that is named lies inside of the image, the weights and the output; nothing else uses the output.
    unsafe fn run_panel<T: Compute>(
        &self,
        isa: Isa,
        unit: usize,
        stretch: &Stretch,
        pixels: &Pixels<T>,
        scaled: &mut [Tap],
    ) {
        let geometry = &self.geometry;
        let depth = geometry.depth();
        let [group, panel] = [unit / geometry.panels(), unit % geometry.panels()];
        let (columns, panel_start, panel_stride) = geometry.packed_panel(panel);
        let (b_start, b_step) = if self.few {
            (group * self.packed_group(), 1)
        } else if geometry.packed {
            (group * geometry.packed_group() + panel_start, panel_stride)
        } else {
            (group * geometry.weights.group + columns.start, geometry.weights.row)
        };
        let scale = depth * b_step;
        for (scaled, tap) in scaled.iter_mut().zip(stretch.taps) {
            scaled.a = tap.a + stretch.piece.start as isize;
            scaled.b = tap.b * scale as isize + (stretch.piece.start * b_step) as isize;
        }
        let taps = &scaled[..stretch.taps.len()];
        let a = pixels.image.pixels.as_ptr().wrapping_add(group * depth);
        let b = pixels.weights.as_ptr().wrapping_add(b_start);
        let out_start = group * geometry.out_group();
        if self.few {
            let target = pixels.target;
            let start = if stretch.first { target.start } else { target.out.cast_const() };
            let few = Few {
                a,
                a_rows: pixels.a_rows,
                taps,
                run: stretch.piece.len(),
                b,
                b_step: geometry.taps() * depth,
                c: target.out.wrapping_add(out_start),
                c_rows: pixels.c_rows,
                channels: geometry.out_group(),
                bias: target.bias.filter(|_| stretch.first).map_or(std::ptr::null(), |bias| bias[out_start..].as_ptr()),
                start: if start.is_null() { start } else { start.wrapping_add(out_start) },
                activation: if stretch.last { geometry.epilogue.activation } else { Activation::Linear },
            };
            // SAFETY: by this function's contract.
            unsafe { T::work(isa, &few) }
            return;
        }
        let tiles = T::tiles(isa);
        let mut column = columns.start;
        while column < columns.end {
            let vectors = tiles.vectors_for(columns.end - column);
            let width = (vectors * tiles.lanes).min(columns.end - column);
            let bias = match pixels.target.bias {
                Some(bias) if stretch.first => bias[out_start + column..][..width].as_ptr(),
                _ => std::ptr::null(),
            };
            let c = pixels.target.out.wrapping_add(out_start + column);
            let start = match (stretch.first, pixels.target.start.is_null()) {
                (false, _) => c.cast_const(),
                (true, false) => pixels.target.start.wrapping_add(out_start + column),
                (true, true) => std::ptr::null(),
            };
            let activation = if stretch.last { geometry.epilogue.activation } else { Activation::Linear };
            if let Some([count, a_step, c_step]) = pixels.strip {
                for (&a_row, &c_row) in pixels.a_rows.iter().zip(pixels.c_rows) {
                    let strip = Strip {
                        a: a.wrapping_offset(a_row),
                        a_step,
                        taps,
                        run: stretch.piece.len(),
                        b: b.wrapping_add(column - columns.start),
                        b_step,
                        c: c.wrapping_offset(c_row),
                        c_step,
                        count,
                        columns: width,
                        bias,
                        start: if start.is_null() { start } else { start.wrapping_offset(c_row) },
                        activation,
                    };
                    // SAFETY: by this function's contract.
                    unsafe { T::work(isa, &strip) }
                }
                column += width;
                continue;
            }
            for rows in row_tiles(pixels.a_rows.len(), tiles.rows_for(vectors)) {
                let tile = Tile {
                    a,
                    rows: &pixels.a_rows[rows.clone()],
                    a_step: 1,
                    taps,
                    run: stretch.piece.len(),
                    b: b.wrapping_add(column - columns.start),
                    b_step: b_step as isize,
                    c,
                    c_rows: &pixels.c_rows[rows.clone()],
                    columns: width,
                    bias,
                    start,
                    activation,
                };
                // SAFETY: by this function's contract.
                unsafe { T::tile(isa, rows.len(), vectors, &tile) }
            }
            column += width;
        }
    }

    /// Computes the one channel of a group, for rows of pixels. Each of `taps` has `across` neighbours with it.
    ///
    /// # Safety
    /// As for `run_panel`.
    unsafe fn run_few_rows<T: Compute>(&self, isa: Isa, unit: usize, taps: &[Tap], across: usize, pixels: &Pixels<T>) {
        let geometry = &self.geometry;
        let depth = geometry.depth();
        let Some([count, a_step, c_step]) = pixels.strip else { return };
        let bias = pixels.target.bias.map_or(std::ptr::null(), |bias| bias[unit..].as_ptr());
        let start = pixels.target.start;
        let rows = FewRows {
            a: pixels.image.pixels.as_ptr().wrapping_add(unit * depth),
            a_rows: pixels.a_rows,
            a_step,
            channels: depth,
            taps,
            across,
            b: pixels.weights.as_ptr().wrapping_add(unit * self.packed_group()),
            c: pixels.target.out.wrapping_add(unit),
            c_rows: pixels.c_rows,
            c_step,
            count,
            bias,
            start: if start.is_null() { start } else { start.wrapping_add(unit) },
            activation: geometry.epilogue.activation,
        };
        // SAFETY: by this function's contract.
        unsafe { T::work(isa, &rows) }
    }

    /// Applies the activation to the chunk's part of the rows `lines`.
    fn activate<T: Compute>(&self, isa: Isa, lines: &Range<usize>, units: &Range<usize>, out: *mut T) {
        let geometry = &self.geometry;
        let [width, channels] = [geometry.out[2], geometry.out_channels];
        let activation = geometry.epilogue.activation;
        let slice = |start: usize, length: usize| {
            // SAFETY: inside of this chunk's part of the output.
            unsafe { std::slice::from_raw_parts_mut(out.wrapping_add(start), length) }
        };
        if self.units.parts == 1 {
            activation.apply(isa, slice(lines.start * width * channels, lines.len() * width * channels));
            return;
        }
        for pixel in lines.start * width..lines.end * width {
            for unit in units.clone() {
                let [group, panel] = [unit / geometry.panels(), unit % geometry.panels()];
                let (columns, _, _) = geometry.packed_panel(panel);
                let start = pixel * channels + group * geometry.out_group() + columns.start;
                activation.apply(isa, slice(start, columns.len()));
            }
        }
    }
}

/// The smallest range that holds both.
fn hull(range: Option<Range<isize>>, other: Range<isize>) -> Range<isize> {
    match range {
        Some(range) => range.start.min(other.start)..range.end.max(other.end),
        None => other,
    }
}

/// The `i` for which `first + i * step` is in `range`.
fn phase_range(range: &Range<usize>, first: usize, step: usize) -> Range<usize> {
    range.start.saturating_sub(first).div_ceil(step)..range.end.saturating_sub(first).div_ceil(step)
}
