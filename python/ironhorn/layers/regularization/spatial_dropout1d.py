"""Dropout of the channels of sequences."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.regularization.base_spatial_dropout import BaseSpatialDropout


class SpatialDropout1D(BaseSpatialDropout):
    """In training, drops whole features: all steps of one are set to zero together.

    Neighbouring steps are alike, so that dropping them one by one would hide little (Tompson et al., 2015).

    Args:
        rate: Share of features that are dropped, from 0 to 1.
        seed: Integer seed of the random numbers; drawn if not given.
        name: Name of the layer.
        dtype: Dtype of the computation.
        **kwargs: `trainable` of every layer.

    Input shape:
        `(batch, steps, features)`.

    Output shape:
        The same.

    Example:
        >>> ironhorn.layers.SpatialDropout1D(0.5)(ironhorn.ops.ones((2, 3, 4))).shape
        (2, 3, 4)
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, 1, data_format="channels_last", seed=seed, name=name, dtype=dtype, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        del config["data_format"]
        return config
