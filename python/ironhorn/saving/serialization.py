"""Objects to configurations and back, in the JSON format of Keras 3.

A configuration is `{"module", "class_name", "config", "registered_name"}`, with `build_config` and `compile_config`
where an object has them. Names of built-ins are looked up in `tables`, all others among the objects that the caller
passed or the program registered; nothing is imported, and no bytecode is read or written.
"""

from __future__ import annotations

import threading
import types
from typing import Any

import numpy as np

from ironhorn import backend, ops
from ironhorn.errors import FileFormatError, UnknownObjectError, UnsupportedError
from ironhorn.saving import tables
from ironhorn.saving.custom_objects import (
    CustomObjectScope,
    get_registered_name,
    get_registered_object,
    known_names,
)

_PLAIN_TYPES = (str, int, float, bool)

_LAMBDA_ADVICE = (
    "Ironhorn neither writes nor reads Python bytecode, because running code from a file is unsafe. Put the expression "
    "into a named function or a Layer subclass, decorate it with `@keras.saving.register_keras_serializable()`, and "
    "use that instead; then save the model again."
)


class _State(threading.local):
    """What nested calls share: objects seen before (inside an `ObjectSharingScope`) and where we are in a file."""

    def __init__(self) -> None:
        self.written: dict[int, tuple[Any, dict[str, Any], int]] | None = None
        self.read: dict[Any, Any] | None = None
        self.path: list[str] = []


_state = _State()


class ObjectSharingScope:
    """Within it, an object that occurs several times in a configuration is one object again after reading."""

    def __enter__(self) -> ObjectSharingScope:
        self._outer = (_state.written, _state.read)
        _state.written, _state.read = {}, {}
        return self

    def __exit__(self, *exception: object) -> None:
        _state.written, _state.read = self._outer


def serialize_keras_object(obj: Any) -> Any:
    """Turns an object into a configuration that JSON can hold.

    Args:
        obj: A layer, model, optimizer, loss, metric, initializer, registered object or function; a number, string,
            array, tensor or slice; or a list, tuple or dictionary of such.

    Returns:
        Plain values, or dictionaries as described at the top of this module.

    Raises:
        TypeError: If the object has no `get_config` method, or it returns something other than a dictionary.
        UnsupportedError: For a `lambda`.

    Example:
        >>> ironhorn.saving.serialize_keras_object(ironhorn.regularizers.L2(0.5))["config"]
        {'l2': 0.5}
    """
    if obj is None or isinstance(obj, _PLAIN_TYPES):
        return obj
    if isinstance(obj, tuple):
        return tuple(serialize_keras_object(item) for item in obj)
    if isinstance(obj, list):
        return [serialize_keras_object(item) for item in obj]
    if isinstance(obj, dict):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    special = _serialize_special(obj)
    if special is not None:
        return special
    if isinstance(obj, np.generic) or (isinstance(obj, np.ndarray) and obj.ndim == 0):
        return obj.item()

    if isinstance(obj, types.FunctionType):
        config = _serialize_function(obj)
    elif isinstance(obj, backend.OpOperation):
        from ironhorn.models.operation_config import serialize_operation

        config = serialize_operation(obj)
    else:
        config = _serialize_instance(obj)
    _record_written(obj, config)
    return config


def _serialize_special(obj: Any) -> dict[str, Any] | None:
    """Configurations of values that are neither plain nor instances of Keras classes."""
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if isinstance(obj, slice):
        parts = {name: serialize_keras_object(getattr(obj, name)) for name in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, backend.KerasTensor):
        history = getattr(obj, "_keras_history", None)
        if history is not None:
            operation, node_index, tensor_index = history
            history = [operation.name, node_index, tensor_index]
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": list(obj.shape), "dtype": obj.dtype, "keras_history": history},
        }
    if backend.is_tensor(obj):
        return {"class_name": "__tensor__", "config": {"value": obj.numpy().tolist(), "dtype": obj.dtype}}
    if isinstance(obj, np.ndarray) and obj.ndim > 0:
        return {
            "class_name": "__numpy__",
            "config": {"value": obj.tolist(), "dtype": backend.standardize_dtype(obj.dtype)},
        }
    return None


