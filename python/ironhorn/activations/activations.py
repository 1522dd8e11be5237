"""Activation functions, as functions of one tensor over `ironhorn.ops`."""

from __future__ import annotations

from typing import Any

from ironhorn import ops


def linear(x: Any) -> Any:
    """Returns its argument."""
    return x


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Rectified linear unit: `max(x, 0)` with the default arguments.

    Args:
        x: A tensor.
        negative_slope: Slope below the threshold.
        max_value: Upper bound of the result; `None` for none.
        threshold: Value below which the result is `negative_slope * (x - threshold)`.

    Returns:
        A tensor of the shape and dtype of `x`.

    Example:
        >>> ironhorn.activations.relu([-1.0, 2.0]).numpy()
        array([0., 2.], dtype=float32)
    """
    if threshold == 0.0 and max_value is None:
        return ops.relu(x) if negative_slope == 0.0 else ops.leaky_relu(x, negative_slope=negative_slope)
    if threshold == 0.0:
        result = ops.relu6(x) if max_value == 6 else ops.clip(x, 0.0, max_value)
    else:
        result = ops.where(ops.greater(x, threshold), x, ops.zeros_like(x))
        if max_value is not None:
            result = ops.clip(result, 0.0, max_value)
    if negative_slope != 0.0:
        below = ops.relu(ops.subtract(threshold, x) if threshold != 0.0 else ops.negative(x))
        result = ops.subtract(result, ops.multiply(below, negative_slope))
    return result


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Returns `x` where it is positive, `negative_slope * x` elsewhere."""
    return ops.leaky_relu(x, negative_slope=negative_slope)


def relu6(x: Any) -> Any:
    """Returns `min(max(x, 0), 6)`."""
    return ops.relu6(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """Returns `exp(x) / sum(exp(x))` along an axis.

    Args:
        x: A tensor.
        axis: Axis along which the results add up to one.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    return ops.softmax(x, axis=axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Returns the logarithm of the softmax along an axis."""
    return ops.log_softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """Returns `x` where it is positive, `alpha * (exp(x) - 1)` elsewhere."""
    return ops.elu(x, alpha=alpha)


def selu(x: Any) -> Any:
    """Scaled exponential linear unit (Klambauer et al., 2017)."""
    return ops.selu(x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """Gaussian error linear unit: `x * P(X <= x)` with standard normal `X`.

    Args:
        x: A tensor.
        approximate: Whether to use the tanh approximation.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    return ops.gelu(x, approximate=approximate)


def silu(x: Any) -> Any:
    """Returns `x * sigmoid(x)`; also named swish."""
    return ops.silu(x)


def softplus(x: Any) -> Any:
    """Returns `log(exp(x) + 1)`."""
    return ops.softplus(x)


def softsign(x: Any) -> Any:
    """Returns `x / (abs(x) + 1)`."""
    return ops.softsign(x)


def tanh(x: Any) -> Any:
    """Returns the hyperbolic tangent."""
    return ops.tanh(x)


def sigmoid(x: Any) -> Any:
    """Returns `1 / (1 + exp(-x))`."""
    return ops.sigmoid(x)


def log_sigmoid(x: Any) -> Any:
    """Returns the logarithm of the sigmoid, without overflow."""
    return ops.negative(ops.softplus(ops.negative(x)))


def exponential(x: Any) -> Any:
    """Returns `exp(x)`."""
    return ops.exp(x)


def hard_sigmoid(x: Any) -> Any:
    """Returns `clip(x / 6 + 0.5, 0, 1)`."""
    return ops.hard_sigmoid(x)


def hard_silu(x: Any) -> Any:
    """Returns `x * hard_sigmoid(x)`; also named hard swish."""
    return ops.multiply(x, ops.hard_sigmoid(x))


def hard_tanh(x: Any) -> Any:
    """Returns `clip(x, -1, 1)`."""
    return ops.clip(x, -1.0, 1.0)


def mish(x: Any) -> Any:
    """Returns `x * tanh(softplus(x))` (Misra, 2019)."""
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Returns `x` where it is positive, `alpha * (exp(x / alpha) - 1)` elsewhere (Barron, 2017)."""
    return ops.celu(x, alpha=alpha)


def glu(x: Any, axis: int = -1) -> Any:
    """Returns the first half of `x` along an axis times the sigmoid of the second (Dauphin et al., 2017)."""
    return ops.glu(x, axis=axis)


def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Returns `x` where `abs(x) > threshold`, 0 elsewhere."""
    return ops.hard_shrink(x, threshold=threshold)


def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Returns `x` moved towards 0 by `threshold`, and no further than 0."""
    return ops.soft_shrink(x, threshold=threshold)


def sparse_plus(x: Any) -> Any:
    """Returns 0 below -1, `x` above 1, and `(x + 1) ** 2 / 4` between."""
    return ops.sparse_plus(x)


def sparse_sigmoid(x: Any) -> Any:
    """Returns `clip((x + 1) / 2, 0, 1)`."""
    return ops.sparse_sigmoid(x)


def squareplus(x: Any, b: float = 4) -> Any:
    """Returns `(x + sqrt(x ** 2 + b)) / 2` (Barron, 2021)."""
    return ops.squareplus(x, b=b)


def tanh_shrink(x: Any) -> Any:
    """Returns `x - tanh(x)`."""
    return ops.tanh_shrink(x)


def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """Returns `x` where it is greater than `threshold`, `default_value` elsewhere.

    Args:
        x: A tensor.
        threshold: Where `x` begins to pass.
        default_value: What stands for the rest.
    """
    return ops.threshold(x, threshold, default_value)


def sparsemax(x: Any, axis: int = -1) -> Any:
    """Returns a softmax-like result with zeros along an axis; see `ops.sparsemax` for the threshold."""
    return ops.sparsemax(x, axis=axis)
