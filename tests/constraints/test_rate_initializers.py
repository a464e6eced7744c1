"""Recipes for leaky networks: distributions, spectral radius, balance, and the edges of every setting."""

import math

import pytest
import torch

from rnnexp.constraints.connectivity import Full, Sizes, Sparse
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.initializers import ReconstructionInitializer, TaskInitializer
from rnnexp.constraints.nn4n_initializer import NN4NInitializer
from rnnexp.constraints.preset_initializers import RECIPES
from rnnexp.constraints.psychrnn_initializer import PsychRNNInitializer
from rnnexp.constraints.spectral_radius_initializer import SpectralRadiusInitializer
from rnnexp.constraints.spikernn_initializer import SpikeRNNInitializer
from rnnexp.constraints.weight_draws import balanced_rows, equal_sums, spectral_radius
from rnnexp.latent_steps import ALRNN, PLRNN, Leaky, ShPLRNN
from rnnexp.models import RNN
from rnnexp.observation import Affine

M, K, N_OUT = 60, 3, 2
SIGN_RULES = ["absolute", "rectified", "projected"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(initializer, constraint=None, connectivity=None, sizes=(K, M, N_OUT), **options):
    """A network with initial weights."""
    inputs, units, outputs = sizes
    rules = (constraint or Constraint()).rules(Sizes(*sizes), connectivity or Full(), seeded(7))
    model = RNN(
        Leaky(units, inputs, dt=10.0, rules=rules, **options), Affine(units, outputs, rule=rules.output)
    )
    model.initialize(initializer, seeded())
    return model


def dale(sign_rule="absolute", dale_ratio=0.8, **options):
    return Constraint(sign_rule, dale_ratio=dale_ratio, **options)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("sign_rule", [None, *SIGN_RULES])
def test_a_seed_fixes_the_weights(name, sign_rule):
    constraint = None if sign_rule is None else dale(sign_rule)
    first, again = (drawn(RECIPES[name](), constraint).weights() for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert all(torch.isfinite(weight).all() for weight in first.values())


def test_psychrnn_defaults():
    weights = drawn(PsychRNNInitializer()).weights()
    assert spectral_radius(weights["W_rec"].double()) == pytest.approx(1.1, rel=1e-5)
    assert weights["W_in"].std().item() == pytest.approx(math.sqrt(2 / (M + K)), rel=0.1)
    assert weights["B"].std().item() == pytest.approx(math.sqrt(2 / (M + N_OUT)), rel=0.15)
    assert not weights["b"].any()
    assert not weights["b_rec"].any()
    assert weights["z0"].mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(("name", "sd"), [("const_gauss", 1.0), ("const_unif", 0.2 / math.sqrt(12))])
def test_psychrnn_constant_draws(name, sd):
    weights = drawn(PsychRNNInitializer(W_rec=name, W_in=name, B=name)).weights()
    for key in ("W_rec", "W_in", "B"):
        assert weights[key].std().item() == pytest.approx(sd, rel=0.15)


def test_psychrnn_effective_weights_are_the_same_under_every_sign_rule():
    effective = [drawn(PsychRNNInitializer(), dale(rule)).weights()["W_rec"] for rule in SIGN_RULES]
    torch.testing.assert_close(effective[0], effective[1])
    torch.testing.assert_close(effective[0], effective[2])
    assert (effective[0] != 0).all()


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("dale_ratio", [0.0, 1.0])
@pytest.mark.parametrize("sign_rule", SIGN_RULES)
def test_units_of_one_kind_give_finite_weights(recipe, dale_ratio, sign_rule):
    weights = drawn(RECIPES[recipe](), dale(sign_rule, dale_ratio)).weights()
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    assert (weights["W_rec"] * (1 if dale_ratio else -1) >= 0).all()
    assert weights["W_rec"].any()


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (0, 1, 1), (1, 2, 3)])
def test_the_smallest_networks_have_initial_weights(recipe, sizes):
    for constraint in (None, dale(), dale(dale_ratio=0.5)):
        for connectivity in (Full(), Full(autapses=False), Sparse(0.0, 0.0, 0.0)):
            weights = drawn(RECIPES[recipe](), constraint, connectivity, sizes).weights()
            assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_psychrnn_balance_survives_units_without_inputs():
    constraint, connectivity = dale(), Sparse(recurrent=0.03, autapses=False)
    model = drawn(PsychRNNInitializer(), constraint, connectivity)
    assert (model.latent_step.W_rec_rule.mask.sum(1) == 0).any()
    assert torch.isfinite(model.latent_step.W_rec_raw).all()
    assert spectral_radius(model.latent_step.W_rec_raw.detach().double()) == pytest.approx(1.1, rel=1e-4)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("sign_rule", [None, *SIGN_RULES])
@pytest.mark.parametrize("connectivity", [Full(), Sparse(recurrent=0.3, autapses=False)])
def test_spectral_radius_is_that_of_the_effective_matrix(balanced, sign_rule, connectivity):
    constraint = None if sign_rule is None else dale(sign_rule)
    weights = drawn(SpectralRadiusInitializer(0.7, balanced), constraint, connectivity).weights()
    assert spectral_radius(weights["W_rec"].double()) == pytest.approx(0.7, rel=1e-4)


def test_nn4n_weights_follow_the_fan_in():
    weights = drawn(NN4NInitializer(W_in="normal", biases="uniform"), input_bias=True).weights()
    bound = 1 / math.sqrt(M)
    assert 0.95 * bound < weights["W_rec"].abs().max() <= bound
    assert weights["W_in"].std().item() == pytest.approx(1 / math.sqrt(K), rel=0.15)
    assert 0.9 * bound < weights["b_rec"].abs().max() <= bound
    assert 0.9 / math.sqrt(K) < weights["b_in"].abs().max() <= 1 / math.sqrt(K)
    assert 0 < weights["b"].abs().max() <= bound


