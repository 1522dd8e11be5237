"""A small functional model for every op that a graph may hold: rows of the ops' case table, and the calls below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import ironhorn
from ironhorn import backend, ops, tree
from ops.cases import CASES

_random = np.random.default_rng(0)
IMAGES = _random.uniform(0.1, 0.9, (2, 12, 12, 3)).astype("float32")
MATRIX = _random.uniform(0.1, 0.9, (4, 6)).astype("float32")
SQUARE = (MATRIX[:, :4] + 2 * np.eye(4)).astype("float32")
ROW = MATRIX[0]
WHOLE = np.array([1, 3, 0, 2], "int32")
CORNERS = np.tile(np.array([[0, 0], [0, 11], [11, 0], [11, 11]], "float32"), (2, 1, 1))


@ironhorn.saving.register_keras_serializable(package="operation_graphs")
def doubled(x: Any) -> Any:
    """A function that a graph may name."""
    return x * 2.0


@ironhorn.saving.register_keras_serializable(package="operation_graphs")
def squared(x: Any) -> Any:
    """Another one."""
    return x * x


@ironhorn.saving.register_keras_serializable(package="operation_graphs")
def added(x: Any, y: Any) -> Any:
    """A function of two arrays that a graph may name."""
    return x + y


@ironhorn.saving.register_keras_serializable(package="operation_graphs")
def running(carry: Any, x: Any) -> Any:
    """A step of a scan that a graph may name."""
    return carry + x, carry


@ironhorn.saving.register_keras_serializable(package="operation_graphs")
def stepped(index: Any, x: Any) -> Any:
    """A step of a loop that a graph may name."""
    return x + 1.5


@ironhorn.saving.register_keras_serializable(package="operation_graphs")
def small(x: Any) -> Any:
    """A condition that a graph may name."""
    return ops.max(x) < 10.0


image = ops.image

#: Calls of functions whose rows take constants: what is called, and with which arrays.
CALLS: list[tuple[Callable[..., Any], list[np.ndarray]]] = [
    (lambda x: image.affine_transform(x, np.float32([[1, 0, 0, 0, 1, 0, 0, 0]] * 2)), [IMAGES]),
    (lambda x: image.crop_images(x, 1, 2, target_height=6, target_width=5), [IMAGES]),
    (lambda x: image.elastic_transform(x, alpha=0.0, seed=3), [IMAGES]),
    (lambda x: image.extract_patches(x, (3, 2)), [IMAGES]),
    (lambda x: image.extract_patches_3d(x, 2), [IMAGES[:, None].repeat(4, 1)]),
    (image.gaussian_blur, [IMAGES]),
    (image.hsv_to_rgb, [IMAGES]),
    (image.rgb_to_hsv, [IMAGES]),
    (image.rgb_to_grayscale, [IMAGES]),
    (image.sobel_edges, [IMAGES]),
    (lambda x, y: image.ssim(x, y, filter_size=5), [IMAGES, IMAGES[::-1]]),
    (lambda x, y: image.map_coordinates(x, y, 1), [MATRIX, np.array([[0.5, 1.5], [2.0, 0.25]], "float32")]),
    (lambda x: image.pad_images(x, 1, 2, 1, 0), [IMAGES]),
    (image.perspective_transform, [IMAGES, CORNERS, CORNERS + 1]),
    (lambda x: image.resize(x, (5, 7)), [IMAGES]),
    (lambda x: image.scale_and_translate(x, (2, 6, 6, 3), [0.5, 0.5], [0.0, 1.0], (1, 2), "linear"), [IMAGES]),
    (ops.array, [MATRIX]),
    (lambda x: ops.convert_to_tensor(x, "int32"), [MATRIX * 9]),
    (ops.cholesky_inverse, [SQUARE]),
    (ops.corrcoef, [MATRIX]),
    (ops.dot_product_attention, [IMAGES, IMAGES, IMAGES]),
    (lambda x, y: ops.correlate(x, y, "same"), [ROW, ROW[:3]]),
    (lambda x: ops.histogram(x, 4), [ROW]),
    (ops.lstsq, [SQUARE, MATRIX]),
    (lambda x: ops.full((2, 3), x), [np.float32(2.5)]),
    (lambda x: ops.linspace(x, 2.0, 4, endpoint=False, axis=-1), [ROW]),
    (lambda x: ops.norm(x), [MATRIX]),
    (lambda x: ops.quantile(x, 0.3), [MATRIX]),
    (lambda x: ops.repeat(x, 2, 1), [MATRIX]),
    (lambda x: ops.roll(x, (1, 2), (0, 1)), [MATRIX]),
    (lambda x: ops.layer_normalization(x, rms_scaling=True, gamma=np.ones(6, "float32")), [MATRIX]),
    (lambda x, y: ops.isclose(x, y, atol=0.3), [MATRIX, MATRIX[::-1]]),
    (lambda x, y: ops.meshgrid(x, y, indexing="ij"), [ROW, ROW[:3]]),
    (lambda x, y: ops.einsum("ab,cb->ac", x, y), [MATRIX, MATRIX]),
    (lambda x: ops.rearrange(x, "a (b c) -> c a b", c=2), [MATRIX]),
    (lambda x, y: ops.scatter_update(x, y, [5.0, 6.0], "add"), [MATRIX, np.array([[0, 1], [3, 2]], "int32")]),
    (lambda x, y: ops.segment_max(x, y, 4), [MATRIX, WHOLE]),
    (lambda x, y: ops.segment_min(x, y, 4), [MATRIX, WHOLE]),
    (lambda x, y: ops.segment_prod(x, y, 4), [MATRIX, WHOLE]),
    (lambda x: ops.slice(x, (1, 2), (2, 3)), [MATRIX]),
    (lambda x: ops.vsplit(x, 2), [MATRIX]),
    (lambda x: ops.vsplit(x, (1, 3)), [MATRIX]),
    (lambda x, y: ops.ctc_decode(x, y), [IMAGES[0], np.full(12, 12, "int32")]),
    (
        lambda x, y: ops.ctc_loss(x, y, np.array([2, 1], "int32"), np.array([9, 12], "int32")),
        [np.array([[1, 2], [2, 0]], "int32"), IMAGES[:, 0]],
    ),
]

#: Calls with functions, which Keras does not write.
CALLS_OF_FUNCTIONS: list[tuple[Callable[..., Any], list[np.ndarray]]] = [
    (lambda x: ops.map(doubled, x), [MATRIX]),
    (lambda x: ops.vectorized_map(doubled, x), [MATRIX]),
    (lambda x: ops.associative_scan(added, x, axis=1), [MATRIX]),
    (lambda x: ops.scan(running, np.zeros(6, "float32"), x), [MATRIX]),
    (lambda x: ops.fori_loop(0, 3, stepped, x), [MATRIX]),
    (lambda x: ops.while_loop(small, doubled, x, maximum_iterations=5), [MATRIX]),
    (lambda x, y: ops.switch(x, [doubled, squared], y), [np.int32(0), MATRIX]),
    (lambda x, y: ops.jvp(doubled, (x,), (y,)), [MATRIX, MATRIX]),
]


def models(calls: Any) -> Iterator[tuple[str, Any, list[np.ndarray]]]:
    """Name, model and arrays of every call."""
    for number, (function, arrays) in enumerate(calls):
        inputs = [ironhorn.Input(batch_shape=array.shape, dtype=str(array.dtype)) for array in arrays]
        yield f"call {number}", ironhorn.Model(inputs, tree.flatten(function(*inputs))), arrays


def models_of_rows() -> Iterator[tuple[str, Any, list[np.ndarray]]]:
    """Name, model and arrays of the rows of the case table that take symbolic tensors."""
    for case in CASES:
        if not (case.symbolic and case.graph):
            continue
        arrays, inputs, feeds = case.arrays(case.dtypes[0]), [], []
        arguments: list[Any] = list(arrays)
        for position, (argument, array) in enumerate(zip(case.arguments, arrays, strict=True)):
            if argument.batch and array.ndim:
                arguments[position] = ironhorn.Input(batch_shape=array.shape, dtype=str(array.dtype))
                inputs.append(arguments[position])
                feeds.append(array)
        if inputs:
            yield case.id, ironhorn.Model(inputs, tree.flatten(case.function(*arguments))), feeds


def functions_in(model: Any) -> set[str]:
    """Names of the ops in a model's graph."""
    return {operation.function_name for operation in model.operations if isinstance(operation, backend.OpOperation)}
