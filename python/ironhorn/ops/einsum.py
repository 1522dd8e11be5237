"""Sums of products by Einstein's notation, as few matrix products, sums and transposes as will do.

A call goes these ways: labels that only one operand has, and the result has not, are summed at once; repeated labels
of one operand are its diagonal; then pairs of operands are contracted, the cheapest first. In a pair, every label is of
one of four groups:

    batch   in both operands and kept          a (batch, left, inner), b (batch, inner, right)
    inner   in both and summed                 either may be read transposed, which copies nothing
    left    in the first only                  result (batch, left, right), or with the operands exchanged
    right   in the second only                 (batch, right, left)

and the orders within groups are chosen so that the fewest elements are moved. Plans are remembered.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

from ironhorn import _core
from ironhorn.backend.dtypes import is_float_dtype
from ironhorn.errors import ShapeError, ValueRangeError
from ironhorn.ops._dispatch import op
from ironhorn.ops._values import as_dtype, common_dtype, handle, product_of_lengths, shape_of, tensor

__all__ = ["einsum"]

# What an axis of unknown length counts for where orders are chosen.
_UNKNOWN = 64


class _Plan(NamedTuple):
    """How a pair of operands is contracted: axes as strings of labels, in the order that they are brought to."""

    batch: str
    left: str
    inner: str
    right: str
    a: str
    b: str
    transpose_a: bool
    transpose_b: bool
    swapped: bool


@op
def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products of elements, described by labels of the axes.

    Every operand's axes are labelled by letters. Elements with equal labels are multiplied, and labels that the result
    does not have are summed over. `...` stands for axes that broadcast; without `->` the result has the labels that
    occur once, in alphabetical order.

    Args:
        subscripts: Labels of the operands, separated by commas, and of the result: `"bij,bjk->bik"`.
        *operands: Arrays, one for each group of labels.

    Returns:
        An array of the type that the operands promote to; that of int8 operands is summed in int32.

    Raises:
        ValueRangeError: for labels that make no sense.
        ShapeError: for operands that do not fit their labels.

    Example:
        >>> from ironhorn import ops
        >>> ops.einsum("ij,jk->ik", [[1.0, 2.0]], [[3.0], [4.0]]).numpy().tolist()
        [[11.0]]
        >>> ops.einsum("ii", [[1.0, 2.0], [3.0, 4.0]]).numpy().tolist()
        5.0
    """
    if not operands:
        raise ValueRangeError(f"ops.einsum('{subscripts}') needs at least one operand")
    values = [tensor(x) for x in operands]
    terms, result = _parse(subscripts, tuple(x.ndim for x in values))
    dtype = functools.reduce(lambda known, x: known if known.dtype == x.dtype else _promoted(known, x), values).dtype
    if all(x.dtype == "int8" for x in values):
        dtype = "int32"
    compute = _compute_dtype(dtype, terms, result)
    values = [as_dtype(x, compute) for x in values]
    pairs = _aligned(subscripts, [_diagonals(x, term) for x, term in zip(values, terms, strict=True)])
    while len(pairs) > 1:
        i, j = _cheapest(pairs, result) if len(pairs) > 2 else (0, 1)
        rest = [pair for k, pair in enumerate(pairs) if k not in (i, j)]
        needed = result + "".join(term for _, term in rest)
        first, second = (_summed(*pairs[k], needed + pairs[i + j - k][1]) for k in (i, j))
        kept = "".join(dict.fromkeys(label for label in first[1] + second[1] if label in needed))
        pairs = [*rest, _contract(first, second, result if not rest else None, kept)]
    value, term = _summed(*pairs[0], result)
    if term != result:
        value = handle["transpose"](value, axes=[term.index(label) for label in result])
    return as_dtype(value, dtype)


def _promoted(a: Any, b: Any) -> Any:
    return _core.tensor(0, common_dtype(a, b))


def _compute_dtype(dtype: str, terms: list[str], result: str) -> str:
    """Sixteen-bit floats are storage: sums are float32, which a single product sees to itself.

    Products of integers are exact in float64 up to 2^53.
    """
    if dtype in ("float16", "bfloat16"):
        whole = len(terms) == 2 and (set(terms[0]) ^ set(terms[1])) <= set(result)
        return dtype if whole else "float32"
    if is_float_dtype(dtype) or (len(terms) == 1 and dtype != "bool"):
        return dtype
    return "float64"


