"""The layer that cuts images at a random place."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer


class RandomCrop(BaseImagePreprocessingLayer):
    """In training, cuts a batch of images to a size, all at the same random place.

    Otherwise the largest part of the images' middle that has the outputs' proportions is resized to their size.

    Args:
        height: Height of the outputs.
        width: Width of the outputs.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        name: Name of the layer.
        **kwargs: `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such; height and width must be known.

    Example:
        >>> ironhorn.layers.RandomCrop(3, 2)(ironhorn.ops.ones((2, 4, 4, 3)), training=True).shape
        (2, 3, 2, 3)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, data_format=data_format, **kwargs)
        for argument, length in (("height", height), ("width", width)):
            if isinstance(length, bool) or not isinstance(length, int) or length < 1:
                raise ValueError(f"`{argument}` of a RandomCrop layer must be a positive integer. Received: {length}.")
        self.height, self.width = height, width
        self._set_seed(random.make_default_seed() if seed is None else seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws the upper left corner; in the middle if the images are not larger than the outputs."""
        if not training:
            return None
        height, width = self._known_size(self._images_in(data))
        if height > self.height and width > self.width:
            spare = (height - self.height, width - self.width)
            return tuple(ops.cast(self._uniform((), 0.0, float(most + 1), seed), "int32") for most in spare)
        crop_height = max(min(height, int(width * self.height / self.width)), 1)
        crop_width = max(min(width, int(height * self.width / self.height)), 1)
        return (height - crop_height) // 2, (width - crop_width) // 2

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Cuts the images."""
        images = ops.cast(images, self.compute_dtype)
        size = (self.height, self.width)
        if not training or transformation is None:
            return ops.image.resize(images, size, crop_to_aspect_ratio=True, data_format=self.data_format)
        lengths = list(ops.shape(images))
        starts: list[Any] = [0] * len(lengths)
        for axis, start, wanted, length in zip(
            self._axes[:2], transformation, size, self._known_size(images), strict=True
        ):
            starts[axis] = start
            lengths[axis] = wanted if not isinstance(start, int) else max(min(wanted, length - start), 0)
        cut = ops.slice(images, starts, lengths)
        if (lengths[self._axes[0]], lengths[self._axes[1]]) != size:
            cut = ops.image.resize(cut, size, data_format=self.data_format)
        return cut

    def compute_output_shape(self, input_shape: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = list(input_shape)
        shape[self._axes[0]], shape[self._axes[1]] = self.height, self.width
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "height": self.height, "width": self.width, "seed": self.seed}
