"""What fits can do beyond Surprise: blocks, float32, going on with more ratings, and leaving nothing half done."""

import pathlib
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ironhorn.errors import UnsupportedError
from ironhorn.surprise import (
    NMF,
    SVD,
    AlgoBase,
    BaselineOnly,
    CoClustering,
    KNNBasic,
    KNNWithMeans,
    NormalPredictor,
    SlopeOne,
    SVDpp,
    accuracy,
)

MODELS: dict[str, Callable[..., Any]] = {
    "SVD": SVD,
    "unbiased": lambda **options: SVD(biased=False, **options),
    "SVDpp": SVDpp,
    "NMF": NMF,
    "biased NMF": lambda **options: NMF(biased=True, **options),
}
Rows = list[tuple[Any, Any, float]]


def made_up(users: int = 200, items: int = 120, seed: int = 0) -> tuple[Rows, Rows]:
    """Ratings by tastes of rank two: four fifths to learn from, and the rest."""
    rng = np.random.RandomState(seed)
    taste, kind = rng.normal(size=(users, 2)), rng.normal(size=(items, 2))
    scores = 3.3 + taste @ kind.T * 0.4 + rng.normal(0, 0.4, (users, 1)) + rng.normal(0, 0.4, items)
    stars = np.clip(np.round(scores + rng.normal(0, 0.4, scores.shape)), 1, 5)
    rows = [(f"u{u}", f"i{i}", float(stars[u, i])) for u, i in np.ndindex(users, items) if rng.uniform() < 0.35]
    cut = rng.uniform(size=len(rows)) < 0.8
    return [row for row, kept in zip(rows, cut, strict=True) if kept], [
        row for row, kept in zip(rows, cut, strict=True) if not kept
    ]


def columns(rows: Rows) -> Any:
    """Rows as `fit` takes them."""
    return tuple(map(list, zip(*rows, strict=True)))


def error(algo: Any, rows: Rows) -> float:
    """Root mean squared error."""
    return accuracy.rmse(algo.test(rows), verbose=False)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "SVDpp"])
