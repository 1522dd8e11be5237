"""Initializers, regularizers, constraints, activations: values, names and configurations."""

import json

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import activations, constraints, initializers, ops, regularizers
from ironhorn.testing import assert_raises_text

RANDOM = [
    ("glorot_uniform", np.sqrt(2 / (200 + 300))),
    ("glorot_normal", np.sqrt(2 / (200 + 300))),
    ("he_uniform", np.sqrt(2 / 200)),
    ("he_normal", np.sqrt(2 / 200)),
    ("lecun_uniform", np.sqrt(1 / 200)),
    ("lecun_normal", np.sqrt(1 / 200)),
    ("random_normal", 0.05),
    ("random_uniform", 0.05 / np.sqrt(3)),
    ("truncated_normal", 0.05 * 0.87962566),
]


@pytest.mark.parametrize(("name", "deviation"), RANDOM)
def test_random_initializers(name, deviation):
    initializer = initializers.get(name)
    values = initializer((200, 300), dtype="float32").numpy()
    assert abs(values.mean()) < 0.02 * deviation
    np.testing.assert_allclose(values.std(), deviation, rtol=0.02)
    np.testing.assert_array_equal(values, initializer((200, 300)))
    assert not np.array_equal(values, initializers.get(name)((200, 300)))
    seeded = type(initializer)(seed=3)
    np.testing.assert_array_equal(seeded((4, 5)), type(initializer)(seed=3)((4, 5)))
    assert type(initializer).from_config(seeded.get_config()).get_config() == seeded.get_config()


def test_uniform_and_truncated_ranges():
    assert np.abs(initializers.GlorotUniform(seed=1)((50, 50)).numpy()).max() <= np.sqrt(6 / 100)
    assert np.abs(initializers.TruncatedNormal(stddev=1.0, seed=1)((100, 100)).numpy()).max() <= 2.0


def test_fans():
    assert initializers.compute_fans((3, 3, 4, 8)) == (36, 72)
    assert initializers.compute_fans((5,)) == (5, 5)
    assert initializers.compute_fans(()) == (1, 1)
    assert initializers.compute_fans((2, 3, 4), input_axes=[0], output_axes=[1, 2]) == (2, 12)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 4)])
def test_orthogonal(shape):
    values = initializers.Orthogonal(gain=2.0, seed=1)(shape, dtype="float64").numpy().reshape(-1, shape[-1])
    small = values if values.shape[0] <= values.shape[1] else values.T
    np.testing.assert_allclose(small @ small.T, 4.0 * np.eye(len(small)), atol=1e-10)


def test_constant_initializers():
    np.testing.assert_array_equal(initializers.get("zeros")((2,)), [0, 0])
    np.testing.assert_array_equal(initializers.get("ones")((2,), dtype="int32"), [1, 1])
    np.testing.assert_array_equal(initializers.Constant([1.0, 2.0])((2, 2)), [[1, 2], [1, 2]])
    np.testing.assert_array_equal(initializers.Identity(3.0)((2, 3)), [[3, 0, 0], [0, 3, 0]])
    np.testing.assert_array_equal(initializers.get(np.ones(2))((2,)), [1, 1])


def test_initializer_errors():
    assert_raises_text(ValueError, ["Unknown initializer", "sparkling"], lambda: initializers.get("sparkling"))
    assert_raises_text(ValueError, ["3"], lambda: initializers.get(3))
    assert_raises_text(ValueError, ["two dimensions"], lambda: initializers.Identity()((2, 2, 2)))
    assert_raises_text(ValueError, ["seed", "'x'"], lambda: initializers.RandomNormal(seed="x"))
    assert_raises_text(ValueError, ["mode", "sideways"], lambda: initializers.VarianceScaling(mode="sideways"))
    assert_raises_text(ValueError, ["(2,)", "(3,)"], lambda: initializers.get(np.ones(2))((3,)))


