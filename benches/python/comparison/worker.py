"""One library in a process of its own: reads a question a line, writes an answer a line, both JSON.

What libraries print to standard output goes to standard error, so that only answers are on the pipe. Each answer says
how much processor time the process used while it waited for the question: a library whose threads spin when idle would
slow the others.
"""

import contextlib
import importlib.metadata
import importlib.util
import json
import math
import operator
import os
import pathlib
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from comparison.workloads import WORKLOADS

# A repeat makes as many calls as take about so long.
REPEAT_SECONDS = 0.3
# The modules that a peer needs.
NEEDS = {
    "ironhorn": ("ironhorn",),
    "tensorflow": ("keras", "tensorflow"),
    "jax": ("keras", "jax"),
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx", "torch"),
}


class Worker:
    """Answers for one peer."""

    def __init__(self, peer: str, threads: int):
        self.peer, self.threads = peer, threads
        self.contenders: dict[str, Any] = {}
        self.prepared: dict[tuple[str, str], tuple[Callable[[], int], int]] = {}

    def contender(self, workload: str) -> Any:
        """The peer on a workload; the library is imported here first."""
        if workload not in self.contenders:
            self.contenders[workload] = self.make_contender(workload)
        return self.contenders[workload]

    def make_contender(self, workload: str) -> Any:
        """The class of the peer, for a workload."""
        if self.peer in ("ironhorn", "tensorflow", "jax"):
            from comparison import on_keras

            return on_keras.Contender(self.keras(), self.peer, WORKLOADS[workload])
        if self.peer == "torch":
            from comparison import on_torch

            return on_torch.Contender(WORKLOADS[workload], self.threads)
        from comparison import on_onnx

        return on_onnx.Contender(WORKLOADS[workload], self.threads)

    def keras(self) -> Any:
        """The library with Keras' interface."""
        if self.peer == "tensorflow":
            import tensorflow

            tensorflow.config.threading.set_intra_op_parallelism_threads(self.threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(self.threads)
        return importlib.import_module("ironhorn" if self.peer == "ironhorn" else "keras")

    def versions(self) -> dict[str, Any]:
        """Versions of what the peer needs, and what of it is missing."""
        missing = [module for module in NEEDS[self.peer] if importlib.util.find_spec(module) is None]
        # TensorFlow, say, comes in distributions of several names.
        distributions = importlib.metadata.packages_distributions()
        versions = {}
        for module in NEEDS[self.peer]:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[module] = importlib.metadata.version(distributions.get(module, [module])[0])
        return {"missing": missing, "versions": versions}

    def product(self) -> dict[str, Any]:
        """Floating-point operations a second of a large matrix product: Ironhorn's, torch's, else NumPy's."""
        side = 1024
        a: Any = np.random.default_rng(0).normal(size=(side, side)).astype("float32")
        multiply = operator.matmul
        if self.peer == "ironhorn":
            keras = self.keras()
            a, multiply = keras.ops.convert_to_tensor(a), keras.ops.matmul
        elif self.peer == "torch":
            import torch

            torch.set_num_threads(self.threads)
            a = torch.from_numpy(a)
        seconds = min(timed(lambda: multiply(a, a)) for _ in range(40))
        return {"rate": 2 * side**3 / seconds}

    def check(self, workload: str) -> dict[str, Any]:
        """What the libraries must agree on."""
        return self.contender(workload).check()

    def operations(self, workload: str) -> dict[str, Any]:
        """Floating-point operations of one sample."""
        forward, training = self.contender(workload).operations()
        return {"forward": forward, "training": training}

    def prepare(self, workload: str, measure: str) -> dict[str, Any]:
        """Warm a measure up; of several settings the fastest is kept."""
        best, setting = float("inf"), None
        candidates = self.contender(workload).candidates(measure)
        for name, run in candidates.items():
            try:
                run()
                seconds = min(timed(run) for _ in range(2))
            except Exception:
                # A setting that a library cannot do with this network is not its best.
                if len(candidates) == 1:
                    raise
                traceback.print_exc()
                continue
            if seconds < best:
                best, setting = seconds, name
                self.prepared[workload, measure] = run, math.ceil(REPEAT_SECONDS / seconds)
        return {"setting": setting}

    def repeat(self, workload: str, measure: str) -> dict[str, Any]:
        """One repeat of a prepared measure: seconds, and how many samples they were for."""
        run, times = self.prepared[workload, measure]
        started = time.perf_counter()
        samples = sum(run() for _ in range(times))
        return {"seconds": time.perf_counter() - started, "samples": samples}

    def first_step(self, workload: str) -> dict[str, Any]:
        """Make the network and train it for one step."""
        self.contender(workload).first_step()
        return {}

    def memory(self, workload: str) -> dict[str, Any]:
        """Peak memory of the process after an epoch of training, and before there was a model."""
        contender = self.contender(workload)
        contender.workload.data()
        before = peak_bytes()
        kept = contender.memory()
        return {"peak": peak_bytes(), "before": before, "kept": kept}

    def sweep(self) -> dict[str, Any]:
        """Cost over sizes."""
        from comparison import sweep

        return {"lines": sweep.run(self.keras())}


def timed(run: Callable[[], Any]) -> float:
    """Seconds of a call."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def peak_bytes() -> int:
    """The most memory that this process has held."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        # Unlike `ru_maxrss`, which remembers the process that this one was forked from.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return 1024 * int(lines["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Answer until the questions end."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(sys.argv[1], int(sys.argv[2]))
    idle = time.process_time()
    for line in sys.stdin:
        spun = time.process_time() - idle
        question = json.loads(line)
        try:
            answer = getattr(worker, question.pop("do"))(**question)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps({**answer, "spun": spun}), file=answers, flush=True)
        idle = time.process_time()


if __name__ == "__main__":
    main()
