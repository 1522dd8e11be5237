"""The exceptions that Ironhorn raises, each also an instance of the built-in exception that fits.

Messages name the layer, the op, the shapes that were received, what was expected, and how to mend it.
"""


class IronhornError(Exception):
    """Base class of everything below."""


class ShapeError(IronhornError, ValueError):
    """Shapes that do not fit together."""


class DTypeError(IronhornError, TypeError):
    """An element type that an op or layer does not take."""


class ValueRangeError(IronhornError, ValueError):
    """A value outside its range: a label, a rate, an argument."""


class IndexRangeError(IronhornError, IndexError):
    """An index outside an axis."""


class TracedValueError(IronhornError, TypeError):
    """The data of a traced value was asked for."""


class UnsupportedError(IronhornError, NotImplementedError):
    """Something that this version does not do; the message says what to do instead."""


class OutOfMemory(IronhornError, MemoryError):
    """A size that cannot be allocated."""


class InternalError(IronhornError, RuntimeError):
    """A bug in Ironhorn."""


class ConcurrentFitError(IronhornError, RuntimeError):
    """A second `fit` on a model that is being fitted."""


class FileFormatError(IronhornError, ValueError):
    """A file that is damaged or not what its name says."""


class UnknownObjectError(IronhornError, ValueError):
    """A name in a file or an argument that stands for nothing known."""


class NotFiniteError(IronhornError, FloatingPointError):
    """A number that is NaN or infinite, found while `config.enable_debug_nans()` was on."""


class NotBuiltError(IronhornError, ValueError):
    """A layer or model that has no weights yet."""
