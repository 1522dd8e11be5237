"""`run_layer_test`: one call checks what every layer must do."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ironhorn import backend, ops, tree
from ironhorn.layers.call_spec import is_shape, map_shapes
from ironhorn.layers.core.input_layer import Input


def run_layer_test(
    layer_class: type,
    init_kwargs: dict[str, Any],
    input_shape: Any = None,
    input_dtype: Any = None,
    input_data: Any = None,
    call_kwargs: dict[str, Any] | None = None,
    expected_output_shape: Any = None,
    expected_output_dtype: Any = None,
    expected_output: Any = None,
    expected_num_trainable_weights: int | None = None,
    expected_num_non_trainable_weights: int | None = None,
    expected_num_non_trainable_variables: int | None = None,
    expected_num_seed_generators: int | None = None,
    expected_num_losses: int | None = None,
    supports_masking: bool | None = None,
    expected_mask_shape: Any = None,
    custom_objects: dict[str, Any] | None = None,
    run_training_check: bool = True,
    run_saving_check: bool = True,
    batch_none: bool = True,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> Any:
    """Checks a layer: configuration, building, symbolic, eager and traced calls, masks, saving, a training step.

    Args:
        layer_class: The layer's class.
        init_kwargs: Arguments of its constructor.
        input_shape: Shape of the input with the batch axis, or a nest of shapes; random data is made for it.
        input_dtype: Dtype of that data, or a nest of dtypes.
        input_data: The data, instead of `input_shape`.
        call_kwargs: Further arguments of each call.
        expected_output_shape: Shape that the outputs must have, or a nest of shapes.
        expected_output_dtype: Dtype that the outputs must have, or a nest of dtypes.
        expected_output: Values that the outputs must have, within tolerance.
        expected_num_trainable_weights: Number of trainable weights.
        expected_num_non_trainable_weights: Number of other weights.
        expected_num_non_trainable_variables: Number of other variables, seeds included.
        expected_num_seed_generators: Number of seed generators.
        expected_num_losses: Number of losses after a call.
        supports_masking: Whether masks must pass the layer.
        expected_mask_shape: Shape of the output's mask for an input whose first two axes are masked.
        custom_objects: Names of classes and functions in the configuration.
        run_training_check: Whether to train a model with the layer for one step, as a program and eagerly.
        run_saving_check: Whether to save and load a model with the layer.
        batch_none: Whether the batch axis may have any size.
        rtol: Relative tolerance between eager and traced results.
        atol: Absolute tolerance between eager and traced results.

    Returns:
        The layer that was called.

    Raises:
        AssertionError: If a check fails; the message says which.

    Example:
        >>> layer = ironhorn.testing.run_layer_test(
        ...     ironhorn.layers.Dense,
        ...     {"units": 2},
        ...     input_shape=(3, 4),
        ...     expected_output_shape=(3, 2),
        ...     expected_num_trainable_weights=2,
        ... )
    """
    call_kwargs = call_kwargs or {}
    if input_data is None:
        input_data = _random_data(input_shape, input_dtype)
    _check_configuration(layer_class, init_kwargs, custom_objects)

    symbolic_layer = layer_class(**init_kwargs)
    symbolic_inputs = tree.map_structure(lambda array: _symbolic(array, batch_none), input_data)
    symbolic_outputs = symbolic_layer(symbolic_inputs, **call_kwargs)
    assert symbolic_layer.built, "The layer is not built after a symbolic call."
    _check_counts(
        symbolic_layer,
        trainable_weights=expected_num_trainable_weights,
        non_trainable_weights=expected_num_non_trainable_weights,
        non_trainable_variables=expected_num_non_trainable_variables,
        _seed_generators=expected_num_seed_generators,
    )

    layer = layer_class(**init_kwargs)
    inputs = tree.map_structure(ops.convert_to_tensor, input_data)
    outputs = layer(inputs, **call_kwargs)
    assert layer.built, "The layer is not built after an eager call."
    _check_counts(layer, losses=expected_num_losses)
    _check_shapes(outputs, symbolic_outputs, expected_output_shape, expected_output_dtype)
    if expected_output is not None:
        tree.map_structure(
            lambda have, want: np.testing.assert_allclose(have, want, rtol=rtol, atol=atol),
            tree.map_structure(ops.convert_to_numpy, outputs),
            tree.map_structure(np.asarray, expected_output),
        )
    _check_masking(layer, inputs, supports_masking, expected_mask_shape)
    _check_traced(layer, input_data, call_kwargs, batch_none, rtol, atol)
    if run_saving_check:
        _check_saving(layer_class, init_kwargs, input_data, call_kwargs, custom_objects)
    if run_training_check:
        _check_training(layer_class(**init_kwargs), input_data, call_kwargs, custom_objects, rtol, atol)
    return layer


def _random_data(shapes: Any, dtypes: Any) -> Any:
    generator = np.random.default_rng(0)

    def make(shape: tuple[int, ...], dtype: str) -> np.ndarray:
        if "int" in dtype:
            return generator.integers(0, 2, shape).astype(dtype)
        if dtype == "bool":
            return generator.integers(0, 2, shape).astype(bool)
        return generator.standard_normal(shape).astype(dtype)

    if is_shape(shapes):
        return make(tuple(shapes), backend.standardize_dtype(dtypes) if dtypes else backend.floatx())
    if isinstance(shapes, dict):
        return {key: _random_data(shape, dtypes.get(key) if dtypes else None) for key, shape in shapes.items()}
    given = dtypes or [None] * len(shapes)
    made = [_random_data(shape, dtype) for shape, dtype in zip(shapes, given, strict=True)]
    return tuple(made) if isinstance(shapes, tuple) else made


def _symbolic(array: Any, batch_none: bool) -> Any:
    array = np.asarray(array)
    shape = (None, *array.shape[1:]) if batch_none else array.shape
    return backend.KerasTensor(shape, dtype=backend.standardize_dtype(array.dtype))


def _check_configuration(layer_class: Any, init_kwargs: dict[str, Any], custom_objects: Any) -> None:
    from ironhorn.saving import registry

    layer = layer_class(**init_kwargs)
    config = layer.get_config()
    text = json.dumps(registry.serialize_keras_object(layer), sort_keys=True)
    again = layer_class.from_config(config)
    assert again.get_config() == config, f"from_config(get_config()) differs: {again.get_config()} and {config}."
    revived = registry.deserialize_keras_object(json.loads(text), custom_objects=custom_objects)
    assert type(revived) is layer_class, f"Deserializing made a {type(revived).__name__}."
    revived_text = json.dumps(registry.serialize_keras_object(revived), sort_keys=True)
    assert revived_text == text, f"The configuration changes on a round trip: {revived_text} and {text}."


def _check_counts(layer: Any, **expected: int | None) -> None:
    for name, count in expected.items():
        if count is None:
            continue
        if name == "_seed_generators":
            have = [generator for inner in layer._flatten_layers() for generator in inner._seed_generators]
        else:
            have = getattr(layer, name)
        assert len(have) == count, f"The layer has {len(have)} {name.strip('_')}, expected {count}: {have}."


def _check_shapes(outputs: Any, symbolic: Any, expected_shape: Any, expected_dtype: Any) -> None:
    flat, flat_symbolic = tree.flatten(outputs), tree.flatten(symbolic)
    assert len(flat) == len(flat_symbolic), f"{len(flat)} eager and {len(flat_symbolic)} symbolic outputs."
    for eager, spec in zip(flat, flat_symbolic, strict=True):
        assert len(eager.shape) == len(spec.shape), f"Eager shape {eager.shape}, symbolic shape {spec.shape}."
        agree = all(
            want is None or have == want for have, want in zip(tuple(eager.shape), tuple(spec.shape), strict=True)
        )
        assert agree, f"Eager shape {eager.shape}, symbolic shape {spec.shape}."
        assert eager.dtype == spec.dtype, f"Eager dtype {eager.dtype}, symbolic dtype {spec.dtype}."
    if expected_shape is not None:
        wanted: list[tuple[int | None, ...]] = []
        map_shapes(wanted.append, expected_shape)
        have = [tuple(eager.shape) for eager in flat]
        assert have == wanted, f"The outputs have the shapes {have}, expected {wanted}."
    if expected_dtype is not None:
        dtypes = [eager.dtype for eager in flat]
        assert dtypes == tree.flatten(expected_dtype), (
            f"The outputs have the dtypes {dtypes}, expected {expected_dtype}."
        )


def _check_masking(layer: Any, inputs: Any, supports_masking: bool | None, expected_mask_shape: Any) -> None:
    if supports_masking is not None:
        assert layer.supports_masking == supports_masking, f"supports_masking is {layer.supports_masking}."
    if expected_mask_shape is None:
        return
    masked = tree.map_structure(_with_mask, inputs)
    mask = backend.get_keras_mask(tree.flatten(layer(masked))[0])
    assert mask is not None, "The mask of the input is lost."
    assert tuple(mask.shape) == tuple(expected_mask_shape), f"The mask has shape {tuple(mask.shape)}."


def _with_mask(value: Any) -> Any:
    value = ops.convert_to_tensor(value)
    backend.set_keras_mask(value, ops.ones(tuple(value.shape)[:2], dtype="bool"))
    return value


def _check_traced(
    layer: Any, data: Any, call_kwargs: dict[str, Any], batch_none: bool, rtol: float, atol: float
) -> None:
    from ironhorn.backend.tracing import CompiledFunction

    if call_kwargs.get("training"):
        return  # Random numbers and moving statistics differ from call to call.
    compiled = CompiledFunction(lambda inputs: layer(inputs, **call_kwargs), name=f"test_{layer.name}")
    batches = [data]
    if batch_none:
        batches.append(tree.map_structure(lambda array: np.asarray(array)[:1], data))
    for batch in batches:
        eager = layer(tree.map_structure(ops.convert_to_tensor, batch), **call_kwargs)
        for have, want in zip(tree.flatten(compiled(batch)), tree.flatten(eager), strict=True):
            np.testing.assert_allclose(
                ops.convert_to_numpy(have),
                ops.convert_to_numpy(want),
                rtol=rtol,
                atol=atol,
                err_msg="Traced and eager differ.",
            )
    assert compiled.trace_count == 1, f"The layer was traced {compiled.trace_count} times for two batch sizes."


def _model_around(layer: Any, data: Any, call_kwargs: dict[str, Any]) -> Any:
    from ironhorn.models import Model

    inputs = tree.map_structure(
        lambda array: Input(batch_shape=(None, *np.shape(array)[1:]), dtype=backend.standardize_dtype(array.dtype)),
        data,
    )
    return Model(inputs, layer(inputs, **call_kwargs))


def _check_saving(
    layer_class: Any, init_kwargs: dict[str, Any], data: Any, call_kwargs: dict[str, Any], custom_objects: Any
) -> None:
    from ironhorn import saving

    if any(np.ndim(array) == 0 for array in tree.flatten(data)):
        return
    model = _model_around(layer_class(**init_kwargs), data, call_kwargs)
    before = model(data)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        again = saving.load_model(path, custom_objects=custom_objects)
    for have, want in zip(tree.flatten(again(data)), tree.flatten(before), strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(have), ops.convert_to_numpy(want), err_msg="A loaded model computes something else."
        )


def _check_training(
    layer: Any, data: Any, call_kwargs: dict[str, Any], custom_objects: Any, rtol: float, atol: float
) -> None:
    """One step as a program and one step eagerly: both change the weights, and agree."""
    from ironhorn.saving import registry

    kwargs = {name: value for name, value in call_kwargs.items() if name != "training"}
    # By its configuration, so that layers among the arguments are not shared.
    again = registry.deserialize_keras_object(registry.serialize_keras_object(layer), custom_objects=custom_objects)
    traced = _model_around(layer, data, kwargs)
    eager = _model_around(again, data, kwargs)
    # The call comes first, as it may draw random numbers.
    outputs = tree.map_structure(lambda value: np.zeros(tuple(value.shape), "float32"), traced(data))
    for source, target in zip(traced.variables, eager.variables, strict=True):
        target.assign(source)
    before = traced.get_weights()
    losses = []
    for model in (traced, eager):
        model.compile(optimizer="sgd", loss=tree.map_structure(lambda _: "mse", outputs), run_eagerly=model is eager)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have any trainable weights")
            losses.append(model.train_on_batch(data, outputs))
    assert np.all(np.isfinite(losses[0])), f"The loss of a training step is {losses[0]}."
    np.testing.assert_allclose(losses[0], losses[1], rtol=rtol, atol=atol, err_msg="Traced and eager losses differ.")
    for have, want in zip(traced.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(have, want, rtol=rtol, atol=atol, err_msg="Traced and eager training differ.")
    if traced.trainable_weights:
        changed = [not np.array_equal(old, new) for old, new in zip(before, traced.get_weights(), strict=True)]
        assert any(changed), "A training step changed no weight."


def assert_raises_text(error: type[BaseException], texts: list[str], function: Callable[[], Any]) -> None:
    """Checks that a call fails with a message that holds some texts.

    Args:
        error: Class of the error.
        texts: What the message must hold.
        function: What to call.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function()
    except error as caught:
        message = str(caught)
        missing = [text for text in texts if text not in message]
        assert not missing, f"The message lacks {missing}: {message}"
        return
    raise AssertionError(f"No {error.__name__} was raised.")
