"""Writes promotion.json: the types that Keras gives results. Run with a Python that has Keras and TensorFlow.

For every pair of types, and for every type beside a Python number, the type that they promote to; for every function
of one or two arrays the type of its result. TensorFlow's backend is asked because Keras makes 64-bit numbers 32-bit
ones on the others; the functions are asked about symbolic tensors, so that no backend computes.
"""

import json
import os
import pathlib
from typing import Any

DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 bfloat16 float16 float32 float64".split()
LETTERS = "abcdefghijklm"
UNARY = """
abs absolute all amax amin angle any arccos arccosh arcsin arcsinh arctan arctanh argmax argmin argsort array
average bitwise_invert bitwise_not cbrt ceil conj conjugate copy corrcoef cos cosh count_nonzero cumprod cumsum
deg2rad diag diagflat diagonal diff empty_like erf erfc erfinv exp exp2 expm1 fabs flip fliplr flipud floor i0 imag
isfinite isinf isnan isneginf isposinf isreal log log10 log1p log2 logical_not logsumexp max mean median min
nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar
negative ones_like prod ptp rad2deg ravel real reciprocal round rsqrt sign signbit sin sinc sinh sort sqrt square
std sum tan tanh trace transpose trapezoid tril triu trunc var zeros_like
""".split()
BINARY = """
add append arctan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor cdist cross divide
divide_no_nan dot equal floor_divide fmax fmin fmod gcd greater greater_equal heaviside hypot inner isclose isin
kron lcm ldexp left_shift less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor matmul maximum
minimum mod multiply nextafter not_equal outer power right_shift subtract tensordot true_divide vdot
""".split()


def asked(module: Any, function: str, make: Any, *dtypes: str) -> str:
    """The letter of the result's type, "-" where there is none."""
    try:
        result = getattr(module, function)(*(make(dtype) for dtype in dtypes))
    except (TypeError, ValueError):
        return "-"
    return LETTERS[DTYPES.index(str(result.dtype))]


def of_functions(module: Any, make: Any) -> dict[str, str]:
    """A letter for every type (or pair of types, row by row) and function that the module has."""
    record = {name: "".join(asked(module, name, make, a) for a in DTYPES) for name in UNARY if hasattr(module, name)}
    record |= {
        name: "".join(asked(module, name, make, a, b) for a in DTYPES for b in DTYPES)
        for name in BINARY
        if hasattr(module, name)
    }
    return record


def main() -> None:
    """Ask Keras."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    from keras.src.backend.common.dtypes import result_type

    weak = {"int": int, "float": float}
    table = {f"{a} {b}": result_type(a, weak.get(b, b)) for a in DTYPES for b in [*DTYPES, *weak]}
    functions = of_functions(keras.ops, lambda dtype: keras.KerasTensor((3, 3), dtype))
    record = {"keras": keras.__version__, "table": table, "functions": functions}
    (pathlib.Path(__file__).parent / "promotion.json").write_text(json.dumps(record, indent=0) + "\n")


if __name__ == "__main__":
    main()
