"""Which rollout runs: chosen by itself, or as forced."""

import subprocess
import sys

import pytest
import torch

from rnnexp.errors import UserError
from rnnexp.latent_steps import ALRNN, PLRNN, LatentStep, ShPLRNN
from rnnexp.models import RNN
from rnnexp.observation import Linear
from rnnexp.recurrence.fused.selection import choose_backend
from rnnexp.recurrence.rollout import rollout

CPU = torch.device("cpu")
BUILT_IN = [ALRNN(3, 1, num_relus=1), PLRNN(3, 1), ShPLRNN(3, 1, hidden_dim=4)]


class Doubled(ALRNN):
    """A user's change of a built-in equation."""

    def step(self, z, s):
        return 2 * super().step(z, s)


class Own(LatentStep):
    """A user's own equation."""

    def step(self, z, s):
        return 0.5 * z


class OwnFused(Own):
    """A user's own equation with a fast path."""

    def fused_rollout(self, initial, inputs, n_steps):
        return torch.stack([initial * 0.5**t for t in range(1, n_steps + 1)], dim=1) + 100


def marked_step():
    step = Doubled(3, 0, num_relus=1)
    torch.nn.init.ones_(step.A)
    return step


@pytest.mark.parametrize("step", BUILT_IN, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_built_in_steps_are_fused_on_the_cpu(step, dtype):
    name, reason = choose_backend(step, CPU, dtype)
    assert name == "fused"
    assert reason.startswith("compiled recurrence on the CPU, float")
    assert choose_backend(step, CPU, dtype, "fused")[0] == "fused"


def test_the_reference_can_be_asked_for():
    assert choose_backend(BUILT_IN[0], CPU, torch.float32, "reference") == (
        "reference",
        "asked for by trainer.backend",
    )


@pytest.mark.parametrize(
    ("step", "device", "dtype", "reason"),
    [
        (BUILT_IN[0], "cuda", torch.float32, "the compiled recurrences run on the CPU, not on cuda"),
        (BUILT_IN[1], "cpu", torch.float16, "the compiled recurrences need float32 or float64, not float16"),
        (marked_step(), "cpu", torch.float32, "Doubled has no compiled recurrence of its own"),
        (Own(3, 0), "cpu", torch.float32, "Own has no compiled recurrence of its own"),
    ],
)
def test_auto_falls_back_and_fused_says_why_it_cannot(step, device, dtype, reason):
    assert choose_backend(step, torch.device(device), dtype) == ("reference", reason)
    with pytest.raises(UserError, match=f"trainer.backend: fused: {reason}; use auto or reference"):
        choose_backend(step, torch.device(device), dtype, "fused")


def test_an_unknown_backend_is_refused():
    with pytest.raises(UserError, match=r"trainer\.backend: numba: must be one of auto, reference, fused"):
        choose_backend(BUILT_IN[0], CPU, torch.float32, "numba")


def test_a_user_subclass_runs_its_own_step():
    initial = torch.ones(1, 3)
    assert rollout(marked_step(), initial, None, 3)[0, :, 0].tolist() == [2, 4, 8]


def test_a_user_fast_path_is_taken_when_the_class_defines_it():
    assert rollout(OwnFused(3, 0), torch.ones(1, 3), None, 2)[0, :, 0].tolist() == [100.5, 100.25]
    assert rollout(OwnFused(3, 0), torch.ones(1, 3), None, 2, "reference")[0, :, 0].tolist() == [0.5, 0.25]


def test_the_model_hands_its_backend_on():
    with pytest.raises(UserError, match="Doubled has no compiled recurrence"):
        RNN(marked_step(), Linear(3, 1), backend="fused").run(None, n_steps=2)
    assert RNN(OwnFused(3, 0), Linear(3, 1), backend="reference").run(None, n_steps=2).latents.max() == 0
    assert RNN(OwnFused(3, 0), Linear(3, 1)).run(None, n_steps=2).latents.max() == 100


def test_numba_is_imported_by_the_first_fused_rollout_only():
    code = """
import sys, torch
from rnnexp.latent_steps import ALRNN
from rnnexp.models import RNN
from rnnexp.recurrence.rollout import rollout
rollout(ALRNN(3, 0, num_relus=1), torch.ones(1, 3), None, 2, "reference")
assert "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
