"""Calls of ops on symbolic tensors, as Keras 3 writes them in the graph of a functional model.

Keras has a class for each op. Some arguments of the function belong to the class and stand in its configuration
(`axis` of `sum`), the others to the call and stand in the node (`x` of `sum`). Here an op in the graph is an
`OpOperation` whose node holds the whole call; this module splits a call and puts it together again.
"""

from __future__ import annotations

from typing import Any

from ironhorn import backend
from ironhorn.layers.call_spec import signature_of_function

#: Function -> Keras' module below `keras.src.ops`, class, arguments of the call, arguments of the class.
_CLASSES: dict[str, tuple[str, str, str, str]] = {
    "abs": ("numpy", "Abs", "x", ""),
    "absolute": ("numpy", "Absolute", "x", ""),
    "add": ("numpy", "Add", "x1 x2", ""),
    "all": ("numpy", "All", "x", "axis keepdims"),
    "any": ("numpy", "Any", "x", "axis keepdims"),
    "arctan": ("numpy", "Arctan", "x", ""),
    "argmax": ("numpy", "Argmax", "x", "axis keepdims"),
    "argmin": ("numpy", "Argmin", "x", "axis keepdims"),
    "argpartition": ("numpy", "Argpartition", "x", "kth axis"),
    "argsort": ("numpy", "Argsort", "x", "axis"),
    "average_pool": ("nn", "AveragePool", "inputs", "pool_size strides padding data_format"),
    "binary_crossentropy": ("nn", "BinaryCrossentropy", "target output", "from_logits"),
    "bincount": ("numpy", "Bincount", "x", "weights minlength sparse"),
    "broadcast_to": ("numpy", "BroadcastTo", "x", "shape"),
    "cast": ("core", "Cast", "x", "dtype"),
    "categorical_crossentropy": ("nn", "CategoricalCrossentropy", "target output", "from_logits axis"),
    "ceil": ("numpy", "Ceil", "x", ""),
    "clip": ("numpy", "Clip", "x", "x_min x_max"),
    "concatenate": ("numpy", "Concatenate", "xs", "axis"),
    "conv": ("nn", "Conv", "inputs kernel", "strides padding data_format dilation_rate"),
    "cos": ("numpy", "Cos", "x", ""),
    "cosh": ("numpy", "Cosh", "x", ""),
    "count_nonzero": ("numpy", "CountNonzero", "x", "axis"),
    "cumprod": ("numpy", "Cumprod", "x", "axis dtype"),
    "cumsum": ("numpy", "Cumsum", "x", "axis dtype"),
    "depthwise_conv": ("nn", "DepthwiseConv", "inputs kernel", "strides padding data_format dilation_rate"),
    "diff": ("numpy", "Diff", "a", "n axis"),
    "digitize": ("numpy", "Digitize", "x bins", ""),
    "divide": ("numpy", "Divide", "x1 x2", ""),
    "dot": ("numpy", "Dot", "x1 x2", ""),
    "elu": ("nn", "Elu", "x", "alpha"),
    "equal": ("numpy", "Equal", "x1 x2", ""),
    "erf": ("math", "Erf", "x", ""),
    "exp": ("numpy", "Exp", "x", ""),
    "expand_dims": ("numpy", "ExpandDims", "x", "axis"),
    "expm1": ("numpy", "Expm1", "x", ""),
    "flip": ("numpy", "Flip", "x", "axis"),
    "floor": ("numpy", "Floor", "x", ""),
    "floor_divide": ("numpy", "FloorDivide", "x1 x2", ""),
    "full_like": ("numpy", "FullLike", "x fill_value", "dtype"),
    "gelu": ("nn", "Gelu", "x", "approximate"),
    "get_item": ("numpy", "GetItem", "x key", ""),
    "greater": ("numpy", "Greater", "x1 x2", ""),
    "greater_equal": ("numpy", "GreaterEqual", "x1 x2", ""),
    "hard_sigmoid": ("nn", "HardSigmoid", "x", ""),
    "hard_silu": ("nn", "HardSilu", "x", ""),
    "histogram": ("numpy", "Histogram", "x", "bins range"),
    "in_top_k": ("math", "InTopK", "targets predictions", "k"),
    "isfinite": ("numpy", "Isfinite", "x", ""),
    "isin": ("numpy", "IsIn", "x1 x2", "assume_unique invert"),
    "isinf": ("numpy", "Isinf", "x", ""),
    "isnan": ("numpy", "Isnan", "x", ""),
    "leaky_relu": ("nn", "LeakyRelu", "x", "negative_slope"),
    "less": ("numpy", "Less", "x1 x2", ""),
    "less_equal": ("numpy", "LessEqual", "x1 x2", ""),
    "log": ("numpy", "Log", "x", ""),
    "log1p": ("numpy", "Log1p", "x", ""),
    "log_sigmoid": ("nn", "LogSigmoid", "x", ""),
    "log_softmax": ("nn", "LogSoftmax", "x", "axis"),
    "logical_and": ("numpy", "LogicalAnd", "x1 x2", ""),
    "logical_not": ("numpy", "LogicalNot", "x", ""),
    "logical_or": ("numpy", "LogicalOr", "x1 x2", ""),
    "logical_xor": ("numpy", "LogicalXor", "x1 x2", ""),
    "logsumexp": ("math", "Logsumexp", "x", "axis keepdims"),
    "matmul": ("numpy", "Matmul", "x1 x2", ""),
    "max": ("numpy", "Max", "x", "axis keepdims initial"),
    "max_pool": ("nn", "MaxPool", "inputs", "pool_size strides padding data_format"),
    "maximum": ("numpy", "Maximum", "x1 x2", ""),
    "mean": ("numpy", "Mean", "x", "axis keepdims"),
    "median": ("numpy", "Median", "x", "axis keepdims"),
    "min": ("numpy", "Min", "x", "axis keepdims initial"),
    "minimum": ("numpy", "Minimum", "x1 x2", ""),
    "mod": ("numpy", "Mod", "x1 x2", ""),
    "moments": ("nn", "Moments", "x", "axes keepdims synchronized"),
    "moveaxis": ("numpy", "Moveaxis", "x", "source destination"),
    "multi_hot": ("nn", "MultiHot", "inputs", "num_classes axis dtype sparse"),
    "multiply": ("numpy", "Multiply", "x1 x2", ""),
    "nancumprod": ("numpy", "Nancumprod", "x", "axis dtype"),
    "nancumsum": ("numpy", "Nancumsum", "x", "axis dtype"),
    "nanmedian": ("numpy", "Nanmedian", "x", "axis keepdims"),
    "nanpercentile": ("numpy", "Nanpercentile", "x q", "axis method keepdims"),
    "nanquantile": ("numpy", "Nanquantile", "x q", "axis method keepdims"),
    "negative": ("numpy", "Negative", "x", ""),
    "norm": ("linalg", "Norm", "x", "ord axis keepdims"),
    "normalize": ("nn", "Normalize", "x", "axis order epsilon"),
    "not_equal": ("numpy", "NotEqual", "x1 x2", ""),
    "one_hot": ("nn", "OneHot", "x", "num_classes axis dtype sparse"),
    "ones_like": ("numpy", "OnesLike", "x", "dtype"),
    "pad": ("numpy", "Pad", "x constant_values", "pad_width mode"),
    "percentile": ("numpy", "Percentile", "x q", "axis method keepdims"),
    "power": ("numpy", "Power", "x1 x2", ""),
    "prod": ("numpy", "Prod", "x", "axis keepdims dtype"),
    "quantile": ("numpy", "Quantile", "x q", "axis method keepdims"),
    "ravel": ("numpy", "Ravel", "x", ""),
    "reciprocal": ("numpy", "Reciprocal", "x", ""),
    "relu": ("nn", "Relu", "x", ""),
    "relu6": ("nn", "Relu6", "x", ""),
    "repeat": ("numpy", "Repeat", "x", "repeats axis"),
    "reshape": ("numpy", "Reshape", "x", "newshape"),
    "round": ("numpy", "Round", "x", "decimals"),
    "rsqrt": ("math", "Rsqrt", "x", ""),
    "scatter": ("core", "Scatter", "indices values", "shape"),
    "scatter_update": ("core", "ScatterUpdate", "inputs indices updates", "reduction"),
    "searchsorted": ("numpy", "SearchSorted", "sorted_sequence values", "side"),
    "segment_max": ("math", "SegmentMax", "data segment_ids", "num_segments sorted"),
    "segment_min": ("math", "SegmentMin", "data segment_ids", "num_segments sorted"),
    "segment_prod": ("math", "SegmentProd", "data segment_ids", "num_segments sorted"),
    "segment_sum": ("math", "SegmentSum", "data segment_ids", "num_segments sorted"),
    "selu": ("nn", "Selu", "x", ""),
    "sigmoid": ("nn", "Sigmoid", "x", ""),
    "sign": ("numpy", "Sign", "x", ""),
    "silu": ("nn", "Silu", "x", ""),
    "sin": ("numpy", "Sin", "x", ""),
    "sinh": ("numpy", "Sinh", "x", ""),
    "slice": ("core", "Slice", "inputs start_indices", "shape"),
    "slice_update": ("core", "SliceUpdate", "inputs start_indices updates", ""),
    "softmax": ("nn", "Softmax", "x", "axis"),
    "softplus": ("nn", "Softplus", "x", ""),
    "softsign": ("nn", "Softsign", "x", ""),
    "sort": ("numpy", "Sort", "x", "axis"),
    "sparse_categorical_crossentropy": ("nn", "SparseCategoricalCrossentropy", "target output", "from_logits axis"),
    "split": ("numpy", "Split", "x", "indices_or_sections axis"),
    "sqrt": ("numpy", "Sqrt", "x", ""),
    "square": ("numpy", "Square", "x", ""),
    "squeeze": ("numpy", "Squeeze", "x", "axis"),
    "stack": ("numpy", "Stack", "x", "axis"),
    "std": ("numpy", "Std", "x", "axis keepdims"),
    "stop_gradient": ("core", "StopGradient", "variable", ""),
    "subtract": ("numpy", "Subtract", "x1 x2", ""),
    "sum": ("numpy", "Sum", "x", "axis keepdims"),
    "swapaxes": ("numpy", "Swapaxes", "x", "axis1 axis2"),
    "take": ("numpy", "Take", "x indices", "axis"),
    "take_along_axis": ("numpy", "TakeAlongAxis", "x indices", "axis"),
    "tan": ("numpy", "Tan", "x", ""),
    "tanh": ("numpy", "Tanh", "x", ""),
    "tensordot": ("numpy", "Tensordot", "x1 x2", "axes"),
    "tile": ("numpy", "Tile", "x", "repeats"),
    "top_k": ("math", "TopK", "x", "k sorted"),
    "transpose": ("numpy", "Transpose", "x", "axes"),
    "trapezoid": ("numpy", "Trapezoid", "y", "x dx axis"),
    "true_divide": ("numpy", "TrueDivide", "x1 x2", ""),
    "unique": ("numpy", "Unique", "x", "sorted return_index return_inverse return_counts axis size fill_value"),
    "unravel_index": ("numpy", "UnravelIndex", "indices", "shape"),
    "var": ("numpy", "Var", "x", "axis keepdims"),
    "where": ("numpy", "Where", "condition x1 x2", ""),
    "zeros_like": ("numpy", "ZerosLike", "x", "dtype"),
    "celu": ("nn", "Celu", "x", "alpha"),
    "glu": ("nn", "Glu", "x", "axis"),
    "hard_shrink": ("nn", "HardShrink", "x", "threshold"),
    "soft_shrink": ("nn", "SoftShrink", "x", "threshold"),
    "sparse_plus": ("nn", "SparsePlus", "x", ""),
    "sparse_sigmoid": ("nn", "SparseSigmoid", "x", ""),
    "sparsemax": ("nn", "Sparsemax", "x", "axis"),
    "squareplus": ("nn", "Squareplus", "x", "b"),
    "tanh_shrink": ("nn", "TanhShrink", "x", ""),
    "threshold": ("nn", "Threshold", "x", "threshold default_value"),
    "hard_tanh": ("nn", "HardTanh", "x", ""),
    "psnr": ("nn", "PSNR", "x1 x2", "max_val"),
    "rgb_to_grayscale": ("image", "RGBToGrayscale", "images", "data_format"),
    "rgb_to_hsv": ("image", "RGBToHSV", "images", "data_format"),
    "hsv_to_rgb": ("image", "HSVToRGB", "images", "data_format"),
    "resize": (
        "image",
        "Resize",
        "images",
        "size interpolation antialias crop_to_aspect_ratio pad_to_aspect_ratio fill_mode fill_value data_format",
    ),
    "crop_images": (
        "image",
        "CropImages",
        "images",
        "top_cropping left_cropping bottom_cropping right_cropping target_height target_width data_format",
    ),
    "pad_images": (
        "image",
        "PadImages",
        "images",
        "top_padding left_padding bottom_padding right_padding target_height target_width data_format",
    ),
    "extract_patches": ("image", "ExtractPatches", "images", "size strides dilation_rate padding data_format"),
    "gaussian_blur": ("image", "GaussianBlur", "images", "kernel_size sigma data_format"),
    "sobel_edges": ("image", "SobelEdges", "images", "data_format"),
    "ssim": ("image", "SSIM", "image1 image2", "max_val filter_size filter_sigma k1 k2 data_format"),
    "affine_transform": (
        "image",
        "AffineTransform",
        "images transform",
        "interpolation fill_mode fill_value data_format",
    ),
    "map_coordinates": ("image", "MapCoordinates", "inputs coordinates", "order fill_mode fill_value"),
}

