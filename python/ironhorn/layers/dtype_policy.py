"""Dtype policies: the dtype of a layer's weights and of its computation.

Weights and computation are done in `float32` or `float64`. Mixed policies are known by name, so that files that carry
them are understood, but a layer that asks for computation in 16 bits is refused.
"""

from __future__ import annotations

from typing import Any

from ironhorn import backend
from ironhorn.errors import UnsupportedError

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


class DTypePolicy:
    """The pair of dtypes that a layer computes in and keeps its weights in.

    Args:
        name: A dtype name such as `"float32"`, or `"mixed_float16"` / `"mixed_bfloat16"` (16-bit computation with
            `float32` weights). `None` means `ironhorn.config.dtype_policy()`.
        source_name: Not supported; only there so that Keras' signature is kept.

    Raises:
        ValueError: If the name is not known.

    Example:
        >>> ironhorn.DTypePolicy("float64").compute_dtype
        'float64'
    """

    def __init__(self, name: str | None = None, source_name: str | None = None) -> None:
        if source_name is not None:
            raise UnsupportedError(
                "Quantized dtype policies are not supported: `source_name` must be None. "
                f"Received: source_name={source_name!r}."
            )
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(f"`name` must be a string such as 'float32'. Received: name={name!r}.")
        self._name = name
        if name in _MIXED:
            self._compute_dtype, self._variable_dtype = _MIXED[name], "float32"
        else:
            try:
                dtype = name if name == "string" else backend.standardize_dtype(name)
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"Unknown dtype policy {name!r}. Use a dtype name such as 'float32' or 'float64', 'mixed_float16' "
                    "or 'mixed_bfloat16'."
                ) from error
            self._compute_dtype, self._variable_dtype = dtype, dtype

    @property
    def name(self) -> str:
        """The name of the policy."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype that a layer computes in and casts its inputs to."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of a layer's weights."""
        return self._variable_dtype

    @property
    def quantization_mode(self) -> None:
        """Always `None`: quantization is not supported."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Makes a policy from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


_default_policy: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """Returns the policy that layers take when none is given: `float32` unless `set_dtype_policy` changed it."""
    return DTypePolicy(backend.floatx()) if _default_policy is None else _default_policy


def set_dtype_policy(policy: Any) -> None:
    """Sets the policy that layers take when none is given.

    Args:
        policy: A name or a `DTypePolicy`.

    Example:
        >>> ironhorn.config.set_dtype_policy("float64")
        >>> ironhorn.layers.Dense(1).dtype
        'float64'
        >>> ironhorn.config.set_dtype_policy("float32")
    """
    global _default_policy
    _default_policy = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """Returns the policy meant by an identifier.

    Args:
        identifier: `None` for the default policy, a `DTypePolicy`, a name, a NumPy dtype, or a configuration.

    Returns:
        A policy.
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
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: dict[str, Any]) -> DTypePolicy:
    """Makes a policy from its configuration in Keras' format.

    Raises:
        UnsupportedError: If it is a quantized policy or a policy map.
    """
    if config.get("class_name") != "DTypePolicy":
        raise UnsupportedError(
            f"The dtype policy class {config.get('class_name')!r} is not supported; only DTypePolicy is. Save the "
            "model without quantization and without a DTypePolicyMap."
        )
    return DTypePolicy.from_config(config["config"])
