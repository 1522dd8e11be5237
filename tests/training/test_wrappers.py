"""Models as estimators of scikit-learn, and models that travel: pickle, deepcopy, joblib, spawned processes."""

import copy
import multiprocessing
import pickle
import warnings

import numpy as np
import pytest

import ironhorn as keras

sklearn = pytest.importorskip("sklearn", minversion="1.6")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
CLASS = np.array(["low", "mid", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]


def make_model(X, y, loss, activation=None, units=10):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((X.shape[1],))
    hidden = keras.layers.Dense(units, activation="relu")(inputs)
    outputs = keras.layers.Dense(y.shape[1] if y.ndim > 1 else 1, activation=activation)(hidden)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


STEADY = {"shuffle": False, "epochs": 30}
ESTIMATORS = {
    "SKLearnClassifier": {"loss": "categorical_crossentropy", "activation": "softmax"},
    "SKLearnRegressor": {"loss": "mse"},
    "SKLearnTransformer": {"loss": "mse"},
}


def estimator(name, **arguments):
    arguments = {"model_kwargs": ESTIMATORS[name], "fit_kwargs": STEADY, **arguments}
    return getattr(keras.wrappers, name)(make_model, **arguments)


@pytest.fixture(scope="module", autouse=True)
def no_workers_stay():
    yield
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_checks_of_sklearn(name):
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator(name), on_skip=None)
    assert sum(result["status"] == "passed" for result in results) >= 39


def test_grid_search_in_two_processes():
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), estimator("SKLearnClassifier"))
    settings = [{"shuffle": False, "epochs": epochs} for epochs in (1, 60)]
    search = GridSearchCV(pipeline, {"sklearnclassifier__fit_kwargs": settings}, cv=2, n_jobs=2, error_score="raise")
    search.fit(X, CLASS)
    assert search.best_params_["sklearnclassifier__fit_kwargs"]["epochs"] == 60
    assert search.best_score_ > 0.6
    assert sorted(search.classes_) == ["high", "low", "mid"]


def test_classes_probabilities_and_warm_start():
    classifier = estimator("SKLearnClassifier", warm_start=True).fit(X, CLASS)
    assert set(classifier.predict(X)) <= set(CLASS)
    np.testing.assert_allclose(classifier.predict_proba(X).sum(-1), 1, rtol=1e-5)
    model, first = classifier.model_, classifier.history_.history["loss"]
    again = classifier.fit(X, CLASS).history_.history["loss"]
    assert classifier.model_ is model
    assert again[0] < first[0]
    with pytest.raises(ValueError, match="classes must stay"):
        classifier.fit(X, np.where(CLASS == "low", "other", CLASS))
    with pytest.raises(RuntimeError, match="must be compiled"):
        keras.wrappers.SKLearnRegressor(keras.Sequential([keras.layers.Dense(1)])).fit(X, X[:, 0])


def test_a_compiled_model_is_cloned():
    model = make_model(X, X[:, :1], "mse")
    regressor = keras.wrappers.SKLearnRegressor(model, fit_kwargs={"epochs": 2}).fit(X, X[:, 0])
    assert regressor.model_ is not model
    assert int(model.optimizer.iterations) == 0
    assert regressor.epoch_ == [0, 1]
    cloned = sklearn.base.clone(regressor)
    assert cloned.fit_kwargs == {"epochs": 2}
    assert not hasattr(cloned, "model_")
    assert regressor.score(X, X[:, 0]) <= 1


def trained():
    model = make_model(X, X[:, :1], "mse")
    model.fit(X, X[:, :1], epochs=1, verbose=0)
    return model


def predict(model, x):
    return model.predict(x, verbose=0)


def test_models_travel():
    joblib = pytest.importorskip("joblib")
    model = trained()
    expected = model.predict(X, verbose=0)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(other.predict(X, verbose=0), expected)
        history = other.fit(X, X[:, :1], epochs=1, verbose=0, shuffle=False).history
        assert int(other.optimizer.iterations) == 2 * int(model.optimizer.iterations)
        assert history["loss"][0] > 0
    results = joblib.Parallel(n_jobs=2)(joblib.delayed(predict)(model, X[:5]) for _ in range(2))
    for result in results:
        np.testing.assert_array_equal(result, expected[:5])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(predict, (model, X[:5])), expected[:5])
