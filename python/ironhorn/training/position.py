"""Where a running `fit` stands, as numbers that a file can hold: what a later process needs to go on from there.

That is every variable that steps read or write (weights, optimizers, metrics, seeds), the state of the random
generators from which orders of samples are drawn, the place in the data, and what callbacks remember.
"""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from ironhorn.errors import FileFormatError


class FitPosition:
    """The place of one `fit`: what `BackupAndRestore` saves and restores.

    Args:
        model: The model at work.
        data: Its training data.
        validation: Its validation data, or `None`.
        callbacks: Its `CallbackList`.

    Attributes:
        epoch: Number of the epoch to go on with, if a position was restored.
        steps: Steps of that epoch which are done.
        restored: Whether a position was restored.
    """

    def __init__(self, model: Any, data: Any, validation: Any, callbacks: Any):
        self._model = model
        self._sources = {"data": data, "validation": validation}
        self._callbacks = [callback for callback in callbacks.callbacks if getattr(type(callback), "_kept_state", ())]
        self.epoch = 0
        self.steps = 0
        self.restored = False

    def take_steps(self) -> int:
        """Returns the steps that are done of the first epoch to come, and 0 from then on."""
        steps, self.steps = self.steps, 0
        return steps

    def capture(self, epoch: int, steps: int) -> tuple[dict[str, Any], list[Any], list[list[np.ndarray]]]:
        """Returns the position.

        Args:
            epoch: Number of the epoch to go on with.
            steps: Steps of it that are done.

        Returns:
            What JSON can hold; the variables; and the arrays that each callback keeps.
        """
        variables = state_variables(self._model)
        kept = [_kept(callback) for callback in self._callbacks]
        document = {
            "epoch": epoch,
            "steps": steps,
            "stopped": bool(self._model.stop_training),
            "random": _random_states(),
            "variables": [[variable.path, list(variable.shape), str(variable.dtype)] for variable in variables],
            "callbacks": [
                [type(callback).__name__, values] for callback, (values, _) in zip(self._callbacks, kept, strict=True)
            ],
        }
        for name, source in self._sources.items():
            document[name] = None if source is None else source.position(steps if name == "data" else 0)
        return document, variables, [arrays for _, arrays in kept]

    def restore(self, document: dict[str, Any], values: list[np.ndarray], arrays: list[list[np.ndarray]]) -> None:
        """Takes up a position that `capture` returned, perhaps in another process.

        Args:
            document: What JSON holds.
            values: The values of the variables.
            arrays: The arrays that each callback keeps.

        Raises:
            FileFormatError: If the position is that of another model or of other data.
        """
        variables = self._checked_variables(document["variables"])
        sources = [(source, document[name]) for name, source in self._sources.items() if source is not None]
        sources = [(source, position) for source, position in sources if position is not None]
        for source, position in sources:
            source.check_position(position)
        self._warn_of_other_callbacks(document["callbacks"])
        for source, position in sources:
            source.seek(position)
        self._restore_values(variables, document, values, arrays)
        self.epoch, self.steps, self.restored = document["epoch"], document["steps"], True
        if document["stopped"]:
            self._model.stop_training = True

    def restore_again(self, document: dict[str, Any], values: list[np.ndarray], arrays: list[list[np.ndarray]]) -> None:
        """Undoes what was done to the state since `restore`; the data stays where it is."""
        self._restore_values(state_variables(self._model), document, values, arrays)

    def _restore_values(
        self, variables: list[Any], document: dict[str, Any], values: list[np.ndarray], arrays: list[list[np.ndarray]]
    ) -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self._restore_callbacks(document["callbacks"], arrays)
        _set_random_states(document["random"])

    def _checked_variables(self, expected: list[Any]) -> list[Any]:
        variables = state_variables(self._model)
        if len(variables) < len(expected):
            # State that a custom `train_step` makes when it is traced, such as the slots of a second optimizer.
            self._model._trace_train_step(self._sources["data"].example())
            variables = state_variables(self._model)
        found = [[list(variable.shape), str(variable.dtype)] for variable in variables]
        if found == [[shape, dtype] for _, shape, dtype in expected]:
            return variables
        reason = f"it has {len(expected)} variables, the model and its optimizer have {len(found)}"
        for (path, shape, dtype), variable in zip(expected, variables, strict=False):
            if [shape, dtype] != [list(variable.shape), str(variable.dtype)]:
                reason = (
                    f"{path!r} has shape {tuple(shape)} and dtype {dtype} in it, where {variable.path!r} has shape "
                    f"{tuple(variable.shape)} and dtype {variable.dtype}"
                )
                break
        raise FileFormatError(f"is not of this model as it is compiled: {reason}")

    def _fits_callbacks(self, expected: list[Any]) -> bool:
        return [[type(callback).__name__, sorted(callback._kept_state)] for callback in self._callbacks] == [
            [name, sorted(values)] for name, values in expected
        ]

    def _warn_of_other_callbacks(self, expected: list[Any]) -> None:
        if self._fits_callbacks(expected):
            return
        import warnings

        warnings.warn(
            f"The backup has the state of the callbacks {[name for name, _ in expected]}, but this fit has "
            f"{[type(callback).__name__ for callback in self._callbacks]}: they start anew. Pass the same callbacks to "
            "continue exactly.",
            stacklevel=7,
        )

    def _restore_callbacks(self, expected: list[Any], arrays: list[list[np.ndarray]]) -> None:
        if not self._fits_callbacks(expected):
            return
        for callback, (_, values), of_callback in zip(self._callbacks, expected, arrays, strict=True):
            remaining = iter(of_callback)
            for name in callback._kept_state:
                value = values[name]
                setattr(callback, name, list(remaining) if isinstance(value, dict) else value)


