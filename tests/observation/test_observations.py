"""Observations: what they read and what they refuse."""

import pytest
import torch

from rnnexp.observation import Affine, Identity, Linear

RATES = torch.randn(3, 5, 7)


def test_identity_reads_the_first_units():
    assert torch.equal(Identity(7, 2)(RATES), RATES[..., :2])
    assert Identity(7, 2).output_matrix is None


def test_identity_needs_a_unit_for_every_output():
    with pytest.raises(
        ValueError, match=r"latent_dim must be >= the number of outputs \(8\), got latent_dim=7"
    ):
        Identity(7, 8)


@pytest.mark.parametrize("kind", [Linear, Affine])
def test_outputs_follow_the_equation(kind):
    observation = kind(7, 2)
    observation.initialize(torch.Generator().manual_seed(0))
    bias = 0.0
    if kind is Affine:
        torch.nn.init.normal_(observation.b)
        bias = observation.b
    expected = torch.einsum("om,btm->bto", observation.output_matrix, RATES) + bias
    assert torch.allclose(observation(RATES), expected, atol=1e-6)


def test_linear_has_no_bias():
    assert set(Linear(7, 2).weights()) == {"B"}
    assert set(Affine(7, 2).weights()) == {"B", "b"}


def test_readout_starts_at_the_size_of_he_initialisation():
    observation = Linear(400, 50)
    observation.initialize(torch.Generator().manual_seed(0))
    assert observation.B.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.05)
