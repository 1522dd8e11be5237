"""Files inside the wheel of the Python package bibmon 1.2.0 (Apache-2.0), which two data sets come from.

The wheel is kept whole in `datasets` of a cache folder: one file, one SHA-256. `make data` fetches it, and so does
`pip download --no-deps bibmon==1.2.0`; nothing of it is installed or run.
"""

import pathlib

from ironhorn.datasets.files import cache_folders, find_file
from ironhorn.errors import FileFormatError

WHEEL = "bibmon-1.2.0-py3-none-any.whl"
SHA256 = "a74717f9157c6e414f5d225c850bf68df2b3edc1ee7833cc0e99f2164066f397"


def read_members(names: list[str]) -> dict[str, bytes]:
    """Files inside the wheel.

    Args:
        names: Their paths inside it.

    Returns:
        The content of each.

    Raises:
        FileNotFoundError: If no cache has the wheel; says what to put where.
        FileFormatError: If the wheel is not the expected file.
    """
    import hashlib
    import io
    import zipfile

    path = find_file(WHEEL)
    if path is None:
        folder = cache_folders()[0] / "datasets"
        raise FileNotFoundError(
            f"The data file {WHEEL} is in none of the folders {', '.join(map(str, cache_folders()))} (below "
            f"`datasets`). Fetch it: `pip download --no-deps --dest {folder} bibmon==1.2.0`, or set IRONHORN_DATA to a "
            "folder that has it in `datasets`."
        )
    content = pathlib.Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise FileFormatError(
            f"{path} is not the expected file: its SHA-256 is {digest}, expected {SHA256}. Remove it and fetch it "
            "again."
        )
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        return {name: wheel.read(name) for name in names}
