"""One pass over one data set.

With arrays and nobody listening to batches, a pass is a few engine calls: each runs as many steps as fit into a
tenth of a second (when a progress line is shown) or half a second. With a listener every step returns to Python.
"""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn import tree
from ironhorn.training.batch_data import BatchData
from ironhorn.training.data import ArrayData, ArrayEpoch
from ironhorn.training.logs import pythonify_logs
from ironhorn.training.nans import Watch, is_debug_nans_enabled


def declared_axes(model: Any, leaf: int, rank: int) -> set[int]:
    """The axes of an array of a batch that the model itself declares to vary, such as the length of a text.

    Args:
        model: The model.
        leaf: Number of the array in the flattened batch: inputs first, targets after them.
        rank: Number of its axes.
    """
    tensors = [*(getattr(model, "inputs", None) or []), *(getattr(model, "outputs", None) or [])]
    if leaf >= len(tensors):
        return set()
    shape = tensors[leaf].shape
    return {axis for axis in range(1, min(rank, len(shape))) if shape[axis] is None}


class StepFunction:
    """A model's `train_step`, `test_step` or `predict_step`, traced into a program, or plain with `run_eagerly`.

    It does not keep the model alive.

    Args:
        model: The model.
        method: Name of the step method.
        eagerly: Whether to run the method as plain Python.
    """

    def __init__(self, model: Any, method: str, eagerly: bool):
        self._model = reference = weakref.ref(model)
        self._method = method
        self.batches = 0

        def step(data: Any) -> Any:
            owner = reference()
            if owner is None:
                raise ReferenceError(f"The model of this {method} does not exist any more.")
            return getattr(owner, method)(data)

        self._step = step
        self._compiled: Any = None
        if not eagerly:
            from ironhorn.backend.tracing import CompiledFunction

            def varying(leaf: int, rank: int) -> set[int]:
                return declared_axes(reference(), leaf, rank)

            self._compiled = CompiledFunction(step, name=f"{model.name}.{method}", dynamic_axes=varying)

    @property
    def trace_count(self) -> int:
        """How often the method was traced; 0 with `run_eagerly`."""
        return 0 if self._compiled is None else self._compiled.trace_count

    def __call__(self, batch: Any) -> Any:
        """Runs one step on a batch of arrays."""
        if is_debug_nans_enabled():
            return self._watched(batch)
        if self._compiled is not None:
            return self._compiled(batch)
        return self._eager(batch)

    def _eager(self, batch: Any) -> Any:
        from ironhorn import ops

        return self._step(
            tree.map_structure(lambda array: None if array is None else ops.convert_to_tensor(array), batch)
        )

    def _watched(self, batch: Any) -> Any:
        """Runs one step as plain Python and looks at every number that it makes."""
        model: Any = self._model()
        watch = Watch(model, self._method, self.batches)
        self.batches += 1
        watch.data(batch)
        model._watch_calls(watch)
        try:
            outputs = self._eager(batch)
        finally:
            model._watch_calls(None)
        if self._method == "train_step":
            watch.weights()
        return outputs

    def run(self, data: ArrayData, epoch: ArrayEpoch, offset: int, steps: int) -> Any:
        """Runs several steps of an epoch.

        Args:
            data: The arrays.
            epoch: The epoch.
            offset: Steps of the epoch done before.
            steps: Steps to do.

        Returns:
            What the last step returned.
        """
        first = epoch.first_step + offset
        if self._compiled is not None and not is_debug_nans_enabled():
            return self._compiled.run_steps(data.source, epoch.order, data.batch_size, first, steps)
        outputs = None
        for step in range(first, first + steps):
            outputs = self(data.batch(epoch.order, step))
        return outputs

    def collect(self, arrays: Any, source: Any, batch_size: int) -> Any:
        """Runs all batches of arrays in order and concatenates what they return.

        Args:
            arrays: The arrays.
            source: The same arrays as an engine source, or `None` to make one.
            batch_size: Samples per batch.

        Returns:
            NumPy arrays in the structure that the step returns.
        """
        if self._compiled is not None and not is_debug_nans_enabled():
            from ironhorn.backend.tracing import ArraySource

            return self._compiled.run_collect(ArraySource(arrays) if source is None else source, batch_size)
        samples = len(tree.flatten(arrays)[0])
        parts = []
        for start in range(0, samples, batch_size):
            rows = slice(start, start + batch_size)
            parts.append(to_arrays(self(tree.map_structure(lambda array, rows=rows: array[rows], arrays))))
        return concatenate(parts)


