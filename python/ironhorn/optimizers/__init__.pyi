"""The optimizers, a line each: where type checkers, editors and the package itself read what there is."""

from typing import Any

import ironhorn.optimizers.schedules as schedules
from ironhorn.optimizers.adadelta import Adadelta as Adadelta
from ironhorn.optimizers.adafactor import Adafactor as Adafactor
from ironhorn.optimizers.adagrad import Adagrad as Adagrad
from ironhorn.optimizers.adam import Adam as Adam
from ironhorn.optimizers.adam import AdamW as AdamW
from ironhorn.optimizers.adamax import Adamax as Adamax
from ironhorn.optimizers.ftrl import Ftrl as Ftrl
from ironhorn.optimizers.lamb import Lamb as Lamb
from ironhorn.optimizers.lion import Lion as Lion
from ironhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer as LossScaleOptimizer
from ironhorn.optimizers.multi_optimizer import MultiOptimizer as MultiOptimizer
from ironhorn.optimizers.multi_optimizer import OptimizerMap as OptimizerMap
from ironhorn.optimizers.muon import Muon as Muon
from ironhorn.optimizers.nadam import Nadam as Nadam
from ironhorn.optimizers.optimizer import Optimizer as Optimizer
from ironhorn.optimizers.rmsprop import RMSprop as RMSprop
from ironhorn.optimizers.schedule_free_adamw import ScheduleFreeAdamW as ScheduleFreeAdamW
from ironhorn.optimizers.sgd import SGD as SGD

ALL: dict[str, Any]

def serialize(optimizer: Any) -> Any: ...
def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any: ...
def get(identifier: Any) -> Any: ...
