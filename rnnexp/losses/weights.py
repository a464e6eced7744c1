"""Terms on the weights of a network. Weights are the effective ones: signed and masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from rnnexp.losses.base import LossTerm

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

LAMBDA_KEYS = {"input": "lambda_in", "recurrent": "lambda_hid", "output": "lambda_out"}

KINDS = tuple(LAMBDA_KEYS)

SIZES = ("mean_abs", "sum_abs", "sum_square", "fro")


class MeanSquaredWeight(LossTerm):
    """Mean square of the effective weights of one kind.

        ||W||_F^2 / (number of entries of W)

    Masked entries count in the number of entries. Where there are several recurrent matrices (the shallow
    PLRNNs have W1 and W2), the squares of all of them are summed and divided by their total number of
    entries. Biases and the diagonal A of the PLRNN family are never penalised.

    Args:
        which: "input" (C or W_in), "recurrent" (W, W_rec, or W1 and W2) or "output" (B or W_out).
        lambda_key: name of the term's weight in the configuration, for the error texts; None: lambda_in,
            lambda_hid or lambda_out.

    Raises:
        ValueError: for another `which`.

    Source: L_in, L_hid, L_out of nn4n's RNNLoss.
    """

    needs_trajectory = False

    def __init__(self, which: Literal["input", "recurrent", "output"], lambda_key: str | None = None) -> None:
        if which not in KINDS:
            raise ValueError(f"which must be one of {', '.join(KINDS)}, got {which!r}")
        self.which = which
        self.lambda_key = lambda_key or LAMBDA_KEYS[which]
        self.label = f"Mean squared {which} weight"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """The mean square as a 0-d tensor.

        Raises:
            ValueError: if the model has no such matrix, or no model was given.
        """
        matrices = _matrices(model, self.which, self.lambda_key)
        sum_of_squares = sum(W.square().sum() for W in matrices)
        return sum_of_squares / sum(W.numel() for W in matrices)

    def check_model(self, model: RNN) -> None:
        """Refuse a model without such a matrix, and one in which it is fixed.

        Raises:
            ValueError: naming the lambda that must be 0.
        """
        _check_trained(model, self.which, self.lambda_key)


class WeightSize(LossTerm):
    """Size of the effective weights of one kind, or the sum of the sizes of all kinds.

        mean_abs: mean |W_ij|    sum_abs: sum |W_ij|    sum_square: sum W_ij^2    fro: sqrt(sum W_ij^2)

    Entries, several recurrent matrices and biases count as in MeanSquaredWeight, which is the mean square.
    Weights that are all 0 have size and gradient 0.

    Args:
        which: "input", "recurrent", "output", or "all": the sum of the sizes of the three, of those that the
            model has.
        size: one of the four above.
        lambda_key: name of the term's weight in the configuration, for the error texts.

    Raises:
        ValueError: for another `which` or `size`.

    Source: L1_in, ..., L2_out of PsychRNN (mean_abs; the sums as its documentation has them); rnn_conn of
        nn4n's CompositeLoss (fro, sum_abs).
    """

    needs_trajectory = False

    def __init__(
        self,
        which: Literal["input", "recurrent", "output", "all"],
        size: Literal["mean_abs", "sum_abs", "sum_square", "fro"],
        lambda_key: str = "the lambda of this term",
    ) -> None:
        if which not in (*KINDS, "all"):
            raise ValueError(f"which must be one of {', '.join(KINDS)}, all, got {which!r}")
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
        self.which, self.size, self.lambda_key = which, size, lambda_key
        self.label = f"Size of {which} weights ({size})"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """The size as a 0-d tensor.

        Raises:
            ValueError: if the model has no such matrix, or no model was given.
        """
        if self.which != "all":
            return self._size(_matrices(model, self.which, self.lambda_key))
        _matrices(model, "all", self.lambda_key)
        present = (_found(model, kind) for kind in KINDS)
        return sum(self._size(matrices) for matrices in present if matrices)

    def check_model(self, model: RNN) -> None:
        """Refuse a model without such a matrix, and one in which it is fixed.

        Raises:
            ValueError: naming the lambda that must be 0.
        """
        _check_trained(model, self.which, self.lambda_key)

    def _size(self, matrices: tuple[Tensor, ...]) -> Tensor:
        entries = torch.cat([W.flatten() for W in matrices])
        if self.size == "fro":
            return torch.linalg.vector_norm(entries)  # gradient 0 at 0
        if self.size == "sum_square":
            return entries.square().sum()
        return entries.abs().mean() if self.size == "mean_abs" else entries.abs().sum()


class ObservationCondition(LossTerm):
    """Draws the condition number of the observation matrix B (O, M) to 1: ( 1 - s_max / (s_min + 1e-8) )^2.

    s_max and s_min are the largest and the smallest singular value of the effective B. Forcing signals come from the
    pseudo-inverse of B, which a large condition number makes unreliable. Source: Hess et al. 2023, code.
    """

    needs_trajectory = False
    label = "Condition of the observation"
    key = "obs"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """The term as a 0-d tensor.

        Raises:
            ValueError: if the model has no observation matrix, or no model was given.
        """
        (B,) = _matrices(model, "output", "lambda_obs")
        sizes = torch.linalg.svdvals(B)
        return (1 - sizes[0] / (sizes[-1] + 1e-8)).square()

    def check_model(self, model: RNN) -> None:
        """Refuse a model without observation matrix, and one in which it is fixed.

        Raises:
            ValueError: naming the lambda that must be 0.
        """
        _check_trained(model, "output", "lambda_obs")


def _found(model: RNN, which: str) -> tuple[Tensor, ...]:
    """The matrices of one kind, or of all, that have entries."""
    if which == "all":
        return tuple(W for kind in KINDS for W in _found(model, kind))
    if which == "recurrent":
        matrices = tuple(model.recurrent_matrices)
    else:
        matrices = (model.input_matrix if which == "input" else model.output_matrix,)
    return tuple(W for W in matrices if W is not None and W.numel())


def _matrices(model: RNN | None, which: str, lambda_key: str) -> tuple[Tensor, ...]:
    """The matrices of one kind, at least one.

    Raises:
        ValueError: if the model has none, or no model was given.
    """
    if model is None:
        raise ValueError(f"the penalty on {which} weights must be called with the model")
    matrices = _found(model, which)
    if not matrices:
        raise ValueError(f"{_must_be_zero(which, lambda_key)}: this model has none")
    return matrices


def _check_trained(model: RNN, which: str, lambda_key: str) -> None:
    if not any(W.requires_grad for W in _matrices(model, which, lambda_key)):
        raise ValueError(f"{_must_be_zero(which, lambda_key)}: it is fixed in this model and cannot shrink")


def _must_be_zero(which: str, lambda_key: str) -> str:
    kind = "" if which == "all" else f"{which} "
    return f"{lambda_key} must be 0, there is no {kind}matrix to penalise"
