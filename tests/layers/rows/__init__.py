"""The layers' reference table: a module a family, its rows in `ROWS`, and beside it what Keras makes of them."""

import importlib
import pathlib
import pkgutil

from layers.rows.row import Row

FOLDER = pathlib.Path(__file__).parent

#: Family -> rows.
FAMILIES: dict[str, list[Row]] = {
    found.name: list(importlib.import_module(f"{__name__}.{found.name}").ROWS)
    for found in pkgutil.iter_modules(__path__)
    if found.name != "row"
}
