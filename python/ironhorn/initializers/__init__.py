"""Initializers: how a weight gets its first value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend import named
from ironhorn.backend.missing import explain
from ironhorn.initializers.constant_initializers import STFT, Constant, Identity, Ones, Zeros
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
        STFT,
        TruncatedNormal,
        VarianceScaling,
        Zeros,
    )
}
ALL["IdentityInitializer"] = Identity
ALL["OrthogonalInitializer"] = Orthogonal
ALL["STFTInitializer"] = STFT

IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
STFTInitializer = STFT
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
stft = STFT
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
    "stft": STFT,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform,
    "variance_scaling": VarianceScaling,
    "zero": Zeros,
    "zeros": Zeros,
}


def serialize(initializer: Any) -> Any:
    """Returns the configuration of an initializer as a dictionary."""
    return named.serialize(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes an initializer from its configuration or its name.

    Args:
        config: A dictionary as `serialize` returns it, or a name such as `"glorot_uniform"`.
        custom_objects: Names of classes that are not built in.

    Returns:
        An initializer.
    """
    return named.deserialize(config, custom_objects, kind="initializer", classes=ALL, aliases=_ALIASES)


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
    if hasattr(identifier, "shape") and hasattr(identifier, "dtype") and not isinstance(identifier, type):
        return _from_values(identifier)
    return named.get(
        identifier,
        deserialize,
        kind="initializer",
        hint="a name, a configuration, an Initializer, a function of (shape, dtype) or an array",
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
    "STFT",
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
    "STFTInitializer",
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
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
