"""`.keras` and `.weights.h5` files, as Keras 3 reads and writes them.

A `.keras` file is a zip archive of `metadata.json`, `config.json` (the model as `serialization` describes it),
`model.weights.h5` (the variables as `state` and `hdf5` lay them out) and `assets/` (files such as vocabularies).
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from ironhorn.errors import FileFormatError, NotBuiltError, UnsupportedError
from ironhorn.saving.archive import Archive, add_directory
from ironhorn.saving.atomic import replacing
from ironhorn.saving.hdf5 import WeightsReader, WeightsWriter
from ironhorn.saving.serialization import (
    ObjectSharingScope,
    deserialize_keras_object,
    require_safe_mode,
    serialize_keras_object,
)
from ironhorn.saving.state import StateReader, StateWriter

_CONFIG = "config.json"
_METADATA = "metadata.json"
_WEIGHTS = "model.weights.h5"
_ASSETS = "assets/"

#: The version of Keras whose format is written.
_KERAS_VERSION = "3.15.1"

_LEGACY_ADVICE = (
    "Load it once with Keras itself and write it as `.keras`: "
    "`keras.saving.load_model({path!r}).save('model.keras')`; then load that file."
)


def save_model(
    model: Any,
    filepath: str | os.PathLike[str] | BinaryIO,
    overwrite: bool = True,
    zipped: bool | None = None,
    **kwargs: Any,
) -> None:
    """Saves a model as a `.keras` file: its architecture, weights, vocabulary, and how it was compiled.

    A crash at any moment leaves the old file or the new one, never part of one.

    Args:
        model: A model.
        filepath: A path that ends in `.keras`, or a binary file to write to.
        overwrite: Whether an existing file may be replaced.
        zipped: Must be `None` or `True`: models are not saved as directories.
        **kwargs: None are supported; there to name the option in the error.

    Raises:
        FileExistsError: If the file exists and `overwrite=False`.
        ValueError: If the path does not end in `.keras`.
        UnsupportedError: If a format or option is asked for that is not supported.

    Example:
        >>> model = ironhorn.Sequential([ironhorn.Input((3,)), ironhorn.layers.Dense(1)])
        >>> model.save("model.keras")
        >>> restored = ironhorn.saving.load_model("model.keras")
    """
    if kwargs:
        raise UnsupportedError(
            f"`save_model` does not support {', '.join(sorted(kwargs))}. The format follows from the file's name, and "
            "a compiled model is saved with its optimizer."
        )
    if zipped is False:
        raise UnsupportedError("`zipped=False` is not supported: save to one `.keras` file.")
    if not getattr(model, "built", True):
        warnings.warn(
            f"Model {model.name!r} is not built, so that its file will hold no weights. Call it on a batch before "
            "saving.",
            stacklevel=3,
        )
    if isinstance(filepath, io.IOBase):
        _write_keras(model, filepath)  # type: ignore[arg-type]
        return
    path = _path(filepath)
    if path.endswith((".h5", ".hdf5")):
        raise UnsupportedError(
            "Writing whole models in the legacy HDF5 format is not supported. Save to a `.keras` file instead of "
            f"{path!r}, or only the weights with `model.save_weights('model.weights.h5')`."
        )
    if not path.endswith(".keras"):
        raise ValueError(f"The path of a saved model must end in `.keras`. Received: filepath={path!r}")
    _check_overwrite(path, overwrite)
    with replacing(path) as file:
        _write_keras(model, file)


def _write_keras(model: Any, file: BinaryIO) -> None:
    with ObjectSharingScope():
        config = json.dumps(serialize_keras_object(model))
    metadata = json.dumps(
        {"keras_version": _KERAS_VERSION, "date_saved": datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    )
    with (
        tempfile.TemporaryDirectory() as assets,
        tempfile.SpooledTemporaryFile(max_size=64 << 20) as weights,
        zipfile.ZipFile(file, "w") as archive,
    ):
        archive.writestr(_METADATA, metadata)
        archive.writestr(_CONFIG, config)
        writer = WeightsWriter(weights)  # type: ignore[arg-type]
        try:
            StateWriter(writer, assets).write(model)
        finally:
            writer.close()
        weights.seek(0)
        with archive.open(_WEIGHTS, "w", force_zip64=True) as target:
            while piece := weights.read(1 << 20):
                target.write(piece)
        add_directory(archive, assets, _ASSETS)


def load_model(
    filepath: str | os.PathLike[str] | BinaryIO,
    custom_objects: dict[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    allow_nan: bool = False,
) -> Any:
    """Loads a model from a `.keras` file, whoever wrote it: Ironhorn or Keras.

    No file can make this run code, read another file, or reserve much more memory than the file's own size.

    Args:
        filepath: The path of a `.keras` file, or a binary file that holds one.
        custom_objects: Classes and functions of yours that the model uses, by the names they are registered under.
        compile: Whether to compile the model as it was compiled when saved, and to restore the optimizer's state.
        safe_mode: Must be `True`: there is no unsafe mode.
        allow_nan: Whether weights may hold NaN. By default that is an error that names the layer.

    Returns:
        The model.

    Raises:
        FileNotFoundError: If there is no such file.
        FileFormatError: If the file is truncated, damaged, malicious, or does not fit together.
        UnknownObjectError: If the model uses a class or function that is not known.
        UnsupportedError: If the file is of a format that is not supported, or holds a lambda.
    """
    require_safe_mode(safe_mode)
    if not isinstance(filepath, io.IOBase):
        path = _path(filepath)
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no file {path!r}. Check the path; a saved model ends in `.keras`.")
        if os.path.isdir(path):
            raise UnsupportedError(
                f"{path!r} is a directory: only `.keras` files can be loaded. {_legacy_advice(path)}"
            )
        if path.endswith((".h5", ".hdf5")):
            raise UnsupportedError(
                f"{path!r} is a model in the legacy HDF5 format, which is not supported. {_legacy_advice(path)}"
            )
        if not path.endswith(".keras"):
            raise ValueError(f"The path of a saved model must end in `.keras`. Received: filepath={path!r}")
    with Archive(filepath) as archive, tempfile.TemporaryDirectory() as directory:
        if _WEIGHTS not in archive.names and "model.weights.npz" in archive.names:
            raise UnsupportedError(
                f"{archive.description} keeps its weights as NPZ, which is not supported. Save it again with "
                "`model.save('model.keras')`."
            )
        model = _model_from_json(archive.text(_CONFIG), custom_objects, compile, archive.description)
        with _weights_of(archive) as weights:
            assets = directory if archive.extract(_ASSETS, directory) else None
            StateReader(weights, assets, allow_nan).read(model)
    return model


def _model_from_json(text: str, custom_objects: dict[str, Any] | None, compile: bool, description: str) -> Any:
    """Make a model from a `config.json`."""
    try:
        config = json.loads(text, object_pairs_hook=_without_duplicates)
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(
            f"`config.json` of {description} is not valid JSON ({error}). Fetch the file again, or save the model "
            "again."
        ) from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise FileFormatError(f"`config.json` of {description} does not describe a model: it has no `class_name`.")
    if not compile:
        config["compile_config"] = None
    with ObjectSharingScope():
        try:
            model = deserialize_keras_object(config, custom_objects)
        except RecursionError as error:
            raise FileFormatError(f"`config.json` of {description} is nested too deeply.") from error
    if not hasattr(model, "layers"):
        raise FileFormatError(
            f"{description} holds a {type(model).__name__}, not a model. Use `keras.saving.deserialize_keras_object` "
            "on its configuration."
        )
    return model


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse JSON objects in which a name occurs twice: readers would not agree on what they mean."""
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise FileFormatError(f"`config.json` gives {', '.join(map(repr, twice))} twice in one object.")
    return result


