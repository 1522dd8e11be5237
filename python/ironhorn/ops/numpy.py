"""NumPy-like functions: Keras' names and arguments, Keras' rules for types.

Arrays are anything array-like. Two operands of different types are brought to the type both promote to; Python numbers
take the type of what they meet; integers meeting a function of floats become float32.
"""

import itertools
import math
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.config import floatx
from ironhorn.backend.dtypes import is_float_dtype, is_int_dtype, standardize_dtype
from ironhorn.errors import IndexRangeError, ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops._dispatch import op

_handle = {name: _core.op(name) for name in _core.op_names()}


def _tensor(x: Any) -> Any:
    return x if isinstance(x, _core.Tensor) else _core.tensor(x)


def _shape(x: Any) -> list[Any]:
    """Lengths of the axes: ints, or symbols while tracing."""
    return list(_core.symbolic_shape(x))


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise IndexRangeError(f"axis {axis} is out of range for a tensor of rank {rank}; use {-rank} to {rank - 1}")
    return axis % rank if rank else 0


def _axes(axis: Any, rank: int) -> list[int]:
    if axis is None:
        return list(range(rank))
    return [_axis(a, rank) for a in (axis if isinstance(axis, (list, tuple)) else (axis,))]


def _cast(x: Any, dtype: str) -> Any:
    return x if x.dtype == dtype else _handle["cast"](x, dtype=dtype)


