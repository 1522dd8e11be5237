"""Arrays read at any point: `map_coordinates`, and transformations of images made of it.

Points are read between elements by rounding or by linear interpolation; points outside are filled or mapped inside.
"""

import itertools
from typing import Any

import numpy as np

from ironhorn.errors import ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops import numpy as np_ops
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, handle, shape_of, tensor
from ironhorn.ops.image._layout import as_batch, as_given

__all__ = ["affine_transform", "elastic_transform", "map_coordinates", "perspective_transform"]

_ORDERS = {"nearest": 0, "bilinear": 1}
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")


def _order_of(name: str, interpolation: str) -> int:
    if interpolation not in _ORDERS:
        raise ValueRangeError(f"ops.image.{name}: interpolation must be one of {tuple(_ORDERS)}, got {interpolation!r}")
    return _ORDERS[interpolation]


def _check_fill_mode(name: str, fill_mode: str) -> None:
    if fill_mode not in _FILL_MODES:
        raise ValueRangeError(f"ops.image.{name}: fill_mode must be one of {_FILL_MODES}, got {fill_mode!r}")


def _length(length: Any) -> Any:
    """A length as an int32 scalar, or as a number where it is known."""
    return length if isinstance(length, int) else handle["cast"](length, dtype="int32")


def _mirrored(index: Any, length: Any) -> Any:
    """Back and forth, with the outermost elements once."""
    last = length - 1
    turn = 2 * last
    if isinstance(turn, int):
        turn = 1 if turn == 0 else turn
    else:
        turn = np_ops.maximum(turn, 1)
    return np_ops.absolute(np_ops.mod(index + last, turn) - last)


def _inside(index: Any, length: Any, fill_mode: str) -> Any:
    """The element that stands for one outside of the axis."""
    if fill_mode == "wrap":
        return np_ops.mod(index, length)
    if fill_mode == "mirror":
        return _mirrored(index, length)
    if fill_mode == "reflect":
        return np_ops.floor_divide(_mirrored(2 * index + 1, 2 * length + 1) - 1, 2)
    return np_ops.clip(index, 0, length - 1)


def _neighbours(place: Any, order: int) -> list[tuple[Any, Any]]:
    """The elements around a place, and their weights (None for 1)."""
    if order == 0:
        rounded = np_ops.sign(place) * np_ops.floor(np_ops.absolute(place) + 0.5)
        return [(handle["cast"](rounded, dtype="int32"), None)]
    below = handle["floor"](place)
    share = place - handle["stop_gradient"](below)
    index = handle["cast"](below, dtype="int32")
    return [(index, 1.0 - share), (index + 1, share)]


def _sample(
    flat: Any, lengths: list[Any], places: list[Any], start: Any, order: int, fill_mode: str, fill_value: float
) -> Any:
    """Reads rows of `flat`, whose first axis holds axes of `lengths` from row `start` on, at float `places`."""
    total = None
    trailing = flat.ndim - 1
    axes = [_neighbours(place, order) for place in places]
    sizes = [_length(length) for length in lengths]
    for corner in itertools.product(*axes):
        row, valid, weight = start, None, None
        for (index, share), size in zip(corner, sizes, strict=True):
            if fill_mode == "constant":
                within = np_ops.logical_and(index >= 0, index < size)
                valid = within if valid is None else np_ops.logical_and(valid, within)
            fixed = _inside(index, size, fill_mode)
            row = fixed if row is None else row * size + fixed
            if share is not None:
                weight = share if weight is None else weight * share
        values = handle["take"](flat, row, axis=0)
        behind = tuple(range(row.ndim, row.ndim + trailing))
        if valid is not None:
            valid = np_ops.expand_dims(valid, behind) if trailing else valid
            values = np_ops.where(valid, values, handle["cast"](fill_value, dtype=flat.dtype))
        if weight is not None:
            weight = np_ops.expand_dims(weight, behind) if trailing else weight
            values = values * as_dtype(weight, values.dtype)
        total = values if total is None else total + values
    return total


