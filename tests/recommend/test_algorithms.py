"""Every algorithm but SVD: numbers of real scikit-surprise, recorded and live; options, forms of data, errors."""

import contextlib
import copy
import io
import json
import pathlib
import pickle
import signal
import sys
import threading
import time
import zipfile
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest

import ironhorn.surprise as ironhorn_surprise
from ironhorn.errors import FileFormatError, OutOfMemory, UnsupportedError
from ironhorn.surprise import (
    NMF,
    SVD,
    AlgoBase,
    BaselineOnly,
    CoClustering,
    KNNBaseline,
    KNNBasic,
    KNNWithMeans,
    KNNWithZScore,
    NormalPredictor,
    PredictionImpossible,
    SlopeOne,
    SVDpp,
    similarities,
)
from recommend.algorithm_cases import ATTRIBUTES, CASES, details, fitted, split, summary

REFERENCE = np.load(pathlib.Path(__file__).with_name("algorithms_reference.npz"))
TOLERANCE = 1e-9
FAST = {
    "NormalPredictor": NormalPredictor,
    "BaselineOnly": lambda: BaselineOnly(verbose=False),
    "KNNBasic": lambda: KNNBasic(verbose=False),
    "KNNWithMeans": lambda: KNNWithMeans(verbose=False, sim_options={"user_based": False}),
    "KNNWithZScore": lambda: KNNWithZScore(verbose=False),
    "KNNBaseline": lambda: KNNBaseline(verbose=False, sim_options={"name": "pearson_baseline", "user_based": False}),
    "sparse": lambda: KNNWithMeans(verbose=False, sparse=True),
    "sparse items": lambda: KNNBasic(k=5, verbose=False, sparse=True, sim_options={"user_based": False}),
    "SVD": lambda: SVD(random_state=0),
    "unbiased": lambda: SVD(random_state=0, biased=False),
    "SVDpp": lambda: SVDpp(random_state=0),
    "NMF": lambda: NMF(random_state=0, n_epochs=5),
    "SlopeOne": SlopeOne,
    "CoClustering": lambda: CoClustering(random_state=0),
}


@pytest.fixture
def ratings(tmp_path: pathlib.Path) -> tuple[Any, list[Any]]:
    return split(ironhorn_surprise, str(tmp_path))


@pytest.mark.parametrize("name", CASES)
def test_matches_recorded(ratings: Any, name: str) -> None:
    trainset, testset = ratings
    algo = fitted(ironhorn_surprise, name, trainset)
    predictions = algo.test(testset)
    np.testing.assert_allclose([row.est for row in predictions], REFERENCE[f"{name}/est"], atol=TOLERANCE, rtol=0)
    assert details(predictions) == str(REFERENCE[f"{name}/details"])
    compared = [attribute for attribute in ATTRIBUTES if f"{name}/{attribute}" in REFERENCE]
    for attribute in compared:
        got = summary(getattr(algo, attribute))
        np.testing.assert_allclose(got, REFERENCE[f"{name}/{attribute}"], atol=1e-8, rtol=1e-12, err_msg=attribute)
    if f"{name}/neighbors" in REFERENCE:
        assert [algo.get_neighbors(x, 12) for x in range(10)] == REFERENCE[f"{name}/neighbors"].tolist()


@pytest.mark.peer
@pytest.mark.parametrize("name", CASES)
def test_matches_live(tmp_path: pathlib.Path, name: str) -> None:
    surprise = pytest.importorskip("surprise")
    their_train, their_test = split(surprise, str(tmp_path))
    train, test = split(ironhorn_surprise, str(tmp_path))
    theirs, ours = fitted(surprise, name, their_train), fitted(ironhorn_surprise, name, train)
    for attribute in ATTRIBUTES:
        if getattr(theirs, attribute, None) is not None:
            want, got = (np.asarray(getattr(algo, attribute), float) for algo in (theirs, ours))
            np.testing.assert_allclose(got, want, atol=1e-12, rtol=0, err_msg=attribute)
    np.random.seed(1)
    want = theirs.test(their_test)
    np.random.seed(1)
    got = ours.test(test)
    for one, other in zip(got, want, strict=True):
        assert one.est == pytest.approx(other.est, abs=TOLERANCE) and one.details == other.details
        assert list(one.details) == list(other.details)
    # Our algorithms also take their trainset.
    np.random.seed(1)
    mixed = fitted(ironhorn_surprise, name, their_train).test(their_test)
    if name != "normal":
        assert [row.est for row in mixed] == [row.est for row in got]


