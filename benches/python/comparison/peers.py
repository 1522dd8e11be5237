"""The parent's side: workers of all peers, started, asked in turns, and ended."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Self

# Every peer, and what a table calls it.
PEERS = {
    "ironhorn": "Ironhorn",
    "tensorflow": "Keras on TensorFlow",
    "jax": "Keras on JAX",
    "torch": "torch",
    "onnxruntime": "onnxruntime",
}
OURS = "ironhorn"
REFERENCES = ("tensorflow", "jax")
HERE = pathlib.Path(__file__).resolve().parents[1]


class PeerError(Exception):
    """A worker could not do what it was asked."""


def environment(peer: str, threads: int) -> dict[str, str]:
    """Variables for a worker: threads, no accelerator, no chatter."""
    paths = [str(HERE), *(os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)]
    count = {name: str(threads) for name in ("IRONHORN_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    backend = {"KERAS_BACKEND": peer} if peer in REFERENCES else {}
    return {**os.environ, **count, **quiet, **backend, "PYTHONPATH": os.pathsep.join(paths)}


class Worker:
    """A process with one library.

    Args:
        peer: Which library.
        python: The interpreter that has it.
        threads: How many threads may compute; the process is bound to as many processors.
    """

    def __init__(self, peer: str, python: str, threads: int):
        self.peer = peer
        self.log = tempfile.TemporaryFile()
        self.spun = self.waited = 0.0
        with bound(threads):
            self.process = subprocess.Popen(
                [python, "-m", "comparison.worker", peer, str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                env=environment(peer, threads),
                text=True,
            )
        self.answered: float | None = None

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        """The worker's answer to a question."""
        assert self.process.stdin and self.process.stdout
        asked = time.perf_counter()
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"do": do, **details}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": f"ended with status {self.process.wait()}"}
        if "error" in answer:
            self.log.seek(0)
            print(self.log.read().decode(errors="replace")[-4000:], file=sys.stderr)
            raise PeerError(answer["error"])
        if self.answered is not None:
            self.spun += answer["spun"]
            self.waited += asked - self.answered
        self.answered = time.perf_counter()
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


@contextlib.contextmanager
def bound(threads: int) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on so many processors, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    all_processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_processors)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_processors)


@dataclasses.dataclass
class Peers:
    """The peers that take part.

    Args:
        pythons: An interpreter for each.
        threads: How many threads compute where a row does not say otherwise.
        repeats: How often each peer is measured, in turns.
    """

    pythons: dict[str, str]
    threads: int
    repeats: int
    versions: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)

    def find(self) -> None:
        """Leave out, and note, the peers that are not installed."""
        for peer, python in list(self.pythons.items()):
            with Worker(peer, python, 1) as worker:
                answer = worker.ask("versions")
            self.versions[peer] = answer["versions"]
            if answer["missing"]:
                self.notes[peer] = f"{PEERS[peer]} is left out: {', '.join(answer['missing'])} is not installed."
                del self.pythons[peer]
                del self.versions[peer]

    def start(self, peer: str, threads: int | None = None) -> Worker:
        """A worker of one peer."""
        return Worker(peer, self.pythons[peer], threads or self.threads)

    @contextlib.contextmanager
    def started(self, threads: int | None = None) -> Iterator[dict[str, Worker]]:
        """A worker of each peer; one that spun while the others ran is noted."""
        with contextlib.ExitStack() as stack:
            workers = {peer: stack.enter_context(self.start(peer, threads)) for peer in self.pythons}
            yield workers
            for peer, worker in workers.items():
                if worker.waited > 1 and worker.spun > 0.1 * worker.waited:
                    share = 100 * worker.spun / worker.waited
                    self.notes[f"{peer} spun"] = (
                        f"{PEERS[peer]} kept {share:.0f} % of a processor busy while it waited."
                    )
