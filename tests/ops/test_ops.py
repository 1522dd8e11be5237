"""Every row of the case table in every way that a function can be called."""

from __future__ import annotations

import collections
import doctest
import importlib
import os
import pathlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import KerasTensor, _core, ops, tree
from ironhorn.backend import CompiledFunction
from ironhorn.testing import check_gradients
from ops.cases import CASES, NO_ROW, TOLERANCE, Case

ISAS = ("scalar", "avx2", "avx512")

_ids = collections.Counter(case.id for case in CASES)
assert max(_ids.values()) == 1, f"rows with the same id: {[id for id, count in _ids.items() if count > 1]}"


def rows(chosen: Callable[[Case], bool]) -> Any:
    """A test for every row that is chosen."""
    return pytest.mark.parametrize("case", [case for case in CASES if chosen(case)], ids=lambda case: case.id)


def result_dtype(case: Case, dtype: str) -> str:
    """The type that the row says the result has."""
    return case.results.get(dtype, case.results.get("*", dtype))


def expected(case: Case, arrays: list[np.ndarray], dtype: str) -> list[np.ndarray]:
    """What NumPy makes of the arguments, computed in float64 where the result has floats."""
    floats = result_dtype(case, dtype).startswith("float")
    wide = [
        array.astype("float64") if array.dtype.kind == "f" or (floats and argument.dtype is None) else array
        for array, argument in zip(arrays, case.arguments, strict=True)
    ]
    with np.errstate(all="ignore"):
        return [np.asarray(leaf) for leaf in tree.flatten(case.reference(*wide))]


def assert_close(found: Any, wanted: np.ndarray, dtype: str, tolerance: float, what: str = "") -> None:
    """Equal within `tolerance` times a few rounding errors of the largest element; integers exactly."""
    found = np.asarray(found)
    assert found.shape == wanted.shape, what
    if not dtype.startswith("float") or tolerance == 0.0:
        np.testing.assert_array_equal(found, wanted.astype(dtype), err_msg=what)
        return
    allowed = TOLERANCE[dtype] * tolerance
    finite = np.abs(wanted[np.isfinite(wanted)])
    scale = max(float(finite.max()), 1e-6) if finite.size else 1.0
    np.testing.assert_allclose(found, wanted, rtol=allowed, atol=allowed * scale, err_msg=what)


def check_values(case: Case, dtype: str) -> None:
    arrays = case.arrays(dtype)
    found = tree.flatten(case.function(*arrays))
    wanted = expected(case, arrays, dtype)
    assert len(found) == len(wanted)
    for tensor, value in zip(found, wanted, strict=True):
        assert isinstance(tensor, _core.Tensor)
        assert tensor.dtype == result_dtype(case, dtype)
        assert_close(tensor, value, tensor.dtype, case.tolerance)


@pytest.mark.parametrize(
    ("case", "dtype"),
    [(case, dtype) for case in CASES for dtype in case.dtypes],
    ids=[f"{case.id}-{dtype}" for case in CASES for dtype in case.dtypes],
)
def test_values(case: Case, dtype: str) -> None:
    check_values(case, dtype)


def strided(array: np.ndarray) -> list[np.ndarray]:
    """The same elements in other places of memory: every other, backwards, columns first."""
    if array.ndim == 0:
        return [array] * 3
    gapped = np.zeros([2 * length for length in array.shape], array.dtype)[
        tuple(slice(None, None, 2) for _ in array.shape)
    ]
    gapped[...] = array
    backwards = np.flip(np.flip(array).copy())
    return [gapped, backwards, np.asfortranarray(array)]


@rows(lambda case: bool(case.arguments))
def test_strided_arguments(case: Case) -> None:
    dtype = case.dtypes[0]
    arrays = case.arrays(dtype)
    wanted = [np.asarray(leaf) for leaf in tree.flatten(case.function(*arrays))]
    for variant in zip(*(strided(array) for array in arrays), strict=True):
        for tensor, value in zip(tree.flatten(case.function(*variant)), wanted, strict=True):
            np.testing.assert_array_equal(np.asarray(tensor), value)


@rows(lambda case: case.empty and any(argument.batch and argument.shape for argument in case.arguments))
def test_empty_batches(case: Case) -> None:
    for dtype in case.dtypes[:1] if case.gradient is not True else ("float32",):
        arrays = case.arrays(dtype, batch=0)
        wanted = expected(case, arrays, dtype)
        for tensor, value in zip(tree.flatten(case.function(*arrays)), wanted, strict=True):
            assert tensor.shape == value.shape
            assert tensor.dtype == result_dtype(case, dtype)
            np.testing.assert_array_equal(np.asarray(tensor), value.astype(tensor.dtype))
    if case.gradient is True:
        gradients, _ = derivatives(case, arrays)
        for gradient, array in zip(gradients, smooth(case, arrays), strict=True):
            assert gradient.shape == array.shape
            assert np.isfinite(np.asarray(gradient)).all()


