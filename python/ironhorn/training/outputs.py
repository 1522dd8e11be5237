"""A model's outputs as a flat list of leaves, and everything else brought to that list.

Each leaf has a name: the key in a dict of outputs, else the model's output name. What the user gave (losses, weights,
metrics) and what the data holds (targets, sample weights) is matched with the outputs leaf by leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ironhorn import tree
from ironhorn.training.arrays import describe_structure


class _Missing:
    """What a dict of losses or metrics says about an output that it does not name."""


_MISSING = _Missing()


def metric_names(pattern: Any, output_names: Sequence[str] | None) -> list[str | None]:
    """Names every leaf of a structure of outputs as metrics do.

    Args:
        pattern: The outputs.
        output_names: The model's output names, in the order of its leaves, if it has them.

    Returns:
        One name per leaf, in the order of `tree.flatten`: the key in a flat dict, else the output's name; `None` where
        there is none.
    """
    count = len(tree.flatten(pattern))
    if isinstance(pattern, dict) and len(pattern) == count:
        return [str(key) for key in sorted(pattern)]
    if output_names is not None and len(output_names) == count:
        return list(output_names)
    return [None] * count


def loss_names(pattern: Any, output_names: Sequence[str] | None) -> list[str | None]:
    """Names every leaf of a structure of outputs as losses do: by its path, whose last number is the output's name.

    Args:
        pattern: The outputs.
        output_names: The model's output names, in the order of its leaves, if it has them.

    Returns:
        One name per leaf, in the order of `tree.flatten`: `"rest/b"` for output `b` in the list `rest`.
    """
    leaves = tree.flatten_with_path(pattern) if tree.is_nested(pattern) else [((), pattern)]
    fits = output_names is not None and len(output_names) == len(leaves)
    names = list(output_names) if fits and output_names is not None else [None] * len(leaves)
    result: list[str | None] = []
    for (path, _), name in zip(leaves, names, strict=True):
        if path and not isinstance(path[-1], int):
            result.append("/".join(map(str, path)))
        else:
            result.append(None if name is None else "/".join(map(str, (*path[:-1], name))))
    return result


def spec_order(spec: Any, pattern: Any) -> list[int]:
    """Returns numbers of the outputs' leaves in the order in which the user named them.

    Args:
        spec: What `compile` received.
        pattern: The outputs.
    """
    if not isinstance(pattern, (dict, list, tuple)):
        return [0]
    keys: list[Any] = sorted(pattern) if isinstance(pattern, dict) else list(range(len(pattern)))
    offsets: dict[Any, int] = {}
    count = 0
    for key in keys:
        offsets[key] = count
        count += len(tree.flatten(pattern[key])) if tree.is_nested(pattern[key]) else 1
    order = keys
    if isinstance(pattern, dict):
        first = [key for key in spec if key in pattern] if isinstance(spec, dict) else []
        order = [*first, *(key for key in pattern if key not in first)]
    parts = spec if isinstance(spec, (dict, list, tuple)) and len(spec) == len(keys) else None
    result = []
    for key in order:
        part = parts[key] if parts is not None and isinstance(parts, dict) == isinstance(pattern, dict) else None
        result += [offsets[key] + index for index in spec_order(part, pattern[key])]
    return result


def align_values(value: Any, pattern: Any, output_names: Sequence[str] | None) -> list[Any] | None:
    """Flattens targets or weights in the order of the outputs' leaves.

    Lists and tuples are the same; a dict may name the outputs of a list.

    Args:
        value: The targets.
        pattern: The outputs.
        output_names: The model's output names.

    Returns:
        One value per leaf, or `None` if the structures do not match.
    """
    if not tree.is_nested(pattern):
        flat = tree.flatten(value) if tree.is_nested(value) else [value]
        return flat if len(flat) == 1 else None
    keys: list[Any] = sorted(pattern) if isinstance(pattern, dict) else list(range(len(pattern)))
    if isinstance(value, dict):
        lookup = keys if isinstance(pattern, dict) else output_names
        if lookup is None or set(value) != set(lookup) or len(lookup) != len(keys):
            return None
        parts = [value[key] for key in lookup]
    elif isinstance(value, (list, tuple)):
        if len(value) != len(keys):
            return None
        if isinstance(pattern, dict) and output_names is not None and set(output_names) == set(keys):
            keys = list(output_names)
            by_key = dict(zip(keys, value, strict=True))
            keys = sorted(keys)
            parts = [by_key[key] for key in keys]
        else:
            parts = list(value)
    elif len(keys) == 1:
        parts = [value]
    else:
        return None
    leaves: list[Any] = []
    for key, part in zip(keys, parts, strict=True):
        aligned = align_values(part, pattern[key], None)
        if aligned is None:
            return None
        leaves += aligned
    return leaves


def align_specs(
    spec: Any, pattern: Any, output_names: Sequence[str] | None, argument: str, broadcast: bool
) -> list[Any]:
    """Brings what `compile` received to the order of the outputs' leaves.

    Args:
        spec: A loss, metric or weight, or lists and dicts of them.
        pattern: The outputs.
        output_names: The model's output names.
        argument: Name of the argument, for errors.
        broadcast: Whether a single value applies to every output.

    Returns:
        One entry per leaf: a value, a list of values, or `None`.

    Raises:
        ValueError: If a dict names an output that does not exist, or a list has another length than the outputs.
    """
    if spec is None or isinstance(spec, _Missing):
        return [None] * len(tree.flatten(pattern))
    if not tree.is_nested(pattern):
        if isinstance(spec, dict):
            if len(spec) == 1 and (not output_names or set(spec) <= set(output_names)):
                return list(spec.values())
            raise _wrong_keys(spec, list(output_names or ()), argument)
        return [spec]
    is_dict = isinstance(pattern, dict)
    keys: list[Any] = sorted(pattern) if is_dict else list(range(len(pattern)))
    if isinstance(spec, dict):
        lookup: list[Any] = keys if is_dict else list(output_names or ())
        if len(lookup) != len(keys) or not set(spec) <= set(lookup):
            raise _wrong_keys(spec, lookup, argument)
        parts = [spec.get(key, _MISSING) for key in lookup]
    elif isinstance(spec, (list, tuple)):
        if len(spec) != len(keys):
            raise ValueError(
                f"The model has {len(keys)} outputs ({_listed(keys if is_dict else output_names)}), but "
                f"`{argument}` has {len(spec)} entries. Pass one entry per output, or a dict by output name. "
                f"Received: {argument}={spec!r}"
            )
        parts = list(spec)
        if is_dict and output_names is not None and set(output_names) == set(keys):
            by_key = dict(zip(output_names, parts, strict=True))
            parts = [by_key[key] for key in keys]
    elif broadcast or len(keys) == 1:
        parts = [spec] * len(keys)
    else:
        raise ValueError(
            f"The model has {len(keys)} outputs ({_listed(keys if is_dict else output_names)}): `{argument}` must "
            f"have one entry per output, or be a dict by output name. Received: {argument}={spec!r}"
        )
    return [
        leaf
        for key, part in zip(keys, parts, strict=True)
        for leaf in align_specs(part, pattern[key], None, argument, broadcast)
    ]


def _wrong_keys(spec: dict[str, Any], known: list[Any], argument: str) -> ValueError:
    return ValueError(
        f"`{argument}` has the keys {sorted(map(str, spec))}, but the model's outputs are named "
        f"{_listed(known) if known else 'nothing (give its output layers names, or return a dict)'}."
    )


def _listed(names: Sequence[Any] | None) -> str:
    return ", ".join(repr(name) for name in names) if names else "without names"


def structure_error(y_true: Any, y_pred: Any) -> ValueError:
    """Returns the error for targets that do not have the outputs' structure."""
    if y_true is None:
        return ValueError(
            "The model was compiled with a loss or metrics, but no targets were given: pass `y` (or data that gives "
            "(x, y))."
        )
    return ValueError(
        "y_true and y_pred have different structures.\n"
        f"y_true: {describe_structure(y_true)}\ny_pred: {describe_structure(y_pred)}\n"
        "Give the targets the structure of the model's outputs."
    )
