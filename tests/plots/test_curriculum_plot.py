"""What the picture of a curriculum shows."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rnnexp.plots.curriculum import curriculum_history
from rnnexp.plots.style import save


def history(lengths, metric="accuracy", low=0.5, high=1.0, test=None):
    """Rows of metrics.csv with so many checks in each stage, and validation rows that are not to be drawn."""
    rows = []
    for stage, length in enumerate(lengths):
        for value in np.linspace(low, high, length):
            trials = 100 * (len(rows) + 1)
            rows.append({"trials": trials, "split": "curriculum", "stage": stage, metric: value})
    ends = [{"trials": 0, "split": "validation", "stage": 0, metric: 77.0}]
    if test is not None:
        ends.append({"trials": rows[-1]["trials"], "split": "test", "stage": len(lengths) - 1, metric: test})
    return pd.DataFrame(rows + ends)


def lines(figure, style=None):
    """The drawn lines, x and y, of a label or a line style."""
    (axes,) = figure.axes
    found = [line for line in axes.lines if style is None or line.get_linestyle() == style]
    return [(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)) for line in found]


def drawn(figure, tmp_path):
    return np.asarray(Image.open(save(figure, tmp_path / "figure.png")).convert("L"))


def test_checks_are_drawn_by_stage_with_the_threshold_of_each(tmp_path):
    figure = curriculum_history(history([5, 1, 4], test=0.93), "accuracy", [0.9, 0.8, 0.7])
    (axes,) = figure.axes
    by_label = {line.get_label(): line for line in axes.lines}
    assert list(by_label["0"].get_xdata()) == [100, 200, 300, 400, 500]
    assert list(by_label["1"].get_xdata()) == [600]
    assert list(by_label["2"].get_xdata()) == [700, 800, 900, 1000]
    assert len({by_label[str(stage)].get_color() for stage in range(3)}) == 3
    thresholds = [(list(x), y[0]) for x, y in lines(figure, "--") if len(set(y)) == 1 and len(x) == 2]
    for level, span in ((0.9, [0, 500]), (0.8, [500, 600]), (0.7, [600, 1000])):
        assert (span, level) in thresholds
    written = [text.get_text() for text in axes.texts]
    assert written == ["threshold 0.9", "threshold 0.8", "threshold 0.7", "test 0.93"]
    legend = axes.get_legend()
    assert legend.get_title().get_text() == "stage"
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2"]
    assert axes.get_ylim() == (0, 1.03)
    assert drawn(figure, tmp_path).min() < 100


def test_stages_that_were_not_reached_have_no_threshold():
    (axes,) = curriculum_history(history([3, 2]), "accuracy", [0.9, 0.8, 0.7, 0.6]).axes
    assert [text.get_text() for text in axes.texts] == ["threshold 0.9", "threshold 0.8"]


def test_one_threshold_for_all_is_named_once():
    (axes,) = curriculum_history(history([3, 2, 2]), "accuracy", [0.9] * 3).axes
    assert [text.get_text() for text in axes.texts] == ["threshold 0.9"]


def test_a_loss_is_on_a_log_axis_that_holds_the_thresholds():
    table = history([20, 20], metric="mse", low=1.0, high=0.01)
    (axes,) = curriculum_history(table, "mse", [0.02, 0.001]).axes
    assert axes.get_yscale() == "log"
    low, high = axes.get_ylim()
    assert low < 0.001
    assert 1.0 < high < 77.0


def test_many_stages_are_named_by_the_first_and_the_last(tmp_path):
    figure = curriculum_history(history([30] * 12), "accuracy", [0.9 - 0.01 * stage for stage in range(12)])
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["0", "11"]
    drawn(figure, tmp_path)


def test_a_training_without_any_check_and_one_that_diverged_are_drawn(tmp_path):
    table = history([3], test=0.5)
    figure = curriculum_history(table[table.split != "curriculum"], "accuracy", [0.9])
    assert [text.get_text() for text in figure.axes[0].texts] == ["no check"]
    drawn(figure, tmp_path)
    drawn(curriculum_history(table.assign(accuracy=np.nan), "accuracy", [0.9]), tmp_path)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="metrics must have the columns stage, got "):
        curriculum_history(history([3]).drop(columns="stage"), "accuracy", [0.9])