@op
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0.0
) -> Any:
    """The elements of an array at any points.

    Args:
        inputs: array.
        coordinates: `(rank of inputs, ..)`: the points, in elements along each axis.
        order: 0 to take the nearest element, 1 to interpolate linearly.
        fill_mode: what lies outside: "constant" (`fill_value`), "nearest" (the outermost elements), "wrap" (the array
            again), "mirror" or "reflect" (the array backwards, the outermost element once or twice).
        fill_value: what to fill with.

    Returns:
        `(..)`, one element a point.

    Raises:
        ShapeError: if the points have not as many coordinates as the array has axes.

    Example:
        >>> ops.image.map_coordinates([[0.0, 1.0], [2.0, 3.0]], [[0.5], [0.5]], order=1).numpy().tolist()
        [1.5]
    """
    inputs, points = tensor(inputs), as_float(coordinates)
    if points.ndim < 2 or points.shape[0] != inputs.ndim:
        raise ShapeError(
            f"ops.image.map_coordinates takes coordinates of shape ({inputs.ndim}, ..) for an array of {inputs.ndim} "
            f"axes, got shapes {points.shape} and {inputs.shape}"
        )
    if order not in (0, 1):
        raise ValueRangeError(f"ops.image.map_coordinates: order must be 0 or 1, got {order!r}")
    _check_fill_mode("map_coordinates", fill_mode)
    flat = handle["reshape"](inputs, shape=[-1])
    integers = not str(inputs.dtype).startswith(("float", "bfloat"))
    if integers:
        flat = as_dtype(flat, points.dtype)
    places = np_ops.unstack(points, axis=0)
    result = _sample(flat, shape_of(inputs), places, None, order, fill_mode, fill_value)
    return as_dtype(np_ops.round(result) if integers else result, inputs.dtype)


def _rows(batch: Any) -> tuple[Any, Any]:
    """A batch of images as rows of pixels, and the number of each image, to be broadcast to its pixels."""
    lengths = shape_of(batch)
    flat = handle["reshape"](batch, shape=[-1, lengths[3]])
    count = handle["iota"](shape=[lengths[0], 1, 1], axis=0, dtype="int32")
    return flat, count


def _grid(batch: Any, dtype: str) -> tuple[Any, Any]:
    _, height, width, _ = shape_of(batch)
    rows = handle["iota"](shape=[1, height, 1], axis=1, dtype=dtype)
    columns = handle["iota"](shape=[1, 1, width], axis=2, dtype=dtype)
    return rows, columns


