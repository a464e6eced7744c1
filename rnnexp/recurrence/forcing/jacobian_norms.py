"""Norms of the Jacobians of a latent step along data, from which adaptive forcing takes its strength.

J_t is the Jacobian at the data state z^_t, ||.|| the largest singular value.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rnnexp.latent_steps.base import LatentStep

Method = Literal[
    "product_upper_bound", "batch_maximum", "arithmetic_mean", "explog_approx", "jacobian_upper_bound"
]
DEFECTIVE = 1e-9  # share of a matrix that its eigenvectors may miss
SHIFT = 1e-8  # of the eigenvalues of such a matrix, as a share of its norm


def jacobian_norm(latent_step: LatentStep, states: Tensor, method: Method) -> Tensor:
    """Return the norm n by which gradients grow per step, 0-d.

    Args:
        latent_step: with its Jacobian.
        states: (B, T, S), the data states z^.
        method: "product_upper_bound": largest over trials of the geometric mean over time of ||J_t||;
            "batch_maximum": largest ||J_t||; "arithmetic_mean": largest over trials of || mean_t J_t ||;
            "explog_approx": largest over trials of || exp(mean_t log J_t) ||, with matrix functions;
            "jacobian_upper_bound": max |A| plus the product of the norms of the recurrent matrices, of the PLRNN
            family and without a look at the data.

    Raises:
        ValueError: jacobian_upper_bound for a latent step without a diagonal A.

    Source: Hess et al. 2023, section 3.3 and appendix; GTF-shPLRNN.
    """
    if method == "jacobian_upper_bound":
        return _upper_bound(latent_step)
    jacobians = latent_step.jacobian(states.flatten(0, 1)).unflatten(0, states.shape[:2])
    if method == "arithmetic_mean":
        return _largest_singular_value(jacobians.mean(1)).max()
    if method == "explog_approx":
        return _largest_singular_value(_exponential(_logarithm(jacobians).mean(1))).max()
    norms = _largest_singular_value(jacobians)
    return norms.max() if method == "batch_maximum" else norms.log().mean(1).exp().max()


def _upper_bound(latent_step: LatentStep) -> Tensor:
    if not hasattr(latent_step, "A"):
        raise ValueError(
            f"method=jacobian_upper_bound needs a latent step of the PLRNN family, not {type(latent_step).__name__}"
        )
    product = torch.ones((), dtype=latent_step.A.dtype, device=latent_step.A.device)
    for matrix in latent_step.recurrent_matrices:
        product = product * torch.linalg.matrix_norm(matrix, 2)
    return latent_step.A.abs().max() + product


def _largest_singular_value(matrices: Tensor) -> Tensor:
    """Return the spectral norms (...) of matrices (..., S, S), by the eigenvalues of J^T J: faster than an SVD."""
    squares = torch.linalg.eigvalsh(matrices.mH @ matrices)[..., -1]
    return squares.clamp(min=0).sqrt()


def _logarithm(matrices: Tensor) -> Tensor:
    """Return the principal logarithms of matrices (..., S, S), complex128; for eigenvalues of 0 the limit."""
    matrices = matrices.double()
    values, vectors = torch.linalg.eig(matrices)
    tiny = torch.finfo(matrices.dtype).tiny
    values = torch.where(values.abs() < tiny, tiny, values)
    inverse, _ = torch.linalg.inv_ex(vectors)
    logarithms = vectors @ torch.diag_embed(values.log()) @ inverse
    error = torch.linalg.matrix_norm(vectors @ torch.diag_embed(values) @ inverse - matrices)
    is_defective = ~(error <= DEFECTIVE * torch.linalg.matrix_norm(matrices))
    if is_defective.any():  # too few eigenvectors
        logarithms[is_defective] = _schur_logarithm(matrices[is_defective])
    return logarithms


def _schur_logarithm(matrices: Tensor) -> Tensor:
    """Return the logarithms of matrices (n, S, S) one by one, which needs no eigenvectors."""
    import scipy.linalg  # takes long to import, and few trainings need it

    results = []
    for matrix in matrices.numpy(force=True):
        shift = SHIFT * np.linalg.norm(matrix, 2) * np.eye(len(matrix))  # for eigenvalues of 0
        results.append(scipy.linalg.logm(matrix + shift).astype(complex))
    return torch.from_numpy(np.stack(results)).to(matrices.device)


def _exponential(matrices: Tensor) -> Tensor:
    return torch.linalg.matrix_exp(matrices)
