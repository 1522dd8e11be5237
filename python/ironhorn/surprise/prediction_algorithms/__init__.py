"""Algorithms that predict ratings."""

from .._not_yet import announce
from .algo_base import AlgoBase
from .matrix_factorization import SVD
from .predictions import Prediction, PredictionImpossible

__all__ = ["SVD", "AlgoBase", "Prediction", "PredictionImpossible"]

__getattr__ = announce(
    __name__,
    absent=(
        "NormalPredictor",
        "BaselineOnly",
        "KNNBasic",
        "KNNWithMeans",
        "KNNWithZScore",
        "KNNBaseline",
        "SVDpp",
        "NMF",
        "SlopeOne",
        "CoClustering",
        "baseline_only",
        "co_clustering",
        "knns",
        "optimize_baselines",
        "random_pred",
        "slope_one",
    ),
    present=__all__,
)
