"""The layer that puts combinations of categories into bins by hashing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import _core, backend, ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing import fingerprint
from ironhorn.layers.preprocessing.encoding import check_mode, encode, refuse_sparse


class HashedCrossing(Layer):
    """Replaces each combination of several features by the number of a bin, always the same one.

    The numbers are those of TensorFlow's crosses.

    Args:
        num_bins: Number of bins.
        output_mode: `"int"`, or `"one_hot"` for vectors.
        sparse: Not supported; must be false.
        name: Name of the layer.
        dtype: Dtype of the outputs: int64 unless vectors come out.
        **kwargs: `trainable` of every layer.

    Call arguments:
        inputs: Two features or more: texts or integers, each of shape `()`, `(batch,)` or `(batch, 1)`.

    Example:
        >>> layer = ironhorn.layers.HashedCrossing(num_bins=5)
        >>> layer((np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102]))).numpy()
        array([1, 4, 1, 1, 3])
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        if output_mode == "int" and dtype is None:
            dtype = "int64"
        super().__init__(name=name, dtype=dtype, **kwargs)
        check_mode("HashedCrossing", output_mode, ("int", "one_hot"))
        refuse_sparse("HashedCrossing", sparse)
        if isinstance(num_bins, bool) or not isinstance(num_bins, int) or num_bins < 1:
            raise ValueError(f"`num_bins` of a HashedCrossing layer must be a positive integer. Received: {num_bins}.")
        self.num_bins = num_bins
        self.output_mode = output_mode
        self.sparse = False
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Finds the bins."""
        self._check_features(inputs)
        given = [value if isinstance(value, _core.Tensor) else np.asarray(value) for value in inputs]
        shapes = {tuple(value.shape) for value in given}
        shape = tuple(given[0].shape)
        if len(shapes) > 1 or len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
            raise ValueError(
                f"Layer '{self.name}' takes features of one shape: (), (batch,) or (batch, 1). Received shapes: "
                f"{[tuple(value.shape) for value in given]}."
            )
        if any(isinstance(value, _core.Tensor) and value.is_traced for value in given):
            lengths = list(_core.symbolic_shape(next(v for v in given if isinstance(v, _core.Tensor) and v.is_traced)))
            tensors = [ops.convert_to_tensor(value) for value in given]
            bins = _core.host_call(_core.HostFunction("hashed_crossing", self._bins), tensors, [("int64", lengths)])[0]
        else:
            bins = ops.convert_to_tensor(self._bins(*(np.asarray(value) for value in given)))
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def _check_features(self, inputs: Any) -> None:
        if not isinstance(inputs, list | tuple) or len(inputs) < 2:
            raise ValueError(f"Layer '{self.name}' takes a list of two features or more. Received: {inputs!r}.")

    def _bins(self, *features: np.ndarray) -> np.ndarray:
        """The bins of arrays of one shape."""
        number = np.full(np.asarray(features[0]).size, np.uint64(fingerprint.CROSS_KEY))
        for feature in features:
            values = np.asarray(feature)
            if values.dtype.kind in "iu":
                part = values.ravel().astype(np.int64).view(np.uint64)
            elif values.dtype.kind in "OSU":
                part = fingerprint.by_length(fingerprint.texts_of(values), fingerprint.fingerprint64)
            else:
                raise ValueError(f"Layer '{self.name}' takes texts and integers. Received: dtype {values.dtype}.")
            number = fingerprint.joined(number, part)
        return (number % np.uint64(self.num_bins)).astype(np.int64).reshape(np.asarray(features[0]).shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs, for shapes of the features."""
        self._check_features(input_shape)
        first = tuple(input_shape[0])
        if self.output_mode == "int":
            return first
        return (*(first[:1] if len(first) == 2 else first), self.num_bins)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification."""
        shape = self.compute_output_shape([value.shape for value in inputs])
        return backend.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }
