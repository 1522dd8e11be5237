"""The two ways to compute baselines, as functions of an algorithm that holds a trainset and `bsl_options`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironhorn._core import baselines_als as _als
from ironhorn._core import baselines_sgd as _sgd

from .tables import tables

Biases = tuple[NDArray[np.float64], NDArray[np.float64]]


def baseline_als(self: Any) -> Biases:
    """Biases by alternating least squares: items first, then users.

    Args:
        self: The algorithm. Its `bsl_options` may hold `n_epochs` (10), `reg_u` (15) and `reg_i` (10).

    Returns:
        Biases of users and of items.
    """
    options = self.bsl_options
    return _als(
        *tables(self.trainset),
        float(self.trainset.global_mean),
        max(int(options.get("n_epochs", 10)), 0),
        float(options.get("reg_u", 15)),
        float(options.get("reg_i", 10)),
    )


def baseline_sgd(self: Any) -> Biases:
    """Biases by stochastic gradient descent.

    Args:
        self: The algorithm. Its `bsl_options` may hold `n_epochs` (20), `reg` (0.02) and `learning_rate` (0.005).

    Returns:
        Biases of users and of items.
    """
    options = self.bsl_options
    return _sgd(
        tables(self.trainset)[0],
        float(self.trainset.global_mean),
        max(int(options.get("n_epochs", 20)), 0),
        float(options.get("learning_rate", 0.005)),
        float(options.get("reg", 0.02)),
    )
