"""`History`: the logs of every finished epoch; `fit` returns it, notebooks show it as a table and curves."""

from __future__ import annotations

from typing import Any

from ironhorn.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of each epoch.

    A notebook shows it as a table with curves; `plot` draws them with matplotlib.

    Attributes:
        history: Dict of lists, one value per finished epoch. After an interrupted `fit` it holds the epochs that
            were finished (`model.history.history`).
        epoch: The numbers of these epochs.

    Example:
        ```python
        history = model.fit(x, y, validation_split=0.1, epochs=20)
        print(min(history.history["val_loss"]))
        history.plot()
        ```
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self._epochs_of: dict[str, list[int]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts a new list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Appends the epoch's logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs_of.setdefault(name, []).append(epoch + 1)
        self.model.history = self

    def plot(self, names: Any = None, axes: Any = None) -> Any:
        """Draws each logged value over the epochs, its values in validation beside it. Needs matplotlib.

        Args:
            names: Which values to draw, without `val_`; all by default.
            axes: matplotlib axes to draw on, one for each value; new ones by default.

        Returns:
            The list of axes.

        Raises:
            ImportError: If matplotlib is not installed.
            ValueError: If a value was not logged, or there are too few axes.
        """
        from ironhorn.callbacks.history_view import curves_of

        curves = curves_of(self)
        chosen = [names] if isinstance(names, str) else list(curves if names is None else names)
        unknown = [name for name in chosen if name not in curves]
        if unknown or not chosen:
            raise ValueError(
                f"History.plot cannot draw {', '.join(map(repr, unknown)) or 'nothing'}: logged were "
                f"{', '.join(curves) or 'no values'}."
            )
        if axes is None:
            axes = _new_axes(len(chosen))
        flat = list(getattr(axes, "flat", axes if isinstance(axes, list | tuple) else [axes]))
        if len(flat) < len(chosen):
            raise ValueError(f"History.plot needs {len(chosen)} axes for {', '.join(chosen)}. Received: {len(flat)}.")
        for name, axis in zip(chosen, flat, strict=False):
            for curve in curves[name]:
                axis.plot(curve.epochs, curve.values, label=curve.label, marker="." if len(curve.epochs) < 3 else None)
            axis.set_title(name)
            axis.set_xlabel("epoch")
            if len(curves[name]) > 1:
                axis.legend()
        return flat[: len(chosen)]

    def _repr_html_(self) -> str:
        """Returns a table and curves, as notebooks show them."""
        from ironhorn.callbacks.history_view import as_html

        return as_html(self)


def _new_axes(count: int) -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "History.plot needs matplotlib: `pip install matplotlib`. Without it, `history.history` has the numbers, "
            "and a notebook shows `history` itself as curves."
        ) from error
    columns = min(count, 3)
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 3 * rows), squeeze=False, layout="constrained")
    for unused in axes.flat[count:]:
        figure.delaxes(unused)
    return axes
