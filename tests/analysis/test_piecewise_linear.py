"""Piecewise-linear maps against the published trajectories and Jacobians, and against torch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rnnexp.analysis.piecewise_linear import PiecewiseLinearMap, leaky_relu_map, piecewise_linear_map
from rnnexp.latent_steps import Leaky

VECTORS = Path(__file__).parents[1] / "vectors" / "dsr"
CASES = ("plrnn_mc", "plrnn_nomc", "alrnn_full", "alrnn_offdiag", "shplrnn", "clipped_shplrnn")
MODELS = {"plrnn": "PLRNN", "alrnn": "ALRNN", "shplrnn": "shPLRNN", "clipped": "clipped_shPLRNN"}


@pytest.fixture(params=["forward_small", "forward_wide"])
def golden(request):
    with np.load(VECTORS / f"{request.param}.npz") as arrays:
        return dict(arrays)


def build(case, golden, **options):
    weights = {**golden, "W": golden["W_full" if case == "alrnn_full" else "W_off"]}
    return piecewise_linear_map(
        MODELS[case.split("_")[0]], weights, num_relus=int(golden["num_relus"]),
        mean_centering="nomc" not in case, **options,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_orbits_are_the_published_ones(case, golden):
    orbit = build(case, golden).orbit(golden["z0"], golden["s"].shape[1])
    assert orbit.swapaxes(0, 1) == pytest.approx(golden[f"{case}_noinput"], rel=1e-9, abs=1e-10)


def test_a_clamp_is_part_of_the_map(golden):
    name = "plrnn_mc_clip0.75_noinput"
    if name not in golden:
        pytest.skip("no such case in this file")
    system = build("plrnn_mc", golden, clip_range=0.75)
    orbit = system.orbit(golden["z0"], golden["s"].shape[1])
    assert orbit.swapaxes(0, 1) == pytest.approx(golden[name], rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("case", [case for case in CASES if case != "alrnn_offdiag"])
def test_jacobians_are_the_published_ones(case, golden):
    jacobian = build(case, golden).jacobian_at(golden["z0"])
    assert jacobian == pytest.approx(golden[f"jac_{case}"], rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("case", CASES)
def test_a_constant_input_shifts_the_bias(case, golden):
    s = golden["s"][0, 0]
    system = build(case, golden, inputs=s)
    assert system.step(golden["z0"]) == pytest.approx(
        build(case, golden).step(golden["z0"]) + golden["C"] @ s
    )


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("clip_range", [None, 0.5])
def test_every_region_holds_its_own_linear_map(case, golden, clip_range):
    system = build(case, golden, clip_range=clip_range)
    z = np.random.default_rng(0).normal(size=(200, len(golden["A"])))
    pattern = system.pattern(z)
    assert pattern.shape == (200, system.pattern_size)
    linear = (system.jacobian(pattern) @ z[..., None])[..., 0] + system.offset(pattern)
    assert linear == pytest.approx(system.step(z), rel=1e-9, abs=1e-12)
    assert system.is_in_region(z, pattern).all()
    other = pattern.copy()
    other[:, 0] = 1 - other[:, 0]
    assert not system.is_in_region(z, other).any()
    if clip_range is not None:
        assert {-1, 0, 1} == set(np.unique(pattern[:, system.n_rectified :]))


def test_a_state_on_a_boundary_is_in_both_regions():
    system = piecewise_linear_map("ALRNN", {"A": np.ones(2), "W": np.eye(2), "h": np.ones(2)}, num_relus=1)
    z = np.array([3.0, 0.0])
    assert system.is_in_region(z, np.array([0], np.int8))
    assert system.is_in_region(z, np.array([1], np.int8))
    assert system.jacobian_at(z)[1, 1] == 1.0  # the slope at 0 is 0


def test_leaky_rectified_networks_are_piecewise_linear():
    torch.manual_seed(0)
    step = Leaky(5, 2, dt=10.0, tau=[20.0, 30.0, 40.0, 50.0, 60.0]).double()
    for parameter in step.parameters():
        torch.nn.init.normal_(parameter)
    z, s = torch.randn(7, 5, dtype=torch.float64), torch.randn(2, dtype=torch.float64)
    with torch.no_grad():
        drive = step.b_rec + step.W_in @ s
        system = leaky_relu_map(*(x.numpy() for x in (step.alpha, step.W_rec, drive)))
        assert system.step(z.numpy()) == pytest.approx(step.step(z, s.expand(7, -1)).numpy())
        assert system.jacobian_at(z.numpy()) == pytest.approx(step.jacobian(z).numpy())


def test_no_rectified_unit_makes_a_linear_map():
    rng = np.random.default_rng(0)
    weights = {"A": rng.normal(size=3), "W": rng.normal(size=(3, 3)), "h": rng.normal(size=3)}
    system = piecewise_linear_map("ALRNN", weights, num_relus=0)
    z = rng.normal(size=3)
    assert system.pattern(z).shape == (0,)
    assert system.step(z) == pytest.approx(weights["A"] * z + weights["W"] @ z + weights["h"])


@pytest.mark.parametrize(
    ("model", "change", "options", "text"),
    [
        ("RNN", {}, {}, "model must be one of PLRNN, ALRNN, shPLRNN, clipped_shPLRNN, got 'RNN'"),
        ("PLRNN", {"h": None}, {}, "weights must hold A, W, h, h is missing"),
        ("PLRNN", {"W": np.ones((3, 2))}, {}, r"W must have the shape \(3, 3\), got \(3, 2\)"),
        ("shPLRNN", {}, {}, "W1, W2, h1, h2 is missing"),
        ("ALRNN", {}, {}, "num_relus must be from 0 to 3, got None"),
        ("ALRNN", {}, {"num_relus": 4}, "num_relus must be from 0 to 3, got 4"),
        ("PLRNN", {"C": np.ones((3, 2))}, {"inputs": np.ones(3)}, r"inputs must be \(2,\), got shape \(3,\)"),
    ],
)
def test_wrong_weights_are_one_sentence(model, change, options, text):
    weights = {"A": np.ones(3), "W": np.ones((3, 3)), "h": np.ones(3), **change}
    weights = {name: weight for name, weight in weights.items() if weight is not None}
    with pytest.raises(ValueError, match=text):
        piecewise_linear_map(model, weights, **options)


def test_a_map_is_made_without_any_model():
    tent = PiecewiseLinearMap(np.array([2.0]), np.array([[-4.0]]), np.zeros(1), np.eye(1), np.array([-0.5]))
    assert tent.step(np.array([[0.2], [0.75]])) == pytest.approx(np.array([[0.4], [0.5]]))