def _serialize_function(function: types.FunctionType) -> dict[str, Any]:
    """The configuration of a named function: its name."""
    if function.__name__ == "<lambda>":
        raise UnsupportedError(f"A lambda cannot be saved. {_LAMBDA_ADVICE}")
    built_in = tables.name_of(function)
    name = built_in[1] if built_in is not None else get_registered_name(function)
    if built_in is None and tables.find_function(name) is not None:
        raise ValueError(
            f"The function {function.__module__}.{name} has the name of a built-in function and could not be told "
            "from it in a file. Rename it, or decorate it with `@keras.saving.register_keras_serializable()`."
        )
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


def _serialize_instance(obj: Any) -> dict[str, Any]:
    """The configuration of an instance of a built-in or custom class."""
    cls = type(obj)
    if not hasattr(obj, "get_config"):
        raise TypeError(
            f"An object of type {cls.__module__}.{cls.__name__} cannot be saved because it has no `get_config()` "
            "method. Give its class a `get_config()` that returns the constructor's arguments as a dictionary. "
            f"Received: {obj!r}"
        )
    inner = obj.get_config()
    if not isinstance(inner, dict):
        raise TypeError(
            f"`get_config()` of {cls.__module__}.{cls.__name__} must return a dictionary. It returned: {inner!r}"
        )
    config: dict[str, Any] = {}
    built_in = tables.name_of(cls)
    if built_in is not None:
        internal = built_in[0].startswith("keras.src")
        config["module"], config["class_name"] = built_in
        registered_name = built_in[1] if internal else None
    else:
        config["module"] = None if cls.__module__ == "__main__" else cls.__module__
        config["class_name"] = cls.__name__
        registered_name = get_registered_name(cls)
    config["config"] = serialize_keras_object(inner)
    config["registered_name"] = registered_name
    if hasattr(obj, "get_build_config"):
        build_config = obj.get_build_config()
        if build_config is not None:
            config["build_config"] = serialize_keras_object(build_config)
    if hasattr(obj, "get_compile_config"):
        compile_config = obj.get_compile_config()
        if compile_config is not None:
            config["compile_config"] = serialize_keras_object(compile_config)
    return config


def _record_written(obj: Any, config: dict[str, Any]) -> None:
    """Number objects that were written before in this sharing scope."""
    if _state.written is None:
        return
    if id(obj) not in _state.written:
        # The object is kept so that its address cannot be given to another one.
        _state.written[id(obj)] = (obj, config, len(_state.written) + 1)
        return
    _, first, number = _state.written[id(obj)]
    first["shared_object_id"] = number
    config["shared_object_id"] = number


def deserialize_keras_object(
    config: Any,
    custom_objects: dict[str, Any] | None = None,
    safe_mode: bool = True,
    module_objects: dict[str, Any] | None = None,
) -> Any:
    """Makes the object that a configuration describes.

    Args:
        config: What `serialize_keras_object` returned, also after a trip through JSON.
        custom_objects: Names of classes and functions that are not built in, and the objects that they stand for.
        safe_mode: Must be `True`: there is no unsafe mode to switch to.
        module_objects: A table of names for configurations that do not say which module they mean.

    Returns:
        The object.

    Raises:
        UnknownObjectError: If the configuration names a class or function that is neither built in nor passed.
        UnsupportedError: For a `lambda` or a `Lambda` layer, and for `safe_mode=False`.
        FileFormatError: If the configuration is malformed.

    Example:
        >>> config = ironhorn.saving.serialize_keras_object(ironhorn.regularizers.L2(0.5))
        >>> ironhorn.saving.deserialize_keras_object(config).l2
        0.5
    """
    require_safe_mode(safe_mode)
    if isinstance(config, str):
        found = get_registered_object(config, custom_objects, module_objects)
        return config if found is None else found
    with CustomObjectScope(custom_objects):
        return _deserialize(config, module_objects)


