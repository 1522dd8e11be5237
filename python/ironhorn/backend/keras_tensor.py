"""Symbolic tensors and the layer graph: which operation feeds which."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ironhorn import tree
from ironhorn.backend.dtypes import standardize_dtype, standardize_shape
from ironhorn.backend.names import auto_name
from ironhorn.errors import TracedValueError, UnsupportedError


class KerasHistory(NamedTuple):
    """Which output of which call of which operation a symbolic tensor is."""

    operation: Any
    node_index: int
    tensor_index: int


class KerasTensor:
    """A tensor that is only a shape and a type: what functional models are written with.

    Args:
        shape: lengths of the axes; None for those that vary.
        dtype: element type.
        sparse: must be False.
        record_history: kept for Keras' signature.
        name: name of the tensor.
    """

    # NumPy leaves operators with symbolic tensors to the tensor.
    __array_priority__ = 100.0

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> None:
        self.shape = standardize_shape(shape)
        self.dtype = "string" if dtype == "string" else standardize_dtype(dtype)
        if sparse:
            raise UnsupportedError("Sparse tensors are not supported; make the data dense and leave sparse=False")
        self.sparse = False
        self.name = name or auto_name(type(self).__name__)
        self.record_history = record_history

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def reshape(self, newshape: Any) -> Any:
        """The same elements under another shape."""
        from ironhorn import ops

        return ops.reshape(self, newshape)

    def squeeze(self, axis: Any = None) -> Any:
        """Without axes of length 1."""
        from ironhorn import ops

        return ops.squeeze(self, axis)

    def _no_data(self, what: str) -> Any:
        raise TracedValueError(
            f"{what} of the symbolic tensor '{self.name}' of shape {self.shape} is not known: it stands for the data "
            "that the model will be given. Use functions of ironhorn.ops on it, or put the computation into a layer's "
            "`call`"
        )

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self._no_data("The data")

    def __float__(self) -> float:
        return self._no_data("float()")

    def __int__(self) -> int:
        return self._no_data("int()")

    def __bool__(self) -> bool:
        return self._no_data("bool()")

    def __len__(self) -> int:
        if self.shape and self.shape[0] is not None:
            return self.shape[0]
        return self._no_data("len()")

    def __iter__(self) -> Iterator[Any]:
        raise TracedValueError("A symbolic tensor cannot be iterated over; use ops.unstack or slicing")

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse={self.sparse}, name={self.name}>"

    def __getitem__(self, key: Any) -> Any:
        return OpOperation("get_item")(self, key)

    def __neg__(self) -> Any:
        return OpOperation("negative")(self)

    def __abs__(self) -> Any:
        return OpOperation("absolute")(self)

    def __invert__(self) -> Any:
        return OpOperation("logical_not")(self)


def _operator(name: str, reflected: bool) -> Callable[[KerasTensor, Any], Any]:
    def method(self: KerasTensor, other: Any) -> Any:
        return OpOperation(name)(other, self) if reflected else OpOperation(name)(self, other)

    return method


for _short, _long in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}.items():
    setattr(KerasTensor, f"__{_short}__", _operator(_long, False))
    setattr(KerasTensor, f"__r{_short}__", _operator(_long, True))
for _short, _long in {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "ne": "not_equal",
}.items():
    setattr(KerasTensor, f"__{_short}__", _operator(_long, False))


def is_keras_tensor(x: Any) -> bool:
    """Whether `x` is symbolic."""
    return isinstance(x, KerasTensor)


def any_symbolic(args: Any = (), kwargs: Any = None) -> bool:
    """Whether a KerasTensor is among (possibly nested) arguments."""
    for value in args:
        if isinstance(value, KerasTensor) or (isinstance(value, (list, tuple, dict)) and _nested_symbolic(value)):
            return True
    return bool(kwargs) and any_symbolic(kwargs.values())


def _nested_symbolic(value: Any) -> bool:
    return any_symbolic(value.values() if isinstance(value, dict) else value)


class Node:
    """One call of an operation in the layer graph.

    Args:
        operation: the layer or op that was called.
        call_args: its positional arguments, as called.
        call_kwargs: its keyword arguments, as called.
        outputs: the symbolic tensors that it returned.
    """

    def __init__(self, operation: Any, call_args: Any = None, call_kwargs: Any = None, outputs: Any = None) -> None:
        self.operation = operation
        self.args = tuple(call_args or ())
        self.kwargs = dict(call_kwargs or {})
        self.input_tensors = [
            leaf for leaf in tree.flatten((list(self.args), self.kwargs)) if isinstance(leaf, KerasTensor)
        ]
        self.outputs = [leaf for leaf in tree.flatten(outputs) if isinstance(leaf, KerasTensor)]
        operation._inbound_nodes.append(self)
        for tensor in self.input_tensors:
            history = getattr(tensor, "_keras_history", None)
            if history is not None:
                history.operation._outbound_nodes.append(self)
        index = len(operation._inbound_nodes) - 1
        for i, tensor in enumerate(self.outputs):
            tensor._keras_history = KerasHistory(operation, index, i)  # type: ignore[attr-defined]

    @property
    def is_input(self) -> bool:
        """Whether nothing feeds this node."""
        return not self.input_tensors

    @property
    def parent_nodes(self) -> list["Node"]:
        """The calls that made this node's inputs."""
        histories = [getattr(tensor, "_keras_history", None) for tensor in self.input_tensors]
        return [h.operation._inbound_nodes[h.node_index] for h in histories if h is not None]

    @property
    def arguments(self) -> "Node":
        """The node itself, which holds its `args` and `kwargs`."""
        return self

    def __repr__(self) -> str:
        return f"<Node operation={self.operation.name}, id={id(self)}>"


