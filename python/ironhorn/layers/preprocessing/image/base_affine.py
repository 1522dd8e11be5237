"""What layers that move pixels share: how points between pixels are read, and what lies outside."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer

_FILL_MODES = ("reflect", "wrap", "constant", "nearest")
_INTERPOLATIONS = ("nearest", "bilinear")


class BaseAffine(BaseImagePreprocessingLayer):
    """A layer whose images are read at points that an affine map gives; subclasses say which map."""

    fill_mode: str
    fill_value: float
    interpolation: str

    def _set_sampling(self, fill_mode: str, interpolation: str, fill_value: float) -> None:
        for name, value, allowed in (
            ("fill_mode", fill_mode, _FILL_MODES),
            ("interpolation", interpolation, _INTERPOLATIONS),
        ):
            if value not in allowed:
                raise NotImplementedError(
                    f"`{name}` of a {type(self).__name__} layer must be one of {allowed}. Received: {name}={value!r}."
                )
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def _map(self, images: Any, transformation: Any) -> Any:
        """The eight numbers of each image's map, `(batch, 8)`, as `ops.image.affine_transform` takes them."""
        raise NotImplementedError

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Moves the images."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        return ops.image.affine_transform(
            images,
            self._map(images, transformation),
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    @staticmethod
    def _rows(*numbers: Any) -> Any:
        """Numbers, one an image or one for all, as the rows of a matrix."""
        first = next(number for number in numbers if not isinstance(number, int | float))
        flat = ops.reshape(first, (-1,))
        columns = [
            ops.full_like(flat, number) if isinstance(number, int | float) else ops.reshape(number, (-1,))
            for number in numbers
        ]
        return ops.stack(columns, axis=1)

    @staticmethod
    def _number(length: Any, dtype: str) -> Any:
        """A length as a number to compute with."""
        return float(length) if isinstance(length, int) else ops.cast(length, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "interpolation": self.interpolation,
            "seed": self.seed,
        }
