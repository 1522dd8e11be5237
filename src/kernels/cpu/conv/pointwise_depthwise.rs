//! A convolution of one pixel and the depthwise convolution behind it, for inference: what is between them is never written
//! to memory.
//!
//! ```text
//! chunk = (image, band of output rows, block of channels)     fixed by shape
//!   z = activation(x w + bias)                                the rows that the band reads; a product of `gemm`
//!                                                             z stays in L2, most often in L1
//!   for two output rows, or one
//!     the loops of `depthwise_row` on z                       z is read where it is, y is written in strides
//! ```
//!
//! The columns of w that belong to a block are copied next to each other first. Blocks have 64 channels, a panel of the widest
//! tile; where that makes an odd number of them the last is cut in two, so that two threads get the same. A band computes the
//! rows again that it shares with its neighbours, so it is as high as z's part of L2 allows. The product limits the speed.

use super::ConvShape;
use super::depthwise::Taps;
use super::depthwise_row::Rows;
use crate::cpu::disjoint::Disjoint;
use crate::cpu::gemm::tile::Tap;
use crate::cpu::gemm::{
    Activation, Addends, Compute, Epilogue, Gemm, GemmShape, Matrix, Output, PANEL, PANEL_GRAIN, Split, pack_panel,
};
use crate::cpu::simd::Isa;
use crate::cpu::workspace;
use std::ops::Range;

/// Elements of z that are worked on at once: a part of L2.
const SCRATCH_ELEMENTS: usize = 128 * 1024;
/// The products that are not cut along their reduction: see [`Gemm::new`].
const MOST_SOURCE_CHANNELS: usize = 2047;

/// `y = activation(depthwise(activation(x w + bias), v) + bias)`, ready to run.
///
/// Call [`prepare`](Self::prepare) for each of `prepare_chunks()`, then [`run`](Self::run) for each of `chunks()`.
#[derive(Clone, Debug)]
pub struct PointwiseDepthwise {
    /// Channels of `x`.
    source_channels: usize,
    /// The second convolution, of z.
    shape: ConvShape,
    /// After the product, after the sum.
    activations: [Activation; 2],
    /// How many parts the channels have.
    blocks: usize,
    /// Parts of the output rows of an image.
    bands: Split,
    taps: [Taps; 2],
}

impl PointwiseDepthwise {
    /// `None` for what is better done one after the other: volumes, single pixels, several outputs a channel, products of very
    /// many channels.
    ///
    /// # Panics
    /// When a size that must be positive is 0.
    pub fn new(source_channels: usize, shape: ConvShape, activations: [Activation; 2]) -> Option<Self> {
        shape.check();
        let [depth, height, width] = shape.size;
        let flat = depth == 1 && shape.kernel[0] == 1 && shape.padding[0] == (0, 0);
        let single = shape.is_depthwise() && shape.output_group() == 1;
        let fits = (1..=MOST_SOURCE_CHANNELS).contains(&source_channels) && height * width >= PANEL_GRAIN;
        if !(flat && single && fits) {
            return None;
        }
        let channels = shape.output_channels;
        let halved = channels.is_multiple_of(PANEL) && (channels / PANEL) % 2 == 1;
        let blocks = channels.div_ceil(PANEL) + usize::from(halved);
        let line = width * channels.min(PANEL);
        let [_, out_height, _] = shape.output_size();
        let span = (shape.kernel[1] - 1) * shape.dilation[1] + 1;
        let rows = (SCRATCH_ELEMENTS / line.max(1)).saturating_sub(span) / shape.stride[1] + 1;
        let bands = Split::new(out_height, out_height.div_ceil(rows), 2);
        let taps = [Taps::forward(&shape, 1), Taps::forward(&shape, 2)];
        Some(Self { source_channels, shape, activations, blocks, bands, taps })
    }

    /// The channels of a block.
    fn block(&self, index: usize) -> Range<usize> {
        let channels = self.shape.output_channels;
        // Two halves where there are more blocks than panels.
        let whole = if self.blocks > channels.div_ceil(PANEL) { self.blocks - 2 } else { self.blocks };
        let start = |index: usize| index.min(whole) * PANEL + index.saturating_sub(whole) * PANEL / 2;
        start(index)..start(index + 1).min(channels)
    }

    /// Bytes of prepared memory: the weights of the product, once for any number of runs.
    pub fn prepared<T>(&self) -> usize {
        self.prepared_elements() * size_of::<T>()
    }

    fn prepared_elements(&self) -> usize {
        self.prepared_range(&self.block(self.blocks - 1)).end
    }

