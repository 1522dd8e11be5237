"""Files that are damaged, do not fit, or mean harm: each gives an error that says what is wrong and how to mend it."""

from __future__ import annotations

import io
import json
import pathlib
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
import pytest

import ironhorn
from ironhorn.errors import FileFormatError, NotBuiltError, UnknownObjectError, UnsupportedError
from ironhorn.saving import hdf5
from saving import golden_models, keras_files

GOLDEN = keras_files.GOLDEN
load = ironhorn.saving.load_model


def dense(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the last layer in the golden CNN."""
    return config["config"]["layers"][-1]


# Damage


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_keras_file(share: float, tmp_path: pathlib.Path) -> None:
    content = (GOLDEN / "cnn.keras").read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileFormatError, match=r"not a complete `.keras` archive.*truncated.*save the model again"):
        load(path)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_truncated_weights_file(share: float, tmp_path: pathlib.Path) -> None:
    content = (GOLDEN / "cnn.weights.h5").read_bytes()
    path = tmp_path / "cut.weights.h5"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileFormatError, match=r"truncated.*fetch it again"):
        golden_models.build(ironhorn, "cnn").load_weights(path)


def test_flipped_bits_are_found_by_the_checksum(tmp_path: pathlib.Path) -> None:
    content = bytearray((GOLDEN / "cnn.keras").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="is damaged"):
        load(path)


def test_missing_file_and_wrong_names(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load(tmp_path / "none.keras")
    (tmp_path / "model.txt").write_text("")
    with pytest.raises(ValueError, match=r"must end in `.keras`"):
        load(tmp_path / "model.txt")
    (tmp_path / "model.h5").write_text("")
    with pytest.raises(UnsupportedError, match=r"legacy HDF5 format.*Load it once with Keras"):
        load(tmp_path / "model.h5")
    with pytest.raises(UnsupportedError, match="is a directory"):
        load(tmp_path)
    with pytest.raises(UnsupportedError, match="Only local files"):
        load("hf://someone/model")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "does not describe a model"),
        ('{"class_name": "Sequential", "class_name": "Model", "config": {}}', "'class_name' twice"),
        ("[" * 100_000, "not valid JSON"),
        ('{"class_name": 3, "config": {}}', "must be a string"),
    ],
)
def test_malformed_configuration(text: str, message: str, tmp_path: pathlib.Path) -> None:
    contents = keras_files.members(GOLDEN / "cnn.keras")
    contents["config.json"] = text.encode()
    with pytest.raises(FileFormatError, match=message):
        load(keras_files.write(tmp_path / "bad.keras", contents))


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_member(name: str, tmp_path: pathlib.Path) -> None:
    contents = keras_files.members(GOLDEN / "cnn.keras")
    del contents[name]
    with pytest.raises(FileFormatError, match=f"has no member '{name}'"):
        load(keras_files.write(tmp_path / "bad.keras", contents))


# Weights that do not fit


def test_nan_weights_name_layer_and_variable(tmp_path: pathlib.Path) -> None:
    def poison(file: h5py.File) -> None:
        file["layers/conv2d_1/vars/1"][2] = np.nan

    path = keras_files.with_weights(tmp_path / "nan.keras", poison)
    with pytest.raises(FileFormatError, match=r"'bias' of Conv2D 'conv2d_1' holds NaN.*1 of 5 values.*allow_nan=True"):
        load(path)
    model = load(path, allow_nan=True)
    assert np.isnan(model.get_layer("conv2d_1").bias.numpy()[2])
    other = golden_models.build(ironhorn, "cnn")
    before = other.get_weights()
    with pytest.raises(FileFormatError, match="holds NaN"):
        other.load_weights(path)
    for ours, theirs in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_wrong_shape_names_layer_variable_and_both_shapes(tmp_path: pathlib.Path) -> None:
    def reshape(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.zeros((7, 3), "float32")

    path = keras_files.with_weights(tmp_path / "shape.keras", reshape)
    text = r"Dense 'dense' \(at 'layers/dense'\): variable 'kernel' has shape \(20, 3\) in the model, but \(7, 3\)"
    with pytest.raises(FileFormatError, match=text):
        load(path)
    ironhorn.utils.clear_session()
    model = golden_models.build(ironhorn, "cnn")
    model.optimizer.build(model.trainable_variables)
    with pytest.warns(UserWarning, match=text):
        model.load_weights(path, skip_mismatch=True)
    expected = load(GOLDEN / "cnn.keras").get_layer("conv2d").kernel.numpy()
    np.testing.assert_array_equal(model.layers[1].kernel.numpy(), expected)


def test_missing_variable_and_missing_layer(tmp_path: pathlib.Path) -> None:
    def remove(file: h5py.File) -> None:
        del file["layers/dense/vars/1"]
        del file["layers/conv2d"]

    with pytest.raises(FileFormatError, match=r"(?s)2 object\(s\).*has 1 variables.*file has 0.*has 2.*file has 1"):
        load(keras_files.with_weights(tmp_path / "missing.keras", remove))


def test_weights_need_a_built_model(tmp_path: pathlib.Path) -> None:
    model = ironhorn.Sequential([ironhorn.layers.Dense(3)])
    with pytest.raises(NotBuiltError, match="cannot be loaded because it is not built"):
        model.load_weights(GOLDEN / "cnn.weights.h5")
    with pytest.raises(NotBuiltError, match="cannot be saved because it is not built"):
        model.save_weights(tmp_path / "x.weights.h5")


# Names in configurations


def test_unknown_custom_class_says_how_to_pass_it(tmp_path: pathlib.Path) -> None:
    def change(config: dict[str, Any]) -> None:
        dense(config).update(module="theirs.layers", class_name="Smooth", registered_name="theirs>Smooth")

    with pytest.raises(UnknownObjectError) as caught:
        load(keras_files.with_config(tmp_path / "custom.keras", change))
    text = str(caught.value)
    assert "Unknown class 'Smooth'" in text
    assert "Sequential 'inspection' -> Smooth 'dense'" in text
    assert "custom_objects={'theirs>Smooth': Smooth}" in text
    assert "register_keras_serializable(package='theirs')" in text


def test_unknown_keras_class_is_named(tmp_path: pathlib.Path) -> None:
    def change(config: dict[str, Any]) -> None:
        dense(config).update(class_name="HolographicDense")

    with pytest.raises(UnknownObjectError, match=r"keras.layers.HolographicDense.*is not part of Ironhorn.*Known in"):
        load(keras_files.with_config(tmp_path / "bad.keras", change))


@pytest.mark.parametrize(
    ("module", "class_name"),
    [
        ("os", "system"),
        ("subprocess", "Popen"),
        ("builtins", "eval"),
        ("keras.src.saving.saving_lib", "load_model"),
        ("keras.models", "load_model"),
        ("keras.utils", "get_file"),
        ("keras.config", "enable_unsafe_deserialization"),
        ("ironhorn.saving", "load_model"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TorchModuleWrapper"),
        (["os"], "system"),
    ],
)
def test_no_name_leads_out_of_the_tables(module: Any, class_name: str, tmp_path: pathlib.Path) -> None:
    before = set(sys.modules)

    def as_class(config: dict[str, Any]) -> None:
        dense(config).update(module=module, class_name=class_name, registered_name=class_name, config={"name": "x"})

    def as_function(config: dict[str, Any]) -> None:
        dense(config)["config"]["activation"] = {
            "module": module,
            "class_name": "function",
            "config": class_name,
            "registered_name": class_name,
        }

    for number, change in enumerate((as_class, as_function)):
        with pytest.raises((UnknownObjectError, UnsupportedError)):
            load(keras_files.with_config(tmp_path / f"{number}.keras", change))
    assert not {name for name in set(sys.modules) - before if not name.startswith(("ironhorn", "h5py"))} & {
        "subprocess",
        "tensorflow",
        "torch",
    }


def test_lambdas_are_refused_with_advice(tmp_path: pathlib.Path) -> None:
    def layer(config: dict[str, Any]) -> None:
        dense(config).update(class_name="Lambda", config={"name": "x", "function": "4wEAAAA="})

    def activation(config: dict[str, Any]) -> None:
        dense(config)["config"]["activation"] = {
            "class_name": "__lambda__",
            "config": {"value": ["4wEAAAA=", None, None]},
        }

    for number, change in enumerate((layer, activation)):
        path = keras_files.with_config(tmp_path / f"{number}.keras", change)
        with pytest.raises(UnsupportedError, match=r"(?s)lambda|Lambda.*named function or a Layer subclass"):
            load(path)
        with pytest.raises(UnsupportedError, match="`safe_mode=False` is not supported"):
            load(path, safe_mode=False)


def test_custom_objects_cannot_shadow_what_is_built_in() -> None:
    class Dense(ironhorn.layers.Layer):
        pass

    model = load(GOLDEN / "cnn.keras", custom_objects={"Dense": Dense, "keras.layers>Dense": Dense})
    assert type(model.layers[-1]) is ironhorn.layers.Dense


def test_a_built_in_class_under_a_registered_name_is_refused(tmp_path: pathlib.Path) -> None:
    def change(config: dict[str, Any]) -> None:
        dense(config)["registered_name"] = "theirs>Dense"

    with pytest.raises(FileFormatError, match="made to mislead"):
        load(keras_files.with_config(tmp_path / "bad.keras", change))


# Archives that mean harm


def extra(
    path: pathlib.Path, change: Callable[[zipfile.ZipFile], None], method: int = zipfile.ZIP_STORED
) -> pathlib.Path:
    """A golden file with something added."""
    keras_files.write(path, keras_files.members(GOLDEN / "cnn.keras"))
    with zipfile.ZipFile(path, "a", method) as archive:
        change(archive)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_archives(tmp_path: pathlib.Path) -> None:
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    cases: list[tuple[str, Callable[[zipfile.ZipFile], None], int]] = [
        ("occurs twice", lambda archive: archive.writestr("config.json", "{}"), zipfile.ZIP_STORED),
        ("leads out of the archive", lambda archive: archive.writestr("../evil", "x"), zipfile.ZIP_STORED),
        ("leads out of the archive", lambda archive: archive.writestr("/etc/evil", "x"), zipfile.ZIP_STORED),
        ("leads out of the archive", lambda archive: archive.writestr("assets/a/../../b", "x"), zipfile.ZIP_STORED),
        ("leads out of the archive", lambda archive: archive.writestr("C:/evil", "x"), zipfile.ZIP_STORED),
        ("not a plain name", lambda archive: archive.writestr("assets\\evil", "x"), zipfile.ZIP_STORED),
        ("not a plain name", lambda archive: archive.writestr("a" * 2000, "x"), zipfile.ZIP_STORED),
        ("is a link or device", lambda archive: archive.writestr(link, "/etc/passwd"), zipfile.ZIP_STORED),
        ("claims 33554432 bytes", lambda archive: archive.writestr("b", bytes(32 << 20)), zipfile.ZIP_DEFLATED),
        ("not supported", lambda archive: archive.writestr("b", b"x" * 100), zipfile.ZIP_BZIP2),
        (
            "members, more than",
            lambda archive: [archive.writestr(f"assets/{index}", "") for index in range(10_001)],  # type: ignore[list-item]
            zipfile.ZIP_STORED,
        ),
    ]
    for number, (message, change, method) in enumerate(cases):
        with pytest.raises(FileFormatError, match=rf"{message}.*do not trust"):
            load(extra(tmp_path / f"{number}.keras", change, method))


def test_a_claimed_size_beyond_the_file_is_refused(tmp_path: pathlib.Path) -> None:
    content = bytearray((GOLDEN / "cnn.keras").read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    for offset in (20, 24):
        content[entry + offset : entry + offset + 4] = (1 << 30).to_bytes(4, "little")
    path = tmp_path / "claims.keras"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="stored bytes, but the file has"):
        load(path)


# HDF5 files that mean harm


def test_hostile_weights(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "_MAX_GROUP", 100)
    name = "layers/dense/vars/0"
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["x"] = np.zeros((20, 3), "float32")
    (tmp_path / "secret").write_bytes(bytes(240))

    def replace(make: Callable[[h5py.File], None]) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[name]
            make(file)

        return change

    def soft(file: h5py.File) -> None:
        file["elsewhere"] = np.zeros((20, 3), "float32")
        file[name] = h5py.SoftLink("/elsewhere")

    def external_link(file: h5py.File) -> None:
        file[name] = h5py.ExternalLink(str(outside), "/x")

    def external_storage(file: h5py.File) -> None:
        file.create_dataset(name, (20, 3), "float32", external=[(str(tmp_path / "secret"), 0, 240)])

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((20, 3), "float32")
        layout[:] = h5py.VirtualSource(str(outside), "x", shape=(20, 3))
        file.create_virtual_dataset(name, layout)

    def shape_bomb(file: h5py.File) -> None:
        file.create_dataset(name, (1 << 20, 1 << 20), "float32", chunks=(16, 16), compression="gzip")

    def unallocated(file: h5py.File) -> None:
        file.create_dataset(name, (1 << 19, 1), "float32")

    def huge_chunk(file: h5py.File) -> None:
        file.create_dataset(name, (20, 3), "float32", chunks=(1 << 20, 64), maxshape=(None, None), compression="gzip")

    def strings(file: h5py.File) -> None:
        file.create_dataset(name, (20, 3), h5py.string_dtype())

    def compound(file: h5py.File) -> None:
        file.create_dataset(name, (20, 3), np.dtype([("a", "f4")]))

    def empty(file: h5py.File) -> None:
        file[name] = h5py.Empty("float32")

    def group(file: h5py.File) -> None:
        file.create_group(name)

    def many(file: h5py.File) -> None:
        parent = file["layers/dense/vars"]
        for index in range(101):
            parent[f"x{index}"] = parent["1"]

    def group_link(file: h5py.File) -> None:
        file.move("layers/dense", "moved")
        file["layers/dense"] = h5py.SoftLink("/moved")

    cases = [
        ("is a SoftLink", replace(soft)),
        ("is a ExternalLink", replace(external_link)),
        ("lies in another file", replace(external_storage)),
        ("is a virtual dataset", replace(virtual)),
        ("claims 4398046511104 bytes, but only", replace(shape_bomb)),
        ("claims 2097152 bytes, but only 0", replace(unallocated)),
        ("has chunks of", replace(huge_chunk)),
        ("not plain numbers", replace(strings)),
        ("not plain numbers", replace(compound)),
        ("has no values", replace(empty)),
        ("is not a dataset", replace(group)),
        ("members, more than", many),
        ("is a SoftLink", group_link),
    ]
    for number, (message, change) in enumerate(cases):
        path = keras_files.with_weights(tmp_path / f"{number}.keras", change)
        with pytest.raises(FileFormatError, match=rf"{message}.*do not trust"):
            load(path)


def test_unknown_compression_filters_are_refused(tmp_path: pathlib.Path) -> None:
    def change(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((20, 3))
        properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple((20, 3))
        h5py.h5d.create(file["layers/dense/vars"].id, b"0", h5py.h5t.IEEE_F32LE, space, properties)

    with pytest.raises(FileFormatError, match="needs the filter 32015"):
        load(keras_files.with_weights(tmp_path / "filter.keras", change))


def test_random_damage_never_crashes(tmp_path: pathlib.Path) -> None:
    """Whatever is done to a file, loading works or gives an error of the documented kinds."""
    random = np.random.RandomState(0)
    contents = keras_files.members(GOLDEN / "text.keras")
    original = contents["model.weights.h5"]
    for round_number in range(60):
        damaged = bytearray(original)
        # The first kilobytes hold the structure of the file: groups, links, headers.
        for position in random.randint(0, len(damaged) if round_number % 2 else 4096, size=8):
            damaged[position] = random.randint(0, 256)
        contents["model.weights.h5"] = bytes(damaged)
        path = keras_files.write(tmp_path / "random.keras", contents)
        try:
            load(path)
        except (FileFormatError, ValueError):
            continue


def test_a_file_object_works_too() -> None:
    buffer = io.BytesIO((GOLDEN / "cnn.keras").read_bytes())
    assert load(buffer).name == "inspection"
    buffer = io.BytesIO()
    load(GOLDEN / "cnn.keras").save(buffer)
    assert json.loads(zipfile.ZipFile(buffer).read("metadata.json"))["keras_version"].startswith("3.")
