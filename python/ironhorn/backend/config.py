"""Settings of the process: the default float type, the small constant, the image layout."""

from ironhorn.errors import ValueRangeError

_FLOATX = "float32"
_EPSILON = 1e-7
_IMAGE_DATA_FORMAT = "channels_last"


def floatx() -> str:
    """The default floating-point type, "float32" unless set otherwise."""
    return _FLOATX


def set_floatx(value: str) -> None:
    """Sets the default floating-point type.

    Args:
        value: "float16", "bfloat16", "float32" or "float64".

    Raises:
        ValueRangeError: for any other value.
    """
    global _FLOATX
    known = ("float16", "bfloat16", "float32", "float64")
    if value not in known:
        raise ValueRangeError(f"floatx must be one of {known}, got {value!r}")
    _FLOATX = value


def epsilon() -> float:
    """The small number that keeps logarithms and divisions finite, 1e-7 unless set otherwise."""
    return _EPSILON


def set_epsilon(value: float) -> None:
    """Sets the small number that keeps logarithms and divisions finite."""
    global _EPSILON
    _EPSILON = float(value)


def image_data_format() -> str:
    """Where images have their channels: "channels_last" or "channels_first"."""
    return _IMAGE_DATA_FORMAT


def set_image_data_format(value: str) -> None:
    """Sets where images have their channels.

    Raises:
        ValueRangeError: unless `value` is "channels_last" or "channels_first".
    """
    global _IMAGE_DATA_FORMAT
    _IMAGE_DATA_FORMAT = standardize_data_format(value)


def standardize_data_format(value: str | None) -> str:
    """`value`, or the process' setting when it is None; checked."""
    if value is None:
        return _IMAGE_DATA_FORMAT
    found = str(value).lower()
    if found not in ("channels_last", "channels_first"):
        raise ValueRangeError(f"data_format must be 'channels_last' or 'channels_first', got {value!r}")
    return found


def backend() -> str:
    """The name of what computes: always "ironhorn"."""
    return "ironhorn"
