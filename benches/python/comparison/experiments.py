"""What is measured: which rows there are, who takes part in them, and what has to hold before a figure counts."""

import contextlib
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
            return f"{what} differ by {gap:.1e}"
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
            wrong[peer] = f"{gap} from those of {PEERS[reference]}"
    return wrong


def in_turns(workload: str, row: Row, measure: str, workers: dict[str, Worker], repeats: int) -> None:
    """Fill a row: every peer is warmed up, then all take turns."""
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
    for _ in range(repeats):
        for peer in able:
            answer = workers[peer].ask("repeat", workload=workload, measure=measure)
            rate = answer["units"] / answer["seconds"]
            row.values.setdefault(peer, []).append(rate if row.unit.endswith("/s") else 1e6 / rate)


def network(name: str, measures: tuple[str, ...], threads: int, peers: Peers, report: Report) -> None:
    """Rows of one network."""
    work = WORKLOADS[name]
    with peers.started(threads) as workers:
        wrong = disagreements(name, workers, report)
        if OURS in wrong:
            raise SystemExit(f"{name}: Ironhorn is refused: {wrong[OURS]}")
        right = {peer: worker for peer, worker in workers.items() if peer not in wrong}
        forward = right[OURS].ask("operations", workload=name)["operations"] if OURS in right else 0
        for measure in measures:
            one_row = measure.startswith("one_")
            suffix = f", {threads} thread{'s' if threads > 1 else ''}" if one_row else ""
            row = Row(name, MEASURES[measure] + suffix, "us" if one_row else f"{work.unit}/s", refused=dict(wrong))
            # The derivative of a product is two products.
            row.operations = 0 if one_row else forward * (3 if measure.startswith("fit") else 1)
            in_turns(name, row, measure, right, peers.repeats)
            report.add(row)


def one_row(peers: Peers, report: Report) -> None:
    """One row on one thread."""
    for name in ONE_ROW:
        network(name, ("one_predict", "one_call"), 1, peers, report)


def fresh(workload: str, question: str, row: Row, peers: Peers, ask: Callable[[str], float]) -> None:
    """Fill a row whose every repeat has a process of its own."""
    for _ in range(peers.repeats):
        for peer in peers.pythons:
            if peer != "onnxruntime" and peer not in row.refused:
                try:
                    row.values.setdefault(peer, []).append(ask(peer))
                except PeerError as error:
                    row.refused[peer] = f"{question} of {workload}: {error}"
                    row.values.pop(peer, None)


def first_step(peers: Peers, report: Report) -> None:
    """From the start of the process to the end of the first training step."""
    row = Row("mnist_cnn", "process start to first trained step", "s")

    def ask(peer: str) -> float:
        with demo.stopwatch() as seconds, peers.start(peer) as worker:
            worker.ask("first_step", workload="mnist_cnn")
            return seconds()

    fresh("mnist_cnn", "first step", row, peers, ask)
    report.add(row)


def memory(peers: Peers, report: Report) -> None:
    """Peak memory of a process that trains."""
    for name in MEMORY:
        row = Row(name, "peak memory of fit", "MiB")
        answers = {}

        def ask(peer: str, name: str = name, answers: dict[str, dict[str, float]] = answers) -> float:
            with peers.start(peer) as worker:
                answers[peer] = worker.ask("memory", workload=name)
            return answers[peer]["peak"] / MEBIBYTE

        fresh(name, "memory", row, peers, ask)
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
    with contextlib.ExitStack() as stack:
        workers = {count: stack.enter_context(peers.start(OURS, count)) for count in rows}
        for worker in workers.values():
            worker.ask("prepare", workload="resnet20", measure="fit")
        for _ in range(peers.repeats):
            for count, worker in workers.items():
                answer = worker.ask("repeat", workload="resnet20", measure="fit")
                rows[count].values.setdefault(OURS, []).append(answer["units"] / answer["seconds"])
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
    named: dict[str, Callable[[Peers, Report], None]] = {
        name: lambda peers, report, name=name: network(name, measures_of(name), peers.threads, peers, report)
        for name in WORKLOADS
    }
    return {
        **named,
        "one_row": one_row,
        "first_step": first_step,
        "memory": memory,
        "demo": demo.run,
        "threads": threads,
        "sweep": sweep,
    }
