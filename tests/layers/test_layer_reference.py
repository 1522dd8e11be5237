"""Every layer against what Keras computes: outputs, gradients, states, masks, configurations.

The table is `rows/`; `make_layer_reference.py` records. Everything is compared in float64 (1e-10) and float32 (2e-5),
eagerly and traced with axes of unknown length, on every instruction set.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import _core, backend, layers, ops, tree
from ironhorn.backend import CompiledFunction, GradientTape
from layers.rows import FAMILIES, FOLDER, Row

TOLERANCE = {"float64": 1e-10, "float32": 2e-5}
ROWS = [(family, row) for family, rows in FAMILIES.items() for row in rows]

_ids = Counter(f"{family}/{row.id}" for family, row in ROWS)
assert not ROWS or max(_ids.values()) == 1, f"rows of the same id: {[id for id, n in _ids.items() if n > 1]}"

each_row = pytest.mark.parametrize(("family", "row"), ROWS, ids=[f"{family}-{row.id}" for family, row in ROWS])


@functools.cache
def recording(family: str) -> dict[str, dict[str, np.ndarray]]:
    """Row -> name -> value."""
    found: dict[str, dict[str, np.ndarray]] = {}
    path = FOLDER / f"{family}.npz"
    if path.exists():
        with np.load(path) as stored:
            for name in stored.files:
                row, _, what = name.rpartition("/")
                found.setdefault(row, {})[what] = stored[name]
    return found


def recorded(family: str, row: Row) -> dict[str, np.ndarray]:
    """What Keras made of a row."""
    found = recording(family).get(row.id)
    assert found is not None, f"record it: python tests/layers/make_layer_reference.py {family}"
    return found


@pytest.fixture
def floatx(request: pytest.FixtureRequest) -> Any:
    """The default float type of a test."""
    before = backend.floatx()
    backend.set_floatx(request.param)
    yield request.param
    backend.set_floatx(before)


def made(row: Row, dtype: str) -> tuple[Any, list[Any]]:
    """The layer with its weights, and its inputs."""
    layer = row.make(ironhorn)
    inputs = [ops.convert_to_tensor(array) for array in row.arrays(dtype)]
    row.apply(layer, inputs, backend.set_keras_mask)
    layer.set_weights([row.weight(i, v.path, v.shape) for i, v in enumerate(layer.weights)])
    return layer, inputs


def compute(row: Row, layer: Any, inputs: list[Any]) -> dict[str, Any]:
    """Outputs, gradients and states, under the names of the recording."""
    found: dict[str, Any] = {}
    differentiable = row.gradient is True
    with GradientTape() as tape:
        if differentiable and not row.integers:
            tape.watch(inputs)
        outputs = tree.flatten(row.apply(layer, inputs, backend.set_keras_mask))
        floats = [output for output in outputs if "float" in output.dtype]
        number = sum(
            ops.sum(output * ops.cast(row.functional(i, shape(row, output)), output.dtype))
            for i, output in enumerate(floats)
        )
    found.update({f"output{i}": output for i, output in enumerate(outputs)})
    if differentiable:
        weights = list(layer.trainable_variables)
        sources = [*weights, *([] if row.integers else inputs)]
        gradients = tape.gradient(number, sources, unconnected_gradients="zero") if sources else []
        found.update({f"weight{i}": gradient for i, gradient in enumerate(gradients[: len(weights)])})
        found.update({f"input{i}": gradient for i, gradient in enumerate(gradients[len(weights) :])})
    for i, variable in enumerate(layer.non_trainable_variables):
        if "seed_generator" not in variable.path:
            found[f"state{i}"] = variable.value
    return found


_shapes: dict[str, list[tuple[int, ...]]] = {}


def shape(row: Row, output: Any) -> tuple[int, ...]:
    """The output's shape; while tracing, that which the recording has."""
    if None not in output.shape:
        return tuple(output.shape)
    fitting = [s for s in _shapes[row.id] if len(s) == len(output.shape) and agree(s, output.shape)]
    return fitting[0]


def agree(known: Any, symbolic: Any) -> bool:
    """Whether a shape is a case of one with unknown lengths."""
    return all(b is None or a == b for a, b in zip(known, symbolic, strict=True))


def compare(row: Row, dtype: str, found: dict[str, Any], wanted: dict[str, np.ndarray]) -> None:
    """Fails unless everything found is what was recorded."""
    numbers = {name for name in wanted if name not in ("config", "mask", "shape")}
    assert set(found) == numbers
    for name in sorted(numbers):
        have, want = np.asarray(found[name]), wanted[name]
        assert have.shape == want.shape, name
        if want.dtype.kind != "f":
            np.testing.assert_array_equal(have, want, err_msg=name)
            continue
        allowed = TOLERANCE["float32" if row.narrow else dtype] * row.tolerance
        finite = np.abs(want[np.isfinite(want)])
        scale = max(float(finite.max(initial=0.0)), 1.0 if name in row.vanishing else 1e-3)
        np.testing.assert_allclose(have, want, rtol=allowed, atol=allowed * scale, err_msg=name)


