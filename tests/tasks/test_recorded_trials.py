"""Trials from the user's own files, and series in HDF5 and MATLAB files."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from rnnexp.cli import main
from rnnexp.tasks.recorded_trials import RecordedTrials
from rnnexp.tasks.time_series.recorded import RecordedSeries

h5py = pytest.importorskip("h5py")


def content(n=40, n_steps=12, seed=0):
    rng = np.random.default_rng(seed)
    choice = rng.integers(0, 2, n)
    mask = np.zeros((n, n_steps))
    mask[:, 6:] = 1
    return {
        "inputs": rng.normal(size=(n, n_steps, 3)), "targets": np.eye(2)[choice][:, None].repeat(n_steps, 1),
        "mask": mask, "choice": choice, "coherence": rng.uniform(size=n), "lengths": rng.integers(7, 13, n),
        "name": np.array(["a"] * n),
    }  # fmt: skip


def as_cells(arrays, lengths):
    cells = np.empty(len(arrays), dtype=object)
    for index, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
        cells[index] = array[:length]
    return cells


def write(path, arrays):
    numbers = {name: value for name, value in arrays.items() if name != "name" or path.suffix == ".npz"}
    if path.suffix == ".npz":
        np.savez(path, **numbers)
    elif path.suffix == ".mat":
        cells = {name: as_cells(arrays[name], arrays["lengths"]) for name in ("inputs", "targets", "mask")}
        cells["mask"] = as_cells(arrays["mask"][:, :, None], arrays["lengths"])
        savemat(path, {"choice": arrays["choice"], "coherence": arrays["coherence"], **cells})
    else:
        with h5py.File(path, "w") as file:
            for name, value in numbers.items():
                file[name] = value
            file["note/by"] = np.arange(3)
            file["elsewhere"] = h5py.ExternalLink("/etc/hostname", "x")
    return path


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("suffix", ["npz", "h5", "mat"])
def test_trials_are_those_of_the_file(tmp_path, suffix):
    arrays = content()
    task = RecordedTrials(str(write(tmp_path / f"my.{suffix}", arrays)), dt=20)
    assert (task.input_dim, task.output_dim, task.n_steps, task.dt) == (3, 2, 12, 20)
    assert task.condition == "choice"
    seen = []
    for split, count in (("training", 28), ("validation", 4), ("test", 8)):
        trials = task.for_split(split).sample(count, seeded(), torch.float64)
        for row in range(count):
            (source,) = np.flatnonzero(
                np.isclose(arrays["coherence"], trials.conditions["coherence"][row].item())
            )
            length = arrays["lengths"][source]
            assert trials.lengths[row] == length
            assert trials.conditions["choice"][row] == arrays["choice"][source]
            for name, wanted in (("inputs", arrays["inputs"]), ("targets", arrays["targets"])):
                assert np.array_equal(getattr(trials, name)[row, :length], wanted[source, :length])
                assert not getattr(trials, name)[row, length:].any()
            assert np.array_equal(
                trials.mask[row, :length], arrays["mask"][source, :length, None].repeat(2, 1)
            )
            seen.append(source)
    assert sorted(seen) == list(range(40))  # every trial once, in one split
    again = task.sample(61, seeded(3))
    counts = again.conditions["coherence"].unique(return_counts=True)[1]
    assert counts.tolist().count(2) + counts.tolist().count(3) == 28
    assert torch.equal(again.inputs, task.sample(61, seeded(3)).inputs)


def test_series_in_hdf5_and_matlab_files(tmp_path):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(300, 2))
    with h5py.File(tmp_path / "my.h5", "w") as file:
        file["day/x"] = series
        file["y"] = series[:, :1]
    savemat(tmp_path / "my.mat", {"x": series, "trials": as_cells([series, series, series], [150, 5, 120])})
    settings = {"sequence_length": 10, "free_run_steps": 20, "lyapunov_steps": 0, "transient": 2}
    wanted = None
    for name, key in (("my.h5", "day/x"), ("my.mat", "x")):
        task = RecordedSeries(str(tmp_path / name), key=key, **settings)
        found = np.concatenate([r.observations for part in task.recordings for r in part])
        wanted = found if wanted is None else wanted
        assert found.shape == (300, 2)
        assert np.array_equal(found, wanted)
    trials = RecordedSeries(str(tmp_path / "my.mat"), key="trials", test=40, validation=40, **settings)
    assert [len(r) for r in trials.recordings.training] == [150, 5, 40]
    short = trials.sample(500, seeded())
    assert set(short.lengths.tolist()) == {4, 10}
    with pytest.raises(ValueError, match=r"holds several arrays; choose one by its key: day/x, y"):
        RecordedSeries(str(tmp_path / "my.h5"), **settings)


def test_matlab_7_3(tmp_path):
    arrays = content(n=30)
    with h5py.File(tmp_path / "my.mat", "w", userblock_size=512) as file:
        for name in ("inputs", "targets", "mask"):
            file[name] = arrays[name].T  # as MATLAB writes them
        file["choice"] = arrays["choice"][None].astype(float)
    with (tmp_path / "my.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116))
    task = RecordedTrials(str(tmp_path / "my.mat"))
    trials = task.sample(21, seeded(), torch.float64)
    first = np.flatnonzero(arrays["inputs"][:, 0, 0] == trials.inputs[0, 0, 0].item())[0]
    assert np.array_equal(trials.inputs[0], arrays["inputs"][first])
    assert trials.lengths is None
    assert task.condition == "choice"


@pytest.mark.parametrize(
    ("change", "settings", "told"),
    [
        ({"inputs": None}, {}, r"has no array inputs for the inputs; it holds targets"),
        (
            {"targets": np.zeros((40, 11, 2))},
            {},
            "inputs and targets must have the same trials and time steps",
        ),
        ({"inputs": np.zeros((40, 0, 3))}, {}, r"inputs must be \(trials, time steps, channels\)"),
        ({"inputs": np.array([["a"]])}, {}, "inputs must hold real numbers"),
        ({"mask": np.ones((40, 12, 5))}, {}, r"mask must be \(40, 12, 2\)"),
        ({"lengths": np.full(40, 13)}, {}, r"lengths must be \(40,\), each a whole number from 1 to 12"),
        ({"lengths": np.zeros(3)}, {}, "lengths must be"),
        (
            {"bad": 1},
            {},
            r"nan in inputs, trial 3, step 4, channel 1 \(counted from 0\): must be a finite number",
        ),
        ({}, {"condition": "colour"}, "condition: colour: must be one of the arrays"),
        ({}, {"validation": 0.5, "test": 20}, "leave none of the 40"),
        ({}, {"test": 0.0}, "test must be a share"),
        ({}, {"path": "none.npz"}, "none.npz: no such file in"),
        ({}, {"path": "my.txt"}, "my.txt: must be a .npz, .h5, .hdf5, .hdf or .mat file"),
        ({}, {"path": "damaged.h5"}, "damaged.h5: "),
        ({}, {"path": "damaged.mat"}, "damaged.mat: "),
        ({}, {"path": "pickled.npz"}, "pickled"),
        ({}, {"dt": 0}, "dt must be"),
    ],
)
def test_files_that_do_not_fit(tmp_path, monkeypatch, change, settings, told):
    monkeypatch.chdir(tmp_path)
    arrays = {**content(), **change}
    if arrays.pop("bad", None):
        arrays["inputs"][3, 4, 1] = np.nan
    np.savez("my.npz", **{name: value for name, value in arrays.items() if value is not None})
    (tmp_path / "my.txt").write_text("x")
    (tmp_path / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    (tmp_path / "damaged.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    np.savez("pickled.npz", inputs=np.array([{}, 1], dtype=object), targets=np.zeros((2, 3, 1)))
    with pytest.raises(ValueError, match=told):
        RecordedTrials(**{"path": "my.npz", **settings})


def test_an_array_in_another_file_is_not_read(tmp_path):
    (tmp_path / "raw").write_bytes(bytes(800))
    with h5py.File(tmp_path / "my.h5", "w") as file:
        file.create_dataset("inputs", (10, 10), dtype="f8", external=[(str(tmp_path / "raw"), 0, 800)])
    with pytest.raises(ValueError, match="lies in another file"):
        RecordedTrials(str(tmp_path / "my.h5"))


def test_a_network_learns_from_them_and_is_evaluated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my.npz", content())
    words = ["task=trials", "task.path=my.npz", "latent_dim=6", "trainer.n_steps=4", "trainer.eval_every=2",
             "trainer.batch_size=8", "trainer.plots=all", "hydra.run.dir=run"]  # fmt: skip
    assert main(["train", *words]) == 0
    assert main(["eval", "checkpoint=run", "n_trials=8"]) == 0
    assert main(["train", "task=trials"]) == 1


def test_cell_arrays_whose_steps_do_not_agree(tmp_path):
    arrays = content()
    lengths, path = arrays["lengths"], tmp_path / "cells.mat"
    cells = {name: as_cells(arrays[name], lengths) for name in ("inputs", "targets")}
    savemat(path, {**cells, "lengths": lengths + 1})
    with pytest.raises(ValueError, match=r"lengths must be .* no more than its trial has steps"):
        RecordedTrials(str(path))
    savemat(path, {**cells, "mask": as_cells(arrays["mask"][:, :, None], lengths - 1)})
    with pytest.raises(ValueError, match="mask must have the steps of the targets"):
        RecordedTrials(str(path))
    savemat(path, cells)
    assert RecordedTrials(str(path)).chance == {}
