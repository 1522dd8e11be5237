"""How a line of a rating file is read."""

from typing import Any

BUILTIN_READERS: dict[str, dict[str, Any]] = {
    "ml-100k": {"line_format": "user item rating timestamp", "rating_scale": (1, 5), "sep": "\t"},
    "ml-1m": {"line_format": "user item rating timestamp", "rating_scale": (1, 5), "sep": "::"},
    "jester": {"line_format": "user item rating", "rating_scale": (-10, 10)},
}
"""The formats of well-known files, as arguments of `Reader`."""

RawRating = tuple[Any, Any, float, Any]
"""Raw user id, raw item id, rating, timestamp or `None`."""


class Reader:
    """Parses rating files and knows the rating scale.

    Args:
        name: Format of a well-known file: `'ml-100k'`, `'ml-1m'` or `'jester'`. The other arguments are then not used.
        line_format: The fields of a line in order, apart by spaces: `user`, `item`, `rating` and perhaps `timestamp`.
        sep: What separates the fields in the file; `None` means any white space.
        rating_scale: The lowest and the highest rating. Estimates are clipped to it.
        skip_lines: How many lines at the top of the file to leave out.

    Raises:
        ValueError: For an unknown `name`, a `line_format` with a wrong or missing field, a `rating_scale` that is not
            a pair of numbers in order.

    Example:
        >>> Reader(line_format="rating item user", sep=";").parse_line("3.5;bolt;ann")
        ('ann', 'bolt', 3.5, None)
    """

    sep: str | None
    skip_lines: int
    rating_scale: tuple[float, float]
    with_timestamp: bool
    indexes: list[int]

    def __init__(
        self,
        name: str | None = None,
        line_format: str = "user item rating",
        sep: str | None = None,
        rating_scale: tuple[float, float] = (1, 5),
        skip_lines: int = 0,
    ) -> None:
        if name:
            if name not in BUILTIN_READERS:
                raise ValueError(f"unknown reader {name}. Accepted values are {', '.join(BUILTIN_READERS)}.")
            self.__init__(**BUILTIN_READERS[name])  # type: ignore[misc]
            return
        try:
            lowest, highest = rating_scale
            in_order = lowest <= highest
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"rating_scale={rating_scale!r}: expected the lowest and the highest rating, as (1, 5)."
            ) from error
        if not in_order:
            raise ValueError(f"rating_scale={rating_scale!r}: the lowest rating comes first, then the highest.")
        self.sep = sep
        self.skip_lines = skip_lines
        self.rating_scale = rating_scale
        fields = line_format.split()
        self.with_timestamp = "timestamp" in fields
        entities = ["user", "item", "rating"] + ["timestamp"] * self.with_timestamp
        if sorted(fields) != sorted(entities):
            wrong = ValueError("line_format parameter is incorrect.")
            wrong.add_note(f"It names user, item, rating and perhaps timestamp, each once; received {line_format!r}.")
            raise wrong
        self.indexes = [fields.index(entity) for entity in entities]

    def parse_line(self, line: str) -> RawRating:
        """Read one line.

        Args:
            line: The line, with or without its end.

        Returns:
            Raw user id, raw item id (both text), rating, and timestamp (text, or `None` without one).

        Raises:
            ValueError: When fields are missing, or the rating is not a number.
        """
        fields = line.split(self.sep)
        try:
            values = [fields[index].strip() for index in self.indexes]
        except IndexError:
            raise ValueError("Impossible to parse line. Check the line_format and sep parameters.") from None
        return values[0], values[1], float(values[2]), values[3] if self.with_timestamp else None
