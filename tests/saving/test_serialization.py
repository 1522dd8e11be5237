"""Configurations of objects, registration, and round trips of models of one's own."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import layers, ops, saving
from ironhorn.errors import UnknownObjectError, UnsupportedError
from saving import golden_models, keras_files


def round_trip(obj: Any) -> Any:
    """Through JSON and back."""
    return saving.deserialize_keras_object(json.loads(json.dumps(saving.serialize_keras_object(obj))))


@saving.register_keras_serializable(package="tests")
class Scale(layers.Layer):
    """Multiplies by a weight."""

    def __init__(self, start: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
        self.factor.assign(self.start * np.ones(input_shape[-1], "float32"))

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "start": self.start}


@saving.register_keras_serializable(package="tests")
class Towers(ironhorn.Model):
    """A subclassed model with layers in attributes, lists and dictionaries."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.head = layers.Dense(2)
        self.steps = [layers.Dense(units, activation="relu"), layers.Dense(units)]
        self.sides = {"left": layers.Dense(units), "right": [Scale(3.0)]}
        self._hidden = layers.Dense(units)

    def call(self, inputs: Any) -> Any:
        for step in self.steps:
            inputs = step(inputs)
        return self.head(self._hidden(self.sides["left"](inputs)) + self.sides["right"][0](inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def double(x: Any) -> Any:
    """A function of the user's."""
    return 2.0 * x


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, "text", [1, [2, None]], {"a": {"b": [1.0]}}, b"bytes", slice(1, None, 2), Ellipsis],
)
def test_plain_values(value: Any) -> None:
    assert round_trip(value) == value


def test_arrays_and_tensors() -> None:
    array = np.array([[1, 2], [3, 4]], "int64")
    assert saving.serialize_keras_object(array) == {
        "class_name": "__numpy__",
        "config": {"value": [[1, 2], [3, 4]], "dtype": "int64"},
    }
    np.testing.assert_array_equal(round_trip(array), array)
    tensor = round_trip(ops.convert_to_tensor(array))
    assert tensor.dtype == "int64"
    np.testing.assert_array_equal(tensor.numpy(), array)
    assert round_trip(np.float32(2.5)) == 2.5
    assert saving.serialize_keras_object(np.int64(3)) == 3


@pytest.mark.parametrize("name", golden_models.MODELS)
def test_same_configuration_as_keras(name: str) -> None:
    """A golden model, built by the same code, is described in Keras' words."""
    ironhorn.utils.clear_session()
    ours = json.loads(json.dumps(saving.serialize_keras_object(golden_models.build(ironhorn, name))))
    theirs = json.loads(keras_files.members(keras_files.GOLDEN / f"{name}.keras")["config.json"])

    def simplify(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: simplify(item)
                for key, item in value.items()
                if key not in ("shared_object_id", "jit_compile", "learning_rate", "build_config")
            }
        return [simplify(item) for item in value] if isinstance(value, list) else value

    assert simplify(ours) == simplify(theirs)


def test_functions_by_name() -> None:
    assert saving.serialize_keras_object(ironhorn.activations.relu) == {
        "module": "builtins",
        "class_name": "function",
        "config": "relu",
        "registered_name": "function",
    }
    assert round_trip(ironhorn.activations.relu) is ironhorn.activations.relu
    config = saving.serialize_keras_object(double)
    with pytest.raises(UnknownObjectError, match=r"Unknown function 'double'.*custom_objects=\{'double': double\}"):
        saving.deserialize_keras_object(config)
    assert saving.deserialize_keras_object(config, {"double": double}) is double
    with saving.custom_object_scope({"double": double}):
        assert saving.deserialize_keras_object(config) is double


