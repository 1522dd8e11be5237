//! Matrix products. Those of bfloat16 have a kernel where the machine multiplies such numbers; elsewhere they are decomposed.

use ironhorn_kernels::cpu::gemm::bfloat::{BfloatGemm, Packing, Target, has_dot};
use ironhorn_kernels::cpu::gemm::{self, Gemm, GemmShape, Matrix, Output};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Cost, Io, Lowered, Lowering, Prepare, addends, floats};
use crate::core::{DType, Result, Spec};
use crate::ops::linalg::matmul::MatMul;

pub fn lower(isa: Isa, op: &MatMul, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let Some(shape) = geometry(op, inputs, outputs)? else { return Ok(None) };
    if inputs[0].dtype == DType::Bfloat16 && has_dot(isa) {
        return bfloat16(isa, op, shape, inputs, outputs);
    }
    let GemmShape { batch, m, n, k, .. } = shape;
    let (epilogue, in_place) = (op.epilogue, op.epilogue.positions().1);
    // Weights that stay are packed once; others by the chunks that read them, while they are in the cache.
    let kernel = Gemm::new(shape, gemm::Epilogue { accumulate: false, activation: epilogue.activation });
    let ahead = kernel.clone().packing_ahead();
    let (a_len, b_len, c_len) =
        (inputs[0].shape.elements()?, inputs[1].shape.elements()?, outputs[0].shape.elements()?);
    let residual = if epilogue.residual { c_len } else { 0 };
    let bytes = (a_len + b_len + c_len + residual) as f64 * outputs[0].dtype.size() as f64;
    let cost = Cost { flops: 2.0 * (batch * m * n * k) as f64, bytes };
    floats!(outputs[0].dtype, T => {
        let (chunks, finish, scratch) = (kernel.chunks(), kernel.finish_chunks(), kernel.scratch::<T>());
        let (packing, packed) = (ahead.prepare_chunks(), ahead.prepared_elements());
        // What is packed depends on B and on how it is read.
        let prepare = Prepare { inputs: vec![1], phases: 1, bytes: packed * size_of::<T>(), layout: Vec::new() };
        let run = move |phase: usize, chunk: usize, io: &Io| {
            // SAFETY: by the contract of `Kernel::run`.
            unsafe {
                if phase == 0 {
                    ahead.prepare::<T>(isa, chunk, io.input::<T>(1, b_len), io.prepared::<T>());
                    return Ok(());
                }
                let addends = addends::<T>(epilogue, io, n, c_len);
                let c = io.output::<T>(0, c_len);
                if phase == 1 {
                    let a = io.input::<T>(0, a_len);
                    if io.prepared_bytes > 0 {
                        let b = std::slice::from_raw_parts(io.prepared::<T>().as_ptr().cast_const(), packed);
                        ahead.run::<T>(isa, chunk, a, b, addends, c, io.scratch::<T>());
                    } else {
                        kernel.run::<T>(isa, chunk, a, io.input::<T>(1, b_len), addends, c, io.scratch::<T>());
                    }
                } else {
                    kernel.finish::<T>(isa, chunk, addends, c, io.scratch::<T>());
                }
            }
            Ok(())
        };
        let lowered = Lowered::new(packing, run).then(chunks).then(finish).prepare(prepare).only_to_keep().scratch(scratch).cost(cost);
        Ok(Some(lowered.in_place(in_place.into_iter().collect())))
    })
}

