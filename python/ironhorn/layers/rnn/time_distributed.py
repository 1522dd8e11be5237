"""The wrapper that applies a layer to every step of a sequence."""

from __future__ import annotations

from typing import Any

from ironhorn import ops
from ironhorn.layers.core.wrapper import Wrapper
from ironhorn.layers.layer import Layer


class TimeDistributed(Wrapper):
    """Applies a layer to every step of a sequence, with the same weights.

    A layer of this package that treats the rows of a batch each by itself is called once, with steps and batch as one
    axis. Others are called for each step in turn: layers of your own, and those with statistics of the batch.

    Args:
        layer: The layer to apply.
        **kwargs: `name`, `dtype`, `trainable` of every layer.

    Call arguments:
        inputs: `(batch, steps, ...)`.
        training: Passed on to the layer.
        mask: Booleans `(batch, steps, ...)`; what belongs to a step is passed on to the layer.

    Input shape:
        `(batch, steps, ...)`

    Output shape:
        `(batch, steps, ...)`, the layer's output for each step.

    Example:
        >>> from ironhorn import layers, ops
        >>> layers.TimeDistributed(layers.Conv2D(6, 3))(ops.ones((2, 10, 8, 8, 3))).shape
        (2, 10, 6, 6, 6)
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def _step_shape(self, input_shape: Any) -> tuple[Any, ...]:
        if not isinstance(input_shape, list | tuple) or len(input_shape) < 3:
            raise ValueError(
                f"Layer '{self.name}' takes inputs of at least 3 axes, (batch, steps, ...). Received input shape "
                f"{input_shape}."
            )
        return (input_shape[0], *input_shape[2:])

    def build(self, input_shape: Any) -> None:
        """Builds the layer for one step."""
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shape = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (shape[0], input_shape[1], *shape[1:])

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Applies the layer to every step."""
        if mask is not None:
            self._check_mask(inputs, mask)
        options: dict[str, Any] = {"training": training} if self.layer._call_has_training_arg else {}
        mask = mask if self.layer._call_has_mask_arg else None
        if _treats_rows_alone(self.layer):
            batch, steps = ops.shape(inputs)[:2]
            if mask is not None:
                options["mask"] = ops.reshape(mask, (batch * steps, *ops.shape(mask)[2:]))
            output = self.layer.call(ops.reshape(inputs, (batch * steps, *ops.shape(inputs)[2:])), **options)
            return ops.reshape(output, (batch, steps, *ops.shape(output)[1:]))

        def step(_: Any, given: Any) -> tuple[Any, Any]:
            x, own_mask = given
            more = {} if own_mask is None else {"mask": own_mask}
            return (), self.layer.call(x, **options, **more)

        by_time = (ops.swapaxes(inputs, 0, 1), None if mask is None else ops.swapaxes(mask, 0, 1))
        # Written out where possible: statistics may change from step to step.
        outputs = ops.scan(step, (), by_time, unroll=inputs.shape[1] is not None)[1]
        return ops.swapaxes(outputs, 0, 1)

    def _check_mask(self, inputs: Any, mask: Any) -> None:
        lengths = zip(mask.shape[:2], inputs.shape[:2], strict=False)
        if len(mask.shape) < 2 or any(a != b for a, b in lengths if a is not None and b is not None):
            raise ValueError(
                f"The mask of layer '{self.name}' must have the shape (batch, steps, ...) of its inputs, which is "
                f"{tuple(inputs.shape)}. Received a mask of shape {tuple(mask.shape)}."
            )


def _treats_rows_alone(layer: Any) -> bool:
    """Whether a layer of this package treats every row of a batch by itself."""
    from ironhorn import layers
    from ironhorn.models.functional import Functional
    from ironhorn.models.sequential import Sequential

    def known(one: Layer) -> bool:
        inside = (Functional, Sequential)
        own = type(one).__module__.startswith("ironhorn.layers.") or type(one) in inside
        across = layers.BatchNormalization, layers.Lambda
        keeps = getattr(one, "stateful", False) or getattr(one, "noise_shape", None) is not None
        return own and not isinstance(one, across) and not keeps

    return all(known(one) for one in layer._flatten_layers())
