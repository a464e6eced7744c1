"""Pictures of movements: what is drawn where, also of reaches that diverge or never move."""

import numpy as np
import pandas as pd
import pytest

from rnnexp.plots.reaches import (
    adaptation_curve,
    arm_postures,
    direction_colours,
    errors_by_direction,
    film,
    hand_paths,
    speed_profiles,
)

RNG = np.random.default_rng(0)
START, GOAL = np.zeros((7, 2)), RNG.normal(size=(7, 2))
POS = np.linspace(0, 1, 20)[None, :, None] * GOAL[:, None]
ANGLE = np.arange(7) * 360 / 7


def test_paths_run_from_start_to_goal() -> None:
    figure = hand_paths(START, POS, GOAL, ANGLE, 0.05, 1000.0)
    (axes,) = figure.axes
    paths = [line for line in axes.lines if len(line.get_xdata()) == 21]
    assert len(paths) == 7
    for line, goal in zip(paths, GOAL, strict=True):
        assert (line.get_xdata()[-1], line.get_ydata()[-1]) == pytest.approx(tuple(goal))
    assert "every 100 ms" in axes.get_title(loc="left")


@pytest.mark.parametrize("pos", [np.full_like(POS, np.nan), np.zeros_like(POS)], ids=["lost", "still"])
def test_paths_that_go_nowhere_are_drawn_too(pos: np.ndarray) -> None:
    hand_paths(START, pos, GOAL, None, 0.05, 1000.0).canvas.draw()
    film(START, pos, GOAL, None, 50.0)._draw_frame(3)


def test_speeds_are_aligned_to_the_go_signal() -> None:
    speed = np.zeros((2, 20))
    speed[0, 5], speed[1, 9] = 1.0, 1.0  # 300 ms and 500 ms
    figure = speed_profiles(speed, 50.0, None, np.array([250.0, 450.0]))
    lines = figure.axes[0].lines
    peaks = [line.get_xdata()[np.argmax(line.get_ydata())] for line in lines[:2]]
    assert peaks == [50.0, 50.0]
    mean = next(line for line in lines if line.get_label() == "mean")
    assert mean.get_ydata().max() == pytest.approx(1.0)


def test_means_by_direction_pass_through_the_dots() -> None:
    angle = np.array([0.0, 0.0, 90.0, 90.0])
    error, side = np.array([1.0, 3.0, 5.0, np.nan]), np.array([-1.0, 1.0, 2.0, 2.0])
    figure = errors_by_direction({"endpoint_error": error, "lateral_error": side}, angle)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "endpoint error (m) (lower is better)", "lateral error (m)"
    ]  # fmt: skip
    assert figure.axes[0].lines[-1].get_ydata().tolist() == [2.0, 5.0]


def test_adaptation_shows_the_time_of_the_field_alone() -> None:
    steps = np.arange(0, 800, 10)
    table = pd.DataFrame(
        {"step": steps, "split": "validation", "lateral_error": np.where(steps < 300, 9, 0.1)}
    )
    (axes,) = adaptation_curve(table, "lateral_error", 500, 700, "curl field").axes
    assert axes.lines[-1].get_xdata().min() == 400
    assert axes.patches[0].get_extents().width > 0
    adaptation_curve(table, "lateral_error", 500, None, "curl field").canvas.draw()


def test_an_arm_and_its_film() -> None:
    joints = np.stack((POS * 0.5, POS), 2)
    assert len(arm_postures(joints, POS, GOAL, 50.0).axes) == 3
    assert len(arm_postures(joints[:1], POS[:1], GOAL[:1], 50.0).axes) == 1
    film(START, POS, GOAL, joints, 50.0)._draw_frame(5)


def test_opposite_directions_have_different_colours() -> None:
    colours = np.array(direction_colours(2, np.array([0.0, 180.0])))
    assert np.abs(colours[0] - colours[1]).max() > 0.5
    assert len(set(direction_colours(3, None))) == 1
