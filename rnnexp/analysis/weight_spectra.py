"""Eigenvalues and singular values of weight matrices."""

from collections.abc import Collection, Mapping

import numpy as np


def weight_spectra(
    weights: Mapping[str, np.ndarray], recurrent: Collection[str]
) -> dict[tuple[str, str], np.ndarray]:
    """Return the spectra of all matrices among some weights.

    Args:
        weights: by name, any shapes; only finite matrices without an empty axis count.
        recurrent: names of matrices that map states to states, which have eigenvalues if they are square.

    Returns:
        (name, "singular_value") -> (min(m, n),) and (name, "eigenvalue") -> (n,) complex, each by falling modulus.
    """
    spectra: dict[tuple[str, str], np.ndarray] = {}
    for name, weight in weights.items():
        matrix = np.asarray(weight, dtype=np.float64)
        if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
            continue
        if name in recurrent and matrix.shape[0] == matrix.shape[1]:
            values = np.linalg.eigvals(matrix).astype(complex)
            spectra[name, "eigenvalue"] = values[np.argsort(-np.abs(values), kind="stable")]
        spectra[name, "singular_value"] = np.linalg.svd(matrix, compute_uv=False)
    return spectra
