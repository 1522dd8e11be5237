"""Functions of NumPy inside programs: errors, threads, forks, interrupts; loops hear interrupts, too."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import _core, errors, layers, models, ops
from ironhorn.backend import CompiledFunction

# JAX, which the live comparisons load into this process, warns at every fork of it; the child does not use JAX.
pytestmark = pytest.mark.filterwarnings(r"ignore:os\.fork\(\) was called:RuntimeWarning")

X = np.random.default_rng(0).normal(size=(64, 4, 4)).astype("float32")
X = X @ np.swapaxes(X, 1, 2) + np.eye(4, dtype="float32")


class Whiten(layers.Layer):
    """Features times the inverse Cholesky factor of a matrix that is learnt."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), initializer="identity")

    def call(self, x: Any) -> Any:
        covariance = ops.matmul(self.kernel, ops.transpose(self.kernel)) + np.eye(4, dtype="float32")
        return ops.transpose(ops.solve_triangular(ops.cholesky(covariance), ops.transpose(x), lower=True))


def wide_model() -> Any:
    ironhorn.utils.set_random_seed(0)
    model = models.Sequential(
        [layers.Input((4,)), Whiten(name="whiten"), layers.Dense(256, activation="relu"), layers.Dense(1)]
    )
    model.compile("adam", "mse")
    return model


ROWS = np.random.default_rng(1).normal(size=(2000, 4)).astype("float32")


def test_training_compiled_and_eager() -> None:
    weights = []
    for eager in (False, True):
        model = wide_model()
        model.compile("sgd", "mse", run_eagerly=eager)
        model.fit(ROWS[:64], ROWS[:64, :1], epochs=2, batch_size=16, shuffle=False, verbose=0)
        weights.append([weight.numpy() for weight in model.weights])
    assert np.any(weights[0][0] != np.eye(4))
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_results_do_not_depend_on_how_they_are_called() -> None:
    eager = ops.cholesky(X)
    np.testing.assert_array_equal(np.asarray(eager), np.asarray(CompiledFunction(ops.cholesky)(X)))
    assert isinstance(eager, _core.Tensor)
    # What NumPy returns is memory of its own: the tensor does not change with its source.
    x = X.copy()
    inverse = ops.inv(ops.convert_to_tensor(x))
    x[:] = 0
    np.testing.assert_allclose(np.asarray(inverse), np.linalg.inv(X))


def test_predictions_of_eight_threads() -> None:
    model = wide_model()
    wanted = wide_model().predict(ROWS, batch_size=500, verbose=0)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: model.predict(ROWS, batch_size=500, verbose=0), range(32)))
    for rows in found:
        np.testing.assert_array_equal(rows, wanted)


