"""What is measured: which rows there are, who takes part in them, and what has to hold before a figure counts."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from comparison import demo
from comparison.peers import OURS, PEERS, REFERENCES, PeerError, Peers, Worker
from comparison.report import Report, Row
from comparison.workloads import WORKLOADS

# What a measure is called in tables.
MEASURES = {
    "fit": "fit",
    "fit_grouped": "fit, steps_per_execution=50",
    "predict": "predict",
    "one_predict": "predict(x), one row",
    "one_call": "model(x), one row",
}
# How much a peer's answers may differ from Keras', relative to the greatest of them: predictions of the weights to
# start from, the loss of a training step, predictions after it. Adam's first step is as large for a gradient that is
# nearly zero as for any other, so that rounding shows in the last.
TOLERANCES = {"before": 1e-4, "loss": 1e-4, "after": 5e-3}
ONE_ROW = ("small", "mnist_cnn", "resnet20", "sensor_gru", "imdb_lstm", "mobilenet_v2")
MEMORY = ("mnist_cnn", "resnet20")
MEBIBYTE = 2**20


def measures_of(workload: str) -> tuple[str, ...]:
    """What is measured of a network on all threads."""
    if not WORKLOADS[workload].epochs:
        return ("predict", "one_predict")
    return ("fit", "fit_grouped") if workload == "small" else ("fit", "predict")


def difference(answer: dict[str, Any], reference: dict[str, Any]) -> str:
    """In what an answer differs from the reference's, or nothing; inference has only predictions to compare."""
    for name in TOLERANCES.keys() & answer.keys():
        ours, theirs = np.asarray(answer[name]), np.asarray(reference[name])
        gap = np.abs(ours - theirs).max() / np.abs(theirs).max()
        if not gap <= TOLERANCES[name]:
            what = {"before": "predictions", "loss": "the loss of a step", "after": "predictions after a step"}[name]
            return f"off by {gap:.1e} in {what}"
    return ""


def disagreements(workload: str, workers: dict[str, Worker], report: Report) -> dict[str, str]:
    """Peers that do not compute what Keras computes, each with the reason."""
    answers, wrong = {}, {}
    for peer, worker in workers.items():
        try:
            answers[peer] = worker.ask("check", workload=workload)
        except PeerError as error:
            wrong[peer] = str(error)
    reference = next((peer for peer in REFERENCES if peer in answers), None)
    if reference is None:
        report.notes["unchecked"] = "Keras does not take part: no result was compared with it."
        return wrong
    for peer, answer in answers.items():
        if gap := difference(answer, answers[reference]):
            wrong[peer] = f"{gap}, beside {PEERS[reference]}"
    return wrong


def prepare(workload: str, measure: str, row: Row, workers: dict[str, Worker]) -> list[str]:
    """Warm every peer up; returns those that can do the measure."""
    able = []
    for peer, worker in workers.items():
        try:
            setting = worker.ask("prepare", workload=workload, measure=measure)["setting"]
        except PeerError as error:
            row.refused[peer] = str(error)
            continue
        if setting is not None:
            row.settings[peer] = setting
            able.append(peer)
    return able


def rate(worker: Worker, workload: str, measure: str) -> float:
    """Samples a second of one repeat."""
    answer = worker.ask("repeat", workload=workload, measure=measure)
    return float(answer["samples"] / answer["seconds"])


def measured(row: Row, measure: str, workers: dict[str, Worker], repeats: int) -> Row:
    """A row of one measure, filled in turns."""

    def ask(peer: str) -> float:
        samples = rate(workers[peer], row.workload, measure)
        return samples if row.unit.endswith("/s") else 1e6 / samples

    row.take_turns(prepare(row.workload, measure, row, workers), repeats, ask)
    return row


