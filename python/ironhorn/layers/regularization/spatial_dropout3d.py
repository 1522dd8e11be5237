"""Dropout of the channels of volumes."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.regularization.base_spatial_dropout import BaseSpatialDropout


class SpatialDropout3D(BaseSpatialDropout):
    """In training, drops whole feature maps: all positions of one are set to zero together.

    Neighbouring positions are alike, so that dropping them one by one would hide little (Tompson et al., 2015).

    Args:
        rate: Share of feature maps that are dropped, from 0 to 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        name: Name of the layer.
        dtype: Dtype of the computation.
        **kwargs: `trainable` of every layer.

    Input shape:
        `(batch, depth, height, width, channels)`, or with the channels after the batch.

    Output shape:
        The same.

    Example:
        >>> ironhorn.layers.SpatialDropout3D(0.5)(ironhorn.ops.ones((2, 3, 3, 3, 4))).shape
        (2, 3, 3, 3, 4)
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, 3, data_format=data_format, seed=seed, name=name, dtype=dtype, **kwargs)
