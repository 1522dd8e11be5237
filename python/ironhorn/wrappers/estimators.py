"""`SKLearnClassifier`, `SKLearnRegressor`, `SKLearnTransformer`: models with scikit-learn's `fit` and `predict`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ironhorn.models import Model, clone_model

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.utils.multiclass import type_of_target
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise ImportError(
        "The wrappers for scikit-learn need it, in version 1.6 or later: pip install 'scikit-learn>=1.6'."
    ) from error


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What the three wrappers share."""

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ):
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_clone__(self) -> Any:
        """Returns an estimator that is not fitted, with a copy of the model."""
        import copy

        model = copy.deepcopy(self.model) if isinstance(self.model, Model) else self.model
        settings = (copy.deepcopy(self.model_kwargs), copy.deepcopy(self.fit_kwargs))
        return type(self)(model, self.warm_start, *settings)

    @property
    def epoch_(self) -> Any:
        """The epochs of the last `fit`."""
        return self.history_.epoch if hasattr(self, "history_") else 0

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Trains the model.

        Args:
            X: Samples, an array of two axes.
            y: Targets.
            **kwargs: Arguments of `Model.fit`, such as `epochs`; they come before those of `fit_kwargs`.

        Returns:
            The estimator.

        Raises:
            ValueError: If the data does not fit.
            RuntimeError: If the model is not compiled with a loss and an optimizer.
        """
        X, y = self._check_both(X, y)
        targets = self._encode(y)
        model = self._new_model(X, targets)
        if not model.compiled or not model.loss or model.optimizer is None:
            raise RuntimeError(
                "The model must be compiled with a loss and an optimizer: model.compile('adam', loss='mse'), say."
            )
        self.history_ = model.fit(X, targets, **{"verbose": 0, **(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _new_model(self, X: np.ndarray, y: np.ndarray) -> Any:
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if not isinstance(self.model, Model):
            return self.model(X=X, y=y, **(self.model_kwargs or {}))
        if self.warm_start:
            return self.model
        model = clone_model(self.model)
        if not model.compiled and self.model.compiled:
            model.compile_from_config(self.model.get_compile_config())
        return model

    def _check_both(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        checked: tuple[np.ndarray, np.ndarray] = validate_data(self, X, y)
        return checked

    def _encode(self, y: np.ndarray) -> np.ndarray:
        self._one_axis = y.ndim == 1
        return y[:, None] if self._one_axis else y

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        outputs = self.model_.predict(validate_data(self, X, reset=False), verbose=0)
        first = outputs[0] if isinstance(outputs, (list, tuple)) and len(outputs) == 1 else outputs
        return np.asarray(first)


class SKLearnClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A model as a classifier of scikit-learn.

    Targets reach the model one-hot, so its last layer has one unit per class and its loss is
    `"categorical_crossentropy"`.

    Args:
        model: A compiled model, which is cloned for each `fit`, or a function `fn(X, y, **model_kwargs)` that makes
            one.
        warm_start: Whether `fit` goes on with the weights that there are.
        model_kwargs: Arguments of that function.
        fit_kwargs: Arguments of `Model.fit`, such as `{"epochs": 10}`.

    Attributes:
        model_: The trained model.
        history_: What `Model.fit` returned.
        classes_: The classes.

    Example:
        ```python
        classifier = SKLearnClassifier(make_model, fit_kwargs={"epochs": 10})
        scores = cross_val_score(classifier, X, y)
        ```
    """

    classes_: np.ndarray

    def _check_both(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _encode(self, y: np.ndarray) -> np.ndarray:
        kind = type_of_target(y)
        if kind == "unknown" or kind.startswith("continuous"):
            raise ValueError(f"Unknown label type: {kind}. A classifier needs targets that are classes, not numbers.")
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Only binary and multiclass targets are supported. Received targets of type {kind!r}.")
        if self.warm_start and hasattr(self, "model_"):
            unknown = np.setdiff1d(y, self.classes_)
            if len(unknown):
                raise ValueError(f"With `warm_start` the classes must stay {list(self.classes_)}. Received: {unknown}")
        else:
            self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"A classifier needs at least 2 classes, but `y` holds only one class: {self.classes_[0]!r}"
            )
        return np.eye(len(self.classes_))[np.searchsorted(self.classes_, y)]

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the model's outputs; for two classes, how much that of the second is above the first's."""
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns the model's outputs, which are probabilities if its last layer is a softmax."""
        return self._outputs(X)

    def predict(self, X: Any) -> np.ndarray:
        """Returns the class of each sample."""
        outputs = self._outputs(X)
        chosen: np.ndarray = self.classes_[outputs.argmax(axis=-1)]
        return chosen

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags


class SKLearnRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A model as a regressor of scikit-learn.

    Args:
        model: A compiled model, which is cloned for each `fit`, or a function `fn(X, y, **model_kwargs)` that makes
            one.
        warm_start: Whether `fit` goes on with the weights that there are.
        model_kwargs: Arguments of that function.
        fit_kwargs: Arguments of `Model.fit`, such as `{"epochs": 10}`.

    Attributes:
        model_: The trained model.
        history_: What `Model.fit` returned.

    Example:
        ```python
        search = GridSearchCV(SKLearnRegressor(make_model), {"fit_kwargs": [{"epochs": 5}, {"epochs": 50}]}, n_jobs=2)
        search.fit(X, y)
        ```
    """

    def _check_both(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        checked: tuple[np.ndarray, np.ndarray] = validate_data(self, X, y, multi_output=True, y_numeric=True)
        return checked

    def predict(self, X: Any) -> np.ndarray:
        """Returns the prediction for each sample."""
        outputs = self._outputs(X).astype(np.float64)
        return outputs[:, 0] if self._one_axis and outputs.ndim == 2 and outputs.shape[1] == 1 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        tags.target_tags.multi_output = True
        return tags


class SKLearnTransformer(TransformerMixin, _Estimator):  # type: ignore[misc]
    """A model as a transformer of scikit-learn: its outputs are the new features.

    Args:
        model: A compiled model, which is cloned for each `fit`, or a function `fn(X, y, **model_kwargs)` that makes
            one.
        warm_start: Whether `fit` goes on with the weights that there are.
        model_kwargs: Arguments of that function.
        fit_kwargs: Arguments of `Model.fit`, such as `{"epochs": 10}`.

    Attributes:
        model_: The trained model.
        history_: What `Model.fit` returned.

    Example:
        ```python
        pipeline = make_pipeline(SKLearnTransformer(make_model), LogisticRegression())
        ```
    """

    def transform(self, X: Any) -> np.ndarray:
        """Returns the model's outputs."""
        return self._outputs(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
