"""Fashion-MNIST: 70,000 grey photographs of goods, 28x28, in ten classes (Zalando SE, MIT licence).

0 t-shirt, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot.
"""

import numpy as np
from numpy.typing import NDArray

from ironhorn.datasets.files import fetch_file
from ironhorn.datasets.idx import read_idx

# SHA-256 of the unpacked content, checked after a download; what a cache has is checked by gzip's CRC and IDX header.
FILES = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def load_data() -> tuple[Arrays, Arrays]:
    """Load Fashion-MNIST from a local cache, else from Keras' download address.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 images `(60000, 28, 28)` and `(10000, 28, 28)` from 0 to 255, and
        uint8 labels `(60000,)` and `(10000,)` from 0 to 9.

    Raises:
        FileNotFoundError: If the files are nowhere and cannot be downloaded; says what to put where.
        FileFormatError: If a file is damaged.

    Example:
        >>> (x_train, y_train), (x_test, y_test) = ironhorn.datasets.fashion_mnist.load_data()  # doctest: +SKIP
        >>> x_train.shape  # doctest: +SKIP
        (60000, 28, 28)
    """
    paths = {name: fetch_file(name, digest, "fashion-mnist", (DEBIAN_FOLDER,)) for name, digest in FILES.items()}
    return (
        (
            read_idx(paths["train-images-idx3-ubyte.gz"], (60000, 28, 28)),
            read_idx(paths["train-labels-idx1-ubyte.gz"], (60000,)),
        ),
        (
            read_idx(paths["t10k-images-idx3-ubyte.gz"], (10000, 28, 28)),
            read_idx(paths["t10k-labels-idx1-ubyte.gz"], (10000,)),
        ),
    )
