"""Helpers around training: `keras.utils`."""

from ironhorn.saving.registry import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from ironhorn.training.data import PyDataset, pack_x_y_sample_weight, unpack_x_y_sample_weight
from ironhorn.training.progress import Progbar
from ironhorn.utils.numeric import normalize, to_categorical
from ironhorn.utils.sequences import pad_sequences
from ironhorn.utils.session import clear_session, set_random_seed

Sequence = PyDataset

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
