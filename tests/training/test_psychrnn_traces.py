"""Whole updates by the trainer against those of PsychRNN: Adam, plain descent, clipping, fixed weights, Dale."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.constraints.connectivity import Full, Sizes
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.plasticity import Plasticity
from rnnexp.latent_steps import Leaky
from rnnexp.losses.psychrnn import PsychRNNLoss
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.tasks.base import Task, Trials
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.schedules import Constant
from rnnexp.training.state import Parts
from rnnexp.training.tensorflow_adam import TensorFlowAdam
from rnnexp.training.trainer import Trainer

VECTORS = Path(__file__).parents[1] / "vectors" / "psychrnn"
NAMES = {
    "W_in": "latent_step.W_in_raw", "W_rec": "latent_step.W_rec_raw", "b_rec": "latent_step.b_rec",
    "W_out": "observation.B_raw", "b_out": "observation.b", "init_state": "z0",
}  # fmt: skip


class GivenTrials(Task):
    """Hands out the batches of a file in their order; the first one for validation."""

    def __init__(self, g, dtype):
        n_steps, n_inputs = g["x"].shape[2:]
        super().__init__(
            input_dim=n_inputs, output_dim=g["y"].shape[-1], dt=float(g["dt"]), T=float(g["dt"]) * n_steps
        )
        self.batches = [
            Trials(*(torch.from_numpy(g[key][i]).to(dtype) for key in ("x", "y", "mask")), {})
            for i in range(4)
        ]

    def sample(self, batch_size, generator, dtype=torch.float32, batch=1):
        return self.batches[batch - 1]

    def sample_conditions(self, batch_size, generator):
        raise NotImplementedError

    def make_trials(self, conditions, generator, dtype=torch.float32):
        raise NotImplementedError

    def metrics(self, outputs, trials):
        return {}


def network(g, dtype):
    n_units, n_inputs = g["W_in"].shape
    n_outputs = len(g["W_out"])
    names = {"W_in": "W_in", "W_rec": "W_rec", "B": "W_out"}
    fixed = {ours: g[f"fixed_{name}"].tolist() for ours, name in names.items() if f"fixed_{name}" in g}
    dale = {}
    if "dale_ratio" in g:
        dale = {"sign_rule": "absolute", "dale_ratio": float(g["dale_ratio"])}
        dale |= {"inputs": "non_negative", "readout": "excitatory"}
    constraint = Constraint(**dale, fixed=fixed)
    rules = constraint.rules(Sizes(n_inputs, n_units, n_outputs), Full(), torch.Generator())
    step = Leaky(n_units, n_inputs, dt=float(g["dt"]), tau=float(g["tau"]), rules=rules)
    model = RNN(step, Affine(n_units, n_outputs, rule=rules.output))
    if fixed:
        model.plasticity = Plasticity(model, constraint.fixed, {})
    with torch.no_grad():
        for theirs, ours in NAMES.items():
            parameter = model.get_parameter(ours)
            parameter.copy_(torch.from_numpy(g[theirs]).reshape(parameter.shape))
    return model.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("name", "optimizer", "clip"),
    [
        ("train_adam_clip", TensorFlowAdam, "per_variable"),
        ("train_sgd_clip_fixed_dale", torch.optim.SGD, "per_variable"),
        ("train_sgd_noclip", torch.optim.SGD, "none"),
    ],
)
def test_four_updates_are_those_of_psychrnn(tmp_path, name, optimizer, clip, dtype):
    with np.load(VECTORS / f"{name}.npz") as file:
        g = {key: file[key] for key in file}
    model, task = network(g, dtype), GivenTrials(g, dtype)
    loss = PsychRNNLoss(
        lambda_l2_rec=float(g["coef_L2_rec"]), lambda_l2_firing_rate=float(g["coef_L2_firing_rate"])
    )
    optimizer = optimizer(model.parameters(), lr=float(g["learning_rate"]))
    parts = Parts(task, model, loss, optimizer, Constant(), torch.device("cpu"), dtype)
    batch_size = task.batches[0].n_trials
    trainer = Trainer(
        n_steps=4,
        batch_size=batch_size,
        eval_every=4,
        n_validation_trials=batch_size,
        clip=clip,
        clip_norm=1.0,
        save_every=1,
        progress=False,
    )
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]
    trainer.fit(parts, RunDirectory(tmp_path), {}, seed=0)
    assert torch.get_rng_state().equal(before[0])  # the caller's generators are left alone
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])
    for i in range(4):
        after = load_checkpoint(tmp_path / "checkpoints" / f"step_{i + 1:07d}.pt")["model"]
        for theirs, ours in NAMES.items():
            expected = torch.from_numpy(g[f"after_{theirs}"][i]).to(dtype).reshape(after[ours].shape)
            torch.testing.assert_close(after[ours], expected, rtol=1e-4, atol=1e-6)
        model.load_state_dict(after)
        trials = task.batches[i]
        total = loss(model(trials), trials, model).total
        assert total.item() == pytest.approx(float(g["losses"][i]), rel=1e-4)
