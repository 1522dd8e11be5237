//! Host arrays: contiguous, C order, 64-byte aligned, shared by reference count.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{DType, Error, Result, Shape, Spec};

/// Alignment of every array: one cache line, one AVX-512 register.
pub const ALIGNMENT: usize = 64;

/// Blocks of this size on are worth large pages.
const LARGE: usize = 4 << 20;
const LARGE_PAGE: usize = 2 << 20;

/// Lets the system back a block with pages of 2 MiB, where it leaves that to programs: fewer faults at the first touch, and
/// fewer misses in the translation of addresses, of which rows far apart need many.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(pointer: NonNull<u8>, bytes: usize) {
    let start = pointer.as_ptr().addr();
    let (first, end) = (start.next_multiple_of(LARGE_PAGE), (start + bytes) / LARGE_PAGE * LARGE_PAGE);
    if first < end {
        // SAFETY: whole pages of the block. It is advice: contents do not change, and an error means that nothing happened.
        unsafe { libc::madvise(pointer.as_ptr().add(first - start).cast(), end - first, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: NonNull<u8>, _: usize) {}

/// A block of aligned bytes.
pub struct Storage {
    pointer: NonNull<u8>,
    layout: Layout,
    bytes: usize,
}

// SAFETY: a block of plain bytes, owned; `&Storage` only reads.
unsafe impl Send for Storage {}
// SAFETY: as above.
unsafe impl Sync for Storage {}

impl Storage {
    /// Zeroed bytes; `OutOfMemory` when the system has none left.
    pub fn zeroed(bytes: usize) -> Result<Storage> {
        let refuse = || {
            Error::OutOfMemory(format!(
                "cannot allocate {bytes} bytes; use a smaller batch, smaller layers, or a machine with more memory"
            ))
        };
        let layout = Layout::from_size_align(bytes.max(1), ALIGNMENT).map_err(|_| refuse())?;
        // SAFETY: the layout's size is not zero.
        let pointer = unsafe { if bytes < LARGE { alloc_zeroed(layout) } else { alloc(layout) } };
        let pointer = NonNull::new(pointer).ok_or_else(refuse)?;
        if bytes >= LARGE {
            ask_for_large_pages(pointer, bytes);
            // SAFETY: `bytes` bytes were allocated.
            unsafe { pointer.write_bytes(0, bytes) };
        }
        Ok(Storage { pointer, layout, bytes })
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn as_ptr(&self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `bytes` bytes are allocated and initialised (zeroed, then only written as bytes).
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.bytes) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.bytes) }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout.
        unsafe { dealloc(self.pointer.as_ptr(), self.layout) }
    }
}

/// A contiguous array on the host.
#[derive(Clone)]
pub struct Array {
    sizes: Arc<[usize]>,
    dtype: DType,
    storage: Arc<Storage>,
}

/// Element types of Rust that are element types of arrays.
pub trait Element: Copy + Send + Sync + 'static {
    const DTYPE: DType;
}

macro_rules! elements {
    ($($t:ty => $dtype:ident),* $(,)?) => { $(impl Element for $t { const DTYPE: DType = DType::$dtype; })* };
}
elements! { bool => Bool, u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64, i8 => Int8, i16 => Int16, i32 => Int32,
i64 => Int64, f32 => Float32, f64 => Float64, half::f16 => Float16, half::bf16 => Bfloat16 }

impl Array {
    pub fn zeros(sizes: &[usize], dtype: DType) -> Result<Array> {
        let bytes = Spec::known(sizes, dtype).bytes()?;
        Ok(Array { sizes: sizes.into(), dtype, storage: Arc::new(Storage::zeroed(bytes)?) })
    }

    pub fn from_slice<T: Element>(sizes: &[usize], values: &[T]) -> Result<Array> {
        let mut array = Array::zeros(sizes, T::DTYPE)?;
        if values.len() != array.len() {
            return Err(Error::shape(format!("{} values do not fill shape {}", values.len(), Shape::known(sizes))));
        }
        array.make_mut::<T>()?.copy_from_slice(values);
        Ok(array)
    }

    /// An array over bytes copied from elsewhere.
    pub fn from_bytes(sizes: &[usize], dtype: DType, bytes: &[u8]) -> Result<Array> {
        let mut storage = Storage::zeroed(Spec::known(sizes, dtype).bytes()?)?;
        if storage.len() != bytes.len() {
            return Err(Error::internal(format!("{} bytes for {dtype}{}", bytes.len(), Shape::known(sizes))));
        }
        storage.bytes_mut().copy_from_slice(bytes);
        Ok(Array { sizes: sizes.into(), dtype, storage: Arc::new(storage) })
    }

