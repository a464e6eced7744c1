"""PsychRNNLoss and its terms against PsychRNN: values, gradients, sums instead of means."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from rnnexp.losses import MaskedBinaryCrossEntropy, PsychRNNLoss, SummedSquaredRate, WeightSize

VECTORS = Path(__file__).parents[1] / "vectors" / "psychrnn"
TRANSFER = {
    "basic_relu": torch.relu,
    "basic_tanh": torch.tanh,
    "basic_sigmoid": torch.sigmoid,
    "basic_dale_masks": torch.relu,
}
PENALTIES = ["L1_in", "L1_rec", "L1_out", "L2_in", "L2_rec", "L2_out", "L2_firing_rate"]
VALUES = {"rtol": 1e-5, "atol": 0}
GRADIENTS = {"rtol": 1e-4, "atol": 1e-6}
DTYPES = [torch.float32, torch.float64]


def load(name: str) -> dict[str, np.ndarray]:
    return dict(np.load(VECTORS / f"{name}.npz", allow_pickle=False))


def tensors(golden: dict[str, np.ndarray], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.asarray(value)).to(dtype) for name, value in golden.items()}


def trials_of(data: dict[str, torch.Tensor]):
    return SimpleNamespace(targets=data["y"], mask=data["mask"])


def network(input_matrix=None, recurrent_matrices=(), output_matrix=None):
    return SimpleNamespace(
        input_matrix=input_matrix, recurrent_matrices=recurrent_matrices, output_matrix=output_matrix
    )


def golden_case(name: str, dtype: torch.dtype):
    """Trajectory, trials and model from the outputs, states and effective weights that PsychRNN gives."""
    data = tensors(load(name), dtype)
    trajectory = SimpleNamespace(outputs=data["outputs"], rates=TRANSFER[name](data["states"]))
    model = network(data["eff_W_in"], (data["eff_W_rec"],), data["eff_W_out"])
    return trajectory, trials_of(data), model


def coefficients(golden: dict[str, np.ndarray]) -> dict[str, float]:
    return {f"lambda_{name.lower()}": float(golden[f"coef_{name}"]) for name in PENALTIES}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRANSFER)
def test_every_regulariser_with_coefficient_one_matches_psychrnn(name, dtype):
    golden = load(name)
    loss = PsychRNNLoss(**{f"lambda_{penalty.lower()}": 1.0 for penalty in PENALTIES})
    losses = loss(*golden_case(name, dtype))
    assert list(losses) == ["mse", *(penalty.lower() for penalty in PENALTIES)]
    np.testing.assert_allclose(losses["mse"].item(), golden["loss_mse"], **VALUES)
    for penalty in PENALTIES:
        np.testing.assert_allclose(
            losses[penalty.lower()].item(), golden[f"reg_unit_{penalty}"], err_msg=penalty, **VALUES
        )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRANSFER)
def test_weighted_total_matches_psychrnn(name, dtype):
    golden = load(name)
    losses = PsychRNNLoss(**coefficients(golden))(*golden_case(name, dtype))
    np.testing.assert_allclose(losses.total.item(), golden["loss_total"], **VALUES)
    np.testing.assert_allclose((losses.total - losses["mse"]).item(), golden["reg_total"], **VALUES)


def run_basic(data: dict[str, torch.Tensor], transfer, has_dale: bool):
    """Trajectory and model of PsychRNN's Basic network, differentiable in the raw weights."""
    W_in, W_rec, W_out = (data[name] for name in ("W_in", "W_rec", "W_out"))
    if has_dale:
        W_in = (W_in * data["input_connectivity"]).abs()
        W_rec = (W_rec * data["rec_connectivity_used"]).abs() @ data["Dale_rec"]
        W_out = (W_out * data["output_connectivity"]).abs() @ data["Dale_out"]
    alpha = data["alpha"]
    state = data["init_state"].expand(data["x"].shape[0], -1)
    rates = []
    for x in data["x"].unbind(1):
        drive = transfer(state) @ W_rec.T + x @ W_in.T + data["b_rec"]
        state = (1 - alpha) * state + alpha * drive
        rates.append(transfer(state))
    rates = torch.stack(rates, dim=1)
    outputs = functional.linear(rates, W_out, data["b_out"])
    return SimpleNamespace(rates=rates, outputs=outputs), network(W_in, (W_rec,), W_out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TRANSFER)
