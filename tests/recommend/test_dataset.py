"""Reading ratings, and what a trainset answers."""

import pathlib
import pickle
import random

import numpy as np
import pytest

from ironhorn.surprise import Dataset, Reader, Trainset
from ironhorn.surprise.dataset import DatasetAutoFolds
from ironhorn.surprise.model_selection import KFold, train_test_split

ROWS = [("ann", "bolt", 4.0, None), ("bob", "nut", 2.5, None), ("ann", "nut", 1.0, None), ("cy", "bolt", 5.0, None)]


def dataset(rows: list[tuple] = ROWS) -> DatasetAutoFolds:
    """A data set of given rows."""
    data = DatasetAutoFolds.__new__(DatasetAutoFolds)
    Dataset.__init__(data, Reader(rating_scale=(1, 5)))
    data.raw_ratings = list(rows)
    return data


def test_a_file_with_every_option(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ratings.txt"
    path.write_text("a header\nand more\n4.5 | bolt | 99 | ann\n1 | nut | 100 | bob\n")
    data = Dataset.load_from_file(path, Reader(line_format="rating item timestamp user", sep="|", skip_lines=2))
    assert data.raw_ratings == [("ann", "bolt", 4.5, "99"), ("bob", "nut", 1.0, "100")]
    assert Reader("ml-1m").parse_line("1::1193::5::978300760\n") == ("1", "1193", 5.0, "978300760")
    assert Reader("jester").rating_scale == (-10, 10)


def test_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"stars": [3, 4], "user": [7, 8], "item": ["x", "y"]})
    data = Dataset.load_from_df(frame[["user", "item", "stars"]], Reader())
    assert data.raw_ratings == [(7, "x", 3.0, None), (8, "y", 4.0, None)]
    assert [type(value) for value in data.raw_ratings[0][:3]] == [int, str, float]
    trainset = data.build_full_trainset()
    assert trainset.to_inner_uid(8) == 1
    with pytest.raises(ValueError, match="User 8 is not part of the trainset"):
        trainset.to_inner_uid("8")
    with pytest.raises(ValueError, match=r"takes three columns in this order: users, items, ratings; received 2"):
        Dataset.load_from_df(frame[["user", "item"]], Reader())


def test_dictionaries_are_real_and_in_order() -> None:
    trainset = dataset().build_full_trainset()
    assert trainset.ur == {0: [(0, 4.0), (1, 1.0)], 1: [(1, 2.5)], 2: [(0, 5.0)]}
    assert trainset.ir == {0: [(0, 4.0), (2, 5.0)], 1: [(1, 2.5), (0, 1.0)]}
    assert isinstance(trainset.ur, dict) and isinstance(trainset.ur[0], list)
    assert list(trainset.all_ratings()) == [(0, 0, 4.0), (0, 1, 1.0), (1, 1, 2.5), (2, 0, 5.0)]


@pytest.mark.parametrize("touched", [False, True])
def test_a_trainset_answers_alike_before_and_after_its_dictionaries_were_made(touched: bool) -> None:
    trainset = dataset().build_full_trainset()
    if touched:
        assert trainset.ur and trainset.ir
    assert (trainset.n_users, trainset.n_items, trainset.n_ratings, trainset.rating_scale) == (3, 2, 4, (1, 5))
    assert trainset.global_mean == 3.125
    assert trainset.knows_user(2) and not trainset.knows_user(3) and not trainset.knows_user("UKN__x")
    assert trainset.knows_item(np.int64(1)) and not trainset.knows_item(-1)
    assert trainset.to_raw_uid(2) == "cy" and trainset.to_raw_iid(1) == "nut"
    assert list(trainset.all_ratings()) == [(0, 0, 4.0), (0, 1, 1.0), (1, 1, 2.5), (2, 0, 5.0)]
    assert trainset.build_testset()[1] == ("ann", "nut", 1.0)
    assert trainset.build_anti_testset() == [("bob", "bolt", 3.125), ("cy", "nut", 3.125)]
    assert trainset.build_anti_testset(fill=0) == [("bob", "bolt", 0.0), ("cy", "nut", 0.0)]
    assert list(pickle.loads(pickle.dumps(trainset)).all_ratings()) == list(trainset.all_ratings())


