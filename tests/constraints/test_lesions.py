"""Lesions of connections and units: how many, which, and what stays as it was."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnexp.constraints.connectivity import Full, Sizes, Sparse
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.lesions import draw_units, lesion_w, lesion_w_by_type, silence
from rnnexp.latent_steps import ALRNN, PLRNN, Leaky, ShPLRNN
from rnnexp.models import RNN
from rnnexp.observation import Affine, Identity

M, K = 30, 2
PERCENTAGES = [0.0, 0.13, 0.25, 0.5, 1.0]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fill(model):
    """Draw every parameter anew, biases too, so that no zero is there by default."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3, generator=seeded(parameter.numel()))
    return model


def leaky(sign_rule="rectified", connectivity=None):
    constraint = Constraint(sign_rule, **({"P_inh": 0.3} if sign_rule else {}))
    rules = constraint.rules(Sizes(K, M, 2), connectivity or Sparse(recurrent=0.6), seeded(5))
    step = fill(Leaky(M, K, dt=10, input_bias=True, rules=rules))
    step.project()
    return step


STEPS = {
    "rectified": lambda: leaky("rectified"),
    "absolute": lambda: leaky("absolute"),
    "projected": lambda: leaky("projected"),
    "free": lambda: leaky(None, Full()),
    "PLRNN": lambda: fill(PLRNN(M, K)),
    "ALRNN": lambda: fill(ALRNN(M, K)),
    "shPLRNN": lambda: fill(ShPLRNN(M, K, hidden_dim=12)),
    "clipped_shPLRNN": lambda: fill(ShPLRNN(M, K, hidden_dim=12, clipped=True)),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("percentage", PERCENTAGES)
def test_removing_takes_the_floor_of_the_share_and_leaves_the_rest_bit_for_bit(name, percentage):
    step = STEPS[name]()
    for index, raw in enumerate(step.recurrent_parameters):
        before = step.recurrent_matrices[index].detach().clone()
        n = int((before != 0).sum())
        assert lesion_w(raw, step.recurrent_matrices[index], percentage, seeded()) == int(percentage * n)
        after = step.recurrent_matrices[index].detach()
        assert int((after != 0).sum()) == n - int(percentage * n)
        assert torch.equal(after[after != 0], before[after != 0])


@pytest.mark.parametrize("name", STEPS)
def test_a_scale_changes_exactly_so_many_by_that_factor(name):
    step = STEPS[name]()
    raw, before = step.recurrent_parameters[0], step.recurrent_matrices[0].detach().clone()
    n = lesion_w(raw, step.recurrent_matrices[0], 0.4, seeded(), scale=0.5)
    after = step.recurrent_matrices[0].detach()
    changed = after != before
    assert int(changed.sum()) == n == int(0.4 * int((before != 0).sum()))
    assert torch.equal(after[changed], 0.5 * before[changed])


@pytest.mark.parametrize("name", ["rectified", "absolute", "projected"])
@pytest.mark.parametrize("percentage", PERCENTAGES)
def test_by_type_every_pairing_loses_its_own_share(name, percentage):
    step = STEPS[name]()
    excitatory = step.unit_signs > 0
    assert 0 < int(excitatory.sum()) < M
    blocks = {
        f"{source}_to_{target}": (rows[:, None] & columns)
        for source, columns in (("E", excitatory), ("I", ~excitatory))
        for target, rows in (("E", excitatory), ("I", ~excitatory))
    }
    before = step.W_rec.detach().clone()
    lost = lesion_w_by_type(step.W_rec_raw, step.W_rec, step.unit_signs, percentage, seeded())
    after = step.W_rec.detach()
    for pairing, block in blocks.items():
        n = int((before[block] != 0).sum())
        assert n > 0
        assert lost[pairing] == int(percentage * n)
        assert int((after[block] != 0).sum()) == n - int(percentage * n)
    assert torch.equal(after[after != 0], before[after != 0])


@settings(deadline=None, max_examples=60)
@given(
    n_units=st.integers(1, 12),
    density=st.sampled_from([0.0, 0.4, 1.0]),
    P_inh=st.sampled_from([0.0, 0.4, 1.0]),
    percentage=st.floats(0.0, 1.0),
    scale=st.sampled_from([0.0, 0.5, 3.0]),
    seed=st.integers(0, 1000),
)
def test_lesions_of_any_network_change_exactly_their_share(n_units, density, P_inh, percentage, scale, seed):
    rules = Constraint("absolute", P_inh=P_inh).rules(
        Sizes(K, n_units, 1), Sparse(recurrent=density), seeded(seed)
    )
    for by_type in (False, True):
        step = fill(Leaky(n_units, K, dt=10, rules=rules))
        before = step.W_rec.detach().clone()
        excitatory = step.unit_signs > 0
        blocks = [torch.ones(n_units, n_units, dtype=torch.bool)]
        if by_type:
            lost = lesion_w_by_type(step.W_rec_raw, before, step.unit_signs, percentage, seeded(seed), scale)
            kinds = (excitatory, ~excitatory)
            blocks = [target[:, None] & source for source in kinds for target in kinds]
        else:
            lost = {"all": lesion_w(step.W_rec_raw, before, percentage, seeded(seed), scale)}
        after = step.W_rec.detach()
        for n_lost, block in zip(lost.values(), blocks, strict=True):
            n, changed = int((before[block] != 0).sum()), after[block] != before[block]
            assert n_lost == int(percentage * n) == int(changed.sum())
            torch.testing.assert_close(
                after[block][changed], scale * before[block][changed], rtol=1e-6, atol=0
            )
            if scale == 0:
                assert int((after[block] != 0).sum()) == n - n_lost


def test_pairings_without_units_are_passed_over():
    raw = torch.ones(4, 4)
    assert lesion_w_by_type(raw, raw, torch.ones(4), 0.5, seeded()) == {
        "E_to_E": 8, "E_to_I": 0, "I_to_E": 0, "I_to_I": 0,
    }  # fmt: skip


def test_the_source_is_the_column():
    raw = torch.zeros(3, 3)
    raw[2, 0] = 1.0  # from unit 0, excitatory, to unit 2, inhibitory
    assert lesion_w_by_type(raw, raw, torch.tensor([1.0, 1.0, -1.0]), 1.0, seeded())["E_to_I"] == 1


def test_every_connection_is_as_likely():
    counts = torch.zeros(5, 5)
    for seed in range(400):
        raw = torch.ones(5, 5)
        lesion_w(raw, raw, 0.4, seeded(seed))
        counts += raw == 0
    share = counts / 400
    assert share.mean() == pytest.approx(0.4)
    assert (share - 0.4).abs().max() < 4 * (0.4 * 0.6 / 400) ** 0.5


def test_one_seed_chooses_the_same_and_nested_connections():
    def removed(percentage, seed):
        raw = torch.ones(10, 10)
        lesion_w(raw, raw, percentage, seeded(seed))
        return raw == 0

    assert torch.equal(removed(0.3, 1), removed(0.3, 1))
    assert not torch.equal(removed(0.3, 1), removed(0.3, 2))
    assert removed(0.6, 1)[removed(0.3, 1)].all()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_share_outside_0_and_1_is_refused_and_nothing_changes(value):
    raw = torch.ones(3, 3)
    with pytest.raises(ValueError, match=r"percentage must be a number in \[0, 1\], got"):
        lesion_w(raw, raw, value, seeded())
    with pytest.raises(ValueError, match=r"percentage must be a number in \[0, 1\], got"):
        lesion_w_by_type(raw, raw, torch.ones(3), value, seeded())
    assert (raw == 1).all()


@pytest.mark.parametrize("scale", [-1.0, float("nan")])
def test_a_negative_scale_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be a finite number >= 0"):
        lesion_w(torch.ones(3, 3), torch.ones(3, 3), 0.5, seeded(), scale)


def test_units_are_drawn_from_their_type():
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, 1.0])
    assert draw_units(6, signs, "inhibitory", 1.0, seeded()) == [1, 3]
    half = draw_units(6, signs, "excitatory", 0.5, seeded())
    assert len(half) == 2
    assert set(half) < {0, 2, 4, 5}
    assert set(half) <= set(draw_units(6, signs, "excitatory", 0.8, seeded()))
    assert len(draw_units(6, None, "any", 0.5, seeded())) == 3


