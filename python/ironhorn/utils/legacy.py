"""Names of `keras.utils.legacy`: each says what to use instead."""

from __future__ import annotations

from typing import Any

from ironhorn.errors import UnsupportedError


def serialize_keras_object(instance: Any) -> Any:
    """Not available: the format of Keras 1 and 2.

    Raises:
        UnsupportedError: Always.
    """
    raise UnsupportedError(
        "utils.legacy.serialize_keras_object writes the format of Keras 2. Use utils.serialize_keras_object, whose "
        "configs Keras 3 reads."
    )


def deserialize_keras_object(identifier: Any, **kwargs: Any) -> Any:
    """Not available: the format of Keras 1 and 2.

    Raises:
        UnsupportedError: Always.
    """
    raise UnsupportedError(
        "utils.legacy.deserialize_keras_object reads the format of Keras 2. Use utils.deserialize_keras_object; whole "
        "models of the older format are read by saving.load_model('model.h5')."
    )
