"""The layer that makes vectors of categories."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing.encoding import check_mode, encode, encoded_shape, refuse_sparse


class CategoryEncoding(Layer):
    """Encodes integers from 0 to `num_tokens` as vectors.

    Args:
        num_tokens: Number of categories.
        output_mode: `"one_hot"` for a vector with a one for each integer, `"multi_hot"` for one vector a sample with
            ones at all its integers, `"count"` for how often each occurs in a sample.
        sparse: Not supported; must be false.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: Integers `(batch, ..)`.
        count_weights: With `output_mode="count"` what each integer counts, of the shape of the inputs.

    Example:
        >>> layer = ironhorn.layers.CategoryEncoding(num_tokens=4, output_mode="count")
        >>> layer([[0, 1], [3, 3]]).numpy()
        array([[1., 1., 0., 0.],
               [0., 0., 0., 2.]], dtype=float32)
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        check_mode("CategoryEncoding", output_mode, ("one_hot", "multi_hot", "count"))
        refuse_sparse("CategoryEncoding", sparse)
        if num_tokens is None or num_tokens < 1:
            raise ValueError(
                f"`num_tokens` of a CategoryEncoding layer must be a positive integer. Received: "
                f"num_tokens={num_tokens!r}. If the categories are not known, use an IntegerLookup layer."
            )
        self.num_tokens = num_tokens
        self.output_mode = output_mode
        self.sparse = sparse
        self._allow_non_tensor_positional_args = True
        self._convert_input_args = False
        self._build_at_init()

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        """Encodes the inputs."""
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"Layer '{self.name}': `count_weights` goes with output_mode='count' only, and this layer has "
                f"output_mode={self.output_mode!r}."
            )
        inputs = ops.convert_to_tensor(inputs)
        if "int" not in backend.standardize_dtype(inputs.dtype):
            inputs = ops.cast(inputs, "int32")
        return encode(inputs, self.output_mode, self.num_tokens, self._type_of(count_weights), count_weights)

    def _type_of(self, count_weights: Any) -> str:
        """The dtype of the outputs: as in Keras, weights and their sums have that of the computation."""
        return self.dtype if count_weights is None else self.compute_dtype

    def compute_output_spec(self, inputs: Any, count_weights: Any = None) -> Any:
        """Returns the outputs' specification."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self._type_of(count_weights))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}
