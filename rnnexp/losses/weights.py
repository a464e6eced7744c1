"""Terms on the weights of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import Tensor

from rnnexp.losses.base import LossTerm

if TYPE_CHECKING:
    from rnnexp.models import RNN
    from rnnexp.recurrence.trajectory import Trajectory
    from rnnexp.tasks.base import Trials

LAMBDA_KEYS = {"input": "lambda_in", "recurrent": "lambda_hid", "output": "lambda_out"}


class MeanSquaredWeight(LossTerm):
    """Mean square of the effective weights of one kind.

        ||W||_F^2 / (number of entries of W)

    Masked entries count in the number of entries. Where there are several recurrent matrices (the shallow
    PLRNNs have W1 and W2), the squares of all of them are summed and divided by their total number of
    entries. Biases and the diagonal A of the PLRNN family are never penalised.

    Args:
        which: "input" (C or W_in), "recurrent" (W, W_rec, or W1 and W2) or "output" (B or W_out).

    Raises:
        ValueError: for another `which`.

    Source: L_in, L_hid, L_out of nn4n's RNNLoss.
    """

    def __init__(self, which: Literal["input", "recurrent", "output"]) -> None:
        if which not in LAMBDA_KEYS:
            raise ValueError(f"which must be one of {', '.join(LAMBDA_KEYS)}, got {which!r}")
        self.which = which
        self.label = f"Mean squared {which} weight"

    def term(self, trajectory: Trajectory, trials: Trials, model: RNN) -> Tensor:
        """The mean square as a 0-d tensor.

        Raises:
            ValueError: if the model has no such matrix, or no model was given.
        """
        matrices = self._matrices(model)
        sum_of_squares = sum(W.square().sum() for W in matrices)
        return sum_of_squares / sum(W.numel() for W in matrices)

    def check_model(self, model: RNN) -> None:
        """Refuse a model without such a matrix, and one in which it is fixed.

        Raises:
            ValueError: naming the lambda that must be 0.
        """
        if not any(W.requires_grad for W in self._matrices(model)):
            raise ValueError(f"{self._lambda_must_be_zero()}: it is fixed in this model and cannot shrink")

    def _matrices(self, model: RNN | None) -> tuple[Tensor, ...]:
        if model is None:
            raise ValueError(f"the penalty on {self.which} weights must be called with the model")
        if self.which == "recurrent":
            matrices = tuple(model.recurrent_matrices)
        else:
            matrix = model.input_matrix if self.which == "input" else model.output_matrix
            matrices = () if matrix is None else (matrix,)
        if not any(W.numel() for W in matrices):
            raise ValueError(f"{self._lambda_must_be_zero()}: this model has none")
        return matrices

    def _lambda_must_be_zero(self) -> str:
        return f"{LAMBDA_KEYS[self.which]} must be 0, there is no {self.which} matrix to penalise"
