"""What a picture of a model shows: boxes of rows of cells, arrows between them, and groups for inner models."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

BLACK, WHITE, GREEN, RED = "#000000", "#ffffff", "#228b22", "#b22222"


@dataclass(frozen=True)
class Run:
    """A piece of text in one style."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Cell:
    """A rectangle with a line of text."""

    runs: tuple[Run, ...]
    fill: str = WHITE
    color: str = BLACK
    size: int = 14

    @property
    def text(self) -> str:
        """The text without its style."""
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True)
class Box:
    """A layer: rows of cells, each row as wide as the box."""

    key: int
    name: str
    rows: tuple[tuple[Cell, ...], ...]


@dataclass
class Group:
    """Boxes and inner groups; the outermost group is the picture."""

    name: str
    members: list[Box | Group] = field(default_factory=list)

    def boxes(self) -> list[Box]:
        """The boxes of the group and of the groups inside."""
        return [box for member in self.members for box in (member.boxes() if isinstance(member, Group) else [member])]


@dataclass
class Diagram:
    """The picture before it is placed; an edge is a pair of keys of boxes, each pair there once."""

    group: Group
    edges: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Content:
    """What boxes say, and whether inner models are opened; see `plot_model`."""

    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = True
    expand_nested: bool = False
    show_layer_activations: bool = False
    show_trainable: bool = False


#: From the number of an input or output of a layer to the box that it enters or leaves.
_Port = Callable[[int], int]


def make_diagram(model: Any, content: Content) -> Diagram:
    """Reads the layer graph of a model.

    Args:
        model: A built model. One that is neither functional nor sequential is a single box.
        content: What the boxes say.

    Raises:
        ValueError: If the model is not built.
    """
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' is not built, so that there is no graph to draw. Call `build()` with the shape of "
            "the input, or call the model on data."
        )
    diagram = Diagram(Group(model.name))
    reader = _Reader(diagram, content)
    if _is_graph(model):
        reader.add_layers(model, diagram.group)
    else:
        reader.add_box(model, diagram.group, [])
    return diagram


def _is_graph(layer: Any) -> bool:
    from ironhorn.models import Functional, Sequential

    return isinstance(layer, Functional) or (isinstance(layer, Sequential) and bool(layer.layers))


class _Reader:
    """Fills a diagram."""

    def __init__(self, diagram: Diagram, content: Content) -> None:
        self.diagram = diagram
        self.content = content
        self.count = 0
        self.known_edges: set[tuple[int, int]] = set()

    def add_layers(self, model: Any, group: Group) -> tuple[_Port, _Port]:
        """Adds the layers of a model; returns the boxes of its inputs and outputs."""
        from ironhorn.models import Functional

        if not isinstance(model, Functional):
            ports = [self.add_layer(layer, group, None) for layer in model.layers]
            for (_, above), (below, _) in itertools.pairwise(ports):
                self.connect(above(0), below(0))
            return ports[0][0], ports[-1][1]
        nodes = [node for nodes in model._nodes_by_depth.values() for node in nodes]
        inside = {id(node) for node in nodes}
        at = {id(operation): self.add_layer(operation, group, inside) for operation in model.operations}
        for operation in model.operations:
            for node in operation._inbound_nodes:
                if id(node) not in inside:
                    continue
                for place, tensor in enumerate(node.input_tensors):
                    source, _, output = tensor._keras_history
                    if id(source) in at:
                        self.connect(at[id(source)][1](output), at[id(operation)][0](place))

        def enter(place: int) -> int:
            return at[id(model._inputs[place]._keras_history.operation)][0](0)

        def leave(place: int) -> int:
            operation, _, output = model._outputs[place]._keras_history
            return at[id(operation)][1](output)

        return enter, leave

    def add_layer(self, layer: Any, group: Group, inside: set[int] | None) -> tuple[_Port, _Port]:
        """Adds a layer, as a box or as a group of boxes."""
        if self.content.expand_nested and _is_graph(layer):
            inner = Group(layer.name)
            group.members.append(inner)
            return self.add_layers(layer, inner)
        nodes = [node for node in layer._inbound_nodes if inside is None or id(node) in inside]
        key = self.add_box(layer, group, nodes)
        return (lambda place: key), (lambda place: key)

    def add_box(self, layer: Any, group: Group, nodes: list[Any]) -> int:
        """Adds a box; returns its key."""
        self.count += 1
        group.members.append(Box(self.count, layer.name, _rows(layer, nodes, self.content)))
        return self.count

    def connect(self, source: int, target: int) -> None:
        """Adds an arrow, unless it is there."""
        if (source, target) not in self.known_edges:
            self.known_edges.add((source, target))
            self.diagram.edges.append((source, target))


def _rows(layer: Any, nodes: list[Any], content: Content) -> tuple[tuple[Cell, ...], ...]:
    from ironhorn.models.operation_config import class_name_of

    class_name = class_name_of(layer)
    title = (Run(layer.name, True), Run(f" ({class_name})")) if content.show_layer_names else (Run(class_name, True),)
    rows: list[tuple[Cell, ...]] = [(Cell(title, fill=BLACK, color=WHITE, size=16),)]
    activation = getattr(layer, "activation", None)
    if content.show_layer_activations and activation is not None:
        name = getattr(activation, "name", None) or getattr(activation, "__name__", None) or str(activation)
        rows.append((_labelled("Activation", name),))
    facts: list[Cell] = []
    if content.show_shapes:
        if class_name != "InputLayer":
            facts.append(_labelled("Input shape", _of_calls([node.input_tensors for node in nodes], "shape")))
        facts.append(_labelled("Output shape", _of_calls([node.outputs for node in nodes], "shape")))
    if content.show_dtype:
        facts.append(_labelled("Output dtype", _of_calls([node.outputs for node in nodes], "dtype")))
    if content.show_trainable and getattr(layer, "weights", None):
        text, fill = ("Trainable", GREEN) if layer.trainable else ("Non-trainable", RED)
        facts.append(Cell((Run(text, True),), fill=fill, color=WHITE))
    if facts:
        rows.append(tuple(facts))
    return tuple(rows)


def _labelled(label: str, value: str) -> Cell:
    return Cell((Run(f"{label}: "), Run(value, True)))


def _of_calls(calls: list[list[Any]], what: str) -> str:
    """The shapes or dtypes of the tensors of each call of a layer; once, where all calls agree."""
    texts = []
    for tensors in calls:
        values = [str(tuple(tensor.shape)) if what == "shape" else str(tensor.dtype) for tensor in tensors]
        if values:
            texts.append(values[0] if len(values) == 1 else f"[{', '.join(values)}]")
    return " or ".join(dict.fromkeys(texts)) or "?"
