"""What becomes of an algorithm whose fit ends early."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def restoring(method: Method) -> Method:
    """Make a method that fits leave the algorithm as it was, fitted or not, when it is stopped or fails.

    Args:
        method: The method.

    Returns:
        The method that does so.
    """

    @functools.wraps(method)
    def restored(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = dict(vars(self))
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    found: Any = restored
    return found
