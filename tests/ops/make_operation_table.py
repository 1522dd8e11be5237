"""Writes python/ironhorn/models/operation_classes.py: Keras' class for every op. Run with a Python that has Keras.

    KERAS_BACKEND=jax python tests/ops/make_operation_table.py

A function of `keras.ops` makes an instance of its class and calls it; the arguments of both are read off its source.
A function that has no class of its own stands for another one: `abs` for `absolute`.
"""

import ast
import inspect
import pathlib
import sys
import textwrap
from typing import Any

PLACE = pathlib.Path(__file__).parents[2] / "python" / "ironhorn" / "models" / "operation_classes.py"
PREFIX = "keras.src.ops."
HEAD = '''"""Keras {version}'s class for every op: written by tests/ops/make_operation_table.py, not by hand."""

#: Function -> module below `keras.src.ops`, class, arguments of the call, arguments of the class.
CLASSES: dict[str, tuple[str, str, str, str]] = {{
'''


def passed(call: ast.Call) -> str:
    """The names of the arguments of a call; those by `**` need no mention."""
    keywords = [keyword.arg for keyword in call.keywords if keyword.arg is not None]
    return " ".join([ast.unparse(argument) for argument in call.args] + keywords)


def entry_of(function: Any, operation: type) -> tuple[str, str, str, str] | None:
    """Where a function's class is, its name, and which arguments go to the call and to the class."""
    names = vars(sys.modules[function.__module__])
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        instance = call.func
        if isinstance(instance, ast.Attribute) and instance.attr == "symbolic_call":
            instance = instance.value
        if not isinstance(instance, ast.Call) or not isinstance(instance.func, ast.Name):
            continue
        made = names[instance.func.id]
        if isinstance(made, type) and issubclass(made, operation):
            return made.__module__.removeprefix(PREFIX), made.__name__, passed(call), passed(instance)
    body = tree.body[0].body  # type: ignore[attr-defined]
    match body[-1]:
        case ast.Return(value=ast.Call(func=ast.Name(id=other))) if len(body) <= 2 and other in names:
            return entry_of(names[other], operation)
    return None


def table() -> dict[str, tuple[str, str, str, str]]:
    """The entry of every function that has a class."""
    import keras

    found = {}
    for module in (keras.ops, keras.ops.image):
        for name, function in vars(module).items():
            if inspect.isfunction(function) and not name.startswith("_"):
                entry = entry_of(function, keras.Operation)
                if entry is not None:
                    found[name] = entry
    return dict(sorted(found.items()))


def line(name: str, entry: tuple[str, ...]) -> str:
    """An entry as the formatter writes it."""
    quoted = [f'"{value}"' for value in entry]
    short = f'    "{name}": ({", ".join(quoted)}),\n'
    if len(short) <= 121:
        return short
    return f'    "{name}": (\n' + "".join(f"        {value},\n" for value in quoted) + "    ),\n"


if __name__ == "__main__":
    import keras

    lines = "".join(line(name, entry) for name, entry in table().items())
    PLACE.write_text(HEAD.format(version=keras.__version__) + lines + "}\n")
