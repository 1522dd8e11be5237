"""`plot_model` draws a model into a file; `model_to_dot` hands its graph to pydot."""

from __future__ import annotations

import os
import sys
from typing import Any

_DIRECTIONS = ("TB", "BT", "LR", "RL")
_SPLINES = {"ortho": "bent", "curved": "curved", "spline": "curved", "polyline": "straight", "line": "straight"}


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draws the layers of a model and what feeds what, without graphviz.

    Args:
        model: A built model. A model that is neither functional nor sequential is drawn as one box.
        to_file: Path that ends in `.svg`, or in `.png` (or in nothing, which means PNG and needs Pillow).
        show_shapes: Whether to show input and output shapes.
        show_dtype: Whether to show output dtypes.
        show_layer_names: Whether to show the names of layers, and not their classes alone.
        rankdir: Where the arrows point: `"TB"` (down), `"BT"` (up), `"LR"` (right), `"RL"` (left).
        expand_nested: Whether to draw the layers of inner models, in a dashed frame.
        dpi: Pixels an inch of a PNG. An SVG is measured in points.
        show_layer_activations: Whether to show the activation of layers that have one.
        show_trainable: Whether to show which layers with weights are trained.
        splines: How arrows run: `"ortho"` (along the axes), `"polyline"`, `"line"`, `"curved"` or `"spline"`.
        **kwargs: None; for a clear error.

    Returns:
        In a notebook, the picture for display; else `None`.

    Raises:
        ValueError: If the model is not built, or an argument has an unknown value.
        ImportError: If the file is a PNG and Pillow is not installed.

    Example:
        >>> model = ironhorn.Sequential([ironhorn.Input((4,)), ironhorn.layers.Dense(2)])
        >>> ironhorn.utils.plot_model(model, "model.svg", show_shapes=True)
    """
    from ironhorn.utils.picture.layout import place

    _check(rankdir, dpi, splines, kwargs)
    path = os.fspath(to_file)
    kind = os.path.splitext(path)[1].lower() or ".png"
    if kind not in (".svg", ".png"):
        raise ValueError(f"`plot_model` writes .svg and .png files. Received: to_file={path!r}.")
    diagram = _diagram(
        model, show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations, show_trainable
    )
    style = _SPLINES[splines]
    picture = place(diagram, rankdir, orthogonal=style == "bent")  # type: ignore[arg-type]
    if kind == ".svg":
        from ironhorn.utils.picture.svg import to_svg

        with open(path, "w", encoding="utf-8") as file:
            file.write(to_svg(picture, model.name, curved=style == "curved"))
    else:
        from ironhorn.utils.picture.png import write_png

        write_png(picture, path, dpi, curved=style == "curved")
    display = sys.modules.get("IPython.display")
    if display is None:
        return None
    return display.SVG(filename=path) if kind == ".svg" else display.Image(filename=path)


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Returns the layers of a model and what feeds what as a graph of pydot.

    Args:
        model: A built model.
        show_shapes: Whether to show input and output shapes.
        show_dtype: Whether to show output dtypes.
        show_layer_names: Whether to show the names of layers, and not their classes alone.
        rankdir: Where the arrows point: `"TB"` (down), `"BT"` (up), `"LR"` (right), `"RL"` (left).
        expand_nested: Whether inner models become clusters of their layers.
        dpi: Pixels an inch.
        subgraph: Whether to return a `pydot.Cluster`, to be put into another graph.
        show_layer_activations: Whether to show the activation of layers that have one.
        show_trainable: Whether to show which layers with weights are trained.
        splines: How arrows run: `"ortho"`, `"polyline"`, `"line"`, `"curved"` or `"spline"`.
        **kwargs: None; for a clear error.

    Returns:
        A `pydot.Dot`, or a `pydot.Cluster`.

    Raises:
        ImportError: If pydot is not installed.
        ValueError: If the model is not built, or an argument has an unknown value.
    """
    from ironhorn.utils.picture.dot import to_dot

    _check(rankdir, dpi, splines, kwargs)
    diagram = _diagram(
        model, show_shapes, show_dtype, show_layer_names, expand_nested, show_layer_activations, show_trainable
    )
    return to_dot(diagram, rankdir, dpi, subgraph, splines)


def drawing(model: Any, **content: bool) -> str:
    """Returns a model's graph as SVG text, for a page.

    Args:
        model: A built model.
        **content: What the boxes say; see `plot_model`.
    """
    from ironhorn.utils.picture.diagram import Content, make_diagram
    from ironhorn.utils.picture.layout import place
    from ironhorn.utils.picture.svg import to_svg

    diagram = make_diagram(model, Content(**content))
    return to_svg(place(diagram, "TB", orthogonal=True), model.name, curved=False)


def _diagram(model: Any, shapes: bool, dtype: bool, names: bool, nested: bool, activations: bool, trained: bool) -> Any:
    from ironhorn.utils.picture.diagram import Content, make_diagram

    return make_diagram(model, Content(shapes, dtype, names, nested, activations, trained))


def _check(rankdir: str, dpi: float, splines: str, unknown: dict[str, Any]) -> None:
    if unknown:
        raise ValueError(f"`plot_model` and `model_to_dot` do not take the argument(s) {sorted(unknown)}.")
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"`rankdir` must be one of {', '.join(_DIRECTIONS)}. Received: rankdir={rankdir!r}.")
    if not dpi > 0:
        raise ValueError(f"`dpi` must be positive. Received: dpi={dpi!r}.")
    if splines not in _SPLINES:
        raise ValueError(f"`splines` must be one of {', '.join(_SPLINES)}. Received: splines={splines!r}.")
