"""Numbers of real scikit-surprise: recorded ones always, live ones where it is installed."""

import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest

import ironhorn.surprise as ironhorn_surprise
from ironhorn.surprise import SVD, Dataset, Reader, accuracy
from ironhorn.surprise.model_selection import KFold, cross_validate, train_test_split
from ironhorn.surprise.model_selection.validation import print_summary

REFERENCE: dict[str, Any] = json.loads(pathlib.Path(__file__).with_name("surprise_reference.json").read_text())
TOLERANCE = 1e-9
MEASURES = ("rmse", "mse", "mae", "fcp")


def load(library: Any, folder: pathlib.Path) -> Any:
    """The reference's ratings, read from a file by a library."""
    path = folder / "ratings.csv"
    path.write_text("".join(f"{user};{item};{rating}\n" for user, item, rating in REFERENCE["ratings"]))
    return library.Dataset.load_from_file(str(path), library.Reader(sep=";", rating_scale=(0.5, 5)))


@pytest.fixture
def data(tmp_path: pathlib.Path) -> Any:
    return load(ironhorn_surprise, tmp_path)


@pytest.fixture
def trainset(data: Any) -> Any:
    return train_test_split(data, test_size=0.2, random_state=1)[0]


def check(algo: SVD, trainset: Any, want: dict[str, Any]) -> None:
    """Fit, and compare everything that the reference has."""
    predictions = algo.fit(trainset).test([tuple(row) for row in REFERENCE["testset"]])
    np.testing.assert_allclose(
        [prediction.est for prediction in predictions], want["estimates"], atol=TOLERANCE, rtol=0
    )
    assert [prediction.details.get("reason", "") for prediction in predictions] == want["impossible"]
    assert all(
        bool(p.details["was_impossible"]) == bool(reason)
        for p, reason in zip(predictions, want["impossible"], strict=True)
    )
    sums = [np.abs(part).sum() for part in (algo.bu, algo.bi, algo.pu, algo.qi)]
    np.testing.assert_allclose(sums, want["sums"], atol=TOLERANCE, rtol=0)
    for name in MEASURES:
        assert getattr(accuracy, name)(predictions, verbose=False) == pytest.approx(
            want["accuracy"][name], abs=TOLERANCE
        )
    assert str(predictions[0]) == want["line"]


@pytest.mark.parametrize("name", REFERENCE["cases"])
def test_svd_matches_recorded(trainset: Any, name: str) -> None:
    want = REFERENCE["cases"][name]
    check(SVD(random_state=7, **want["options"]), trainset, want)


def test_random_states_match_recorded(trainset: Any) -> None:
    own = np.random.RandomState(3)
    check(SVD(random_state=own), trainset, REFERENCE["generators"]["own_first"])
    check(SVD(random_state=own), trainset, REFERENCE["generators"]["own_second"])
    np.random.seed(4)
    check(SVD(), trainset, REFERENCE["generators"]["global"])


def test_trainset_matches_recorded(trainset: Any) -> None:
    want = REFERENCE["trainset"]
    assert [trainset.to_raw_uid(user) for user in trainset.all_users()] == want["users"]
    assert [trainset.to_raw_iid(item) for item in trainset.all_items()] == want["items"]
    assert [list(rating) for rating in trainset.all_ratings()] == want["all_ratings"]
    assert trainset.global_mean == want["global_mean"]
    assert len(trainset.build_anti_testset()) == want["anti_testset"]
    assert [[list(pair) for pair in trainset.ir[item]] for item in trainset.all_items()] == want["ir"]


def test_folds_match_recorded(data: Any) -> None:
    folds = list(KFold(4, random_state=5).split(data))
    assert len(folds) == len(REFERENCE["folds"])
    for (trainset, testset), want in zip(folds, REFERENCE["folds"], strict=True):
        assert [list(row) for row in testset] == want["test"]
        assert (trainset.n_users, trainset.n_items, trainset.global_mean) == (
            want["n_users"],
            want["n_items"],
            want["mean"],
        )


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_cross_validation_matches_recorded(data: Any, n_jobs: int) -> None:
    algo = SVD(random_state=7, n_epochs=5)
    measures, folds = ["RMSE", "mae", "mse", "fcp"], KFold(4, random_state=5)
    scores = cross_validate(algo, data, measures=measures, cv=folds, return_train_measures=True, n_jobs=n_jobs)
    assert set(scores) == {*REFERENCE["scores"], "fit_time", "test_time"}
    for name, want in REFERENCE["scores"].items():
        np.testing.assert_allclose(scores[name], want, atol=TOLERANCE, rtol=0)


