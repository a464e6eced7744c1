"""The curve of a metric against a number that a sweep varied."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rnnexp.plots.curve import metric_curve
from rnnexp.plots.style import save


def table(values=(0.0, 0.1, 0.2, 0.4), groups=("a", "b"), n_seeds=3):
    rows = [
        {"net": group, "lesion.percentage": x, "lesion.seed": seed, "test_accuracy": 1 - x - 0.01 * seed}
        for group in groups
        for x in values
        for seed in range(n_seeds)
    ]
    return pd.DataFrame(rows)


def drawn(figure, tmp_path):
    return np.asarray(Image.open(save(figure, tmp_path / "figure.png")).convert("L"))


def test_a_line_per_group_passes_through_the_means_and_jobs_are_points(tmp_path):
    figure = metric_curve(table(), "lesion.percentage", "test_accuracy", ["net"])
    (axes,) = figure.axes
    points, means = axes.lines[::2], axes.lines[1::2]
    assert [len(line.get_xdata()) for line in points] == [12, 12]
    assert all(line.get_xdata().tolist() == [0.0, 0.1, 0.2, 0.4] for line in means)
    assert means[0].get_ydata() == pytest.approx([0.99, 0.89, 0.79, 0.59])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("share of lesioned units", "test accuracy")
    assert axes.get_title(loc="left") == "mean ± sd over jobs"
    drawn(figure, tmp_path)


def test_a_single_group_has_no_legend_and_single_jobs_no_band(tmp_path):
    figure = metric_curve(table(groups=("a",), n_seeds=1), "lesion.percentage", "test_accuracy")
    (axes,) = figure.axes
    assert axes.get_legend() is None
    assert not axes.collections
    drawn(figure, tmp_path)


def test_a_wide_metric_is_drawn_by_median_on_a_log_axis(tmp_path):
    rows = table(groups=("a",)).assign(test_loss=lambda t: 10.0 ** (10 * t["lesion.percentage"]))
    (axes,) = metric_curve(rows, "lesion.percentage", "test_loss").axes
    assert axes.get_yscale() == "log"
    assert axes.get_xscale() == "linear"
    assert "median" in axes.get_title(loc="left")
    rates = rows.assign(lr=np.tile([1e-4, 1e-3, 1e-2], 4))
    assert metric_curve(rates, "lr", "test_accuracy").axes[0].get_xscale() == "log"


def test_jobs_without_a_value_are_counted(tmp_path):
    rows = table()
    rows.loc[0, "test_accuracy"] = np.nan
    (axes,) = metric_curve(rows, "lesion.percentage", "test_accuracy", ["net"]).axes
    assert axes.get_title(loc="left") == "mean ± sd over jobs, 1 of 24 jobs without a value"
    drawn(metric_curve(rows.assign(test_accuracy=np.nan), "lesion.percentage", "test_accuracy"), tmp_path)


def test_more_groups_than_colours_are_said():
    rows = table(groups=[f"net {i}" for i in range(11)])
    (axes,) = metric_curve(rows, "lesion.percentage", "test_accuracy", ["net"]).axes
    assert axes.get_title(loc="left") == "mean ± sd over jobs, the first 8 of 11 groups"


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match=r"lesion\.scale"):
        metric_curve(table(), "lesion.scale", "test_accuracy")
