"""Mixed precision by its older names: `keras.mixed_precision`."""

from ironhorn.dtype_policies.policy import DTypePolicy, dtype_policy, set_dtype_policy
from ironhorn.optimizers.loss_scale_optimizer import LossScaleOptimizer

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
