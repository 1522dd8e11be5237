"""Packages whose modules are imported when one of their names is first asked for.

The names stand in the package's `__init__.pyi`, a line each (`from package.module import Name as Name`), where type
checkers and editors read them too.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ironhorn.backend.missing import explain

_LINE = re.compile(r"^from (\S+) import (?:\(\s+)?(\w+) as (\w+)(?:,\s+\))?$", re.MULTILINE)


class Table(Mapping[str, Any]):
    """Name -> class or function of a package, imported when asked for.

    Args:
        package: name of the package.
        stub: path of its `__init__.pyi`.
    """

    def __init__(self, package: str, stub: Path) -> None:
        self.package = package
        lines = _LINE.findall(stub.read_text(encoding="utf-8"))
        self._homes = {alias: (module, name) for module, name, alias in lines}

    def __getitem__(self, name: str) -> Any:
        module, original = self._homes[name]
        return getattr(importlib.import_module(module), original)

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


def attach(package: str, file: str, namespace: dict[str, Any]) -> tuple[Table, Callable[[str], Any]]:
    """The table of a package, and the `__getattr__` that imports from it.

    Args:
        package: the package's `__name__`.
        file: the package's `__file__`.
        namespace: the package's `globals()`, which keep what has been imported.
    """
    table = Table(package, Path(file).with_suffix(".pyi"))
    missing = explain(package)

    def find(name: str) -> Any:
        if name not in table:
            return missing(name)
        namespace[name] = found = table[name]
        return found

    return table, find
