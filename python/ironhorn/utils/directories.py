"""Folders of images, texts and sounds as data sets, one class per subfolder."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn.errors import FileFormatError, UnsupportedError
from ironhorn.utils.images import checked_data_format, pillow
from ironhorn.utils.samples import SampleDataset

_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_MODES = {"grayscale": ("L", 1), "rgb": ("RGB", 3), "rgba": ("RGBA", 4)}
_RESIZING = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str | None = "tf",
    verbose: bool = True,
) -> Any:
    """Makes a data set of the images in a folder; needs Pillow.

    Args:
        directory: The folder. With inferred labels each of its subfolders is a class.
        labels: `"inferred"`, `None` for none, or a list of class numbers in the order of the sorted paths.
        label_mode: `"int"`, `"categorical"` (rows of zeros and a one), `"binary"` (0.0 or 1.0), or `None`.
        class_names: The subfolders to use, in the order of their numbers.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: Images per batch; `None` for single images.
        image_size: `(height, width)` to which every image is resized.
        shuffle: Whether to shuffle; otherwise files come in the order of their paths.
        seed: Seed of the order; needed for a shuffled split.
        validation_split: Share of the files, from the end of the order, that is for validation.
        subset: `"training"`, `"validation"` or `"both"`, with `validation_split`.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: Whether to follow links to folders.
        crop_to_aspect_ratio: Whether to cut images to the shape of `image_size` before they are resized.
        pad_to_aspect_ratio: Whether to pad images with zeros to the shape of `image_size`.
        data_format: `"channels_last"` or `"channels_first"`; `None` means the default.
        format: `"tf"`, `"grain"` or `None`: the result is the same data set of this library.
        verbose: Whether to print how many files there are.

    Returns:
        A `SampleDataset` of `images` or `(images, labels)`, floats from 0 to 255 (bytes with `"nearest"`), with the
        attributes `class_names` and `file_paths`; a pair of them for the subset `"both"`.

    Raises:
        ValueError: If an option is unknown or there are no images.

    Example:
        ```python
        train, test = ironhorn.utils.image_dataset_from_directory(
            "flowers", image_size=(180, 180), validation_split=0.2, subset="both", seed=1
        )
        model.fit(train, validation_data=test)
        ```
    """
    if color_mode not in _MODES:
        raise ValueError(f"`color_mode` must be 'rgb', 'rgba' or 'grayscale'. Received: color_mode={color_mode!r}")
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2:
        raise ValueError(f"`image_size` must be a pair (height, width). Received: image_size={image_size!r}")
    interpolation = interpolation.lower()
    if interpolation not in _RESIZING:
        raise UnsupportedError(
            f"`interpolation` must be one of {', '.join(_RESIZING)}. Received: interpolation={interpolation!r}"
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("Only one of `pad_to_aspect_ratio` and `crop_to_aspect_ratio` can be True.")
    data_format = checked_data_format(data_format)
    pillow("image_dataset_from_directory")

    def load(paths: list[str]) -> np.ndarray:
        options = (color_mode, size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio)
        images = np.stack([_load_image(path, *options) for path in paths])
        return images.transpose(0, 3, 1, 2) if data_format == "channels_first" else images

    return _from_directory(
        directory,
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        format,
        verbose,
        _IMAGES,
        "images",
        load,
    )


def _load_image(path: str, color_mode: str, size: Any, interpolation: str, crop: bool, pad: bool) -> np.ndarray:
    mode, channels = _MODES[color_mode]
    with pillow("image_dataset_from_directory").open(path) as file:
        array = np.asarray(file.convert(mode), dtype="float32").reshape((file.height, file.width, channels))
    height, width = array.shape[:2]
    if crop:
        crop_height = min(height, int(width * size[0] / size[1]))
        crop_width = min(width, int(height * size[1] / size[0]))
        top, left = int((height - crop_height) / 2), int((width - crop_width) / 2)
        array = array[top : top + crop_height, left : left + crop_width]
    if not pad:
        return _resized(array, size, interpolation)
    ratio = np.float32(max(np.float32(width / size[1]), np.float32(height / size[0])))
    inner = (np.float32(height) / ratio, np.float32(width) / ratio)
    resized = _resized(array, (int(inner[0]), int(inner[1])), interpolation)
    result = np.zeros((*size, channels), dtype=resized.dtype)
    top, left = int((size[0] - inner[0]) / 2), int((size[1] - inner[1]) / 2)
    result[top : top + resized.shape[0], left : left + resized.shape[1]] = resized
    return result


def _resized(array: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resizes an image; without interpolation its bytes stay bytes."""
    from ironhorn import ops

    if array.shape[:2] != size:
        array = np.asarray(ops.image.resize(array, size, interpolation=interpolation, data_format="channels_last"))
    return array.astype("uint8") if interpolation == "nearest" else array


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str | None = "tf",
    verbose: bool = True,
) -> Any:
    """Makes a data set of the `.txt` files in a folder.

    Args:
        directory: The folder. With inferred labels each of its subfolders is a class.
        labels: `"inferred"`, `None` for none, or a list of class numbers in the order of the sorted paths.
        label_mode: `"int"`, `"categorical"` (rows of zeros and a one), `"binary"` (0.0 or 1.0), or `None`.
        class_names: The subfolders to use, in the order of their numbers.
        batch_size: Texts per batch; `None` for single texts.
        max_length: Longer texts are cut off after so many bytes.
        shuffle: Whether to shuffle; otherwise files come in the order of their paths.
        seed: Seed of the order; needed for a shuffled split.
        validation_split: Share of the files, from the end of the order, that is for validation.
        subset: `"training"`, `"validation"` or `"both"`, with `validation_split`.
        follow_links: Whether to follow links to folders.
        format: `"tf"`, `"grain"` or `None`: the result is the same data set of this library.
        verbose: Whether to print how many files there are.

    Returns:
        A `SampleDataset` of arrays of strings, or of `(texts, labels)`, with the attributes `class_names` and
        `file_paths`; a pair of them for the subset `"both"`. A model takes them after `map` with a
        `TextVectorization`.

    Raises:
        ValueError: If an option is unknown or there are no texts.

    Example:
        ```python
        reviews = ironhorn.utils.text_dataset_from_directory("aclImdb/train", batch_size=32)
        numbers = reviews.map(lambda texts, labels: (vectorize(texts), labels))
        ```
    """

    def load(paths: list[str]) -> np.ndarray:
        texts = np.empty(len(paths), dtype=object)
        for index, path in enumerate(paths):
            with open(path, "rb") as file:
                texts[index] = file.read(max_length if max_length is not None else -1).decode("utf-8", "ignore")
        return texts

    return _from_directory(
        directory,
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        format,
        verbose,
        (".txt",),
        "text files",
        load,
    )


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: list[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Makes a data set of the `.wav` files in a folder.

    Args:
        directory: The folder. With inferred labels each of its subfolders is a class.
        labels: `"inferred"`, `None` for none, or a list of class numbers in the order of the sorted paths.
        label_mode: `"int"`, `"categorical"` (rows of zeros and a one), `"binary"` (0.0 or 1.0), or `None`.
        class_names: The subfolders to use, in the order of their numbers.
        batch_size: Sounds per batch; `None` for single sounds.
        sampling_rate: Must be `None`, or the rate of all files: resampling is not supported.
        output_sequence_length: Sounds are cut off or padded with zeros to this length; `None` pads each batch to its
            longest.
        ragged: Not supported; must be `False`.
        shuffle: Whether to shuffle; otherwise files come in the order of their paths.
        seed: Seed of the order; needed for a shuffled split.
        validation_split: Share of the files, from the end of the order, that is for validation.
        subset: `"training"`, `"validation"` or `"both"`, with `validation_split`.
        follow_links: Whether to follow links to folders.
        verbose: Whether to print how many files there are.

    Returns:
        A `SampleDataset` of `sounds` or `(sounds, labels)`, floats from -1 to 1 of shape `(batch, time, channels)`.

    Raises:
        UnsupportedError: For ragged batches and for files of another rate.
        FileFormatError: If a file is no WAV file of whole numbers (PCM).

    Example:
        ```python
        sounds = ironhorn.utils.audio_dataset_from_directory("commands", output_sequence_length=16000)
        ```
    """
    if ragged:
        raise UnsupportedError("`ragged=True` is not supported: leave it out, and each batch is padded with zeros.")

    def load(paths: list[str]) -> np.ndarray:
        sounds = [_load_sound(path, sampling_rate) for path in paths]
        length = output_sequence_length or max(len(sound) for sound in sounds)
        result = np.zeros((len(sounds), length, sounds[0].shape[1]), dtype="float32")
        for row, sound in zip(result, sounds, strict=True):
            row[: min(length, len(sound))] = sound[:length]
        return result

    return _from_directory(
        directory,
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        None,
        verbose,
        (".wav",),
        "sounds",
        load,
    )


def _load_sound(path: str, sampling_rate: int | None) -> np.ndarray:
    import wave

    try:
        with wave.open(path) as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            raw = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise FileFormatError(f"{path} is no WAV file of whole numbers (PCM): {error}") from error
    if sampling_rate not in (None, rate):
        raise UnsupportedError(
            f"{path} has a rate of {rate}, not sampling_rate={sampling_rate}: resampling is not supported. Resample "
            "the files first."
        )
    if width not in (1, 2, 4):
        raise UnsupportedError(f"{path} has {8 * width} bits per sample: 8, 16 and 32 are supported.")
    if width == 1:
        numbers = (np.frombuffer(raw, dtype="u1").astype("float32") - 128.0) / 128.0
    else:
        numbers = (np.frombuffer(raw, dtype=f"<i{width}") / float(2 ** (8 * width - 1))).astype("float32")
    return numbers.reshape(-1, channels)


def _from_directory(
    directory: Any,
    labels: Any,
    label_mode: str | None,
    class_names: list[str] | None,
    batch_size: int | None,
    shuffle: bool,
    seed: int | None,
    validation_split: float | None,
    subset: str | None,
    follow_links: bool,
    format: str | None,
    verbose: bool,
    suffixes: tuple[str, ...],
    kind: str,
    load: Callable[[list[str]], np.ndarray],
) -> Any:
    """The common part: which files, which labels, which split."""
    from ironhorn.training.progress import write_line

    _check_options(labels, label_mode, class_names, validation_split, subset, shuffle, seed, format)
    if label_mode is None:
        labels = None
    if seed is None:
        seed = int(np.random.randint(10**6))
    paths, numbers, names = _files(os.fspath(directory), labels, class_names, suffixes, follow_links)
    if verbose:
        classes = "" if labels is None else f" belonging to {len(names or ())} classes"
        write_line(f"Found {len(paths)} files{classes}.")
    if label_mode == "binary" and labels is not None and len(names or ()) != 2:
        raise ValueError(f"`label_mode='binary'` needs exactly 2 classes. There are: {names}")
    if shuffle:
        order = np.arange(len(paths))
        np.random.RandomState(seed).shuffle(order)
        paths, numbers = [paths[index] for index in order], numbers[order]
    held_out = int((validation_split or 0) * len(paths))
    cut = len(paths) - held_out
    parts = {
        "training": (paths[:cut], numbers[:cut], shuffle),
        "validation": (paths[cut:], numbers[cut:], shuffle and subset != "both"),
        None: (paths, numbers, shuffle),
    }
    made = []
    for part in ("training", "validation") if subset == "both" else (subset,):
        files, own, shuffled = parts[part]
        if not files:
            raise ValueError(f"No {part + ' ' if part else ''}{kind} found in {directory}. Known suffixes: {suffixes}")
        if verbose and part:
            write_line(f"Using {len(files)} files for {part}.")
        encoded = None if labels is None else _encoded(own, label_mode, len(names or ()))
        made.append(_dataset(files, encoded, load, batch_size, shuffled, seed, names))
    return tuple(made) if subset == "both" else made[0]


def _dataset(
    files: list[str],
    labels: np.ndarray | None,
    load: Callable[[list[str]], np.ndarray],
    batch_size: int | None,
    shuffle: bool,
    seed: int,
    class_names: list[str] | None,
) -> SampleDataset:
    def fetch(rows: np.ndarray) -> Any:
        loaded = load([files[row] for row in rows])
        return loaded if labels is None else (loaded, labels[rows])

    dataset = SampleDataset(fetch, len(files), batch_size, shuffle, seed, workers=4)
    dataset.class_names = class_names  # type: ignore[attr-defined]
    dataset.file_paths = files  # type: ignore[attr-defined]
    return dataset


def _encoded(numbers: np.ndarray, label_mode: str | None, classes: int) -> np.ndarray:
    if label_mode == "binary":
        return numbers.astype("float32")[:, None]
    if label_mode == "categorical":
        return np.eye(classes, dtype="float32")[numbers]
    return numbers


def _check_options(
    labels: Any,
    label_mode: str | None,
    class_names: Any,
    validation_split: Any,
    subset: str | None,
    shuffle: bool,
    seed: int | None,
    format: str | None,
) -> None:
    if format not in ("tf", "grain", None):
        raise ValueError(f"`format` must be 'tf', 'grain' or None. Received: format={format!r}")
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            f"`label_mode` must be 'int', 'categorical', 'binary' or None. Received: label_mode={label_mode!r}"
        )
    if not (labels is None or isinstance(labels, (list, tuple)) or (isinstance(labels, str) and labels == "inferred")):
        raise ValueError(f"`labels` must be 'inferred', None or a list of class numbers. Received: labels={labels!r}")
    if class_names and not isinstance(labels, str):
        raise ValueError("`class_names` goes only with labels='inferred'.")
    if validation_split and not 0 < validation_split < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1. Received: {validation_split}")
    if bool(validation_split) != bool(subset):
        raise ValueError("`validation_split` and `subset` go together: give both or neither.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(f"`subset` must be 'training', 'validation' or 'both'. Received: subset={subset!r}")
    if validation_split and shuffle and seed is None:
        raise ValueError("A shuffled split needs a `seed`, so that its two parts do not overlap.")


def _files(
    directory: str, labels: Any, class_names: list[str] | None, suffixes: tuple[str, ...], follow_links: bool
) -> tuple[list[str], np.ndarray, list[str] | None]:
    """Paths in sorted order, a class number for each, and the names of classes."""
    folders = [""]
    if isinstance(labels, str):
        folders = sorted(
            entry.name for entry in os.scandir(directory) if entry.is_dir() and not entry.name.startswith(".")
        )
        if class_names is not None:
            if not set(class_names) <= set(folders):
                raise ValueError(f"`class_names` must be subfolders of {directory}: {folders}. Received: {class_names}")
            folders = list(class_names)
    paths: list[str] = []
    numbers: list[int] = []
    for number, folder in enumerate(folders):
        for root, _, files in sorted(os.walk(os.path.join(directory, folder), followlinks=follow_links)):
            found = [os.path.join(root, name) for name in sorted(files) if name.lower().endswith(suffixes)]
            paths += found
            numbers += [number] * len(found)
    if labels is None:
        return paths, np.zeros(len(paths), dtype="int32"), None
    if isinstance(labels, str):
        return paths, np.array(numbers, dtype="int32"), folders
    if len(labels) != len(paths):
        raise ValueError(f"`labels` has {len(labels)} entries, but {directory} holds {len(paths)} files.")
    return paths, np.asarray(labels, dtype="int32"), [str(label) for label in sorted(set(labels))]
