"""Connectionist temporal classification: the loss of label sequences without places, and their decoding.

Both are scans over time. An impossible path has a large negative number for a logarithm, which has a derivative.
"""

from typing import Any

from ironhorn.errors import ShapeError, UnsupportedError, ValueRangeError
from ironhorn.ops import elementary
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, as_float, filled, shape_of, tensor
from ironhorn.ops.activation import log_softmax
from ironhorn.ops.arithmetic import where
from ironhorn.ops.control import scan
from ironhorn.ops.creation import arange
from ironhorn.ops.ranking import top_k
from ironhorn.ops.reduction import all as all_of
from ironhorn.ops.reduction import argmax
from ironhorn.ops.reduction import max as max_of
from ironhorn.ops.reduction import sum as sum_of
from ironhorn.ops.shaping import broadcast_to, concatenate, expand_dims, reshape, swapaxes
from ironhorn.ops.sorting import argsort, take_along_axis

__all__ = ["ctc_decode", "ctc_loss"]

_IMPOSSIBLE = -1e5
# Below the logarithm of any path that exists.
_NO_PATH = -1e30


def _logits(name: str, x: Any) -> Any:
    x = as_float(x)
    if x.ndim != 3:
        raise ShapeError(f"{name}: logits must have shape (batch, steps, classes), got {x.shape}")
    return as_dtype(x, "float32") if x.dtype in ("float16", "bfloat16") else x


def _lengths(name: str, lengths: Any) -> Any:
    lengths = as_dtype(tensor(lengths), "int32")
    if lengths.ndim != 1:
        raise ShapeError(f"{name}: lengths must have shape (batch,), got {lengths.shape}")
    return lengths


