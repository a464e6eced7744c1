"""What columns of tables are called in pictures, and how they are to be read."""

import re

import numpy as np

METRICS = {
    "loss": "loss", "mse": "mean squared error", "accuracy": "accuracy", "d_stsp": "$D_{stsp}$", "d_h": "$D_H$",
    "psc": "power-spectrum correlation", "lyapunov": "largest Lyapunov exponent",
    "failed": "share of runs that diverged", "endpoint_error": "endpoint error (m)", "peak_speed": "peak speed (m/s)",
    "movement_time": "movement time (ms)", "straightness": "path / distance", "success": "share of successes",
    "lateral_error": "lateral error (m)", "reaction_time": "reaction time (ms)",
}  # fmt: skip
LOWER_IS_BETTER = ("loss", "mse", "d_stsp", "d_h", "failed", "endpoint_error")
SETTINGS = {
    "optimizer.lr": "learning rate", "latent_dim": "latent dimension M", "latent_step.num_relus": "rectified units P",
    "trainer.n_trials": "training trials", "trainer.batch_size": "trials per update", "forcing.tau": "forcing interval",
    "lesion.percentage": "share of lesioned units",
}  # fmt: skip
SPLITS = ("test", "best_validation", "final_validation", "validation")


def split_and_metric(column: str) -> tuple[str, str]:
    """Return the split that a column of results.csv begins with, "" for none, and the metric, as in metrics.csv."""
    split = next((name for name in SPLITS if column.startswith(f"{name}_")), "")
    return split, column[len(split) + 1 :] if split else column


def metric_name(column: str) -> str:
    """Return the words for a column of metrics.csv or results.csv, such as "test accuracy" or "$D_{stsp}$"."""
    split, bare = split_and_metric(column)
    known = METRICS.get(bare)
    if known is None:
        steps = re.fullmatch(r"pe_(\d+)", bare)
        known = f"prediction error, {steps[1]} steps" if steps else bare.replace("_", " ")
    return f"{split.replace('_', ' ')} {known}".strip()


def metric_label(column: str) -> str:
    """Return the words for an axis: the name, and that lower is better where it is."""
    return f"{metric_name(column)} (lower is better)" if lower_is_better(column) else metric_name(column)


def lower_is_better(column: str) -> bool:
    """Whether small values of a column are the good ones."""
    bare = split_and_metric(column)[1]
    return bare in LOWER_IS_BETTER or bare.startswith("pe_")


def setting_name(key: str) -> str:
    """Return the words for a setting that a sweep varies; the key itself where there are none."""
    return SETTINGS.get(key, key)


def is_share(column: str) -> bool:
    """Whether a column holds shares from 0 to 1."""
    return "accuracy" in column or column.endswith(("failed", "success"))


def is_log_spaced(values: np.ndarray) -> bool:
    """Whether numbers > 0, three at least, are spaced more evenly by their ratios than by their differences."""
    unique = np.unique(values[np.isfinite(values)])
    if len(unique) < 3 or unique[0] <= 0:
        return False
    ratios, gaps = unique[1:] / unique[:-1], np.diff(unique)
    return bool(unique[-1] / unique[0] >= 4 and ratios.max() / ratios.min() < gaps.max() / gaps.min())
