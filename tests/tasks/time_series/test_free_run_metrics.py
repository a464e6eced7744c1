"""Free runs: a perfect model scores perfectly, a diverging one is counted, starts and inputs are the right ones."""

import math

import numpy as np
import pytest
import torch

from rnnexp.analysis.reconstruction_metrics import binned_divergence, gmm_divergence, spectral_distance
from rnnexp.tasks.time_series import Recording, Recordings, TimeSeries

ANGLE = 0.1
TURN = np.array([[math.cos(ANGLE), -math.sin(ANGLE)], [math.sin(ANGLE), math.cos(ANGLE)]])
DRIVE = 0.05


def circle(n_rows: int, driven: bool = False, seed: int = 0) -> Recording:
    """x_{t+1} = TURN x_t (+ s_t), of which a model can be exact."""
    rng = np.random.default_rng(seed)
    inputs = DRIVE * rng.standard_normal((n_rows, 2 if driven else 0))
    states = np.empty((n_rows, 2))
    states[0] = (1.0, 0.0)
    for t in range(n_rows - 1):
        states[t + 1] = TURN @ states[t] + (inputs[t] if driven else 0)
    return Recording(states, inputs)


def task_of(recording, test=None, **settings) -> TimeSeries:
    whole = recording if isinstance(recording, list) else [recording]
    recordings = Recordings(
        whole, whole, test or whole, labels=tuple(f"x{d}" for d in range(whole[0].observations.shape[1])),
        input_labels=tuple(f"s{k}" for k in range(whole[0].inputs.shape[1])),
    )  # fmt: skip
    defaults = {"dt": 1.0, "sequence_length": 20, "standardize": False, "free_run_steps": 400}
    return TimeSeries(recordings, **{**defaults, **settings}).for_split("validation")


def perfect(start, inputs, n_steps):
    """The circle itself; in float32 as a model would return it."""
    turn, states, z = torch.from_numpy(TURN), [], start
    for t in range(n_steps):
        z = z @ turn.T + (0 if inputs is None else inputs[:, t])
        states.append(z)
    return torch.stack(states, dim=1).float()


def diverging(start, inputs, n_steps):
    growth = torch.exp(torch.arange(n_steps, dtype=torch.float64))
    return (start[:, None] + 1) * growth[:, None]


def standing(start, inputs, n_steps):
    return start[:, None].expand(-1, n_steps, -1)


def test_a_perfect_model_scores_perfectly():
    metrics = task_of(circle(2000), pe_steps=[1, 20], psc=True).run_metrics(perfect)
    assert list(metrics) == ["d_stsp", "d_h", "psc", "pe_1", "pe_20", "failed"]
    assert metrics["d_h"] < 1e-3
    assert metrics["pe_1"] < 1e-12
    assert metrics["pe_20"] < 1e-12
    assert metrics["failed"] == 0
    assert metrics["psc"] > 0.999
    true, generated = circle(2000).observations, circle(2000).observations[101:501]
    assert metrics["d_stsp"] == pytest.approx(binned_divergence(true, generated, 30, "padded"), rel=0.05)


def test_a_diverging_model_raises_nothing():
    metrics = task_of(circle(2000), psc=True).run_metrics(diverging)
    assert math.isnan(metrics["d_stsp"])
    assert math.isnan(metrics["psc"])
    assert metrics["d_h"] == 1.0
    assert metrics["failed"] == 1.0
    assert metrics["pe_20"] > 1e6


def test_a_model_of_nan_raises_nothing():
    metrics = task_of(circle(2000), d_stsp="gmm").run_metrics(
        lambda start, inputs, n: torch.full((len(start), n, 2), torch.nan)
    )
    assert math.isnan(metrics["d_stsp"])
    assert math.isnan(metrics["pe_20"])
    assert (metrics["d_h"], metrics["failed"]) == (1.0, 1.0)


def test_a_model_that_stands_still_counts_as_failed():
    metrics = task_of(circle(2000)).run_metrics(standing)
    assert metrics["d_h"] == 1.0
    assert metrics["failed"] == 1.0
    assert metrics["d_stsp"] > 5


