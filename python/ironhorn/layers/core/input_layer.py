"""The entry of a model: `Input` makes a symbolic tensor, `InputLayer` is the layer that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import backend
from ironhorn.errors import UnsupportedError
from ironhorn.layers.layer import Layer


class InputLayer(Layer):
    """The layer behind `Input`.

    Args:
        shape: Shape of one sample; `None` for sizes that vary.
        batch_size: Size of the batch axis, if it is fixed.
        dtype: Dtype of the data; the default float type if not given.
        sparse: Must be false: sparse tensors are not supported.
        ragged: Must be false: ragged tensors are not supported.
        batch_shape: Shape with the batch axis, instead of `shape` and `batch_size`.
        input_tensor: A `KerasTensor` to wrap, instead of a new one.
        optional: Whether `None` may be passed for this input.
        name: Name of the layer and of its tensor.

    Raises:
        ValueError: If the shape is missing or given twice.
    """

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name)
        if "input_shape" in kwargs:
            shape = kwargs.pop("input_shape")
        if "batch_input_shape" in kwargs:
            batch_shape = kwargs.pop("batch_input_shape")
        kwargs.pop("trainable", None)
        if kwargs:
            raise ValueError(
                f"Input does not take the argument(s) {sorted(kwargs)}. Check the spelling, or remove them."
            )
        if sparse or ragged:
            raise UnsupportedError(
                f"Input '{self.name}': sparse and ragged tensors are not supported. Pass dense arrays (padded, with a "
                "mask where lengths differ) and leave `sparse` and `ragged` unset."
            )
        if input_tensor is not None:
            if not isinstance(input_tensor, backend.KerasTensor):
                raise ValueError(
                    f"`tensor` must be a KerasTensor, as `Input` or a layer returns it. Received: {input_tensor!r} (of "
                    f"type {type(input_tensor).__name__})."
                )
            if shape is not None or batch_shape is not None or batch_size is not None:
                raise ValueError("Give either `tensor` or a shape, not both: the tensor has its own shape.")
            batch_shape = input_tensor.shape
            if dtype is not None and backend.standardize_dtype(dtype) != input_tensor.dtype:
                raise ValueError(f"`dtype={dtype}` differs from the tensor's dtype {input_tensor.dtype}. Leave it out.")
            dtype = input_tensor.dtype
        elif batch_shape is not None:
            if shape is not None or batch_size is not None:
                raise ValueError(
                    f"`batch_shape` holds the batch axis already. Received: batch_shape={tuple(batch_shape)}, "
                    f"shape={shape}, batch_size={batch_size}. Give `batch_shape` alone, or `shape` and `batch_size`."
                )
        elif shape is None:
            raise ValueError(
                "`Input` needs a shape: Input(shape=(28, 28)) for samples of 28 by 28, without the batch axis."
            )
        else:
            if isinstance(shape, int):
                raise ValueError(f"`shape` must be a tuple. Received: shape={shape}; write shape=({shape},).")
            batch_shape = (batch_size, *shape)
        self._batch_shape = backend.standardize_shape(batch_shape)
        dtype = backend.floatx() if dtype is None else dtype
        self._dtype = dtype if dtype == "string" else backend.standardize_dtype(dtype)
        self.sparse = False
        self.ragged = False
        self.optional = bool(optional)
        self._make_node(input_tensor)
        self.built = True

    def _make_node(self, tensor: Any = None) -> None:
        if tensor is None:
            tensor = backend.KerasTensor(self._batch_shape, dtype=self._dtype, name=self.name)
        self._input_tensor = tensor
        backend.Node(self, (), {}, tensor)

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy or pickle keeps: not the symbolic tensor, which a copy makes anew."""
        state = super().__getstate__()
        del state["_input_tensor"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._make_node()

    def call(self) -> None:
        """Does nothing: an input is filled in by the model."""

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """The shape with the batch axis."""
        return self._batch_shape

    @property
    def dtype(self) -> str:
        """The dtype of the data."""
        return self._dtype

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> Any:
    """Makes a symbolic tensor that a model is built from.

    Args:
        shape: Shape of one sample, without the batch axis; `None` for sizes that vary.
        batch_size: Size of the batch axis, if it is fixed.
        dtype: Dtype of the data; the default float type if not given.
        sparse: Must be false: sparse tensors are not supported.
        ragged: Must be false: ragged tensors are not supported.
        batch_shape: Shape with the batch axis, instead of `shape` and `batch_size`.
        name: Name of the input; data may be passed to the model as a dictionary under it.
        tensor: A `KerasTensor` to wrap, instead of a new one.
        optional: Whether `None` may be passed for this input.

    Returns:
        A `KerasTensor`.

    Raises:
        ValueError: If the shape is missing or given twice.

    Example:
        >>> inputs = ironhorn.Input(shape=(4,))
        >>> outputs = ironhorn.layers.Dense(2)(inputs)
        >>> ironhorn.Model(inputs, outputs).output_shape
        (None, 2)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer._input_tensor
