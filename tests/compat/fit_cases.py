"""`compile`, `fit`, `evaluate` and `predict` in every form that Keras takes, as further cases of `training_cases.py`.

Data: sixty samples of five features, with targets of three kinds. Models have fixed weights, so that numbers agree.
"""

from __future__ import annotations

import warnings

import numpy as np

from compat.training_cases import LABELS, WEIGHTS, case, cases, listed, rng, two_outputs

X = rng(21).normal(size=(48, 5)).astype("float32")
Y = (X @ rng(22).normal(size=(5, 1)) + 0.3).astype("float32")
CLASS = rng(23).integers(0, 3, 48)
ONE_HOT = np.eye(3, dtype="float32")[CLASS]
SAMPLE = np.tile(WEIGHTS, 8)
SAMPLES = np.stack([SAMPLE, SAMPLE[::-1]], axis=1)
QUIET = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}


def fixed(model, seed=24):
    """Gives a model weights that depend on their shapes' order alone."""
    generator = rng(seed)
    model.set_weights([generator.normal(size=weight.shape).astype("float32") for weight in model.get_weights()])
    return model


def numbers(logs):
    """Logs in their order, as pairs."""
    return [[name, listed(value)] for name, value in logs.items()]


def small(keras, units=1, activation=None):
    return fixed(
        keras.Sequential(
            [
                keras.layers.Input((5,)),
                keras.layers.Dense(4, activation="tanh", name="hidden"),
                keras.layers.Dense(units, activation=activation, name="out"),
            ],
            name="small",
        )
    )


def trained(model, x, y, fit=None, data=None, **arguments):
    """Compiles, fits and evaluates; returns everything that can be compared."""
    model.compile(arguments.pop("optimizer", None) or "sgd", **arguments)
    history = model.fit(x, y, **{**QUIET, **(fit or {})})
    result = {"history": numbers(history.history)}
    weight = (fit or {}).get("sample_weight")
    result["evaluate"] = numbers(model.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=True))
    result["evaluate list"] = listed(model.evaluate(x, y, sample_weight=weight, verbose=0))
    result["names"] = model.metrics_names
    result["weights"] = [listed(weight) for weight in model.get_weights()]
    return result


def towers(keras, outputs):
    """A model of three outputs `a`, `b` (one number each) and `c` (three classes) in a structure."""
    inputs = keras.layers.Input((5,), name="features")
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    parts = [
        keras.layers.Dense(1, name="a")(hidden),
        keras.layers.Dense(1, name="b")(hidden),
        keras.layers.Dense(3, activation="softmax", name="c")(hidden),
    ]
    return fixed(keras.Model(inputs, outputs(*parts)))


SCCE = "sparse_categorical_crossentropy"


def _towers(outputs, y, fit=None, **arguments):
    def run(keras):
        given = {key: value(keras) if callable(value) else value for key, value in arguments.items()}
        return trained(towers(keras, outputs), X, y, fit, **given)

    return run


def flat(a, b, c):
    return [a, b, c]


def nested(a, b, c):
    return {"first": a, "rest": [b, c]}


def keyed(a, b, c):
    return {"a": a, "b": b, "c": c}