def require_safe_mode(safe_mode: bool) -> None:
    """Refuses `safe_mode=False`."""
    if not safe_mode:
        raise UnsupportedError(
            "`safe_mode=False` is not supported: Ironhorn never runs code that comes from a file, whoever wrote it. "
            "Pass the classes and functions that the file names through `custom_objects`, and replace lambdas by named "
            "functions."
        )


def _deserialize(config: Any, module_objects: dict[str, Any] | None = None) -> Any:
    if config is None or isinstance(config, _PLAIN_TYPES):
        return config
    if isinstance(config, list | tuple):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: _deserialize(value) for key, value in config.items()}

    class_name = config["class_name"]
    if not isinstance(class_name, str):
        raise FileFormatError(f"`class_name` must be a string{_where()}. Received: {class_name!r}")
    if class_name.startswith("__"):
        return _deserialize_special(class_name, config["config"])
    if class_name == "function":
        return _find_function(config)
    module = config.get("module")
    if isinstance(module, str) and module.startswith("keras.src.ops"):
        from ironhorn.models.operation_config import deserialize_operation

        return deserialize_operation(config)
    return _deserialize_instance(class_name, config, module_objects)


def _deserialize_special(class_name: str, config: Any) -> Any:
    """Values that `_serialize_special` writes."""
    if class_name == "__lambda__":
        raise UnsupportedError(f"The file holds a lambda{_where()}. {_LAMBDA_ADVICE}")
    if not isinstance(config, dict):
        raise FileFormatError(f"`config` of a {class_name} must be a dictionary{_where()}. Received: {config!r}")
    try:
        if class_name == "__keras_tensor__":
            tensor: Any = backend.KerasTensor(config["shape"], dtype=config["dtype"])
            tensor._pre_serialization_keras_history = config["keras_history"]
            return tensor
        if class_name in ("__tensor__", "__numpy__"):
            array = np.array(config["value"], dtype=backend.standardize_dtype(config["dtype"]))
            return ops.convert_to_tensor(array) if class_name == "__tensor__" else array
        if class_name == "__bytes__":
            return config["value"].encode("utf-8")
        if class_name == "__ellipsis__":
            return Ellipsis
        if class_name == "__slice__":
            return slice(*(_deserialize(config[name]) for name in ("start", "stop", "step")))
    except (KeyError, AttributeError, OverflowError) as error:
        raise FileFormatError(f"Malformed {class_name}{_where()}: {error!r}. Received: {config!r}") from error
    raise UnknownObjectError(
        f"The file holds a {class_name}{_where()}, which Ironhorn cannot make. Save the model again without it."
    )


def _find_function(config: dict[str, Any]) -> Any:
    """The function that a configuration names."""
    name, module = config["config"], config.get("module")
    if not isinstance(name, str):
        raise FileFormatError(f"`config` of a function must be its name{_where()}. Received: {name!r}")
    built_in = None
    if module == "builtins" or module is None:
        built_in = tables.find_function(name)
    elif isinstance(module, str):
        built_in = tables.find(module, name)
        if not isinstance(built_in, types.FunctionType):
            built_in = None
    custom = get_registered_object(name)
    if built_in is not None and custom is not None and custom is not built_in:
        raise UnknownObjectError(
            f"The file names the function {name!r}{_where()}, which is built in, but `custom_objects` or the registry "
            "also has a function of that name. Rename yours, so that it is clear which one is meant."
        )
    found = built_in if built_in is not None else custom
    if found is None:
        raise UnknownObjectError(_unknown("function", name, name, module))
    return found


