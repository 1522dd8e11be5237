"""Older home of some of `ironhorn.utils`."""

from typing import Any

import ironhorn.preprocessing.image as image
import ironhorn.preprocessing.sequence as sequence
from ironhorn.utils import image_dataset_from_directory as image_dataset_from_directory
from ironhorn.utils import text_dataset_from_directory as text_dataset_from_directory
from ironhorn.utils import timeseries_dataset_from_array as timeseries_dataset_from_array

ALL: dict[str, Any]