TARGETS = [Y, -Y, CLASS]
KEYED = {"a": Y, "b": -Y, "c": CLASS}
NESTED = {"first": Y, "rest": [-Y, CLASS]}
cases(
    "fit structures",
    {
        "list": _towers(flat, TARGETS, loss=["mse", "mae", SCCE], metrics=[["mae"], [], ["accuracy"]]),
        "tuple": _towers(lambda *parts: parts, tuple(TARGETS), loss=("mse", "mae", SCCE)),
        "none loss": _towers(flat, TARGETS, loss=["mse", None, SCCE], loss_weights=[1.0, None, 0.5]),
        "none in dict": _towers(keyed, KEYED, loss={"a": "mse", "b": None, "c": SCCE}),
        "metrics of some": _towers(keyed, KEYED, loss={"a": "mse", "b": "mae", "c": SCCE}, metrics={"c": ["acc"]}),
        "dict for list": _towers(
            flat, TARGETS, loss={"a": "mse", "b": "mae", "c": SCCE}, metrics={"a": "mae", "c": ["acc", SCCE]}
        ),
        "dict targets for list": _towers(flat, KEYED, loss={"a": "mse", "b": "mae", "c": SCCE}),
        "nested": _towers(nested, NESTED, loss={"first": "mse", "rest": ["mae", SCCE]}),
        "nested weights": _towers(
            nested,
            NESTED,
            loss={"first": "mse", "rest": ["mae", SCCE]},
            loss_weights={"first": 1.0, "rest": [0.5, 0.2]},
        ),
        "one loss": _towers(lambda a, b, c: [a, b], [Y, -Y], loss="mse"),
        "one loss, dict": _towers(
            lambda a, b, c: {"a": a, "b": b}, {"a": Y, "b": -Y}, loss="mse", metrics={"b": "mae"}
        ),
        "one weight": _towers(lambda a, b, c: a, Y, loss="mse", loss_weights=0.25, metrics=["mae"]),
        "one weight, list": _towers(lambda a, b, c: a, Y, loss=["mse"], loss_weights=[0.25], metrics={"a": ["mae"]}),
        "weighted": _towers(
            keyed,
            KEYED,
            {"sample_weight": {"a": SAMPLE, "b": SAMPLE[::-1].copy(), "c": SAMPLE}},
            loss={"a": "mse", "b": "mae", "c": SCCE},
            weighted_metrics={"a": ["mae"], "c": "acc"},
            metrics={"a": ["mae"]},
        ),
        "weighted list": _towers(
            flat,
            TARGETS,
            {"sample_weight": [SAMPLE, SAMPLE[::-1].copy(), SAMPLE]},
            loss=["mse", "mae", SCCE],
            weighted_metrics=[["mae"], [], ["acc"]],
        ),
        "weights of all": _towers(
            flat, TARGETS, {"sample_weight": SAMPLE}, loss=["mse", "mae", SCCE], weighted_metrics=[["mae"], [], ["acc"]]
        ),
        "objects": _towers(
            flat,
            TARGETS,
            loss=lambda k: [k.losses.Huber(delta=0.5), k.losses.mean_squared_error, k.losses.get(SCCE)],
            metrics=lambda k: [
                [k.metrics.MeanAbsoluteError(name="off"), "mse"],
                k.metrics.RootMeanSquaredError(),
                [k.metrics.sparse_categorical_accuracy],
            ],
        ),
        "functions": _towers(
            flat,
            TARGETS,
            loss=lambda k: [lambda t, p: k.ops.abs(t - p), "mse", SCCE],
            metrics=lambda k: {"a": named_metric(k), "b": [named_metric(k), "mae"]},
        ),
    },
)


def named_metric(keras):
    def worst(y_true, y_pred):
        return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)

    return worst


def _small(y, fit=None, units=1, activation=None, **arguments):
    def run(keras):
        given = {key: value(keras) if callable(value) else value for key, value in arguments.items()}
        fitted = {key: value(keras) if callable(value) else value for key, value in (fit or {}).items()}
        return trained(small(keras, units, activation), X, y, fitted, **given)

    return run


