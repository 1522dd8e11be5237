"""The densely connected layer."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, constraints, initializers, ops, regularizers
from ironhorn.errors import UnsupportedError
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class Dense(Layer):
    """`activation(inputs @ kernel + bias)` over the last axis.

    Args:
        units: Number of outputs.
        activation: Activation function; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of the kernel, of shape `(inputs, units)`.
        bias_initializer: First value of the bias, of shape `(units,)`.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the outputs.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        quantization_config: Not supported; must be `None`.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Input shape:
        `(batch, ..., inputs)`.

    Output shape:
        `(batch, ..., units)`.

    Example:
        >>> ironhorn.layers.Dense(2)(ironhorn.ops.ones((3, 4))).shape
        (3, 2)
    """

    def __init__(
        self,
        units: int,
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
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
            raise ValueError(f"`units` of a Dense layer must be a positive integer. Received: units={units!r}.")
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        refuse_adapters(self, lora_rank, lora_alpha, quantization_config)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        inputs = input_shape[-1]
        if inputs is None:
            raise ValueError(
                f"Dense layer '{self.name}' needs to know the size of the last axis. Received input shape "
                f"{input_shape}. Give it in `Input(shape=...)`, or reshape the data."
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(inputs, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: inputs})

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes the outputs."""
        outputs = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


def refuse_adapters(layer: Layer, lora_rank: Any, lora_alpha: Any, quantization_config: Any) -> None:
    """Raises an error if LoRA or quantization is asked for.

    Raises:
        UnsupportedError: If any argument is not `None`.
    """
    asked = {"lora_rank": lora_rank, "lora_alpha": lora_alpha, "quantization_config": quantization_config}
    given = {name: value for name, value in asked.items() if value is not None}
    if given:
        raise UnsupportedError(
            f"Layer '{layer.name}' ({type(layer).__name__}): LoRA and quantization are not supported. Received: "
            f"{given}. Leave these arguments out; merge LoRA weights and dequantize before saving a model for use here."
        )
