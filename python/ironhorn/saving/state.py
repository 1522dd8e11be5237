"""Which variables of a model go where in a file: the walk over a model's objects that Keras makes.

The model's own group comes first. Sequential and functional models then list their layers under `layers/`, named by
class in snake case with a counter; everything else is found through attributes in alphabetical order (private ones
last), lists and dictionaries included, and an object that was met before is left out. Layer names play no part, so
that two models built by the same code agree.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from ironhorn import backend
from ironhorn.errors import FileFormatError
from ironhorn.saving.hdf5 import GroupReader, WeightsReader, WeightsWriter

_CONTAINERS = (list, tuple, dict)

_skipped: dict[str, frozenset[str]] = {}


class MismatchError(FileFormatError):
    """The weights in a file do not fit the object that they are meant for."""


def _is_stateful(obj: Any) -> bool:
    """Whether an object can hold variables that files keep: layers, models and optimizers."""
    from ironhorn.optimizers import Optimizer

    return isinstance(obj, backend.Operation | Optimizer)


def _attributes_to_skip(obj: Any) -> frozenset[str]:
    """Attributes that belong to the library, not to the program that uses it."""
    from ironhorn.layers import Layer
    from ironhorn.models import Model, Sequential
    from ironhorn.models.functional import Functional
    from ironhorn.optimizers import Optimizer

    if isinstance(obj, Optimizer):
        kind = "optimizer"
    elif isinstance(obj, Sequential):
        kind = "sequential"
    elif isinstance(obj, Functional):
        kind = "functional"
    elif isinstance(obj, Model):
        kind = "model"
    elif isinstance(obj, Layer):
        kind = "layer"
    else:
        kind = "operation"
    if kind not in _skipped:
        names: set[str]
        if kind == "optimizer":
            names = set(dir(Optimizer(1.0, name="reference")))
        elif kind == "operation":
            names = set(dir(backend.Operation(name="reference")))
        else:
            names = set(dir(Layer(name="reference")))
            if kind != "layer":
                names |= set(dir(Model)) - {"layers", "optimizer"}
            if kind == "functional":
                names |= {"operations", "_operations"}
            if kind == "sequential":
                names.add("_functional")
        _skipped[kind] = frozenset(names)
    return _skipped[kind]


def _children(obj: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of the attributes to look into, in the order of the walk."""
    from ironhorn.models import Sequential
    from ironhorn.models.functional import Functional

    skipped = _attributes_to_skip(obj)
    if isinstance(obj, Sequential | Functional):
        yield "layers", obj.layers
    names = [name for name in dir(obj) if not name.startswith("__") and name not in skipped]
    for name in sorted(names, key=lambda name: f"~{name}" if name.startswith("_") else name):
        try:
            value = getattr(obj, name)
        except Exception:
            # A property of the user's class that cannot be read now holds no layer that could be saved.
            continue
        if _is_stateful(value) or isinstance(value, _CONTAINERS):
            yield name, value


