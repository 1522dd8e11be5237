"""Baselines alone."""

from typing import Any, Self

import numpy as np

from ironhorn._core import RatingEstimator

from .algo_base import EngineAlgo, contiguous
from .restore import restoring


class BaselineOnly(EngineAlgo):
    """Estimates `mean + bu + bi`; an unknown user or item leaves its bias out.

    Args:
        bsl_options: `method` 'als' (`n_epochs` 10, `reg_u` 15, `reg_i` 10) or 'sgd' (`n_epochs` 20, `reg` 0.02,
            `learning_rate` 0.005).
        verbose: Whether to say what is computed.

    Attributes:
        bu: User biases, (n_users,).
        bi: Item biases, (n_items,).

    Example:
        >>> BaselineOnly({"method": "sgd"}).fit(trainset).predict("ann", "bolt").est
    """

    def __init__(self, bsl_options: dict[str, Any] | None = None, verbose: bool = True) -> None:
        super().__init__(bsl_options={} if bsl_options is None else bsl_options)
        self.verbose = verbose

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Compute the biases.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, for one that is not finite, or for an unknown method.
        """
        self._learnable(trainset)
        self.compute_baselines()
        return self

    def _estimator(self) -> RatingEstimator:
        bu, bi = contiguous(self.bu), contiguous(self.bi)
        none = np.empty((len(bu), 0)), np.empty((len(bi), 0))
        return RatingEstimator.factors(True, float(self.trainset.global_mean), bu, bi, *none)
