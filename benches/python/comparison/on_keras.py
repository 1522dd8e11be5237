"""A library with Keras' interface: Ironhorn, or Keras on the backend that the environment names."""

from collections.abc import Callable
from typing import Any

import numpy as np

from comparison.networks import kept_bytes, operations
from comparison.workloads import CHECKED_ROWS, Workload, starting_value

LOSSES = {"classes": "sparse_categorical_crossentropy", "yes_or_no": "binary_crossentropy", "number": "mse"}
DROPOUT = 0.5
GROUPED_STEPS = 50


class Contender:
    """One library on one workload.

    Args:
        keras: The library.
        backend: `"ironhorn"`, or the name of Keras' backend.
        workload: What to run.
    """

    def __init__(self, keras: Any, backend: str, workload: Workload):
        self.keras, self.backend, self.workload = keras, backend, workload

    def model(self, dropout: float = DROPOUT, **settings: Any) -> Any:
        """The compiled network, with the weights that all libraries start from."""
        model = self.workload.network(self.keras, dropout)
        for layer in model.layers:
            values = [starting_value(layer.name, i, w.name, tuple(w.shape)) for i, w in enumerate(layer.weights)]
            layer.set_weights(values)
        metrics = ["accuracy"] if self.workload.task == "classes" else None
        model.compile("adam", LOSSES[self.workload.task], metrics=metrics, **settings)
        return model

    def check(self) -> dict[str, Any]:
        """Predictions, the loss of a training step without dropout, predictions after it."""
        model = self.model(dropout=0.0)
        x, y = self.workload.data(self.workload.batch)
        rows = x[:CHECKED_ROWS]
        answer = {"before": model.predict(rows, verbose=0).ravel().tolist()}
        if self.workload.epochs:
            history = model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0)
            answer["loss"] = float(history.history["loss"][0])
            answer["after"] = model.predict(rows, verbose=0).ravel().tolist()
        return answer

    def candidates(self, measure: str) -> dict[str, Callable[[], int]]:
        """Ways to run a measure, by the setting in which they differ: each returns how many samples it did."""
        if measure not in ("fit", "fit_grouped"):
            return {"": getattr(self, measure)(self.model())}
        settings: dict[str, dict[str, Any]] = {"": {}}
        # TensorFlow compiles with XLA on a CPU only when it is told to.
        if self.backend == "tensorflow":
            settings["jit_compile"] = {"jit_compile": True}
        steps = GROUPED_STEPS if measure == "fit_grouped" else 1
        return {name: self.fit(self.model(steps_per_execution=steps, **setting)) for name, setting in settings.items()}

    def fit(self, model: Any) -> Callable[[], int]:
        """Whole calls of `fit` on arrays."""
        work = self.workload
        x, y = work.data()

        def run() -> int:
            model.fit(x, y, batch_size=work.batch, epochs=work.epochs, verbose=0)
            return work.epochs * len(x)

        return run

    def predict(self, model: Any) -> Callable[[], int]:
        """Whole calls of `predict` on an array."""
        work = self.workload
        x, _ = work.data()

        def run() -> int:
            return len(model.predict(x, batch_size=work.batch, verbose=0))

        return run

    def one_predict(self, model: Any) -> Callable[[], int]:
        """`predict` of one row."""
        row, _ = self.workload.data(1)
        return lambda: len(model.predict(row, verbose=0))

    def one_call(self, model: Any) -> Callable[[], int]:
        """A call of the model with one row, the result read as an array."""
        row, _ = self.workload.data(1)
        return lambda: len(np.asarray(model(row)))

    def first_step(self) -> None:
        """The first training step."""
        x, y = self.workload.data(self.workload.batch)
        self.model().fit(x, y, batch_size=len(x), verbose=0)

    def memory(self) -> int:
        """One epoch of `fit`; returns the bytes that the derivative of a step has to keep."""
        model = self.model()
        x, y = self.workload.data()
        model.fit(x, y, batch_size=self.workload.batch, verbose=0)
        return kept_bytes(model, self.workload.batch)

    def operations(self) -> tuple[int, int]:
        """Floating-point operations of one sample, forward and in a training step."""
        return operations(self.workload.network(self.keras, DROPOUT))