@pytest.mark.parametrize("name", FAST)
def test_testing_predicting_and_copies_agree(ratings: Any, name: str) -> None:
    trainset, testset = ratings
    algo = FAST[name]().fit(trainset)
    rows = [*testset, *trainset.build_testset()[:50]]
    seed = np.random.seed
    seed(3)
    predicted = [algo.predict(*row) for row in rows]
    for other in (algo, pickle.loads(pickle.dumps(algo)), copy.deepcopy(algo)):
        seed(3)
        assert other.test(rows) == predicted
    assert all(0.5 <= prediction.est <= 5 for prediction in predicted)
    seed(3)
    assert FAST[name]().fit(trainset).test(rows) == predicted, "a second fit"
    assert trainset.ur and trainset.ir
    seed(3)
    assert FAST[name]().fit(trainset).test(rows) == predicted, "a fit to the dictionaries"


@pytest.mark.parametrize("name", FAST)
def test_recommendations_are_the_best_predictions(ratings: Any, name: str) -> None:
    trainset, _ = ratings
    algo = FAST[name]().fit(trainset)
    if name == "NormalPredictor":
        assert len(algo.recommend(["u3"], n=4)["u3"]) == 4
        return
    found = algo.recommend(["u3", "nobody", "u9"], n=7)
    assert list(found) == ["u3", "nobody", "u9"] and len(found) == 3
    for user in found:
        rated = {item for item, _ in trainset.ur[trainset.to_inner_uid(user)]} if user != "nobody" else set()
        scores = []
        for item in trainset.all_items():
            prediction = algo.predict(user, trainset.to_raw_iid(item), clip=False)
            if item not in rated and not prediction.details["was_impossible"]:
                scores.append((-prediction.est, item))
        want = [(trainset.to_raw_iid(item), -score) for score, item in sorted(scores)[:7]]
        assert found[user] == want
    everyone = algo.recommend(n=3, exclude_seen=False)
    assert len(everyone) == trainset.n_users and everyone.items_inner.shape == (trainset.n_users, 3)
    assert algo.recommend(["u3"], n=10_000)["u3"][:7] == found["u3"]
    assert algo.recommend([], n=3) == {} and algo.recommend(["u3"], n=0)["u3"] == []


def test_own_estimates_recommend_too(ratings: Any) -> None:
    class Halved(BaselineOnly):
        def estimate(self, u: Any, i: Any) -> Any:
            if i == 3:
                raise PredictionImpossible("Not this one.")
            return super().estimate(u, i) / 2, {"halved": True}

    trainset, testset = ratings
    whole = BaselineOnly(verbose=False).fit(trainset).recommend(["u1", "nobody"], n=100)
    halved = Halved(verbose=False).fit(trainset)
    found = halved.recommend(["u1", "nobody"], n=100)
    for user in whole:
        assert found[user] == [(i, e / 2) for i, e in whole[user] if i != trainset.to_raw_iid(3)]
    assert halved.test(testset)[0].details == {"halved": True, "was_impossible": False}


