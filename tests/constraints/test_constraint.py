"""Dale's law and masks: which effective weights follow from raw ones, and that they hold in every update."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnexp.constraints.connectivity import Full, Sizes, Sparse
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.multi_area import MultiArea
from rnnexp.constraints.plasticity import Plasticity
from rnnexp.constraints.preset_initializers import RECIPES
from rnnexp.constraints.weight_rule import WeightRule
from rnnexp.latent_steps import ALRNN, Leaky
from rnnexp.models import RNN
from rnnexp.observation import Affine

SIGN_RULES = ["absolute", "rectified", "projected"]
SIZES = Sizes(inputs=3, units=10, outputs=2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(constraint, connectivity=None, sizes=SIZES, seed=0, initializer=None, **options):
    rules = constraint.rules(sizes, connectivity or Full(), seeded(seed))
    step = Leaky(sizes.units, sizes.inputs, dt=10.0, rules=rules, **options)
    model = RNN(step, Affine(sizes.units, sizes.outputs, rule=rules.output))
    model.initialize(initializer or step.auto_initializer, seeded(seed))
    if constraint.fixed or constraint.plasticity:
        model.plasticity = Plasticity(model, constraint.fixed, constraint.plasticity)
    return model


RAW = torch.tensor([[1.0, -2.0, 3.0], [-4.0, 5.0, -6.0]])


@pytest.mark.parametrize(
    ("sign_rule", "expected"),
    [
        ("absolute", [[1, -2, 0], [0, -5, 0]]),
        ("rectified", [[1, 0, 0], [0, -5, 0]]),
        ("projected", [[1, -2, 0], [0, 0, 0]]),
    ],
)
def test_signs_go_with_the_presynaptic_unit(sign_rule, expected):
    rule = WeightRule(torch.tensor([[1.0, 1, 1], [0, 1, 1]]), torch.tensor([1.0, -1, 0]), sign_rule)
    raw = RAW.clone()
    rule.project(raw)
    assert rule(raw).tolist() == expected
    assert torch.equal(raw, RAW) == (sign_rule != "projected")


def test_masks_scale_weights_and_may_stand_alone():
    rule = WeightRule(torch.tensor([[0.5, 1, 0], [1, 1, 1]]))
    assert rule(RAW).tolist() == [[0.5, -2, 0], [-4, 5, -6]]


def test_dale_ratio_makes_the_first_units_of_every_area_excitatory():
    signs = network(Constraint("absolute", dale_ratio=0.75), MultiArea([4, 6])).latent_step.W_rec_rule.signs
    assert signs.tolist() == [1, 1, 1, -1, 1, 1, 1, 1, -1, -1]


def test_random_inhibitory_units_have_their_probability_and_follow_the_seed():
    sizes = Sizes(1, 2000, 1)
    first, again, other = (
        Constraint("rectified", P_inh=0.3).rules(sizes, Full(), seeded(seed)).recurrent.signs
        for seed in (0, 0, 1)
    )
    assert (first < 0).double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("sign_rule", SIGN_RULES)
def test_inhibitory_units_never_reach_the_output(sign_rule):
    model = network(Constraint(sign_rule, dale_ratio=0.8, inputs="non_negative", readout="excitatory"))
    weights = model.weights()
    assert not weights["B"][:, 8:].any()
    assert (weights["B"][:, :8] >= 0).all()
    assert (weights["W_in"] >= 0).all()
    assert (weights["W_rec"][:, :8] >= 0).all()
    assert (weights["W_rec"][:, 8:] <= 0).all()


def test_signed_readout_follows_the_units_and_any_readout_is_free():
    signed = network(Constraint("absolute", dale_ratio=0.5, readout="signed")).weights()["B"]
    assert (signed[:, :5] > 0).all()
    assert (signed[:, 5:] < 0).all()
    free = network(Constraint("absolute", dale_ratio=0.5))
    assert free.observation.B_rule is None
    assert free.latent_step.W_in_rule is None


def test_somatostatin_units_get_excitation_but_no_inhibition():
    model = network(Constraint("absolute", dale_ratio=0.6, som_units=2))
    W = model.weights()["W_rec"]
    assert not W[6:8, 6:].any()
    assert W[6:8, :6].all()
    assert W[8:].all()


def test_an_unconstrained_network_has_no_rules():
    rules = Constraint().rules(SIZES, Full(), seeded())
    assert (rules.input, rules.recurrent, rules.output) == (None, None, None)


def test_masks_and_signs_are_saved_with_the_weights():
    model = network(Constraint("absolute", dale_ratio=0.5, fixed={"b": 1}), Sparse())
    assert {key for key in model.state_dict() if "rule" in key or "plasticity" in key} == {
        "latent_step.W_rec_rule.mask", "latent_step.W_rec_rule.signs", "latent_step.W_in_rule.mask",
        "observation.B_rule.mask", "plasticity.b",
    }  # fmt: skip


# every update


def train_a_step(model, optimizer, inputs, targets):
    """One update as the trainer does it."""
    optimizer.zero_grad()
    (model.run(inputs, noise=seeded(1)).outputs - targets).square().mean().backward()
    model.mask_gradients()
    with model.constrained_update():
        optimizer.step()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.1),
}


@settings(deadline=None, max_examples=80)
@given(
    sign_rule=st.sampled_from([None, *SIGN_RULES]),
    dale_ratio=st.sampled_from([None, 0.0, 1.0, 0.5, 0.8, 0.33]),
    P_inh=st.sampled_from([0.0, 0.3, 1.0]),
    recipe=st.sampled_from(list(RECIPES)),
    readout=st.sampled_from(["any", "signed", "excitatory"]),
    inputs=st.sampled_from(["any", "non_negative"]),
    autapses=st.booleans(),
    density=st.sampled_from([0.0, 0.3, 1.0]),
    n_units=st.integers(1, 6),
    n_inputs=st.integers(0, 2),
    n_steps=st.integers(1, 3),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    seed=st.integers(0, 1000),
)
def test_no_constraint_is_violated_after_any_update(
    sign_rule,
    dale_ratio,
    P_inh,
    recipe,
    readout,
    inputs,
    autapses,
    density,
    n_units,
    n_inputs,
    n_steps,
    optimizer,
    seed,
):
    sizes = Sizes(n_inputs, n_units, 1)
    fixed = torch.rand(n_units, n_units, generator=seeded(seed)) < 0.5
    options = {"fixed": {"W_rec": fixed.tolist(), "b": 1}}
    if sign_rule is not None:
        types = {"P_inh": P_inh} if dale_ratio is None else {"dale_ratio": dale_ratio}
        options |= {"sign_rule": sign_rule, **types, "readout": readout, "inputs": inputs}
    model = network(
        Constraint(**options), Sparse(density, density, density, autapses), sizes, seed, RECIPES[recipe](),
        pre_noise=0.1, tau={"min": 10.0, "max": 50.0},
    )  # fmt: skip
    before = {name: weight.clone() for name, weight in model.weights().items()}
    optimizer = OPTIMIZERS[optimizer](list(model.parameters()))
    generator = seeded(seed)
    if sign_rule is not None:
        is_excitatory = model.latent_step.unit_signs > 0
        if dale_ratio is not None:
            n_excitatory = int(dale_ratio * n_units)
            assert is_excitatory.tolist() == [True] * n_excitatory + [False] * (n_units - n_excitatory)
        elif P_inh in (0.0, 1.0):
            assert (is_excitatory == (P_inh == 0.0)).all()
    for _ in range(3):
        data = torch.randn(2, n_steps, n_inputs + 1, generator=generator)
        train_a_step(model, optimizer, data[..., 1:], data[..., :1])
        weights = model.weights()
        assert all(torch.isfinite(weight).all() for weight in weights.values())
        masks = {"W_rec": model.latent_step.W_rec_rule.mask, "B": model.observation.B_rule.mask}
        if n_inputs:
            masks["W_in"] = model.latent_step.W_in_rule.mask
        for name, mask in masks.items():
            assert not weights[name][mask == 0].any()
        if not autapses:
            assert not weights["W_rec"].diagonal().any()
        if sign_rule is not None:
            assert (weights["W_rec"][:, is_excitatory] >= 0).all()
            assert (weights["W_rec"][:, ~is_excitatory] <= 0).all()
            if readout != "any":
                assert (weights["B"][:, is_excitatory] >= 0).all()
                assert (weights["B"][:, ~is_excitatory] <= 0).all()
            if readout == "excitatory":
                assert not weights["B"][:, ~is_excitatory].any()
            if n_inputs and inputs == "non_negative":
                assert (weights["W_in"] >= 0).all()
        assert torch.equal(weights["W_rec"][fixed], before["W_rec"][fixed])
        assert torch.equal(weights["b"], before["b"])
        assert (weights["tau"] >= 10).all()
        assert (weights["tau"] <= 50).all()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_plasticity_scales_the_update_itself(optimizer):
    """One update from the same start: the change is the unscaled one times the multiplier, under Adam too."""
    inputs, targets = torch.randn(4, 6, 3, generator=seeded(2)), torch.randn(4, 6, 2, generator=seeded(3))
    multiplier = torch.rand(10, 10, generator=seeded(4))
    multiplier[0], multiplier[1] = 0.0, 1.0
    changes = []
    for plasticity in ({}, {"W_rec": multiplier.tolist(), "W_in": 0.25}):
        model = network(Constraint(plasticity=plasticity))
        before = {name: weight.clone() for name, weight in model.weights().items()}
        train_a_step(model, OPTIMIZERS[optimizer](list(model.parameters())), inputs, targets)
        changes.append({name: weight - before[name] for name, weight in model.weights().items()})
    free, scaled = changes
    torch.testing.assert_close(scaled["W_rec"], multiplier * free["W_rec"], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(scaled["W_in"], 0.25 * free["W_in"], rtol=1e-4, atol=1e-6)
    assert torch.equal(scaled["B"], free["B"])
    assert not scaled["W_rec"][0].any()
    assert torch.equal(scaled["W_rec"][1], free["W_rec"][1])


def test_fixed_entries_do_not_count_in_the_gradient_norm():
    model = network(Constraint(fixed={"W_rec": torch.eye(10).tolist()}))
    model.run(torch.randn(4, 6, 3)).outputs.square().mean().backward()
    model.mask_gradients()
    gradient = model.latent_step.W_rec_raw.grad
    assert not gradient.diagonal().any()
    assert gradient.any()


def test_entries_of_any_model_can_be_fixed():
    model = RNN(ALRNN(4, 2), Affine(4, 1))
    model.plasticity = Plasticity(model, {"A": [1, 0, 1, 0]}, {})
    before = model.latent_step.A.detach().clone()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    with torch.no_grad():
        model.observation.B_raw.fill_(0.3)
        model.z0.fill_(1.0)
    train_a_step(model, optimizer, torch.ones(2, 3, 2), torch.ones(2, 3, 1))
    assert (before == model.latent_step.A).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sign_rule": "abs", "dale_ratio": 0.8}, "sign_rule must be one of None, absolute, .*, got 'abs'"),
        (
            {"dale_ratio": 0.8},
            "dale_ratio needs Dale's law, sign_rule is null: choose one of constraint=dale",
        ),
        ({"readout": "signed"}, "readout needs Dale's law"),
        ({"inputs": "non_negative"}, "inputs needs Dale's law"),
        ({"som_units": 1}, "som_units needs Dale's law"),
        ({"sign_rule": "absolute"}, "one of dale_ratio and P_inh must be null, got None and None"),
        (
            {"sign_rule": "absolute", "dale_ratio": 0.5, "P_inh": 0.5},
            "one of dale_ratio and P_inh must be null",
        ),
        ({"sign_rule": "absolute", "dale_ratio": 1.2}, r"dale_ratio must be a number in \[0, 1\], got 1.2"),
        ({"sign_rule": "absolute", "P_inh": -0.1}, r"P_inh must be a number in \[0, 1\], got -0.1"),
        (
            {"sign_rule": "absolute", "dale_ratio": 0.5, "readout": "E"},
            "readout must be one of any, signed, exc",
        ),
        (
            {"sign_rule": "absolute", "dale_ratio": 0.5, "inputs": "E"},
            "inputs must be one of any, non_negative",
        ),
        (
            {"sign_rule": "absolute", "dale_ratio": 0.5, "som_units": -1},
            "som_units must be a whole number >= 0",
        ),
        (
            {"sign_rule": "absolute", "dale_ratio": 0.5, "som_units": 6},
            "number of inhibitory units, which is 5, got 6",
        ),
        ({"fixed": {"W": 1}}, "fixed and plasticity name parameters of the model: .*W_rec.*; got W"),
        ({"fixed": {"W_rec": [[1]]}}, r"W_rec must have the shape \(10, 10\), got \(1, 1\)"),
        ({"plasticity": {"W_rec": -1}}, "plasticity.W_rec must hold numbers >= 0"),
    ],
)
def test_what_does_not_fit_is_refused(options, text):
    with pytest.raises(ValueError, match=text):
        network(Constraint(**options))


def test_a_negative_mask_is_refused():
    with pytest.raises(ValueError, match="a connectivity mask must hold finite numbers >= 0"):
        WeightRule(torch.tensor([[-1.0]]))
