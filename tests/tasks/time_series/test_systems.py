"""Generated systems: every sample follows from the one before by another solver, and long-term averages are right."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from rnnexp.tasks.time_series import BurstingNeuron, Duffing, Lorenz63, Lorenz96, Rossler

SHORT = {"n_training": 4000, "n_validation": 600, "n_test": 1000}


def states_of(task, split="training"):
    """Return states and inputs of a split in the units of the equations."""
    series = task.series(split)[0]
    return task.in_data_units(series.observations), series.inputs


def lorenz63(t, s):
    return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


def lorenz96(t, s):
    return (np.roll(s, -1) - np.roll(s, 2)) * np.roll(s, 1) - s + 8


def rossler(t, s):
    return [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)]


def bursting(t, s):
    V, n, h = s

    def gate(half, slope):
        return 1 / (1 + np.exp((half - V) / slope))

    sodium, nmda = 20 * gate(-20, 15) * (V - 60), 10.2 * V / (1 + 0.33 * np.exp(-0.0625 * V))
    potassium = (10 * n + 25 * h) * (V + 90)
    return [-(8 * (V + 80) + sodium + potassium + nmda) / 6, gate(-25, 5) - n, (gate(-15, 5) - h) / 200]


@pytest.mark.parametrize(
    ("task_class", "equation", "dt"),
    [
        (Lorenz63, lorenz63, 0.01),
        (Lorenz96, lorenz96, 0.04),
        (Rossler, rossler, 0.08),
        (BurstingNeuron, bursting, 0.05),
    ],
)
@pytest.mark.parametrize("split", ["training", "test"])
def test_each_sample_follows_from_the_one_before(task_class, equation, dt, split):
    states, inputs = states_of(task_class(**SHORT), split)
    assert inputs.shape == (len(states), 0)
    for t in range(0, 900, 90):
        solved = solve_ivp(equation, (0, dt), states[t], "DOP853", rtol=1e-10, atol=1e-12)
        assert np.allclose(states[t + 1], solved.y[:, -1], rtol=1e-6, atol=1e-6)


def test_each_sample_of_the_driven_system_follows_from_state_and_input():
    states, inputs = states_of(Duffing(**SHORT))
    for t in range(0, 900, 90):
        phase = np.arctan2(inputs[t, 1], inputs[t, 0])
        solved = solve_ivp(
            lambda s, y, phase=phase: [y[1], 0.5 * np.cos(phase + 1.2 * s) - 0.3 * y[1] + y[0] - y[0] ** 3],
            (0, 0.1), states[t], "DOP853", rtol=1e-10, atol=1e-12,
        )  # fmt: skip
        assert np.allclose(states[t + 1], solved.y[:, -1], atol=1e-6)
        assert np.hypot(*inputs[t]) == pytest.approx(0.5)


def test_lorenz63_has_its_known_averages():
    x, y, z = states_of(Lorenz63(**{**SHORT, "n_training": 60_000}))[0].T
    assert (x * y).mean() == pytest.approx(8 / 3 * z.mean(), rel=0.01)  # <z'> = 0
    assert (x * x).mean() == pytest.approx((x * y).mean(), rel=0.02)  # <(x^2)'> = 0
    assert z.mean() == pytest.approx(23.55, abs=0.3)
    assert (x.std(), y.std(), z.std()) == pytest.approx((7.92, 9.01, 8.6), abs=0.2)


def test_rossler_has_its_known_averages_and_period():
    x, y, z = states_of(Rossler(**{**SHORT, "n_training": 40_000}))[0].T
    assert x.mean() == pytest.approx(-0.2 * y.mean(), abs=0.01)  # <y'> = 0
    assert y.mean() == pytest.approx(-z.mean(), abs=0.01)  # <x'> = 0
    rises = np.flatnonzero((x[:-1] < 0) & (x[1:] >= 0))
    assert np.diff(rises).mean() == pytest.approx(73.2, abs=0.3)


def test_lorenz96_balances_its_energy_in_any_number_of_dimensions():
    for dim in (4, 7):
        task = Lorenz96(dim=dim, **{**SHORT, "n_training": 30_000})
        states = states_of(task)[0]
        assert task.output_labels == [f"x{site}" for site in range(dim)]
        assert (states**2).mean() == pytest.approx(8 * states.mean(), rel=0.02)  # <(x^2)'> = 0


@pytest.mark.parametrize("data_seed", range(4))
def test_the_neuron_bursts_in_a_cycle_of_148_ms_from_every_start(data_seed):
    V = states_of(BurstingNeuron(data_seed=data_seed, **SHORT))[0][:, 0]
    period = round(148.1 / 0.05)
    after = period + np.arange(-6, 7)
    errors = [np.abs(V[lag : lag + 900] - V[:900]).mean() for lag in after]
    assert min(errors) < 0.3
    assert V.min() < -65  # between bursts
    assert np.abs(V[period // 2 :][:900] - V[:900]).mean() > 3


def test_the_driven_oscillator_loses_what_the_drive_gives():
    task = Duffing(**{**SHORT, "n_training": 30_000})
    states, inputs = states_of(task)
    assert (task.input_dim, task.output_dim) == (2, 2)
    assert (0.3 * states[:, 1] ** 2).mean() == pytest.approx((inputs[:, 0] * states[:, 1]).mean(), rel=0.02)


def test_the_orbits_are_those_of_the_data_seed():
    first, again, other = (Lorenz63(data_seed=seed, **SHORT) for seed in (1, 1, 2))
    for split in ("training", "validation", "test"):
        assert np.array_equal(states_of(first, split)[0], states_of(again, split)[0])
        assert np.abs(states_of(first, split)[0] - states_of(other, split)[0]).max() > 1
    starts = [states_of(first, split)[0][0] for split in ("training", "validation", "test")]
    assert np.abs(np.diff(starts, axis=0)).max() > 1  # three orbits, not one


def test_the_test_orbit_does_not_depend_on_how_much_is_trained_on():
    few, many = Rossler(**SHORT), Rossler(**{**SHORT, "n_training": 5000})
    assert np.allclose(states_of(few, "test")[0], states_of(many, "test")[0], atol=1e-9)


def test_observation_noise_is_relative_and_spares_the_test():
    clean, noisy = (Rossler(observation_noise=noise, **SHORT) for noise in (0.0, 0.1))
    sd = states_of(clean)[0].std(axis=0)
    for split in ("training", "validation"):
        difference = states_of(noisy, split)[0] - states_of(clean, split)[0]
        assert difference.std(axis=0) == pytest.approx(0.1 * sd, rel=0.1)
    assert np.allclose(states_of(noisy, "test")[0], states_of(clean, "test")[0], atol=1e-9)


def test_variables_may_be_left_out():
    task = Lorenz63(observed=["z", 0], embedding_dim=2, embedding_delay=5, **SHORT)
    assert task.output_labels == ["z", "x", "z(t-5)", "x(t-5)"]
    whole, part = states_of(Lorenz63(**SHORT))[0], states_of(task)[0]
    assert np.allclose(part[:, :2], whole[5:, [2, 0]])


def test_time_units_are_those_of_the_equations():
    assert BurstingNeuron(**SHORT).time_unit == "ms"
    assert Lorenz63(**SHORT).time_unit == "time units"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Lorenz63(dt=0), "dt must be > 0 time units, got 0"),
        (lambda: BurstingNeuron(dt=-1), "dt must be > 0 ms, got -1"),
        (lambda: Lorenz63(rho=float("nan")), "rho must be a finite number, got nan"),
        (lambda: Lorenz96(dim=3), "dim must be a whole number >= 4, got 3"),
        (lambda: Lorenz63(n_training=1), "n_training must be a whole number >= 2, got 1"),
        (lambda: Lorenz63(n_test=2.5), "n_test must be a whole number >= 2, got 2.5"),
        (lambda: Lorenz63(data_seed=-1), "data_seed must be a whole number >= 0, got -1"),
        (lambda: Rossler(observation_noise=-0.1), "observation_noise must be >= 0, got -0.1"),
        (lambda: Duffing(omega=0), "omega must be > 0 rad per time unit, got 0"),
        (lambda: Lorenz63(observed=["w"]), r"observed: there is no column 'w'; there are .* 0 to 2 \(x, y, z\)"),
        (lambda: Lorenz63(observed=[0, "x"]), r"observed: each column may be named once, got \[0, 'x'\]"),
        (
            lambda: Lorenz63(rho=0.5, **SHORT),
            "the orbit comes to rest with sigma 10, rho 0.5, beta 2.66667: there is nothing to reconstruct",
        ),
        (lambda: Lorenz63(rho=10, **SHORT), "the orbit comes to rest with sigma 10, rho 10"),
        (
            lambda: Rossler(c=0.1, a=0.9, **SHORT),
            "the orbit cannot be followed with a 0.9, b 0.2, c 0.1: it leaves all bounds, or is too stiff",
        ),
        (lambda: Lorenz63(**{**SHORT, "n_validation": 100}), "sequence_length: 200: .* rows .* validation 100"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_windows_off_the_attractor_are_those_of_the_same_equations():
    settings = {"n_training": 5000, "n_validation": 500, "n_test": 500, "sequence_length": 20, "dt": 0.01}
    task = Lorenz63(**settings, off_attractor=0.25, off_attractor_spread=2.0)
    plain = Lorenz63(**settings)
    assert np.array_equal(task.recordings.training[0].observations, plain.recordings.training[0].observations)
    assert task.data_units.outputs.sd.tolist() == plain.data_units.outputs.sd.tolist()
    trials = task.sample(4000, torch.Generator().manual_seed(0), torch.float64)
    is_off = trials.conditions["start"] >= 5000
    assert is_off.double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert trials.lengths is None
    spread = trials.signal[is_off, 0].std(0)
    assert (spread > 1.8).all()  # about states of sd 1, sd 2
    units = task.data_units.outputs
    states = units.undo(trials.signal[is_off].numpy())
    velocity = np.gradient(states, 0.01, axis=1)[:, 5:-5]
    x, y, z = np.moveaxis(states[:, 5:-5], 2, 0)
    wanted = np.stack((10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z), 2)
    assert np.abs(velocity - wanted).max() < 0.05 * np.abs(wanted).max()
    assert (task.for_split("test").sample(500, torch.Generator()).conditions["start"] < 500).all()
    for off_attractor in (1.0, -0.1):
        with pytest.raises(ValueError, match="off_attractor must be"):
            Lorenz63(**settings, off_attractor=off_attractor)
    with pytest.raises(ValueError, match="off_attractor must be a share below 1 of a system without inputs"):
        Duffing(**settings, off_attractor=0.1)
