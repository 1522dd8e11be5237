"""Data sets, splits, searches, dumps, command line: real scikit-surprise, recorded and live; and what is our own."""

import gc
import json
import pathlib
import pickle
import re
import subprocess
import sys
import tomllib
import weakref
from typing import Any

import numpy as np
import pytest

import ironhorn.surprise as ironhorn_surprise
from ironhorn.surprise import SVD, BaselineOnly, Dataset, Prediction, Reader, accuracy, builtin_datasets, dump, ranking
from ironhorn.surprise.__main__ import main
from ironhorn.surprise.anti_testset import AntiTestset
from ironhorn.surprise.model_selection import (
    GridSearchCV,
    KFold,
    PredefinedKFold,
    RandomizedSearchCV,
    cross_validate,
    train_test_split,
)
from ironhorn.surprise.prediction_algorithms.algo_base import AlgoBase
from recommend.surface_cases import CASES, Halves, data, folds, rows, write

REFERENCE: dict[str, Any] = json.loads(pathlib.Path(__file__).with_name("surface_reference.json").read_text())
TOLERANCE = 1e-9


def same(got: Any, want: Any, where: str = "") -> None:
    """Compare what JSON holds; floats to a tolerance, texts of the two libraries by what they share."""
    if isinstance(want, dict):
        assert list(got) == list(want), where
        for name in want:
            same(got[name], want[name], f"{where}/{name}")
    elif isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want), f"{where}: {got} instead of {want}"
        for index, (one, other) in enumerate(zip(got, want, strict=True)):
            same(one, other, f"{where}/{index}")
    elif isinstance(want, float):
        assert got == pytest.approx(want, abs=TOLERANCE, rel=0, nan_ok=True), where
    else:
        assert got == want, where


@pytest.mark.parametrize("name", CASES)
def test_matches_recorded(tmp_path: pathlib.Path, name: str) -> None:
    same(json.loads(json.dumps(CASES[name](ironhorn_surprise, tmp_path))), REFERENCE[name], name)


# Surprise leaves the files of its dumps to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.peer
@pytest.mark.parametrize("name", CASES)
def test_matches_live(tmp_path: pathlib.Path, name: str) -> None:
    surprise = pytest.importorskip("surprise")
    same(json.loads(json.dumps(CASES[name](surprise, tmp_path))), REFERENCE[name], name)


@pytest.fixture
def ratings(tmp_path: pathlib.Path) -> Any:
    return data(ironhorn_surprise, tmp_path)


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_searches_in_threads_find_the_same(ratings: Any, n_jobs: int) -> None:
    trainsets = []

    class Watched(SVD):
        def fit(self, trainset: Any) -> Any:
            trainsets.append(trainset)
            return super().fit(trainset)

    grid = {"n_epochs": [1, 2, 4], "random_state": [0], "n_factors": [3]}
    found = []
    for jobs, pre_dispatch in ((1, "2*n_jobs"), (n_jobs, "all"), (n_jobs, 1)):
        search = GridSearchCV(Watched, grid, cv=KFold(3, random_state=0), n_jobs=jobs, pre_dispatch=pre_dispatch)
        search.fit(ratings)
        found.append([search.cv_results[f"split{fold}_test_rmse"].tobytes() for fold in range(3)])
    assert found[0] == found[1] == found[2]
    assert len(trainsets) == 27 and len({id(trainset) for trainset in trainsets}) == 9, "shared, not copied"


