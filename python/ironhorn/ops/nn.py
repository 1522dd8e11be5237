"""Functions of neural networks."""

import math
from typing import Any

from ironhorn.backend.config import epsilon, standardize_data_format
from ironhorn.backend.dtypes import standardize_dtype
from ironhorn.errors import ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops.numpy import _axis, _cast, _common_dtype, _float, _handle, _product, _shape, _tensor


@op
def relu(x: Any) -> Any:
    """`max(x, 0)`."""
    return _handle["relu"](x)


@op
def sigmoid(x: Any) -> Any:
    """`1 / (1 + exp(-x))`."""
    return _handle["sigmoid"](x)


@op
def softplus(x: Any) -> Any:
    """`log(1 + exp(x))`."""
    return _handle["softplus"](x)


@op
def relu6(x: Any) -> Any:
    """`min(max(x, 0), 6)`."""
    return np_ops.clip(x, 0, 6)


@op
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """`x` where it is positive, else `negative_slope * x`."""
    x = _float(x)
    return _handle["select"](_handle["greater"](x, 0.0), x, _handle["multiply"](x, float(negative_slope)))


@op
def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else `alpha * (exp(x) - 1)`."""
    x = _float(x)
    below = _handle["multiply"](_handle["expm1"](_handle["minimum"](x, 0.0)), float(alpha))
    return _handle["select"](_handle["greater"](x, 0.0), x, below)


@op
def selu(x: Any) -> Any:
    """Scaled elu (Klambauer et al., 2017)."""
    return _handle["multiply"](elu(x, 1.6732632423543772), 1.0507009873554805)


@op
def gelu(x: Any, approximate: bool = True) -> Any:
    """`x` times the normal distribution function of `x` (Hendrycks and Gimpel, 2016), by tanh when `approximate`."""
    x = _float(x)
    if approximate:
        cubic = _handle["multiply"](_handle["multiply"](_handle["multiply"](x, x), x), 0.044715)
        inner = _handle["multiply"](_handle["add"](x, cubic), math.sqrt(2.0 / math.pi))
        gate = _handle["add"](_handle["tanh"](inner), 1.0)
    else:
        gate = _handle["add"](_handle["erf"](_handle["multiply"](x, math.sqrt(0.5))), 1.0)
    return _handle["multiply"](_handle["multiply"](x, gate), 0.5)


@op
def silu(x: Any) -> Any:
    """`x * sigmoid(x)`."""
    x = _float(x)
    return _handle["multiply"](x, _handle["sigmoid"](x))


@op
def swish(x: Any) -> Any:
    """`x * sigmoid(x)`."""
    return silu(x)


@op
def softsign(x: Any) -> Any:
    """`x / (1 + |x|)`."""
    x = _float(x)
    return _handle["divide"](x, _handle["add"](_handle["absolute"](x), 1.0))


@op
def hard_sigmoid(x: Any) -> Any:
    """`min(max(x / 6 + 1 / 2, 0), 1)`."""
    return np_ops.clip(_handle["add"](_handle["divide"](_float(x), 6.0), 0.5), 0.0, 1.0)


@op
def hard_silu(x: Any) -> Any:
    """`x * hard_sigmoid(x)`."""
    x = _float(x)
    return _handle["multiply"](x, hard_sigmoid(x))


@op
def hard_tanh(x: Any) -> Any:
    """`min(max(x, -1), 1)`."""
    return np_ops.clip(x, -1.0, 1.0)


@op
def log_sigmoid(x: Any) -> Any:
    """`log(sigmoid(x))`."""
    return _handle["negative"](_handle["softplus"](_handle["negative"](_float(x))))


@op
def tanh_shrink(x: Any) -> Any:
    """`x - tanh(x)`."""
    x = _float(x)
    return _handle["subtract"](x, _handle["tanh"](x))


def _over_last(name: str, x: Any, axis: Any) -> Any:
    x = _float(x)
    if axis is None:
        shape = _shape(x)
        return _handle["reshape"](_handle[name](_handle["reshape"](x, shape=[-1])), shape=shape)
    if isinstance(axis, (list, tuple)):
        axes = sorted(_axis(a, x.ndim) for a in axis)
        kept = [a for a in range(x.ndim) if a not in axes]
        order = kept + axes
        moved = _handle["transpose"](x, axes=order)
        shape = _shape(moved)
        flat = _handle["reshape"](moved, shape=[*shape[: len(kept)], _product(shape, range(len(kept), len(shape)))])
        back = _handle["reshape"](_handle[name](flat), shape=shape)
        return _handle["transpose"](back, axes=[order.index(a) for a in range(x.ndim)])
    axis = _axis(axis, x.ndim)
    if axis == x.ndim - 1:
        return _handle[name](x)
    order = [a for a in range(x.ndim) if a != axis] + [axis]
    moved = _handle[name](_handle["transpose"](x, axes=order))
    return _handle["transpose"](moved, axes=[order.index(a) for a in range(x.ndim)])


@op
def softmax(x: Any, axis: Any = -1) -> Any:
    """`exp(x) / sum(exp(x))` along axes."""
    return _over_last("softmax", x, axis)


@op
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """`x - log(sum(exp(x)))` along axes."""
    return _over_last("log_softmax", x, axis)


@op
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """A 1 at the place that each integer names, zeros elsewhere; only zeros for integers outside `0..num_classes`."""
    if sparse:
        raise UnsupportedError("ops.one_hot gives dense tensors; leave sparse=False, or use the integers themselves")
    x = _tensor(x)
    hot = _handle["one_hot"](x, depth=int(num_classes), dtype=standardize_dtype(dtype))
    place = _axis(axis, x.ndim + 1)
    return hot if place == x.ndim else np_ops.moveaxis(hot, -1, place)


def _pair(value: Any, count: int, what: str) -> list[int]:
    values = [int(value)] * count if isinstance(value, int) else [int(v) for v in value]
    if len(values) != count:
        raise ValueRangeError(f"{what} must be an integer or {count} integers, got {value!r}")
    return values


def _to_last(x: Any) -> Any:
    return _handle["transpose"](x, axes=[0, *range(2, x.ndim), 1])


def _to_first(x: Any) -> Any:
    return _handle["transpose"](x, axes=[0, x.ndim - 1, *range(1, x.ndim - 1)])


@op
def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution over one or two spatial axes.

    Args:
        inputs: `(batch, spatial.., channels)`, or channels second for "channels_first".
        kernel: `(kernel.., channels / groups, filters)`.
        strides: step along every spatial axis.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first".
        dilation_rate: distance between the kernel's taps.

    Raises:
        ShapeError: if ranks or channels do not fit.
    """
    x, w = _tensor(inputs), _tensor(kernel)
    count = w.ndim - 2
    first = standardize_data_format(data_format) == "channels_first"
    if first:
        x = _to_last(x)
    channels = x.shape[-1]
    if x.ndim != w.ndim:
        raise ShapeError(
            f"conv: an input of shape {inputs.shape} does not fit a kernel of shape {w.shape}: their ranks differ"
        )
    if channels is not None and channels % w.shape[-2]:
        raise ShapeError(
            f"conv: the input has {channels} channels (shape {inputs.shape}), which is not a multiple of the "
            f"{w.shape[-2]} that the kernel of shape {w.shape} takes"
        )
    groups = 1 if channels is None else channels // w.shape[-2]
    dtype = _common_dtype(x, w)
    half = dtype in ("float16", "bfloat16")
    if half:
        x, w = _cast(x, "float32"), _cast(w, "float32")
    y = _handle["conv"](
        x,
        w,
        strides=_pair(strides, count, "strides"),
        padding=padding,
        dilation=_pair(dilation_rate, count, "dilation_rate"),
        groups=groups,
    )
    if half:
        y = _cast(y, dtype)
    return _to_first(y) if first else y


