//! Lets ops work on 16-bit floats in float32: a cast before each such operand and one behind each result.
//!
//! ```text
//! bfloat16:   x -> cast -> matmul -> cast -> y -> cast -> tanh -> cast -> z
//!             x -> cast -> matmul ------------------> tanh -> cast -> z         where nobody else reads y
//! ```
//!
//! What one op hands to one other is not rounded between them; what several read is stored in 16 bits and read so by each.
//! Chains of elementwise ops take the casts in: they load and store 16 bits and keep float32 inside. A plan would decompose
//! the other ops in the same way, one by one. Ops that only move elements take 16-bit floats as they are.
//!
//! Products of bfloat16 stay what they are where the machine multiplies such numbers itself: their operands are rounded,
//! their result is float32. So are convolutions whose kernel covers one pixel, written as products.

use std::collections::HashMap;

use ironhorn_kernels::cpu::gemm::bfloat::has_dot;
use ironhorn_kernels::cpu::simd::Isa;

use super::dead_code;
use super::rebuild::{Rebuild, uses};
use crate::core::{DType, Dim, Result, Spec};
use crate::ops::linalg::matmul::MatMul;
use crate::ops::math::cast::Cast;
use crate::ops::shape::reshape::Reshape;
use crate::ops::{Graph, Node, Op, Value};
use crate::program::Program;

pub fn run(program: &Program) -> Result<Program> {
    let graph = &program.graph;
    let is_narrow = |node: &Node| computes(&node.op) && node.inputs.iter().any(|&input| graph.dtype(input).is_half());
    if !graph.nodes.iter().any(is_narrow) {
        return Ok(program.clone());
    }
    let mut uses = uses(program);
    for node in &graph.nodes {
        for &index in node.op.shape_only() {
            uses[node.inputs[index].0 as usize] -= 1;
        }
    }
    let multiplies = has_dot(Isa::active());
    let mut pass = Widen { program, uses, wide: HashMap::new(), rebuild: Rebuild::new(program), multiplies };
    for node in &graph.nodes {
        if is_narrow(node) {
            if !pass.multiply_pixels(node)? {
                pass.widen(node)?;
            }
        } else if let Some(wide) = pass.unrounded(node) {
            pass.rebuild.set(node.outputs[0], wide);
        } else {
            pass.copy(node);
        }
    }
    // Results that nobody reads rounded.
    dead_code::run(&pass.rebuild.finish()?)
}

struct Widen<'a> {
    program: &'a Program,
    /// How often every value is read, not counting those who read its shape alone.
    uses: Vec<u32>,
    /// Results of the program before the pass in float32, as they were before they were rounded.
    wide: HashMap<Value, Value>,
    rebuild: Rebuild<'a>,
    /// Whether there is a product of bfloat16.
    multiplies: bool,
}