@pytest.mark.parametrize("floatx", ["float64", "float32"], indirect=True)
@each_row
def test_eager(family: str, row: Row, floatx: str) -> None:
    wanted = recorded(family, row)
    layer, inputs = made(row, floatx)
    compare(row, floatx, compute(row, layer, inputs), wanted)


@pytest.mark.parametrize("floatx", ["float64"], indirect=True)
@each_row
def test_traced(family: str, row: Row, floatx: str) -> None:
    wanted = recorded(family, row)
    layer, inputs = made(row, floatx)
    _shapes[row.id] = [value.shape for name, value in wanted.items() if name.startswith("output")]
    program = CompiledFunction(
        lambda given: compute(row, layer, list(given)),
        name=row.id,
        dynamic_axes=lambda leaf, rank: {axis for axis in row.varying if axis < rank},
    )
    compare(row, floatx, program(inputs), wanted)


@each_row
def test_configuration_mask_and_shape(family: str, row: Row) -> None:
    wanted = recorded(family, row)
    layer = row.make(ironhorn)
    config = json.loads(json.dumps(layer.get_config(), sort_keys=True))
    theirs = json.loads(str(wanted["config"]))
    if theirs is not None:
        for one in (config, theirs):
            one.pop("name")
        assert without_names(config) == without_names(theirs)
    layer, inputs = made(row, "float32")
    if row.mask is not None:
        mask = layer.compute_mask(inputs if len(inputs) > 1 else inputs[0], row.masks())
        flat = [None if leaf is None else np.asarray(leaf).tolist() for leaf in tree.flatten(mask)]
        assert flat == json.loads(str(wanted["mask"]))
    if "shape" in wanted:
        assert json.loads(json.dumps(layer.compute_output_shape((None, *row.inputs[0][1:])))) == json.loads(
            str(wanted["shape"])
        )


def without_names(config: Any) -> Any:
    """A configuration without the counters in the names of inner layers."""
    if isinstance(config, dict):
        return {
            key: without_names(value)
            for key, value in config.items()
            if not (key == "name" and isinstance(value, str)) and key != "build_config"
        }
    return [without_names(value) for value in config] if isinstance(config, list) else config


def test_every_layer_has_three_rows() -> None:
    bases = {"Layer", "InputLayer", "Input", "InputSpec", "Wrapper"}
    counts = Counter(getattr(layers, row.layer).__name__ for _, row in ROWS)
    classes = {
        cls.__name__ for cls in layers.ALL.values() if isinstance(cls, type) and issubclass(cls, layers.Layer)
    } - bases
    few = {name: counts[name] for name in sorted(classes) if counts[name] < 3 and name not in FEWER}
    assert few == {}, "layers with fewer than three rows in tests/layers/rows"
    assert set(FEWER) <= classes


# Layers that augment images.
AUGMENTATION = """
AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization MaxNumBoundingBoxes MixUp
RandAugment RandomBrightness
RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation
RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom Solarization
""".split()

# Layers that have fewer than three rows, and why.
FEWER = {
    "TextVectorization": "takes strings; tested in test_preprocessing.py",
    "StringLookup": "takes strings; tested in test_preprocessing.py",
    "IntegerLookup": "a StringLookup of numbers; tested in test_preprocessing.py",
    **dict.fromkeys(
        ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"), "runs inside RNN and the layer of its name"
    ),
    "Hashing": "takes strings; tested in test_hashing.py",
    "HashedCrossing": "takes strings; tested in test_hashing.py",
    "Pipeline": "what its layers do; tested in test_augmentation.py",
    **dict.fromkeys(AUGMENTATION, "random, with known transformations in test_augmentation.py"),
}


@pytest.mark.parametrize("isa", ["scalar", "avx2"])
def test_every_instruction_set(isa: str) -> None:
    order = ["scalar", "avx2", "avx512"]
    active = _core.instruction_set()
    if active not in order or order.index(isa) >= order.index(active):
        pytest.skip(f"this machine runs the other tests on {active}")
    environment = {**os.environ, "IRONHORN_CPU_ISA": isa, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    done = subprocess.run([*command, "-k", "test_eager"], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="compares with Keras itself")
def test_recordings_are_what_keras_computes() -> None:
    script = pathlib.Path(__file__).with_name("make_layer_reference.py")
    # Keras compiles every row anew: a tenth of the table is looked at, the recorder's --check looks at all.
    command = [sys.executable, str(script), "--check", "--sample", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
