"""Dtype policies: `keras.dtype_policies`. A policy is the dtype of a layer's weights and that of its computation."""

from __future__ import annotations

from typing import Any

from ironhorn import backend
from ironhorn.dtype_policies.dtype_policy_map import DTypePolicyMap
from ironhorn.dtype_policies.policy import DTypePolicy, FloatDTypePolicy, dtype_policy, quantized

__all__ = [
    "DTypePolicy",
    "DTypePolicyMap",
    "FloatDTypePolicy",
    "deserialize",
    "get",
    "serialize",
]

ALL = {"DTypePolicy": DTypePolicy, "DTypePolicyMap": DTypePolicyMap, "FloatDTypePolicy": FloatDTypePolicy}
_QUANTIZED = (
    "AWQDTypePolicy",
    "GPTQDTypePolicy",
    "Int4DTypePolicy",
    "QuantizedDTypePolicy",
    "QuantizedFloat8DTypePolicy",
)


def __getattr__(name: str) -> Any:
    if name in _QUANTIZED:
        raise quantized(name)
    raise AttributeError(f"module 'ironhorn.dtype_policies' has no attribute {name!r}")


def get(identifier: Any) -> DTypePolicy:
    """Returns the policy meant by an identifier.

    Args:
        identifier: `None` for the default policy, a `DTypePolicy`, a name, a NumPy dtype, or a configuration.

    Returns:
        A policy.

    Example:
        >>> ironhorn.dtype_policies.get("mixed_float16")
        <DTypePolicy "mixed_float16">
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    try:
        return DTypePolicy(backend.standardize_dtype(identifier))
    except (ValueError, TypeError) as error:
        raise ValueError(f"Cannot make a dtype policy of {identifier!r}. Pass a name such as 'float32'.") from error


def serialize(policy: DTypePolicy) -> dict[str, Any]:
    """Returns the configuration of a policy in Keras' format."""
    name = type(policy).__name__
    return {
        "module": "keras.dtype_policies" if name == "DTypePolicyMap" else "keras",
        "class_name": name,
        "config": policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> DTypePolicy:
    """Makes a policy from its configuration in Keras' format.

    Args:
        config: What `serialize` returned.
        custom_objects: Your own policy classes by name.

    Raises:
        UnsupportedError: If it is a quantized policy.
        ValueError: If there is no such class.
    """
    name = config.get("class_name")
    if name in _QUANTIZED:
        raise quantized(str(name))
    found = {**ALL, **(custom_objects or {})}.get(str(name))
    if found is None:
        raise ValueError(f"There is no dtype policy class {name!r}; known are {sorted(ALL)}.")
    policy: DTypePolicy = found.from_config(config["config"])
    return policy
