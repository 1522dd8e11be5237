"""The layer that resizes images."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops
from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.layer import Layer


class Resizing(Layer):
    """Resizes images.

    Args:
        height: Height of the outputs.
        width: Width of the outputs.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: Whether images are first cut, around their centre, to the outputs' proportions.
        pad_to_aspect_ratio: Whether images are first padded, around their centre, to the outputs' proportions.
        fill_mode: Must be `"constant"`.
        fill_value: What to pad with.
        antialias: Whether a pixel that stands for several is made of all of them, when images shrink.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.Resizing(8, 4)(ironhorn.ops.ones((2, 5, 5, 3))).shape
        (2, 8, 4, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.height, self.width = height, width
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = antialias
        self.data_format = data_format_of(data_format)
        self._allow_non_tensor_positional_args = True
        # Refuses what cannot be, before there are images.
        self._resize(backend.KerasTensor((2, 2, 1) if self.data_format == "channels_last" else (1, 2, 2)))
        self._build_at_init()

    def _resize(self, images: Any) -> Any:
        return ops.image.resize(
            images,
            size=(self.height, self.width),
            interpolation=self.interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def call(self, inputs: Any) -> Any:
        """Resizes the images."""
        return self._resize(ops.convert_to_tensor(inputs))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the outputs' specification; the dtype is that of the inputs."""
        return backend.KerasTensor(self.compute_output_shape(inputs.shape), dtype=inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = list(input_shape)
        first = -3 if self.data_format == "channels_last" else -2
        shape[first], shape[first + 1] = self.height, self.width
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "antialias": self.antialias,
            "data_format": self.data_format,
        }
