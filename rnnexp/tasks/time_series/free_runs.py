"""How well a model does on its own: free runs from observations, compared with the data of a split.

Letters: R runs, T steps, N observed dimensions, K inputs, S starts of predictions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from rnnexp.analysis.reconstruction_metrics import (
    binned_divergence,
    free_run_diverged,
    free_run_failed,
    gmm_divergence,
    power_spectrum_correlation,
    prediction_error,
    spectral_distance,
)
from rnnexp.analysis.state_space_divergence import check_number_of_bins
from rnnexp.numbers import integer_at_least, non_negative, one_of, positive
from rnnexp.tasks.base import FreeRun
from rnnexp.tasks.time_series.recordings import Recording

Divergence = Literal["auto", "padded", "minmax", "two_sd", "gmm"]
MOST_BINNED_DIMENSIONS = 5  # from 6 on, "auto" takes the mixture of Gaussians
MOST_CENTRES = 10_000  # rows of a series that the mixture is centred on
MOST_PREDICTIONS = 1000  # starts of the prediction error
TOO_FAR = 1000.0  # a run that goes this many times as far from 0 as the data has diverged


@dataclass(frozen=True, eq=False)
class Plan:
    """Where free runs start and which rows of the data they are compared with.

    Args:
        starts: (R, 2) int64, recording and row of each run.
        transient: steps discarded at the start of each run.
        n_steps: steps of each run that are kept.
        stretch: rows of the data that a run is compared with in its spectrum, <= n_steps.
    """

    starts: np.ndarray
    transient: int
    n_steps: int
    stretch: int


class FreeRunMetrics:
    """The measures of reconstruction: D_stsp, D_H, PSC, prediction errors and the share of failed runs.

    A run starts from an observation, its transient is discarded and n_steps are kept. With inputs, the runs get those
    of the data and are no longer than these. D_stsp compares each run with all the data of the split; with several runs
    every measure is the mean over them, so one that leaves the attractor late shows. If one diverges D_stsp is nan, so
    that no such model is taken for the best; in D_H it counts 1. One that stands still counts as failed too.

    Args:
        n_steps: steps of a run that are kept, >= 1; None takes as many as the longest stretch of data has.
        transient: steps before them, >= 0; None takes a quarter of the steps that are kept.
        n_starts: R >= 1, number of runs; their starts are evenly spread, the first one is the first observation.
        divergence: how D_stsp is computed: by bins ("padded", "minmax", "two_sd"), by a mixture of Gaussians ("gmm")
            or "auto", "padded" for N < 6 and "gmm" above; see `rnnexp.analysis.state_space_divergence`.
        n_bins: per dimension, >= 2.
        gmm_variance: of each Gaussian of the mixture, > 0.
        smoothing: sd of the Gaussian over the spectra, in frequency bins, >= 0.
        pe_steps: numbers of steps n >= 1 after which PE_n, the mean squared error of predictions, is taken.
        psc: compute the power-spectrum correlation too; needs a whole smoothing >= 1.
        psc_cutoff: lowest frequencies that count in it, >= 2.

    Raises:
        ValueError: an argument is out of its range.

    Source: Brenner et al. 2022; Mikhaeil et al. 2022; Hess et al. 2023.
    """

    def __init__(
        self,
        n_steps: int | None,
        transient: int | None,
        n_starts: int,
        divergence: Divergence,
        n_bins: int,
        gmm_variance: float,
        smoothing: float,
        pe_steps: Sequence[int],
        psc: bool,
        psc_cutoff: int,
    ) -> None:
        self.n_steps = None if n_steps is None else integer_at_least("free_run_steps", n_steps, 1)
        self.transient = None if transient is None else integer_at_least("transient", transient, 0)
        self.n_starts = integer_at_least("n_starts", n_starts, 1)
        self.divergence = one_of("d_stsp", divergence, ("auto", "padded", "minmax", "two_sd", "gmm"))
        self.n_bins = integer_at_least("n_bins", n_bins, 2)
        self.gmm_variance = positive("gmm_variance", gmm_variance)
        self.smoothing = non_negative("smoothing", smoothing)
        self.pe_steps = sorted({integer_at_least("pe_steps", n, 1) for n in pe_steps})
        self.psc = psc
        self.psc_cutoff = integer_at_least("psc_cutoff", psc_cutoff, 2)
        if psc and (self.smoothing < 1 or self.smoothing % 1):
            raise ValueError(f"smoothing must be a whole number >= 1 with psc, got {smoothing:g}")

    def variant(self, n_dimensions: int) -> str:
        """Return how D_stsp is computed for N dimensions, in words: "binned 30 padded" or "gmm 1".

        Raises:
            ValueError: there are too many bins.
        """
        name = self.divergence
        if name == "auto":
            name = "padded" if n_dimensions <= MOST_BINNED_DIMENSIONS else "gmm"
        if name != "gmm":
            check_number_of_bins(self.n_bins, n_dimensions)
        return f"gmm {self.gmm_variance:g}" if name == "gmm" else f"binned {self.n_bins} {name}"

    def plan(self, recordings: list[Recording], split: str) -> Plan:
        """Return the runs that the data of a split allow.

        Args:
            recordings: the stretches of the split.
            split: its name, for messages.

        Raises:
            ValueError: the transient leaves nothing of the data's inputs, or there are too many bins.
        """
        self.variant(recordings[0].observations.shape[1])
        longest = max(map(len, recordings))
        n_steps = longest if self.n_steps is None else self.n_steps
        transient = n_steps // 4 if self.transient is None else self.transient
        needed = 0  # rows after the start that a run needs inputs and data of
        if recordings[0].inputs.shape[1]:
            if transient + n_steps > longest - 1:
                transient = (longest - 1) // 5 if self.transient is None else self.transient
                n_steps = longest - 1 - transient
            if n_steps < 1:
                raise ValueError(
                    f"transient: {transient} steps leave nothing of the {longest - 1} steps with inputs in the longest "
                    f"stretch of the {split} part; must be < {longest - 1}"
                )
            needed = transient + n_steps
        stretch = min(n_steps, longest)
        shortest = max(stretch, needed + 1)
        allowed = [len(r) - needed if len(r) >= shortest else 0 for r in recordings]
        starts = spread(candidates(recordings, allowed), self.n_starts)
        return Plan(starts, transient, n_steps, stretch)

    def __call__(self, run: FreeRun, recordings: list[Recording], plan: Plan) -> dict[str, float]:
        """Run a model freely and return its measures by name: d_stsp, d_h, psc, pe_<n>, failed.

        Args:
            run: the model.
            recordings: the data that it is compared with.
            plan: of the same recordings.
        """
        runs = _generate(run, recordings, plan.starts, plan.transient + plan.n_steps)
        runs = runs[:, plan.transient :]
        limit = TOO_FAR * max(
            np.abs(r.observations[~np.isnan(r.observations)]).max(initial=0.0) for r in recordings
        )
        diverged = any(free_run_diverged(kept, limit) for kept in runs)
        pairs = [(_true_stretch(recordings, plan, n), kept[: plan.stretch]) for n, kept in enumerate(runs)]
        failed = [free_run_failed(kept, limit) for kept in runs]
        metrics = {
            "d_stsp": math.nan if diverged else self._divergence(recordings, runs),
            "d_h": _mean([
                1.0 if bad else spectral_distance(*pair, self.smoothing)
                for bad, pair in zip(failed, pairs, strict=True)
            ]),
        }  # fmt: skip
        if self.psc:
            metrics["psc"] = _mean([
                math.nan if bad else self._correlation(*pair)
                for bad, pair in zip(failed, pairs, strict=True)
            ])  # fmt: skip
        return {**metrics, **self._prediction_errors(run, recordings), "failed": float(np.mean(failed))}

    def _divergence(self, recordings: list[Recording], runs: np.ndarray) -> float:
        true = [r.observations[r.complete] for r in recordings if r.complete.any()]
        if not true:
            return math.nan
        kind, *settings = self.variant(runs[0].shape[1]).split()
        if kind == "binned":
            data = np.concatenate(true)
            return _mean([binned_divergence(data, run, self.n_bins, settings[-1]) for run in runs])
        centres = _first_rows(true, MOST_CENTRES)
        return _mean([
            gmm_divergence(centres, run[: len(centres)], variance=self.gmm_variance, max_centres=MOST_CENTRES)
            for run in runs
        ])  # fmt: skip

    def _correlation(self, true: np.ndarray, generated: np.ndarray) -> float:
        if len(true) < 4:
            return math.nan
        smoothing = int(self.smoothing)
        return float(power_spectrum_correlation(true, generated, smoothing, self.psc_cutoff).mean())

    def _prediction_errors(self, run: FreeRun, recordings: list[Recording]) -> dict[str, float]:
        return {f"pe_{n}": self._prediction_error(run, recordings, n) for n in self.pe_steps}

    def _prediction_error(self, run: FreeRun, recordings: list[Recording], n_steps: int) -> float:
        """Return PE_n, from all samples that have one n steps later, or a part of them, evenly spread."""
        allowed = [max(0, len(r) - n_steps) for r in recordings]
        if not any(allowed):
            return math.nan
        starts = spread(candidates(recordings, allowed), MOST_PREDICTIONS)
        predicted = _generate(run, recordings, starts, n_steps)
        offsets = np.cumsum([0, *map(len, recordings)])
        rows = offsets[starts[:, 0]] + starts[:, 1]
        true = np.concatenate([r.observations for r in recordings])
        with np.errstate(over="ignore", invalid="ignore"):
            return float(prediction_error(true, predicted, rows)[-1])


def candidates(recordings: list[Recording], allowed: list[int]) -> np.ndarray:
    """Return the places, (recording, row), that a run may start from, (n, 2) int64.

    Args:
        allowed: how many of the first rows of each recording come into question.

    Returns:
        The complete rows; where there is none, those with a value; where there is none either, all.
    """
    missing = [np.isnan(r.observations[:count]) for r, count in zip(recordings, allowed, strict=True)]
    for is_bad in (lambda gaps: gaps.any(axis=1), lambda gaps: gaps.all(axis=1)):
        rows = [np.flatnonzero(~is_bad(gaps)) for gaps in missing]
        if any(map(len, rows)):
            break
    else:
        rows = [np.arange(count) for count in allowed]
    numbers = np.repeat(np.arange(len(rows)), list(map(len, rows)))
    return np.stack((numbers, np.concatenate(rows)), axis=1)


def spread(places: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of the places (n, 2), evenly spread, the first one included."""
    count = min(count, len(places))
    return places[np.arange(count) * len(places) // count]


def _generate(run: FreeRun, recordings: list[Recording], starts: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the outputs (R, T, N) float64 of runs from the given places."""
    first = np.stack([recordings[number].observations[row] for number, row in starts])
    inputs = None
    if recordings[0].inputs.shape[1]:
        given = [recordings[number].inputs[row : row + n_steps] for number, row in starts]
        inputs = torch.from_numpy(np.stack(given))
    outputs = run(torch.from_numpy(first), inputs, n_steps)
    return outputs.detach().to("cpu", torch.float64).numpy()


def _true_stretch(recordings: list[Recording], plan: Plan, number: int) -> np.ndarray:
    """Return the data at the time of a run, or the last rows where it runs on for longer; gaps are interpolated."""
    recording, row = plan.starts[number]
    series = recordings[recording].observations
    begin = min(row + 1 + plan.transient, len(series) - plan.stretch)
    return _without_gaps(series[begin : begin + plan.stretch])


def _without_gaps(series: np.ndarray) -> np.ndarray:
    """Return a series (T, N) with missing values interpolated in time; a dimension without any value stays nan."""
    if not np.isnan(series).any():
        return series
    filled, times = series.copy(), np.arange(len(series))
    for column in filled.T:
        there = ~np.isnan(column)
        if there.any():
            column[~there] = np.interp(times[~there], times[there], column[there])
    return filled


def _first_rows(parts: list[np.ndarray], count: int) -> np.ndarray:
    """Return the first rows of every part, an equal share of each, `count` in all."""
    return np.concatenate([part[: max(1, count // len(parts))] for part in parts])


def _mean(values: list[float]) -> float:
    """Return the mean, nan if a value is."""
    return math.fsum(values) / len(values)
