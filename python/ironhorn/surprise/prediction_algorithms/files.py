"""Files of fitted algorithms: data only, nothing in them is ever run.

A file is a zip archive of `model.json` (class, options, raw ids, rating scale) and one uncompressed `.npy` for each
array. It is written beside its target and renamed over it when it is complete, so that a crash leaves the old file.
Reading checks every size against what is there before anything is allocated.
"""

import io
import json
import math
import numbers
import os
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ironhorn.errors import FileFormatError
from ironhorn.saving.atomic import replacing

from ..trainset import Trainset
from .tables import data_order

_FORMAT = "ironhorn.surprise"
_KINDS = "fiub"


def write(path: str | os.PathLike[str], algo: Any, options: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write a file.

    Args:
        path: Where to.
        algo: The fitted algorithm.
        options: Its attributes that are no arrays.
        arrays: Its attributes that are.

    Raises:
        TypeError: For a raw id or option that is neither text, number, boolean nor `None`.
    """
    trainset = algo.trainset
    users, items, ratings = data_order(trainset)
    header = {
        "format": _FORMAT,
        "version": 1,
        "class": type(algo).__name__,
        "options": {name: _plain(value, f"option {name}") for name, value in options.items()},
        "rating_scale": [float(bound) for bound in trainset.rating_scale],
        "global_mean": float(trainset.global_mean),
        "users": [_plain(trainset.to_raw_uid(user), "raw user id") for user in trainset.all_users()],
        "items": [_plain(trainset.to_raw_iid(item), "raw item id") for item in trainset.all_items()],
    }
    columns = {"trainset.users": users, "trainset.items": items, "trainset.ratings": ratings}
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model.json", json.dumps(header))
        for name, values in {**columns, **arrays}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)


def _plain(value: Any, what: str) -> Any:
    """A value that JSON keeps as it is; lists and dictionaries of such."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, np.random.RandomState):
        name, keys, *rest = value.get_state()
        return {"RandomState": [name, np.asarray(keys).tolist(), *rest]}
    if what.startswith("option") and isinstance(value, dict):
        return {str(key): _plain(part, what) for key, part in value.items()}
    raise TypeError(
        f"save keeps text, numbers, booleans and None; the {what} {value!r} is {type(value).__name__}. Convert it, or "
        "pickle the algorithm."
    )


class Reader:
    """An open file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is none.
        FileFormatError: If it is no such file, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name = repr(os.fspath(path))
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise self.damaged(str(error)) from error
        with self._archive:
            size = os.path.getsize(path)
            members = self._archive.infolist()
            sizes = [member.file_size for member in members]
            stored = all(
                member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
                for member in members
            )
            names = [member.filename for member in members]
            if not stored or sum(sizes) > size or len(set(names)) != len(names):
                raise self.damaged("sizes of its members do not fit its own size")
            self._content = {name: self._read(name) for name in names}
        try:
            header = json.loads(self._content.pop("model.json").decode())
        except (KeyError, ValueError, RecursionError) as error:
            raise self.damaged("it has no readable model.json") from error
        if not isinstance(header, dict) or header.get("format") != _FORMAT:
            raise self.damaged("it is of another kind")
        if header.get("version") != 1:
            raise FileFormatError(
                f"{self.name} is of version {header.get('version')!r}; this Ironhorn reads version 1. Use a newer one."
            )
        self.header: dict[str, Any] = header

    def _read(self, name: str) -> bytes:
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
            raise self.damaged(f"{name}: {error}") from error

    def damaged(self, reason: str) -> FileFormatError:
        """The error for a file that cannot be read."""
        return FileFormatError(
            f"{self.name} is not a complete file of a fitted algorithm: {reason}. It may have been cut short by a copy "
            "or a download: fetch it again, or save the algorithm again."
        )

    def array(self, name: str) -> NDArray[Any]:
        """An array by name, checked against the bytes that there are."""
        try:
            member = io.BytesIO(self._content[f"{name}.npy"])
            version = np.lib.format.read_magic(member)
            if version != (1, 0):
                raise ValueError(f"version {version} of its header")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
            rest = self._content[f"{name}.npy"][member.tell() :]
            if dtype.kind not in _KINDS or fortran or math.prod(shape) * dtype.itemsize != len(rest):
                raise ValueError("its shape does not fit its size")
            return np.frombuffer(rest, dtype).reshape(shape).copy()
        except (KeyError, ValueError, SyntaxError, TypeError, OverflowError) as error:
            raise self.damaged(f"array {name}: {error}") from error

    def has(self, name: str) -> bool:
        """Whether there is such an array."""
        return f"{name}.npy" in self._content

    def text(self, name: str, kind: type) -> Any:
        """A value of the header, of a given type."""
        value = self.header.get(name)
        if not isinstance(value, kind):
            raise self.damaged(f"{name} is {type(value).__name__}")
        return value

    def options(self) -> dict[str, Any]:
        """Attributes that are no arrays."""
        found = dict(self.text("options", dict))
        state = found.get("random_state")
        if isinstance(state, dict):
            generator = np.random.RandomState()
            try:
                name, keys, *rest = state["RandomState"]
                generator.set_state((name, np.array(keys, np.uint32), *rest))
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                raise self.damaged("its random state") from error
            found["random_state"] = generator
        return found

    def trainset(self) -> Trainset:
        """The trainset."""
        users, items, ratings = (self.array(f"trainset.{name}") for name in ("users", "items", "ratings"))
        user_ids, item_ids = self.text("users", list), self.text("items", list)
        scale = self.text("rating_scale", list)
        try:
            for codes, ids in ((users, user_ids), (items, item_ids)):
                if codes.dtype != np.int64 or codes.ndim != 1 or len(codes) != len(ratings):
                    raise ValueError("columns of the trainset")
                if len(set(ids)) != len(ids) or (len(codes) and not 0 <= codes.min() <= codes.max() < len(ids)):
                    raise ValueError("ids of the trainset")
            if ratings.dtype != np.float64 or not np.isfinite(ratings).all() or len(scale) != 2:
                raise ValueError("ratings of the trainset")
            bounds = (float(scale[0]), float(scale[1]))
            trainset = Trainset._from_inner(users, items, ratings, user_ids, item_ids, bounds)
        except (ValueError, TypeError) as error:
            raise self.damaged(str(error)) from error
        trainset._global_mean = np.float64(self.text("global_mean", float))
        return trainset
