"""What `fit`, `evaluate` and `predict` take as data: frames, sparse matrices, workers, loaders, unequal sequences."""

import multiprocessing
import threading
import time
import warnings

import numpy as np
import pytest

import ironhorn as keras

# JAX, which live comparisons import into the same process, warns of every fork.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)).astype("float32")
Y = (X @ RNG.normal(size=(5, 1))).astype("float32")


def regression(inputs=5, **arguments):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", **arguments)
    return model


def losses(x, y=None, **arguments):
    model = regression()
    return model.fit(x, y, verbose=0, **{"epochs": 2, "shuffle": False, **arguments}).history["loss"]


def at_work():
    return threading.active_count(), len(multiprocessing.active_children())


class Batches(keras.utils.PyDataset):
    def __init__(self, fail_at=None, **arguments):
        super().__init__(**arguments)
        self.fail_at = fail_at

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == self.fail_at:
            raise ValueError(f"batch {index} is torn")
        time.sleep(0.002 * (3 - index))
        return X[index * 10 : index * 10 + 10], Y[index * 10 : index * 10 + 10]


EXPECTED = losses(X, Y, batch_size=10)


@pytest.mark.parametrize("workers", [{"workers": 3, "max_queue_size": 2}, {"workers": 2, "use_multiprocessing": True}])
def test_workers_keep_the_order_and_end_with_fit(workers):
    before = at_work()
    np.testing.assert_allclose(losses(Batches(**workers)), EXPECTED, rtol=1e-6)
    assert at_work() == before
    np.testing.assert_allclose(losses(Batches(**workers), steps_per_epoch=2, epochs=4)[:1], EXPECTED[:1], rtol=0.5)
    assert at_work() == before


@pytest.mark.parametrize("workers", [{}, {"workers": 2}, {"workers": 1, "use_multiprocessing": True}])
def test_an_error_of_a_worker_arrives_with_its_text(workers):
    before = at_work()
    with pytest.raises(ValueError, match="batch 2 is torn"):
        losses(Batches(fail_at=2, **workers))
    assert at_work() == before