def test_units_without_types_are_not_drawn_by_type():
    with pytest.raises(ValueError, match="unit_type must be any for units without types, got 'excitatory'"):
        draw_units(6, None, "excitatory", 0.5, seeded())


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("observation", [Affine, Identity])
def test_a_silenced_unit_does_not_move_and_reaches_nobody(name, observation):
    step = STEPS[name]()
    model = RNN(step, fill(observation(M, 2)), initial_state="learned")
    fill(model)
    step.project()
    dead = [0, 7, 29]
    entries = [*step.unit_entries, *model.observation.unit_entries, (model.z0, 0)]
    alive = [tensor.detach().clone() for tensor, _ in entries]
    silence(entries, dead)
    inputs = torch.randn(4, 12, K, generator=seeded())
    initial = torch.randn(4, M, generator=seeded(1))
    initial[:, dead] = 0
    with torch.no_grad():
        run = model.run(inputs, initial)
    assert (run.latents[:, :, dead] == 0).all()
    assert run.latents.abs().sum() > 0
    for matrix in step.recurrent_matrices if len(step.recurrent_matrices) == 1 else ():
        assert (matrix[dead] == 0).all()
        assert (matrix[:, dead] == 0).all()
    if model.output_matrix is not None:
        assert (model.output_matrix[:, dead] == 0).all()
        assert int((model.output_matrix == 0).sum()) == 2 * len(dead)
    for (tensor, axis), before in zip(entries, alive, strict=True):
        others = [unit for unit in range(M) if unit not in dead]
        rest = tensor.index_select(axis, torch.tensor(others))
        mask = rest != 0  # rows of one entry are columns of another
        assert torch.equal(rest[mask], before.index_select(axis, torch.tensor(others))[mask])


def test_a_silenced_unit_that_is_pushed_changes_no_output():
    step = STEPS["rectified"]()
    model = RNN(step, fill(Affine(M, 2)))
    silence([*step.unit_entries, *model.observation.unit_entries], [3])
    initial = torch.randn(1, M, generator=seeded())
    pushed = initial.clone()
    pushed[:, 3] += 5
    inputs = torch.zeros(1, 10, K)
    with torch.no_grad():
        assert torch.equal(model.run(inputs, initial).outputs, model.run(inputs, pushed).outputs)


@pytest.mark.parametrize("units", [[-1], [M]])
def test_units_that_do_not_exist_are_refused(units):
    with pytest.raises(ValueError, match=r"units must be from 0 to 29"):
        silence(STEPS["free"]().unit_entries, units)
