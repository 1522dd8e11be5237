"""`Metric`, the base of all metrics: state in variables, `update_state`, `result`, `reset_state`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn import backend
from ironhorn.training.names import compute_dtype


class Metric:
    """Base class of metrics.

    Subclasses make their state in `__init__` with `add_variable` and define `update_state` and `result`, both in
    terms of `ironhorn.ops`, so that they run inside a training step without leaving the engine.

    Args:
        dtype: Type of the state and of the result; the default float type when `None`.
        name: Name in logs; the class name in snake case when `None`.

    Example:
        ```python
        class CountPositive(Metric):
            def __init__(self, name="positives", dtype=None):
                super().__init__(name=name, dtype=dtype)
                self.count = self.add_variable(shape=(), initializer="zeros", name="count")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.count.assign_add(ops.sum(ops.cast(y_true > 0, self.dtype)))

            def result(self):
                return self.count.value
        ```
    """

    def __init__(self, dtype: Any = None, name: str | None = None):
        self.name = name or backend.auto_name(self.__class__.__name__)
        self._dtype = compute_dtype(dtype)
        self._metrics: list[Metric] = []
        self._variables: list[Any] = []

    @property
    def dtype(self) -> str:
        """The dtype of the metric's state and result."""
        return self._dtype

    @property
    def variables(self) -> list[Any]:
        """The metric's variables, then those of metrics that it holds."""
        variables = list(self._variables)
        for metric in self._metrics:
            variables.extend(metric.variables)
        return variables

    def add_variable(
        self,
        shape: tuple[int, ...],
        initializer: Any,
        dtype: Any = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Any:
        """Adds a state variable.

        Args:
            shape: Its shape.
            initializer: Name, initializer or array of its initial value.
            dtype: Its dtype; the default float type when `None`.
            aggregation: How replicas would be combined; stored on the variable.
            name: Its name.

        Returns:
            The variable.
        """
        from ironhorn import initializers

        self._check_super_called()
        if initializer is None:
            initializer = "zeros"
        with backend.name_scope(self.name.replace("/", ">")):
            variable = backend.Variable(
                initializer=initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                name=name,
            )
        self._variables.append(variable)
        return variable

    def add_weight(
        self, shape: tuple[int, ...] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Any:
        """Adds a state variable; the older name of `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes one more batch into account; subclasses override it."""
        raise NotImplementedError(f"{self.__class__.__name__} must define update_state(...).")

    def result(self) -> Any:
        """Returns the metric of all batches since the last reset: a scalar tensor, or a dict of them."""
        raise NotImplementedError(f"{self.__class__.__name__} must define result(self).")

    def reset_state(self) -> None:
        """Sets all state variables to zero; called at the start of each epoch."""
        for variable in self.variables:
            variable.assign(np.zeros(tuple(variable.shape), dtype=variable.dtype))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Updates the state and returns the result."""
        self._check_super_called()
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """Makes a metric from what `get_config` returned."""
        return cls(**config)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_variables" in self.__dict__:
            if isinstance(value, Metric) and not any(value is metric for metric in self._metrics):
                self._metrics.append(value)
            elif isinstance(value, backend.Variable) and not any(value is known for known in self._variables):
                self._variables.append(value)
        super().__setattr__(name, value)

    def _check_super_called(self) -> None:
        if "_variables" not in self.__dict__:
            raise RuntimeError(
                f"{self.__class__.__name__}.__init__ must call `super().__init__()` before anything else."
            )

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} name={self.name}>"
