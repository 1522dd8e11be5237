"""Standing in for other libraries: `import keras`, `import surprise` and `import implicit` lead here.

For programs that say `from keras import layers` and the like, so that changing one import line would not do. A finder
at the head of `sys.meta_path` answers imports of the name and its submodules with the modules of this package.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

from ironhorn.errors import IronhornError, UnsupportedError

#: Name that programs import -> package that answers.
LIBRARIES = {"keras": "ironhorn", "surprise": "ironhorn.surprise", "implicit": "ironhorn.implicit"}

#: Keras' public modules, as far as this package has them. Its private ones have no counterpart.
_KERAS_MODULES = frozenset(
    {
        "activations",
        "backend",
        "callbacks",
        "config",
        "constraints",
        "datasets",
        "datasets.fashion_mnist",
        "datasets.mnist",
        "dtype_policies",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "mixed_precision",
        "models",
        "ops",
        "ops.image",
        "ops.linalg",
        "ops.nn",
        "ops.numpy",
        "optimizers",
        "optimizers.schedules",
        "preprocessing",
        "preprocessing.image",
        "preprocessing.sequence",
        "random",
        "regularizers",
        "saving",
        "tree",
        "utils",
        "wrappers",
    }
)


class AlreadyImportedError(IronhornError, ImportError):
    """The real library was imported before `swap` was called."""


class _AliasLoader:
    """Gives an existing module a second name."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._specification: importlib.machinery.ModuleSpec | None = None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._specification = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias' specification in place of the module's own.
        module.__spec__ = self._specification


class _Finder:
    """Answers imports of one swapped library."""

    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name and not fullname.startswith(f"{self.name}."):
            return None
        module = _target_of(self.name, fullname.removeprefix(self.name).removeprefix("."))
        loader = _AliasLoader(module)
        return importlib.machinery.ModuleSpec(fullname, loader, origin=module, is_package=True)  # type: ignore[arg-type]


class _TensorFlowFinder:
    """Says what to write instead of `tensorflow.keras`, where an import of it would fail or lead astray."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == "tensorflow.keras" or fullname.startswith("tensorflow.keras."):
            rest = fullname.removeprefix("tensorflow.")
            raise ModuleNotFoundError(
                f"Ironhorn stands in for `keras`, not for TensorFlow: write `import {rest}` or `from keras import ...` "
                f"instead of `{fullname}`.",
                name=fullname,
            )
        if fullname == "tensorflow" and not _is_installed_elsewhere("tensorflow"):
            raise ModuleNotFoundError(
                "TensorFlow is not installed, and Ironhorn stands in for `keras` only: write `import keras` instead of "
                "`from tensorflow import keras`, and `keras.x` instead of `tf.keras.x`.",
                name=fullname,
            )
        return None


def _is_installed_elsewhere(name: str) -> bool:
    """Whether another finder knows a top-level module."""
    for finder in sys.meta_path:
        if isinstance(finder, _Finder | _TensorFlowFinder) or not hasattr(finder, "find_spec"):
            continue
        if finder.find_spec(name, None, None) is not None:
            return True
    return False


def _target_of(library: str, submodule: str) -> str:
    """The module that answers for a submodule of a library."""
    package = LIBRARIES[library]
    if not submodule:
        return package
    target = f"{package}.{submodule}"
    if library == "keras":
        if submodule in _KERAS_MODULES:
            return target
        if submodule.split(".")[0] == "_tf_keras":
            raise ModuleNotFoundError(
                "Ironhorn stands in for `keras`, not for TensorFlow: write `import keras` instead of "
                "`from tensorflow import keras`, and `keras.x` instead of `tf.keras.x`.",
                name=f"keras.{submodule}",
            )
        if submodule.split(".")[0] in ("src", "api"):
            raise ModuleNotFoundError(
                f"`keras.{submodule}` is private to Keras and has no counterpart in Ironhorn. Import from the public "
                "modules, for instance `from keras import layers`.",
                name=f"keras.{submodule}",
            )
        raise ModuleNotFoundError(
            f"Ironhorn has no `keras.{submodule}`. It has: {', '.join(sorted(_KERAS_MODULES))}.",
            name=f"keras.{submodule}",
        )
    if any(part.startswith("_") for part in submodule.split(".")) or not _exists(target):
        raise ModuleNotFoundError(f"Ironhorn has no `{library}.{submodule}`.", name=f"{library}.{submodule}")
    return target


def _exists(module: str) -> bool:
    """Whether a module of this package can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def available() -> list[str]:
    """Returns the libraries that this version of Ironhorn can stand in for."""
    return [name for name, package in LIBRARIES.items() if _exists(package)]


def swap(*names: str) -> None:
    """Makes `import <name>` lead to Ironhorn, for the rest of the process.

    Call it before anything imports the real library.

    Args:
        *names: `"keras"`, `"surprise"` or `"implicit"`.

    Raises:
        AlreadyImportedError: If the real library was imported already; an `ImportError`.
        UnsupportedError: If this version of Ironhorn does not have that part yet.
        ValueError: If a name is none of those above.

    Example:
        >>> import ironhorn
        >>> ironhorn.swap("keras")
        >>> from keras import layers
        >>> layers.Dense is ironhorn.layers.Dense
        True
    """
    if not names:
        raise ValueError(f"Name what to stand in for: {', '.join(map(repr, LIBRARIES))}.")
    for name in names:
        if name not in LIBRARIES:
            raise ValueError(f"Ironhorn cannot stand in for {name!r}. It can for: {', '.join(map(repr, LIBRARIES))}.")
        if not _exists(LIBRARIES[name]):
            raise UnsupportedError(
                f"This version of Ironhorn cannot stand in for {name!r} yet: it has no `{LIBRARIES[name]}`. It can "
                f"for: {', '.join(map(repr, available()))}."
            )
        if any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path):
            continue
        if name in sys.modules:
            where = getattr(sys.modules[name], "__file__", None) or "an unknown place"
            raise AlreadyImportedError(
                f"{name!r} was imported already (from {where}). Call `ironhorn.swap({name!r})` before the first "
                f"import of {name!r}, also by other packages; or start the program with `python -m ironhorn run`."
            )
    for name in names:
        if any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path):
            continue
        sys.meta_path.insert(0, _Finder(name))
        if name == "keras":
            sys.meta_path.insert(0, _TensorFlowFinder())