@op
def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """Convolution of each channel by itself; the kernel is `(kernel.., channels, multiplier)`."""
    w = _tensor(kernel)
    *window, channels, multiplier = w.shape
    grouped = _handle["reshape"](w, shape=[*window, 1, channels * multiplier])
    return conv(inputs, grouped, strides, padding, data_format, dilation_rate)


def _pool(kind: str, x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None) -> Any:
    x = _tensor(x)
    first = standardize_data_format(data_format) == "channels_first"
    if first:
        x = _to_last(x)
    count = x.ndim - 2
    window = _pair(pool_size, count, "pool_size")
    steps = window if strides is None else _pair(strides, count, "strides")
    y = _handle["pool"](x, kind=kind, window=window, strides=steps, padding=padding)
    return _to_first(y) if first else y


@op
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The largest element of every window."""
    return _pool("max", inputs, pool_size, strides, padding, data_format)


@op
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: str | None = None
) -> Any:
    """The mean of every window; padding does not count."""
    return _pool("average", inputs, pool_size, strides, padding, data_format)


@op
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> Any:
    """Mean and population variance over axes."""
    if synchronized:
        raise UnsupportedError("ops.moments has no replicas to synchronise; leave synchronized=False")
    x = _float(x)
    return np_ops.mean(x, axes, keepdims), np_ops.var(x, axes, keepdims)


@op
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) * scale + offset` along an axis (Ioffe and Szegedy, 2015)."""
    x = _float(x)
    shape = [1] * x.ndim
    shape[_axis(axis, x.ndim)] = -1

    def along(v: Any) -> Any:
        v = _cast(_tensor(v), x.dtype)
        return v if shape[-1] == -1 else _handle["reshape"](v, shape=shape)

    factor = _handle["rsqrt"](_handle["add"](_cast(_tensor(variance), x.dtype), epsilon))
    if scale is not None:
        factor = _handle["multiply"](factor, _cast(_tensor(scale), x.dtype))
    shift = _handle["negative"](_handle["multiply"](_cast(_tensor(mean), x.dtype), factor))
    if offset is not None:
        shift = _handle["add"](shift, _cast(_tensor(offset), x.dtype))
    return _handle["add"](_handle["multiply"](x, along(factor)), along(shift))


