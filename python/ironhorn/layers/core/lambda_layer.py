"""A function as a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import backend
from ironhorn.backend import tracing
from ironhorn.errors import UnsupportedError
from ironhorn.layers.call_spec import map_shapes, signature_of_function
from ironhorn.layers.layer import Layer

_ADVICE = (
    "Code is neither written to files nor read from them. Use a named function or a Layer subclass, and pass it to the "
    "call that loads through `custom_objects`, or decorate it with `@keras.saving.register_keras_serializable()`."
)


class Lambda(Layer):
    """Calls a function on its inputs.

    For sketches: a `Layer` subclass can have weights and can be saved whole. A model with a `Lambda` layer can be saved
    if the function has a name; the file holds that name alone.

    Args:
        function: A function of a tensor or a nest of them. If it has arguments `mask` or `training`, it gets them.
        output_shape: Shape of one sample of the outputs, or a function from input shapes to output shapes; found by
            tracing if not given.
        mask: Mask of the outputs, or a function `mask(inputs, mask)`; without it masks stop here.
        arguments: Further arguments of the function by name.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Raises:
        UnsupportedError: On saving with a `lambda`, and on loading a file that holds the code of one.

    Example:
        >>> layer = ironhorn.layers.Lambda(lambda x, factor: x * factor, arguments={"factor": 2.0})
        >>> layer(ironhorn.ops.convert_to_tensor([1.0, 2.0])).numpy()
        array([2., 4.], dtype=float32)
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise ValueError(
                f"`function` of a Lambda layer must be callable. Received: {function!r} (of type "
                f"{type(function).__name__})."
            )
        self.arguments = dict(arguments or {})
        self.function = function
        self.supports_masking = mask is not None
        self.mask = mask
        self._output_shape = output_shape
        names = signature_of_function(function).parameters
        self._takes_training, self._takes_mask = "training" in names, "mask" in names

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Calls the function."""
        options = dict(self.arguments)
        if self._takes_mask:
            options["mask"] = mask
        if self._takes_training:
            options["training"] = training
        return self.function(inputs, **options)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs: `mask` of the constructor, called if it is a function."""
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        if self._output_shape is None:
            return super().compute_output_shape(input_shape)
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        batch: list[Any] = []
        map_shapes(lambda shape: batch.append(shape[0]), input_shape)
        return map_shapes(lambda shape: (batch[0], *shape), self._output_shape)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs' specifications."""
        if self._output_shape is None:
            return tracing.abstract_call(self.call, args, kwargs)
        shape = self.compute_output_shape(_shapes_of(args[0] if args else kwargs["inputs"]))
        return map_shapes(lambda one: backend.KerasTensor(one, dtype=self.compute_dtype), shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary; a `lambda` stays what it is, and cannot be saved."""
        from ironhorn.saving import registry

        config = {**super().get_config(), "function": _config_of(self.function)}
        if self._output_shape is not None:
            config["output_shape"] = _config_of(self._output_shape)
        if self.mask is not None:
            config["mask"] = _config_of(self.mask)
        return {**config, "arguments": registry.serialize_keras_object(self.arguments)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes a layer from what `get_config` returned.

        Raises:
            UnsupportedError: If it holds code.
        """
        from ironhorn.saving import registry

        config = dict(config)
        for name in ("function", "output_shape", "mask"):
            value = config.get(name)
            if name == "function" and not callable(value) and not isinstance(value, dict):
                raise UnsupportedError(f"A Lambda layer comes with {value!r} for a function. {_ADVICE}")
            if isinstance(value, dict):
                if value.get("class_name") == "__lambda__":
                    raise UnsupportedError(f"A Lambda layer comes with the code of a lambda. {_ADVICE}")
                config[name] = registry.deserialize_keras_object(value, custom_objects=custom_objects)
        if isinstance(config.get("output_shape"), list):
            config["output_shape"] = tuple(config["output_shape"])
        config["arguments"] = registry.deserialize_keras_object(config.get("arguments"), custom_objects=custom_objects)
        return super().from_config(config)


def _shapes_of(inputs: Any) -> Any:
    """Returns the shapes of a tensor or of a nest of tensors."""
    from ironhorn import tree

    return tree.map_structure(lambda x: tuple(x.shape), inputs)


def _config_of(value: Any) -> Any:
    from ironhorn.saving import registry

    if getattr(value, "__name__", "") == "<lambda>":
        return value
    return registry.serialize_keras_object(value)
