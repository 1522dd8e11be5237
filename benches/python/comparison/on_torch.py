"""Torch: eager, as its users write it, with its own fastest settings (fused Adam, the faster of two memory layouts)."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from comparison.on_keras import DROPOUT
from comparison.torch_networks import Trained
from comparison.workloads import CHECKED_ROWS, Workload

LOSSES = {
    "classes": functional.cross_entropy,
    "yes_or_no": functional.binary_cross_entropy_with_logits,
    "number": functional.mse_loss,
}
LAYOUTS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}


def tensors(workload: Workload, samples: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """A workload's data, images with the channels second."""
    x, y = (torch.from_numpy(array) for array in workload.data(samples))
    return (x.permute(0, 3, 1, 2) if x.ndim == 4 else x), y


class Contender:
    """Torch on one workload."""

    def __init__(self, workload: Workload, threads: int):
        torch.set_num_threads(threads)
        self.workload = workload

    def check(self) -> dict[str, Any]:
        """Predictions, the loss of a training step without dropout, predictions after it."""
        model = Trained(self.workload, dropout=0.0)
        model.use_keras_borders()
        x, y = tensors(self.workload, self.workload.batch)
        answer: dict[str, Any] = {"before": predictions(model, x[:CHECKED_ROWS])}
        if self.workload.epochs:
            # Keras adds epsilon before the first step's correction of the second moment, torch after it.
            optimizer = torch.optim.Adam(model.parameters(), eps=1e-7 / (1 - 0.999) ** 0.5, fused=True)
            loss, _ = step(model.train(), optimizer, LOSSES[self.workload.task], x, y)
            answer |= {"loss": loss.item(), "after": predictions(model, x[:CHECKED_ROWS])}
        return answer

    def candidates(self, measure: str) -> dict[str, Callable[[], int]]:
        """Ways to run a measure, by the setting in which they differ: each returns how many samples it did."""
        if measure == "fit_grouped":
            return {}
        if measure in ("one_predict", "one_call"):
            return {"": self.one_row()}
        function = {"fit": self.fit, "predict": self.predict}[measure]
        if len(self.workload.sample) < 3:
            return {"": function(torch.contiguous_format)}
        return {name: function(layout) for name, layout in LAYOUTS.items()}

    def arranged(self, layout: torch.memory_format) -> tuple[Trained, torch.Tensor, torch.Tensor]:
        """Network and data with a memory layout."""
        model, (x, y) = Trained(self.workload, DROPOUT), tensors(self.workload)
        if x.ndim == 4:
            model.to(memory_format=layout)
        return model, x.contiguous(memory_format=layout), y

    def fit(self, layout: torch.memory_format) -> Callable[[], int]:
        """Epochs over shuffled data, with the mean of loss and accuracy that Keras reports."""
        work = self.workload
        model, x, y = self.arranged(layout)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        loss_function = LOSSES[work.task]

        def run() -> int:
            model.train()
            for _ in range(work.epochs):
                total, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
                for rows in torch.randperm(len(x)).split(work.batch):
                    target = y[rows]
                    loss, output = step(model, optimizer, loss_function, x[rows], target)
                    total += loss
                    if work.task == "classes":
                        right += (output.argmax(1) == target).sum()
                total.item()
            return work.epochs * len(x)

        return run

    def predict(self, layout: torch.memory_format) -> Callable[[], int]:
        """Predictions of all samples in one array."""
        model, x, _ = self.arranged(layout)
        model.eval()

        def run() -> int:
            with torch.inference_mode():
                return len(torch.cat([model(rows) for rows in x.split(self.workload.batch)]).numpy())

        return run

    def one_row(self) -> Callable[[], int]:
        """A call of the model with one row."""
        model = Trained(self.workload, DROPOUT).eval()
        row, _ = tensors(self.workload, 1)

        def run() -> int:
            with torch.inference_mode():
                return len(model(row).numpy())

        return run

    def first_step(self) -> None:
        """The first training step."""
        model, (x, y) = Trained(self.workload, DROPOUT), tensors(self.workload, self.workload.batch)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        step(model.train(), optimizer, LOSSES[self.workload.task], x, y)[0].item()

    def memory(self) -> int:
        """One epoch of training; returns nothing that is known of what has to be kept."""
        self.fit(torch.channels_last if len(self.workload.sample) == 3 else torch.contiguous_format)()
        return 0


def step(
    model: Trained, optimizer: Any, loss_function: Any, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One training step: its loss, and what the network gave."""
    optimizer.zero_grad(set_to_none=True)
    output = model(x)
    loss = loss_function(output, y)
    loss.backward()
    optimizer.step()
    return loss.detach(), output.detach()


def predictions(model: Trained, x: torch.Tensor) -> list[float]:
    """What the network predicts."""
    with torch.inference_mode():
        return model.eval()(x).flatten().tolist()
