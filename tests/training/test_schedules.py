"""Learning-rate schedules as functions of progress."""

import math

import pytest

from rnnexp.training.schedules import Constant, Cosine, Exponential, Linear, Step


def factors(schedule, n=100):
    return [schedule.factor(step, n) for step in range(n)]


def test_constant_stays_one():
    assert set(factors(Constant())) == {1.0}


def test_cosine_falls_from_one_to_the_final_factor():
    values = factors(Cosine(final_factor=0.1))
    assert values[0] == 1.0
    assert values[50] == pytest.approx(0.55)
    assert values[-1] == pytest.approx(0.1, abs=1e-3)
    assert values == sorted(values, reverse=True)


def test_linear_is_halfway_in_the_middle():
    assert Linear(final_factor=0.0).factor(50, 100) == pytest.approx(0.5)


def test_exponential_is_the_start_and_end_rate_of_the_papers():
    values = factors(Exponential(final_factor=0.01))
    assert values[50] == pytest.approx(0.1)
    assert values[1] / values[0] == pytest.approx(0.01 ** (1 / 100))


def test_step_multiplies_at_every_milestone():
    values = factors(Step(milestones=[0.1, 0.8, 0.9], gamma=0.1))
    assert [values[5], values[10], values[85], values[95]] == pytest.approx([1, 0.1, 0.01, 0.001])


def test_warmup_rises_linearly_and_then_hands_over():
    values = factors(Cosine(warmup=0.2))
    assert 0 < values[0] < values[10] < values[19] < 1
    assert values[20] == 1.0
    assert values[60] == pytest.approx((1 + math.cos(math.pi / 2)) / 2)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Cosine(final_factor=-0.1), r"final_factor must be a number in \[0, 1\], got -0.1"),
        (lambda: Exponential(final_factor=0), r"final_factor must be a number in \(0, 1\], got 0"),
        (lambda: Linear(warmup=1), r"warmup must be a number in \[0, 1\), got 1"),
        (
            lambda: Step(milestones=[0.9, 0.1]),
            r"milestones must be rising numbers in \(0, 1\), got \[0.9, 0.1\]",
        ),
        (lambda: Step(gamma=2), r"gamma must be a number in \(0, 1\], got 2"),
    ],
)
def test_arguments_out_of_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
