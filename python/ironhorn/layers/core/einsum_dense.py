"""The dense layer over axes of one's choice."""

from __future__ import annotations

from typing import Any

from ironhorn import activations, constraints, initializers, ops, regularizers
from ironhorn.layers.core.dense import refuse_adapters
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer


class EinsumDense(Layer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: Labels of the axes of inputs, kernel and outputs: `"ab,bc->ac"`, `"...ab,bc->...ac"`, or
            `"ab...,bc->ac..."`.
        output_shape: Sizes of the outputs without the batch axis and without axes that `...` stands for; `None` for
            sizes that are those of the inputs.
        activation: Activation function; `None` for none.
        bias_axes: Labels of the outputs' axes that the bias has; `None` for no bias.
        kernel_initializer: First value of the kernel.
        bias_initializer: First value of the bias.
        kernel_regularizer: Penalty on the kernel.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Projection of the kernel after each update.
        bias_constraint: Projection of the bias after each update.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        gptq_unpacked_column_size: Not supported; must be `None`.
        quantization_config: Not supported; must be `None`.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer` of every layer.

    Example:
        >>> layer = ironhorn.layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de")
        >>> layer(ironhorn.ops.ones((4, 5, 6))).shape
        (4, 5, 2, 3)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_adapters(self, lora_rank, lora_alpha, quantization_config or gptq_unpacked_column_size)
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes kernel and bias."""
        shapes = _Shapes(self, input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.kernel = self.add_weight(
            name="kernel",
            shape=shapes.kernel,
            initializer=_with_axes(self.kernel_initializer, shapes),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if shapes.bias is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=shapes.bias,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes the outputs."""
        outputs = ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            outputs = ops.add(outputs, self.bias)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return tuple(_Shapes(self, input_shape).output)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {
            **super().get_config(),
            "output_shape": self.partial_output_shape,
            "equation": self.equation,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "quantization_config": None,
        }


class _Shapes:
    """The shapes of an `EinsumDense` layer's weights and outputs.

    Attributes:
        kernel: Shape of the kernel.
        bias: Shape of the bias, which broadcasts to the outputs; `None` for none.
        output: Shape of the outputs.
        input_axes: Axes of the kernel that are summed over.
        output_axes: Axes of the kernel that the outputs have.
    """

    def __init__(self, layer: EinsumDense, input_shape: Any) -> None:
        self._layer = layer
        inputs, kernel, outputs = self._split()
        left, right = inputs.startswith("..."), inputs.endswith("...")
        inputs, outputs = inputs.strip("."), outputs.strip(".")
        more = len(input_shape) - len(inputs)
        if more < 0 or (more and not (left or right)):
            raise self._error(f"does not label the axes of an input of shape {tuple(input_shape)}")
        own = list(input_shape)
        elided = own[:more] if left else own[len(own) - more :]
        # The batch axis, and axes that `...` stands for, are those of the inputs.
        given = list(layer.partial_output_shape)
        if left and more:
            self.output = [*elided, *given]
        else:
            self.output = [own[0], *given, *elided]
        lead = more if left else 0
        if len(self.output) != len(outputs) + more:
            raise self._error(
                f"labels {len(outputs)} axes of the outputs, which output_shape={tuple(given)} does not fit"
            )
        sizes = dict(zip(inputs, own[lead:], strict=False))
        for label, position in zip(outputs, range(lead, len(self.output)), strict=False):
            size = self.output[position]
            if label in sizes and size is not None and sizes[label] != size:
                raise self._error(
                    f"says that axis '{label}' of inputs and outputs is the same, but its size is {sizes[label]} in "
                    f"the input shape {tuple(input_shape)} and {size} in the output shape {tuple(self.output)}"
                )
            if label not in inputs and label not in kernel:
                raise self._error(f"has '{label}' in the outputs only")
        of_outputs = dict(zip(outputs, self.output[lead:], strict=False))
        unknown = [label for label in kernel if label not in sizes and label not in of_outputs]
        if unknown:
            raise self._error(f"has '{unknown[0]}' in the kernel only, so that its size is not known")
        self.kernel = tuple(of_outputs[label] if label in of_outputs else sizes[label] for label in kernel)
        if None in self.kernel:
            raise self._error(
                f"gives the kernel the shape {self.kernel} for an input of shape {tuple(input_shape)}; its sizes must "
                "be known, from output_shape or `Input(shape=...)`"
            )
        self.output_axes = [axis for axis, label in enumerate(kernel) if label in of_outputs]
        self.input_axes = [axis for axis, label in enumerate(kernel) if label not in of_outputs]
        self.bias: tuple[int, ...] | None = None
        if layer.bias_axes is not None:
            missing = [label for label in layer.bias_axes if label not in outputs]
            if missing:
                raise self._error(f"has no '{missing[0]}' in the outputs, which bias_axes={layer.bias_axes!r} names")
            first = min(outputs.find(label) for label in layer.bias_axes)
            shape = [of_outputs[label] if label in layer.bias_axes else 1 for label in outputs[first:]]
            self.bias = tuple(shape + [1] * (0 if left else more))

    def _split(self) -> tuple[str, str, str]:
        operands, arrow, outputs = self._layer.equation.replace(" ", "").partition("->")
        inputs, comma, kernel = operands.partition(",")
        ends = [(text.startswith("..."), text.endswith("...")) for text in (inputs, kernel, outputs)]
        letters = [
            text.removeprefix("...") if start else text.removesuffix("...")
            for text, (start, _) in zip((inputs, kernel, outputs), ends, strict=True)
        ]
        if not (
            arrow and comma and all(text.isalpha() for text in letters) and ends[0] == ends[2] and not any(ends[1])
        ):
            raise self._error("must read like 'ab,bc->ac', '...ab,bc->...ac' or 'ab...,bc->ac...'")
        return inputs, kernel, outputs

    def _error(self, why: str) -> ValueError:
        return ValueError(f"EinsumDense layer '{self._layer.name}': the equation '{self._layer.equation}' {why}.")


def _with_axes(initializer: Any, shapes: _Shapes) -> Any:
    """Returns an initializer that takes inputs and outputs from the right axes of the kernel, if it counts them."""
    if not isinstance(initializer, initializers.VarianceScaling):
        return initializer
    if getattr(initializer, "input_axes", None) is not None and getattr(initializer, "output_axes", None) is not None:
        return initializer
    config = initializer.get_config()
    config.update(seed=initializer.seed, input_axes=shapes.input_axes, output_axes=shapes.output_axes)
    return type(initializer).from_config(config)
