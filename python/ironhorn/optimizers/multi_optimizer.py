"""`MultiOptimizer` and `OptimizerMap`: an optimizer for every part of a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from ironhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer
from ironhorn.optimizers.optimizer import Optimizer


class OptimizerMap(MutableMapping[str, Optimizer]):
    """Optimizers by the paths of variables.

    Args:
        default_optimizer: The optimizer of variables that no entry matches.
        optimizer_map: The first entries: path, or regular expression that matches whole paths, to optimizer.

    Raises:
        TypeError: If an argument is not of these types.
        ValueError: On reading, if a path matches two expressions; on setting, if there is an entry already.

    Example:
        >>> from ironhorn import optimizers
        >>> chosen = optimizers.OptimizerMap(optimizers.SGD(), {"encoder/.*": optimizers.Adam()})
        >>> type(chosen["encoder/kernel"]).__name__, type(chosen["decoder/kernel"]).__name__
        ('Adam', 'SGD')
    """

    def __init__(self, default_optimizer: Any, optimizer_map: dict[str, Any] | None = None):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(f"`default_optimizer` must be an Optimizer. Received: {default_optimizer!r}")
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(f"`optimizer_map` must be a dict of optimizers. Received: {optimizer_map!r}")
        self._default_optimizer = default_optimizer
        self._optimizer_map: dict[str, Any] = {} if optimizer_map is None else optimizer_map

    @property
    def default_optimizer(self) -> Any:
        """The optimizer of variables that no entry matches."""
        return self._default_optimizer

    def __getitem__(self, path: str) -> Any:
        if path in self._optimizer_map:
            return self._optimizer_map[path]
        found = [pattern for pattern in self._optimizer_map if re.fullmatch(pattern, path)]
        if len(found) > 1:
            raise ValueError(f"The variable {path!r} matches several entries of the OptimizerMap: {found}. Keep one.")
        return self._optimizer_map[found[0]] if found else self._default_optimizer

    def __setitem__(self, path: str, optimizer: Any) -> None:
        if path in self._optimizer_map:
            raise ValueError(f"The OptimizerMap has an optimizer for {path!r} already. Delete it first.")
        if not isinstance(path, str):
            raise ValueError(f"Keys of an OptimizerMap are paths of variables. Received: {path!r}")
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"Values of an OptimizerMap are optimizers. Received: {optimizer!r}")
        _refuse_wrappers(optimizer)
        self._optimizer_map[path] = optimizer

    def __delitem__(self, path: str) -> None:
        del self._optimizer_map[path]

    def __len__(self) -> int:
        return len(self._optimizer_map)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizer_map)

    def __call__(self, variable: Any) -> Any:
        """Returns the optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.saving.registry import serialize_keras_object

        return {
            "default_optimizer": serialize_keras_object(self._default_optimizer),
            "optimizer_map": serialize_keras_object(self._optimizer_map),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> OptimizerMap:
        """Makes a map from what `get_config` returned."""
        from ironhorn.saving.registry import deserialize_keras_object

        default = deserialize_keras_object(config["default_optimizer"], custom_objects=custom_objects)
        return cls(default, deserialize_keras_object(config["optimizer_map"], custom_objects=custom_objects))


class MultiOptimizer(Optimizer):
    """Gives every variable to an optimizer of its own choice.

    There is no common learning rate: each of `optimizers` has its own, and a callback that changes
    `model.optimizer.learning_rate` cannot be used.

    Args:
        optimizer_map: An `OptimizerMap`, or a function from a variable to its optimizer.
        loss_scale_factor: Set on all optimizers.
        name: Name of the optimizer.

    Raises:
        ValueError: When built, if a variable's optimizer is none, or wraps others.

    Example:
        ```python
        slow, fast = keras.optimizers.SGD(1e-4), keras.optimizers.Adam(1e-2)
        model.compile(keras.optimizers.MultiOptimizer(lambda v: slow if "encoder" in v.path else fast), "mse")
        ```
    """

    def __init__(self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None):
        self._inner_optimizers: list[Any] = []
        self._loss_scale_factor: float | None = None
        super().__init__(learning_rate=0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._optimizer_map = optimizer_map
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._number_of(optimizer)

    def _number_of(self, optimizer: Any) -> int:
        """The place of an optimizer among `optimizers`, which it joins if it is not there."""
        for number, known in enumerate(self._inner_optimizers):
            if known is optimizer:
                return number
        optimizer.loss_scale_factor = self.loss_scale_factor
        self._inner_optimizers.append(optimizer)
        return len(self._inner_optimizers) - 1

    def build(self, variables: Sequence[Any]) -> None:
        """Chooses an optimizer for every variable and builds the optimizers."""
        if self.built:
            return
        self._chosen: dict[int, int] = {}
        for variable in variables:
            optimizer = self._optimizer_map(variable)
            if not isinstance(optimizer, Optimizer):
                raise ValueError(
                    f"The optimizer map of a MultiOptimizer must give an Optimizer for every variable. For "
                    f"{variable.path!r} it gave {optimizer!r}."
                )
            _refuse_wrappers(optimizer)
            self._chosen[id(variable)] = self._number_of(optimizer)
        for number, optimizer in enumerate(self._inner_optimizers):
            own = [variable for variable in variables if self._chosen[id(variable)] == number]
            if own:
                optimizer.build(own)
        super().build(variables)

    @property
    def optimizers(self) -> list[Any]:
        """The optimizers, each once."""
        return self._inner_optimizers

    @property
    def variables(self) -> list[Any]:
        """The number of steps, then the variables of each optimizer."""
        return self._variables + [variable for inner in self._inner_optimizers for variable in inner.variables]

    @property
    def learning_rate(self) -> Any:
        """There is none; each of `optimizers` has its own."""
        raise AttributeError("A MultiOptimizer has no learning rate. Read or set that of each of `.optimizers`.")

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        raise AttributeError("A MultiOptimizer has no learning rate. Read or set that of each of `.optimizers`.")

    @property
    def loss_scale_factor(self) -> float | None:
        """The factor of the loss, the same for all optimizers."""
        return self._loss_scale_factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, factor: float | None) -> None:
        self._loss_scale_factor = factor
        for optimizer in self._inner_optimizers:
            optimizer.loss_scale_factor = factor

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Gives each optimizer the gradients of its variables."""
        if len(grads) == 0:
            return
        variables = self._trainable_variables if trainable_variables is None else list(trainable_variables)
        if not self.built:
            if trainable_variables is None:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built. Call "
                    "`optimizer.build(trainable_variables)` first."
                )
            self.build(variables)
        if len(grads) != len(variables):
            raise ValueError(f"Received {len(grads)} gradients for {len(variables)} variables: there must be one each.")
        for variable in variables:
            self._get_variable_index(variable)
        for number, optimizer in enumerate(self._inner_optimizers):
            pairs = zip(grads, variables, strict=True)
            own = [(gradient, variable) for gradient, variable in pairs if self._chosen[id(variable)] == number]
            if any(gradient is not None for gradient, _ in own):
                optimizer.apply([gradient for gradient, _ in own], [variable for _, variable in own])
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Lets each optimizer put averages in the place of its weights, if it keeps them."""
        for number, optimizer in enumerate(self._inner_optimizers):
            own = [variable for variable in var_list if self._chosen.get(id(variable)) == number]
            if own:
                optimizer.finalize_variable_values(own)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all variables, in the order of `variables`."""
        variables = self.variables
        if not self.built or len(weights) != len(variables):
            raise ValueError(f"Received {len(weights)} arrays for the {len(variables)} variables of {self.name}.")
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer, without its state."""
        from ironhorn.saving.registry import serialize_keras_object

        return {
            "optimizer_map": serialize_keras_object(self._optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> MultiOptimizer:
        """Makes an optimizer from what `get_config` returned."""
        from ironhorn.saving.registry import deserialize_keras_object

        config = dict(config)
        config["optimizer_map"] = deserialize_keras_object(config["optimizer_map"], custom_objects=custom_objects)
        return cls(**config)


def _refuse_wrappers(optimizer: Any) -> None:
    if isinstance(optimizer, LossScaleOptimizer | MultiOptimizer):
        raise ValueError(
            f"A {type(optimizer).__name__} cannot be one of several optimizers. Give plain optimizers, and wrap the "
            "MultiOptimizer instead if the loss is to be scaled."
        )