def network(name: str, measures: tuple[str, ...], threads: int, peers: Peers, report: Report) -> None:
    """Rows of one network."""
    with peers.started(threads) as workers:
        wrong = disagreements(name, workers, report)
        # Without Ironhorn's figure, nobody's says anything.
        right = {peer: worker for peer, worker in workers.items() if not {peer, OURS} & wrong.keys()}
        operations = right[OURS].ask("operations", workload=name) if OURS in right else {}
        for measure in measures:
            row = Row(name, MEASURES[measure], f"{WORKLOADS[name].unit}/s", refused=dict(wrong))
            if measure.startswith("one_"):
                row.unit, row.measure = "us", f"{row.measure}, {threads} thread{'s' * (threads > 1)}"
            elif operations:
                row.operations = operations["training" if measure.startswith("fit") else "forward"]
            report.add(measured(row, measure, right, peers.repeats))


def one_row(peers: Peers, report: Report) -> None:
    """One row on one thread."""
    for name in ONE_ROW:
        network(name, ("one_predict", "one_call"), 1, peers, report)


def training(peers: Peers) -> list[str]:
    """The peers that can train."""
    return [peer for peer in peers.pythons if peer != "onnxruntime"]


def first_step(peers: Peers, report: Report) -> None:
    """From the start of the process to the end of the first training step."""
    row = Row("mnist_cnn", "process start to first trained step", "s")

    def ask(peer: str) -> float:
        started = time.perf_counter()
        with peers.start(peer) as worker:
            worker.ask("first_step", workload="mnist_cnn")
            return time.perf_counter() - started

    row.take_turns(training(peers), peers.repeats, ask)
    report.add(row)


def memory(peers: Peers, report: Report) -> None:
    """Peak memory of a process that trains."""
    for name in MEMORY:
        row = Row(name, "peak memory of fit", "MiB")
        answers: dict[str, dict[str, Any]] = {}

        def ask(peer: str, name: str = name, answers: dict[str, Any] = answers) -> float:
            with peers.start(peer) as worker:
                answers[peer] = worker.ask("memory", workload=name)
            return answers[peer]["peak"] / MEBIBYTE

        row.take_turns(training(peers), peers.repeats, ask)
        report.add(row)
        # Elsewhere data and code outweigh what a step keeps.
        if OURS in answers and name == "resnet20":
            grown = answers[OURS]["peak"] - answers[OURS]["before"]
            kept = answers[OURS]["kept"]
            report.notes[f"{name} memory"] = (
                f"{name}: building the model and training adds {grown / MEBIBYTE:.0f} MiB to Ironhorn's peak,"
                f" {grown / kept:.2f}x the {kept / MEBIBYTE:.0f} MiB that the derivative of a step has to keep."
            )


def threads(peers: Peers, report: Report) -> None:
    """ResNet-20 on one thread and on two: Ironhorn alone."""
    if OURS not in peers.pythons:
        return
    rows = {count: Row("resnet20", f"fit, {count} thread{'s' * (count > 1)}", "images/s") for count in (1, 2)}
    with peers.start(OURS, 1) as one_worker, peers.start(OURS, 2) as two_workers:
        workers = {1: one_worker, 2: two_workers}
        for worker in workers.values():
            worker.ask("prepare", workload="resnet20", measure="fit")
        for _ in range(peers.repeats):
            for count, worker in workers.items():
                rows[count].values.setdefault(OURS, []).append(rate(worker, "resnet20", "fit"))
    one, two = (rows[count] for count in (1, 2))
    report.notes["threads"] = (
        f"resnet20, fit: 1 thread {one.cell(OURS)}, 2 threads {two.cell(OURS)} images/s,"
        f" {two.median(OURS) / one.median(OURS):.2f}x."
    )


def sweep(peers: Peers, report: Report) -> None:
    """How cost grows with sizes: Ironhorn alone."""
    if OURS in peers.pythons:
        with peers.start(OURS) as worker:
            for name, sentence in worker.ask("sweep")["lines"].items():
                report.notes[f"sweep {name}"] = sentence


def experiments() -> dict[str, Callable[[Peers, Report], None]]:
    """Everything that can be named on the command line."""

    def of(name: str) -> Callable[[Peers, Report], None]:
        return lambda peers, report: network(name, measures_of(name), peers.threads, peers, report)

    return {
        **{name: of(name) for name in WORKLOADS},
        "one_row": one_row,
        "first_step": first_step,
        "memory": memory,
        "demo": demo.run,
        "threads": threads,
        "sweep": sweep,
    }
