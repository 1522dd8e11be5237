"""SVD: repeatability, options, threads, errors. What it computes is checked against Surprise in tests/compat."""

import copy
import os
import pickle
import signal
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest

from ironhorn.surprise import SVD, AlgoBase, Dataset, Prediction, PredictionImpossible, Reader, Trainset, accuracy
from ironhorn.surprise.dataset import DatasetAutoFolds
from ironhorn.surprise.model_selection import KFold, cross_validate, train_test_split


def dataset(n_ratings: int = 600, seed: int = 0) -> DatasetAutoFolds:
    """Made-up ratings of 30 users for 40 items."""
    rng = np.random.RandomState(seed)
    data = DatasetAutoFolds.__new__(DatasetAutoFolds)
    Dataset.__init__(data, Reader(rating_scale=(1, 5)))
    data.raw_ratings = [
        (f"u{user}", f"i{item}", float(np.clip(round(3 + (user - 15) * (item - 20) / 150 + noise), 1, 5)), None)
        for user, item, noise in zip(
            rng.randint(30, size=n_ratings),
            rng.randint(40, size=n_ratings),
            rng.normal(0, 0.3, size=n_ratings),
            strict=True,
        )
    ]
    return data


@pytest.fixture
def trainset() -> Trainset:
    return dataset().build_full_trainset()


def parameters(algo: SVD) -> list[bytes]:
    """The fitted parameters' bits."""
    return [part.tobytes() for part in (algo.bu, algo.bi, algo.pu, algo.qi)]


def test_learns() -> None:
    trainset, testset = train_test_split(dataset(), random_state=0)
    errors = [
        accuracy.rmse(SVD(n_epochs=n, random_state=0, lr_all=0.02).fit(trainset).test(testset), verbose=False)
        for n in (0, 20)
    ]
    assert errors[1] < errors[0] - 0.05


def test_the_same_seed_gives_the_same_bits(trainset: Trainset) -> None:
    first = parameters(SVD(random_state=3).fit(trainset))
    assert parameters(SVD(random_state=3).fit(trainset)) == first
    assert parameters(SVD(random_state=np.random.RandomState(3)).fit(trainset)) == first
    assert parameters(SVD(random_state=3, verbose=True).fit(trainset)) == first
    assert trainset.ur
    assert parameters(SVD(random_state=3).fit(trainset)) == first
    algo = SVD(random_state=3)
    assert parameters(algo.fit(trainset)) == parameters(algo.fit(trainset)) == first
    assert parameters(SVD(random_state=4).fit(trainset)) != first


@pytest.mark.parametrize("biased", [True, False])
def test_testing_and_predicting_agree_to_the_bit(biased: bool) -> None:
    trainset, testset = train_test_split(dataset(), test_size=0.4, random_state=0)
    rows = [*testset, ("u1", "new", None), ("new", "i1", 2), (3, 4, 5.0)]
    algo = SVD(n_factors=37, lr_all=0.03, random_state=0, biased=biased).fit(trainset)
    predicted = [algo.predict(user, item, true) for user, item, true in rows]
    assert algo.test(rows) == predicted
    assert algo.test(iter(rows)) == predicted
    assert algo.test([]) == []
    assert all(1 <= prediction.est <= 5 for prediction in predicted)
    restored = pickle.loads(pickle.dumps(algo))
    assert restored.test(rows) == predicted and copy.deepcopy(algo).test(rows) == predicted
    unclipped = algo.predict(*testset[0][:2], clip=False)
    user, item = trainset.to_inner_uid(testset[0][0]), trainset.to_inner_iid(testset[0][1])
    want = algo.qi[item] @ algo.pu[user]
    want += trainset.global_mean + algo.bu[user] + algo.bi[item] if biased else 0
    assert unclipped.est == pytest.approx(want, abs=1e-12)


def test_factors_that_were_changed_count(trainset: Trainset) -> None:
    algo = SVD(random_state=0, n_factors=4).fit(trainset)
    algo.pu = np.asfortranarray(np.zeros_like(algo.pu))
    algo.bu = np.full(trainset.n_users, 0.25, np.float32)
    rows = trainset.build_testset()[:20]
    assert algo.test(rows) == [algo.predict(*row) for row in rows]
    user, item, _ = rows[0]
    want = trainset.global_mean + 0.25 + algo.bi[trainset.to_inner_iid(item)]
    assert algo.predict(user, item, clip=False).est == pytest.approx(want, abs=1e-12)


