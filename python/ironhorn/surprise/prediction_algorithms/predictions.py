"""What a prediction is, and the exception for one that cannot be made."""

from typing import Any, NamedTuple


class PredictionImpossible(Exception):
    """Raised by `estimate` when it has nothing to go by; `predict` then falls back to `default_prediction`."""


class Prediction(NamedTuple):
    """An estimated rating, and what it is for.

    Args:
        uid: Raw user id.
        iid: Raw item id.
        r_ui: The true rating, or `None`.
        est: The estimated rating.
        details: `was_impossible`, with a `reason` if so, and whatever the algorithm adds.
    """

    uid: Any
    iid: Any
    r_ui: float | None
    est: float
    details: dict[str, Any]

    def __str__(self) -> str:
        true = "None" if self.r_ui is None else f"{self.r_ui:1.2f}"
        return f"user: {self.uid!s:<10} item: {self.iid!s:<10} r_ui = {true}   est = {self.est:1.2f}   {self.details}"
