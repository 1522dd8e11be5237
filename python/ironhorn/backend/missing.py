"""What to say when a name is asked for that Keras may have and this version does not."""

from collections.abc import Callable
from typing import Any


def explain(package: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that says where to look and what to do.

    Args:
        package: name of the module, such as "ironhorn.layers".
    """

    def missing(name: str) -> Any:
        text = f"module '{package}' has no attribute '{name}'"
        if not name.startswith("_"):
            text += (
                ". If Keras has it, this version of Ironhorn does not yet: README.md lists what there is. Until then "
                "write it in Python over ironhorn.ops, as a function or a subclass of Layer, Loss, Metric or Callback"
            )
        raise AttributeError(text)

    return missing
