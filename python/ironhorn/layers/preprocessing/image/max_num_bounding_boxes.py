"""The layer that gives every image the same number of bounding boxes."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.call_spec import is_shape
from ironhorn.layers.preprocessing.image.base_image_preprocessing import BaseImagePreprocessingLayer


class MaxNumBoundingBoxes(BaseImagePreprocessingLayer):
    """Cuts or fills the bounding boxes of images to a number.

    Args:
        max_number: Number of boxes that each image gets.
        fill_value: What stands for missing boxes and their labels.
        **kwargs: `bounding_box_format` (not changed here), `data_format`, and `name`, `dtype`, `trainable` of every
            layer.

    Call arguments:
        data: `{"images": images, "bounding_boxes": {"boxes": (batch, boxes, 4), "labels": (batch, boxes)}}`.

    Example:
        >>> boxes = {"boxes": np.ones((1, 2, 4)), "labels": np.ones((1, 2))}
        >>> layer = ironhorn.layers.MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
        >>> layer({"images": np.ones((1, 4, 4, 3)), "bounding_boxes": boxes})["bounding_boxes"]["labels"].numpy()
        array([[ 1.,  1., -1.]], dtype=float32)
    """

    _USE_BASE_FACTOR = False
    _takes_boxes = True

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_number = int(max_number)
        self.fill_value = int(fill_value)
        self._build_at_init()

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """Returns the images as they are."""
        return images

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Cuts or fills the boxes and their labels."""
        if self.bounding_box_format is None:
            raise ValueError(
                f"Layer '{self.name}' received bounding boxes: it needs `bounding_box_format`, such as 'xyxy'."
            )
        given = {name: ops.convert_to_tensor(bounding_boxes[name]) for name in ("boxes", "labels")}
        single = len(given["boxes"].shape) == 2
        return {
            **bounding_boxes,
            **{name: self._fitted(values, 0 if single else 1) for name, values in given.items()},
        }

    def _fitted(self, values: Any, axis: int) -> Any:
        widths = [(0, self.max_number if a == axis else 0) for a in range(len(values.shape))]
        filled = ops.pad(values, widths, constant_values=self.fill_value)
        return filled[(slice(None),) * axis + (slice(0, self.max_number),)]

    def compute_output_shape(self, input_shape: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the shapes of the outputs."""
        if is_shape(input_shape) or "bounding_boxes" not in input_shape:
            return input_shape
        boxes = {name: list(shape) for name, shape in input_shape["bounding_boxes"].items()}
        boxes["boxes"][-2] = boxes["labels"][-1] = self.max_number
        return {**input_shape, "bounding_boxes": {name: tuple(shape) for name, shape in boxes.items()}}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary; Keras has no `fill_value` there."""
        filled = {} if self.fill_value == -1 else {"fill_value": self.fill_value}
        return {**super().get_config(), "max_number": self.max_number, **filled}