class Operation:
    """What can be a node of the layer graph: layers, and ops called with symbolic tensors.

    Args:
        name: name, unique within a model; made from the class name by default.
    """

    def __init__(self, name: str | None = None) -> None:
        name = name or auto_name(type(self).__name__)
        if not isinstance(name, str) or "/" in name:
            raise ValueError(f"The name of a {type(self).__name__} must be a string without '/', got {name!r}")
        self.name = name
        self._inbound_nodes: list[Node] = []
        self._outbound_nodes: list[Node] = []

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs for symbolic inputs."""
        raise NotImplementedError(f"{type(self).__name__} has no compute_output_spec")

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes symbolic outputs and adds a node to the layer graph."""
        outputs = self.compute_output_spec(*args, **kwargs)
        Node(self, args, kwargs, outputs)
        return outputs

    def _of_first_node(self, what: str) -> Any:
        if not self._inbound_nodes:
            raise AttributeError(f"'{self.name}' has never been called and has no {what}")
        tensors = self._inbound_nodes[0].input_tensors if what == "input" else self._inbound_nodes[0].outputs
        return tensors[0] if len(tensors) == 1 else tensors

    @property
    def input(self) -> Any:
        """The symbolic inputs of the first call."""
        return self._of_first_node("input")

    @property
    def output(self) -> Any:
        """The symbolic outputs of the first call."""
        return self._of_first_node("output")


class OpOperation(Operation):
    """A function of `ironhorn.ops` as a node of the layer graph.

    Args:
        function_name: its name in `ironhorn.ops`.
        name: name of the node.
    """

    def __init__(self, function_name: str, name: str | None = None) -> None:
        super().__init__(name or auto_name(function_name))
        self.function_name = function_name

    @property
    def function(self) -> Callable[..., Any]:
        """The function that computes."""
        from ironhorn.ops._dispatch import FUNCTIONS

        return FUNCTIONS[self.function_name]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs for symbolic inputs, without a node."""
        from ironhorn.backend.tracing import abstract_call

        return abstract_call(self.function, args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A new node for symbolic arguments, the op's result for others."""
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.function(*args, **kwargs)
