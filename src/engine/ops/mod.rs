//! The ops: what a program is made of. One file an op; the registry below is the full list.
//!
//! To add an op: write its file (a struct whose fields are its attributes, and `impl Operation` for it), add its line to
//! the registry, its arm to each backend's `lower` (the compiler asks for it), its Python line, and its row in the case
//! table. Elementwise ops are a line in the kernels' table and an arm in `elementwise.rs`. CONTRIBUTING.md has the walk.

pub mod attributes;
pub mod control;
pub mod elementwise;
pub mod gradients;
pub mod graph;
pub mod index;
pub mod linalg;
pub mod math;
pub mod nn;
pub mod order;
pub mod random;
pub mod reduce;
pub mod rnn;
pub mod shape;
pub mod update;

use std::fmt::Debug;
use std::hash::Hash;

use crate::core::shape::Bindings;
use crate::core::{DType, Error, Result, Spec};
pub use attributes::{Attribute, Attributes, Real};
pub use graph::{Graph, Node, Producer, Value};

/// What running an op does beside making its outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effects {
    Pure,
    /// Asks the host program, which is slow but has no effect: calls may be shared and left out.
    CallsHost,
    /// An optimizer's update: runs in the program's final phase, in place where its inputs are variables
    /// (see [`Operation::updated_inputs`]).
    Updates,
}

/// How operands of different types are brought to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Promotion {
    /// Types are taken as they come.
    Keep,
    /// Every input is cast to the type all of them promote to.
    All,
    /// As `All`, but integers and booleans become floats.
    Float,
    /// As `All`, leaving out the first input (a condition, which becomes bool).
    AllButCondition,
    /// Every input becomes bool.
    Bool,
}

/// One op. The struct's fields are its attributes.
pub trait Operation: Clone + Eq + Hash + Debug + Send + Sync + 'static {
    const NAME: &'static str;

    /// The op from a caller's attributes.
    fn parse(attributes: &mut Attributes) -> Result<Self>;

    /// Shapes and types of the outputs: the only place that knows them. Axes may be symbols; in a plan none is.
    fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>>;

    /// The gradient of every input, written in ops; `None` where there is none.
    fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>>;

    /// The same meaning in simpler ops.
    fn decompose(&self, _graph: &mut Graph, _inputs: &[Value]) -> Option<Result<Vec<Value>>> {
        None
    }

    fn effects(&self) -> Effects {
        Effects::Pure
    }

    /// Which input each output is the new value of, if it is one's.
    fn updated_inputs(&self) -> Vec<Option<usize>> {
        Vec::new()
    }

    fn promotion(&self) -> Promotion {
        Promotion::Keep
    }

    /// The op with symbols among its attributes replaced by their lengths.
    #[must_use]
    fn bind(&self, _bindings: &Bindings) -> Self {
        self.clone()
    }

    /// Inputs of which only the shape is read; their data need not live until the op runs.
    fn shape_only(&self) -> &'static [usize] {
        &[]
    }
}

/// What a derivative rule is given.
pub struct GradContext<'a> {
    pub graph: &'a mut Graph,
    pub inputs: &'a [Value],
    pub outputs: &'a [Value],
    /// The gradient that reached each output, if any did.
    pub gradients: &'a [Option<Value>],
    /// Which inputs' gradients somebody needs; others may be `None`.
    pub wanted: &'a [bool],
}

impl GradContext<'_> {
    /// The gradient that reached output `i`, zeros when none did.
    pub fn gradient(&mut self, i: usize) -> Result<Value> {
        match self.gradients[i] {
            Some(gradient) => Ok(gradient),
            None => self.graph.zeros_like(self.outputs[i]),
        }
    }
}