def state_variables(model: Any) -> list[Any]:
    """Returns every variable that training reads or writes, each once: of the model, its metrics and optimizers."""
    found: dict[int, Any] = {}
    optimizers = [*_optimizers_in(model.optimizer), *_optimizers_in(dict(sorted(vars(model).items())))]
    for holder in (model, *model.metrics, *optimizers):
        for variable in holder.variables:
            found.setdefault(id(variable), variable)
    return list(found.values())


def _optimizers_in(value: Any) -> list[Any]:
    from ironhorn.optimizers import Optimizer

    if isinstance(value, Optimizer):
        return [value]
    if not isinstance(value, dict | list | tuple):
        return []
    return [found for item in (value.values() if isinstance(value, dict) else value) for found in _optimizers_in(item)]


def _kept(callback: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What a callback remembers: plain values, and at most one list of arrays."""
    values: dict[str, Any] = {}
    arrays: list[np.ndarray] = []
    for name in callback._kept_state:
        value = getattr(callback, name)
        if isinstance(value, list):
            values[name] = {"arrays": len(value)}
            arrays.extend(value)
        else:
            values[name] = value.item() if isinstance(value, np.generic) else value
    return values, arrays


def numpy_state() -> Any:
    """Returns the state of NumPy's global generator as JSON can hold it."""
    return _plain(np.random.get_state(legacy=False))


def set_numpy_state(state: Any) -> None:
    """Sets NumPy's global generator to what `numpy_state` returned.

    Raises:
        FileFormatError: If it is no such state.
    """
    try:
        np.random.set_state(_unplain(state))
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise FileFormatError(f"has no valid state of NumPy's random generator ({error})") from error


def _random_states() -> dict[str, Any]:
    from ironhorn.random.seed_generator import current_global_state

    version, words, gauss = python_random.getstate()
    return {"numpy": numpy_state(), "python": [version, list(words), gauss], "ironhorn": current_global_state()}


def _set_random_states(states: dict[str, Any]) -> None:
    from ironhorn.random.seed_generator import set_global_state

    try:
        set_numpy_state(states["numpy"])
        version, words, gauss = states["python"]
        python_random.setstate((version, tuple(words), gauss))
        set_global_state(states["ironhorn"])
    except (TypeError, ValueError, OverflowError, KeyError) as error:
        raise FileFormatError(f"has no valid state of a random generator ({error})") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "words": value.tolist()}
    return value.item() if isinstance(value, np.generic) else value


def _unplain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "words"}:
        if value["dtype"] not in ("uint32", "uint64"):
            raise ValueError(f"words of dtype {value['dtype']!r}")
        return np.array(value["words"], value["dtype"])
    return {name: _unplain(item) for name, item in value.items()}