@functools.lru_cache(maxsize=1024)
def _parse(subscripts: str, ranks: tuple[int, ...]) -> tuple[list[str], str]:
    """Labels of the operands and of the result; the axes of `...` are numbered from the last."""

    def refuse(why: str) -> ValueRangeError:
        return ValueRangeError(f"ops.einsum('{subscripts}'): {why}")

    given, arrow, wanted = subscripts.replace(" ", "").partition("->")
    groups = given.split(",")
    if "->" in wanted:
        raise refuse("only one '->' can stand in the subscripts")
    if len(groups) != len(ranks):
        raise refuse(f"it has labels for {len(groups)} operands, and {len(ranks)} were given")
    for group in (*groups, wanted):
        letters = group.replace("...", "", 1)
        if not all(label.isascii() and label.isalpha() for label in letters):
            raise refuse(f"labels are letters, and '...' may stand once for each operand; got '{group}'")
    terms: list[str] = []
    widest = 0
    for position, (group, rank) in enumerate(zip(groups, ranks, strict=True)):
        more = rank - len(group.replace("...", ""))
        if more < 0 or (more and "..." not in group):
            raise refuse(f"'{group}' does not label the {rank} axes of operand {position}")
        terms.append(group.replace("...", _numbered(more)))
        widest = widest if widest > more else more
    letters = "".join(groups).replace(".", "")
    if arrow:
        result = wanted.replace("...", _numbered(widest))
    else:
        result = _numbered(widest) + "".join(sorted(label for label in set(letters) if letters.count(label) == 1))
    for label in result:
        if label not in letters and label not in _numbered(widest):
            raise refuse(f"'{label}' of the result is not a label of any operand")
        if result.count(label) > 1:
            raise refuse(f"'{label}' stands twice in the result")
    return terms, result


def _numbered(count: int) -> str:
    """Labels for the axes of `...`, of which the last is the same for every operand."""
    return "".join(chr(0x2460 + index) for index in reversed(range(count)))


def _diagonals(x: Any, term: str) -> tuple[Any, str]:
    """The elements in which axes of equal labels have equal indices; each label then stands once."""
    while len(set(term)) < len(term):
        label = next(label for label in term if term.count(label) > 1)
        first = term.index(label)
        second = term.index(label, first + 1)
        order = [axis for axis in range(len(term)) if axis not in (first, second)]
        lengths = shape_of(x)
        n, m = lengths[first], lengths[second]
        if isinstance(n, int) and isinstance(m, int) and n != m:
            raise ShapeError(f"ops.einsum: axes '{label}' of one operand of shape {x.shape} have lengths {n} and {m}")
        x = handle["transpose"](x, axes=[*order, first, second])
        lead = [lengths[axis] for axis in order]
        if isinstance(n, int) and isinstance(m, int):
            x = handle["reshape"](x, shape=[*lead, n * n])
            unbounded: list[Any] = [None] * len(x.shape)
            x = handle["slice"](x, starts=unbounded, stops=unbounded, steps=[1] * len(lead) + [n + 1])
        else:
            rows, columns = (handle["iota"](shape=[n, m], axis=axis, dtype="int32") for axis in (0, 1))
            x = handle["select"](handle["equal"](rows, columns), x, _core.tensor(0, x.dtype))
            x = handle["reduce"](x, kind="sum", axis=[len(lead)], keepdims=False)
        term = "".join(term[axis] for axis in order) + label
    return x, term


