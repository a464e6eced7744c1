"""How long a free run follows the data from their common start.

Letters: T steps, N observed dimensions.
"""

import numpy as np


def prediction_horizon(
    true: np.ndarray, generated: np.ndarray, sd: np.ndarray, threshold: float = 0.5
) -> int:
    """Return the number of steps before the normalised error first exceeds a threshold.

        e_t = sqrt( mean over n of ( (generated_tn - true_tn) / sd_n )^2 ),  n over the observed values of step t

    Args:
        true: (T, N), nan where missing.
        generated: (T, N), row t is the prediction of row t; a value that is not finite exceeds every threshold.
        sd: (N,), standard deviations of the data, > 0.
        threshold: > 0.

    Returns:
        The steps, T if the error stays below.

    Raises:
        ValueError: shapes do not agree.

    Source: valid prediction time of Vlachas et al. 2020.
    """
    true, generated, sd = (np.asarray(values, dtype=float) for values in (true, generated, sd))
    if true.ndim != 2 or true.shape != generated.shape or sd.shape != true.shape[1:]:
        raise ValueError(
            f"true and generated must be (T, N) and sd (N,), got {true.shape}, {generated.shape} and {sd.shape}"
        )
    observed = ~np.isnan(true)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.where(observed, ((generated - true) / sd) ** 2, 0.0)
        errors = np.sqrt(squares.sum(axis=1) / np.maximum(observed.sum(axis=1), 1))
    lost = ~(errors <= threshold)
    return int(lost.argmax()) if lost.any() else len(true)
