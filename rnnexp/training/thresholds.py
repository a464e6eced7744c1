"""When a measured value counts as having reached a threshold."""

from typing import Literal

RELATIVE_ERROR = 1e-6  # of a float32 mean over batches; the accuracies of up to a million trials stay apart


def reached(value: float, threshold: float, mode: Literal["max", "min"]) -> bool:
    """Return whether a value is at a threshold or beyond it, a rounding error of the value apart.

    So 96 correct trials of 100, which is 0.95999998 in float32, reach 0.96.

    Args:
        value: what was measured; nan never reaches anything.
        threshold: finite.
        mode: "max": the value must be >= the threshold; "min": <=.
    """
    slack = RELATIVE_ERROR * abs(threshold)
    return value >= threshold - slack if mode == "max" else value <= threshold + slack
