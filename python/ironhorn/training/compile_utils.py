"""Losses and metrics as `compile` takes them: for one output, a list of outputs, or a dict of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ironhorn import losses as losses_module
from ironhorn import metrics as metrics_module
from ironhorn import ops, tree
from ironhorn.training.names import object_name
from ironhorn.training.outputs import (
    align_specs,
    align_values,
    loss_names,
    metric_names,
    spec_order,
    structure_error,
)


def resolve_by_shape(y_true: Any, y_pred: Any) -> str:
    """Decides from shapes what `"accuracy"` or `"crossentropy"` means.

    Args:
        y_true: Targets.
        y_pred: Predictions.

    Returns:
        `"binary"`, `"sparse_categorical"` or `"categorical"`.
    """
    true_shape, pred_shape = tuple(y_true.shape), tuple(y_pred.shape)
    if not pred_shape or pred_shape[-1] == 1:
        return "binary"
    if len(true_shape) < len(pred_shape) or (true_shape[-1] == 1 and (pred_shape[-1] or 2) > 1):
        return "sparse_categorical"
    return "categorical"


def get_loss(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """Makes the `Loss` of one output.

    Args:
        identifier: What `compile` received for it.
        y_true: Its targets.
        y_pred: The output.

    Returns:
        A `Loss`, or `None`.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (list, tuple)):
        if len(identifier) != 1:
            raise ValueError(
                f"Received {len(identifier)} losses for one output: {identifier!r}. Write one function that adds them."
            )
        identifier = identifier[0]
    if isinstance(identifier, str) and identifier.lower() in ("crossentropy", "ce"):
        loss = getattr(losses_module, f"{resolve_by_shape(y_true, y_pred)}_crossentropy")
    else:
        loss = losses_module.get(identifier)
    if isinstance(loss, losses_module.Loss):
        return loss
    name = identifier if isinstance(identifier, str) else object_name(loss)
    return losses_module.LossFunctionWrapper(loss, name=name)


def get_metric(identifier: Any, y_true: Any, y_pred: Any) -> Any:
    """Makes the `Metric` of one output.

    Args:
        identifier: What `compile` received for it.
        y_true: Its targets.
        y_pred: The output.

    Returns:
        A `Metric`; its name is the identifier if that is a string.

    Raises:
        ValueError: If `identifier` is `None`.
    """
    if identifier is None:
        raise ValueError("Expected metric, received `None`")
    key = identifier.lower() if isinstance(identifier, str) else ""
    if key in ("accuracy", "acc", "crossentropy", "ce"):
        family = "accuracy" if key in ("accuracy", "acc") else "crossentropy"
        kind = resolve_by_shape(y_true, y_pred)
        metric = metrics_module.get(f"{kind}_{family}")
    else:
        metric = metrics_module.get(identifier)
    name = identifier if isinstance(identifier, str) else object_name(metric)
    if not isinstance(metric, metrics_module.Metric):
        metric = metrics_module.MeanMetricWrapper(metric)
    metric.name = name
    return metric


class MetricsList(metrics_module.Metric):
    """The metrics of one output.

    Args:
        metrics: The metrics.
        output_name: Name of the output, which begins each metric's name in logs; `None` for a single output.
    """

    def __init__(self, metrics: list[Any], output_name: str | None = None):
        super().__init__(name="metrics_list")
        self.metrics = metrics
        self.output_name = output_name

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Updates each metric."""
        for metric in self.metrics:
            metric.update_state(y_true, y_pred, sample_weight=sample_weight)

    def reset_state(self) -> None:
        """Resets each metric."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Any]:
        """Returns each metric's result by name."""
        return {metric.name: metric.result() for metric in self.metrics}


