"""Initial weights against PsychRNN's own, from its own random draws."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.constraints.psychrnn_initializer import PsychRNNInitializer
from rnnexp.constraints.weight_draws import dale_balance, draw_weights, glorot_sd, with_spectral_radius
from rnnexp.constraints.weight_rule import WeightRule

with np.load(Path(__file__).parents[1] / "vectors" / "psychrnn" / "initializers.npz") as file:
    GOLDEN = {name: file[name] for name in file}


def golden(name):
    return torch.from_numpy(GOLDEN[name].astype(np.float64))


def signs_of(case):
    return golden(f"Dale_rec_{case}").diagonal()


@pytest.mark.parametrize("case", ["free", "dale", "dale_masked_noaut"])
def test_gaussian_spectral_radius(case):
    raw, mask = golden(f"raw_{case}"), golden(f"rec_connectivity_{case}")
    if case == "dale_masked_noaut":
        mask = mask * (1 - torch.eye(len(mask), dtype=mask.dtype))
    if case != "free":
        raw = dale_balance(raw, mask, signs_of(case), float(GOLDEN["dale_ratio"]))
    matrix = with_spectral_radius(raw, float(GOLDEN["spec_rad"]))
    torch.testing.assert_close(matrix, golden(f"W_rec_{case}"), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", ["free", "dale"])
def test_alpha_identity(case):
    initializer = PsychRNNInitializer(W_rec="alpha_identity", identity_scale=0.9)
    expected = golden(f"alphaid_W_rec_{case}")
    rule = None
    if case == "dale":
        rule = WeightRule(None, signs_of(case), "absolute", excitatory_fraction=float(GOLDEN["dale_ratio"]))
    raw = initializer.recurrent_weight(torch.zeros_like(expected), rule, torch.Generator())
    torch.testing.assert_close(raw, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("which", ["in", "rec", "out"])
def test_glorot_sizes(which):
    mask = golden(f"conn_{which}")
    torch.testing.assert_close(glorot_sd(mask), golden(f"glorot_gauss_std_{which}"), rtol=1e-9, atol=0)
    limit = golden(f"glorot_unif_limit_{which}")
    torch.testing.assert_close(3**0.5 * glorot_sd(mask), limit, rtol=1e-9, atol=0)
    draws = torch.stack(
        [draw_weights("glorot_unif", mask, torch.Generator().manual_seed(i)) for i in range(200)]
    )
    assert (draws.abs().amax(0) <= limit).all()
    assert (draws.abs().amax(0) > 0.9 * limit).all()
