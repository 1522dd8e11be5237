"""Rows of the convolution layers."""

from layers.rows.row import Row

LINE, IMAGE, VOLUME = (2, 7, 4), (2, 6, 5, 4), (2, 4, 3, 5, 4)
FIRST_LINE, FIRST_IMAGE, FIRST_VOLUME = (2, 4, 7), (2, 4, 6, 5), (2, 4, 4, 3, 5)
FIRST = {"data_format": "channels_first"}

ROWS = [
    Row("Conv1D", lambda k: k.layers.Conv1D(4, 3, activation="tanh"), inputs=[LINE], varying=(1,)),
    Row("Conv1D", lambda k: k.layers.Conv1D(4, 3, padding="causal", dilation_rate=2), inputs=[LINE], note="causal"),
    Row("Conv1D", lambda k: k.layers.Conv1D(6, 2, strides=2, groups=2, padding="same"), inputs=[LINE], note="groups"),
    Row("Conv1D", lambda k: k.layers.Conv1D(3, 3, padding="same", **FIRST), inputs=[FIRST_LINE], note="first"),
    Row(
        "Conv1D",
        lambda k: k.layers.Conv1D(3, 2, padding="causal", use_bias=False, **FIRST),
        inputs=[FIRST_LINE],
        note="causal first",
    ),
    Row("Conv2D", lambda k: k.layers.Conv2D(4, 3, activation="tanh"), inputs=[IMAGE], varying=(1, 2)),
    Row("Conv2D", lambda k: k.layers.Conv2D(4, (3, 2), groups=2, padding="same"), inputs=[IMAGE], note="groups"),
    Row("Conv2D", lambda k: k.layers.Conv2D(8, 3, groups=4, strides=2), inputs=[IMAGE], note="group a channel"),
    Row(
        "Conv2D",
        lambda k: k.layers.Conv2D(3, 2, dilation_rate=2, padding="same", kernel_regularizer="l2", **FIRST),
        inputs=[FIRST_IMAGE],
        note="first",
    ),
    Row("Conv2D", lambda k: k.layers.Conv2D(3, 1, use_bias=False), inputs=[IMAGE], note="point"),
    Row("Conv3D", lambda k: k.layers.Conv3D(3, 2, activation="tanh"), inputs=[VOLUME], varying=(1, 2, 3)),
    Row(
        "Conv3D",
        lambda k: k.layers.Conv3D(4, (3, 2, 3), strides=(2, 1, 2), padding="same", groups=2),
        inputs=[VOLUME],
        note="groups",
    ),
    Row(
        "Conv3D", lambda k: k.layers.Conv3D(2, 2, dilation_rate=(2, 1, 2), **FIRST), inputs=[FIRST_VOLUME], note="first"
    ),
    Row("Conv3D", lambda k: k.layers.Conv3D(5, 1, use_bias=False), inputs=[VOLUME], note="point"),
    Row("Conv1DTranspose", lambda k: k.layers.Conv1DTranspose(3, 3, strides=2), inputs=[LINE], varying=(1,)),
    Row(
        "Conv1DTranspose",
        lambda k: k.layers.Conv1DTranspose(3, 4, strides=3, padding="same", output_padding=2, activation="tanh"),
        inputs=[LINE],
        note="end",
    ),
    Row(
        "Conv1DTranspose",
        lambda k: k.layers.Conv1DTranspose(3, 3, padding="same", dilation_rate=2, **FIRST),
        inputs=[FIRST_LINE],
        note="first",
    ),
    Row(
        "Conv2DTranspose",
        lambda k: k.layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
        inputs=[IMAGE],
        varying=(1, 2),
    ),
    Row(
        "Conv2DTranspose",
        lambda k: k.layers.Conv2DTranspose(3, (2, 1), strides=3, use_bias=False),
        inputs=[IMAGE],
        note="gaps",
    ),
    Row(
        "Conv2DTranspose",
        lambda k: k.layers.Conv2DTranspose(2, (3, 4), strides=(2, 3), output_padding=(1, 2), **FIRST),
        inputs=[FIRST_IMAGE],
        note="first",
    ),
    Row("Conv2DTranspose", lambda k: k.layers.Conv2DTranspose(2, 2, dilation_rate=2), inputs=[IMAGE], note="dilation"),
    Row("Conv3DTranspose", lambda k: k.layers.Conv3DTranspose(2, 2, strides=2), inputs=[VOLUME], varying=(1, 2, 3)),
    Row(
        "Conv3DTranspose",
        lambda k: k.layers.Conv3DTranspose(2, 3, strides=(2, 1, 2), padding="same", activation="tanh"),
        inputs=[VOLUME],
        note="same",
    ),
    Row(
        "Conv3DTranspose",
        lambda k: k.layers.Conv3DTranspose(2, (1, 2, 3), strides=2, output_padding=1, **FIRST),
        inputs=[FIRST_VOLUME],
        note="first",
    ),
    Row("DepthwiseConv1D", lambda k: k.layers.DepthwiseConv1D(3, activation="tanh"), inputs=[LINE], varying=(1,)),
    Row(
        "DepthwiseConv1D",
        lambda k: k.layers.DepthwiseConv1D(2, strides=2, padding="same", depth_multiplier=3),
        inputs=[LINE],
        note="multiplier",
    ),
    Row(
        "DepthwiseConv1D",
        lambda k: k.layers.DepthwiseConv1D(3, dilation_rate=2, use_bias=False, **FIRST),
        inputs=[FIRST_LINE],
        note="first",
    ),
    Row(
        "DepthwiseConv2D",
        lambda k: k.layers.DepthwiseConv2D(3, padding="same", activation="tanh"),
        inputs=[IMAGE],
        varying=(1, 2),
    ),
    Row(
        "DepthwiseConv2D",
        lambda k: k.layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2),
        inputs=[IMAGE],
        note="multiplier",
    ),
    Row(
        "DepthwiseConv2D",
        lambda k: k.layers.DepthwiseConv2D((2, 3), dilation_rate=(2, 1), depthwise_regularizer="l2", **FIRST),
        inputs=[FIRST_IMAGE],
        note="first",
    ),
    Row("SeparableConv1D", lambda k: k.layers.SeparableConv1D(5, 3, activation="tanh"), inputs=[LINE], varying=(1,)),
    Row(
        "SeparableConv1D",
        lambda k: k.layers.SeparableConv1D(3, 3, strides=2, padding="same", depth_multiplier=2),
        inputs=[LINE],
        note="multiplier",
    ),
    Row(
        "SeparableConv1D",
        lambda k: k.layers.SeparableConv1D(3, 2, dilation_rate=2, use_bias=False, **FIRST),
        inputs=[FIRST_LINE],
        note="first",
    ),
    Row(
        "SeparableConv2D",
        lambda k: k.layers.SeparableConv2D(5, 3, padding="same", activation="tanh"),
        inputs=[IMAGE],
        varying=(1, 2),
    ),
    Row(
        "SeparableConv2D",
        lambda k: k.layers.SeparableConv2D(3, (3, 2), strides=2, depth_multiplier=2, pointwise_regularizer="l1"),
        inputs=[IMAGE],
        note="multiplier",
    ),
    Row(
        "SeparableConv2D",
        lambda k: k.layers.SeparableConv2D(3, 3, padding="same", use_bias=False, **FIRST),
        inputs=[FIRST_IMAGE],
        note="first",
    ),
]