def test_a_lambda_is_refused_when_saved(tmp_path: pathlib.Path) -> None:
    model = ironhorn.Sequential([ironhorn.Input((2,)), layers.Dense(1, activation=lambda x: x)])
    with pytest.raises(UnsupportedError, match=r"A lambda cannot be saved.*named function"):
        model.save(tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


def test_a_function_with_a_built_in_name_is_refused() -> None:
    def relu(x: Any) -> Any:
        return x

    with pytest.raises(ValueError, match="name of a built-in function"):
        saving.serialize_keras_object(relu)
    with pytest.raises(UnknownObjectError, match="is built in, but"):
        saving.deserialize_keras_object(saving.serialize_keras_object(ironhorn.activations.relu), {"relu": relu})


def test_registration() -> None:
    assert saving.get_registered_name(Scale) == "tests>Scale"
    assert saving.get_registered_name(double) == "double"
    assert saving.get_registered_object("tests>Scale") is Scale
    assert saving.get_registered_object("nothing") is None
    assert saving.get_custom_objects()["tests>Scale"] is Scale
    with pytest.raises(ValueError, match="no `get_config"):
        saving.register_keras_serializable()(type("Plain", (), {}))
    with pytest.raises(ValueError, match="with parentheses"):
        saving.register_keras_serializable(Scale)  # type: ignore[arg-type]


def test_shared_objects_stay_shared() -> None:
    from ironhorn.saving.serialization import ObjectSharingScope

    initializer = ironhorn.initializers.GlorotUniform(seed=1)
    with ObjectSharingScope():
        config = json.loads(json.dumps(saving.serialize_keras_object([initializer, initializer])))
    with ObjectSharingScope():
        first, second = saving.deserialize_keras_object(config)
    assert first is second


def test_objects_that_cannot_be_saved_say_why() -> None:
    with pytest.raises(TypeError, match=r"no `get_config\(\)` method"):
        saving.serialize_keras_object(object())


def test_custom_layer_needs_no_arguments_when_registered(tmp_path: pathlib.Path) -> None:
    model = ironhorn.Sequential([ironhorn.Input((3,)), layers.Dense(3), Scale(5.0)])
    inputs = np.ones((2, 3), "float32")
    expected = model.predict_on_batch(inputs)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is Scale and loaded.layers[-1].start == 5.0
    np.testing.assert_array_equal(loaded.predict_on_batch(inputs), expected)


def test_custom_layer_through_custom_objects(tmp_path: pathlib.Path) -> None:
    class Shift(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs + 1.0

    model = ironhorn.Sequential([ironhorn.Input((3,)), Shift(name="up")], name="net")
    model.save(tmp_path / "model.keras")
    with pytest.raises(
        UnknownObjectError, match=r"(?s)Unknown class 'Shift'.*Sequential 'net' -> Shift 'up'.*'Shift': Shift"
    ):
        saving.load_model(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras", custom_objects={"Shift": Shift})
    np.testing.assert_array_equal(loaded.predict_on_batch(np.zeros((1, 3), "float32")), np.ones((1, 3)))


def test_subclassed_model(tmp_path: pathlib.Path) -> None:
    import h5py

    model = Towers(units=3, name="towers")
    model.compile(optimizer="adam", loss="mse")
    inputs, targets = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    model.train_on_batch(inputs, targets)
    expected = model.predict_on_batch(inputs)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(inputs), expected)
    for ours, theirs in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())

    model.save_weights(tmp_path / "model.weights.h5")
    groups = set()
    with h5py.File(tmp_path / "model.weights.h5") as file:
        file.visit(lambda name: groups.add(name.rsplit("/vars/")[0]) if "/vars/" in name else None)
    # As Keras 3.15 writes this class: attributes in alphabetical order, then what is left under `layers`.
    assert groups == {"optimizer", "head", "layers/scale", *(f"layers/dense_{index}" for index in range(1, 5))}
    other = Towers(units=3)
    other(inputs)
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(other.predict_on_batch(inputs), expected)


@pytest.mark.parametrize("name", golden_models.MODELS)
def test_save_and_load_is_exact_and_training_goes_on(name: str, tmp_path: pathlib.Path) -> None:
    ironhorn.utils.set_random_seed(3)
    model = golden_models.build(ironhorn, name)
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    inputs, targets = golden_models.data(name)
    for _ in range(3):
        model.train_on_batch(inputs, targets)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        np.asarray(loaded.predict_on_batch(inputs)[0]), np.asarray(model.predict_on_batch(inputs)[0])
    )
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), err_msg=theirs.path)


def test_model_from_json() -> None:
    model = golden_models.build(ironhorn, "functional")
    copy = saving.model_from_json(model.to_json())
    assert [layer.name for layer in copy.layers] == [layer.name for layer in model.layers]
    assert copy.get_weights()[0].shape == model.get_weights()[0].shape


def test_the_same_model_gives_the_same_file(tmp_path: pathlib.Path) -> None:
    model = golden_models.build(ironhorn, "cnn")
    model.save(tmp_path / "one.keras")
    model.save(tmp_path / "two.keras")
    one, two = keras_files.members(tmp_path / "one.keras"), keras_files.members(tmp_path / "two.keras")
    assert one["config.json"] == two["config.json"] and one["model.weights.h5"] == two["model.weights.h5"]


def test_objects_to_skip(tmp_path: pathlib.Path) -> None:
    model = golden_models.build(ironhorn, "cnn")
    saving.save_weights(model, tmp_path / "part.weights.h5", objects_to_skip=[model.layers[-1]])
    other = golden_models.build(ironhorn, "cnn")
    before = other.layers[-1].kernel.numpy()
    saving.load_weights(other, tmp_path / "part.weights.h5", objects_to_skip=[other.layers[-1]])
    np.testing.assert_array_equal(other.layers[-1].kernel.numpy(), before)
    np.testing.assert_array_equal(other.layers[1].kernel.numpy(), model.layers[1].kernel.numpy())


def test_bfloat16_weights_survive(tmp_path: pathlib.Path) -> None:
    class Half(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.table = self.add_weight(shape=(3,), dtype="bfloat16", initializer="ones", name="table")

        def call(self, inputs: Any) -> Any:
            return inputs

    def model() -> Any:
        return ironhorn.Sequential([ironhorn.Input((3,)), Half()])

    first, second = model(), model()
    first.layers[0].table.assign(np.array([1.5, -2.25, 3e10], "float32"))
    first.save_weights(tmp_path / "half.weights.h5")
    second.load_weights(tmp_path / "half.weights.h5")
    stored = [ops.convert_to_numpy(ops.cast(each.layers[0].table, "float32")) for each in (first, second)]
    np.testing.assert_array_equal(stored[0], stored[1])
    assert stored[0][0] == 1.5
