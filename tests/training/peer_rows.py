"""Losses, metrics and optimizers whose numbers are compared with Keras': a row each, the same code for both libraries.

Every function takes the library (`keras` or `ironhorn`) and returns arrays by name. Everything is computed in float64.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BATCHES = 3
STEPS = 20


def draw(*key: Any) -> np.random.Generator:
    """Random numbers that depend on `key` alone."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def real(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.standard_normal(shape)


def positive(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(0.1, 3.0, shape)


def unit(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.uniform(0.02, 0.98, shape)


def binary(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (generator.uniform(size=shape) > 0.5).astype("float64")


def signs(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return 2.0 * binary(generator, shape) - 1.0


def distribution(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = generator.uniform(0.05, 1.0, shape)
    return values / values.sum(-1, keepdims=True)


def classes(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.integers(0, 4, shape[:-1]).astype("int32")


def one_hot(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.eye(shape[-1])[generator.integers(0, shape[-1], shape[:-1])]


def regions(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.integers(0, 4, shape).astype("int32")


def directions(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    values = generator.standard_normal(shape)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def groups(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return generator.integers(0, 3, shape[:1]).astype("int32")


@dataclass(frozen=True)
class Row:
    """One configuration of a loss or metric.

    Args:
        name: Its class.
        y_true: Draws targets.
        y_pred: Draws predictions.
        arguments: Of the constructor.
        shape: Of the predictions.
        weighted: Whether sample weights are given too.
        masked: Whether a mask on the predictions is given too (losses).
    """

    name: str
    y_true: Callable[..., np.ndarray]
    y_pred: Callable[..., np.ndarray]
    arguments: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = (6, 4)
    weighted: bool = True
    masked: bool = True

    @property
    def id(self) -> str:
        """A name for tests and recordings."""
        text = ",".join(f"{key}={value}" for key, value in self.arguments.items())
        kind = "" if self.shape == (6, 4) else "x".join(map(str, self.shape))
        return " ".join(part for part in (self.name, text.replace("/", "|"), kind) if part)

    def batch(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Targets and predictions of one batch."""
        generator = draw(self.id, number)
        return self.y_true(generator, self.shape), self.y_pred(generator, self.shape)

    def weights(self, number: int, shape: tuple[int, ...]) -> np.ndarray:
        """Sample weights of one batch, some of them 0."""
        values = draw(self.id, "weights", number).uniform(0.0, 2.0, shape)
        return np.where(values < 0.5, 0.0, values)


SEQUENCE = (3, 5, 4)
LOSSES = [
    Row("MeanSquaredError", real, real),
    Row("MeanSquaredError", real, real, shape=SEQUENCE),
    Row("MeanAbsoluteError", real, real),
    Row("MeanAbsolutePercentageError", positive, real),
    Row("MeanSquaredLogarithmicError", positive, positive),
    Row("Huber", real, real),
    Row("Huber", real, real, {"delta": 0.3}),
    Row("LogCosh", real, real),
    Row("CosineSimilarity", real, real),
    Row("CosineSimilarity", real, real, {"axis": 1}, shape=SEQUENCE),
    Row("BinaryCrossentropy", binary, unit),
    Row("BinaryCrossentropy", binary, real, {"from_logits": True, "label_smoothing": 0.1}),
    Row("BinaryFocalCrossentropy", binary, unit),
    Row("BinaryFocalCrossentropy", binary, real, {"from_logits": True, "apply_class_balancing": True, "gamma": 1.5}),
    Row("CategoricalCrossentropy", one_hot, distribution),
    Row("CategoricalCrossentropy", one_hot, real, {"from_logits": True, "label_smoothing": 0.1}, shape=SEQUENCE),
    Row("CategoricalFocalCrossentropy", one_hot, distribution),
    Row("CategoricalFocalCrossentropy", one_hot, real, {"from_logits": True, "alpha": 0.5, "label_smoothing": 0.1}),
    Row("CategoricalGeneralizedCrossEntropy", classes, distribution),
    Row("CategoricalGeneralizedCrossEntropy", classes, distribution, {"q": 0.8}),
    Row("SparseCategoricalCrossentropy", classes, distribution),
    Row("SparseCategoricalCrossentropy", classes, real, {"from_logits": True}, shape=SEQUENCE),
    Row("SparseCategoricalCrossentropy", classes, distribution, {"ignore_class": 2}),
    Row("KLDivergence", distribution, distribution),
    Row("Poisson", positive, positive),
    Row("Hinge", signs, real),
    Row("Hinge", binary, real, shape=(6, 3)),
    Row("SquaredHinge", signs, real),
    Row("CategoricalHinge", one_hot, real),
    Row("Dice", binary, unit, weighted=False, masked=False),
    Row("Dice", binary, unit, {"axis": (1, 2)}, shape=SEQUENCE),
    Row("Tversky", binary, unit, {"alpha": 0.7, "beta": 0.2}, weighted=False, masked=False),
    Row("Tversky", binary, unit, {"axis": (1, 2)}, shape=SEQUENCE),
    Row("Circle", groups, directions, masked=False),
    Row("Circle", groups, directions, {"gamma": 10.0, "margin": 0.25, "remove_diagonal": False}, masked=False),
    Row("CTC", lambda g, s: g.integers(1, 6, (s[0], 3)).astype("int32"), real, shape=(3, 9, 6), masked=False),
]

METRICS = [
    Row("Mean", real, real),
    Row("Sum", real, real),
    Row("MeanSquaredError", real, real),
    Row("RootMeanSquaredError", real, real),
    Row("MeanAbsoluteError", real, real),
    Row("MeanAbsolutePercentageError", positive, real),
    Row("MeanSquaredLogarithmicError", positive, positive),
    Row("CosineSimilarity", real, real),
    Row("LogCoshError", real, real),
    Row("R2Score", real, real),
    Row("R2Score", real, real, {"class_aggregation": "variance_weighted_average"}),
    Row("R2Score", real, real, {"class_aggregation": None}),
    Row("R2Score", real, real, {"num_regressors": 2}),
    Row("PearsonCorrelation", real, real),
    Row("PearsonCorrelation", real, real, {"axis": 0}, weighted=False),
    Row("ConcordanceCorrelation", real, real),
    Row("BinaryCrossentropy", binary, unit),
    Row("CategoricalCrossentropy", one_hot, distribution),
    Row("SparseCategoricalCrossentropy", classes, distribution),
    Row("KLDivergence", distribution, distribution),
    Row("Poisson", positive, positive),
    Row("Hinge", signs, real),
    Row("SquaredHinge", signs, real),
    Row("CategoricalHinge", one_hot, real),
    Row("Accuracy", regions, regions),
    Row("BinaryAccuracy", binary, unit),
    Row("CategoricalAccuracy", one_hot, distribution),
    Row("SparseCategoricalAccuracy", classes, distribution),
    Row("TopKCategoricalAccuracy", one_hot, distribution, {"k": 2}),
    Row("SparseTopKCategoricalAccuracy", classes, distribution, {"k": 2}),
    Row("TruePositives", binary, unit),
    Row("TruePositives", binary, unit, {"thresholds": [0.2, 0.5, 0.9]}),
    Row("FalsePositives", binary, unit),
    Row("FalsePositives", binary, unit, {"thresholds": [0.0, 0.5, 1.0]}),
    Row("TrueNegatives", binary, unit),
    Row("FalseNegatives", binary, unit, {"thresholds": 0.7}),
    Row("Precision", binary, unit),
    Row("Precision", one_hot, distribution, {"top_k": 2}),
    Row("Precision", binary, unit, {"class_id": 1, "thresholds": [0.25, 0.75]}),
    Row("Recall", binary, unit),
    Row("Recall", one_hot, distribution, {"top_k": 2, "class_id": 3}),
    Row("SensitivityAtSpecificity", binary, unit, {"specificity": 0.4}),
    Row("SpecificityAtSensitivity", binary, unit, {"sensitivity": 0.4, "num_thresholds": 50}),
    Row("PrecisionAtRecall", binary, unit, {"recall": 0.6}),
    Row("RecallAtPrecision", binary, unit, {"precision": 0.5, "num_thresholds": 1}),
    *(
        Row("AUC", binary, unit, {"curve": curve, "summation_method": method})
        for curve in ("ROC", "PR", "PRGAIN")
        for method in ("interpolation", "minoring", "majoring")
    ),
    Row("AUC", binary, real, {"from_logits": True, "num_thresholds": 30}),
    Row("AUC", binary, unit, {"multi_label": True, "num_labels": 4}),
    Row("AUC", binary, unit, {"multi_label": True, "label_weights": [0.1, 0.2, 0.3, 0.4], "curve": "PR"}),
    Row("AUC", binary, unit, {"thresholds": [0.1, 0.3, 0.35, 0.8]}),
    Row("IoU", regions, regions, {"num_classes": 4, "target_class_ids": [0, 2]}, weighted=False),
    Row("IoU", regions, regions, {"num_classes": 4, "target_class_ids": [1], "ignore_class": 0, "dtype": "float32"}),
    Row("BinaryIoU", binary, unit, {"threshold": 0.4}, weighted=False),
    Row("MeanIoU", regions, regions, {"num_classes": 4}, weighted=False),
    Row("OneHotIoU", one_hot, distribution, {"num_classes": 4, "target_class_ids": [0, 3]}, weighted=False),
    Row("OneHotMeanIoU", one_hot, distribution, {"num_classes": 4}, weighted=False),
    Row("FBetaScore", one_hot, distribution, {"beta": 2.0}),
    Row("FBetaScore", one_hot, distribution, {"average": "micro", "threshold": 0.3}),
    Row("F1Score", one_hot, distribution, {"average": "macro"}),
    Row("F1Score", one_hot, distribution, {"average": "weighted"}),
]

#: Class and arguments of optimizers.
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"learning_rate": 0.1}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("RMSprop", {"learning_rate": 0.05}),
    ("RMSprop", {"learning_rate": 0.05, "momentum": 0.5, "centered": True, "weight_decay": 0.01}),
    ("Adam", {"learning_rate": 0.05}),
    ("Adam", {"learning_rate": 0.05, "amsgrad": True, "clipnorm": 0.5}),
    ("AdamW", {"learning_rate": 0.05, "weight_decay": 0.02}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adagrad", {"learning_rate": 0.1, "weight_decay": 0.01}),
    ("Adamax", {"learning_rate": 0.05}),
    ("Nadam", {"learning_rate": 0.05, "weight_decay": 0.01}),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 0.01,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.05,
            "beta": 0.2,
        },
    ),
    ("Lion", {"learning_rate": 0.01, "weight_decay": 0.1}),
    ("Lamb", {"learning_rate": 0.05}),
    ("Adafactor", {"learning_rate": 0.05}),
    ("Adafactor", {"learning_rate": 0.05, "relative_step": False, "beta_2_decay": -0.7}),
    ("Muon", {"learning_rate": 0.02}),
    ("ScheduleFreeAdamW", {"learning_rate": 0.05, "warmup_steps": 5}),
    ("Adam", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 4}),
    ("Adam", {"learning_rate": 0.05, "gradient_accumulation_steps": 4}),
    ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "gradient_accumulation_steps": 3, "global_clipnorm": 1.0}),
    ("Adagrad", {"learning_rate": 0.05, "clipvalue": 0.3, "loss_scale_factor": 2.0}),
    ("LossScaleOptimizer", {"inner_optimizer": "Adam", "initial_scale": 1024.0, "dynamic_growth_steps": 3}),
    ("MultiOptimizer", {"optimizer_map": {"v0": "Adam", "v[12]": "RMSprop"}}),
]


def optimizer_id(row: tuple[str, dict[str, Any]]) -> str:
    """A name for tests and recordings."""
    return " ".join([row[0], ",".join(f"{key}={value}" for key, value in row[1].items())])


def joined(numbers: dict[str, np.ndarray]) -> np.ndarray:
    """All numbers of a row one after another, as they are recorded."""
    return np.concatenate([np.ravel(value).astype("float64") for value in numbers.values()])


def loss_numbers(library: Any, row: Row, attach: Callable[[Any, Any], None]) -> dict[str, Any]:
    """The loss of each batch, plain, reduced in every way, weighted and masked."""
    found: dict[str, Any] = {}
    for number in range(BATCHES):
        y_true, y_pred = row.batch(number)
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none"):
            loss = getattr(library.losses, row.name)(reduction=reduction, dtype="float64", **row.arguments)
            found[f"{number} {reduction}"] = loss(y_true, y_pred)
            if row.weighted:
                tensor = library.ops.convert_to_tensor(y_pred)
                shape = np.asarray(loss.call(library.ops.convert_to_tensor(y_true), tensor)).shape
                weights = row.weights(number, shape)
                found[f"{number} {reduction} weighted"] = loss(y_true, y_pred, sample_weight=weights)
                if row.masked:
                    attach(tensor, draw(row.id, "mask", number).uniform(size=shape) > 0.3)
                    found[f"{number} {reduction} masked"] = loss(y_true, tensor)
    return {name: np.asarray(value) for name, value in found.items()}


def metric_numbers(library: Any, row: Row) -> dict[str, Any]:
    """The metric after each batch, and after each weighted batch."""
    found: dict[str, Any] = {}
    for weighted in (False, True) if row.weighted else (False,):
        arguments = {"dtype": None if "IoU" in row.name else "float64", **row.arguments}
        metric = getattr(library.metrics, row.name)(**arguments)
        for number in range(BATCHES):
            given = row.batch(number)
            if row.name in ("Mean", "Sum"):
                given = given[1:]
            weights = row.weights(number, row.shape[:1])
            if row.name == "IoU":
                weights = np.repeat(weights, row.shape[1])
            metric.update_state(*given, **({"sample_weight": weights} if weighted else {}))
            found[f"{number}{' weighted' if weighted else ''}"] = np.asarray(metric.result())
    return found


def optimizer_numbers(library: Any, row: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The variables after each of the first three steps, and after all."""
    key = optimizer_id(row)
    shapes = [(4, 3), (3,), (5,)]
    variables = [
        library.Variable(draw(key, "start", i).standard_normal(shape), dtype="float64", name=f"v{i}")
        for i, shape in enumerate(shapes)
    ]
    optimizer = make_optimizer(library, row)
    optimizer.build(variables)
    found: dict[str, Any] = {}
    for step in range(STEPS):
        gradients = [draw(key, step, i).standard_normal(shape) for i, shape in enumerate(shapes)]
        if row[0] == "LossScaleOptimizer":
            apply_scaled(library, optimizer, variables, gradients, overflows=step % 5 == 1)
            found[f"step {step} scale"] = np.array(optimizer.dynamic_scale)
        else:
            optimizer.apply([library.ops.convert_to_tensor(gradient, "float64") for gradient in gradients], variables)
        if step < 3 or step == STEPS - 1:
            for i, variable in enumerate(variables):
                found[f"step {step} variable {i}"] = np.array(variable)
    return found


def make_optimizer(library: Any, row: tuple[str, dict[str, Any]]) -> Any:
    """The optimizer of a row; the optimizers that it wraps are given by name."""
    optimizers, arguments = library.optimizers, dict(row[1])
    if "inner_optimizer" in arguments:
        arguments["inner_optimizer"] = getattr(optimizers, arguments["inner_optimizer"])(0.05)
    if "optimizer_map" in arguments:
        inner = {path: getattr(optimizers, name)(0.05) for path, name in arguments["optimizer_map"].items()}
        arguments["optimizer_map"] = optimizers.OptimizerMap(optimizers.SGD(0.05), inner)
    return getattr(optimizers, row[0])(**arguments)


def apply_scaled(library: Any, optimizer: Any, variables: list[Any], gradients: list[Any], overflows: bool) -> None:
    """One step with the gradients of the scaled loss, of which one may be infinite."""
    scale = float(np.array(optimizer.dynamic_scale))
    gradients = [scale * gradient for gradient in gradients]
    if overflows:
        gradients[1][0] = np.inf
    # Keras on JAX takes conditional steps only without state.
    values, state = optimizer.stateless_apply(
        [variable.value for variable in optimizer.variables],
        [library.ops.convert_to_tensor(gradient, "float64") for gradient in gradients],
        [variable.value for variable in variables],
    )
    for variable, value in zip([*variables, *optimizer.variables], [*values, *state], strict=True):
        variable.assign(value)
