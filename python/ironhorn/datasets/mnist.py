"""MNIST: 70,000 grey handwritten digits, 28x28 (Yann LeCun and Corinna Cortes, CC BY-SA 3.0)."""

import pathlib

import numpy as np
from numpy.typing import NDArray

from ironhorn.datasets.files import fetch_file
from ironhorn.errors import FileFormatError

SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def load_data(path: str = "mnist.npz") -> tuple[Arrays, Arrays]:
    """Load MNIST from a local cache, else from Keras' download address.

    Args:
        path: Name under which the file is kept below `datasets` in a cache folder, or an absolute path.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 images `(60000, 28, 28)` and `(10000, 28, 28)` from 0 to 255, and
        uint8 labels `(60000,)` and `(10000,)` from 0 to 9.

    Raises:
        FileNotFoundError: If the file is nowhere and cannot be downloaded; says what to put where.
        FileFormatError: If the file is damaged.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = ironhorn.datasets.mnist.load_data()  # doctest: +SKIP
        >>> x_train.shape  # doctest: +SKIP
        (60000, 28, 28)
    """
    import hashlib

    given = pathlib.Path(path)
    file = given if given.is_absolute() and given.is_file() else fetch_file(given.name, SHA256)
    if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
        raise FileFormatError(
            f"{file} is not the MNIST file of Keras (its SHA-256 differs). Remove it and fetch it again."
        )
    with np.load(file, allow_pickle=False) as arrays:
        return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
