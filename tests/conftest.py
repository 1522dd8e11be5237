"""What all tests share: live comparisons run Keras on JAX."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
