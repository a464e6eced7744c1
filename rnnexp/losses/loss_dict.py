"""LossDict: the values that a loss returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import add
from types import MappingProxyType
from typing import NoReturn

import torch
from torch import Tensor


class LossDict(Mapping[str, Tensor]):
    """The values of a loss: a read-only mapping of key -> weighted value, in the order of the loss's terms.

    The order is the same in every call, neither sorted nor changed by the device, so that the columns of a
    table made from it stay in place.

    Args:
        weighted: key -> weight * value; 0-d during training, or histories of one common shape such as (n,) or
            (n, replicates).
        raw: key -> value before the weight; left out where only weighted values are known.
    """

    def __init__(self, weighted: Mapping[str, Tensor], raw: Mapping[str, Tensor] | None = None) -> None:
        self._weighted = dict(weighted)
        self._raw = dict(raw or {})
        self._total = reduce(add, self._weighted.values()) if self._weighted else torch.zeros(())

    @property
    def total(self) -> Tensor:
        """Sum of the weighted values, element by element: 0-d during training, with gradient."""
        return self._total

    @property
    def raw(self) -> Mapping[str, Tensor]:
        """Key -> value before the weight."""
        return MappingProxyType(self._raw)

    def __getitem__(self, key: str) -> Tensor:
        return self._weighted[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._weighted)

    def __len__(self) -> int:
        return len(self._weighted)

    def __setitem__(self, key: str, value: object) -> NoReturn:
        raise TypeError(f"LossDict is read-only, {key!r} cannot be set: edit a copy, dict(losses)")

    def __delitem__(self, key: str) -> NoReturn:
        raise TypeError(f"LossDict is read-only, {key!r} cannot be removed: edit a copy, dict(losses)")

    def update(self, *args: object, **kwargs: object) -> NoReturn:
        """Refuse: the values are fixed.

        Raises:
            TypeError: always.
        """
        raise TypeError("LossDict is read-only and cannot be updated: edit a copy, dict(losses)")

    def __repr__(self) -> str:
        shown = {**self._weighted, "total": self._total}
        values = (
            f"{k}={v.item():.6g}" if v.dim() == 0 else f"{k}={tuple(v.shape)}" for k, v in shown.items()
        )
        return f"LossDict({', '.join(values)})"
