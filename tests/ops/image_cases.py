"""Calls of `ops.image` that are compared with Keras': `CASES`, name -> shapes of the arguments and the call.

Arguments are numbers between 0 and 1. The call gets `ops.image` of Keras or Ironhorn and the arguments as tensors.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

CASES: dict[str, tuple[list[tuple[int, ...]], Callable[..., Any]]] = {}
_IMAGE, _FIRST = (2, 5, 6, 3), (2, 3, 5, 6)

for _method in ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"):
    for _note, _size, _options in (
        ("larger", (9, 13), {}),
        ("smaller", (3, 4), {}),
        ("antialias", (2, 5), {"antialias": True}),
    ):
        CASES[f"resize-{_method}-{_note}"] = (
            [_IMAGE],
            lambda image, x, m=_method, s=_size, o=_options: image.resize(x, s, interpolation=m, **o),
        )
CASES |= {
    "resize-one": ([(5, 6, 3)], lambda image, x: image.resize(x, (7, 3))),
    "resize-same": ([_IMAGE], lambda image, x: image.resize(x, (5, 8))),
    "resize-first": ([_FIRST], lambda image, x: image.resize(x, (7, 3), data_format="channels_first")),
    "resize-crop": ([_IMAGE], lambda image, x: image.resize(x, (6, 3), crop_to_aspect_ratio=True)),
    "resize-crop-first": (
        [_FIRST],
        lambda image, x: image.resize(x, (3, 8), crop_to_aspect_ratio=True, data_format="channels_first"),
    ),
    "resize-pad": ([_IMAGE], lambda image, x: image.resize(x, (4, 9), pad_to_aspect_ratio=True, fill_value=0.5)),
    "resize-pad-high": ([_IMAGE], lambda image, x: image.resize(x, (9, 4), pad_to_aspect_ratio=True)),
    "scale_and_translate": (
        [(4, 5, 2)],
        lambda image, x: image.scale_and_translate(
            x, (6, 4, 2), np.array([1.7, 0.6]), np.array([0.3, -0.8]), (0, 1), "cubic", antialias=True
        ),
    ),
    "scale_and_translate-linear": (
        [(4, 5, 2)],
        lambda image, x: image.scale_and_translate(
            x, (7, 5, 2), np.array([1.2]), np.array([1.5]), (0,), "linear", antialias=False
        ),
    ),
    "rgb_to_grayscale": ([_IMAGE], lambda image, x: image.rgb_to_grayscale(x)),
    "rgb_to_grayscale-first": ([(3, 4, 2)], lambda image, x: image.rgb_to_grayscale(x, "channels_first")),
    "rgb_to_hsv": ([_IMAGE], lambda image, x: image.rgb_to_hsv(x)),
    "rgb_to_hsv-first": ([_FIRST], lambda image, x: image.rgb_to_hsv(x, "channels_first")),
    "hsv_to_rgb": ([_IMAGE], lambda image, x: image.hsv_to_rgb(x)),
    "hsv_to_rgb-first": ([_FIRST], lambda image, x: image.hsv_to_rgb(x, "channels_first")),
    "crop_images": ([_IMAGE], lambda image, x: image.crop_images(x, 1, 2, target_height=3, right_cropping=0)),
    "crop_images-end": (
        [_FIRST],
        lambda image, x: image.crop_images(
            x, bottom_cropping=1, left_cropping=1, target_height=2, target_width=4, data_format="channels_first"
        ),
    ),
    "pad_images": ([_IMAGE], lambda image, x: image.pad_images(x, 1, 2, target_height=8, right_padding=0)),
    "pad_images-first": (
        [(3, 4, 2)],
        lambda image, x: image.pad_images(
            x, bottom_padding=1, left_padding=1, target_height=6, target_width=4, data_format="channels_first"
        ),
    ),
    "extract_patches": ([_IMAGE], lambda image, x: image.extract_patches(x, 2)),
    "extract_patches-same": (
        [_IMAGE],
        lambda image, x: image.extract_patches(x, (3, 2), strides=(2, 3), padding="same"),
    ),
    "extract_patches-dilated": ([(6, 7, 2)], lambda image, x: image.extract_patches(x, 2, strides=1, dilation_rate=3)),
    "extract_patches-first": (
        [_FIRST],
        lambda image, x: image.extract_patches(x, 3, strides=2, data_format="channels_first"),
    ),
    "extract_patches_3d": ([(2, 4, 5, 4, 2)], lambda image, x: image.extract_patches_3d(x, (2, 3, 2))),
    "gaussian_blur": ([_IMAGE], lambda image, x: image.gaussian_blur(x, (3, 5), (0.7, 1.3), "channels_last")),
    "gaussian_blur-first": ([(3, 5, 6)], lambda image, x: image.gaussian_blur(x, data_format="channels_first")),
    "sobel_edges": ([_IMAGE], lambda image, x: image.sobel_edges(x)),
    "sobel_edges-first": ([_FIRST], lambda image, x: image.sobel_edges(x, "channels_first")),
    "ssim": ([(2, 12, 13, 3)] * 2, lambda image, x, y: image.ssim(x, y)),
    "ssim-options": (
        [(3, 8, 9)] * 2,
        lambda image, x, y: image.ssim(x, y, 2.0, filter_size=5, filter_sigma=1.0, data_format="channels_first"),
    ),
}
for _mode in ("constant", "nearest", "wrap", "mirror", "reflect"):
    for _order in (0, 1):
        CASES[f"map_coordinates-{_mode}-{_order}"] = (
            [(4, 5), (2, 3, 7)],
            lambda image, x, c, m=_mode, o=_order: image.map_coordinates(
                x, (c - 0.3) * 12.0, order=o, fill_mode=m, fill_value=0.25
            ),
        )
_TURN = np.array([[0.9, 0.3, -0.7, -0.2, 1.1, 0.4, 0.0, 0.0], [1.2, 0.0, 1.3, 0.4, 0.8, -1.6, 0.0, 0.0]])
for _mode, _interpolation in (("constant", "bilinear"), ("reflect", "bilinear"), ("wrap", "nearest")):
    CASES[f"affine_transform-{_mode}"] = (
        [_IMAGE],
        lambda image, x, m=_mode, i=_interpolation: image.affine_transform(x, _TURN, i, m, 0.25),
    )
CASES["affine_transform-first"] = (
    [(3, 5, 6)],
    lambda image, x: image.affine_transform(x, _TURN[0], data_format="channels_first"),
)
_START = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 4.0], [5.0, 4.0]])
_END = _START + np.array([[0.5, 0.25], [-0.5, 0.75], [0.25, -0.5], [-1.0, 0.5]])
_START_END = np.stack([_START, _END])
CASES["perspective_transform"] = (
    [_IMAGE],
    lambda image, x: image.perspective_transform(x, _START_END, _START_END[::-1], fill_value=0.25),
)

#: What Keras computes in float32 whatever the arguments are.
LOOSE = {"perspective_transform": 2e-5}


def arguments(name: str) -> list[np.ndarray]:
    """The arguments of a call."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    return [generator.uniform(0.02, 0.98, shape).astype("float32").astype("float64") for shape in CASES[name][0]]


def functional(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weights of the number whose gradients are compared."""
    return np.random.default_rng(zlib.crc32(name.encode()) + 1).standard_normal(shape)