@pytest.mark.parametrize("module", [initializers, regularizers, constraints])
def test_configurations_make_a_round_trip(module):
    for name, cls in module.ALL.items():
        if name in ("Initializer", "Regularizer", "Constraint"):
            continue
        thing = cls()
        config = json.loads(json.dumps(module.serialize(thing)))
        assert config["module"] == f"keras.{module.__name__.split('.')[-1]}"
        again = module.deserialize(config)
        assert type(again) is cls
        assert again.get_config() == thing.get_config()
        assert module.get(thing) is thing
        assert module.get(None) is None


def test_regularizers():
    x = keras.Variable(np.array([[1.0, -2.0], [3.0, 0.0]], "float32"))
    np.testing.assert_allclose(float(regularizers.L1(0.5)(x)), 3.0)
    np.testing.assert_allclose(float(regularizers.get("l2")(x)), 0.14, rtol=1e-6)
    np.testing.assert_allclose(float(regularizers.get("l1_l2")(x)), 0.2, rtol=1e-6)
    rows = regularizers.OrthogonalRegularizer(0.1, "rows")(ops.convert_to_tensor([[1.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(float(rows), 0.1 * np.sqrt(0.5), rtol=1e-5)
    assert_raises_text(ValueError, ["Unknown regularizer", "l3"], lambda: regularizers.get("l3"))
    assert_raises_text(ValueError, ["l1", "finite"], lambda: regularizers.L1("a"))


def test_constraints():
    w = np.array([[3.0, 0.1], [4.0, -0.1]], "float32")
    norms = np.sqrt((w**2).sum(0))
    np.testing.assert_array_equal(constraints.NonNeg()(w), np.maximum(w, 0))
    np.testing.assert_allclose(constraints.MaxNorm(2)(w), w * np.minimum(norms, 2) / norms, rtol=1e-5)
    np.testing.assert_allclose(constraints.UnitNorm()(w), w / norms, rtol=1e-5)
    np.testing.assert_allclose(
        constraints.MinMaxNorm(1.0, 2.0, rate=0.5)(w), w * (0.5 * np.clip(norms, 1, 2) + 0.5 * norms) / norms, rtol=1e-5
    )
    assert_raises_text(ValueError, ["Unknown constraint", "loose"], lambda: constraints.get("loose"))


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "log_sigmoid": lambda x: -np.log1p(np.exp(-x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "exponential": np.exp,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = np.linspace(-4, 8, 24).reshape(2, 12).astype("float32")
    function = activations.get(name)
    np.testing.assert_allclose(function(x), ACTIVATIONS[name](x), rtol=1e-5, atol=1e-5)
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function


def test_activation_names():
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert set(ACTIVATIONS) <= set(activations.ALL)
    assert_raises_text(ValueError, ["Unknown activation", "relux", "relu"], lambda: activations.get("relux"))


@pytest.mark.parametrize("window", ["hann", "hamming", "blackman", "bartlett", "boxcar", None])
@pytest.mark.parametrize("periodic", [False, True])
def test_stft_kernels_give_spectra(window, periodic):
    frames = np.random.default_rng(0).normal(size=(5, 16))
    options = {"window": window, "scaling": "spectrum", "periodic": periodic}
    real, imaginary = (
        initializers.STFT(side, **options)((16, 1, 9), dtype="float64").numpy()[:, 0] for side in ("real", "imag")
    )
    names = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett}
    weights = names.get(window, np.ones)(17)[:16] if periodic else names.get(window, np.ones)(16)
    spectra = np.fft.rfft(frames * weights) / (1.0 if window is None else np.abs(weights).sum())
    np.testing.assert_allclose(frames @ real + 1j * (frames @ imaginary), spectra, atol=1e-12)


def test_stft_of_given_windows():
    initializer = initializers.STFT("imag", np.array([1.0, 2.0, 0.5]), "density")
    again = initializers.deserialize(json.loads(json.dumps(initializers.serialize(initializer))))
    np.testing.assert_array_equal(again((3, 1, 4)), initializer((3, 1, 4)))
    assert_raises_text(NotImplementedError, ["kaiser", "array"], lambda: initializers.STFT(window="kaiser"))
    assert_raises_text(ValueError, ["length, 4", "(3,)"], lambda: initializer((4, 1, 3)))
    assert_raises_text(ValueError, ["(4, 2, 3)"], lambda: initializer((4, 2, 3)))
