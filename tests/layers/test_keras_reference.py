"""Layers against recorded results of Keras: outputs, weights after the call, shapes, configurations.

`make_keras_reference.py` makes the recording.
"""

import json
import pathlib

import numpy as np
import pytest

from ironhorn import layers, tree

RECORDING = json.loads(pathlib.Path(__file__).with_name("keras_reference.json").read_text(encoding="utf-8"))
CASES = RECORDING["cases"]


def array(numbers):
    return np.array(numbers["values"], numbers["dtype"]).reshape(numbers["shape"])


@pytest.mark.parametrize("case", CASES, ids=[f"{number}-{case['class']}" for number, case in enumerate(CASES)])
def test_layer(case):
    layer = getattr(layers, case["class"]).from_config(case["config"])
    assert json.loads(json.dumps(layer.get_config())) == case["config"]
    inputs = [array(one) for one in case["inputs"]] if isinstance(case["inputs"], list) else array(case["inputs"])
    options = {name: np.array(value) if name == "mask" else value for name, value in case["call"].items()}
    layer(inputs, **options)
    layer.set_weights([array(weight) for weight in case["weights"]])
    outputs = tree.flatten(layer(inputs, **options))
    assert len(outputs) == len(case["outputs"])
    for have, want in zip(outputs, case["outputs"], strict=True):
        assert have.dtype == want["dtype"]
        np.testing.assert_allclose(have, array(want), rtol=1e-5, atol=1e-6)
    for have, want in zip(layer.get_weights(), case["weights_after"], strict=True):
        np.testing.assert_allclose(have, array(want), rtol=1e-5, atol=1e-6)
    if "output_shape" in case:
        shape = layer.compute_output_shape((None, *inputs.shape[1:]))
        assert json.loads(json.dumps(shape)) == case["output_shape"]
