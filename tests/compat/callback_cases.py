"""Callbacks, those of the library and imitations of other people's, that run under real Keras and Ironhorn alike.

Each case is a function of the library; it returns numbers, strings, lists and dicts. `make_callback_reference.py`
stores what they return under real Keras, `tests/training/test_callbacks.py` compares.
"""

from __future__ import annotations

import csv
import os
import tempfile
import warnings

import numpy as np

from compat.training_cases import X, Y, dense_model, listed

CASES = {}
QUIET = {"batch_size": 16, "shuffle": False, "verbose": 0}


def case(function):
    CASES[function.__name__] = function
    return function


def cases(name, table):
    """Adds one case per row of a table: `table` maps a label to a function of the library."""
    for label, function in table.items():
        CASES[f"{name}[{label}]"] = function


def numbers(logs):
    return {name: float(value) for name, value in (logs or {}).items()}


# What other people's callbacks do


def mlflow_style(keras):
    """Logs parameters at the start, metrics every so many batches and every epoch, as MLflow's callback does."""

    class Logger(keras.callbacks.Callback):
        def __init__(self, every):
            self.every = every
            self.steps = 0
            self.calls = []

        def on_train_begin(self, logs=None):
            config = self.model.optimizer.get_config()
            self.calls.append(["params", {name: str(value) for name, value in sorted(self.params.items())}])
            self.calls.append(["optimizer", {name: str(config[name]) for name in ("momentum", "nesterov", "clipnorm")}])
            lines = []
            self.model.summary(print_fn=lines.append)
            self.calls.append(["summary", bool(lines)])

        def on_train_end(self, logs=None):
            self.calls.append(["train end", numbers(logs)])

        def on_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps % self.every == 0:
                self.calls.append(["batch", batch, self.steps, numbers(logs)])

        def on_epoch_end(self, epoch, logs=None):
            self.calls.append(["epoch", epoch, numbers(logs)])

        def on_test_end(self, logs=None):
            self.calls.append(["test", {f"validation_{name}": value for name, value in numbers(logs).items()}])

    callback = Logger(2)
    model = dense_model(keras, metrics=["mae"])
    model.fit(X, Y, epochs=2, validation_data=(X[:20], Y[:20]), callbacks=[callback], **QUIET)
    model.evaluate(X, Y, batch_size=16, verbose=0, callbacks=[callback])
    return callback.calls


def wandb_style(keras):
    """Logs under prefixes with the learning rate, and counts steps of all epochs, as W&B's callbacks do."""

    class Logger(keras.callbacks.Callback):
        def __init__(self, log_freq):
            super().__init__()
            self.log_freq = log_freq
            self.global_batch = self.global_step = 0
            self.calls = []

        def rate(self):
            rate = self.model.optimizer.learning_rate
            if isinstance(rate, keras.Variable) or (hasattr(rate, "numpy") and tuple(rate.shape) == ()):
                return float(np.asarray(rate).item())
            return None

        def on_epoch_end(self, epoch, logs=None):
            logs = {} if logs is None else {f"epoch/{name}": value for name, value in logs.items()}
            logs["epoch/epoch"] = epoch
            if self.rate() is not None:
                logs["epoch/learning_rate"] = self.rate()
            self.calls.append([sorted(logs), numbers(logs)])

        def on_batch_end(self, batch, logs=None):
            self.global_step += 1
            if self.log_freq == "epoch" or batch % self.log_freq:
                return
            logs = {f"batch/{name}": value for name, value in logs.items()} if logs else {}
            logs["batch/batch_step"] = self.global_batch
            logs["batch/learning_rate"] = self.rate()
            self.calls.append([sorted(logs), numbers(logs)])
            self.global_batch += self.log_freq

        def on_train_batch_end(self, batch, logs=None):
            self.on_batch_end(batch, logs if logs else {})

    callback = Logger(2)
    model = dense_model(keras, metrics=["mae"])
    model.fit(X, Y, epochs=2, validation_split=0.2, callbacks=[callback], **QUIET)
    return callback.calls, callback.global_step


def hooks():
    """The names of all hooks."""
    phases = ("epoch", "train", "test", "predict", "batch", "train_batch", "test_batch", "predict_batch")
    return [f"on_{phase}_{end}" for phase in phases for end in ("begin", "end")]


