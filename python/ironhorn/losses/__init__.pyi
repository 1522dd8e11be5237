"""The losses, a line each: where type checkers, editors and the package itself read what there is."""

from typing import Any

from ironhorn.losses.circle_loss import Circle as Circle
from ironhorn.losses.circle_loss import circle as circle
from ironhorn.losses.ctc_loss import CTC as CTC
from ironhorn.losses.ctc_loss import ctc as ctc
from ironhorn.losses.loss import Loss as Loss
from ironhorn.losses.margins import CategoricalHinge as CategoricalHinge
from ironhorn.losses.margins import Hinge as Hinge
from ironhorn.losses.margins import SquaredHinge as SquaredHinge
from ironhorn.losses.margins import categorical_hinge as categorical_hinge
from ironhorn.losses.margins import hinge as hinge
from ironhorn.losses.margins import squared_hinge as squared_hinge
from ironhorn.losses.overlap import Dice as Dice
from ironhorn.losses.overlap import Tversky as Tversky
from ironhorn.losses.overlap import dice as dice
from ironhorn.losses.overlap import tversky as tversky
from ironhorn.losses.probabilistic import BinaryCrossentropy as BinaryCrossentropy
from ironhorn.losses.probabilistic import BinaryFocalCrossentropy as BinaryFocalCrossentropy
from ironhorn.losses.probabilistic import CategoricalCrossentropy as CategoricalCrossentropy
from ironhorn.losses.probabilistic import CategoricalFocalCrossentropy as CategoricalFocalCrossentropy
from ironhorn.losses.probabilistic import CategoricalGeneralizedCrossEntropy as CategoricalGeneralizedCrossEntropy
from ironhorn.losses.probabilistic import KLDivergence as KLDivergence
from ironhorn.losses.probabilistic import Poisson as Poisson
from ironhorn.losses.probabilistic import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
from ironhorn.losses.probabilistic import binary_crossentropy as BCE
from ironhorn.losses.probabilistic import binary_crossentropy as bce
from ironhorn.losses.probabilistic import binary_crossentropy as binary_crossentropy
from ironhorn.losses.probabilistic import binary_focal_crossentropy as binary_focal_crossentropy
from ironhorn.losses.probabilistic import categorical_crossentropy as categorical_crossentropy
from ironhorn.losses.probabilistic import categorical_focal_crossentropy as categorical_focal_crossentropy
from ironhorn.losses.probabilistic import categorical_generalized_cross_entropy as categorical_generalized_cross_entropy
from ironhorn.losses.probabilistic import kl_divergence as KLD
from ironhorn.losses.probabilistic import kl_divergence as kl_divergence
from ironhorn.losses.probabilistic import kl_divergence as kld
from ironhorn.losses.probabilistic import poisson as poisson
from ironhorn.losses.probabilistic import sparse_categorical_crossentropy as sparse_categorical_crossentropy
from ironhorn.losses.regression import CosineSimilarity as CosineSimilarity
from ironhorn.losses.regression import Huber as Huber
from ironhorn.losses.regression import LogCosh as LogCosh
from ironhorn.losses.regression import MeanAbsoluteError as MeanAbsoluteError
from ironhorn.losses.regression import MeanAbsolutePercentageError as MeanAbsolutePercentageError
from ironhorn.losses.regression import MeanSquaredError as MeanSquaredError
from ironhorn.losses.regression import MeanSquaredLogarithmicError as MeanSquaredLogarithmicError
from ironhorn.losses.regression import cosine_similarity as cosine_similarity
from ironhorn.losses.regression import huber as huber
from ironhorn.losses.regression import log_cosh as log_cosh
from ironhorn.losses.regression import mean_absolute_error as MAE
from ironhorn.losses.regression import mean_absolute_error as mae
from ironhorn.losses.regression import mean_absolute_error as mean_absolute_error
from ironhorn.losses.regression import mean_absolute_percentage_error as MAPE
from ironhorn.losses.regression import mean_absolute_percentage_error as mape
from ironhorn.losses.regression import mean_absolute_percentage_error as mean_absolute_percentage_error
from ironhorn.losses.regression import mean_squared_error as MSE
from ironhorn.losses.regression import mean_squared_error as mean_squared_error
from ironhorn.losses.regression import mean_squared_error as mse
from ironhorn.losses.regression import mean_squared_logarithmic_error as MSLE
from ironhorn.losses.regression import mean_squared_logarithmic_error as mean_squared_logarithmic_error
from ironhorn.losses.regression import mean_squared_logarithmic_error as msle
from ironhorn.losses.wrapper import LossFunctionWrapper as LossFunctionWrapper

ALL: dict[str, Any]

def serialize(loss: Any) -> Any: ...
def deserialize(name: Any, custom_objects: dict[str, Any] | None = None) -> Any: ...
def get(identifier: Any) -> Any: ...