@contextlib.contextmanager
def _weights_of(archive: Archive) -> Iterator[WeightsReader]:
    """The weights inside a `.keras` file."""
    with (
        archive.open(_WEIGHTS) as file,
        WeightsReader(file, f"`{_WEIGHTS}` of {archive.description}") as weights,
    ):
        yield weights


def save_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    overwrite: bool = True,
    max_shard_size: float | None = None,
    objects_to_skip: list[Any] | None = None,
) -> None:
    """Saves the weights of a model, and its optimizer's state, as a `.weights.h5` file.

    A crash at any moment leaves the old file or the new one, never part of one.

    Args:
        model: A built model.
        filepath: A path that ends in `.weights.h5`.
        overwrite: Whether an existing file may be replaced.
        max_shard_size: Must be `None`: weights are not split into several files.
        objects_to_skip: Layers to leave out.

    Raises:
        FileExistsError: If the file exists and `overwrite=False`.
        NotBuiltError: If the model has no weights yet.
        ValueError: If the path does not end in `.weights.h5`.
        UnsupportedError: If `max_shard_size` is given.
    """
    path = _path(filepath)
    if max_shard_size is not None:
        raise UnsupportedError("`max_shard_size` is not supported: leave it out to write one file.")
    if not path.endswith(".weights.h5"):
        raise ValueError(f"The path of saved weights must end in `.weights.h5`. Received: filepath={path!r}")
    _require_built(model, "saved")
    _check_overwrite(path, overwrite)
    with replacing(path) as file:
        writer = WeightsWriter(file)
        try:
            StateWriter(writer, None, objects_to_skip).write(model)
        finally:
            writer.close()


