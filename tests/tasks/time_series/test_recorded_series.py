"""The user's own files: what is read, how it is cut into trials and parts, and what is refused in which words."""

import logging
import re

import numpy as np
import pytest
import torch

from rnnexp.tasks.time_series import RecordedSeries
from rnnexp.tasks.time_series.recorded import cut_in_time
from rnnexp.tasks.time_series.recordings import Recording

RAW = {"sequence_length": 5, "standardize": False}


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def walk(n_rows: int, n_columns: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n_rows, n_columns)).cumsum(axis=0)


def saved(name: str, array: np.ndarray) -> str:
    np.save(name, array)
    return name


def written(name: str, text: str) -> str:
    with open(name, "w") as file:
        file.write(text)
    return name


def as_csv(array: np.ndarray, header: str = "", delimiter: str = ",") -> str:
    lines = [delimiter.join(repr(float(value)) for value in row) for row in array]
    return "\n".join(([header] if header else []) + lines) + "\n"


def rows_of(task: RecordedSeries, split: str) -> np.ndarray:
    return np.concatenate([series.observations for series in task.series(split)])


def test_an_array_is_cut_in_time_training_first():
    data = walk(1000)
    task = RecordedSeries(saved("my.npy", data), **RAW)
    assert np.array_equal(rows_of(task, "training"), data[:700])
    assert np.array_equal(rows_of(task, "validation"), data[700:800])
    assert np.array_equal(rows_of(task, "test"), data[800:])
    assert (task.dt, task.time_unit, task.output_labels) == (1.0, "steps", ["0", "1"])


@pytest.mark.parametrize(
    ("settings", "unit"),
    [({"dt": 0.1}, "time units"), ({"dt": 0.1, "time_unit": "s"}, "s"), ({"time_unit": "days"}, "days")],
)
def test_times_that_are_no_steps_are_not_called_steps(settings, unit):
    assert RecordedSeries(saved("my.npy", walk(1000)), **RAW, **settings).time_unit == unit


@pytest.mark.parametrize(
    ("validation", "test", "borders"),
    [(0.25, 0.25, (500, 750)), (100, 200, (700, 800)), (50, 0.5, (450, 500))],
)
def test_parts_are_shares_or_numbers_of_rows(validation, test, borders):
    data = walk(1000)
    task = RecordedSeries(saved("my.npy", data), validation=validation, test=test, **RAW)
    assert np.array_equal(rows_of(task, "training"), data[: borders[0]])
    assert np.array_equal(rows_of(task, "validation"), data[borders[0] : borders[1]])
    assert np.array_equal(rows_of(task, "test"), data[borders[1] :])


def test_a_part_may_have_files_of_its_own():
    data, other = walk(100), walk(80, seed=1)
    task = RecordedSeries(saved("my.npy", data), validation=0.3, test=saved("test.npy", other), **RAW)
    assert np.array_equal(rows_of(task, "training"), data[:70])
    assert np.array_equal(rows_of(task, "validation"), data[70:])
    assert np.array_equal(rows_of(task, "test"), other)
    lists = RecordedSeries("my.npy", validation=["test.npy", "test.npy"], test="test.npy", **RAW)
    assert len(lists.series("validation")) == 2
    assert len(rows_of(lists, "training")) == 100


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", "bool"])
def test_every_real_dtype_is_read(dtype):
    data = (walk(200) > 0).astype(dtype)
    task = RecordedSeries(saved("my.npy", data), **RAW)
    assert np.array_equal(rows_of(task, "training"), data[:140].astype(float))


def test_one_array_of_an_npz_is_chosen_by_key():
    x, y, u = walk(100), walk(100, seed=1), walk(100, 1, seed=2)
    np.savez("my.npz", x=x, y=y, u=u)
    task = RecordedSeries("my.npz", key="y", inputs_key="u", **RAW)
    assert np.array_equal(rows_of(task, "training"), y[:70])
    assert np.array_equal(task.series("test")[0].inputs, u[80:])
    np.savez("one.npz", x=x)
    assert np.array_equal(rows_of(RecordedSeries("one.npz", **RAW), "test"), x[80:])


def test_one_column_may_come_as_a_vector():
    data = walk(100, 1)
    assert np.array_equal(rows_of(RecordedSeries(saved("my.npy", data[:, 0]), **RAW), "test"), data[80:])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", " ", "  "])
