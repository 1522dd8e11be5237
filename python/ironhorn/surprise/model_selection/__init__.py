"""Splits and cross-validation."""

from .._not_yet import announce
from .split import KFold, train_test_split
from .validation import cross_validate

__all__ = ["KFold", "cross_validate", "train_test_split"]

__getattr__ = announce(
    __name__,
    absent=(
        "GridSearchCV",
        "LeaveOneOut",
        "PredefinedKFold",
        "RandomizedSearchCV",
        "RepeatedKFold",
        "ShuffleSplit",
        "search",
    ),
    present=__all__,
)
