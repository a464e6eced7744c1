"""Windows of a series, taken as whole batches.

Letters: B windows, T steps, N observed dimensions, K inputs, R rows of all stretches of a split.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rnnexp.tasks.time_series.recordings import Recording


class Windows:
    """All windows of T + 1 samples that lie inside one stretch and start with a value.

    A stretch that is shorter than a window, of two samples at least, is one window by itself: what is past its end is
    missing, and counts as padding.

    Args:
        recordings: the stretches of one split.
        n_steps: T >= 1.
        split: name of the split, for messages.
        elsewhere: further stretches, of which a share of the windows is drawn.
        share: of these, in [0, 1).

    Attributes:
        starts: (n,) int64, the row that each window starts with, counted through all stretches, of which each is as
            long as a window at least.
        has_gaps: whether an observation is missing anywhere.
        lengths: steps of each of these windows (n,) int64; None where all have T.

    Raises:
        ValueError: no window starts with a value.
    """

    def __init__(
        self,
        recordings: list[Recording],
        n_steps: int,
        split: str,
        elsewhere: Sequence[Recording] = (),
        share: float = 0.0,
    ) -> None:
        self.n_steps, self._share = n_steps, share
        n_rows = sum(max(len(recording), n_steps + 1) for recording in recordings)
        recordings = [*recordings, *elsewhere]
        lengths = np.concatenate(
            [np.full(max(1, len(r) - n_steps), min(n_steps, len(r) - 1)) for r in recordings]
        )
        recordings = [_filled(recording, n_steps + 1) for recording in recordings]
        observations = torch.from_numpy(np.concatenate([r.observations for r in recordings]))
        inputs = torch.from_numpy(np.concatenate([r.inputs for r in recordings]))
        self.has_gaps = bool(observations.isnan().any())
        self._tables = {torch.float64: (observations, inputs)}
        starts, first = [], 0
        for recording in recordings:
            any_value = ~np.isnan(recording.observations).all(axis=1)
            starts.append(np.where(any_value[: len(recording) - n_steps], first, -1))
            starts[-1] += np.where(starts[-1] >= 0, np.arange(len(starts[-1])), 0)
            first += len(recording)
        every = np.concatenate(starts)
        is_window = (every >= 0) & (lengths >= 1)
        self.starts = torch.from_numpy(every[is_window])
        self.lengths = None
        if (lengths[is_window] < n_steps).any():
            self.lengths = torch.from_numpy(lengths[is_window])
        if not len(self.starts):
            raise ValueError(
                f"the {split} part has no value that a window of {n_steps + 1} rows could start with"
            )

        self._n_own = int((self.starts < n_rows).sum())  # windows that are not elsewhere

    def draw(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the starts of `batch_size` windows, uniformly and with replacement, (B,) int64."""
        chosen = torch.randint(self._n_own, (batch_size,), generator=generator)
        if self._share:
            others = torch.randint(self._n_own, len(self.starts), (batch_size,), generator=generator)
            is_other = torch.rand(batch_size, generator=generator) < self._share
            chosen = torch.where(is_other, others, chosen)
        return self.starts[chosen]

    def lengths_of(self, starts: Tensor) -> Tensor | None:
        """Return the steps of the windows with these starts (B,), or None where all have T."""
        return None if self.lengths is None else self.lengths[torch.searchsorted(self.starts, starts)]

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


def _filled(recording: Recording, n_rows: int) -> Recording:
    """Return a stretch with as many rows at least, what it lacks missing."""
    lacking = n_rows - len(recording)
    if lacking <= 0:
        return recording
    rows = ((0, lacking), (0, 0))
    return Recording(
        np.pad(recording.observations, rows, constant_values=np.nan), np.pad(recording.inputs, rows)
    )


def _rows(table: Tensor, starts: Tensor, count: int) -> Tensor:
    """Return `count` rows of a contiguous table (R, D) from each start on, (B, count, D)."""
    n_rows, width = table.shape
    if width == 0:
        return table.new_empty(len(starts), count, 0)
    return table.as_strided((n_rows - count + 1, count, width), (width, width, 1)).index_select(0, starts)
