"""What the references do not cover of optimizers: custom ones, constraints, state, errors."""

from __future__ import annotations

import numpy as np
import pytest

import ironhorn as keras
from ironhorn import ops
from ironhorn.backend import CompiledFunction


def variables():
    return [
        keras.Variable(np.ones((2, 3), "float32"), name="kernel"),
        keras.Variable(np.ones(3, "float32"), name="bias"),
    ]


def gradients(scale=1.0):
    return [ops.convert_to_tensor(np.full(shape, scale, "float32")) for shape in ((2, 3), (3,))]


class Plain(keras.optimizers.Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, ops.multiply(gradient, ops.cast(learning_rate, variable.dtype)))


def test_custom_optimizer_with_weight_decay():
    optimizer = Plain(0.5, weight_decay=0.1)
    kernel, bias = variables()
    optimizer.apply(gradients(), [kernel, bias])
    np.testing.assert_allclose(kernel.numpy(), 1 - 0.05 - 0.5, rtol=1e-6)


def test_overriding_update_step_turns_the_fused_update_off():
    class Half(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient * 0.5, variable, learning_rate)

    kernel, bias = variables()
    Half(1.0).apply(gradients(), [kernel, bias])
    np.testing.assert_allclose(bias.numpy(), 0.5, rtol=1e-6)


def test_constraint_is_applied_after_the_update():
    variable = keras.Variable(np.ones(2, "float32"), constraint=lambda value: ops.clip(value, 0.9, 2.0))
    keras.optimizers.SGD(1.0).apply([ops.ones((2,))], [variable])
    np.testing.assert_allclose(variable.numpy(), 0.9)


def test_learning_rate_can_be_set():
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.learning_rate = 1.0
    kernel, bias = variables()
    optimizer.apply(gradients(), [kernel, bias])
    np.testing.assert_allclose(bias.numpy(), 0.0, atol=1e-7)
    assert float(optimizer.learning_rate) == 1.0


def test_learning_rate_of_a_schedule_cannot_be_set():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 10))
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        optimizer.learning_rate = 1.0


def test_apply_gradients_returns_iterations():
    optimizer = keras.optimizers.Adam()
    kernel, bias = variables()
    result = optimizer.apply_gradients(zip(gradients(), [kernel, bias], strict=True))
    assert int(result.numpy()) == 1
    assert int(optimizer.iterations.numpy()) == 1


def test_state_round_trip():
    optimizer = keras.optimizers.Adam(0.1)
    kernel, bias = variables()
    for _ in range(3):
        optimizer.apply(gradients(), [kernel, bias])
    store = {}
    optimizer.save_own_variables(store)
    other = keras.optimizers.Adam(0.5)
    other.build([kernel, bias])
    other.load_own_variables(store)
    for left, right in zip(optimizer.variables, other.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def test_state_of_another_optimizer_is_skipped_with_a_warning():
    store = {"0": np.array(3)}
    with pytest.warns(UserWarning, match=r"2 variables whereas the saved optimizer has 1.*not been built"):
        keras.optimizers.SGD().load_own_variables(store)


def test_configs_round_trip():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)
    for optimizer in (keras.optimizers.AdamW(0.01, weight_decay=0.2), keras.optimizers.SGD(schedule, momentum=0.5)):
        copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
        assert type(copy) is type(optimizer)
        assert copy.get_config() == optimizer.get_config()


