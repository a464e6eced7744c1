"""Reconstruction tasks: windows of a time series to train on, and free runs to judge by.

Letters: B windows, T steps, N observed dimensions (the outputs O of a task), K inputs.
"""

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rnnexp.analysis.forcing_interval import forcing_interval
from rnnexp.numbers import fraction, integer_at_least, non_negative, one_of, positive
from rnnexp.tasks.base import FreeRun, Task, Trials
from rnnexp.tasks.time_series.free_runs import Divergence, FreeRunMetrics, Plan
from rnnexp.tasks.time_series.recordings import (
    SPLITS,
    Recording,
    Recordings,
    embedded,
    measured_scale,
    scaled,
)
from rnnexp.tasks.time_series.remembered import memory_of
from rnnexp.tasks.time_series.windows import Windows
from rnnexp.tasks.units import DataUnits, Scale, given_scale, no_scale

N_ELSEWHERE = 500  # orbits that begin off the attractor
MAX_LAG = 100  # steps in which the interval of sparse forcing is sought
N_STARTS = 16  # observations of the test part that a network can be started from without the data
Standardize = bool | Mapping[str, Any]


class Series(NamedTuple):
    """One stretch of a split as the model sees it: observations (T, N) and inputs (T, K), float64."""

    observations: np.ndarray
    inputs: np.ndarray


