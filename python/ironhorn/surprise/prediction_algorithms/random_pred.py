"""Random ratings, to compare with."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from .algo_base import EngineAlgo
from .restore import restoring
from .tables import tables


class NormalPredictor(EngineAlgo):
    """A random rating from the normal distribution of the trainset's mean and standard deviation.

    Draws come from NumPy's global generator when a rating is predicted; `np.random.seed` repeats them.

    Attributes:
        sigma: The standard deviation.

    Example:
        >>> NormalPredictor().fit(trainset).predict("ann", "bolt").est
    """

    _arrays: ClassVar[tuple[str, ...]] = ()
    _python_floats: ClassVar[bool] = True
    sigma: float

    def __init__(self) -> None:
        super().__init__()

    @restoring
    def fit(self, trainset: Any) -> Self:
        """Take mean and standard deviation.

        Args:
            trainset: The ratings, in any form that `AlgoBase.fit` takes.

        Returns:
            The algorithm itself.

        Raises:
            ValueError: Without ratings, or for one that is not finite.
        """
        self._learnable(trainset)
        self._restore()
        return self

    def _restore(self) -> None:
        trainset = self.trainset
        deviations = tables(trainset)[0].grouped()[3] - trainset.global_mean
        # One after the other, as Surprise adds them: the standard deviation to the last bit.
        self.sigma = np.sqrt(np.cumsum(deviations**2)[-1] / trainset.n_ratings)

    def estimate(self, *_: Any) -> float:
        """Draw a rating, not clipped."""
        return np.random.normal(self.trainset.global_mean, self.sigma)

    _estimates_one: ClassVar[Any] = estimate

    def _pairs(
        self, users: NDArray[np.int64], items: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.uint8]]:
        count = len(users)
        values = np.random.normal(self.trainset.global_mean, self.sigma, size=count)
        return values, np.full(count, -1, np.int32), np.zeros(count, np.uint8)
