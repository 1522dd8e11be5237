"""`DTypePolicy`: the dtype of a layer's weights and of its computation, and the policy that layers take by default."""

from __future__ import annotations

from typing import Any

from ironhorn import backend
from ironhorn.errors import UnsupportedError

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_QUANTIZED = ("int8", "float8", "int4", "gptq", "awq")


class DTypePolicy:
    """The pair of dtypes that a layer computes in and keeps its weights in.

    Args:
        name: A dtype name such as `"float32"`, `"bfloat16"` or `"float64"` for both, or `"mixed_float16"` /
            `"mixed_bfloat16"`: computation in 16 bits with `float32` weights. `None` means
            `ironhorn.config.dtype_policy()`.
        source_name: Must be `None`: it belongs to quantized policies, which are not supported.

    Raises:
        ValueError: If the name is not known.
        UnsupportedError: For a quantized policy.

    Example:
        >>> policy = ironhorn.DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None, source_name: str | None = None) -> None:
        if source_name is not None:
            raise quantized(f"source_name={source_name!r}")
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(f"`name` must be a string such as 'float32'. Received: name={name!r}.")
        if "_from_" in name and name.startswith(_QUANTIZED):
            raise quantized(repr(name))
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

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """Makes a tensor of an input and casts it, if it holds floats.

        Args:
            x: Tensor, symbolic tensor, array, or anything else, which is returned as it is.
            autocast: Whether to cast.
            dtype: The type that floats are cast to; integers and booleans keep theirs.

        Returns:
            A tensor or `x`.
        """
        from ironhorn import ops

        dtype = backend.standardize_dtype(dtype)
        if not (backend.is_tensor(x) or backend.is_keras_tensor(x)):
            if not isinstance(x, backend.Variable) and not hasattr(x, "__array__"):
                return x
            x = ops.convert_to_tensor(x)
        should_cast = autocast and backend.is_float_dtype(x.dtype) and x.dtype != dtype
        return ops.cast(x, dtype) if should_cast else x

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        """Makes a policy from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        same = {DTypePolicy, FloatDTypePolicy}
        alike = type(self) is type(other) or {type(self), type(other)} <= same
        return alike and isinstance(other, DTypePolicy) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


class FloatDTypePolicy(DTypePolicy):
    """The same as `DTypePolicy`, under the name that older files use."""


def quantized(what: str) -> UnsupportedError:
    """The error for a policy of quantized weights.

    Args:
        what: What was asked for.
    """
    return UnsupportedError(
        f"Quantized dtype policies are not supported ({what}). Use 'mixed_bfloat16' or 'mixed_float16' for 16-bit "
        "computation, or load the model before quantize() was called on it."
    )


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
    if not isinstance(policy, str | DTypePolicy):
        raise ValueError(
            "Pass set_dtype_policy the name of a policy, such as 'mixed_bfloat16', or a `DTypePolicy`. Received: "
            f"{policy!r} (of type {type(policy).__name__})."
        )
    _default_policy = policy if isinstance(policy, DTypePolicy) else DTypePolicy(policy)
