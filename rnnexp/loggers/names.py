"""What loggers call things, the same in all of them."""

import math
from typing import Any

NOT_SCALARS = ("step", "split", "seconds")


def scalars(row: dict[str, Any]) -> dict[str, float]:
    """Return the finite numbers of a row of metrics.csv, under split/name."""
    return {
        f"{row['split']}/{name}": float(value)
        for name, value in row.items()
        if name not in NOT_SCALARS and is_finite_number(value)
    }


def is_finite_number(value: Any) -> bool:
    """Whether a value can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration by dotted keys, lists as texts."""
    from rnnexp.saved.differences import flat

    return {
        key: value if isinstance(value, bool | int | float | str) else str(value)
        for key, value in flat(config).items()
    }
