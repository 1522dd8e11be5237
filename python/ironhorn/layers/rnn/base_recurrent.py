"""What LSTM, GRU and SimpleRNN layers share: a cell of their own, and sequences as one operation of the engine."""

from __future__ import annotations

from typing import Any

from ironhorn import ops, regularizers
from ironhorn.errors import UnsupportedError
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.rnn.rnn import RNN


class BaseRecurrent(RNN):
    """A recurrent layer that makes its own cell.

    With the usual activations and without recurrent dropout a sequence is one operation; otherwise the cell is applied
    step by step.

    Args:
        cell: The cell.
        activity_regularizer: Penalty on the outputs.
        use_cudnn: `"auto"` or `False`; `True` is refused.
        **kwargs: Arguments of `RNN` and of every layer.
    """

    def __init__(self, cell: Any, activity_regularizer: Any = None, use_cudnn: Any = "auto", **kwargs: Any) -> None:
        kind = type(self).__name__
        if use_cudnn is True:
            raise UnsupportedError(f"{kind}: use_cudnn=True asks for cuDNN, which is not used here. Leave it 'auto'.")
        if use_cudnn not in ("auto", False):
            raise ValueError(f"`use_cudnn` must be 'auto' or False. Received: use_cudnn={use_cudnn!r}.")
        super().__init__(cell, activity_regularizer=activity_regularizer, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def _is_one_operation(self) -> bool:
        """Whether the cell's activations are those of the operation."""
        raise NotImplementedError

    def _operation(self, sequences: Any, states: list[Any], mask: Any) -> Any:
        """Returns outputs and last states of a whole sequence."""
        raise NotImplementedError

    def call(self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False) -> Any:
        """Runs through the sequences."""
        return super().call(sequences, initial_state=initial_state, mask=mask, training=training)

    def inner_loop(
        self, sequences: Any, initial_state: list[Any], mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        """Runs a whole sequence as one operation where the configuration allows it."""
        cell = self.cell
        if not self._is_one_operation() or (training and cell.recurrent_dropout > 0.0):
            return super().inner_loop(sequences, initial_state, mask, training=training)
        if training and cell.dropout > 0.0:
            masks, _ = cell._draw_masks(sequences[:, 0], initial_state[0])
            sequences = ops.multiply(sequences, ops.expand_dims(masks[0], axis=1))
        outputs, *states = self._operation(sequences, initial_state, None if mask is None else ops.cast(mask, "bool"))
        # At a masked last step the hidden state is what the step shows, unless zeros were asked for.
        last = outputs[:, -1] if self.zero_output_for_mask and mask is not None else states[0]
        return last, outputs, states

    @property
    def units(self) -> int:
        """Number of outputs."""
        return self.cell.units

    @property
    def activation(self) -> Any:
        """Activation of the output."""
        return self.cell.activation

    @property
    def use_bias(self) -> bool:
        """Whether a bias is added."""
        return self.cell.use_bias

    @property
    def kernel_initializer(self) -> Any:
        """Initializer of the kernel."""
        return self.cell.kernel_initializer

    @property
    def recurrent_initializer(self) -> Any:
        """Initializer of the recurrent kernel."""
        return self.cell.recurrent_initializer

    @property
    def bias_initializer(self) -> Any:
        """Initializer of the bias."""
        return self.cell.bias_initializer

    @property
    def kernel_regularizer(self) -> Any:
        """Penalty on the kernel."""
        return self.cell.kernel_regularizer

    @property
    def recurrent_regularizer(self) -> Any:
        """Penalty on the recurrent kernel."""
        return self.cell.recurrent_regularizer

    @property
    def bias_regularizer(self) -> Any:
        """Penalty on the bias."""
        return self.cell.bias_regularizer

    @property
    def kernel_constraint(self) -> Any:
        """Projection of the kernel."""
        return self.cell.kernel_constraint

    @property
    def recurrent_constraint(self) -> Any:
        """Projection of the recurrent kernel."""
        return self.cell.recurrent_constraint

    @property
    def bias_constraint(self) -> Any:
        """Projection of the bias."""
        return self.cell.bias_constraint

    @property
    def dropout(self) -> float:
        """Share of the inputs dropped in training."""
        return self.cell.dropout

    @property
    def recurrent_dropout(self) -> float:
        """Share of the hidden state dropped in training."""
        return self.cell.recurrent_dropout

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        config = super().get_config()
        del config["cell"]
        penalty = regularizers.serialize(self.activity_regularizer)
        return {**config, **cell_config(self.cell), "activity_regularizer": penalty}


def cell_config(cell: Any) -> dict[str, Any]:
    """Returns the arguments of a cell that are arguments of its layer too."""
    return {key: value for key, value in cell.get_config().items() if key not in ("name", "trainable", "dtype")}