    /// Where the weights of a block are: rows of as many as whole registers hold.
    fn prepared_range(&self, block: &Range<usize>) -> Range<usize> {
        let start = self.source_channels * block.start;
        start..start + self.source_channels * block.len().next_multiple_of(PANEL_GRAIN)
    }

    /// What the prepared memory looks like, apart from the weights' shape.
    pub fn layout(&self) -> Vec<usize> {
        vec![PANEL, self.blocks]
    }

    /// Calls of [`prepare`](Self::prepare) that precede the first chunk.
    pub fn prepare_chunks(&self) -> usize {
        self.blocks
    }

    /// Copies the weights `w` of one block, `[source channels, channels]`, into the prepared memory.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn prepare<T: Compute>(&self, isa: Isa, chunk: usize, w: &[T], prepared: Disjoint<T>) {
        let (k, channels) = (self.source_channels, self.shape.output_channels);
        let block = self.block(chunk);
        assert!(w.len() >= k * channels, "the weights are too short for {:?}", self.shape);
        // SAFETY: blocks have parts of their own; the source was checked.
        unsafe {
            let to = prepared.range(self.prepared_range(&block));
            let stride = block.len().next_multiple_of(PANEL_GRAIN);
            pack_panel(isa, w.as_ptr().add(block.start), channels, 1, k, block.len(), to.as_mut_ptr(), stride);
        }
    }

    /// How many parts the output is cut into.
    pub fn chunks(&self) -> usize {
        self.shape.batch * self.bands.parts * self.blocks
    }

    /// Computes one part of `y`. `v` are the weights of the depthwise convolution; biases have a number for every channel.
    ///
    /// # Panics
    /// When a slice is too short for the geometry.
    pub fn run<T: Compute>(
        &self,
        isa: Isa,
        chunk: usize,
        x: &[T],
        v: &[T],
        biases: [Option<&[T]>; 2],
        y: Disjoint<T>,
        prepared: Disjoint<T>,
    ) {
        let [_, height, width] = self.shape.size;
        let [_, out_height, out_width] = self.shape.output_size();
        let (k, channels) = (self.source_channels, self.shape.output_channels);
        assert!(chunk < self.chunks(), "chunk {chunk} of {}", self.chunks());
        assert!(x.len() >= self.shape.batch * height * width * k, "the source is too short");
        assert!(v.len() >= self.shape.weight_elements(), "the weights are too short");
        assert!(biases.iter().flatten().all(|bias| bias.len() >= channels), "a bias is too short");
        assert!(y.len() >= self.shape.output_elements(), "the output is too short");
        assert!(prepared.len() >= self.prepared_elements(), "the prepared memory is too short");
        let [chunk, index] = [chunk / self.blocks, chunk % self.blocks];
        let [image, band] = [chunk / self.bands.parts, chunk % self.bands.parts];
        let (block, lines) = (self.block(index), self.bands.range(band));
        if block.is_empty() || lines.is_empty() || out_width == 0 {
            return;
        }
        let rows = self.source_rows(&lines);
        let biases = biases.map(|bias| bias.map(|bias| &bias[block.clone()]));
        workspace::with(rows.len() * width * block.len(), |z: &mut [T]| {
            // SAFETY: the range is within the length that was checked, and chunks only read it.
            let w = unsafe {
                let range = self.prepared_range(&block);
                std::slice::from_raw_parts(prepared.as_ptr().add(range.start).cast_const(), range.len())
            };
            let x = &x[(image * height + rows.start) * width * k..][..rows.len() * width * k];
            self.product(isa, x, w, biases[0], block.len(), z);
            let first = (image * out_height + lines.start) * out_width * channels + block.start;
            // SAFETY: the output's length was checked; chunks write rows and channels of their own.
            let y = unsafe { y.as_ptr().add(first) };
            self.sums(isa, &lines, &rows, z, &v[block.start..], block.len(), biases[1], y);
        });
    }

    /// The rows of z that output rows `lines` read.
    fn source_rows(&self, lines: &Range<usize>) -> Range<usize> {
        let (down, height) = (&self.taps[0], self.shape.size[1]);
        let mut rows: Option<Range<usize>> = None;
        for line in lines.clone() {
            let start = line * self.shape.stride[1];
            let inside = down.inside(start, height);
            if !inside.is_empty() {
                let reads = down.source(start, inside.start)..down.source(start, inside.end - 1) + 1;
                let known = rows.unwrap_or_else(|| reads.clone());
                rows = Some(known.start.min(reads.start)..known.end.max(reads.end));
            }
        }
        rows.unwrap_or_default()
    }

    /// `z = activation(x w + bias)`
    fn product<T: Compute>(&self, isa: Isa, x: &[T], w: &[T], bias: Option<&[T]>, columns: usize, z: &mut [T]) {
        let k = self.source_channels;
        let matrix = |row_stride: usize| Matrix { row_stride, col_stride: 1, batch_stride: 0 };
        let shape = GemmShape {
            batch: 1,
            m: x.len() / k,
            n: columns,
            k,
            a: matrix(k),
            b: matrix(columns.next_multiple_of(PANEL_GRAIN)),
            c: Output { row_stride: columns, batch_stride: 0 },
        };
        let product = Gemm::new(shape, Epilogue { accumulate: false, activation: self.activations[0] });
        let (addends, z) = (Addends { bias, residual: None }, Disjoint::new(z));
        assert_eq!(product.finish_chunks(), 0, "the reduction is short: {shape:?}");
        for chunk in 0..product.chunks() {
            product.run(isa, chunk, x, w, addends, z, Disjoint::new(&mut []));
        }
    }

    /// Output rows `lines`, of `z`, which has rows `rows` and `columns` channels. `v` and `y` begin at the first of these.
    fn sums<T: Compute>(
        &self,
        isa: Isa,
        lines: &Range<usize>,
        rows: &Range<usize>,
        z: &[T],
        v: &[T],
        columns: usize,
        bias: Option<&[T]>,
        y: *mut T,
    ) {
        let [_, height, width] = self.shape.size;
        let [_, _, out_width] = self.shape.output_size();
        let channels = self.shape.output_channels;
        let [_, kernel_rows, kernel_columns] = self.shape.kernel;
        let [down, across] = self.taps;
        let activation = self.activations[1];
        workspace::with(2 * kernel_rows, |taps: &mut [Tap]| {
            for line in lines.clone().step_by(2) {
                let both = line..(line + 2).min(lines.end);
                let mut used = [0; 2];
                for ((line, taps), used) in both.clone().zip(taps.chunks_exact_mut(kernel_rows)).zip(&mut used) {
                    let start = line * self.shape.stride[1];
                    for tap in down.inside(start, height) {
                        let a = ((down.source(start, tap) - rows.start) * width * columns) as isize;
                        taps[*used] = Tap { a, b: (tap * kernel_columns * channels) as isize };
                        *used += 1;
                    }
                }
                let (first, second) = taps.split_at(kernel_rows);
                let out = y.wrapping_add((line - lines.start) * out_width * channels);
                let next = if both.len() == 2 { out.wrapping_add(out_width * channels) } else { std::ptr::null_mut() };
                let work = Rows {
                    source: z.as_ptr(),
                    weights: v.as_ptr(),
                    weight_step: channels,
                    lines: [&first[..used[0]], &second[..used[1]]],
                    taps: across,
                    stride: self.shape.stride[2],
                    width,
                    channels: columns,
                    out: [out, next],
                    out_step: channels,
                    count: out_width,
                    bias: bias.map_or(std::ptr::null(), <[T]>::as_ptr),
                    accumulate: false,
                    activation,
                };
                // SAFETY: the kernel rows are inside of z and the weights, the outputs those of this chunk.
                unsafe { T::work(isa, &work) }
                if !activation.in_store() {
                    for pixel in 0..both.len() * out_width {
                        // SAFETY: a pixel of this chunk's rows, its channels only; rows follow one another.
                        let pixel = unsafe { std::slice::from_raw_parts_mut(out.add(pixel * channels), columns) };
                        activation.apply(isa, pixel);
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::conv::ConvForward;
    use crate::cpu::gemm::tests::Lcg;

    /// Both convolutions, one after the other.
    fn apart<T: Compute>(isa: Isa, k: usize, shape: ConvShape, activations: [Activation; 2], data: &Data<T>) -> Vec<T> {
        let first = ConvShape {
            input_channels: k,
            kernel: [1; 3],
            stride: [1; 3],
            dilation: [1; 3],
            groups: 1,
            padding: [(0, 0); 3],
            ..shape
        };
        let convolve = |shape: ConvShape, activation, x: &[T], w: &[T], bias: &[T]| {
            let kernel = ConvForward::new(shape, Epilogue { accumulate: false, activation });
            let mut prepared = vec![T::ZERO; kernel.prepared::<T>() / size_of::<T>()];
            let mut y = vec![T::ZERO; shape.output_elements()];
            for chunk in 0..kernel.prepare_chunks() {
                kernel.prepare(isa, chunk, w, Disjoint::new(&mut prepared));
            }
            for chunk in 0..kernel.chunks() {
                let addends = Addends { bias: Some(bias), residual: None };
                kernel.run(isa, chunk, x, w, addends, Disjoint::new(&mut y), Disjoint::new(&mut prepared));
            }
            y
        };
        let z = convolve(first, activations[0], &data.x, &data.w, &data.biases[0]);
        convolve(shape, activations[1], &z, &data.v, &data.biases[1])
    }

    struct Data<T> {
        x: Vec<T>,
        w: Vec<T>,
        v: Vec<T>,
        biases: [Vec<T>; 2],
    }

    fn check<T: Compute + PartialEq + std::fmt::Debug>(random: &mut Lcg, halves: impl Fn(&mut Lcg, usize) -> Vec<T>) {
        let plain = |batch, size: [usize; 2], channels, kernel, stride, padding: (usize, usize)| ConvShape {
            batch,
            size: [1, size[0], size[1]],
            input_channels: channels,
            output_channels: channels,
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            dilation: [1; 3],
            groups: channels,
            padding: [(0, 0), padding, padding],
        };
        let cases = [
            (16, plain(2, [56, 57], 96, 3, 1, (1, 1))),
            (24, plain(1, [28, 28], 192, 3, 1, (1, 1))),
            (8, plain(1, [112, 112], 50, 3, 2, (0, 1))),
            (5, plain(3, [7, 7], 17, 5, 1, (2, 2))),
            (3, plain(2, [9, 5], 130, 3, 2, (1, 1))),
            (7, ConvShape { dilation: [1, 2, 2], ..plain(2, [20, 11], 33, 3, 1, (2, 2)) }),
            (4, plain(1, [16, 1], 6, 1, 1, (0, 0))),
            (2, plain(0, [8, 8], 16, 3, 1, (1, 1))),
            (2, plain(2, [4, 4], 16, 3, 1, (6, 6))),
        ];
        for (k, shape) in cases {
            for activations in [[Activation::Relu6, Activation::Relu], [Activation::Silu, Activation::Silu]] {
                let pixels = shape.batch * shape.size.iter().product::<usize>();
                let channels = shape.output_channels;
                let data = Data {
                    x: halves(random, pixels * k),
                    w: halves(random, k * channels),
                    v: halves(random, shape.weight_elements()),
                    biases: [halves(random, channels), halves(random, channels)],
                };
                let kernel = PointwiseDepthwise::new(k, shape, activations).expect("a geometry that it takes");
                for isa in Isa::available() {
                    let mut prepared = vec![T::ZERO; kernel.prepared::<T>() / size_of::<T>()];
                    let mut y = vec![T::ZERO; shape.output_elements()];
                    for chunk in random.shuffled(kernel.prepare_chunks()) {
                        kernel.prepare(isa, chunk, &data.w, Disjoint::new(&mut prepared));
                    }
                    for chunk in random.shuffled(kernel.chunks()) {
                        let biases = [0, 1].map(|i| Some(data.biases[i].as_slice()));
                        let (y, prepared) = (Disjoint::new(&mut y), Disjoint::new(&mut prepared));
                        kernel.run(isa, chunk, &data.x, &data.v, biases, y, prepared);
                    }
                    let wanted = apart(isa, k, shape, activations, &data);
                    assert!(y == wanted, "{isa:?} {activations:?} {k} {shape:?}");
                }
            }
        }
    }

    /// The same sums in the same order: not a bit differs, whatever the order of the chunks.
    #[test]
    fn equals_one_after_the_other() {
        let mut random = Lcg::new(21);
        check::<f32>(&mut random, Lcg::halves);
        check::<f64>(&mut random, Lcg::halves);
    }

    #[test]
    fn what_does_not_fit_is_left_alone() {
        let shape = ConvShape {
            batch: 1,
            size: [1, 8, 8],
            input_channels: 16,
            output_channels: 16,
            kernel: [1, 3, 3],
            stride: [1; 3],
            dilation: [1; 3],
            groups: 16,
            padding: [(0, 0); 3],
        };
        let new = |k, shape| PointwiseDepthwise::new(k, shape, [Activation::Linear; 2]);
        assert!(new(8, shape).is_some());
        assert!(new(4096, shape).is_none());
        assert!(new(8, ConvShape { output_channels: 32, ..shape }).is_none());
        assert!(new(8, ConvShape { groups: 1, ..shape }).is_none());
        assert!(new(8, ConvShape { size: [2, 8, 8], ..shape }).is_none());
    }
}
