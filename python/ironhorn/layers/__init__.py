"""Layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ironhorn.backend.missing import explain
from ironhorn.layers.activations.activation import Activation
from ironhorn.layers.activations.leaky_relu import LeakyReLU
from ironhorn.layers.activations.relu import ReLU
from ironhorn.layers.activations.softmax import Softmax
from ironhorn.layers.convolutional.conv1d import Conv1D
from ironhorn.layers.convolutional.conv2d import Conv2D
from ironhorn.layers.core.dense import Dense
from ironhorn.layers.core.embedding import Embedding
from ironhorn.layers.core.input_layer import Input, InputLayer
from ironhorn.layers.core.masking import Masking
from ironhorn.layers.input_spec import InputSpec
from ironhorn.layers.layer import Layer
from ironhorn.layers.merging.add import Add, add
from ironhorn.layers.merging.average import Average, average
from ironhorn.layers.merging.concatenate import Concatenate, concatenate
from ironhorn.layers.merging.maximum import Maximum, maximum
from ironhorn.layers.merging.minimum import Minimum, minimum
from ironhorn.layers.merging.multiply import Multiply, multiply
from ironhorn.layers.merging.subtract import Subtract, subtract
from ironhorn.layers.normalization.batch_normalization import BatchNormalization
from ironhorn.layers.pooling.average_pooling1d import AveragePooling1D
from ironhorn.layers.pooling.average_pooling2d import AveragePooling2D
from ironhorn.layers.pooling.global_average_pooling1d import GlobalAveragePooling1D
from ironhorn.layers.pooling.global_average_pooling2d import GlobalAveragePooling2D
from ironhorn.layers.pooling.global_max_pooling1d import GlobalMaxPooling1D
from ironhorn.layers.pooling.global_max_pooling2d import GlobalMaxPooling2D
from ironhorn.layers.pooling.max_pooling1d import MaxPooling1D
from ironhorn.layers.pooling.max_pooling2d import MaxPooling2D
from ironhorn.layers.preprocessing.rescaling import Rescaling
from ironhorn.layers.preprocessing.string_lookup import StringLookup
from ironhorn.layers.preprocessing.text_vectorization import TextVectorization
from ironhorn.layers.regularization.dropout import Dropout
from ironhorn.layers.reshaping.flatten import Flatten
from ironhorn.layers.reshaping.reshape import Reshape
from ironhorn.layers.rnn.bidirectional import Bidirectional
from ironhorn.layers.rnn.lstm import LSTM, LSTMCell
from ironhorn.layers.rnn.rnn import RNN

AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
Convolution1D = Conv1D
Convolution2D = Conv2D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D

#: Class name -> class; what model files may name.
ALL: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        LSTM,
        RNN,
        Activation,
        Add,
        Average,
        AveragePooling1D,
        AveragePooling2D,
        BatchNormalization,
        Bidirectional,
        Concatenate,
        Conv1D,
        Conv2D,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePooling1D,
        GlobalAveragePooling2D,
        GlobalMaxPooling1D,
        GlobalMaxPooling2D,
        InputLayer,
        LSTMCell,
        Layer,
        LeakyReLU,
        Masking,
        MaxPooling1D,
        MaxPooling2D,
        Maximum,
        Minimum,
        Multiply,
        ReLU,
        Rescaling,
        Reshape,
        Softmax,
        StringLookup,
        Subtract,
        TextVectorization,
    )
}

__all__ = [
    "ALL",
    "LSTM",
    "RNN",
    "Activation",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Convolution1D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "InputSpec",
    "LSTMCell",
    "Layer",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Softmax",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "add",
    "average",
    "concatenate",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]

if not TYPE_CHECKING:
    __getattr__ = explain(__name__)