@pytest.mark.parametrize("header", [False, True])
def test_text_is_read_with_any_delimiter_with_and_without_header(delimiter, header):
    data = walk(100, 3)
    names = ["a", "b", "c"] if header else []
    path = written("my.csv", as_csv(data, delimiter.join(names), delimiter))
    task = RecordedSeries(path, **RAW)
    assert np.array_equal(rows_of(task, "training"), data[:70])
    assert task.output_labels == (names or ["0", "1", "2"])


def test_comments_marks_and_a_header_of_numbers_are_understood(caplog):
    data = walk(100)
    path = written("my.txt", "\ufeff# measured\n\n" + as_csv(data, "0,1"))
    task = RecordedSeries(path, **RAW)
    assert np.array_equal(rows_of(task, "training"), data[:70])
    assert "my.txt: the first line, 0,1, is taken for the names of the columns" in caplog.text


def test_columns_have_roles_by_name_or_number():
    data = walk(100, 4)
    path = written("my.csv", as_csv(data, "t,x,y,u"))
    task = RecordedSeries(path, observed=["y", 1], input_columns=["u"], **RAW)
    assert np.array_equal(rows_of(task, "training"), data[:70, [2, 1]])
    assert np.array_equal(task.series("training")[0].inputs, data[:70, [3]])
    assert (task.output_labels, task.input_labels) == (["y", "x"], ["u"])
    rest = RecordedSeries(path, input_columns=[0, "u"], **RAW)
    assert rest.output_labels == ["x", "y"]


def test_inputs_may_stand_in_a_file_of_their_own():
    data, inputs = walk(100), walk(100, 3, seed=5)
    saved("my.npy", data)
    np.savez("u.npz", other=data, u=inputs)
    for path, key in (
        (saved("u.npy", inputs), None),
        ("u.npz", "u"),
        (written("u.csv", as_csv(inputs)), None),
    ):
        task = RecordedSeries("my.npy", inputs_path=path, inputs_key=key, **RAW)
        assert task.input_dim == 3
        assert np.array_equal(task.series("validation")[0].inputs, inputs[70:80])


def test_the_three_ways_to_give_trials_agree():
    trials = walk(200).reshape(8, 25, 2)
    numbered = np.concatenate((trials, np.repeat([[3, 3, 3, 7, 0, 1, 2, 5]], 25, 0).T[:, :, None]), axis=2)
    numbered[1:3, :, 2] += np.array([1, 2])[:, None]
    cube = RecordedSeries(saved("cube.npy", trials), **RAW)
    files = RecordedSeries([saved(f"{n}.npy", trial) for n, trial in enumerate(trials)], **RAW)
    column = RecordedSeries(saved("rows.npy", numbered.reshape(-1, 3)), trial_column=2, **RAW)
    words = as_csv(trials.reshape(-1, 2)).splitlines()
    lines = [f"{line},trial {row // 25}" for row, line in enumerate(words)]
    named = RecordedSeries(written("my.csv", "\n".join(["x,y,trial", *lines])), trial_column="trial", **RAW)
    for task in (files, column, named):
        for split in ("training", "validation", "test"):
            pairs = zip(cube.series(split), task.series(split), strict=True)
            assert all(np.array_equal(one.observations, two.observations) for one, two in pairs)
    assert [len(series.observations) for series in cube.series("training")] == [25] * 5 + [15]
    assert [len(series.observations) for series in cube.series("validation")] == [10, 10]


def test_files_may_differ_in_length():
    parts = [walk(n, seed=n) for n in (50, 8, 42)]
    task = RecordedSeries([saved(f"{len(part)}.npy", part) for part in parts], validation=20, test=20, **RAW)
    assert [len(series.observations) for series in task.series("training")] == [50, 8, 2]
    assert np.array_equal(rows_of(task, "test"), parts[2][22:])


def test_windows_stay_inside_files():
    ramps = [1000.0 * n + np.arange(40.0)[:, None] ** 1.01 for n in range(5)]
    task = RecordedSeries([saved(f"{n}.npy", ramp) for n, ramp in enumerate(ramps)], **RAW)
    signal = task.sample(2000, torch.Generator().manual_seed(0)).signal[:, :, 0]
    assert signal.diff(dim=1).max() < 10