def test_eager_calls_of_eight_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: ops.inv(X[i]).numpy(), range(64)))
    np.testing.assert_array_equal(np.stack(found), np.asarray(ops.inv(X)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_predict_in_a_forked_child() -> None:
    model = wide_model()
    wanted = model.predict(ROWS, batch_size=500, verbose=0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            os.write(write, model.predict(ROWS[:500], batch_size=500, verbose=0).tobytes())
            os._exit(0)
        except BaseException:
            os._exit(1)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        output = pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert output == wanted[:500].tobytes()


def test_errors_name_layer_and_op() -> None:
    class Inverse(layers.Layer):
        def call(self, x: Any) -> Any:
            return ops.inv(x)

    model = models.Sequential([layers.Input((4, 4)), Inverse(name="inverse")])
    with pytest.raises(errors.ValueRangeError, match=r"layer '.*inverse', inv: Singular matrix"):
        model.predict(np.zeros((2, 4, 4), "float32"), verbose=0)
    with pytest.raises(errors.ValueRangeError, match=r"inv: Singular matrix"):
        ops.inv(np.zeros((2, 4, 4), "float32"))
    np.testing.assert_allclose(model.predict(X, verbose=0), np.linalg.inv(X), rtol=1e-5)
    with pytest.raises(errors.ValueRangeError, match="cholesky: Matrix is not positive definite"):
        ops.cholesky(-np.eye(3))
    with pytest.raises(errors.UnsupportedError, match="complex eigenvalues"):
        ops.eig(np.array([[0.0, 1.0], [-1.0, 0.0]]))


def test_bad_input_is_refused() -> None:
    with pytest.raises(errors.ShapeError, match=r"ops\.inv takes square matrices, got shape \(2, 3\)"):
        ops.inv(np.zeros((2, 3)))
    with pytest.raises(errors.ShapeError, match="rank 2 or more"):
        ops.svd(np.zeros(3))
    with pytest.raises(errors.DTypeError, match="float32 or float64, got float16"):
        ops.qr(np.zeros((2, 2), "float16"))
    with pytest.raises(errors.ShapeError, match="as many rows"):
        ops.solve(np.eye(3), np.zeros((2, 1)))
    with pytest.raises(errors.ValueRangeError, match="mode must be"):
        ops.qr(np.eye(3), mode="r")
    with pytest.raises(errors.ValueRangeError, match="ord must be one of"):
        ops.norm(np.eye(3), ord=3)
    with pytest.raises(errors.ValueRangeError, match="pair of arrays"):
        ops.fft(np.zeros(4))
    with pytest.raises(errors.DTypeError, match="cast"):
        ops.stft(np.zeros(16, "float16"), 4, 2, 8)
    with pytest.raises(errors.UnsupportedError, match="not square"):
        ironhorn.grad(lambda x: ops.sum(ops.svd(x)[0]))(np.ones((3, 2)))
    with pytest.raises(errors.UnsupportedError, match="square matrices only"):
        ironhorn.grad(lambda x: ops.sum(ops.lu_factor(x)[0]))(np.ones((3, 2)))


def test_sizes_that_are_not_known() -> None:
    compiled = CompiledFunction(
        lambda x: (ops.svd(x, compute_uv=False), ops.qr(x)[1], ops.pinv(x)), dynamic_axes=lambda index, rank: {0, 1, 2}
    )
    for rows, columns in ((3, 5), (5, 3), (4, 4)):
        x = np.random.default_rng(0).normal(size=(2, rows, columns))
        s, r, p = compiled(x)
        np.testing.assert_allclose(np.asarray(s), np.linalg.svd(x, compute_uv=False))
        np.testing.assert_allclose(np.asarray(r), np.linalg.qr(x)[1], atol=1e-14)
        np.testing.assert_allclose(np.asarray(p), np.linalg.pinv(x), atol=1e-13)
    assert compiled.trace_count == 1


def interrupted(function: Any, *arrays: Any) -> float:
    """Calls a function, sends Ctrl-C soon after, and returns how long that took to be heard."""
    sent: list[float] = []

    def send() -> None:
        time.sleep(0.3)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        function(*arrays)
        time.sleep(60)
    heard = time.monotonic()
    sender.join()
    return heard - sent[0]


def test_ctrl_c_in_a_host_call() -> None:
    def sleep(x: Any) -> Any:
        for _ in range(600):
            time.sleep(0.1)
        return x

    slow = _core.HostFunction("slow", sleep)
    function = CompiledFunction(lambda x: _core.host_call(slow, [x], [("float32", [3])])[0])
    assert interrupted(function, np.zeros(3, "float32")) < 20


@pytest.mark.parametrize("wide", [False, True])
def test_ctrl_c_in_a_long_scan(wide: bool) -> None:
    def function(x: Any) -> Any:
        last = ops.scan(lambda carry, _: (carry * 0.5 + 1.0, None), x[0], length=200_000_000)[0]
        # Beside work that is worth several threads, any of them may have got the scan.
        return last + ops.sum(ops.matmul(x, ops.transpose(x))) if wide else last

    assert interrupted(CompiledFunction(function), np.ones((512 if wide else 1, 64), "float32")) < 20


def test_ctrl_c_in_an_endless_while_loop() -> None:
    function = CompiledFunction(lambda x: ops.while_loop(lambda x: ops.all(x >= 0), lambda x: x * 0.5, x))
    assert interrupted(function, np.ones(4, "float32")) < 20
