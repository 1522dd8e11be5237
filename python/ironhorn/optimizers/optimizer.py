"""`Optimizer`, the base of all optimizers: its variables, clipping, weight decay, averaging and the update order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ironhorn import backend, ops
from ironhorn.errors import UnsupportedError
from ironhorn.optimizers.schedules import LearningRateSchedule


class Optimizer:
    """Base class of optimizers.

    A subclass makes its variables in `build` and defines `update_step`, in terms of `ironhorn.ops`; the update then
    runs inside the training step. Optimizers whose step is a row of the engine's table derive from `RuleOptimizer`.

    Args:
        learning_rate: A float, a `LearningRateSchedule`, or a callable without arguments. A callable is called
            while the training step is traced: what it returns is then fixed, unless it returns a `Variable`.
        weight_decay: Fraction by which weights shrink per step, times the learning rate; `None` for none.
        clipnorm: Largest norm of each gradient.
        clipvalue: Largest absolute value of each gradient's entries.
        global_clipnorm: Largest norm of all gradients together.
        use_ema: Whether to keep an exponential moving average of the weights, which replaces them when `fit` ends.
        ema_momentum: Share of the old average that is kept per step; in [0, 1].
        ema_overwrite_frequency: Replace the weights by their average every so many steps; `None` for only at the end.
        loss_scale_factor: Factor applied to the loss before gradients are taken and divided out afterwards.
        gradient_accumulation_steps: Update the weights only every so many steps, with the average of the steps'
            gradients; at least 2. `iterations` then counts updates. `None` updates in every step.
        name: Name of the optimizer and scope of its variables.

    Raises:
        ValueError: For values out of range or more than one clipping argument.

    Example:
        ```python
        class Plain(Optimizer):
            def update_step(self, gradient, variable, learning_rate):
                self.assign_sub(variable, gradient * learning_rate)
        ```
    """

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        self._variables: list[Any] = []
        if kwargs:
            raise ValueError(f"Argument(s) not recognized: {kwargs}")
        if gradient_accumulation_steps and not gradient_accumulation_steps >= 2:
            raise ValueError(
                "`gradient_accumulation_steps` must be an integer >= 2, or None to update in every step. Received: "
                f"gradient_accumulation_steps={gradient_accumulation_steps}"
            )
        clipping = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        if sum(value is not None for value in clipping.values()) > 1:
            received = ", ".join(f"{key}={value}" for key, value in clipping.items())
            raise ValueError(
                f"Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: {received}"
            )
        if use_ema:
            if not 0 <= ema_momentum <= 1:
                raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={ema_momentum}")
            if ema_overwrite_frequency is not None and (
                not isinstance(ema_overwrite_frequency, int) or ema_overwrite_frequency < 1
            ):
                raise ValueError(
                    "`ema_overwrite_frequency` must be an integer >= 1 or None. "
                    f"Received: ema_overwrite_frequency={ema_overwrite_frequency}"
                )
        self.name = name or backend.auto_name(self.__class__.__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._trainable_variables: list[Any] = []
        self._variable_index: dict[int, int] = {}
        self._model_variables_moving_average: list[Any] = []
        self._accumulated_gradients: list[Any] = []
        self._undecayed: set[int] = set()
        self._undecayed_names: tuple[str, ...] = ()
        with backend.name_scope(self.name):
            self._iterations = backend.Variable(0, dtype="int64", trainable=False, name="iteration")
        if isinstance(learning_rate, LearningRateSchedule) or callable(learning_rate):
            self._learning_rate = learning_rate
        elif isinstance(learning_rate, float):
            with backend.name_scope(self.name):
                self._learning_rate = backend.Variable(
                    learning_rate, dtype=backend.floatx(), trainable=False, name="learning_rate"
                )
        else:
            raise ValueError(
                "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a callable "
                f"without arguments that returns it. Received instead: learning_rate={learning_rate!r}"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy or pickle keeps: variables in the place of their identities."""
        undecayed = [variable for variable in self._trainable_variables if id(variable) in self._undecayed]
        return {**self.__dict__, "_variable_index": {}, "_undecayed": undecayed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._undecayed = {id(variable) for variable in state["_undecayed"]}
        self._variable_index = {id(variable): index for index, variable in enumerate(self._trainable_variables)}

    @property
    def iterations(self) -> Any:
        """The number of updates: a variable, or with gradient accumulation a tensor computed from one."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def variables(self) -> list[Any]:
        """The optimizer's variables in the order in which files store them."""
        return list(self._variables)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate: the variable, or what the schedule gives for the current step."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        if isinstance(self._learning_rate, backend.Variable):
            return self._learning_rate
        return self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        previous = self._learning_rate
        if not isinstance(learning_rate, backend.Variable) and callable(learning_rate):
            self._learning_rate = learning_rate
            self._variables = [variable for variable in self._variables if variable is not previous]
        elif isinstance(previous, backend.Variable):
            previous.assign(learning_rate)
        else:
            raise TypeError(
                "This optimizer was created with a LearningRateSchedule or a callable as its `learning_rate`, so its "
                "learning rate cannot be set. Create it with a float `learning_rate` to change it later."
            )

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the optimizer's variables for the given model variables.

        Args:
            variables: The trainable variables, in order.
        """
        self._check_super_called()
        if self.use_ema:
            self._model_variables_moving_average = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulated_gradients = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._variable_index = {id(variable): index for index, variable in enumerate(variables)}
        self._trainable_variables = list(variables)
        self.built = True

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Any:
        """Adds a variable to the optimizer.

        Args:
            shape: Its shape.
            initializer: Name, initializer or array of its initial value.
            dtype: Its dtype; the default float type when `None`.
            aggregation: How replicas would be combined; stored on the variable.
            layout: Not supported; `None` is the only value.
            name: Its name.

        Returns:
            The variable.
        """
        from ironhorn import initializers

        self._check_super_called()
        if layout is not None:
            raise UnsupportedError("Tensor layouts are not supported: leave out `layout`.")
        with backend.name_scope(self.name):
            variable = backend.Variable(
                initializer=initializers.get(initializer),
                shape=tuple(shape),
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                name=name,
            )
        self._track_variable(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Any, name: str | None = None, initializer: Any = "zeros"
    ) -> Any:
        """Adds a variable of the shape and dtype of a model variable, named after both.

        Args:
            reference_variable: The model variable.
            name: What it holds, `"momentum"` for example.
            initializer: Its initial value.

        Returns:
            The variable; its name is the model variable's path with `_` for `/`, then `_` and `name`.
        """
        path = getattr(reference_variable, "path", None) or reference_variable.name
        return self.add_variable(
            shape=reference_variable.shape,
            initializer=initializer,
            dtype=reference_variable.dtype,
            name=f"{path.replace('/', '_').replace(':', '_')}_{name or 'var'}",
        )

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Any], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """Adds one or more variables per model variable.

        Args:
            trainable_variables: The model variables.
            name: One name, or several for several variables each; those of one model variable are neighbours
                in `variables`, as in Keras' files.
            initializer: One initializer, or one per name.

        Returns:
            A list of variables, or for several names a tuple of lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        many = isinstance(initializer, (list, tuple))
        initial_values = list(initializer) if many else [initializer] * len(names)
        if len(names) != len(initial_values):
            raise ValueError(
                "The number of names must match the number of initializers. "
                f"Received: name={name!r}, initializer={initializer!r}"
            )
        lists: tuple[list[Any], ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for slot, slot_name, value in zip(lists, names, initial_values, strict=True):
                slot.append(self.add_variable_from_reference(variable, name=slot_name, initializer=value))
        return lists[0] if isinstance(name, str) else lists

    def assign(self, variable: Any, value: Any) -> None:
        """Assigns to a variable, as an update does it."""
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        """Adds to a variable, as an update does it."""
        variable.assign_add(value)

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtracts from a variable, as an update does it."""
        variable.assign_sub(value)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable; subclasses override it.

        Args:
            gradient: Its gradient.
            variable: The variable.
            learning_rate: The current learning rate.
        """
        raise NotImplementedError(
            f"{self.__class__.__name__} must define update_step(self, gradient, variable, learning_rate)."
        )

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> Any:
        """Applies pairs of gradient and variable.

        Args:
            grads_and_vars: The pairs.

        Returns:
            The variable with the number of steps done.
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Updates the variables with the gradients.

        Clipping comes first, then weight decay, the update itself, averaging, and variable constraints.

        Args:
            grads: One gradient per variable; `None` where the loss does not depend on it.
            trainable_variables: The variables; those of `build` when `None`.

        Raises:
            ValueError: If the counts differ, a variable is unknown, or there is no gradient at all.
        """
        if len(grads) == 0:
            return
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built. Call "
                    "`optimizer.build(trainable_variables)` first."
                )
            trainable_variables = self._trainable_variables
        trainable_variables = list(trainable_variables)
        if len(grads) != len(trainable_variables):
            raise ValueError(
                f"Received {len(grads)} gradients for {len(trainable_variables)} variables: there must be one each."
            )
        if not self.built:
            self.build(trainable_variables)
        for variable in trainable_variables:
            self._get_variable_index(variable)

        grads, trainable_variables = self._without_missing_gradients(grads, trainable_variables)
        if self.loss_scale_factor is not None:
            grads = [gradient / self.loss_scale_factor for gradient in grads]
        if self.gradient_accumulation_steps:
            self._accumulate(grads, trainable_variables)
        else:
            self._update_variables(grads, trainable_variables)
        if self.use_ema:
            self._update_model_variables_moving_average()
        for variable in trainable_variables:
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable.value))
        self._iterations.assign_add(1)

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Makes a step with given values of all variables, and leaves the variables as they were.

        Args:
            optimizer_variables: Values for `variables`.
            grads: One gradient per trainable variable.
            trainable_variables: Values for the variables that the optimizer was built for.

        Returns:
            The values of the trainable variables and of the optimizer's variables after the step.

        Raises:
            ValueError: If the optimizer is not built, or counts differ.
        """
        if not self.built:
            raise ValueError(
                f"`stateless_apply` needs a built optimizer: call `build(trainable_variables)` of {self.name} first."
            )
        own = (self.variables, self._trainable_variables)
        given = (list(optimizer_variables), list(trainable_variables))
        for kind, variables, values in zip(("optimizer", "trainable"), own, given, strict=True):
            if len(variables) != len(values):
                raise ValueError(
                    f"`stateless_apply` of {self.name} needs one value for each of its {len(variables)} {kind} "
                    f"variables. Received {len(values)}."
                )
        variables = [*own[0], *own[1]]
        before = [ops.convert_to_tensor(variable.value) for variable in variables]
        try:
            for variable, value in zip(variables, [*given[0], *given[1]], strict=True):
                variable.assign(value)
            self.apply(grads)
            after, trained = ([ops.convert_to_tensor(variable.value) for variable in group] for group in own)
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
        return trained, after

    def _update_variables(self, grads: list[Any], variables: list[Any]) -> None:
        """Clips the gradients, shrinks the variables and takes the step."""
        grads = self._clip_gradients(grads)
        learning_rate = self.learning_rate
        decays = self._decays(variables)
        if not self._fused_update(grads, variables, learning_rate, decays):
            self._apply_weight_decay(variables, learning_rate)
            for gradient, variable in zip(grads, variables, strict=True):
                self.update_step(gradient, variable, learning_rate)
            self._after_update()

    def _accumulate(self, grads: list[Any], variables: list[Any]) -> None:
        """Adds the gradients to those of the steps before; in the last step of a group updates with their mean."""
        steps = self.gradient_accumulation_steps
        sums = [self._accumulated_gradients[self._get_variable_index(variable)] for variable in variables]
        totals = [ops.add(gradient, total) for gradient, total in zip(grads, sums, strict=True)]

        def update() -> None:
            self._update_variables([ops.divide(total, steps) for total in totals], variables)
            for total in self._accumulated_gradients:
                total.assign(ops.zeros(total.shape, dtype=total.dtype))

        def wait() -> None:
            for variable, total in zip(sums, totals, strict=True):
                variable.assign(total)

        ops.cond(ops.equal(ops.mod(ops.add(self._iterations, 1), steps), 0), update, wait)

    def scale_loss(self, loss: Any) -> Any:
        """Multiplies the loss by `loss_scale_factor`, if there is one.

        Args:
            loss: The loss.

        Returns:
            The loss whose gradients `apply` expects.
        """
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def exclude_from_weight_decay(
        self, var_list: Sequence[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Exempts variables from weight decay; call it before the first step.

        Args:
            var_list: Variables to exempt.
            var_names: Patterns: a variable whose name contains one of them is exempt; `["bias"]` for all biases.

        Raises:
            ValueError: If the optimizer is already built.
        """
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` can only be configured before the optimizer is built.")
        self._undecayed = {id(variable) for variable in var_list or ()}
        self._undecayed_names = tuple(var_names or ())

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Replaces the weights by their moving average, if `use_ema`; `fit` calls it at its end.

        Args:
            var_list: The trainable variables.
        """
        if self.use_ema:
            for variable in var_list:
                average = self._model_variables_moving_average[self._get_variable_index(variable)]
                variable.assign(average.value)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all optimizer variables.

        Args:
            weights: One array per variable, in the order of `variables`.

        Raises:
            ValueError: If the optimizer is not built, or counts or shapes differ.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Call "
                "`optimizer.build(trainable_variables)` first."
            )
        if len(weights) != len(self._variables):
            raise ValueError(f"Received {len(weights)} arrays for the {len(self._variables)} variables of {self.name}.")
        for variable, weight in zip(self._variables, weights, strict=True):
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {tuple(variable.shape)}, not compatible with "
                    f"provided weight shape {tuple(weight.shape)}."
                )
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Writes the variables to a store under "0", "1", ..., as Keras does.

        Args:
            store: A mapping, such as an HDF5 group.
        """
        for index, variable in enumerate(self.variables):
            store[str(index)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads the variables from a store.

        Args:
            store: What `save_own_variables` filled. With another number of variables nothing is loaded and a
                warning says so, as in Keras.
        """
        variables = self.variables
        if len(store.keys()) != len(variables):
            import warnings

            hint = "" if self.built else " The optimizer has not been built yet: build it before loading."
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has {len(variables)} "
                f"variables whereas the saved optimizer has {len(store.keys())} variables.{hint}",
                stacklevel=2,
            )
            return
        for index, variable in enumerate(variables):
            variable.assign(store[str(index)])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer, without its state."""
        if isinstance(self._learning_rate, backend.Variable):
            learning_rate: Any = float(self._learning_rate.numpy())
        else:
            from ironhorn.saving.registry import serialize_keras_object

            learning_rate = serialize_keras_object(self._learning_rate)
        return {
            "name": self.name,
            "learning_rate": learning_rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
        """Makes an optimizer from what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Your own schedules and functions by name.

        Returns:
            The optimizer.
        """
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            from ironhorn.saving.registry import deserialize_keras_object

            config["learning_rate"] = deserialize_keras_object(config["learning_rate"], custom_objects=custom_objects)
        return cls(**config)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, backend.Variable):
            self._check_super_called()
            self._track_variable(value)
        super().__setattr__(name, value)

    def _check_super_called(self) -> None:
        if "_variables" not in self.__dict__:
            raise RuntimeError(
                f"In optimizer '{self.__class__.__name__}', you forgot to call `super().__init__()` as the first "
                "statement in the `__init__()` method."
            )

    def _track_variable(self, variable: Any) -> None:
        if not any(variable is known for known in self._variables):
            self._variables.append(variable)

    def _get_variable_index(self, variable: Any) -> int:
        index = self._variable_index.get(id(variable))
        if index is None:
            raise ValueError(
                f"Unknown variable: {getattr(variable, 'path', variable)}. This optimizer can only be called for the "
                "variables it was originally built with. When the set of trainable variables changes, call "
                "`model.compile(...)` again with a new optimizer."
            )
        return index

    def _without_missing_gradients(self, grads: Sequence[Any], variables: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Drops variables without a gradient, with a warning that names them."""
        present = [(grad, variable) for grad, variable in zip(grads, variables, strict=True) if grad is not None]
        if not present:
            raise ValueError(
                "No gradients provided for any variable: the loss does not depend on any of them. Is it computed "
                "inside the GradientTape, from the model's output, without converting to NumPy?"
            )
        if len(present) < len(variables):
            import warnings

            missing = [v.path for grad, v in zip(grads, variables, strict=True) if grad is None]
            warnings.warn(
                f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
                "`model.compile()`, did you forget to provide a `loss` argument?",
                stacklevel=3,
            )
        return [grad for grad, _ in present], [variable for _, variable in present]

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if self.clipnorm and self.clipnorm > 0:
            return [self._clip_by_norm(gradient) for gradient in grads]
        if self.global_clipnorm and self.global_clipnorm > 0:
            return clip_by_global_norm(grads, self.global_clipnorm)
        if self.clipvalue and self.clipvalue > 0:
            return [ops.clip(gradient, -self.clipvalue, self.clipvalue) for gradient in grads]
        return grads

    def _clip_by_norm(self, gradient: Any) -> Any:
        norm = ops.sqrt(ops.sum(ops.square(gradient)))
        return ops.divide(ops.multiply(gradient, self.clipnorm), ops.maximum(norm, self.clipnorm))

    def _use_weight_decay(self, variable: Any) -> bool:
        if id(variable) in self._undecayed:
            return False
        if self._undecayed_names:
            import re

            return re.search("|".join(self._undecayed_names), variable.name) is None
        return True

    def _decay_of(self, variable: Any) -> float | None:
        """The weight decay of a variable that is not excluded from it."""
        return self.weight_decay

    def _decays(self, variables: Sequence[Any]) -> list[float] | None:
        """The weight decay of every variable, or `None` if there is none at all."""
        decays = [(self._decay_of(v) if self._use_weight_decay(v) else None) or 0.0 for v in variables]
        return decays if any(decays) else None

    def _apply_weight_decay(self, variables: Sequence[Any], learning_rate: Any) -> None:
        for variable, decay in zip(variables, self._decays(variables) or (), strict=False):
            if decay:
                shrink = ops.multiply(ops.cast(learning_rate, variable.dtype), decay)
                variable.assign(ops.subtract(variable, ops.multiply(variable, shrink)))

    def _after_update(self) -> None:
        """Moves variables that belong to no single model variable; called after the last `update_step`."""

    def _fused_update(
        self, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any, decays: list[float] | None
    ) -> bool:
        """Updates all variables in one engine op if there is one; returns whether it did."""
        return False

    def _update_model_variables_moving_average(self, variables: Sequence[Any] | None = None) -> None:
        overwrite = None
        if self.ema_overwrite_frequency:
            step = ops.add(self.iterations, 1)
            overwrite = ops.equal(ops.mod(step, self.ema_overwrite_frequency), 0)
        for variable in self._trainable_variables if variables is None else variables:
            average = self._model_variables_moving_average[self._get_variable_index(variable)]
            seen = ops.cast(ops.not_equal(self.iterations, 0), variable.dtype)
            momentum = ops.multiply(seen, self.ema_momentum)
            new_average = ops.add(
                ops.multiply(momentum, average), ops.multiply(ops.subtract(1.0, momentum), variable.value)
            )
            average.assign(new_average)
            if overwrite is not None:
                variable.assign(ops.where(overwrite, new_average, variable.value))


def global_norm(values: Sequence[Any]) -> Any:
    """Returns the norm of all values together.

    Args:
        values: Tensors of any shapes.

    Returns:
        A scalar tensor.
    """
    total = ops.sum(ops.square(values[0]))
    for value in values[1:]:
        total = ops.add(total, ops.sum(ops.square(value)))
    return ops.sqrt(total)


def clip_by_global_norm(values: Sequence[Any], clip_norm: float) -> list[Any]:
    """Scales all values by one factor so that their common norm is at most `clip_norm`.

    Args:
        values: Tensors of any shapes.
        clip_norm: The largest norm.

    Returns:
        The scaled tensors; NaN where the norm is not finite, as in Keras.
    """
    norm = global_norm(values)
    scale = ops.multiply(clip_norm, ops.minimum(ops.divide(1.0, norm), 1.0 / clip_norm))
    scale = ops.add(scale, ops.subtract(norm, norm))
    return [ops.multiply(value, scale) for value in values]
