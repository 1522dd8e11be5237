"""One row for every function of `ironhorn.ops`: how to call it, what NumPy makes of the arguments, what holds for it.

Every module here lists its rows in `CASES`, and in `NO_ROW` functions that have none, with the reason.
"""

import importlib
import pkgutil

from ops.cases.case import TOLERANCE, Case

_modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
CASES: list[Case] = [case for module in _modules for case in getattr(module, "CASES", [])]
NO_ROW: dict[str, str] = {name: why for module in _modules for name, why in getattr(module, "NO_ROW", {}).items()}

__all__ = ["CASES", "NO_ROW", "TOLERANCE", "Case"]