def test_a_changed_dictionary_counts() -> None:
    trainset = dataset().build_full_trainset()
    before = trainset.user_major()
    trainset.ur[1][0] = (0, 4.5)
    after = trainset.user_major()
    assert before.ratings.tolist() == [4.0, 1.0, 2.5, 5.0] and after.ratings.tolist() == [4.0, 1.0, 4.5, 5.0]
    assert after.items.tolist() == [0, 1, 0, 0]


def test_a_trainset_of_dictionaries_keeps_their_order() -> None:
    ur, ir = {1: [(0, 2.0)], 0: [(0, 3.0)]}, {0: [(1, 2.0), (0, 3.0)]}
    trainset = Trainset(ur, ir, 2, 1, 2, (1, 5), {"a": 0, "b": 1}, {"x": 0})
    assert list(trainset.all_ratings()) == [(1, 0, 2.0), (0, 0, 3.0)]
    assert trainset.user_major().users.tolist() == [1, 0]
    assert trainset.ur is ur and trainset.ir is ir


def test_splits_see_a_list_that_was_changed_in_place() -> None:
    data = dataset([(f"u{k % 7}", f"i{k % 5}", float(k % 5 + 1), None) for k in range(40)])
    for change in (lambda: None, lambda: random.Random(1).shuffle(data.raw_ratings), data.raw_ratings.pop):
        change()
        order = np.random.RandomState(2).permutation(len(data.raw_ratings))
        trainset, testset = train_test_split(data, test_size=10, random_state=2)
        want = data.construct_trainset([data.raw_ratings[index] for index in order[:-10]])
        assert list(trainset.all_ratings()) == list(want.all_ratings())
        assert trainset._raw2inner_id_users == want._raw2inner_id_users
        assert list(trainset._raw2inner_id_items.items()) == list(want._raw2inner_id_items.items())
        assert trainset.ir == want.ir
        assert testset == data.construct_testset([data.raw_ratings[index] for index in order[-10:]])


def test_folds_hold_every_rating_once() -> None:
    data = dataset([(k, k % 5, 3.0, None) for k in range(23)])
    folds = list(KFold(4, shuffle=False).split(data))
    assert [len(testset) for _, testset in folds] == [6, 6, 6, 5]
    assert [row for _, testset in folds for row in testset] == [row[:3] for row in data.raw_ratings]
    assert all(trainset.n_ratings + len(testset) == 23 for trainset, testset in folds)


def test_what_cannot_be_read_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\nann,bolt,4\nbob,nut\n")
    with pytest.raises(ValueError, match="could not convert string to float: 'rating'") as caught:
        Dataset.load_from_file(path, Reader(sep=","))
    assert caught.value.__notes__ == [f"Line 1 of {path}: 'user,item,rating'"]
    with pytest.raises(ValueError, match=r"Check the line_format and sep parameters\.") as caught:
        Dataset.load_from_file(path, Reader(sep=",", skip_lines=1))
    assert caught.value.__notes__ == [f"Line 3 of {path}: 'bob,nut'"]
    with pytest.raises(FileNotFoundError):
        Dataset.load_from_file(tmp_path / "none", Reader())
    with pytest.raises(ValueError, match="line_format parameter is incorrect") as caught:
        Reader(line_format="user item")
    assert "received 'user item'" in caught.value.__notes__[0]
    with pytest.raises(ValueError, match=r"rating_scale=\(5, 1\): the lowest rating comes first"):
        Reader(rating_scale=(5, 1))
    with pytest.raises(ValueError, match="rating_scale=5: expected the lowest and the highest rating"):
        Reader(rating_scale=5)
    with pytest.raises(TypeError, match="reader must be a Reader"):
        Dataset.load_from_file(path, None)
    with pytest.raises(TypeError, match="takes a pandas DataFrame; received list"):
        Dataset.load_from_df([("ann", "bolt", 4)], Reader())
