"""The callbacks, a line each: where type checkers, editors and the package itself read what there is."""

from typing import Any

from ironhorn.callbacks.backup_and_restore import BackupAndRestore as BackupAndRestore
from ironhorn.callbacks.callback import Callback as Callback
from ironhorn.callbacks.callback_list import CallbackList as CallbackList
from ironhorn.callbacks.csv_logger import CSVLogger as CSVLogger
from ironhorn.callbacks.early_stopping import EarlyStopping as EarlyStopping
from ironhorn.callbacks.history import History as History
from ironhorn.callbacks.lambda_callback import LambdaCallback as LambdaCallback
from ironhorn.callbacks.learning_rate_scheduler import LearningRateScheduler as LearningRateScheduler
from ironhorn.callbacks.model_checkpoint import ModelCheckpoint as ModelCheckpoint
from ironhorn.callbacks.orbax_checkpoint import OrbaxCheckpoint as OrbaxCheckpoint
from ironhorn.callbacks.progbar_logger import ProgbarLogger as ProgbarLogger
from ironhorn.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau
from ironhorn.callbacks.remote_monitor import RemoteMonitor as RemoteMonitor
from ironhorn.callbacks.swap_ema_weights import SwapEMAWeights as SwapEMAWeights
from ironhorn.callbacks.tensorboard import TensorBoard as TensorBoard
from ironhorn.callbacks.terminate_on_nan import TerminateOnNaN as TerminateOnNaN

ALL: dict[str, Any]