class CompileMetrics(metrics_module.Metric):
    """All metrics of `compile`, as one metric whose result is a dict.

    Args:
        metrics: The argument `metrics`.
        weighted_metrics: The argument `weighted_metrics`.
        output_names: The model's output names.

    Raises:
        ValueError: If an argument is neither list, tuple nor dict.
    """

    def __init__(self, metrics: Any, weighted_metrics: Any, output_names: Sequence[str] | None = None):
        super().__init__(name="compile_metrics")
        for argument, value in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if value and not isinstance(value, (list, tuple, dict)):
                raise ValueError(
                    f"Expected `{argument}` argument to be a list, tuple, or dict. Received instead: "
                    f"{argument}={value!r} of type {type(value)}. Put it into a list: {argument}=[{value!r}]"
                )
        self._user_metrics = metrics
        self._user_weighted_metrics = weighted_metrics
        self.output_names = output_names
        self.built = False
        self._flat_metrics: list[MetricsList | None] = []
        self._flat_weighted_metrics: list[MetricsList | None] = []

    @property
    def metrics(self) -> list[Any]:
        """All metrics; none before the first batch's shapes are known."""
        lists = self._flat_metrics + self._flat_weighted_metrics
        return [metric for part in lists if part is not None for metric in part.metrics]

    @property
    def variables(self) -> list[Any]:
        """The variables of all metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Makes the metrics.

        Args:
            y_true: Targets, or anything with their shapes and structure.
            y_pred: Outputs, likewise.
        """
        self._flat_metrics = self._build(self._user_metrics, y_true, y_pred, "metrics")
        self._flat_weighted_metrics = self._build(self._user_weighted_metrics, y_true, y_pred, "weighted_metrics")
        self.built = True

    def _build(self, spec: Any, y_true: Any, y_pred: Any, argument: str) -> list[MetricsList | None]:
        predictions = tree.flatten(y_pred)
        if not spec:
            return [None] * len(predictions)
        names = metric_names(y_pred, self.output_names)
        if len(predictions) == 1:
            specs: list[Any] = [tree.flatten(spec)]
            names = [None]
        else:
            specs = align_specs(spec, y_pred, self.output_names, argument, broadcast=False)
        targets = self._targets(y_true, y_pred)
        lists: list[MetricsList | None] = []
        for entry, target, prediction, name in zip(specs, targets, predictions, names, strict=True):
            entries = [entry] if not isinstance(entry, (list, tuple)) else [item for item in entry if item is not None]
            if entry is None or not entries:
                lists.append(None)
                continue
            _require_target(target, name, argument)
            lists.append(MetricsList([get_metric(item, target, prediction) for item in entries], name))
        return lists

    def _targets(self, y_true: Any, y_pred: Any) -> list[Any]:
        aligned = align_values(y_true, y_pred, self.output_names)
        if aligned is None:
            raise structure_error(y_true, y_pred)
        return aligned

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes one more batch into account; sample weights reach the weighted metrics only."""
        if not self.built:
            self.build(y_true, y_pred)
        predictions = tree.flatten(y_pred)
        if not any(self._flat_metrics) and not any(self._flat_weighted_metrics):
            return
        targets = self._targets(y_true, y_pred)
        weights: list[Any] = [None] * len(predictions)
        if sample_weight is not None:
            aligned = align_values(sample_weight, y_pred, self.output_names) if tree.is_nested(sample_weight) else None
            weights = aligned or [tree.flatten(sample_weight)[0]] * len(predictions)
        for metric, target, prediction in zip(self._flat_metrics, targets, predictions, strict=True):
            if metric is not None:
                metric.update_state(target, prediction)
        for metric, target, prediction, weight in zip(
            self._flat_weighted_metrics, targets, predictions, weights, strict=True
        ):
            if metric is not None:
                metric.update_state(target, prediction, weight)

    def reset_state(self) -> None:
        """Resets all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self) -> dict[str, Any]:
        """Returns all results by their names in logs."""
        if not self.built:
            raise ValueError("Cannot get result() since the metric has not yet been built.")
        return {name: metric.result() for name, metric in self._named_metrics()}

    def _named_metrics(self) -> list[tuple[str, Any]]:
        """Pairs of name in logs and metric.

        The name is the metric's, after `output_` for several outputs. A name that occurs again gets a number; a
        weighted metric whose name is taken becomes `weighted_name`.
        """
        named: list[tuple[str, Any]] = []
        counts: dict[str, int] = {}
        for weighted, lists in ((False, self._flat_metrics), (True, self._flat_weighted_metrics)):
            for part in lists:
                if part is None:
                    continue
                prefix = f"{part.output_name}_" if part.output_name else ""
                for metric in part.metrics:
                    name = f"{prefix}{metric.name}"
                    if name in counts and weighted:
                        name = f"{prefix}weighted_{metric.name}"
                    counts[name] = counts.get(name, 0) + 1
                    named.append((name if counts[name] == 1 else f"{name}_{counts[name] - 1}", metric))
        return named

    def get_config(self) -> dict[str, Any]:
        """Not available: the model's compile config holds the metrics."""
        raise NotImplementedError("CompileMetrics is saved as part of the model's compile config.")


class _OutputLoss(NamedTuple):
    output: int
    loss: Any
    weight: Any
    name: str


