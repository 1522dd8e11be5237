"""The layer that blurs images at random."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.ranges import range_of, value_range_of


class RandomGaussianBlur(BaseImagePreprocessingLayer):
    """In training, blurs some images, all of a batch by the same filter.

    Args:
        factor: The chance that an image is blurred: the greatest, from 0 to 1, or the least and the greatest. A chance
            is drawn for each image.
        kernel_size: Width and height of the filter, odd: a number for both, or two.
        sigma: Standard deviations of the filter in pixels, drawn for width and height: the greatest, from 0 to 1, or
            the least and the greatest.
        value_range: The least and the greatest value that pixels have; results are clipped to them.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(height, width, channels)`, or a batch of such.

    Example:
        >>> ironhorn.layers.RandomGaussianBlur(kernel_size=5)(ironhorn.ops.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        sizes = tuple(kernel_size) if isinstance(kernel_size, list | tuple) else (kernel_size, kernel_size)
        if len(sizes) != 2 or any(isinstance(s, bool) or not isinstance(s, int) or s < 1 or s % 2 == 0 for s in sizes):
            raise ValueError(
                "`kernel_size` of a RandomGaussianBlur layer must be an odd number, or two. Received: "
                f"kernel_size={kernel_size!r}."
            )
        self.kernel_size = sizes
        self.sigma = range_of("RandomGaussianBlur", "sigma", sigma, (0, 1), mirrored=False, overlap=True)
        self.value_range = value_range_of("RandomGaussianBlur", value_range)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which images are blurred, and the filter's standard deviations along width and height."""
        if not training:
            return None
        return {
            "should_apply_blur": self._chosen(self._count_and_size(data)[0], seed),
            "blur_factor": self._uniform((2,), *self.sigma, seed) + 1e-6,
        }

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Blurs the images that were drawn."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        blurred = ops.image.gaussian_blur(
            images, self.kernel_size, sigma=transformation["blur_factor"], data_format=self.data_format
        )
        images = ops.where(self._per_image(transformation["should_apply_blur"]), blurred, images)
        return ops.clip(images, *self.value_range)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "kernel_size": self.kernel_size,
            "sigma": self.sigma,
            "value_range": self.value_range,
            "seed": self.seed,
        }
