"""Compiled functions: Python is traced once, then the program runs.

A function is traced for a *signature*: the structure of its arguments, their types and ranks. Axis 0 is a symbol, and
so is any axis that was seen to vary or that the caller says varies; equal lengths of axis 0 share one symbol.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ironhorn import _core, tree
from ironhorn.backend.keras_tensor import KerasTensor


def is_tracing() -> bool:
    """Whether this thread is tracing a function."""
    return _core.is_tracing()


@contextmanager
def layer_scope(name: str) -> Iterator[None]:
    """Names the layer that is being called, for error messages and profiles."""
    _core.push_scope(name)
    try:
        yield
    finally:
        _core.pop_scope()


def abstract_call(fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """What `fn` returns for symbolic tensors, as symbolic tensors.

    Args:
        fn: function of tensors.
        args: positional arguments with KerasTensors anywhere in them.
        kwargs: keyword arguments likewise.

    Returns:
        The structure that `fn` returns, with a KerasTensor in the place of every tensor.
    """
    structure = (list(args), dict(kwargs))
    leaves = tree.flatten(structure)
    symbolic = [leaf for leaf in leaves if isinstance(leaf, KerasTensor)]
    specs = [
        (
            leaf.dtype,
            [
                length if length is not None else ("batch" if axis == 0 else f"axis{axis}_of_{i}")
                for axis, length in enumerate(leaf.shape)
            ],
        )
        for i, leaf in enumerate(symbolic)
    ]
    trace = _core.Trace(specs, getattr(fn, "__name__", "function"))
    try:
        with trace:
            stand_ins = iter(trace.inputs)

            def stand_in(leaf: Any) -> Any:
                if not isinstance(leaf, KerasTensor):
                    return leaf
                tensor = next(stand_ins)
                mask = getattr(leaf, "_keras_mask", None)
                if mask is not None:
                    tensor._keras_mask = mask
                return tensor

            flat = [stand_in(leaf) for leaf in leaves]
            for tensor in flat:
                mask = getattr(tensor, "_keras_mask", None)
                if isinstance(mask, KerasTensor):
                    known = next((new for old, new in zip(leaves, flat, strict=True) if old is mask), None)
                    tensor._keras_mask = known
            new_args, new_kwargs = tree.pack_sequence_as(structure, flat)
            outputs = fn(*new_args, **new_kwargs)
            return tree.map_structure(_to_symbolic, outputs)
    finally:
        trace.abandon()


def _to_symbolic(leaf: Any) -> Any:
    if isinstance(leaf, _core.VariableStorage):
        leaf = leaf.read()
    return KerasTensor(leaf.shape, leaf.dtype) if isinstance(leaf, _core.Tensor) else leaf


# Programs of one function: when to speak up, and when to forget the oldest.
_MANY_PROGRAMS = 16
_MOST_PROGRAMS = 64


class ArraySource:
    """Arrays whose rows are gathered into batches in Rust.

    Args:
        structure: nested structure of NumPy arrays with equal numbers of rows; None leaves are passed through.

    Raises:
        ShapeError: if the arrays differ in their number of rows.
    """

    def __init__(self, structure: Any) -> None:
        self.structure = structure
        self.leaves = [np.asarray(leaf) if leaf is not None else None for leaf in tree.flatten(structure)]
        arrays = [leaf for leaf in self.leaves if leaf is not None]
        self.native = _core.Source(arrays)
        self._order: tuple[Any, Any] | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.native.rows

    def order(self, rows: np.ndarray | None) -> Any:
        """Row numbers in the form that programs take; the last one is remembered."""
        if rows is None:
            return None
        if self._order is None or self._order[0] is not rows:
            self._order = (rows, _core.Order(np.asarray(rows, dtype="int64"), self.rows))
        return self._order[1]


class _Leaf:
    """What is known of one argument: data (given a dtype and a shape) or something fixed."""

    __slots__ = ("dtype", "fixed", "shape")

    def __init__(self, dtype: str | None, shape: tuple[int, ...], fixed: Any = None) -> None:
        self.dtype = dtype
        self.shape = shape
        self.fixed = fixed


def _describe(leaf: Any) -> _Leaf:
    if leaf is None or isinstance(leaf, (str, bool)):
        return _Leaf(None, (), leaf)
    if isinstance(leaf, int):
        return _Leaf("int32", ())
    if isinstance(leaf, float):
        return _Leaf("float32", ())
    if isinstance(leaf, _core.VariableStorage):
        return _Leaf(leaf.storage_dtype, leaf.storage_shape)
    if isinstance(leaf, _core.Tensor):
        return _Leaf(leaf.dtype, leaf.shape)
    return _Leaf(leaf.dtype.name, leaf.shape)


class _Traced:
    """One traced program: the axes it fixes, and what it returns."""

    def __init__(
        self, pattern: tuple[Any, ...], program: Any, outputs: Any, slots: list[int | None], fixed: list[Any]
    ) -> None:
        self.pattern = pattern
        self.program = program
        self.outputs = outputs
        self.slots = slots
        self.fixed = fixed

    def fits(self, shapes: tuple[tuple[int, ...], ...]) -> bool:
        return all(
            fixed is None or fixed == length
            for pattern, shape in zip(self.pattern, shapes, strict=True)
            for fixed, length in zip(pattern, shape, strict=True)
        )

    def pack(self, tensors: list[Any]) -> Any:
        flat = [self.fixed[i] if slot is None else tensors[slot] for i, slot in enumerate(self.slots)]
        return tree.pack_sequence_as(self.outputs, flat) if tree.is_nested(self.outputs) else flat[0]


class CompiledFunction:
    """A function that is traced once for every signature and then runs without Python.

    Args:
        fn: function of (nested) arrays that returns (nested) tensors.
        name: name for programs and profiles.
        dynamic_axes: optional callable `(leaf_index, rank) -> axes` naming axes beside axis 0 that vary.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str = "function",
        dynamic_axes: Callable[[int, int], Any] | None = None,
    ) -> None:
        self._fn = fn
        self._name = name
        self._dynamic_axes = dynamic_axes
        self._lock = threading.RLock()
        self._programs: dict[Any, list[_Traced]] = {}
        self._warned = False
        self.trace_count = 0
        self.steps_done = 0

    def clear(self) -> None:
        """Forgets every program."""
        with self._lock:
            self._programs.clear()

    def __call__(self, *args: Any) -> Any:
        """Runs the function on arrays."""
        leaves = [self._as_array(leaf) for leaf in tree.flatten(args)]
        traced = self._find(args, [_describe(leaf) for leaf in leaves])
        inputs = [leaf for leaf in leaves if not (leaf is None or isinstance(leaf, (str, bool)))]
        return traced.pack(traced.program.run(inputs))

    @staticmethod
    def _as_array(leaf: Any) -> Any:
        fine = leaf is None or isinstance(
            leaf, (_core.Tensor, _core.VariableStorage, np.ndarray, str, bool, int, float)
        )
        return leaf if fine else np.asarray(leaf)

    def run_steps(self, source: ArraySource, order: Any, batch_size: int, first_step: int, steps: int) -> Any:
        """Runs `steps` batches of a source in one call and returns the outputs of the last.

        Args:
            source: the arrays.
            order: int64 array of row numbers, or None for 0, 1, 2, ...
            batch_size: rows of a batch; the last one may be shorter.
            first_step: number of the first batch.
            steps: how many batches to run.

        Raises:
            KeyboardInterrupt: if the user interrupts; `steps_done` then says how many batches ended.
        """
        self.steps_done = 0
        rows = source.rows if order is None else len(order)
        first = first_step * batch_size
        whole = min(steps, max(0, rows - first) // batch_size)
        rest = rows - first - whole * batch_size if whole < steps else 0
        native = source.order(order)
        outputs = None
        for start, batch, count in ((first, batch_size, whole), (first + whole * batch_size, rest, 1)):
            if count == 0 or batch <= 0:
                continue
            leaves = [self._row_leaf(leaf, batch) for leaf in source.leaves]
            traced = self._find((source.structure,), leaves)
            try:
                tensors = traced.program.run_steps(source.native, native, start, batch, count)
            finally:
                self.steps_done += traced.program.steps_done
            outputs = traced.pack(tensors)
        return outputs

    def run_collect(self, source: ArraySource, batch_size: int) -> Any:
        """Runs every batch of a source in order and joins the outputs along axis 0 into NumPy arrays."""
        batch = max(1, min(batch_size, source.rows))
        leaves = [self._row_leaf(leaf, batch) for leaf in source.leaves]
        traced = self._find((source.structure,), leaves)
        collected = traced.program.run_collect(source.native, batch) if traced.slots else None
        if collected is not None:
            return traced.pack([tensor.into_numpy() for tensor in collected])
        parts = []
        for start in range(0, max(source.rows, 1), batch):
            cut = [leaf if leaf is None else leaf[start : start + batch] for leaf in source.leaves]
            packed = tree.pack_sequence_as(source.structure, cut) if tree.is_nested(source.structure) else cut[0]
            parts.append(self(packed))
        return tree.map_structure(lambda *pieces: np.concatenate([np.asarray(piece) for piece in pieces]), *parts)

    @staticmethod
    def _row_leaf(leaf: Any, batch: int) -> _Leaf:
        return _Leaf(None, ()) if leaf is None else _Leaf(leaf.dtype.name, (batch, *leaf.shape[1:]))

    def _find(self, args: Any, leaves: list[_Leaf]) -> _Traced:
        shapes = tuple(leaf.shape for leaf in leaves)
        first_lengths = [shape[0] for shape in shapes if shape]
        groups = tuple(first_lengths.index(shape[0]) if shape else -1 for shape in shapes)
        key = (_form(args), tuple((leaf.dtype, len(leaf.shape), leaf.fixed) for leaf in leaves), groups)
        for traced in self._programs.get(key, ()):
            if traced.fits(shapes):
                return traced
        with self._lock:
            self._make_room(shapes)
            known = self._programs.setdefault(key, [])
            for traced in known:
                if traced.fits(shapes):
                    return traced
            pattern = self._pattern(shapes, known)
            try:
                traced = self._trace(args, leaves, groups, pattern)
            except Exception:
                # Some layer may insist on a number where `shape` holds None: one program for each of these shapes. What
                # is wrong in itself fails again.
                fixed = tuple((None, *shape[1:]) if shape else () for shape in shapes)
                if fixed == pattern:
                    raise
                traced = self._trace(args, leaves, groups, fixed)
                known.append(traced)
                return traced
            # Programs that the new one covers are not needed any more.
            known[:] = [old for old in known if not _covers(pattern, old.pattern)]
            known.append(traced)
            return traced

    def _make_room(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Forgets the oldest signature when there are too many, and says once what to do about many."""
        count = sum(len(programs) for programs in self._programs.values())
        if count >= _MANY_PROGRAMS and not self._warned:
            self._warned = True
            warnings.warn(
                f"'{self._name}' has been traced {self.trace_count} times: its arguments keep changing in structure, "
                f"type, rank, or a length that it insists on (shapes now: {list(shapes)}). Each change costs a trace; "
                "declare lengths that vary as None in Input, pad to a few lengths, or keep types and structures",
                RuntimeWarning,
                stacklevel=4,
            )
        if count >= _MOST_PROGRAMS:
            self._programs.pop(next(iter(self._programs)))

    def _pattern(self, shapes: tuple[tuple[int, ...], ...], known: list[_Traced]) -> tuple[Any, ...]:
        """The lengths that the next program fixes: None where they vary."""
        pattern = []
        for index, shape in enumerate(shapes):
            varying = set(self._dynamic_axes(index, len(shape))) if self._dynamic_axes else set()
            for axis, length in enumerate(shape):
                if any(traced.pattern[index][axis] != length for traced in known):
                    varying.add(axis)
            pattern.append(tuple(None if axis == 0 or axis in varying else length for axis, length in enumerate(shape)))
        return tuple(pattern)

    def _trace(self, args: Any, leaves: list[_Leaf], groups: tuple[int, ...], pattern: tuple[Any, ...]) -> _Traced:
        specs = []
        for i, leaf in enumerate(leaves):
            if leaf.dtype is None:
                continue
            axes: list[Any] = []
            for axis, fixed in enumerate(pattern[i]):
                symbol = f"rows{groups[i]}" if axis == 0 else f"axis{axis}_of_{i}"
                axes.append(symbol if fixed is None else fixed)
            specs.append((leaf.dtype, axes))
        trace = _core.Trace(specs, self._name)
        self.trace_count += 1
        try:
            with trace:
                stand_ins = iter(trace.inputs)
                flat = [leaf.fixed if leaf.dtype is None else next(stand_ins) for leaf in leaves]
                outputs = self._fn(*tree.pack_sequence_as(args, flat))
            found = tree.flatten(outputs)
            tensors: list[Any] = []
            slots: list[int | None] = []
            for leaf in found:
                if isinstance(leaf, (_core.Tensor, _core.VariableStorage)):
                    slots.append(len(tensors))
                    tensors.append(leaf)
                else:
                    slots.append(None)
            with trace:
                program = trace.finish(tensors)
        except BaseException:
            trace.abandon()
            raise
        form = tree.map_structure(lambda _: None, outputs)
        return _Traced(
            pattern, program, form, slots, [leaf if s is None else None for leaf, s in zip(found, slots, strict=True)]
        )


def _covers(general: tuple[Any, ...], special: tuple[Any, ...]) -> bool:
    """Whether every shape that fits `special` fits `general`."""
    return all(
        a is None or a == b
        for left, right in zip(general, special, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def _form(structure: Any) -> Any:
    """A hashable description of a structure's form."""
    if isinstance(structure, dict):
        return ("dict", tuple((key, _form(structure[key])) for key in sorted(structure)))
    if isinstance(structure, (list, tuple)):
        return (type(structure).__name__, tuple(_form(item) for item in structure))
    return None
