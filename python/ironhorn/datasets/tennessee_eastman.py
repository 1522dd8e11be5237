"""Tennessee Eastman: a simulated chemical plant with 21 faults (Downs and Vogel 1993), the benchmark of monitoring.

52 sensors and valves every three minutes: 500 rows of normal operation and 480 of each fault for training, 960 rows
each for testing, in which the fault acts from row 160 on. Faults 3, 9 and 15 are known to be nearly invisible.
"""

import numpy as np
from numpy.typing import NDArray

from ironhorn.datasets.bibmon import read_members

FAULTS = 21
FIRST_FAULTY_ROW = 160

Runs = dict[int, NDArray[np.float64]]


def load_data() -> tuple[Runs, Runs]:
    """Load the runs of the published split from a local cache.

    Returns:
        `train, test`: the run of each fault, 0 (normal operation) to 21, as rows of 52 values.

    Raises:
        FileNotFoundError: If the file is nowhere; says what to put where.
        FileFormatError: If the file is damaged.

    Example:
        >>> train, test = ironhorn.datasets.tennessee_eastman.load_data()  # doctest: +SKIP
        >>> train[4].shape, test[4].shape  # doctest: +SKIP
        ((480, 52), (960, 52))
    """
    names = {
        (fault, part): f"bibmon/tennessee_eastman/d{fault:02d}{part}.dat"
        for fault in range(FAULTS + 1)
        for part in ("", "_te")
    }
    contents = read_members(list(names.values()))
    runs = {
        key: np.array(contents[name].split(), "float64").reshape(len(contents[name].splitlines()), -1)
        for key, name in names.items()
    }
    runs[0, ""] = runs[0, ""].T  # The only one that is stored with a line a sensor.
    return (
        {fault: runs[fault, ""] for fault in range(FAULTS + 1)},
        {fault: runs[fault, "_te"] for fault in range(FAULTS + 1)},
    )
