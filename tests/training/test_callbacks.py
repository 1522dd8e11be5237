"""Callbacks: numbers and hooks beside Keras (tests/compat/callback_cases.py), and what they say when misused."""

from __future__ import annotations

import json
import threading
import urllib.parse
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

import ironhorn as keras
from compat.callback_cases import CASES
from ironhorn.errors import UnsupportedError

REFERENCE = json.loads((Path(__file__).parent.parent / "compat" / "callback_reference.json").read_text())["cases"]
TOLERANCE = 2e-5
X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


def model(optimizer="sgd", **arguments):
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    network.compile(optimizer, "mse", metrics=["mae"], **arguments)
    return network


def assert_same(expected, actual, path="result"):
    """Numbers within `TOLERANCE` (relative above 1), everything else equal."""
    if isinstance(expected, dict):
        assert isinstance(actual, dict), path
        assert sorted(expected) == sorted(actual), path
        for key in expected:
            assert_same(expected[key], actual[key], f"{path}[{key!r}]")
    elif isinstance(expected, list):
        assert isinstance(actual, list), path
        assert len(expected) == len(actual), f"{path}: {actual}, not {expected}"
        for index, (left, right) in enumerate(zip(expected, actual, strict=True)):
            assert_same(left, right, f"{path}[{index}]")
    elif isinstance(expected, float):
        assert abs(expected - actual) <= TOLERANCE * max(1.0, abs(expected)), f"{path}: {actual}, not {expected}"
    else:
        assert expected == actual, path


def test_every_case_has_a_reference():
    assert sorted(CASES) == sorted(REFERENCE)


@pytest.mark.parametrize("name", list(CASES))
def test_as_keras(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same(REFERENCE[name], json.loads(json.dumps(CASES[name](keras))))


# Lists of callbacks


def test_an_object_takes_part_with_the_methods_it_has():
    class Epochs:
        def __init__(self):
            self.seen = []

        def __len__(self):
            return len(self.seen)

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append((epoch, sorted(logs)))

    class Batches:
        seen = 0

        def on_train_batch_end(self, batch, logs=None):
            self.seen += 1

    epochs, batches = Epochs(), Batches()
    network = model()
    network.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[epochs, None, [batches]])
    network.evaluate(X, Y, verbose=0, callbacks=[epochs])
    network.predict(X, verbose=0, callbacks=epochs)
    assert epochs.seen == [(0, ["loss", "mae"]), (1, ["loss", "mae"])]
    assert batches.seen == 10


def test_what_is_no_callback():
    with pytest.raises(TypeError, match=r"objects with some of its methods. Received: <function"):
        model().fit(X, Y, verbose=0, callbacks=[lambda: 0])
    with pytest.raises(TypeError, match=r"\(a class: add parentheses\)"):
        model().fit(X, Y, verbose=0, callbacks=[keras.callbacks.EarlyStopping])


def test_method_set_on_an_instance_is_called():
    callback = keras.callbacks.Callback()
    seen = []
    callback.on_train_batch_begin = lambda batch, logs=None: seen.append(batch)
    model().fit(X, Y, batch_size=20, verbose=0, callbacks=[callback])
    assert seen == [0, 1]


def test_error_in_a_callback_comes_out():
    class Broken(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise ZeroDivisionError("mine")

    network = model()
    with pytest.raises(ZeroDivisionError, match="mine"):
        network.fit(X, Y, verbose=0, callbacks=[Broken()])
    assert network.fit(X, Y, verbose=0).epoch == [0]


def test_a_callback_list_of_ones_own():
    callbacks = keras.callbacks.CallbackList([keras.callbacks.History()], model=model(), epochs=1, verbose=0, steps=2)
    history = callbacks.callbacks[0]
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(0)
    callbacks.on_epoch_end(0, {"loss": np.float32(2.0)})
    callbacks.on_train_end()
    assert history.history == {"loss": [2.0]}
    assert history.params == {"epochs": 1, "verbose": 0, "steps": 2}


# Learning rates


def test_schedule_must_return_a_float():
    with pytest.raises(ValueError, match=r"should be a float. Got: 1"):
        model().fit(X, Y, verbose=0, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 1)])


def test_error_in_a_schedule_is_not_mistaken_for_another_signature():
    def schedule(epoch, rate):
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        model().fit(X, Y, verbose=0, callbacks=[keras.callbacks.LearningRateScheduler(schedule)])


