"""`Variable`: all state that outlives a call."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn import _core
from ironhorn.backend.dtypes import standardize_dtype, standardize_shape
from ironhorn.backend.names import auto_name, current_scope_path
from ironhorn.errors import UnsupportedError

_STRUCTURE_VERSION = 0


def structure_changed() -> None:
    """Says that something was changed that compiled functions depend on (such as `trainable`)."""
    global _STRUCTURE_VERSION
    _STRUCTURE_VERSION += 1


def structure_version() -> int:
    """Counts the calls of `structure_changed` in this process."""
    return _STRUCTURE_VERSION


class Variable(_core.VariableStorage):
    """A tensor whose value can change. Its shape and type cannot.

    Args:
        initializer: an array-like first value, or a callable `(shape, dtype) -> tensor` with `shape` given, or the name
            of an initializer.
        shape: lengths of the axes, when `initializer` makes the value.
        dtype: element type; that of the first value, or `floatx()`.
        trainable: whether optimizers change it.
        autocast: whether layers that compute in another type than their weights' read it in that type.
        aggregation: how replicas would be joined. There is one, so every choice means the same.
        synchronization: must be "auto": there are no replicas to synchronise.
        name: name of the variable, unique within its layer.
        regularizer: callable that gives a loss term.
        constraint: callable that projects the value after an update.

    Raises:
        ValueError: if an initializer is given without a shape.
        ShapeError: if the value does not have the shape that was asked for.

    Example:
        >>> v = Variable([1.0, 2.0])
        >>> v.assign_add([1.0, 1.0]).numpy().tolist()
        [2.0, 3.0]
    """

    # NumPy leaves operators with variables to the variable.
    __array_priority__ = 100.0

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        regularizer: Callable[..., Any] | None = None,
        constraint: Callable[..., Any] | None = None,
    ) -> None:
        name = name or auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"The name of a variable must be a string without '/', got {name!r}")
        if synchronization != "auto":
            raise UnsupportedError(f"Variables have no replicas; leave synchronization='auto', got {synchronization!r}")
        self.name = name
        scope = current_scope_path()
        self.path = f"{scope}/{name}" if scope else name
        self._trainable = bool(trainable)
        self.autocast = bool(autocast)
        self.aggregation = aggregation
        self.regularizer = regularizer
        self.constraint = constraint
        self.overwrite_with_gradient = False
        if isinstance(initializer, str):
            from ironhorn import initializers

            initializer = initializers.get(initializer)
        with _core.Paused():
            if callable(initializer):
                if shape is None:
                    raise ValueError(
                        f"Variable '{self.path}' is made by an initializer and needs a shape: "
                        "Variable(initializer, shape=(3, 4))"
                    )
                wanted = standardize_dtype(dtype)
                value = initializer(standardize_shape(shape), dtype=wanted)
            else:
                wanted = standardize_dtype(dtype) if dtype is not None else ""
                value = initializer.value if isinstance(initializer, Variable) else initializer
                if shape is not None:
                    value = np.reshape(np.asarray(value), standardize_shape(shape))
            tensor = _core.tensor(value, wanted or None)
            self.initialize(tensor, wanted or tensor.dtype)

    @property
    def value(self) -> Any:
        """The value here and now, a tensor; in a layer of mixed precision of the type that the layer computes in."""
        return self.read()

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.storage_shape

    @property
    def dtype(self) -> str:
        """Name of the element type; inside a layer of mixed precision that in which the value is read."""
        return self.read_dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.storage_shape)

    @property
    def trainable(self) -> bool:
        """Whether optimizers change the variable."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if bool(value) != self._trainable:
            self._trainable = bool(value)
            structure_changed()

    def assign(self, value: Any) -> Any:
        """Gives the variable a new value and returns it.

        Raises:
            ShapeError: if the value's shape is not the variable's.
        """
        if isinstance(value, Variable):
            value = value.value
        shape = getattr(value, "shape", None)
        if shape is None:
            value = np.asarray(value) if not np.isscalar(value) else value
            shape = np.shape(value)
        if len(shape) != self.ndim or any(a is not None and a != b for a, b in zip(shape, self.shape, strict=True)):
            from ironhorn.errors import ShapeError

            raise ShapeError(
                f"Variable '{self.path}' has shape {self.shape} and cannot hold a value of shape {tuple(shape)}; "
                "reshape the value first"
            )
        self.write(value)
        return self.value

    def assign_add(self, value: Any) -> Any:
        """Adds to the value and returns the sum."""
        return self.assign(self.value + value)

    def assign_sub(self, value: Any) -> Any:
        """Subtracts from the value and returns the difference."""
        return self.assign(self.value - value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.value.__array__(dtype)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.numpy()}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Variable":
        twin = Variable(
            self.numpy(),
            dtype=self.storage_dtype,
            trainable=self._trainable,
            autocast=self.autocast,
            name=self.name,
            regularizer=self.regularizer,
            constraint=self.constraint,
        )
        twin.path = self.path
        memo[id(self)] = twin
        return twin

    def __reduce__(self) -> Any:
        kept = (self.numpy(), self.storage_dtype, self._trainable, self.autocast, self.name, self.path)
        return _restore, (*kept, self.regularizer, self.constraint)

    def __hash__(self) -> int:
        return id(self) >> 4

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __neg__(self) -> Any:
        return -self.value

    def __pos__(self) -> Any:
        return self.value

    def __abs__(self) -> Any:
        return abs(self.value)

    def __invert__(self) -> Any:
        return ~self.value


def _restore(
    value: np.ndarray,
    dtype: str,
    trainable: bool,
    autocast: bool,
    name: str,
    path: str,
    regularizer: Any,
    constraint: Any,
) -> Variable:
    variable = Variable(
        value,
        dtype=dtype,
        trainable=trainable,
        autocast=autocast,
        name=name,
        regularizer=regularizer,
        constraint=constraint,
    )
    variable.path = path
    return variable


def _forward(name: str) -> Callable[[Variable, Any], Any]:
    def method(self: Variable, other: Any) -> Any:
        other = other.value if isinstance(other, Variable) else other
        return getattr(self.value, name)(other)

    method.__name__ = name
    return method


for _operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
    for _name in (f"__{_operator}__", f"__r{_operator}__"):
        setattr(Variable, _name, _forward(_name))
for _name in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
    setattr(Variable, _name, _forward(_name))
Variable.__hash__ = lambda self: id(self) >> 4  # type: ignore[method-assign]
