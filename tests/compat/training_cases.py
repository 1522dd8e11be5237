"""Training cases that run under real Keras and under Ironhorn alike.

Each case is a function of the library; it returns numbers, strings, lists and dicts. `make_training_reference.py` runs
them under real Keras and stores what they return; `tests/training/test_reference.py` runs them under Ironhorn and
compares.
"""

from __future__ import annotations

import warnings

import numpy as np

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def cases(name, table):
    """Adds one case per row of a table: `table` maps a label to a function of the library."""
    for label, function in table.items():
        CASES[f"{name}[{label}]"] = function


def listed(value):
    """Turns a tensor into nested lists of floats, one number into a float."""
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array.tolist()


def rng(seed=0):
    return np.random.default_rng(seed)


def probabilities(shape, seed=0):
    values = rng(seed).uniform(0.05, 1.0, shape)
    return (values / values.sum(-1, keepdims=True)).astype("float32")


# Losses

REAL = rng(1).normal(size=(6, 4)).astype("float32")
REAL_TRUE = rng(2).normal(size=(6, 4)).astype("float32")
BINARY = (rng(3).uniform(size=(6, 4)) > 0.5).astype("float32")
UNIT = rng(4).uniform(0.02, 0.98, (6, 4)).astype("float32")
CLASSES = np.array([0, 3, 1, 2, 3, 0])
ONE_HOT = np.eye(4, dtype="float32")[CLASSES]
WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0], dtype="float32")
SEQUENCE = probabilities((3, 5, 4), 5)
SEQUENCE_CLASSES = rng(6).integers(0, 4, (3, 5))

LOSS_ROWS = [
    ("MeanSquaredError", {}, REAL_TRUE, REAL),
    ("MeanAbsoluteError", {}, REAL_TRUE, REAL),
    ("MeanSquaredError", {}, REAL_TRUE[:, 0], REAL[:, :1]),
    ("MeanSquaredError", {}, REAL_TRUE[:, :1], REAL[:, 0]),
    ("BinaryCrossentropy", {}, BINARY, UNIT),
    ("BinaryCrossentropy", {"from_logits": True}, BINARY, REAL * 5),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, BINARY, UNIT),
    ("BinaryCrossentropy", {}, BINARY[:, 0], UNIT[:, :1]),
    ("CategoricalCrossentropy", {}, ONE_HOT, probabilities((6, 4))),
    ("CategoricalCrossentropy", {"from_logits": True}, ONE_HOT, REAL * 3),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT, probabilities((6, 4))),
    ("CategoricalCrossentropy", {}, ONE_HOT, UNIT),
    ("SparseCategoricalCrossentropy", {}, CLASSES, probabilities((6, 4))),
    ("SparseCategoricalCrossentropy", {}, CLASSES[:, None], probabilities((6, 4))),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES, REAL * 3),
    ("SparseCategoricalCrossentropy", {"ignore_class": 3}, CLASSES, probabilities((6, 4))),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1}, np.where(CLASSES == 2, -1, CLASSES), probabilities((6, 4))),
]
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", None]


def _loss(name, arguments, y_true, y_pred):
    def run(keras):
        results = {}
        for reduction in REDUCTIONS:
            loss = getattr(keras.losses, name)(reduction=reduction, **arguments)
            results[str(reduction)] = listed(loss(y_true, y_pred))
            results[f"{reduction}, weighted"] = listed(loss(y_true, y_pred, sample_weight=WEIGHTS))
        results["name"] = loss.name
        config = loss.get_config()
        results["config"] = {key: str(value) for key, value in sorted(config.items())}
        return results

    return run


cases("loss", {f"{index} {row[0]} {row[1]}": _loss(*row) for index, row in enumerate(LOSS_ROWS)})


@case
def loss_of_sequences(keras):
    loss = keras.losses.SparseCategoricalCrossentropy()
    sample = np.array([1.0, 2.0, 0.0], dtype="float32")[:, None]
    step = rng(7).uniform(size=(3, 5)).astype("float32")
    return {
        "plain": listed(loss(SEQUENCE_CLASSES, SEQUENCE)),
        "sample": listed(loss(SEQUENCE_CLASSES, SEQUENCE, sample_weight=sample)),
        "step": listed(loss(SEQUENCE_CLASSES, SEQUENCE, sample_weight=step)),
    }


