"""Demixed components: those of the published package, and of rates whose factors are known."""

from pathlib import Path

import numpy as np
import pytest

from rnnexp.analysis.demixed import demixed_components

GOLDEN = np.load(Path(__file__).parents[1] / "vectors" / "dpca" / "golden.npz")


def trials_of(means):
    """Return one trial for each combination of two factors, from (M, C, D, T)."""
    n_units, n_c, n_d, n_steps = means.shape
    rates = means.transpose(1, 2, 3, 0).reshape(n_c * n_d, n_steps, n_units)
    return rates, {"c": np.repeat(np.arange(n_c), n_d), "d": np.tile(np.arange(n_d), n_c)}


@pytest.mark.parametrize("penalty", [0.0, 0.01])
def test_components_are_those_of_the_published_package(penalty):
    rates, factors = trials_of(GOLDEN["means"])
    found = demixed_components(rates, factors, 3, penalty)
    assert list(found.components) == ["time", "c", "d", "c x d"]
    for ours, theirs in {"time": "t", "c": "c", "d": "d", "c x d": "cd"}.items():
        mine = found.components[ours]
        encoders = GOLDEN[f"encoders_{theirs}_{penalty:g}"]
        signs = np.sign((encoders * mine.encoders).sum(axis=0))
        np.testing.assert_allclose(mine.encoders, encoders * signs, atol=1e-9)
        np.testing.assert_allclose(mine.decoders, GOLDEN[f"decoders_{theirs}_{penalty:g}"] * signs, atol=1e-9)
        scores = GOLDEN[f"scores_{theirs}_{penalty:g}"].reshape(3, 6, 15).transpose(1, 2, 0) * signs
        np.testing.assert_allclose(mine.scores, scores, atol=1e-9)
    assert sum(found.variance.values()) == pytest.approx(1)


def test_mixed_units_are_demixed_and_trials_are_averaged():
    rng = np.random.default_rng(0)
    choice, context = np.arange(80) % 2, np.arange(80) // 40
    steps = np.linspace(0, 1, 20)
    of_choice = (2 * choice - 1)[:, None] * steps
    of_context = (2 * context - 1)[:, None] * np.ones(20)
    axes = rng.standard_normal((2, 12))
    rates = (
        of_choice[:, :, None] * axes[0]
        + of_context[:, :, None] * axes[1]
        + 0.01 * rng.standard_normal((80, 20, 12))
    )
    found = demixed_components(rates, {"choice": choice, "context": context}, 1)
    assert found.combinations == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for name, axis in zip(("choice", "context"), axes, strict=True):
        encoder = found.components[name].encoders[:, 0]
        assert abs(encoder @ axis) / np.linalg.norm(axis) == pytest.approx(1, abs=1e-3)
    scores = found.components["choice"].scores[:, :, 0]
    np.testing.assert_allclose(
        scores[0], scores[1], atol=0.02 * np.abs(scores).max()
    )  # says nothing of the context
    np.testing.assert_allclose(scores[0], -scores[2], atol=0.02 * np.abs(scores).max())
    assert found.variance["choice"] + found.variance["context"] > 0.99
    assert found.components["choice"].explained[0] == pytest.approx(found.variance["choice"], abs=1e-3)


def test_one_factor_and_parts_that_add_up():
    rates, factors = trials_of(GOLDEN["means"])
    found = demixed_components(rates, {"c": factors["c"]}, 2, 0.0)
    assert list(found.components) == ["time", "c"]
    assert found.components["c"].scores.shape == (2, 15, 2)


@pytest.mark.parametrize(
    ("rates", "factors", "text"),
    [
        (np.zeros((4, 3)), {"c": np.arange(4)}, r"rates must be finite numbers \(B, T, M\)"),
        (np.ones((4, 3, 2)), {}, "factors must be from 1 to 3, got none"),
        (np.ones((4, 3, 2)), {"c": np.arange(3)}, r"factors: c: must be \(4,\), one label per trial"),
        (np.ones((4, 3, 2)), {"c": np.zeros(4)}, "factors: c: must have two different values"),
        (
            np.ones((4, 3, 2)),
            {"c": np.arange(4) // 2, "d": np.arange(4) // 2},
            "factors: no trial has {'c': 0, 'd': 1}",
        ),
        (np.ones((4, 3, 2)), {"c": np.arange(4) % 2}, "rates must vary"),
    ],
)
def test_bad_arguments(rates, factors, text):
    with pytest.raises(ValueError, match=text):
        demixed_components(rates, factors)
