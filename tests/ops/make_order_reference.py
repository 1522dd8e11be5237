"""Records what Keras on JAX computes for `order_cases.py`, in float64: results and gradients, in order_reference.npz.

Run with Keras 3.15.1 on JAX 0.10.2: `KERAS_BACKEND=jax python tests/ops/make_order_reference.py`.
"""

import pathlib

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras.src.backend.common import dtypes  # noqa: E402
from order_cases import CASES, arguments, functional  # noqa: E402

# On JAX, Keras narrows float64 to float32 even where JAX allows it.
dtypes.BIT64_TO_BIT32_DTYPE.pop("float64", None)
keras.config.set_floatx("float64")
recorded = {}
for name, (_, call) in CASES.items():
    inputs = [jnp.asarray(array) for array in arguments(name)]
    outputs = np.asarray(call(keras.ops, *inputs))

    def number(*tensors, call=call, name=name, shape=outputs.shape):
        return jnp.sum(call(keras.ops, *tensors) * functional(name, shape))

    recorded[f"{name}/result"] = outputs
    for index, gradient in enumerate(jax.grad(number, argnums=tuple(range(len(inputs))))(*inputs)):
        recorded[f"{name}/gradient{index}"] = np.asarray(gradient)
np.savez_compressed(pathlib.Path(__file__).with_name("order_reference.npz"), **recorded)