def _aligned(subscripts: str, pairs: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Checks that equal labels have equal lengths; axes of length 1 that broadcast to longer ones are taken out."""
    lengths: dict[str, Any] = {}
    for x, term in pairs:
        for label, length in zip(term, shape_of(x), strict=True):
            known = lengths.get(label, 1)
            if isinstance(known, int) and known == 1:
                lengths[label] = length
            elif isinstance(length, int) and length != 1:
                if isinstance(known, int) and known != length:
                    raise ShapeError(f"ops.einsum('{subscripts}'): axes '{label}' have lengths {known} and {length}")
                lengths[label] = length
    aligned = []
    for x, term in pairs:
        shape = shape_of(x)
        thin = [
            isinstance(length, int) and length == 1 and not (isinstance(lengths[label], int) and lengths[label] == 1)
            for label, length in zip(term, shape, strict=True)
        ]
        if any(thin):
            x = handle["reshape"](x, shape=[n for n, one in zip(shape, thin, strict=True) if not one])
            term = "".join(label for label, one in zip(term, thin, strict=True) if not one)
        aligned.append((x, term))
    return aligned


def _summed(x: Any, term: str, needed: str) -> tuple[Any, str]:
    """Sums over the labels that nobody else needs."""
    axes = [axis for axis, label in enumerate(term) if label not in needed]
    if not axes:
        return x, term
    x = handle["reduce"](x, kind="sum", axis=axes, keepdims=False)
    return x, "".join(label for label in term if label in needed)


def _known_lengths(*pairs: tuple[Any, str]) -> dict[str, int]:
    """Length of every label; a guess where it is not known."""
    return {
        label: _UNKNOWN if length is None else int(length)
        for x, term in pairs
        for label, length in zip(term, x.shape, strict=True)
    }


def _cheapest(pairs: list[tuple[Any, str]], result: str) -> tuple[int, int]:
    """The pair whose product makes the fewest elements more than it takes, and of those the one of least work."""
    lengths = _known_lengths(*pairs)

    def size(labels: Any) -> int:
        return math.prod(lengths[label] for label in labels)

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        terms = [set(pairs[k][1]) for k in pair]
        needed = set(result).union(*(term for k, (_, term) in enumerate(pairs) if k not in pair))
        return size((terms[0] | terms[1]) & needed) - size(terms[0]) - size(terms[1]), size(terms[0] | terms[1])

    return min(itertools.combinations(range(len(pairs)), 2), key=cost)


def _contract(first: tuple[Any, str], second: tuple[Any, str], result: str | None, kept: str) -> tuple[Any, str]:
    """The sum of products of two operands over the labels that are not in `kept`, in the order of `result` if given."""
    (a, a_term), (b, b_term) = first, second
    lengths = dict(zip(a_term, shape_of(a), strict=True)) | dict(zip(b_term, shape_of(b), strict=True))
    inner = [label for label in a_term if label in b_term and label not in kept]
    if not inner:
        order = result if result is not None else kept
        return handle["multiply"](_spread(a, a_term, order), _spread(b, b_term, order)), order
    known = tuple(sorted(_known_lengths(first, second).items()))
    plan = _plan(a_term, b_term, result, kept, known)
    if plan is None:
        order = "".join(label for label in kept if label in a_term) + "".join(inner)
        product = handle["multiply"](_spread(a, a_term, order), _spread(b, b_term, order))
        return _summed(product, order, kept)
    x = _matrices(a, a_term, plan.a, plan.batch, plan.left, plan.inner, lengths, plan.transpose_a)
    y = _matrices(b, b_term, plan.b, plan.batch, plan.inner, plan.right, lengths, plan.transpose_b)
    if plan.swapped:
        product = handle["matmul"](y, x, transpose_a=not plan.transpose_b, transpose_b=not plan.transpose_a)
        order = plan.batch + plan.right + plan.left
    else:
        product = handle["matmul"](x, y, transpose_a=plan.transpose_a, transpose_b=plan.transpose_b)
        order = plan.batch + plan.left + plan.right
    if len(plan.left) != 1 or len(plan.right) != 1:
        product = handle["reshape"](product, shape=[lengths[label] for label in order])
    return product, order


def _spread(x: Any, term: str, order: str) -> Any:
    """Axes in the order of `order`, with length 1 where an operand has no such label."""
    axes = [term.index(label) for label in order if label in term]
    if axes != list(range(len(axes))):
        x = handle["transpose"](x, axes=axes)
    if len(axes) == len(order):
        return x
    lengths = iter(shape_of(x))
    return handle["reshape"](x, shape=[next(lengths) if label in term else 1 for label in order])


def _matrices(
    x: Any, term: str, order: str, batch: str, rows: str, columns: str, lengths: dict[str, Any], transposed: bool
) -> Any:
    """An operand as a batch of matrices."""
    if order != term:
        x = handle["transpose"](x, axes=[term.index(label) for label in order])
    if len(rows) == 1 and len(columns) == 1:
        return x
    groups = (columns, rows) if transposed else (rows, columns)
    return handle["reshape"](
        x, shape=[*(lengths[label] for label in batch), *(_product(lengths, group) for group in groups)]
    )


def _product(lengths: dict[str, Any], labels: str) -> Any:
    return product_of_lengths([lengths[label] for label in labels], range(len(labels)))


@functools.lru_cache(maxsize=4096)
def _plan(a: str, b: str, result: str | None, kept: str, known: tuple[tuple[str, int], ...]) -> _Plan | None:
    """The orders of labels that move the fewest elements; None where multiplying and summing moves fewer."""
    lengths = dict(known)

    def size(labels: str) -> int:
        return math.prod(lengths[label] for label in labels)

    def orders(labels: set[str], *sources: str | None) -> list[str]:
        return list(
            dict.fromkeys(
                "".join(label for label in source if label in labels) for source in sources if source is not None
            )
        )

    def place(term: str, batch: str, rows: str, columns: str) -> tuple[int, bool, str]:
        """Elements moved, whether the matrices are stored transposed, and the order of the axes."""
        if term == batch + rows + columns:
            return 0, False, term
        if term == batch + columns + rows:
            return 0, True, term
        return size(term), False, batch + rows + columns

    shared = set(a) & set(b)
    batches, inners = shared & set(kept), shared - set(kept)
    lefts, rights = set(a) - shared, set(b) - shared
    best: tuple[int, _Plan] | None = None
    for batch in orders(batches, a, b, result):
        for inner in orders(inners, a, b):
            for left in orders(lefts, a, result):
                moved_a, transpose_a, order_a = place(a, batch, left, inner)
                for right in orders(rights, b, result):
                    moved_b, transpose_b, order_b = place(b, batch, inner, right)
                    for swapped in (False, True):
                        order = batch + (right + left if swapped else left + right)
                        moved = moved_a + moved_b + (0 if result is None or order == result else size(order))
                        # A first operand that is read transposed is a little slower.
                        moved = 4 * moved + int(transpose_a != swapped)
                        if best is None or moved < best[0]:
                            best = (
                                moved,
                                _Plan(batch, left, inner, right, order_a, order_b, transpose_a, transpose_b, swapped),
                            )
    if best is None or (not lefts and not rights and best[0] > 3):
        return None
    return best[1]
