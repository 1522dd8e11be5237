"""The NumPy-like functions, under the name that Keras has for their module."""

from ironhorn.ops.arithmetic import *
from ironhorn.ops.bits import *
from ironhorn.ops.comparison import *
from ironhorn.ops.core import ndim as ndim
from ironhorn.ops.core import size as size
from ironhorn.ops.counting import *
from ironhorn.ops.creation import *
from ironhorn.ops.cumulative import *
from ironhorn.ops.determinant import slogdet as slogdet
from ironhorn.ops.einsum import *
from ironhorn.ops.elementary import *
from ironhorn.ops.indexing import get_item as get_item
from ironhorn.ops.joining import *
from ironhorn.ops.mapping import vectorize as vectorize
from ironhorn.ops.matrices import *
from ironhorn.ops.nan_reduction import *
from ironhorn.ops.padding import *
from ironhorn.ops.product import *
from ironhorn.ops.quantiles import *
from ironhorn.ops.reduction import *
from ironhorn.ops.shaping import *
from ironhorn.ops.sorting import *
from ironhorn.ops.statistics import *
from ironhorn.ops.windows import *