@op
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images turned, sheared, scaled and moved.

    The pixel at column `x` and row `y` of the result is read at `(a0 x + a1 y + a2, b0 x + b1 y + b2)`.

    Args:
        images: an image or a batch of images.
        transform: `(8,)` or `(batch, 8)`: `a0, a1, a2, b0, b1, b2, 0, 0`.
        interpolation: "bilinear" or "nearest".
        fill_mode: what lies outside, as in `map_coordinates`.
        fill_value: what to fill with.
        data_format: "channels_last" or "channels_first".

    Raises:
        ShapeError: if `transform` has another shape.
        UnsupportedError: if its last two numbers are not 0: the transformation would not be affine.
    """
    order = _order_of("affine_transform", interpolation)
    _check_fill_mode("affine_transform", fill_mode)
    images, transform = tensor(images), as_float(transform)
    if transform.ndim not in (1, 2) or transform.shape[-1] != 8:
        raise ShapeError(f"ops.image.affine_transform takes a transform of 8 numbers, got shape {transform.shape}")
    if not transform.is_traced and np.any(np.asarray(transform)[..., 6:]):
        raise UnsupportedError(
            "ops.image.affine_transform takes transforms whose last two numbers are 0; use "
            "ops.image.perspective_transform for others"
        )
    batch = as_batch(images, data_format)
    if transform.ndim == 1:
        transform = np_ops.expand_dims(transform, 0)
    a0, a1, a2, b0, b1, b2 = (transform[:, k : k + 1, None] for k in range(6))
    rows, columns = _grid(batch, transform.dtype)
    # Keras' rule on JAX swaps a1 and b0: rows are read at b1 y + b0 x + b2.
    places = [b1 * rows + b0 * columns + b2, a1 * rows + a0 * columns + a2]
    flat, count = _rows(batch)
    lengths = shape_of(batch)
    result = _sample(as_float(flat), lengths[1:3], places, count, order, fill_mode, fill_value)
    return as_given(as_dtype(result, images.dtype), images.ndim, data_format)


@op
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> Any:
    """Images as seen from elsewhere: four points are moved, and all others with them.

    Args:
        images: an image or a batch of images.
        start_points: `(4, 2)` or `(batch, 4, 2)`: four points `(x, y)` of the images.
        end_points: where they are in the result, of the same shape.
        interpolation: "bilinear" or "nearest".
        fill_value: what lies outside.
        data_format: "channels_last" or "channels_first".

    Raises:
        ShapeError: if the points have another shape.
    """
    order = _order_of("perspective_transform", interpolation)
    images, start, end = tensor(images), tensor(start_points), tensor(end_points)
    if start.shape != end.shape or start.ndim not in (2, 3) or tuple(start.shape[-2:]) != (4, 2):
        raise ShapeError(
            "ops.image.perspective_transform takes start_points and end_points of shape (4, 2) or (batch, 4, 2), got "
            f"{start.shape} and {end.shape}"
        )
    batch = as_batch(images, data_format)
    dtype = as_float(batch).dtype
    m = [as_dtype(handle["reshape"](number, shape=[-1, 1, 1]), dtype) for number in _homography(start, end)]
    rows, columns = _grid(batch, dtype)
    depth = m[6] * columns + m[7] * rows + 1.0
    places = [(m[3] * columns + m[4] * rows + m[5]) / depth, (m[0] * columns + m[1] * rows + m[2]) / depth]
    flat, count = _rows(batch)
    result = _sample(as_float(flat), shape_of(batch)[1:3], places, count, order, "constant", fill_value)
    return as_given(as_dtype(result, images.dtype), images.ndim, data_format)


def _homography(start: Any, end: Any) -> list[Any]:
    """The eight numbers of each projective map from `end` to `start`, the ninth being 1.

    Three of the points, scaled so that their sum is the fourth, are a basis; the map takes one basis to the other:
    the sum of `start_i (end_j x end_k)` over the three, with factors (Heckbert, "Fundamentals of texture mapping and
    image warping", 1989).
    """
    to, of = _corners(start), _corners(end)
    factors_to, factors_of = _scales(to), _scales(of)
    total: list[Any] = [None] * 9
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        factor = factors_to[i] * factors_of[j] * factors_of[k]
        for row, coordinate in enumerate(to[i]):
            for column, normal in enumerate(_cross(of[j], of[k])):
                part = factor * coordinate * normal
                place = 3 * row + column
                total[place] = part if total[place] is None else total[place] + part
    return [number / total[8] for number in total[:8]]


def _corners(points: Any) -> list[tuple[Any, Any, float]]:
    """Each image's four points in homogeneous coordinates."""
    points = handle["reshape"](as_dtype(points, "float64"), shape=[-1, 4, 2])
    return [(points[:, number, 0], points[:, number, 1], 1.0) for number in range(4)]


def _cross(a: Any, b: Any) -> tuple[Any, Any, Any]:
    """The line through two points."""
    return a[1] - b[1], b[0] - a[0], a[0] * b[1] - b[0] * a[1]


def _scales(points: list[Any]) -> list[Any]:
    """What three points are multiplied with so that their sum is a multiple of the fourth."""
    scales = []
    for j, k in ((1, 2), (2, 0), (0, 1)):
        line = _cross(points[j], points[k])
        scales.append(points[3][0] * line[0] + points[3][1] * line[1] + line[2])
    return scales


@op
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: str | None = None,
) -> Any:
    """Images bent at random: every pixel is read somewhere near (Simard et al., 2003).

    Args:
        images: an image or a batch of images.
        alpha: how far pixels move.
        sigma: how smooth the movement is, in pixels.
        interpolation: "bilinear" or "nearest".
        fill_mode: what lies outside, as in `map_coordinates`.
        fill_value: what to fill with.
        seed: integer, SeedGenerator, or None.
        data_format: "channels_last" or "channels_first".
    """
    order = _order_of("elastic_transform", interpolation)
    _check_fill_mode("elastic_transform", fill_mode)
    size = int(6 * sigma) | 1
    return bent(tensor(images), float(alpha), float(sigma), size, order, fill_mode, fill_value, seed, data_format)


def bent(
    images: Any,
    alpha: Any,
    sigma: Any,
    size: int,
    order: int,
    fill_mode: str,
    fill_value: float,
    seed: Any,
    data_format: str | None,
) -> Any:
    """`elastic_transform` with strengths that may be tensors, and a window of a given size to smooth with."""
    from ironhorn import random
    from ironhorn.ops.image.filters import gaussian_blur

    batch = as_batch(images, data_format)
    lengths = shape_of(batch)
    dtype = as_float(batch).dtype
    noise = random.normal((*lengths[:3], 2), dtype=dtype, seed=seed) * sigma
    moves = gaussian_blur(noise, kernel_size=(size, size), sigma=(sigma, sigma), data_format="channels_last") * alpha
    rows, columns = _grid(batch, dtype)
    flat, count = _rows(batch)
    places = [rows + moves[..., 0], columns + moves[..., 1]]
    result = _sample(as_float(flat), lengths[1:3], places, count, order, fill_mode, fill_value)
    return as_given(as_dtype(result, images.dtype), images.ndim, data_format)