def load_weights(
    model: Any,
    filepath: str | os.PathLike[str],
    skip_mismatch: bool = False,
    objects_to_skip: list[Any] | None = None,
    by_name: bool | None = None,
    allow_nan: bool = False,
) -> None:
    """Loads the weights of a model, and its optimizer's state, from a `.weights.h5` or `.keras` file.

    If the file does not fit, the model stays as it was.

    Args:
        model: A built model, made by the code that made the saved one.
        filepath: The path of the file.
        skip_mismatch: Whether to warn about layers that do not fit, and load the others.
        objects_to_skip: Layers to leave as they are.
        by_name: Not supported; belongs to the legacy HDF5 format.
        allow_nan: Whether weights may hold NaN. By default that is an error that names the layer.

    Raises:
        FileNotFoundError: If there is no such file.
        FileFormatError: If the file is truncated, damaged, malicious, or does not fit the model.
        NotBuiltError: If the model has no weights yet.
        UnsupportedError: If the file is of a legacy format.
    """
    path = _path(filepath)
    if by_name is not None:
        raise UnsupportedError("`by_name` belongs to the legacy HDF5 format, which is not supported.")
    if not path.endswith((".keras", ".h5", ".hdf5")):
        raise ValueError(f"Weights are loaded from `.weights.h5` or `.keras` files. Received: filepath={path!r}")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path!r}. Check the path.")
    _require_built(model, "loaded")
    if path.endswith(".keras"):
        with Archive(path) as archive, _weights_of(archive) as weights:
            StateReader(weights, None, allow_nan, objects_to_skip).read(model, skip_mismatch)
        return
    with WeightsReader(path, repr(path)) as weights:
        if weights.is_legacy():
            raise UnsupportedError(
                f"{path!r} holds weights in the legacy HDF5 format, which is not supported. Load it once with Keras "
                "itself and write it again with `model.save_weights('model.weights.h5')`."
            )
        StateReader(weights, None, allow_nan, objects_to_skip).read(model, skip_mismatch)


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a model from what `model.to_json()` returned. It has new weights and is compiled if the model was.

    Args:
        json_string: The text.
        custom_objects: Classes and functions of yours that the model uses, by the names they are registered under.

    Returns:
        The model.
    """
    return _model_from_json(json_string, custom_objects, True, "the given text")


def _path(filepath: Any) -> str:
    path = os.fspath(filepath)
    if not isinstance(path, str):
        raise TypeError(f"A path must be a string or `pathlib.Path`. Received: {filepath!r}")
    if "://" in path:
        raise UnsupportedError(f"Only local files can be read and written. Copy the file first. Received: {path!r}")
    return path


def _check_overwrite(path: str, overwrite: bool) -> None:
    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"The file {path!r} exists already. Choose another name, or pass `overwrite=True`.")


def _require_built(model: Any, verb: str) -> None:
    if not model.built:
        raise NotBuiltError(
            f"The weights of model {model.name!r} cannot be {verb} because it is not built yet, so that it has none. "
            "Call it on a batch, or call `model.build(input_shape)`, first."
        )


def _legacy_advice(path: str) -> str:
    return _LEGACY_ADVICE.format(path=path)