WEIGHT_OF_CLASS = {0: 1.0, 1: 4.0, 2: 0.5}
SOFT = {"units": 3, "activation": "softmax"}
cases(
    "fit one output",
    {
        "metric forms": _small(
            Y, loss="mse", metrics=lambda k: ["mae", k.metrics.MeanSquaredError(), k.losses.huber, named_metric(k)]
        ),
        "list of lists": _small(Y, loss="mse", metrics=[["mae", "mse"]]),
        "weighted only": _small(Y, {"sample_weight": SAMPLE}, loss="mse", weighted_metrics=["mae", "mse"]),
        "no weights": _small(Y, loss="mse", weighted_metrics=[], metrics=["mae"]),
        "class weight one-hot": _small(
            ONE_HOT,
            {"class_weight": WEIGHT_OF_CLASS},
            loss="categorical_crossentropy",
            weighted_metrics=["acc"],
            **SOFT,
        ),
        "class weight column": _small(
            CLASS[:, None], {"class_weight": WEIGHT_OF_CLASS}, loss=SCCE, metrics=["accuracy"], **SOFT
        ),
        "class weight of some": _small(CLASS, {"class_weight": {1: 3.0}}, loss=SCCE, **SOFT),
        "class weight floats": _small(CLASS.astype("float32"), {"class_weight": {1: 3.0}}, loss=SCCE, **SOFT),
        "crossentropy": _small(ONE_HOT, loss="crossentropy", metrics=["accuracy", "categorical_crossentropy"], **SOFT),
        "binary": _small((Y > 0).astype(int), loss="bce", metrics=["accuracy"], activation="sigmoid"),
        "weight column": _small(Y, {"sample_weight": SAMPLE[:, None]}, loss="mse", weighted_metrics=["mae"]),
        "frequency": _small(Y, {"validation_data": (X[:9], Y[:9]), "validation_freq": [1, 3], "epochs": 3}, loss="mse"),
        "validation weights": _small(
            Y,
            {"validation_data": (X[:9], Y[:9], SAMPLE[:9]), "validation_batch_size": 4},
            loss="mse",
            metrics=["mae"],
            weighted_metrics=["mse"],
        ),
        "validation steps": _small(
            Y, {"validation_data": (X, Y), "validation_steps": 2, "validation_batch_size": 5}, loss="mse"
        ),
        "validation split weights": _small(
            Y, {"validation_split": 0.25, "sample_weight": SAMPLE}, loss="mse", weighted_metrics=["mae"]
        ),
        "validation generator": _small(
            Y,
            {"validation_data": lambda k: ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)), "epochs": 1},
            loss="mse",
        ),
        "validation dataset": _small(Y, {"validation_data": lambda k: halves(k)()}, loss="mse", metrics=["mae"]),
        "steps": _small(Y, {"steps_per_epoch": 2, "epochs": 3, "batch_size": 8}, loss="mse"),
        "executions": _small(Y, {"batch_size": 7, "epochs": 2}, loss="mse", steps_per_execution=4),
    },
)


def halves(keras):
    class Halves(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return X[index * 24 : index * 24 + 24], Y[index * 24 : index * 24 + 24]

    return Halves


@case
def temporal_weights(keras):
    x, y = rng(25).normal(size=(12, 6, 2)).astype("float32"), rng(26).integers(0, 3, (12, 6))
    one_hot = np.eye(3, dtype="float32")[y]
    weights = rng(27).uniform(size=(12, 6)).astype("float32")
    results = {}
    for label, target, loss, fit in [
        ("sparse", y, SCCE, {"sample_weight": weights}),
        ("one-hot", one_hot, "categorical_crossentropy", {"sample_weight": weights}),
        ("sample", one_hot, "categorical_crossentropy", {"sample_weight": weights[:, :1]}),
    ]:
        model = fixed(keras.Sequential([keras.layers.Input((None, 2)), keras.layers.Dense(3, activation="softmax")]))
        model.compile(keras.optimizers.SGD(0.1), loss, weighted_metrics=["accuracy"], metrics=["accuracy"])
        history = model.fit(x, target, batch_size=5, epochs=2, shuffle=False, verbose=0, **fit)
        results[label] = [numbers(history.history), [listed(weight) for weight in model.get_weights()]]
    return results


@case
def nested_inputs(keras):
    left, right, third = (keras.layers.Input((n,), name=name) for name, n in [("l", 2), ("r", 2), ("t", 1)])
    joined = keras.layers.Concatenate()([left, right, third])
    model = keras.Model({"one": left, "more": [right, third]}, keras.layers.Dense(1)(joined))
    x = {"one": X[:, :2], "more": [X[:, 2:4], X[:, 4:]]}
    result = trained(fixed(model), x, Y, loss="mse")
    result["predict"] = listed(model.predict(x, verbose=0)[:4])
    return result


@case
def subclassed_structures(keras):
    class Towers(keras.Model):
        def __init__(self):
            super().__init__()
            self.one = keras.layers.Dense(1)
            self.two = keras.layers.Dense(3, activation="softmax")

        def call(self, inputs):
            joined = keras.ops.concatenate([inputs["left"], inputs["right"]], axis=-1)
            return {"value": self.one(joined), "label": self.two(joined)}

    x = {"left": X[:, :2], "right": X[:, 2:]}
    y = {"value": Y, "label": CLASS}
    model = Towers()
    model({name: part[:1] for name, part in x.items()})
    arguments = {"loss": {"value": "mse", "label": SCCE}, "metrics": {"label": ["accuracy"], "value": "mae"}}
    return trained(fixed(model), x, y, **arguments)


def _exhausted(steps, epochs, length):
    def run(keras):
        model = small(keras)
        model.compile("sgd", "mse")
        batches = ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 8 * length, 8))
        with warnings.catch_warnings(record=True):
            history = model.fit(batches, steps_per_epoch=steps, epochs=epochs, verbose=0)
        return {
            "history": numbers(history.history),
            "iterations": int(model.optimizer.iterations),
        }

    return run