def test_sparse_matrices_become_dense_batch_by_batch(monkeypatch):
    sparse = pytest.importorskip("scipy.sparse")
    x = sparse.random(40, 5, density=0.4, format="coo", random_state=1, dtype="float64")
    dense = x.toarray().astype("float32")
    sizes = []
    original = sparse.csr_matrix.toarray

    def toarray(self, *arguments, **options):
        sizes.append(self.shape[0])
        return original(self, *arguments, **options)

    monkeypatch.setattr(sparse.csr_matrix, "toarray", toarray)
    arguments = {"batch_size": 16, "validation_split": 0.25, "class_weight": None}
    np.testing.assert_allclose(losses(x, Y, **arguments), losses(dense, Y, **arguments), rtol=1e-6)
    model = regression()
    np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(dense, verbose=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.evaluate(x, Y, verbose=0), model.evaluate(dense, Y, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(
        model.train_on_batch(x.tocsr()[:8], Y[:8]), model.test_on_batch(dense[:8], Y[:8]), rtol=9
    )
    assert max(sizes) <= 32
    assert len(losses(sparse.csr_array(x), Y, shuffle=True)) == 2
    with pytest.raises(ValueError, match="same number of samples"):
        losses(x, Y[:7])


def test_frames_of_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    np.testing.assert_allclose(losses(frame, pandas.Series(Y[:, 0]), batch_size=10), EXPECTED, rtol=1e-6)
    columns = {name: keras.Input((1,), name=name) for name in "abcde"}
    model = keras.Model(columns, keras.layers.Dense(1)(keras.layers.Concatenate()(list(columns.values()))))
    model.compile("sgd", "mse")
    assert len(model.fit(dict(frame), Y, verbose=0).history["loss"]) == 1


def test_frames_of_polars_are_known_by_their_module():
    class Frame:
        def __init__(self, values):
            self.values = values
            self.shape = values.shape

        def to_numpy(self):
            return self.values

    Frame.__module__ = "polars.dataframe.frame"
    np.testing.assert_allclose(losses(Frame(X), Frame(Y[:, 0]), batch_size=10), EXPECTED, rtol=1e-6)


class Tensor:
    """An array as other libraries have them."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


def batches():
    return [(Tensor(X[i : i + 10]), Tensor(Y[i : i + 10])) for i in range(0, 40, 10)]


def test_loaders_of_torch_are_taken_and_data_sets_refused():
    class DataLoader:
        def __iter__(self):
            return iter([list(batch) for batch in batches()])

        def __len__(self):
            return 4

    class Dataset:
        def __getitem__(self, index):
            return X[index], Y[index]

        def __len__(self):
            return 40

    for kind in (DataLoader, Dataset):
        kind.__module__ = "torch.utils.data.dataloader"
    np.testing.assert_allclose(losses(DataLoader()), EXPECTED, rtol=1e-6)
    with pytest.raises(ValueError, match="DataLoader"):
        losses(Dataset())


def test_data_sets_of_tensorflow_are_iterated():
    class Dataset:
        def __iter__(self):
            return iter(batches())

        def __len__(self):
            raise TypeError("The dataset length is unknown.")

    np.testing.assert_allclose(losses(Dataset()), EXPECTED, rtol=1e-6)
    with pytest.raises(ValueError, match="`y` should not be passed"):
        losses(Dataset(), Y)


@pytest.mark.peer
def test_data_sets_of_tensorflow():
    tensorflow = pytest.importorskip("tensorflow")
    data = tensorflow.data.Dataset.from_tensor_slices((X, Y)).batch(10)
    np.testing.assert_allclose(losses(data), EXPECTED, rtol=1e-6)
    repeated = losses(data.repeat(), steps_per_epoch=4)
    np.testing.assert_allclose(repeated, EXPECTED, rtol=1e-6)


def test_sequences_of_unequal_lengths():
    sequences = [list(RNG.integers(1, 9, length)) for length in RNG.integers(1, 30, 50)]
    labels = np.array([sum(sequence) % 2 for sequence in sequences])
    data = keras.utils.bucket_sequences(sequences, labels, batch_size=8, seed=3)
    seen = []
    for x, y in (data[index] for index in range(len(data))):
        lengths = (x != 0).sum(1)
        assert x.shape[1] % 8 == 0
        assert x.shape[1] - lengths.max() < 8
        seen += [(tuple(row[row != 0]), label) for row, label in zip(x.tolist() and x, y, strict=True)]
    assert sorted(seen) == sorted(zip(map(tuple, sequences), labels, strict=True))
    widths = [data[index][0].shape[1] for index in range(len(data))]
    assert len(set(widths)) > 2
    assert widths != sorted(widths)
    model = keras.Sequential([keras.Input((None,)), keras.layers.Embedding(9, 4, mask_zero=True), keras.layers.GRU(3)])
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "bce", metrics=["accuracy"])
    assert len(model.fit(data, epochs=2, verbose=0).history["loss"]) == 2
    tagged = keras.utils.bucket_sequences(sequences, sequences, maxlen=5, batch_size=4, shuffle=False)
    x, y = tagged[len(tagged) - 1]
    assert x.shape == y.shape == (2, 5)
    with pytest.raises(ValueError, match="50 sequences, but `targets` has 3"):
        keras.utils.bucket_sequences(sequences, labels[:3])
    with pytest.raises(ValueError, match="pad lists of different lengths"):
        regression().fit(np.array([np.ones(2), np.ones(3)], dtype=object), Y[:2], verbose=0)


def test_validation_restarts_with_every_epoch():
    model = regression()
    seen = []

    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            seen.append(index)
            return X[:10], Y[:10]

    model.fit(X, Y, epochs=3, validation_data=Rows(), validation_steps=2, verbose=0)
    assert seen[-2:] == [0, 1]


def test_a_generator_that_ends_warns_once_its_steps_are_missing():
    with pytest.warns(UserWarning, match="Your input ran out of data after 2 steps of an epoch that expected 3"):
        losses(((X[:8], Y[:8]) for _ in range(2)), steps_per_epoch=3, epochs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses(((X[:8], Y[:8]) for _ in range(2)), epochs=1)


def test_class_weights_of_every_step():
    x, y = RNG.normal(size=(6, 4, 2)), RNG.integers(0, 3, (6, 4))
    results = []
    weight = {0: 1.0, 1: 5.0}
    for arguments in ({"class_weight": weight}, {"sample_weight": np.vectorize(lambda c: weight.get(c, 1.0))(y)}):
        keras.utils.set_random_seed(2)
        model = keras.Sequential([keras.Input((4, 2)), keras.layers.Dense(3, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy")
        results.append(model.fit(x, np.eye(3)[y], verbose=0, **arguments).history["loss"])
    np.testing.assert_allclose(*results, rtol=1e-6)
