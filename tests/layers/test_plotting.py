"""Pictures of models: what the boxes say, what is connected, that nothing overlaps, and the files."""

from __future__ import annotations

import builtins
import importlib.util
import itertools
import pathlib
import sys
import types
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

import ironhorn as keras
from ironhorn import layers
from layers.summary_cases import chain, graph, trained, written

SVG = "{http://www.w3.org/2000/svg}"


def drawn(model: Any, tmp_path: pathlib.Path, **options: Any) -> ElementTree.Element:
    path = tmp_path / "model.svg"
    assert keras.utils.plot_model(model, path, **options) is None
    return ElementTree.parse(path).getroot()


def parts(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == kind]


def texts(root: ElementTree.Element) -> list[list[str]]:
    return [["".join(text.itertext()) for text in box.iter(f"{SVG}text")] for box in parts(root, "box")]


def edges(root: ElementTree.Element) -> list[tuple[str | None, str | None]]:
    return [(edge.get("data-from"), edge.get("data-to")) for edge in parts(root, "edge")]


def places(root: ElementTree.Element, kind: str) -> dict[str, tuple[float, float, float, float]]:
    """Left, top, right and bottom of each part of a kind."""
    found = {}
    for part in parts(root, kind):
        corners = [
            (float(r.get("x", 0)), float(r.get("y", 0)), float(r.get("width", 0)), float(r.get("height", 0)))
            for r in part.iter(f"{SVG}rect")
        ]
        found[part.get("data-name") or ""] = (
            min(x for x, _, _, _ in corners),
            min(y for _, y, _, _ in corners),
            max(x + width for x, _, width, _ in corners),
            max(y + height for _, y, _, height in corners),
        )
    return found


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_a_chain(tmp_path: pathlib.Path) -> None:
    root = drawn(trained(keras), tmp_path)
    assert texts(root) == [["Dense"], ["Dense"]]
    assert edges(root) == [("one", "two")]
    one, two = places(root, "box").values()
    assert one[0] == two[0] and one[2] == two[2] and one[3] < two[1]
    path = parts(root, "edge")[0].find(f"{SVG}path")
    assert path is not None
    middle = (one[0] + one[2]) / 2
    assert path.get("d") == f"M{middle:g},{one[3]:g} L{middle:g},{two[1]:g}"
    assert root.get("width") == f"{one[2] + 8:g}pt"


def test_what_boxes_say(tmp_path: pathlib.Path) -> None:
    options = {
        "show_shapes": True,
        "show_dtype": True,
        "show_layer_names": True,
        "show_layer_activations": True,
        "show_trainable": True,
    }
    assert texts(drawn(trained(keras), tmp_path, **options))[0] == [
        "one (Dense)",
        "Activation: linear",
        "Input shape: (None, 3)",
        "Output shape: (None, 4)",
        "Output dtype: float32",
        "Non-trainable",
    ]
    found = {text[0]: text[1:] for text in texts(drawn(graph(keras), tmp_path, **options))}
    assert found["a (InputLayer)"] == ["Output shape: (None, 5)", "Output dtype: float32"]
    assert found["sum (Add)"][0] == "Input shape: [(None, 5), (None, 5)]"
    assert found["inner (Functional)"] == [
        "Input shape: (None, 5)",
        "Output shape: [(None, 4), (None, 3)]",
        "Output dtype: [float32, float32]",
        "Trainable",
    ]
    assert found["shared (Dense)"][-1] == "Trainable"


def test_a_layer_that_is_called_with_two_shapes_names_both(tmp_path: pathlib.Path) -> None:
    flat, long = keras.Input((4,)), keras.Input((7, 4))
    shared = layers.Dense(2, name="shared")
    root = drawn(keras.Model([flat, long], [shared(flat), shared(long)]), tmp_path, show_shapes=True)
    assert ["Dense", "Input shape: (None, 4) or (None, 7, 4)", "Output shape: (None, 2) or (None, 7, 2)"] in texts(root)


