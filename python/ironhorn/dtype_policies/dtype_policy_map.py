"""`DTypePolicyMap`: a dtype policy for each layer of a model, by the layers' paths."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from ironhorn.dtype_policies.policy import DTypePolicy, dtype_policy


class DTypePolicyMap(DTypePolicy, MutableMapping[str, DTypePolicy]):
    """Policies by the paths of layers; a layer whose path is not among them has the default policy.

    Args:
        default_policy: The policy of all other layers; `None` for `ironhorn.config.dtype_policy()`.
        policy_map: The first entries: path, or regular expression that matches whole paths, to policy.

    Raises:
        ValueError: If `default_policy` is a map; on reading, if a path matches two expressions.

    Example:
        >>> policies = ironhorn.dtype_policies.DTypePolicyMap("float32")
        >>> policies["encoder/.*"] = "mixed_bfloat16"
        >>> policies["encoder/dense"].compute_dtype, policies["decoder"].compute_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        from ironhorn.dtype_policies import get

        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("`default_policy` cannot be a `DTypePolicyMap`; pass one of its policies.")
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(f"`policy_map` must be a dict of paths. Received: {policy_map!r}.")
        self._default = default_policy
        self._policies = {path: get(policy) for path, policy in (policy_map or {}).items()}

    @property
    def name(self) -> str:
        """`"map_"` and the name of the default policy."""
        return f"map_{self.default_policy.name}"

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of layers that are not in the map."""
        from ironhorn.dtype_policies import get

        return dtype_policy() if self._default is None else get(self._default)

    @property
    def compute_dtype(self) -> str:
        """That of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """That of the default policy."""
        return self.default_policy.variable_dtype

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        import re

        found = [pattern for pattern in self._policies if re.fullmatch(pattern, path)]
        if len(found) > 1:
            raise ValueError(f"The path {path!r} matches several entries of the DTypePolicyMap: {found}. Keep one.")
        return self._policies[found[0]] if found else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        from ironhorn.dtype_policies import get

        if path in self._policies:
            raise ValueError(
                f"The DTypePolicyMap has a policy for {path!r} already: {self._policies[path]}. Delete it first."
            )
        self._policies[path] = get(policy)

    def __delitem__(self, path: str) -> None:
        del self._policies[path]

    def __contains__(self, path: object) -> bool:
        return path in self._policies

    def __len__(self) -> int:
        return len(self._policies)

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary."""
        from ironhorn.dtype_policies import serialize

        default = self._default
        return {
            "default_policy": serialize(default) if isinstance(default, DTypePolicy) else default,
            "policy_map": {path: serialize(policy) for path, policy in self._policies.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicyMap:
        """Makes a map from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, DTypePolicyMap) and self.default_policy == other.default_policy
        return same and self._policies == other._policies  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        policies = {path: policy.name for path, policy in self._policies.items()}
        return f'<DTypePolicyMap default="{self.default_policy.name}" {policies}>'
