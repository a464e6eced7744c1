"""Sizes, initial values, Jacobians, weights and refusals of the LSTM and the GRU."""

import numpy as np
import pytest
import torch

from rnnexp.constraints.initializers import Auto, ReconstructionInitializer, TaskInitializer
from rnnexp.constraints.lesions import lesion_w, silence
from rnnexp.constraints.psychrnn_initializer import PsychRNNInitializer
from rnnexp.latent_steps import GRU, LSTM
from rnnexp.losses.population import HebbianDrive
from rnnexp.losses.weights import MeanSquaredWeight, WeightSize
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity

M, K = 6, 2
STEPS = {
    "LSTM": lambda **options: LSTM(**{"latent_dim": M, "input_dim": K, **options}),
    "LSTM tanh": lambda **options: LSTM(
        **{"latent_dim": M, "input_dim": K, "cell_activation": "tanh", **options}
    ),
    "GRU": lambda **options: GRU(**{"latent_dim": M, "input_dim": K, **options}),
}
ALL = pytest.mark.parametrize("name", STEPS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def model_of(name, backend="auto", **options):
    """A network with every parameter drawn anew, so that no bias is zero by default."""
    step = STEPS[name](**options)
    model = RNN(step, Affine(step.latent_dim, 2), backend=backend).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.5, generator=generator(parameter.numel()))
    return model


@ALL
@pytest.mark.parametrize("backend", ["reference", "fused"])
@pytest.mark.parametrize("n_inputs", [0, 1, K])
def test_states_of_an_lstm_are_twice_its_rates(name, backend, n_inputs):
    model = model_of(name, backend, input_dim=n_inputs)
    n_states = 2 * M if name.startswith("LSTM") else M
    trajectory = model.run(torch.randn(3, 5, n_inputs).double())
    assert model.latent_step.state_dim == n_states
    assert model.z0.shape == (n_states,)
    assert trajectory.latents.shape == (3, 5, n_states)
    assert trajectory.initial.shape == (3, n_states)
    assert trajectory.rates.shape == (3, 5, M)
    assert torch.equal(trajectory.rates, trajectory.latents[..., :M])
    assert torch.equal(trajectory.outputs, model.observation(trajectory.rates))
    assert model.run(None, n_steps=4).latents.shape == (1, 4, n_states)


@ALL
def test_a_run_continues_from_its_last_state(name):
    model, inputs = model_of(name), torch.randn(3, 8, K).double()
    whole, first = model.run(inputs), model.run(inputs[:, :5])
    second = model.run(inputs[:, 5:], initial=first.latents[:, -1])
    torch.testing.assert_close(torch.cat((first.latents, second.latents), 1), whole.latents)


@ALL
@pytest.mark.parametrize("backend", ["reference", "fused"])
def test_a_free_run_is_a_run_without_any_input(name, backend):
    model = model_of(name, backend)
    silent = model.run(torch.zeros(1, 9, K).double())
    torch.testing.assert_close(model.run(None, n_steps=9).latents, silent.latents)


@ALL
def test_jacobian_is_that_of_finite_differences(name):
    step, z = model_of(name).latent_step, torch.randn(3, model_of(name).latent_step.state_dim).double()
    jacobian = step.jacobian(z)
    assert jacobian.shape == (3, step.state_dim, step.state_dim)
    for j in range(step.state_dim):
        d = torch.zeros_like(z)
        d[:, j] = 1e-6
        difference = (step.step(z + d, None) - step.step(z - d, None)) / 2e-6
        torch.testing.assert_close(jacobian[:, :, j], difference, rtol=1e-6, atol=1e-8)


@ALL
def test_step_does_not_change_the_state_it_is_given(name):
    step, z = model_of(name).latent_step, torch.randn(4, model_of(name).latent_step.state_dim).double()
    before = z.clone()
    step.step(z, torch.randn(4, K).double())
    assert torch.equal(z, before)


def test_a_user_subclass_runs_its_own_step():
    class Doubled(LSTM):
        def step(self, z, s):
            return 2 * super().step(z, s)

    step = Doubled(M, K)
    z, s = torch.randn(3, 2 * M), torch.randn(3, 1, K)
    expected = 2 * LSTM.step(step, z, s[:, 0])
    assert torch.equal(RNN(step, Affine(M, 2)).run(s, z).latents[:, 0], expected)


# initial values


def test_lstm_starts_from_psychrnns_values():
    model = RNN(LSTM(200, 3), Affine(200, 2))
    model.initialize(Auto().resolve("cognitive", model.latent_step.auto_initializer), generator())
    matrices = [getattr(model.latent_step, f"W_{gate}").detach() for gate in "fico"]
    for matrix in matrices:
        assert matrix.shape == (203, 200)
        assert matrix.std().item() == pytest.approx(0.1, rel=0.03)
        assert abs(matrix.mean().item()) < 0.003
    assert not torch.equal(matrices[0], matrices[1])
    assert all((getattr(model.latent_step, f"b_{gate}") == 1).all() for gate in "fico")
    assert model.z0.requires_grad
    assert model.z0.std().item() == pytest.approx(0.1, rel=0.15)
    assert model.observation.B.std().item() == pytest.approx((2 / 202) ** 0.5, rel=0.15)
    assert not model.observation.b.any()


def test_gru_starts_from_torchs_values():
    step = GRU(100, 3)
    step.initialize(Auto().resolve("cognitive", step.auto_initializer), generator())
    for parameter in step.parameters():
        assert 0.09 < parameter.abs().max() <= 0.1
        assert parameter.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.2)


