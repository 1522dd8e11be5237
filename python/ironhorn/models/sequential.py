"""Models that are a stack of layers."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from ironhorn import backend, dtype_policies, tree
from ironhorn.layers.call_spec import is_shape
from ironhorn.layers.core.input_layer import InputLayer
from ironhorn.layers.layer import Layer
from ironhorn.models.functional import Functional
from ironhorn.models.model import Model


class Sequential(Model):
    """A stack of layers, each fed with the output of the one before.

    With an `Input` at the start the weights are made at once; without, by the first call or by `build`.

    Args:
        layers: The layers.
        trainable: Whether the weights should be trained.
        name: Name of the model.

    Example:
        >>> model = ironhorn.Sequential([ironhorn.Input((4,)), ironhorn.layers.Dense(2)])
        >>> model.output_shape
        (None, 2)
    """

    _functional: Functional | None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes an empty model, ready to track what `__init__` sets."""
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        object.__setattr__(self, "_functional", None)
        object.__setattr__(self, "_allow_non_tensor_positional_args", True)
        for layer in layers or ():
            self.add(layer, rebuild=False)
        if layers:
            self._maybe_rebuild()

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy or pickle keeps: the layers, not the graph."""
        return {**super().__getstate__(), "_functional": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.built and self._layers and isinstance(self._layers[0], InputLayer):
            self.build(self._layers[0].batch_shape)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer on top.

        Args:
            layer: A layer, or a tensor that `Input` made as first one.
            rebuild: Whether to build the model with it at once, if its input is known.

        Raises:
            ValueError: If it is no layer, its name is taken, or there is an input already.
        """
        if not self._layers and getattr(layer, "_input_shape_arg", None) is not None:
            self.add(InputLayer(shape=layer._input_shape_arg), rebuild=False)
        if isinstance(layer, backend.KerasTensor):
            layer = layer._keras_history.operation  # type: ignore[attr-defined]
            if not isinstance(layer, InputLayer):
                raise ValueError(
                    f"Sequential model '{self.name}' takes layers. Received a tensor that a layer made; add the layer "
                    "itself."
                )
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Sequential model '{self.name}' takes layers. Received: {layer!r} (of type {type(layer).__name__}). "
                "For a function write a subclass of Layer."
            )
        if any(other.name == layer.name and other is not layer for other in self._layers):
            raise ValueError(
                f"Sequential model '{self.name}' has a layer named '{layer.name}' already. Give this one another name: "
                f"{type(layer).__name__}(..., name=...)."
            )
        if isinstance(layer, InputLayer) and self._layers:
            if isinstance(self._layers[0], InputLayer):
                raise ValueError(
                    f"Sequential model '{self.name}' has an input of shape {self._layers[0].batch_shape} already. Make "
                    "another model for another input."
                )
            raise ValueError(f"In the Sequential model '{self.name}' the Input must be the first layer.")
        self._layers.append(layer)
        self._forget_graph()
        if rebuild:
            self._maybe_rebuild()

    def pop(self, rebuild: bool = True) -> Any:
        """Removes the layer on top and returns it.

        Args:
            rebuild: Whether to build the model without it at once, if its input is known.
        """
        if not self.layers:
            raise ValueError(f"Sequential model '{self.name}' has no layer to remove.")
        layer = self._layers.pop()
        self._forget_graph()
        if rebuild:
            self._maybe_rebuild()
        return layer

    def _forget_graph(self) -> None:
        object.__setattr__(self, "built", False)
        object.__setattr__(self, "_functional", None)
        self._bump_generation()

    def _maybe_rebuild(self) -> None:
        self._forget_graph()
        if len(self._layers) < 2:
            return
        first = self._layers[0]
        if isinstance(first, InputLayer):
            self.build(first.batch_shape)
        elif isinstance(first, Functional) or (isinstance(first, Sequential) and first._functional is not None):
            self.build(first.input_shape)

    def _lock_state(self) -> None:
        """Does nothing: layers may be added later."""

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights for inputs of a shape.

        Args:
            input_shape: Shape with the batch axis.

        Raises:
            ValueError: If there are no layers, or the model has an input of another shape.
        """
        if not is_shape(input_shape):
            return  # Several inputs: layers are applied one after the other.
        shape = backend.standardize_shape(input_shape)
        if not self.layers:
            raise ValueError(f"Sequential model '{self.name}' has no layers to build. Add some: model.add(layer).")
        if isinstance(self._layers[0], InputLayer):
            own = self._layers[0].batch_shape
            if own != shape:
                raise ValueError(
                    f"Sequential model '{self.name}' has an input of shape {own} and cannot be built for {shape}. Make "
                    "another model, or change its Input."
                )
        else:
            first = InputLayer(batch_shape=shape, dtype=self._layers[0].compute_dtype)
            self._layers.insert(0, first)
        tensor = inputs = self._layers[0]._input_tensor
        for layer in self._layers[1:]:
            _check_takes_one_tensor(layer, self)
            tensor = layer(tensor)
        functional = Functional(inputs, tensor)
        functional.name = self.name
        object.__setattr__(self, "_functional", functional)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Applies the layers one after the other."""
        if self._functional is not None:
            return self._functional.call(inputs, training=training, mask=mask)
        outputs = inputs
        for layer in self.layers:
            options: dict[str, Any] = {"mask": mask} if layer._call_has_mask_arg else {}
            outputs = layer(outputs, **options)
            mask = tree.map_structure(backend.get_keras_mask, outputs)
        return outputs

    def _on_host(self, inputs: Any) -> Any:
        """Returns inputs with texts replaced by what the layers on the host make of them."""
        first = self.layers[0] if self.layers else None
        if self._functional is None and getattr(first, "_runs_on_host", False) and _is_texts(inputs):
            self.build((None, *np.shape(inputs)[1:]))
        return inputs if self._functional is None else self._functional._on_host(inputs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns nothing: the outputs carry the masks that the layers gave them."""
        return None

    @property
    def layers(self) -> list[Any]:
        """The layers, without the input layer."""
        layers = list(self._layers)
        return layers[1:] if layers and isinstance(layers[0], InputLayer) else layers

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`layers` lists the layers of a model and cannot be set. Use `add` and `pop`.")

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Returns the outputs as `KerasTensor`s for inputs of given shapes."""
        if self._functional is not None:
            return self._functional.compute_output_spec(inputs)
        outputs = inputs
        for layer in self.layers:
            outputs = layer.compute_output_spec(outputs)
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs for a shape of the inputs."""
        if self._functional is not None:
            return self._functional.compute_output_shape(input_shape)
        shape = input_shape
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def _graph_attribute(self, name: str) -> Any:
        if self._functional is None:
            raise AttributeError(
                f"Sequential model '{self.name}' is not built, so it has no `{name}` yet. Put an Input first, call "
                "the model on data, or call `build(input_shape)`."
            )
        return getattr(self._functional, name)

    @property
    def input_shape(self) -> Any:
        """The shape of the input."""
        return self._graph_attribute("input_shape")

    @property
    def output_shape(self) -> Any:
        """The shape of the output."""
        return self._graph_attribute("output_shape")

    @property
    def inputs(self) -> list[Any]:
        """The symbolic inputs, flat."""
        return self._graph_attribute("inputs")

    @property
    def outputs(self) -> list[Any]:
        """The symbolic outputs, flat."""
        return self._graph_attribute("outputs")

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return self._graph_attribute("input_names")

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs."""
        return self._graph_attribute("output_names")

    @property
    def input_dtype(self) -> str:
        """The dtype of the inputs."""
        if self._layers and isinstance(self._layers[0], InputLayer):
            return self._layers[0].dtype
        return super().input_dtype

    def get_config(self) -> dict[str, Any]:
        """Returns the layers' configurations, in Keras' format."""
        from ironhorn.saving import registry

        config = {
            **Layer.get_config(self),
            "layers": [registry.serialize_keras_object(layer) for layer in self._layers],
        }
        if self._functional is not None:
            config["build_input_shape"] = self._layers[0].batch_shape
        return copy.deepcopy(config)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes a model, with new weights, from what `get_config` returned."""
        if "name" not in config or "layers" not in config:
            raise ValueError(
                "The configuration of a Sequential model needs the keys 'name' and 'layers'. Received: "
                f"{sorted(config)}."
            )
        from ironhorn.saving import registry

        model = cls(name=config["name"])
        if config.get("dtype") is not None:
            model.dtype_policy = dtype_policies.get(config["dtype"])
        for layer in config["layers"]:
            model.add(registry.deserialize_keras_object(layer, custom_objects=custom_objects), rebuild=False)
        if model._layers:
            model._maybe_rebuild()
        shape = config.get("build_input_shape")
        if model._functional is None and shape is not None and is_shape(shape) and model.layers:
            model.build(tuple(shape))
        if config.get("trainable") is False:
            model.trainable = False
        return model


def _is_texts(value: Any) -> bool:
    """Whether a value is an array or list of texts."""
    if isinstance(value, list | tuple):
        return bool(value) and (isinstance(value[0], str | bytes) or _is_texts(value[0]))
    return getattr(getattr(value, "dtype", None), "kind", "") in "USO"


def _check_takes_one_tensor(layer: Any, model: Any) -> None:
    """Raises an error if a layer cannot be part of a stack."""
    parameters = [
        parameter
        for parameter in layer._call_signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    required = [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
    ]
    if not parameters or len(required) > 1:
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) cannot be part of the Sequential model '{model.name}': its "
            f"`call` needs the arguments {required}, but a stack passes one tensor. Build the model with "
            "Model(inputs, outputs) instead."
        )