@case
def loss_function_names(keras):
    results = {}
    for name in ["mse", "mae", "bce", "mean_squared_error", "MeanSquaredError", "sparse_categorical_crossentropy"]:
        loss = keras.losses.get(name)
        results[name] = getattr(loss, "__name__", None) or loss.name
    return results


# Metrics

METRIC_ROWS = [
    ("Mean", {}, [(REAL,), (REAL * 2,)]),
    ("Sum", {}, [(REAL,), (REAL * 2,)]),
    ("Accuracy", {}, [(CLASSES, CLASSES[::-1].copy())]),
    ("BinaryAccuracy", {}, [(BINARY, UNIT), (BINARY, UNIT**2)]),
    ("BinaryAccuracy", {"threshold": 0.7}, [(BINARY, UNIT)]),
    ("BinaryAccuracy", {}, [(BINARY[:, 0], UNIT[:, :1])]),
    ("CategoricalAccuracy", {}, [(ONE_HOT, UNIT), (ONE_HOT, REAL)]),
    ("SparseCategoricalAccuracy", {}, [(CLASSES, UNIT), (CLASSES, REAL)]),
    ("SparseCategoricalAccuracy", {}, [(CLASSES[:, None], UNIT)]),
    ("SparseCategoricalAccuracy", {}, [(SEQUENCE_CLASSES, SEQUENCE)]),
    ("TopKCategoricalAccuracy", {"k": 2}, [(ONE_HOT, UNIT), (ONE_HOT, REAL)]),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, [(CLASSES, UNIT), (CLASSES, REAL)]),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, [(SEQUENCE_CLASSES, SEQUENCE)]),
    ("MeanSquaredError", {}, [(REAL_TRUE, REAL), (REAL_TRUE, REAL * 2)]),
    ("MeanAbsoluteError", {}, [(REAL_TRUE, REAL)]),
    ("RootMeanSquaredError", {}, [(REAL_TRUE, REAL), (REAL_TRUE, REAL * 2)]),
    ("BinaryCrossentropy", {}, [(BINARY, UNIT)]),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, [(BINARY, REAL)]),
    ("CategoricalCrossentropy", {}, [(ONE_HOT, probabilities((6, 4)))]),
    ("SparseCategoricalCrossentropy", {}, [(CLASSES, probabilities((6, 4)))]),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, [(CLASSES, REAL)]),
]


def _metric(name, arguments, updates):
    def run(keras):
        results = {}
        for label, weight in [("plain", None), ("weighted", WEIGHTS)]:
            metric = getattr(keras.metrics, name)(**arguments)
            values = []
            for update in updates:
                sample_weight = None if weight is None else weight[: len(update[0])]
                if sample_weight is not None and update[0].ndim == 2 and len(update) == 2 and update[-1].ndim == 3:
                    sample_weight = sample_weight[:, None]
                metric.update_state(*update, sample_weight=sample_weight)
                values.append(listed(metric.result()))
            metric.reset_state()
            results[label] = values
            results[f"{label}, reset"] = listed(metric.result())
        results["name"] = metric.name
        results["variables"] = [variable.name for variable in metric.variables]
        results["config"] = {key: str(value) for key, value in sorted(metric.get_config().items())}
        return results

    return run


cases("metric", {f"{index} {row[0]} {row[1]}": _metric(*row) for index, row in enumerate(METRIC_ROWS)})

# Optimizers

KERNEL = rng(8).normal(size=(3, 4)).astype("float32")
BIAS = rng(9).normal(size=(4,)).astype("float32")
OPTIMIZER_ROWS = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"learning_rate": 0.1, "weight_decay": 0.01}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.3}),
    ("SGD", {"learning_rate": 0.1, "global_clipnorm": 0.7}),
    ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3}),
    ("SGD", {"learning_rate": 0.1, "loss_scale_factor": 8.0}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-5}),
    ("Adam", {"learning_rate": 0.05, "amsgrad": True}),
    ("Adam", {"learning_rate": 0.05, "weight_decay": 0.02}),
    ("AdamW", {"learning_rate": 0.05}),
    ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.1}),
    ("RMSprop", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05, "momentum": 0.9, "centered": True}),
]


