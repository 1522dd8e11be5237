//! The element types that arrays hold, and a way to get from the value that names one to the Rust type.

use half::{bf16, f16};

/// What one element of an array is. Booleans are bytes holding 0 or 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Element {
    Bool,
    U8,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Element {
    pub const ALL: [Element; 13] = [
        Element::Bool,
        Element::U8,
        Element::U16,
        Element::U32,
        Element::U64,
        Element::I8,
        Element::I16,
        Element::I32,
        Element::I64,
        Element::F16,
        Element::Bf16,
        Element::F32,
        Element::F64,
    ];

    /// Bytes.
    pub fn size(self) -> usize {
        match self {
            Element::Bool | Element::U8 | Element::I8 => 1,
            Element::U16 | Element::I16 | Element::F16 | Element::Bf16 => 2,
            Element::U32 | Element::I32 | Element::F32 => 4,
            Element::U64 | Element::I64 | Element::F64 => 8,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Element::Bool => "bool",
            Element::U8 => "uint8",
            Element::U16 => "uint16",
            Element::U32 => "uint32",
            Element::U64 => "uint64",
            Element::I8 => "int8",
            Element::I16 => "int16",
            Element::I32 => "int32",
            Element::I64 => "int64",
            Element::F16 => "float16",
            Element::Bf16 => "bfloat16",
            Element::F32 => "float32",
            Element::F64 => "float64",
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Element::F16 | Element::Bf16 | Element::F32 | Element::F64)
    }

    pub fn is_integer(self) -> bool {
        !self.is_float() && self != Element::Bool
    }

    /// The type that arithmetic on this one is done in: the 16-bit floats are storage, computed as `F32`.
    #[must_use]
    pub fn compute(self) -> Element {
        match self {
            Element::F16 | Element::Bf16 => Element::F32,
            other => other,
        }
    }
}

/// A byte that stands for false (0) or true (anything else).
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Boolean(pub u8);

/// A Rust type that arrays can hold.
pub trait Storage: Copy + Default + Send + Sync + 'static {
    const ELEMENT: Element;
}

macro_rules! storage {
    ($($t:ty => $element:ident),* $(,)?) => {
        $(impl Storage for $t {
            const ELEMENT: Element = Element::$element;
        })*
    };
}
storage! {
    Boolean => Bool, u8 => U8, u16 => U16, u32 => U32, u64 => U64, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    f16 => F16, bf16 => Bf16, f32 => F32, f64 => F64,
}

/// Evaluates `$body` with `$t` standing for the Rust type of `$element`.
macro_rules! with_element {
    ($element:expr, $t:ident => $body:expr) => {{
        use $crate::cpu::elementwise::element::{Boolean, Element};
        macro_rules! arm {
            ($type:ty) => {{
                type $t = $type;
                $body
            }};
        }
        match $element {
            Element::Bool => arm!(Boolean),
            Element::U8 => arm!(u8),
            Element::U16 => arm!(u16),
            Element::U32 => arm!(u32),
            Element::U64 => arm!(u64),
            Element::I8 => arm!(i8),
            Element::I16 => arm!(i16),
            Element::I32 => arm!(i32),
            Element::I64 => arm!(i64),
            Element::F16 => arm!(half::f16),
            Element::Bf16 => arm!(half::bf16),
            Element::F32 => arm!(f32),
            Element::F64 => arm!(f64),
        }
    }};
}
pub(crate) use with_element;
