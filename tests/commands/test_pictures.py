"""Which trials the pictures of a run show, and what they are called."""

import numpy as np
import torch

from rnnexp.commands.pictures import N_SHOWN, _titles, _varied, draw_model
from rnnexp.latent_steps import Leaky
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.tasks import DelayedDiscrim, PerceptualDiscrim


def test_every_condition_is_shown_before_one_is_repeated():
    assert _varied(np.array([0, 0, 0, 0, 1, 2, 0]), 7).tolist() == [0, 4, 5, 1]
    assert _varied(np.array([0.3, 0.1, 0.7]), 3).tolist() == [0, 1, 2]
    assert _varied(None, 9).tolist() == list(range(N_SHOWN))


def test_trials_are_called_by_their_condition():
    assert _titles(DelayedDiscrim(), np.array([1, 0])) == ["trial 1: f1 < f2", "trial 2: f1 > f2"]
    assert _titles(PerceptualDiscrim(), np.array([1])) == ["trial 1: direction 1"]


def test_trials_that_diverge_are_drawn_as_far_as_they_go(tmp_path):
    task = PerceptualDiscrim(T=2000, dt=10)
    step = Leaky(4, 2, dt=10.0, tau=10.0, activation="softplus")
    with torch.no_grad():
        step.W_rec_raw.fill_(3.0)
    model = RNN(step, Affine(4, 2))
    trials = task.sample(6, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not model(trials).latents.isfinite().all()
    draw_model(model, task, trials, tmp_path)
    assert (tmp_path / "eigenvalues.png").exists()
