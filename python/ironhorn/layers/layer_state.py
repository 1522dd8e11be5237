"""The state of a layer: its variables, their values, and their way into files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from ironhorn import backend, constraints, initializers, ops, regularizers
from ironhorn.errors import NotBuiltError, UnsupportedError
from ironhorn.layers.tracking import Tracker


class LayerState:
    """The part of `Layer` that has to do with variables."""

    name: str
    built: bool
    trainable: bool
    _tracker: Tracker
    _trainable_variables: list[Any]
    _non_trainable_variables: list[Any]
    _seed_generators: list[Any]
    _metrics: list[Any]
    _layers: list[Any]

    if TYPE_CHECKING:

        @property
        def variable_dtype(self) -> str:
            """The dtype of the weights."""

        @property
        def losses(self) -> list[Any]:
            """Losses of the last call."""

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            """Calls the layer."""

        def _check_initialized(self) -> None: ...

        def _scope(self) -> AbstractContextManager[None]: ...

    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str | None = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Any:
        """Makes a weight of this layer.

        Args:
            shape: Shape of the weight, without `None`; `()` if not given.
            initializer: What gives the first value; `"glorot_uniform"` for floats and `"zeros"` for others if not
                given.
            dtype: Dtype of the weight; the layer's `variable_dtype` if not given.
            trainable: Whether an optimizer changes it.
            autocast: Whether layers that compute in another dtype than that of their weights read it in that dtype.
            regularizer: Penalty on the weight, added to the loss.
            constraint: Projection applied after each update.
            aggregation: How replicas are combined: `"none"`, `"mean"`, `"sum"` or `"only_first_replica"`.
            overwrite_with_gradient: Not supported; must be `False`.
            name: Name of the weight.

        Returns:
            A `Variable`.

        Raises:
            ValueError: If the shape is not fully known, or the layer is built and takes no further state.
        """
        self._check_initialized()
        if isinstance(shape, str):
            raise ValueError(
                f"The first argument of `add_weight` is the shape. Received: {shape!r}. Write "
                f"add_weight(shape=..., name={shape!r})."
            )
        if overwrite_with_gradient:
            raise UnsupportedError(
                f"Layer '{self.name}': `overwrite_with_gradient=True` is for float8 training, which is not supported. "
                "Leave it False."
            )
        sizes = backend.standardize_shape(() if shape is None else shape)
        if any(size is None for size in sizes):
            raise ValueError(
                f"Layer '{self.name}' cannot make the weight '{name}' of shape {sizes}: every size must be known. Give "
                "the missing sizes in `Input(shape=...)`, or build the layer with them."
            )
        dtype = self.variable_dtype if dtype is None else backend.standardize_dtype(dtype)
        if initializer is None:
            initializer = "glorot_uniform" if "float" in dtype else "zeros"
        with self._scope():
            variable = backend.Variable(
                initializer=initializers.get(initializer),
                shape=sizes,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        variable.aggregation = aggregation or "none"
        self._track_variable(variable)
        return variable

    def add_variable(self, shape: Sequence[int], initializer: Any, **kwargs: Any) -> Any:
        """Makes a weight of this layer; the same as `add_weight`."""
        return self.add_weight(shape=shape, initializer=initializer, **kwargs)

    def _track_variable(self, variable: Any) -> None:
        self._tracker.add("trainable_variables" if variable.trainable else "non_trainable_variables", variable)
        if not self.trainable:
            variable.trainable = False

    def _untrack_variable(self, variable: Any) -> None:
        self._tracker.remove(variable)

    def _lock_state(self) -> None:
        self._tracker.lock(
            f"Layer '{self.name}' is built and takes no further variables or layers. Make all of them in `__init__` or "
            "`build`."
        )

    @property
    def variables(self) -> list[Any]:
        """All state of the layer and its inner layers: weights and seeds, each once."""
        found: dict[int, Any] = {}
        for variable in (*self._trainable_variables, *self._non_trainable_variables):
            found.setdefault(id(variable), variable)
        for generator in self._seed_generators:
            found.setdefault(id(generator.state), generator.state)
        for layer in self._layers:
            for variable in layer.variables:
                found.setdefault(id(variable), variable)
        return list(found.values())

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that training changes."""
        return [variable for variable in self.variables if variable.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The variables that training leaves alone, seeds included."""
        return [variable for variable in self.variables if not variable.trainable] if self.trainable else self.variables

    @property
    def weights(self) -> list[Any]:
        """The weights of the layer and its inner layers, each once; without seeds."""
        found: dict[int, Any] = {}
        for variable in (*self._trainable_variables, *self._non_trainable_variables):
            found.setdefault(id(variable), variable)
        for layer in self._layers:
            for variable in layer.weights:
                found.setdefault(id(variable), variable)
        return list(found.values())

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that training changes."""
        return [variable for variable in self.weights if variable.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that training leaves alone."""
        return [variable for variable in self.weights if not variable.trainable] if self.trainable else self.weights

    @property
    def metrics(self) -> list[Any]:
        """The metrics of the layer and its inner layers."""
        metrics = list(self._metrics)
        for layer in self._layers:
            metrics.extend(layer.metrics)
        return metrics

    @property
    def metrics_variables(self) -> list[Any]:
        """The variables of the metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def get_weights(self) -> list[np.ndarray]:
        """Returns the values of `weights` as NumPy arrays."""
        return [variable.numpy() for variable in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of `weights`.

        Args:
            weights: One array for each of `weights`, of its shape.

        Raises:
            ValueError: If number or shapes differ; no weight is changed then.
        """
        variables = self.weights
        expected = [(variable.path, tuple(variable.shape)) for variable in variables]
        if len(variables) != len(weights):
            remedy = "Build the layer first, by calling it." if not self.built else "Pass one array for each weight."
            raise ValueError(
                f"`set_weights` of layer '{self.name}' got {len(weights)} arrays, but the layer has {len(variables)} "
                f"weights: {expected}. {remedy}"
            )
        arrays = [np.asarray(value) for value in weights]
        for variable, array in zip(variables, arrays, strict=True):
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"`set_weights` of layer '{self.name}': weight '{variable.path}' has shape "
                    f"{tuple(variable.shape)}, but the array for it has shape {array.shape}. Pass the arrays in the "
                    f"order and with the shapes of `layer.weights`: {expected}."
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """Returns how many numbers the weights hold.

        Raises:
            NotBuiltError: If the layer has no weights yet.
        """
        if not self.built:
            raise NotBuiltError(
                f"Layer '{self.name}' is not built, so its weights cannot be counted. Call it on data, or call "
                "`build(input_shape)`."
            )
        return sum(math.prod(variable.shape) for variable in self.weights)

    def stateless_call(
        self,
        trainable_variables: Sequence[Any],
        non_trainable_variables: Sequence[Any],
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Calls the layer with given values of its variables, and leaves the variables as they were.

        Args:
            trainable_variables: Values for `self.trainable_variables`.
            non_trainable_variables: Values for `self.non_trainable_variables`.
            *args: Arguments of the call.
            return_losses: Whether to return the losses made during the call too.
            **kwargs: Keyword arguments of the call.

        Returns:
            `(outputs, non_trainable_variables)`, or `(outputs, non_trainable_variables, losses)`.
        """
        if not self.built:
            raise NotBuiltError(f"Layer '{self.name}' is not built. Call it on data before `stateless_call`.")
        own = (self.trainable_variables, self.non_trainable_variables)
        given = (list(trainable_variables), list(non_trainable_variables))
        for kind, variables, values in zip(("trainable", "non_trainable"), own, given, strict=True):
            if len(variables) != len(values):
                raise ValueError(
                    f"`stateless_call` of layer '{self.name}' needs one value for each of its {len(variables)} "
                    f"{kind} variables. Received {len(values)}."
                )
        variables = own[0] + own[1]
        before = [ops.convert_to_tensor(variable.value) for variable in variables]
        try:
            for variable, value in zip(variables, given[0] + given[1], strict=True):
                variable.assign(value)
            outputs = self(*args, **kwargs)
            losses = list(self.losses) if return_losses else []
            after = [ops.convert_to_tensor(variable.value) for variable in own[1]]
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
        return (outputs, after, losses) if return_losses else (outputs, after)

    def save_own_variables(self, store: Any) -> None:
        """Puts the layer's own variables, without inner layers, into a dictionary of arrays.

        Args:
            store: The dictionary; keys are `"0"`, `"1"`, ...
        """
        for index, variable in enumerate(self._trainable_variables + self._non_trainable_variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Sets the layer's own variables from a dictionary that `save_own_variables` filled.

        Args:
            store: The dictionary.

        Raises:
            ValueError: If number or shapes differ.
        """
        variables = self._trainable_variables + self._non_trainable_variables
        self._check_load_own_variables(store)
        for index, variable in enumerate(variables):
            value = np.asarray(store[str(index)])
            if value.shape != tuple(variable.shape):
                raise ValueError(
                    f"Layer '{self.name}': the file has shape {value.shape} for the weight '{variable.path}', which "
                    f"has shape {tuple(variable.shape)}. Load into a model of the same architecture, or pass "
                    "`skip_mismatch=True`."
                )
            variable.assign(value)

    def _check_load_own_variables(self, store: Any) -> None:
        variables = self._trainable_variables + self._non_trainable_variables
        count = len(store.keys())
        if count == len(variables):
            return
        if not variables and not self.built:
            raise NotBuiltError(
                f"Layer '{self.name}' is not built and has no variables, but the file holds {count} for it. If another "
                "layer owns it, that layer's `build` must build it too; if its `build` takes other arguments than a "
                "shape, implement `get_build_config` and `build_from_config`."
            )
        raise ValueError(
            f"Layer '{self.name}' has {len(variables)} variables, {[variable.name for variable in variables]}, but the "
            f"file holds {count} for it. Load into a model of the same architecture, or pass `skip_mismatch=True`."
        )
