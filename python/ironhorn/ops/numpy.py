"""The NumPy-like functions, under the name that Keras has for their module."""

from ironhorn.ops.arithmetic import *
from ironhorn.ops.creation import *
from ironhorn.ops.einsum import *
from ironhorn.ops.product import *
from ironhorn.ops.reduction import *
from ironhorn.ops.shaping import *
