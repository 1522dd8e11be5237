"""Arrays as the user gives them, made NumPy arrays that the engine takes, with errors that name the array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ironhorn import backend, tree

_NUMPY_FLOATS = {name: np.dtype(name) for name in ("float16", "float32", "float64")}


def is_array_like(value: Any) -> bool:
    """Returns whether a value is an array, a tensor, or a data frame."""
    return (
        isinstance(value, np.ndarray)
        or (hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__array__"))
        or _is_frame(value)
        or is_sparse(value)
    )


def is_sparse(value: Any) -> bool:
    """Returns whether a value is a sparse matrix or array of SciPy."""
    return type(value).__module__.startswith("scipy.sparse") and hasattr(value, "tocsr")


def to_numpy(value: Any, name: str) -> np.ndarray:
    """Converts an array-like to a NumPy array of a dtype that the engine takes.

    Floats become the default float type, as in Keras; a `Series` of pandas or polars becomes a column, and a sparse
    matrix becomes dense.

    Args:
        value: Array, tensor, or data frame.
        name: What to call it in errors.

    Returns:
        The array; the same one where nothing had to change.

    Raises:
        ValueError: If it has no sample axis or does not hold numbers.
    """
    if isinstance(value, np.ndarray):
        array = value
    elif _is_frame(value):
        array = np.asarray(value.to_numpy())
        if array.ndim == 1:
            array = array[:, None]
    elif is_sparse(value):
        array = value.toarray()
    else:
        array = np.asarray(value)
    if array.ndim == 0:
        raise ValueError(f"`{name}` is a single number ({array!r}): the first axis must be the samples.")
    if array.dtype == object and array.size:
        kinds = {type(item).__name__ for item in array.ravel()[:100]}
        if kinds <= {"int", "float", "bool"}:
            array = array.astype(np.float64)
        else:
            raise ValueError(
                f"`{name}` is an array of Python objects ({', '.join(sorted(kinds))}), which a model cannot take. "
                "Turn text into numbers first (TextVectorization), and pad lists of different lengths."
            )
    if array.dtype.kind in "USOMmc":
        raise ValueError(
            f"`{name}` has dtype {array.dtype}: a model takes numbers. Turn text into numbers first, for example "
            "with TextVectorization called on it before fit."
        )
    if array.dtype.kind == "f" and array.dtype != float_dtype():
        array = array.astype(float_dtype())
    return array


def float_dtype() -> np.dtype:
    """Returns the NumPy dtype of float data for models: the default float type, or float32 if NumPy lacks it."""
    return _NUMPY_FLOATS.get(backend.floatx(), _NUMPY_FLOATS["float32"])


def named_leaves(name: str, structure: Any) -> list[tuple[str, Any]]:
    """Lists the leaves of a structure with a name for each, such as `x['left']` or `y[0]`."""
    if isinstance(structure, dict):
        parts = [(f"{name}[{key!r}]", structure[key]) for key in sorted(structure)]
    elif isinstance(structure, (list, tuple)):
        parts = [(f"{name}[{index}]", part) for index, part in enumerate(structure)]
    else:
        return [(name, structure)]
    return [leaf for part_name, part in parts for leaf in named_leaves(part_name, part)]


def convert_structure(name: str, structure: Any, sparse: bool = False) -> Any:
    """Converts every array-like of a structure with `to_numpy`; `None` stays.

    Args:
        name: What to call the structure in errors.
        structure: The structure.
        sparse: Whether sparse matrices stay sparse, in a form whose rows can be taken.
    """
    names = iter(named_leaves(name, structure))

    def convert(leaf: Any) -> Any:
        leaf_name = next(names)[0]
        return leaf.tocsr() if sparse and is_sparse(leaf) else _convert_leaf(leaf_name, leaf)

    return tree.map_structure(convert, structure)


def _convert_leaf(name: str, leaf: Any) -> Any:
    if leaf is None:
        return None
    if not is_array_like(leaf):
        raise ValueError(
            f"`{name}` is of type {type(leaf).__name__}, not an array. A list of numbers must be made an array first: "
            f"np.array(...)."
        )
    return to_numpy(leaf, name)


def _is_frame(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in ("pandas", "polars") and hasattr(value, "to_numpy")


def check_lengths(leaves: list[tuple[str, Any]]) -> int:
    """Checks that all arrays have the same, positive number of samples.

    Args:
        leaves: Pairs of name and array; `None` arrays are left out.

    Returns:
        The number of samples.

    Raises:
        ValueError: If an array is empty or lengths differ; the message lists all lengths.
    """
    lengths = [(name, int(array.shape[0])) for name, array in leaves if array is not None]
    if not lengths:
        raise ValueError("There is no data: `x` is None.")
    listed = ", ".join(f"{name} has {length}" for name, length in lengths)
    if len({length for _, length in lengths}) > 1:
        raise ValueError(f"All arrays must have the same number of samples (the first axis). Received: {listed}.")
    if lengths[0][1] == 0:
        raise ValueError(f"The data is empty: {listed} samples. At least one sample is needed.")
    return lengths[0][1]


def class_weight_to_sample_weights(y: Any, class_weight: dict[int, float]) -> np.ndarray:
    """Looks up the weight of each sample's class.

    Args:
        y: Class numbers (also with a last axis of 1) or one-hot rows.
        class_weight: Weight per class number; classes that are not named weigh 1.

    Returns:
        One weight per sample.
    """
    labels = np.asarray(y)
    if labels.ndim > 1:
        labels = labels.squeeze(-1) if labels.shape[-1] == 1 else labels.argmax(axis=-1)
    labels = np.round(labels).astype(np.int64)
    classes, positions = np.unique(labels, return_inverse=True)
    weights = np.array([class_weight.get(int(label), 1.0) for label in classes], dtype=backend.floatx())
    return weights[positions.reshape(labels.shape)]


def train_validation_split(x: Any, y: Any, sample_weight: Any, validation_split: float) -> tuple[Any, Any]:
    """Splits arrays: the last part becomes the validation data.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights.
        validation_split: Share for validation, between 0 and 1.

    Returns:
        `(x, y, sample_weight)` for training, and the same for validation.

    Raises:
        ValueError: If the data is not made of arrays, or one part would be empty.
    """
    if not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: {validation_split}")
    parts = (x, y, sample_weight)
    for name, leaf in named_leaves("x", x) + named_leaves("y", y) + named_leaves("sample_weight", sample_weight):
        if leaf is not None and not is_array_like(leaf):
            raise ValueError(
                f"`validation_split` needs arrays, and `{name}` is of type {type(leaf).__name__}. "
                "Pass `validation_data` instead."
            )
    arrays = tuple(
        convert_structure(name, part, sparse=True)
        for name, part in zip(("x", "y", "sample_weight"), parts, strict=True)
    )
    samples = check_lengths(
        [leaf for name, part in zip("xyw", arrays, strict=True) for leaf in named_leaves(name, part)]
    )
    split_at = math.floor(samples * (1.0 - validation_split))
    if split_at in (0, samples):
        raise ValueError(
            f"Training data contains {samples} samples, which is not sufficient to split it into a validation and "
            f"training set as specified by `validation_split={validation_split}`. Either provide more data, or a "
            "different value for the `validation_split` argument."
        )
    train = tree.map_structure(lambda a: None if a is None else a[:split_at], arrays)
    validation = tree.map_structure(lambda a: None if a is None else a[split_at:], arrays)
    return train, validation


def resolve_sample_weight(y: Any, sample_weight: Any, class_weight: dict[int, float] | None) -> Any:
    """Checks weights against targets; makes weights of class weights."""
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError("You cannot pass both `class_weight` and `sample_weight`: multiply them yourself.")
        if y is None or tree.is_nested(y):
            raise ValueError("`class_weight` is only supported for models with a single output and with targets `y`.")
        return class_weight_to_sample_weights(y, class_weight)
    if sample_weight is None or not tree.is_nested(y):
        return sample_weight
    if tree.is_nested(sample_weight):
        try:
            tree.assert_same_structure(y, sample_weight)
        except (ValueError, TypeError) as error:
            raise ValueError(
                "You should provide one `sample_weight` array per output in `y`. The structures differ: y is "
                f"{describe_structure(y)}, sample_weight is {describe_structure(sample_weight)}."
            ) from error
        return sample_weight
    shape = np.shape(sample_weight)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(
            "For a model with several outputs a single `sample_weight` array must hold one number per sample. "
            f"Received shape {shape}: pass one array per output instead."
        )
    return tree.map_structure(lambda _: sample_weight, y)


def describe_structure(structure: Any) -> Any:
    """Returns the structure with `*` for every leaf, for messages."""
    return tree.map_structure(lambda _: "*", structure)
