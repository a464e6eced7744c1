"""Picture of the power spectra of data and free run, smoothed as in D_H."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from rnnexp.analysis.power_spectra import smoothed_spectrum, spectral_distance_per_dimension
from rnnexp.plots import style
from rnnexp.plots.series_pair import (
    DATA_INK,
    RUN_INK,
    check_pair,
    departure_note,
    frequency_label,
    hidden_dimensions,
    labelled,
    legend,
    outer_ticks,
    panels,
    steps_before_departure,
    title,
)

PER_ROW = 3
WIDE = 0.01  # share of the frequencies; a wider smoothing hides lines
SHORTEST = 4  # samples of a series that has a spectrum worth drawing
DECADES = 8  # of power that are shown, at most
HEADROOM = 0.28  # of the log axis, for the text above the spectra
STILL = 1e-6  # a series that varies by less than this share of its size or of the data has no spectrum


@style.styled
def power_spectra(
    data: np.ndarray,
    generated: np.ndarray,
    names: Sequence[str],
    dt: float,
    time_unit: str,
    smoothing: float = 20.0,
) -> Figure:
    """Draw the spectra of every dimension on log axes, a panel for each of the first six, with its D_H.

    The spectra are those of `rnnexp.analysis.power_spectra.smoothed_spectrum`, each with sum 1; missing values are
    interpolated in time.

    Args:
        data: (T, N), nan where missing.
        generated: (T, N).
        names: N names of the dimensions.
        dt: time between two samples, in the time unit, > 0.
        time_unit: its name.
        smoothing: sd of the Gaussian along the frequencies, in frequency bins, >= 0.

    Returns:
        The figure, a column wide.

    Raises:
        ValueError: shapes do not agree.
    """
    data, generated = check_pair(data, generated, names)
    if data.shape != generated.shape:
        raise ValueError(f"generated must be {data.shape}, as the data, got {generated.shape}")
    n_kept = steps_before_departure(data, generated)
    note = departure_note(len(generated), n_kept, dt, time_unit)
    figure, axes_list = panels(data.shape[1], PER_ROW, 34.0, sharex=True, sharey=True)
    frequencies = np.fft.rfftfreq(len(data), dt)[1:]
    is_wide = smoothing > WIDE * len(frequencies)
    shown = []
    for axes, column, run, name in zip(axes_list, data.T, generated.T, names, strict=False):
        true = _without_gaps(column)
        run = np.full_like(run, np.nan) if note else run
        spectra = [_spectrum(true, smoothing), _spectrum(run, smoothing, np.ptp(true))]
        _draw(axes, frequencies, spectra)
        if is_wide:
            for series, ink in ((true, DATA_INK), (run, RUN_INK)):
                raw = _spectrum(series, 0.0, np.ptp(true))
                if raw is not None:
                    axes.plot(frequencies, raw, color=ink, linewidth=0.4, alpha=0.45, zorder=1)
                    shown.append(raw.clip(min=min(s.min() for s in spectra if s is not None)))
        distance = spectral_distance_per_dimension(true[:, None], run[:, None], smoothing)[0]
        axes.set_title(style.shorten(name, 18))
        axes.text(0.97, 0.97, f"$D_H$ {distance:.2g}", transform=axes.transAxes, ha="right", va="top")
        shown += [spectrum for spectrum in spectra if spectrum is not None]
    _scale(axes_list, frequencies, shown)
    for axes in labelled(axes_list, PER_ROW):
        axes.set_xlabel(frequency_label(time_unit))
    figure.supylabel("power (share)", fontsize=style.FONT_PT)
    thin = (
        f"thin: before the smoothing over {smoothing:g} of {len(frequencies)} frequencies" if is_wide else ""
    )
    title(figure, [note, thin, hidden_dimensions(data.shape[1])], is_alarm=bool(note))
    legend(figure)
    return figure


def _without_gaps(column: np.ndarray) -> np.ndarray:
    """Return values (T,) with the missing ones interpolated in time; all nan stays."""
    there, times = np.isfinite(column), np.arange(len(column))
    return np.interp(times, times[there], column[there]) if there.any() else column


def _spectrum(series: np.ndarray, smoothing: float, extent: float = 0.0) -> np.ndarray | None:
    """Return the spectrum without frequency zero, or None for a series that has none."""
    if len(series) < SHORTEST or not np.isfinite(series).all():
        return None
    if np.ptp(series) <= STILL * max(np.abs(series).max(), extent):
        return None
    return smoothed_spectrum(series, smoothing)[1:]


def _draw(axes: Axes, frequencies: np.ndarray, spectra: list[np.ndarray | None]) -> None:
    looks = ((DATA_INK, 1.6, 0.6, "data"), (RUN_INK, 0.9, 1.0, "free run"))
    missing = []
    for spectrum, (ink, width, alpha, name) in zip(spectra, looks, strict=True):
        if spectrum is None:
            missing.append(name)
        else:
            axes.plot(frequencies, spectrum, color=ink, linewidth=width, alpha=alpha)
    if missing:
        axes.text(
            0.06, 0.06, f"{' and '.join(missing)}: none", transform=axes.transAxes, color=style.ALARM,
            fontsize=style.FONT_PT - 0.5,
        )  # fmt: skip


def _scale(axes_list: list[Axes], frequencies: np.ndarray, spectra: list[np.ndarray]) -> None:
    """Set log axes with the limits of all spectra."""
    values = np.concatenate(spectra) if spectra else np.empty(0)
    values = values[values > 0]
    if not values.size:
        return
    top = float(values.max())
    low = max(float(values.min()), top * 10.0**-DECADES)
    for axes in axes_list:
        axes.set_xscale("log")
        axes.set_yscale("log", nonpositive="clip")
        axes.set_xlim(frequencies[0], frequencies[-1])
        axes.set_ylim(low / 1.5, top * (top / low) ** HEADROOM)
        axes.xaxis.set_minor_formatter(NullFormatter())
    outer_ticks(axes_list, PER_ROW)