def test_one_run_that_diverges_spoils_d_stsp_and_is_counted():
    def half(start, inputs, n_steps):
        assert len(start) in (4, 1000)
        good = perfect(start, inputs, n_steps).double()
        good[len(start) // 2 :, n_steps // 2 :] = torch.inf  # after a time on the attractor
        return good

    task = task_of(circle(2000), n_starts=4)
    metrics = task.run_metrics(half)
    assert metrics["failed"] == 0.5
    assert metrics["d_h"] == pytest.approx(0.5, abs=1e-3)
    assert math.isnan(metrics["d_stsp"])


def test_every_run_is_compared_with_the_data_by_itself():
    def one_rests(start, inputs, n_steps):
        runs = perfect(start, inputs, n_steps)
        runs[-1] = runs[-1, -1:]
        return runs

    recording = circle(2000)
    metrics = task_of(recording, n_starts=2, transient=0, pe_steps=[]).run_metrics(one_rests)
    good, resting = one_rests(torch.from_numpy(recording.observations[[0, 1000]]), None, 400).double().numpy()
    alone = [binned_divergence(recording.observations, run, 30, "padded") for run in (good, resting)]
    assert metrics["d_stsp"] == pytest.approx(sum(alone) / 2)
    pooled = binned_divergence(recording.observations, np.concatenate((good, resting)), 30, "padded")
    assert metrics["d_stsp"] > 2 * pooled


def test_the_spectral_distance_is_that_of_the_data_at_the_same_time():
    rng = np.random.default_rng(0)
    noise = Recording(rng.standard_normal((1000, 2)), np.empty((1000, 0)))
    run = torch.from_numpy(rng.standard_normal((1, 500, 2)))
    task = task_of(noise, transient=100, pe_steps=[])
    metrics = task.run_metrics(lambda start, inputs, n: run[:, :n])
    generated = run[0, 100:].numpy()
    assert metrics["d_h"] == pytest.approx(spectral_distance(noise.observations[101:501], generated, 20.0))
    assert metrics["d_stsp"] == pytest.approx(binned_divergence(noise.observations, generated, 30, "padded"))


def test_runs_start_from_evenly_spread_observations():
    seen = []

    def watching(start, inputs, n_steps):
        seen.append((start.clone(), inputs, n_steps))
        return perfect(start, inputs, n_steps)

    recording = circle(1000)
    task_of(recording, n_starts=4, transient=50, pe_steps=[]).run_metrics(watching)
    start, inputs, n_steps = seen[0]
    assert torch.equal(start, torch.from_numpy(recording.observations[[0, 250, 500, 750]]))
    assert inputs is None
    assert n_steps == 450


def test_a_driven_model_gets_the_inputs_of_the_data():
    task = task_of(circle(2000, driven=True), n_starts=3, pe_steps=[1, 20])
    metrics = task.run_metrics(perfect)
    assert metrics["pe_20"] < 1e-12
    assert metrics["d_h"] < 1e-3
    shifted = task.run_metrics(lambda start, inputs, n: perfect(start, inputs.roll(1, dims=1), n))
    assert shifted["pe_20"] > DRIVE**2


def test_driven_runs_are_no_longer_than_the_inputs():
    lengths = []

    def watching(start, inputs, n_steps):
        lengths.append((tuple(inputs.shape), n_steps))
        return perfect(start, inputs, n_steps)

    task = task_of(circle(501, driven=True), free_run_steps=10_000, pe_steps=[])
    task.run_metrics(watching)
    assert lengths == [((1, 500, 2), 500)]
    assert task.metric_notes["free_run_steps"] == 400  # a fifth is transient
    given = task_of(circle(501, driven=True), free_run_steps=10_000, transient=30)
    assert given.metric_notes["free_run_steps"] == 470
    with pytest.raises(ValueError, match="transient: 500 steps leave nothing of the 500 steps with inputs"):
        task_of(circle(501, driven=True), transient=500)


def test_driven_runs_start_in_trials_that_are_long_enough():
    trials = [circle(60, True, 1), circle(200, True, 2), circle(200, True, 3)]
    starts = []

    def watching(start, inputs, n_steps):
        starts.append(start)
        return perfect(start, inputs, n_steps)

    task = task_of(trials, n_starts=2, free_run_steps=100, transient=20, pe_steps=[])
    metrics = task.run_metrics(watching)
    assert torch.equal(starts[0][0], torch.from_numpy(trials[1].observations[0]))
    assert torch.equal(starts[0][1], torch.from_numpy(trials[2].observations[0]))
    assert metrics["d_h"] < 1e-3


def test_prediction_errors_stay_inside_trials():
    trials = [circle(60), Recording(circle(60).observations @ TURN.T**0 * [[1, -1]], np.empty((60, 0)))]
    metrics = task_of(trials, pe_steps=[5]).run_metrics(perfect)
    assert metrics["pe_5"] > 1e-3  # the mirrored trial turns the other way
    assert task_of(trials[:1], pe_steps=[5]).run_metrics(perfect)["pe_5"] < 1e-12
    too_long = task_of(trials[:1], pe_steps=[5, 60]).run_metrics(perfect)
    assert math.isnan(too_long["pe_60"])
    assert too_long["pe_5"] < 1e-12


def test_a_prediction_error_does_not_depend_on_the_other_numbers_of_steps():
    noise = Recording(np.random.default_rng(0).standard_normal((300, 2)), np.empty((300, 0)))
    alone, together = (task_of(noise, pe_steps=steps).run_metrics(perfect) for steps in ([1], [1, 100]))
    assert alone["pe_1"] == together["pe_1"]


def test_the_test_split_runs_as_long_as_its_data():
    task = task_of(circle(2000), [circle(1234)])
    assert task.metric_notes["free_run_steps"] == 400
    assert task.for_split("test").metric_notes["free_run_steps"] == 1234
    assert (
        task_of(circle(2000), test_free_run_steps=77).for_split("test").metric_notes["free_run_steps"] == 77
    )


def test_the_variant_is_noted_and_follows_the_dimensions():
    # of a run that is longer than the data the mixture takes as many rows
    rng = np.random.default_rng(1)
    wide = Recording(rng.standard_normal((300, 6)), np.empty((300, 0)))
    task = task_of(wide, gmm_variance=0.3)
    assert dict(task.metric_notes) == {
        "d_stsp_variant": "gmm 0.3",
        "d_h_smoothing": 20.0,
        "free_run_steps": 400,
    }
    run = torch.from_numpy(rng.standard_normal((1, 500, 6)))
    metrics = task_of(wide, gmm_variance=0.3, pe_steps=[]).run_metrics(lambda start, inputs, n: run[:, :n])
    assert metrics["d_stsp"] == pytest.approx(gmm_divergence(wide.observations, run[0, 100:400].numpy(), 0.3))
    assert task_of(circle(100), n_bins=8).metric_notes["d_stsp_variant"] == "binned 8 padded"
    assert task_of(circle(100), d_stsp="two_sd").metric_notes["d_stsp_variant"] == "binned 30 two_sd"
    assert task_of(circle(100), d_stsp="gmm").metric_notes["d_stsp_variant"] == "gmm 1"


def test_bins_of_too_many_dimensions_are_refused_at_once():
    wide = Recording(np.random.default_rng(0).standard_normal((60, 250)), np.empty((60, 0)))
    with pytest.raises(ValueError, match=r"^n_bins: 30: 30\^250 bins .*\(gmm\)"):
        task_of(wide, d_stsp="padded")
    task_of(wide)


def test_the_same_evaluation_gives_the_same_numbers():
    task = task_of(circle(1000), d_stsp="gmm")
    assert task.run_metrics(perfect) == task.run_metrics(perfect)


def test_gaps_are_left_out_of_the_metrics():
    observations = circle(1000).observations.copy()
    observations[::7, 0] = np.nan
    starts = []

    def watching(start, inputs, n_steps):
        starts.append(start)
        return perfect(start, inputs, n_steps)

    metrics = task_of(Recording(observations, np.empty((1000, 0)))).run_metrics(watching)
    assert metrics["pe_20"] < 1e-12
    assert metrics["d_h"] < 0.05
    assert math.isfinite(metrics["d_stsp"])
    assert not torch.cat(starts).isnan().any()


def test_what_windows_tell_is_left_to_the_loss():
    task = task_of(circle(100))
    trials = task.sample(4, torch.Generator().manual_seed(0))
    assert task.metrics(trials.targets, trials) == {}


class Watched:
    """A model that says what it was asked for."""

    def __call__(self, start, inputs, n_steps):
        return perfect(start, inputs, n_steps)

    def lyapunov_exponents(self, start, inputs, n_transient, n_steps, n_exponents):
        self.asked = start, inputs, n_transient, n_steps
        return [0.3, 0.0, -4.0][:n_exponents]


@pytest.mark.parametrize("driven", [False, True])
def test_the_exponent_comes_per_time_unit_from_the_first_observation(driven):
    run, recording = Watched(), circle(2000, driven)
    metrics = task_of(recording, dt=0.5, transient=10, lyapunov_steps=900).run_metrics(run)
    assert metrics["lyapunov"] == pytest.approx(0.6)
    start, inputs, n_transient, n_steps = run.asked
    assert torch.equal(start, torch.from_numpy(recording.observations[0]))
    assert n_transient == 10
    assert n_steps == (400 if driven else 900)
    assert inputs is None if not driven else torch.equal(inputs, torch.from_numpy(recording.inputs[:410]))


@pytest.mark.parametrize(("split", "expected"), [("validation", 900), ("test", 700)])
def test_the_exponent_of_the_test_may_take_its_own_number_of_steps(split, expected):
    run = Watched()
    task = task_of(circle(2000), transient=10, lyapunov_steps=900, test_lyapunov_steps=700)
    task.for_split(split).run_metrics(run)
    assert run.asked[-1] == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, {"lyapunov": 0.6}), (3, {"lyapunov": 0.6, "lyapunov_2": 0.0, "lyapunov_3": -8.0})],
)
def test_as_many_exponents_as_asked_for_have_a_column_each(count, expected):
    metrics = task_of(circle(2000), dt=0.5, lyapunov_steps=900, lyapunov_exponents=count).run_metrics(
        Watched()
    )
    assert {name: value for name, value in metrics.items() if "lyapunov" in name} == pytest.approx(expected)