def methods_only(keras):
    """An object that is no `Callback` and has every method, with what each is called with."""
    calls = []

    def hook(name):
        def record(self, *arguments, **named):
            logs = named["logs"] if named else arguments[-1]
            logs = {key: float(value) for key, value in (logs or {}).items() if key != "outputs"}
            calls.append([name, [value for value in arguments if isinstance(value, int)], sorted(named), logs])

        return record

    own = {
        "set_params": lambda self, params: calls.append(["set_params", sorted(map(str, params))]),
        "set_model": lambda self, model: calls.append(["set_model", len(model.layers)]),
    }
    callback = type("Methods", (), {**{name: hook(name) for name in hooks()}, **own})()
    model = dense_model(keras, metrics=["mae"])
    model.fit(X, Y, epochs=2, validation_data=(X[:20], Y[:20]), callbacks=[callback], **QUIET)
    model.evaluate(X, Y, batch_size=16, verbose=0, callbacks=[callback])
    model.predict(X, batch_size=16, verbose=0, callbacks=[callback])
    return calls


def order_of_two(keras):
    """Which of two callbacks comes first at every hook; the second changes what the first has logged."""
    calls = []

    class Named(keras.callbacks.Callback):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def on_epoch_begin(self, epoch, logs=None):
            calls.append([self.name, "begin"])

        def on_epoch_end(self, epoch, logs=None):
            calls.append([self.name, "end", sorted(logs)])
            logs[f"from {self.name}"] = 1.0

        def on_train_end(self, logs=None):
            calls.append([self.name, "train end", sorted(logs)])

    model = dense_model(keras)
    history = model.fit(X, Y, epochs=2, callbacks=[Named("a"), Named("b")], **QUIET)
    return [calls, sorted(history.history)]


cases(
    "other people's",
    {
        "mlflow": mlflow_style,
        "wandb": lambda keras: list(wandb_style(keras)),
        "methods only": methods_only,
        "order": order_of_two,
    },
)


# The library's own


def _scheduler(schedule, **arguments):
    def run(keras):
        rates = []
        model = dense_model(keras)
        watch = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: rates.append(listed(model.optimizer.learning_rate))
        )
        callbacks = [keras.callbacks.LearningRateScheduler(schedule, **arguments), watch]
        history = model.fit(X, Y, epochs=4, callbacks=callbacks, **QUIET)
        return {"rates": rates, "history": {name: numbers({"v": v[-1]}) for name, v in history.history.items()}}

    return run


cases(
    "scheduler",
    {
        "epoch": _scheduler(lambda epoch: 0.1 / (epoch + 1)),
        "epoch and rate": _scheduler(lambda epoch, rate: rate * 0.5 if epoch else rate),
        "numpy": _scheduler(lambda epoch, rate: np.float32(rate) * np.float32(0.9)),
    },
)

PLATEAU_ROWS = {
    "patience": ({"patience": 2}, [5.0, 4.0, 4.5, 4.2, 4.1, 3.0, 3.5, 3.5, 3.5]),
    "delta": ({"patience": 1, "min_delta": 0.5, "factor": 0.5}, [5.0, 4.8, 4.6, 4.0, 3.9, 3.8]),
    "cooldown": ({"patience": 1, "cooldown": 2, "factor": 0.5}, [5.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]),
    "least": ({"patience": 1, "min_lr": 0.02, "factor": 0.3}, [5.0, 6.0, 6.0, 6.0]),
    "max": ({"patience": 1, "mode": "max"}, [1.0, 2.0, 1.5, 3.0, 3.0]),
    "none": ({"patience": 0}, [1.0, 1.0, 1.0]),
    "missing": ({"monitor": "val_other", "mode": "min"}, [5.0, 3.0]),
}


def _plateau(arguments, values):
    def run(keras):
        class Model:
            optimizer = keras.optimizers.SGD(0.1)
            metrics = ()

        callback = keras.callbacks.ReduceLROnPlateau(**arguments)
        callback.set_model(Model())
        callback.on_train_begin()
        states = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch, value in enumerate(values):
                logs = {"val_loss": value}
                callback.on_epoch_end(epoch, logs)
                rate = listed(callback.model.optimizer.learning_rate)
                states.append([rate, logs["learning_rate"], callback.wait, callback.cooldown_counter, callback.best])
        return states

    return run


cases("plateau", {label: _plateau(*row) for label, row in PLATEAU_ROWS.items()})