def test_a_graph(tmp_path: pathlib.Path) -> None:
    keras.utils.clear_session()
    root = drawn(graph(keras), tmp_path)
    assert set(edges(root)) == {
        ("a", "stack"),
        ("stack", "shared"),
        ("b", "shared"),
        ("shared", "sum"),
        ("sum", "inner"),
        ("sum", "join"),
        ("inner", "join"),
        ("inner", "frozen"),
        ("join", "multiply"),
        ("multiply", "relu"),
    }
    assert len(edges(root)) == 10 and not parts(root, "group")


def test_inner_models_are_opened(tmp_path: pathlib.Path) -> None:
    root = drawn(graph(keras), tmp_path, expand_nested=True)
    assert {("a", "first"), ("first", "second"), ("second", "shared"), ("sum", "inside"), ("inside", "left")} <= set(
        edges(root)
    )
    assert {("left", "frozen"), ("right", "join")} <= set(edges(root))
    boxes, groups = places(root, "box"), places(root, "group")
    assert set(groups) == {"stack", "inner"}
    members = {"stack": {"first", "second"}, "inner": {"inside", "left", "right"}}
    for group, place in groups.items():
        inside = {name for name, box in boxes.items() if overlap(place, box)}
        assert inside == members[group]
        for name in inside:
            box = boxes[name]
            assert place[0] < box[0] and place[1] + 15 < box[1] and box[2] < place[2] and box[3] < place[3]


def test_models_in_models(tmp_path: pathlib.Path) -> None:
    deepest = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="core")], name="deepest")
    middle = keras.Sequential([keras.Input((2,)), deepest, layers.Dense(3, name="after")], name="middle")
    inputs = keras.Input((2,), name="in")
    root = drawn(keras.Model(inputs, middle(inputs)), tmp_path, expand_nested=True)
    assert edges(root) == [("core", "after"), ("in", "core")]
    outer, inner = places(root, "group")["middle"], places(root, "group")["deepest"]
    assert outer[0] < inner[0] and outer[1] < inner[1] and inner[2] < outer[2] and inner[3] < outer[3]


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("splines", ["ortho", "curved", "polyline"])
def test_nothing_overlaps_and_arrows_point_one_way(tmp_path: pathlib.Path, rankdir: str, splines: str) -> None:
    root = drawn(graph(keras), tmp_path, rankdir=rankdir, splines=splines, expand_nested=True, show_shapes=True)
    boxes = places(root, "box")
    for one, other in itertools.combinations(boxes.values(), 2):
        assert not overlap(one, other)
    width, height = (float((root.get(side) or "").removesuffix("pt")) for side in ("width", "height"))
    for left, top, right, bottom in [*boxes.values(), *places(root, "group").values()]:
        assert 0 < left < right < width and 0 < top < bottom < height
    end, start, sign = {"TB": (3, 1, 1), "BT": (1, 3, -1), "LR": (2, 0, 1), "RL": (0, 2, -1)}[rankdir]
    for source, target in edges(root):
        assert source is not None and target is not None
        assert sign * boxes[source][end] < sign * boxes[target][start]


def test_cycles_are_drawn(tmp_path: pathlib.Path) -> None:
    inputs, one, two = keras.Input((4,), name="in"), layers.Dense(4, name="one"), layers.Dense(4, name="two")
    root = drawn(keras.Model(inputs, one(two(one(one(inputs))))), tmp_path)
    assert edges(root) == [("in", "one"), ("one", "one"), ("two", "one"), ("one", "two")]
    boxes = places(root, "box")
    for edge in parts(root, "edge")[1:3]:  # Around everything, to the right.
        path = edge.find(f"{SVG}path")
        assert path is not None
        points = [float(point[1:].split(",")[0]) for point in (path.get("d") or "").split()]
        assert max(points) > max(box[2] for box in boxes.values())
        assert max(points) < float((root.get("width") or "").removesuffix("pt"))


def test_a_model_without_a_graph_is_one_box(tmp_path: pathlib.Path) -> None:
    model = written(keras)
    model(keras.ops.ones((1, 2)))
    root = drawn(model, tmp_path, show_layer_names=True)
    assert texts(root) == [["written (Written)"]] and edges(root) == []


def test_a_deep_model_is_drawn_in_a_moment(tmp_path: pathlib.Path) -> None:
    x = inputs = keras.Input((2,))
    for _ in range(150):
        x = layers.Add()([layers.Activation("relu")(x), x])
    assert len(edges(drawn(keras.Model(inputs, x), tmp_path))) == 450