@pytest.mark.parametrize("user_based", [True, False])
@pytest.mark.parametrize("name", similarities.NAMES)
def test_sparse_predictions_are_the_dense_ones(ratings: Any, name: str, user_based: bool) -> None:
    trainset, testset = ratings
    options = {"name": name, "user_based": user_based}
    for algorithm in (KNNBasic, KNNBaseline):
        dense, sparse = (
            algorithm(k=5, sim_options=options, verbose=False, sparse=sparse).fit(trainset) for sparse in (False, True)
        )
        rows = [*testset, *trainset.build_testset()]
        for one, other in zip(dense.test(rows), sparse.test(rows), strict=True):
            assert one.est == pytest.approx(other.est, abs=1e-12) and one.details == other.details
        np.testing.assert_allclose(sparse.sim[4], dense.sim[4], atol=1e-12)
        assert sparse.sim[4, 5] == pytest.approx(dense.sim[4, 5], abs=1e-12)
        assert sparse.get_neighbors(0, 5) == dense.get_neighbors(0, 5)
        assert pickle.loads(pickle.dumps(sparse)).test(testset) == sparse.test(testset)


def test_similarity_functions_take_dictionaries(ratings: Any) -> None:
    trainset, _ = ratings
    for name in ("cosine", "msd", "pearson"):
        algo = KNNBasic(sim_options={"name": name, "min_support": 2}, verbose=False).fit(trainset)
        assert getattr(similarities, name)(trainset.n_users, trainset.ir, 2).tobytes() == algo.sim.tobytes()
    algo = KNNBaseline(sim_options={"name": "pearson_baseline", "user_based": False}, verbose=False).fit(trainset)
    args = (trainset.n_items, trainset.ur, 1, trainset.global_mean, algo.bi, algo.bu)
    assert similarities.pearson_baseline(*args).tobytes() == algo.sim.tobytes()


