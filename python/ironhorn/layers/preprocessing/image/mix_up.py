"""The layer that mixes images with each other."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, random
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer


class MixUp(BaseImagePreprocessingLayer):
    """In training, mixes each image with another of the batch, and their labels likewise (Zhang et al., 2017).

    Args:
        alpha: Parameter of the beta distribution of an image's own share.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: Integer seed of the random numbers; drawn if not given.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        data: `{"images": images, "labels": labels}` with labels as vectors, or images.

    Example:
        >>> data = {"images": np.ones((2, 4, 4, 3)), "labels": np.eye(2)}
        >>> ironhorn.layers.MixUp()(data, training=True)["labels"].shape
        (2, 2)
    """

    _USE_BASE_FACTOR = False

    def __init__(
        self, alpha: float = 0.2, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.alpha = alpha
        self._set_seed(seed)
        self._build_at_init()

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws which image each is mixed with, and its own share."""
        if not training:
            return None
        count, _, _ = self._count_and_size(data)
        order = random.shuffle(ops.arange(count, dtype="int32"), seed=self._seed_of(seed))
        share = random.beta((count,), self.alpha, self.alpha, dtype=self._draw_dtype, seed=self._seed_of(seed))
        return {"mix_weight": share, "permutation_order": order}

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Mixes the images."""
        images = ops.cast(images, self.compute_dtype)
        return self._mixed(images, transformation) if training else images

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """Mixes the labels."""
        return self._mixed(ops.cast(labels, self.compute_dtype), transformation) if training else labels

    @staticmethod
    def _mixed(values: Any, transformation: Any) -> Any:
        share = ops.reshape(transformation["mix_weight"], (-1, *(1,) * (len(values.shape) - 1)))
        share = ops.cast(share, values.dtype)
        return share * values + (1.0 - share) * ops.take(values, transformation["permutation_order"], axis=0)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {**super().get_config(), "alpha": self.alpha, "seed": self.seed}
