"""The HDF5 files that hold weights, written as Keras writes them and read with distrust.

Layout: `<path of the object>/vars/<number>`, one group for every layer and optimizer, with the object's name as an
attribute of `vars`. Only data that lies in the file itself is read: hard links to contiguous, compact or chunked
datasets of plain numbers, whose declared size is in proportion to the bytes stored for them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from ironhorn import ops
from ironhorn.errors import FileFormatError, UnsupportedError

_MAX_GROUP = 100_000
_MAX_ATTRIBUTE = 1_024
_MAX_EXPANSION = 100
_FLOOR = 1 << 20
_BUDGET_FLOOR = 64 << 20
_DAMAGE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, OverflowError)
_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}


class WeightsWriter:
    """Writes groups of variables into an HDF5 file.

    Args:
        file: A binary file, open for reading and writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        import h5py

        self._file = h5py.File(file, "w")

    def close(self) -> None:
        """Complete the file."""
        self._file.close()

    def group(self, path: str, name: str | None) -> GroupWriter:
        """Make the group of one object.

        Args:
            path: The object's path, such as `"layers/dense"`; empty for the model itself.
            name: The object's name, kept as an attribute.

        Returns:
            A mapping to write the object's variables to.
        """
        group = self._file.create_group(f"{path}/vars" if path else "vars")
        if name is not None:
            group.attrs["name"] = name
        return GroupWriter(group, path)


class GroupWriter:
    """The variables of one object: `store["0"] = value`."""

    def __init__(self, group: Any, path: str) -> None:
        self._group = group
        self._path = path

    def __setitem__(self, key: str, value: Any) -> None:
        """Write one variable, array or number."""
        if getattr(value, "dtype", None) == "bfloat16":
            # The upper half of a float32 is the bfloat16; HDF5 has no such type, so Keras stores two plain bytes.
            single = np.ascontiguousarray(ops.convert_to_numpy(ops.cast(value, "float32")))
            halves = (single.view(np.uint32) >> np.uint32(16)).astype(np.uint16)
            dataset = self._group.create_dataset(key, data=halves.view("V2"))
            dataset.attrs["dtype"] = "bfloat16"
            return
        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        if array.dtype.kind not in "fiub":
            raise UnsupportedError(
                f"Variable {key!r} of {self._path or 'the model'!r} has dtype {array.dtype}, which cannot be saved. "
                "Keep numbers in variables; save text through `save_assets`."
            )
        self._group[key] = array