class CompileLoss(losses_module.Loss):
    """The losses of all outputs, as one loss.

    Args:
        loss: The argument `loss`.
        loss_weights: The argument `loss_weights`.
        output_names: The model's output names.

    Raises:
        ValueError: If `loss_weights` is of an unknown type.
    """

    def __init__(self, loss: Any, loss_weights: Any = None, output_names: Sequence[str] | None = None):
        if loss_weights and not isinstance(loss_weights, (list, tuple, dict, float, int)):
            raise ValueError(
                "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, or dict "
                f"(multiple output case). Received instead: loss_weights={loss_weights!r} of type {type(loss_weights)}"
            )
        super().__init__(name="compile_loss")
        for identifier in tree.flatten(loss):
            if isinstance(identifier, str) and identifier.lower() not in ("crossentropy", "ce"):
                losses_module.get(identifier)
        self._user_loss = loss
        self._user_loss_weights = loss_weights
        self.output_names = output_names
        self.built = False
        self._parts: list[_OutputLoss] = []
        self._metrics: list[Any] = []

    @property
    def metrics(self) -> list[Any]:
        """One `Mean` per output's loss, if there are several."""
        return self._metrics

    @property
    def variables(self) -> list[Any]:
        """The variables of `metrics`."""
        return [variable for metric in self._metrics for variable in metric.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Makes the losses.

        Args:
            y_true: Targets, or anything with their shapes and structure.
            y_pred: Outputs, likewise.
        """
        predictions = tree.flatten(y_pred)
        specs = align_specs(self._user_loss, y_pred, self.output_names, "loss", broadcast=True)
        weights = self._weights(y_pred, specs)
        names = loss_names(y_pred, self.output_names)
        targets = self._targets(y_true, y_pred, [spec is not None for spec in specs])
        parts = []
        for index in spec_order(self._user_loss, y_pred):
            if specs[index] is None:
                continue
            _require_target(targets[index], names[index], "loss")
            loss = get_loss(specs[index], targets[index], predictions[index])
            parts.append(_OutputLoss(index, loss, weights[index], names[index] or loss.name))
        if not parts:
            raise ValueError(f"No output has a loss. Received: loss={self._user_loss!r}")
        self._parts = parts
        self._metrics = []
        if len(parts) > 1:
            self._metrics = [metrics_module.Mean(name=f"{part.name}_loss") for part in parts]
        self.built = True

    def _weights(self, y_pred: Any, specs: list[Any]) -> list[Any]:
        weights = self._user_loss_weights
        if weights is None:
            return [None] * len(specs)
        if isinstance(weights, (list, tuple)) and len(weights) != len(specs):
            present = [index for index, spec in enumerate(specs) if spec is not None]
            if len(weights) != len(present):
                raise ValueError(
                    f"`loss_weights` must match the number of losses, got {len(present)} losses and "
                    f"{len(weights)} weights."
                )
            filled: list[Any] = [None] * len(specs)
            for index, weight in zip(present, weights, strict=True):
                filled[index] = weight
            return filled
        return align_specs(weights, y_pred, self.output_names, "loss_weights", broadcast=True)

    def _targets(self, y_true: Any, y_pred: Any, used: list[bool]) -> list[Any]:
        aligned = align_values(y_true, y_pred, self.output_names)
        if aligned is None:
            flat = tree.flatten(y_true)
            if len(flat) != sum(used):
                raise structure_error(y_true, y_pred)
            values = iter(flat)
            aligned = [next(values) if is_used else None for is_used in used]
        return aligned

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Computes the weighted sum of all outputs' losses.

        Args:
            y_true: Targets.
            y_pred: Outputs.
            sample_weight: Weights: one array for all outputs, or one per output.

        Returns:
            A scalar tensor.
        """
        from ironhorn.backend.tracing import layer_scope

        if not self.built:
            self.build(y_true, y_pred)
        predictions = tree.flatten(y_pred)
        used = {part.output for part in self._parts}
        targets = self._targets(y_true, y_pred, [index in used for index in range(len(predictions))])
        weights: list[Any] = [sample_weight] * len(predictions)
        if sample_weight is not None and tree.is_nested(sample_weight):
            weights = self._targets(sample_weight, y_pred, [index in used for index in range(len(predictions))])
        total = None
        metrics = self._metrics or [None] * len(self._parts)
        for part, metric in zip(self._parts, metrics, strict=True):
            prediction = predictions[part.output]
            _require_target(targets[part.output], part.name, "loss")
            with layer_scope(f"loss/{part.loss.name}"):
                value = ops.cast(part.loss(targets[part.output], prediction, weights[part.output]), self.dtype)
            if metric is not None:
                metric.update_state(value, sample_weight=ops.shape(prediction)[0])
            if part.weight is not None:
                value = ops.multiply(value, part.weight)
            total = value if total is None else ops.add(total, value)
        return total

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Computes the loss without sample weights."""
        return self(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Not available: the model's compile config holds the losses."""
        raise NotImplementedError("CompileLoss is saved as part of the model's compile config.")


def _require_target(target: Any, name: str | None, argument: str) -> None:
    if target is None:
        where = f"output {name!r}" if name else "the model's output"
        raise ValueError(
            f"The model was compiled with `{argument}` for {where}, but the data holds no target for it: pass `y`."
        )