def test_search_says_how_far_it_is(ratings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    GridSearchCV(BaselineOnly, {"verbose": [False]}, cv=2, joblib_verbose=11).fit(ratings)
    assert capsys.readouterr().err == "1 of 2 fits done\n2 of 2 fits done\n"


def test_an_error_in_a_search_comes_out(ratings: Any) -> None:
    with pytest.raises(ValueError, match="lr_pu is inf"):
        GridSearchCV(SVD, {"lr_pu": [0.1, float("inf")], "n_epochs": [1]}, n_jobs=2).fit(ratings)
    with pytest.raises(ValueError, match=r"refit='mse' is none of the measures: rmse, mae"):
        GridSearchCV(SVD, {}, refit="mse")
    with pytest.raises(ValueError, match="Unknown measure 'recall'"):
        GridSearchCV(SVD, {}, measures=["recall"])
    with pytest.raises(ValueError, match="n_iter=3: there are only 2 combinations"):
        RandomizedSearchCV(SVD, {"n_epochs": [1, 2]}, n_iter=3)


def test_a_search_with_a_seed_of_its_own() -> None:
    lists = {"n_epochs": range(100), "n_factors": range(100)}
    drawn = [
        list(RandomizedSearchCV(SVD, lists, n_iter=5, random_state=1, own_random_state=True).param_combinations)
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 5
    mixed = RandomizedSearchCV(SVD, {"reg_all": Halves(), "n_epochs": [1]}, n_iter=5, random_state=1)
    assert len({combination["reg_all"] for combination in mixed.param_combinations}) > 1


def test_every_algorithm_goes_through_a_search(ratings: Any) -> None:
    class Middle(AlgoBase):
        def __init__(self, share: float = 1.0) -> None:
            super().__init__()
            self.share = share

        def estimate(self, u: object, i: object) -> float:
            return self.trainset.global_mean * self.share

    search = GridSearchCV(Middle, {"share": [0.5, 1.0]}, cv=3, n_jobs=2, refit=True)
    search.fit(ratings)
    assert search.best_params["rmse"] == {"share": 1.0}
    assert search.predict("u1", "i1").est == pytest.approx(ratings.build_full_trainset().global_mean)


@pytest.mark.parametrize("twice", [False, True])
def test_a_big_anti_testset_reads_like_a_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, twice: bool
) -> None:
    trainset = data(ironhorn_surprise, tmp_path, rows() * (1 + twice)).build_full_trainset()
    want = trainset.build_anti_testset(fill=1)
    monkeypatch.setattr(ironhorn_surprise.trainset, "_LIST_OF_PAIRS", 10)
    got = trainset.build_anti_testset(fill=1)
    assert type(want) is list and type(got) is AntiTestset and trainset.n_users > 1
    assert len(got) == len(want) and list(got) == want and got == want and want == got and got != want[1:]
    assert [got[place] for place in range(len(want))] == want and got[-3] == want[-3]
    for piece in (slice(5), slice(-9, None), slice(3, 200), slice(None, None, -7), slice(20, 10), slice(None)):
        assert got[piece] == want[piece]
    assert want[7] in got and (0, 0, 0) not in got and got.index(want[9]) == 9 and [*got, 1] == [*want, 1]
    algo = BaselineOnly(verbose=False).fit(trainset)
    assert algo.test(got) == algo.test(want)
    assert pickle.loads(pickle.dumps(got)) == want
    with pytest.raises(IndexError, match=f"index {len(want)} of {len(want)} pairs"):
        got[len(want)]
    with pytest.raises(AttributeError, match=r"An anti-testset of this size is read-only\. Make a list of it"):
        got.append(1)
    assert repr(got) == f"<AntiTestset of {len(want)} pairs>"


def test_an_anti_testset_of_nothing() -> None:
    assert len(AntiTestset([], [], [], 0.0)) == 0 and list(AntiTestset([], [], [], 0.0)) == []


def test_rows_of_any_kind_are_tested(ratings: Any) -> None:
    algo = SVD(random_state=0, n_epochs=2).fit(ratings.build_full_trainset())
    want = algo.test([("u1", "i2", 3.0), ("u2", "new", None)])
    mixed = [["u1", "i2", 3.0], iter(("u2", "new", None))]
    got = algo.test(mixed)
    assert got == want and all(type(row) is Prediction for row in got)
    assert type(got[0].est) is np.float64 and got[0].details == {"was_impossible": False}
    assert got[0].details is not got[1].details
    got[0].details["mine"] = 1
    assert "mine" not in got[1].details and str(got[1]) == str(want[1])
    for wrong in ([("u1", "i2")], [("u1", "i2", 3.0, None)]):
        with pytest.raises(ValueError, match=r"row 0 of the testset has \d values; expected user, item, rating"):
            algo.test(wrong)
    with pytest.raises(TypeError):
        algo.test([3])
    with pytest.raises(TypeError, match="unhashable"):
        algo.test([([], "i2", 3.0)])


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was(ratings: Any, enabled: bool) -> None:
    algo = SVD(random_state=0, n_epochs=1).fit(ratings.build_full_trainset())
    rows = [("u1", "i2", 3.0)] * 2000
    try:
        (gc.enable if enabled else gc.disable)()
        predictions = algo.test(rows)
        assert gc.isenabled() is enabled
        with pytest.raises(ValueError, match="expected user, item, rating"):
            algo.test([*rows, ()])
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
    watched = Watched()
    gone = weakref.ref(watched)
    predictions[0].details["cycle"] = [predictions[0], watched]
    del predictions, watched
    gc.collect()
    assert gone() is None, "predictions in a cycle are collected"


class Watched:
    """Something that a weak reference can watch."""


def test_dumping_leaves_the_old_file_when_it_fails(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "dump"
    dump.dump(path, predictions=[1])
    with pytest.raises((AttributeError, pickle.PicklingError)):
        dump.dump(path, algo=lambda: None)
    assert dump.load(path) == ([1], None) and [file.name for file in tmp_path.iterdir()] == ["dump"]


def test_a_download_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import zipfile

    def retrieve(url: str, path: str) -> None:
        assert url.endswith("ml-100k.zip")
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("ml-100k/u.data", "1\t2\t3\t4\n")

    folder = tmp_path / "data"
    monkeypatch.setenv("SURPRISE_DATA_FOLDER", str(folder))
    monkeypatch.setattr("urllib.request.urlretrieve", retrieve)
    assert Dataset.load_builtin(prompt=False).raw_ratings == [("1", "2", 3.0, "4")]
    assert [file.name for file in folder.iterdir()] == ["ml-100k"]
    text = capsys.readouterr().out
    assert text.startswith(
        "Trying to download dataset from https://files.grouplens.org/datasets/movielens/ml-100k.zip..."
    )
    assert text.endswith(f"Done! Dataset ml-100k has been saved to {folder / 'ml-100k'}\n")

    def broken(*_: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlretrieve", broken)
    with pytest.raises(OSError, match="no network"):
        Dataset.load_builtin("jester", prompt=False)
    assert [file.name for file in folder.iterdir()] == ["ml-100k"]


def test_importing_makes_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("SURPRISE_DATA_FOLDER", str(tmp_path / "data"))
    assert builtin_datasets.BUILTIN_DATASETS["jester"].path == str(tmp_path / "data/jester/jester_ratings.dat")
    assert not (tmp_path / "data").exists()
    assert ironhorn_surprise.get_dataset_dir() == str(tmp_path / "data") and (tmp_path / "data").is_dir()


def test_command_line_dumps_and_cleans(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SURPRISE_DATA_FOLDER", str(tmp_path / "data"))
    path = write(tmp_path / "ratings.csv", rows())
    reader = ["-reader", "Reader(sep=';', rating_scale=(0.5, 5))"]
    options = ["-algo", "KNNWithMeans", "-params", "{'verbose': False}", "-load-custom", path, *reader]
    main([*options, "-n-folds", "2", "--with-dump"])
    text = capsys.readouterr().out
    assert text.count("The dump has been saved as file") == 2 and "RMSE (testset)" in text
    files = sorted((tmp_path / "data" / "dumps").iterdir())
    assert [re.sub(r"^[\dhm-]+", "", file.name) for file in files] == ["KNNWithMeans-fold1", "KNNWithMeans-fold2"]
    predictions, algo = dump.load(files[1])
    assert algo.test([tuple(row[:3]) for row in predictions]) == predictions
    main(["--clean"])
    assert capsys.readouterr().out == f"Removed {tmp_path / 'data'}\n" and not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-algo", "SVD", "-params", "__import__('os').getpid()"], "-params and -reader: malformed node"),
        (["-algo", "SVD", "-params", "{'k': 3}"], "unexpected keyword argument 'k'"),
        (["-algo", "SVD", "-load-custom", "x"], "-reader parameter is needed"),
        (["-algo", "SVD", "-folds-files", "a b c", "-reader", "Reader()"], "takes pairs of files; received 3 files"),
        ([], "No algorithm was specified"),
    ],
)
def test_command_line_refuses(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2 and text in capsys.readouterr().err


def test_both_commands_start(tmp_path: pathlib.Path) -> None:
    root = pathlib.Path(__file__).parent.parent.parent
    scripts = tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["surprise"].split(":")
    installed = f"import sys; from {module} import {function} as command; sys.exit(command())"
    path = write(tmp_path / "ratings.csv", rows())
    reader = ["-reader", "Reader(sep=';', rating_scale=(0.5, 5))"]
    for command in (["-c", installed], ["-m", "ironhorn.surprise"]):
        for arguments, code, text in (
            (["--help"], 0, "usage: surprise"),
            (["--version"], 0, ironhorn_surprise.__version__),
            (
                ["-algo", "BaselineOnly", "-load-custom", path, *reader, "-n-folds", "2", "-seed", "1"],
                0,
                "RMSE (testset)",
            ),
            (["-algo", "Nothing"], 2, "invalid choice: 'Nothing'"),
        ):
            ran = subprocess.run(
                [sys.executable, *command, *map(str, arguments)], capture_output=True, text=True, check=False
            )
            assert ran.returncode == code and text in ran.stdout + ran.stderr, ran.stderr


RANKED = [
    # Ranked by estimate: a (4), b (2), c (5), d (3.5).
    Prediction("ann", "a", 4.0, 4.9, {}),
    Prediction("ann", "d", 3.5, 1.0, {}),
    Prediction("ann", "b", 2.0, 4.0, {}),
    Prediction("ann", "c", 5.0, 4.0, {}),
    Prediction("bob", "a", 1.0, 5.0, {}),
    Prediction("bob", "b", 4.0, 4.0, {}),
    Prediction("cy", "a", 1.0, 5.0, {}),
]


def test_ranking_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = 1.0, 1 / np.log2(3), 0.5
    assert ranking.precision_at_k(RANKED, 3) == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert ranking.recall_at_k(RANKED, 3) == pytest.approx((2 / 3 + 1) / 2)
    want = ((first + third) / (first + second + third) + second / first) / 2
    assert ranking.ndcg_at_k(RANKED, 3) == pytest.approx(want)
    assert ranking.map_at_k(RANKED, 3) == pytest.approx(((1 + 2 / 3) / 3 + 1 / 2) / 2)
    text = capsys.readouterr().out
    assert text == f"Precision@3: 0.5000\nRecall@3: 0.8333\nNDCG@3: {want:.4f}\nMAP@3: 0.5278\n"
    ann = (15 * first + 31 * third) / (31 * first + 15 * second + (2**3.5 - 1) * third)
    assert ranking.ndcg_at_k(RANKED, 3, graded=True, verbose=False) == pytest.approx((ann + second) / 2)
    assert ranking.precision_at_k(RANKED, 1, verbose=False) == 0.5
    perfect = [row._replace(est=row.r_ui) for row in RANKED]
    for measure in (ranking.recall_at_k, ranking.ndcg_at_k, ranking.map_at_k):
        assert measure(perfect, 10, verbose=False) == pytest.approx(1.0)
    testset = [row[:3] for row in RANKED]
    found = {"ann": [("a", 4.9), ("b", 4.0), ("unrated", 3.0)], "bob": [("b", 4.0)], "dan": []}
    assert ranking.precision_at_k(found, 2, testset=testset, verbose=False) == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert ranking.recall_at_k(found, 3, testset=testset, verbose=False) == pytest.approx((1 / 3 + 1) / 2)
    assert ranking.map_at_k(found, 3, testset=testset, verbose=False) == pytest.approx((1 / 3 + 1) / 2)


def test_ranking_of_recommendations_and_of_all_predictions_agree(ratings: Any) -> None:
    trainset, testset = train_test_split(ratings, test_size=0.3, random_state=0)
    known = {row[:2] for row in trainset.build_testset()}
    testset = [
        row for row in dict(((row[0], row[1]), row) for row in testset).values() if (row[0], row[1]) not in known
    ]
    testset = [row for row in testset if row[1] in trainset._raw2inner_id_items]
    algo = SVD(random_state=0, n_epochs=3).fit(trainset)
    true = {row[:2]: row[2] for row in testset}
    predictions = [
        algo.predict(user, item, true.get((user, item), 0.0), clip=False)
        for user, item, _ in trainset.build_anti_testset()
    ]
    found = algo.recommend(n=10)
    for measure in (ranking.precision_at_k, ranking.recall_at_k, ranking.ndcg_at_k, ranking.map_at_k):
        of_all = measure(predictions, 10, verbose=False)
        assert measure(found, 10, testset=testset, verbose=False) == pytest.approx(of_all)


def test_ranking_errors() -> None:
    with pytest.raises(ValueError, match="k=0: expected 1 or more"):
        ranking.recall_at_k(RANKED, 0)
    with pytest.raises(ValueError, match="No user has an item rated 6 or higher"):
        ranking.map_at_k(RANKED, threshold=6)
    with pytest.raises(ValueError, match="Recommendations need testset="):
        ranking.ndcg_at_k({"ann": [("a", 1.0)]})
    with pytest.raises(ValueError, match="testset= goes with recommendations"):
        ranking.ndcg_at_k(RANKED, testset=[])
    with pytest.raises(ValueError, match="User ann and item a have no true rating"):
        ranking.ndcg_at_k([Prediction("ann", "a", None, 3.0, {})])


def test_folds_in_files(tmp_path: pathlib.Path) -> None:
    predefined = folds(ironhorn_surprise, tmp_path)
    scores = cross_validate(SVD(random_state=0, n_epochs=1), predefined, cv=PredefinedKFold(), n_jobs=2)
    again = []
    for trainset, testset in PredefinedKFold().split(predefined):
        again.append(accuracy.rmse(SVD(random_state=0, n_epochs=1).fit(trainset).test(testset), verbose=False))
    assert scores["test_rmse"].tolist() == again
    with pytest.raises(ValueError, match="Must specify folds_files"):
        ironhorn_surprise.dataset.DatasetUserFolds(reader=Reader())
