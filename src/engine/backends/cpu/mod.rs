//! The CPU backend: what runs each op. One file a family; each turns geometry and types into calls of
//! `ironhorn_kernels::cpu`.

mod conv;
pub mod copy;
mod cross_entropy;
mod elementwise;
mod host;
mod index;
mod layer_norm;
mod lowered;
mod matmul;
mod movement;
mod norm;
mod order;
mod places;
mod pool;
mod random;
mod reduce;
mod resample;
mod rnn;
mod softmax;
mod update;

use ironhorn_kernels::cpu::elementwise::Element;
use ironhorn_kernels::cpu::gemm::{Addends, Residual};
use ironhorn_kernels::cpu::simd::Isa;

use super::{Backend, Cost, Io, Kernel, Prepare};
use crate::core::{DType, Error, Result, Spec};
use crate::ops::Op;
use crate::ops::linalg::epilogue::Epilogue;
use lowered::{Lowered, floats};

/// The processor, with the instruction set its kernels use.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    pub isa: Isa,
}

impl Cpu {
    pub fn active() -> Cpu {
        Cpu { isa: Isa::active() }
    }
}

/// What a family's `lower` gives: a kernel, or `None` where the op must be decomposed.
type Lowering = Result<Option<Lowered>>;

impl Backend for Cpu {
    fn lower(&self, op: &Op, inputs: &[Spec], outputs: &[Spec]) -> Result<Option<Box<dyn Kernel>>> {
        let isa = self.isa;
        let lowered = match op {
            Op::Elementwise(op) => elementwise::lower(isa, op, inputs, outputs),
            Op::Fused(op) => elementwise::lower_fused(isa, op, inputs, outputs),
            Op::Cast(_) => elementwise::lower_cast(inputs, outputs),
            Op::Bitcast(_) => elementwise::lower_bitcast(inputs, outputs),
            Op::Transpose(op) => movement::transpose(op, inputs),
            Op::Broadcast(_) | Op::BroadcastLike(_) => movement::broadcast(inputs, outputs),
            Op::Concat(op) => movement::concat(op, inputs, outputs),
            Op::Slice(op) => movement::slice(op, inputs, outputs),
            Op::SliceGrad(op) => movement::slice_grad(op, inputs, outputs),
            Op::Pad(op) => movement::pad(op, inputs, outputs),
            Op::Iota(op) => movement::iota(op, outputs),
            Op::Reduce(op) => reduce::reduce(isa, op, inputs, outputs),
            Op::ArgReduce(op) => reduce::arg_reduce(isa, op, inputs, outputs),
            Op::MatMul(op) => matmul::lower(isa, op, inputs, outputs),
            Op::Conv(op) => conv::forward(isa, op, false, inputs, outputs),
            Op::PointwiseDepthwise(op) => conv::pointwise_depthwise(isa, op, inputs, outputs),
            Op::ConvMoments(op) => conv::forward(isa, &op.conv, true, inputs, outputs),
            Op::ConvInputGrad(op) => conv::input_gradient(isa, &op.conv, inputs, outputs),
            Op::ConvTranspose(op) => conv::input_gradient(isa, &op.conv, inputs, outputs),
            Op::ConvKernelGrad(op) => conv::kernel_gradient(isa, op, inputs, outputs),
            Op::Pool(op) => pool::forward(isa, op, inputs, outputs),
            Op::MaxPoolGrad(op) => pool::max_gradient(isa, op, inputs, outputs),
            Op::MaxPoolSelect(op) => pool::max_select(isa, op, inputs, outputs),
            Op::MaxPoolPlaces(op) => pool::max_places(isa, op, inputs, outputs),
            Op::MaxPoolPlacesSum(_) => pool::max_places_sum(isa, inputs, outputs),
            Op::MaxPoolPlacesGrad(op) => pool::max_places_gradient(isa, op, inputs, outputs),
            Op::AveragePoolGrad(op) => pool::average_gradient(isa, op, inputs, outputs),
            Op::Resample(op) => resample::forward(isa, op, inputs, outputs),
            Op::ResampleGrad(op) => resample::gradient(isa, op, inputs, outputs),
            Op::Softmax(_) => softmax::forward(isa, false, inputs, outputs),
            Op::LogSoftmax(_) => softmax::forward(isa, true, inputs, outputs),
            Op::SoftmaxGrad(op) => softmax::gradient(isa, op, inputs, outputs),
            Op::CrossEntropy(op) => cross_entropy::losses(isa, op, inputs, outputs),
            Op::CrossEntropyGrad(op) => cross_entropy::gradient(isa, &op.loss, inputs, outputs),
            Op::SoftmaxCrossEntropy(op) => cross_entropy::with_softmax(isa, &op.loss, inputs, outputs),
            Op::BatchNormTrain(op) => norm::train(isa, op, inputs, outputs),
            Op::BatchNormApply(op) => norm::apply(isa, op, inputs, outputs),
            Op::BatchNormGrad(op) => norm::gradient(isa, op, inputs, outputs),
            Op::LayerNorm(op) => layer_norm::forward(isa, op, inputs, outputs),
            Op::LayerNormGrad(op) => layer_norm::gradient(isa, op, inputs, outputs),
            Op::Take(op) => index::take(op, inputs, outputs),
            Op::TakeGrad(op) => index::take_grad(isa, op, inputs, outputs),
            Op::OneHot(op) => index::one_hot(op, inputs, outputs),
            Op::TakeAlong(op) => places::take_along(op, inputs, outputs),
            Op::TakeAlongGrad(op) => places::take_along_grad(op, inputs, outputs),
            Op::GatherNd(op) => places::gather(op, inputs, outputs),
            Op::ScatterNd(op) => places::scatter(op, inputs, outputs),
            Op::DynamicSlice(_) => places::dynamic_slice(inputs, outputs),
            Op::SliceUpdate(_) => places::slice_update(inputs, outputs),
            Op::Sort(op) => order::sort(op, inputs),
            Op::TopK(op) => order::top_k(op, inputs, outputs),
            Op::SearchSorted(op) => order::search_sorted(op, inputs, outputs),
            Op::Cumulate(op) => order::cumulate(op, inputs, outputs),
            Op::LinearRecurrence(op) => order::linear_recurrence(op, inputs, outputs),
            Op::RandomUniform(op) => random::uniform(isa, op, outputs),
            Op::RandomNormal(op) => random::normal(isa, op, outputs),
            Op::TruncatedNormal(op) => random::truncated_normal(isa, op, outputs),
            Op::RandomIntegers(op) => random::integers(isa, op, outputs),
            Op::Dropout(op) => random::dropout(isa, op, inputs, outputs),
            Op::Gru(op) => rnn::forward(isa, op, inputs, outputs),
            Op::GruGrad(op) => rnn::backward(isa, op, inputs, outputs),
            Op::Lstm(op) => rnn::forward(isa, op, inputs, outputs),
            Op::LstmGrad(op) => rnn::backward(isa, op, inputs, outputs),
            Op::SimpleRnn(op) => rnn::forward(isa, op, inputs, outputs),
            Op::SimpleRnnGrad(op) => rnn::backward(isa, op, inputs, outputs),
            Op::RuleUpdate(op) => update::rule_update(isa, op, inputs, outputs),
            Op::SumOfSquares(_) => update::sum_of_squares(isa, inputs, outputs),
            Op::HostCall(op) => host::call(op, inputs, outputs),
            Op::SumLike(_) => Ok(None),
            // The planner makes the first three's kernels, from plans of their bodies; the others are views, or known to
            // the plan.
            Op::Scan(_)
            | Op::Cond(_)
            | Op::WhileLoop(_)
            | Op::Reshape(_)
            | Op::ReshapeLike(_)
            | Op::DimValue(_)
            | Op::StopGradient(_)
            | Op::CustomGradient(_) => Err(Error::internal(format!("{} reached the backend", op.name()))),
        }?;
        Ok(lowered.map(|kernel| Box::new(kernel) as Box<dyn Kernel>))
    }
}

