"""What a layer accepts as input, and the check of an input against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ironhorn import backend, tree


class InputSpec:
    """Rank, shape and dtype that a layer expects of one input.

    Args:
        dtype: Expected dtype.
        shape: Expected shape with the batch axis; `None` stands for any size.
        ndim: Expected rank.
        max_ndim: Largest rank accepted.
        min_ndim: Smallest rank accepted.
        axes: Axis -> size expected on it.
        allow_last_axis_squeeze: Whether a last axis of size one may be missing or superfluous.
        name: Key of this input when inputs come as a dictionary.
        optional: Whether `None` may be passed instead of a tensor.

    Example:
        >>> class PerPixel(ironhorn.layers.Layer):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.input_spec = ironhorn.layers.InputSpec(shape=(None, 28, 28, 1))
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else backend.standardize_dtype(dtype)
        self.shape = None if shape is None else backend.standardize_shape(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.name = name
        self.optional = optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(axis): size for axis, size in dict(axes or {}).items()}
        except (ValueError, TypeError) as error:
            raise TypeError(f"`axes` must be a dictionary with integer keys. Received: axes={axes!r}.") from error
        rank = self.ndim or self.max_ndim
        if self.axes and rank and max(self.axes) >= rank:
            raise ValueError(
                f"`axes` names axis {max(self.axes)}, but an input of rank {rank} has axes 0 to {rank - 1} only."
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
            "optional": self.optional,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """Makes a specification from what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        fields = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return f"InputSpec({', '.join(f'{name}={getattr(self, name)}' for name in fields if getattr(self, name))})"


def assert_input_compatibility(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Checks inputs against what a layer expects.

    Args:
        input_spec: An `InputSpec`, a nest of them, or `None`.
        inputs: A tensor or nest of tensors.
        layer_name: Name of the layer, for the message.

    Raises:
        ValueError: If an input does not fit; the message names layer, input, expected and received shape.
    """
    if not input_spec:
        return
    specs = tree.flatten(input_spec)
    names = [spec.name for spec in specs if spec is not None]
    if isinstance(inputs, dict) and len(names) == len(specs) and all(names):
        missing = [name for name in names if name not in inputs]
        if missing:
            raise ValueError(
                f"Layer '{layer_name}' takes a dictionary with the keys {names}. Missing: {missing}; received the keys "
                f"{list(inputs)}. Add the missing inputs under those names."
            )
        inputs = [inputs[name] for name in names]
    flat = tree.flatten(inputs)
    if len(flat) != len(specs):
        named = f" with the names {names}" if len(names) == len(specs) and all(names) else ""
        raise ValueError(
            f"Layer '{layer_name}' expects {len(specs)} input(s){named}, but received {len(flat)}: "
            f"{[_describe(value) for value in flat]}. Pass one tensor for each input."
        )
    for index, (value, spec) in enumerate(zip(flat, specs, strict=True)):
        if spec is None or (value is None and spec.optional):
            continue
        if not hasattr(value, "shape"):
            raise ValueError(
                f"Layer '{layer_name}' takes tensors, but input {index} is {value!r} (of type {type(value).__name__}). "
                "Pass an array or tensor; call a layer on a tensor, not on another layer."
            )
        _check_one(value, spec, index, layer_name)


def _describe(value: Any) -> str:
    return f"shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)


def _check_one(value: Any, spec: InputSpec, index: int, layer_name: str) -> None:
    shape = tuple(value.shape)
    rank = len(shape)

    def refuse(expected: str, remedy: str) -> ValueError:
        label = f"input {index}" if spec.name is None else f"input {index} ('{spec.name}')"
        return ValueError(
            f"Layer '{layer_name}' cannot take {label} of shape {shape}: expected {expected}, received "
            f"shape {shape} (rank {rank}, {value.dtype}). {remedy}"
        )

    if spec.ndim is not None and not spec.allow_last_axis_squeeze and rank != spec.ndim:
        raise refuse(f"ndim={spec.ndim}", _rank_remedy(rank, spec.ndim))
    if spec.max_ndim is not None and rank > spec.max_ndim:
        raise refuse(
            f"at most {spec.max_ndim} dimensions (max_ndim={spec.max_ndim})", _rank_remedy(rank, spec.max_ndim)
        )
    if spec.min_ndim is not None and rank < spec.min_ndim:
        raise refuse(
            f"at least {spec.min_ndim} dimensions (min_ndim={spec.min_ndim})", _rank_remedy(rank, spec.min_ndim)
        )
    if spec.dtype is not None and backend.standardize_dtype(value.dtype) != spec.dtype:
        raise refuse(f"dtype={spec.dtype}", f"Cast the input: ops.cast(x, '{spec.dtype}').")
    for axis, size in spec.axes.items():
        if size is not None and shape[axis] is not None and shape[axis] != size:
            raise refuse(
                f"size {size} on axis {axis}, found {shape[axis]}",
                f"The layer was built for {size}; reshape or project the input, or make a new layer for this one.",
            )
    if spec.shape is not None:
        expected = spec.shape
        received = shape
        if spec.allow_last_axis_squeeze:
            received = received[:-1] if received and received[-1] == 1 else received
            expected = expected[:-1] if expected and expected[-1] == 1 else expected
        fits = len(expected) == len(received) and all(
            want is None or have is None or want == have for want, have in zip(expected, received, strict=True)
        )
        if not fits:
            raise refuse(f"shape={spec.shape}", "Reshape the data, or change the shape given to `Input`.")


def _rank_remedy(rank: int, wanted: int) -> str:
    if rank == wanted - 1:
        return (
            "One axis is missing: the first axis is the batch (x[None] for a single sample), the last one the features "
            "or channels (x[..., None] for a single channel)."
        )
    if rank < wanted:
        return "Axes are missing: add them with ops.expand_dims or ops.reshape."
    return "There are too many axes: remove them with ops.squeeze, ops.reshape or a Flatten layer."