def test_too_large_a_matrix_is_refused(ratings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainset, testset = ratings
    from ironhorn.surprise.prediction_algorithms import tables

    monkeypatch.setattr(tables, "_available_memory", lambda: 1000)
    with pytest.raises(OutOfMemory, match=r"Similarities of 40 users as a matrix need .* GiB of memory.*sparse=True"):
        KNNBasic(verbose=False).fit(trainset)
    assert KNNBasic(verbose=False, sparse=True).fit(trainset).test(testset)
    with pytest.raises(OutOfMemory, match=r"Deviations between \d+ items need"):
        SlopeOne().fit(trainset)


def test_a_crowd_goes_without_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    from ironhorn.surprise.prediction_algorithms import tables

    monkeypatch.setattr(tables, "_available_memory", lambda: 64 * 2**30)
    rng = np.random.RandomState(0)
    users = np.concatenate([np.arange(134_000), rng.randint(134_000, size=66_000)])
    items, stars = rng.randint(4_600, size=200_000), rng.randint(1, 6, 200_000).astype(float)
    text = (
        r"Similarities of 134000 users as a matrix need 133\.8 GiB of memory; 64\.0 GiB are available\. Pass "
        r"sparse=True, which keeps none of them and gives the same predictions, or "
        r"sim_options=\{'user_based': False\}\."
    )
    algo = KNNBasic(verbose=False)
    with pytest.raises(OutOfMemory, match=text):
        algo.fit((users, items, stars))
    with pytest.raises(AttributeError, match="is not fitted"):
        algo.predict(0, 0)
    sparse = KNNBasic(verbose=False, sparse=True).fit((users, items, stars))
    predictions = sparse.test(list(zip(users[:500].tolist(), items[:500].tolist(), stars[:500], strict=True)))
    assert all(1 <= prediction.est <= 5 for prediction in predictions)
    assert len(sparse.get_neighbors(3, 5)) == 5
    # The same ratings of the same few users, by the matrix.
    near = np.isin(items, items[users == 3])
    dense = KNNBasic(verbose=False).fit((users[near], items[near], stars[near]))
    for item in items[users == 3].tolist():
        assert dense.predict(3, item).est == pytest.approx(sparse.predict(3, item).est, abs=1e-12)


def test_exact_ratings_count_halves() -> None:
    users, items, stars = [0, 0, 1, 1, 2], ["x", "y", "x", "y", "x"], [4.5, 3.0, 2.5, 2.0, 3.5]
    data = (users, items, stars)
    assert SlopeOne().fit(data).dev[0, 1] == (1 + 0) / 2
    assert SlopeOne(exact_ratings=True).fit(data).dev[0, 1] == (1.5 + 0.5) / 2
    kept, dropped = (
        CoClustering(1, 1, random_state=0, exact_ratings=exact).fit(data).avg_cocltr[0, 0] for exact in (True, False)
    )
    assert kept == np.mean(stars) and dropped == np.mean(np.trunc(stars))


@pytest.mark.parametrize("name", ["BaselineOnly", "KNNBaseline", "SVD", "SVDpp", "NMF", "SlopeOne", "CoClustering"])
def test_every_form_of_ratings(name: str) -> None:
    rng = np.random.RandomState(0)
    users, items = np.divmod(rng.permutation(300)[:120], 15)
    stars = rng.randint(1, 6, 120).astype(float)
    want = FAST[name]().fit((users, items, stars))
    rows = list(zip(users.tolist(), items.tolist(), stars.tolist(), strict=True))
    assert want.trainset.rating_scale == (1.0, 5.0)
    lists = FAST[name]().fit((users.tolist(), items.tolist(), stars.tolist()))
    assert lists.test(rows) == want.test(rows)
    sparse = pytest.importorskip("scipy.sparse")
    for kind in (sparse.coo_matrix, sparse.coo_array):
        assert FAST[name]().fit(kind((stars, (users, items)))).test(rows) == want.test(rows)
    by_row = FAST[name]().fit(sparse.csr_matrix((stars, (users, items))))
    assert by_row.trainset.n_ratings == 120


@pytest.mark.parametrize("name", FAST)
def test_partial_fit_knows_what_is_new(ratings: Any, name: str) -> None:
    trainset, testset = ratings
    algo = FAST[name]().fit(trainset)
    added = [("fresh", "i1", 4.5), ("u1", "shiny", 2.0), ("fresh", "shiny", 3.0)]
    algo.partial_fit(added)
    assert algo.trainset.n_ratings == trainset.n_ratings + 3
    assert algo.trainset.to_inner_uid("fresh") == trainset.n_users
    assert algo.trainset.to_raw_iid(3) == trainset.to_raw_iid(3)
    assert not algo.predict("fresh", "shiny").details["was_impossible"]
    if name not in ("NormalPredictor", "SVD", "unbiased", "SVDpp", "NMF", "CoClustering"):
        columns = [[*column] for column in zip(*trainset.build_testset(), *added, strict=True)]
        for one, other in zip(algo.test(testset), FAST[name]().fit(tuple(columns)).test(testset), strict=True):
            assert np.clip(one.est, 1, 5) == pytest.approx(np.clip(other.est, 1, 5), abs=0.2)
    with pytest.raises(ValueError, match=r"The rating of user 'a' for item 'b' is nan; ratings must be finite"):
        algo.partial_fit([("a", "b", float("nan"))])
    with pytest.raises(ValueError, match=r"Expected rows of \(user, item, rating\); received \('a', 'b'\)"):
        algo.partial_fit([("a", "b")])


def test_similar_items(ratings: Any) -> None:
    trainset, _ = ratings
    algo = KNNBasic(sim_options={"user_based": False}, verbose=False).fit(trainset)
    inner = trainset.to_inner_iid("i1")
    want = [(trainset.to_raw_iid(x), algo.sim[inner, x]) for x in algo.get_neighbors(inner, 5)]
    assert algo.similar_items("i1", 5) == want
    for factors in (SVD(random_state=0), SVDpp(random_state=0), NMF(random_state=0)):
        found = factors.fit(trainset).similar_items("i1", 3)
        rows = factors.qi / np.linalg.norm(factors.qi, axis=1, keepdims=True)
        scores = rows @ rows[inner]
        scores[inner] = -2
        assert [trainset.to_inner_iid(item) for item, _ in found] == np.argsort(-scores)[:3].tolist()
        assert found[0][1] == pytest.approx(scores.max())
    with pytest.raises(ValueError, match="Item nothing is not part of the trainset"):
        algo.similar_items("nothing")
    with pytest.raises(UnsupportedError, match="has similarities of users, not of items"):
        KNNBasic(verbose=False).fit(trainset).similar_items("i1")
    with pytest.raises(UnsupportedError, match="SlopeOne has no similarities of items"):
        SlopeOne().fit(trainset).similar_items("i1")


def test_what_is_printed(ratings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    trainset, _ = ratings
    KNNBaseline(sim_options={"name": "Pearson_Baseline"}).fit(trainset)
    BaselineOnly({"method": "sgd"}).fit(trainset)
    SVDpp(n_epochs=1, verbose=True).fit(trainset)
    NMF(n_epochs=2, verbose=True).fit(trainset)
    CoClustering(n_epochs=1, verbose=True).fit(trainset)
    assert capsys.readouterr().out.splitlines() == [
        "Estimating biases using als...",
        "Computing the pearson_baseline similarity matrix...",
        "Done computing similarity matrix.",
        "Estimating biases using sgd...",
        " processing epoch 0",
        "Processing epoch 0",
        "Processing epoch 1",
        "Processing epoch 0",
    ]


def test_own_algorithms_use_what_the_base_computes(ratings: Any) -> None:
    class Mixed(AlgoBase):
        def fit(self, trainset: Any) -> Any:
            AlgoBase.fit(self, trainset)
            self.bu, self.bi = self.compute_baselines()
            assert self.compute_baselines()[0] is self.bu
            self.sim = self.compute_similarities()
            return self

        def estimate(self, u: Any, i: Any) -> Any:
            if not (self.trainset.knows_user(u) and self.trainset.knows_item(i)):
                raise PredictionImpossible("Unknown.")
            return self.trainset.global_mean + self.bu[u], {"nearest": self.get_neighbors(i, 2)}

    trainset, testset = ratings
    algo = Mixed(sim_options={"name": "cosine", "user_based": False}, bsl_options={"method": "sgd"}).fit(trainset)
    assert algo.sim.shape == (trainset.n_items, trainset.n_items)
    predictions = algo.test(testset)
    assert len(predictions[0].details["nearest"]) == 2
    assert predictions[-1].details == {"was_impossible": True, "reason": "Unknown."}


@pytest.mark.parametrize("algo", [SVDpp(n_epochs=10**9), NMF(n_epochs=10**9), CoClustering(n_epochs=10**9)])
def test_fits_can_be_stopped(ratings: Any, algo: Any) -> None:
    trainset, _ = ratings
    ended = threading.Event()

    def work() -> None:
        try:
            algo.fit(trainset)
        except CancelledError:
            ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    while algo._running is None or algo._running.done == 0:
        time.sleep(0.001)
    algo.cancel()
    thread.join()
    assert ended.is_set()
    if sys.platform != "win32":
        timer = threading.Timer(0.2, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            algo.fit(trainset)


def test_bad_use_is_named(ratings: Any) -> None:
    trainset, _ = ratings
    with pytest.raises(ValueError, match=r"Invalid method x for baseline computation\. Available methods are als"):
        BaselineOnly({"method": "x"}).fit(trainset)
    with pytest.raises(NameError, match=r"Wrong sim name x\. Allowed values are cosine, msd"):
        KNNBasic(sim_options={"name": "x"}).fit(trainset)
    with pytest.raises(ValueError, match="init_low should be greater than zero"):
        NMF(init_low=-1)
    with pytest.raises(TypeError, match=r"fit takes a Trainset; received list"):
        SlopeOne().fit([1, 2])
    with pytest.raises(ValueError, match="fit received 2 users, 1 items and 1 ratings: lengths must be equal"):
        SlopeOne().fit(([1, 2], [1], [1.0]))
    with pytest.raises(ValueError, match="The trainset holds no ratings"):
        KNNBasic().fit(([], [], []))
    with pytest.raises(ValueError, match="The rating of user 1 for item 'x' is inf; ratings must be finite"):
        BaselineOnly().fit(([1], ["x"], [float("inf")]))
    with pytest.raises(AttributeError, match=r"This KNNBasic is not fitted: call fit\(trainset\) before"):
        KNNBasic().test([("a", "b", 1.0)])
    with pytest.raises(TypeError, match="users='ann': expected a list of raw user ids"):
        SlopeOne().fit(trainset).recommend("ann")
    with pytest.raises(ValueError, match="n=-1: expected a number of items"):
        SlopeOne().fit(trainset).recommend(n=-1)
    with pytest.raises(TypeError):
        KNNBasic(k=2.5, verbose=False).fit(trainset).predict("u1", "i1")
    algo = KNNWithMeans(verbose=False).fit(trainset)
    algo.means = algo.means[:3]
    with pytest.raises(ValueError, match="means: expected 40 values for this trainset, received 3"):
        algo.predict("u1", "i1")


@pytest.mark.parametrize("name", FAST)
def test_a_single_rating_is_enough(name: str) -> None:
    algo = FAST[name]().fit((["ann"], [7], [3.5]))
    assert algo.predict("ann", 7).est == 3.5
    assert algo.predict("ann", "7").iid == "7"


@pytest.mark.parametrize("name", FAST)
def test_saving_and_loading_gives_the_same_predictions(ratings: Any, name: str, tmp_path: pathlib.Path) -> None:
    trainset, testset = ratings
    algo = FAST[name]().fit(trainset)
    path = tmp_path / "model.ironhorn"
    algo.save(path)
    algo.save(path)
    for loaded in (type(algo).load(path), AlgoBase.load(str(path))):
        assert type(loaded) is type(algo)
        np.random.seed(4)
        want = algo.test(testset)
        np.random.seed(4)
        assert loaded.test(testset) == want
        assert loaded.trainset.build_testset() == trainset.build_testset()
        options = {key: value for key, value in vars(algo).items() if isinstance(value, int | str | dict | float)}
        assert {key: vars(loaded)[key] for key in options} == options
    assert [entry.name for entry in tmp_path.iterdir() if "tmp" in entry.name] == []
    other = SlopeOne if name != "SlopeOne" else NMF
    with pytest.raises(FileFormatError, match=rf"holds a {type(algo).__name__}, not a {other.__name__}"):
        other.load(path)


def test_ids_keep_their_types_in_files(tmp_path: pathlib.Path) -> None:
    algo = SVD(random_state=np.random.RandomState(3)).fit(([1, "1", np.int64(2)], ["a", 2.5, "b"], [1.0, 2.0, 3.0]))
    algo.save(tmp_path / "m")
    loaded = SVD.load(tmp_path / "m")
    for pair in ((1, "a"), ("1", 2.5), (2, "b")):
        assert loaded.predict(*pair) == algo.predict(*pair)
    assert algo.fit(algo.trainset).pu.tobytes() == loaded.fit(algo.trainset).pu.tobytes(), "the generator's state"
    with pytest.raises(TypeError, match=r"save keeps text, numbers.* the raw user id \(1, 2\) is tuple"):
        SlopeOne().fit(([(1, 2)], ["a"], [1.0])).save(tmp_path / "m")
    assert SVD.load(tmp_path / "m").trainset.n_users == 3, "the old file stays"

    class Own(SVD):
        pass

    with pytest.raises(UnsupportedError, match="Own is a class of its own"):
        Own().fit(algo.trainset).save(tmp_path / "own")


def test_damaged_and_hostile_files_are_refused(ratings: Any, tmp_path: pathlib.Path) -> None:
    path, bad = tmp_path / "model", tmp_path / "bad"
    SVD(n_factors=2, random_state=0).fit(ratings[0]).save(path)
    whole = path.read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        bad.write_bytes(whole[:end])
        with pytest.raises(FileFormatError, match="is not a complete file of a fitted algorithm"):
            SVD.load(bad)
    for place in range(0, len(whole), 997):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        bad.write_bytes(changed)
        with contextlib.suppress(FileFormatError):
            SVD.load(bad)
    with pytest.raises(FileNotFoundError):
        SVD.load(tmp_path / "nothing")

    def rewritten(name: str, content: bytes, compressed: bool = False) -> None:
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(bad, "w") as archive:
            for member in old.namelist():
                kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
                archive.writestr(member, content if member == name else old.read(member), kind)

    header = json.loads(zipfile.ZipFile(path).read("model.json"))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**20)})
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], object), allow_pickle=True)
    cases: list[tuple[str, bytes, str]] = [
        ("pu.npy", huge.getvalue(), "array pu: its shape does not fit its size"),
        ("pu.npy", pickled.getvalue(), "array pu: its shape does not fit its size"),
        ("pu.npy", b"nothing", "array pu"),
        ("model.json", b"{", "no readable model.json"),
        ("model.json", json.dumps({**header, "format": "x"}).encode(), "of another kind"),
        ("model.json", json.dumps({**header, "version": 2}).encode(), "version 2; this Ironhorn reads version 1"),
        ("model.json", json.dumps({**header, "class": "eval"}).encode(), "holds a eval, not a SVD"),
        ("model.json", json.dumps({**header, "options": {"predict": 1}}).encode(), "options"),
        ("model.json", json.dumps({**header, "users": header["users"][:3]}).encode(), "ids of the trainset"),
        ("model.json", json.dumps({**header, "users": [[]]}).encode(), "not a complete file"),
    ]
    for name, content, text in cases:
        rewritten(name, content)
        with pytest.raises(FileFormatError, match=text):
            SVD.load(bad)
    rewritten("", b"", compressed=True)
    with pytest.raises(FileFormatError, match="sizes of its members do not fit its own size"):
        SVD.load(bad)