def test_a_schedule_in_the_optimizer_cannot_be_overwritten():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    for callback in (
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=100.0),
    ):
        with pytest.raises(TypeError, match="LearningRateSchedule"):
            model(keras.optimizers.SGD(schedule)).fit(X, Y, epochs=3, verbose=0, callbacks=[callback])


def test_messages_of_learning_rates(capsys):
    callbacks = keras.callbacks
    scheduler = callbacks.LearningRateScheduler(lambda epoch: 0.25, verbose=1)
    plateau = callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, verbose=1, min_delta=100.0)
    model().fit(X, Y, epochs=2, verbose=0, callbacks=[scheduler, plateau])
    assert capsys.readouterr().out == (
        "\nEpoch 1: LearningRateScheduler setting learning rate to 0.25.\n"
        "\nEpoch 2: LearningRateScheduler setting learning rate to 0.25.\n"
        "\nEpoch 2: ReduceLROnPlateau reducing learning rate to 0.125.\n"
    )


def test_wrong_arguments_of_plateau():
    with pytest.raises(ValueError, match=r"factor >= 1.0. Received factor=1.0"):
        keras.callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.raises(TypeError, match="unexpected arguments: epsilon"):
        keras.callbacks.ReduceLROnPlateau(epsilon=1.0)
    with pytest.warns(UserWarning, match="mode 'best' is unknown, fallback to auto mode"):
        keras.callbacks.ReduceLROnPlateau(mode="best")


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        ("ReduceLROnPlateau", "conditioned on metric `val_loss` which is not available. Available metrics are: loss,"),
        ("EarlyStopping", "conditioned on metric `val_loss` which is not available. Available metrics are: loss,mae"),
    ],
)
def test_missing_value_is_a_warning(callback, text):
    with pytest.warns(UserWarning, match=text):
        model().fit(X, Y, verbose=0, callbacks=[getattr(keras.callbacks, callback)()])


# Files


def test_csv_is_closed_and_whole_after_every_epoch(tmp_path):
    path = tmp_path / "log.csv"
    lengths = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: lengths.append(len(path.read_text())))
    callback = keras.callbacks.CSVLogger(path)
    model().fit(X, Y, epochs=3, verbose=0, callbacks=[callback, watch])
    assert lengths == sorted(set(lengths))
    assert lengths[-1] == len(path.read_text())
    assert callback._file is None


def test_csv_of_an_interrupted_fit_can_be_continued(tmp_path):
    path = tmp_path / "log.csv"

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise InterruptedError

    callback = keras.callbacks.CSVLogger(path, append=True)
    with pytest.raises(InterruptedError):
        model().fit(X, Y, epochs=2, verbose=0, callbacks=[callback, Stop()])
    model().fit(X, Y, epochs=3, initial_epoch=1, verbose=0, callbacks=[callback])
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "0", "1", "2"]


def test_wrong_arguments_of_checkpoint():
    with pytest.raises(ValueError, match="Unrecognized save_freq: step"):
        keras.callbacks.ModelCheckpoint("a.keras", save_freq="step")
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        keras.callbacks.ModelCheckpoint("a.keras", save_weights_only=True)
    with pytest.raises(ValueError, match=r"must end in \.keras"):
        keras.callbacks.ModelCheckpoint("a")
    with pytest.raises(UnsupportedError, match=r"legacy HDF5 format. Let the filepath end in `\.keras`"):
        keras.callbacks.ModelCheckpoint("a.h5")


def test_checkpoint_names_what_is_not_logged(tmp_path):
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "{val_loss}.keras")
    with pytest.raises(KeyError, match=r"val_loss.* is not logged. Logged: epoch, loss, mae"):
        model().fit(X, Y, verbose=0, callbacks=[callback])


def test_checkpoint_does_not_overwrite_a_folder(tmp_path):
    (tmp_path / "a.keras").mkdir()
    with pytest.raises(OSError, match="it is a folder"):
        model().fit(X, Y, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(tmp_path / "a.keras")])


