"""`Model.summary` prints what Keras prints, and a notebook shows the same table."""

from __future__ import annotations

import json
import pathlib
import xml.etree.ElementTree as ElementTree

import pytest

import ironhorn as keras
from layers.summary_cases import chain, graph, summaries, unbuilt

RECORDED = json.loads((pathlib.Path(__file__).parent / "summaries.json").read_text(encoding="utf-8"))["summaries"]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("COLUMNS", "120")
    keras.utils.clear_session()
    return summaries(keras)


def test_summaries_are_those_of_keras(printed: dict[str, str]) -> None:
    assert list(printed) == list(RECORDED)
    for title, text in RECORDED.items():
        assert printed[title] == text, title


def test_a_summary_goes_to_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    chain(keras).summary()
    assert capsys.readouterr().out == RECORDED["chain"]


def test_a_summary_goes_to_the_log_where_that_was_asked_for(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    keras.utils.disable_interactive_logging()
    try:
        with caplog.at_level("INFO", "ironhorn"):
            chain(keras).summary()
    finally:
        keras.utils.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert caplog.messages == [RECORDED["chain"].strip()]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"line_length": 10}, "too narrow"),
        ({"layer_range": "conv"}, "pair of names"),
        ({"layer_range": ["conv"]}, "pair of names"),
        ({"layer_range": ["conv", "nowhere"]}, "No layer matches 'nowhere'"),
    ],
    ids=["narrow", "text", "one", "unknown"],
)
def test_summary_refuses(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        chain(keras).summary(**options)


def cells(html: str) -> list[list[str]]:
    table = ElementTree.fromstring(html.replace("<br>", "<br/>")).find("table")
    assert table is not None
    return [[cell.text or "" for cell in row] for row in table]


def test_a_notebook_shows_a_table_and_the_graph() -> None:
    html = graph(keras)._repr_html_()
    rows = cells(html)
    assert rows[0] == ["Layer (type)", "Output Shape", "Param #", "Connected to"]
    assert ["sum (Add)", "(None, 5)", "0", "shared[0][0], shared[1][0]"] in rows
    assert len(rows) == 1 + len(graph(keras).operations)
    drawing = ElementTree.fromstring(html.replace("<br>", "<br/>")).find("details/{http://www.w3.org/2000/svg}svg")
    assert drawing is not None


def test_a_notebook_shows_a_model_without_a_graph() -> None:
    html = unbuilt(keras)._repr_html_()
    assert cells(html)[1:] == [["one (Dense)", "?", "0 (unbuilt)"], ["two (Dropout)", "?", "0"]]
    assert "<details>" not in html


def test_names_are_escaped() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="a<b&c")], name="<script>")
    html = model._repr_html_()
    assert cells(html)[1][0] == "a<b&c (Dense)"
    assert "<script>" not in html
