"""Settings of the process, as `keras.config`."""

from typing import Any

from ironhorn.backend.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from ironhorn.dtype_policies.policy import dtype_policy, set_dtype_policy
from ironhorn.errors import UnsupportedError
from ironhorn.training.limits import max_epochs, max_steps_per_epoch, set_max_epochs, set_max_steps_per_epoch
from ironhorn.training.nans import disable_debug_nans, enable_debug_nans, is_debug_nans_enabled
from ironhorn.training.progress import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from ironhorn.training.tracebacks import (
    disable_traceback_filtering,
    enable_traceback_filtering,
    is_traceback_filtering_enabled,
)

__all__ = [
    "backend",
    "disable_debug_nans",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_debug_nans",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_debug_nans_enabled",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]


def enable_flash_attention() -> None:
    """Not available: attention is computed in one way.

    Raises:
        UnsupportedError: Always.
    """
    raise UnsupportedError(
        "enable_flash_attention: there is one way to compute attention, which is chosen for you. Leave the call out."
    )


def disable_flash_attention() -> None:
    """Does nothing: flash attention is never used."""


def is_flash_attention_enabled() -> bool:
    """Returns `False`: flash attention is never used."""
    return False


def is_nnx_enabled() -> bool:
    """Returns `False`: variables are not those of Flax."""
    return False


def set_backend(backend: Any) -> None:
    """Accepts the one backend that there is, `"ironhorn"`.

    Args:
        backend: Its name.

    Raises:
        UnsupportedError: For any other name.
    """
    if backend != "ironhorn":
        raise UnsupportedError(
            f"set_backend({backend!r}): Ironhorn is its own backend. To run the program on {backend!r}, import keras "
            "instead of ironhorn."
        )


def enable_unsafe_deserialization() -> None:
    """Not available: loading a file never runs code from it.

    Raises:
        UnsupportedError: Always.
    """
    raise UnsupportedError(
        "enable_unsafe_deserialization: loading a file never runs code from it, so lambdas are not restored. Write the "
        "function in the program, register it with ironhorn.saving.register_keras_serializable, and save again."
    )
