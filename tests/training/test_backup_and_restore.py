"""`BackupAndRestore`: killed at random moments and started again, and what it says about files that do not fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ironhorn as keras
from ironhorn.callbacks.backup_and_restore import read_backup
from ironhorn.errors import FileFormatError

KILLS = int(os.environ.get("IRONHORN_TEST_KILLS", "5"))
SEED = int(os.environ.get("IRONHORN_TEST_SEED", "1"))
CRASH = Path(__file__).with_name("backup_crash.py")
CASES = [
    "epoch",
    "batches",
    "every batch",
    "part of a pass",
    "dataset",
    "generator",
    "callbacks",
    "averages",
    "several optimizers",
    "scaled loss",
    "steps per execution",
]
X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]


def model(units=8):
    keras.utils.set_random_seed(1)
    layers = keras.layers
    network = keras.Sequential([layers.Input((4,)), layers.Dense(units), layers.Dropout(0.2), layers.Dense(1)])
    network.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return network


class Interrupt(keras.callbacks.Callback):
    """Raises at the start of an epoch or after a number of batches."""

    def __init__(self, epoch=None, batches=None):
        super().__init__()
        self.epoch = epoch
        self.batches = batches
        if batches is not None:
            self.on_train_batch_end = self._count

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise InterruptedError

    def _count(self, batch, logs=None):
        self.batches -= 1
        if self.batches == 0:
            raise InterruptedError


def interrupted(directory, network=None, save_freq="epoch", epochs=6, **arguments):
    """Trains until an interruption; returns the path of the backup."""
    backup = keras.callbacks.BackupAndRestore(directory, save_freq, arguments.pop("double_checkpoint", False))
    stop = Interrupt(**(arguments or {"epoch": 4}))
    with pytest.raises(InterruptedError):
        (network or model()).fit(X, Y, batch_size=8, epochs=epochs, verbose=0, callbacks=[backup, stop])
    return str(directory / "latest.backup")


def resumed(directory, network=None, data=(X, Y), **arguments):
    network = network or model()
    arguments = {"batch_size": 8, "epochs": 6, "verbose": 0, **arguments}
    backup = keras.callbacks.BackupAndRestore(directory, **arguments.pop("backup", {}))
    history = network.fit(*data, callbacks=[*arguments.pop("callbacks", ()), backup], **arguments)
    return network, history


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("case", CASES)
def test_killed_at_random_moments(case, tmp_path):
    completed = subprocess.run(
        [sys.executable, str(CRASH), case, str(KILLS), str(tmp_path), str(SEED)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60 + 10 * KILLS,
    )
    assert completed.returncode == 0, completed.stderr[-3000:]
    assert json.loads(completed.stdout)["killed"] == KILLS


@pytest.mark.parametrize(("save_freq", "stop"), [("epoch", {"epoch": 4}), (3, {"batches": 17}), (1, {"batches": 20})])
def test_resumed_run_is_the_uninterrupted_one(save_freq, stop, tmp_path):
    whole = model()
    history = whole.fit(X, Y, batch_size=8, epochs=6, verbose=0)
    interrupted(tmp_path, save_freq=save_freq, **stop)
    network, rest = resumed(tmp_path, backup={"save_freq": save_freq})
    for left, right in zip(whole.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert rest.epoch[-1] == 5
    assert len(rest.epoch) < 6
    for name, values in rest.history.items():
        assert values == history.history[name][-len(values) :]
    assert not tmp_path.exists()


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16", "mixed_bfloat16"])
def test_weights_of_other_types(dtype, tmp_path):
    def run(callbacks):
        keras.utils.set_random_seed(1)
        layers = keras.layers
        network = keras.Sequential([layers.Input((4,)), layers.Dense(8, dtype=dtype), layers.Dense(1, dtype=dtype)])
        network.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse")
        network.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=callbacks)
        return [np.asarray(keras.ops.cast(variable, "float64")) for variable in network.variables]

    expected = run([])
    with pytest.raises(InterruptedError):
        run([keras.callbacks.BackupAndRestore(tmp_path, 4), Interrupt(batches=10)])
    for left, right in zip(expected, run([keras.callbacks.BackupAndRestore(tmp_path, 4)]), strict=True):
        np.testing.assert_array_equal(left, right)


def test_epoch_of_the_backup_replaces_initial_epoch(tmp_path):
    interrupted(tmp_path)
    assert resumed(tmp_path, initial_epoch=1, epochs=7)[1].epoch == [4, 5, 6]


def test_initial_epoch_without_a_backup(tmp_path):
    assert resumed(tmp_path / "none", initial_epoch=4)[1].epoch == [4, 5]


def test_finished_run_that_kept_its_backup_has_nothing_left_to_do(tmp_path):
    resumed(tmp_path, backup={"delete_checkpoint": False})
    assert sorted(os.listdir(tmp_path)) == ["latest.backup"]
    assert resumed(tmp_path)[1].epoch == []


def test_stopped_run_stays_stopped(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

        def on_train_end(self, logs=None):
            if self.params["epochs"] == 6:
                raise InterruptedError

    with pytest.raises(InterruptedError):
        resumed(tmp_path, callbacks=[Stop()])
    assert resumed(tmp_path)[1].epoch == []


def test_early_stopping_remembers_the_best_epoch(tmp_path):
    def patient():
        return keras.callbacks.EarlyStopping("loss", min_delta=100.0, patience=3, restore_best_weights=True)

    whole = model()
    assert whole.fit(X, Y, batch_size=8, epochs=6, verbose=0, callbacks=[patient()]).epoch == [0, 1, 2, 3]
    backup, stop = keras.callbacks.BackupAndRestore(tmp_path), Interrupt(epoch=2)
    with pytest.raises(InterruptedError):
        model().fit(X, Y, batch_size=8, epochs=6, verbose=0, callbacks=[patient(), backup, stop])
    network, history = resumed(tmp_path, callbacks=[patient()])
    assert history.epoch == [2, 3]
    for left, right in zip(whole.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_second_fit_begins_where_it_is_told(tmp_path):
    interrupted(tmp_path)
    network, _ = resumed(tmp_path)
    assert network.fit(X, Y, verbose=0).epoch == [0]


def test_what_the_file_holds(tmp_path):
    path = interrupted(tmp_path, save_freq=3, batches=7)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["position.json", "variables.h5"]
    document, values, _ = read_backup(path)
    assert (document["epoch"], document["steps"]) == (1, 1)
    network = model()
    assert len(values) == len(network.variables) + len(network.optimizer.variables) + 2 * 2 + 8
    assert os.listdir(tmp_path) == ["latest.backup"]


def test_damaged_backup(tmp_path):
    path = interrupted(tmp_path)
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    with pytest.raises(FileFormatError, match=r"The backup '.*latest.backup' cannot be read: .* Delete it to train"):
        resumed(tmp_path)


def test_damage_anywhere_is_found_or_harmless(tmp_path):
    path = Path(interrupted(tmp_path))
    content = path.read_bytes()
    draw = np.random.default_rng(SEED)
    found = 0
    for place in draw.integers(0, len(content), 60):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            read_backup(str(path))
        except FileFormatError:
            found += 1
    for length in draw.integers(0, len(content), 20):
        path.write_bytes(content[:length])
        with pytest.raises(FileFormatError):
            read_backup(str(path))
    assert found > 40


def test_previous_backup_is_used_if_the_last_is_damaged(tmp_path):
    path = interrupted(tmp_path, double_checkpoint=True)
    assert sorted(os.listdir(tmp_path)) == ["latest.backup", "latest.backup.previous"]
    Path(path).write_bytes(b"PK")
    with pytest.warns(UserWarning, match="The backup before it is used"):
        assert resumed(tmp_path)[1].epoch == [3, 4, 5]
    assert not tmp_path.exists()


def test_backup_of_another_model(tmp_path):
    interrupted(tmp_path)
    with pytest.raises(FileFormatError, match=r"is not of this model as it is compiled: '.*kernel' has shape \(4, 8\)"):
        resumed(tmp_path, model(units=7))


def test_backup_of_another_optimizer(tmp_path):
    interrupted(tmp_path)
    network = model()
    network.compile("sgd", "mse", metrics=["mae"])
    with pytest.raises(FileFormatError, match=r"has \d+ variables, the model and its optimizer have \d+"):
        resumed(tmp_path, network)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ((X[:20], Y[:20]), "was made with 40 samples in batches of 8, this is data of 20 samples in batches of 8"),
        (([(X[:8], Y[:8])] * 5,), "arrays"),
    ],
)
def test_backup_of_other_data(data, text, tmp_path):
    interrupted(tmp_path)
    arguments = {}
    if len(data) == 1:
        data, arguments = (iter(data[0]),), {"batch_size": None}
    with pytest.raises(FileFormatError, match=text):
        resumed(tmp_path, data=data, **arguments)


def test_other_callbacks_start_anew(tmp_path):
    interrupted(tmp_path)
    with pytest.warns(UserWarning, match=r"the callbacks \[\], but this fit has \['EarlyStopping'\]"):
        resumed(tmp_path, callbacks=[keras.callbacks.EarlyStopping("loss")])


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"epoch": -1},
        {"epoch": "1"},
        {"steps": 1.5},
        {"data": None},
        {"data": {"first": "0", "steps": 0}},
        {"validation": []},
        {"variables": [["a", "b"]]},
        {"callbacks": [1]},
        {"arrays": [5]},
        {"random": 3},
    ],
    ids=str,
)
def test_nonsense_in_the_file(change, tmp_path):
    path = interrupted(tmp_path)
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("position.json"))
        variables = archive.read("variables.h5")
    document.update(change)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("position.json", json.dumps(document))
        archive.writestr("variables.h5", variables)
    with pytest.raises(FileFormatError, match="The backup"):
        resumed(tmp_path)


@pytest.mark.parametrize("random", [{}, {"numpy": {}, "python": [], "ironhorn": None}, {"numpy": 1}])
def test_nonsense_in_random_states(random, tmp_path):
    path = interrupted(tmp_path)
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("position.json"))
        variables = archive.read("variables.h5")
    document["random"] = random
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("position.json", json.dumps(document))
        archive.writestr("variables.h5", variables)
    with pytest.raises(FileFormatError, match="random generator"):
        resumed(tmp_path)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="Empty `backup_dir`"):
        keras.callbacks.BackupAndRestore("")
    for save_freq in ("batch", 0, True, 1.5):
        with pytest.raises(ValueError, match="Expected 'epoch' or a positive number of batches"):
            keras.callbacks.BackupAndRestore("backup", save_freq)


def test_it_is_called_last(tmp_path):
    first = keras.callbacks.BackupAndRestore(tmp_path)
    other = keras.callbacks.EarlyStopping("loss")
    callbacks = keras.callbacks.CallbackList([first, other], add_history=True).callbacks
    assert callbacks[-1] is first
    assert callbacks[0] is other


def test_epoch_backups_do_not_listen_to_batches(tmp_path):
    callbacks = keras.callbacks
    assert not callbacks.CallbackList([callbacks.BackupAndRestore(tmp_path)]).listens("train")
    assert callbacks.CallbackList([callbacks.BackupAndRestore(tmp_path, 2)]).listens("train")


def test_generator_and_validation_generator_go_on(tmp_path):
    def batches(seed):
        generator = np.random.default_rng(seed)
        while True:
            rows = generator.integers(0, len(X), 8)
            yield X[rows], Y[rows]

    def run(callbacks):
        network = model()
        arguments = {"steps_per_epoch": 4, "validation_steps": 3, "epochs": 4, "verbose": 0}
        history = network.fit(batches(1), validation_data=batches(2), callbacks=callbacks, **arguments)
        return network.get_weights(), history.history

    expected, history = run([])
    with pytest.raises(InterruptedError):
        run([keras.callbacks.BackupAndRestore(tmp_path, 3), Interrupt(batches=14)])
    actual, rest = run([keras.callbacks.BackupAndRestore(tmp_path, 3)])
    for left, right in zip(expected, actual, strict=True):
        np.testing.assert_array_equal(left, right)
    assert rest["val_loss"] == history["val_loss"][-len(rest["val_loss"]) :]


def test_dataset_is_not_asked_for_batches_that_are_done(tmp_path):
    class Batches(keras.utils.PyDataset):
        def __init__(self):
            super().__init__()
            self.asked = []

        def __len__(self):
            return 5

        def __getitem__(self, index):
            self.asked.append(index)
            return X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]

    def run(data, callbacks):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model().fit(data, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)

    with pytest.raises(InterruptedError):
        run(Batches(), [keras.callbacks.BackupAndRestore(tmp_path, 1), Interrupt(batches=4)])
    data = Batches()
    run(data, [keras.callbacks.BackupAndRestore(tmp_path, 1)])
    assert data.asked[-2:] == [3, 4]
    assert 2 not in data.asked
