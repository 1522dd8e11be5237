"""What layers that augment images share: batches and single images, dictionaries with labels, seeds, random numbers."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops, random
from ironhorn.backend import tracing
from ironhorn.errors import ShapeError, UnsupportedError
from ironhorn.layers.convolutional.geometry import data_format_of
from ironhorn.layers.layer import Layer
from ironhorn.layers.preprocessing.image.ranges import range_of
from ironhorn.layers.preprocessing.image.seed_stream import SeedStream


class BaseImagePreprocessingLayer(Layer):
    """A layer that changes images, at random in training and, mostly, not at all otherwise.

    A subclass draws what is random in `get_random_transformation`, which returns a nest of tensors with an entry for
    each image, and applies it to a batch in `transform_images`. A layer that changes labels too overrides
    `transform_labels`.

    Args:
        factor: How strong the change is: a number, or the least and the greatest; for layers that have one.
        bounding_box_format: Must be `None`, but for `MaxNumBoundingBoxes`: boxes are not moved with the images.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        data: `(batch, height, width, channels)`, or a single image, or a dictionary with `"images"` and `"labels"`.
        training: Whether to change the images. True unless a model that predicts or evaluates says otherwise.
    """

    _USE_BASE_FACTOR = True
    _FACTOR_BOUNDS: tuple[float, float] = (-1, 1)
    #: Whether bounding boxes may come with the images.
    _takes_boxes = False
    #: Whether images keep their dtype; otherwise they get that of the layer.
    _keeps_dtype = False

    factor: tuple[float, float]
    seed: int | None

    def __init__(
        self, factor: Any = None, bounding_box_format: str | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if bounding_box_format is not None and not self._takes_boxes:
            raise self._no_boxes("bounding_box_format")
        self.bounding_box_format = bounding_box_format
        self.data_format = data_format_of(data_format)
        self._allow_non_tensor_positional_args = True
        if self._USE_BASE_FACTOR:
            self._set_factor(factor or 0.0)
        elif factor is not None:
            raise ValueError(f"A {type(self).__name__} layer has no `factor`. Received: factor={factor!r}.")

    def _no_boxes(self, what: str) -> UnsupportedError:
        return UnsupportedError(
            f"A {type(self).__name__} layer changes images and labels, not bounding boxes or segmentation masks. "
            f"Leave {what!r} out, or use layers that move no pixels where there are boxes or masks."
        )

    def _set_factor(self, factor: Any) -> None:
        low = self._FACTOR_BOUNDS[0]
        self.factor = range_of(type(self).__name__, "factor", factor, self._FACTOR_BOUNDS, floor=low, overlap=True)

    def _set_seed(self, seed: int | None) -> None:
        self.seed = seed
        self.generator = random.SeedGenerator(seed)

    # ------------------------------------------------------------------------------------ what subclasses may use

    @property
    def _axes(self) -> tuple[int, int, int]:
        """The axes of height, width and channels, counted from the end."""
        return (-3, -2, -1) if self.data_format == "channels_last" else (-2, -1, -3)

    def _images_in(self, data: Any) -> Any:
        """The images of what a call receives.

        Raises:
            ShapeError: If they are neither an image nor a batch of images.
        """
        images = ops.convert_to_tensor(data["images"] if isinstance(data, dict) else data)
        if len(images.shape) not in (3, 4):
            raise ShapeError(
                f"Layer '{self.name}' takes an image of 3 axes or a batch of images of 4. Received: images of shape "
                f"{images.shape}. Add the axis of the channels."
            )
        return images

    def _count_and_size(self, data: Any) -> tuple[Any, Any, Any]:
        """Number, height and width of images: integers, or symbols while tracing."""
        images = self._images_in(data)
        lengths = ops.shape(images)
        height, width, _ = self._axes
        return (lengths[0] if len(lengths) == 4 else 1), lengths[height], lengths[width]

    def _known_size(self, images: Any) -> tuple[int, int]:
        """Height and width of images.

        Raises:
            ShapeError: If they are not known.
        """
        _, height, width = self._count_and_size(images)
        if not isinstance(height, int) or not isinstance(width, int):
            raise ShapeError(
                f"Layer '{self.name}' must know height and width of the images. Received: images of shape "
                f"{self._images_in(images).shape}. Give them in `Input`, or put a Resizing layer before this one."
            )
        return height, width

    def _known_channels(self, images: Any) -> int:
        """Number of channels of images.

        Raises:
            ShapeError: If it is not known.
        """
        channels = images.shape[self._axes[2]]
        if channels is None:
            raise ShapeError(
                f"Layer '{self.name}' must know the number of channels. Received: images of shape {images.shape}. Give "
                "it in `Input`."
            )
        return int(channels)

    @property
    def _draw_dtype(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def _seed_of(self, seed: Any) -> Any:
        """What the next draw takes for a seed."""
        if isinstance(seed, SeedStream):
            return seed.next()
        return self.generator if seed is None else seed

    def _uniform(self, shape: Any, low: float, high: float, seed: Any) -> Any:
        return random.uniform(shape, low, high, dtype=self._draw_dtype, seed=self._seed_of(seed))

    def _chosen(self, count: Any, seed: Any) -> Any:
        """Which images are changed: each with a chance that is drawn from `factor`."""
        chance = self._uniform((count,), self.factor[0], self.factor[1], seed)
        return ops.less(self._uniform((count,), 0.0, 1.0, seed), chance)

    @staticmethod
    def _per_image(values: Any) -> Any:
        """One value an image, to be broadcast to its pixels."""
        return ops.reshape(values, (-1, 1, 1, 1))

    # ------------------------------------------------------------------------------------- what subclasses define

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """Draws what is random about a call.

        Args:
            data: What the call receives.
            training: Whether images will be changed.
            seed: An integer for the same numbers every time; by default the layer's own seeds follow each other.

        Returns:
            A nest of tensors that `transform_images` takes, or `None` if nothing is to be changed.
        """
        return None

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """Changes a batch of images.

        Args:
            images: `(batch, height, width, channels)`.
            transformation: What `get_random_transformation` returned.
            training: Whether to change them.
        """
        raise NotImplementedError(f"{type(self).__name__} has no `transform_images`; add it.")

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """Returns the labels of changed images: the same."""
        return labels

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """Refuses: boxes are not moved with the images."""
        raise self._no_boxes("bounding_boxes")

    def transform_segmentation_masks(self, segmentation_masks: Any, transformation: Any, training: bool = True) -> Any:
        """Refuses: masks are not moved with the images."""
        raise self._no_boxes("segmentation_masks")

    def transform_single_image(self, image: Any, transformation: Any, training: bool = True) -> Any:
        """Changes one image `(height, width, channels)`."""
        images = self.transform_images(ops.expand_dims(image, 0), transformation, training=training)
        return ops.squeeze(images, 0)

    def transform_single_label(self, label: Any, transformation: Any, training: bool = True) -> Any:
        """Returns the label of one changed image."""
        labels = self.transform_labels(ops.expand_dims(label, 0), transformation, training=training)
        return ops.squeeze(labels, 0)

    # ------------------------------------------------------------------------------------------------------- call

    def call(self, data: Any, training: bool = True) -> Any:
        """Changes images, and labels that come with them."""
        given = dict(data) if isinstance(data, dict) else {"images": data}
        if "images" not in given:
            raise ValueError(f"Layer '{self.name}' takes a dictionary with 'images'. Received keys: {sorted(given)}.")
        for key in ("bounding_boxes", "segmentation_masks"):
            if key in given and not self._takes_boxes:
                raise self._no_boxes(key)
        images = given["images"] = self._images_in(given)
        transformation = self.get_random_transformation(given, training=training)
        single = len(images.shape) == 3
        transform = self.transform_single_image if single else self.transform_images
        if not self._keeps_dtype:
            images = ops.cast(images, self.compute_dtype)
        given["images"] = transform(images, transformation, training=training)
        if "labels" in given:
            relabel = self.transform_single_label if single else self.transform_labels
            given["labels"] = relabel(ops.convert_to_tensor(given["labels"]), transformation, training=training)
        if "bounding_boxes" in given:
            given["bounding_boxes"] = self.transform_bounding_boxes(given["bounding_boxes"], transformation, training)
        return given if isinstance(data, dict) else given["images"]

    def compute_output_shape(self, input_shape: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the shape of the outputs: that of the inputs."""
        return input_shape

    def compute_output_spec(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs' specifications."""
        if isinstance(data, dict):
            return tracing.abstract_call(self.call, (data, *args), kwargs)
        dtype = data.dtype if self._keeps_dtype else self.compute_dtype
        return backend.KerasTensor(self.compute_output_shape(data.shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config