@pytest.mark.parametrize("name", ["SVD", "unbiased", "SVDpp", "NMF", "biased NMF"])
def test_folding_in_is_close_to_fitting_again(name: str) -> None:
    make = {**FAST, "NMF": lambda: NMF(random_state=0), "biased NMF": lambda: NMF(random_state=0, biased=True)}[name]
    rng = np.random.RandomState(1)
    taste, kind = rng.normal(size=(80, 2)), rng.normal(size=(60, 2))
    scores = 3.2 + taste @ kind.T * 0.5 + rng.normal(0, 0.3, (80, 1)) + rng.normal(0, 0.3, 60)
    stars = np.clip(np.round(scores + rng.normal(0, 0.3, scores.shape)), 1, 5)
    rows = [(f"u{u}", f"i{i}", stars[u, i]) for u, i in np.ndindex(*stars.shape) if rng.uniform() < 0.6]
    held = [row for row in rows if int(row[0][1:]) >= 70]
    shown, asked = held[::2], held[1::2]
    base = [row for row in rows if int(row[0][1:]) < 70]

    def columns(of: list[Any]) -> Any:
        return tuple(map(list, zip(*of, strict=True)))

    def error(algo: Any) -> float:
        return ironhorn_surprise.accuracy.rmse(algo.test(asked), verbose=False)

    again = error(make().fit(columns(base + shown)))
    algo = make().fit(columns(base))
    before = algo.predict("u3", "i4"), error(algo)
    algo.fold_in(shown)
    assert algo.predict("u3", "i4") == before[0], "those who were there keep their parameters"
    folded = error(algo)
    assert folded < 1.02 * again and (name == "NMF" or folded < before[1])
    one = make().fit(columns(base)).fold_in(shown)
    assert one.test(asked) == algo.test(asked)
    assert len(algo.recommend(["u75"], n=3)["u75"]) == 3
    # A new item, rated by known users and by one who is new as well.
    algo.fold_in([("u1", "shiny", 5.0), ("u2", "shiny", 4.0), ("u99", "shiny", 4.0), ("u99", "i3", 2.0)])
    assert not algo.predict("u5", "shiny").details["was_impossible"]
    assert algo.trainset.to_inner_iid("shiny") == algo.trainset.n_items - 1
    assert algo.similar_items("shiny", 2)
    with pytest.raises(ValueError, match=r"user 'u1' and item 'i3' are both known\. Use partial_fit"):
        algo.fold_in([("u1", "i3", 4.0)])