def test_cutting_keeps_every_row_once_and_in_order():
    rows = np.arange(100.0)[:, None]
    pieces = [Recording(part, np.empty((len(part), 0))) for part in np.split(rows, [13, 20, 77])]
    parts = cut_in_time(pieces, [15, 30, 55])
    assert [[len(piece) for piece in part] for part in parts] == [[13, 2], [5, 25], [32, 23]]
    assert np.array_equal(np.concatenate([p.observations for part in parts for p in part]), rows)


def test_missing_values_are_masked_on_demand():
    data = walk(100)
    data[3, 1] = np.nan
    text = as_csv(data, "x,y").replace("nan", "")
    inputs = walk(100, 1, seed=3)
    inputs[7] = np.nan
    saved("u.npy", inputs)
    task = RecordedSeries(written("my.csv", text), inputs_path="u.npy", missing="mask", **RAW)
    series = task.series("training")[0]
    assert np.isnan(series.observations).nonzero() == (3, 1)
    assert series.inputs[7] == 0
    trials = task.sample(500, torch.Generator().manual_seed(0))
    assert 0 < (trials.mask == 0).sum() < 500
    assert not trials.targets.isnan().any()


def refused(message: str, *arguments, **settings) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        RecordedSeries(*arguments, **{"sequence_length": 5, **settings})


def test_the_first_missing_value_is_named():
    data = walk(100, 3)
    data[12, 2] = data[50, 0] = np.nan
    hint = "must be a finite number; task.missing=mask leaves missing values out of the loss"
    refused(f"my.npy: nan in row 12, column 2 (counted from 0): {hint}", saved("my.npy", data))
    path = written("my.csv", as_csv(data, "x,y,z").replace("nan", ""))
    refused(f"my.csv: nan in row 12, column z (counted from 0): {hint}", path)
    cube = saved("cube.npy", np.where(np.isnan(data), np.nan, data).reshape(10, 10, 3))
    refused(f"cube.npy: nan in trial 1, row 2, column 2 (counted from 0): {hint}", cube)
    data[12, 2], data[50, 0] = np.inf, 0
    refused(
        "inf.npy: inf in row 12, column 2 (counted from 0): must be a finite number", saved("inf.npy", data)
    )
    refused("inf.npy: inf in row 12", "inf.npy", missing="mask")
    refused("missing must be refuse or mask, got 'drop'", "my.npy", missing="drop")


def test_a_missing_trial_number_or_input_is_refused():
    data = walk(100, 3)
    data[4, 0] = np.nan
    path = saved("my.npy", data)
    refused("my.npy: nan in row 4, column 0 (counted from 0)", path, trial_column=0, missing="mask")
    refused("my.npy: nan in row 4, column 0 (counted from 0)", path, input_columns=[0])


def test_too_few_rows_are_refused_with_the_numbers():
    path = saved("my.npy", walk(10))
    refused(
        "sequence_length: 200: a window needs 201 rows in one piece, but of the 10 rows the longest pieces are "
        "training 7, validation 1, test 2; give more data, a smaller sequence_length or other parts",
        path, sequence_length=200,
    )  # fmt: skip
    refused("sequence_length: 2: a window needs 3 rows", path, sequence_length=2)
    refused("8 validation and 2 test rows leave nothing of 10 rows to train on", path, validation=8)
    RecordedSeries(path, sequence_length=2, validation=3, test=3)


@pytest.mark.parametrize(
    ("share", "shown"), [(0, "0"), (1.0, "1.0"), (-0.1, "-0.1"), (1.5, "1.5"), (0.0, "0.0")]
)
def test_wrong_shares_are_refused(share, shown):
    refused(
        f"test must be a share in (0, 1), a whole number of rows >= 1 or a file of its own, got {shown}",
        saved("my.npy", walk(100)), test=share,
    )  # fmt: skip


def test_constant_columns_are_refused_by_number_and_name():
    data = walk(100)
    data[:80, 1] = 2.5
    refused("column 1 is constant in the training part, 2.5; leave it out", saved("my.npy", data))
    path = written("my.csv", as_csv(data, "x,valve"))
    refused("column 1 (valve) is constant in the training part, 2.5; leave it out", path)


def test_a_transposed_array_is_warned_of_once(caplog):
    with caplog.at_level(logging.WARNING):
        refused("sequence_length", saved("wide.npy", walk(100, 3).T))
    assert [record.getMessage() for record in caplog.records] == [
        "wide.npy: has 3 rows and 100 columns: rows are the samples in time; transpose it if columns are"
    ]