def test_names_are_found_in_any_case():
    assert isinstance(keras.optimizers.get("SGD"), keras.optimizers.SGD)
    assert isinstance(keras.optimizers.get("adamw"), keras.optimizers.AdamW)
    assert isinstance(keras.optimizers.get({"class_name": "Adam", "config": {}}), keras.optimizers.Adam)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: keras.optimizers.SGD(1), ValueError, "learning_rate=1"),
        (lambda: keras.optimizers.SGD(0.1, momentum=2.0), ValueError, "between"),
        (lambda: keras.optimizers.SGD(clipnorm=1.0, clipvalue=1.0), ValueError, "Only one of"),
        (lambda: keras.optimizers.SGD(use_ema=True, ema_momentum=2.0), ValueError, "ema_momentum"),
        (lambda: keras.optimizers.SGD(decay=0.1), ValueError, "not recognized"),
        (lambda: keras.optimizers.AdamW(weight_decay=None), ValueError, "weight_decay"),
        (lambda: keras.optimizers.SGD(gradient_accumulation_steps=1), ValueError, "gradient_accumulation_steps"),
    ],
)
def test_wrong_arguments(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_missing_gradients():
    optimizer = keras.optimizers.SGD(1.0)
    kernel, bias = variables()
    with pytest.warns(UserWarning, match=r"Gradients do not exist for variables \['bias'\]"):
        optimizer.apply([gradients()[0], None], [kernel, bias])
    np.testing.assert_allclose(bias.numpy(), 1.0)
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply([None, None], [kernel, bias])


def test_unknown_variable_says_to_compile_again():
    optimizer = keras.optimizers.SGD()
    kernel, bias = variables()
    optimizer.build([kernel])
    with pytest.raises(ValueError, match=r"Unknown variable: bias.*compile"):
        optimizer.apply(gradients(), [kernel, bias])


def test_weight_decay_cannot_be_limited_after_building():
    optimizer = keras.optimizers.SGD(weight_decay=0.1)
    optimizer.build(variables())
    with pytest.raises(ValueError, match="before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["bias"])


RULES = {
    "SGD": {},
    "SGD momentum": {"momentum": 0.9},
    "SGD nesterov": {"momentum": 0.9, "nesterov": True},
    "Adam": {},
    "Adam amsgrad": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "Nadam": {},
    "RMSprop": {},
    "RMSprop momentum": {"momentum": 0.5},
    "RMSprop centered": {"centered": True},
    "RMSprop both": {"centered": True, "momentum": 0.5},
    "Adagrad": {},
    "Adadelta": {},
    "Ftrl": {"l1_regularization_strength": 0.01, "l2_shrinkage_regularization_strength": 0.1},
    "Ftrl power": {"learning_rate_power": -0.7},
    "Lion": {},
    "ScheduleFreeAdamW": {"warmup_steps": 2},
}
AROUND = [
    {},
    {"clipnorm": 0.5, "weight_decay": 0.1},
    {"global_clipnorm": 0.5, "use_ema": True, "ema_momentum": 0.8},
    {"clipvalue": 0.3, "use_ema": True, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2, "use_ema": True, "clipvalue": 0.3},
]


@pytest.mark.parametrize("around", AROUND, ids=lambda around: "-".join(around) or "plain")
@pytest.mark.parametrize("name", RULES)
def test_one_pass_over_everything_is_step_by_step(name, around):
    base = getattr(keras.optimizers, name.split()[0])

    class StepByStep(base):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate)

    generator = np.random.default_rng(0)
    starts = [generator.normal(size=shape) for shape in ((3, 4), (5,), ())]
    steps = [[generator.normal(size=start.shape) for start in starts] for _ in range(4)]
    results = []
    for kind in (base, StepByStep):
        optimizer = kind(0.1, **RULES[name], **around)
        trained = [keras.Variable(start, dtype="float64") for start in starts]
        step = CompiledFunction(lambda *grads, optimizer=optimizer, trained=trained: optimizer.apply(grads, trained))
        optimizer.build(trained)
        for grads in steps:
            step(*[ops.convert_to_tensor(grad, "float64") for grad in grads])
        # What is kept in float32, as rates are, shows where products are rounded in another order.
        results.append([variable.numpy() for variable in [*trained, *optimizer.variables]])
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fused, plain, rtol=1e-6, atol=1e-9)


def test_averages_follow_variables_without_a_gradient():
    optimizer = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5)
    kernel, bias = variables()
    optimizer.build([kernel, bias])
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([gradients()[0], None])
    averages = optimizer._model_variables_moving_average
    np.testing.assert_array_equal(averages[0].numpy(), kernel.numpy())
    np.testing.assert_array_equal(averages[1].numpy(), 1.0)


def test_a_gradient_that_is_not_finite_shows_with_clipping():
    for clipping in ({"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}):
        kernel, bias = variables()
        broken = ops.convert_to_tensor(np.array([np.nan, 1.0, 1.0], "float32"))
        keras.optimizers.SGD(0.1, **clipping).apply([gradients()[0], broken], [kernel, bias])
        assert np.isnan(bias.numpy()[0])
        assert np.isnan(kernel.numpy()).all() == ("global_clipnorm" in clipping)


def test_an_optimizer_without_a_rule_says_so():
    from ironhorn.optimizers.rule_optimizer import RuleOptimizer

    class Ruleless(RuleOptimizer):
        pass

    with pytest.raises(NotImplementedError, match=r"Ruleless must define _rule"):
        Ruleless(0.1).apply(gradients(), variables())
