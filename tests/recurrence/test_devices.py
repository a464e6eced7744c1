"""That a training step stays on its device, and asks it for no number, on a device that can give none.

Tensors on torch's meta device have no data: an operation that mixes devices, or one that waits for a number as a
graphics card would have to, raises. So this shows without a card what breaks or slows down a rollout on one.
"""

import pytest
import torch

from rnnexp.building.parts import build_parts

COGNITIVE = [
    ("PLRNN", "delayed_discrim", "rnn_loss"),
    ("ALRNN", "perceptual_discrim", "psychrnn"),
    ("shPLRNN", "mante", "rnn_loss"),
    ("clipped_shPLRNN", "xor", "nn4n"),
    ("CTRNN", "match_to_category", "nn4n"),
    ("Basic", "simple_pd", "psychrnn"),
    ("FR_RNN_dale", "go_nogo", "spikernn"),
    ("LSTM", "delayed_discrim", "rnn_loss"),
    ("GRU", "go_nogo", "rnn_loss"),
]


def step_on_meta(config):
    parts = build_parts(config)
    model = parts.model.to("meta")
    trials = parts.task.sample(4, torch.Generator().manual_seed(0), parts.dtype).to("meta")
    trajectory = model(trials, torch.Generator().manual_seed(1))
    losses = parts.loss.at(0, 10)(trajectory, trials, model)
    losses.total.backward()
    tensors = [trajectory.latents, trajectory.rates, trajectory.outputs, losses.total]
    tensors += [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert model.weights()


@pytest.mark.parametrize(("latent_step", "task", "loss"), COGNITIVE)
def test_a_step_on_a_cognitive_task(latent_step, task, loss, compose_config):
    choices = [f"latent_step={latent_step}", f"task={task}", f"loss={loss}"]
    step_on_meta(compose_config(*choices, "task.dt=20", "latent_dim=10"))


@pytest.mark.parametrize("latent_step", ["ALRNN", "shPLRNN"])
@pytest.mark.parametrize("observation", ["identity", "linear"])
def test_a_step_on_a_time_series(latent_step, observation, compose_config):
    small = ["task.n_training=600", "task.n_validation=300", "task.n_test=300", "task.sequence_length=30"]
    config = compose_config(
        "task=lorenz63", f"latent_step={latent_step}", f"observation={observation}", "forcing=none", *small
    )
    step_on_meta(config)
