"""The layers, a line each: where type checkers, editors and the package itself read what there is."""

from typing import Any

from ironhorn.layers.activations.activation import Activation as Activation
from ironhorn.layers.activations.leaky_relu import LeakyReLU as LeakyReLU
from ironhorn.layers.activations.relu import ReLU as ReLU
from ironhorn.layers.activations.softmax import Softmax as Softmax
from ironhorn.layers.convolutional.conv1d import Conv1D as Conv1D
from ironhorn.layers.convolutional.conv1d import Conv1D as Convolution1D
from ironhorn.layers.convolutional.conv2d import Conv2D as Conv2D
from ironhorn.layers.convolutional.conv2d import Conv2D as Convolution2D
from ironhorn.layers.core.dense import Dense as Dense
from ironhorn.layers.core.embedding import Embedding as Embedding
from ironhorn.layers.core.input_layer import Input as Input
from ironhorn.layers.core.input_layer import InputLayer as InputLayer
from ironhorn.layers.core.masking import Masking as Masking
from ironhorn.layers.input_spec import InputSpec as InputSpec
from ironhorn.layers.layer import Layer as Layer
from ironhorn.layers.merging.add import Add as Add
from ironhorn.layers.merging.add import add as add
from ironhorn.layers.merging.average import Average as Average
from ironhorn.layers.merging.average import average as average
from ironhorn.layers.merging.concatenate import Concatenate as Concatenate
from ironhorn.layers.merging.concatenate import concatenate as concatenate
from ironhorn.layers.merging.maximum import Maximum as Maximum
from ironhorn.layers.merging.maximum import maximum as maximum
from ironhorn.layers.merging.minimum import Minimum as Minimum
from ironhorn.layers.merging.minimum import minimum as minimum
from ironhorn.layers.merging.multiply import Multiply as Multiply
from ironhorn.layers.merging.multiply import multiply as multiply
from ironhorn.layers.merging.subtract import Subtract as Subtract
from ironhorn.layers.merging.subtract import subtract as subtract
from ironhorn.layers.normalization.batch_normalization import BatchNormalization as BatchNormalization
from ironhorn.layers.pooling.average_pooling1d import AveragePooling1D as AveragePooling1D
from ironhorn.layers.pooling.average_pooling1d import AveragePooling1D as AvgPool1D
from ironhorn.layers.pooling.average_pooling2d import AveragePooling2D as AveragePooling2D
from ironhorn.layers.pooling.average_pooling2d import AveragePooling2D as AvgPool2D
from ironhorn.layers.pooling.global_average_pooling1d import GlobalAveragePooling1D as GlobalAveragePooling1D
from ironhorn.layers.pooling.global_average_pooling1d import GlobalAveragePooling1D as GlobalAvgPool1D
from ironhorn.layers.pooling.global_average_pooling2d import GlobalAveragePooling2D as GlobalAveragePooling2D
from ironhorn.layers.pooling.global_average_pooling2d import GlobalAveragePooling2D as GlobalAvgPool2D
from ironhorn.layers.pooling.global_max_pooling1d import GlobalMaxPooling1D as GlobalMaxPool1D
from ironhorn.layers.pooling.global_max_pooling1d import GlobalMaxPooling1D as GlobalMaxPooling1D
from ironhorn.layers.pooling.global_max_pooling2d import GlobalMaxPooling2D as GlobalMaxPool2D
from ironhorn.layers.pooling.global_max_pooling2d import GlobalMaxPooling2D as GlobalMaxPooling2D
from ironhorn.layers.pooling.max_pooling1d import MaxPooling1D as MaxPool1D
from ironhorn.layers.pooling.max_pooling1d import MaxPooling1D as MaxPooling1D
from ironhorn.layers.pooling.max_pooling2d import MaxPooling2D as MaxPool2D
from ironhorn.layers.pooling.max_pooling2d import MaxPooling2D as MaxPooling2D
from ironhorn.layers.preprocessing.rescaling import Rescaling as Rescaling
from ironhorn.layers.preprocessing.string_lookup import StringLookup as StringLookup
from ironhorn.layers.preprocessing.text_vectorization import TextVectorization as TextVectorization
from ironhorn.layers.regularization.dropout import Dropout as Dropout
from ironhorn.layers.reshaping.flatten import Flatten as Flatten
from ironhorn.layers.reshaping.reshape import Reshape as Reshape
from ironhorn.layers.rnn.bidirectional import Bidirectional as Bidirectional
from ironhorn.layers.rnn.lstm import LSTM as LSTM
from ironhorn.layers.rnn.lstm import LSTMCell as LSTMCell
from ironhorn.layers.rnn.rnn import RNN as RNN

ALL: dict[str, Any]
