"""Both rollouts take and refuse the same, in the same words."""

import pytest
import torch

from rnnexp.latent_steps import ALRNN
from rnnexp.latent_steps.gated import GRU
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.models import RNN
from rnnexp.observation.affine import Affine
from rnnexp.tasks.base import Task, Trials

STEPS = {
    "ALRNN": lambda: ALRNN(5, 2, 3),
    "Leaky": lambda: Leaky(5, 2, dt=10.0),
    "GRU": lambda: GRU(5, 2),
}


def network(name, backend):
    return RNN(STEPS[name](), Affine(5, 2), backend=backend)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_one_initial_row_serves_all_trials(name, backend):
    model, inputs = network(name, backend), torch.randn(3, 4, 2)
    row = torch.randn(1, model.latent_step.state_dim)
    assert model.run(inputs, row).latents.equal(model.run(inputs, row.expand(3, -1)).latents)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("inputs", "initial", "text"),
    [
        (torch.randn(3, 4, 2), torch.randn(2, 5), "initial must have the shape (3, 5), got (2, 5)"),
        (torch.randn(3, 4, 2), torch.randn(3, 6), "initial must have the shape (3, 5), got (3, 6)"),
        (torch.randn(3, 4, 1), torch.randn(3, 5), "inputs must have the shape (3, 4, 2), got (3, 4, 1)"),
        (
            torch.randn(3, 4, 2).double(),
            torch.randn(3, 5),
            "inputs must be torch.float32 on cpu as the parameters are, got torch.float64 on cpu",
        ),
        (
            torch.randn(3, 4, 2),
            torch.randn(3, 5).double(),
            "initial must be torch.float32 on cpu as the parameters are, got torch.float64 on cpu",
        ),
    ],
)
def test_both_rollouts_refuse_in_the_same_words(name, inputs, initial, text):
    for backend in ("reference", "fused"):
        with pytest.raises(ValueError) as error:  # noqa: PT011  compared as a whole below
            network(name, backend).run(inputs, initial)
        assert str(error.value) == text


def test_a_backend_that_there_is_not_is_refused_at_once():
    with pytest.raises(ValueError, match=r"^backend must be one of auto, reference, fused, got 'fast'$"):
        network("ALRNN", "fast")


def test_a_run_without_inputs_and_steps_is_refused():
    with pytest.raises(ValueError, match=r"^n_steps must be given for a run without inputs$"):
        network("ALRNN", "auto").run(None)


def test_a_task_may_define_sample_alone_and_trials_may_have_neither_inputs_nor_conditions():
    class Tone(Task):
        def sample(self, batch_size, generator, dtype=torch.float32, batch=1):
            targets = torch.ones(batch_size, self.n_steps, 1, dtype=dtype)
            return Trials(None, targets, torch.ones_like(targets))

    trials = Tone(input_dim=0, output_dim=1, dt=10, T=50).sample(3, torch.Generator())
    assert trials.inputs.shape == (3, 5, 0)
    assert trials.conditions == {}
    assert trials[:2].n_trials == 2


def test_a_task_without_trials_is_refused():
    class Empty(Task):
        pass

    with pytest.raises(TypeError, match=r"^Empty must define sample_conditions and make_trials, or sample$"):
        Empty(input_dim=0, output_dim=1, dt=10, T=50)
