"""Connectivities: the masks they draw, (post, pre), and what they refuse."""

import numpy as np
import pytest
import torch

from rnnexp.constraints.connectivity import Full, RandomInput, Sizes, Sparse
from rnnexp.constraints.given_masks import GivenMasks, MultiIO
from rnnexp.constraints.multi_area import MultiArea

SIZES = Sizes(inputs=4, units=20, outputs=3)


def masks(connectivity, is_excitatory=None, sizes=SIZES, seed=0):
    return connectivity.masks(sizes, is_excitatory, torch.Generator().manual_seed(seed))


ALL = [Sparse(), RandomInput(), MultiArea(), GivenMasks(), MultiIO(), Full(autapses=False)]


@pytest.mark.parametrize("connectivity", ALL, ids=lambda c: type(c).__name__)
def test_masks_are_post_pre_and_fixed_by_the_seed(connectivity):
    drawn, again = masks(connectivity), masks(connectivity)
    assert (drawn.input.shape, drawn.recurrent.shape, drawn.output.shape) == ((20, 4), (20, 20), (3, 20))
    for name in ("input", "recurrent", "output"):
        assert torch.equal(getattr(drawn, name), getattr(again, name))
        assert set(getattr(drawn, name).unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize(
    "make",
    [Full, Sparse, RandomInput, MultiArea, GivenMasks, MultiIO],
)
def test_no_autapses_clears_the_diagonal_and_nothing_else(make):
    free, without = make(), make(autapses=False)
    diagonal = torch.eye(20, dtype=torch.bool)
    removed = masks(without).recurrent
    kept = torch.ones(20, 20) if make is Full else masks(free).recurrent
    assert not removed[diagonal].any()
    assert torch.equal(removed[~diagonal], kept[~diagonal])


def test_full_connectivity_masks_nothing():
    assert masks(Full()) is None


def test_sparse_connections_have_their_probabilities():
    drawn = masks(Sparse(input=0.3, recurrent=0.1, output=0.0), sizes=Sizes(200, 300, 5))
    assert drawn.input.mean().item() == pytest.approx(0.3, abs=0.01)
    assert drawn.recurrent.mean().item() == pytest.approx(0.1, abs=0.01)
    assert not drawn.output.any()


def test_areas_are_dense_inside_and_sparse_between():
    sizes = Sizes(2, 300, 2)
    drawn = masks(MultiArea([100, 200], forward=0.3, backward=0.05, within=0.8), sizes=sizes).recurrent
    first, second = slice(0, 100), slice(100, 300)
    assert drawn[first, first].mean().item() == pytest.approx(0.8, abs=0.02)
    assert drawn[second, second].mean().item() == pytest.approx(0.8, abs=0.02)
    assert drawn[second, first].mean().item() == pytest.approx(0.3, abs=0.02)  # to the higher index
    assert drawn[first, second].mean().item() == pytest.approx(0.05, abs=0.02)


def test_densities_lead_from_the_column_to_the_row():
    drawn = masks(MultiArea(2, densities=[[1, 0], [1, 0]])).recurrent
    assert drawn[:, :10].all()
    assert not drawn[:, 10:].any()


def test_inputs_and_readout_reach_their_areas_only():
    drawn = masks(MultiArea(4, input_areas=[0, 2], readout_areas=[3]))
    assert drawn.input.any(1).tolist() == ([True] * 5 + [False] * 5) * 2
    assert drawn.output.any(0).tolist() == [False] * 15 + [True] * 5
    assert not masks(MultiArea(2, input_areas=[])).input.any()


def test_pathways_between_areas_can_be_cut_one_by_one():
    is_excitatory = torch.tensor(([True] * 7 + [False] * 3) * 2)
    area = torch.arange(20) // 10
    between = area[:, None] != area
    exc, inh = is_excitatory, ~is_excitatory
    pathways = [
        (exc, exc),
        (inh, exc),
        (exc, inh),
        (inh, inh),
    ]  # (post, pre) of E to E, E to I, I to E, I to I
    for cut in range(4):
        is_open = [i != cut for i in range(4)]
        drawn = masks(MultiArea(2, forward=1, backward=1, between=is_open), is_excitatory).recurrent
        for i, (post, pre) in enumerate(pathways):
            assert bool(drawn[between & post[:, None] & pre].all()) == (i != cut)
        assert drawn[~between].all()


def test_a_random_part_gets_inputs_and_another_is_read_out():
    drawn = masks(RandomInput(0.4, 0.5, recurrent=0.5, overlap=False))
    with_input, read_out = drawn.input.any(1), drawn.output.any(0)
    assert (with_input.sum(), read_out.sum()) == (8, 10)
    assert not (with_input & read_out).any()
    assert torch.equal(drawn.input, with_input[:, None].float().expand(-1, 4))
    overlapping = masks(RandomInput(0.9, 0.9))
    assert (overlapping.input.any(1) & overlapping.output.any(0)).any()


def test_groups_of_channels_reach_the_units_of_their_table():
    input_table, readout_table = torch.zeros(2, 20), torch.zeros(2, 20)
    input_table[0, :5] = input_table[1, 5:8] = readout_table[0, 10:] = 1
    drawn = masks(MultiIO([1, 3], [2, 1], input_table.tolist(), readout_table.tolist()))
    assert torch.equal(drawn.input[:, 0], input_table[0])
    assert all(torch.equal(drawn.input[:, i], input_table[1]) for i in (1, 2, 3))
    assert torch.equal(drawn.output, torch.stack([readout_table[0], readout_table[0], readout_table[1]]))
    assert drawn.recurrent.all()


def test_masks_come_from_files_and_lists(tmp_path):
    recurrent, output = np.random.default_rng(0).integers(0, 2, (20, 20)), np.full((3, 20), 0.5)
    np.save(tmp_path / "recurrent.npy", recurrent)
    np.savez(tmp_path / "masks.npz", output=output, other=recurrent)
    drawn = masks(GivenMasks(None, str(tmp_path / "recurrent.npy"), str(tmp_path / "masks.npz")))
    assert np.array_equal(drawn.recurrent, recurrent)
    assert np.array_equal(drawn.output, output)
    assert drawn.input.all()
    assert torch.equal(masks(GivenMasks(input=[[1, 0, 1, 0]] * 20)).input[0], torch.tensor([1.0, 0, 1, 0]))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Sparse(recurrent=1.5), r"recurrent must be a number in \[0, 1\], got 1.5"),
        (lambda: RandomInput(0.7, 0.7, overlap=False), "input_fraction \\+ readout_fraction must be <= 1"),
        (lambda: MultiArea(0), "n_areas must be a whole number >= 1 or a list of them, got 0"),
        (lambda: MultiArea(3).area_sizes(20), "n_areas must divide latent_dim, which is 20, got 3"),
        (
            lambda: MultiArea([5, 5]).area_sizes(20),
            r"n_areas must have the sum latent_dim, which is 20, got \[5, 5\]",
        ),
        (lambda: MultiArea(2, input_areas=[2]), "input_areas must be a list of area indices from 0 to 1"),
        (lambda: MultiArea(2, densities=[[1, 0]]), "densities must be 2 lists of 2 numbers"),
        (
            lambda: MultiArea(2, densities=[[1, 0], [2, 0]]),
            r"densities\[1\]\[0\] must be a number in \[0, 1\], got 2",
        ),
        (lambda: MultiArea(2, between=[True]), "between must hold true or false for E_to_E, E_to_I"),
        (lambda: masks(MultiArea(2, between=[False] * 4)), "between needs excitatory and inhibitory units"),
        (
            lambda: masks(MultiIO([1, 2])),
            "input_groups must be sizes >= 1 with the sum 4, the number of inputs",
        ),
        (lambda: masks(MultiIO(None, [3], None, [[1] * 19])), r"readout_table must have the shape \(1, 20\)"),
        (
            lambda: masks(GivenMasks(input=[[1] * 20] * 4)),
            r"\(20, 4\), got \(4, 20\); weights and masks are \(post",
        ),
        (lambda: masks(GivenMasks(recurrent="nowhere.npy")), "recurrent: nowhere.npy: no such file"),
        (
            lambda: masks(GivenMasks(recurrent=[[1, 2], [3]])),
            "recurrent must be rows of numbers of equal length",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_unreadable_files_are_refused(tmp_path):
    (tmp_path / "broken.npy").write_text("no array")
    np.savez(tmp_path / "two.npz", a=np.ones(2), b=np.ones(2))
    for name, text in (
        ("broken.npy", "cannot be read"),
        ("two.npz", "holds no array called recurrent, but a, b"),
    ):
        with pytest.raises(ValueError, match=text):
            masks(GivenMasks(recurrent=str(tmp_path / name)))
