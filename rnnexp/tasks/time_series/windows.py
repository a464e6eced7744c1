"""Windows of a series, taken as whole batches.

Letters: B windows, T steps, N observed dimensions, K inputs, R rows of all stretches of a split.
"""

import numpy as np
import torch
from torch import Tensor

from rnnexp.tasks.time_series.recordings import Recording


class Windows:
    """All windows of T + 1 samples that lie inside one stretch and start with a value.

    Args:
        recordings: the stretches of one split.
        n_steps: T >= 1.
        split: name of the split, for messages.

    Attributes:
        starts: (n,) int64, the row that each window starts with, counted through all stretches.
        has_gaps: whether an observation is missing anywhere.

    Raises:
        ValueError: no window starts with a value.
    """

    def __init__(self, recordings: list[Recording], n_steps: int, split: str) -> None:
        self.n_steps = n_steps
        observations = torch.from_numpy(np.concatenate([r.observations for r in recordings]))
        inputs = torch.from_numpy(np.concatenate([r.inputs for r in recordings]))
        self.has_gaps = bool(observations.isnan().any())
        self._tables = {torch.float64: (observations, inputs)}
        starts, first = [], 0
        for recording in recordings:
            any_value = ~np.isnan(recording.observations).all(axis=1)
            starts.append(first + np.flatnonzero(any_value[: max(0, len(recording) - n_steps)]))
            first += len(recording)
        self.starts = torch.from_numpy(np.concatenate(starts))
        if not len(self.starts):
            raise ValueError(
                f"the {split} part has no value that a window of {n_steps + 1} rows could start with"
            )

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the starts of `batch_size` windows, uniformly and with replacement, (B,) int64."""
        chosen = torch.randint(len(self.starts), (batch_size,), generator=generator)
        return self.starts[chosen]

    def cut(self, starts: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cut windows out.

        Args:
            starts: (B,) int64.
            dtype: of the result.

        Returns:
            Fresh tensors: observations x_0 .. x_T (B, T + 1, N), inputs s_0 .. s_{T-1} (B, T, K).
        """
        if dtype not in self._tables:  # converted once, not in every batch
            self._tables[dtype] = tuple(table.to(dtype) for table in self._tables[torch.float64])
        observations, inputs = self._tables[dtype]
        return _rows(observations, starts, self.n_steps + 1), _rows(inputs, starts, self.n_steps)


def _rows(table: Tensor, starts: Tensor, count: int) -> Tensor:
    """Return `count` rows of a contiguous table (R, D) from each start on, (B, count, D)."""
    n_rows, width = table.shape
    if width == 0:
        return table.new_empty(len(starts), count, 0)
    return table.as_strided((n_rows - count + 1, count, width), (width, width, 1)).index_select(0, starts)