@ALL
@pytest.mark.parametrize("kind", ["cognitive", "reaching", "time_series"])
def test_auto_and_task_stand_for_the_published_values(name, kind):
    drawn = []
    for recipe in (Auto(), TaskInitializer()):
        step = STEPS[name]()
        step.initialize(recipe.resolve(kind, step.auto_initializer), generator())
        drawn.append(step.state_dict())
    assert all(torch.equal(drawn[0][key], drawn[1][key]) for key in drawn[0])


@ALL
@pytest.mark.parametrize(
    ("initializer", "got"),
    [
        (ReconstructionInitializer(), r"got ReconstructionInitializer\(\)"),
        (
            TaskInitializer(coupling=0.3),
            r"got TaskInitializer\(decay=\(0.9, 0.99\), coupling=0.3, input_gain=1.0\)",
        ),
        (PsychRNNInitializer(spec_rad=0.9), r"got PsychRNNInitializer\(.*spec_rad=0.9"),
    ],
)
def test_recipes_that_would_be_ignored_are_refused(name, initializer, got):
    step = STEPS[name]()
    text = f"{type(step).__name__} draws its published initial values: use initializer=auto, or .*{got}"
    with pytest.raises(ValueError, match=text):
        step.initialize(initializer, generator())


# weights


def test_weights_have_the_names_and_shapes_of_psychrnn_and_torch():
    lstm, gru = model_of("LSTM").weights(), model_of("GRU").weights()
    assert {name: tuple(weight.shape) for name, weight in lstm.items()} == {
        **{f"W_{gate}": (M + K, M) for gate in "fico"}, **{f"b_{gate}": (M,) for gate in "fico"},
        "B": (2, M), "b": (2,), "z0": (2 * M,),
    }  # fmt: skip
    assert {name: tuple(weight.shape) for name, weight in gru.items()} == {
        "weight_ih": (3 * M, K), "weight_hh": (3 * M, M), "bias_ih": (3 * M,), "bias_hh": (3 * M,),
        "B": (2, M), "b": (2,), "z0": (M,),
    }  # fmt: skip


@ALL
def test_penalties_act_on_the_gates(name):
    model = model_of(name)
    weights = model.weights()
    if name == "GRU":
        W_in, W_rec = weights["weight_ih"], weights["weight_hh"]
    else:
        W = torch.cat([weights[f"W_{gate}"] for gate in "fico"], 1).T  # (4 M, M + K)
        W_in, W_rec = W[:, M:], W[:, :M]
    assert torch.equal(model.input_matrix, W_in)
    assert torch.equal(torch.cat(model.recurrent_matrices), W_rec)
    for which, expected in (("input", W_in), ("recurrent", W_rec)):
        penalty = MeanSquaredWeight(which)
        penalty.check_model(model)
        torch.testing.assert_close(penalty.term(None, None, model), expected.square().mean())
        size = WeightSize(which, "sum_abs").term(None, None, model)
        torch.testing.assert_close(size, expected.abs().sum())
    penalty.term(None, None, model).backward()
    assert all(
        p.grad is not None
        for n, p in model.latent_step.named_parameters()
        if n in ("W_f", "W_o", "weight_hh")
    )
    assert STEPS[name](input_dim=0).input_matrix is None


@ALL
def test_the_hebbian_term_is_refused(name):
    with pytest.raises(ValueError, match=r"lambda_hebbian must be 0: .* this model has \(6, 6\), \(6, 6\)"):
        HebbianDrive().check_model(model_of(name))


@ALL
def test_a_silenced_unit_is_heard_by_no_one(name):
    model, inputs = model_of(name), torch.randn(3, 9, K).double()
    silence([*model.latent_step.unit_entries, *model.observation.unit_entries, (model.z0, 0)], [2])
    before = model.run(inputs)
    z = model.z0.detach().expand(3, -1).clone()
    z[:, 2] += 1.0
    after = model.run(inputs, initial=z)
    others = [unit for unit in range(M) if unit != 2]
    assert torch.equal(before.rates[..., others], after.rates[..., others])
    assert torch.equal(before.outputs, after.outputs)
    rest = 0.25 if name == "LSTM" else 0.0
    quiet = model.run(torch.randn(1, 60, K).double()).rates[0, -1, 2].item()
    assert quiet == pytest.approx(rest, abs=1e-9)


@ALL
def test_lesions_remove_connections_of_the_gates(name):
    model = model_of(name)
    before = torch.cat(model.recurrent_matrices).detach().clone()
    step = model.latent_step
    for raw, effective in zip(step.recurrent_parameters, step.recurrent_matrices, strict=True):
        assert lesion_w(raw, effective, 0.5, generator()) == M * M // 2
    after = torch.cat(model.recurrent_matrices).detach()
    assert (after == 0).double().mean() == 0.5
    assert torch.equal(after[after != 0], before[after != 0])


# arguments


@ALL
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"latent_dim": 0}, "latent_dim must be a whole number >= 1, got 0"),
        ({"latent_dim": 2.5}, "latent_dim must be a whole number >= 1, got 2.5"),
        ({"input_dim": -1}, "input_dim must be a whole number >= 0, got -1"),
    ],
)
def test_sizes_out_of_range_are_refused(name, options, text):
    with pytest.raises(ValueError, match=text):
        STEPS[name](**options)


@pytest.mark.parametrize("activation", ["relu", None, 1])
def test_another_cell_activation_is_refused(activation):
    with pytest.raises(ValueError, match=f"cell_activation must be one of sigmoid, tanh, got {activation!r}"):
        LSTM(3, 1, cell_activation=activation)


@ALL
def test_identity_observation_reads_the_first_rates(name):
    model = RNN(STEPS[name](), Identity(M, 3))
    trajectory = model.run(torch.randn(2, 4, K))
    assert np.array_equal(trajectory.outputs.detach(), trajectory.latents[..., :3].detach())