def test_a_column_that_is_a_time_is_not_reconstructed(caplog):
    data = np.column_stack((0.01 * np.arange(100), walk(100)))
    written("my.csv", as_csv(data, "Time,x,y"))
    refused(
        "my.csv: column Time rises evenly, by 0.01 a row, as a time or a row number does, and is not to be "
        "reconstructed; choose the others by task.observed=[x,y] and its step by task.dt=0.01", "my.csv",
    )  # fmt: skip
    saved("my.npy", np.column_stack((np.arange(100), walk(100))))
    refused(["my.npy: column 0 rises evenly, by 1 a row", " task.observed=[1,2]"][0], "my.npy")
    written("unit.csv", as_csv(data, "Time (ms),x,y"))
    refused(
        "unit.csv: column Time (ms) rises evenly, by 0.01 a row, as a time or a row number does, and is not to be "
        "reconstructed; choose the others by task.observed=[x,y] and its step by task.dt=0.01", "unit.csv",
    )  # fmt: skip
    written("uneven.csv", as_csv(np.column_stack((np.arange(100) ** 2, walk(100))), "t,x,y"))
    refused("uneven.csv: column t is called a time, and is not to be reconstructed", "uneven.csv")
    refused("clock.csv: column t rises evenly, by 0.01 a row, as a time or a row number does, and there is no other",
            written("clock.csv", as_csv(data[:, :1], "t")))  # fmt: skip
    trials = np.column_stack((np.repeat([0, 1], 50), np.tile(np.arange(50), 2), walk(100)))
    written("trials.csv", as_csv(trials, "trial,sample,x,y"))
    refused("trials.csv: column sample rises evenly, by 1 a row", "trials.csv", trial_column="trial")
    with caplog.at_level(logging.WARNING):
        RecordedSeries("my.csv", observed=["x", "y"], **RAW)
        RecordedSeries("my.csv", observed=["Time", "x"], **RAW)  # asked for
    assert caplog.records == []


def test_inputs_of_no_column_are_no_inputs():
    saved("my.npy", walk(100))
    task = RecordedSeries("my.npy", inputs_path=saved("none.npy", np.empty((100, 0))), **RAW)
    assert task.input_dim == 0
    refused("none.npy: has 90 rows of inputs", "my.npy", inputs_path=saved("none.npy", np.empty((90, 0))))
    refused("none.npy: has no column, 90 rows of nothing; must have at least one", "none.npy")


def test_names_of_columns_fit_into_a_line():
    x = walk(100)
    written("odd.csv", '"x\x1cone","\x00y"\n' + "\n".join(f"{a},{b}" for a, b in x) + "\n")
    assert RecordedSeries("odd.csv", **RAW).output_labels == ["x one", "y"]


def test_a_recording_without_inputs():
    x = walk(30)
    for recording in (Recording(x), Recording(x, None), Recording(x.tolist())):
        assert recording.inputs.shape == (30, 0)
        assert len(recording[5:9]) == 4


def test_files_that_cannot_be_read_are_refused_in_one_sentence(tmp_path):
    refused(f"no.npy: no such file in {tmp_path}", "no.npy")
    refused(f"{tmp_path}/no.npy: no such file", f"{tmp_path}/no.npy")
    for name in ("empty.npy", "empty.csv"):
        refused(f"{name}: is empty", written(name, ""))
    refused("none.npy: holds no samples", saved("none.npy", np.empty((0, 3))))
    refused("cube.npy: holds no samples", saved("cube.npy", np.empty((0, 10, 3))))
    refused("head.csv: holds no samples", written("head.csv", "x,y\n"))
    refused("comment.csv: cannot be read as a table", written("comment.csv", "# nothing else\n"))
    refused(
        "my.xls: must be a .npy, .npz, .h5, .hdf5, .hdf, .mat, .csv, .tsv or .txt file",
        written("my.xls", "x"),
    )
    refused("bad.npy: cannot be read as a .npy file", written("bad.npy", "1,2\n3,4\n" * 9))
    refused("bad.npz: cannot be read as a .npz file", written("bad.npz", "PK no zip file at all"))
    np.save("objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    refused(
        "objects.npy: holds Python objects (pickled), which are not loaded; save plain numbers", "objects.npy"
    )
    np.savez("objects.npz", x=np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    refused("objects.npz: holds Python objects (pickled)", "objects.npz", key="x")
    with open("binary.csv", "wb") as file:
        file.write(b"\xff\xfe\x00\x01" * 10)
    refused("binary.csv: is not a text file", "binary.csv")
    refused("path must be a file or a list of files, got []", [])
    refused("path must be a file or a list of files, got 3", 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (walk(50).astype(complex), "must hold real numbers, got dtype complex128"),
        (np.array([["a", "b"]] * 20), "must hold real numbers, got dtype <U1"),
        (np.zeros(20, dtype=[("x", float), ("y", float)]), "must hold real numbers, got dtype [("),
        (
            np.zeros((2, 3, 4, 5)),
            "must be (samples,), (samples, columns) or (trials, samples, columns), got the shape ",
        ),
        (
            np.float64(3),
            "must be (samples,), (samples, columns) or (trials, samples, columns), got the shape ()",
        ),
    ],
)
def test_arrays_of_another_kind_are_refused(array, message):
    refused(f"my.npy: {message}", saved("my.npy", array))


