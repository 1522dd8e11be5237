"""The estimators, a line each: where type checkers, editors and the package itself read what there is."""

from ironhorn.wrappers.estimators import SKLearnClassifier as SKLearnClassifier
from ironhorn.wrappers.estimators import SKLearnRegressor as SKLearnRegressor
from ironhorn.wrappers.estimators import SKLearnTransformer as SKLearnTransformer
