"""Windows of a series: what they hold, where they may lie, noise, gaps, delay embedding."""

import numpy as np
import pytest
import torch

from rnnexp.analysis.forcing_interval import forcing_interval
from rnnexp.tasks.time_series import Recording, Recordings, TimeSeries


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counted(n_rows: int, offset: float = 0.0, n_inputs: int = 0) -> Recording:
    """Row t holds (t, t^2) + offset, its inputs 1000 + t."""
    times = offset + np.arange(n_rows, dtype=float)
    return Recording(np.stack((times, times**2), axis=1), np.tile(1000 + times[:, None], n_inputs))


def task_of(training, validation=None, test=None, **settings) -> TimeSeries:
    part = [counted(60)]
    recordings = Recordings(
        training,
        validation or part,
        test or part,
        labels=tuple(f"x{d}" for d in range(training[0].observations.shape[1])),
        input_labels=tuple(f"s{k}" for k in range(training[0].inputs.shape[1])),
    )
    return TimeSeries(recordings, **{"dt": 0.5, "sequence_length": 10, "standardize": False, **settings})


def test_signal_targets_and_inputs_are_the_rows_of_one_window():
    part = [counted(60, n_inputs=1)]
    task = task_of([counted(80, n_inputs=1)], part, part)
    trials = task.sample(64, seeded(0))
    first = trials.conditions["start"][:, None]
    rows = (first + torch.arange(10)).float()
    assert torch.equal(trials.signal, torch.stack((rows, rows**2), dim=2))
    assert torch.equal(trials.targets, torch.stack((rows + 1, (rows + 1) ** 2), dim=2))
    assert torch.equal(trials.inputs[:, :, 0], 1000 + rows)
    assert (trials.mask == 1).all()
    assert (task.input_dim, task.output_dim, task.n_steps, task.kind) == (1, 2, 10, "time_series")
    assert torch.allclose(task.times, 0.5 * torch.arange(10, dtype=torch.float64))


def test_a_system_without_inputs_has_windows_with_none():
    trials = task_of([counted(80)]).sample(5, seeded(0))
    assert trials.inputs.shape == (5, 10, 0)


def test_every_start_is_drawn_and_equally_often():
    task = task_of([counted(30)])
    starts = task.sample_conditions(20_000, seeded(1))["start"]
    counts = torch.bincount(starts)
    assert len(counts) == 20  # 0 .. 19: the last window ends with the last row, 29
    assert counts.min() > 850
    assert counts.max() < 1150


