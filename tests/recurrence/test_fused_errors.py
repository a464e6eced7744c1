"""Errors that a compiled recurrence gives without a trajectory, against the loss on the trajectory."""

import numpy as np
import pytest
import torch

from rnnexp.latent_steps import ALRNN
from rnnexp.losses.base import CompositeLoss, LossTerm
from rnnexp.losses.output import ErrorNorm, MaskedMeanSquaredError, ObservedMeanSquaredError
from rnnexp.losses.weights import MeanSquaredWeight
from rnnexp.networks import network
from rnnexp.tasks.base import Trials

SERIES = ("PLRNN", "ALRNN", "shPLRNN", "clipped_shPLRNN")
LEAKY = ("Basic", "CTRNN", "FR_RNN_dale", "LeakyRate")
TERMS = {
    "masked": MaskedMeanSquaredError,
    "observed": ObservedMeanSquaredError,
    "norm": lambda: ErrorNorm("l2"),
}


def trials_of(n_trials, n_steps, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = (torch.randn(n_trials, n_steps, 2, generator=generator, dtype=dtype) for _ in range(2))
    mask = (torch.rand(n_trials, n_steps, 2, generator=generator) > 0.3).to(dtype)
    return Trials(inputs, targets, mask)


def gradients(model, function):
    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.grad = None
    losses = function()
    (3.0 * losses.total).backward()
    return losses, [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("term", "dtype"), [("masked", torch.float64), ("norm", torch.float64), ("observed", torch.float32)]
)
@pytest.mark.parametrize("latent_step", [*SERIES, *LEAKY])
def test_errors_are_those_of_the_trajectory(latent_step, term, dtype):
    model = network(latent_step, input_dim=2, output_dim=2, latent_dim=6, seed=1).to(dtype)
    loss = CompositeLoss([TERMS[term](), MeanSquaredWeight("recurrent")], [0.7, 0.1])
    trials = trials_of(37, 23, dtype)  # in parts, the last of them smaller
    noise = lambda: torch.Generator().manual_seed(3)  # noqa: E731
    whole, expected = gradients(model, lambda: loss(model(trials, noise()), trials, model))
    assert model.error(trials, TERMS[term]().comparison(trials)) is not None
    direct, found = gradients(model, lambda: loss.of_update(model, trials, noise()))
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if dtype is torch.float32 else {"rtol": 1e-11, "atol": 1e-13}
    for name in whole:
        torch.testing.assert_close(direct[name], whole[name], **tolerance)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **tolerance)
    with torch.no_grad():
        torch.testing.assert_close(
            loss.of_update(model, trials, noise()).total, direct.total.detach(), rtol=0, atol=0
        )


@pytest.mark.parametrize("latent_step", ["ALRNN", "shPLRNN", "LeakyRate"])
@pytest.mark.parametrize("term", ["masked", "norm"])
def test_errors_through_a_sigmoid(latent_step, term):
    model = network(
        latent_step, input_dim=2, output_dim=2, latent_dim=6, seed=1, overrides=["observation=logistic"]
    ).double()
    loss, trials = CompositeLoss([TERMS[term]()]), trials_of(20, 23, torch.float64)
    assert model.error(trials, loss.terms[next(iter(loss.terms))].comparison(trials)) is not None
    whole, expected = gradients(model, lambda: loss(model(trials), trials, model))
    alone, found = gradients(model, lambda: loss.of_update(model, trials))
    torch.testing.assert_close(alone.total, whole.total, rtol=1e-12, atol=0)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("latent_step", ["ALRNN", "shPLRNN", "CTRNN"])
def test_no_bit_depends_on_the_threads(latent_step):
    from rnnexp.recurrence.threads import most_threads, use_threads

    model = network(latent_step, input_dim=2, output_dim=2, latent_dim=40, seed=1)
    loss, trials = CompositeLoss([MaskedMeanSquaredError()]), trials_of(200, 60, torch.float32)
    before, found = most_threads(), []
    try:
        for threads in (1, 3):
            use_threads(threads)
            found.append(gradients(model, lambda: loss.of_update(model, trials)))
    finally:
        use_threads(before)
    assert torch.equal(found[0][0].total, found[1][0].total)
    assert all(map(torch.equal, found[0][1], found[1][1]))


def test_what_needs_a_trajectory_gets_one():
    class Mine(LossTerm):
        def term(self, trajectory, trials):
            return trajectory.outputs.square().mean()

    class Weighted(MeanSquaredWeight):
        def term(self, trajectory, trials, model):
            return super().term(trajectory, trials, model) + trajectory.outputs.mean()

    model, trials = network("CTRNN", input_dim=2, output_dim=2, latent_dim=4), trials_of(5, 7, torch.float32)
    for extra in (Mine(), Weighted("recurrent"), MaskedMeanSquaredError()):
        loss = CompositeLoss([MaskedMeanSquaredError(), extra])
        torch.testing.assert_close(
            loss.of_update(model, trials).total, loss(model(trials), trials, model).total
        )
    model.backend = "reference"
    assert model.error(trials, MaskedMeanSquaredError().comparison(trials)) is None


def test_nothing_observed_is_no_error():
    model = network("CTRNN", input_dim=2, output_dim=2, latent_dim=4)
    trials = trials_of(5, 7, torch.float32)
    trials = Trials(trials.inputs, trials.targets, torch.zeros_like(trials.mask))
    for term in (ObservedMeanSquaredError(), ErrorNorm("l2")):
        losses, found = gradients(model, lambda term=term: CompositeLoss([term]).of_update(model, trials))
        assert losses.total.item() == 0.0
        assert all(not gradient.any() for gradient in found)


@pytest.mark.parametrize("threads", [1, 2])
def test_kernels_know_no_denormal_numbers_and_leave_those_of_others(threads):
    from rnnexp.recurrence.threads import most_threads, use_threads

    step = ALRNN(4, 0, num_relus=1)
    with torch.no_grad():
        step.A.fill_(0.5)
        step.W_raw.zero_()
    before = most_threads()
    try:
        use_threads(threads)
        latents = step.fused_rollout(torch.ones(400, 4), None, 160).detach().numpy()
    finally:
        use_threads(before)
    smallest = np.finfo(np.float32).tiny
    assert ((latents == 0) | (np.abs(latents) >= smallest)).all()
    assert (latents[:, -1] == 0).all()  # where 2^-160 is denormal
    assert torch.tensor([5e-324], dtype=torch.float64).mul(1.0).item() > 0
