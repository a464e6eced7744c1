"""The pictures of a network that moves a plant."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from rnnexp.models import RNN
from rnnexp.plants import TwoLinkArm
from rnnexp.plots.album import Album
from rnnexp.plots.reaches import (
    adaptation_curve,
    arm_postures,
    errors_by_direction,
    film,
    hand_paths,
    speed_profiles,
)
from rnnexp.recurrence.trajectory import Trajectory
from rnnexp.tasks.base import Trials
from rnnexp.tasks.reaching import ReachingTask

BY_DIRECTION = ("endpoint_error", "peak_speed", "straightness", "lateral_error")


def draw_movements(
    model: RNN, task: ReachingTask, trials: Trials, trajectory: Trajectory, album: Album
) -> None:
    """Draw paths, speeds, measures by direction, postures of an arm, and on request a film."""
    pos = _array(trajectory.effector_pos)
    start = _array(trajectory.movement.start["effector_pos"])
    speed = np.linalg.norm(_array(trajectory.effector_vel), axis=-1)
    goal = _array(trials.targets[:, -1])
    angle = _array(trials.conditions["direction"]) if task.condition == "direction" else None
    go = _array(task.go_step(trials)) * task.dt if "go" in trials.conditions else None
    album.add("hand_paths", lambda: hand_paths(start, pos, goal, angle, task.success_radius, task.T))
    album.add("speed", lambda: speed_profiles(speed, task.dt, angle, go))
    if angle is not None:
        values = {
            k: _array(v) for k, v in task.trial_metrics(trajectory, trials).items() if k in BY_DIRECTION
        }
        table = pd.DataFrame({"direction": angle, **values})
        album.add("directions", lambda: errors_by_direction(values, angle), table)
    joints = None
    if isinstance(model.loop.plant, TwoLinkArm):
        angles = trajectory.movement.states["angle"]
        joints = _array(model.loop.plant.positions(angles.flatten(0, 1))).reshape(*angles.shape[:2], 2, 2)
        album.add("arm", lambda: arm_postures(joints, pos, goal, task.dt))
    album.add_film("film", lambda: film(start, pos, goal, joints, task.dt))


def draw_adaptation(model: RNN, read: Callable[[], pd.DataFrame], album: Album) -> None:
    """Draw how lateral errors change while a perturbation is on in a part of the training, if one is."""
    for perturbation in model.loop.perturbations:
        first, last = perturbation.from_update, perturbation.to_update
        if first > 0 or last is not None:
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(perturbation).__name__).lower()
            album.add(
                "adaptation",
                lambda f=first, s=last, n=name: adaptation_curve(read(), "lateral_error", f, s, n),
            )


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.numpy(force=True)
