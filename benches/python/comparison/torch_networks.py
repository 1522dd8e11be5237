"""The networks of `networks`, in torch: modules have the names of Keras' layers, with a dot for the first underscore.

Images are `(batch, channels, height, width)`, as torch wants them; `channels_last` is a matter of strides. Where a
convolution strides, Keras puts the border to the right and below, torch on all sides. What is timed has torch's
borders, what is compared with Keras has Keras' (`keras_borders`): the work is the same.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from comparison.networks import MOBILE_STAGES
from comparison.workloads import Workload, starting_value

# What turns the last product into a prediction.
ACTIVATIONS = {"classes": lambda: nn.Softmax(1), "yes_or_no": nn.Sigmoid, "number": nn.Identity}


def borders(x: Tensor, size: int, strides: int, value: float = 0.0) -> Tensor:
    """Images with the borders that Keras' `padding="same"` gives them."""
    sides: list[int] = []
    for length in (x.shape[3], x.shape[2]):
        total = max((-(-length // strides) - 1) * strides + size - length, 0)
        sides += [total // 2, total - total // 2]
    return functional.pad(x, sides, value=value)


class Convolution(nn.Conv2d):
    """A convolution without bias that keeps the size, divided by its strides."""

    keras_borders = False

    def __init__(self, inputs: int, filters: int, size: int, strides: int = 1, groups: int = 1):
        super().__init__(inputs, filters, size, strides, size // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        if not self.keras_borders:
            return super().forward(x)
        x = borders(x, self.kernel_size[0], self.stride[0])
        return functional.conv2d(x, self.weight, None, self.stride, groups=self.groups)


class Pooling(nn.MaxPool2d):
    """The greatest of 3x3, at every second pixel."""

    keras_borders = False

    def __init__(self) -> None:
        super().__init__(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Pool."""
        if not self.keras_borders:
            return super().forward(x)
        return functional.max_pool2d(borders(x, 3, 2, value=float("-inf")), 3, 2)


class Normalized(nn.Module):
    """A convolution and the batch normalization after it, with Keras' momentum and epsilon."""

    def __init__(self, inputs: int, filters: int, size: int, strides: int = 1, groups: int = 1):
        super().__init__()
        self.conv = Convolution(inputs, filters, size, strides, groups)
        self.norm = nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve and normalize."""
        return self.norm(self.conv(x))


class Channels(nn.Module):
    """Flattens images in the order that Keras flattens them, which `channels_last` does without a copy."""

    def forward(self, x: Tensor) -> Tensor:
        """Flatten."""
        return x.permute(0, 2, 3, 1).flatten(1)


class Residual(nn.Module):
    """A block of ResNet: two convolutions of 3x3, or a bottleneck of 1x1, 3x3 and 1x1."""

    def __init__(self, inputs: int, filters: int, strides: int, bottleneck: bool, projection: bool):
        super().__init__()
        outputs = 4 * filters if bottleneck else filters
        self.first = Normalized(inputs, filters, 1 if bottleneck else 3, strides)
        self.second = Normalized(filters, filters, 3)
        self.third = Normalized(filters, outputs, 1) if bottleneck else None
        self.shortcut = Normalized(inputs, outputs, 1, strides) if projection else None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.second(functional.relu(self.first(x)))
        if self.third is not None:
            y = self.third(functional.relu(y))
        return functional.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class Inverted(nn.Module):
    """A block of MobileNetV2: expand, filter each channel, project."""

    def __init__(self, inputs: int, filters: int, expansion: int, strides: int):
        super().__init__()
        hidden = expansion * inputs
        self.expand = Normalized(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = Normalized(hidden, hidden, 3, strides, groups=hidden)
        self.project = Normalized(hidden, filters, 1)
        self.adds = strides == 1 and inputs == filters

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = x if self.expand is None else functional.relu6(self.expand(x))
        y = self.project(functional.relu6(self.depthwise(y)))
        return x + y if self.adds else y


class TextCNN(nn.Module):
    """Words, two strided convolutions, the greatest of each filter."""

    def __init__(self, dropout: float):
        super().__init__()
        self.embedding = nn.Embedding(20_000, 128)
        self.conv1 = nn.Conv1d(128, 128, 7, 3)
        self.conv2 = nn.Conv1d(128, 128, 7, 3)
        self.dense1 = nn.Linear(128, 128)
        self.dense2 = nn.Linear(128, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, words: Tensor) -> Tensor:
        """Apply the network."""
        x = self.dropout(self.embedding(words)).transpose(1, 2)
        x = functional.relu(self.conv2(functional.relu(self.conv1(x)))).amax(2)
        return self.dense2(self.dropout(functional.relu(self.dense1(x))))


class Recurrent(nn.Module):
    """Two recurrent layers, and a dense layer on the last state of the second."""

    def __init__(self, kind: type[nn.RNNBase], inputs: int, units: tuple[int, int], bidirectional: bool):
        super().__init__()
        name, directions = kind.__name__.lower(), 2 if bidirectional else 1
        self.embedding = nn.Embedding(20_000, inputs) if bidirectional else nn.Identity()
        first = kind(inputs, units[0], batch_first=True, bidirectional=bidirectional)
        second = kind(directions * units[0], units[1], batch_first=True, bidirectional=bidirectional)
        self.names = (f"{name}1", f"{name}2")
        self.add_module(self.names[0], first)
        self.add_module(self.names[1], second)
        self.dense = nn.Linear(directions * units[1], 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        first, second = (self.get_submodule(name) for name in self.names)
        _, state = second(first(self.embedding(x))[0])
        state = state[0] if isinstance(state, tuple) else state
        return self.dense(state.transpose(0, 1).flatten(1))


def sequential(**modules: nn.Module) -> nn.Module:
    """A chain of named modules."""
    network = nn.Sequential()
    for name, module in modules.items():
        network.add_module(name, module)
    return network


def residual(blocks: tuple[tuple[int, int], ...], bottleneck: bool, classes: int) -> nn.Module:
    """A ResNet of stages with so many filters and blocks."""
    channels = blocks[0][0]
    modules: dict[str, nn.Module] = {"stem": Normalized(3, channels, *((7, 2) if bottleneck else (3, 1)))}
    modules["relu"] = nn.ReLU()
    if bottleneck:
        modules["pool"] = Pooling()
    for stage, (filters, count) in enumerate(blocks):
        for block in range(count):
            strides = 2 if stage > 0 and block == 0 else 1
            projection = block == 0 and (bottleneck or strides > 1)
            modules[f"stage{stage}_block{block}"] = Residual(channels, filters, strides, bottleneck, projection)
            channels = 4 * filters if bottleneck else filters
    average = {"average": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    return sequential(**modules, **average, dense=nn.Linear(channels, classes))


def mobile(classes: int) -> nn.Module:
    """MobileNetV2."""
    modules: dict[str, nn.Module] = {"stem": Normalized(3, 32, 3, 2), "relu": nn.ReLU6()}
    channels = 32
    for stage, (expansion, filters, blocks, first) in enumerate(MOBILE_STAGES):
        for block in range(blocks):
            strides = first if block == 0 else 1
            modules[f"stage{stage}_block{block}"] = Inverted(channels, filters, expansion, strides)
            channels = filters
    head = {"head": Normalized(channels, 1280, 1), "head_relu": nn.ReLU6()}
    average = {"average": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    return sequential(**modules, **head, **average, dense=nn.Linear(1280, classes))


def network(name: str, dropout: float) -> nn.Module:
    """The network of a workload, up to the last product."""
    relu = nn.ReLU()
    if name == "small":
        return sequential(dense1=nn.Linear(8, 16), relu=relu, dense2=nn.Linear(16, 1))
    if name == "mlp":
        dense = {"dense1": nn.Linear(784, 512), "relu1": relu, "dense2": nn.Linear(512, 512), "relu2": nn.ReLU()}
        return sequential(**dense, dense3=nn.Linear(512, 10))
    if name == "mnist_cnn":
        first = {"conv1": nn.Conv2d(1, 32, 3), "relu1": relu, "pool1": nn.MaxPool2d(2)}
        second = {"conv2": nn.Conv2d(32, 64, 3), "relu2": nn.ReLU(), "pool2": nn.MaxPool2d(2)}
        return sequential(**first, **second, flatten=Channels(), dropout=nn.Dropout(dropout), dense=nn.Linear(1600, 10))
    if name == "textcnn":
        return TextCNN(dropout)
    if name == "imdb_lstm":
        return Recurrent(nn.LSTM, 128, (64, 64), bidirectional=True)
    if name == "sensor_gru":
        return Recurrent(nn.GRU, 14, (64, 32), bidirectional=False)
    if name == "resnet20":
        return residual(((16, 3), (32, 3), (64, 3)), bottleneck=False, classes=10)
    if name == "resnet50":
        return residual(((64, 3), (128, 4), (256, 6), (512, 3)), bottleneck=True, classes=1000)
    if name == "mobilenet_v2":
        return mobile(classes=1000)
    raise ValueError(f"no network {name}")


class Trained(nn.Module):
    """A network that gives logits while it trains, and what Keras' network predicts otherwise."""

    def __init__(self, workload: Workload, dropout: float):
        super().__init__()
        self.body = network(workload.name, dropout)
        self.activation = ACTIVATIONS[workload.task]()
        for name, module in self.body.named_modules():
            start(name.replace(".", "_"), module)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the network."""
        x = self.body(x)
        return x if self.training else self.activation(x)

    def use_keras_borders(self) -> None:
        """Put borders where Keras puts them."""
        for module in self.modules():
            if isinstance(module, Convolution | Pooling):
                module.keras_borders = True


def start(layer: str, module: nn.Module) -> None:
    """Give a module the weights that all libraries start from."""

    def value(position: int, role: str, *shape: int) -> Tensor:
        return torch.from_numpy(starting_value(layer, position, role, shape))

    with torch.no_grad():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            outputs, inputs, *size = module.weight.shape
            if isinstance(module, nn.Conv2d) and module.groups > 1:
                module.weight.copy_(value(0, "kernel", *size, outputs, 1).permute(2, 3, 0, 1))
            else:
                kernel = value(0, "kernel", *size, inputs, outputs)
                module.weight.copy_(kernel.permute(-1, -2, *range(len(size))))
            if module.bias is not None:
                module.bias.copy_(value(1, "bias", outputs))
        elif isinstance(module, nn.Linear):
            module.weight.copy_(value(0, "kernel", module.in_features, module.out_features).T)
            module.bias.copy_(value(1, "bias", module.out_features))
        elif isinstance(module, nn.BatchNorm2d):
            roles = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
            for position, (role, name) in enumerate(roles.items()):
                getattr(module, name).copy_(value(position, role, module.num_features))
        elif isinstance(module, nn.Embedding):
            module.weight.copy_(value(0, "embeddings", *module.weight.shape))
        elif isinstance(module, nn.RNNBase):
            start_recurrent(module, value)


def start_recurrent(module: nn.RNNBase, value: Any) -> None:
    """Weights of a recurrent module.

    Keras' LSTM has one bias, of which torch's second, which is then left alone, is no part. Its GRU has both, and its
    gates are in another order.
    """
    units = module.hidden_size
    gates = 4 if isinstance(module, nn.LSTM) else 3

    def ordered(array: Tensor) -> Tensor:
        if gates == 4:
            return array
        update, reset, new = array.split(units)
        return torch.cat([reset, update, new])

    for direction, suffix in enumerate(("", "_reverse") if module.bidirectional else ("",)):
        weights = {
            name: getattr(module, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        first = 3 * direction
        weights["weight_ih"].copy_(ordered(value(first, "kernel", module.input_size, gates * units).T))
        weights["weight_hh"].copy_(ordered(value(first + 1, "recurrent_kernel", units, gates * units).T))
        if gates == 4:
            weights["bias_ih"].copy_(value(first + 2, "bias", gates * units))
            weights["bias_hh"].zero_().requires_grad_(False)
        else:
            bias = value(first + 2, "bias", 2, gates * units)
            weights["bias_ih"].copy_(ordered(bias[0]))
            weights["bias_hh"].copy_(ordered(bias[1]))
