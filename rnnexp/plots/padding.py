"""Trials of unequal length in pictures: what lies past the end of a trial is no value.

Letters: B trials, T time steps.
"""

import numpy as np


def blanked(values: np.ndarray, lengths: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Put nan where trials have ended, which lines, images and means leave out.

    Args:
        values: (B, T, ...), any number in padding.
        lengths: (B,), steps of each trial, from 1 to T; None where all have T.

    Returns:
        The values, and which trials are finite in all of their own steps, (B,) bool.
    """
    values = np.asarray(values)
    if lengths is None:
        return values, np.isfinite(values).reshape(len(values), -1).all(axis=1)
    is_padding = np.arange(values.shape[1]) >= np.asarray(lengths)[:, None]
    values = values.astype(float)
    values[is_padding] = 0.0
    whole = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    values[is_padding] = np.nan
    return values, whole