def test_windows_never_cross_the_border_of_a_trial():
    task = task_of(
        [counted(25), counted(11, offset=1000), counted(10, offset=5000), counted(14, offset=9000)]
    )
    trials = task.sample(3000, seeded(2))
    signal = trials.signal[:, :, 0]
    steps = signal.diff(dim=1)
    assert (steps[~steps.isnan()] == 1).all()
    origins = (signal[:, 0] // 1000).unique().tolist()
    assert origins == [0, 1, 5, 9]
    is_short = signal[:, 0] // 1000 == 5  # 10 rows have no room for a window of 11, and are one by themselves
    assert (signal[is_short, 0] == 5000).all()
    assert (trials.lengths == torch.where(is_short, 9, 10)).all()
    assert not trials.mask[is_short, 9].any()
    assert trials.mask[~is_short].all()
    assert trials.targets[is_short, 8, 0].unique().tolist() == [5009]


def test_each_split_shows_its_own_part():
    task = task_of([counted(60)], [counted(60, offset=100)], [counted(60, offset=200)])
    for split, low in (("training", 0), ("validation", 100), ("test", 200)):
        part = task.for_split(split)
        signal = part.sample(500, seeded(0)).signal[:, :, 0]
        assert low <= signal.min()
        assert signal.max() < low + 60
        assert part.series()[0].observations[0, 0] == low
        assert task.series(split)[0].observations[0, 0] == low
    assert task.split == "training"
    assert task.for_split("test").for_split("training").split == "training"
    with pytest.raises(ValueError, match="split must be training, validation or test, got 'tset'"):
        task.for_split("tset")


def test_the_same_generator_gives_the_same_windows_in_every_dtype():
    task = task_of([counted(500)], noise_level=0.1)
    single, again = task.sample(20, seeded(3)), task.sample(20, seeded(3))
    double = task.sample(20, seeded(3), torch.float64)
    assert torch.equal(single.signal, again.signal)
    assert {t.dtype for t in (double.signal, double.targets, double.mask, double.inputs)} == {torch.float64}
    assert {t.dtype for t in (single.signal, single.targets, single.mask, single.inputs)} == {torch.float32}
    assert torch.allclose(single.signal.double(), double.signal, rtol=1e-6)
    assert not torch.equal(single.signal, task.sample(20, seeded(4)).signal)


@pytest.mark.parametrize("noise_on", ["inputs", "both"])
def test_noise_is_on_the_right_samples_of_training_windows_only(noise_on):
    task = task_of([counted(40)], noise_level=0.2, noise_on=noise_on)
    trials = task.sample(4000, seeded(5), torch.float64)
    rows = (trials.conditions["start"][:, None] + torch.arange(11)).double()
    clean = torch.stack((rows, rows**2), dim=2)
    on_signal, on_targets = trials.signal - clean[:, :-1], trials.targets - clean[:, 1:]
    assert on_signal.std().item() == pytest.approx(0.2, rel=0.01)
    assert on_signal.mean().abs() < 2e-3
    if noise_on == "both":
        assert torch.allclose(on_signal[:, 1:], on_targets[:, :-1], atol=1e-12)
        assert on_targets.std().item() == pytest.approx(0.2, rel=0.01)
    else:
        assert (on_targets == 0).all()
    for split in ("validation", "test"):
        trials = task.for_split(split).sample(50, seeded(5))
        assert torch.equal(trials.signal[:, 1:], trials.targets[:, :-1])
        assert (trials.signal == trials.signal.round()).all()


def test_windows_do_not_share_memory_with_the_data():
    task = task_of([counted(40)])
    trials = task.sample(8, seeded(0), torch.float64)
    trials.signal.fill_(-1)
    trials.inputs.fill_(-1)
    assert task.sample(8, seeded(0), torch.float64).signal.min() >= 0


def test_data_are_standardised_by_the_training_part():
    rng = np.random.default_rng(0)
    parts = [
        [Recording(5 + (1, 10) * rng.standard_normal((400, 2)), 7 + 3 * rng.standard_normal((400, 1)))]
        for _ in range(3)
    ]
    task = task_of(*parts, standardize=True, standardize_inputs=True)
    training, test = task.series("training")[0], task.series("test")[0]
    assert np.allclose(training.observations.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(training.observations.std(axis=0), 1)
    assert np.allclose(training.inputs.std(axis=0), 1)
    raw = parts[0][0].observations
    assert np.allclose(task.data_units.outputs.mean, raw.mean(axis=0))
    expected = (parts[2][0].observations - raw.mean(axis=0)) / raw.std(axis=0)
    assert np.allclose(test.observations, expected)
    assert np.allclose(task.in_data_units(test.observations), parts[2][0].observations)
    unscaled = task_of(*parts, standardize=True)
    assert np.array_equal(unscaled.series("training")[0].inputs, parts[0][0].inputs)


def with_gaps() -> Recording:
    """60 rows; x0 is missing in rows 20 to 29, both in row 40."""
    observations = counted(60).observations.copy()
    observations[20:30, 0] = np.nan
    observations[40] = np.nan
    return Recording(observations, np.empty((60, 0)))


def test_missing_values_are_nan_in_the_signal_and_masked_in_the_targets():
    task = task_of([with_gaps()])
    trials = task.sample(3000, seeded(6))
    rows = trials.conditions["start"][:, None] + torch.arange(11)
    gone = torch.stack((((rows >= 20) & (rows < 30)) | (rows == 40), rows == 40), dim=2)
    assert torch.equal(trials.signal.isnan(), gone[:, :-1])
    assert torch.equal(trials.mask == 0, gone[:, 1:])
    assert (trials.targets[gone[:, 1:]] == 0).all()
    there = ~gone[:, 1:]
    assert torch.equal(trials.targets[there], torch.stack((rows, rows**2), dim=2)[:, 1:][there].float())
    assert not (trials.conditions["start"] == 40).any()  # no window starts from nothing at all


def test_gaps_do_not_count_in_mean_and_sd():
    task = task_of([with_gaps()], standardize=True)
    there = [t for t in range(60) if not (20 <= t < 30 or t == 40)]
    assert task.data_units.outputs.mean[0] == pytest.approx(np.mean(there))
    assert task.data_units.outputs.sd[0] == pytest.approx(np.std(there))


def test_delay_embedding_puts_the_past_into_each_sample():
    part = [counted(60), counted(40, offset=500)]
    task = task_of(part, part, part, embedding_dim=3, embedding_delay=4)
    assert task.output_dim == 6
    assert task.output_labels == ["x0", "x1", "x0(t-4)", "x1(t-4)", "x0(t-8)", "x1(t-8)"]
    first, second = task.series()
    assert first.observations.shape == (52, 6)
    assert first.observations[0].tolist() == [8, 64, 4, 16, 0, 0]
    assert second.observations[0, [0, 2, 4]].tolist() == [508, 504, 500]  # nothing from the trial before
    signal = task.sample(500, seeded(0)).signal
    assert torch.equal(signal[:, 4:, 2:4], signal[:, :-4, 0:2])


def test_inputs_stay_with_their_samples_in_an_embedding():
    part = [counted(60, n_inputs=1)]
    task = task_of(part, part, part, embedding_dim=2, embedding_delay=7)
    series = task.series()[0]
    assert np.array_equal(series.inputs[:, 0], 1000 + series.observations[:, 0])


def test_embedded_outputs_come_back_in_the_units_of_the_data():
    part = [counted(60)]
    task = task_of(part, part, part, embedding_dim=2, embedding_delay=3, standardize=True)
    back = task.in_data_units(task.series()[0].observations)
    assert np.allclose(back[:, :2], part[0].observations[3:])
    assert np.allclose(back[:, 2:], part[0].observations[:-3])


def test_the_forcing_interval_comes_from_the_longest_training_stretch():
    def noisy(n_rows, memory):
        rng, series = np.random.default_rng(0), np.zeros((n_rows, 1))
        for t in range(1, n_rows):
            series[t] = memory * series[t - 1] + rng.standard_normal()
        return Recording(series, np.empty((n_rows, 0)))

    long, short = noisy(2000, 0.9), noisy(500, 0.1)
    assert forcing_interval(long.observations) != forcing_interval(short.observations)
    task = task_of([short, long], [short], [short])
    assert task.forcing_interval() == forcing_interval(long.observations)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sequence_length": 0}, "sequence_length must be a whole number >= 1, got 0"),
        ({"dt": 0}, "dt must be > 0 steps, got 0"),
        ({"noise_level": -0.1}, "noise_level must be >= 0, got -0.1"),
        ({"noise_on": "targets"}, "noise_on must be inputs or both, got 'targets'"),
        ({"embedding_dim": 0}, "embedding_dim must be a whole number >= 1, got 0"),
        ({"embedding_dim": 2}, "embedding_delay must be given in steps, >= 1, with embedding_dim 2"),
        ({"embedding_delay": 2}, "embedding_delay must be null without embedding_dim > 1, got 2"),
        ({"embedding_dim": 2, "embedding_delay": 0}, "embedding_delay must be a whole number >= 1, got 0"),
        ({"d_stsp": "bins"}, "d_stsp must be auto, padded, minmax, two_sd or gmm, got 'bins'"),
        ({"n_starts": 0}, "n_starts must be a whole number >= 1, got 0"),
        ({"free_run_steps": 0}, "free_run_steps must be a whole number >= 1, got 0"),
        ({"transient": -1}, "transient must be a whole number >= 0, got -1"),
        ({"n_bins": 1}, "n_bins must be a whole number >= 2, got 1"),
        ({"gmm_variance": 0}, "gmm_variance must be > 0, got 0"),
        ({"smoothing": -1}, "smoothing must be >= 0, got -1"),
        ({"pe_steps": [5, 0]}, "pe_steps must be a whole number >= 1, got 0"),
        ({"psc": True, "smoothing": 0.5}, "smoothing must be a whole number >= 1 with psc, got 0.5"),
        ({"psc_cutoff": 1}, "psc_cutoff must be a whole number >= 2, got 1"),
        (
            {"sequence_length": 60},
            "sequence_length: 60: a window needs 61 rows in one piece, but of the 220 rows the longest pieces are "
            "training 100, validation 60, test 60; give more data, a smaller sequence_length or other parts",
        ),
        (
            {"sequence_length": 50, "embedding_dim": 2, "embedding_delay": 10},
            "sequence_length: 50: a window needs 51 rows in one piece, but of the 190 rows the longest pieces are "
            "training 90, validation 50, test 50",
        ),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        task_of([counted(100)], **settings)


def test_columns_that_teach_nothing_are_refused():
    flat = Recording(np.stack((np.arange(60.0), np.full(60, 3.5)), axis=1), np.empty((60, 0)))
    with pytest.raises(
        ValueError, match=r"column 1 \(x1\) is constant in the training part, 3.5; leave it out"
    ):
        task_of([flat])
    empty = Recording(np.stack((np.arange(60.0), np.full(60, np.nan)), axis=1), np.empty((60, 0)))
    with pytest.raises(ValueError, match=r"column 1 \(x1\) has no value in the training part; leave it out"):
        task_of([empty])
    part = [Recording(counted(60).observations, np.ones((60, 1)))]
    with pytest.raises(ValueError, match=r"input 0 \(s0\) is constant in the training part, 1; leave it out"):
        task_of(part, part, part, standardize_inputs=True)
    nothing = [Recording(np.full((60, 2), np.nan), np.empty((60, 0)))]
    with pytest.raises(
        ValueError, match="the test part has no value that a window of 11 rows could start with"
    ):
        task_of([counted(60)], None, nothing)


def test_recordings_of_wrong_shapes_are_refused():
    with pytest.raises(
        ValueError, match=r"observations must be \(T, N\) and inputs \(T, K\) .* \(5, 2\) and \(4, 1\)"
    ):
        Recording(np.zeros((5, 2)), np.zeros((4, 1)))