def _deserialize_instance(class_name: str, config: dict[str, Any], module_objects: dict[str, Any] | None) -> Any:
    """Find the class and make an instance of it."""
    inner = config["config"] if config["config"] is not None else {}
    if not isinstance(inner, dict):
        raise FileFormatError(f"`config` of {class_name} must be a dictionary{_where()}. Received: {inner!r}")
    number = config.get("shared_object_id")
    if number is not None and not isinstance(number, int):
        raise FileFormatError(f"`shared_object_id` must be an integer{_where()}. Received: {number!r}")
    if number is not None and _state.read is not None and number in _state.read:
        return _state.read[number]

    name = inner.get("name")
    _state.path.append(f"{class_name} {name!r}" if isinstance(name, str) else class_name)
    try:
        cls = _find_class(class_name, config, module_objects)
        if isinstance(cls, types.FunctionType):
            return cls
        if not hasattr(cls, "from_config"):
            raise UnknownObjectError(
                f"{cls!r} was given for {class_name!r}{_where()}, but it has no `from_config()` method. Pass a class "
                "that has one."
            )
        try:
            instance = cls.from_config(inner)
        except TypeError as error:
            raise TypeError(
                f"{class_name} could not be made from its configuration{_where()}: {error}\nIf it is a class of your "
                "own, check that `__init__` takes what `get_config()` returns, and that objects inside are revived in "
                f"`from_config()`.\nConfiguration: {inner}"
            ) from error
        build_config = config.get("build_config")
        if build_config and not instance.built:
            instance.build_from_config(_deserialize(build_config))
            instance.built = True
        compile_config = config.get("compile_config")
        if compile_config:
            instance.compile_from_config(compile_config)
    finally:
        _state.path.pop()
    if number is not None and _state.read is not None:
        _state.read[number] = instance
    return instance


def _find_class(class_name: str, config: dict[str, Any], module_objects: dict[str, Any] | None) -> Any:
    """The class that a configuration names."""
    module = config.get("module")
    registered_name = config.get("registered_name", class_name)
    if isinstance(module, str) and (module == "keras" or module.startswith("keras.")):
        built_in = tables.find(module, class_name)
        if built_in is not None:
            if registered_name not in (None, class_name):
                raise FileFormatError(
                    f"The file calls the built-in {module}.{class_name} by the registered name {registered_name!r}"
                    f"{_where()}. Built-in classes have none: the file is damaged or was made to mislead."
                )
            return built_in
        if class_name == "Lambda":
            raise UnsupportedError(f"The file holds a Lambda layer{_where()}. {_LAMBDA_ADVICE}")
    custom = get_registered_object(registered_name, module_objects=module_objects)
    if custom is None and module is None and registered_name is None:
        custom = get_registered_object(class_name, module_objects=module_objects)
    if custom is None:
        raise UnknownObjectError(_unknown("class", class_name, registered_name or class_name, module))
    return custom


def _unknown(kind: str, name: str, registered_name: Any, module: Any) -> str:
    """The text of the error for a name that leads nowhere."""
    if isinstance(module, str) and (module == "keras" or module.startswith("keras.")):
        known = tables.names_in(module)
        hint = f" Known in {module}: {', '.join(known)}." if known else ""
        return (
            f"The {kind} {module}.{name}{_where()} is not part of Ironhorn. Replace it in the model, or write a class "
            f"of your own under another name and save the model with that.{hint}"
        )
    plain = str(registered_name).rsplit(">", maxsplit=1)[-1]
    package = str(registered_name).rsplit(">", maxsplit=1)[0] if ">" in str(registered_name) else "Custom"
    names = known_names()
    return (
        f"Unknown {kind} {name!r}{_where()}. If it is your own, pass it to the call that loads: "
        f"`custom_objects={{{registered_name!r}: {plain}}}`; or decorate it with "
        f"`@keras.saving.register_keras_serializable(package={package!r})` and import it before loading. "
        f"Names known now: {', '.join(names) if names else 'none'}."
    )


def _where() -> str:
    """Where in a configuration we are, for error messages."""
    return f" (at {' -> '.join(_state.path)})" if _state.path else ""
