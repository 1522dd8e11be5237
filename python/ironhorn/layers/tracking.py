"""Attribute tracking: which variables, layers, metrics and seed generators belong to a layer.

`Layer.__setattr__` hands each value to a `Tracker`, which files it in the store of its kind, in order of assignment.
Lists, dictionaries and sets become subclasses that do the same for what is put into them later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

_state = threading.local()


class no_tracking:
    """Context in which attributes are not tracked: for what a layer only refers to."""

    def __enter__(self) -> None:
        self._outer = getattr(_state, "off", False)
        _state.off = True

    def __exit__(self, *exception: Any) -> None:
        _state.off = self._outer


class Tracker:
    """Files objects into stores by kind.

    Args:
        stores: Name of a store -> (test whether a value belongs there, list of the values).
        on_change: Called after a store changed.
    """

    def __init__(
        self, stores: dict[str, tuple[Callable[[Any], bool], list[Any]]], on_change: Callable[[], None]
    ) -> None:
        self.stores = stores
        self.on_change = on_change
        self.locked = False
        self._lock_message = ""

    def track(self, value: Any) -> Any:
        """Files a value, or wraps a container so that its elements are filed. Returns what to keep as attribute."""
        if getattr(_state, "off", False) or value is None or isinstance(value, str | int | float | bool):
            return value
        for name, (belongs, _) in self.stores.items():
            if belongs(value):
                if not self.is_known(value):
                    self.add(name, value)
                return value
        if isinstance(value, tuple):
            elements = [self.track(element) for element in value]
            return type(value)(*elements) if hasattr(value, "_fields") else type(value)(elements)
        kind = type(value)
        if kind is list or kind is TrackedList:
            return TrackedList(value, self)
        if kind is dict or kind is TrackedDict:
            return TrackedDict(value, self)
        if kind is set or kind is TrackedSet:
            return TrackedSet(value, self)
        return value

    def is_known(self, value: Any) -> bool:
        """Whether some store holds this very object."""
        return any(held is value for _, values in self.stores.values() for held in values)

    def add(self, name: str, value: Any) -> None:
        """Puts a value into a store.

        Raises:
            ValueError: If the layer is built and takes no further state.
        """
        if self.locked:
            raise ValueError(self._lock_message)
        self.stores[name][1].append(value)
        self.on_change()

    def remove(self, value: Any) -> None:
        """Takes a value out of the stores."""
        for _, held in self.stores.values():
            kept = [element for element in held if element is not value]
            if len(kept) < len(held):
                held[:] = kept
                self.on_change()

    def lock(self, message: str | None = None) -> None:
        """Refuses further state."""
        self.locked = True
        if message is not None:
            self._lock_message = message

    def unlock(self) -> None:
        """Allows further state."""
        self.locked = False


class TrackedList(list):
    """A list whose elements are tracked by the layer that it is an attribute of."""

    def __init__(self, values: Iterable[Any] = (), tracker: Tracker | None = None) -> None:
        self.tracker = tracker
        super().__init__(self._track(value) for value in values)

    def _track(self, value: Any) -> Any:
        return value if self.tracker is None else self.tracker.track(value)

    def _forget(self, value: Any) -> None:
        if self.tracker is not None and all(element is not value for element in self):
            self.tracker.remove(value)

    def append(self, value: Any) -> None:
        """Adds a value at the end."""
        super().append(self._track(value))

    def insert(self, index: Any, value: Any) -> None:
        """Adds a value at an index."""
        super().insert(index, self._track(value))

    def extend(self, values: Iterable[Any]) -> None:
        """Adds values at the end."""
        super().extend(self._track(value) for value in values)

    def __iadd__(self, values: Iterable[Any]) -> TrackedList:  # type: ignore[misc]
        self.extend(values)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        replaced = self[index] if isinstance(index, slice) else [self[index]]
        if isinstance(index, slice):
            super().__setitem__(index, [self._track(element) for element in value])
        else:
            super().__setitem__(index, self._track(value))
        for element in replaced:
            self._forget(element)

    def remove(self, value: Any) -> None:
        """Removes the first element equal to a value."""
        element = self[self.index(value)]
        super().remove(value)
        self._forget(element)

    def pop(self, index: Any = -1) -> Any:
        """Removes and returns the element at an index."""
        value = super().pop(index)
        self._forget(value)
        return value

    def clear(self) -> None:
        """Removes all elements."""
        values = list(self)
        super().clear()
        for value in values:
            self._forget(value)

    def __delitem__(self, index: Any) -> None:
        values = self[index] if isinstance(index, slice) else [self[index]]
        super().__delitem__(index)
        for value in values:
            self._forget(value)

    def __reduce__(self) -> Any:
        return (list, (list(self),))


class TrackedDict(dict):
    """A dictionary whose values are tracked by the layer that it is an attribute of."""

    def __init__(self, values: Any = (), tracker: Tracker | None = None) -> None:
        self.tracker = tracker
        super().__init__({key: self._track(value) for key, value in dict(values).items()})

    def _track(self, value: Any) -> Any:
        return value if self.tracker is None else self.tracker.track(value)

    def _forget(self, value: Any) -> None:
        if self.tracker is not None and all(element is not value for element in self.values()):
            self.tracker.remove(value)

    def __setitem__(self, key: Any, value: Any) -> None:
        replaced = self.get(key)
        super().__setitem__(key, self._track(value))
        if replaced is not None:
            self._forget(replaced)

    def update(self, *mappings: Any, **values: Any) -> None:
        """Sets several items."""
        for key, value in dict(*mappings, **values).items():
            self[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Returns the value of a key, set to `default` if it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: Any, *default: Any) -> Any:
        """Removes a key and returns its value."""
        value = super().pop(key, *default)
        self._forget(value)
        return value

    def popitem(self) -> tuple[Any, Any]:
        """Removes and returns the item set last."""
        key, value = super().popitem()
        self._forget(value)
        return key, value

    def clear(self) -> None:
        """Removes all items."""
        values = list(self.values())
        super().clear()
        for value in values:
            self._forget(value)

    def __delitem__(self, key: Any) -> None:
        value = self[key]
        super().__delitem__(key)
        self._forget(value)

    def __reduce__(self) -> Any:
        return (dict, (dict(self),))


class TrackedSet(set):
    """A set whose elements are tracked by the layer that it is an attribute of."""

    def __init__(self, values: Iterable[Any] = (), tracker: Tracker | None = None) -> None:
        self.tracker = tracker
        super().__init__(self._track(value) for value in values)

    def _track(self, value: Any) -> Any:
        return value if self.tracker is None else self.tracker.track(value)

    def add(self, value: Any) -> None:
        """Adds a value."""
        super().add(self._track(value))

    def update(self, *others: Iterable[Any]) -> None:
        """Adds values."""
        for other in others:
            for value in other:
                self.add(value)

    def remove(self, value: Any) -> None:
        """Removes a value."""
        super().remove(value)
        if self.tracker is not None:
            self.tracker.remove(value)

    def discard(self, value: Any) -> None:
        """Removes a value if it is there."""
        if value in self:
            self.remove(value)

    def pop(self) -> Any:
        """Removes and returns some value."""
        value = super().pop()
        if self.tracker is not None:
            self.tracker.remove(value)
        return value

    def clear(self) -> None:
        """Removes all values."""
        for value in list(self):
            self.remove(value)

    def __reduce__(self) -> Any:
        return (set, (list(self),))