def _optimizer(name, arguments):
    def run(keras):
        optimizer = getattr(keras.optimizers, name)(name="optimizer", **arguments)
        kernel, bias = keras.Variable(KERNEL, name="kernel"), keras.Variable(BIAS, name="bias")
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.build([kernel, bias])
        results = {}
        generator = rng(10)
        for step in range(20):
            gradients = [generator.normal(size=KERNEL.shape), generator.normal(size=BIAS.shape)]
            gradients = [keras.ops.convert_to_tensor(gradient.astype("float32")) for gradient in gradients]
            optimizer.apply(gradients, [kernel, bias])
            if step in (0, 1, 2, 9, 19):
                results[f"kernel {step}"] = listed(kernel.numpy() if hasattr(kernel, "numpy") else kernel)
                results[f"bias {step}"] = listed(bias.numpy())
        results["iterations"] = int(optimizer.iterations.numpy())
        results["variables"] = [variable.path for variable in optimizer.variables]
        results["state"] = [listed(variable.numpy()) for variable in optimizer.variables]
        optimizer.finalize_variable_values([kernel, bias])
        results["final"] = listed(kernel.numpy())
        results["config"] = {key: str(value) for key, value in sorted(optimizer.get_config().items())}
        return results

    return run


cases("optimizer", {f"{index} {row[0]} {row[1]}": _optimizer(*row) for index, row in enumerate(OPTIMIZER_ROWS)})


@case
def schedules(keras):
    schedules = keras.optimizers.schedules
    table = {
        "exponential": schedules.ExponentialDecay(0.1, 10, 0.5),
        "staircase": schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True),
        "piecewise": schedules.PiecewiseConstantDecay([5, 10], [1.0, 0.5, 0.1]),
        "cosine": schedules.CosineDecay(0.1, 20, alpha=0.1),
        "warmup": schedules.CosineDecay(0.0, 20, warmup_target=0.2, warmup_steps=5),
    }
    return {
        name: {
            "values": [listed(schedule(step)) for step in (0, 1, 4, 5, 6, 9, 10, 11, 20, 25, 40)],
            "config": {key: str(value) for key, value in sorted(schedule.get_config().items())},
        }
        for name, schedule in table.items()
    }


@case
def schedule_in_optimizer(keras):
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5))
    variable = keras.Variable(KERNEL)
    optimizer.build([variable])
    values = []
    for _ in range(5):
        optimizer.apply([keras.ops.ones((3, 4))], [variable])
        values.append(listed(variable.numpy()[0, 0]))
    return {"values": values, "count": len(optimizer.variables)}


# Training

X = rng(11).normal(size=(50, 5)).astype("float32")
Y = (X @ rng(12).normal(size=(5, 1)) + 0.3).astype("float32")
LABELS = rng(13).integers(0, 3, 50)


def dense_model(keras, units=1, activation=None, loss="mse", optimizer=None, metrics=None, **arguments):
    """A model of two dense layers with fixed weights."""
    model = keras.Sequential(
        [
            keras.layers.Input((5,)),
            keras.layers.Dense(4, activation="tanh", name="hidden"),
            keras.layers.Dense(units, activation=activation, name="out"),
        ]
    )
    generator = rng(14)
    model.set_weights([generator.normal(size=weight.shape).astype("float32") for weight in model.get_weights()])
    model.compile(optimizer or keras.optimizers.SGD(0.05, momentum=0.9), loss, metrics=metrics, **arguments)
    return model


def two_outputs(keras, **arguments):
    inputs = keras.layers.Input((5,), name="features")
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    model = keras.Model(
        inputs,
        [
            keras.layers.Dense(1, name="value")(hidden),
            keras.layers.Dense(3, activation="softmax", name="label")(hidden),
        ],
    )
    generator = rng(15)
    model.set_weights([generator.normal(size=weight.shape).astype("float32") for weight in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.05), **arguments)
    return model


def finished(model, history):
    return {
        "history": {name: [float(value) for value in values] for name, values in history.history.items()},
        "epochs": history.epoch,
        "weights": [listed(weight) for weight in model.get_weights()],
        "iterations": int(model.optimizer.iterations.numpy()),
    }


def _fit(fit_arguments, **model_arguments):
    def run(keras):
        arguments = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0, **fit_arguments}
        y = LABELS if model_arguments.get("units") == 3 else Y
        model = dense_model(keras, **model_arguments)
        history = model.fit(X, y, **arguments)
        results = finished(model, history)
        results["evaluate"] = {k: float(v) for k, v in model.evaluate(X, y, verbose=0, return_dict=True).items()}
        if "weighted_metrics" not in model_arguments:  # Keras lists a name that occurs twice three times.
            results["evaluate list"] = listed(model.evaluate(X, y, verbose=0))
        results["predict"] = listed(model.predict(X[:7], verbose=0))
        return results

    return run


