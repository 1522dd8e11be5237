"""`TensorBoard`: logs, weights and the model, in files that TensorBoard shows."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import numpy as np

from ironhorn.callbacks.callback import Callback
from ironhorn.callbacks.event_file import EventFile
from ironhorn.callbacks.optimizers_of import learning_rate_of
from ironhorn.errors import UnsupportedError


class TensorBoard(Callback):
    """Writes event files, which `tensorboard --logdir logs` shows. Neither TensorFlow nor TensorBoard is needed.

    Logs of an epoch are scalars `epoch_<name>` in `train` and `validation`, with `epoch_learning_rate`; logs of
    batches are `batch_<name>`; results of evaluations are `evaluation_<name>_vs_iterations`. Functional and sequential
    models are shown as a graph of layers.

    Args:
        log_dir: Folder of the event files.
        histogram_freq: Write the distributions of the weights every so many epochs; 0 for never.
        write_graph: Whether to write the model.
        write_images: Whether to write weights as images too, when their distributions are written.
        write_steps_per_second: Whether to write how many steps are done in a second.
        update_freq: `"epoch"`, or `"batch"` or a number of batches to write logs within epochs too, which makes the
            callback listen to every batch.
        profile_batch: Must be 0.
        embeddings_freq: Write the weights of `Embedding` layers for the projector every so many epochs; 0 for never.
        embeddings_metadata: File with the names of the rows of an embedding, by name of layer, or one file for all.

    Raises:
        UnsupportedError: If a profile is asked for.
        ValueError: If a frequency is none, or `embeddings_metadata` names a layer that is no `Embedding`.

    Example:
        ```python
        model.fit(x, y, epochs=5, callbacks=[TensorBoard("logs/first", histogram_freq=1)])
        ```
    """

    _kept_state = ("_global_train_batch",)

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ):
        super().__init__()
        if profile_batch not in (0, "0", (0, 0), [0, 0], "0,0"):
            raise UnsupportedError(
                "TensorBoard(profile_batch=...) is not supported: there is no trace of the engine in TensorBoard's "
                f"format. Leave it 0 and run the program under `perf` or `py-spy`. Received: {profile_batch!r}"
            )
        update_freq = 1 if update_freq == "batch" else update_freq
        frequencies = {"histogram_freq": histogram_freq, "embeddings_freq": embeddings_freq}
        if update_freq != "epoch":
            frequencies["update_freq"] = update_freq
        for name, value in frequencies.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < (name == "update_freq"):
                kinds = "'epoch', 'batch' or a positive number" if name == "update_freq" else "0 or a positive number"
                raise ValueError(f"TensorBoard: `{name}` must be {kinds}. Received: {name}={value!r}")
        if write_images and not histogram_freq:
            import warnings

            warnings.warn(
                "TensorBoard(write_images=True) writes nothing without `histogram_freq`: pass histogram_freq=1 to "
                "write images of the weights after every epoch.",
                stacklevel=2,
            )
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self._files: dict[str, EventFile] = {}
        self._global_train_batch = 0
        self._epoch_start = (0, 0.0)
        self._batch_start = 0.0
        if update_freq != "epoch":
            self.on_train_batch_begin = self._on_train_batch_begin  # type: ignore[method-assign]
            self.on_train_batch_end = self._on_train_batch_end  # type: ignore[method-assign]

    def set_model(self, model: Any) -> None:
        """Takes the model, and writes it."""
        super().set_model(model)
        self._close()
        if self.write_graph:
            self._write_model()
        if self.embeddings_freq:
            self._write_projector()

    def on_train_begin(self, logs: Any = None) -> None:
        """Counts batches from 0."""
        self._global_train_batch = 0

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the files."""
        self._close()

    def on_test_end(self, logs: Any = None) -> None:
        """Writes the results of an evaluation, by the number of training steps."""
        iterations = getattr(self.model.optimizer, "iterations", None)
        if iterations is None or not logs:
            return
        file = self._open("validation")
        for name, value in logs.items():
            file.scalar(f"evaluation_{name}_vs_iterations", value, int(np.asarray(iterations)))
        file.flush()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers when the epoch began."""
        if self.write_steps_per_second:
            self._epoch_start = (self._iterations(), time.perf_counter())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the logs, and what else is due."""
        if logs:
            self._write_epoch(epoch, logs)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings()

    def _on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._global_train_batch += 1
        self._batch_start = time.perf_counter()

    def _on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        step = self._global_train_batch
        if step % self.update_freq:
            return
        file = self._open("train")
        if self.write_steps_per_second:
            seconds = max(time.perf_counter() - self._batch_start, 1e-9)
            file.scalar("batch_steps_per_second", 1.0 / seconds, step)
        for name, value in (logs or {}).items():
            file.scalar(f"batch_{name}", value, step)
        file.flush()

    def _write_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        of_training = {name: value for name, value in logs.items() if not name.startswith("val_")}
        of_validation = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
        of_training.update(self._learning_rates())
        if self.write_steps_per_second:
            iterations, started = self._epoch_start
            seconds = max(time.perf_counter() - started, 1e-9)
            of_training["steps_per_second"] = (self._iterations() - iterations) / seconds
        for folder, values in (("train", of_training), ("validation", of_validation)):
            if not values:
                continue
            file = self._open(folder)
            for name, value in values.items():
                file.scalar(f"epoch_{name}", value, epoch)
            file.flush()

    def _learning_rates(self) -> dict[str, float]:
        from ironhorn.optimizers import Optimizer

        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if hasattr(optimizer, "optimizers"):
            return {f"learning_rate_{inner.name}": learning_rate_of(inner) for inner in optimizer.optimizers}
        return {"learning_rate": learning_rate_of(optimizer)} if isinstance(optimizer, Optimizer) else {}

    def _iterations(self) -> int:
        return int(np.asarray(self.model.optimizer.iterations))

    def _write_model(self) -> None:
        if type(self.model).__name__ not in ("Functional", "Sequential"):
            return
        try:
            text = self.model.to_json()
        except Exception as error:
            # What cannot be described (a lambda, a layer without `get_config`) must not end the training.
            import warnings

            warnings.warn(f"TensorBoard: the model cannot be written as JSON, and is left out: {error}", stacklevel=4)
            return
        file = self._open("train")
        file.model("keras", text, 0)
        file.flush()

    def _write_weights(self, epoch: int) -> None:
        file = self._open("train")
        for layer in self.model.layers:
            for weight in layer.weights:
                name = weight.path.replace(":", "_")
                values = np.asarray(weight.numpy())
                file.histogram(f"{name}/histogram", values, epoch)
                images = as_images(values) if self.write_images else None
                if images is not None:
                    file.images(f"{name}/image", images, epoch)
        file.flush()

    def _embeddings(self) -> list[Any]:
        from ironhorn.layers import Embedding

        return [layer for layer in self.model.layers if isinstance(layer, Embedding)]

    def _write_projector(self) -> None:
        metadata = self.embeddings_metadata or {}
        names = [layer.name for layer in self._embeddings()]
        if isinstance(metadata, dict) and (unknown := [name for name in metadata if name not in names]):
            raise ValueError(
                "Unrecognized `Embedding` layer names passed to `keras.callbacks.TensorBoard` `embeddings_metadata` "
                f"argument: {', '.join(map(repr, unknown))}. Embeddings of the model: {', '.join(names) or 'none'}."
            )
        lines = []
        for name in names:
            rows = metadata.get(name) if isinstance(metadata, dict) else metadata
            fields = {"tensor_name": name, "tensor_path": self._table(name)} | ({"metadata_path": rows} if rows else {})
            inner = "".join(f"  {field}: {_quoted(os.fspath(value))}\n" for field, value in fields.items())
            lines.append(f"embeddings {{\n{inner}}}\n")
        os.makedirs(self.log_dir, exist_ok=True)
        with open(os.path.join(self.log_dir, "projector_config.pbtxt"), "w", encoding="utf-8") as file:
            file.write("".join(lines))

    def _write_embeddings(self) -> None:
        from ironhorn.saving.atomic import replacing

        for layer in self._embeddings():
            rows = layer.embeddings.numpy()
            text = "\n".join("\t".join(f"{number:.9g}" for number in row) for row in rows.tolist())
            with replacing(os.path.join(self.log_dir, self._table(layer.name))) as file:
                file.write(f"{text}\n".encode())

    @staticmethod
    def _table(name: str) -> str:
        """The name of the file with the rows of an embedding."""
        return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.tsv"

    def _open(self, folder: str) -> EventFile:
        if folder not in self._files:
            self._files[folder] = EventFile(os.path.join(self.log_dir, folder))
        return self._files[folder]

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}


def as_images(weight: np.ndarray) -> np.ndarray | None:
    """Shapes a weight as images (images, height, width, channels), if that makes sense.

    Args:
        weight: The values. Vectors are a row, matrices lie on their longer side, the last axis of three counts images
            (the first one where images are channels first).
    """
    from ironhorn.backend.config import image_data_format

    weight = weight.squeeze()
    if weight.dtype.kind != "f":
        return None
    if weight.ndim == 1:
        weight = weight[None, :, None, None]
    elif weight.ndim == 2:
        weight = (weight.T if weight.shape[0] > weight.shape[1] else weight)[None, :, :, None]
    elif weight.ndim == 3:
        weight = (weight.transpose(2, 0, 1) if image_data_format() == "channels_last" else weight)[..., None]
    return weight if weight.ndim == 4 and weight.shape[-1] in (1, 3, 4) else None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
