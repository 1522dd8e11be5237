"""Initializers: how a weight gets its first value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend.missing import explain
from ironhorn.initializers.constant_initializers import Constant, Identity, Ones, Zeros
from ironhorn.initializers.initializer import Initializer
from ironhorn.initializers.random_initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomInitializer,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    compute_fans,
)

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        Initializer,
        Constant,
        GlorotNormal,
        GlorotUniform,
        HeNormal,
        HeUniform,
        Identity,
        LecunNormal,
        LecunUniform,
        Ones,
        Orthogonal,
        RandomNormal,
        RandomUniform,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    )
}
ALL["IdentityInitializer"] = Identity
ALL["OrthogonalInitializer"] = Orthogonal

IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_ALIASES: dict[str, Any] = {
    "constant": Constant,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "identity": Identity,
    "lecun_normal": LecunNormal,
    "lecun_uniform": LecunUniform,
    "normal": RandomNormal,
    "one": Ones,
    "ones": Ones,
    "orthogonal": Orthogonal,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform,
    "variance_scaling": VarianceScaling,
    "zero": Zeros,
    "zeros": Zeros,
}


def serialize(initializer: Any) -> Any:
    """Returns the configuration of an initializer as a dictionary."""
    from ironhorn.saving import registry

    return registry.serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes an initializer from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, or a name such as `"glorot_uniform"`.
        custom_objects: Names of classes that are not built in.

    Returns:
        An initializer.
    """
    from ironhorn.saving import registry

    if isinstance(config, str):
        config = {"class_name": config, "config": {}}
    name = config.get("class_name")
    custom = (custom_objects or {}).get(name) or registry.get_registered_object(name, custom_objects)
    if custom is None and ("module" not in config or config["module"] == "keras.initializers"):
        cls = ALL.get(name) or _ALIASES.get(name)
        if cls is None:
            raise ValueError(
                f"Unknown initializer {name!r}. Built in are: {', '.join(sorted(_ALIASES))}. A class of your own must "
                "be passed as an object, given in `custom_objects`, or registered with "
                "`ironhorn.saving.register_keras_serializable`."
            )
        return cls.from_config(dict(config.get("config") or {}))
    if custom is not None and "module" not in config:
        make: Any = getattr(custom, "from_config", None)
        return make(config.get("config") or {}) if isinstance(custom, type) else custom
    return registry.deserialize_keras_object(config, custom_objects=custom_objects)


def get(identifier: Any) -> Any:
    """Returns the initializer meant by an identifier.

    Args:
        identifier: `None`, a name such as `"he_normal"`, a configuration, a class, a function of
            `(shape, dtype)`, or an array with the values themselves.

    Returns:
        An initializer or function of `(shape, dtype)`; `None` for `None`.

    Raises:
        ValueError: If nothing is known by that identifier.

    Example:
        >>> ironhorn.initializers.get("zeros")(shape=(2,)).numpy()
        array([0., 0.], dtype=float32)
    """
    if identifier is None:
        return None
    if isinstance(identifier, str | dict):
        return deserialize(identifier)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    if hasattr(identifier, "shape") and hasattr(identifier, "dtype"):
        return _from_values(identifier)
    raise ValueError(
        f"Cannot make an initializer of {identifier!r} (of type {type(identifier).__name__}). Pass a name, a "
        "configuration, an Initializer, a function of (shape, dtype) or an array."
    )


def _from_values(values: Any) -> Any:
    def initialize(shape: Any, dtype: str | None = None) -> Any:
        from ironhorn import ops

        if tuple(shape) != tuple(values.shape):
            raise ValueError(
                f"The array given as initializer has shape {tuple(values.shape)}, but the weight has shape "
                f"{tuple(shape)}. Pass an array of the weight's shape."
            )
        return ops.convert_to_tensor(values) if dtype is None else ops.cast(ops.convert_to_tensor(values), dtype)

    return initialize


__all__ = [
    "ALL",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