def test_png(tmp_path: pathlib.Path) -> None:
    image = pytest.importorskip("PIL.Image")
    keras.utils.plot_model(chain(keras), tmp_path / "model.png", dpi=72, show_shapes=True)
    keras.utils.plot_model(graph(keras), str(tmp_path / "wide"), dpi=144, expand_nested=True, splines="curved")
    root = drawn(graph(keras), tmp_path, expand_nested=True)
    with image.open(tmp_path / "wide") as picture:
        assert picture.format == "PNG"
        assert picture.width == pytest.approx(2 * float((root.get("width") or "").removesuffix("pt")), abs=1)
        assert {(0, 0, 0), (255, 255, 255)} <= {color for _, color in picture.getcolors(2**20)}


def test_png_without_pillow(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "PIL")
    with pytest.raises(ImportError, match=r"pip install pillow.*\.svg"):
        keras.utils.plot_model(trained(keras), tmp_path / "model.png")


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    original = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"to_file": "model.pdf"}, r"writes \.svg and \.png files"),
        ({"rankdir": "up"}, "TB, BT, LR, RL.*'up'"),
        ({"splines": "wavy"}, "`splines` must be one of"),
        ({"dpi": 0}, "`dpi` must be positive"),
        ({"dpi": 1e6}, "smaller `dpi`"),
        ({"layer_range": None}, r"do not take the argument\(s\) \['layer_range'\]"),
    ],
    ids=["file", "direction", "splines", "dpi", "pixels", "unknown"],
)
def test_plot_model_refuses(tmp_path: pathlib.Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        keras.utils.plot_model(trained(keras), **{"to_file": tmp_path / "model.png", **options})
    assert list(tmp_path.iterdir()) == []


def test_an_unbuilt_model_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="'empty' is not built"):
        keras.utils.plot_model(keras.Sequential([layers.Dense(2)], name="empty"), tmp_path / "model.svg")


def test_a_notebook_gets_the_picture(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    display = types.ModuleType("IPython.display")
    display.SVG = lambda filename: ("svg", filename)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    path = str(tmp_path / "model.svg")
    assert keras.utils.plot_model(trained(keras), path) == ("svg", path)


class Recorder:
    """Stands in for what pydot makes: keeps what it is given."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.args, self.options = args, options
        self.nodes: list[Recorder] = []
        self.edges: list[Recorder] = []
        self.clusters: list[Recorder] = []
        self.add_node, self.add_edge, self.add_subgraph = self.nodes.append, self.edges.append, self.clusters.append


@pytest.fixture
def pydot(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("pydot")
    module.Dot = module.Cluster = module.Node = module.Edge = Recorder  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pydot", module)


@pytest.mark.usefixtures("pydot")
def test_model_to_dot() -> None:
    dot = keras.utils.model_to_dot(graph(keras), show_shapes=True, expand_nested=True, rankdir="LR", dpi=96)
    assert dot.options["rankdir"] == "LR" and dot.options["dpi"] == 96 and dot.options["splines"] == "ortho"
    assert [cluster.options["label"] for cluster in dot.clusters] == ['"stack"', '"inner"']
    assert len(dot.nodes) == 8 and len(dot.edges) == 13
    keys = {node.args[0] for part in [dot, *dot.clusters] for node in part.nodes}
    assert {key for edge in dot.edges for key in edge.args} == keys
    assert "<b>sum</b> (Add)" in "".join(node.options["label"] for node in dot.nodes)
    inner = keras.utils.model_to_dot(trained(keras), subgraph=True)
    assert inner.options["style"] == "dashed" and "<b>one</b> (Dense)" in inner.nodes[0].options["label"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.skipif(importlib.util.find_spec("pydot") is None, reason="pydot is not installed")
def test_model_to_dot_with_pydot() -> None:
    import pydot

    dot = keras.utils.model_to_dot(graph(keras), expand_nested=True)
    (again,) = pydot.graph_from_dot_data(dot.to_string())
    assert len(again.get_subgraphs()) == 2 and len(again.get_edges()) == 13


def test_model_to_dot_without_pydot(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "pydot")
    with pytest.raises(ImportError, match="pip install pydot"):
        keras.utils.model_to_dot(trained(keras))
