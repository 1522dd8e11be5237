"""Ctrl-C during fit: back within 200 ms, with a usable model and the epochs that were finished."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest

import ironhorn as keras


def long_fit(callbacks=(), on_thread=False):
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(20_000, 64)).astype("float32")
    y = generator.normal(size=(20_000, 8)).astype("float32")
    model = keras.Sequential(
        [keras.layers.Input((64,)), keras.layers.Dense(256, activation="relu"), keras.layers.Dense(8)]
    )
    model.compile("adam", "mse")
    model.fit(x[:64], y[:64], verbose=0)
    return model, x, y


def interrupt_after_an_epoch(model, x, y, **arguments):
    """Fits until two epochs are over, then sends SIGINT; returns how long it took to come back."""
    sent = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                threading.Thread(target=send, daemon=True).start()

    def send():
        time.sleep(0.15)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=100_000, verbose=0, callbacks=[Watch()], **arguments)
    return time.perf_counter() - sent[0]


@pytest.mark.parametrize("batch_size", [32, 4096])
def test_interrupt_comes_back_at_once(batch_size):
    model, x, y = long_fit()
    delays = [interrupt_after_an_epoch(model, x, y, batch_size=batch_size) for _ in range(3)]
    assert min(delays) < 0.2, delays
    history = model.history
    assert len(history.epoch) >= 2
    assert len(history.history["loss"]) == len(history.epoch)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    outputs = model.predict(x[:100], verbose=0)
    assert np.isfinite(outputs).all()
    model.fit(x[:1000], y[:1000], epochs=1, verbose=0)


def test_interrupt_leaves_optimizer_and_model_at_the_same_step():
    model, x, y = long_fit()
    interrupt_after_an_epoch(model, x, y, batch_size=32)
    steps = int(model.optimizer.iterations.numpy())
    x_small, y_small = x[:32], y[:32]
    model.train_on_batch(x_small, y_small)
    assert int(model.optimizer.iterations.numpy()) == steps + 1


def test_interrupt_in_a_callback_keeps_the_model_trainable():
    model, x, y = long_fit()

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0, callbacks=[Interrupt()])
    model.fit(x[:64], y[:64], verbose=0)


def test_interrupt_within_a_long_step_leaves_the_weights_of_the_last_whole_step():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(2048, 1024)).astype("float32")
    model = keras.Sequential([keras.layers.Input((1024,)), *(keras.layers.Dense(1024) for _ in range(8))])
    model.compile("adam", "mse")
    model.fit(x[:2], x[:2], verbose=0)
    delays = []
    for _ in range(3):
        before = [weight.copy() for weight in model.get_weights()]
        steps = int(model.optimizer.iterations.numpy())
        sent = []

        def send(sent=sent):
            time.sleep(0.1)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=send, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, x, batch_size=2048, epochs=1000, verbose=0)
        delays.append(time.perf_counter() - sent[0])
        if int(model.optimizer.iterations.numpy()) == steps:
            for old, new in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(old, new)
    assert min(delays) < 0.2, delays