def test_text_that_is_no_table_of_numbers_is_refused():
    rows = as_csv(walk(30), "x,y").splitlines()
    rows[6] = "1.5,off"
    refused(
        "my.csv: 'off' in row 5, column y (counted from 0): must be a number",
        written("my.csv", "\n".join(rows)),
    )
    rows[6] = "1,2,3"
    refused("my.csv: cannot be read as a table, ", written("my.csv", "\n".join(rows)))
    wider = [rows[0], *(f"{number},1,{number}" for number in range(30))]
    refused(
        "my.csv: its lines hold more cells than its header, x,y",
        written("my.csv", "\n".join(wider)),
    )
    words = ["x,trial", *(f"{number},{'' if number == 4 else 'a'}" for number in range(30))]
    refused(
        "my.csv: nan in row 4, column trial (counted from 0)", written("my.csv", "\n".join(words)),
        trial_column="trial", missing="mask",
    )  # fmt: skip


def test_keys_and_columns_that_are_not_there_are_refused():
    saved("my.npy", walk(100))
    np.savez("my.npz", x=walk(100), y=walk(100))
    refused("my.npz: holds several arrays; choose one by its key: x, y", "my.npz")
    refused("my.npz: holds no array z; choose one by its key: x, y", "my.npz", key="z")
    refused(
        "my.npy: only a .npz, .h5, .hdf5, .hdf or .mat file has names for its arrays; leave out the key x",
        "my.npy",
        key="x",
    )
    refused("key: must name the array with the series, beside inputs_key", "my.npz", inputs_key="y")
    refused("observed: there is no column 2; there are the columns 0 to 1", "my.npy", observed=[2])
    refused(
        "trial_column: there is no column 'trial'; there are the columns 0 to 1",
        "my.npy",
        trial_column="trial",
    )
    refused("input_columns: each column may be named once, got [1, 1]", "my.npy", input_columns=[1, 1])
    refused(
        "observed: column 1 is an input or the trial column", "my.npy", observed=[0, 1], input_columns=[1]
    )
    refused("observed: my.npy has no column left to reconstruct", "my.npy", input_columns=[0, 1])


def test_files_that_do_not_go_together_are_refused():
    saved("my.npy", walk(100))
    saved("wide.npy", walk(100, 3))
    saved("u.npy", walk(90, 1))
    refused("wide.npy: has the columns 0, 1, 2; must have those of my.npy, 0, 1", ["my.npy", "wide.npy"])
    refused("wide.npy: has the columns 0, 1, 2; must have those of my.npy, 0, 1", "my.npy", test="wide.npy")
    refused(
        "u.npy: has 90 rows of inputs in 1 trials; must be 100 in 1, as the series in my.npy",
        "my.npy", inputs_path="u.npy",
    )  # fmt: skip
    refused("inputs_path: 1 files for 2 of path: must be one for each", ["my.npy"] * 2, inputs_path="u.npy")
    refused(
        "input_columns: the inputs come from inputs_path or inputs_key already",
        "my.npy",
        input_columns=[0],
        inputs_path="my.npy",
    )
    refused(
        "inputs_path: belongs to path alone; the test files", "my.npy", inputs_path="my.npy", test="u.npy"
    )
