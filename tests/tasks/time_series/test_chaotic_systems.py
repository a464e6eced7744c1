"""Chaotic systems by name."""

import os

import numpy as np
import pytest

from rnnexp.tasks.time_series.chaotic_systems import (
    SYSTEMS,
    ChaoticSystem,
    flow_of,
    largest_exponent,
    velocity_of,
)

SHORT = {"n_training": 300, "n_validation": 60, "n_test": 60, "sequence_length": 20}


def test_velocities_are_those_of_the_equations():
    state = (1.5, -2.0, 20.0)
    x, y, z = state
    assert velocity_of("Lorenz")(state, 0.0, *flow_of("Lorenz").values) == pytest.approx(
        [10 * (y - x), x * (28 - z) - y, x * y - 2.667 * z]
    )
    assert velocity_of("Rossler")(state, 0.0, *flow_of("Rossler").values) == pytest.approx(
        [-y - z, x + 0.2 * y, 0.2 + z * (x - 5.7)]
    )
    thomas = [-1.85 * a + 10 * np.sin(b) for a, b in ((x, y), (y, z), (z, x))]
    assert velocity_of("Thomas")(state, 0.0, *flow_of("Thomas").values) == pytest.approx(thomas)


@pytest.mark.parametrize("name", SYSTEMS if os.environ.get("RNNEXP_FAULTS") == "long" else [*SYSTEMS][::6])
def test_every_system_has_an_orbit(name):
    task = ChaoticSystem(name, **SHORT)
    assert task.dt == pytest.approx(SYSTEMS[name].period / 100)
    parts = [part[0].observations for part in task.recordings]
    assert [part.shape for part in parts] == [(300, 3), (60, 3), (60, 3)]
    assert all(np.isfinite(part).all() for part in parts)
    assert not np.allclose(parts[1], parts[2])
    assert SYSTEMS[name].exponent > 0


@pytest.mark.parametrize(("name", "literature"), [("Lorenz", 0.906), ("SprottB", 0.210)])
def test_largest_exponents(name, literature):
    assert largest_exponent(name, n_periods=400) == pytest.approx(literature, rel=0.1)


def test_what_cannot_be():
    with pytest.raises(ValueError, match="system must be Aizawa, Arneodo"):
        ChaoticSystem("Lorentz", **SHORT)
    with pytest.raises(ValueError, match="dt must be"):
        ChaoticSystem("Lorenz", dt=0, **SHORT)
