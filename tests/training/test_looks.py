"""How training looks: progress on a terminal, in a notebook and in a file; a `History` as a table and as curves."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import ironhorn as keras

X = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
Y = X[:, :1] - X[:, 1:2]
PROGRAM = """
import time
import numpy as np
import ironhorn as keras

x = np.zeros((40, 4), "float32")
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse", metrics=["mae"])
wait = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.03))
model.fit(x, x[:, :1], batch_size=4, epochs=2, validation_split=0.2, callbacks=[wait])
model.evaluate(x, x[:, :1])
model.predict(x)
"""


def model():
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    network.compile("sgd", "mse", metrics=["mae"])
    return network


def environment(**values):
    return {**os.environ, "PYTHONPATH": str(Path(keras.__file__).parent.parent), "PYTHONIOENCODING": "utf-8", **values}


def on_a_terminal(columns, **values):
    """What a terminal of that width receives from the program."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    values = {"TERM": "xterm-256color", **values}
    unset = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"}
    variables = {name: value for name, value in environment(**values).items() if name not in unset}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    received = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        received += piece
    os.close(ours)
    assert process.wait() == 0, received.decode()
    return received.decode().replace("\r\n", "\n")


def without_colors(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def screen(text):
    """The lines that remain on a screen when carriage returns go back to the start of a line."""
    lines = []
    for line in without_colors(text).split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return lines


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudoterminal")
def test_terminal():
    text = on_a_terminal(120)
    assert text.count("\r") > 4
    assert "\x1b[" in text
    lines = [line for line in screen(text) if line]
    assert len(lines) == 6
    assert [lines[0], lines[2]] == ["Epoch 1/2", "Epoch 2/2"]
    for line in (lines[1], lines[3]):
        assert re.fullmatch(r"8/8 ━{20} .*/step - loss: .* - mae: .* - val_loss: .* - val_mae: \S+", line)
    assert re.fullmatch(r"2/2 ━{20} .*/step - loss: \S+ - mae: \S+", lines[4])
    assert re.fullmatch(r"2/2 ━{20} \S+ \S+/step", lines[5])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudoterminal")
def test_narrow_terminal_does_not_wrap():
    text = without_colors(on_a_terminal(40))
    assert max(len(part.rstrip()) for line in text.split("\n") for part in line.split("\r")) <= 40


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudoterminal")
def test_terminal_that_cannot_rewrite():
    text = on_a_terminal(120, TERM="dumb")
    assert "\r" not in text
    assert "\x1b" not in text
    assert len([line for line in text.split("\n") if line]) == 6


def test_log_file(tmp_path):
    path = tmp_path / "log"
    with open(path, "wb") as file:
        subprocess.run([sys.executable, "-c", PROGRAM], stdout=file, env=environment(), check=True, timeout=120)
    content = path.read_bytes()
    assert b"\r" not in content.replace(os.linesep.encode(), b"\n")
    assert b"\x1b" not in content
    lines = content.decode().splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("8/8 ━━━━━━━━━━━━━━━━━━━━ ")
    assert "val_loss: " in lines[1]


class Cell(io.StringIO):
    """A stream as notebooks have it."""


Cell.__module__ = "ipykernel.iostream"


def test_notebook(monkeypatch):
    cell = Cell()
    monkeypatch.setattr(sys, "stdout", cell)
    wait = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: __import__("time").sleep(0.03))
    model().fit(X, Y, batch_size=4, epochs=2, callbacks=[wait])
    monkeypatch.undo()
    text = cell.getvalue()
    assert text.count("\r") > 4
    assert "\x1b" not in text
    lines = screen(text)
    assert lines[0] == "Epoch 1/2"
    assert lines[1].startswith("10/10 ━━━━━━━━━━━━━━━━━━━━ ")
    assert len(lines) == 5


