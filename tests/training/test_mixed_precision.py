"""Training in 16 bits: as good as in float32, with loss scaling; dtype policies by name, by layer and in files."""

from __future__ import annotations

import ast
import os
import pathlib
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import backend, dtype_policies, errors, layers, mixed_precision, ops, optimizers
from ironhorn.backend import CompiledFunction, GradientTape

DRAW = np.random.default_rng(3)
X = DRAW.standard_normal((256, 12)).astype("float32")
Y = (X[:, :6].sum(1) > X[:, 6:].sum(1)).astype("int32")


@pytest.fixture(autouse=True)
def policy_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    # Put back at the end: the policy that follows `floatx`.
    monkeypatch.setattr("ironhorn.dtype_policies.policy._default_policy", None)


def classifier(policy: str) -> Any:
    """A small model made under a policy, with a head in float32."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(policy)
    return keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(24, activation="relu"),
            layers.BatchNormalization(),
            layers.LayerNormalization(),
            layers.Dense(2, activation="softmax", dtype="float32"),
        ]
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float16"])
def test_training_is_as_good_as_in_float32(policy: str) -> None:
    accuracy = {}
    for name in ("float32", policy):
        model = classifier(name)
        model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(X, Y, batch_size=32, epochs=5, shuffle=False, verbose=0).history
        accuracy[name] = history["accuracy"][-1]
        assert np.isfinite(history["loss"]).all()
    assert accuracy[policy] > 0.9
    assert abs(accuracy[policy] - accuracy["float32"]) < 0.03


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_types_of_a_model(policy: str) -> None:
    model = classifier(policy)
    hidden = model.layers[0]
    half = policy.removeprefix("mixed_")
    assert (hidden.compute_dtype, hidden.variable_dtype, hidden.dtype) == (half, "float32", "float32")
    assert {variable.dtype for variable in model.weights} == {"float32"}
    assert [layer.output.dtype for layer in model.layers] == [half] * 3 + ["float32"]
    assert hidden(X).dtype == half
    assert model.predict(X[:3], verbose=0).dtype == np.float32
    # Outside of the layer's call the weights are what they are.
    assert hidden.kernel.value.dtype == "float32"
    assert (hidden.kernel + 1.0).dtype == "float32"


def test_autocast_as_in_keras() -> None:
    seen = {}

    class Probe(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.plain = self.add_weight(shape=(2,), name="plain")
            self.kept = self.add_weight(shape=(2,), name="kept", autocast=False)
            self.count = self.add_weight(shape=(2,), dtype="int32", name="count")

        def call(self, inputs: Any, indices: Any = None) -> Any:
            seen["variables"] = [ops.convert_to_tensor(v).dtype for v in (self.plain, self.kept, self.count)]
            seen["dtype"] = self.plain.dtype
            seen["inputs"] = [inputs.dtype, None if indices is None else indices.dtype]
            return inputs

    layer = Probe(dtype="mixed_bfloat16")
    layer(np.ones((1, 2), "float64"), indices=np.ones(2, "int32"))
    assert seen["variables"] == ["bfloat16", "float32", "int32"]
    assert seen["dtype"] == "bfloat16"
    assert seen["inputs"] == ["bfloat16", "int32"]
    assert layer.plain.dtype == "float32"
    Probe(dtype="mixed_bfloat16", autocast=False)(np.ones((1, 2), "float32"))
    assert seen["inputs"][0] == "float32"

    class Outer(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.inner = Probe(dtype="float32")

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    Outer(dtype="mixed_float16")(np.ones((1, 2), "float32"))
    assert seen["variables"] == ["float32", "float32", "int32"]
    assert seen["inputs"][0] == "float32"


def test_gradients_of_cast_weights_are_float32() -> None:
    layer = layers.Dense(3, dtype="mixed_float16")
    layer.build((None, 4))
    x = ops.convert_to_tensor(DRAW.standard_normal((5, 4)).astype("float32"))

    def gradient(x: Any) -> Any:
        with GradientTape() as tape:
            total = ops.sum(ops.cast(layer(x), "float32"))
        return tape.gradient(total, layer.kernel)

    eager, traced = gradient(x), CompiledFunction(gradient)(x)
    assert eager.dtype == traced.dtype == "float32"
    want = np.broadcast_to(np.asarray(x).astype("float16").sum(0, dtype="float32")[:, None], (4, 3))
    np.testing.assert_allclose(eager, want, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(traced, want, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_chains_keep_float32(dtype: str) -> None:
    """A traced chain rounds once, at its end; ops one by one round every result."""
    x = ops.cast(DRAW.standard_normal(1000).astype("float32"), dtype)

    def chain(x: Any) -> Any:
        return ops.tanh(x * 1.75 + 0.25) * x - ops.square(x)

    eager, traced, wide = chain(x), CompiledFunction(chain)(x), chain(ops.cast(x, "float32"))
    assert eager.dtype == traced.dtype == dtype
    np.testing.assert_array_equal(traced.numpy(), ops.cast(wide, dtype).numpy())
    precision = 2.0**-7 if dtype == "bfloat16" else 2.0**-10
    np.testing.assert_allclose(eager.numpy(), wide.numpy(), rtol=0, atol=precision * np.abs(wide.numpy()).max())


def test_sums_of_many_halves_are_made_in_float32() -> None:
    ones = ops.ones((1 << 16,), dtype="bfloat16")
    assert float(ops.sum(ones)) == 1 << 16
    assert float(ops.mean(ops.ones((70000,), dtype="float16"))) == 1.0
    many = ops.ones((1, 4096), dtype="bfloat16")
    assert float(ops.matmul(many, ops.transpose(many))[0, 0]) == 4096


SCRIPT = """
import numpy as np, ironhorn as keras
from ironhorn import layers, ops
keras.utils.set_random_seed(1)
x = np.random.default_rng(0).standard_normal((70, 33)).astype("float32")
model = keras.Sequential([keras.Input((33,)), layers.Dense(50, activation="relu", dtype="mixed_bfloat16")])
model.add(layers.Dense(9, activation="gelu", dtype="mixed_bfloat16"))
model.add(layers.Dense(3, dtype="float32"))
model.compile("sgd", "mse")
model.fit(x, x[:, :3], batch_size=32, epochs=3, shuffle=False, verbose=0)
print(model.predict(x, verbose=0).tolist())
"""


def test_machines_with_and_without_products_of_bfloat16_agree() -> None:
    """AVX2 has no such instruction: products are made in float32 there, of the same rounded operands."""
    found = []
    for name in (None, "avx2"):
        environment = {**os.environ, **({"IRONHORN_CPU_ISA": name} if name else {})}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False
        )
        if "this processor has" in run.stderr:
            pytest.skip("this processor has no AVX2")
        assert run.returncode == 0, run.stderr
        found.append(np.array(ast.literal_eval(run.stdout)))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=0.02)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(70, 33, 50), (1, 300, 20), (64, 1, 5), (0, 4, 3), (3, 0, 2)])
def test_products_of_bfloat16_are_rounded_once(rows: int, inner: int, columns: int) -> None:
    """Sums in float32 of the operands as they are stored; eager and traced, in every orientation."""
    a = ops.cast(DRAW.standard_normal((rows, inner)).astype("float32"), "bfloat16")
    b = ops.cast(DRAW.standard_normal((inner, columns)).astype("float32"), "bfloat16")
    want = np.asarray(ops.cast(a, "float64")) @ np.asarray(ops.cast(b, "float64"))
    for left, right, product in (
        (a, b, ops.matmul),
        (ops.transpose(a), b, lambda x, y: ops.matmul(ops.transpose(x), y)),
        (a, ops.transpose(b), lambda x, y: ops.matmul(x, ops.transpose(y))),
        (a, b, lambda x, y: ops.einsum("ij,jk->ik", x, y)),
    ):
        for apply in (product, CompiledFunction(product)):
            found = apply(left, right)
            assert found.dtype == "bfloat16"
            found = np.asarray(ops.cast(found, "float64"))
            np.testing.assert_allclose(found, want, rtol=2.0**-8, atol=1e-5 * inner)


def test_a_scale_moves_into_weights_of_bfloat16() -> None:
    """Batch normalisation at inference, behind a product and behind a convolution of one pixel."""
    found = {}
    for policy in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(2)
        keras.config.set_dtype_policy(policy)
        model = keras.Sequential([keras.Input((4, 4, 6)), layers.Conv2D(8, 1), layers.BatchNormalization()])
        for layer in (layers.Flatten(), layers.Dense(20), layers.BatchNormalization(), layers.Activation("relu")):
            model.add(layer)
        draw = np.random.default_rng(5)
        model.set_weights([draw.uniform(0.5, 1.5, weight.shape) for weight in model.weights])
        x = draw.standard_normal((9, 4, 4, 6)).astype("float32")
        found[policy] = np.asarray(ops.cast(model.predict(x, verbose=0), "float32"))
    size = np.abs(found["float32"]).max()
    assert size > 1
    np.testing.assert_allclose(found["mixed_bfloat16"], found["float32"], rtol=0, atol=0.02 * size)


def test_mixed_operands_promote() -> None:
    half, brain = ops.ones((2, 2), dtype="float16"), ops.ones((2, 2), dtype="bfloat16")
    assert ops.add(half, brain).dtype == "float32"
    assert ops.matmul(half, ops.ones((2, 2))).dtype == "float32"
    assert ops.matmul(half, half).dtype == "float16"
    assert (brain * 2.0).dtype == "bfloat16"
    assert ops.reshape(brain, (4,)).dtype == "bfloat16"


def test_loss_scale_follows_the_gradients() -> None:
    weight = keras.Variable(np.ones(2, "float32"))
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.5), initial_scale=8.0, dynamic_growth_steps=2)
    optimizer.build([weight])
    assert float(optimizer.scale_loss(1.0)) == 8.0
    step = CompiledFunction(lambda gradient: optimizer.apply([gradient], [weight]))
    for apply in (step, lambda gradient: optimizer.apply([ops.convert_to_tensor(gradient)], [weight])):
        weight.assign([1.0, 1.0])
        optimizer.dynamic_scale.assign(8.0)
        optimizer.step_counter.assign(0)
        before = int(optimizer.iterations)
        seen = []
        for gradient in ([8.0, 0.0], [8.0, 16.0], [np.inf, 1.0], [8.0, np.nan], [4.0, 4.0]):
            apply(np.array(gradient, "float32"))
            seen.append((*np.asarray(weight).tolist(), float(optimizer.dynamic_scale), int(optimizer.step_counter)))
        assert seen == [
            (0.5, 1.0, 8.0, 1),
            (0.0, 0.0, 16.0, 0),
            (0.0, 0.0, 8.0, 0),
            (0.0, 0.0, 4.0, 0),
            (-0.5, -0.5, 4.0, 1),
        ]
        assert int(optimizer.iterations) - before == 3


def test_compile_wraps_the_optimizer() -> None:
    model = classifier("mixed_float16")
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, mixed_precision.LossScaleOptimizer)
    assert model.get_compile_config()["optimizer"]["class_name"] == "SGD"
    model.compile(optimizers.LossScaleOptimizer(optimizers.Adam()), "mse")
    assert isinstance(model.optimizer.inner_optimizer, optimizers.Adam)
    model.compile("sgd", "mse", auto_scale_loss=False)
    assert isinstance(model.optimizer, optimizers.SGD)
    model = classifier("mixed_bfloat16")
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, optimizers.SGD)


def test_loss_scale_arguments() -> None:
    with pytest.raises(ValueError, match="`clipnorm` belongs to the `inner_optimizer`"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), clipnorm=1.0)
    with pytest.raises(ValueError, match="loss_scale_factor"):
        optimizers.LossScaleOptimizer(optimizers.SGD(), dynamic=False)
    made = optimizers.LossScaleOptimizer(optimizers.SGD(0.25), initial_scale=4.0)
    again = optimizers.deserialize(optimizers.serialize(made))
    assert (again.initial_scale, float(again.learning_rate)) == (4.0, 0.25)
    again.learning_rate = 0.125
    assert float(again.inner_optimizer.learning_rate) == 0.125


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop"])
def test_accumulated_gradients_are_one_step_of_their_mean(name: str) -> None:
    """Traced and eager; the number of updates is what schedules and files see."""
    gradients = DRAW.standard_normal((8, 3)).astype("float32")
    want = keras.Variable(np.ones(3, "float32"))
    plain = getattr(optimizers, name)(0.1)
    plain.build([want])
    for group in gradients.reshape(2, 4, 3):
        plain.apply([ops.convert_to_tensor(group.mean(0))], [want])
    for traced in (False, True):
        have = keras.Variable(np.ones(3, "float32"))
        optimizer = getattr(optimizers, name)(0.1, gradient_accumulation_steps=4)
        optimizer.build([have])
        step = CompiledFunction(lambda g: optimizer.apply([g], [have])) if traced else None  # noqa: B023
        for i, gradient in enumerate(gradients):
            before = np.asarray(have).copy()
            step(gradient) if step else optimizer.apply([ops.convert_to_tensor(gradient)], [have])
            assert (i % 4 == 3) == (np.asarray(have) != before).all()
            assert int(optimizer.iterations) == (i + 1) // 4
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)
        assert [v.path.rpartition("_gradient_")[2] for v in optimizer.variables].count("accumulator") == 1
        np.testing.assert_array_equal(optimizer._accumulated_gradients[0], 0.0)
    with pytest.raises(ValueError, match=">= 2"):
        getattr(optimizers, name)(gradient_accumulation_steps=1)


def test_every_part_of_a_model_its_optimizer() -> None:
    model = keras.Sequential([keras.Input((12,)), layers.Dense(4, name="body"), layers.Dense(1, name="head")])
    frozen, fast = optimizers.SGD(0.0), optimizers.SGD(0.1)
    chosen = optimizers.OptimizerMap(fast, {".*body/.*": frozen})
    model.compile(optimizers.MultiOptimizer(chosen), "mse")
    before = [np.asarray(weight).copy() for weight in model.weights]
    model.fit(X, Y.astype("float32"), epochs=1, verbose=0)
    assert [bool((np.asarray(a) == b).all()) for a, b in zip(model.weights, before, strict=True)] == [
        True,
        True,
        False,
        False,
    ]
    assert model.optimizer.optimizers == [frozen, fast]
    assert int(model.optimizer.iterations) == int(fast.iterations) == 8
    with pytest.raises(AttributeError, match="no learning rate"):
        model.optimizer.learning_rate  # noqa: B018
    with pytest.raises(ValueError, match="one of several"):
        chosen["x"] = optimizers.LossScaleOptimizer(optimizers.SGD())
    again = optimizers.deserialize(optimizers.serialize(model.optimizer))
    assert float(again.optimizers[0].learning_rate) == 0.0


def test_names_of_policies() -> None:
    policy = keras.DTypePolicy("mixed_float16")
    assert policy == dtype_policies.get("mixed_float16") == keras.FloatDTypePolicy("mixed_float16")
    assert dtype_policies.deserialize(dtype_policies.serialize(policy)) == policy
    assert dtype_policies.get(np.dtype("float64")).compute_dtype == "float64"
    mixed_precision.set_global_policy("mixed_bfloat16")
    assert mixed_precision.global_policy() == mixed_precision.Policy("mixed_bfloat16")
    assert layers.Dense(1).compute_dtype == "bfloat16"
    with pytest.raises(ValueError, match="Unknown dtype policy 'float17'"):
        keras.DTypePolicy("float17")
    with pytest.raises(ValueError, match="Pass set_dtype_policy the name"):
        keras.config.set_dtype_policy(16)
    for quantized in ("int8_from_float32", "float8_from_mixed_bfloat16"):
        with pytest.raises(errors.UnsupportedError, match="Quantized"):
            layers.Dense(1, dtype=quantized)
    with pytest.raises(errors.UnsupportedError, match="Quantized"):
        dtype_policies.deserialize({"class_name": "QuantizedDTypePolicy", "config": {}})


def test_policies_by_path() -> None:
    policies = dtype_policies.DTypePolicyMap("float32", {"encoder/.*": "mixed_bfloat16"})
    policies["head"] = "float64"
    assert policies["encoder/dense"].name == "mixed_bfloat16"
    assert policies["elsewhere"].name == "float32"
    with pytest.raises(ValueError, match="already"):
        policies["head"] = "float16"
    policies["encoder/d.*"] = "float16"
    with pytest.raises(ValueError, match="several"):
        policies["encoder/dense"]
    del policies["encoder/d.*"]
    again = dtype_policies.get(dtype_policies.serialize(policies))
    assert isinstance(again, dtype_policies.DTypePolicyMap)
    assert again == policies and len(again) == 2
    layer = layers.Dense(2, name="head", dtype=policies)
    layer.build((None, 3))
    assert layer.kernel.dtype == layer.compute_dtype == "float64"


def test_policies_in_files(tmp_path: pathlib.Path) -> None:
    model = classifier("mixed_bfloat16")
    keras.config.set_dtype_policy("float32")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert [layer.dtype_policy for layer in again.layers] == [layer.dtype_policy for layer in model.layers]
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    twin = pickle.loads(pickle.dumps(model))
    assert twin.layers[0].dtype_policy.name == "mixed_bfloat16"
    assert twin.layers[1].gamma.autocast is False


def test_losses_and_metrics_are_float32() -> None:
    model = classifier("mixed_float16")
    hidden = keras.Sequential(model.layers[:3])
    outputs = hidden(X)
    assert outputs.dtype == "float16"
    zeros = np.zeros(outputs.shape, "float32")
    assert keras.losses.MeanSquaredError()(zeros, outputs).dtype == "float32"
    assert keras.metrics.MeanSquaredError()(zeros, outputs).dtype == "float32"
    assert keras.losses.MeanSquaredError(dtype="mixed_bfloat16").dtype == "bfloat16"
    assert backend.floatx() == "float32"
