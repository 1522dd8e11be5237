"""The 1D transposed convolution layer."""

from __future__ import annotations

from typing import Any

from ironhorn.layers.convolutional.base_conv_transpose import BaseConvTranspose


class Conv1DTranspose(BaseConvTranspose):
    """Transposed convolution over one axis: what a convolution does to shapes, in the other direction.

    Every input adds the kernel, times itself, to the outputs around its place.

    Args:
        filters: Number of output channels.
        kernel_size: Sizes of the window: an integer.
        strides: Distances of neighbouring inputs in the output.
        padding: `"valid"` or `"same"`.
        output_padding: Elements at the end of every spatial axis of the output, fewer than its stride; chosen if not
            given.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        dilation_rate: Distances of the window's elements.
        activation: Activation function; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(*kernel_size, filters, channels)`.
        bias_initializer: First value of the bias, one a channel of the outputs.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` with `channels_first`.

    Output shape:
        `(batch, new_steps, filters)`, or `(batch, filters, new_steps)`.

    Example:
        >>> ironhorn.layers.Conv1DTranspose(8, 3, strides=2, padding="same")(ironhorn.ops.ones((2, 10, 4))).shape
        (2, 20, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank=1,
            filters=filters,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
