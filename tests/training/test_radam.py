"""The RAdam of this project against torch's."""

import copy

import pytest
import torch

from rnnexp.training.radam import RAdam


@pytest.mark.parametrize(
    "settings", [{}, {"betas": (0.5, 0.9), "eps": 1e-3}, {"weight_decay": 0.1, "lr": 0.05}], ids=str
)
def test_updates_are_those_of_torch(settings):
    torch.manual_seed(0)
    shapes = [(3,), (4, 5), ()]
    values = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    own, reference = ([v.clone().requires_grad_() for v in values] for _ in range(2))
    optimizers = RAdam(own, **settings), torch.optim.RAdam(reference, **settings)
    for step in range(40):
        for p, q in zip(own, reference, strict=True):
            p.grad = torch.randn_like(p) * (1 + step)
            q.grad = p.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        for p, q in zip(own, reference, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-13)


def test_a_restored_optimizer_goes_on_as_if_nothing_had_happened():
    torch.manual_seed(0)
    p = torch.zeros(4, requires_grad=True)
    gradients = torch.randn(20, 4)
    optimizer = RAdam([p], lr=0.1)
    for gradient in gradients[:9]:
        p.grad = gradient.clone()
        optimizer.step()
    q = p.detach().clone().requires_grad_()
    restored = RAdam([q], lr=0.1)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for gradient in gradients[9:]:
        p.grad, q.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        restored.step()
    assert torch.equal(p, q)


def test_parameters_without_a_gradient_stay():
    p, q = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = RAdam([p, q])
    for _ in range(8):
        p.grad = torch.ones(2)
        optimizer.step()
    assert torch.equal(q, torch.ones(2))
    assert not torch.equal(p, torch.ones(2))


def test_a_group_without_gradients_is_left_alone():
    learning, idle = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimizer = RAdam([{"params": [idle]}, {"params": [learning], "lr": 0.1}], lr=1e-3)
    for _ in range(8):
        learning.grad = torch.ones(3)
        optimizer.step()
    assert torch.equal(idle, torch.ones(3))
    assert (learning < 0.9).all()