class GroupClock:
    """Chooses how many steps one engine call runs, from how long the last ones took.

    Args:
        seconds: How long a call should take.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self.steps = 1

    def ran(self, steps: int, seconds: float) -> None:
        """Learns from a call.

        Args:
            steps: Steps that it ran.
            seconds: How long it took.
        """
        wanted = int(steps * self._seconds / max(seconds, 1e-6))
        self.steps = max(1, min(wanted, steps * 8))


def run_epoch(
    function: StepFunction,
    data: ArrayData | BatchData,
    callbacks: Any,
    phase: str,
    steps_per_execution: int,
    clock: GroupClock,
    stopped: Callable[[], bool],
    done: int = 0,
) -> tuple[dict[str, Any], int]:
    """Runs one epoch of training or evaluation.

    Args:
        function: The step.
        data: The data.
        callbacks: A `CallbackList`.
        phase: `"train"` or `"test"`.
        steps_per_execution: Steps between batch hooks.
        clock: Chooses the number of steps per call where nobody listens.
        stopped: Whether a callback asked to stop.
        done: Steps of the epoch that were done before, where an interrupted `fit` goes on.

    Returns:
        The logs of the last step, as Python numbers, and the number of steps done.
    """
    function.batches = 0
    if isinstance(data, BatchData):
        return _run_batches(function, data, callbacks, phase, steps_per_execution, stopped, done)
    listens = callbacks.listens(phase)
    epoch = data.epoch()
    outputs: Any = None
    while done < epoch.steps:
        steps = min(steps_per_execution if listens else max(clock.steps, steps_per_execution), epoch.steps - done)
        if listens:
            callbacks.batch_begin(phase, done)
        started = time.perf_counter()
        outputs = function.run(data, epoch, done, steps)
        clock.ran(steps, time.perf_counter() - started)
        done += steps
        _report(callbacks, listens, phase, done - 1, outputs)
        if stopped():
            break
    return pythonify_logs(outputs), done


def _run_batches(
    function: StepFunction,
    data: BatchData,
    callbacks: Any,
    phase: str,
    steps_per_execution: int,
    stopped: Callable[[], bool],
    done: int,
) -> tuple[dict[str, Any], int]:
    listens = callbacks.listens(phase)
    batches = data.epoch()
    outputs: Any = None
    while group := list(itertools.islice(batches, steps_per_execution)):
        if listens:
            callbacks.batch_begin(phase, done)
        for batch in group:
            outputs = function(batch)
        done += len(group)
        _report(callbacks, listens, phase, done - 1, outputs)
        if stopped():
            break
    return pythonify_logs(outputs), done


def _report(callbacks: Any, listens: bool, phase: str, batch: int, outputs: Any) -> None:
    if listens:
        callbacks.batch_end(phase, batch, outputs)
    else:
        callbacks.progress(phase, batch, lambda: outputs)


def run_predict(
    function: StepFunction,
    data: ArrayData | BatchData,
    callbacks: Any,
    steps_per_execution: int,
    clock: GroupClock,
    stopped: Callable[[], bool],
) -> Any:
    """Predicts all batches of a data set.

    Args:
        function: The step.
        data: The data.
        callbacks: A `CallbackList`.
        steps_per_execution: Steps between batch hooks.
        clock: Chooses the number of steps per call where nobody listens.
        stopped: Whether a callback asked to stop.

    Returns:
        NumPy arrays in the structure that the step returns.
    """
    listens = callbacks.listens("predict")
    parts = []
    if isinstance(data, ArrayData) and data.steps_per_epoch is None:
        done = 0
        total = data.passes_per_epoch
        while done < total:
            steps = min(steps_per_execution if listens else max(clock.steps, steps_per_execution), total - done)
            if listens:
                callbacks.batch_begin("predict", done)
            started = time.perf_counter()
            part: Any = data.arrays
            source: Any = data.source
            if steps < total:
                rows = slice(done * data.batch_size, (done + steps) * data.batch_size)
                part, source = tree.map_structure(lambda a, rows=rows: None if a is None else a[rows], part), None
            outputs = function.collect(part, source, data.batch_size)
            clock.ran(steps, time.perf_counter() - started)
            done += steps
            parts.append(outputs)
            _report(callbacks, listens, "predict", done - 1, {"outputs": outputs})
            if stopped():
                break
        return concatenate(parts)
    batches = data.epoch() if isinstance(data, BatchData) else _first_batches(data)
    done = 0
    while group := list(itertools.islice(batches, steps_per_execution)):
        if listens:
            callbacks.batch_begin("predict", done)
        outputs = concatenate([to_arrays(function(batch)) for batch in group])
        done += len(group)
        parts.append(outputs)
        _report(callbacks, listens, "predict", done - 1, {"outputs": outputs})
        if stopped():
            break
    if not parts:
        raise ValueError("The data gave no batch to predict.")
    return concatenate(parts)


def _first_batches(data: ArrayData) -> Any:
    epoch = data.epoch()
    return (data.batch(epoch.order, step) for step in range(epoch.steps))


def to_arrays(outputs: Any) -> Any:
    """Converts tensors to NumPy arrays, in any structure."""
    return tree.map_structure(np.asarray, outputs)


def concatenate(parts: list[Any]) -> Any:
    """Concatenates the arrays of several batches along the first axis.

    Args:
        parts: Structures of arrays.

    Returns:
        One structure of arrays.

    Raises:
        ValueError: If batches gave outputs whose other axes differ.
    """
    if len(parts) == 1:
        return parts[0]
    try:
        return tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
    except ValueError as error:
        shapes = sorted({tuple(leaf.shape[1:]) for part in parts for leaf in tree.flatten(part)})
        raise ValueError(
            f"Batches gave outputs of different shapes, which cannot be put into one array: {shapes}. Call "
            "predict_on_batch for each batch instead, or pad the inputs to one length."
        ) from error
