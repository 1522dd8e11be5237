"""The base class of models: layers, training, saving, summary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn.layers.auto_config import signature_of_constructor
from ironhorn.layers.layer import Layer
from ironhorn.training.trainer import Trainer


class Model(Trainer, Layer):
    """A layer that can be trained, evaluated, used for prediction and saved.

    There are three ways to make one: `Model(inputs, outputs)` of symbolic tensors, a subclass with layers as attributes
    and a `call` method, and `Sequential([...])`.

    Args:
        inputs: A symbolic tensor or nest of them, made by `Input`.
        outputs: Symbolic tensors computed from them.
        name: Name of the model.
        trainable: Whether the weights should be trained.

    Example:
        >>> inputs = ironhorn.Input((3,))
        >>> model = ironhorn.Model(inputs, ironhorn.layers.Dense(2)(inputs))
        >>> class TwoLayers(ironhorn.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.first = ironhorn.layers.Dense(8, activation="relu")
        ...         self.second = ironhorn.layers.Dense(1)
        ...     def call(self, inputs):
        ...         return self.second(self.first(inputs))
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes an empty model: a `Functional` if inputs and outputs are given."""
        if cls is Model and _are_functional(args, kwargs):
            from ironhorn.models.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        Trainer.__init__(self)
        if _are_functional(args, kwargs):
            from ironhorn.models.functional import Functional

            _insert_functional(type(self))
            Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]
        else:
            Layer.__init__(self, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the model on tensors or arrays: as one program where that makes no difference, see `WholeCall`."""
        if len(args) == 1 and not kwargs:
            whole = self.__dict__.get("_whole_call")
            if whole is None:
                from ironhorn.models.whole_call import WholeCall

                whole = WholeCall(self)
                object.__setattr__(self, "_whole_call", whole)
            outputs = whole(args[0])
            if outputs is not NotImplemented:
                return outputs
        return super().__call__(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy or pickle keeps: not the programs, which are traced anew."""
        state = super().__getstate__()
        for name in ("_step_functions", "_ready_to_predict", "_whole_call", "_trained_by", "_fit_position"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        Trainer.__init__(self)
        super().__setstate__(state)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs. Override it in a subclass."""
        raise NotImplementedError(
            f"Model class {type(self).__name__} has no `call` method. Add one: `def call(self, inputs): ...`."
        )

    def _on_host(self, inputs: Any) -> Any:
        """Returns inputs with the layers applied that work on the host, such as `TextVectorization`.

        Training and prediction call it before data becomes batches of a program; the model takes what it returns.
        """
        return inputs

    @property
    def layers(self) -> list[Any]:
        """The layers of the model."""
        return self._flatten_layers(include_self=False, recursive=False)

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`layers` lists the layers of a model and cannot be set. Choose another name.")

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Returns a layer by name or place.

        Args:
            name: Name of the layer.
            index: Its place in `layers`.

        Raises:
            ValueError: If there is none, or not exactly one argument is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"Give either a name or an index. Received: name={name!r}, index={index!r}.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"Model '{self.name}' has {len(layers)} layers, so there is none at index {index}.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"Model '{self.name}' has no layer named '{name}'. Its layers are: {[layer.name for layer in layers]}."
        )

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """Returns the values of all variables as nested dictionaries.

        Args:
            value_format: `"backend_tensor"` or `"numpy_array"`.

        Returns:
            A dictionary with the keys `trainable_variables`, `non_trainable_variables`, `optimizer_variables` and
            `metrics_variables`; in each, the parts of a variable's path are the keys.

        Example:
            >>> state = model.get_state_tree("numpy_array")
            >>> model.set_state_tree(state)
        """
        from ironhorn.models.state_tree import state_tree

        return state_tree(self._variables_by_kind(), value_format)

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Assigns values to variables; those that the tree does not name stay.

        Args:
            state_tree: What `get_state_tree` returned, or a part of it.
        """
        from ironhorn.models.state_tree import assign_state_tree

        assign_state_tree(self._variables_by_kind(), state_tree)

    def _variables_by_kind(self) -> dict[str, list[Any]]:
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": [] if self.optimizer is None else self.optimizer.variables,
            "metrics_variables": self.metrics_variables,
        }

    def summary(
        self,
        line_length: int | None = None,
        positions: list[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints a table of the layers, their output shapes and numbers of weights.

        Args:
            line_length: Width of the table in characters.
            positions: Ends of the columns as shares of the width.
            print_fn: Called with the text, instead of printing it.
            expand_nested: Whether to list the layers of inner models.
            show_trainable: Whether to show which layers are trained.
            layer_range: Pair of names (or regular expressions): the first and the last layer to list.
        """
        from ironhorn.models.summary import print_summary

        print_summary(
            self,
            line_length=line_length,
            positions=positions,
            print_fn=print_fn,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    def _repr_html_(self) -> str:
        """Returns what a notebook shows of the model: the table of `summary`, and the graph to unfold."""
        from ironhorn.models.summary import html_summary

        return html_summary(self)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Saves architecture, weights and the optimizer's state.

        Args:
            filepath: Path that ends in `.keras` (or `.h5` for the older format).
            overwrite: Whether to replace an existing file without asking.
            zipped: Whether to write one file; `None` decides by the path.
            **kwargs: Options of the older format.

        Example:
            >>> model.save("model.keras")
            >>> again = ironhorn.saving.load_model("model.keras")
        """
        from ironhorn import saving

        saving.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Saves the weights.

        Args:
            filepath: Path that ends in `.weights.h5`.
            overwrite: Whether to replace an existing file without asking.
            max_shard_size: Not supported; must be `None`.
        """
        from ironhorn import saving
        from ironhorn.errors import UnsupportedError

        if max_shard_size is not None:
            raise UnsupportedError(
                f"`max_shard_size={max_shard_size}`: weights in several files are not supported. Leave it out to "
                "write one file."
            )
        saving.save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Loads the weights from a file that `save_weights` or `save` wrote.

        Args:
            filepath: Path of the file.
            skip_mismatch: Whether to leave weights out whose number or shape differs, with a warning.
            **kwargs: Options of the older format.
        """
        from ironhorn import saving

        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """Returns the architecture as a JSON text.

        Args:
            **kwargs: Options of `json.dumps`.
        """
        import json

        from ironhorn.saving import registry

        return json.dumps(registry.serialize_keras_object(self), **kwargs)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Makes a model, with new weights, from what `get_config` returned.

        Args:
            config: The configuration.
            custom_objects: Names of classes and functions that are not built in.
        """
        from ironhorn.models.functional import Functional, functional_from_config

        graph_keys = {"name", "layers", "input_layers", "output_layers"}
        if graph_keys <= set(config) and (cls in (Model, Functional) or takes_graph(cls)):
            return functional_from_config(cls, dict(config), custom_objects=custom_objects)
        return super().from_config(config)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a model, with new weights, from what `to_json` returned.

    Args:
        json_string: The text.
        custom_objects: Names of classes and functions that are not built in.
    """
    import json

    from ironhorn.saving import registry

    return registry.deserialize_keras_object(json.loads(json_string), custom_objects=custom_objects)


def takes_graph(cls: type) -> bool:
    """Whether a class can be made from inputs and outputs, as `Functional` is."""
    from ironhorn.models.functional import Functional

    own = list(signature_of_constructor(cls).parameters.values())
    kinds = {parameter.kind for parameter in own}
    if {own[0].VAR_POSITIONAL, own[0].VAR_KEYWORD} <= kinds:
        return True
    wanted = [name for name in signature_of_constructor(Functional).parameters if name != "kwargs"]
    return [parameter.name for parameter in own if parameter.kind is parameter.POSITIONAL_OR_KEYWORD] == wanted


def _are_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether arguments of a constructor are inputs and outputs."""
    return len(args) == 2 or (len(args) == 1 and "outputs" in kwargs) or ("inputs" in kwargs and "outputs" in kwargs)


def _insert_functional(cls: type) -> type:
    """Makes a subclass of `Model` a subclass of `Functional`, as it calls `Model.__init__` with inputs and outputs."""
    from ironhorn.models.functional import Functional

    if cls is Model:
        return Functional
    if cls is object or issubclass(cls, Functional) or not issubclass(cls, Model):
        return cls
    cls.__bases__ = tuple(_insert_functional(base) for base in cls.__bases__)
    return cls