@op
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Minus the logarithm of the probability of label sequences, over all ways to place them (Graves et al., 2006).

    Labels with blanks between them and around them are the states of a walk, which stays or goes to the next state at
    each step, and may pass over a blank between different labels.

    Args:
        target: labels, integers `(batch, labels)`.
        output: logits `(batch, steps, classes)`.
        target_length: how many labels count, `(batch,)`.
        output_length: how many steps count, `(batch,)`.
        mask_index: the class that is the blank.

    Returns:
        The losses, `(batch,)`. Where there are too few steps for the labels, a loss of about 1e5.

    Raises:
        ShapeError: if ranks do not fit.

    Example:
        >>> from ironhorn import ops
        >>> round(float(ops.ctc_loss([[1, 2]], ops.zeros((1, 3, 3)), [2], [3])[0]), 4)
        1.6864
    """
    logits, labels = _logits("ctc_loss", output), as_dtype(tensor(target), "int32")
    if labels.ndim != 2:
        raise ShapeError(f"ctc_loss: labels must have shape (batch, labels), got {labels.shape}")
    steps, (batch, count) = shape_of(logits)[1], shape_of(labels)
    label_lengths = _lengths("ctc_loss", target_length)
    lengths = _lengths("ctc_loss", output_length)
    states = count * 2 + 1
    blank = filled((batch, count), mask_index, "int32")
    # blank, label, blank, label, .., blank
    walk = reshape(concatenate([expand_dims(blank, 2), expand_dims(labels, 2)], axis=2), (batch, count * 2))
    walk = concatenate([walk, filled((batch, 1), mask_index, "int32")], axis=1)
    before = concatenate([filled((batch, 2), mask_index, "int32"), walk], axis=1)[:, :-2]
    passes = where((walk != mask_index) & (walk != before), 0.0, _IMPOSSIBLE)
    passes = as_dtype(passes, logits.dtype)
    places = broadcast_to(expand_dims(walk, 1), (batch, steps, states))
    scores = take_along_axis(log_softmax(logits), places, axis=2)
    counts = expand_dims(arange(steps, dtype="int32"), 1) < expand_dims(lengths, 0)

    start = broadcast_to(where(arange(states, dtype="int32") == 0, 0.0, _IMPOSSIBLE), (batch, states))
    start = as_dtype(start, logits.dtype)
    outside = filled((batch, 2), _IMPOSSIBLE, logits.dtype)

    def step(alpha: Any, given: Any) -> tuple[Any, None]:
        score, here = given
        padded = concatenate([outside, alpha], axis=1)
        stays = elementary.logaddexp(alpha, padded[:, 1:-1])
        moved = elementary.logaddexp(stays, padded[:, :-2] + passes) + score
        return where(expand_dims(here, 1), moved, alpha), None

    alpha, _ = scan(step, start, (swapaxes(scores, 0, 1), counts))
    end = expand_dims(label_lengths * 2, 1)
    last = take_along_axis(alpha, end, axis=1)
    label = take_along_axis(alpha, where(end > 0, end - 1, 0), axis=1)
    label = where(end > 0, label, _IMPOSSIBLE)
    return -elementary.logaddexp(last, as_dtype(label, logits.dtype))[:, 0]


@op
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> Any:
    """The label sequences that logits stand for.

    Args:
        inputs: logits `(batch, steps, classes)`.
        sequence_lengths: how many steps count, `(batch,)`.
        strategy: "greedy" takes the best class of each step; "beam_search" adds up the ways to place a sequence.
        beam_width: how many sequences a beam search keeps.
        top_paths: how many sequences a beam search returns, the best first.
        merge_repeated: whether repeated classes are one label; a beam search always merges them.
        mask_index: the class that is the blank.

    Returns:
        Labels `(paths, batch, steps)`, padded with -1, and scores: `(batch, 1)`, minus the sum of the best logits, of
        "greedy", `(batch, top_paths)`, logarithms of probabilities, of "beam_search".

    Raises:
        ValueRangeError: if the strategy is another, or more paths are wanted than kept.
        UnsupportedError: for a beam search that does not merge.

    Example:
        >>> from ironhorn import ops
        >>> labels, _ = ops.ctc_decode(ops.one_hot([[1, 1, 0, 1, 2]], 3), [5])
        >>> labels.numpy().tolist()
        [[[1, 1, 2, -1, -1]]]
    """
    logits, lengths = _logits("ctc_decode", inputs), _lengths("ctc_decode", sequence_lengths)
    if strategy == "greedy":
        return _greedy(logits, lengths, merge_repeated, mask_index)
    if strategy != "beam_search":
        raise ValueRangeError(f'ctc_decode: strategy must be "greedy" or "beam_search", got {strategy!r}')
    if not merge_repeated:
        raise UnsupportedError("ctc_decode: a beam search merges repeated classes; leave merge_repeated True")
    if not 1 <= top_paths <= beam_width:
        raise ValueRangeError(f"ctc_decode: top_paths must be from 1 to beam_width, got {top_paths} and {beam_width}")
    return _beam_search(logits, lengths, beam_width, top_paths, mask_index)


def _greedy(logits: Any, lengths: Any, merge_repeated: bool, mask_index: int) -> Any:
    batch, steps, _ = shape_of(logits)
    places = expand_dims(arange(steps, dtype="int32"), 0)
    counts = places < expand_dims(lengths, 1)
    best = where(counts, as_dtype(argmax(logits, axis=-1), "int32"), mask_index)
    scores = sum_of(where(counts, max_of(logits, axis=-1), 0.0), axis=1, keepdims=True)
    blank = best == mask_index
    if merge_repeated:
        before = concatenate([filled((batch, 1), -1, "int32"), best], axis=1)[:, :-1]
        blank = blank | (best == before)
    order = argsort(where(blank, steps, broadcast_to(places, (batch, steps))), axis=-1)
    labels = take_along_axis(where(blank, -1, best), as_dtype(order, "int32"), axis=1)
    return expand_dims(as_dtype(labels, "int32"), 0), -as_dtype(scores, logits.dtype)


def _beam_search(logits: Any, lengths: Any, width: int, top_paths: int, mask_index: int) -> Any:
    """Keeps the sequences that are most likely so far, apart by whether they end in a blank (Graves et al., 2006).

    A sequence goes on by itself, with a blank or its last label again, or as one that is longer by a label. One that is
    kept may also be another that is kept and a label: then both ways are added up.
    """
    batch, steps, classes = shape_of(logits)
    if not isinstance(classes, int):
        raise ShapeError("ctc_decode: the number of classes must be known while a model is traced")
    dtype = logits.dtype
    places = arange(steps, dtype="int32")
    labels_of = arange(classes, dtype="int32")
    first = broadcast_to(where(arange(width, dtype="int32") == 0, 0.0, _NO_PATH), (batch, width))
    carry = (
        filled((batch, width, steps), -1, "int32"),
        filled((batch, width), 0, "int32"),
        filled((batch, width), _NO_PATH, dtype),
        as_dtype(first, dtype),
    )

    def advance(carry: Any, score: Any) -> Any:
        paths, sizes, label_scores, blank_scores = carry
        total = elementary.logaddexp(label_scores, blank_scores)
        tails = take_along_axis(paths, expand_dims(where(sizes > 0, sizes - 1, 0), 2), axis=2)[:, :, 0]
        tail_scores = take_along_axis(score, where(tails >= 0, tails, 0), axis=1)
        blanks = total + expand_dims(score[:, mask_index], 1)
        stays = where(tails >= 0, label_scores + tail_scores, _NO_PATH)
        # The score of each sequence followed by each class: after its own last label only through a blank.
        again = expand_dims(tails, 2) == labels_of
        longer = where(again, expand_dims(blank_scores, 2), expand_dims(total, 2)) + expand_dims(score, 1)
        longer = where(labels_of == mask_index, _NO_PATH, longer)
        # parent[b, p, q]: whether sequence q is sequence p and one label.
        shortened = where(places == expand_dims(sizes - 1, 2), -1, paths)
        same = all_of(expand_dims(paths, 2) == expand_dims(shortened, 1), axis=3)
        exists = total > _NO_PATH / 2
        parent = same & expand_dims(exists, 2) & expand_dims(exists & (sizes > 0), 1)
        index = broadcast_to(expand_dims(where(tails >= 0, tails, 0), 1), (batch, width, width))
        joined = where(parent, take_along_axis(longer, index, axis=2), _NO_PATH)
        stays = elementary.logaddexp(stays, max_of(joined, axis=1))
        ends = expand_dims(expand_dims(tails, 1), 3) == labels_of
        taken = max_of(as_dtype(expand_dims(parent, 3) & ends, "int32"), axis=2)
        longer = where(taken > 0, _NO_PATH, longer)

        candidates = concatenate(
            [elementary.logaddexp(stays, blanks), reshape(longer, (batch, width * classes))], axis=1
        )
        _, chosen = top_k(candidates, width)
        chosen = as_dtype(chosen, "int32")
        is_longer = chosen >= width
        source = where(is_longer, (chosen - width) // classes, chosen)
        added = (chosen - width) % classes
        sizes = take_along_axis(sizes, source, axis=1)
        paths = take_along_axis(paths, broadcast_to(expand_dims(source, 2), (batch, width, steps)), axis=1)
        here = expand_dims(is_longer, 2) & (places == expand_dims(sizes, 2))
        paths = where(here, expand_dims(added, 2), paths)
        longer_scores = take_along_axis(candidates, chosen, axis=1)
        return (
            paths,
            sizes + as_dtype(is_longer, "int32"),
            where(is_longer, longer_scores, take_along_axis(stays, source, axis=1)),
            where(is_longer, _NO_PATH, take_along_axis(blanks, source, axis=1)),
        )

    def step(carry: Any, given: Any) -> tuple[Any, None]:
        score, counts = given
        after = advance(carry, score)
        chosen = []
        for new, old in zip(after, carry, strict=True):
            here = expand_dims(counts, list(range(1, new.ndim)))
            chosen.append(as_dtype(where(here, new, old), old.dtype))
        return tuple(chosen), None

    counts = expand_dims(places, 1) < expand_dims(lengths, 0)
    (paths, _, label_scores, blank_scores), _ = scan(step, carry, (swapaxes(log_softmax(logits), 0, 1), counts))
    scores, order = top_k(elementary.logaddexp(label_scores, blank_scores), top_paths)
    order = broadcast_to(expand_dims(as_dtype(order, "int32"), 2), (batch, top_paths, steps))
    scores = where(scores > _NO_PATH / 2, scores, float("-inf"))
    return swapaxes(take_along_axis(paths, order, axis=1), 0, 1), as_dtype(scores, dtype)
