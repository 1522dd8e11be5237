"""The base class of all layers: state, building, calling, masks, losses, configuration.

A call goes through these steps:

    convert -> check input_spec -> build -> resolve `training` and `mask` -> call -> losses -> masks -> graph node

The `training` argument of the outermost call reaches inner layers through a context of the calling thread.
"""

from __future__ import annotations

import functools
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ironhorn import _core, backend, dtype_policies, ops, regularizers, tree
from ironhorn.backend import tracing
from ironhorn.layers.auto_config import arguments_as_config, signature_of_constructor
from ironhorn.layers.call_spec import (
    CallSpec,
    is_shape,
    is_tensor_like,
    map_shapes,
    shapes_for,
    signature_of,
    signature_of_function,
)
from ironhorn.layers.input_spec import assert_input_compatibility
from ironhorn.layers.layer_state import LayerState
from ironhorn.layers.tracking import Tracker
from ironhorn.random import SeedGenerator

_serials = itertools.count()
_build_lock = threading.RLock()
# The autocast state inside a layer that leaves its variables as they are, though a layer around it does not.
_AS_THEY_ARE = "none"


class _CallContext(threading.local):
    """What layer calls of one thread share.

    That is the nesting of calls, the value of `training`, the dtype of variables, and who looks at outputs.
    """

    depth = 0
    training: Any = None
    scope: Any = None
    autocast: str | None = None
    watch: Any = None


_context = _CallContext()


def _is_trainable_variable(value: Any) -> bool:
    return isinstance(value, backend.Variable) and value.trainable


def _is_variable(value: Any) -> bool:
    return isinstance(value, backend.Variable)


def _is_metric(value: Any) -> bool:
    import sys

    module = sys.modules.get("ironhorn.metrics.metric")
    return module is not None and isinstance(value, module.Metric)


def _is_layer(value: Any) -> bool:
    return isinstance(value, Layer)


def _is_seed_generator(value: Any) -> bool:
    return isinstance(value, SeedGenerator)


def _wrap_build(build: Callable[..., Any]) -> Callable[..., Any]:
    """Adds name scope, record of the shapes and the locking of state around a `build` method."""

    @functools.wraps(build)
    def wrapped(self: Layer, *args: Any, **kwargs: Any) -> Any:
        if self._building:  # A call of the parent class's `build` from that of a subclass.
            return build(self, *args, **kwargs)
        object.__setattr__(self, "_building", True)
        try:
            with self._scope():
                object.__setattr__(self, "_path", backend.current_scope_path())
                build(self, *args, **kwargs)
        finally:
            object.__setattr__(self, "_building", False)
        _, *arguments = signature_of_function(build).bind(self, *args, **kwargs).arguments.items()
        object.__setattr__(self, "_build_shapes_dict", dict(arguments))
        self.built = True
        self._lock_state()
        return None

    wrapped._is_wrapped_build = True  # type: ignore[attr-defined]
    return wrapped


