"""Free-running trajectories and Jacobians of the four latent steps against the published implementations."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.latent_steps import ALRNN, PLRNN, ShPLRNN
from rnnexp.recurrence.rollout import rollout

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
FILES = ["forward_small.npz", "forward_wide.npz"]


def load(name, dtype=torch.float64):
    with np.load(VECTORS / name) as arrays:
        return {k: torch.from_numpy(arrays[k]).to(dtype) for k in arrays if arrays[k].ndim} | {
            "num_relus": int(arrays["num_relus"])
        }


def build(case, g, input_matrix=None):
    """The latent step of one case with the golden parameters; input_matrix is None, "C" or "C_identity"."""
    latent_dim, hidden_dim, n_inputs = len(g["A"]), len(g["h2"]), g["C"].shape[1]
    sizes = {"latent_dim": latent_dim, "input_dim": n_inputs if input_matrix else 0}
    options = {"learnable_C": input_matrix != "C_identity"}
    if case.startswith("plrnn"):
        clip = 0.75 if "clip" in case else None
        step = PLRNN(**sizes, mean_centering="nomc" not in case, clip_range=clip, **options)
        values = {"A": g["A"], "W_raw": g["W_full"], "h": g["h"]}
    elif case.startswith("alrnn"):
        off_diagonal = case == "alrnn_offdiag"
        step = ALRNN(**sizes, num_relus=g["num_relus"], off_diagonal_W=off_diagonal, **options)
        values = {"A": g["A"], "W_raw": g["W_full"], "h": g["h"]}
    else:
        step = ShPLRNN(**sizes, hidden_dim=hidden_dim, clipped=case.startswith("clipped"), **options)
        values = {name: g[name] for name in ("A", "W1", "W2", "h1", "h2")}
    if input_matrix == "C":
        values["C"] = g["C"]
    step.to(g["A"].dtype)
    with torch.no_grad():
        for name, value in values.items():
            getattr(step, name).copy_(value)
    return step


CASES = ["plrnn_mc", "plrnn_nomc", "alrnn_full", "alrnn_offdiag", "shplrnn", "clipped_shplrnn"]
SUFFIXES = {"noinput": None, "C": "C", "Cid": "C_identity"}


EXACT = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 0, "atol": 2e-4}}
STEPS = {torch.float64: None, torch.float32: 20}  # float32 stays close for so long only

by_backend = pytest.mark.parametrize("backend", ["reference", "fused"])
by_dtype = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


@by_backend
@by_dtype
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_trajectory_is_the_published_one(name, case, suffix, dtype, backend):
    g = load(name, dtype)
    golden = g[f"{case}_{suffix}"][:, : STEPS[dtype]]
    inputs = None if suffix == "noinput" else g["s"][:, : golden.shape[1]]
    latents = rollout(build(case, g, SUFFIXES[suffix]), g["z0"], inputs, golden.shape[1], backend)
    torch.testing.assert_close(latents, golden, **EXACT[dtype])


@by_backend
@by_dtype
@pytest.mark.parametrize("name", FILES)
def test_clip_range_clamps_every_state(name, dtype, backend):
    g = load(name, dtype)
    golden = g["plrnn_mc_clip0.75_noinput"][:, : STEPS[dtype]]
    latents = rollout(build("plrnn_mc_clip0.75", g), g["z0"], None, golden.shape[1], backend)
    torch.testing.assert_close(latents, golden, **EXACT[dtype])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("case", CASES)
def test_jacobian_is_the_published_one_and_that_of_autograd(name, case):
    g = load(name)
    step = build(case, g)
    automatic = super(type(step), step).jacobian(g["z0"])
    torch.testing.assert_close(step.jacobian(g["z0"]), automatic, rtol=1e-9, atol=1e-10)
    if case != "alrnn_offdiag":  # not among the golden numbers
        torch.testing.assert_close(automatic, g[f"jac_{case}"], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_jacobian_holds_clamped_units(case):
    g = load(FILES[0])
    step = build(case, g)
    step.clip_range = step.step(g["z0"], None).abs().mean().item()
    automatic = super(type(step), step).jacobian(g["z0"])
    assert (automatic == 0).all(-1).any()
    torch.testing.assert_close(step.jacobian(g["z0"]), automatic, rtol=1e-9, atol=1e-10)
