"""Optimizers without torch's hooks."""

import functools
import subprocess
import sys

import pytest
import torch

from rnnexp.training.plain_optimizer import without_hooks

TRAINING = """
import sys
sys.argv = ["rnnexp", "train", "trainer.n_steps=8", "trainer.eval_every=4", "trainer.batch_size=4", "latent_dim=4",
    "trainer.n_validation_trials=4", "trainer.n_test_trials=4", "trainer.plots=false", "optimizer={optimizer}"]
from rnnexp.cli import main
main()
assert "torch" in sys.modules
print([name for name in ("torch._dynamo", "sympy", "matplotlib", "pandas") if name in sys.modules])
"""


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RAdam])
def test_updates_stay_the_same(kind):
    parameters = [torch.ones(3, requires_grad=True) for _ in range(2)]
    optimizers = kind([parameters[0]], lr=0.1), without_hooks(kind([parameters[1]], lr=0.1))
    torch.manual_seed(0)
    for _ in range(4):
        gradient = torch.randn(3)
        for parameter, optimizer in zip(parameters, optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    assert torch.equal(*parameters)
    assert not torch.equal(parameters[0], torch.ones(3))


def test_what_a_user_has_wrapped_around_a_step_stays():
    calls = []

    def counted(step):
        @functools.wraps(step)
        def wrapper(self):
            calls.append(self)
            return step(self)

        return wrapper

    class Own(torch.optim.SGD):
        step = counted(torch.optim.SGD.step)

    parameter = torch.ones(3, requires_grad=True)
    parameter.grad = torch.ones(3)
    optimizer = without_hooks(Own([parameter], lr=0.1))
    optimizer.step()
    assert calls == [optimizer]
    assert torch.equal(parameter, torch.full((3,), 0.9))


@pytest.mark.parametrize("optimizer", ["adam", "radam"])
def test_a_training_imports_neither_the_compiler_nor_what_draws(optimizer, tmp_path):
    words = [sys.executable, "-c", TRAINING.format(optimizer=optimizer)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
