"""Functions of images, by Keras' names: images are `(height, width, channels)`, alone or in a batch.

With `data_format="channels_first"` the channels come before height and width.
"""

from ironhorn.ops.image.color import *
from ironhorn.ops.image.filters import *
from ironhorn.ops.image.frames import *
from ironhorn.ops.image.resizing import *
from ironhorn.ops.image.sampling import *

__all__ = [name for name, value in globals().items() if callable(value) and not name.startswith("_")]