def snake_case(name: str) -> str:
    """A class name as files spell it: `"MaxPooling2D"` becomes `"max_pooling2d"`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _items(container: Any) -> Iterator[tuple[str, Any]]:
    """Names in the file and values of what a list, tuple or dictionary holds."""
    counts: dict[str, int] = {}
    for item in container.values() if isinstance(container, dict) else container:
        if _is_stateful(item):
            name = snake_case(type(item).__name__)
        elif isinstance(item, _CONTAINERS):
            name = "container"
        else:
            continue
        if name in counts:
            counts[name] += 1
            name = f"{name}_{counts[name]}"
        else:
            counts[name] = 0
        yield name, item


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


class StateWriter:
    """Writes the variables and assets of a model.

    Args:
        weights: Where variables go.
        assets: A directory for assets, or `None` to leave them out.
        skip: Objects to leave out.
    """

    def __init__(self, weights: WeightsWriter, assets: str | None, skip: list[Any] | None = None) -> None:
        self._weights = weights
        self._assets = assets
        self._seen = {id(obj) for obj in skip or ()}

    def write(self, obj: Any, path: str = "") -> None:
        """Write an object and everything that can be reached from it."""
        if id(obj) in self._seen:
            return
        self._seen.add(id(obj))
        if hasattr(obj, "save_own_variables"):
            name = getattr(obj, "name", None)
            obj.save_own_variables(self._weights.group(path, name if isinstance(name, str) else None))
        if self._assets is not None and hasattr(obj, "save_assets"):
            for directory in _asset_directories(obj, self._assets, path):
                os.makedirs(directory, exist_ok=True)
                obj.save_assets(directory)
        for name, child in _children(obj):
            if _is_stateful(child):
                self.write(child, _join(path, name))
            else:
                self._write_container(child, _join(path, name), set())

    def _write_container(self, container: Any, path: str, visited: set[int]) -> None:
        if id(container) in visited:
            return
        visited.add(id(container))
        for name, item in _items(container):
            if _is_stateful(item):
                self.write(item, _join(path, name))
            else:
                self._write_container(item, _join(path, name), visited)


def _asset_directories(obj: Any, root: str, path: str) -> list[str]:
    """Where an object's assets go. Keras looks for a vectorizer's words a second time, in its inner lookup layer."""
    from ironhorn.layers import TextVectorization

    directory = os.path.join(root, *path.split("/")) if path else root
    if isinstance(obj, TextVectorization):
        return [directory, os.path.join(directory, "_lookup_layer")]
    return [directory]


class StateReader:
    """Reads the variables and assets of a model.

    Nothing is assigned before the whole file was checked, except by objects with a `load_own_variables` of their own.

    Args:
        weights: Where variables come from.
        assets: The directory of the assets, or `None` if there are none.
        allow_nan: Whether variables may hold NaN.
        skip: Objects to leave as they are.
    """

    def __init__(
        self, weights: WeightsReader, assets: str | None, allow_nan: bool = False, skip: list[Any] | None = None
    ) -> None:
        self._weights = weights
        self._assets = assets
        self._allow_nan = allow_nan
        self._seen = {id(obj) for obj in skip or ()}
        self._active: set[int] = set()
        self._failed: dict[int, tuple[str, Exception]] = {}
        self._pending: list[tuple[Any, np.ndarray]] = []

    def read(self, model: Any, skip_mismatch: bool = False) -> None:
        """Load a model's state.

        Args:
            model: The model.
            skip_mismatch: Whether to warn about, and leave as they are, objects that the file does not fit.

        Raises:
            FileFormatError: If the file does not fit, is damaged, or holds NaN.
        """
        self._visit(model, "")
        if self._failed:
            lines = [f"- {label}: {error}" for label, error in self._failed.values()]
            more = f"\n... and {len(lines) - 10} more" if len(lines) > 10 else ""
            text = (
                f"{len(lines)} object(s) could not be loaded from {self._weights.description}:\n"
                + "\n".join(lines[:10])
            ) + more
            if not skip_mismatch:
                raise MismatchError(
                    f"{text}\nBuild the model by the code that built the saved one, or pass `skip_mismatch=True` to "
                    "`load_weights` to load what fits."
                )
            warnings.warn(text, stacklevel=4)
        for variable, value in self._pending:
            variable.assign(value)

    def _visit(self, obj: Any, path: str) -> None:
        if id(obj) in self._seen or id(obj) in self._active:
            return
        self._active.add(id(obj))
        failures = len(self._failed)
        failed = False
        label = f"{type(obj).__name__} {getattr(obj, 'name', '')!r} (at {path or 'the top'!r})"
        if hasattr(obj, "load_own_variables"):
            store = self._weights.group(path)
            try:
                self._load(obj, store)
            except MismatchError as error:
                self._failed[id(obj)] = (label, error)
                failed = True
        if self._assets is not None and hasattr(obj, "load_assets"):
            directory = os.path.join(self._assets, *path.split("/")) if path else self._assets
            if os.path.isdir(directory):
                try:
                    obj.load_assets(directory)
                except (OSError, ValueError, UnicodeDecodeError) as error:
                    self._failed[id(obj)] = (label, error)
                    failed = True
        for name, child in _children(obj):
            if _is_stateful(child):
                self._visit(child, _join(path, name))
            else:
                self._visit_container(child, _join(path, name), set())
        self._active.discard(id(obj))
        if not failed:
            # Reached again by another path that fits: the earlier failure does not count.
            self._failed.pop(id(obj), None)
            if len(self._failed) <= failures:
                self._seen.add(id(obj))

    def _visit_container(self, container: Any, path: str, visited: set[int]) -> None:
        if id(container) in visited:
            return
        visited.add(id(container))
        for name, item in _items(container):
            if _is_stateful(item):
                self._visit(item, _join(path, name))
            else:
                self._visit_container(item, _join(path, name), visited)

    def _load(self, obj: Any, store: GroupReader) -> None:
        """Check one object's variables against the file and note what to assign."""
        from ironhorn.layers import Layer
        from ironhorn.optimizers import Optimizer

        if isinstance(obj, Optimizer):
            if type(obj).load_own_variables is Optimizer.load_own_variables:
                self._load_optimizer(obj, store)
                return
        elif type(obj).load_own_variables is Layer.load_own_variables:
            self._compare(obj, own_variables(obj), store)
            return
        try:
            obj.load_own_variables(_CheckedStore(self, obj, store))
        except FileFormatError:
            raise
        except Exception as error:
            raise MismatchError(f"`load_own_variables` of {type(obj).__name__} failed: {error!r}") from error

    def _load_optimizer(self, optimizer: Any, store: GroupReader) -> None:
        variables = list(optimizer.variables)
        if len(store) != len(variables):
            if len(store) == 0:
                return
            reason = " because it was not built yet" if not variables else ""
            warnings.warn(
                f"The state of optimizer {optimizer.name!r} was not loaded: it has {len(variables)} variables{reason}, "
                f"but {self._weights.description} has {len(store)}. Compile the model with the optimizer that it was "
                "saved with to continue its training exactly.",
                stacklevel=6,
            )
            return
        self._compare(optimizer, variables, store)

    def _compare(self, obj: Any, variables: list[Any], store: GroupReader) -> None:
        names = [str(index) for index in range(len(variables))]
        if len(store) != len(variables) or any(name not in store for name in names):
            if not variables and getattr(obj, "built", True) is False:
                raise MismatchError(
                    f"it was never built, but the file has {len(store)} variables for it. Build it first: call the "
                    "model on a batch, or create all inner state in the parent's `build()`, or implement "
                    "`build_from_config()`"
                )
            listed = ", ".join(f"{variable.name!r}" for variable in variables)
            raise MismatchError(
                f"it has {len(variables)} variables{f' ({listed})' if listed else ''}, but the file has {len(store)}"
            )
        for name, variable in zip(names, variables, strict=True):
            found, expected = store.shape(name), tuple(variable.shape)
            if found != expected:
                raise MismatchError(
                    f"variable {variable.name!r} has shape {expected} in the model, but {found} in the file"
                )
        for name, variable in zip(names, variables, strict=True):
            value = store[name]
            self.check_values(obj, variable.name, value)
            self._pending.append((variable, value))

    def check_values(self, obj: Any, name: str, value: np.ndarray) -> None:
        """Refuse NaN.

        Raises:
            FileFormatError: If the array holds NaN and that was not allowed.
        """
        if self._allow_nan or value.dtype.kind != "f":
            return
        count = int(np.count_nonzero(np.isnan(value)))
        if count:
            raise FileFormatError(
                f"Variable {name!r} of {type(obj).__name__} {getattr(obj, 'name', '')!r} holds NaN in "
                f"{self._weights.description}: {count} of {value.size} values. The model had probably diverged when it "
                "was saved. Load an earlier file, or pass `allow_nan=True` to load it as it is."
            )


def own_variables(layer: Any) -> list[Any]:
    """A layer's own variables, without those of inner layers, in the order of files."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


class _CheckedStore:
    """What an object with a `load_own_variables` of its own reads from: refuses NaN as all else does."""

    def __init__(self, reader: StateReader, obj: Any, store: GroupReader) -> None:
        self._reader = reader
        self._obj = obj
        self._store = store

    def keys(self) -> list[str]:
        return self._store.keys()

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store)

    def __contains__(self, key: object) -> bool:
        return key in self._store

    def __getitem__(self, key: str) -> np.ndarray:
        value = self._store[key]
        self._reader.check_values(self._obj, key, value)
        return value