_FUNCTIONS = {(module, name): function for function, (module, name, _, _) in _CLASSES.items()}
_PREFIX = "keras.src.ops."


def is_operation_config(config: dict[str, Any]) -> bool:
    """Whether a configuration in a graph describes an op and not a layer."""
    return str(config.get("module") or "").startswith(_PREFIX)


def split_call(operation: Any, node: Any) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Splits the call that a node records.

    Args:
        operation: An `OpOperation`.
        node: One of its nodes.

    Returns:
        Positional arguments of the call, its keyword arguments, and the arguments of Keras' class.
    """
    _, _, call_names, class_names = _entry(operation)
    bound = signature_of_function(operation.function).bind(*node.args, **node.kwargs)
    given = dict(bound.arguments)
    bound.apply_defaults()
    names = [name for name in class_names.split() if name in bound.arguments]
    class_arguments = {name: bound.arguments[name] for name in names}
    given = {name: value for name, value in given.items() if name not in class_arguments}
    positional = []
    for name in call_names.split():
        if name not in given:
            break
        positional.append(given.pop(name))
    return tuple(positional), given, class_arguments


def serialize_operation(operation: Any) -> dict[str, Any]:
    """Returns the configuration of an op in Keras' format.

    Raises:
        ValueError: If Keras has no class for the op.
    """
    module, class_name, _, _ = _entry(operation)
    arguments: dict[str, Any] = dict(getattr(operation, "class_arguments", {}))
    for node in operation._inbound_nodes[:1]:
        arguments.update(split_call(operation, node)[2])
    from ironhorn.saving import registry

    return {
        "module": _PREFIX + module,
        "class_name": class_name,
        "config": {"name": operation.name, **registry.serialize_keras_object(arguments)},
        "registered_name": class_name,
    }


def deserialize_operation(config: dict[str, Any]) -> Any:
    """Makes an operation from its configuration in Keras' format.

    Raises:
        ValueError: If the op is not known.
    """
    module, class_name = config["module"].removeprefix(_PREFIX), config["class_name"]
    function = _FUNCTIONS.get((module, class_name))
    if function is None:
        raise ValueError(
            f"The model uses the op '{class_name}' of {config['module']}, which is not supported in the graph of a "
            f"model. Supported are: {', '.join(sorted(_CLASSES))}. Put the computation into a layer of your own."
        )
    from ironhorn.saving import registry

    arguments = {
        name: registry.deserialize_keras_object(value)
        for name, value in (config.get("config") or {}).items()
        if name not in ("name", "dtype", "sparse", "synchronized") or (name == "dtype" and isinstance(value, str))
    }
    return RevivedOperation(function, arguments, name=config["config"].get("name"))


class RevivedOperation(backend.OpOperation):
    """An op read from a file: calls come with the call's arguments only, those of the class are added.

    Args:
        function_name: Name of the function in `ironhorn.ops`.
        class_arguments: Arguments that Keras keeps in the class.
        name: Name of the operation in the graph.
    """

    def __init__(self, function_name: str, class_arguments: dict[str, Any], name: str | None = None) -> None:
        super().__init__(function_name, name=name)
        self.class_arguments = class_arguments

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function with all arguments."""
        _, _, call_names, _ = _CLASSES[self.function_name]
        named = dict(zip(call_names.split(), args, strict=False))
        if isinstance(named.get("key"), list):  # An index by several slices, from JSON.
            named["key"] = tuple(named["key"])
        return super().__call__(**{**self.class_arguments, **named, **kwargs})


def class_name_of(operation: Any) -> str:
    """Returns the name that Keras has for an operation's class."""
    if not isinstance(operation, backend.OpOperation):
        return type(operation).__name__
    entry = _CLASSES.get(operation.function_name)
    return operation.function_name if entry is None else entry[1]


def _entry(operation: Any) -> tuple[str, str, str, str]:
    entry = _CLASSES.get(operation.function_name)
    if entry is None:
        raise ValueError(
            f"The op '{operation.function_name}' in the graph of the model cannot be saved in Keras' format. Put the "
            "computation into a layer of your own."
        )
    return entry