def test_impossible_predictions(trainset: Trainset, capsys: pytest.CaptureFixture[str]) -> None:
    algo = SVD(biased=False, random_state=0).fit(trainset)
    prediction = algo.test([("nobody", "i1", 3.0)], verbose=True)[0]
    assert prediction.est == trainset.global_mean
    assert prediction.details == {"was_impossible": True, "reason": "User and item are unknown."}
    assert capsys.readouterr().out == f"{prediction}\n"
    with pytest.raises(PredictionImpossible, match="User and item are unknown"):
        algo.estimate("UKN__nobody", 0)


def test_own_estimates_and_algorithms_are_used(trainset: Trainset) -> None:
    class Cautious(SVD):
        def estimate(self, u: object, i: object) -> tuple[float, dict]:
            return (super().estimate(u, i) + self.trainset.global_mean) / 2, {"cautious": True}

    class Middle(AlgoBase):
        def __init__(self, share: float) -> None:
            super().__init__(sim_options={"name": "msd"})
            self.share = share

        def estimate(self, u: object, i: object) -> float:
            if not self.trainset.knows_user(u):
                raise PredictionImpossible("Nobody knows.")
            return np.mean([rating for _, rating in self.trainset.ur[u]]) * self.share

        def default_prediction(self) -> float:
            return 2.0

    prediction = Cautious(random_state=0).fit(trainset).test([("u1", "i1", 3.0)])[0]
    assert prediction.details == {"cautious": True, "was_impossible": False}
    algo = Middle(0.5).fit(trainset)
    assert algo.sim_options == {"name": "msd", "user_based": True} and algo.bsl_options == {} and algo.bu is None
    known, unknown = algo.test([("u1", "i1", 3.0), ("nobody", "i1", None)])
    assert 1 <= known.est <= 2.5 and not known.details["was_impossible"]
    assert unknown == Prediction("nobody", "i1", None, 2.0, {"was_impossible": True, "reason": "Nobody knows."})
    scores = cross_validate(Middle(1.0), dataset(), n_jobs=2, cv=3)
    assert len(scores["test_rmse"]) == 3


def test_epochs_are_printed(trainset: Trainset, capsys: pytest.CaptureFixture[str]) -> None:
    SVD(n_epochs=3, verbose=True).fit(trainset)
    assert capsys.readouterr().out == "Processing epoch 0\nProcessing epoch 1\nProcessing epoch 2\n"


@pytest.mark.parametrize("pre_dispatch", ["2*n_jobs", "all", None, 1, "1.5*n_jobs"])
def test_threads_change_nothing(pre_dispatch: object) -> None:
    data = dataset()
    folds = KFold(5, random_state=1)
    algo = SVD(random_state=0)
    one = cross_validate(algo, data, cv=folds, return_train_measures=True)
    assert algo.pu.shape[1] == 100, "one job fits the algorithm itself"
    fresh = SVD(random_state=0)
    several = cross_validate(fresh, data, cv=folds, return_train_measures=True, n_jobs=3, pre_dispatch=pre_dispatch)
    assert not hasattr(fresh, "pu"), "several jobs fit copies"
    for name in ("test_rmse", "test_mae", "train_rmse", "train_mae"):
        assert one[name].tobytes() == several[name].tobytes()
    assert len(several["fit_time"]) == 5 and isinstance(several["fit_time"], tuple)


def test_an_error_in_a_fold_comes_out() -> None:
    with pytest.raises(ValueError, match="lr_pu is inf"):
        cross_validate(SVD(lr_pu=float("inf")), dataset(), n_jobs=2)


def test_other_threads_run_during_a_fit(trainset: Trainset) -> None:
    algo = SVD(n_epochs=10**9, random_state=0)
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
    SVD().cancel()


def test_interrupt_ends_a_fit(trainset: Trainset) -> None:
    algo = SVD(n_epochs=10**9, random_state=0)
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        algo.fit(trainset)
    algo.n_epochs = 1
    assert np.isfinite(algo.fit(trainset).pu).all()