cases(
    "exhausted",
    {
        "exactly": _exhausted(3, 2, 6),
        "no steps": _exhausted(None, 1, 4),
    },
)


@case
def batches_by_hand(keras):
    model = small(keras, **SOFT)
    model.compile("sgd", SCCE, metrics=["accuracy"], weighted_metrics=["acc"])
    x, y = X[:8], CLASS[:8]
    results = [
        listed(model.train_on_batch(x, y)),
        listed(model.train_on_batch(x, y, class_weight=WEIGHT_OF_CLASS)),
        listed(model.train_on_batch(x, y, sample_weight=SAMPLE[:8])),
        listed(model.test_on_batch(x, y)),
        listed(model.test_on_batch(x, y, sample_weight=SAMPLE[:8])),
        numbers(model.test_on_batch(x, y, return_dict=True)),
        numbers(model.train_on_batch(x, y, return_dict=True)),
        [[metric.name, listed(metric.result())] for metric in model.metrics[:1]],
    ]
    model.reset_metrics()
    return [*results, listed(model.metrics[0].result()), model.metrics_names]


@case
def own_steps(keras):
    calls = []

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.tracker = keras.metrics.Mean(name="tracked")

        def call(self, inputs):
            return self.dense(inputs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            calls.append("loss")
            loss = keras.ops.mean(keras.ops.abs(y - y_pred)) + 0.1
            self.tracker.update_state(loss * 2)
            return loss

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            results = super().compute_metrics(x, y, y_pred, sample_weight)
            results["double"] = results["mae"] * 2
            return results

    model = Own()
    model(X[:1])
    results = trained(fixed(model), X, Y, metrics=["mae"])
    del results["evaluate list"]
    return [results, sorted(set(calls)), listed(model.train_on_batch(X[:8], Y[:8], return_dict=True)["double"])]


@case
def own_test_and_predict_steps(keras):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return keras.ops.mean((y - y_pred) ** 2)

    model = Own()
    model(X[:1])
    return trained(fixed(model), X, Y)


@case
def added_losses(keras):
    class Activity(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(0.01 * keras.ops.sum(inputs**2))
            return inputs

    inputs = keras.layers.Input((5,))
    hidden = keras.layers.Dense(3, kernel_regularizer="l2", activity_regularizer="l1")(inputs)
    outputs = keras.layers.Dense(1, bias_regularizer=keras.regularizers.L1(0.1))(Activity()(hidden))
    return trained(fixed(keras.Model(inputs, outputs)), X, Y, loss="mse", metrics=["mae"])


@case
def only_added_losses(keras):
    class Endpoint(keras.layers.Layer):
        def call(self, targets, outputs):
            self.add_loss(keras.ops.mean((targets - outputs) ** 2))
            return outputs

    inputs, targets = keras.layers.Input((5,)), keras.layers.Input((1,))
    outputs = Endpoint()(targets, keras.layers.Dense(1)(inputs))
    model = fixed(keras.Model([inputs, targets], outputs))
    model.compile("sgd")
    history = model.fit([X, Y], **QUIET)
    return [numbers(history.history), listed(model.evaluate([X, Y], verbose=0))]


@case
def frozen(keras):
    model = small(keras)
    model.add(keras.layers.BatchNormalization(name="norm"))
    model.add(keras.layers.Dense(1, name="last"))
    fixed(model).get_layer("norm").set_weights([np.ones(1), np.zeros(1), np.zeros(1), np.ones(1)])
    results = []
    model.get_layer("hidden").trainable = False
    for change in ("hidden", "norm", "all", "thaw"):
        if change == "norm":
            model.get_layer("norm").trainable = False
        elif change == "all":
            model.trainable = False
        elif change == "thaw":
            model.trainable = True
        counts = [len(model.trainable_weights), len(model.non_trainable_weights), len(model.trainable_variables)]
        if change != "all":
            model.compile(keras.optimizers.SGD(0.01), "mse")
            counts.append(numbers(model.fit(X, Y, **QUIET).history))
        results.append([change, counts, [listed(weight) for weight in model.get_weights()]])
    return results


@case
def stateless_forms(keras):
    model = small(keras)
    model.add(keras.layers.BatchNormalization())
    trainable = [variable.value for variable in model.trainable_variables]
    rest = [variable.value for variable in model.non_trainable_variables]
    outputs, changed = model.stateless_call(trainable, rest, X[:6], training=True)
    again, same = model.stateless_call(trainable, rest, X[:6], training=False)
    with_losses = model.stateless_call(trainable, rest, X[:6], training=False, return_losses=True)
    model.compile("sgd", "mse")
    metrics = [variable.value for variable in model.metrics_variables]
    loss = model.stateless_compute_loss(trainable, rest, metrics, x=X[:6], y=Y[:6], y_pred=again, training=False)
    return [
        listed(outputs),
        [listed(value) for value in changed],
        listed(again),
        [listed(value) for value in same],
        len(with_losses),
        listed(loss[0]),
        [len(part) for part in loss[1]],
        [listed(variable) for variable in model.non_trainable_variables],
    ]


@case
def compile_configs(keras):
    model = small(keras, **SOFT)
    empty = model.get_compile_config()
    model.compile(
        keras.optimizers.SGD(0.2, momentum=0.5),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        loss_weights=[0.5],
        metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2)],
        weighted_metrics=["accuracy"],
    )
    config = model.get_compile_config()
    again = small(keras, **SOFT)
    again.compile_from_config(config)
    history = again.fit(X, CLASS, **QUIET)
    return [empty, sorted(config), numbers(history.history), float(again.optimizer.learning_rate)]