@case
def plateau_in_fit(keras):
    model = dense_model(keras, optimizer=keras.optimizers.SGD(0.5), metrics=["mae"])
    callback = keras.callbacks.ReduceLROnPlateau("mae", patience=1, factor=0.5, min_delta=0.05)
    history = model.fit(X, Y, epochs=8, callbacks=[callback], **QUIET)
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def table(path, separator=","):
    """The rows of a CSV file, numbers as such."""

    def cell(text):
        try:
            return float(text)
        except ValueError:
            return text

    with open(path, newline="") as file:
        return [[cell(text) for text in row] for row in csv.reader(file, delimiter=separator)]


def _csv(runs, separator=",", **model_arguments):
    """`runs` are pairs of `append` and arguments of `fit`."""

    def run(keras):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "log.csv")
            model = dense_model(keras, **model_arguments)
            for append, arguments in runs:
                callback = keras.callbacks.CSVLogger(path, separator=separator, append=append)
                model.fit(X, Y, callbacks=[callback], **QUIET, **arguments)
            return table(path, separator)

    return run


cases(
    "csv",
    {
        "plain": _csv([(False, {"epochs": 3})], metrics=["mae"]),
        "validation": _csv([(False, {"epochs": 2, "validation_split": 0.2})], separator=";"),
        "late validation": _csv([(False, {"epochs": 3, "validation_split": 0.2, "validation_freq": 2})]),
        "append": _csv([(False, {"epochs": 1}), (True, {"epochs": 3, "initial_epoch": 1})]),
        "append to nothing": _csv([(True, {"epochs": 1})]),
        "overwrite": _csv([(False, {"epochs": 1}), (False, {"epochs": 2})]),
    },
)


@case
def csv_of_arrays(keras):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "log.csv")
        callback = keras.callbacks.CSVLogger(path)
        callback.on_train_begin()
        callback.on_epoch_end(0, {"b": np.array(2.0), "a": [1, 2], "c": "text", "d": np.array([0.5, 1.5])})
        callback.on_epoch_end(1, {"a": 3})
        callback.on_train_end()
        with open(path, newline="") as file:
            return file.read()


def _averages(swap_on_epoch, **fit_arguments):
    def run(keras):
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.8)
        model = dense_model(keras, optimizer=optimizer, metrics=["mae"])
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch)
        seen = []

        class Look(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                seen.append(listed(self.model.get_weights()[0]))

        history = model.fit(X, Y, epochs=3, callbacks=[swap, Look()], **QUIET, **fit_arguments)
        results = {
            "seen": seen,
            "history": {name: [float(value) for value in values] for name, values in history.history.items()},
            "weights": [listed(weight) for weight in model.get_weights()],
            "averages": [listed(average.numpy()) for average in optimizer._model_variables_moving_average],
            "evaluate": numbers(model.evaluate(X, Y, verbose=0, callbacks=[swap], return_dict=True)),
        }
        if not swap_on_epoch:  # Keras on JAX loses the weights here.
            results["predict"] = listed(model.predict(X[:3], verbose=0, callbacks=[swap]))
            results["after"] = [listed(weight) for weight in model.get_weights()]
        return results

    return run


cases(
    "averages",
    {
        "evaluation": _averages(False, validation_split=0.2),
        "epoch": _averages(True),
        "epoch, validation": _averages(True, validation_split=0.2),
    },
)


def _checkpoint(name, fit_arguments=None, steps=1, **arguments):
    def run(keras):
        with tempfile.TemporaryDirectory() as directory:
            model = dense_model(keras, metrics=["mae"], steps_per_execution=steps)
            callback = keras.callbacks.ModelCheckpoint(os.path.join(directory, name), **arguments)
            fit = {"epochs": 4, "validation_split": 0.2, "callbacks": [callback], **QUIET, **(fit_arguments or {})}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, Y, **fit)
            found = [os.path.join(folder, name) for folder, _, names in os.walk(directory) for name in names]
            files = sorted(os.path.relpath(path, directory) for path in found)
            results = {"files": files, "best": None if callback.best is None else float(callback.best)}
            if arguments.get("save_weights_only") and len(files) == 1:
                model.load_weights(os.path.join(directory, files[0]))
                results["weights"] = [listed(weight) for weight in model.get_weights()]
            return results

    return run