def test_interrupt_ends_folds_in_threads() -> None:
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        cross_validate(SVD(n_epochs=10**9), dataset(), n_jobs=2)


def test_divergence_is_told(trainset: Trainset) -> None:
    with pytest.warns(
        RuntimeWarning, match=r"SVD diverged: factors are not finite after 20 epochs\. Lower the learning"
    ):
        SVD(lr_all=5, random_state=0).fit(trainset)


def test_bad_use_is_named(trainset: Trainset) -> None:
    with pytest.raises(AttributeError, match=r"This SVD is not fitted: call fit\(trainset\) before predict"):
        SVD().predict("u1", "i1")
    with pytest.raises(AttributeError, match="This SVD is not fitted"):
        SVD().test([("u1", "i1", 3.0)])
    with pytest.raises(TypeError, match=r"fit takes a Trainset; received DatasetAutoFolds\. Make one with"):
        SVD().fit(dataset())
    empty = dataset(0).build_full_trainset()
    with pytest.raises(ValueError, match="The trainset holds no ratings"):
        SVD().fit(empty)
    data = dataset(3)
    data.raw_ratings[1] = ("u1", "i1", float("nan"), None)
    with pytest.raises(
        ValueError, match=r"the rating of user 1 for item 1 \(inner ids\) is NaN; ratings must be finite"
    ):
        SVD().fit(data.build_full_trainset())
    with pytest.raises(ValueError, match="negative dimensions"):
        SVD(n_factors=-1).fit(trainset)
    with pytest.raises(TypeError):
        SVD(n_epochs=1.5).fit(trainset)
    with pytest.raises(ValueError, match="Wrong random state"):
        SVD(random_state="seed").fit(trainset)
    with pytest.raises(AttributeError, match="'SVD' object has no attribute 'nothing'"):
        _ = SVD().nothing
    with pytest.raises(TypeError, match="AlgoBase takes sim_options and bsl_options; received k"):
        AlgoBase(k=3)
    with pytest.raises(NotImplementedError, match=r"AlgoBase defines no estimate\(u, i\)"):
        AlgoBase().fit(trainset).predict("u1", "i1")


def test_bad_cross_validation_is_named() -> None:
    data = dataset(50)
    with pytest.raises(ValueError, match=r"Unknown measure 'accuracy'\. Accepted values are rmse, mse, mae, fcp"):
        cross_validate(SVD(), data, measures=["accuracy"])
    with pytest.raises(ValueError, match="measures='rmse': expected a list of names"):
        cross_validate(SVD(), data, measures="rmse")
    with pytest.raises(ValueError, match="Wrong CV object"):
        cross_validate(SVD(), data, cv="five")
    with pytest.raises(ValueError, match=r"Incorrect value for n_splits=51\. Must be >=2"):
        cross_validate(SVD(), data, cv=51)
    with pytest.raises(ValueError, match="n_jobs=0 has no meaning"):
        cross_validate(SVD(), data, n_jobs=0)
    with pytest.raises(ValueError, match="pre_dispatch='many': expected a number"):
        cross_validate(SVD(), data, pre_dispatch="many")
    with pytest.raises(ValueError, match="test_size and train_size are both None"):
        train_test_split(data, test_size=None)


def test_accuracy_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    predictions = [
        Prediction("a", "x", 5.0, 4.0, {}),
        Prediction("a", "y", 3.0, 3.0, {}),
        Prediction("a", "z", 1.0, 3.0, {}),
        Prediction("b", "x", 2.0, 4.0, {}),
        Prediction("b", "y", 4.0, 4.0, {}),
    ]
    assert accuracy.mse(predictions) == 9 / 5
    assert accuracy.rmse(predictions) == np.sqrt(9 / 5)
    assert accuracy.mae(predictions) == 1.0
    # a: (x, y) and (x, z) agree, (y, z) is tied and so counts against; b: one tie against.
    assert accuracy.fcp(predictions) == 2 / (2 + 1)
    assert capsys.readouterr().out == "MSE: 1.8000\nRMSE: 1.3416\nMAE:  1.0000\nFCP:  0.6667\n"
    for measure in (accuracy.rmse, accuracy.fcp):
        with pytest.raises(ValueError, match=r"user a and item w has no true rating \(r_ui is None\)"):
            measure([*predictions, Prediction("a", "w", None, 3.0, {})])
