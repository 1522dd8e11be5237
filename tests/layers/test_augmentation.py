"""Layers that augment images: known transformations against Keras' numbers, random ones by their statistics."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import ironhorn
from ironhorn import backend, layers, models, ops
from ironhorn.backend import CompiledFunction
from ironhorn.errors import ShapeError, UnsupportedError
from ironhorn.testing import assert_raises_text, run_layer_test
from layers.augmentation_cases import CASES, FILE, LABELS, Case

TOLERANCE = {"float64": 1e-10, "float32": 2e-5}


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    with np.load(FILE) as stored:
        return dict(stored)


@pytest.fixture
def floatx(request: pytest.FixtureRequest) -> Any:
    before = backend.floatx()
    backend.set_floatx(request.param)
    yield request.param
    backend.set_floatx(before)


def with_drawn(drawn: Any, recorded: dict[str, np.ndarray], name: str) -> Any:
    """A transformation of the structure of `drawn` with the tensors that Keras drew."""
    if drawn is None:
        return None
    if isinstance(drawn, dict):
        return {key: with_drawn(value, recorded, f"{name}/{key}") for key, value in drawn.items()}
    if isinstance(drawn, tuple):
        return tuple(with_drawn(value, recorded, f"{name}/{key}") for key, value in enumerate(drawn))
    value = recorded[name if name in recorded else f"{name}/"]
    return int(value) if isinstance(drawn, int) else ops.convert_to_tensor(value.astype(np.asarray(drawn).dtype))


@pytest.mark.parametrize("floatx", ["float64", "float32"], indirect=True)
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_known_transformations(case: Case, floatx: str, recorded: dict[str, np.ndarray]) -> None:
    layer = case.make(ironhorn)
    images = ops.convert_to_tensor(case.images().astype(floatx))
    drawn = layer.get_random_transformation(images, training=True)
    known = with_drawn(drawn, recorded, f"{case.id}/drawn")
    outputs = np.asarray(layer.transform_images(images, known, training=True))
    wanted = recorded[f"{case.id}/images"]
    tolerance = TOLERANCE["float32" if case.narrow else floatx]
    assert outputs.dtype == floatx
    np.testing.assert_allclose(outputs, wanted, rtol=tolerance, atol=tolerance * case.top)
    if case.labels:
        labels = np.asarray(layer.transform_labels(ops.convert_to_tensor(LABELS.astype(floatx)), known))
        np.testing.assert_allclose(labels, recorded[f"{case.id}/labels"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_configurations(case: Case, recorded: dict[str, np.ndarray]) -> None:
    layer = case.make(ironhorn)
    config = json.loads(json.dumps(layer.get_config()))
    config.pop("name")
    theirs = json.loads(str(recorded[f"{case.id}/config"]))
    if case.layer == "RandomCrop" and theirs["seed"] != config["seed"]:
        config.pop("seed"), theirs.pop("seed")
    assert config == theirs
    again = type(layer).from_config(layer.get_config())
    assert json.dumps(again.get_config()) == json.dumps(layer.get_config())


#: Arguments of one layer of each class, all for pixels from 0 to 1.
UNIT = {"value_range": (0, 1)}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.2, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.2},
    "RandomCrop": {"height": 4, "width": 3},
    "RandomContrast": {"factor": 0.5, **UNIT},
    "RandomBrightness": {"factor": 0.2, **UNIT},
    "RandomHue": {"factor": 0.2, **UNIT},
    "RandomSaturation": {"factor": 0.3, **UNIT},
    "RandomSharpness": {"factor": 0.9, **UNIT},
    "RandomGrayscale": {},
    "RandomInvert": {"factor": 0.5, **UNIT},
    "RandomPosterization": {"factor": 4, **UNIT},
    "Solarization": {"addition_factor": 0.1, "threshold_factor": 0.5, **UNIT},
    "Equalization": UNIT,
    "AutoContrast": UNIT,
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 2), **UNIT},
    "RandomColorJitter": {
        "brightness_factor": 0.1,
        "contrast_factor": 0.1,
        "saturation_factor": 0.5,
        "hue_factor": 0.1,
        **UNIT,
    },
    "RandomColorDegeneration": {"factor": 0.5, **UNIT},
    "RandomErasing": UNIT,
    "RandomShear": {"x_factor": 0.2, "y_factor": 0.1},
    "RandomPerspective": {"scale": 0.4},
    "RandomGaussianBlur": UNIT,
    "RandomElasticTransform": UNIT,
    "RandAugment": UNIT,
    "AugMix": UNIT,
    "MixUp": {},
    "CutMix": {},
}
CLAHE = "ContrastLimitedAdaptiveHistogramEqualization"
WITHOUT_SEED = ("Equalization", "AutoContrast", CLAHE)
IMAGES = np.random.default_rng(0).uniform(0, 1, (4, 8, 6, 3)).astype("float32")

each_layer = pytest.mark.parametrize("name", sorted(ARGUMENTS))


def make(name: str, **more: Any) -> Any:
    seed = {} if name in WITHOUT_SEED else {"seed": 3}
    return getattr(layers, name)(**{**ARGUMENTS[name], **seed, **more})


def in_format(images: np.ndarray, data_format: str) -> np.ndarray:
    return images if data_format == "channels_last" else np.moveaxis(images, -1, -3)


@each_layer
def test_layer(name: str) -> None:
    seed = {} if name in WITHOUT_SEED else {"seed": 3}
    run_layer_test(
        getattr(layers, name),
        {**ARGUMENTS[name], **seed},
        input_data=IMAGES,
        expected_output_shape=(4, 4, 3, 3) if name == "RandomCrop" else (4, 8, 6, 3),
        expected_num_trainable_weights=0,
        call_kwargs={"training": False},
        supports_masking=False,
    )


@each_layer
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_training(name: str, data_format: str) -> None:
    images = in_format(IMAGES, data_format)
    outputs = make(name, data_format=data_format)(images, training=True)
    assert outputs.dtype == "float32"
    array = np.asarray(outputs)
    assert array.shape == in_format(np.zeros((4, 4, 3, 3) if name == "RandomCrop" else IMAGES.shape), data_format).shape
    assert np.isfinite(array).all() and array.min() >= -1e-6 and array.max() <= 1 + 1e-6
    # The same seed gives the same bits, and a layer goes on to other numbers.
    layer = make(name, data_format=data_format)
    assert np.array_equal(layer(images), array)
    if name not in WITHOUT_SEED:
        assert any(not np.array_equal(layer(images), array) for _ in range(8))
    # As part of a program, with lengths that are not known where a layer allows it, the same seed gives the same.
    fixed = {"RandomCrop", "RandomElasticTransform", CLAHE}
    spatial = {1, 2} if data_format == "channels_last" else {2, 3}
    traced = make(name, data_format=data_format)
    program = CompiledFunction(
        lambda batch: traced(batch, training=True),
        name=name,
        dynamic_axes=lambda leaf, rank: {0} if name in fixed else {0, *spatial},
    )
    np.testing.assert_allclose(program(ops.convert_to_tensor(images)), array, rtol=1e-5, atol=1e-6)


@each_layer
def test_inference_and_single_images(name: str) -> None:
    layer = make(name)
    still = np.asarray(layer(IMAGES, training=False))
    if name == "RandomCrop":
        assert still.shape == (4, 4, 3, 3)
    elif name not in ("AutoContrast", CLAHE):
        assert np.array_equal(still, IMAGES)
    single = layer(IMAGES[0], training=True)
    assert single.shape == ((4, 3, 3) if name == "RandomCrop" else (8, 6, 3))
    assert layer.compute_output_shape((None, 8, 6, 3)) == (None, *single.shape)


@each_layer
def test_dictionaries(name: str) -> None:
    data = {"images": IMAGES, "labels": np.eye(4, dtype="float32"), "names": np.arange(4)}
    outputs = make(name)(data, training=True)
    np.testing.assert_array_equal(outputs["images"], make(name)(IMAGES, training=True))
    np.testing.assert_array_equal(outputs["names"], np.arange(4))
    if name in ("MixUp", "CutMix"):
        np.testing.assert_allclose(np.sum(outputs["labels"], axis=1), 1.0, rtol=1e-6)
    else:
        np.testing.assert_array_equal(outputs["labels"], np.eye(4))
    for key in ("bounding_boxes", "segmentation_masks"):
        assert_raises_text(UnsupportedError, [name, key], lambda k=key: make(name)({**data, k: IMAGES}))


def test_training_reaches_the_layers_of_a_model() -> None:
    inputs = layers.Input((8, 6, 3))
    x = layers.RandomFlip(seed=1)(inputs)
    for part in ("RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandAugment"):
        x = make(part)(x)
    outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    model = models.Model(inputs, outputs)
    model.compile("sgd", "mse")
    labels = np.zeros((4, 2), "float32")
    first = model.predict(IMAGES, verbose=0)
    assert np.array_equal(model.predict(IMAGES, verbose=0), first)
    weights = model.get_weights()
    losses = model.fit(IMAGES, labels, epochs=3, batch_size=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    model.set_weights(weights)
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), first, rtol=1e-6)


def test_program_of_dictionaries() -> None:
    inputs = {"images": layers.Input((8, 6, 3), name="images"), "labels": layers.Input((4,), name="labels")}
    outputs = layers.Pipeline([layers.RandomFlip(seed=1), layers.MixUp(seed=2)])(inputs)
    model = models.Model(inputs, outputs)
    data = {"images": IMAGES, "labels": np.eye(4, dtype="float32")}
    same = model.predict(data, verbose=0)
    np.testing.assert_array_equal(same["images"], IMAGES)
    mixed = model(data, training=True)
    assert mixed["images"].shape == IMAGES.shape and mixed["labels"].shape == (4, 4)


@pytest.mark.parametrize("name", ["RandomFlip", "RandomGrayscale", "RandomInvert"])
def test_every_other_image_is_changed(name: str) -> None:
    images = np.tile(IMAGES[:1], (2000, 1, 1, 1))
    arguments = {"RandomInvert": {"factor": (0.5, 0.5), "value_range": (0, 1)}}.get(name, {})
    outputs = np.asarray(getattr(layers, name)(seed=5, **arguments)(images, training=True))
    changed = (outputs != images).any(axis=(1, 2, 3))
    assert abs(changed.mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    ("layer", "entry", "low", "high"),
    [
        (lambda: layers.RandomRotation(0.25, seed=1), "angle", -90, 90),
        (lambda: layers.RandomTranslation((0.1, 0.5), (0.1, 0.5), seed=1), "translations", 1, 5),
        (lambda: layers.RandomZoom(0.3, seed=1), "height_zoom", 0.7, 1.3),
        (lambda: layers.RandomContrast(0.3, seed=1), "contrast_factor", 1.0, 1.3),
        (lambda: layers.RandomContrast((0.2, 0.4), seed=1), "contrast_factor", 0.8, 1.4),
        (lambda: layers.RandomBrightness(0.2, seed=1), "rgb_delta", -51, 51),
        (lambda: layers.RandomHue(0.5, seed=1), "factor", -0.25, 0.25),
        (lambda: layers.RandomSharpness(0.8, seed=1), "factor", 0, 0.8),
        (lambda: layers.RandomColorDegeneration(0.5, seed=1), "factor", -0.5, 0.5),
        (lambda: layers.RandomShear(0.3, 0.3, seed=1), "shear_factor", -0.3, 0.3),
        (lambda: layers.Solarization(0.5, 0.5, seed=1), "thresholds", 0, 127.5),
        (lambda: layers.RandomGaussianBlur(seed=1), "should_apply_blur", 0, 1),
    ],
)
def test_what_is_drawn_fills_its_range(layer: Any, entry: str, low: float, high: float) -> None:
    drawn = layer().get_random_transformation(np.zeros((3000, 10, 10, 3), "float32"))[entry]
    values = np.asarray(drawn).astype("float64")
    assert len(np.asarray(drawn)) == 3000, "a number for each image"
    assert low <= values.min() <= low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) <= values.max() <= high
    assert abs(values.mean() - (low + high) / 2) < 0.03 * (high - low)


def test_posterization_and_erasing_statistics() -> None:
    images = np.zeros((3000, 4, 4, 1), "float32")
    bits = 8 - np.asarray(layers.RandomPosterization((2, 5), seed=1).get_random_transformation(images)["shift_factor"])
    assert set(bits.tolist()) == {2, 3, 4}
    large = np.zeros((400, 64, 32, 1), "float32")
    masks = layers.RandomErasing(scale=(0.25, 0.25), seed=1).get_random_transformation(large)["batch_masks"]
    assert abs(np.asarray(masks).mean() - 0.25) < 0.01
    assert np.asarray(masks).any(axis=(1, 2, 3)).all()


def test_mixtures_statistics() -> None:
    layer = layers.AugMix(seed=4)
    seen, shares = set(), []
    for _ in range(40):
        drawn = layer.get_random_transformation(IMAGES)
        seen |= set(np.asarray(drawn["layer_idxes"]).ravel().tolist())
        shares.append(np.asarray(drawn["chain_mixing_weights"]))
    assert seen == set(range(12))
    np.testing.assert_allclose(np.sum(shares, axis=1), 1.0, rtol=1e-5)
    augment = layers.RandAugment(seed=4)
    chosen = {int(i) for _ in range(60) for i in np.asarray(augment.get_random_transformation(IMAGES)["layer_idxes"])}
    assert chosen == set(range(11))


def test_aug_mix_is_the_mixture_of_its_chains() -> None:
    layer = layers.AugMix(num_chains=2, chain_depth=2, seed=9, **UNIT)
    drawn = layer.get_random_transformation(IMAGES)
    left_out = {**drawn, "layer_idxes": np.full((2, 2), 11)}
    np.testing.assert_allclose(layer.transform_images(IMAGES, left_out), IMAGES, rtol=1e-5)
    contrast = {**left_out, "layer_idxes": np.array([[5, 11], [11, 11]]), "weight_sample": np.float32(0.25)}
    first = float(drawn["chain_mixing_weights"][0])
    stretched = np.asarray(layers.AutoContrast((0, 1))(IMAGES))
    mixed = 0.25 * IMAGES + 0.75 * (first * stretched + (1 - first) * IMAGES)
    np.testing.assert_allclose(layer.transform_images(IMAGES, contrast), mixed, rtol=1e-4, atol=1e-5)


def test_elastic_transform_bends_but_keeps_values() -> None:
    images = np.tile(np.linspace(0, 1, 32, dtype="float32")[:, None, None], (8, 1, 32, 1))
    layer = layers.RandomElasticTransform(factor=(0.5, 0.5), scale=(0.5, 1.0), value_range=(0, 1), seed=2)
    outputs = np.asarray(layer(images, training=True))
    bent = (outputs != images).any(axis=(1, 2, 3))
    assert 0 < bent.sum() < 8
    assert 0 < np.abs(outputs - images).max() < 0.5
    assert np.array_equal(layers.RandomElasticTransform(scale=0.0)(images), images)


def test_crop_takes_the_middle_where_it_does_not_train() -> None:
    images = np.arange(2 * 6 * 8, dtype="float32").reshape(2, 6, 8, 1)
    np.testing.assert_array_equal(layers.RandomCrop(6, 4)(images, training=False), images[:, :, 2:6])
    layer = layers.RandomCrop(3, 4, seed=1)
    corners = {float(np.asarray(layer(images, training=True))[0, 0, 0, 0]) for _ in range(200)}
    assert corners == {float(8 * row + column) for row in range(4) for column in range(5)}


def test_integers_and_half_precision() -> None:
    whole = (IMAGES * 255).astype("uint8")
    assert layers.RandomBrightness(0.1)(whole, training=True).dtype == "float32"
    assert layers.RandomBrightness(0.1)(whole, training=False).dtype == "float32"
    assert layers.RandomGrayscale(1.0)(whole, training=True).dtype == "uint8"
    for name in ("RandomRotation", "RandomHue", "RandomSharpness", "Equalization", "CutMix", "RandAugment"):
        assert make(name, dtype="float16")(IMAGES, training=True).dtype == "float16"


def test_bounding_boxes_of_one_number() -> None:
    data = {
        "images": IMAGES,
        "bounding_boxes": {"boxes": np.ones((4, 2, 4), "float32"), "labels": np.ones((4, 2), "int32")},
    }
    layer = layers.MaxNumBoundingBoxes(3, bounding_box_format="xyxy")
    outputs = layer(data)["bounding_boxes"]
    np.testing.assert_array_equal(outputs["labels"], [[1, 1, -1]] * 4)
    np.testing.assert_array_equal(outputs["boxes"][:, 2], -np.ones((4, 4)))
    cut = layers.MaxNumBoundingBoxes(1, bounding_box_format="xyxy")(data)["bounding_boxes"]
    assert cut["boxes"].shape == (4, 1, 4) and cut["labels"].shape == (4, 1)
    shapes = {"images": (4, 8, 6, 3), "bounding_boxes": {"boxes": (4, 2, 4), "labels": (4, 2)}}
    assert layer.compute_output_shape(shapes)["bounding_boxes"] == {"boxes": (4, 3, 4), "labels": (4, 3)}
    assert layers.MaxNumBoundingBoxes(3, fill_value=0).get_config()["fill_value"] == 0
    assert_raises_text(ValueError, ["bounding_box_format"], lambda: layers.MaxNumBoundingBoxes(3)(data))


@pytest.mark.parametrize(
    ("call", "error", "texts"),
    [
        (lambda: layers.RandomFlip("diagonal"), ValueError, ["RandomFlip", "mode", "'diagonal'"]),
        (lambda: layers.RandomRotation(1.5), ValueError, ["RandomRotation", "factor=1.5", "from -1 to 1"]),
        (lambda: layers.RandomRotation(0.1, "mirror"), NotImplementedError, ["fill_mode='mirror'", "reflect"]),
        (lambda: layers.RandomZoom(-1.0), ValueError, ["RandomZoom", "height_factor=-1.0", "above -1"]),
        (lambda: layers.RandomTranslation(0.1, (1, 2, 3)), ValueError, ["width_factor", "(1, 2, 3)"]),
        (lambda: layers.RandomBrightness(0.1, 255), ValueError, ["value_range=255", "(0, 255)"]),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), ValueError, ["odd", "kernel_size=4"]),
        (lambda: layers.RandomGrayscale(1.5), ValueError, ["RandomGrayscale", "factor=1.5"]),
        (lambda: layers.RandomPerspective(scale=2), ValueError, ["RandomPerspective", "scale"]),
        (lambda: layers.RandomErasing(fill_value=(1, 2)), ValueError, ["fill_value=(1, 2)", "noise"]),
        (lambda: layers.Solarization(factor=1.0), ValueError, ["Solarization", "factor"]),
        (lambda: layers.RandomCrop(0, 3), ValueError, ["RandomCrop", "height", "positive"]),
        (lambda: layers.RandomFlip()(np.zeros((2, 3))), ShapeError, ["(2, 3)", "3 axes"]),
        (lambda: layers.RandomCrop(2, 2)(layers.Input((None, None, 3))), None, []),
        (lambda: layers.RandomFlip(bounding_box_format="xyxy"), UnsupportedError, ["RandomFlip", "bounding"]),
        (lambda: layers.RandomFlip()({"labels": np.zeros(2)}), ValueError, ["'images'", "labels"]),
    ],
)
def test_errors(call: Any, error: Any, texts: list[str]) -> None:
    if error is None:
        assert call().shape == (None, 2, 2, 3)
    else:
        assert_raises_text(error, texts, call)


def test_pipeline() -> None:
    layer = layers.Pipeline([layers.Rescaling(2.0), layers.RandomBrightness((0.5, 0.5), (0, 2))], name="both")
    np.testing.assert_array_equal(layer(IMAGES, training=False), 2 * IMAGES)
    np.testing.assert_allclose(layer(IMAGES), np.minimum(2 * IMAGES + 1, 2), rtol=1e-6)
    again = layers.Pipeline.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.name == "both" and [type(one).__name__ for one in again.layers] == ["Rescaling", "RandomBrightness"]
    assert_raises_text(ValueError, ["list of layers", "'x'"], lambda: layers.Pipeline(["x"]))
    assert_raises_text(ValueError, ["layers=None"], lambda: layers.Pipeline.from_config({}))
    run_layer_test(
        layers.Pipeline,
        {"layers": [layers.Rescaling(2.0), layers.RandomFlip(seed=1)]},
        input_data=IMAGES,
        call_kwargs={"training": False},
    )


@pytest.mark.parametrize("name", ["FlaxLayer", "JaxLayer", "TFSMLayer", "TorchModuleWrapper"])
def test_layers_of_other_libraries_say_so(name: str) -> None:
    assert_raises_text(AttributeError, [name, "only", "ironhorn.ops"], lambda: getattr(layers, name))
