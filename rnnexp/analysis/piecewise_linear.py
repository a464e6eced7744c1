"""Piecewise-linear networks as exact maps: in every region of the state space z' = J z + c.

Letters: M state, F features, R rectified ones among them, L hidden units, K inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

Array = np.ndarray
ModelName = Literal["PLRNN", "ALRNN", "shPLRNN", "clipped_shPLRNN"]

BOUNDARY = (
    1e-10  # an argument that is smaller than its terms by this factor lies on the boundary of two regions
)


@dataclass(frozen=True, eq=False)
class PiecewiseLinearMap:
    """z' = clamp( A z + U x + b ), x = V z + v, rectified in R of its entries: the form of all piecewise-linear models.

    The pattern of a state is a vector of int8: R bits 1[x > 0], and with a clamp M more numbers, 1 and -1 for units
    that the step holds at the upper and lower limit, 0 for those between. States with one pattern form a region, in
    which the map is linear. The slope of the rectification at 0 is 0.

    Args:
        A: (M,), a diagonal.
        U: (M, F).
        b: (M,).
        V: (F, M); None is the identity, F = M.
        v: (F,); None is 0.
        rectified: (F,) bool, the features that are rectified; None is all.
        clip_range: every new state is clamped to [-clip_range, clip_range], > 0; None for no clamp.
    """

    A: Array
    U: Array
    b: Array
    V: Array | None = None
    v: Array | None = None
    rectified: Array | None = None
    clip_range: float | None = None
    _floor: Array = field(init=False, repr=False)
    _kinked: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_features = self.U.shape[1]
        rectified = np.ones(n_features, bool) if self.rectified is None else np.asarray(self.rectified)
        object.__setattr__(self, "_floor", np.where(rectified, 0.0, -np.inf))
        object.__setattr__(self, "_kinked", np.flatnonzero(rectified))

    @property
    def state_dim(self) -> int:
        """M."""
        return len(self.A)

    @property
    def n_rectified(self) -> int:
        """R."""
        return len(self._kinked)

    @property
    def pattern_size(self) -> int:
        """P, the entries of a pattern: R, or R + M with a clamp."""
        return self.n_rectified + (0 if self.clip_range is None else self.state_dim)

    def step(self, z: Array) -> Array:
        """Return the next states (..., M) of the states z (..., M)."""
        new = self._unclamped(z)
        return new if self.clip_range is None else np.clip(new, -self.clip_range, self.clip_range)

    def orbit(self, z0: Array, n_steps: int) -> Array:
        """Return (n_steps, ..., M), row t the states after t + 1 steps from z0 (..., M)."""
        states = np.empty((n_steps, *np.shape(z0)))
        z = z0
        with np.errstate(over="ignore", invalid="ignore"):
            for row in states:
                row[...] = z = self.step(z)
        return states

    def pattern(self, z: Array) -> Array:
        """Return the patterns (..., P) int8 of the states z (..., M)."""
        bits = (self._features(z)[..., self._kinked] > 0).astype(np.int8)
        if self.clip_range is None:
            return bits
        new = self._unclamped(z)
        held = (new > self.clip_range).astype(np.int8) - (new < -self.clip_range).astype(np.int8)
        return np.concatenate((bits, held), axis=-1)

    def is_in_region(self, z: Array, pattern: Array) -> Array:
        """Whether the states z (..., M) lie in the regions (..., P), or on their boundary up to rounding."""
        feature = self._features(z)[..., self._kinked]
        agrees = (feature > 0) == (pattern[..., : self.n_rectified] > 0)
        inside = (agrees | (np.abs(feature) <= BOUNDARY * self._feature_sizes(z))).all(axis=-1)
        if self.clip_range is None:
            return inside
        held, new = pattern[..., self.n_rectified :], self._unclamped(z)
        limit, slack = self.clip_range, BOUNDARY * (np.abs(new) + self.clip_range)
        fits = np.where(held == 0, np.abs(new) <= limit + slack, held * new >= limit - slack)
        return inside & fits.all(axis=-1)

    def jacobian(self, pattern: Array) -> Array:
        """Return the Jacobians (..., M, M) of the regions (..., P), row the entry of the new state."""
        matrix = self.U * self._active(pattern)[..., None, :]
        if self.V is not None:
            matrix = matrix @ self.V
        diagonal = np.arange(self.state_dim)
        matrix[..., diagonal, diagonal] += self.A
        if self.clip_range is not None:
            matrix *= (pattern[..., self.n_rectified :] == 0)[..., None]
        return matrix

    def offset(self, pattern: Array) -> Array:
        """Return the constants c (..., M) of the regions (..., P): z' = J z + c."""
        if self.v is None:
            offset = np.broadcast_to(self.b, (*np.shape(pattern)[:-1], self.state_dim))
        else:
            offset = (self._active(pattern) * self.v) @ self.U.T + self.b
        if self.clip_range is not None:
            held = pattern[..., self.n_rectified :]
            offset = np.where(held == 0, offset, held * self.clip_range)
        return offset

    def jacobian_at(self, z: Array) -> Array:
        """Return the Jacobians (..., M, M) at the states z (..., M)."""
        return self.jacobian(self.pattern(z))

    def _unclamped(self, z: Array) -> Array:
        return self.A * z + np.maximum(self._features(z), self._floor) @ self.U.T + self.b

    def _features(self, z: Array) -> Array:
        features = z if self.V is None else z @ self.V.T
        return features if self.v is None else features + self.v

    def _feature_sizes(self, z: Array) -> Array:
        """Return the sums of the |terms| of the rectified features (..., R), the scale of their rounding errors."""
        sizes = np.abs(z) if self.V is None else np.abs(z) @ np.abs(self.V.T)
        return (sizes if self.v is None else sizes + np.abs(self.v))[..., self._kinked]

    def _active(self, pattern: Array) -> Array:
        """Return the slopes (..., F) of the features, 0 or 1."""
        active = np.ones((*np.shape(pattern)[:-1], len(self._floor)))
        active[..., self._kinked] = pattern[..., : self.n_rectified]
        return active