def test_output_of_a_notebook_that_goes_elsewhere(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    model().fit(X, Y, epochs=1)
    assert "\r" not in capsys.readouterr().out


def test_interrupted_line_is_ended(monkeypatch):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                raise KeyboardInterrupt

    cell = Cell()
    monkeypatch.setattr(sys, "stdout", cell)
    with pytest.raises(KeyboardInterrupt):
        model().fit(X, Y, batch_size=4, callbacks=[Stop()])
    monkeypatch.undo()
    assert cell.getvalue().endswith("\n")


def test_progress_of_unknown_length(capsys):
    def batches():
        for start in range(0, 40, 8):
            yield X[start : start + 8], Y[start : start + 8]

    model().fit(batches(), epochs=1)
    assert capsys.readouterr().out.startswith("5/5 ")


# History


def fitted(**arguments):
    return model().fit(X, Y, verbose=0, **{"epochs": 4, "validation_split": 0.2, **arguments})


def pictures(history):
    text = re.findall(r"<svg.*?</svg>", history._repr_html_())
    return {
        root.get("aria-label"): root
        for root in (ElementTree.fromstring(picture.replace("&#9632;", "")) for picture in text)
    }


def cells(history):
    rows = re.findall(r"<tr>(.*?)</tr>", history._repr_html_())
    return [[re.sub("<.*?>|&#9632;", "", cell).strip() for cell in re.findall("<td>(.*?)</td>", row)] for row in rows][
        1:
    ]


def test_history_as_a_table():
    history = fitted()
    rows = cells(history)
    assert [row[:2] for row in rows] == [
        ["loss", "training"],
        ["", "validation"],
        ["mae", "training"],
        ["", "validation"],
    ]
    values = history.history["val_loss"]
    best = int(np.argmin(values))
    assert rows[1][2:] == [f"{values[0]:.4g}", f"{values[-1]:.4g}", f"{values[best]:.4g}", str(best + 1)]
    assert "History of 4 epochs" in history._repr_html_()
    assert "<script" not in history._repr_html_()


def test_history_as_curves():
    history = fitted(validation_freq=[1, 4])
    drawn = pictures(history)
    assert list(drawn) == ["loss", "mae"]
    training, validation = [
        [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        for line in drawn["loss"].iter("{http://www.w3.org/2000/svg}polyline")
    ]
    assert len(training) == 4
    assert [validation[0][0], validation[1][0]] == [training[0][0], training[3][0]]
    heights = [y for _, y in training]
    order = np.argsort(history.history["loss"])
    assert np.argsort(heights)[::-1].tolist() == order.tolist()


def test_history_of_special_values():
    history = keras.callbacks.History()
    assert history._repr_html_() == "<p>History: no epoch has been finished.</p>"
    history.set_model(model())
    history.history = {
        "loss": [1.0, float("nan"), 2.0, 3.0],
        "huge": [-1.7e308, 1.7e308],
        "never": [float("inf")],
        "same": [2.0, 2.0],
        "<b>&": [1.0],
        "text": ["a"],
    }
    drawn = pictures(history)
    assert list(drawn) == ["loss", "huge", "same", "<b>&"]
    namespace = "{http://www.w3.org/2000/svg}"
    assert len(list(drawn["loss"].iter(f"{namespace}circle"))) == 1
    assert len(list(drawn["loss"].iter(f"{namespace}polyline"))) == 1
    for picture in drawn.values():
        numbers = re.findall(
            r"-?\d+\.\d", " ".join(line.get("points") for line in picture.iter(f"{namespace}polyline"))
        )
        assert all(0 <= float(number) <= 220 for number in numbers)
    assert "<b>" not in history._repr_html_()


def test_history_of_several_fits_counts_on():
    network, own = model(), keras.callbacks.History()
    for _ in range(2):
        network.fit(X, Y, epochs=2, verbose=0, callbacks=[own])
    assert "History of 4 epochs" in own._repr_html_()
    continued = keras.callbacks.History()
    network.fit(X, Y, epochs=2, verbose=0, callbacks=[continued])
    network.fit(X, Y, epochs=5, initial_epoch=3, verbose=0, callbacks=[continued])
    from ironhorn.callbacks.history_view import curves_of

    assert curves_of(continued)["loss"][0].epochs == [1, 2, 4, 5]


class Axis:
    """What `plot` uses of matplotlib's axes."""

    def __init__(self):
        self.lines = {}
        self.words = {}

    def plot(self, x, y, label, marker):
        self.lines[label] = (list(x), list(y))

    def legend(self):
        self.words["legend"] = True

    def set_title(self, text):
        self.words["title"] = text

    def set_xlabel(self, text):
        self.words["x"] = text


def test_plot_on_given_axes():
    history = fitted()
    axes = [Axis(), Axis()]
    assert history.plot(axes=axes) == axes
    assert axes[0].words == {"legend": True, "title": "loss", "x": "epoch"}
    assert axes[0].lines == {
        "training": ([1, 2, 3, 4], history.history["loss"]),
        "validation": ([1, 2, 3, 4], history.history["val_loss"]),
    }
    single = Axis()
    assert history.plot("mae", axes=single) == [single]
    assert single.words["title"] == "mae"


def test_plot_of_what_was_not_logged():
    history = fitted()
    with pytest.raises(ValueError, match="cannot draw 'accuracy': logged were loss, mae"):
        history.plot("accuracy")
    with pytest.raises(ValueError, match=r"needs 2 axes for loss, mae. Received: 1"):
        history.plot(axes=[Axis()])
    with pytest.raises(ValueError, match="cannot draw nothing: logged were no values"):
        keras.callbacks.History().plot()


def test_plot_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"History.plot needs matplotlib: `pip install matplotlib`"):
        fitted().plot()


@pytest.mark.peer
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed")
@pytest.mark.filterwarnings("ignore")
def test_plot_with_matplotlib():
    import matplotlib

    matplotlib.use("agg")
    history = fitted()
    axes = history.plot()
    assert [axis.get_title() for axis in axes] == ["loss", "mae"]
    assert [line.get_label() for line in axes[0].get_lines()] == ["training", "validation"]
    np.testing.assert_allclose(axes[0].get_lines()[1].get_ydata(), history.history["val_loss"])
    matplotlib.pyplot.close("all")
