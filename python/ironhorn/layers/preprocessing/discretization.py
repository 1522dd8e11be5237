"""The layer that puts numbers into bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import NotBuiltError
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing.encoding import check_mode, encode, encoded_shape, refuse_sparse


class Discretization(Layer):
    """Replaces numbers by the place of their bin: 0 below the first boundary; a boundary belongs to the bin above.

    Args:
        bin_boundaries: Boundaries between bins, ascending.
        num_bins: Number of bins, to be found by `adapt`; instead of `bin_boundaries`.
        epsilon: Precision of the quantiles that `adapt` takes for boundaries.
        output_mode: `"int"`, or as in `CategoryEncoding`.
        sparse: Not supported; must be false.
        dtype: Dtype of the computation.
        name: Name of the layer.

    Example:
        >>> layer = ironhorn.layers.Discretization(bin_boundaries=[0.0, 1.0])
        >>> layer(np.array([[-1.0, 0.0, 0.5, 7.0]], "float32")).numpy()
        array([[0, 1, 1, 2]], dtype=int32)
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_mode("Discretization", output_mode)
        refuse_sparse("Discretization", sparse)
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must not be negative. Received: num_bins={num_bins}.")
        if (num_bins is None) == (bin_boundaries is None):
            raise ValueError(
                "A Discretization layer takes `bin_boundaries`, or `num_bins` and finds them by `adapt`. Received: "
                f"bin_boundaries={bin_boundaries}, num_bins={num_bins}."
            )
        self.bin_boundaries = bin_boundaries
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse
        self._allow_non_tensor_positional_args = True
        self._summary = np.zeros((2, 0), "float32")
        self._build_at_init()

    @property
    def input_dtype(self) -> str:
        """The dtype that inputs are cast to."""
        return backend.floatx()

    @property
    def output_dtype(self) -> str:
        """The dtype of the outputs."""
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Finds boundaries so that bins hold about as many of the data each.

        Args:
            data: An array, or an iterable of batches.
            steps: Number of batches to take of an iterable.

        Raises:
            ValueError: If the boundaries were given to the constructor.
        """
        if self.num_bins is None:
            raise ValueError(
                f"Layer '{self.name}' got `bin_boundaries` as an argument and cannot be adapted. Use `num_bins` to "
                "learn them from data."
            )
        self.reset_state()
        if hasattr(data, "__array__"):
            self.update_state(data)
        else:
            for step, batch in enumerate(data):
                if steps is not None and step >= steps:
                    break
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Takes a batch into the summary of the data."""
        values = np.sort(np.asarray(data, dtype="float32"), axis=None)
        step = max(values.size * self.epsilon, 1.0)
        # A quantile for each share of `epsilon`, and how many values it stands for.
        quantiles = values[int(step - 1) :: int(step)]
        summary = np.stack([quantiles, np.full(quantiles.shape, step, "float32")])
        merged = np.concatenate([summary, self._summary], axis=1)
        self._summary = _compressed(merged[:, np.argsort(merged[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Makes the boundaries of the summary."""
        if self.num_bins is not None:
            self.bin_boundaries = _compressed(self._summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forgets the data, unless the boundaries were given to the constructor."""
        if self.num_bins is not None:
            self._summary = np.zeros((2, 0), "float32")

    def call(self, inputs: Any) -> Any:
        """Finds the bins."""
        if self.bin_boundaries is None:
            raise NotBuiltError(f"Layer '{self.name}' has no boundaries. Call `adapt(data)` before using it.")
        edges = np.asarray(self.bin_boundaries, dtype=self.input_dtype)
        indices = ops.digitize(ops.cast(inputs, self.input_dtype), edges)
        return encode(indices, self.output_mode, len(edges) + 1, self.output_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        return encoded_shape(input_shape, self.output_mode, depth)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.output_dtype)

    def load_own_variables(self, store: Any) -> None:
        """Reads the summary that files of older versions of Keras have."""
        if len(store.keys()) == 1:
            self._summary = np.asarray(store["0"])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, and the boundaries where they were learnt, as a dictionary."""
        return {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned."""
        config = dict(config)
        if config.get("bin_boundaries") is not None and config.get("num_bins") is not None:
            boundaries = config.pop("bin_boundaries")
            layer = super().from_config(config)
            layer.bin_boundaries = boundaries
            return layer
        return super().from_config(config)


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """A summary of weighted quantiles with one for each share of `epsilon`."""
    if summary.shape[1] * epsilon < 1:
        return summary
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    cumulated = summary[1].cumsum()
    known = cumulated / cumulated[-1]
    bins = np.interp(shares, known, summary[0])
    weights = np.diff(np.interp(shares, known, cumulated), prepend=0.0)
    return np.stack([bins, weights]).astype("float32")
