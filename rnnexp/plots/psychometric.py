"""Psychometric picture: which choice is made, and how often it is right, against the signed coherence."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rnnexp.plots import style

MAX_LEVELS = 16  # so many different coherences are shown one by one; more are binned
BINS_PER_SIDE = 6
Z_95 = 1.959964


@dataclass(frozen=True)
class Logistic:
    """P(choice) = 1 / (1 + exp(-slope (coherence - bias)))."""

    bias: float
    slope: float

    def __call__(self, coherence: np.ndarray) -> np.ndarray:
        """Return the probabilities at some coherences."""
        return 0.5 + 0.5 * np.tanh(0.5 * self.slope * (coherence - self.bias))


@style.styled
def psychometric_curve(
    coherence: np.ndarray,
    choice: np.ndarray,
    correct: np.ndarray,
    choice_name: str = "choice 1",
    fit: bool = True,
) -> Figure:
    """Draw choice probability and accuracy against the signed coherence, with 95 % intervals (Wilson).

    Up to 16 different coherences are points of their own; more are binned into 6 quantiles on either side of 0, drawn
    at their mean.

    Args:
        coherence: (B,), positive where the evidence speaks for the choice that is drawn, negative for the other one.
        choice: (B,), 1 or true where this choice was made; nan for a trial without a choice, which is left out.
        correct: (B,), 1 or true where the choice was right.
        choice_name: the choice that is drawn.
        fit: draw a logistic curve of greatest likelihood as well, where the choices determine one.

    Returns:
        The figure, a page wide.

    Raises:
        ValueError: the three do not have the same length.
    """
    coherence, choice, correct = (np.asarray(values, dtype=float) for values in (coherence, choice, correct))
    if coherence.ndim != 1 or not coherence.shape == choice.shape == correct.shape:
        raise ValueError(
            "coherence, choice and correct must be (B,), got shapes "
            f"{coherence.shape}, {choice.shape} and {correct.shape}"
        )
    known = np.isfinite(coherence) & np.isfinite(choice) & np.isfinite(correct)
    coherence, choice, correct = coherence[known], choice[known], correct[known]
    figure = style.new_figure(style.PAGE_MM, 66)
    left, right = style.panels(figure, [1.0, 1.0], 58, sharex=True)
    for axes, label in ((left, f"P({style.shorten(choice_name, 24)})"), (right, "accuracy")):
        axes.set(xlabel="signed coherence", ylabel=label, ylim=(-0.03, 1.03))
        axes.axhline(0.5, color=style.FAINT, linewidth=0.7, linestyle=(0, (4, 3)), zorder=0)
        axes.tick_params(axis="y", labelleft=True)
    if not coherence.size:
        style.note(left, "no trial with a choice", style.ALARM)
        return figure
    left.axvline(0.0, color=style.SHADE, linewidth=0.7, zorder=0)
    right.axvline(0.0, color=style.SHADE, linewidth=0.7, zorder=0)
    members = coherence_levels(coherence)
    curve = fit_logistic(coherence, choice) if fit else None
    if curve is not None:
        x = np.linspace(coherence.min(), coherence.max(), 200)
        left.plot(x, curve(x), color=style.colour(0), linewidth=1.1)
        left.set_title(f"logistic fit: bias {curve.bias:.3g}, slope {curve.slope:.3g}", color=style.FAINT)
    _draw_points(left, coherence, choice, members, style.colour(0))
    _draw_points(right, coherence, correct, members, style.colour(2))
    right.set_title(_counted(correct, int((~known).sum())), color=style.FAINT)
    return figure


def fit_logistic(coherence: np.ndarray, choice: np.ndarray) -> Logistic | None:
    """Fit a logistic curve to single choices by greatest likelihood.

    Args:
        coherence: (B,), finite.
        choice: (B,), 0 or 1.

    Returns:
        None where no curve is the best: one coherence, one choice, or choices that a coherence separates without
        exception.
    """
    coherence, choice = np.asarray(coherence, dtype=float), np.asarray(choice) > 0
    if not choice.any() or choice.all() or np.ptp(coherence) == 0:
        return None
    low, high = coherence[~choice], coherence[choice]
    if low.max() <= high.min() or high.max() <= low.min():
        return None
    unit = coherence.std()
    x, sign = coherence / unit, np.where(choice, -1.0, 1.0)

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        wrong = sign * (parameters[0] + parameters[1] * x)
        residual = sign * expit(wrong)
        return float(np.logaddexp(0.0, wrong).mean()), np.array([residual.mean(), (residual * x).mean()])

    from scipy.optimize import minimize  # takes long to import, and most pictures need no fit
    from scipy.special import expit

    intercept, slope = minimize(cost, np.zeros(2), jac=True, method="BFGS").x
    return Logistic(float(-intercept / slope * unit), float(slope / unit)) if abs(slope) > 1e-9 else None


def wilson_interval(successes: np.ndarray, n: np.ndarray, z: float = Z_95) -> tuple[np.ndarray, np.ndarray]:
    """Return low and high of the interval of Wilson (1927) for a probability.

    Args:
        successes: how often it happened, of n times.
        n: >= 1.
        z: half width in standard deviations, > 0; the default gives 95 %.
    """
    share = successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def coherence_levels(coherence: np.ndarray) -> list[np.ndarray]:
    """Return the trials of each point, in order of coherence."""
    values = np.unique(coherence)
    if len(values) <= MAX_LEVELS:
        return [np.flatnonzero(coherence == value) for value in values]
    members = []
    for side in (-1, 0, 1):
        rows = np.flatnonzero(np.sign(coherence) == side)
        rows = rows[np.argsort(coherence[rows], kind="stable")]
        members += np.array_split(rows, min(BINS_PER_SIDE, len(rows))) if side and len(rows) else [rows]
    return [rows for rows in members if len(rows)]


def _draw_points(
    axes: Axes, coherence: np.ndarray, happened: np.ndarray, members: list[np.ndarray], ink: str
) -> None:
    x = np.array([coherence[rows].mean() for rows in members])
    n = np.array([len(rows) for rows in members])
    successes = np.array([happened[rows].sum() for rows in members])
    low, high = wilson_interval(successes, n)
    axes.vlines(x, low, high, color=ink, linewidth=0.9)
    axes.plot(x, successes / n, "o", color=ink, markersize=3.6, markeredgecolor="white", markeredgewidth=0.4)
    reach = float(np.abs(coherence).max()) or 1.0
    axes.set_xlim(-1.06 * reach, 1.06 * reach)
    axes.locator_params(axis="x", nbins=6)


def _counted(correct: np.ndarray, n_lost: int) -> str:
    text = f"{100 * correct.mean():.1f} % of {len(correct)} trials; bars: 95 % interval"
    return text if not n_lost else f"{text}, {n_lost} without a choice"