@op
def batch_normalization_train(x: Any, scale: Any, offset: Any, epsilon: float = 1e-3, mask: Any = None) -> Any:
    """Batch normalisation of the last axis by the batch's own moments: `(y, mean, variance)`.

    Args:
        x: `(rows.., channels)`.
        scale: `(channels,)`, gamma.
        offset: `(channels,)`, beta.
        epsilon: added to the variance.
        mask: optional `(rows..)`; rows that are False do not count in the moments.
    """
    x = _float(x)
    inputs = [x, _cast(_tensor(scale), x.dtype), _cast(_tensor(offset), x.dtype)]
    if mask is not None:
        inputs.append(_cast(_tensor(mask), x.dtype))
    return _handle["batch_norm_train"](*inputs, epsilon=float(epsilon))


@op
def lstm(
    sequences: Any,
    initial_hidden: Any,
    initial_cell: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    zero_output_for_mask: bool = False,
) -> Any:
    """A whole LSTM sequence (Hochreiter and Schmidhuber, 1997): gates i, f, g, o side by side in the kernels.

    Args:
        sequences: `(batch, time, features)`.
        initial_hidden: `(batch, units)`.
        initial_cell: `(batch, units)`.
        kernel: `(features, 4 * units)`.
        recurrent_kernel: `(units, 4 * units)`.
        bias: `(4 * units,)` or None.
        mask: `(batch, time)` or None; a masked step keeps the state.
        go_backwards: whether time runs from the end.
        zero_output_for_mask: whether a masked step's output is 0 instead of the state.

    Returns:
        Outputs `(batch, time, units)` in the order of processing, last hidden state, last cell state.
    """
    x = _float(sequences)
    others = [initial_hidden, initial_cell, kernel, recurrent_kernel] + ([] if bias is None else [bias])
    inputs = [x, *(_cast(_tensor(v), x.dtype) for v in others)]
    if mask is not None:
        inputs.append(_cast(_tensor(mask), "bool"))
    found = _handle["lstm"](
        *inputs,
        has_bias=bias is not None,
        has_mask=mask is not None,
        go_backwards=bool(go_backwards),
        zero_output_for_mask=bool(zero_output_for_mask),
    )
    return found[0], found[1], found[2]


def _same_shapes(target: Any, output: Any, what: str) -> tuple[Any, Any]:
    target, output = _tensor(target), _float(output)
    target = _cast(target, output.dtype)
    if target.ndim != output.ndim or builtin_any(
        a is not None and b is not None and a != b for a, b in zip(target.shape, output.shape, strict=True)
    ):
        raise ShapeError(
            f"{what}: targets and predictions must have the same shape, got targets {target.shape} and predictions "
            f"{output.shape}"
        )
    return target, output


