"""Functions of tensors, by Keras' names: each takes arrays, traced values, and symbolic tensors.

Every module says in `__all__` what it offers, and one line here offers it to the world.

>>> from ironhorn import ops
>>> ops.add([1.0, 2.0], 1.0).numpy().tolist()
[2.0, 3.0]
"""

from ironhorn.ops import image, linalg, nn, numpy, update
from ironhorn.ops.control import *
from ironhorn.ops.core import *
from ironhorn.ops.derivative import *
from ironhorn.ops.determinant import *
from ironhorn.ops.fourier import *
from ironhorn.ops.indexing import *
from ironhorn.ops.linalg import *
from ironhorn.ops.mapping import *
from ironhorn.ops.nn import *
from ironhorn.ops.numpy import *
from ironhorn.ops.ranking import *
from ironhorn.ops.scatter import *
from ironhorn.ops.segments import *
from ironhorn.ops.sequences import *

_MODULES = ("image", "linalg", "nn", "numpy", "update")
__all__ = [name for name, value in globals().items() if callable(value) or name in _MODULES]
