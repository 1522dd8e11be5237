"""`ironhorn.testing` on layers and functions of a program of its own: a package that only imports `ironhorn`."""

import pathlib
import subprocess
import sys
import textwrap

import ironhorn

LAYERS = '''
    """Layers of somebody else."""

    import ironhorn as keras
    from ironhorn import ops


    def softened(x, edge):
        return ops.sqrt(ops.square(x) + edge * edge)


    @keras.saving.register_keras_serializable("outside")
    class Gate(keras.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.supports_masking = True

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

        def call(self, inputs):
            return ops.sigmoid(inputs @ self.kernel) * softened(inputs, 0.1)[..., : self.units]

        def compute_output_shape(self, input_shape):
            return (*input_shape[:-1], self.units)


    class Around(keras.layers.Wrapper):
        def call(self, inputs):
            return self.layer(inputs) + 1.0


    class Forgetful(Gate):
        def get_config(self):
            return {"name": self.name, "units": self.units + 1}


    class Wrong(keras.layers.Layer):
        def call(self, inputs):
            return inputs

        def compute_output_shape(self, input_shape):
            return (*input_shape, 1)
'''

TESTS = """
    import numpy as np
    import pytest
    from outside.layers import Around, Forgetful, Gate, Wrong, softened

    import ironhorn as keras
    from ironhorn.testing import assert_raises_text, check_gradients, check_op, run_layer_test


    def test_layer():
        run_layer_test(
            Gate,
            {"units": 2},
            input_shape=(3, 4, 5),
            expected_output_shape=(3, 4, 2),
            expected_num_trainable_weights=1,
            supports_masking=True,
            expected_mask_shape=(3, 4),
        )


    def test_wrapper():
        options = {"layer": Gate(units=2)}
        run_layer_test(Around, options, input_shape=(3, 4), custom_objects={"Around": Around})


    def test_function():
        x = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
        check_gradients(lambda x: softened(x, 0.5), [x])
        check_op(lambda x: softened(x, 0.5), lambda x: np.sqrt(x * x + 0.25), [x])


    def test_mistakes_are_found():
        with pytest.raises(AssertionError, match="round trip|differs"):
            run_layer_test(Forgetful, {"units": 2}, input_shape=(3, 4), custom_objects={"Forgetful": Forgetful})
        with pytest.raises(AssertionError, match="symbolic shape"):
            run_layer_test(Wrong, {}, input_shape=(3, 4), custom_objects={"Wrong": Wrong})
        with pytest.raises(AssertionError, match="finite differences"):
            check_gradients(lambda x: keras.ops.stop_gradient(x) * x, [[1.0, 2.0]])
        with pytest.raises(AssertionError):
            check_op(lambda x: softened(x, 0.5), np.abs, [np.ones(3)])
        assert_raises_text(ValueError, ["units"], lambda: keras.layers.Dense(-1))
"""


def test_a_program_of_its_own(tmp_path):
    package = tmp_path / "outside"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "layers.py").write_text(textwrap.dedent(LAYERS))
    (tmp_path / "test_outside.py").write_text(textwrap.dedent(TESTS))
    source = str(pathlib.Path(ironhorn.__file__).parents[1])
    environment = {"PYTHONPATH": f"{source}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "4 passed" in done.stdout
