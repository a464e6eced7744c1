"""The transfer functions inside kernels against those of the reference, over the whole range of numbers."""

import numba
import numpy as np
import pytest
import torch

from rnnexp.latent_steps.activations import ACTIVATIONS
from rnnexp.recurrence.fused.transfer import number_of, slope_needs_states, transfer, transfer_slopes


@numba.njit
def values_and_slopes(number, z, rates, slopes):
    transfer(number, z, rates)
    transfer_slopes(number, z, rates, slopes)


def grid(dtype):
    """Numbers of all sizes and both signs, zeros, and those around the ends of the clipped functions."""
    sizes = np.concatenate(
        [np.geomspace(1e-30, 1e4, 400), np.linspace(19.9, 20.1, 100), np.linspace(0, 5, 501)]
    )
    return np.concatenate([-sizes, [-0.0, 0.0], sizes]).astype(dtype)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_slopes_are_those_of_the_reference(activation, dtype):
    z = grid(dtype)[None]
    rates, slopes = np.empty_like(z), np.empty_like(z)
    values_and_slopes(number_of(activation), z, rates, slopes)
    exact = torch.from_numpy(z).double().requires_grad_()
    expected = ACTIVATIONS[activation].function(exact)
    (expected_slopes,) = torch.autograd.grad(expected.sum(), exact)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(rates, expected.detach().numpy(), rtol=8 * eps, atol=2e-38)
    np.testing.assert_allclose(slopes, expected_slopes.numpy(), rtol=16 * eps, atol=4 * eps)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_stays_nan_and_infinity_goes_where_it_must(activation, dtype):
    z = np.array([[np.nan, np.inf, -np.inf]], dtype)
    rates, slopes = np.empty_like(z), np.empty_like(z)
    values_and_slopes(number_of(activation), z, rates, slopes)
    expected = ACTIVATIONS[activation].function(torch.from_numpy(z)).numpy()
    assert np.array_equal(rates, expected, equal_nan=True) or np.allclose(
        rates, expected, 1e-6, 1e-30, equal_nan=True
    )


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_slopes_follow_from_the_rates_alone_where_that_is_said(activation):
    z = grid(np.float64)[None]
    rates, slopes, without = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    values_and_slopes(number_of(activation), z, rates, slopes)

    transfer_only(number_of(activation), np.full_like(z, np.nan), rates, without)
    assert np.array_equal(slopes, without) != slope_needs_states(activation)


@numba.njit
def transfer_only(number, z, rates, slopes):
    transfer_slopes(number, z, rates, slopes)


def test_an_unknown_function_is_refused():
    with pytest.raises(ValueError, match=r"activation must be one of relu, tanh, .*, got 'step'"):
        number_of("step")
