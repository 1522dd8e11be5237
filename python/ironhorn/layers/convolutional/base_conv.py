"""What convolution layers of every rank share."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, constraints, initializers, ops, regularizers
from ironhorn.layers.convolutional.geometry import (
    add_bias,
    as_tuple,
    channels_of,
    count_of,
    data_format_of,
    padding_of,
    window_output_shape,
)
from ironhorn.layers.core.dense import refuse_adapters
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class BaseConv(Layer):
    """`activation(conv(inputs, kernel) + bias)`.

    Args:
        rank: Number of spatial axes.
        filters: Number of output channels.
        kernel_size: Sizes of the window.
        strides: Steps of the window.
        padding: `"valid"`, `"same"`, or `"causal"` for rank 1.
        data_format: `"channels_last"` or `"channels_first"`; the configured one if not given.
        dilation_rate: Distances of the window's elements.
        groups: Number of groups that channels are split into; each output channel sees one group.
        activation: Activation function; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(*kernel_size, inputs / groups, filters)`.
        bias_initializer: First value of the bias, of shape `(filters,)`.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        refuse_adapters(self, lora_rank, lora_alpha, None)
        if count_of(filters, "filters") % count_of(groups, "groups") != 0:
            raise ValueError(f"`filters` must be a multiple of `groups`. Received: filters={filters}, groups={groups}.")
        self.rank = rank
        self.filters = filters
        self.groups = groups
        self.kernel_size = as_tuple(kernel_size, rank, "kernel_size")
        self.strides = as_tuple(strides, rank, "strides")
        self.dilation_rate = as_tuple(dilation_rate, rank, "dilation_rate")
        self.padding = padding_of(padding, allow_causal=rank == 1)
        self.data_format = data_format_of(data_format)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                "Strides and dilation above 1 do not go together. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}; set one of them to 1."
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=rank + 2)

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        axis, channels = channels_of(self, input_shape)
        if channels % self.groups != 0:
            raise ValueError(
                f"Layer '{self.name}' splits channels into {self.groups} groups, but the input has {channels} channels "
                f"(input shape {tuple(input_shape)}). Choose `groups` that divides {channels}."
            )
        self.compute_output_shape(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*self.kernel_size, channels // self.groups, self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={axis: channels})

    def call(self, inputs: Any) -> Any:
        """Computes the outputs."""
        padding = self.padding
        if padding == "causal":
            inputs = self._pad_causally(inputs)
            padding = "valid"
        outputs = ops.conv(
            inputs,
            self.kernel,
            strides=self.strides,
            padding=padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )
        if self.bias is not None:
            outputs = add_bias(outputs, self.bias, self.data_format)
        return self.activation(outputs)

    def _pad_causally(self, inputs: Any) -> Any:
        """Pads the start of the time axis, so that no output sees later inputs."""
        before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        if self.data_format == "channels_last":
            return ops.pad(inputs, ((0, 0), (before, 0), (0, 0)))
        return ops.pad(inputs, ((0, 0), (0, 0), (before, 0)))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return window_output_shape(
            input_shape,
            self.kernel_size,
            self.strides,
            self.padding,
            self.data_format,
            dilation=self.dilation_rate,
            channels=self.filters,
            layer=self.name,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
