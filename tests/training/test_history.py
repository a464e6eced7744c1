"""metrics.csv."""

import pandas as pd
import pytest

from rnnexp.training.history import History


def test_rows_are_on_disk_at_once_and_empty_cells_read_as_nan(tmp_path):
    history = History(tmp_path / "metrics.csv")
    history.append({"step": 0, "split": "validation", "loss": 0.1, "lr": None})
    history.append({"step": 5, "split": "train", "loss": 1 / 3, "lr": 1e-3})
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table) == ["step", "split", "loss", "lr"]
    assert table.loss[1] == 1 / 3
    assert pd.isna(table.lr[0])


def test_nan_is_written_as_such(tmp_path):
    History(tmp_path / "metrics.csv").append({"step": 0, "split": "validation", "loss": float("nan")})
    assert (tmp_path / "metrics.csv").read_text().splitlines()[1] == "0,validation,nan"


def test_a_new_column_is_refused(tmp_path):
    history = History(tmp_path / "metrics.csv")
    history.append({"step": 0, "split": "validation"})
    with pytest.raises(ValueError, match=r"metrics.csv has no column accuracy"):
        history.append({"step": 1, "split": "validation", "accuracy": 1.0})


def test_resume_drops_later_rows_and_the_test_and_goes_on(tmp_path):
    path = tmp_path / "metrics.csv"
    history = History(path)
    for step in (0, 10, 20):
        history.append({"step": step, "split": "validation", "loss": float(step)})
    history.append({"step": 10, "split": "test", "loss": 3.0})
    resumed = History(path, resume_step=10)
    resumed.append({"step": 15, "split": "validation", "loss": 15.0})
    table = pd.read_csv(path)
    assert list(table.step) == [0, 10, 15]
    assert set(table.split) == {"validation"}


@pytest.mark.parametrize("rest", ["12", "12,vali", "\0\0\0,\0"])
def test_a_row_that_was_half_written_is_dropped(tmp_path, rest):
    path = tmp_path / "metrics.csv"
    history = History(path)
    for step in (0, 10):
        history.append({"step": step, "split": "validation", "loss": float(step)})
    path.write_text(path.read_text() + rest)
    History(path, resume_step=100).append({"step": 20, "split": "validation", "loss": 20.0})
    assert list(pd.read_csv(path).step) == [0, 10, 20]