macro_rules! registry {
    ($($(#[$meta:meta])* $name:ident => $path:path),* $(,)?) => {
        /// Every op.
        #[derive(Clone, PartialEq, Eq, Hash, Debug)]
        pub enum Op {
            $($(#[$meta])* $name($path),)*
        }

        impl Op {
            pub fn name(&self) -> &'static str {
                if let Op::Elementwise(op) = self {
                    return op.rule.name();
                }
                if let Op::HostCall(op) = self {
                    return op.function.0.name();
                }
                match self { $(Op::$name(_) => <$path as Operation>::NAME,)* }
            }
            pub fn infer(&self, inputs: &[&Spec]) -> Result<Vec<Spec>> {
                match self { $(Op::$name(op) => op.infer(inputs),)* }
            }
            pub fn vjp(&self, context: &mut GradContext) -> Result<Vec<Option<Value>>> {
                match self { $(Op::$name(op) => op.vjp(context),)* }
            }
            pub fn decompose(&self, graph: &mut Graph, inputs: &[Value]) -> Option<Result<Vec<Value>>> {
                match self { $(Op::$name(op) => op.decompose(graph, inputs),)* }
            }
            pub fn effects(&self) -> Effects {
                match self { $(Op::$name(op) => op.effects(),)* }
            }
            pub fn updated_inputs(&self) -> Vec<Option<usize>> {
                match self { $(Op::$name(op) => op.updated_inputs(),)* }
            }
            pub fn promotion(&self) -> Promotion {
                match self { $(Op::$name(op) => op.promotion(),)* }
            }
            #[must_use]
            pub fn bind(&self, bindings: &Bindings) -> Op {
                match self { $(Op::$name(op) => Op::$name(op.bind(bindings)),)* }
            }
            pub fn shape_only(&self) -> &'static [usize] {
                match self { $(Op::$name(op) => op.shape_only(),)* }
            }
            /// The op that `name` and `attributes` describe.
            pub fn parse(name: &str, mut attributes: Attributes) -> Result<Op> {
                let op = match name {
                    $(<$path as Operation>::NAME => Op::$name(<$path as Operation>::parse(&mut attributes)?),)*
                    _ => Op::Elementwise(elementwise::Elementwise::from_name(name).ok_or_else(|| {
                        Error::value(format!("there is no op named '{name}'"))
                    })?),
                };
                attributes.finish().map_err(|error| error.at("", name))?;
                Ok(op)
            }
            /// The names that `parse` knows.
            pub fn names() -> Vec<&'static str> {
                let mut names = elementwise::names();
                names.extend([$(<$path as Operation>::NAME,)*]);
                names
            }
        }

        $(impl From<$path> for Op {
            fn from(op: $path) -> Op {
                Op::$name(op)
            }
        })*
    };
}

registry! {
    Elementwise => elementwise::Elementwise,
    Fused => elementwise::Fused,
    Cast => math::cast::Cast,
    Bitcast => math::bitcast::Bitcast,
    Reshape => shape::reshape::Reshape,
    ReshapeLike => shape::reshape::ReshapeLike,
    Transpose => shape::transpose::Transpose,
    Broadcast => shape::broadcast::Broadcast,
    BroadcastLike => shape::broadcast::BroadcastLike,
    Concat => shape::concat::Concat,
    Slice => shape::slice::Slice,
    SliceGrad => shape::slice::SliceGrad,
    Pad => shape::pad::Pad,
    DimValue => shape::dim_value::DimValue,
    Iota => shape::iota::Iota,
    Reduce => reduce::reduce::Reduce,
    SumLike => reduce::sum_like::SumLike,
    ArgReduce => reduce::arg_reduce::ArgReduce,
    MatMul => linalg::matmul::MatMul,
    Conv => nn::conv::Conv,
    ConvInputGrad => nn::conv::ConvInputGrad,
    ConvKernelGrad => nn::conv::ConvKernelGrad,
    ConvTranspose => nn::conv_transpose::ConvTranspose,
    Pool => nn::pool::Pool,
    MaxPoolGrad => nn::pool::MaxPoolGrad,
    MaxPoolSelect => nn::pool::MaxPoolSelect,
    MaxPoolPlaces => nn::pool::MaxPoolPlaces,
    MaxPoolPlacesGrad => nn::pool::MaxPoolPlacesGrad,
    MaxPoolPlacesSum => nn::pool::MaxPoolPlacesSum,
    AveragePoolGrad => nn::pool::AveragePoolGrad,
    Resample => nn::resample::Resample,
    ResampleGrad => nn::resample::ResampleGrad,
    Softmax => nn::softmax::Softmax,
    LogSoftmax => nn::softmax::LogSoftmax,
    SoftmaxGrad => nn::softmax::SoftmaxGrad,
    CrossEntropy => nn::cross_entropy::CrossEntropy,
    CrossEntropyGrad => nn::cross_entropy::CrossEntropyGrad,
    SoftmaxCrossEntropy => nn::cross_entropy::SoftmaxCrossEntropy,
    BatchNormTrain => nn::batch_norm::BatchNormTrain,
    BatchNormGrad => nn::batch_norm::BatchNormGrad,
    ConvMoments => nn::conv_moments::ConvMoments,
    BatchNormApply => nn::conv_moments::BatchNormApply,
    PointwiseDepthwise => nn::pointwise_depthwise::PointwiseDepthwise,
    LayerNorm => nn::layer_norm::LayerNorm,
    LayerNormGrad => nn::layer_norm::LayerNormGrad,
    StopGradient => control::stop_gradient::StopGradient,
    CustomGradient => control::custom_gradient::CustomGradient,
    HostCall => control::host_call::HostCall,
    RuleUpdate => update::rule_update::RuleUpdate,
    SumOfSquares => update::sum_of_squares::SumOfSquares,
    Scan => control::scan::Scan,
    Cond => control::cond::Cond,
    WhileLoop => control::while_loop::WhileLoop,
    Take => index::take::Take,
    TakeGrad => index::take::TakeGrad,
    OneHot => index::one_hot::OneHot,
    TakeAlong => index::take_along::TakeAlong,
    TakeAlongGrad => index::take_along::TakeAlongGrad,
    GatherNd => index::places::GatherNd,
    ScatterNd => index::places::ScatterNd,
    DynamicSlice => index::dynamic_slice::DynamicSlice,
    SliceUpdate => index::dynamic_slice::SliceUpdate,
    Sort => order::sort::Sort,
    TopK => order::top_k::TopK,
    SearchSorted => order::search_sorted::SearchSorted,
    Cumulate => order::cumulate::Cumulate,
    LinearRecurrence => order::linear_recurrence::LinearRecurrence,
    RandomUniform => random::uniform::RandomUniform,
    RandomNormal => random::normal::RandomNormal,
    TruncatedNormal => random::truncated_normal::TruncatedNormal,
    RandomIntegers => random::integers::RandomIntegers,
    Dropout => random::dropout::Dropout,
    Gru => rnn::gru::Gru,
    GruGrad => rnn::gru::GruGrad,
    Lstm => rnn::lstm::Lstm,
    LstmGrad => rnn::lstm::LstmGrad,
    SimpleRnn => rnn::simple_rnn::SimpleRnn,
    SimpleRnnGrad => rnn::simple_rnn::SimpleRnnGrad,
}

/// Fails unless `inputs` has `count` entries.
pub fn expect_inputs(inputs: &[&Spec], count: usize) -> Result<()> {
    if inputs.len() == count {
        Ok(())
    } else {
        Err(Error::value(format!("takes {count} inputs, got {}", inputs.len())))
    }
}

/// Fails unless every input is of floats, and all of the same type.
pub fn expect_float(inputs: &[&Spec]) -> Result<DType> {
    let dtype = inputs[0].dtype;
    if !dtype.is_float() {
        return Err(Error::dtype(format!("computes with floats, got {dtype}; cast the input first")));
    }
    match inputs.iter().find(|input| input.dtype != dtype) {
        None => Ok(dtype),
        Some(other) => {
            Err(Error::dtype(format!("inputs have types {dtype} and {}; cast them to one type", other.dtype)))
        }
    }
}

/// An attribute that names one of a few choices.
pub fn one_of<T: Copy>(name: &str, text: &str, choices: &[(&str, T)]) -> Result<T> {
    choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = choices.iter().map(|(choice, _)| format!("'{choice}'")).collect();
        Error::value(format!("{name} must be one of {}, got '{text}'", known.join(", ")))
    })
}