def builtin_any(values: Any) -> bool:
    """Whether any of some Python values is true."""
    return any(values)


@op
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """`-(t log p + (1 - t) log(1 - p))`, element by element.

    Args:
        target: zeros and ones, or probabilities.
        output: probabilities, or logits with `from_logits`.
        from_logits: whether `output` goes through a sigmoid first.

    Raises:
        ShapeError: if the shapes differ.
    """
    target, output = _same_shapes(target, output, "binary_crossentropy")
    if from_logits:
        # max(x, 0) - x t + log(1 + exp(-|x|))
        soft = _handle["log1p"](_handle["exp"](_handle["negative"](_handle["absolute"](output))))
        linear = _handle["subtract"](_handle["relu"](output), _handle["multiply"](output, target))
        return _handle["add"](linear, soft)
    output = np_ops.clip(output, epsilon(), 1.0 - epsilon())
    yes = _handle["multiply"](target, _handle["log"](output))
    no = _handle["multiply"](_handle["subtract"](1.0, target), _handle["log"](_handle["subtract"](1.0, output)))
    return _handle["negative"](_handle["add"](yes, no))


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax(output, axis)
    output = _handle["divide"](output, np_ops.sum(output, axis, True))
    return _handle["log"](np_ops.clip(output, epsilon(), 1.0 - epsilon()))


@op
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """`-sum(t log p)` along the class axis.

    Args:
        target: one-hot rows or probabilities, of the shape of `output`.
        output: probabilities, or logits with `from_logits`.
        from_logits: whether `output` goes through a softmax first.
        axis: the class axis.

    Raises:
        ShapeError: if the shapes differ.
    """
    target, output = _same_shapes(target, output, "categorical_crossentropy")
    logs = _log_probabilities(output, from_logits, axis)
    return _handle["negative"](np_ops.sum(_handle["multiply"](target, logs), axis))


@op
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """`-log p[t]` along the class axis, for integer targets.

    Args:
        target: class numbers, of the shape of `output` without the class axis (or with length 1 in its place).
        output: probabilities, or logits with `from_logits`.
        from_logits: whether `output` goes through a softmax first.
        axis: the class axis.

    Raises:
        ShapeError: if the shapes do not fit.
        ValueRangeError: for a label outside the classes.
    """
    target, output = _tensor(target), _float(output)
    if target.dtype not in ("int32", "int64"):
        target = _cast(target, "int32")
    if output.ndim < 1:
        raise ShapeError("sparse_categorical_crossentropy: predictions need a class axis, got a scalar")
    place = _axis(axis, output.ndim)
    if target.ndim == output.ndim and target.shape[place] == 1:
        target = np_ops.squeeze(target, place)
    rows = [n for i, n in enumerate(output.shape) if i != place]
    if target.ndim != len(rows) or builtin_any(
        a is not None and b is not None and a != b for a, b in zip(target.shape, rows, strict=True)
    ):
        raise ShapeError(
            f"sparse_categorical_crossentropy: integer targets of shape {target.shape} do not fit predictions of shape "
            f"{output.shape}; targets have the predictions' shape without the class axis (for one-hot targets use "
            "categorical_crossentropy)"
        )
    if place != output.ndim - 1:
        output = np_ops.moveaxis(output, place, -1)
    if not from_logits:
        # log(p / sum p) are logits of the same distribution.
        output = _log_probabilities(output, False, -1)
        return _handle["sparse_cross_entropy"](output, target, normalized=True)
    return _handle["sparse_cross_entropy"](output, target)


@op
def l2_normalize(x: Any, axis: int = -1, epsilon: float = 1e-12) -> Any:
    """`x / max(|x|, sqrt(epsilon))` along an axis."""
    x = _float(x)
    total = np_ops.sum(_handle["square"](x), axis, True)
    return _handle["multiply"](x, _handle["rsqrt"](_handle["maximum"](total, epsilon)))


@op
def normalize(x: Any, axis: int = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """`x` divided by its norm of `order` along an axis."""
    x = _float(x)
    small = 1e-7 if epsilon is None else epsilon
    if order == 2:
        return l2_normalize(x, axis, small * small)
    size = np_ops.power(np_ops.sum(np_ops.power(np_ops.absolute(x), float(order)), axis, True), 1.0 / order)
    return _handle["divide"](x, _handle["maximum"](size, small))