CLASSIFIER = {"units": 3, "activation": "softmax", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
cases(
    "fit",
    {
        "plain": _fit({}),
        "one batch": _fit({"batch_size": 50}),
        "metrics": _fit({}, metrics=["mae", "mse"]),
        "weighted metrics": _fit(
            {"sample_weight": np.tile(WEIGHTS, 9)[:50]}, weighted_metrics=["mae"], metrics=["mae"]
        ),
        "classifier": _fit({}, **CLASSIFIER),
        "class weight": _fit({"class_weight": {0: 1.0, 1: 4.0, 2: 0.5}}, **CLASSIFIER),
        "crossentropy": _fit({}, **{**CLASSIFIER, "loss": "crossentropy"}),
        "validation split": _fit({"validation_split": 0.3}, metrics=["mae"]),
        "validation data": _fit({"validation_data": (X[:20], Y[:20]), "validation_freq": 2, "epochs": 4}),
        "initial epoch": _fit({"initial_epoch": 2, "epochs": 5}),
        "steps per epoch": _fit({"steps_per_epoch": 2, "epochs": 2}),
        "steps per execution": _fit({}, steps_per_execution=3),
        "eager": _fit({}, run_eagerly=True, jit_compile=False),
        "loss weight": _fit({}, loss_weights=[0.5]),
    },
)


@case
def fit_adam(keras):
    model = dense_model(keras, optimizer=keras.optimizers.Adam(0.05), loss="mae")
    return finished(model, model.fit(X, Y, batch_size=10, epochs=3, shuffle=False, verbose=0))


@case
def fit_generator(keras):
    model = dense_model(keras)

    def batches():
        while True:
            for start in range(0, 50, 10):
                yield X[start : start + 10], Y[start : start + 10]

    return finished(model, model.fit(batches(), steps_per_epoch=5, epochs=2, verbose=0))


@case
def fit_py_dataset(keras):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            rows = slice(index * 10, index * 10 + 10)
            return X[rows], Y[rows], np.tile(WEIGHTS, 9)[:50][rows]

    model = dense_model(keras, metrics=["mae"])
    return finished(model, model.fit(Batches(), epochs=2, shuffle=False, verbose=0))


@case
def on_batch(keras):
    model = dense_model(keras, metrics=["mae"])
    return {
        "train": [listed(model.train_on_batch(X[:10], Y[:10])) for _ in range(3)],
        "train dict": {k: float(v) for k, v in model.train_on_batch(X[:10], Y[:10], return_dict=True).items()},
        "test": listed(model.test_on_batch(X[10:20], Y[10:20])),
        "predict": listed(model.predict_on_batch(X[:3])),
    }


TWO_OUTPUT_LOSSES = {
    "list": {"loss": ["mse", "sparse_categorical_crossentropy"]},
    "dict": {
        "loss": {"value": "mse", "label": "sparse_categorical_crossentropy"},
        "loss_weights": {"value": 0.3, "label": 2.0},
    },
    "metrics list": {
        "loss": ["mse", "sparse_categorical_crossentropy"],
        "metrics": [["mae", "mse"], ["accuracy"]],
    },
    "metrics dict": {
        "loss": ["mse", "sparse_categorical_crossentropy"],
        "loss_weights": [1.0, 0.5],
        "metrics": {"label": "acc"},
        "weighted_metrics": {"value": ["mae"]},
    },
    "one loss": {"loss": [None, "sparse_categorical_crossentropy"], "metrics": [None, ["accuracy"]]},
}


def _two_outputs(arguments):
    def run(keras):
        model = two_outputs(keras, **arguments)
        y = [Y, LABELS]
        history = model.fit(
            X, y, batch_size=16, epochs=2, shuffle=False, verbose=0, validation_data=(X[:8], [Y[:8], LABELS[:8]])
        )
        results = finished(model, history)
        results["evaluate"] = {k: float(v) for k, v in model.evaluate(X, y, verbose=0, return_dict=True).items()}
        results["shapes"] = [list(output.shape) for output in model.predict(X, verbose=0)]
        return results

    return run


cases("outputs", {label: _two_outputs(arguments) for label, arguments in TWO_OUTPUT_LOSSES.items()})


@case
def dict_targets(keras):
    model = two_outputs(keras, loss={"value": "mse", "label": "sparse_categorical_crossentropy"})
    y = {"label": LABELS, "value": Y}
    return finished(model, model.fit({"features": X}, y, batch_size=16, epochs=2, shuffle=False, verbose=0))


def _dict_outputs(y, fit_arguments=None, **arguments):
    def run(keras):
        inputs = keras.layers.Input((5,), name="features")
        hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
        outputs = {
            "value": keras.layers.Dense(1, name="last")(hidden),
            "label": keras.layers.Dense(3, activation="softmax", name="classes")(hidden),
        }
        model = keras.Model(inputs, outputs)
        generator = rng(15)
        shapes = {"hidden": [(5, 4), (4,)], "last": [(4, 1), (1,)], "classes": [(4, 3), (3,)]}
        for name, parts in shapes.items():
            model.get_layer(name).set_weights([generator.normal(size=shape).astype("float32") for shape in parts])
        model.compile(keras.optimizers.SGD(0.05), **arguments)
        fit = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0, **(fit_arguments or {})}
        results = finished(model, model.fit(X, y, **fit))
        results.pop("weights")
        results["kernel"] = listed(model.get_layer("hidden").get_weights()[0])
        results["evaluate"] = {k: float(v) for k, v in model.evaluate(X, y, verbose=0, return_dict=True).items()}
        results["shapes"] = {name: list(value.shape) for name, value in model.predict(X, verbose=0).items()}
        return results

    return run


