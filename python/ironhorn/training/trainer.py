"""`Trainer`: the part of a model that trains, evaluates and predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.training.arrays import (
    check_lengths,
    class_weight_to_sample_weights,
    convert_structure,
    float_dtype,
    named_leaves,
    train_validation_split,
)
from ironhorn.training.compilation import Compilation
from ironhorn.training.data import (
    DEFAULT_BATCH_SIZE,
    ArrayData,
    make_data,
)
from ironhorn.training.exclusive import training
from ironhorn.training.limits import limited_epochs
from ironhorn.training.logs import pythonify_logs
from ironhorn.training.loop import GroupClock, run_epoch, run_predict, to_arrays
from ironhorn.training.packing import pack_x_y_sample_weight, unpack_x_y_sample_weight
from ironhorn.training.position import FitPosition
from ironhorn.training.tracebacks import filtered

_SECONDS_PER_CALL_SHOWN = 0.1
_SECONDS_PER_CALL_SILENT = 0.5


class Trainer(Compilation):
    """Mixin of `Model`: `compile`, `fit`, `evaluate`, `predict` and what they are made of.

    `train_step`, `test_step`, `predict_step`, `compute_loss` and `compute_metrics` may be overridden with Python code
    over `ironhorn.ops`. They are traced once per signature into a program and then run in the engine; with
    `run_eagerly=True` they run as they stand.
    """

    @filtered
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
            x: Arrays (one, or a list, dict or nest of them for several inputs), data frames of pandas or polars, sparse
                matrices of SciPy (made dense batch by batch), a `PyDataset`, a generator, a torch `DataLoader`, a
                `tf.data.Dataset`, or another iterable that gives `(x, y)` or `(x, y, sample_weight)`. Sequences of
                unequal lengths come through `ironhorn.utils.bucket_sequences`.
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
            validation_steps: The same for validation, which begins anew each time it can.
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
        epochs = limited_epochs(epochs)
        x = self._on_host(x)  # type: ignore[attr-defined]
        with training(self, "fit"):
            if validation_split and validation_data is None:
                (x, y, sample_weight), validation_data = train_validation_split(x, y, sample_weight, validation_split)
            data = make_data(x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight)
            validation = None
            if validation_data is not None:
                x_validation, y_validation, validation_weight = unpack_x_y_sample_weight(validation_data)
                validation = make_data(
                    self._on_host(x_validation),  # type: ignore[attr-defined]
                    y_validation,
                    validation_weight,
                    batch_size=validation_batch_size or batch_size,
                    steps_per_epoch=validation_steps,
                )
                _is_due(0, validation_freq)
            self._build_for(data.example())
            callback_list = self._callback_list(callbacks, verbose, epochs, data.num_batches, add_history=True)
            object.__setattr__(self, "stop_training", False)
            outer = self._fit_position
            object.__setattr__(self, "_fit_position", FitPosition(self, data, validation, callback_list))
            try:
                epoch_numbers = range(initial_epoch, epochs)
                self._run_epochs(data, callback_list, epoch_numbers, verbose, validation, validation_freq)
            except BaseException:
                callback_list.interrupted()
                raise
            finally:
                object.__setattr__(self, "_fit_position", outer)
                data.close()
                if validation is not None:
                    validation.close()
        return self.history

    def _run_epochs(
        self, data: Any, callbacks: Any, epochs: range, verbose: Any, validation: Any, validation_freq: Any
    ) -> None:
        clock, validation_clock = _clock(verbose), _clock(0)
        position = self._fit_position
        callbacks.on_train_begin()
        if position.restored:
            epochs = range(position.epoch, position.epoch if self.stop_training else epochs.stop)
        logs: dict[str, Any] | None = None
        for epoch in epochs:
            done = position.take_steps()
            if not done:
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
                done,
            )
            if steps == 0:
                break
            if steps == done and not epoch_logs:
                epoch_logs = pythonify_logs(self.get_metrics_result())
            if validation is not None and _is_due(epoch, validation_freq):
                validation.restart()
                results = self._run_evaluation(validation, callbacks, validation_clock)
                epoch_logs.update({f"val_{name}": value for name, value in results.items()})
            callbacks.on_epoch_end(epoch, epoch_logs)
            logs = epoch_logs
            if self.stop_training:
                break
        if self.optimizer is not None and self.optimizer.built and (len(epochs) or position.restored):
            self.optimizer.finalize_variable_values(self.trainable_weights)  # type: ignore[attr-defined]
        callbacks.on_train_end(logs)

    @filtered
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
        x = self._on_host(x)  # type: ignore[attr-defined]
        data = make_data(x, y, sample_weight, batch_size, steps)
        self._build_for(data.example())
        callback_list = self._callback_list(callbacks, verbose, 1, data.num_batches)
        try:
            logs = self._run_evaluation(data, callback_list, _clock(verbose))
        except BaseException:
            callback_list.interrupted()
            raise
        finally:
            data.close()
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
                and (x.dtype.kind in "iub" or x.dtype == float_dtype())
            ):
                return _array_or_structure(function(x))
        x = self._on_host(x)  # type: ignore[attr-defined]
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
        finally:
            data.close()
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
        batch = _checked_batch(self._on_host(x), y, sample_weight)  # type: ignore[attr-defined]
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
        batch = _checked_batch(self._on_host(x), None, None)  # type: ignore[attr-defined]
        if ("predict_step", self._generation) not in self._step_functions:  # type: ignore[attr-defined]
            self._build_for(batch, to_train=False)
        return _array_or_structure(self._step_function("predict_step")(batch))

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


def _checked_batch(x: Any, y: Any, sample_weight: Any) -> Any:
    x, y = convert_structure("x", x), convert_structure("y", y)
    sample_weight = convert_structure("sample_weight", sample_weight)
    check_lengths(named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight))
    return pack_x_y_sample_weight(x, y, sample_weight)


def _array_or_structure(outputs: Any) -> Any:
    return to_arrays(outputs) if tree.is_nested(outputs) else np.asarray(outputs)