@case
def build_configs(keras):
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
    model.build((None, 5))
    config = model.get_build_config()
    again = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
    again.build_from_config(config)
    return [[list(weight.shape) for weight in again.weights], list(config["input_shape"])]


@case
def predictions(keras):
    model = two_outputs(keras, loss=["mse", SCCE])

    def batches():
        yield X[:10], [Y[:10], LABELS[:10]]
        yield (X[10:16],)

    class Dataset(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return X[index * 4 : index * 4 + 4]

    return {
        "generator": [listed(part) for part in model.predict(batches(), verbose=0)],
        "dataset": [listed(part) for part in model.predict(Dataset(workers=2), verbose=0)],
        "steps": [list(part.shape) for part in model.predict(X, batch_size=7, steps=2, verbose=0)],
        "on batch": [listed(part) for part in model.predict_on_batch(X[:3])],
    }


@case
def state_trees(keras):
    model = small(keras)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9, name="sgd"), "mse", metrics=["mae"])
    model.fit(X, Y, **QUIET)
    state = model.get_state_tree("numpy_array")
    for part in ("trainable_variables", "metrics_variables"):
        state[part] = keras.tree.map_structure(lambda array: array + 1, state[part])
    model.set_state_tree(state)
    flat = keras.tree.flatten_with_path(model.get_state_tree("numpy_array"))
    found = [["/".join(path), listed(array)] for path, array in flat if path[0] != "optimizer_variables"]
    return [found, sorted(state), len(keras.tree.flatten(state["optimizer_variables"]))]
