"""`ops.image` against Keras on JAX: results and gradients, eager and traced, on symbolic tensors."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import pkgutil
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import KerasTensor, ops
from ironhorn.backend import CompiledFunction
from ironhorn.testing import assert_raises_text, check_gradients
from ops.image_cases import CASES, LOOSE, arguments, functional

REFERENCE = np.load(pathlib.Path(__file__).with_name("image_reference.npz"))


def close(found: Any, wanted: np.ndarray, dtype: str, name: str) -> None:
    tolerance = LOOSE.get(name.split("-")[0], 1e-10) if dtype == "float64" else 2e-5
    scale = max(float(np.abs(wanted).max()), 1.0)
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=tolerance, atol=tolerance * scale)


def differentiated(name: str) -> Any:
    call = CASES[name][1]
    weights = functional(name, REFERENCE[f"{name}/result"].shape)

    def both(*tensors: Any) -> Any:
        def number(*inner: Any) -> Any:
            outputs = call(ops.image, *inner)
            return ops.sum(outputs * ops.cast(weights, outputs.dtype)), outputs

        return ironhorn.value_and_grad(number, argnums=tuple(range(len(tensors))), has_aux=True)(*tensors)

    return both


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_results_and_gradients(name: str, dtype: str) -> None:
    if dtype == "float32" and "-0" in name:
        pytest.skip("a rounded place may be another one in float32")
    inputs = [ops.convert_to_tensor(array, dtype) for array in arguments(name)]
    functions = [differentiated(name)]
    if all(tensor.ndim == 4 for tensor in inputs):  # The first axis of what is traced varies.
        functions.append(CompiledFunction(functions[0], name))
    for function in functions:
        (_, outputs), gradients = function(*inputs)
        assert outputs.dtype == dtype
        close(outputs, REFERENCE[f"{name}/result"], dtype, name)
        for index, gradient in enumerate(gradients):
            found = np.zeros(inputs[index].shape) if gradient is None else gradient
            close(found, REFERENCE[f"{name}/gradient{index}"], dtype, name)


@pytest.mark.parametrize("name", CASES)
def test_symbolic_tensors(name: str) -> None:
    shapes, call = CASES[name]
    found = call(ops.image, *(KerasTensor(shape, "float64") for shape in shapes))
    result = REFERENCE[f"{name}/result"]
    assert tuple(found.shape) == result.shape
    assert found.dtype == "float64"


@pytest.mark.parametrize("name", ["resize-bicubic-larger", "resize-lanczos3-antialias", "gaussian_blur", "ssim"])
def test_second_derivatives(name: str) -> None:
    call = CASES[name][1]
    arrays = arguments(name)
    gradient = ironhorn.grad(lambda *given: ops.sum(ops.square(call(ops.image, *given))))
    check_gradients(gradient, arrays, samples=6, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_lengths_that_are_not_known(interpolation: str) -> None:
    def double(x: Any) -> Any:
        _, height, width, _ = ops.shape(x)
        return ops.image.resize(x, (height * 2, width + 3), interpolation=interpolation)

    compiled = CompiledFunction(double, "double")
    for shape in ((2, 4, 5, 3), (1, 7, 2, 3), (3, 3, 3, 3)):
        x = np.random.default_rng(0).uniform(size=shape).astype("float32")
        expected = ops.image.resize(x, (shape[1] * 2, shape[2] + 3), interpolation=interpolation)
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-6, atol=1e-6)
    assert compiled.trace_count <= 2


def test_map_coordinates_of_traced_points() -> None:
    image = np.random.default_rng(0).uniform(size=(4, 5))
    y, x = np.random.default_rng(1).uniform(-1.0, 5.0, (2, 7))
    for mode in ("constant", "nearest", "wrap", "mirror", "reflect"):

        def sample(y: Any, x: Any, mode: str = mode) -> Any:
            def number(y: Any, x: Any) -> Any:
                return ops.sum(ops.square(ops.image.map_coordinates(image, ops.stack([y, x]), 1, mode)))

            return ironhorn.value_and_grad(number, argnums=(0, 1))(y, x)

        compiled = CompiledFunction(sample, mode)
        for count in (7, 3):
            found = ironhorn.tree.flatten(compiled(y[:count], x[:count]))
            for value, wanted in zip(found, ironhorn.tree.flatten(sample(y[:count], x[:count])), strict=True):
                np.testing.assert_allclose(value, wanted, rtol=1e-12)


def test_integers_are_rounded_and_kept_in_range() -> None:
    x = np.array([[[0], [255], [0], [255]]], "uint8")
    found = ops.image.resize(x, (1, 9), interpolation="lanczos3")
    assert found.dtype == "uint8"
    wide = np.asarray(ops.image.resize(x.astype("float64"), (1, 9), interpolation="lanczos3"))
    np.testing.assert_array_equal(found, np.clip(np.round(wide), 0, 255).astype("uint8"))
    assert ops.image.rgb_to_grayscale(np.full((2, 2, 3), 200, "uint8")).dtype == "uint8"
    counts = ops.image.map_coordinates(np.array([10, 20]), [[0.5, 0.96]], order=1)
    assert np.asarray(counts).tolist() == [15, 20]


def test_empty_batches() -> None:
    assert ops.image.resize(np.zeros((0, 4, 4, 3)), (2, 9)).shape == (0, 2, 9, 3)
    assert ops.image.extract_patches(np.zeros((0, 4, 4, 3)), 2).shape == (0, 2, 2, 12)


def test_elastic_transform() -> None:
    x = np.random.default_rng(0).uniform(size=(2, 12, 10, 3)).astype("float32")
    first = ops.image.elastic_transform(x, alpha=10.0, sigma=2.0, seed=1)
    assert first.shape == x.shape
    np.testing.assert_array_equal(first, ops.image.elastic_transform(x, alpha=10.0, sigma=2.0, seed=1))
    assert not np.array_equal(first, ops.image.elastic_transform(x, alpha=10.0, sigma=2.0, seed=2))
    np.testing.assert_allclose(ops.image.elastic_transform(x, alpha=0.0, sigma=2.0, seed=1), x, rtol=1e-6)
    even = np.full((1, 8, 8, 1), 0.5, "float32")
    np.testing.assert_allclose(ops.image.elastic_transform(even, seed=3), even, rtol=1e-5)


def test_graphs_are_saved(tmp_path: pathlib.Path) -> None:
    inputs = ironhorn.layers.Input((6, 5, 3))
    image = ops.image
    outputs = [
        image.resize(inputs, (4, 7), interpolation="bicubic"),
        image.hsv_to_rgb(image.rgb_to_hsv(inputs)),
        image.rgb_to_grayscale(image.crop_images(inputs, 1, 1, 1, 1)),
        image.extract_patches(image.pad_images(inputs, 1, 0, 2, 3), 2),
        image.sobel_edges(image.gaussian_blur(inputs, sigma=(0.5, 0.7))),
        image.ssim(inputs, ops.celu(inputs), filter_size=3),
    ]
    model = ironhorn.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).uniform(size=(2, 6, 5, 3)).astype("float32")
    again = ironhorn.models.load_model(tmp_path / "model.keras")
    for found, wanted in zip(again(x), model(x), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_errors() -> None:
    x = np.zeros((2, 4, 4, 3), "float32")
    image = ops.image
    assert_raises_text(ValueError, ["positive height", "(0, 2)"], lambda: image.resize(x, (0, 2)))
    assert_raises_text(ValueError, ["interpolation", "'area'"], lambda: image.resize(x, (2, 2), "area"))
    assert_raises_text(ValueError, ["of 4, got", "(2, 4)"], lambda: image.resize(x[..., 0, 0], (2, 2)))
    assert_raises_text(
        ValueError,
        ["not both"],
        lambda: image.resize(x, (2, 2), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
    )
    assert_raises_text(ValueError, ["exactly two", "top_cropping"], lambda: image.crop_images(x, 1))
    assert_raises_text(
        ValueError, ["bottom_padding", "-1"], lambda: image.pad_images(x, 1, 0, target_height=4, target_width=4)
    )
    assert_raises_text(TypeError, ["takes floats", "uint8"], lambda: image.rgb_to_hsv(x.astype("uint8")))
    assert_raises_text(ValueError, ["3 channels", "(2, 4, 4, 2)"], lambda: image.hsv_to_rgb(x[..., :2]))
    assert_raises_text(ValueError, ["order", "2"], lambda: image.map_coordinates(x[0, 0], np.zeros((2, 3)), 2))
    assert_raises_text(ValueError, ["(2, ..)", "(3, 3)"], lambda: image.map_coordinates(x[0, 0], np.zeros((3, 3)), 1))
    assert_raises_text(NotImplementedError, ["perspective"], lambda: image.affine_transform(x, np.ones(8)))
    symbolic = KerasTensor((None, None, 4, 3))
    assert_raises_text(
        NotImplementedError, ["keeps proportions"], lambda: image.resize(symbolic, (2, 2), pad_to_aspect_ratio=True)
    )


def test_every_function_has_a_doc_and_a_row() -> None:
    tested = {name.split("-")[0] for name in CASES} | {"elastic_transform"}
    assert set(ops.image.__all__) == tested
    assert all((getattr(ops.image, name).__doc__ or "").strip() for name in tested)


def test_examples_run() -> None:
    for found in pkgutil.iter_modules(ops.image.__path__):
        module = importlib.import_module(f"ironhorn.ops.image.{found.name}")
        assert doctest.testmod(module, extraglobs={"np": np, "ops": ops}).failed == 0


def test_strengths_and_points_that_are_computed() -> None:
    images = np.random.default_rng(0).uniform(0, 1, (2, 6, 5, 3)).astype("float32")
    sigma = np.array([0.7, 1.3], "float32")
    start = np.array([[[0, 0], [4, 0], [0, 5], [4, 5]]] * 2, "float32")
    end = start + np.random.default_rng(1).uniform(-1, 1, start.shape).astype("float32")

    def transform(images: Any, sigma: Any, start: Any, end: Any) -> tuple[Any, Any]:
        return ops.image.gaussian_blur(images, (3, 5), sigma), ops.image.perspective_transform(images, start, end)

    program = CompiledFunction(
        transform, name="transform", dynamic_axes=lambda leaf, rank: {0, 1} if rank == 4 else set()
    )
    traced = program(*(ops.convert_to_tensor(value) for value in (images, sigma, start, end)))
    for have, want in zip(traced, transform(images, sigma, start, end), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-4, atol=1e-5)