class TimeSeries(Task):
    """Reconstruct the system behind a time series: from x_t and the input s_t, predict x_{t+1}.

        signal = x_0 .. x_{T-1},  targets = x_1 .. x_T,  inputs = s_0 .. s_{T-1}

    of a window that starts anywhere in the data of a split, drawn uniformly with replacement. A window never reaches
    over the border of a trial or of a split. Missing values, nan, are nan in the signal and 0 in targets and mask. The
    task itself shows the training part; `for_split` shows the others. Condition: start, the row a window starts with.

    A subclass hands over its recordings and passes the settings on: `super().__init__(recordings, dt=dt, **settings)`.

    Args:
        recordings: observations and inputs of each part, as measured.
        dt: time between two samples, in the time unit of the recordings, > 0.
        sequence_length: T >= 1.
        noise_level: sd of the Gaussian noise on the samples of training windows, in units of the series that the
            model sees, >= 0; drawn anew for each window.
        noise_on: "inputs" puts it on the signal alone, "both" the same noise on signal and targets.
        off_attractor: share of the training windows that begin off the attractor, in [0, 1), of a system whose
            equations are known and have no inputs. Contraction onto the attractor, and so the negative Lyapunov
            exponents, show there.
        off_attractor_spread: sd of these beginnings about states of the attractor, in sd of each variable, > 0.
        standardize: subtract the mean and divide by the sd, in each dimension: those of the training part, or given
            ones, {"mean": [...], "sd": [...]}, N finite numbers each, sd > 0. False leaves the data as they are.
        standardize_inputs: the same for the inputs.
        embedding_dim: m >= 1, every sample becomes m delayed copies of itself; 1 is off.
        embedding_delay: delay between the copies, steps, >= 1; None if and only if embedding_dim is 1.
        free_run_steps: steps kept of each free run in validation, >= 1; None takes as many as the data have.
        test_free_run_steps: the same in the test.
        n_starts: free runs of an evaluation, >= 1, see `FreeRunMetrics`.
        test_n_starts: the same in the test; None is n_starts.
        transient, d_stsp, n_bins, gmm_variance, smoothing, pe_steps, psc, psc_cutoff: see `FreeRunMetrics`.
        lyapunov_steps: steps over which Lyapunov exponents of the model are taken, >= 2, fewer where the
            data have fewer inputs; 0 takes none.
        lyapunov_exponents: how many of its exponents are taken, the largest first, from 1 to its number of states.
        test_lyapunov_steps: the same in the test; None is lyapunov_steps.

    Attributes:
        split: "training", "validation" or "test", the part that this task shows.
        data_units: mean and sd that observations, after the embedding, and inputs were standardised by.

    Raises:
        ValueError: an argument is out of its range, a dimension does not vary, or a part is too short.

    Source: Brenner et al. 2022; Hess et al. 2023.
    """

    kind = "time_series"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.__signature__ = _with_inherited_arguments(cls)

    def __init__(
        self,
        recordings: Recordings,
        /,
        *,
        dt: float,
        sequence_length: int = 200,
        noise_level: float = 0.0,
        noise_on: Literal["inputs", "both"] = "both",
        off_attractor: float = 0.0,
        off_attractor_spread: float = 1.0,
        standardize: Standardize = True,
        standardize_inputs: Standardize = False,
        embedding_dim: int = 1,
        embedding_delay: int | None = None,
        free_run_steps: int | None = 10_000,
        test_free_run_steps: int | None = None,
        transient: int | None = None,
        n_starts: int = 1,
        test_n_starts: int | None = None,
        d_stsp: Divergence = "auto",
        n_bins: int = 30,
        gmm_variance: float = 1.0,
        smoothing: float = 20.0,
        pe_steps: Sequence[int] = (20,),
        psc: bool = False,
        psc_cutoff: int = 20_000,
        lyapunov_steps: int = 0,
        lyapunov_exponents: int = 1,
        test_lyapunov_steps: int | None = None,
    ) -> None:
        self.time_unit = recordings.time_unit
        positive("dt", dt, self.time_unit)
        in_test = lyapunov_steps if test_lyapunov_steps is None else test_lyapunov_steps
        self._lyapunov_steps = {"training": lyapunov_steps, "validation": lyapunov_steps, "test": in_test}
        for name, steps in (("lyapunov_steps", lyapunov_steps), ("test_lyapunov_steps", in_test)):
            if integer_at_least(name, steps, 0) == 1:
                raise ValueError(f"{name} must be 0, or a whole number >= 2, got 1")
        self.lyapunov_exponents = integer_at_least("lyapunov_exponents", lyapunov_exponents, 1)
        if lyapunov_exponents > 1 and not (lyapunov_steps or in_test):
            raise ValueError(
                f"lyapunov_exponents must be 1 while lyapunov_steps is 0 and takes none, got {lyapunov_exponents}"
            )
        self.noise_level = non_negative("noise_level", noise_level)
        self.noise_on = one_of("noise_on", noise_on, ("inputs", "both"))
        integer_at_least("embedding_dim", embedding_dim, 1)
        n_steps = integer_at_least("sequence_length", sequence_length, 1)
        _check_lengths(recordings, n_steps)
        self.off_attractor = fraction("off_attractor", off_attractor)
        spread = positive("off_attractor_spread", off_attractor_spread)
        if off_attractor == 1 or (off_attractor and recordings.elsewhere is None):
            why = "1" if off_attractor == 1 else f"{off_attractor:g} with data whose equations are not known"
            raise ValueError(f"off_attractor must be a share below 1 of a system without inputs, got {why}")
        scale, input_scale = _scales(recordings, standardize, standardize_inputs)
        elsewhere: list[Recording] = []
        if off_attractor:
            rows = n_steps + 1 + (embedding_dim - 1) * (embedding_delay or 0)
            beside = replace(recordings, training=recordings.elsewhere(N_ELSEWHERE, rows, spread))
            elsewhere = embedded(scaled(beside, scale, input_scale), embedding_dim, embedding_delay).training
        recordings = embedded(scaled(recordings, scale, input_scale), embedding_dim, embedding_delay)
        self.data_units = DataUnits(scale.repeated(embedding_dim), input_scale)
        _check_lengths(recordings, n_steps)
        super().__init__(
            input_dim=len(recordings.input_labels),
            output_dim=len(recordings.labels),
            dt=dt,
            T=n_steps * dt,
            input_labels=recordings.input_labels,
            output_labels=recordings.labels,
        )
        self.recordings = recordings
        self._windows = {split: Windows(getattr(recordings, split), n_steps, split) for split in SPLITS}
        if elsewhere:
            self._windows["training"] = Windows(
                recordings.training, n_steps, "training", elsewhere, off_attractor
            )
        self._measures, self._plans = {}, {}
        of_test = test_free_run_steps, n_starts if test_n_starts is None else test_n_starts
        in_training = free_run_steps, n_starts
        for split, (kept, runs) in zip(SPLITS, (in_training, in_training, of_test), strict=True):
            self._measures[split] = FreeRunMetrics(
                kept, transient, runs, d_stsp, n_bins, gmm_variance, smoothing, pe_steps, psc, psc_cutoff
            )
            self._plans[split] = self._measures[split].plan(getattr(recordings, split), split)
        self.split = "training"

    @property
    def metric_notes(self) -> Mapping[str, str | float]:
        """What `run_metrics` did: the variant of D_stsp, the smoothing of D_H and the steps of a free run."""
        measures = self._measures[self.split]
        return MappingProxyType(
            {
                "d_stsp_variant": measures.variant(self.output_dim),
                "d_h_smoothing": measures.smoothing,
                "free_run_steps": self._plans[self.split].n_steps,
            }
        )

    def for_split(self, split: str) -> "TimeSeries":
        """Return the task that shows the "training", "validation" or "test" part; see `Task.for_split`.

        Raises:
            ValueError: there is no such split.
        """
        one_of("split", split, SPLITS)
        if split == self.split:
            return self
        other = copy.copy(self)
        other.split = split
        return other

    def sample_conditions(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw start (int64), the row of the split that each window starts with, see `Windows`."""
        return {"start": self._windows[self.split].draw(batch_size, generator)}

    def make_trials(
        self,
        conditions: dict[str, Tensor],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Trials:
        """Cut out the windows, with fresh noise if they are for training; see `Task.make_trials`.

        Signal and targets are overlapping parts of one tensor where that is possible.
        """
        windows, starts = self._windows[self.split], conditions["start"]
        samples, inputs = windows.cut(starts, dtype)
        signal, targets = samples[:, :-1], samples[:, 1:]
        if self.noise_level > 0 and self.split == "training":
            shape = (len(starts), self.n_steps + (self.noise_on == "both"), self.output_dim)
            noise = torch.randn(shape, generator=generator)  # float32, so that windows agree in every dtype
            if self.noise_on == "both":
                samples.add_(noise, alpha=self.noise_level)
            else:
                signal = signal.add(noise, alpha=self.noise_level)
        if not windows.has_gaps:
            return Trials(inputs, targets, torch.ones_like(targets), conditions, signal)
        mask = (~targets.isnan()).to(dtype)
        lengths = windows.lengths_of(starts)
        return Trials(inputs, targets.nan_to_num(nan=0.0), mask, conditions, signal, lengths=lengths)

    def metrics(self, outputs: Tensor, trials: Trials) -> dict[str, Tensor]:
        """Return nothing: what a window tells is in the loss, the rest in `run_metrics`."""
        del outputs, trials
        return {}

    def run_metrics(self, run: FreeRun) -> dict[str, float]:
        """Compare free runs with the data of the split; a diverging run raises nothing.

        Args:
            run: runs the model freely; it gets float64 on the CPU and returns any dtype and device.

        Returns:
            d_stsp, d_h, psc if asked for, pe_<n> for every n of pe_steps, failed, see `FreeRunMetrics`; lyapunov, the
            largest exponent per time unit, and lyapunov_2, ... the next ones, if asked for; nan in a split
            that takes none.
        """
        recordings, plan = getattr(self.recordings, self.split), self._plans[self.split]
        metrics = self._measures[self.split](run, recordings, plan)
        if any(self._lyapunov_steps.values()):  # every split has the same columns
            names = ("lyapunov", *(f"lyapunov_{number}" for number in range(2, self.lyapunov_exponents + 1)))
            metrics.update(zip(names, self._lyapunov(run, recordings, plan), strict=True))
        return metrics

    def _lyapunov(self, run: FreeRun, recordings: list[Recording], plan: Plan) -> list[float]:
        number, row = plan.starts[0]
        start, inputs = torch.from_numpy(recordings[number].observations[row]), None
        n_steps = self._lyapunov_steps[self.split]
        if self.input_dim:
            n_steps = min(n_steps, plan.n_steps)
            inputs = torch.from_numpy(recordings[number].inputs[row : row + plan.transient + n_steps])
        if n_steps < (3 if self.input_dim else 2):
            return [math.nan] * self.lyapunov_exponents
        per_step = run.lyapunov_exponents(start, inputs, plan.transient, n_steps, self.lyapunov_exponents)
        return [exponent / self.dt for exponent in per_step]

    def series(self, split: str | None = None) -> list[Series]:
        """Return the data as the model sees them: standardised, embedded, without the noise of the windows.

        Args:
            split: "training", "validation" or "test"; None is the one that this task shows.

        Returns:
            One entry for each stretch without a gap in time.
        """
        split = self.split if split is None else one_of("split", split, SPLITS)
        return [Series(r.observations, r.inputs) for r in getattr(self.recordings, split)]

    def in_data_units(self, values: np.ndarray) -> np.ndarray:
        """Return observations or outputs (..., O) in the units of the data, the standardisation undone."""
        return self.data_units.outputs.undo(values)

    @property
    def starts(self) -> np.ndarray:
        """(n, O) float64, n <= 16: observations of the test part, evenly spread, as the model sees them.

        The first one is the first of the part from which a window can start; nan where a value is missing.
        """
        rows = self._windows["test"].starts
        chosen = np.unique(np.linspace(0, len(rows) - 1, N_STARTS).astype(int))
        observations = np.concatenate([r.observations for r in self.recordings.test])
        return observations[rows[chosen].numpy()]

    def memory(self) -> dict[str, Any]:
        """Return what a `RememberedSeries` needs to stand for this task where its data are not."""
        return memory_of(self)

    def forcing_interval(self) -> int:
        """Return the interval of sparse teacher forcing that the longest stretch of the training part suggests, steps.

        Raises:
            ValueError: the stretch is too short.
        """
        longest = max(self.recordings.training, key=len).observations
        return forcing_interval(longest, min(MAX_LAG, len(longest)))


def _scales(recordings: Recordings, *standardize: Standardize) -> tuple[Scale, Scale]:
    """Return by what observations and inputs are standardised; refuses dimensions that do not vary.

    Args:
        recordings: as measured.
        standardize: of the observations and of the inputs, see `TimeSeries`.
    """
    of_observations = (
        "standardize",
        "column",
        recordings.labels,
        [r.observations for r in recordings.training],
    )
    of_inputs = (
        "standardize_inputs",
        "input",
        recordings.input_labels,
        [r.inputs for r in recordings.training],
    )
    return tuple(map(_scale, standardize, (of_observations, of_inputs)))


def _scale(standardize: Standardize, about: tuple[str, str, tuple[str, ...], list[np.ndarray]]) -> Scale:
    name, what, labels, series = about
    if isinstance(standardize, Mapping):
        return given_scale(name, standardize, labels)
    if not standardize and what == "input":
        return no_scale(len(labels))
    measured = measured_scale(series, labels, what)
    return measured if standardize else no_scale(len(labels))


def _check_lengths(recordings: Recordings, n_steps: int) -> None:
    """Refuse parts in which no window finds room."""
    longest = [max(map(len, part), default=0) for part in recordings]
    if min(longest) > n_steps:
        return
    rows = sum(len(recording) for part in recordings for recording in part)
    lengths = ", ".join(f"{split} {length}" for split, length in zip(SPLITS, longest, strict=True))
    raise ValueError(
        f"sequence_length: {n_steps}: a window needs {n_steps + 1} rows in one piece, but of the {rows} rows the "
        f"longest pieces are {lengths}; give more data, a smaller sequence_length or other parts"
    )


def _with_inherited_arguments(cls: type[TimeSeries]) -> inspect.Signature:
    """Return the signature of a subclass, **settings replaced by the arguments that they stand for."""
    own = list(inspect.signature(cls.__init__).parameters.values())[1:]
    base = cls.__mro__[1]
    inherited = list(inspect.signature(base).parameters.values())
    if not any(p.kind is p.VAR_KEYWORD for p in own):
        inherited = []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    merged = {p.name: p.replace(kind=p.KEYWORD_ONLY) for p in (*inherited, *own) if p.kind in kinds}
    return inspect.Signature(list(merged.values()))
