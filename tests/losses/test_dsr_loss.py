"""DSRLoss and its terms against the reconstruction codes, second ways to compute them, and models they refuse."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rnnexp.latent_steps import ALRNN, GRU, LSTM, PLRNN, Leaky, ShPLRNN
from rnnexp.losses import DSRLoss, ManifoldAttractor
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity, Linear
from rnnexp.recurrence.forcing import SparseForcing
from rnnexp.tasks.base import Trials

GOLDEN = np.load(Path(__file__).parents[1] / "vectors" / "dsr" / "teacher_forcing_small.npz")
DTYPES = [torch.float64, torch.float32]
OFF = {f"lambda_{key}": 0.0 for key in ("mse", "mar", "ar", "latent_l2", "obs", "invert")}
FAMILY = {
    "PLRNN": lambda: PLRNN(6, 2),
    "ALRNN": lambda: ALRNN(6, 2, num_relus=3, ar_epsilon=0.05),
    "shPLRNN": lambda: ShPLRNN(6, 2, hidden_dim=9),
    "clipped_shPLRNN": lambda: ShPLRNN(6, 2, hidden_dim=9, clipped=True),
}


def close(actual, expected, dtype):
    tolerance = {"rtol": 1e-9, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(torch.as_tensor(actual).numpy(force=True), expected, **tolerance)


def filled(step, dtype=torch.float64, **weights):
    """The latent step with given parameters, by the names of its attributes."""
    step = step.to(dtype)
    with torch.no_grad():
        for name, value in weights.items():
            getattr(step, name).copy_(torch.tensor(value))
    return step


def drawn(step, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    step = step.to(dtype)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.normal_(0, 0.4, generator=generator)
    return step


def golden_plrnn(dtype):
    return filled(
        PLRNN(6, 0), dtype, W_raw=GOLDEN["plrnn_AW"], A=np.diag(GOLDEN["plrnn_AW"]), h=GOLDEN["plrnn_h"]
    )


def value_and_gradients(loss, model, trajectory=None):
    """The total, and the gradient of every parameter of the latent step by name."""
    step = model.latent_step
    step.zero_grad()
    losses = loss(trajectory, None, model)
    losses.total.backward()
    return losses.total, {name: parameter.grad for name, parameter in step.named_parameters()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_prediction_error_under_sparse_forcing_matches_the_al_rnn_code(dtype):
    tensors = {name: torch.from_numpy(GOLDEN[name]).to(dtype) for name in ("x", "y", "alrnn_B")}
    step = filled(
        ALRNN(6, 0, num_relus=2), dtype, A=GOLDEN["alrnn_A"], W_raw=GOLDEN["alrnn_W"], h=GOLDEN["alrnn_h"]
    )
    forcing = SparseForcing(int(GOLDEN["tau"]))
    model = RNN(step, Identity(6, 3), "data", forcing=forcing).to(dtype)
    with torch.no_grad():
        model.data_start.L.copy_(tensors["alrnn_B"].T[3:])
    x, y = tensors["x"], tensors["y"]
    trials = Trials(x.new_zeros(4, 20, 0), y, torch.ones_like(y), {}, x)
    losses = DSRLoss()(model(trials), trials, model)
    losses.total.backward()
    assert list(losses) == ["mse"]
    close(losses.total, GOLDEN["alrnn_stf_loss"], dtype)
    close(step.A.grad, GOLDEN["alrnn_stf_grad_A"], dtype)
    close(step.W_raw.grad, GOLDEN["alrnn_stf_grad_W"], dtype)
    close(step.h.grad, GOLDEN["alrnn_stf_grad_h"], dtype)
    close(model.data_start.L.grad, GOLDEN["alrnn_stf_grad_B"].T[3:], dtype)


def with_mask(share_missing, seed=0):
    rng = torch.Generator().manual_seed(seed)
    outputs, targets = (torch.randn(3, 7, 2, generator=rng, dtype=torch.float64) for _ in range(2))
    mask = (torch.rand(3, 7, 2, generator=rng) >= share_missing).double()
    return SimpleNamespace(outputs=outputs.requires_grad_()), SimpleNamespace(
        targets=targets * mask, mask=mask
    )


def test_the_error_is_the_mean_over_the_observed_entries():
    trajectory, trials = with_mask(0.4)
    observed = trials.mask.bool()
    losses = DSRLoss()(trajectory, trials)
    losses.total.backward()
    errors = (trajectory.outputs - trials.targets)[observed].detach()
    close(losses.total, errors.square().mean(), torch.float64)
    close(trajectory.outputs.grad[observed], 2 * errors / len(errors), torch.float64)
    assert not trajectory.outputs.grad[~observed].any()


def test_a_batch_without_any_observation_costs_nothing():
    trajectory, trials = with_mask(1.1)
    losses = DSRLoss()(trajectory, trials)
    losses.total.backward()
    assert losses.total == 0
    assert not trajectory.outputs.grad.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("variant", "strength", "name"),
    [
        ("squared", 1e-2, "mar_l2"),
        ("l1", 1e-2, "mar_l1"),
        ("norm", 1e-3, "mar_gtf_l2norm_ratio0.5_lambda1e-3"),
    ],
)
def test_manifold_attractor_matches_the_published_codes(variant, strength, name, dtype):
    model = SimpleNamespace(latent_step=golden_plrnn(dtype))
    loss = DSRLoss(lambda_mse=0.0, lambda_mar=strength, mar_variant=variant)
    total, gradients = value_and_gradients(loss, model)
    close(total, GOLDEN[name], dtype)
    A, h = np.diag(GOLDEN["plrnn_AW"]), GOLDEN["plrnn_h"]
    off_diagonal = GOLDEN["plrnn_AW"] - np.diag(A)
    assert np.array_equal(GOLDEN["mar_weights"], [0, 0, 0, 1e-2, 1e-2, 1e-2])
    slope = {
        "squared": lambda x: 2 * x,
        "l1": np.sign,
        "norm": lambda x: x / np.linalg.norm(x),
    }[variant]
    for parameter, distance in (("A", A - 1), ("W_raw", off_diagonal), ("h", h)):
        expected = np.zeros_like(distance)
        expected[3:] = strength * slope(distance[3:])
        close(gradients[parameter], expected, dtype)


@pytest.mark.parametrize(
    ("latent_dim", "ratio", "n_units", "rounded_down"),
    [
        (6, 0.5, 3, 3), (5, 0.5, 3, 2), (7, 0.5, 3, 3), (9, 0.5, 5, 4), (43, 0.5, 21, 21), (6, 0.25, 2, 1),
        (30, 0.25, 8, 7), (26, 0.3, 8, 7), (8, 0.7, 6, 5), (5, 1, 5, 5),
    ],
)  # fmt: skip
def test_the_drawn_units_are_as_many_as_in_the_sources(latent_dim, ratio, n_units, rounded_down):
    assert ManifoldAttractor(ratio).n_units(latent_dim) == n_units
    assert ManifoldAttractor(ratio, "l1").n_units(latent_dim) == n_units
    assert ManifoldAttractor(ratio, "norm").n_units(latent_dim) == rounded_down
    step = filled(PLRNN(latent_dim, 0), A=[0.0] * latent_dim)
    losses = DSRLoss(**OFF | {"lambda_mar": 1.0}, mar_ratio=ratio)(
        None, None, SimpleNamespace(latent_step=step)
    )
    assert losses.total == n_units


@pytest.mark.parametrize("name", FAMILY)
def test_a_unit_on_the_manifold_keeps_its_value_and_costs_nothing(name):
    step = drawn(FAMILY[name]())
    with torch.no_grad():
        step.A[3:] = 1
        for parameter in (step.W_raw, step.h) if hasattr(step, "h") else (step.W1, step.h1):
            parameter[3:] = 0
    losses = DSRLoss(**OFF | {"lambda_mar": 1.0})(None, None, SimpleNamespace(latent_step=step))
    assert losses.total == 0
    z = torch.randn(5, 6, dtype=torch.float64)
    assert torch.equal(step.step(z, None)[:, 3:], z[:, 3:])
    with torch.no_grad():
        step.A[4] = 1.5
    assert DSRLoss(**OFF | {"lambda_mar": 2.0})(
        None, None, SimpleNamespace(latent_step=step)
    ).total.item() == pytest.approx(0.5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("epsilon", [0.05, 0.95, 0.0001])
def test_ar_convergence_matches_its_formula(epsilon, dtype):
    step = filled(ALRNN(6, 0, ar_epsilon=epsilon), dtype, A=GOLDEN["ar_A"], W_raw=GOLDEN["ar_W"])
    loss = DSRLoss(lambda_mse=0.0, lambda_ar=1.0)
    total, gradients = value_and_gradients(loss, SimpleNamespace(latent_step=step))
    close(total, GOLDEN[f"ar_eps{epsilon}_loss"], dtype)
    close(gradients["A"], GOLDEN[f"ar_eps{epsilon}_grad_A"], dtype)
    close(gradients["W_raw"], GOLDEN[f"ar_eps{epsilon}_grad_W"], dtype)


@pytest.mark.parametrize("clipped", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_latent_size_matches_the_gtf_code(dtype, clipped):
    weights = {name: GOLDEN[f"sh_{name}"] for name in ("A", "W1", "W2", "h1", "h2", "C")}
    step = filled(ShPLRNN(3, 2, hidden_dim=8, clipped=clipped), dtype, **weights)
    model = SimpleNamespace(latent_step=step)
    total, gradients = value_and_gradients(DSRLoss(**OFF | {"lambda_latent_l2": 1.0}), model)
    close(total, GOLDEN["sh_l2_reg_lambda1"], dtype)
    for name, gradient in gradients.items():
        close(gradient, 2 * (weights[name] - int(name == "A")), dtype)


@pytest.mark.parametrize("name", FAMILY)
def test_latent_size_is_the_same_with_and_without_gradients(name):
    model = SimpleNamespace(latent_step=drawn(FAMILY[name]()))
    loss = DSRLoss(**OFF | {"lambda_latent_l2": 1.0})
    with torch.no_grad():
        value = loss(None, None, model).total
    assert value == loss(None, None, model).total
    weights = model.latent_step.weights()
    assert value.item() == pytest.approx(
        sum(((w - int(n == "A")) ** 2).sum().item() for n, w in weights.items())
    )


def test_a_fixed_input_matrix_has_no_size():
    step = ALRNN(6, 2, learnable_C=False)
    losses = DSRLoss(**OFF | {"lambda_latent_l2": 1.0})(None, None, SimpleNamespace(latent_step=step))
    assert losses.total == 6  # of A, which is 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 6), (5, 5), (6, 3), (1, 4)])
def test_condition_of_the_observation_is_that_of_its_singular_values(shape, dtype):
    generator = torch.Generator().manual_seed(1)
    observation = Linear(shape[1], shape[0]).to(dtype)
    with torch.no_grad():
        observation.B_raw.normal_(generator=generator)
    losses = DSRLoss(**OFF | {"lambda_obs": 0.5})(None, None, SimpleNamespace(output_matrix=observation.B))
    losses.total.backward()
    B = observation.B_raw.detach().double().numpy()
    U, s, V = np.linalg.svd(B, full_matrices=False)
    s_min = s[-1] + 1e-8
    excess = 1 - s[0] / s_min
    slope = 2 * excess * (-np.outer(U[:, 0], V[0]) / s_min + np.outer(U[:, -1], V[-1]) * s[0] / s_min**2)
    tolerance = 1e-9 if dtype == torch.float64 else 1e-4
    np.testing.assert_allclose(losses.total.item(), 0.5 * excess**2, rtol=tolerance, atol=1e-9)
    np.testing.assert_allclose(observation.B_raw.grad.numpy(), 0.5 * slope, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", FAMILY)
def test_a_map_that_reverses_orientation_costs_its_determinant(name):
    step = drawn(FAMILY[name]())
    with torch.no_grad():
        step.A[0] = -0.9
    z = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    loss = DSRLoss(**OFF | {"lambda_invert": 1.0}, invert_states=20)
    model = SimpleNamespace(latent_step=step)
    total, gradients = value_and_gradients(loss, model, SimpleNamespace(latents=z))
    jacobians = [
        torch.autograd.functional.jacobian(lambda x: step.step(x[None], None)[0], s) for s in z.flatten(0, 1)
    ]
    expected = np.mean([max(0.0, -np.linalg.det(J.numpy())) for J in jacobians])
    assert expected > 0
    close(total, expected, torch.float64)

    changed = step.A.detach().clone()
    slopes = []
    for unit in range(6):
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                step.A.copy_(changed)
                step.A[unit] += sign * 1e-6
                sides.append(loss(SimpleNamespace(latents=z), None, model).total.item())
        slopes.append((sides[0] - sides[1]) / 2e-6)
    np.testing.assert_allclose(gradients["A"].numpy(), slopes, rtol=1e-5, atol=1e-8)


def test_determinants_of_singular_maps_have_finite_gradients():
    step = PLRNN(4, 0).double()  # all weights 0
    model, latents = SimpleNamespace(latent_step=step), torch.randn(2, 3, 4, dtype=torch.float64)
    loss = DSRLoss(**OFF | {"lambda_invert": 1.0})
    total, gradients = value_and_gradients(loss, model, SimpleNamespace(latents=latents))
    assert total == 0
    assert torch.isfinite(gradients["A"]).all()


def test_states_at_which_the_determinant_is_taken_are_spread_evenly():
    step = ShPLRNN(1, 0, hidden_dim=1).double()
    filled(step, A=[-1.0], W1=[[-1.0]], W2=[[1.0]])  # J = -1 below 0, -2 above
    latents = torch.tensor([1.0, 1, -1, -1, 1, 1, -1, -1, -1], dtype=torch.float64).reshape(3, 3, 1)
    loss = DSRLoss(**OFF | {"lambda_invert": 1.0}, invert_states=3)
    total = loss(SimpleNamespace(latents=latents), None, SimpleNamespace(latent_step=step)).total
    assert total.item() == pytest.approx((2 + 2 + 1) / 3)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("key", ["mar", "latent_l2", "invert"])
def test_every_model_of_the_family_is_accepted(name, key):
    DSRLoss(**{f"lambda_{key}": 0.1}).check_model(SimpleNamespace(latent_step=FAMILY[name]()))


def test_ar_convergence_is_accepted_with_a_threshold():
    DSRLoss(lambda_ar=0.1).check_model(SimpleNamespace(latent_step=FAMILY["ALRNN"]()))


@pytest.mark.parametrize("step", [GRU(4, 2), LSTM(4, 2), Leaky(4, 2, dt=10.0, default_tau=100.0)])
@pytest.mark.parametrize("key", ["mar", "latent_l2"])
def test_other_models_are_refused(step, key):
    with pytest.raises(
        ValueError, match=rf"^lambda_{key} must be 0 for {type(step).__name__}: .* PLRNN, ALRNN"
    ):
        DSRLoss(**{f"lambda_{key}": 0.1}).check_model(SimpleNamespace(latent_step=step))


@pytest.mark.parametrize("step", [GRU(4, 2), LSTM(4, 2), Leaky(4, 2, dt=10.0, default_tau=100.0)])
def test_the_determinant_is_defined_for_every_latent_step(step):
    model = RNN(step, Affine(4, 2)).double()
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    inputs = torch.randn(3, 4, 2, dtype=torch.float64)
    losses = DSRLoss(**OFF | {"lambda_invert": 1.0})(model.run(inputs), None, model)
    assert torch.isfinite(losses.total)


def test_an_observation_that_cannot_change_is_refused():
    loss = DSRLoss(lambda_obs=0.1)
    loss.check_model(RNN(ALRNN(4, 0), Linear(4, 2)))
    for observation in (Identity(4, 2), Linear(4, 2, learnable_B=False)):
        with pytest.raises(ValueError, match=r"^lambda_obs must be 0, there is no output matrix to penalise"):
            loss.check_model(RNN(ALRNN(4, 0), observation))


def test_a_ratio_that_draws_no_unit_is_refused():
    with pytest.raises(
        ValueError, match=r"^mar_ratio must be large enough to draw one of the 4 units, got 0.1"
    ):
        DSRLoss(lambda_mar=0.1, mar_ratio=0.1).check_model(SimpleNamespace(latent_step=ALRNN(4, 0)))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"mar_ratio": 0.0}, r"mar_ratio must be a number in \(0, 1\], got 0.0"),
        ({"mar_ratio": 1.5}, r"mar_ratio must be a number in \(0, 1\], got 1.5"),
        ({"mar_variant": "l2"}, "mar_variant must be one of squared, l1, norm, got 'l2'"),
        ({"invert_states": 0}, "invert_states must be a whole number >= 1, got 0"),
    ],
)
def test_wrong_settings_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        DSRLoss(**arguments)