def test_gradients_of_the_total_match_psychrnn(name, dtype):
    golden = load(name)
    data = tensors(golden, dtype)
    parameters = {key: data[key].requires_grad_() for key in ("W_in", "W_rec", "W_out", "b_rec", "b_out")}
    trajectory, model = run_basic(data, TRANSFER[name], has_dale="dale_ratio" in golden)
    PsychRNNLoss(**coefficients(golden))(trajectory, trials_of(data), model).total.backward()
    for key, parameter in parameters.items():
        np.testing.assert_allclose(parameter.grad, golden[f"grad_{key}"], err_msg=key, **GRADIENTS)


@pytest.mark.parametrize("name", ["basic_per_unit_tau", "lstm"])
def test_task_error_of_other_networks_matches_psychrnn(name):
    data = tensors(load(name), torch.float32)
    losses = PsychRNNLoss()(SimpleNamespace(outputs=data["outputs"]), trials_of(data))
    np.testing.assert_allclose(losses.total.item(), data["loss_mse"], **VALUES)


def test_gradients_of_the_task_error_match_the_lstm_of_psychrnn():
    data = tensors(load("lstm"), torch.float64)
    W, b = data["W_out"].requires_grad_(), data["b_out"].requires_grad_()
    outputs = functional.linear(data["hidden"], W, b)
    PsychRNNLoss()(SimpleNamespace(outputs=outputs), trials_of(data)).total.backward()
    np.testing.assert_allclose(W.grad, data["grad_W_out"], **GRADIENTS)
    np.testing.assert_allclose(b.grad, data["grad_b_out"], **GRADIENTS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("outputs", "targets", "expected"),
    [
        ("prob", "y01", "bce_prob_y01"),
        ("prob", "y", "bce_prob_y_soft"),
        ("edge", "y01", "bce_edge_y01"),
    ],
)
def test_binary_cross_entropy_matches_psychrnn(outputs, targets, expected, dtype):
    data = tensors(load("losses"), dtype)
    trials = SimpleNamespace(targets=data[targets], mask=data["mask"])
    loss = PsychRNNLoss(lambda_mse=0, lambda_bce=1)
    losses = loss(SimpleNamespace(outputs=data[outputs]), trials)
    assert list(losses) == ["bce"]
    # PsychRNN computes in float32, where 1 - 1e-7 is 1 - 1.19e-7: at the edges float64 differs
    rtol = 1e-2 if (outputs, dtype) == ("edge", torch.float64) else 1e-5
    np.testing.assert_allclose(losses.total.item(), load("losses")[expected], rtol=rtol)


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_cross_entropy_is_finite_at_and_beyond_0_and_1_where_it_has_no_gradient(dtype):
    outputs = torch.tensor([-0.3, 0.0, 0.4, 1.0, 1.4], dtype=dtype).view(1, 5, 1).requires_grad_()
    for target in (0.0, 1.0):
        trials = SimpleNamespace(targets=torch.full_like(outputs, target), mask=torch.ones_like(outputs))
        total = MaskedBinaryCrossEntropy()(SimpleNamespace(outputs=outputs), trials).total
        (gradient,) = torch.autograd.grad(total, outputs)
        assert torch.isfinite(total)
        assert (gradient.flatten() != 0).tolist() == [False, False, True, False, False]


