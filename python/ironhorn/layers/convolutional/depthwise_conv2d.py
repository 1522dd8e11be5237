"""The 2D depthwise convolution layer."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.convolutional.base_depthwise_conv import BaseDepthwiseConv


class DepthwiseConv2D(BaseDepthwiseConv):
    """Convolution of each channel by itself over two axes.

    Outputs of one channel are neighbours: channel `c` makes outputs `c * depth_multiplier` and those after it.

    Args:
        kernel_size: Sizes of the window: an integer or a pair.
        strides: Steps of the window.
        padding: `"valid"` or `"same"`.
        depth_multiplier: Number of outputs that the depthwise kernel makes of each channel.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        dilation_rate: Distances of the window's elements.
        activation: Activation function; `None` for none.
        use_bias: Whether to add a bias.
        depthwise_initializer: First value of the kernel, of shape `(*kernel_size, channels, depth_multiplier)`.
        bias_initializer: First value of the bias, one a channel of the outputs.
        depthwise_regularizer: Penalty on the depthwise kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        depthwise_constraint: Projection of the depthwise kernel after each update.
        bias_constraint: Projection of the bias after each update.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, rows, columns, channels)`, or `(batch, channels, rows, columns)` with `channels_first`.

    Output shape:
        `(batch, new_rows, new_columns, outputs)`, or `(batch, outputs, new_rows, new_columns)`, with
        `channels * depth_multiplier` outputs.

    Example:
        >>> ironhorn.layers.DepthwiseConv2D(3, depth_multiplier=2)(ironhorn.ops.ones((2, 10, 10, 4))).shape
        (2, 8, 8, 8)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=2,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            depth_multiplier=depth_multiplier,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
