"""onnxruntime: inference only, on what torch exports, a session for each size of batch."""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch

from comparison.on_keras import DROPOUT
from comparison.on_torch import tensors
from comparison.torch_networks import Trained
from comparison.workloads import CHECKED_ROWS, Workload


class Contender:
    """Onnxruntime on one workload."""

    def __init__(self, workload: Workload, threads: int):
        torch.set_num_threads(1)
        self.workload, self.threads = workload, threads

    def session(self, batch: int, keras_borders: bool = False) -> Callable[[Any], Any]:
        """A function from a batch of this size to its predictions."""
        model = Trained(self.workload, DROPOUT).eval()
        if keras_borders:
            model.use_keras_borders()
        file = io.BytesIO()
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(model, (tensors(self.workload, batch)[0],), file, input_names=["x"], dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = self.threads, 3
        session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})[0]

    def arrays(self, samples: int | None = None) -> Any:
        """The workload's samples, images with the channels second."""
        return np.ascontiguousarray(tensors(self.workload, samples)[0].numpy())

    def check(self) -> dict[str, Any]:
        """Predictions of the weights that all libraries start from."""
        rows = self.arrays(self.workload.batch)[:CHECKED_ROWS]
        return {"before": self.session(len(rows), keras_borders=True)(rows).ravel().tolist()}

    def candidates(self, measure: str) -> dict[str, Callable[[], int]]:
        """The way to run a measure, where there is one."""
        if measure in ("one_predict", "one_call"):
            row, run_row = self.arrays(1), self.session(1)
            return {"": lambda: len(run_row(row))}
        if measure != "predict":
            return {}
        x, batch = self.arrays(), self.workload.batch
        run_batch = self.session(batch)

        def run() -> int:
            return len(np.concatenate([run_batch(x[i : i + batch]) for i in range(0, len(x), batch)]))

        return {"": run}