cases(
    "checkpoint",
    {
        "epoch": _checkpoint("{epoch:02d}-{val_loss:.2f}.keras"),
        "folder": _checkpoint("{epoch}/weights-{mae:.1f}.weights.h5", save_weights_only=True),
        "batches": _checkpoint("{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=4),
        "every batch": _checkpoint("{epoch}-{batch}.weights.h5", {"epochs": 2}, save_weights_only=True, save_freq=1),
        "executions": _checkpoint(
            "{epoch}-{batch}.weights.h5", {"batch_size": 10}, steps=2, save_weights_only=True, save_freq=6
        ),
        "best": _checkpoint("best.weights.h5", save_weights_only=True, save_best_only=True),
        "best of many": _checkpoint("{epoch}.weights.h5", save_weights_only=True, save_best_only=True, mode="max"),
        "threshold": _checkpoint("best.keras", save_best_only=True, initial_value_threshold=0.0),
        "missing": _checkpoint("{epoch}.keras", {"epochs": 2}, save_best_only=True, monitor="other", mode="min"),
    },
)


def _not_a_number(raise_error):
    def run(keras):
        calls = []

        class Look(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                calls.append(["batch", batch, str(np.isfinite(logs["loss"]))])

            def on_epoch_end(self, epoch, logs=None):
                calls.append(["epoch", epoch])

            def on_train_end(self, logs=None):
                calls.append(["end"])

        x = X.copy()
        x[36] = np.nan
        model = dense_model(keras)
        try:
            model.fit(x, Y, epochs=3, callbacks=[keras.callbacks.TerminateOnNaN(raise_error), Look()], **QUIET)
        except RuntimeError as error:
            calls.append(str(error))
        return calls

    return run


cases("not a number", {"stop": _not_a_number(False), "raise": _not_a_number(True)})


def several_optimizers(keras, **arguments):
    first = keras.optimizers.SGD(0.05, name="first", **arguments)
    second = keras.optimizers.SGD(0.02, momentum=0.9, name="second")
    return keras.optimizers.MultiOptimizer(lambda variable: first if "hidden" in variable.path else second)


def _several(make, **arguments):
    def run(keras):
        model = dense_model(keras, optimizer=several_optimizers(keras, **arguments))
        history = model.fit(X, Y, epochs=4, validation_split=0.2, callbacks=make(keras.callbacks), **QUIET)
        results = {name: [float(value) for value in values] for name, values in history.history.items()}
        return {"history": results, "weights": [listed(weight) for weight in model.get_weights()]}

    return run


cases(
    "several optimizers",
    {
        "scheduler": _several(
            lambda callbacks: [callbacks.LearningRateScheduler(lambda epoch, rate: rate * (0.5 if epoch == 2 else 1.0))]
        ),
        "plateau": _several(
            lambda callbacks: [callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=100.0, min_lr=0.01)]
        ),
        "averages": _several(lambda callbacks: [callbacks.SwapEMAWeights()], use_ema=True, ema_momentum=0.8),
    },
)


@case
def history_of_several_fits(keras):
    model = dense_model(keras)
    own = keras.callbacks.History()
    results = []
    for epochs in (2, 1):
        returned = model.fit(X, Y, epochs=epochs, callbacks=[own], **QUIET)
        results.append([returned is own, model.history is own, own.epoch, len(own.history["loss"]), sorted(own.params)])
    other = model.fit(X, Y, epochs=1, **QUIET)
    return [results, other is own, other.epoch, len(other.history["loss"])]


@case
def directions(keras):
    """Which way a monitored value is better, inferred from the metric."""
    names = ["loss", "val_loss", "mae", "val_mae", "accuracy", "auc", "val_auc", "r2_score"]
    inputs = keras.layers.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(inputs))
    metrics = ["mae", "accuracy", keras.metrics.AUC(name="auc"), keras.metrics.R2Score(name="r2_score")]
    model.compile("sgd", "binary_crossentropy", metrics=metrics)
    model.fit(X, (Y > 0).astype("float32"), epochs=1, **QUIET)
    results = {}
    for name in names:
        callback = keras.callbacks.EarlyStopping(name)
        callback.set_model(model)
        callback._set_monitor_op()
        results[name] = bool(callback._is_improvement(2.0, 1.0))
    return results


@case
def lambdas(keras):
    calls = []
    functions = {
        name: lambda *arguments, name=name, **named: calls.append(name)
        for name in hooks()
        if name not in ("on_batch_begin", "on_batch_end")
    }
    callback = keras.callbacks.LambdaCallback(**functions)
    model = dense_model(keras)
    model.fit(X, Y, epochs=1, validation_split=0.5, callbacks=[callback], **QUIET)
    model.predict(X, verbose=0, callbacks=[callback])
    return calls