def test_binary_cross_entropy_is_weighted_by_the_mask_not_by_its_square():
    ones = torch.ones(2, 3, 1)
    trajectory = SimpleNamespace(outputs=0.25 * ones)
    full, half = (
        MaskedBinaryCrossEntropy()(trajectory, SimpleNamespace(targets=ones, mask=mask * ones)).total
        for mask in (1.0, 0.5)
    )
    torch.testing.assert_close(full, torch.log(torch.tensor(4.0)))
    torch.testing.assert_close(half, full / 2)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_sums_are_the_means_times_the_number_of_entries_and_the_error_stays_a_mean():
    n_trials, n_steps, n_units = 4, 5, 6
    rates, outputs = normal(n_trials, n_steps, n_units), normal(n_trials, n_steps, 2)
    W_in, W1, W2, W_out = normal(6, 3), normal(6, 8), normal(8, 6), normal(2, 6)
    trials = SimpleNamespace(targets=outputs.flip(0), mask=torch.ones_like(outputs))
    arguments = (SimpleNamespace(rates=rates, outputs=outputs), trials, network(W_in, (W1, W2), W_out))
    lambdas = {f"lambda_{penalty.lower()}": 0.5 for penalty in PENALTIES}
    means, sums = (PsychRNNLoss(**lambdas, reduction=kind)(*arguments) for kind in ("mean", "sum"))
    entries = {"in": W_in.numel(), "rec": W1.numel() + W2.numel(), "out": W_out.numel()}
    assert list(means) == list(sums)
    torch.testing.assert_close(sums["mse"], means["mse"])
    for which, n in entries.items():
        for norm in ("l1", "l2"):
            torch.testing.assert_close(sums[f"{norm}_{which}"], n * means[f"{norm}_{which}"])
    torch.testing.assert_close(sums["l2_firing_rate"], n_steps * n_units * means["l2_firing_rate"])


def test_summed_rates_do_not_depend_on_the_number_of_trials():
    rates = normal(2, 5, 3)
    once, twice = (
        SummedSquaredRate()(SimpleNamespace(rates=r), None).total for r in (rates, rates.repeat(2, 1, 1))
    )
    torch.testing.assert_close(once, twice)
    torch.testing.assert_close(once, rates.square().sum() / 2)


@pytest.mark.parametrize(("name", "which"), [("in", "input"), ("rec", "recurrent"), ("out", "output")])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_penalty_without_something_to_shrink_names_its_own_lambda(norm, reduction, name, which):
    key = f"lambda_{norm}_{name}"
    loss = PsychRNNLoss(**{key: 0.1}, reduction=reduction)
    fixed = torch.ones(3, 3)
    with pytest.raises(ValueError, match=f"^{key} must be 0, there is no {which} matrix.*has none"):
        loss.check_model(network())
    with pytest.raises(ValueError, match=f"^{key} must be 0, there is no {which} matrix.*is fixed"):
        loss.check_model(network(fixed, (fixed,), fixed))
    trained = fixed.clone().requires_grad_()
    loss.check_model(network(trained, (trained,), trained))


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="reduction must be one of mean, sum, got 'none'"):
        PsychRNNLoss(reduction="none")


@pytest.mark.parametrize("size", ["mean_abs", "sum_abs", "sum_square", "fro"])
@pytest.mark.parametrize("which", ["input", "recurrent", "output", "all"])
def test_weight_sizes_have_right_gradients_and_none_at_zero(which, size):
    matrices = [normal(4, 3).requires_grad_() for _ in range(4)]

    def value(a, b, c, d):
        return WeightSize(which, size)(None, None, network(a, (b, c), d)).total

    assert torch.autograd.gradcheck(value, matrices)
    zeros = [torch.zeros(4, 3, requires_grad=True) for _ in range(4)]
    total = value(*zeros)
    total.backward()
    assert total == 0.0
    assert all(W.grad is None or (W.grad == 0).all() for W in zeros)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hidden", "fro"), "which must be one of input, recurrent, output, all, got 'hidden'"),
        (("input", "l2"), "size must be one of mean_abs, sum_abs, sum_square, fro, got 'l2'"),
    ],
)
def test_weight_sizes_refuse_unknown_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        WeightSize(*arguments)


def test_gradients_of_cross_entropy_and_summed_rates_agree_with_finite_differences():
    probabilities = normal(2, 3, 2).sigmoid().requires_grad_()
    trials = SimpleNamespace(targets=normal(2, 3, 2).flip(0).sigmoid(), mask=normal(2, 3, 2).abs())
    assert torch.autograd.gradcheck(
        lambda y: MaskedBinaryCrossEntropy()(SimpleNamespace(outputs=y), trials).total, probabilities
    )
    assert torch.autograd.gradcheck(
        lambda r: SummedSquaredRate()(SimpleNamespace(rates=r), None).total, probabilities
    )
