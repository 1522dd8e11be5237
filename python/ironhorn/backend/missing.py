"""What to say when a name is asked for that Keras may have and this version does not."""

from collections.abc import Callable
from typing import Any

#: Names that there will not be, and what to do instead.
_ELSEWHERE = {
    "ironhorn.layers": {
        "FlaxLayer": "it wraps a Flax module, which only JAX runs",
        "JaxLayer": "it wraps a function of JAX, which only JAX runs",
        "TFSMLayer": "it wraps a SavedModel, which only TensorFlow runs",
        "TorchModuleWrapper": "it wraps a module of PyTorch, which only PyTorch runs",
    },
}
_INSTEAD = (
    "Write the computation over ironhorn.ops in a subclass of Layer and set its weights with set_weights; or, for a "
    "model of Keras, save it as .keras or .weights.h5 and load that"
)


def explain(package: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that says where to look and what to do.

    Args:
        package: name of the module, such as "ironhorn.layers".
    """

    def missing(name: str) -> Any:
        text = f"module '{package}' has no attribute '{name}'"
        reason = _ELSEWHERE.get(package, {}).get(name)
        if reason is not None:
            text += f": {reason}. {_INSTEAD}"
        elif not name.startswith("_"):
            text += (
                ". If Keras has it, this version of Ironhorn does not yet: docs/coverage.md lists what is not there. "
                "Until then write it in Python over ironhorn.ops, as a function or a subclass of Layer, Loss, Metric "
                "or Callback"
            )
        raise AttributeError(text)

    return missing