/// The geometry of a product, if a kernel has it: `None` where leading axes broadcast both ways.
fn geometry(op: &MatMul, inputs: &[Spec], outputs: &[Spec]) -> Result<Option<GemmShape>> {
    let (a, b, c) = (inputs[0].shape.concrete()?, inputs[1].shape.concrete()?, outputs[0].shape.concrete()?);
    let (a_lead, a_tail) = a.split_at(a.len() - 2);
    let (b_lead, b_tail) = b.split_at(b.len() - 2);
    let mut m = if op.transpose_a { a_tail[1] } else { a_tail[0] };
    let k = if op.transpose_a { a_tail[0] } else { a_tail[1] };
    let n = if op.transpose_b { b_tail[0] } else { b_tail[1] };
    let mut batch: usize = c[..c.len() - 2].iter().product();
    let b_batches: usize = b_lead.iter().product();
    let a_batches: usize = a_lead.iter().product();
    if b_batches == 1 && !op.transpose_a && a_batches == batch {
        // One matrix on the right: the leading axes of the left are just more rows.
        m *= batch;
        batch = 1;
    } else if !((a_batches == batch || a_batches == 1) && (b_batches == batch || b_batches == 1)) {
        return Ok(None);
    }
    let stride = |batches: usize, elements: usize| if batches == 1 { 0 } else { elements };
    let layout = |rows: usize, columns: usize, transposed: bool, batch_stride: usize| {
        let (row_stride, col_stride) = if transposed { (1, rows) } else { (columns, 1) };
        Matrix { row_stride, col_stride, batch_stride }
    };
    Ok(Some(GemmShape {
        batch,
        m,
        n,
        k,
        a: layout(m, k, op.transpose_a, if batch == 1 { 0 } else { stride(a_batches, m * k) }),
        b: layout(k, n, op.transpose_b, if batch == 1 { 0 } else { stride(b_batches, k * n) }),
        c: Output { row_stride: n, batch_stride: m * n },
    }))
}

/// A product of bfloat16, stored in that type or in float32. Weights that stay are packed once.
fn bfloat16(isa: Isa, op: &MatMul, shape: GemmShape, inputs: &[Spec], outputs: &[Spec]) -> Lowering {
    let (epilogue, wide) = (op.epilogue, outputs[0].dtype == DType::Float32);
    let Some(kernel) = BfloatGemm::new(shape, epilogue.activation) else { return Ok(None) };
    let GemmShape { batch, m, n, k, .. } = shape;
    let (a_len, b_len, c_len) =
        (inputs[0].shape.elements()?, inputs[1].shape.elements()?, outputs[0].shape.elements()?);
    let (packing, packing_a) = (kernel.pack_b().chunks(), kernel.pack_a().map_or(0, Packing::chunks));
    let (packed_b, packed_a) = (kernel.pack_b().elements(), kernel.pack_a().map_or(0, Packing::elements));
    let mut bytes = 0.0;
    for spec in inputs.iter().chain(outputs) {
        bytes += spec.bytes()? as f64;
    }
    let cost = Cost { flops: 2.0 * (batch * m * n * k) as f64, bytes };
    let prepare = Prepare { inputs: vec![1], phases: 1, bytes: packed_b * size_of::<u32>(), layout: Vec::new() };
    let chunks = kernel.chunks();
    let run = move |phase: usize, chunk: usize, io: &Io| {
        // SAFETY: by the contract of `Kernel::run`.
        unsafe {
            match (phase, kernel.pack_a()) {
                (0, _) => kernel.pack_b().run(isa, chunk, io.input(1, b_len), io.prepared()),
                (1, Some(packing)) => packing.run(isa, chunk, io.input(0, a_len), io.scratch()),
                _ => {
                    let packed_b = std::slice::from_raw_parts(io.prepared::<u32>().as_ptr().cast_const(), packed_b);
                    let packed_a = std::slice::from_raw_parts(io.scratch::<u32>().as_ptr().cast_const(), packed_a);
                    let addends = addends::<f32>(epilogue, io, n, c_len);
                    let c = if wide { Target::Wide(io.output(0, c_len)) } else { Target::Narrow(io.output(0, c_len)) };
                    kernel.run(isa, chunk, io.input(0, a_len), packed_a, packed_b, addends, c);
                }
            }
        }
        Ok(())
    };
    let lowered = Lowered::new(packing, run).then(packing_a).then(chunks).prepare(prepare).cost(cost);
    let in_place = epilogue.positions().1.filter(|_| wide);
    Ok(Some(lowered.scratch(packed_a * size_of::<u32>()).in_place(in_place.into_iter().collect())))
}
