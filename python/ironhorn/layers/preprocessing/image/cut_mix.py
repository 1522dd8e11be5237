"""The layer that puts boxes of images into each other."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer
from ironhorn.layers.preprocessing.image.boxes import bounds, masks


class CutMix(BaseImagePreprocessingLayer):
    """In training, replaces a box of each image by that of another, and mixes their labels (Yun et al., 2019).

    Args:
        factor: Parameter of the beta distribution of what an image keeps: the greatest, from 0 to 1, or the least and
            the greatest. One is drawn for each batch.
        seed: Integer seed of the random numbers; drawn if not given.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        data: `{"images": images, "labels": labels}` with labels as vectors, or images. A single image stays as it is.

    Example:
        >>> data = {"images": np.ones((2, 4, 4, 3)), "labels": np.eye(2)}
        >>> ironhorn.layers.CutMix()(data, training=True)["labels"].shape
        (2, 2)
    """

    _USE_BASE_FACTOR = False
    _FACTOR_BOUNDS = (0, 1)

    def __init__(
        self, factor: Any = 1.0, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self._set_factor(factor)
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws boxes, and the images that they are filled from."""
        if not training or len(self._images_in(data).shape) == 3:
            return None
        count, height, width = self._count_and_size(data)
        alpha = self._uniform((), *self.factor, seed) + 1e-6
        kept = random.beta((count,), alpha, alpha, dtype=self._draw_dtype, seed=self._seed_of(seed))
        share = ops.sqrt(1.0 - kept)

        def uniform(shape: Any) -> Any:
            return self._uniform(shape, 0.0, 1.0, seed)

        x, y = bounds(uniform, count, width, share), bounds(uniform, count, height, share)
        area = ops.cast(height, share.dtype) * ops.cast(width, share.dtype)
        return {
            "permutation_order": random.shuffle(ops.arange(count, dtype="int32"), seed=self._seed_of(seed)),
            "batch_masks": masks(height, width, x, y, self.data_format),
            "mix_weight": 1.0 - (x[1] - x[0]) * (y[1] - y[0]) / area,
        }

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Fills the boxes."""
        images = ops.cast(images, self.compute_dtype)
        if not training or transformation is None:
            return images
        others = ops.take(images, transformation["permutation_order"], axis=0)
        return ops.where(transformation["batch_masks"], others, images)

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """Mixes the labels by the boxes' areas."""
        if not training or transformation is None:
            return labels
        labels = ops.cast(labels, self.compute_dtype)
        share = ops.reshape(transformation["mix_weight"], (-1, *(1,) * (len(labels.shape) - 1)))
        share = ops.cast(share, labels.dtype)
        return share * labels + (1.0 - share) * ops.take(labels, transformation["permutation_order"], axis=0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "factor": self.factor, "seed": self.seed}
