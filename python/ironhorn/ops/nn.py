"""The functions of neural networks, under the name that Keras has for their module."""

from ironhorn.ops.activation import *
from ironhorn.ops.attention import *
from ironhorn.ops.convolution import *
from ironhorn.ops.crossentropy import *
from ironhorn.ops.ctc import *
from ironhorn.ops.encoding import *
from ironhorn.ops.normalization import *
from ironhorn.ops.patches import *
from ironhorn.ops.pooling import *
from ironhorn.ops.rnn import *
from ironhorn.ops.similarity import *
