"""Profiles: rows add up, name ops and layers, and the command line prints them."""

import pathlib

import numpy as np
import pytest

import ironhorn as keras
from compat.test_swap import run


def small_model() -> keras.Model:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu", name="first"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_a_profile_of_fit_names_layers_and_counts_steps() -> None:
    model = small_model()
    x, y = np.ones((256, 8), "float32"), np.ones((256, 1), "float32")
    model.fit(x, y, batch_size=32, verbose=0)
    with keras.profile() as report:
        model.fit(x, y, batch_size=32, epochs=2, verbose=0)
    assert sum(row.seconds for row in report.rows) <= report.wall_seconds
    products = [row for row in report.rows if row.op == "matmul" and row.layer.endswith("first")]
    assert products[0].calls == 16
    assert products[0].output == "float32(32, 16)" and products[0].flops == 2 * 32 * 8 * 16
    assert "gather rows" in {row.op for row in report.rows}
    assert str(report).splitlines()[0].split()[:3] == ["ms", "%", "calls"]
    assert len(report.table(2).splitlines()) == 5


def test_nothing_is_kept_of_runs_outside_of_the_block() -> None:
    model = small_model()
    with keras.profile() as report:
        pass
    model.predict(np.ones((4, 8), "float32"), verbose=0)
    assert report.rows == []


def test_results_are_those_of_a_run_without_a_profile() -> None:
    model, x = small_model(), np.linspace(-1, 1, 64 * 8, dtype="float32").reshape(64, 8)
    plain = model.predict(x, verbose=0)
    with keras.profile():
        np.testing.assert_array_equal(model.predict(x, verbose=0), plain)


def test_the_command_profiles_scripts_and_models(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import keras\nprint(keras.ops.sum(keras.ops.ones((2, 3))).numpy())\n")
    text = run("-m", "ironhorn", "profile", str(script))
    assert text.startswith("6.0\n") and "broadcast_to" in text and "programs: " in text
    path = tmp_path / "model.keras"
    small_model().save(path)
    assert "float32(4, 16)" in run("-m", "ironhorn", "profile", str(path), "--batch-size", "4")
    run("-m", "ironhorn", "profile", str(path), "--batch-size", "none", code=2)


def test_a_model_of_unknown_lengths_is_refused_with_the_way_out(tmp_path: pathlib.Path) -> None:
    from ironhorn.profiling import random_inputs

    model = keras.Sequential([keras.Input((None, 4)), keras.layers.GlobalAveragePooling1D()])
    with pytest.raises(ValueError, match=r"with ironhorn.profile\(\)"):
        random_inputs(model, 2)
