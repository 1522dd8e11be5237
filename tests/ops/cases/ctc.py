"""Connectionist temporal classification, beside sums over all placements of short label sequences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ironhorn import ops
from ops.cases.case import Argument, Case

Array = np.ndarray
TARGET = np.array([[1, 2, 2], [3, 1, 1], [2, 0, 0]])
TARGET_LENGTHS = np.array([3, 2, 0])
LENGTHS = np.array([5, 4, 3])


def log_softmax(x: Array) -> Array:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def collapse(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """The labels of a path: repetitions merged, blanks dropped."""
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def sequences(x: Array, length: int, blank: int) -> dict[tuple[int, ...], float]:
    """The logarithm of the probability of every label sequence."""
    scores, found = log_softmax(x), {}
    for path in itertools.product(range(x.shape[1]), repeat=length):
        total = sum(scores[step, label] for step, label in enumerate(path))
        labels = collapse(path, blank)
        found[labels] = np.logaddexp(found.get(labels, -np.inf), total)
    return found


def loss(x: Array, blank: int = 0) -> Array:
    """Minus the logarithm of the probability of `TARGET`."""
    found = []
    for row, (target, count, length) in enumerate(zip(TARGET, TARGET_LENGTHS, LENGTHS, strict=True)):
        found.append(-sequences(x[row], length, blank)[tuple(int(label) for label in target[:count])])
    return np.array(found)


def padded(labels: tuple[int, ...], steps: int) -> list[int]:
    return [*labels, *[-1] * (steps - len(labels))]


def beam(x: Array, paths: int, blank: int) -> tuple[Array, Array]:
    """The best label sequences of all."""
    labels, scores = [], []
    for row, length in enumerate(LENGTHS):
        best = sorted(sequences(x[row], length, blank).items(), key=lambda item: -item[1])[:paths]
        labels.append([padded(path, x.shape[1]) for path, _ in best])
        scores.append([score for _, score in best])
    return np.array(labels).swapaxes(0, 1).astype("int32"), np.array(scores)


def greedy(x: Array, blank: int, merge: bool) -> tuple[Array, Array]:
    """The best class of each step."""
    labels, scores = [], []
    for row, length in enumerate(LENGTHS):
        path = tuple(int(label) for label in x[row, :length].argmax(-1))
        kept = collapse(path, blank) if merge else tuple(label for label in path if label != blank)
        labels.append(padded(kept, x.shape[1]))
        scores.append([-x[row, :length].max(-1).sum()])
    return np.array([labels]).astype("int32"), np.array(scores)


def decode(note: str, reference: Any, **options: Any) -> Case:
    """A decoding; its labels as numbers of the type of its scores."""

    def call(x: Any) -> Any:
        labels, scores = ops.ctc_decode(x, LENGTHS, **options)
        return ops.cast(labels, scores.dtype), scores

    return Case(
        "ctc_decode",
        (Argument((3, 5, 4), "any", batch=False, smooth=False),),
        reference,
        call=call,
        gradient="which path is the best changes by steps",
        note=note,
        empty=False,
        tolerance=16.0,
    )


CASES: list[Case] = [
    Case(
        "ctc_loss",
        (Argument((3, 5, 4), "any", batch=False),),
        loss,
        call=lambda x: ops.ctc_loss(TARGET, x, TARGET_LENGTHS, LENGTHS),
        empty=False,
        tolerance=16.0,
    ),
    decode("", lambda x: greedy(x, 0, True)),
    decode("not merged", lambda x: greedy(x, 2, False), merge_repeated=False, mask_index=2),
    decode("beam", lambda x: beam(x, 2, 0), strategy="beam_search", top_paths=2, beam_width=200),
]
