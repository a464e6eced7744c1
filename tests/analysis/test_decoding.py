"""Selectivity and decoding on rates whose answers are known."""

import numpy as np
import pytest

from rnnexp.analysis.decoding import chance, decoding_accuracy, selectivity

N = 60


@pytest.fixture
def made():
    """60 trials, 4 steps: unit 0 tells the class from step 2 on, unit 1 at step 1 only, unit 2 is constant."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 3
    rates = 0.1 * rng.standard_normal((N, 4, 3))
    rates[:, 2:, 0] += labels[:, None]
    rates[:, 1, 1] -= 2.0 * labels
    rates[:, :, 2] = 0.7
    return rates, labels


def test_selectivity_is_the_share_of_variance_between_conditions(made):
    rates, labels = made
    share, preferred = selectivity(rates, labels)
    assert share.shape == (4, 3)
    groups = [rates[labels == value] for value in range(3)]
    within = np.mean([group.var(axis=0) for group in groups], axis=0)  # equal sizes
    known = 1 - within[:, :2] / rates.var(axis=0)[:, :2]
    np.testing.assert_allclose(share[:, :2], known, atol=1e-12)
    assert (share[2:, 0] > 0.95).all()
    assert share[0].max() < 0.2
    assert (share[:, 2] == 0).all()
    assert preferred[:2].tolist() == [2, 0]


def test_decoders_read_what_is_there_and_only_while_the_code_lasts(made):
    rates, labels = made
    accuracy = decoding_accuracy(rates, labels)
    assert accuracy.shape == (4, 4)
    assert accuracy[0, 0] < 0.55
    assert (np.diag(accuracy)[1:] > 0.95).all()
    assert accuracy[2, 3] > 0.95, "the same code"
    assert accuracy[3, 2] > 0.95
    assert accuracy[1, 2] < 0.6, "another code"
    assert chance(labels) == pytest.approx(1 / 3)


def test_a_decoder_is_tested_on_trials_that_it_has_not_seen():
    rng = np.random.default_rng(1)
    rates, labels = rng.standard_normal((40, 1, 200)), rng.permutation(np.arange(40) % 2)
    assert decoding_accuracy(rates, labels)[0, 0] < 0.75  # with more units than trials a fit would be perfect


@pytest.mark.parametrize(
    ("rates", "labels", "text"),
    [
        (np.zeros((4, 2)), np.arange(4), r"rates must be finite numbers \(B, T, M\)"),
        (np.full((4, 1, 2), np.nan), np.arange(4), "rates must be finite"),
        (np.zeros((4, 1, 2)), np.arange(3), r"labels must be \(4,\)"),
        (np.zeros((4, 1, 2)), np.zeros(4), "two different conditions"),
        (np.zeros((4, 1, 2)), np.arange(4) % 2, "each condition needs 5 trials"),
    ],
)
def test_bad_arguments(rates, labels, text):
    with pytest.raises(ValueError, match=text):
        decoding_accuracy(rates, labels)
