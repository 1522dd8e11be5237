"""`Trainer`: the part of a model that compiles, trains, evaluates and predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import backend, ops, tree
from ironhorn import metrics as metrics_module
from ironhorn import optimizers as optimizers_module
from ironhorn.errors import UnsupportedError
from ironhorn.training.compile_utils import CompileLoss, CompileMetrics
from ironhorn.training.data import (
    DEFAULT_BATCH_SIZE,
    ArrayData,
    check_lengths,
    class_weight_to_sample_weights,
    convert_structure,
    make_data,
    named_leaves,
    pack_x_y_sample_weight,
    train_validation_split,
    unpack_x_y_sample_weight,
)
from ironhorn.training.exclusive import build_lock, training
from ironhorn.training.logs import pythonify_logs
from ironhorn.training.loop import GroupClock, StepFunction, run_epoch, run_predict, to_arrays

_SECONDS_PER_CALL_SHOWN = 0.1
_SECONDS_PER_CALL_SILENT = 0.5
_MOST_STEP_FUNCTIONS = 8


class Trainer:
    """Mixin of `Model`: `compile`, `fit`, `evaluate`, `predict` and what they are made of.

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
            steps_per_execution: Batch hooks of callbacks are called every so many steps. Where no callback has batch
                hooks, many steps run per call in any case.
            jit_compile: Traced steps are always compiled by the engine, so `True`, `False` and `"auto"` give the same
                program; the value is kept for files.
            auto_scale_loss: For the policy `mixed_float16`, which is not supported yet.

        Raises:
            UnknownObjectError: If a name is unknown.
            ValueError: If an argument is out of range.
            UnsupportedError: For the policy `mixed_float16`.

        Example:
            ```python
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            ```
        """
        if not isinstance(steps_per_execution, int) or steps_per_execution < 1:
            raise ValueError(f"`steps_per_execution` must be a positive integer. Received: {steps_per_execution!r}")
        if jit_compile not in (True, False, "auto", None):
            raise ValueError(f"`jit_compile` must be True, False or 'auto'. Received: {jit_compile!r}")
        if getattr(getattr(self, "dtype_policy", None), "name", None) == "mixed_float16":
            raise UnsupportedError(
                "Training with the dtype policy 'mixed_float16' is not supported: it needs loss scaling. Use 'float32'."
            )
        if run_eagerly and jit_compile is True:
            import warnings

            warnings.warn(
                "If `run_eagerly` is True, then `jit_compile` cannot also be True. Disabling `jit_compile`.",
                stacklevel=2,
            )
            jit_compile = False
        optimizer = optimizers_module.get(optimizer)
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
            "_jit_compile": "auto" if jit_compile is None else jit_compile,
            "_compile_loss": compile_loss,
            "_compile_metrics": compile_metrics,
            "_loss_tracker": metrics_module.Mean(name="loss"),
            "_compile_arguments": {
                "optimizer": optimizer,
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
        """The argument of `compile`; see there."""
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
            if not isinstance(layer, Trainer):
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
            self.optimizer.apply(tape.gradient(scaled_loss, variables), variables)
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

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Trains the model.

        Args:
            x: Arrays (one, or a list or dict for several inputs), data frames, a `PyDataset`, a generator, or another
                iterable that gives `(x, y)` or `(x, y, sample_weight)`.
            y: Targets, if `x` holds arrays.
            batch_size: Samples per step, with arrays; 32 when `None`.
            epochs: Number of the epoch before which to stop; the number of epochs unless `initial_epoch` is given.
            verbose: 0 is silent, 1 and `"auto"` show a progress line, 2 one line per epoch.
            callbacks: List of callbacks.
            validation_split: Share of the arrays, taken from their end, that is used for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or data like `x`.
            shuffle: With arrays: draw a new order of samples for each epoch (from NumPy's global generator), or
                `"batch"` to shuffle within batches only.
            class_weight: Weight per class number.
            sample_weight: Weight per sample (or per time step).
            initial_epoch: Number of the first epoch.
            steps_per_epoch: Steps that count as an epoch; one pass over the data when `None`.
            validation_steps: The same for validation.
            validation_batch_size: Samples per validation step; `batch_size` when `None`.
            validation_freq: Validate every so many epochs, or after the epochs in this list (counted from 1).

        Returns:
            A `History`: `history.history` has one list per logged value.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.
            ConcurrentFitError: If another thread is training the model.
            KeyboardInterrupt: On Ctrl-C. The model is that after the last whole step, and `model.history` has the
                epochs that were finished.

        Example:
            ```python
            history = model.fit(x, y, epochs=5, validation_split=0.1)
            print(history.history["val_loss"])
            ```
        """
        self._assert_compiled("fit")
        with training(self, "fit"):
            if validation_split and validation_data is None:
                (x, y, sample_weight), validation_data = train_validation_split(x, y, sample_weight, validation_split)
            data = make_data(x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight)
            self._build_for(data.example())
            callback_list = self._callback_list(callbacks, verbose, epochs, data.num_batches, add_history=True)
            object.__setattr__(self, "stop_training", False)
            try:
                self._run_epochs(
                    data,
                    callback_list,
                    range(initial_epoch, epochs),
                    verbose,
                    validation_data,
                    validation_steps,
                    validation_batch_size or batch_size,
                    validation_freq,
                )
            except BaseException:
                callback_list.interrupted()
                raise
        return self.history

    def _run_epochs(
        self,
        data: Any,
        callbacks: Any,
        epochs: range,
        verbose: Any,
        validation_data: Any,
        validation_steps: int | None,
        validation_batch_size: int | None,
        validation_freq: Any,
    ) -> None:
        clock, validation_clock = _clock(verbose), _clock(0)
        validation: Any = None
        callbacks.on_train_begin()
        logs: dict[str, Any] | None = None
        for epoch in epochs:
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            epoch_logs, steps = run_epoch(
                self.make_train_function(),
                data,
                callbacks,
                "train",
                self.steps_per_execution,
                clock,
                lambda: self.stop_training,
            )
            if steps == 0:
                break
            if validation_data is not None and _is_due(epoch, validation_freq):
                if validation is None:
                    validation = make_data(
                        *unpack_x_y_sample_weight(validation_data),
                        batch_size=validation_batch_size,
                        steps_per_epoch=validation_steps,
                    )
                results = self._run_evaluation(validation, callbacks, validation_clock)
                epoch_logs.update({f"val_{name}": value for name, value in results.items()})
            callbacks.on_epoch_end(epoch, epoch_logs)
            logs = epoch_logs
            if self.stop_training:
                break
        if self.optimizer is not None and self.optimizer.built and len(epochs):
            self.optimizer.finalize_variable_values(self.trainable_weights)  # type: ignore[attr-defined]
        callbacks.on_train_end(logs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Computes the loss and the metrics.

        Args:
            x: Data as in `fit`.
            y: Targets, if `x` holds arrays.
            batch_size: Samples per step, with arrays; 32 when `None`.
            verbose: As in `fit`.
            sample_weight: Weight per sample (or per time step).
            steps: Steps to run; one pass over the data when `None`.
            callbacks: List of callbacks.
            return_dict: Whether to return results by name.

        Returns:
            The loss, or a list with the loss first and then the metrics; with `return_dict` a dict.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.
        """
        self._assert_compiled("evaluate")
        data = make_data(x, y, sample_weight, batch_size, steps)
        self._build_for(data.example())
        callback_list = self._callback_list(callbacks, verbose, 1, data.num_batches)
        try:
            logs = self._run_evaluation(data, callback_list, _clock(verbose))
        except BaseException:
            callback_list.interrupted()
            raise
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def _run_evaluation(self, data: Any, callbacks: Any, clock: GroupClock) -> dict[str, Any]:
        object.__setattr__(self, "stop_evaluating", False)
        callbacks.on_test_begin()
        self.reset_metrics()
        logs, _ = run_epoch(
            self.make_test_function(),
            data,
            callbacks,
            "test",
            self.steps_per_execution,
            clock,
            lambda: self.stop_evaluating,
        )
        callbacks.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Computes the outputs. May be called from many threads at once.

        Args:
            x: Data as in `fit`, without targets.
            batch_size: Samples per step, with arrays; 32 when `None`.
            verbose: As in `fit`.
            steps: Steps to run; one pass over the data when `None`.
            callbacks: List of callbacks.

        Returns:
            NumPy arrays in the structure of the model's outputs.

        Raises:
            ValueError: If the data does not fit.
        """
        if verbose == 0 and callbacks is None and steps is None and type(x) is np.ndarray:
            generation, function = self._ready_to_predict
            if (
                function is not None
                and generation == self._generation  # type: ignore[attr-defined]
                and 0 < len(x) <= (batch_size or DEFAULT_BATCH_SIZE)
                and (x.dtype.kind in "iub" or x.dtype.name == backend.floatx())
            ):
                return _array_or_structure(function(x))
        data = make_data(x, None, None, batch_size, steps)
        self._build_for(data.example(), to_train=False)
        function = self.make_predict_function()
        callback_list = self._callback_list(callbacks, verbose, 1, data.num_batches)
        clock = _clock(verbose)
        if not callback_list.callbacks and isinstance(data, ArrayData):
            clock.steps = data.passes_per_epoch
        object.__setattr__(self, "stop_predicting", False)
        callback_list.on_predict_begin()
        try:
            outputs = run_predict(
                function,
                data,
                callback_list,
                self.steps_per_execution,
                clock,
                lambda: self.stop_predicting,
            )
        except BaseException:
            callback_list.interrupted()
            raise
        callback_list.on_predict_end()
        object.__setattr__(self, "_ready_to_predict", (self._generation, function))  # type: ignore[attr-defined]
        return outputs

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Runs one step of training on one batch.

        Args:
            x: Inputs: arrays.
            y: Targets.
            sample_weight: Weights.
            class_weight: Weight per class number.
            return_dict: Whether to return results by name.

        Returns:
            The loss, or a list with the loss first; with `return_dict` a dict. They are of this batch alone.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.
            ConcurrentFitError: If another thread is training the model.
        """
        self._assert_compiled("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("Arguments `sample_weight` and `class_weight` cannot be specified at the same time.")
            sample_weight = class_weight_to_sample_weights(y, class_weight)
        with training(self, "train_on_batch"):
            return self._run_batch("train_step", x, y, sample_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluates one batch.

        Args:
            x: Inputs: arrays.
            y: Targets.
            sample_weight: Weights.
            return_dict: Whether to return results by name.

        Returns:
            The loss, or a list with the loss first; with `return_dict` a dict.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.
        """
        self._assert_compiled("test_on_batch")
        return self._run_batch("test_step", x, y, sample_weight, return_dict)

    def _run_batch(self, method: str, x: Any, y: Any, sample_weight: Any, return_dict: bool) -> Any:
        batch = _checked_batch(x, y, sample_weight)
        if (method, self._generation) not in self._step_functions:  # type: ignore[attr-defined]
            self._build_for(batch)
        function = self._step_function(method)
        self.reset_metrics()
        logs = pythonify_logs(function(batch))
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """Computes the outputs of one batch.

        Args:
            x: Inputs: arrays.

        Returns:
            NumPy arrays in the structure of the model's outputs.
        """
        batch = _checked_batch(x, None, None)
        if ("predict_step", self._generation) not in self._step_functions:  # type: ignore[attr-defined]
            self._build_for(batch, to_train=False)
        return _array_or_structure(self._step_function("predict_step")(batch))

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
        if type(self).compile is not Trainer.compile:
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

    def _assert_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"You must call `compile()` before using `{method}()`: "
                "model.compile(optimizer='adam', loss='mse'), for example."
            )

    def _callback_list(
        self, callbacks: Any, verbose: Any, epochs: int, steps: int | None, add_history: bool = False
    ) -> Any:
        from ironhorn.callbacks import CallbackList

        if isinstance(callbacks, CallbackList):
            return callbacks
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
        return CallbackList(
            callbacks,
            add_history=add_history,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=steps,
        )

    def _build_for(self, batch: Any, to_train: bool = True) -> None:
        """Makes the variables of the model, and of losses, metrics and optimizer, before the first trace."""
        model_built = all(layer.built for layer in self._flatten_layers())  # type: ignore[attr-defined]
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

    def _outputs_for(self, x: Any) -> Any:
        from ironhorn.backend.tracing import abstract_call

        arguments = {"training": False} if getattr(self, "_call_has_training_arg", True) else {}
        try:
            return abstract_call(self, (x,), arguments)
        except Exception as error:
            shapes = tree.map_structure(lambda spec: None if spec is None else tuple(spec.shape), x)
            error.add_note(f"(while building model {self.name!r} for inputs of shape {shapes})")  # type: ignore[attr-defined]
            raise

    def _flatten_metrics_in_order(self, logs: dict[str, Any]) -> Any:
        """Lists logs in the order of `metrics`; what is not a metric's comes last, by name."""
        names: list[str] = []
        for metric in self.metrics:
            names += metric.result_names() if isinstance(metric, CompileMetrics) else [metric.name]
        values = [logs[name] for name in names if name in logs]
        values += [logs[name] for name in sorted(logs) if name not in names]
        return values[0] if len(values) == 1 else values


def _clock(verbose: Any) -> GroupClock:
    return GroupClock(_SECONDS_PER_CALL_SHOWN if verbose in (1, "auto") else _SECONDS_PER_CALL_SILENT)


def _is_due(epoch: int, validation_freq: Any) -> bool:
    if isinstance(validation_freq, int):
        return (epoch + 1) % validation_freq == 0
    if isinstance(validation_freq, (list, tuple, set)):
        return epoch + 1 in validation_freq
    raise ValueError(
        f"Expected `validation_freq` to be a list or int. Received: validation_freq={validation_freq!r} of the type "
        f"{type(validation_freq)}."
    )


def _spec(value: Any) -> Any:
    if value is None:
        return None
    return backend.KerasTensor((None, *value.shape[1:]), dtype=backend.standardize_dtype(value.dtype))


def _checked_batch(x: Any, y: Any, sample_weight: Any) -> Any:
    x, y = convert_structure("x", x), convert_structure("y", y)
    sample_weight = convert_structure("sample_weight", sample_weight)
    check_lengths(named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight))
    return pack_x_y_sample_weight(x, y, sample_weight)


def _array_or_structure(outputs: Any) -> Any:
    return to_arrays(outputs) if tree.is_nested(outputs) else np.asarray(outputs)
