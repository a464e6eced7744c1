"""LossTerm, CompositeLoss, their operators and LossDict, against feedbax and the laws of the algebra."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rnnexp.losses import CompositeLoss, LossDict, LossTerm

GOLDEN = np.load(Path(__file__).parents[1] / "vectors" / "feedbax" / "losses.npz", allow_pickle=False)
EXACT = {"rtol": 1e-9, "atol": 1e-10}


class Position(LossTerm):
    label = "Effector position"

    def __init__(self, exponent: float = 6, target: str = "target_pos") -> None:
        self.exponent = exponent
        self.target = target

    def discount(self, n: int) -> Tensor:
        return torch.linspace(1 / n, 1, n, dtype=torch.float64) ** self.exponent

    def term(self, states, trials):
        target = getattr(trials, self.target)
        error = (states.pos[:, 1:] - target).square().sum(-1)
        return (self.discount(target.shape[1]) * error).sum(-1)


class FinalVelocity(LossTerm):
    label = "Effector final velocity"

    def term(self, states, trials):
        return (states.vel[:, -1] - trials.target_vel[:, -1]).square().sum(-1)


class Fixation(LossTerm):
    label = "Effector maintains fixation"

    def term(self, states, trials):
        error = (states.pos[:, 1:] - trials.target_pos).square().sum(-1)
        return (trials.hold[..., 0] * error).sum(-1)


class Straightness(LossTerm):
    label = "Effector path straightness"

    def term(self, states, trials):
        length = states.pos.diff(dim=1).norm(dim=-1).sum(-1)
        return length / (states.pos[:, -1] - states.pos[:, 0]).norm(dim=-1)


@dataclass(frozen=True)
class SquaredSum(LossTerm):
    """Sum of squares of one of the states, per trial."""

    name: str
    label: str

    def term(self, states, trials, model):
        return getattr(states, self.name).square().sum((1, 2))


class Constant(LossTerm):
    """One value, whatever the trajectory; counts its evaluations."""

    def __init__(self, label: str, value: float | Tensor = 1.0) -> None:
        self.label = label
        self.value = torch.as_tensor(value, dtype=torch.float64)
        self.n_calls = 0

    def term(self, trajectory, trials):
        self.n_calls += 1
        return self.value


POSITION = Position()
VELOCITY = FinalVelocity()
OUTPUT = SquaredSum("net_output", "NN output")
HIDDEN = SquaredSum("net_hidden", "NN hidden activity")


@pytest.fixture
def states():
    names = ("pos", "vel", "net_output", "net_hidden")
    return SimpleNamespace(**{name: torch.from_numpy(GOLDEN[name]).requires_grad_() for name in names})


@pytest.fixture
def trials():
    names = ("target_pos", "target_vel", "target_pos_varying", "hold")
    return SimpleNamespace(**{name: torch.from_numpy(GOLDEN[name]) for name in names})


@pytest.fixture
def alg():
    w = GOLDEN["alg_weights"]
    return w[0] * POSITION + w[1] * VELOCITY + w[2] * OUTPUT + w[3] * HIDDEN


def assert_values(losses: LossDict, expected) -> None:
    values = torch.stack(list(losses.values())).detach().numpy()
    np.testing.assert_allclose(values, expected, **EXACT)


def test_algebra_gives_the_golden_values(alg, states, trials):
    losses = alg(states, trials, None)
    assert list(alg.labels.values()) == [t.label for t in (POSITION, VELOCITY, OUTPUT, HIDDEN)]
    assert sorted(alg.labels.values()) == GOLDEN["jit_key_order"].tolist()  # feedbax's order when compiled
    assert list(losses) == ["effector_position", "effector_final_velocity", "nn_output", "nn_hidden_activity"]
    assert_values(losses, GOLDEN["alg_values"])
    np.testing.assert_allclose(losses.total.item(), GOLDEN["alg_total"], **EXACT)


def test_mapping_gives_the_golden_values_under_its_keys(states, trials):
    terms = {
        "effector_position": POSITION,
        "effector_final_velocity": VELOCITY,
        "nn_output": OUTPUT,
        "nn_hidden": HIDDEN,
    }
    weights = {"nn_hidden": 1e-5, "nn_output": 1e-5, "effector_final_velocity": 1.0, "effector_position": 1.0}
    loss = CompositeLoss(terms, weights)
    losses = loss(states, trials)
    assert list(losses) == list(terms) == list(loss.labels.values())
    assert_values(losses, [GOLDEN[f"composite_simple_{key}"] for key in terms])
    np.testing.assert_allclose(losses.total.item(), GOLDEN["composite_simple_total"], **EXACT)


def test_a_delayed_reach_is_a_weighted_sum_of_five_terms(states, trials):
    terms = {
        "effector_fixation": Fixation(),
        "effector_position": POSITION,
        "effector_final_velocity": VELOCITY,
        "nn_output": OUTPUT,
        "nn_hidden": HIDDEN,
    }
    losses = CompositeLoss(terms, [1, 1, 1, 1e-4, 1e-5])(states, trials)
    assert_values(losses, [GOLDEN[f"composite_delayed_{key}"] for key in terms])
    np.testing.assert_allclose(losses.total.item(), GOLDEN["composite_delayed_total"], **EXACT)


TERMS = {
    "position": POSITION,
    "position_varying": Position(target="target_pos_varying"),
    "position_exp0": Position(0),
    "position_exp3": Position(3),
    "position_nodiscount": Position(0),
    "final_velocity": VELOCITY,
    "straight_actual": Straightness(),
    "fixation": Fixation(),
    "output": OUTPUT,
    "hidden": HIDDEN,
}


@pytest.mark.parametrize("name", TERMS)
def test_the_raw_value_is_the_mean_of_the_golden_values_per_trial(name, states, trials):
    losses = (2.5 * TERMS[name])(states, trials)
    (raw,), (weighted,) = losses.raw.values(), losses.values()
    np.testing.assert_allclose(raw.item(), GOLDEN[f"term_{name}"].mean(), **EXACT)
    np.testing.assert_allclose(weighted.item(), 2.5 * GOLDEN[f"term_{name}"].mean(), **EXACT)


@pytest.mark.parametrize("exponent", [1, 3, 6])
def test_the_discount_is_the_golden_one(exponent):
    golden = GOLDEN[f"discount{exponent}"]
    np.testing.assert_allclose(Position(exponent).discount(len(golden)), golden, **EXACT)


def test_every_golden_key_is_used():
    used = {
        "pos",
        "vel",
        "net_output",
        "net_hidden",
        "target_pos",
        "target_vel",
        "target_pos_varying",
        "hold",
    }
    used |= {f"term_{name}" for name in TERMS} | {"discount1", "discount3", "discount6"}
    composites = ("composite_simple_", "composite_delayed_", "alg_", "nested_", "dup_", "sub_")
    assert {key for key in GOLDEN if key not in used and not key.startswith(composites)} == {"jit_key_order"}


def _nested(alg):
    return CompositeLoss({"grp": alg, "pos": POSITION, "out": OUTPUT}, {"out": 0.5, "grp": 2, "pos": 3})


def _duplicated(alg):
    return CompositeLoss([alg, POSITION, POSITION], [2, 3, 4])


def _subtracted(alg):
    return alg - OUTPUT


@pytest.mark.parametrize(("case", "build"), [("nested", _nested), ("dup", _duplicated), ("sub", _subtracted)])
def test_composites_of_composites_match_the_golden_labels_weights_and_values(
    case, build, alg, states, trials
):
    loss = build(alg)
    losses = loss(states, trials)
    assert list(loss.labels.values()) == GOLDEN[f"{case}_labels"].tolist()
    np.testing.assert_allclose(list(loss.weights.values()), GOLDEN[f"{case}_weights"], **EXACT)
    np.testing.assert_allclose(losses.total.item(), GOLDEN[f"{case}_total"], **EXACT)
    if case != "sub":
        assert_values(losses, GOLDEN[f"{case}_values"])


def test_keys_of_nested_and_repeated_terms_are_distinct_snake_case(alg):
    assert list(_nested(alg).weights)[2:] == [
        "grp_effector_position",
        "grp_effector_final_velocity",
        "grp_nn_output",
        "grp_nn_hidden_activity",
    ]
    assert list(_duplicated(alg).weights)[:3] == [
        "effector_position",
        "effector_position_0",
        "effector_position_1",
    ]


def test_labels_that_differ_only_in_spelling_still_get_distinct_keys():
    loss = Constant("NN output") + Constant("nn_output")
    assert loss.labels == {"nn_output": "NN output", "nn_output_0": "nn_output"}


def test_own_label_of_a_composite_counts_only_when_nested():
    group = CompositeLoss([POSITION], label="Reach")
    assert list(group.labels.values()) == ["Effector position"]
    assert CompositeLoss([group, OUTPUT]).labels == {
        "nn_output": "NN output",
        "reach_effector_position": "Reach_Effector position",
    }


def test_user_labels_off_keeps_the_labels_of_the_terms():
    group = CompositeLoss([VELOCITY], label="g")
    loss = CompositeLoss({"a": POSITION, "b": group}, {"b": 2, "a": 3}, user_labels=False)
    assert list(loss.labels.values()) == ["Effector position", "g_Effector final velocity"]
    assert list(loss.weights.values()) == [3.0, 2.0]


def test_union_merges_by_label_and_the_right_side_wins():
    left = 2 * Constant("a") + 3 * Constant("b")
    new_b = Constant("b")
    union = left | CompositeLoss([new_b, Constant("c")], [5, 7], label="right")
    assert union.weights == {"a": 2.0, "b": 5.0, "c": 7.0}
    assert union.terms["b"] is new_b
    assert union.label == "right"
    with pytest.raises(TypeError):
        left | new_b


def test_every_kind_of_scalar_scales_from_both_sides():
    a = Constant("a", 2.0)
    scalars = (3, 3.0, np.float32(3), np.int64(3), np.array(3.0), torch.tensor(3.0))
    for scalar in scalars:
        assert (scalar * a).weights == (a * scalar).weights == {"a": 3.0}
        assert (a / scalar).weights == {"a": 1 / 3}
    assert (-a).weights == {"a": -1.0}


@pytest.mark.parametrize(
    "factor", [np.ones(2), np.ones(1), torch.ones(2), "2", [2.0], None, True, float("nan"), float("inf"), 1j]
)
def test_a_factor_that_is_no_finite_scalar_is_refused(factor):
    a = Constant("a")
    for build in (lambda: a * factor, lambda: factor * a):
        with pytest.raises(ValueError, match="factor of a loss must be a finite number, got"):
            build()
    with pytest.raises(ValueError, match="divisor of a loss must be a finite number, got"):
        a / factor


def test_sum_of_a_list_is_a_loss():
    a, b, c = (Constant(name, value) for name, value in (("a", 1.0), ("b", 2.0), ("c", 4.0)))
    assert sum([a, 2 * b, c])(None, None).total == 9.0
    assert sum([a]) is a


def test_adding_what_is_no_loss_is_refused():
    with pytest.raises(TypeError):
        Constant("a") + 1
    with pytest.raises(TypeError):
        Constant("a") - "b"


numbers = st.floats(-100, 100).filter(lambda x: abs(x) > 1e-6)


@given(st.lists(numbers, min_size=1, max_size=5), numbers)
def test_weights_multiply_through_nesting(factors, value):
    loss = Constant("a", value)
    for factor in factors:
        loss = factor * loss
    total = loss(None, None).total.item()
    assert loss.weights["a"] == pytest.approx(np.prod(factors))
    assert total == pytest.approx(np.prod(factors) * value)


@given(st.lists(numbers, min_size=2, max_size=2), st.lists(numbers, min_size=4, max_size=4))
def test_total_is_linear_in_the_losses(scalars, values):
    w, v = scalars
    a = Constant("a", values[0]) + 2 * Constant("b", values[1])
    b = CompositeLoss({"c": Constant("c", values[2]), "a": Constant("a", values[3])})
    total_a, total_b = (x(None, None).total.item() for x in (a, b))
    combined = (w * a + v * b)(None, None)
    assert combined.total.item() == pytest.approx(w * total_a + v * total_b, abs=1e-6)
    assert (a - b)(None, None).total.item() == pytest.approx(total_a - total_b, abs=1e-6)
    assert combined.total.item() == pytest.approx(sum(combined.values()).item())


@given(st.lists(st.sampled_from(["x", "x_0", "X", "y"]), min_size=1, max_size=8))
def test_labels_and_keys_stay_unique_for_any_repetition(names):
    loss = CompositeLoss([Constant(name) for name in names])
    assert len(loss.labels) == len(set(loss.labels.values())) == len(names)


def test_weights_by_name_are_matched_by_name():
    terms = {"a": Constant("a"), "b": Constant("b")}
    assert CompositeLoss(terms, {"b": 2, "a": 3}).weights == {"a": 3.0, "b": 2.0}
    assert CompositeLoss(list(terms.values()), {"b": 2, "a": 3}).weights == {"a": 3.0, "b": 2.0}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"position": 1, "outptu": 2}, "no term 'outptu' to weight, did you mean output?"),
        ({"position": 1}, "none was given for 'output'"),
        ([1.0], "one weight per term is needed, got 1 weights for 2 terms"),
        ([1.0, 2.0, 3.0], "got 3 weights for 2 terms"),
        ([1.0, "2"], "the weight of 'output' must be a finite number, got '2'"),
    ],
)
def test_weights_that_do_not_fit_the_terms_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        CompositeLoss({"position": Constant("a"), "output": Constant("b")}, weights)


def test_weights_by_name_for_repeated_labels_are_refused():
    with pytest.raises(ValueError, match="distinct names"):
        CompositeLoss([Constant("a"), Constant("a")], {"a": 1.0})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "at least one term"),
        ({"a": 3.0}, "loss term 'a' must be a LossTerm or a callable, got float"),
        ({"***": Constant("a")}, "must have a letter a-z or a digit"),
        (
            {"a": lambda trajectory: 0},
            "must take .trajectory, trials. or .trajectory, trials, model.*trajectory",
        ),
        ([Constant], "must be an object, got the class Constant"),
        ({"a": Constant}, "must be an object, got the class Constant"),
    ],
)
def test_what_is_not_a_term_is_refused(terms, message):
    with pytest.raises(ValueError, match=message):
        CompositeLoss(terms)


def test_terms_with_weight_zero_are_listed_but_not_evaluated():
    off, on = Constant("off"), Constant("on")
    loss = 0 * off + on
    losses = loss(None, None)
    assert list(losses) == ["on"]
    assert off.n_calls == 0
    assert loss.weights == {"on": 1.0, "off": 0.0}


def test_a_bare_term_is_one_times_itself(states, trials):
    bare, scaled = POSITION(states, trials), (1.0 * POSITION)(states, trials)
    assert list(bare) == list(scaled) == ["effector_position"]
    assert bare.total.shape == ()
    assert torch.equal(bare.total, scaled.total)
    bare.total.backward()
    assert states.pos.grad.abs().sum() > 0


def test_values_per_trial_are_averaged_before_the_weight(states, trials):
    losses = (2 * VELOCITY)(states, trials)
    np.testing.assert_allclose(
        losses.raw["effector_final_velocity"].item(), GOLDEN["term_final_velocity"].mean()
    )
    np.testing.assert_allclose(losses.total.item(), 2 * GOLDEN["term_final_velocity"].mean())


def test_any_callable_with_two_or_three_arguments_is_a_term():
    class WithModel:
        def __call__(self, trajectory, trials, model):
            return model * torch.ones(3)

    class Module(torch.nn.Module):
        def forward(self, trajectory, trials):
            return torch.tensor(5.0)

    def two(trajectory, trials, scale=7.0):
        return torch.tensor(scale)

    def optional_model(trajectory, trials, model=None):
        return torch.tensor(float(model))

    loss = CompositeLoss(
        {
            "with_model": WithModel(),
            "module": Module(),
            "two": two,
            "partial": partial(two, scale=11.0),
            "optional": optional_model,
            "variadic": lambda *arguments: torch.tensor(float(len(arguments))),
        }
    )
    losses = loss(None, None, 2.0)
    assert [v.item() for v in losses.values()] == [2.0, 5.0, 7.0, 11.0, 2.0, 3.0]
    assert list(CompositeLoss([two]).labels) == ["two"]


@pytest.mark.parametrize(("value", "got"), [(torch.ones(2, 3), r"shape \(2, 3\)"), (1.0, "float")])
def test_a_term_with_a_wrong_result_is_named(value, got):
    loss = CompositeLoss({"mine": lambda trajectory, trials: value})
    with pytest.raises(
        ValueError, match=f"loss term 'mine' must return a tensor of shape .B,. or .., got {got}"
    ):
        loss(None, None)


def test_names_default_to_the_class_name_and_can_be_set():
    class HandSpeed(LossTerm):
        def term(self, trajectory, trials):
            return torch.zeros(())

    class Short(HandSpeed):
        key = "hs"

    assert (HandSpeed().label, HandSpeed().key) == ("Hand Speed", "hand_speed")
    assert CompositeLoss([Short()]).labels == {"hs": "Short"}


def test_check_model_reaches_the_terms_that_have_a_weight():
    class Picky(Constant):
        def check_model(self, model):
            raise ValueError(f"not on {model}")

    CompositeLoss([0 * Picky("a"), Constant("b"), lambda trajectory, trials: None]).check_model("this")
    with pytest.raises(ValueError, match="not on this"):
        (Constant("b") + 2 * Picky("a")).check_model("this")


def test_loss_dict_is_read_only():
    losses = LossDict({"a": torch.tensor(1.0)})
    with pytest.raises(TypeError, match="read-only, 'a' cannot be set"):
        losses["a"] = torch.tensor(2.0)
    with pytest.raises(TypeError, match="read-only, 'a' cannot be removed"):
        del losses["a"]
    with pytest.raises(TypeError, match="read-only and cannot be updated"):
        losses.update(a=torch.tensor(2.0))
    with pytest.raises(AttributeError):
        losses.total = torch.tensor(2.0)
    with pytest.raises(TypeError):
        losses.raw["a"] = torch.tensor(2.0)


@pytest.mark.parametrize("shape", [(), (4,), (4, 3)])
def test_loss_dict_holds_values_and_histories_with_an_elementwise_total(shape):
    a, b = torch.rand(shape), torch.rand(shape)
    losses = LossDict({"b": b, "a": a})
    assert list(losses) == ["b", "a"]
    assert torch.equal(losses.total, a + b)


def test_loss_dict_prints_its_values_and_the_total():
    assert (
        repr(LossDict({"a": torch.tensor(1.5), "b": torch.tensor(2.0)})) == "LossDict(a=1.5, b=2, total=3.5)"
    )
    assert repr(LossDict({"a": torch.ones(4)})) == "LossDict(a=(4,), total=(4,))"


def test_a_composite_prints_its_terms():
    assert repr(2 * Constant("NN output") + Constant("b")) == "CompositeLoss(1 * b + 2 * nn_output)"