    /// An array over storage that already holds its elements.
    pub fn from_storage(sizes: &[usize], dtype: DType, storage: Storage) -> Result<Array> {
        if storage.len() != Spec::known(sizes, dtype).bytes()? {
            return Err(Error::internal(format!("{} bytes for {dtype}{}", storage.len(), Shape::known(sizes))));
        }
        Ok(Array { sizes: sizes.into(), dtype, storage: Arc::new(storage) })
    }

    /// A scalar of any type from a double (rounded or truncated as `as` does).
    pub fn scalar(value: f64, dtype: DType) -> Result<Array> {
        match dtype {
            DType::Bool => Array::from_slice(&[], &[value != 0.0]),
            DType::Uint8 => Array::from_slice(&[], &[value as u8]),
            DType::Uint16 => Array::from_slice(&[], &[value as u16]),
            DType::Uint32 => Array::from_slice(&[], &[value as u32]),
            DType::Uint64 => Array::from_slice(&[], &[value as u64]),
            DType::Int8 => Array::from_slice(&[], &[value as i8]),
            DType::Int16 => Array::from_slice(&[], &[value as i16]),
            DType::Int32 => Array::from_slice(&[], &[value as i32]),
            DType::Int64 => Array::from_slice(&[], &[value as i64]),
            DType::Float16 => Array::from_slice(&[], &[half::f16::from_f64(value)]),
            DType::Bfloat16 => Array::from_slice(&[], &[half::bf16::from_f64(value)]),
            DType::Float32 => Array::from_slice(&[], &[value as f32]),
            DType::Float64 => Array::from_slice(&[], &[value]),
        }
    }

    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    pub fn spec(&self) -> Spec {
        Spec::known(&self.sizes, self.dtype)
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    pub fn bytes(&self) -> &[u8] {
        self.storage.bytes()
    }

    pub fn as_ptr(&self) -> *const u8 {
        self.storage.as_ptr()
    }

    /// The elements, for the array's own type.
    pub fn values<T: Element>(&self) -> Result<&[T]> {
        self.check::<T>()?;
        // SAFETY: the storage holds `len` initialised elements of this type, aligned beyond its need. A stored bool is 0 or 1.
        Ok(unsafe { std::slice::from_raw_parts(self.storage.as_ptr().cast::<T>(), self.len()) })
    }

    /// The elements, mutably; copies them first when the storage is shared.
    pub fn make_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check::<T>()?;
        self.unshare()?;
        // SAFETY: as in `values`; `unshare` made this the only reference.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.storage.as_ptr().cast::<T>(), self.len()) })
    }

    /// Makes this the only owner of its storage, copying when it is shared.
    pub fn unshare(&mut self) -> Result<()> {
        if Arc::get_mut(&mut self.storage).is_none() {
            let mut copy = Storage::zeroed(self.storage.len())?;
            copy.bytes_mut().copy_from_slice(self.storage.bytes());
            self.storage = Arc::new(copy);
        }
        Ok(())
    }

    /// The same elements under another shape.
    pub fn reshaped(&self, sizes: &[usize]) -> Result<Array> {
        if sizes.iter().product::<usize>() != self.len() {
            let (from, to) = (Shape::known(&self.sizes), Shape::known(sizes));
            return Err(Error::shape(format!("cannot reshape {from} to {to}")));
        }
        Ok(Array { sizes: sizes.into(), dtype: self.dtype, storage: Arc::clone(&self.storage) })
    }

    /// The one element of a one-element array as a double.
    pub fn item(&self) -> Result<f64> {
        if self.len() != 1 {
            let shape = Shape::known(&self.sizes);
            return Err(Error::shape(format!("only an array of one element is a number; this one has shape {shape}")));
        }
        self.element(0)
    }

    /// Element `i` as a double.
    pub fn element(&self, i: usize) -> Result<f64> {
        Ok(match self.dtype {
            DType::Bool => f64::from(u8::from(self.values::<bool>()?[i])),
            DType::Uint8 => self.values::<u8>()?[i] as f64,
            DType::Uint16 => self.values::<u16>()?[i] as f64,
            DType::Uint32 => self.values::<u32>()?[i] as f64,
            DType::Uint64 => self.values::<u64>()?[i] as f64,
            DType::Int8 => self.values::<i8>()?[i] as f64,
            DType::Int16 => self.values::<i16>()?[i] as f64,
            DType::Int32 => self.values::<i32>()?[i] as f64,
            DType::Int64 => self.values::<i64>()?[i] as f64,
            DType::Float16 => self.values::<half::f16>()?[i].to_f64(),
            DType::Bfloat16 => self.values::<half::bf16>()?[i].to_f64(),
            DType::Float32 => self.values::<f32>()?[i] as f64,
            DType::Float64 => self.values::<f64>()?[i],
        })
    }

    fn check<T: Element>(&self) -> Result<()> {
        if T::DTYPE == self.dtype {
            Ok(())
        } else {
            Err(Error::internal(format!("elements of type {} read as {}", self.dtype, T::DTYPE)))
        }
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.spec())
    }
}