def _unary(name: str, summary: str) -> Any:
    handle = _handle[name]

    def function(x: Any) -> Any:
        return handle(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{summary}

    Args:
        x: array of any shape.

    Returns:
        Tensor of the same shape.
    """
    return op(function)


def _binary(name: str, summary: str) -> Any:
    handle = _handle[name]

    def function(x1: Any, x2: Any) -> Any:
        return handle(x1, x2)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{summary}

    Args:
        x1: array.
        x2: array whose shape broadcasts with that of `x1`.

    Returns:
        Tensor of the broadcast shape.

    Raises:
        ShapeError: if the shapes do not broadcast.
    """
    return op(function)


negative = _unary("negative", "`-x`.")
sign = _unary("sign", "-1, 0 or 1.")
sqrt = _unary("sqrt", "Square root.")
rsqrt = _unary("rsqrt", "`1 / sqrt(x)`.")
reciprocal = _unary("reciprocal", "`1 / x`.")
exp = _unary("exp", "`e ** x`.")
expm1 = _unary("expm1", "`e ** x - 1`, accurate near 0.")
log = _unary("log", "Natural logarithm.")
log1p = _unary("log1p", "`log(1 + x)`, accurate near 0.")
log2 = _unary("log2", "Logarithm to base 2.")
log10 = _unary("log10", "Logarithm to base 10.")
sin = _unary("sin", "Sine of an angle in radians.")
cos = _unary("cos", "Cosine of an angle in radians.")
tan = _unary("tan", "Tangent of an angle in radians.")
tanh = _unary("tanh", "Hyperbolic tangent.")
erf = _unary("erf", "Error function.")
floor = _unary("floor", "The largest integer not above x.")
ceil = _unary("ceil", "The smallest integer not below x.")
isnan = _unary("isnan", "Whether x is not a number.")
isinf = _unary("isinf", "Whether x is infinite.")
isfinite = _unary("isfinite", "Whether x is neither infinite nor not a number.")
logical_not = _unary("logical_not", "`not x`, element by element.")

add = _binary("add", "`x1 + x2`.")
subtract = _binary("subtract", "`x1 - x2`.")
multiply = _binary("multiply", "`x1 * x2`.")
divide = _binary("divide", "`x1 / x2`, in floats.")
floor_divide = _binary("floor_divide", "`x1 / x2` rounded towards minus infinity.")
mod = _binary("mod", "The remainder of `floor_divide`; its sign is that of `x2`.")
power = _binary("power", "`x1 ** x2`.")
maximum = _binary("maximum", "The larger of two; NaN if either is.")
minimum = _binary("minimum", "The smaller of two; NaN if either is.")
arctan2 = _binary("arctan2", "The angle of the point (x2, x1) in radians.")
equal = _binary("equal", "`x1 == x2`.")
not_equal = _binary("not_equal", "`x1 != x2`.")
less = _binary("less", "`x1 < x2`.")
less_equal = _binary("less_equal", "`x1 <= x2`.")
greater = _binary("greater", "`x1 > x2`.")
greater_equal = _binary("greater_equal", "`x1 >= x2`.")
logical_and = _binary("logical_and", "`x1 and x2`, element by element.")
logical_or = _binary("logical_or", "`x1 or x2`, element by element.")
logical_xor = _binary("logical_xor", "Whether exactly one of two is true.")


@op
def absolute(x: Any) -> Any:
    """`|x|`; booleans stay as they are."""
    x = _tensor(x)
    return x if x.dtype == "bool" else _handle["absolute"](x)


@op
def abs(x: Any) -> Any:
    """`|x|`; booleans stay as they are."""
    return absolute(x)


@op
def square(x: Any) -> Any:
    """`x * x`; booleans become int32."""
    x = _tensor(x)
    return _handle["square"](_cast(x, "int32") if x.dtype == "bool" else x)


@op
def true_divide(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, in floats."""
    return _handle["divide"](x1, x2)


@op
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """`x1 / x2`, and 0 where `x2` is 0."""
    zero = _handle["equal"](x2, 0)
    safe = _handle["select"](zero, 1.0, x2)
    return _handle["select"](zero, 0.0, _handle["divide"](x1, safe))


@op
def round(x: Any, decimals: int = 0) -> Any:
    """Rounds to `decimals` digits, halves to the even neighbour."""
    x = _tensor(x)
    if not is_float_dtype(x.dtype):
        return x
    if decimals == 0:
        return _handle["round"](x)
    factor = 10.0**decimals
    return _handle["divide"](_handle["round"](_handle["multiply"](x, factor)), factor)


@op
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """Limits elements to the range from `x_min` to `x_max`."""
    return _handle["minimum"](_handle["maximum"](x, x_min), x_max)


@op
def where(condition: Any, x1: Any = None, x2: Any = None) -> Any:
    """`x1` where the condition holds, else `x2`.

    Raises:
        UnsupportedError: without `x1` and `x2` (the number of results would depend on the data).
    """
    if x1 is None or x2 is None:
        raise UnsupportedError("ops.where needs both alternatives; for positions use numpy.nonzero on the array")
    return _handle["select"](condition, x1, x2)


def _reduction(kind: str, x: Any, axis: Any, keepdims: bool) -> Any:
    axes = None if axis is None else _axes(axis, x.ndim)
    return _handle["reduce"](x, kind=kind, axis=axes, keepdims=bool(keepdims))


@op
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes. Small integers and booleans are summed as int32.

    Args:
        x: array.
        axis: axis, tuple of axes, or None for all.
        keepdims: whether summed axes stay, with length 1.
    """
    x = _tensor(x)
    if x.dtype in ("bool", "int8", "int16"):
        x = _cast(x, "int32")
    elif x.dtype in ("uint8", "uint16"):
        x = _cast(x, "uint32")
    return _reduction("sum", x, axis, keepdims)


@op
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Product over axes."""
    x = _tensor(x)
    if dtype is not None:
        x = _cast(x, standardize_dtype(dtype))
    elif x.dtype in ("bool", "int8", "int16"):
        x = _cast(x, "int32")
    elif x.dtype in ("uint8", "uint16"):
        x = _cast(x, "uint32")
    return _reduction("prod", x, axis, keepdims)


def _float(x: Any) -> Any:
    x = _tensor(x)
    return x if is_float_dtype(x.dtype) else _cast(x, floatx())


@op
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean over axes, in floats."""
    return _reduction("mean", _float(x), axis, keepdims)


@op
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Population variance over axes: the mean of squared distances from the mean."""
    x = _float(x)
    centred = _handle["subtract"](x, _reduction("mean", x, axis, True))
    return _reduction("mean", _handle["square"](centred), axis, keepdims)


@op
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Population standard deviation over axes."""
    return _handle["sqrt"](var(x, axis, keepdims))


def _extreme(kind: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Any:
    x = _tensor(x)
    boolean = x.dtype == "bool"
    result = _reduction(kind, _cast(x, "uint8") if boolean else x, axis, keepdims)
    if initial is not None:
        result = _handle["maximum" if kind == "max" else "minimum"](result, initial)
    return _cast(result, "bool") if boolean else result


@op
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Largest element over axes; NaN if any is."""
    return _extreme("max", x, axis, keepdims, initial)


@op
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Smallest element over axes; NaN if any is."""
    return _extreme("min", x, axis, keepdims, initial)


@op
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element over axes; NaN if any is."""
    return _extreme("max", x, axis, keepdims, None)


@op
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element over axes; NaN if any is."""
    return _extreme("min", x, axis, keepdims, None)


@op
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element over axes is true (not zero)."""
    return _reduction("any", _cast(_tensor(x), "bool"), axis, keepdims)


@op
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements over axes are true (not zero)."""
    return _reduction("all", _cast(_tensor(x), "bool"), axis, keepdims)


@op
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """How many elements over axes are not zero, as int32."""
    return _reduction("sum", _cast(_cast(_tensor(x), "bool"), "int32"), axis, False)


def _arg(kind: str, x: Any, axis: Any, keepdims: bool) -> Any:
    x = _tensor(x)
    if x.dtype == "bool":
        x = _cast(x, "uint8")
    if axis is None:
        rank = x.ndim
        found = _handle["arg_reduce"](_handle["reshape"](x, shape=[-1]), kind=kind, axis=0)
        if keepdims:
            found = _handle["reshape"](found, shape=[1] * rank)
    else:
        found = _handle["arg_reduce"](x, kind=kind, axis=_axis(axis, x.ndim), keepdims=bool(keepdims))
    return _cast(found, "int32")


@op
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first largest element along an axis, as int32; of the flattened array when axis is None."""
    return _arg("argmax", x, axis, keepdims)


@op
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Index of the first smallest element along an axis, as int32; of the flattened array when axis is None."""
    return _arg("argmin", x, axis, keepdims)


@op
def reshape(x: Any, newshape: Any) -> Any:
    """The same elements, in C order, under another shape.

    Args:
        x: array.
        newshape: lengths of the axes; one may be -1. Lengths from `ops.shape` may be symbolic.

    Raises:
        ShapeError: if the number of elements would change.
    """
    if isinstance(newshape, (_core.Tensor, np.ndarray)):
        newshape = np.asarray(newshape).tolist()
    if isinstance(newshape, (int, _core.SymbolicDim)):
        newshape = [newshape]
    x = _tensor(x)
    symbols = iter([d for d in _shape(x) if isinstance(d, _core.SymbolicDim)])
    lengths = [next(symbols, -1) if length is None else length for length in newshape]
    return _handle["reshape"](x, shape=lengths)


@op
def ravel(x: Any) -> Any:
    """All elements on one axis."""
    return _handle["reshape"](x, shape=[-1])


@op
def transpose(x: Any, axes: Any = None) -> Any:
    """Permutes the axes; reverses them when `axes` is None."""
    x = _tensor(x)
    order = list(reversed(range(x.ndim))) if axes is None else [_axis(a, x.ndim) for a in axes]
    return _handle["transpose"](x, axes=order)


@op
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Swaps two axes."""
    x = _tensor(x)
    order = list(range(x.ndim))
    a, b = _axis(axis1, x.ndim), _axis(axis2, x.ndim)
    order[a], order[b] = order[b], order[a]
    return _handle["transpose"](x, axes=order)


@op
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Moves axes from positions `source` to positions `destination`."""
    x = _tensor(x)
    sources, destinations = _axes(source, x.ndim), _axes(destination, x.ndim)
    if len(sources) != len(destinations):
        raise ValueRangeError("source and destination must name as many axes")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for to, come in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, come)
    return _handle["transpose"](x, axes=order)


@op
def expand_dims(x: Any, axis: Any) -> Any:
    """Inserts axes of length 1 at the positions that they will have."""
    x = _tensor(x)
    wanted = axis if isinstance(axis, (list, tuple)) else (axis,)
    rank = x.ndim + len(wanted)
    places = sorted(_axis(a, rank) for a in wanted)
    shape = _shape(x)
    for place in places:
        shape.insert(place, 1)
    return _handle["reshape"](x, shape=shape)


@op
def squeeze(x: Any, axis: Any = None) -> Any:
    """Takes out axes of length 1: those named, or all.

    Raises:
        ShapeError: if a named axis is longer.
    """
    x = _tensor(x)
    shape = _shape(x)
    drop = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else _axes(axis, x.ndim)
    for a in drop:
        if x.shape[a] not in (1, None):
            raise ShapeError(f"Cannot squeeze axis {a} of shape {x.shape}: its length is not 1")
    return _handle["reshape"](x, shape=[n for i, n in enumerate(shape) if i not in drop])


@op
def broadcast_to(x: Any, shape: Any) -> Any:
    """Repeats `x` along new leading axes and axes of length 1."""
    x = _tensor(x)
    shape = list(shape)
    own = [None] * (len(shape) - x.ndim) + _shape(x)
    lengths = [before if length is None else length for length, before in zip(shape, own[-len(shape) :], strict=False)]
    return _handle["broadcast_to"](x, shape=lengths)


@op
def concatenate(xs: Any, axis: int = 0) -> Any:
    """Joins arrays along an axis; they must agree in every other."""
    return _handle["concatenate"](*xs, axis=axis)


@op
def stack(x: Any, axis: int = 0) -> Any:
    """Joins arrays of one shape along a new axis."""
    items = [_tensor(item) for item in x]
    if not items:
        raise ValueRangeError("ops.stack needs at least one array")
    return _handle["concatenate"](*[expand_dims(item, axis) for item in items], axis=_axis(axis, items[0].ndim + 1))


@op
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Cuts an array along an axis: into a number of equal parts, or at the given positions.

    Raises:
        ValueRangeError: if the axis cannot be cut into equal parts.
    """
    x = _tensor(x)
    axis = _axis(axis, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if length is None or length % indices_or_sections:
            raise ValueRangeError(
                f"Axis {axis} of length {length} cannot be split into {indices_or_sections} equal parts"
            )
        step = length // indices_or_sections
        bounds = [i * step for i in range(1, indices_or_sections)]
    else:
        bounds = [int(i) for i in indices_or_sections]
    edges: list[Any] = [None, *bounds, None]
    before: list[Any] = [None] * axis
    return [
        _handle["slice"](x, starts=[*before, low], stops=[*before, high], steps=[1] * (axis + 1))
        for low, high in itertools.pairwise(edges)
    ]


@op
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """The parts of an array along an axis, without that axis."""
    x = _tensor(x)
    count = num if num is not None else x.shape[_axis(axis, x.ndim)]
    if count is None:
        raise ValueRangeError("ops.unstack needs `num` for an axis of unknown length")
    return [squeeze(part, axis) for part in split(x, count, axis)] if count else []


@op
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Puts elements before and after every axis.

    Args:
        x: array.
        pad_width: `(before, after)` for every axis, or one pair (or number) for all.
        mode: "constant"; other modes are not supported yet.
        constant_values: the number to pad with, 0 by default.

    Raises:
        UnsupportedError: for modes other than "constant".
    """
    if mode != "constant":
        raise UnsupportedError(f"ops.pad supports mode='constant', got {mode!r}; pad with numpy.pad before the model")
    x = _tensor(x)
    width = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    return _handle["pad"](x, low=[w[0] for w in width], high=[w[1] for w in width], value=float(constant_values or 0))


@op
def flip(x: Any, axis: Any = None) -> Any:
    """Reverses the order along axes; along all when axis is None."""
    x = _tensor(x)
    axes = _axes(axis, x.ndim)
    none: list[Any] = [None] * x.ndim
    return _handle["slice"](x, starts=none, stops=none, steps=[-1 if a in axes else 1 for a in range(x.ndim)])


@op
def tile(x: Any, repeats: Any) -> Any:
    """Repeats a whole array `repeats[k]` times along axis `k`."""
    x = _tensor(x)
    counts = [repeats] if isinstance(repeats, int) else list(repeats)
    counts = [1] * (x.ndim - len(counts)) + counts
    shape = [1] * (len(counts) - x.ndim) + _shape(x)
    thin: list[Any] = []
    wide: list[Any] = []
    for count, length in zip(counts, shape, strict=True):
        thin += [1, length]
        wide += [count, length]
    spread = _handle["broadcast_to"](_handle["reshape"](x, shape=thin), shape=wide)
    return _handle["reshape"](spread, shape=[c * n for c, n in zip(counts, shape, strict=True)])


@op
def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    """Repeats every element `repeats` times along an axis; of the flattened array when axis is None."""
    x = _tensor(x)
    if axis is None:
        x, axis = _handle["reshape"](x, shape=[-1]), 0
    axis = _axis(axis, x.ndim)
    shape = _shape(x)
    thin = [*shape[: axis + 1], 1, *shape[axis + 1 :]]
    wide = [*shape[: axis + 1], int(repeats), *shape[axis + 1 :]]
    spread = _handle["broadcast_to"](_handle["reshape"](x, shape=thin), shape=wide)
    return _handle["reshape"](spread, shape=[*shape[:axis], shape[axis] * int(repeats), *shape[axis + 1 :]])


@op
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Picks elements along an axis by index; negative indices count from the end.

    Raises:
        IndexRangeError: for an index outside the axis.
    """
    x = _tensor(x)
    indices = _tensor(indices)
    if not is_int_dtype(indices.dtype):
        indices = _cast(indices, "int32")
    if axis is None:
        x, axis = _handle["reshape"](x, shape=[-1]), 0
    return _handle["take"](x, indices, axis=_axis(axis, x.ndim))


@op
def matmul(x1: Any, x2: Any) -> Any:
    """Matrix product of the last two axes.

    Leading axes broadcast; a vector is a row on the left and a column on the right.

    Raises:
        ShapeError: if the inner lengths differ.
    """
    a, b = _tensor(x1), _tensor(x2)
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul takes arrays of at least one axis, got shapes {a.shape} and {b.shape}")
    dtype = _common_dtype(a, b)
    if not is_float_dtype(dtype):
        return _integer_matmul(a, b, dtype)
    a_vector, b_vector = a.ndim == 1, b.ndim == 1
    if a_vector:
        a = _handle["reshape"](a, shape=[1, *_shape(a)])
    if b_vector:
        b = _handle["reshape"](b, shape=[*_shape(b), 1])
    # Sixteen-bit floats are storage: products and sums are float32.
    half = dtype in ("float16", "bfloat16")
    if half:
        a, b = _cast(a, "float32"), _cast(b, "float32")
    y = _handle["matmul"](a, b)
    if half:
        y = _cast(y, dtype)
    if a_vector or b_vector:
        shape = _shape(y)
        y = _handle["reshape"](
            y, shape=shape[:-2] + ([] if a_vector else [shape[-2]]) + ([] if b_vector else [shape[-1]])
        )
    return y


def _integer_matmul(a: Any, b: Any, dtype: str) -> Any:
    """Integer products, exact in float64 up to 2^53. Those of int8 are summed in int32."""
    product = matmul(_cast(a, "float64"), _cast(b, "float64"))
    return _cast(product, "int32" if a.dtype == b.dtype == "int8" else dtype)


def _common_dtype(a: Any, b: Any) -> str:
    """The type that both operands promote to."""
    if a.dtype == b.dtype:
        return str(a.dtype)
    return str(_handle["select"](True, _core.tensor(0, a.dtype), _core.tensor(0, b.dtype)).dtype)


@op
def dot(x1: Any, x2: Any) -> Any:
    """The sum of products over the last axis of `x1` and the second-to-last (or only) axis of `x2`."""
    a, b = _tensor(x1), _tensor(x2)
    if a.ndim == 0 or b.ndim == 0:
        return _handle["multiply"](a, b)
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, ([-1], [-2]))


def _product(lengths: list[Any], axes: Any) -> Any:
    """The number of elements along some axes."""
    total: Any = 1
    for axis in axes:
        total = total * lengths[axis]
    return total


@op
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """The sum of products over pairs of axes.

    Args:
        x1: array.
        x2: array.
        axes: a number `n` (the last `n` axes of `x1` with the first `n` of `x2`), or two lists of axes.
    """
    a, b = _tensor(x1), _tensor(x2)
    if isinstance(axes, int):
        left, right = list(range(a.ndim - axes, a.ndim)), list(range(axes))
    else:
        left, right = _axes(axes[0], a.ndim), _axes(axes[1], b.ndim)
    keep_a = [i for i in range(a.ndim) if i not in left]
    keep_b = [i for i in range(b.ndim) if i not in right]
    shape_a, shape_b = _shape(a), _shape(b)
    inner = _product(shape_a, left)
    rows = _handle["reshape"](_handle["transpose"](a, axes=[*keep_a, *left]), shape=[_product(shape_a, keep_a), inner])
    columns = _handle["reshape"](
        _handle["transpose"](b, axes=[*right, *keep_b]), shape=[inner, _product(shape_b, keep_b)]
    )
    return _handle["reshape"](matmul(rows, columns), shape=[shape_a[i] for i in keep_a] + [shape_b[i] for i in keep_b])


def _filled(shape: Any, value: Any, dtype: str) -> Any:
    shape = [shape] if isinstance(shape, (int, _core.SymbolicDim)) else list(shape)
    return _handle["broadcast_to"](_core.tensor(value, dtype), shape=shape)


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Zeros, of type `floatx()` unless said otherwise."""
    return _filled(shape, 0, standardize_dtype(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Ones, of type `floatx()` unless said otherwise."""
    return _filled(shape, 1, standardize_dtype(dtype))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array filled with one value."""
    wanted = standardize_dtype(dtype) if dtype is not None else _core.tensor(fill_value).dtype
    return _filled(shape, fill_value, wanted)


@op
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Zeros of the shape (and type) of `x`."""
    x = _tensor(x)
    return _filled(_shape(x), 0, standardize_dtype(dtype) if dtype is not None else x.dtype)


@op
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Ones of the shape (and type) of `x`."""
    x = _tensor(x)
    return _filled(_shape(x), 1, standardize_dtype(dtype) if dtype is not None else x.dtype)


@op
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array of the shape (and type) of `x` filled with one value."""
    x = _tensor(x)
    return _filled(_shape(x), fill_value, standardize_dtype(dtype) if dtype is not None else x.dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Evenly spaced numbers from `start` (0 when only one bound is given) up to, not including, `stop`."""
    if stop is None:
        start, stop = 0, start
    if dtype is None:
        floating = isinstance(start, float) or isinstance(stop, float) or isinstance(step, float)
        dtype = floatx() if floating else "int32"
    dtype = standardize_dtype(dtype)
    if isinstance(start, _core.SymbolicDim) or isinstance(stop, _core.SymbolicDim):
        if step != 1:
            raise UnsupportedError("ops.arange with a symbolic bound supports step=1; multiply the result instead")
        counts = _handle["iota"](shape=[stop - start], axis=0, dtype=dtype)
        return counts if isinstance(start, int) and start == 0 else _handle["add"](counts, start)
    start, stop, step = (v.item() if isinstance(v, _core.Tensor) else v for v in (start, stop, step))
    count = builtin_max(0, math.ceil((stop - start) / step))
    numbers = np.asarray([start + i * step for i in range(count)]) if count < 16 else start + np.arange(count) * step
    return _core.tensor(np.asarray(numbers), dtype)


def builtin_max(a: int, b: int) -> int:
    """The larger of two Python ints (`max` is an op here)."""
    return a if a > b else b


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """`num` evenly spaced numbers from `start` to `stop`."""
    values = np.linspace(float(start), float(stop), num, endpoint=endpoint)
    return _core.tensor(values, standardize_dtype(dtype))


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """A matrix with ones on diagonal `k` and zeros elsewhere."""
    return _core.tensor(np.eye(N, M, k), standardize_dtype(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    """The identity matrix of size `n`."""
    return eye(n, dtype=dtype)


def array(x: Any, dtype: Any = None) -> Any:
    """A tensor with the elements of `x`."""
    return _core.tensor(x, None if dtype is None else standardize_dtype(dtype))