DICT_TARGETS = {"value": Y, "label": LABELS}
cases(
    "dict outputs",
    {
        "loss": _dict_outputs(DICT_TARGETS, loss={"value": "mse", "label": "sparse_categorical_crossentropy"}),
        "weights": _dict_outputs(
            DICT_TARGETS,
            loss={"value": "mse", "label": "sparse_categorical_crossentropy"},
            loss_weights={"value": 0.2, "label": 3.0},
            metrics={"value": ["mae", "mse"], "label": "accuracy"},
            weighted_metrics={"label": ["accuracy"]},
        ),
        "sample weights": _dict_outputs(
            DICT_TARGETS,
            {"sample_weight": {"value": np.tile(WEIGHTS, 9)[:50], "label": np.tile(WEIGHTS, 9)[:50][::-1].copy()}},
            loss={"value": "mse", "label": "sparse_categorical_crossentropy"},
            weighted_metrics={"value": ["mae"]},
        ),
        "one loss": _dict_outputs({"value": Y, "label": np.eye(3)[LABELS]}, loss="mse"),
    },
)


@case
def list_of_one_output(keras):
    inputs = keras.layers.Input((5,))
    model = keras.Model([inputs], [keras.layers.Dense(1, name="only")(inputs)])
    model.set_weights([np.ones((5, 1), "float32"), np.zeros(1, "float32")])
    model.compile(keras.optimizers.SGD(0.05), ["mse"], metrics=["mae"])
    history = model.fit([X], [Y], batch_size=16, epochs=2, shuffle=False, verbose=0)
    return finished(model, history)


@case
def two_inputs(keras):
    left, right = keras.layers.Input((3,), name="left"), keras.layers.Input((2,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    model = keras.Model([left, right], keras.layers.Dense(1, name="out")(joined))
    results = {}
    for label, x in {"list": [X[:, :3], X[:, 3:]], "dict": {"left": X[:, :3], "right": X[:, 3:]}}.items():
        model.set_weights([np.ones((5, 1), "float32"), np.zeros(1, "float32")])
        model.compile(keras.optimizers.SGD(0.05), "mse")
        results[label] = finished(model, model.fit(x, Y, batch_size=16, epochs=2, shuffle=False, verbose=0))
        results[label]["predict"] = listed(model.predict(x, verbose=0)[:3])
    return results


@case
def sample_weight_per_output(keras):
    model = two_outputs(
        keras, loss=["mse", "sparse_categorical_crossentropy"], weighted_metrics=[["mae"], ["accuracy"]]
    )
    weights = np.tile(WEIGHTS, 9)[:50]
    fit = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    return finished(model, model.fit(X, [Y, LABELS], sample_weight=[weights, weights[::-1].copy()], **fit))


@case
def regularized(keras):
    model = keras.Sequential(
        [
            keras.layers.Input((5,)),
            keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.1), name="out"),
        ]
    )
    model.set_weights([np.ones((5, 1), "float32"), np.zeros(1, "float32")])
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return finished(model, model.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0))


