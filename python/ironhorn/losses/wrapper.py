"""Losses that wrap a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ironhorn import ops, tree
from ironhorn.losses.loss import Loss, squeeze_or_expand_to_same_rank


class LossFunctionWrapper(Loss):
    """Makes a `Loss` of a function `fn(y_true, y_pred, **kwargs)`.

    Args:
        fn: The function; it returns one value per sample.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: See `Loss`.
        **kwargs: Further arguments of `fn`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Brings targets and predictions to one rank and calls the function."""
        if tree.is_nested(y_pred) or tree.is_nested(y_true):
            tree.assert_same_structure(y_true, y_pred)
            pairs = [
                squeeze_or_expand_to_same_rank(target, prediction)
                for target, prediction in zip(tree.flatten(y_true), tree.flatten(y_pred), strict=True)
            ]
            y_true = tree.pack_sequence_as(y_true, [target for target, _ in pairs])
            y_pred = tree.pack_sequence_as(y_pred, [prediction for _, prediction in pairs])
        else:
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal loss."""
        from ironhorn.saving.registry import serialize_keras_object

        config = super().get_config()
        config["fn"] = serialize_keras_object(self.fn)
        config.update(serialize_keras_object(self._fn_kwargs))
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """Makes a loss from what `get_config` returned."""
        from ironhorn.saving.registry import deserialize_keras_object

        if "fn" in config:
            config = deserialize_keras_object(config)
        return cls(**config)

    def __repr__(self) -> str:
        return f"<LossFunctionWrapper({self.fn}, kwargs={self._fn_kwargs})>"


class BuiltInLoss(LossFunctionWrapper):
    """A wrapped built-in function: its config holds the constructor's arguments instead of the function."""

    _config_names: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal loss."""
        return {**Loss.get_config(self), **{name: getattr(self, name) for name in self._config_names}}


def same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Targets and predictions as tensors of the predictions' type, of one rank where they differ by an axis of 1."""
    y_pred = ops.convert_to_tensor(y_pred)
    return squeeze_or_expand_to_same_rank(ops.convert_to_tensor(y_true, dtype=y_pred.dtype), y_pred)


def same_type(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Targets and predictions as tensors of the predictions' type."""
    y_pred = ops.convert_to_tensor(y_pred)
    return ops.cast(y_true, y_pred.dtype), y_pred