def stand_in(case: Case, arrays: list[np.ndarray], use: Callable[[np.ndarray], Any]) -> list[Any]:
    """The arguments with batches replaced."""
    return [use(a) if argument.batch and a.ndim else a for argument, a in zip(case.arguments, arrays, strict=True)]


@rows(lambda case: case.symbolic and case.graph)
def test_symbolic_calls(case: Case) -> None:
    dtype = case.dtypes[0]
    arrays = case.arrays(dtype)
    symbols = stand_in(case, arrays, lambda array: KerasTensor((None, *array.shape[1:]), str(array.dtype)))
    if not any(isinstance(symbol, KerasTensor) for symbol in symbols):
        pytest.skip("no argument has a batch")
    found = tree.flatten(case.function(*symbols))
    eager = tree.flatten(case.function(*arrays))
    longer = tree.flatten(case.function(*case.arrays(dtype, batch=7)))
    assert len(found) == len(eager)
    for symbol, tensor, other in zip(found, eager, longer, strict=True):
        assert isinstance(symbol, KerasTensor)
        assert symbol.dtype == tensor.dtype
        known = [a if a == b else None for a, b in zip(tensor.shape, other.shape, strict=True)]
        assert list(symbol.shape) == known


def smooth(case: Case, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arguments that derivatives are taken by."""
    return [a for a, argument in zip(arrays, case.arguments, strict=True) if argument.smooth and a.dtype.kind == "f"]


def of_smooth(case: Case, arrays: list[Any]) -> Callable[..., Any]:
    """The function of just the arguments that derivatives are taken by."""

    def function(*given: Any) -> Any:
        values = iter(given)
        return case.function(
            *(
                next(values) if argument.smooth and _is_float(array) else array
                for array, argument in zip(arrays, case.arguments, strict=True)
            )
        )

    return function


def _is_float(array: Any) -> bool:
    return str(array.dtype).startswith("float")


def weighted_sum(outputs: Any) -> Any:
    """One number that depends on every element in its own way."""
    total = 0.0
    for output in tree.flatten(outputs):
        if _is_float(output):
            total = total + ops.sum(output * ops.cos(ops.cast(output, output.dtype) + 0.3))
    return total


def derivatives(case: Case, arrays: list[Any]) -> tuple[list[Any], Any]:
    """Derivatives of a number made of the function's results, and the results."""
    function = of_smooth(case, arrays)

    def number(*given: Any) -> Any:
        outputs = function(*given)
        return weighted_sum(outputs), outputs

    given = [
        array for array, argument in zip(arrays, case.arguments, strict=True) if argument.smooth and _is_float(array)
    ]
    (_, outputs), gradients = ironhorn.value_and_grad(number, argnums=tuple(range(len(given))), has_aux=True)(*given)
    return list(gradients), outputs


@rows(lambda case: case.symbolic)
def test_traced_equals_eager(case: Case) -> None:
    dtype = case.dtypes[0]
    batches = [i for i, argument in enumerate(case.arguments) if argument.batch and argument.shape]
    if not batches:
        pytest.skip("no argument has a batch")
    differentiable = case.gradient is True

    def traced(*given: Any) -> Any:
        values = list(constants)
        for position, value in zip(batches, given, strict=True):
            values[position] = value
        return derivatives(case, values) if differentiable else case.function(*values)

    constants = case.arrays(dtype)
    compiled = CompiledFunction(traced, "traced")
    for batch in (None, 1, 7) if case.empty else (None,):
        arrays = case.arrays(dtype, batch=batch)
        for position in set(range(len(arrays))) - set(batches):
            arrays[position] = constants[position]
        wanted = derivatives(case, arrays) if differentiable else case.function(*arrays)
        found = compiled(*(arrays[position] for position in batches))
        for index, (tensor, value) in enumerate(zip(tree.flatten(found), tree.flatten(wanted), strict=True)):
            assert tensor.dtype == value.dtype
            assert tensor.shape == value.shape
            assert_close(
                tensor, np.asarray(value), value.dtype, max(case.tolerance, 1.0) * 4.0, f"result {index}, batch {batch}"
            )
    groups = {arrays[position].shape[0] for position in batches}
    assert compiled.trace_count <= (1 if len(groups) == 1 else 3)


@rows(lambda case: case.gradient is True)
def test_gradients(case: Case) -> None:
    arrays = case.arrays("float64")
    check_gradients(of_smooth(case, arrays), smooth(case, arrays), rtol=2e-6, atol=2e-7, samples=12)


@rows(lambda case: case.gradient is True and case.second)
def test_second_derivatives(case: Case) -> None:
    arrays = case.arrays("float64")
    given = smooth(case, arrays)
    number = of_smooth(case, arrays)
    first = ironhorn.grad(lambda *values: weighted_sum(number(*values)), argnums=tuple(range(len(given))))
    check_gradients(lambda *values: list(first(*values)), given, rtol=2e-5, atol=2e-6, samples=4)


@rows(lambda case: case.gradient is True)
def test_gradients_in_float32(case: Case) -> None:
    wide, _ = derivatives(case, case.arrays("float64"))
    narrow, _ = derivatives(case, case.arrays("float32"))
    for found, wanted in zip(narrow, wide, strict=True):
        assert found.dtype == "float32"
        assert_close(found, np.asarray(wanted), "float32", 60.0 * max(case.tolerance, 1.0))


@rows(lambda case: isinstance(case.gradient, str) and case.gradient.startswith("piecewise"))
def test_steps_are_flat(case: Case) -> None:
    arrays = case.arrays("float64")
    for gradient, array in zip(derivatives(case, arrays)[0], arrays, strict=True):
        np.testing.assert_array_equal(np.asarray(gradient), np.zeros_like(array))


@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set(isa: str) -> None:
    active = _core.instruction_set()
    if active not in ISAS or ISAS.index(isa) > ISAS.index(active):
        pytest.skip(f"this machine has {active}")
    if isa == active:
        pytest.skip("the tests of this file run on it")
    environment = {
        **os.environ,
        "IRONHORN_CPU_ISA": isa,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(pathlib.Path(__file__))]
    command += ["-k", "test_values or test_gradients_in_float32 or test_active_instruction_set"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


def test_active_instruction_set() -> None:
    wanted = os.environ.get("IRONHORN_CPU_ISA")
    assert wanted is None or _core.instruction_set() == wanted


def functions() -> dict[str, Any]:
    """The public functions of `ironhorn.ops`."""
    return {name: value for name, value in vars(ops).items() if callable(value) and not name.startswith("_")}


def test_every_function_has_a_row() -> None:
    tested = {case.name for case in CASES} | set(NO_ROW)
    assert sorted(set(functions()) - tested) == [], "functions of ironhorn.ops without a row in tests/ops/cases"
    assert sorted(tested - set(functions())) == [], "rows without a function of ironhorn.ops"


def test_every_function_has_a_gradient_or_a_reason() -> None:
    for case in CASES:
        assert case.gradient is True or (isinstance(case.gradient, str) and case.gradient), case.id


def test_every_function_has_a_doc() -> None:
    assert [name for name, function in functions().items() if not (function.__doc__ or "").strip()] == []


def test_every_native_op_is_reached() -> None:
    """Every op that Python can ask for by name is used by some module of the package."""
    package = pathlib.Path(ironhorn.__file__).parent
    text = "".join(path.read_text() for path in package.rglob("*.py"))
    internal = {
        "batch_norm_apply",
        "conv_moments",
        "elementwise",
        "fused_elementwise",
        "dim_value",
        "max_pool_places",
        "max_pool_places_sum",
        "max_pool_select",
        "pointwise_depthwise",
        "softmax_cross_entropy",
        "gather_nd",
        "host_call",
        "i1",
        "linear_recurrence",
    }
    derivatives_only = {name for name in _core.op_names() if name.endswith(("_grad", "_like"))}
    unused = {name for name in _core.op_names() if f'"{name}"' not in text}
    assert unused - internal - derivatives_only == set()


@pytest.mark.parametrize("package", ["ironhorn.ops", "ironhorn.backend", "ironhorn.random", "ironhorn.tree"])
def test_examples_run(package: str) -> None:
    module = importlib.import_module(package)
    found = [module, *(importlib.import_module(f"{package}.{name}") for name in submodules(module))]
    results = [doctest.testmod(part, extraglobs={"np": np, "ironhorn": ironhorn}) for part in found]
    assert sum(result.failed for result in results) == 0


def submodules(module: Any) -> list[str]:
    """The names of a package's modules."""
    return [found.name for found in pkgutil.iter_modules(getattr(module, "__path__", []))]
