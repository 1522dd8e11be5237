"""How fit, evaluate and predict behave beyond the numbers: grouping of steps, custom steps, tracing, errors."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import ops
from ironhorn.errors import ConcurrentFitError, ValueRangeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 4)).astype("float32")
Y = RNG.normal(size=(70, 1)).astype("float32")
LABELS = RNG.integers(0, 3, 70)


def regression(cls=None, loss="mse", **arguments):
    keras.utils.set_random_seed(1)
    inputs = keras.layers.Input((4,))
    hidden = keras.layers.Dense(8, activation="relu", name="hidden")(inputs)
    outputs = keras.layers.Dense(1, name="out")(hidden)
    model = (cls or keras.Model)(inputs, outputs)
    model.compile(arguments.pop("optimizer", "adam"), loss, **arguments)
    return model


def classifier():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, activation="softmax", name="classes")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def weights(model):
    return [weight.copy() for weight in model.get_weights()]


def assert_equal_weights(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


class EveryBatch(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])


def test_listening_to_batches_changes_nothing():
    listened, silent = regression(), regression()
    callback = EveryBatch()
    keras.utils.set_random_seed(3)
    first = listened.fit(X, Y, epochs=3, batch_size=8, verbose=0, callbacks=[callback])
    keras.utils.set_random_seed(3)
    second = silent.fit(X, Y, epochs=3, batch_size=8, verbose=0)
    assert first.history == second.history
    assert len(callback.losses) == 3 * 9
    assert_equal_weights(weights(listened), weights(silent))


def test_without_listener_many_steps_run_in_one_call(monkeypatch):
    model = regression()
    function = model.make_train_function()
    calls = []
    run = type(function).run
    monkeypatch.setattr(
        type(function),
        "run",
        lambda self, data, epoch, offset, steps: calls.append(steps) or run(self, data, epoch, offset, steps),
    )
    model.fit(X, Y, epochs=20, batch_size=1, verbose=0)
    assert sum(calls) == 20 * 70
    assert max(calls) > 20
    assert len(calls) < 20 * 70 / 5


def test_eager_gives_the_same_numbers():
    traced, eager = regression(), regression(run_eagerly=True)
    for model in (traced, eager):
        keras.utils.set_random_seed(3)
        model.fit(X, Y, epochs=2, batch_size=16, verbose=0)
    for a, b in zip(weights(traced), weights(eager), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(traced.predict(X, verbose=0), eager.predict(X, verbose=0), rtol=1e-4, atol=1e-5)


def test_run_eagerly_can_be_set_later():
    traced = []

    class Looking(keras.Model):
        def predict_step(self, data):
            traced.append(data.is_traced)
            return super().predict_step(data)

    model = regression(Looking)
    model.predict(X[:3], verbose=0)
    model.run_eagerly = True
    model.predict(X[:3], verbose=0)
    assert traced == [True, False]


def test_custom_train_step():
    class Custom(keras.Model):
        def train_step(self, data):
            x, y = data
            with keras.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = ops.mean(ops.square(y_pred - y))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"my_loss": loss}

    custom, usual = regression(Custom), regression()
    fit = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    history = custom.fit(X, Y, **fit)
    usual.fit(X, Y, **fit)
    assert list(history.history) == ["my_loss"]
    for a, b in zip(weights(custom), weights(usual), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_custom_compute_loss_without_training_argument():
    class Custom(keras.Model):
        def compute_loss(self, x, y, y_pred, sample_weight=None):
            return ops.mean(ops.absolute(y_pred - y)) * 2.0

    model = regression(Custom, loss=None)
    before = float(np.abs(model.predict(X, verbose=0) - Y).mean() * 2)
    assert model.evaluate(X, Y, batch_size=70, verbose=0) == pytest.approx(before, rel=1e-5)


def test_custom_metric_in_compute_metrics():
    class Custom(keras.Model):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.largest = keras.metrics.Mean(name="largest")

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            self.largest.update_state(ops.max(y_pred))
            return super().compute_metrics(x, y, y_pred, sample_weight)

    model = regression(Custom)
    history = model.fit(X, Y, epochs=2, verbose=0)
    assert sorted(history.history) == ["largest", "loss"]


def test_python_is_traced_once_for_the_last_partial_batch_too():
    traces = []

    class Counting(keras.Model):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    model = regression(Counting)
    model.fit(X, Y, epochs=3, batch_size=32, verbose=0)
    model.fit(X, Y, epochs=1, batch_size=9, verbose=0)
    assert len(traces) == 1


def test_freezing_a_layer_takes_effect_without_compiling():
    model = regression(optimizer="sgd")
    model.fit(X, Y, verbose=0)
    model.get_layer("hidden").trainable = False
    before = weights(model)
    model.fit(X, Y, verbose=0)
    after = weights(model)
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(before[2] - after[2]).max() > 0


def test_subclassed_model_is_built_by_fit():
    class Small(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

    model = Small()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    assert model.predict(X[:5], verbose=0).shape == (5, 1)


def test_predict_of_one_row_equals_predict_of_many():
    model = regression()
    together = model.predict(X, verbose=0)
    alone = np.concatenate([model.predict(X[row : row + 1], verbose=0) for row in range(8)])
    np.testing.assert_allclose(together[:8], alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.predict_on_batch(X[:8]), model.predict(X[:8], verbose=0))


def test_predict_takes_float64_and_integers():
    model = regression()
    expected = model.predict(X[:4], verbose=0)
    np.testing.assert_array_equal(model.predict(X[:4].astype("float64"), verbose=0), expected)
    assert model.predict(np.ones((4, 4), "int64"), verbose=0).shape == (4, 1)


def test_predict_of_a_generator():
    model = regression()
    outputs = model.predict((X[start : start + 20] for start in range(0, 70, 20)), verbose=0)
    np.testing.assert_allclose(outputs, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    model = regression()
    frame = pandas.DataFrame(X, columns=list("abcd"))
    model.fit(frame, pandas.Series(Y[:, 0]), verbose=0)
    np.testing.assert_array_equal(model.predict(frame, verbose=0), model.predict(X, verbose=0))


def test_shuffle_follows_the_seed():
    runs = []
    for seed in (5, 5, 6):
        model = regression()
        keras.utils.set_random_seed(seed)
        model.fit(X, Y, batch_size=8, verbose=0)
        runs.append(weights(model))
    assert_equal_weights(runs[0], runs[1])
    assert np.abs(runs[0][0] - runs[2][0]).max() > 0


def test_second_fit_in_another_thread_is_refused():
    model = regression()
    started, finish, errors = threading.Event(), threading.Event(), []

    class Wait(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            started.set()
            finish.wait(20)

    def train():
        model.fit(X, Y, verbose=0, callbacks=[Wait()])

    thread = threading.Thread(target=train)
    thread.start()
    assert started.wait(20)
    try:
        for call in (lambda: model.fit(X, Y, verbose=0), lambda: model.train_on_batch(X, Y)):
            with pytest.raises(ConcurrentFitError, match=r"fit\(\) of another thread"):
                call()
        assert model.predict(X, verbose=0).shape == (70, 1)
    finally:
        finish.set()
        thread.join()
    model.fit(X, Y, verbose=0)
    assert not errors


def test_train_on_batch_inside_a_callback_is_allowed():
    model = regression()
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: model.train_on_batch(X[:8], Y[:8]))
    model.fit(X, Y, verbose=0, callbacks=[callback])


def test_model_can_be_fitted_after_a_failed_fit():
    model = classifier()
    bad = LABELS.copy()
    bad[40] = 7
    with pytest.raises(ValueRangeError, match=r"7"):
        model.fit(X, bad, verbose=0, batch_size=16)
    before = weights(model)
    assert all(np.isfinite(weight).all() for weight in before)
    model.fit(X, LABELS, verbose=0)


def test_label_out_of_range_names_the_loss():
    bad = LABELS.copy()
    bad[0] = -1
    with pytest.raises(ValueRangeError, match="sparse_categorical_crossentropy"):
        classifier().fit(X, bad, verbose=0)


def test_methods_before_compile():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=r"You must call `compile\(\)` before using"):
            call(X, Y)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"x": X, "y": Y[:50]}, r"x has 70, y has 50"),
        ({"x": X[:0], "y": Y[:0]}, r"The data is empty: x has 0"),
        ({"x": X, "y": Y, "sample_weight": np.ones(3)}, r"sample_weight has 3"),
        ({"x": X.tolist(), "y": Y}, r"np\.array"),
        ({"x": np.array(["a"] * 70), "y": Y}, r"TextVectorization"),
        ({"x": np.array([[1, "a"]] * 70, dtype=object), "y": Y}, r"Python objects"),
        ({"x": X, "y": None}, r"the data holds no target for it: pass `y`"),
        ({"x": None, "y": Y}, r"`x` is None"),
        ({"x": np.float32(1.0), "y": Y}, r"single number"),
        ({"x": X, "y": Y, "batch_size": 0}, r"`batch_size` must be a positive"),
        ({"x": X, "y": Y, "steps_per_epoch": 0}, r"positive integer"),
        ({"x": X, "y": Y, "verbose": 3}, r"`verbose` must be"),
        ({"x": X, "y": Y, "validation_split": 1.5}, r"between 0 and 1"),
        ({"x": X[:1], "y": Y[:1], "validation_split": 0.5}, r"1 samples, which is not sufficient"),
        ({"x": X, "y": Y, "validation_split": 0.5, "validation_freq": "all"}, r"`validation_freq`"),
        ({"x": (X, X), "y": Y}, r"2"),
        ({"x": iter([]), "y": None}, r"gave no batch"),
        ({"x": iter([(X, Y)]), "y": Y}, r"`y` should not be passed"),
        ({"x": X, "y": Y, "class_weight": {0: 1.0}, "sample_weight": np.ones(70)}, r"both"),
        ({"x": object(), "y": None}, r"Unrecognized data type"),
    ],
)
def test_wrong_data(arguments, text):
    with pytest.raises(ValueError, match=text):
        regression().fit(**{"verbose": 0, **arguments})


def test_targets_of_another_structure():
    with pytest.raises(ValueError, match=r"different structures(.|\n)*y_true"):
        regression().fit(X, {"a": Y, "b": Y}, verbose=0)


def test_callback_class_instead_of_instance():
    with pytest.raises(TypeError, match="add parentheses"):
        regression().fit(X, Y, verbose=0, callbacks=[keras.callbacks.EarlyStopping])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"metrics": "accuracy"}, r"metrics=\['accuracy'\]"),
        ({"steps_per_execution": 0}, "positive integer"),
        ({"jit_compile": "yes"}, "jit_compile"),
        ({"loss_weights": "much"}, "loss_weights"),
    ],
)
def test_wrong_compile_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        regression(**arguments)


def test_wrong_structures_of_losses_and_metrics():
    inputs = keras.layers.Input((4,))
    model = keras.Model(inputs, [keras.layers.Dense(1, name="a")(inputs), keras.layers.Dense(1, name="b")(inputs)])
    model.compile("sgd", {"a": "mse", "c": "mse"})
    with pytest.raises(ValueError, match=r"'loss'|`loss` has the keys \['a', 'c'\].*'a', 'b'"):
        model.fit(X, [Y, Y], verbose=0)
    model.compile("sgd", "mse", metrics=["mae"])
    with pytest.raises(ValueError, match=r"2 outputs .*`metrics` has 1 entries"):
        model.fit(X, [Y, Y], verbose=0)
    model.compile("sgd", ["mse", "mse", "mse"])
    with pytest.raises(ValueError, match=r"`loss` has 3 entries"):
        model.fit(X, [Y, Y], verbose=0)


def test_exhausted_generator_warns_and_stops():
    model = regression()
    batches = ((X[:10], Y[:10]) for _ in range(3))
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(batches, epochs=5, verbose=0)
    assert history.epoch == [0]


def test_dataset_restarts_at_epoch_boundaries():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return X[index * 10 : index * 10 + 10], Y[index * 10 : index * 10 + 10]

    history = regression().fit(Batches(), steps_per_epoch=2, epochs=5, verbose=0)
    assert history.epoch == [0, 1, 2, 3, 4]


def test_dataset_with_workers_keeps_the_order():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 7

        def __getitem__(self, index):
            return X[index * 10 : index * 10 + 10], Y[index * 10 : index * 10 + 10]

    models = [regression() for _ in range(2)]
    models[0].fit(Batches(workers=3, max_queue_size=4), shuffle=False, verbose=0)
    models[1].fit(X, Y, batch_size=10, shuffle=False, verbose=0)
    for a, b in zip(weights(models[0]), weights(models[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_any_iterable_over_batches_is_data():
    batches = [(X[start : start + 10], Y[start : start + 10]) for start in range(0, 70, 10)]

    class Loader:
        def __iter__(self):
            return iter(batches)

    history = regression().fit(Loader(), epochs=2, verbose=0)
    assert history.epoch == [0, 1]


def test_progress_is_written_once_per_epoch_to_a_file(capsys):
    regression(metrics=["mae"]).fit(X, Y, epochs=2, batch_size=10)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert lines[1].startswith("7/7 ")
    assert "loss: " in lines[1]
    assert "mae: " in lines[1]
    assert len(lines) == 4
    regression().evaluate(X, Y, verbose=2)
    assert capsys.readouterr().out.startswith("3/3 - ")


def test_progress_on_a_terminal_is_rewritten(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: __import__("time").sleep(0.03))
    regression().fit(X, Y, batch_size=10, callbacks=[callback], epochs=1)
    output = capsys.readouterr().out
    assert "\r" in output
    assert "7/7" in output
    assert output.endswith("\n")


def test_log_of_a_metric_that_is_not_finite_is_kept():
    model = regression(optimizer=keras.optimizers.SGD(1e30))
    history = model.fit(X, Y, epochs=3, verbose=0)
    assert not np.isfinite(history.history["loss"][-1])


def test_terminate_on_nan(capsys):
    model = regression(optimizer=keras.optimizers.SGD(1e30))
    history = model.fit(X, Y, epochs=30, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert len(history.epoch) < 30
    assert "Invalid loss" in capsys.readouterr().out


def test_lambda_callback_refuses_what_is_no_hook():
    with pytest.raises(TypeError, match="on_epoch_ends"):
        keras.callbacks.LambdaCallback(on_epoch_ends=print)


def test_early_stopping_needs_a_direction():
    model = regression()
    with pytest.raises(ValueError, match="mode='max'"):
        model.fit(X, Y, verbose=0, callbacks=[keras.callbacks.EarlyStopping(monitor="speed")])


def test_model_checkpoint(tmp_path):
    model = regression()
    path = tmp_path / "{epoch:02d}.weights.h5"
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path, save_weights_only=True)])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["01.weights.h5", "02.weights.h5"]
    other = regression()
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "02.weights.h5")
    assert_equal_weights(weights(model), weights(other))
    with pytest.raises(ValueError, match=r"\.keras"):
        keras.callbacks.ModelCheckpoint("model.bin")


def test_compile_config_round_trip():
    model = regression(optimizer=keras.optimizers.Adam(0.01), metrics=["mae"], steps_per_execution=2)
    config = model.get_compile_config()
    other = regression()
    other.compile_from_config(config)
    assert other.optimizer.get_config() == model.optimizer.get_config()
    assert other.get_compile_config() == config
    assert other.optimizer.built


def test_regularizers_and_add_loss_count():
    class Penalty(keras.layers.Layer):
        def call(self, x):
            self.add_loss(ops.mean(ops.square(x)) * 0.5)
            return x

    inputs = keras.layers.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(Penalty()(inputs)))
    model.compile("sgd", "mse")
    expected = np.mean((model.predict(X, verbose=0) - Y) ** 2) + 0.5 * np.mean(X**2)
    assert model.evaluate(X, Y, batch_size=70, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_no_loss_says_so():
    with pytest.raises(ValueError, match=r"No loss to compute"):
        regression(loss=None).fit(X, Y, verbose=0)


def test_progress_can_go_to_the_logger(capsys, caplog):
    keras.config.disable_interactive_logging()
    try:
        assert not keras.config.is_interactive_logging_enabled()
        with caplog.at_level("INFO", logger="ironhorn"):
            regression().fit(X, Y, epochs=2)
    finally:
        keras.config.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert caplog.records[0].message == "Epoch 1/2"


def test_python_is_traced_once_for_a_hundred_text_lengths():
    traces = []

    class Counting(keras.Model):
        def train_step(self, data):
            traces.append(1)
            return super().train_step(data)

    words = keras.Input((None,), dtype="int32")
    state = keras.layers.LSTM(4)(keras.layers.Embedding(20, 3, mask_zero=True)(words))
    model = Counting(words, keras.layers.Dense(1)(state))
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    for length in range(1, 101):
        x = rng.integers(1, 20, (1 + length % 7, length)).astype("int32")
        model.train_on_batch(x, np.ones((len(x), 1), "float32"))
        assert model.predict(x, verbose=0).shape == (len(x), 1)
    assert len(traces) == 1
    assert model.make_predict_function().trace_count == 1


def test_a_model_with_a_train_step_and_no_call():
    class Adversarial(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
            self.critic = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
            self.optimizers = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1)

        def train_step(self, real):
            noise = keras.random.normal((keras.ops.shape(real)[0], 2))
            losses = {}
            for name, part, optimizer in zip("gc", (self.generator, self.critic), self.optimizers, strict=True):
                with keras.GradientTape() as tape:
                    fake = keras.ops.mean(self.critic(self.generator(noise)))
                    loss = -fake if name == "g" else fake - keras.ops.mean(self.critic(real))
                variables = part.trainable_variables
                optimizer.apply(tape.gradient(loss, variables), variables)
                losses[name] = loss
            return losses

    model = Adversarial()
    before = [weight.copy() for weight in model.generator.get_weights() + model.critic.get_weights()]
    model.compile()
    history = model.fit(np.ones((20, 3), "float32"), batch_size=8, epochs=2, verbose=0).history
    assert sorted(history) == ["c", "g"]
    after = model.generator.get_weights() + model.critic.get_weights()
    # The critic's bias cancels in its own loss; everything else has moved.
    assert [bool((a != b).any()) for a, b in zip(before, after, strict=True)] == [True, True, True, False]