def test_table_matches_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    measures = {"rmse": np.array([0.9, 0.95, 1.0]), "mae": np.array([0.7, 0.71, 0.735])}
    print_summary(SVD(), ["rmse", "mae"], measures, measures, (1.0, 2.5, 10.25), (0.1, 0.2, 0.35), 3)
    assert capsys.readouterr().out == REFERENCE["table"]


@pytest.mark.peer
def test_svd_matches_live(tmp_path: pathlib.Path) -> None:
    surprise = pytest.importorskip("surprise")
    from surprise.model_selection import train_test_split as their_split

    their_train, their_test = their_split(load(surprise, tmp_path), random_state=11)
    train, test = train_test_split(load(ironhorn_surprise, tmp_path), random_state=11)
    assert test == their_test
    for options in ({}, {"biased": False}, {"n_factors": 33, "lr_all": 0.02, "reg_qi": 0.2}):
        theirs = surprise.SVD(random_state=1, **options).fit(their_train)
        ours = SVD(random_state=1, **options).fit(train)
        for name in ("bu", "bi", "pu", "qi"):
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=TOLERANCE, rtol=0)
        for one, other in zip(ours.test(test), theirs.test(their_test), strict=True):
            assert one.est == pytest.approx(other.est, abs=TOLERANCE)
            assert (one.uid, one.iid, one.r_ui, one.details) == (other.uid, other.iid, other.r_ui, other.details)
    # Our algorithm also takes their trainset, and their measures our predictions.
    mixed = SVD(random_state=1).fit(their_train).test(their_test)
    assert surprise.accuracy.rmse(mixed, verbose=False) == accuracy.rmse(mixed, verbose=False)


@pytest.mark.peer
def test_printing_matches_live(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    surprise = pytest.importorskip("surprise")
    from surprise.model_selection import cross_validate as their_cross_validate

    printed = []
    for library, run in ((surprise, their_cross_validate), (ironhorn_surprise, cross_validate)):
        np.random.seed(0)
        algo = library.SVD(n_epochs=2, verbose=True)
        run(algo, load(library, tmp_path), cv=3, verbose=True)
        algo.predict("u1", "i1", r_ui=4, verbose=True)
        algo.predict("nobody", "i1", verbose=True)
        printed.append(re.sub(r"(?m)^((?:Fit|Test) time).*$", r"\1", capsys.readouterr().out))
    assert printed[0] == printed[1]


@pytest.mark.peer
def test_bad_input_has_the_same_text_live(tmp_path: pathlib.Path) -> None:
    surprise = pytest.importorskip("surprise")
    from surprise import model_selection as their_selection
    from surprise import utils as their_utils

    from ironhorn.surprise import model_selection, utils

    libraries = ((surprise, their_selection, their_utils), (ironhorn_surprise, model_selection, utils))
    texts = []
    for library, selection, tools in libraries:
        loaded = load(library, tmp_path)
        trainset = loaded.build_full_trainset()
        algo = library.SVD(n_epochs=0).fit(trainset)
        calls = [
            lambda library=library: library.Reader("nothing"),
            lambda library=library: library.Reader(line_format="user thing rating"),
            lambda library=library: library.Reader(sep=";").parse_line("a;b"),
            lambda library=library: library.Reader(sep=";").parse_line("a;b;good"),
            lambda library=library: library.dataset.DatasetAutoFolds(reader=library.Reader()),
            lambda trainset=trainset: trainset.to_inner_uid("nobody"),
            lambda trainset=trainset: trainset.to_inner_iid("nothing"),
            lambda trainset=trainset: trainset.to_raw_uid(1000),
            lambda trainset=trainset: trainset.to_raw_iid("x"),
            lambda library=library: library.accuracy.rmse([]),
            lambda library=library: library.accuracy.fcp([]),
            lambda library=library, algo=algo: library.accuracy.fcp([algo.predict("u1", "i1", r_ui=4)]),
            lambda tools=tools: tools.get_rng("seed"),
            lambda selection=selection: selection.split.get_cv("five"),
            lambda selection=selection, loaded=loaded: selection.train_test_split(loaded, test_size=0),
            lambda selection=selection, loaded=loaded: selection.train_test_split(loaded, train_size=-1),
            lambda selection=selection, loaded=loaded: selection.train_test_split(loaded, test_size=10_000),
            lambda selection=selection, loaded=loaded: selection.train_test_split(
                loaded, test_size=400, train_size=400
            ),
        ]
        found = []
        for call in calls:
            with pytest.raises(ValueError) as caught:
                call()
            found.append(str(caught.value))
        texts.append(found)
    assert texts[0] == texts[1]


def test_reference_is_of_this_data(tmp_path: pathlib.Path) -> None:
    data = load(ironhorn_surprise, tmp_path)
    assert [[user, item, rating] for user, item, rating, _ in data.raw_ratings] == REFERENCE["ratings"]
    assert isinstance(data, Dataset) and isinstance(data.reader, Reader)
