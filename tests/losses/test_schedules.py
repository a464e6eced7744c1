"""Weights that change over a training: their values, their place in composite losses, what is refused."""

import re
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rnnexp.config.components import check_component
from rnnexp.config.schema import WEIGHT_SCHEDULES
from rnnexp.losses import CompositeLoss, DSRLoss, LossTerm, NN4NLoss, PsychRNNLoss, RNNLoss, SpikeRNNLoss
from rnnexp.losses.lambdas import checked_lambda
from rnnexp.losses.schedules import SCHEDULES, Constant, Exponential, Linear, Step, schedule_from

OUTPUTS = SimpleNamespace(outputs=torch.zeros(2, 3, 1))


class Counted(LossTerm):
    """A parameter; counts its evaluations."""

    def __init__(self, value: float = 1.0, label: str = "counted") -> None:
        self.parameter = torch.tensor(value, requires_grad=True)
        self.label = self.key = label
        self.n_calls = 0

    def term(self, trajectory, trials):
        self.n_calls += 1
        return 1 * self.parameter


@given(
    initial=st.floats(0, 10),
    other=st.floats(0, 10),
    gamma=st.floats(0.1, 1),
    step_size=st.integers(1, 9),
    updates=st.integers(1, 60),
    n_epochs=st.integers(1, 30),
    epoch=st.integers(0, 30),
)
def test_values_are_those_of_the_value_scheduler_of_hiermtf(
    initial, other, gamma, step_size, updates, n_epochs, epoch
):
    t, n_steps = min(epoch, n_epochs), updates * n_epochs
    step = updates * t
    assert Constant(initial).value(step, n_steps) == initial
    linear = Linear(initial, other).value(step, n_steps)
    assert linear == pytest.approx(initial + (other - initial) * t / n_epochs)
    stairs = Step(initial, gamma, step_size, updates).value(step, n_steps)
    assert stairs == pytest.approx(initial * gamma ** (t // step_size))
    assert Exponential(initial, gamma, updates).value(step, n_steps) == pytest.approx(initial * gamma**t)


def test_a_line_ends_exactly_and_stays_there():
    line = Linear(0.1, 0.3)
    assert [line.value(step, 10) for step in (0, 5, 10, 12)] == [0.1, pytest.approx(0.2), 0.3, 0.3]
    assert line.value(0, 0) == 0.1


def test_weights_of_an_epoch_are_all_the_same():
    values = [Exponential(1.0, 0.5, updates_per_epoch=4).value(step, 100) for step in range(10)]
    assert values == [1.0] * 4 + [0.5] * 4 + [0.25] * 2
    values = [Step(8.0, 0.5, 3, updates_per_epoch=2).value(step, 100) for step in range(13)]
    assert values == [8.0] * 6 + [4.0] * 6 + [2.0]


def test_a_loss_without_schedules_is_the_same_at_every_step():
    loss = RNNLoss(lambda_fr=0.1)
    assert loss.at(3, 10) is loss
    assert not loss.is_scheduled


def test_weights_follow_their_schedules_and_the_loss_itself_stays():
    mine = Counted()
    loss = RNNLoss(
        lambda_mse={"linear": {"initial": 1.0, "final": 0.0}},
        lambda_fr=0.5,
        terms={"mine": mine},
        lambda_terms={"mine": {"exponential": {"initial": 2.0, "gamma": 0.5, "updates_per_epoch": 10}}},
    )
    assert isinstance(loss.at(15, 20), RNNLoss)
    at = {step: loss.at(step, 20).weights for step in (0, 15, 20)}
    assert [at[step]["mse"] for step in at] == [1.0, 0.25, 0.0]
    assert [at[step]["mine"] for step in at] == [2.0, 1.0, 0.5]
    assert [at[step]["fr"] for step in at] == [0.5, 0.5, 0.5]
    assert loss.weights == at[0]
    assert loss.at(15, 20).at(0, 20).weights == at[0]
    assert loss.used == ("mse", "fr", "mine")


def test_a_term_whose_weight_is_zero_for_now_has_a_column_but_is_not_evaluated():
    first, second = Counted(3.0, "first"), Counted(2.0, "second")
    loss = CompositeLoss([first, second], [Linear(0.0, 1.0), 0.5])
    losses = loss.at(0, 4)(OUTPUTS, None)
    assert {key: value.item() for key, value in losses.items()} == {"first": 0.0, "second": 1.0}
    assert list(losses) == ["first", "second"]
    assert list(losses.raw) == ["second"]
    assert (first.n_calls, second.n_calls) == (0, 1)
    later = loss.at(1, 4)(OUTPUTS, None)
    assert {key: value.item() for key, value in later.items()} == {"first": 0.75, "second": 1.0}
    later.total.backward()
    assert first.parameter.grad.item() == 0.25


def test_a_loss_all_of_whose_weights_are_zero_for_now_has_a_gradient_of_zero():
    only = Counted(3.0)
    losses = CompositeLoss([only], [Linear(0.0, 1.0)])(OUTPUTS, None)
    losses.total.backward()
    assert losses.total == 0
    assert only.parameter.grad == 0


def test_schedules_take_part_in_the_algebra():
    term, line = Counted(), Linear(0.0, 1.0)
    loss = 2.0 * (term * line) + 3.0 * Counted(label="other")
    assert loss.at(1, 4).weights == {"counted": 0.5, "other": 3.0}
    assert (-(line * term)).at(1, 4).weights == {"counted": -0.25}
    inner = CompositeLoss([term], [line], label="inner")
    outer = CompositeLoss([inner], [Exponential(8.0, 0.5, updates_per_epoch=1)])
    assert outer.at(1, 4).weights == {"inner_counted": 0.25 * 4.0}
    assert CompositeLoss([inner], [0.0]).used == ()
    assert (CompositeLoss([inner], [1.0]) | CompositeLoss([term], [line])).at(2, 4).weights == {
        "inner_counted": 0.5,
        "counted": 0.5,
    }


def test_a_model_is_checked_for_terms_that_get_their_weight_later():
    class Picky(Counted):
        def check_model(self, model):
            raise ValueError("not with this model")

    with pytest.raises(ValueError, match="not with this model"):
        CompositeLoss([Picky()], [Linear(0.0, 1.0)]).check_model(None)


def test_constant_schedules_are_numbers():
    assert checked_lambda("lambda_mse", {"constant": {"initial": 0.5}}) == 0.5
    assert not DSRLoss(lambda_mar={"constant": {"initial": 0.5}}).is_scheduled


@pytest.mark.parametrize("option", [RNNLoss, PsychRNNLoss, SpikeRNNLoss, NN4NLoss, DSRLoss])
def test_every_option_of_the_loss_takes_schedules(option):
    loss = option(lambda_ar={"linear": {"initial": 0.0, "final": 1.0}})
    assert loss.at(1, 2).weights["ar"] == 0.5
    assert "ar" in loss.used


WRONG = [
    ({}, "must be a (finite )?number"),
    (
        {"linear": {"initial": 0, "final": 1}, "step": {"initial": 1}},
        "one schedule, constant, linear, step, exp",
    ),
    ({"linaer": {"initial": 0}}, r"\.linaer: .*there is no such schedule, did you mean linear\?"),
    ({"linear": 0.5}, r"\.linear"),
    ({"linear": {"initial": 0, "fnal": 1}}, r"\.linear\.fnal: .*did you mean .*final\?"),
    ({"linear": {"final": 1}}, r"\.linear\.initial"),
    ({"linear": {"initial": -1, "final": 1}}, r"\.linear\.initial.*must be a finite number >= 0"),
    ({"linear": {"initial": 0, "final": float("inf")}}, r"\.linear\.final.*must be a finite number >= 0"),
    (
        {"exponential": {"initial": 1, "gamma": 0}},
        r"\.exponential\.gamma.*must be a (finite )?number in \(0, 1\]",
    ),
    ({"step": {"initial": 1, "step_size": 1.5}}, r"\.step\.step_size.*must be .* >= 1"),
    ({"step": {"initial": 1, "updates_per_epoch": 0}}, r"\.step\.updates_per_epoch.*must be .* >= 1"),
    ({"constant": {"initial": True}}, r"\.constant\.initial.*must be a finite number >= 0"),
]


@pytest.mark.parametrize(("schedule", "text"), WRONG)
def test_wrong_schedules_are_refused_by_the_loss(schedule, text):
    with pytest.raises(ValueError, match=f"^lambda_mar.*{text}"):
        DSRLoss(lambda_mar=schedule)


@pytest.mark.parametrize(("schedule", "text"), WRONG)
@pytest.mark.parametrize("place", ["lambda_mar", "lambda_terms.mine"])
def test_wrong_schedules_are_found_before_training(place, schedule, text):
    name, _, inner = place.partition(".")
    node = {"_target_": "rnnexp.losses.dsr.DSRLoss", name: {inner: schedule} if inner else schedule}
    problems = check_component("loss", node)
    assert len([problem for problem in problems if problem.startswith(f"loss.{place}")]) == len(problems)
    assert any(re.match(f"loss.{place}.*{text}", problem) for problem in problems)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_right_schedules_pass_the_check_before_training(kind):
    schedule = {kind: {"initial": 0.5} | ({"final": 0.1} if kind == "linear" else {})}
    node = {"_target_": "rnnexp.losses.dsr.DSRLoss", "lambda_mar": schedule, "lambda_terms": {"a": schedule}}
    assert check_component("loss", node) == []
    assert schedule_from("lambda_mar", schedule).value(0, 10) == 0.5


def test_the_check_before_training_knows_the_schedules_of_the_losses():
    assert {name: cls.__name__ for name, cls in SCHEDULES.items()} == {
        name: target.rpartition(".")[2] for name, target in WEIGHT_SCHEDULES.items()
    }
