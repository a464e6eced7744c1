"""What a latent step refuses, and the meaning of its options at the edges."""

import pytest
import torch

from rnnexp.latent_steps import ALRNN, PLRNN, LatentStep, ShPLRNN

STEPS = {
    "PLRNN": lambda **options: PLRNN(**{"latent_dim": 6, "input_dim": 2, **options}),
    "ALRNN": lambda **options: ALRNN(**{"latent_dim": 6, "input_dim": 2, "num_relus": 3, **options}),
    "shPLRNN": lambda **options: ShPLRNN(**{"latent_dim": 6, "input_dim": 2, "hidden_dim": 9, **options}),
}


def draw_all(step, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.normal_(generator=generator)
    return step


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"latent_dim": 0}, "latent_dim must be a whole number >= 1, got 0"),
        ({"latent_dim": 2.5}, "latent_dim must be a whole number >= 1, got 2.5"),
        ({"latent_dim": True}, "latent_dim must be a whole number >= 1, got True"),
        ({"input_dim": -1}, "input_dim must be a whole number >= 0, got -1"),
        ({"clip_range": 0}, "clip_range must be a number > 0 or null, got 0"),
        (
            {"latent_dim": 3, "input_dim": 3, "learnable_C": False},
            r"latent_dim must be > the number of inputs \(3\)",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(name, options, text):
    if "latent_dim" in options and name == "ALRNN":
        options = {**options, "num_relus": 0}
    with pytest.raises(ValueError, match=text):
        STEPS[name](**options)


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("ALRNN", {"num_relus": 7}, "num_relus must be between 0 and latent_dim=6, got 7"),
        ("ALRNN", {"num_relus": -1}, "num_relus must be a whole number >= 0, got -1"),
        ("ALRNN", {"ar_epsilon": 0}, "ar_epsilon must be a number > 0 or null, got 0"),
        ("shPLRNN", {"hidden_dim": 0}, "hidden_dim must be a whole number >= 1, got 0"),
    ],
)
def test_own_arguments_out_of_range_are_refused(name, options, text):
    with pytest.raises(ValueError, match=text):
        STEPS[name](**options)


def test_alrnn_without_relus_is_linear():
    step = draw_all(STEPS["ALRNN"](num_relus=0))
    z, s = torch.randn(4, 6), torch.zeros(4, 2)
    assert torch.allclose(step.step(z, s) + step.step(-z, s), 2 * step.h, atol=1e-5)


def test_alrnn_with_all_relus_is_a_plrnn_without_centring():
    alrnn = draw_all(STEPS["ALRNN"](num_relus=6, off_diagonal_W=True))
    plrnn = STEPS["PLRNN"](mean_centering=False)
    plrnn.load_state_dict(alrnn.state_dict())
    z, s = torch.randn(4, 6), torch.randn(4, 2)
    assert torch.equal(alrnn.step(z, s), plrnn.step(z, s))


def test_half_of_the_units_are_rectified_by_default():
    assert ALRNN(latent_dim=7, input_dim=0).num_relus == 3


@pytest.mark.parametrize("name", STEPS)
def test_fixed_input_matrix_drives_the_last_units_and_is_not_trained(name):
    step = STEPS[name](learnable_C=False)
    assert torch.equal(step.input_matrix, torch.cat([torch.zeros(4, 2), torch.eye(2)]))
    assert "C" not in dict(step.named_parameters())
    assert "C" in step.state_dict()


@pytest.mark.parametrize("name", STEPS)
def test_step_does_not_change_the_state_it_is_given(name):
    step, z = draw_all(STEPS[name]()), torch.randn(4, 6)
    before = z.clone()
    step.step(z, torch.randn(4, 2))
    assert torch.equal(z, before)


def test_weights_are_the_effective_ones():
    step = draw_all(STEPS["ALRNN"](off_diagonal_W=True))
    assert not step.weights()["W"].diagonal().any()
    assert step.recurrent_matrices[0].equal(step.weights()["W"])
    assert step.W_raw.diagonal().all()


def test_bounded_orbits_of_the_clipped_form():
    step = draw_all(STEPS["shPLRNN"](clipped=True, input_dim=0))
    with torch.no_grad():
        step.A.clamp_(-0.9, 0.9)
    z = torch.full((1, 6), 1e3)
    for _ in range(500):
        z = step.step(z, None)
    bound = (step.W1.abs() @ step.h2.abs() + step.h1.abs()) / 0.1
    assert (z.abs() <= bound * 1.001).all()


def test_jacobian_of_a_users_step_comes_from_autograd():
    class Tanh(LatentStep):
        def step(self, z, s):
            return torch.tanh(2 * z)

    z = torch.randn(3, 4, dtype=torch.float64)
    expected = torch.diag_embed(2 * (1 - torch.tanh(2 * z) ** 2))
    assert torch.allclose(Tanh(4, 0).jacobian(z), expected)