/// The kernels' name of an element type.
pub fn element(dtype: DType) -> Element {
    match dtype {
        DType::Bool => Element::Bool,
        DType::Uint8 => Element::U8,
        DType::Uint16 => Element::U16,
        DType::Uint32 => Element::U32,
        DType::Uint64 => Element::U64,
        DType::Int8 => Element::I8,
        DType::Int16 => Element::I16,
        DType::Int32 => Element::I32,
        DType::Int64 => Element::I64,
        DType::Float16 => Element::F16,
        DType::Bfloat16 => Element::Bf16,
        DType::Float32 => Element::F32,
        DType::Float64 => Element::F64,
    }
}

/// What the epilogue of a product reads: a bias of `columns` elements, a residual as long as the output.
///
/// # Safety
/// The epilogue's inputs follow the product's two, have these lengths, and hold elements of `T`.
unsafe fn addends<T>(epilogue: Epilogue, io: &Io, columns: usize, length: usize) -> Addends<'_, T> {
    let (bias, residual) = epilogue.positions();
    // SAFETY: by this function's contract. The plan lets the output share the residual's memory only whole.
    unsafe {
        Addends {
            bias: bias.map(|index| io.input::<T>(index, columns)),
            residual: residual.map(|index| Residual::from_raw(io.inputs[index].cast::<T>(), length)),
        }
    }
}

/// The cost of reading `inputs` and writing `outputs` once, with `flops` operations an output element.
fn streaming(inputs: &[Spec], outputs: &[Spec], flops: f64) -> Result<Cost> {
    let mut bytes = 0.0;
    for spec in inputs.iter().chain(outputs) {
        bytes += spec.bytes()? as f64;
    }
    Ok(Cost { flops: outputs.first().map_or(Ok(0), |spec| spec.shape.elements())? as f64 * flops, bytes })
}