def test_blocks_repeat_and_fit_as_well(name: str, dtype: str) -> None:
    shown, asked = made_up()
    one = MODELS[name](random_state=0).fit(columns(shown))
    for blocks in (2, 3):
        cut, again = (MODELS[name](random_state=0, n_threads=blocks, dtype=dtype).fit(columns(shown)) for _ in "ab")
        assert cut.pu.tobytes() == again.pu.tobytes() and cut.qi.tobytes() == again.qi.tobytes()
        assert cut.pu.tobytes() != one.pu.tobytes()
        assert error(cut, asked) == pytest.approx(error(one, asked), abs=0.01)
    if name == "NMF":
        cut = NMF(random_state=0, n_threads=3).fit(columns(shown))
        np.testing.assert_allclose(cut.qi, one.qi, rtol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_single_precision_is_as_good(name: str, tmp_path: pathlib.Path) -> None:
    shown, asked = made_up()
    double, single = (MODELS[name](random_state=0, dtype=dtype).fit(columns(shown)) for dtype in ("float64", "f4"))
    assert single.dtype == "float32" and single.pu.dtype == single.qi.dtype == np.float32 and double.pu.dtype == float
    assert single.bu.dtype == np.float64
    np.testing.assert_allclose(single.qi, double.qi, atol=2e-3)
    assert error(single, asked) == pytest.approx(error(double, asked), abs=1e-3)
    predicted = [single.predict(*row) for row in asked[:50]]
    assert single.test(asked[:50]) == predicted
    single.save(tmp_path / "model")
    for other in (type(single).load(tmp_path / "model"), pickle.loads(pickle.dumps(single))):
        assert other.test(asked[:50]) == predicted and other.pu.dtype == np.float32
    best = single.recommend(["u1"], n=3)["u1"]
    assert best[0][1] == single.predict("u1", best[0][0], clip=False).est
    single.fold_in([("fresh", "i1", 5.0), ("fresh", "i2", 1.0), ("u1", "shiny", 4.0)])
    assert single.pu.dtype == single.qi.dtype == np.float32 and len(single.pu) == single.trainset.n_users
    single.partial_fit([("fresh", "i3", 5.0)], n_epochs=1)
    assert single.pu.dtype == single.qi.dtype == np.float32


def test_options_that_cannot_be() -> None:
    with pytest.raises(UnsupportedError, match=r"SVDpp\(n_threads=2\): every rating moves the implicit factors of all"):
        SVDpp(n_threads=2)
    for model in (SVD, SVDpp, NMF):
        with pytest.raises(ValueError, match="n_threads=0: expected 1 or more"):
            model(n_threads=0)
        with pytest.raises(TypeError):
            model(n_threads=1.5)
        for dtype in ("float16", "half a float", int):
            with pytest.raises(ValueError, match="expected 'float64' or 'float32'"):
                model(dtype=dtype)


@pytest.mark.parametrize("name", MODELS)
def test_partial_fit_goes_on_from_what_was_learned(name: str) -> None:
    shown, asked = made_up()
    late = [row for row in shown if int(row[0][1:]) >= 190 or int(row[1][1:]) >= 115]
    base = [row for row in shown if row not in set(late)]
    asked = [row for row in asked if int(row[0][1:]) >= 190]
    again = MODELS[name](random_state=0).fit(columns(shown))
    algo = MODELS[name](random_state=0).fit(columns(base))
    before = {name: getattr(algo, name).copy() for name in ("bu", "bi", "pu", "qi")}
    mean, untouched = algo.trainset.global_mean, algo.trainset.to_inner_uid("u3")
    algo.partial_fit(late)
    assert algo.trainset.n_ratings == len(shown) and algo.trainset.global_mean == mean
    assert len(algo.pu) == algo.trainset.n_users == 200 and len(algo.qi) == len(algo.bi) == 120
    assert error(algo, asked) < error(again, asked) * 1.1
    if "NMF" not in name:
        rated = {user for user, _, _ in late}
        still = [algo.trainset.to_inner_uid(user) for user, _, _ in base if user not in rated]
        assert untouched in still or "u3" in rated
        assert (algo.pu[still] == before["pu"][still]).all() and (algo.bu[still] == before["bu"][still]).all()
    # Nothing to learn from changes nothing.
    same = algo.pu.copy()
    assert algo.partial_fit([]) is algo and (algo.pu == same).all()
    # A rating of what is known, again and again, is learned.
    user, item = base[0][:2]
    old = algo.predict(user, item).est
    for _ in range(3):
        algo.partial_fit([(user, item, 1.0 if old > 3 else 5.0)], n_epochs=30)
    assert abs(algo.predict(user, item).est - old) > 0.3
    assert algo.recommend(["u195"], n=2)["u195"]
    repeated = [MODELS[name](random_state=0).fit(columns(base)).partial_fit(late).pu.tobytes() for _ in "ab"]
    assert repeated[0] == repeated[1]


def test_partial_fit_of_svdpp_takes_all_that_was_rated_as_feedback() -> None:
    shown, _ = made_up(30, 20)
    algo = SVDpp(random_state=0).fit(columns(shown))
    yj = algo.yj.copy()
    rated = {item for user, item, _ in shown if user == "u1"}
    other = next(item for item in algo.trainset._raw2inner_id_items if item not in rated)
    algo.partial_fit([("u1", other, 5.0)], n_epochs=1)
    moved = {algo.trainset.to_raw_iid(int(item)) for item in np.flatnonzero((algo.yj != yj).any(axis=1))}
    assert moved == rated | {other}


def test_algorithms_of_ones_own_are_fitted_again() -> None:
    class Mean(AlgoBase):
        def estimate(self, u: Any, i: Any) -> float:
            return float(np.mean([rating for _, rating in self.trainset.ur[u]]))

    algo = Mean().fit((["a", "b"], ["x", "x"], [1.0, 3.0])).partial_fit([("a", "y", 3.0)])
    assert algo.predict("a", "y").est == 2.0
    with pytest.raises(AttributeError, match=r"This Mean is not fitted"):
        Mean().partial_fit([("a", "y", 3.0)])
    with pytest.raises(AttributeError, match=r"This SVD is not fitted"):
        SVD().partial_fit([("a", "y", 3.0)])


ENDLESS: dict[str, Callable[[int], Any]] = {
    "SVD": lambda n: SVD(random_state=0, n_epochs=n),
    "SVD in blocks": lambda n: SVD(random_state=0, n_epochs=n, n_threads=2),
    "NMF in blocks": lambda n: NMF(random_state=0, n_epochs=n, n_threads=2),
    "single": lambda n: SVDpp(random_state=0, n_epochs=n, dtype="float32"),
    "CoClustering": lambda n: CoClustering(random_state=0, n_epochs=n),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_interrupted_fit_leaves_what_was_there(name: str) -> None:
    shown, asked = made_up(60, 40)
    algo = ENDLESS[name](3).fit(columns(shown))
    want, trainset = algo.test(asked), algo.trainset
    algo.n_epochs = 10**9
    calls: list[Callable[[], Any]] = [lambda: algo.fit(columns(shown[:100]))]
    if name != "CoClustering":
        calls.append(lambda: algo.partial_fit([("u1", "new", 3.0)]))
    for call in calls:
        timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            call()
        assert algo.trainset is trainset and algo.test(asked) == want
    fresh = ENDLESS[name](10**9)
    timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(columns(shown))
    with pytest.raises(AttributeError, match="is not fitted"):
        fresh.test(asked)


@pytest.mark.parametrize(
    "make",
    [
        NormalPredictor,
        lambda: BaselineOnly(verbose=False),
        lambda: KNNBasic(verbose=False),
        SVD,
        SVDpp,
        NMF,
        SlopeOne,
        CoClustering,
    ],
)
def test_a_fit_that_fails_leaves_what_was_there(make: Callable[[], Any]) -> None:
    shown, asked = made_up(20, 15)
    algo = make().fit(columns(shown))
    np.random.seed(0)
    want = algo.test(asked)
    bad = (["u1", "u2"], ["i1", "i2"], [3.0, float("nan")])
    for data in (bad, ([], [], []), ["nonsense"]):
        with pytest.raises((ValueError, TypeError)):
            algo.fit(data)
        with pytest.raises(ValueError, match=r"The rating of user 'u1' for item 'i2' is inf; ratings must be finite"):
            algo.partial_fit([("u1", "i2", float("inf"))])
        np.random.seed(0)
        assert algo.test(asked) == want


@pytest.mark.parametrize("make", [lambda: KNNBasic(k=500, verbose=False), lambda: KNNWithMeans(k=500, verbose=False)])
def test_more_neighbours_than_there_are(make: Callable[[], Any]) -> None:
    shown, asked = made_up(12, 10)
    everyone = make()
    everyone.k = 12
    algo = make().fit(columns(shown))
    assert algo.test(asked) == everyone.fit(columns(shown)).test(asked)
    assert len(algo.get_neighbors(0, 500)) == algo.trainset.n_users - 1


def test_ids_of_several_types_are_told_apart(tmp_path: pathlib.Path) -> None:
    users, items = [1, "1", 1.5, None, ("a", 2), b"1"], ["x", 0, "0", True, 2.5, "x"]
    algo = SVD(random_state=0).fit((users, items, [1.0, 2.0, 3.0, 4.0, 5.0, 1.0]))
    assert algo.trainset.n_users == 6 and algo.trainset.n_items == 5
    assert algo.predict("1", 0).est != algo.predict(1, 0).est
    assert algo.predict("1.5", "nothing").est == pytest.approx(algo.trainset.global_mean)
    assert list(algo.recommend([None, b"1", "1"], n=1)) == [None, b"1", "1"]
    with pytest.raises(TypeError, match="unhashable"):
        SVD().fit(([["a"]], ["x"], [1.0]))
    with pytest.raises(TypeError, match=r"the raw user id \('a', 2\) is tuple\. Convert it, or pickle"):
        algo.save(tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_ratings_beyond_the_scale_are_told() -> None:
    from ironhorn.surprise import Dataset, Reader
    from ironhorn.surprise.dataset import DatasetAutoFolds

    data = DatasetAutoFolds.__new__(DatasetAutoFolds)
    Dataset.__init__(data, Reader(rating_scale=(1, 5)))
    data.raw_ratings = [("a", "x", 0.0, None), ("b", "x", 10.0, None)]
    text = r"Ratings run from 0 to 10, beyond the rating scale from 1 to 5.*Pass rating_scale=\(0, 10\) to the Reader"
    for make in (SVD, lambda: KNNBasic(verbose=False), NormalPredictor):
        with pytest.warns(UserWarning, match=text):
            algo = make().fit(data.build_full_trainset())
        assert 1 <= algo.predict("b", "x").est <= 5
    within = SVD(random_state=0).fit((["a", "b"], ["x", "x"], [2.0, 4.0]))
    with pytest.warns(UserWarning, match="Ratings run from 2 to 7, beyond the rating scale from 2 to 4"):
        within.partial_fit([("a", "y", 7.0)])
