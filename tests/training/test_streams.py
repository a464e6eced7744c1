"""Named random streams."""

import random

import numpy as np
import pytest
import torch

from rnnexp.training.streams import NAMES, globals_kept, seeded, stream


def draws(seed, name):
    return torch.randn(8, generator=stream(seed, name))


def test_same_seed_and_name_give_the_same_numbers():
    assert torch.equal(draws(3, "training_trials"), draws(3, "training_trials"))


def test_no_two_purposes_and_no_two_seeds_share_numbers():
    first = {tuple(draws(seed, name).tolist()) for seed in range(5) for name in NAMES}
    assert len(first) == 5 * len(NAMES)


def test_unknown_stream_is_refused():
    with pytest.raises(ValueError, match=r"stream must be one of initialisation, .*, got 'trainig'"):
        stream(0, "trainig")


def test_seeded_block_is_reproducible_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    with seeded(stream(0, "initialisation")):
        inside = torch.randn(3)
    assert torch.equal(torch.randn(3), expected)
    with seeded(stream(0, "initialisation")):
        assert torch.equal(torch.randn(3), inside)


def test_a_call_leaves_the_global_generators_as_they_were():
    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    @globals_kept()
    def call():
        random.seed(3), np.random.seed(3), torch.manual_seed(3)

    for _ in range(2):
        random.random(), np.random.random(), torch.rand(1)
        before = state()
        call()
        assert state() == before