def test_checkpoint_of_a_value_that_is_no_number(tmp_path):
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras", "values", save_best_only=True, mode="min")

    class Log(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["values"] = np.ones(3)

    with pytest.warns(UserWarning, match="only when `monitor` is a scalar value"):
        model().fit(X, Y, verbose=0, callbacks=[Log(), callback])
    assert (tmp_path / "a.keras").exists()


def test_messages_of_checkpoint(tmp_path, capsys):
    path = tmp_path / "a.weights.h5"
    arguments = {"save_weights_only": True, "save_best_only": True, "verbose": 1, "mode": "max"}
    model().fit(X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path, "loss", **arguments)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0].startswith("Epoch 1: loss improved from None to ")
    assert lines[0].endswith(f"saving model to {path}")
    assert lines[1] == f"Epoch 1: finished saving model to {path}"
    assert lines[2].startswith("Epoch 2: loss did not improve from ")


def test_checkpoint_continues_training(tmp_path):
    path = tmp_path / "{epoch}.keras"
    keras.utils.set_random_seed(4)
    whole = model("adam")
    whole.fit(X, Y, epochs=4, shuffle=False, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    half = keras.saving.load_model(tmp_path / "2.keras")
    half.fit(X, Y, epochs=4, initial_epoch=2, shuffle=False, verbose=0)
    for left, right in zip(whole.get_weights(), half.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_orbax_says_what_to_use():
    with pytest.raises(UnsupportedError, match=r"ModelCheckpoint\('here/\{epoch\}.weights.h5'.*BackupAndRestore"):
        keras.callbacks.OrbaxCheckpoint("here", monitor="loss")


# Averages of weights


def test_averages_need_an_optimizer_that_keeps_them():
    with pytest.raises(ValueError, match="needs an optimizer with `use_ema=True`"):
        model().fit(X, Y, validation_split=0.2, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights()])


def test_averages_stay_when_training_is_stopped():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    results = []
    for callbacks, epochs in (([Stop()], 9), ([], 2)):
        network = model(keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.8))
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        network.fit(X, Y, epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks, swap])
        results.append(network.get_weights())
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


# Servers


@pytest.fixture
def server():
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((self.path, self.headers["Content-Type"], self.headers.get("Key"), body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", requests
        listening.shutdown()
        thread.join()


def test_remote_monitor(server):
    root, requests = server
    callbacks = [
        keras.callbacks.RemoteMonitor(root, headers={"Key": "secret"}),
        keras.callbacks.RemoteMonitor(root, path="/json", send_as_json=True),
    ]
    history = model().fit(X, Y, verbose=0, callbacks=callbacks).history
    (path, kind, key, form), (other, json_kind, _, body) = requests
    assert (path, kind, key) == ("/publish/epoch/end/", "application/x-www-form-urlencoded", "secret")
    assert (other, json_kind) == ("/json", "application/json")
    expected = {"epoch": 0, "loss": history["loss"][0], "mae": history["mae"][0]}
    assert json.loads(body) == expected
    assert json.loads(urllib.parse.parse_qs(form)["data"][0]) == expected


def test_remote_monitor_without_a_server():
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor root server at http://127.0.0.1:9"):
        model().fit(X, Y, verbose=0, callbacks=[keras.callbacks.RemoteMonitor("http://127.0.0.1:9")])
    with pytest.raises(ValueError, match="sends to http:// and https:// addresses"):
        model().fit(X, Y, verbose=0, callbacks=[keras.callbacks.RemoteMonitor("file:///tmp")])


# Stopping


def test_messages_of_early_stopping(capsys):
    callback = keras.callbacks.EarlyStopping("loss", min_delta=100.0, verbose=1, restore_best_weights=True)
    network = model()
    history = network.fit(X, Y, epochs=9, verbose=0, callbacks=[callback])
    assert history.epoch == [0, 1]
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )


def test_stopping_within_an_epoch_ends_it():
    seen = []

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 2

    assert model().fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[Stop()]).epoch == [0]
    assert seen == [0, 1, 2]


def test_evaluation_and_prediction_can_be_stopped():
    class Stop(keras.callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            self.model.stop_evaluating = True

        def on_predict_batch_end(self, batch, logs=None):
            self.model.stop_predicting = True

    network = model()
    whole = network.evaluate(X[:8], Y[:8], verbose=0)
    assert network.evaluate(X, Y, batch_size=8, verbose=0, callbacks=[Stop()]) == pytest.approx(whole)
    assert len(network.predict(X, batch_size=8, verbose=0, callbacks=[Stop()])) == 8