impl Widen<'_> {
    fn copy(&mut self, node: &Node) {
        let inputs: Vec<Value> = (0..node.inputs.len())
            .map(|i| self.shape_of(node, i).unwrap_or_else(|| self.rebuild.get(node.inputs[i])))
            .collect();
        let specs = node.outputs.iter().map(|&output| self.program.graph.spec(output).clone()).collect();
        let outputs = self.rebuild.new.append_inferred(node.op.clone(), &inputs, specs, node.scope.clone());
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.rebuild.set(old, new);
        }
    }

    /// What a cast to float32 makes of a result that nobody else reads: the result as it was before it was rounded.
    fn unrounded(&self, node: &Node) -> Option<Value> {
        let Op::Cast(Cast { dtype: DType::Float32 }) = node.op else { return None };
        let input = node.inputs[0];
        self.wide.get(&input).copied().filter(|_| self.uses[input.0 as usize] == 1)
    }

    /// An operand of which only the shape is read, of whatever type.
    fn shape_of(&mut self, node: &Node, index: usize) -> Option<Value> {
        let old = node.inputs[index];
        node.op.shape_only().contains(&index).then(|| match self.wide.get(&old) {
            Some(&wide) => wide,
            None => self.rebuild.get(old),
        })
    }

    fn widen(&mut self, node: &Node) -> Result<()> {
        let mut op = node.op.clone();
        let mut inputs = Vec::with_capacity(node.inputs.len());
        let multiplies = match &mut op {
            Op::MatMul(op) if self.multiplies && self.are_bfloat16(&node.inputs[..2]) => {
                op.result = Some(DType::Float32);
                true
            }
            _ => false,
        };
        for (i, &input) in node.inputs.iter().enumerate() {
            inputs.push(match self.shape_of(node, i) {
                Some(shape) => shape,
                None if multiplies => self.rebuild.get(input),
                None => self.input(input, node),
            });
        }
        // The types follow from the op; the lengths are known by the symbols that the results had before.
        let specs: Vec<&Spec> = inputs.iter().map(|&input| self.rebuild.new.spec(input)).collect();
        let inferred = op.infer(&specs).map_err(|error| error.at(&node.scope, node.op.name()))?;
        let graph = &self.program.graph;
        let wide = node.outputs.iter().zip(inferred);
        let wide = wide.map(|(&output, spec)| Spec::new(graph.shape(output).clone(), spec.dtype)).collect();
        let outputs = self.rebuild.new.append_inferred(op, &inputs, wide, node.scope.clone());
        for (&old, new) in node.outputs.iter().zip(outputs) {
            self.round(old, new, node);
        }
        Ok(())
    }

    /// Says what a result of 16 bits became.
    fn round(&mut self, old: Value, mut new: Value, node: &Node) {
        let spec = self.program.graph.spec(old).clone();
        if self.rebuild.new.dtype(new) != spec.dtype {
            self.wide.insert(old, new);
            new = self.cast(new, spec, node);
        }
        self.rebuild.set(old, new);
    }

    /// Writes a convolution of bfloat16 whose kernel covers one pixel, or a gradient of it, as a product of its pixels, where
    /// the machine has one.
    fn multiply_pixels(&mut self, node: &Node) -> Result<bool> {
        let conv = match &node.op {
            Op::Conv(conv) if conv.epilogue.is_empty() => conv,
            Op::ConvInputGrad(op) => &op.conv,
            Op::ConvKernelGrad(op) => &op.conv,
            _ => return Ok(false),
        };
        if !self.multiplies || !conv.is_pointwise() || !self.are_bfloat16(&node.inputs[..2]) {
            return Ok(false);
        }
        let (old, is_gradient) = (&self.program.graph, matches!(node.op, Op::ConvKernelGrad(_)));
        let kernel = node.inputs[if is_gradient { 2 } else { 1 }];
        let Some(sizes) = old.shape(kernel).0.iter().map(|dim| dim.known()).collect::<Option<Vec<_>>>() else {
            return Ok(false);
        };
        let (window, matrix) = sizes.split_at(sizes.len() - 2);
        if window.iter().any(|&length| length != 1) || matrix.contains(&0) {
            return Ok(false);
        }
        let operands = [self.rebuild.get(node.inputs[0]), self.rebuild.get(node.inputs[1])];
        let shape = old.shape(node.outputs[0]).clone();
        let graph = &mut self.rebuild.new;
        graph.set_scope(node.scope.clone());
        let reshaped = |graph: &mut Graph, value: Value, first: Option<usize>, last: usize| {
            graph.apply(Reshape { shape: vec![first.map(Dim::Known), Some(Dim::Known(last))] }, &[value])
        };
        let op = MatMul { result: Some(DType::Float32), ..MatMul::default() };
        let [channels, filters] = [matrix[0], matrix[1]];
        let product = if is_gradient {
            let rows = [reshaped(graph, operands[0], None, channels)?, reshaped(graph, operands[1], None, filters)?];
            let product = graph.apply(MatMul { transpose_a: true, ..op }, &rows)?;
            graph.apply(Reshape { shape: shape.0.iter().copied().map(Some).collect() }, &[product])?
        } else {
            let weights = reshaped(graph, operands[1], Some(channels), filters)?;
            let op = MatMul { transpose_b: matches!(node.op, Op::ConvInputGrad(_)), ..op };
            let spec = Spec::new(shape, DType::Float32);
            graph.append_inferred(Op::MatMul(op), &[operands[0], weights], vec![spec], node.scope.clone())[0]
        };
        self.round(node.outputs[0], product, node);
        Ok(true)
    }

    fn are_bfloat16(&self, values: &[Value]) -> bool {
        values.iter().all(|&value| self.program.graph.dtype(value) == DType::Bfloat16)
    }

    /// An operand, in float32 if it has 16 bits.
    fn input(&mut self, old: Value, node: &Node) -> Value {
        let Spec { shape, dtype } = self.program.graph.spec(old).clone();
        match self.wide.get(&old) {
            Some(&wide) if self.uses[old.0 as usize] == 1 => wide,
            _ => {
                let new = self.rebuild.get(old);
                if dtype.is_half() { self.cast(new, Spec::new(shape, DType::Float32), node) } else { new }
            }
        }
    }

    fn cast(&mut self, value: Value, spec: Spec, node: &Node) -> Value {
        let op = Op::Cast(Cast { dtype: spec.dtype });
        self.rebuild.new.append_inferred(op, &[value], vec![spec], node.scope.clone())[0]
    }
}

/// Whether an op does more than move elements.
fn computes(op: &Op) -> bool {
    matches!(
        op,
        Op::Elementwise(_)
            | Op::MatMul(_)
            | Op::Conv(_)
            | Op::ConvInputGrad(_)
            | Op::ConvKernelGrad(_)
            | Op::ConvTranspose(_)
            | Op::Reduce(_)
            | Op::SumLike(_)
            | Op::Pool(_)
            | Op::MaxPoolGrad(_)
            | Op::AveragePoolGrad(_)
            | Op::Resample(_)
            | Op::ResampleGrad(_)
            | Op::Softmax(_)
            | Op::LogSoftmax(_)
            | Op::SoftmaxGrad(_)
            | Op::CrossEntropy(_)
            | Op::CrossEntropyGrad(_)
            | Op::BatchNormTrain(_)
            | Op::BatchNormGrad(_)
            | Op::LayerNorm(_)
            | Op::LayerNormGrad(_)
            | Op::Cumulate(_)
            | Op::LinearRecurrence(_)
    )
}
