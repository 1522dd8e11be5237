"""The layer that puts categories into bins by hashing."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import _core, backend, ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing import fingerprint
from ironhorn.layers.preprocessing.encoding import check_mode, encode, encode_on_host, encoded_shape, refuse_sparse


class Hashing(Layer):
    """Replaces texts and integers by the number of a bin: always the same one, spread evenly over all.

    The numbers are those of TensorFlow: Fingerprint64 of the text, or of the decimals of an integer, and SipHash where
    there is a salt.

    Args:
        num_bins: Number of bins, the one of `mask_value` included.
        mask_value: A value that gets bin 0 for itself; `None` for none.
        salt: An integer, or two, that make the bins others; `None` for none.
        output_mode: `"int"`, or as in `CategoryEncoding`.
        sparse: Not supported; must be false.
        **kwargs: `name`, `dtype`, `trainable` of every layer; the dtype is int64 unless vectors come out.

    Example:
        >>> ironhorn.layers.Hashing(num_bins=3)(np.array([["A"], ["B"], ["C"], ["D"], ["E"]])).numpy().ravel()
        array([1, 0, 1, 1, 2])
    """

    _runs_on_host = True

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = "int64" if output_mode == "int" else backend.floatx()
        super().__init__(**kwargs)
        if isinstance(num_bins, bool) or not isinstance(num_bins, int) or num_bins < 1:
            raise ValueError(f"`num_bins` of a Hashing layer must be a positive integer. Received: {num_bins!r}.")
        check_mode("Hashing", output_mode)
        refuse_sparse("Hashing", sparse)
        if output_mode == "int" and self.compute_dtype not in ("int32", "int64"):
            raise ValueError(
                "A Hashing layer with output_mode='int' has dtype 'int32' or 'int64'. Received: "
                f"dtype={self.compute_dtype!r}."
            )
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.output_mode = output_mode
        self.sparse = False
        numbers = [salt, salt] if isinstance(salt, int) and not isinstance(salt, bool) else salt
        if numbers is not None and not (
            isinstance(numbers, list | tuple) and len(numbers) == 2 and all(isinstance(n, int) for n in numbers)
        ):
            raise ValueError(f"`salt` of a Hashing layer must be an integer or two. Received: salt={salt!r}.")
        self.salt = None if numbers is None else list(numbers)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self._build_at_init()

    def call(self, inputs: Any) -> Any:
        """Finds the bins."""
        if isinstance(inputs, _core.Tensor) and inputs.is_traced:
            function = _core.HostFunction("hashing", self._bins)
            found = _core.host_call(function, [inputs], [("int64", list(_core.symbolic_shape(inputs)))])[0]
            return encode(found, self.output_mode, self.num_bins, self.compute_dtype)
        bins = self._bins(np.asarray(inputs))
        return ops.convert_to_tensor(encode_on_host(bins, self.output_mode, self.num_bins, self.compute_dtype))

    def _bins(self, values: np.ndarray) -> np.ndarray:
        """The bins of an array."""
        values = np.asarray(values)
        texts, places = np.unique(np.array(fingerprint.texts_of(values), dtype=object), return_inverse=True)
        if self.salt is None:
            numbers = fingerprint.by_length(list(texts), fingerprint.fingerprint64)
        else:
            first, second = self.salt
            numbers = fingerprint.by_length(list(texts), lambda data: fingerprint.siphash(data, (first, second)))
        masked = self.mask_value is not None and self.num_bins > 1
        bins = (numbers % np.uint64(self.num_bins - masked)).astype(np.int64)[places.ravel()].reshape(values.shape)
        if not masked:
            return bins
        special = self.mask_value
        if values.dtype.kind in "OSU":
            given = np.array([_as_bytes(value) for value in values.ravel().tolist()], dtype=object)
            where = (given == _as_bytes(special)).reshape(values.shape)
        else:
            where = values == special
        return np.where(where, 0, bins + 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


def _as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