@pytest.mark.parametrize("sign_rule", SIGN_RULES)
def test_nn4n_balances_all_excitation_and_all_inhibition(sign_rule):
    W = drawn(NN4NInitializer(), dale(sign_rule)).weights()["W_rec"]
    assert W.clamp(min=0).sum().item() == pytest.approx(-W.clamp(max=0).sum().item(), rel=1e-5)
    zeros = (W == 0).double().mean().item()
    assert zeros == (pytest.approx(0.5, abs=0.05) if sign_rule == "projected" else 0)


def test_equal_sums_scales_the_stronger_side_down_or_all_by_ten():
    matrix = torch.tensor([[3.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(
        equal_sums(matrix), torch.tensor([[0.75, -1.0], [0.25, 0.0]], dtype=torch.float64)
    )
    torch.testing.assert_close(
        equal_sums(-matrix), torch.tensor([[-0.75, 1.0], [-0.25, 0]], dtype=torch.float64)
    )
    torch.testing.assert_close(equal_sums(matrix.abs()), matrix.abs() / 10)


def test_balanced_rows_cancel_and_leave_pure_rows():
    matrix = torch.tensor([[3.0, -1.0, 0], [1.0, 0.0, 2], [0, -2, 0]], dtype=torch.float64)
    balanced = balanced_rows(matrix)
    assert balanced.sum(1).tolist() == pytest.approx([0, 3, -2])


def test_spikernn_matrix_has_its_density_and_size():
    weights = drawn(SpikeRNNInitializer(), sizes=(K, 400, 1)).weights()
    W = weights["W_rec"]
    assert (W != 0).double().mean().item() == pytest.approx(0.2, abs=0.01)
    assert W[W != 0].std().item() == pytest.approx(1.5 / math.sqrt(400 * 0.2), rel=0.02)
    assert spectral_radius(W.double()) == pytest.approx(1.5, rel=0.1)
    assert weights["W_in"].std().item() == pytest.approx(1, rel=0.1)
    assert weights["B"].std().item() == pytest.approx(0.01, rel=0.1)


def test_spikernn_gamma_weights():
    W = drawn(SpikeRNNInitializer("gamma", P_rec=1.0), sizes=(K, 400, 1)).weights()["W_rec"]
    assert (W > 0).all()
    assert W.mean().item() == pytest.approx(0.006, rel=0.02)
    assert W.std().item() == pytest.approx(0.003 * math.sqrt(2), rel=0.02)


def test_dale_gives_spikernn_an_outlier_that_balance_removes():
    constraint = Constraint("rectified", P_inh=0.2)
    plain, balanced = (
        drawn(SpikeRNNInitializer(balanced=b), constraint, sizes=(K, 400, 1)).weights()["W_rec"].double()
        for b in (False, True)
    )
    assert spectral_radius(plain) > 4
    assert spectral_radius(balanced) == pytest.approx(1.5, rel=1e-4)
    assert balanced.sum(1).abs().max() < 1e-4
    assert ((plain != 0) == (balanced != 0)).all()


def test_no_connection_at_all_is_allowed():
    W = drawn(SpikeRNNInitializer(P_rec=0.0)).weights()["W_rec"]
    assert not W.any()


@pytest.mark.parametrize("initializer", [TaskInitializer(), ReconstructionInitializer()])
def test_recipes_of_the_plrnn_family_refuse_leaky_networks(initializer):
    with pytest.raises(
        ValueError, match="does not say how to draw W_rec of this latent step; psychrnn, nn4n"
    ):
        drawn(initializer)


@pytest.mark.parametrize("step", [PLRNN(M, K), ALRNN(M, K), ShPLRNN(M, K, hidden_dim=4)])
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_of_leaky_networks_refuse_the_plrnn_family(step, name):
    with pytest.raises(ValueError, match="does not say how to draw A of this latent step; psychrnn, nn4n"):
        step.initialize(RECIPES[name](), seeded())


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: PsychRNNInitializer(W_rec="glorot"),
            "W_rec must be one of spectral_radius, .*, got 'glorot'",
        ),
        (
            lambda: PsychRNNInitializer(W_in="alpha_identity"),
            "W_in must be one of glorot_gauss, .*'alpha_identity'",
        ),
        (lambda: PsychRNNInitializer(spec_rad=-1), "spec_rad must be a finite number >= 0, got -1"),
        (
            lambda: PsychRNNInitializer(identity_scale=math.inf),
            "identity_scale must be a finite number, got inf",
        ),
        (lambda: PsychRNNInitializer(minval=1, maxval=0), "minval must be <= maxval, got 1 and 0"),
        (lambda: NN4NInitializer(W_in="gauss"), "W_in must be uniform or normal, got 'gauss'"),
        (lambda: NN4NInitializer(biases="one"), "biases must be zero, uniform or normal, got 'one'"),
        (lambda: SpikeRNNInitializer("gauss"), "distribution must be one of gaus, gamma, got 'gauss'"),
        (lambda: SpikeRNNInitializer(P_rec=1.5), r"P_rec must be a number in \[0, 1\], got 1.5"),
        (lambda: SpikeRNNInitializer(gain=-1), "gain must be a finite number >= 0, got -1"),
        (lambda: SpectralRadiusInitializer(math.nan), "radius must be a finite number >= 0, got nan"),
    ],
)
def test_arguments_out_of_range_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