# Callbacks


def recorder(keras):
    """A callback that writes down every hook and its logs' names."""
    calls = []

    def hook(name):
        def record(self, *arguments, logs=None):
            if logs is None and arguments and isinstance(arguments[-1], dict):
                logs, arguments = arguments[-1], arguments[:-1]
            arguments = [argument for argument in arguments if argument is not None]
            calls.append(" ".join([name, *map(str, arguments), *sorted(logs or {})]))

        return record

    names = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_") and "_batch_" in name[2:]]
    names = [name for name in names if name not in ("on_batch_begin", "on_batch_end")]
    names += [f"on_{phase}_{end}" for phase in ("epoch", "train", "test", "predict") for end in ("begin", "end")]
    return type("Recorder", (keras.callbacks.Callback,), {name: hook(name) for name in names})(), calls


def _hooks(fit_arguments, **model_arguments):
    def run(keras):
        callback, calls = recorder(keras)
        model = dense_model(keras, metrics=["mae"], **model_arguments)
        model.fit(X, Y, batch_size=20, verbose=0, callbacks=[callback], **fit_arguments)
        model.evaluate(X, Y, batch_size=20, verbose=0, callbacks=[callback])
        model.predict(X, batch_size=20, verbose=0, callbacks=[callback])
        return calls

    return run


cases(
    "hooks",
    {
        "validation": _hooks({"epochs": 2, "validation_data": (X[:30], Y[:30])}),
        "frequency": _hooks({"epochs": 3, "validation_split": 0.5, "validation_freq": [2]}),
        "initial epoch": _hooks({"epochs": 3, "initial_epoch": 2}),
        "no epoch": _hooks({"epochs": 0}),
    },
)


@case
def hooks_when_stopped(keras):
    callback, calls = recorder(keras)

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.stop_training = True

    model = dense_model(keras)
    model.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[Stop(), callback])
    return calls


EARLY_ROWS = {
    "patience": ({"patience": 2}, [5.0, 4.0, 4.5, 4.2, 4.1, 3.0]),
    "none": ({}, [5.0, 5.0, 5.0]),
    "delta": ({"min_delta": 0.5, "patience": 1}, [5.0, 4.8, 4.6, 4.0, 3.9, 3.8]),
    "baseline": ({"baseline": 3.0, "patience": 2}, [5.0, 4.0, 3.5, 2.0]),
    "max": ({"mode": "max", "patience": 1}, [1.0, 2.0, 1.0, 1.5, 1.0]),
    "start": ({"start_from_epoch": 3, "patience": 1}, [5.0, 6.0, 7.0, 8.0, 9.0, 10.0]),
    "restore": ({"restore_best_weights": True, "patience": 1}, [5.0, 3.0, 4.0, 6.0]),
    "missing": ({"monitor": "val_other", "mode": "min"}, [5.0, 3.0]),
}


def _early(arguments, values):
    def run(keras):
        class Model:
            stop_training = False
            weights = 0
            metrics = ()

            def get_weights(self):
                return self.weights

            def set_weights(self, weights):
                self.weights = weights

        model = Model()
        callback = keras.callbacks.EarlyStopping(**arguments)
        callback.set_model(model)
        callback.on_train_begin()
        stopped = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch, value in enumerate(values):
                model.weights = epoch
                callback.on_epoch_end(epoch, {"val_loss": value})
                if model.stop_training:
                    stopped = epoch
                    break
        callback.on_train_end()
        return {"stopped": stopped, "best": callback.best, "wait": callback.wait, "weights": model.weights}

    return run


cases("early stopping", {label: _early(*row) for label, row in EARLY_ROWS.items()})


@case
def early_stopping_in_fit(keras):
    model = dense_model(keras, optimizer=keras.optimizers.SGD(0.5), metrics=["mae"])
    callback = keras.callbacks.EarlyStopping(monitor="mae", patience=2, restore_best_weights=True)
    return finished(model, model.fit(X, Y, batch_size=25, epochs=30, shuffle=False, verbose=0, callbacks=[callback]))