def test_exponents_of_too_few_inputs_are_not_numbers():
    task = task_of(
        circle(30, driven=True), transient=10, free_run_steps=1, lyapunov_steps=9, lyapunov_exponents=2
    )
    metrics = task.run_metrics(Watched())
    assert math.isnan(metrics["lyapunov"])
    assert math.isnan(metrics["lyapunov_2"])


def test_exponents_need_steps():
    with pytest.raises(ValueError, match=r"^lyapunov_exponents must be 1 while lyapunov_steps is 0"):
        task_of(circle(2000), lyapunov_exponents=2)
    task_of(circle(2000), lyapunov_exponents=2, test_lyapunov_steps=9)


@pytest.mark.parametrize("name", ["lyapunov_steps", "test_lyapunov_steps"])
def test_one_step_has_no_exponent(name):
    with pytest.raises(ValueError, match=f"^{name} must be 0, or a whole number >= 2, got 1"):
        task_of(circle(2000), **{name: 1})


@pytest.mark.parametrize(("split", "expected"), [("validation", 4), ("test", 1)])
def test_the_test_may_have_its_own_number_of_runs(split, expected):
    counts = []

    def watching(start, inputs, n_steps):
        counts.append(len(start))
        return perfect(start, inputs, n_steps)

    task = task_of(circle(2000), n_starts=4, test_n_starts=1, pe_steps=[])
    task.for_split(split).run_metrics(watching)
    assert counts == [expected]
