"""Convolutions against loops in NumPy, over geometry."""

import itertools

import numpy as np
import pytest

from ironhorn import layers
from ironhorn.testing import assert_raises_text, run_layer_test


def convolve(inputs, kernel, strides, padding, dilation, groups):
    """Convolution over all but the first and the last axis, channels last."""
    rank = inputs.ndim - 2
    pads = []
    for axis in range(rank):
        reach = (kernel.shape[axis] - 1) * dilation[axis] + 1
        if padding == "same":
            out = -(-inputs.shape[1 + axis] // strides[axis])
            total = max(0, (out - 1) * strides[axis] + reach - inputs.shape[1 + axis])
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((reach - 1, 0) if padding == "causal" else (0, 0))
    padded = np.pad(inputs, [(0, 0), *pads, (0, 0)])
    sizes = [
        (padded.shape[1 + axis] - (kernel.shape[axis] - 1) * dilation[axis] - 1) // strides[axis] + 1
        for axis in range(rank)
    ]
    outputs = np.zeros((inputs.shape[0], *sizes, kernel.shape[-1]))
    per_group_in, per_group_out = kernel.shape[-2], kernel.shape[-1] // groups
    for place in itertools.product(*(range(size) for size in sizes)):
        for tap in itertools.product(*(range(size) for size in kernel.shape[:rank])):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, strides, tap, dilation, strict=True))
            for group in range(groups):
                into = slice(group * per_group_out, (group + 1) * per_group_out)
                of = slice(group * per_group_in, (group + 1) * per_group_in)
                outputs[(slice(None), *place, into)] += padded[(slice(None), *at, of)] @ kernel[tap][:, into]
    return outputs


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("strides", "dilation", "groups"),
    [((1, 1), (1, 1), 1), ((2, 1), (1, 1), 2), ((1, 1), (2, 1), 1), ((2, 2), (1, 1), 4)],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_conv2d(padding, strides, dilation, groups, data_format):
    generator = np.random.default_rng(1)
    inputs = generator.standard_normal((2, 7, 6, 4)).astype("float32")
    layer = layers.Conv2D(
        8,
        (3, 2),
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        groups=groups,
        data_format=data_format,
        bias_initializer="ones",
    )
    given = inputs if data_format == "channels_last" else inputs.transpose(0, 3, 1, 2)
    outputs = layer(given).numpy()
    assert outputs.shape == layer.compute_output_shape(given.shape)
    if data_format == "channels_first":
        outputs = outputs.transpose(0, 2, 3, 1)
    expected = convolve(inputs, layer.kernel.numpy(), strides, padding, dilation, groups) + 1.0
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_conv1d(padding, stride, dilation):
    inputs = np.random.default_rng(2).standard_normal((2, 9, 3)).astype("float32")
    layer = layers.Conv1D(4, 3, strides=stride, padding=padding, dilation_rate=dilation)
    outputs = layer(inputs)
    assert tuple(outputs.shape) == layer.compute_output_shape(inputs.shape)
    expected = convolve(inputs, layer.kernel.numpy(), (stride,), padding, (dilation,), 1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_conv2d_layer():
    run_layer_test(
        layers.Conv2D,
        {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu", "kernel_regularizer": "l2"},
        input_shape=(2, 6, 5, 3),
        expected_output_shape=(2, 6, 5, 4),
        expected_num_trainable_weights=2,
        expected_num_losses=1,
        supports_masking=False,
    )


def test_conv1d_layer():
    run_layer_test(
        layers.Conv1D,
        {"filters": 4, "kernel_size": 3, "padding": "causal"},
        input_shape=(2, 6, 3),
        expected_output_shape=(2, 6, 4),
        expected_num_trainable_weights=2,
    )


def test_conv3d_layer():
    run_layer_test(
        layers.Conv3D,
        {"filters": 4, "kernel_size": 2, "strides": (1, 2, 1), "activation": "relu"},
        input_shape=(2, 3, 6, 5, 3),
        expected_output_shape=(2, 2, 3, 4, 4),
        expected_num_trainable_weights=2,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose_layers(rank):
    run_layer_test(
        getattr(layers, f"Conv{rank}DTranspose"),
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
        input_shape=(2, *(3, 4, 2)[:rank], 3),
        expected_output_shape=(2, *(6, 8, 4)[:rank], 4),
        expected_num_trainable_weights=2,
    )


@pytest.mark.parametrize("rank", [1, 2])
def test_depthwise_layers(rank):
    run_layer_test(
        getattr(layers, f"DepthwiseConv{rank}D"),
        {"kernel_size": 3, "depth_multiplier": 2, "padding": "same", "depthwise_regularizer": "l2"},
        input_shape=(2, *(6, 5)[:rank], 3),
        expected_output_shape=(2, *(6, 5)[:rank], 6),
        expected_num_trainable_weights=2,
        expected_num_losses=1,
    )


@pytest.mark.parametrize("rank", [1, 2])
def test_separable_layers(rank):
    run_layer_test(
        getattr(layers, f"SeparableConv{rank}D"),
        {"filters": 4, "kernel_size": 3, "strides": 2},
        input_shape=(2, *(7, 5)[:rank], 3),
        expected_output_shape=(2, *(3, 2)[:rank], 4),
        expected_num_trainable_weights=3,
    )


@pytest.mark.parametrize(
    ("call", "texts"),
    [
        (lambda: layers.Conv2D(4, 3)(np.ones((1, 2, 9, 3), "float32")), ["empty output", "(1, 2, 9, 3)", "same"]),
        (lambda: layers.Conv2D(4, 3)(np.ones((8, 8, 3), "float32")), ["min_ndim=4", "(8, 8, 3)", "missing"]),
        (lambda: layers.Conv2D(4, 3, groups=2)(np.ones((1, 8, 8, 3), "float32")), ["2 groups", "3 channels"]),
        (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), ["Strides and dilation"]),
        (lambda: layers.Conv2D(4, 3, padding="causal"), ["padding", "Conv1D"]),
        (lambda: layers.Conv2D(4, (3, 3, 3)), ["kernel_size", "tuple of 2"]),
        (lambda: layers.Conv2D(5, 3, groups=2), ["filters", "multiple", "groups"]),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=2), ["output_padding", "less than"]),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2, dilation_rate=2), ["Strides and dilation"]),
        (lambda: layers.Conv1DTranspose(4, 3)(np.ones((1, 4, 4, 3), "float32")), ["window over 1", "(1, 4, 4, 3)"]),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), ["depth_multiplier", "positive"]),
        (lambda: layers.SeparableConv2D(0, 3), ["filters", "positive"]),
        (lambda: layers.DepthwiseConv1D(5)(np.ones((1, 3, 2), "float32")), ["empty output", "(1, 3, 2)"]),
    ],
)
def test_errors(call, texts):
    assert_raises_text(ValueError, texts, call)


def test_wrong_channels():
    layer = layers.Conv2D(4, 3, name="conv")
    layer.build((None, 8, 8, 3))
    assert_raises_text(
        ValueError, ["'conv'", "(1, 8, 8, 1)", "size 3 on axis -1"], lambda: layer(np.ones((1, 8, 8, 1), "float32"))
    )