class Layer(LayerState, backend.Operation):
    """A callable with weights: takes tensors, returns tensors.

    A subclass makes its weights in `build(self, input_shape)` (or in `__init__`) with `add_weight`, and computes in
    `call(self, inputs)`. `call` may take `training` (whether the model is being trained) and `mask` (which steps
    count).
    Variables, layers, metrics and seed generators that are set as attributes belong to the layer.

    Args:
        activity_regularizer: Penalty on the outputs, added to the loss.
        trainable: Whether the weights should be trained.
        dtype: Dtype or `DTypePolicy` of weights and computation; `None` for `ironhorn.config.dtype_policy()`.
        autocast: Whether float inputs are cast to the layer's compute dtype.
        name: Name of the layer; made from the class name if not given.

    Example:
        >>> class Scale(ironhorn.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
        ...     def call(self, inputs):
        ...         return inputs * self.factor
        >>> Scale()(ironhorn.ops.ones((2, 3))).shape
        (2, 3)
    """

    # Bookkeeping that is set without tracking.
    _building = False
    _initialized = False
    _runs_on_host = False
    _path: str | None
    _input_spec: Any
    _dtype_policy: dtype_policies.DTypePolicy
    _supports_masking: bool
    _trainable: bool
    _serial: int
    _generations: dict[Any, int]
    _generation_cache: tuple[int, int]
    _generation_offset: int
    _call_signature: Any
    _call_has_training_arg: bool
    _call_has_mask_arg: bool
    _build_shapes_dict: dict[str, Any] | None
    _convert_input_args: bool
    _allow_non_tensor_positional_args: bool
    _called: bool
    # Attributes set since a program was made of the layer; `None` where none was.
    _edits: int | None = None
    _losses: list[Any]
    _auto_config: dict[str, Any] | None
    autocast: bool

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        build = cls.__dict__.get("build")
        if build is not None and not getattr(build, "_is_wrapped_build", False):
            cls.build = _wrap_build(build)  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Makes an empty layer, ready to track what `__init__` sets."""
        self = object.__new__(cls)
        keep = functools.partial(object.__setattr__, self)
        keep("_trainable_variables", [])
        keep("_non_trainable_variables", [])
        keep("_metrics", [])
        keep("_layers", [])
        keep("_seed_generators", [])
        stores: dict[str, Any] = {
            "trainable_variables": (_is_trainable_variable, self._trainable_variables),
            "non_trainable_variables": (_is_variable, self._non_trainable_variables),
            "metrics": (_is_metric, self._metrics),
            "layers": (_is_layer, self._layers),
            "seed_generators": (_is_seed_generator, self._seed_generators),
        }
        keep("_tracker", Tracker(stores, backend.structure_changed))
        keep("_serial", next(_serials))
        keep("_generations", {})
        keep("_generation_cache", (-1, 0))
        keep("_generation_offset", 0)
        keep("_auto_config", arguments_as_config(cls, args, kwargs) if _writes_arguments(cls) else None)
        return self

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        backend.Operation.__init__(self, name=name)
        keep = functools.partial(object.__setattr__, self)
        keep("_initialized", True)
        keep("_dtype_policy", dtype_policies.get(dtype))
        self.activity_regularizer = regularizers.get(activity_regularizer)
        input_dim = kwargs.pop("input_dim", None)
        input_shape = (input_dim,) if input_dim is not None else kwargs.pop("input_shape", None)
        if input_shape is not None:
            warnings.warn(
                f"Layer '{self.name}' got `input_shape` or `input_dim`. Put `Input(shape)` first in the model instead.",
                stacklevel=3,
            )
            keep("_input_shape_arg", tuple(input_shape))
        if kwargs:
            raise ValueError(
                f"{type(self).__name__} does not take the argument(s) {sorted(kwargs)}. Check the spelling, or remove "
                "them."
            )
        if not isinstance(trainable, bool):
            raise ValueError(
                f"`trainable` must be True or False. Received: trainable={trainable!r} (of type "
                f"{type(trainable).__name__})."
            )
        keep("_trainable", trainable)
        keep("_path", None)
        keep("_build_shapes_dict", None)
        keep("_input_spec", None)
        keep("_losses", [])
        keep("_called", False)
        keep("built", False)
        keep("autocast", autocast)
        signature = signature_of(self.call)
        keep("_call_signature", signature)
        keep("_call_has_training_arg", "training" in signature.parameters)
        keep("_call_has_mask_arg", "mask" in signature.parameters)
        keep("_supports_masking", type(self).compute_mask is not Layer.compute_mask)
        # Whether inputs are converted to tensors and cast, and whether other values may come by position.
        keep("_convert_input_args", True)
        keep("_allow_non_tensor_positional_args", False)

    # ------------------------------------------------------------------------------------------------- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, self._tracker.track(value))
        if self._edits is not None and not name.startswith("_"):
            object.__setattr__(self, "_edits", self._edits + 1)
            backend.structure_changed()

    def _count_edits(self) -> None:
        """Counts attributes that are set from now on: a program was made of what they hold."""
        if self._edits is None:
            object.__setattr__(self, "_edits", 0)

    def __delattr__(self, name: str) -> None:
        value = self.__dict__.get(name)
        if isinstance(value, backend.Variable | Layer | SeedGenerator) or _is_metric(value):
            self._tracker.remove(value)
        object.__delattr__(self, name)

    def _check_initialized(self) -> None:
        if not self._initialized:
            raise RuntimeError(
                f"`{type(self).__name__}.__init__` did not call `super().__init__()`. Make that its first statement."
            )

    @property
    def path(self) -> str | None:
        """Where the layer stands in the model, e.g. `"model/block/dense"`; `None` before it is built."""
        return self._path

    @property
    def input_spec(self) -> Any:
        """What the layer accepts: an `InputSpec`, a nest of them, or `None`."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        object.__setattr__(self, "_input_spec", value)

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """The dtypes of weights and computation."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        policy = dtype_policies.get(value)
        if isinstance(self._dtype_policy, dtype_policies.DTypePolicyMap) and self.path:
            if self.path in self._dtype_policy:
                del self._dtype_policy[self.path]
            self._dtype_policy[self.path] = policy
        else:
            object.__setattr__(self, "_dtype_policy", policy)
        backend.structure_changed()

    @property
    def _own_policy(self) -> dtype_policies.DTypePolicy:
        """The policy, or what the map of policies has for this layer."""
        policy = self._dtype_policy
        is_map = isinstance(policy, dtype_policies.DTypePolicyMap)
        return policy[self.path] if is_map and self.path else policy  # type: ignore[index]

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self._own_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype of the weights."""
        return self._own_policy.variable_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self.compute_dtype

    @property
    def quantization_mode(self) -> None:
        """Always `None`: quantization is not supported."""
        return None

    @property
    def supports_masking(self) -> bool:
        """Whether masks pass through this layer."""
        return self._supports_masking

    @supports_masking.setter
    def supports_masking(self, value: bool) -> None:
        object.__setattr__(self, "_supports_masking", bool(value))

    @property
    def trainable(self) -> bool:
        """Whether the layer should be trained; setting it sets it on all inner layers and variables too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        object.__setattr__(self, "_trainable", value)
        for variable in self._trainable_variables:
            variable.trainable = value
        for layer in self._layers:
            layer.trainable = value
        backend.structure_changed()

    @property
    def _generation(self) -> int:
        """A number that differs between states that need different programs: trainable flags, dtypes, structure."""
        version = backend.structure_version()
        known_version, number = self._generation_cache
        if known_version == version:
            return number
        layers = self._flatten_layers()
        key = (
            self._generation_offset,
            tuple((layer._serial, layer._trainable, layer._own_policy.name) for layer in layers if layer._initialized),
            tuple((id(variable), variable.trainable) for variable in self.variables),
        )
        number = self._generations.setdefault(key, len(self._generations))
        object.__setattr__(self, "_generation_cache", (version, number))
        return number

    def _bump_generation(self) -> None:
        """Makes programs traced so far stale."""
        object.__setattr__(self, "_generation_offset", self._generation_offset + 1)
        backend.structure_changed()

    # --------------------------------------------------------------------------------------------------- building

    if TYPE_CHECKING:

        def build(self, *args: Any, **kwargs: Any) -> None:
            """Makes the weights; subclasses name the arguments."""

    else:

        def build(self, input_shape: Any = None) -> None:
            """Makes the weights. Override it; it is called with the shapes of the first inputs.

            Args:
                input_shape: Shape of the first input, with the batch axis, sizes not known being `None`.
            """
            self._check_initialized()
            if type(self).build is Layer.build and _has_unbuilt_layers(self):
                warnings.warn(
                    f"Layer '{self.name}' has inner layers that are not built, and no `build` method that builds them. "
                    "They will be built by the first call; to build or load them before, add a `build` method.",
                    stacklevel=3,
                )

    def _build_at_init(self) -> None:
        """Marks a layer without weights as built, unless a subclass has a `build` of its own."""
        if type(self).build is Layer.build:
            self.built = True
            self._lock_state()

    def _maybe_build(self, spec: CallSpec) -> None:
        if self.built:
            return
        with _build_lock:
            if self.built:
                return
            if type(self).build is not Layer.build:
                self.build(**shapes_for(self.build, spec, type(self).__name__))
                self._check_inputs(spec.first)
                return
            if _has_unbuilt_layers(self):
                if not any(_is_symbolic(leaf) for value in spec.tensors.values() for leaf in tree.flatten(value)):
                    # The call itself builds the inner layers.
                    object.__setattr__(self, "_build_shapes_dict", spec.shapes())
                    return
                self._abstract_call(spec.arguments)
            self.build(next(iter(spec.shapes().values()), None))

    def _abstract_call(self, arguments: dict[str, Any]) -> Any:
        """Runs `call` on stand-ins, for shapes only."""
        args, kwargs = [], {}
        for name, value in arguments.items():
            parameter = self._call_signature.parameters[name]
            kind = parameter.kind
            if kind is parameter.VAR_POSITIONAL:
                args.extend(value)
            elif kind is parameter.VAR_KEYWORD:
                kwargs.update(value)
            elif kind is parameter.KEYWORD_ONLY:
                kwargs[name] = value
            else:
                args.append(value)
        with self._autocast_scope():
            return tracing.abstract_call(self.call, tuple(args), kwargs)

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns what `build_from_config` needs to make the weights again: the shapes given to `build`."""
        if self._build_shapes_dict is None:
            return None
        if len(self._build_shapes_dict) == 1:
            return {"input_shape": next(iter(self._build_shapes_dict.values()))}
        return {"shapes_dict": self._build_shapes_dict}

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Builds the layer from what `get_build_config` returned."""
        if not config:
            return
        if type(self).build is Layer.build and _has_unbuilt_layers(self):
            self._build_by_abstract_call(config)
        elif "input_shape" in config:
            self.build(config["input_shape"])
        elif "shapes_dict" in config:
            self.build(**config["shapes_dict"])

    def _build_by_abstract_call(self, config: dict[str, Any]) -> None:
        """Builds the inner layers by running `call` on stand-ins of the recorded shapes."""
        shapes = config.get("shapes_dict")
        if shapes is None:
            if config.get("input_shape") is None:
                return
            first = next(iter(self._call_signature.parameters))
            shapes = {f"{first}_shape": config["input_shape"]}
        tensors = {
            name.removesuffix("_shape"): map_shapes(lambda one: backend.KerasTensor(one, dtype=self.input_dtype), shape)
            for name, shape in shapes.items()
        }
        with self._scope(), self._autocast_scope():
            tracing.abstract_call(self.call, (), tensors)
        object.__setattr__(self, "_build_shapes_dict", shapes)
        self.built = True

    # ---------------------------------------------------------------------------------------------------- calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs. Override it."""
        raise NotImplementedError(
            f"Layer class {type(self).__name__} has no `call` method. Add one: `def call(self, inputs): ...`."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer on tensors; see the module's description for the steps."""
        self._check_initialized()
        original_args, original_kwargs = args, kwargs
        convert = self._convert_input_args and not (
            not kwargs
            and len(args) == 1
            and is_tensor_like(args[0])
            and backend.standardize_dtype(args[0].dtype) == self.input_dtype
        )
        if convert:
            args = tuple(tree.map_structure(self._convert_input, value) for value in args)
            kwargs = {name: tree.map_structure(self._convert_input, value) for name, value in kwargs.items()}
        if not self._allow_non_tensor_positional_args:
            for leaf in tree.flatten(args):
                if leaf is not None and not is_tensor_like(leaf):
                    raise ValueError(
                        f"Layer '{self.name}' takes tensors by position, but received {leaf!r} (of type "
                        f"{type(leaf).__name__}). Convert data with ops.convert_to_tensor; pass options by name."
                    )
        kwargs = dict(kwargs)
        training = kwargs.pop("training", None) if not self._call_has_training_arg else None
        spec = CallSpec(self._call_signature, args, kwargs)
        self._check_inputs(spec.first)
        with self._scope():
            self._maybe_build(spec)
            if self._call_has_training_arg:
                training = spec.given.get("training")
            outer_training = _context.training
            if training is None:
                training = outer_training
            if training is None and self._call_has_training_arg:
                training = spec.arguments.get("training")
            if training is not None and self._call_has_training_arg and "training" not in list(spec.given)[: len(args)]:
                kwargs["training"] = training
            previous_mask = self._fill_in_masks(spec, args, kwargs)
            outermost = _context.depth == 0
            if outermost:
                self._clear_losses()
            _context.depth += 1
            _context.training = training
            try:
                with self._autocast_scope():
                    outputs = self._run(args, kwargs)
            except Exception as error:
                self._explain(error, spec)
                raise
            finally:
                _context.depth -= 1
                _context.training = outer_training
            if not self.built or not self._called:
                object.__setattr__(self, "built", True)
                object.__setattr__(self, "_called", True)
            if self.activity_regularizer is not None:
                self._regularize_activity(outputs)
            self._pass_masks_on(spec.first, outputs, previous_mask)
        if backend.any_symbolic(original_args, original_kwargs):
            # As in Keras' files, the mask and `training` that were filled in are part of the node of a plain call.
            backend.Node(self, original_args, original_kwargs if convert else kwargs, outputs)
        return outputs

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if backend.any_symbolic(args, kwargs):
            return self.compute_output_spec(*args, **kwargs)
        if _context.watch is not None:
            return _context.watch.layer(self, args, kwargs)
        return self.call(*args, **kwargs)

    @staticmethod
    def _is_plain_call() -> bool:
        """Whether a call of this thread is no other layer's, nor watched, nor part of training."""
        return _context.depth == 0 and _context.training is None and _context.watch is None

    @staticmethod
    def _watch_calls(watch: Any) -> None:
        """Lets `watch.layer(layer, args, kwargs)` call the layers of this thread; `None` ends that."""
        _context.watch = watch

    @staticmethod
    def _current_watch() -> Any:
        """Returns what calls the layers of this thread, or `None`."""
        return _context.watch

    def _convert_input(self, value: Any) -> Any:
        """Makes a tensor of an array, and casts floats to the layer's dtype where autocast is on."""
        if not is_tensor_like(value):
            if not isinstance(value, backend.Variable) and not hasattr(value, "__array__"):
                return value
            if getattr(getattr(value, "dtype", None), "kind", "") in "USO":  # Texts stay on the host.
                return value
            value = ops.convert_to_tensor(value)
        dtype = backend.standardize_dtype(value.dtype)
        wanted = self.input_dtype
        if not self.autocast or dtype == wanted or "float" not in dtype or "float" not in wanted:
            return value
        mask = backend.get_keras_mask(value)
        value = ops.cast(value, wanted)
        if mask is not None:
            backend.set_keras_mask(value, mask)
        return value

    def _check_inputs(self, inputs: Any) -> None:
        if self.input_spec:
            assert_input_compatibility(self.input_spec, inputs, layer_name=self.name)

    def _fill_in_masks(self, spec: CallSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Gives `call` the masks of its tensors where it takes them; returns the mask of the first input."""
        if len(spec.tensors) == 1:
            if "mask" in list(spec.arguments)[len(args) :] and spec.arguments["mask"] is None:
                (value,) = spec.tensors.values()
                kwargs["mask"] = tree.map_structure(backend.get_keras_mask, value)
        else:
            for name, value in spec.tensors.items():
                argument = f"{name}_mask"
                if argument in spec.arguments and spec.arguments[argument] is None:
                    kwargs[argument] = tree.map_structure(backend.get_keras_mask, value)
        mask = kwargs.get("mask", spec.arguments.get("mask"))
        if mask is not None:
            return mask
        if spec.first is None:
            return None
        return tree.map_structure(backend.get_keras_mask, spec.first)

    def _pass_masks_on(self, inputs: Any, outputs: Any, previous_mask: Any) -> None:
        if self.supports_masking:
            leaves = tree.flatten(outputs)
            if all(backend.get_keras_mask(leaf) is not None for leaf in leaves):
                return
            if type(self).compute_mask is Layer.compute_mask and _all_none(previous_mask):
                return
            masks = self.compute_mask(inputs, previous_mask)
            if masks is None:
                return
            for leaf, mask in zip(leaves, tree.flatten(masks), strict=False):
                if mask is not None and backend.get_keras_mask(leaf) is None:
                    backend.set_keras_mask(leaf, mask)
        elif not _all_none(previous_mask):
            warnings.warn(
                f"Layer '{self.name}' ({type(self).__name__}) received a mask but does not support masking, so the "
                "layers after it will not see the mask. Set `self.supports_masking = True` if it may pass.",
                stacklevel=3,
            )

    def _explain(self, error: Exception, spec: CallSpec) -> None:
        """Notes on an error which layer it came from and what that received; the innermost layer speaks first."""
        described = ", ".join(
            f"{name}={tree.map_structure(_shape_or_none, value)!r}" for name, value in spec.tensors.items()
        )
        if not getattr(error, "__notes__", None):
            error.add_note(f"In layer '{self.name}' ({type(self).__name__}), called on shapes: {described}.")

    @contextmanager
    def _scope(self) -> Iterator[None]:
        """Names this layer for the variables made and the errors raised inside."""
        outer = _context.scope
        if outer is self:
            yield
            return
        _context.scope = self
        try:
            with backend.name_scope(self.name), tracing.layer_scope(self.name):
                yield
        finally:
            _context.scope = outer

    @contextmanager
    def _autocast_scope(self) -> Iterator[None]:
        """Lets float variables be read in the dtype that this layer computes in, where it is another than theirs."""
        outer, compute_dtype = _context.autocast, self.compute_dtype
        if outer is None:
            inner = None if compute_dtype == self.variable_dtype else compute_dtype
        elif self.autocast and "float" in compute_dtype:
            inner = compute_dtype
        else:
            inner = _AS_THEY_ARE
        if inner == outer:
            yield
            return
        self._set_autocast(inner)
        try:
            yield
        finally:
            self._set_autocast(outer)

    @staticmethod
    def _set_autocast(dtype: str | None) -> None:
        _context.autocast = dtype
        _core.set_autocast(None if dtype == _AS_THEY_ARE else dtype)

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs' specifications; the graph node is added by `__call__`."""
        return self.compute_output_spec(*args, **kwargs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns the masks of the outputs.

        Args:
            inputs: The first argument of the call.
            previous_mask: Its mask or nest of masks.
        """
        return previous_mask

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs' shapes for shapes of inputs. Override it where tracing `call` is not enough."""
        shapes = (*args, *kwargs.values())
        if not shapes or any(shape is None for shape in shapes):
            raise NotImplementedError(
                f"Layer class {type(self).__name__} has no `compute_output_shape` method. Add one: "
                "`def compute_output_shape(self, input_shape): ...`."
            )
        tensors = [map_shapes(lambda shape: backend.KerasTensor(shape, dtype=self.compute_dtype), s) for s in shapes]
        with self._autocast_scope():
            outputs = tracing.abstract_call(self.call, tuple(tensors), {})
        return tree.map_structure(lambda tensor: tuple(tensor.shape), outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs as `KerasTensor`s: shapes and dtypes.

        Args:
            *args: Arguments of `call`, tensors being `KerasTensor`s.
            **kwargs: Keyword arguments of `call`.
        """
        if type(self).compute_output_shape is Layer.compute_output_shape:
            with self._autocast_scope():
                return tracing.abstract_call(self.call, args, kwargs)
        spec = CallSpec(self._call_signature, args, kwargs)
        shape = self.compute_output_shape(**shapes_for(self.compute_output_shape, spec, type(self).__name__))
        if not isinstance(shape, list | tuple | dict):
            raise ValueError(
                f"`{type(self).__name__}.compute_output_shape` must return a shape (a tuple of integers and None) or a "
                f"nest of shapes. Received: {shape!r}."
            )
        if is_shape(shape):
            return backend.KerasTensor(tuple(shape), dtype=self.compute_dtype)
        return map_shapes(lambda one: backend.KerasTensor(one, dtype=self.compute_dtype), shape)

    # ----------------------------------------------------------------------------------------------------- losses

    def add_loss(self, loss: Any) -> None:
        """Adds scalar losses; to be called inside `call`.

        Args:
            loss: A scalar tensor or a nest of them.

        Example:
            >>> class Quiet(ironhorn.layers.Layer):
            ...     def call(self, inputs):
            ...         self.add_loss(0.1 * ironhorn.ops.mean(ironhorn.ops.square(inputs)))
            ...         return inputs
        """
        for leaf in tree.flatten(loss):
            if not backend.is_tensor(leaf):
                raise ValueError(
                    f"`add_loss` of layer '{self.name}' takes tensors computed inside `call`. Received: {leaf!r} (of "
                    f"type {type(leaf).__name__})."
                )
            self._losses.append(leaf)

    @property
    def losses(self) -> list[Any]:
        """Losses of the last call: those added in the layer and its inner layers, and penalties on weights."""
        tracing_now = tracing.is_tracing()
        losses = [
            # What a trace left behind has no value outside of it.
            loss
            for layer in self._flatten_layers()
            for loss in layer._losses
            if tracing_now or not loss.is_traced
        ]
        for variable in self.trainable_weights:
            if variable.regularizer is not None:
                losses.append(variable.regularizer(variable))
        return losses

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            if layer._losses:
                layer._losses.clear()

    def _regularize_activity(self, outputs: Any) -> None:
        for output in tree.flatten(outputs):
            if backend.is_tensor(output):
                loss = self.activity_regularizer(output)
                if output.ndim > 0:
                    batch = ops.cast(ops.shape(output)[0], loss.dtype)
                    loss = ops.divide(loss, ops.maximum(batch, ops.ones_like(batch)))
                self.add_loss(loss)

    # ---------------------------------------------------------------------------------------------- configuration

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as a dictionary.

        A class whose constructor takes only numbers, strings, booleans, `None` and nests of these needs no `get_config`
        of its own.
        """
        self._check_initialized()
        config: dict[str, Any] = {"name": self.name}
        base = {"trainable": self.trainable, "dtype": dtype_policies.serialize(self.dtype_policy)}
        if self.activity_regularizer is not None:
            base["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if not _writes_arguments(type(self)):
            return {**config, **base}
        if self._auto_config is None:
            raise NotImplementedError(
                f"The arguments of {type(self).__name__} cannot be saved as they are: they are not all numbers, "
                "strings, booleans or None passed by name. Add a `get_config` method that returns "
                "{**super().get_config(), "
                '"argument": ...}, and a `from_config` class method if they need to be made again.'
            )
        config.update(self._auto_config)
        parameters = signature_of_constructor(type(self)).parameters
        takes_rest = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        config.update(base)
        return {key: value for key, value in config.items() if takes_rest or key in parameters}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer from what `get_config` returned."""
        if isinstance(config.get("dtype"), dict):
            policy = dtype_policies.deserialize(config["dtype"])
            is_map = isinstance(policy, dtype_policies.DTypePolicyMap)
            config = {**config, "dtype": policy if is_map else policy.name}
        try:
            return cls(**config)
        except TypeError as error:
            raise TypeError(
                f"Cannot make a layer of class {cls.__name__} from its configuration: {error}. Configuration: "
                f"{config}. `get_config` must return arguments of the constructor, or `from_config` must be overridden."
            ) from error

    # ------------------------------------------------------------------------------------------------------ others

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Layer]:
        """Returns the layer and all inner layers, each once."""
        found: list[Layer] = [self] if include_self else []
        seen: set[int] = set()
        pending = list(self._layers)
        while pending:
            layer = pending.pop(0)
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            found.append(layer)
            if recursive:
                pending[:0] = layer._layers
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Returns what a copy or pickle keeps: not the graphs that the layer is part of."""
        state = dict(self.__dict__)
        for name in ("_call_signature", "_generations", "_generation_cache", "_serial"):
            state.pop(name, None)
        return {**state, "_inbound_nodes": [], "_outbound_nodes": [], "_losses": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        object.__setattr__(self, "_call_signature", signature_of(self.call))

    def __repr__(self) -> str:
        if not self._initialized:
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    __str__ = __repr__


def _writes_arguments(cls: type[Layer]) -> bool:
    """Whether a class has no `get_config` of its own, so that its configuration is the constructor's arguments."""
    return cls.get_config is Layer.get_config or getattr(cls.get_config, "_may_write_arguments", False)


Layer.build = _wrap_build(Layer.build)  # type: ignore[method-assign]


def _has_unbuilt_layers(layer: Layer) -> bool:
    return any(not inner.built for inner in layer._layers)


def _is_symbolic(value: Any) -> bool:
    return isinstance(value, backend.KerasTensor)


def _all_none(masks: Any) -> bool:
    return masks is None or all(mask is None for mask in tree.flatten(masks))


def _shape_or_none(value: Any) -> Any:
    return None if value is None else tuple(value.shape)
