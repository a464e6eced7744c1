"""Trials from a file of the user: inputs, targets, mask, conditions and lengths.

Letters: B trials, T time steps, K inputs, O outputs, n trials of a file.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from rnnexp.named_arrays import SUFFIXES, Found, named_arrays
from rnnexp.numbers import integer_at_least, is_whole
from rnnexp.tasks.base import Task, Trials

Split = Literal["training", "validation", "test"]


class RecordedTrials(Task):
    """Trials that a file holds: the network gets their inputs, and its outputs are to be their targets.

    The file holds arrays by name: inputs (n, T, K), targets (n, T, O), and as far as they are there mask (n, T, O) or
    (n, T), and lengths (n,), the steps of each trial where they differ. In MATLAB files inputs, targets and mask may be
    cell arrays of trials, (T_i, K) each. All other arrays (n,) of numbers are conditions. Trials are parted at random,
    but always the same way, into those for training, validation and test. Each part is gone through in random order,
    every trial once before one comes again. Metrics: the accuracy of a choice where there are several outputs.

    Args:
        path: a .npz, .h5, .hdf5 or .mat file.
        dt: time between two steps, ms, > 0.
        tau: time constant of leaky networks for this task, ms, > 0, or None.
        inputs, targets, mask, lengths: names of the arrays in the file; mask and lengths may be missing there.
        condition: the condition by which pictures tell trials apart; None: the first one that the file holds.
        validation: share of trials for validation in (0, 1), or their number >= 1.
        test: the same for the test.

    Raises:
        ValueError: the file cannot be read, or what it holds does not fit.
    """

    def __init__(
        self,
        path: str,
        dt: float = 10.0,
        tau: float | None = None,
        inputs: str = "inputs",
        targets: str = "targets",
        mask: str = "mask",
        lengths: str = "lengths",
        condition: str | None = None,
        validation: int | float = 0.1,
        test: int | float = 0.2,
    ) -> None:
        arrays = _read(path)
        names = {"inputs": inputs, "targets": targets, "mask": mask, "lengths": lengths}
        for role in ("inputs", "targets"):
            if names[role] not in arrays:
                held = ", ".join(arrays) or "no array"
                raise ValueError(f"{path}: has no array {names[role]} for the {role}; it holds {held}")
        x, counts = _series(path, inputs, arrays[inputs])
        y, counts_y = _series(path, targets, arrays[targets])
        if x.shape[:2] != y.shape[:2] or not np.array_equal(counts, counts_y):
            raise ValueError(
                f"{path}: {inputs} and {targets} must have the same trials and time steps, got {x.shape} and {y.shape}"
            )
        counts = _lengths(path, lengths, arrays.get(lengths), counts, x.shape[1])
        weights = _mask(path, mask, arrays.get(mask), y.shape, counts_y)
        is_real = np.arange(x.shape[1]) < counts[:, None]
        for name, values in ((inputs, x), (targets, y), (mask, weights)):
            _check_finite(path, name, values, is_real)
        super().__init__(
            input_dim=x.shape[2], output_dim=y.shape[2], dt=dt, T=x.shape[1] * dt if dt > 0 else 1.0, tau=tau,
        )  # fmt: skip
        tensors = (torch.from_numpy(np.where(is_real[:, :, None], values, 0.0)) for values in (x, y, weights))
        whole = None if (counts == x.shape[1]).all() else torch.from_numpy(counts)
        conditions = _conditions(arrays, names.values(), len(x))
        self._trials = Trials(*tensors, conditions, lengths=whole)
        self.condition = next(iter(conditions), None) if condition is None else condition
        if condition is not None and condition not in conditions:
            held = ", ".join(conditions) or "there is none"
            raise ValueError(
                f"condition: {condition}: must be one of the arrays ({len(x)},) of {path}: {held}"
            )
        self._rows = _parted(path, len(x), validation, test)
        self.split: Split = "training"

    def for_split(self, split: str) -> "RecordedTrials":
        """Return the task whose trials belong to a split; see `Task.for_split`."""
        other = copy.copy(self)
        other.split = split
        return other

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        batch: int = 1,
    ) -> Trials:
        """Return trials of the split in random order, all of them before one comes again; see `Task.sample`."""
        del batch
        integer_at_least("batch_size", batch_size, 1)
        rows, chosen = self._rows[self.split], []
        for _ in range(-(-batch_size // len(rows))):
            chosen.append(rows[torch.randperm(len(rows), generator=generator)])
        trials = self._trials[torch.cat(chosen)[:batch_size]]
        parts = (x.to(dtype) for x in (trials.inputs, trials.targets, trials.mask))
        return Trials(*parts, trials.conditions, lengths=trials.lengths)

    @property
    def chance(self) -> dict[str, float]:
        """None: how often each choice is right depends on the file."""
        return {}


def _read(path: str) -> Mapping[str, Found]:
    file = Path(path).expanduser()
    if not file.is_file():
        where = "" if file.is_absolute() else f" in {Path.cwd()}"
        raise ValueError(f"{path}: no such file{where}")
    if file.suffix not in SUFFIXES:
        raise ValueError(f"{path}: must be a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file")
    try:
        found = named_arrays(file)
        return {name: found[name] for name in found}
    except ModuleNotFoundError as error:
        raise ValueError(f"{path}: {error}") from error
    except ValueError as error:
        hint = " (pickled), which are not loaded; save plain numbers" if "Object arrays" in str(error) else ""
        raise ValueError(f"{path}: {error}{hint}") from error


def _series(path: str, name: str, found: Found) -> tuple[np.ndarray, np.ndarray]:
    """Return series (n, T, -), padded to the longest, and the steps of each trial."""
    if isinstance(found, list):
        shapes = {cell.shape[1:] for cell in found}
        if not found or len(shapes) != 1 or any(cell.ndim != 2 for cell in found):
            raise ValueError(
                f"{path}: {name} must be a cell array of trials (T_i, channels) with the same channels"
            )
        counts = np.array([len(cell) for cell in found])
        whole = np.zeros((len(found), counts.max(), found[0].shape[1]))
        for row, cell in enumerate(found):
            whole[row, : len(cell)] = _numbers(path, name, cell)
        return whole, counts
    array = _numbers(path, name, found)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape[:2] or (name == "targets" and not array.shape[2]):
        raise ValueError(
            f"{path}: {name} must be (trials, time steps, channels), got the shape {found.shape}"
        )
    return array, np.full(len(array), array.shape[1])


def _numbers(path: str, name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: {name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(np.float64)


def _lengths(path: str, name: str, found: Found | None, counts: np.ndarray, n_steps: int) -> np.ndarray:
    if found is None:
        return counts
    given = np.asarray(found).ravel() if not isinstance(found, list) else np.empty(0)
    is_fine = given.shape == counts.shape and given.dtype.kind in "fiu" and np.isfinite(given).all()
    if not is_fine or not ((given >= 1) & (given <= counts) & (given == np.round(given))).all():
        raise ValueError(
            f"{path}: {name} must be ({len(counts)},), each a whole number from 1 to {n_steps}, and no more than its "
            "trial has steps"
        )
    return given.astype(np.int64)


def _mask(
    path: str, name: str, found: Found | None, shape: tuple[int, ...], counts: np.ndarray
) -> np.ndarray:
    if found is None:
        return np.ones(shape)
    mask, counts_mask = _series(path, name, found)
    if isinstance(found, list) and not np.array_equal(counts_mask, counts):
        raise ValueError(f"{path}: {name} must have the steps of the targets in each trial of the cell array")
    if mask.shape not in (shape, (*shape[:2], 1)):
        raise ValueError(f"{path}: {name} must be {shape} or {shape[:2]}, as the targets, got {mask.shape}")
    return np.broadcast_to(mask, shape).copy()


def _check_finite(path: str, name: str, values: np.ndarray, is_real: np.ndarray) -> None:
    bad = ~np.isfinite(values) & is_real[:, :, None]
    if bad.any():
        trial, step, channel = (int(place) for place in np.argwhere(bad)[0])
        raise ValueError(
            f"{path}: {values[trial, step, channel]} in {name}, trial {trial}, step {step}, channel {channel} (counted "
            "from 0): must be a finite number; steps past the end of a trial are told by lengths"
        )


def _conditions(arrays: Mapping[str, Found], taken: Any, n_trials: int) -> dict[str, Tensor]:
    conditions = {}
    for name in arrays:
        if name in taken:
            continue
        found = arrays[name]
        if isinstance(found, list) or found.dtype.kind not in "fiub" or found.size != n_trials:
            continue
        flat = found.ravel()
        kind = np.float64 if flat.dtype.kind == "f" else np.int64
        conditions[name] = torch.from_numpy(flat.astype(kind))
    return conditions


def _parted(path: str, n_trials: int, validation: int | float, test: int | float) -> dict[str, Tensor]:
    """Return the rows of each split."""
    counts = {}
    for split, share in (("validation", validation), ("test", test)):
        is_count = is_whole(share, 1)
        if isinstance(share, bool) or (not is_count and not 0 < share < 1):
            raise ValueError(
                f"{split} must be a share in (0, 1) or a whole number of trials >= 1, got {share!r}"
            )
        counts[split] = int(share) if is_count else max(1, round(share * n_trials))
    left = n_trials - sum(counts.values())
    if left < 1:
        taken = " and ".join(f"{count} {split}" for split, count in counts.items())
        raise ValueError(f"{taken} trials leave none of the {n_trials} of {path} to train on")
    order = torch.randperm(n_trials, generator=torch.Generator().manual_seed(0))
    sizes: Sequence[int] = [left, counts["validation"], counts["test"]]
    return dict(zip(("training", "validation", "test"), order.split(sizes), strict=True))
