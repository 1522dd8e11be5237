"""`Compilation`: what `compile` keeps, and the steps that it makes possible."""

from __future__ import annotations

from typing import Any

from ironhorn import backend, ops, tree
from ironhorn import metrics as metrics_module
from ironhorn import optimizers as optimizers_module
from ironhorn.training.compile_utils import CompileLoss, CompileMetrics
from ironhorn.training.exclusive import build_lock
from ironhorn.training.loop import StepFunction
from ironhorn.training.packing import unpack_x_y_sample_weight

_MOST_STEP_FUNCTIONS = 8


class Compilation:
    """The half of `Trainer` that does not loop: `compile`, the steps, losses and metrics.

    `train_step`, `test_step`, `predict_step`, `compute_loss` and `compute_metrics` may be overridden with Python code
    over `ironhorn.ops`. They are traced once per signature into a program and then run in the engine; with
    `run_eagerly=True` they run as they stand.
    """

    compiled: bool
    optimizer: Any
    loss: Any
    steps_per_execution: int
    stop_training: bool
    stop_evaluating: bool
    stop_predicting: bool
    history: Any
    _run_eagerly: bool
    _jit_compile: Any
    _compile_loss: CompileLoss | None
    _compile_metrics: CompileMetrics | None
    _loss_tracker: Any
    _compile_arguments: dict[str, Any]
    _step_functions: dict[tuple[str, int], StepFunction]
    _ready_to_predict: tuple[int | None, StepFunction | None]
    _trained_by: Any
    _fit_position: Any

    def __init__(self) -> None:
        values: dict[str, Any] = {
            "compiled": False,
            "optimizer": None,
            "loss": None,
            "steps_per_execution": 1,
            "stop_training": False,
            "stop_evaluating": False,
            "stop_predicting": False,
            "_run_eagerly": False,
            "_jit_compile": "auto",
            "_compile_loss": None,
            "_compile_metrics": None,
            "_loss_tracker": None,
            "_compile_arguments": {},
            "_step_functions": {},
            "_ready_to_predict": (None, None),
            "_trained_by": None,
            "_fit_position": None,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configures the model for training.

        Args:
            optimizer: An `Optimizer` or its name.
            loss: A loss, its name or a function `fn(y_true, y_pred)`; for several outputs a list or a dict by output
                name, in which `None` leaves an output without loss.
            loss_weights: Factor of each output's loss in the total: a list or a dict.
            metrics: List of metrics, names or functions; for several outputs a list with one entry per output, or a
                dict. `"accuracy"` and `"crossentropy"` choose the binary, sparse or categorical kind by shape.
            weighted_metrics: Like `metrics`, for metrics that take `sample_weight` into account.
            run_eagerly: Run the Python code of each step instead of a traced program: slow, for debugging.
            steps_per_execution: Batch hooks of callbacks are called every so many steps, with the number of the last
                of them. Results do not change, and little time is saved: where no callback has batch hooks, many
                steps run per call in any case.
            jit_compile: Traced steps are always compiled by the engine, so `True`, `False` and `"auto"` give the same
                program; the value is kept for files. Only `run_eagerly` runs Python code at each step.
            auto_scale_loss: Under the policy `mixed_float16`, wrap the optimizer in a `LossScaleOptimizer`, so that
                small gradients do not vanish.

        Raises:
            UnknownObjectError: If a name is unknown.
            ValueError: If an argument is out of range.

        Example:
            ```python
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            ```
        """
        if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise ValueError(f"`steps_per_execution` must be a positive integer. Received: {steps_per_execution!r}")
        if jit_compile not in (True, False, "auto", None):
            raise ValueError(f"`jit_compile` must be True, False or 'auto'. Received: {jit_compile!r}")
        if run_eagerly and jit_compile is True:
            import warnings

            warnings.warn(
                "If `run_eagerly` is True, then `jit_compile` cannot also be True. Disabling `jit_compile`.",
                stacklevel=2,
            )
            jit_compile = False
        optimizer = given_optimizer = optimizers_module.get(optimizer)
        if auto_scale_loss and optimizer is not None and self.dtype_policy.name == "mixed_float16":  # type: ignore[attr-defined]
            scaler = optimizers_module.LossScaleOptimizer
            if not isinstance(optimizer, scaler):
                optimizer = scaler(optimizer, name="loss_scale_optimizer")
        output_names = getattr(self, "output_names", None)
        compile_loss = None if loss is None else CompileLoss(loss, loss_weights, output_names)
        compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            compile_metrics = CompileMetrics(metrics, weighted_metrics, output_names)
        values = {
            "optimizer": optimizer,
            "loss": loss,
            "steps_per_execution": steps_per_execution,
            "stop_training": False,
            "_run_eagerly": bool(run_eagerly),
            "_jit_compile": not run_eagerly if jit_compile in ("auto", None) else jit_compile,
            "_compile_loss": compile_loss,
            "_compile_metrics": compile_metrics,
            "_loss_tracker": metrics_module.Mean(name="loss"),
            "_compile_arguments": {
                "optimizer": given_optimizer,
                "loss": loss,
                "loss_weights": loss_weights,
                "metrics": metrics,
                "weighted_metrics": weighted_metrics,
                "run_eagerly": run_eagerly,
                "steps_per_execution": steps_per_execution,
                "jit_compile": jit_compile,
            },
            "compiled": True,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._forget_step_functions()

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run as plain Python; may be set after `compile`."""
        return self._run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        object.__setattr__(self, "_run_eagerly", bool(value))
        self._forget_step_functions()

    @property
    def jit_compile(self) -> Any:
        """Whether steps run as programs, as `compile` was told; see there."""
        return self._jit_compile

    @property
    def metrics(self) -> list[Any]:
        """The loss tracker, the compiled metrics, losses of single outputs, and metrics of the model and its layers."""
        metrics: list[Any] = []
        if self.compiled:
            metrics.append(self._loss_tracker)
            if self._compile_metrics is not None:
                metrics.append(self._compile_metrics)
            if self._compile_loss is not None:
                metrics.extend(self._compile_loss.metrics)
        metrics.extend(getattr(self, "_metrics", ()))
        pending = list(getattr(self, "_layers", ()))
        while pending:
            layer = pending.pop(0)
            if not isinstance(layer, Compilation):
                metrics.extend(getattr(layer, "_metrics", ()))
            pending.extend(getattr(layer, "_layers", ()))
        unique = {id(metric): metric for metric in metrics}
        return list(unique.values())

    @property
    def metrics_names(self) -> list[str]:
        """Names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Resets all metrics; called at the start of each epoch."""
        for metric in self.metrics:
            metric.reset_state()

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Computes the total loss: that of `compile`, and what layers added with `add_loss` or regularizers.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: Outputs.
            sample_weight: Weights.
            training: Whether this is a training step.

        Returns:
            A scalar tensor.

        Raises:
            ValueError: If there is nothing to compute.
        """
        parts = []
        if self._compile_loss is not None:
            parts.append(self._compile_loss(y, y_pred, sample_weight))
        for loss in self.losses:  # type: ignore[attr-defined]
            parts.append(ops.sum(ops.cast(loss, parts[0].dtype if parts else backend.floatx())))
        if not parts:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        total = parts[0]
        for part in parts[1:]:
            total = ops.add(total, part)
        return total

    def stateless_compute_loss(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        metrics_variables: Any,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tuple[Any, tuple[Any, Any, Any]]:
        """Computes the total loss with given values of all variables, and leaves the variables as they were.

        Args:
            trainable_variables: Values for `self.trainable_variables`.
            non_trainable_variables: Values for `self.non_trainable_variables`.
            metrics_variables: Values for `self.metrics_variables`.
            x: Inputs.
            y: Targets.
            y_pred: Outputs.
            sample_weight: Weights.
            training: Whether this is a training step.

        Returns:
            The loss, and the values of the three kinds of variables after it was computed.
        """
        own = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)  # type: ignore[attr-defined]
        given = (list(trainable_variables), list(non_trainable_variables), list(metrics_variables))
        for kind, variables, values in zip(("trainable", "non_trainable", "metrics"), own, given, strict=True):
            if len(variables) != len(values):
                raise ValueError(
                    f"`stateless_compute_loss` needs one value for each of the {len(variables)} {kind} variables. "
                    f"Received {len(values)}."
                )
        variables = [variable for group in own for variable in group]
        before = [ops.convert_to_tensor(variable.value) for variable in variables]
        try:
            values = [value for group in given for value in group]
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            loss = self._compute_loss(x, y, y_pred, sample_weight, training)
            rest, metrics = ([ops.convert_to_tensor(variable.value) for variable in group] for group in own[1:])
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
        return loss, (given[0], rest, metrics)

    def _compute_loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        """Calls `compute_loss`, also where an override does not take `training`."""
        code = getattr(type(self).compute_loss, "__code__", None)
        if code is None or "training" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            return self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return self.compute_loss(x, y, y_pred, sample_weight)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Updates the compiled metrics and returns all metrics' results.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: Outputs.
            sample_weight: Weights.

        Returns:
            Results by name: the logs that callbacks see.
        """
        if self._compile_metrics is not None:
            self._compile_metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the results of all metrics by name; those that are dicts are merged in."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            if isinstance(result, dict):
                results.update(result)
            else:
                results[metric.name] = result
        return results

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training; may be overridden.

        Args:
            data: What `unpack_x_y_sample_weight` takes apart.

        Returns:
            Logs by name.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        if self.optimizer is None:
            raise ValueError("The model has no optimizer: pass one to `compile()`.")
        with backend.GradientTape() as tape:
            y_pred = self._call_for_step(x, training=True)
            loss = self._compute_loss(x, y, y_pred, sample_weight, training=True)
            self._track_loss(loss, x)
            scaled_loss = self.optimizer.scale_loss(loss)
        variables = self.trainable_weights  # type: ignore[attr-defined]
        if variables:
            gradients = tape.gradient(scaled_loss, variables)
            watch = self._current_watch()  # type: ignore[attr-defined]
            if watch is not None:
                watch.loss(loss)
                watch.gradients(gradients, variables)
            self.optimizer.apply(gradients, variables)
        else:
            import warnings

            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation; may be overridden.

        Args:
            data: What `unpack_x_y_sample_weight` takes apart.

        Returns:
            Logs by name.
        """
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self._call_for_step(x, training=False)
        self._track_loss(self._compute_loss(x, y, y_pred, sample_weight, training=False), x)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """One step of prediction; may be overridden.

        Args:
            data: What `unpack_x_y_sample_weight` takes apart; only inputs matter.

        Returns:
            The outputs.
        """
        x, _, _ = unpack_x_y_sample_weight(data)
        return self._call_for_step(x, training=False)

    def _call_for_step(self, x: Any, training: bool) -> Any:
        if getattr(self, "_call_has_training_arg", True):
            return self(x, training=training)  # type: ignore[operator]
        return self(x)  # type: ignore[operator]

    def _track_loss(self, loss: Any, x: Any) -> None:
        first = next(leaf for leaf in tree.flatten(x) if leaf is not None)
        self._loss_tracker.update_state(loss, sample_weight=ops.shape(first)[0])

    def make_train_function(self, force: bool = False) -> StepFunction:
        """Returns `train_step` as a callable over arrays, traced once per signature.

        Args:
            force: Make a new one even if there is one for the model's present state.
        """
        return self._step_function("train_step", force)

    def make_test_function(self, force: bool = False) -> StepFunction:
        """Returns `test_step` as a callable over arrays; see `make_train_function`."""
        return self._step_function("test_step", force)

    def make_predict_function(self, force: bool = False) -> StepFunction:
        """Returns `predict_step` as a callable over arrays; see `make_train_function`."""
        return self._step_function("predict_step", force)

    def _step_function(self, method: str, force: bool = False) -> StepFunction:
        key = (method, self._generation)  # type: ignore[attr-defined]
        functions = self._step_functions
        function = functions.get(key)
        if function is None or force:
            with build_lock():
                function = functions.get(key)
                if function is None or force:
                    while len(functions) >= _MOST_STEP_FUNCTIONS:
                        functions.pop(next(iter(functions)))
                    function = functions[key] = StepFunction(self, method, self._run_eagerly)
        return function

    def _forget_step_functions(self) -> None:
        object.__setattr__(self, "_step_functions", {})
        object.__setattr__(self, "_ready_to_predict", (None, None))

    def _build_for(self, batch: Any, to_train: bool = True) -> None:
        """Makes the variables of the model, and of losses, metrics and optimizer, before the first trace."""
        # A model without a `call` (a GAN that only has a `train_step`) has nothing to be built by; its layers build
        # themselves.
        has_call = getattr(type(self).call, "__module__", "") != "ironhorn.models.model"  # type: ignore[attr-defined]
        model_built = not has_call or all(layer.built for layer in self._flatten_layers())  # type: ignore[attr-defined]
        states = [self._compile_loss, self._compile_metrics, self.optimizer] if to_train else []
        unbuilt = [state for state in states if state is not None and not state.built]
        if model_built and not unbuilt:
            return
        with build_lock():
            x, y, _ = tree.map_structure(_spec, unpack_x_y_sample_weight(batch))
            y_pred = None
            if not model_built or any(state is not self.optimizer for state in unbuilt):
                y_pred = self._outputs_for(x)
            for state in (self._compile_metrics, self._compile_loss):
                if to_train and state is not None and not state.built and y is not None:
                    state.build(y, y_pred)
            if to_train and self.optimizer is not None and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def _trace_train_step(self, batch: Any) -> None:
        """Traces `train_step` without running it, which makes all variables that it makes."""
        from ironhorn.backend.tracing import abstract_call

        with build_lock():
            abstract_call(self.train_step, (tree.map_structure(_spec, batch),), {})

    def _outputs_for(self, x: Any) -> Any:
        from ironhorn.backend.tracing import abstract_call

        arguments = {"training": False} if getattr(self, "_call_has_training_arg", True) else {}
        try:
            return abstract_call(self, (x,), arguments)  # type: ignore[arg-type]
        except Exception as error:
            shapes = tree.map_structure(lambda spec: None if spec is None else tuple(spec.shape), x)
            error.add_note(f"(while building model {self.name!r} for inputs of shape {shapes})")  # type: ignore[attr-defined]
            raise

    def get_compile_config(self) -> dict[str, Any]:
        """Returns the arguments of `compile` as a config, empty if the model is not compiled."""
        if not self.compiled:
            return {}
        from ironhorn.saving.registry import serialize_keras_object

        return {name: serialize_keras_object(value) for name, value in self._compile_arguments.items()}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as `get_compile_config` says.

        Args:
            config: The config.
        """
        if type(self).compile is not Compilation.compile:
            import warnings

            warnings.warn(
                "`compile()` was not called as part of model loading because the model's `compile()` method is "
                "custom. Override `get_compile_config()` and `compile_from_config(config)` too, or call `compile()` "
                "after loading.",
                stacklevel=2,
            )
            return
        from ironhorn.saving.registry import deserialize_keras_object

        arguments = {
            name: deserialize_keras_object(value) if isinstance(value, (dict, list)) else value
            for name, value in config.items()
        }
        self.compile(**arguments)
        if self.optimizer is not None and self.built:  # type: ignore[attr-defined]
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def _flatten_metrics_in_order(self, logs: dict[str, Any]) -> Any:
        """Lists logs in the order of `metrics`; what has not a metric's own name comes last, by name.

        A metric of one of several outputs is in the logs after that output's name, so it is among the last.
        """
        found: dict[str, None] = {}
        for metric in self.metrics:
            parts = metric.metrics if isinstance(metric, CompileMetrics) else [metric]
            found.update(dict.fromkeys(part.name for part in parts))
        names = list(found)
        values = [logs[name] for name in names if name in logs]
        values += [logs[name] for name in sorted(logs) if name not in names]
        return values[0] if len(values) == 1 else values


def _spec(value: Any) -> Any:
    if value is None:
        return None
    return backend.KerasTensor((None, *value.shape[1:]), dtype=backend.standardize_dtype(value.dtype))
