"""What a row of the layers' reference table is, and the numbers that it is computed with.

A row makes a layer, of Keras or of Ironhorn, and says what it is called with. Inputs, weights, and the functional whose
gradients are compared are drawn from the row's name, so that a recording holds results only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One configuration of one layer.

    Args:
        layer: Name of the layer's class.
        make: Makes the layer from a module, `keras` or `ironhorn`.
        inputs: Shapes of the inputs, batch axis first. Several are given as a list.
        note: What tells this row from others of the same layer.
        integers: If not 0, the inputs are integers from 0 to below it.
        positive: Whether the inputs are positive.
        spread: Whether several inputs are given as separate arguments instead of as a list.
        mask: Mask of the input as nested lists (or a list of masks, one an input, `None` for none): given as the
            argument `mask`, and to `compute_mask`.
        carried: Whether the mask is carried by the inputs instead, as one that an earlier layer made.
        call: Further arguments of the call; lists become arrays.
        gradient: Whether gradients are compared; otherwise why not.
        varying: Axes beside the batch whose lengths are not known while the layer is traced.
        tolerance: Factor on the tolerances, for layers that cancel or amplify; say why beside it.
        vanishing: Results that are 0 but for rounding, compared beside 1.
        narrow: Whether Keras computes a part in float32 whatever the type, so that float64 is compared as float32.
        config: Whether the configuration is compared.
    """

    layer: str
    make: Callable[[Any], Any]
    inputs: list[tuple[int, ...]]
    note: str = ""
    integers: int = 0
    positive: bool = False
    spread: bool = False
    mask: Any = None
    carried: bool = False
    call: dict[str, Any] = field(default_factory=dict)
    gradient: bool | str = True
    varying: tuple[int, ...] = ()
    tolerance: float = 1.0
    vanishing: tuple[str, ...] = ()
    narrow: bool = False
    config: bool = True

    @property
    def id(self) -> str:
        """A name for tests and recordings."""
        return f"{self.layer}-{self.note}".replace("/", " per ") if self.note else self.layer

    def draw(self, *key: Any) -> np.random.Generator:
        """Random numbers that depend on the row's name and on `key` alone."""
        return np.random.default_rng(zlib.crc32(repr((self.id, *key)).encode()))

    def arrays(self, dtype: str) -> list[np.ndarray]:
        """The inputs."""
        made: list[np.ndarray] = []
        for position, shape in enumerate(self.inputs):
            generator = self.draw("input", position)
            if self.integers:
                made.append(generator.integers(0, self.integers, shape).astype("int32"))
                continue
            values = generator.standard_normal(shape)
            # No float32 rounding of the inputs in either run.
            values = (np.abs(values) + 0.1 if self.positive else values).astype("float32")
            made.append(values.astype(dtype))
        return made

    def weight(self, position: int, path: str, shape: Any) -> np.ndarray:
        """Values for a weight: variances are positive."""
        values = (0.5 * self.draw("weight", position).standard_normal(tuple(shape))).astype("float32")
        return np.abs(values) + np.float32(0.5) if "variance" in path else values

    def functional(self, position: int, shape: Any) -> np.ndarray:
        """The weights of one output in the number whose gradients are compared."""
        return self.draw("functional", position).standard_normal(tuple(shape)).astype("float32")

    def masks(self) -> Any:
        """The mask as arrays."""
        if self.mask is None:
            return None
        several = len(self.inputs) > 1
        return [None if m is None else np.array(m, bool) for m in self.mask] if several else np.array(self.mask, bool)

    def options(self) -> dict[str, Any]:
        """The arguments of the call beside the inputs."""
        options = {name: np.array(value) if isinstance(value, list) else value for name, value in self.call.items()}
        if self.mask is not None and not self.carried:
            options["mask"] = self.masks()
        return options

    def apply(self, layer: Any, inputs: list[Any], attach: Callable[[Any, Any], None], **options: Any) -> Any:
        """Calls the layer on tensors; `attach(tensor, mask)` lets a tensor carry a mask."""
        if self.mask is not None and self.carried:
            masks = self.masks() if len(inputs) > 1 else [self.masks()]
            for tensor, mask in zip(inputs, masks, strict=True):
                if mask is not None:
                    attach(tensor, mask)
        options = {**self.options(), **options}
        if self.spread:
            return layer(*inputs, **options)
        return layer(inputs if len(inputs) > 1 else inputs[0], **options)
