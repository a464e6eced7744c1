"""Cutoffs and patience."""

import pytest

from rnnexp.errors import UserError
from rnnexp.training.state import State
from rnnexp.training.stopping import StoppingRules


def state(step=100, accuracy=0.5, loss=1.0, since_best=0):
    return State(
        step=step, validation={"loss": loss, "accuracy": accuracy}, evaluations_since_best=since_best
    )


def test_nothing_asked_for_never_stops():
    assert StoppingRules().reason(state(accuracy=1.0, loss=0.0, since_best=10**6)) is None


def test_a_cutoff_that_holds_stops_with_a_sentence():
    rules = StoppingRules(accuracy_cutoff=0.955)
    assert rules.reason(state(accuracy=0.95)) is None
    reason = rules.reason(state(accuracy=0.9599999785423279))  # 96 of 100 trials in float32
    assert reason == "validation accuracy 0.9600 reached accuracy_cutoff 0.955"
    assert StoppingRules(accuracy_cutoff=0.96).reason(state(accuracy=0.9599999785423279)) is not None


def test_a_loss_cutoff_is_an_upper_bound():
    rules = StoppingRules(loss_cutoff=7)
    assert rules.reason(state(loss=7.01)) is None
    assert rules.reason(state(loss=6.5)) == "validation loss 6.5000 reached loss_cutoff 7"


@pytest.mark.parametrize(
    ("accuracy", "loss", "stops"), [(0.97, 6.0, True), (0.97, 8.0, False), (0.9, 6.0, False)]
)
def test_two_cutoffs_must_hold_together(accuracy, loss, stops):
    reason = StoppingRules(accuracy_cutoff=0.955, loss_cutoff=7).reason(state(accuracy=accuracy, loss=loss))
    assert (reason is not None) == stops
    if stops:
        assert reason == (
            "validation accuracy 0.9700 reached accuracy_cutoff 0.955 and "
            "validation loss 6.0000 reached loss_cutoff 7"
        )


@pytest.mark.parametrize(("step", "stops"), [(1500, False), (1501, True), (1600, True)])
def test_nothing_stops_before_min_steps(step, stops):
    for rules, values in (
        (StoppingRules(accuracy_cutoff=0.9, min_steps=1501), {"accuracy": 1.0}),
        (StoppingRules(loss_cutoff=7, min_steps=1501), {"loss": 0.0}),
        (StoppingRules(patience=3, min_steps=1501), {"since_best": 5}),
    ):
        assert (rules.reason(state(step=step, **values)) is not None) == stops


def test_cutoffs_wait_for_the_last_stage_and_patience_does_not():
    solved = state(accuracy=1.0, loss=0.0, since_best=5)
    assert StoppingRules(accuracy_cutoff=0.9, loss_cutoff=1).reason(solved, is_last_stage=False) is None
    rules = StoppingRules(accuracy_cutoff=0.9, patience=5, best_metric="mse")
    assert rules.reason(solved, is_last_stage=False) == "no better validation mse in 5 evaluations"


def test_patience_counts_validations():
    rules = StoppingRules(patience=3)
    assert rules.reason(state(since_best=2)) is None
    assert rules.reason(state(since_best=3)) == "no better validation loss in 3 evaluations"


def test_a_cutoff_on_an_accuracy_that_there_is_not_is_refused():
    with pytest.raises(UserError, match=r"trainer.accuracy_cutoff: 0.9: this task has no accuracy"):
        StoppingRules(accuracy_cutoff=0.9).check_names({})
    StoppingRules(accuracy_cutoff=0.9).check_names({"accuracy": 0.0})
    StoppingRules(loss_cutoff=0.9).check_names({})
