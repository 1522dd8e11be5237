"""How a `History` looks in a notebook: a table of the logged values and a small curve of each, as HTML and SVG."""

from __future__ import annotations

import html
import math
from itertools import pairwise
from typing import Any, NamedTuple

from ironhorn.callbacks.monitor_callback import MonitorCallback

_WIDTH, _HEIGHT = 220, 110
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 18, 18
_COLORS = {"training": "#2f7ed8", "validation": "#e8832a"}


class Curve(NamedTuple):
    """One logged value over the epochs."""

    label: str
    epochs: list[int]
    values: list[float]


def curves_of(history: Any) -> dict[str, list[Curve]]:
    """Returns the curves of every logged value: in training, and in validation if it is there.

    Epochs are counted from 1, as progress lines count them.

    Args:
        history: A `History`.

    Returns:
        Lists of curves by the name of the value, without `val_`. What is no number is left out.
    """
    found: dict[str, list[Curve]] = {}
    for name, values in history.history.items():
        if not all(isinstance(value, int | float) for value in values):
            continue
        base = name.removeprefix("val_")
        label = "training" if base == name else "validation"
        epochs = history._epochs_of.get(name, [])
        # Several calls of `fit` that each began with the first epoch: values are counted instead.
        if len(epochs) != len(values) or any(left >= right for left, right in pairwise(epochs)):
            epochs = list(range(1, len(values) + 1))
        found.setdefault(base, []).append(Curve(label, epochs, list(map(float, values))))
    return {name: sorted(curves, key=lambda curve: curve.label) for name, curves in found.items()}


def as_html(history: Any) -> str:
    """Returns a table of first, last and best values, and a curve of each.

    Args:
        history: A `History`.
    """
    curves = curves_of(history)
    if not curves:
        return "<p>History: no epoch has been finished.</p>"
    epochs = max(len(curve.epochs) for of_name in curves.values() for curve in of_name)
    rows = [
        _row(history, name, curve, place) for name, of_name in curves.items() for place, curve in enumerate(of_name)
    ]
    heads = "".join(f"<th>{head}</th>" for head in ("", "", "first", "last", "best", "epoch of the best"))
    pictures = "".join(_picture(name, of_name) for name, of_name in curves.items())
    return (
        f"<div><p>History of {epochs} epoch{'s' if epochs > 1 else ''}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        f'<div style="display:flex;flex-wrap:wrap;gap:12px">{pictures}</div></div>'
    )


def _row(history: Any, name: str, curve: Curve, place: int) -> str:
    best = epoch = ""
    direction = _direction(history, name)
    finite = [(value, at) for value, at in zip(curve.values, curve.epochs, strict=True) if math.isfinite(value)]
    if direction is not None and finite:
        value, at = (min if direction == "min" else max)(finite, key=lambda pair: pair[0])
        best, epoch = _number(value), str(at)
    color = _COLORS[curve.label]
    cells = [
        "" if place else html.escape(name),
        f'<span style="color:{color}">&#9632;</span> {curve.label}',
        _number(curve.values[0]),
        _number(curve.values[-1]),
        best,
        epoch,
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _direction(history: Any, name: str) -> str | None:
    """Whether less or more of a value is better, if that is known."""
    monitor = MonitorCallback(name)
    monitor.set_model(history.model)
    return monitor._inferred_direction()


def _number(value: float) -> str:
    return f"{value:.4g}"


def _picture(name: str, curves: list[Curve]) -> str:
    """Curves with the least and the greatest value and epoch at the axes."""
    points = [
        (epoch, value)
        for curve in curves
        for epoch, value in zip(curve.epochs, curve.values, strict=True)
        if math.isfinite(value)
    ]
    if not points:
        return ""
    first, last = min(epoch for epoch, _ in points), max(epoch for epoch, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(epoch: int, value: float) -> tuple[float, float]:
        # Halves before the difference: the range of two floats may be no float.
        across = (epoch - first) / (last - first) if last > first else 0.5
        up = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
        return _LEFT + across * inner_width, _TOP + (1 - up) * inner_height

    parts = [
        f'<rect x="{_LEFT}" y="{_TOP}" width="{inner_width}" height="{inner_height}" fill="none" '
        'stroke="currentColor" stroke-opacity="0.3"/>',
        _text(_WIDTH / 2, 12, "middle", html.escape(name)),
        _text(_LEFT - 4, _TOP + 8, "end", _number(high)),
        _text(_LEFT - 4, _HEIGHT - _BOTTOM, "end", _number(low)),
        _text(_LEFT, _HEIGHT - 4, "start", str(first)),
        _text(_WIDTH - _RIGHT, _HEIGHT - 4, "end", f"epoch {last}"),
    ]
    for curve in curves:
        color = _COLORS[curve.label]
        for run in _finite_runs(curve):
            line = " ".join("{:.1f},{:.1f}".format(*place(epoch, value)) for epoch, value in run)
            if len(run) == 1:
                x, y = line.split(",")
                parts.append(f'<circle cx="{x}" cy="{y}" r="2" fill="{color}"/>')
            else:
                parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(name)}">{"".join(parts)}</svg>'
    )


def _finite_runs(curve: Curve) -> list[list[tuple[int, float]]]:
    """The parts of a curve between values that are not finite."""
    runs: list[list[tuple[int, float]]] = [[]]
    for epoch, value in zip(curve.epochs, curve.values, strict=True):
        if math.isfinite(value):
            runs[-1].append((epoch, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="10" fill="currentColor">{text}</text>'