class WeightsReader:
    """Reads groups of variables from an HDF5 file.

    Args:
        file: A path, or a binary file that can seek.
        description: What to call the file in error messages.

    Raises:
        FileNotFoundError: If there is no such file.
        FileFormatError: If it is not a complete HDF5 file.
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO, description: str) -> None:
        import h5py

        self.description = description
        if isinstance(file, str | os.PathLike):
            size = os.stat(file).st_size
        else:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
        try:
            self._file = h5py.File(file, "r")
        except _DAMAGE as error:
            raise FileFormatError(
                f"{description} is not a complete HDF5 file ({error}). It may be truncated by an interrupted copy or "
                "download: fetch it again, or save the weights again."
            ) from error
        self._hard_link, self._group_class, self._dataset_class = h5py.HardLink, h5py.Group, h5py.Dataset
        self._size = size
        self._budget = _BUDGET_FLOOR + _MAX_EXPANSION * size

    def __enter__(self) -> WeightsReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def group(self, path: str) -> GroupReader:
        """Return the variables of one object.

        Args:
            path: The object's path, such as `"layers/dense"`; empty for the model itself.

        Returns:
            A mapping from names to arrays; empty if the file has nothing at that path.
        """
        current = self._file
        for part in [*(path.split("/") if path else []), "vars"]:
            following = self._child(current, part)
            if following is None:
                return GroupReader(self, None, path)
            if not isinstance(following, self._group_class):
                raise self.refuse(f"{part!r} on the path {path!r} is not a group")
            current = following
        with self._guard(f"in {path or 'the top group'!r}"):
            if len(current) > _MAX_GROUP:
                raise self.refuse(f"a group has {len(current)} members, more than {_MAX_GROUP}")
            if not all(isinstance(name, str) for name in current):
                raise self.refuse("a group has a member whose name is not text")
            return GroupReader(self, current, path)

    def is_legacy(self) -> bool:
        """Whether the file has the layout of Keras 2, which names layers in an attribute."""
        with self._guard("at its beginning"):
            return "layer_names" in self._file.attrs or "model_weights" in self._file

    @contextlib.contextmanager
    def _guard(self, where: str) -> Iterator[None]:
        """Turn what h5py raises for damaged files into one kind of error."""
        try:
            yield
        except FileFormatError:
            raise
        except _DAMAGE as error:
            raise FileFormatError(
                f"{self.description} is damaged {where} ({error}). Fetch the file again, or save the weights again."
            ) from error

    def refuse(self, reason: str) -> FileFormatError:
        """The error for a file that breaks the rules above."""
        return FileFormatError(
            f"{self.description} was not read: {reason}. No Keras or Ironhorn writes such a file: do not trust where "
            "it came from."
        )

    def _child(self, group: Any, name: str) -> Any:
        """A member of a group that lies in the file itself, or `None`."""
        with self._guard(f"at {name!r}"):
            link = group.get(name, getlink=True)
            if link is None:
                return None
            if not isinstance(link, self._hard_link):
                raise self.refuse(f"{name!r} in {group.name!r} is a {type(link).__name__}, not data of this file")
            return group[name]

    def dataset(self, group: Any, name: str) -> Any:
        """A dataset that passed every check but was not read yet."""
        dataset = self._child(group, name)
        if dataset is None:
            raise FileFormatError(
                f"{self.description} is damaged: {name!r} is listed but not there. Fetch the file again, or save the "
                "weights again."
            )
        if not isinstance(dataset, self._dataset_class):
            raise self.refuse(f"the variable {name!r} is not a dataset")
        with self._guard(f"at {name!r}"):
            where = f"the dataset {dataset.name!r}"
            properties = dataset.id.get_create_plist()
            if properties.get_external_count() > 0:
                raise self.refuse(f"{where} lies in another file")
            if dataset.is_virtual:
                raise self.refuse(f"{where} is a virtual dataset")
            if dataset.shape is None:
                raise self.refuse(f"{where} has no values")
            for index in range(properties.get_nfilters()):
                number = properties.get_filter(index)[0]
                if number not in _FILTERS:
                    raise self.refuse(f"{where} needs the filter {number}, which is not one of {sorted(_FILTERS)}")
            dtype = dataset.dtype
            if dtype.kind not in "fiub" and not self._is_bfloat16(dataset):
                raise self.refuse(f"{where} holds {dtype}, not plain numbers")
            declared = dtype.itemsize
            for length in dataset.shape:
                declared *= int(length)
            # The file's own word for what is stored counts only as far as the file reaches.
            stored = min(int(dataset.id.get_storage_size()), self._size)
            if declared > max(_FLOOR, _MAX_EXPANSION * stored):
                raise self.refuse(f"{where} claims {declared} bytes, but only {stored} are stored")
            chunk = dtype.itemsize
            for length in dataset.chunks or ():
                chunk *= int(length)
            if chunk > max(_FLOOR, 4 * declared):
                raise self.refuse(f"{where} has chunks of {chunk} bytes for {declared} bytes of data")
        return dataset

    def read(self, group: Any, name: str) -> np.ndarray:
        """The values of a dataset, within what the whole file may unpack to."""
        dataset = self.dataset(group, name)
        self._budget -= dataset.size * dataset.dtype.itemsize
        if self._budget < 0:
            raise self.refuse("its datasets unpack to far more than is stored")
        with self._guard(f"at {name!r}"):
            array: np.ndarray = np.asarray(dataset[()])
            if self._is_bfloat16(dataset):
                bits = array.view(np.uint16).astype(np.uint32) << np.uint32(16)
                array = bits.view(np.float32)
        return array

    @staticmethod
    def _is_bfloat16(dataset: Any) -> bool:
        """Whether a dataset of two-byte values holds bfloat16, as Keras marks it."""
        if dataset.dtype.kind != "V" or dataset.dtype.itemsize != 2 or dataset.dtype.names is not None:
            return False
        if "dtype" not in dataset.attrs or dataset.attrs.get_id("dtype").get_storage_size() > _MAX_ATTRIBUTE:
            return False
        return bool(dataset.attrs["dtype"] == "bfloat16")


class GroupReader:
    """The variables of one object: `store["0"]` is an array, `store.keys()` their names."""

    def __init__(self, reader: WeightsReader, group: Any, path: str) -> None:
        self._reader = reader
        self._group = group
        self._names = [] if group is None else list(group.keys())
        self.path = path

    def keys(self) -> list[str]:
        """The names of the variables."""
        return list(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of a variable, without reading its values."""
        return tuple(int(length) for length in self._dataset_group(key)[1].shape)

    def __getitem__(self, key: str) -> np.ndarray:
        """The values of a variable."""
        return self._reader.read(self._dataset_group(key)[0], key)

    def _dataset_group(self, key: str) -> tuple[Any, Any]:
        if key not in self._names:
            raise KeyError(key)
        return self._group, self._reader.dataset(self._group, key)
