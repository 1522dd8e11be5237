"""`Config`: named values that can be frozen."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

_OWN = ("_values", "_frozen")


class Config:
    """Named values, read and set as attributes or as keys of a dictionary.

    Args:
        **kwargs: The values.

    Example:
        >>> config = Config(learning_rate=0.1)
        >>> config.seed = 123
        >>> config["seed"]
        123
        >>> config.freeze()
    """

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_values", kwargs)
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether changes are refused."""
        return bool(self._frozen)

    def freeze(self) -> None:
        """Refuses changes from now on."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allows changes again."""
        object.__setattr__(self, "_frozen", False)

    def as_dict(self) -> dict[str, Any]:
        """Returns the values as a dictionary of its own."""
        return dict(self._values)

    def to_json(self) -> str:
        """Returns the values as a JSON text."""
        import json

        return json.dumps(self._values)

    def keys(self) -> KeysView[str]:
        """Returns the names."""
        return self._values.keys()

    def values(self) -> ValuesView[Any]:
        """Returns the values."""
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        """Returns pairs of name and value."""
        return self._values.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """Returns the value of a name, or `value` if there is none."""
        return self._values.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Removes a name and returns its value, or the default given after the name."""
        return self._changeable().pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets several values."""
        self._changeable().update(*args, **kwargs)

    def _changeable(self) -> dict[str, Any]:
        if self._frozen:
            raise ValueError("This Config is frozen, so its values cannot be changed. Call unfreeze() first.")
        values: dict[str, Any] = self._values
        return values

    def __getattr__(self, name: str) -> Any:
        if name in _OWN or name.startswith("__"):
            raise AttributeError(name)
        if name in self._values:
            return self._values[name]
        import difflib

        close = difflib.get_close_matches(name, self._values, n=1, cutoff=0.7)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"This Config has no value named {name!r}.{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            self._changeable()[name] = value

    def __delattr__(self, name: str) -> None:
        del self._changeable()[name]

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, item: Any) -> None:
        self._changeable()[key] = item

    def __delitem__(self, key: str) -> None:
        del self._changeable()[key]

    def __contains__(self, item: object) -> bool:
        return item in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Config {self._values}>"