def piecewise_linear_map(
    model: ModelName,
    weights: Mapping[str, Array],
    *,
    num_relus: int | None = None,
    mean_centering: bool = True,
    inputs: Array | None = None,
    clip_range: float | None = None,
) -> PiecewiseLinearMap:
    """Return a model of the PLRNN family as a piecewise-linear map.

    Args:
        model: PLRNN: z' = A z + W relu(m(z)) + h; ALRNN: relu on the last num_relus units only, the others enter W as
            they are; shPLRNN: z' = A z + W1 relu(W2 z + h2) + h1; clipped_shPLRNN: relu(W2 z + h2) - relu(W2 z).
        weights: A (M,); W (M, M), h (M,) or W1 (M, L), W2 (L, M), h1 (M,), h2 (L,); and C (M, K) with inputs.
        num_relus: of the ALRNN, 0 .. M.
        mean_centering: of the PLRNN: m subtracts the mean over the units.
        inputs: (K,), the constant input s; C s is added to the bias. None for no input.
        clip_range: clamp of the new states, > 0, or None.

    Raises:
        ValueError: the model is unknown, a weight is missing or has another shape, or num_relus does not fit.

    Source: Brenner et al. 2022, eq. 1 and 4; Hess et al. 2023, eq. 2 and 8; Brenner, Hemmer et al. 2024, eq. 3.
    """
    if model not in get_args(ModelName):
        raise ValueError(f"model must be one of {', '.join(get_args(ModelName))}, got {model!r}")
    shallow = model in ("shPLRNN", "clipped_shPLRNN")
    names = ("A", "W1", "W2", "h1", "h2") if shallow else ("A", "W", "h")
    w = _checked(weights, names if inputs is None else (*names, "C"))
    bias = w["h1" if shallow else "h"]
    if inputs is not None:
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.shape != w["C"].shape[1:]:
            raise ValueError(f"inputs must be {w['C'].shape[1:]}, got shape {inputs.shape}")
        bias = bias + w["C"] @ inputs
    if model == "PLRNN":
        n_units = len(w["A"])
        centring = np.eye(n_units) - 1 / n_units if mean_centering else None
        return PiecewiseLinearMap(w["A"], w["W"], bias, V=centring, clip_range=clip_range)
    if model == "ALRNN":
        rectified = _last(len(w["A"]), num_relus)
        return PiecewiseLinearMap(w["A"], w["W"], bias, rectified=rectified, clip_range=clip_range)
    U, V, v = w["W1"], w["W2"], w["h2"]
    if model == "clipped_shPLRNN":
        U, V, v = np.concatenate((U, -U), axis=1), np.concatenate((V, V)), np.concatenate((v, 0 * v))
    return PiecewiseLinearMap(w["A"], U, bias, V, v, clip_range=clip_range)


def leaky_relu_map(
    alpha: Array, W_rec: Array, drive: Array, num_relus: int | None = None
) -> PiecewiseLinearMap:
    """Return a leaky network of rectified rates as a piecewise-linear map: z' = (1 - a) z + a (W_rec relu(z) + d).

    Args:
        alpha: (M,), in (0, 1].
        W_rec: (M, M), effective.
        drive: (M,), the sum d of biases and constant input.
        num_relus: the last units that are rectified, the others are linear; None is all.
    """
    rectified = _last(len(alpha), len(alpha) if num_relus is None else num_relus)
    return PiecewiseLinearMap(1 - alpha, alpha[:, None] * W_rec, alpha * drive, rectified=rectified)


def _last(n_units: int, num_relus: int | None) -> Array:
    """Return (M,) bool, true for the last num_relus units."""
    if num_relus is None or not 0 <= num_relus <= n_units:
        raise ValueError(f"num_relus must be from 0 to {n_units}, got {num_relus}")
    return np.arange(n_units) >= n_units - num_relus


def _checked(weights: Mapping[str, Array], names: tuple[str, ...]) -> dict[str, Array]:
    """Return the weights as float64, after a look at their shapes."""
    missing = [name for name in names if name not in weights]
    if missing:
        raise ValueError(f"weights must hold {', '.join(names)}, {', '.join(missing)} is missing")
    w = {name: np.array(weights[name], dtype=np.float64) for name in names}
    n_units = len(w["A"]) if w["A"].ndim == 1 else 0
    n_hidden = len(w["h2"]) if "h2" in w and w["h2"].ndim == 1 else 0
    n_inputs = w["C"].shape[-1] if "C" in w else 0
    shapes = {
        "A": (n_units,), "W": (n_units, n_units), "h": (n_units,), "W1": (n_units, n_hidden),
        "W2": (n_hidden, n_units), "h1": (n_units,), "h2": (n_hidden,), "C": (n_units, n_inputs),
    }  # fmt: skip
    for name, array in w.items():
        if array.shape != shapes[name] or not n_units:
            raise ValueError(f"{name} must have the shape {shapes[name]}, got {array.shape}")
    return w
