"""Checkpoints: safe to read, atomic to write, clear when they cannot be used."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from rnnexp.errors import UserError
from rnnexp.training.checkpoint import checksum, load_checkpoint, load_weights, save_checkpoint

CONFIG = {"task": {"_target_": "x", "dt": 10.0}, "seed": 1}


def test_what_is_saved_is_read_back(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, CONFIG, {"model": {"w": torch.arange(3.0)}, "state": {"step": 4}})
    record = load_checkpoint(path)
    assert record["config"] == CONFIG
    assert record["state"] == {"step": 4}
    assert torch.equal(record["model"]["w"], torch.arange(3.0))
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_previous_checkpoint(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, CONFIG, {"state": {"step": 1}})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(path, CONFIG, {"state": lambda: None})
    assert load_checkpoint(path)["state"] == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, CONFIG, {"state": {"step": 1}})

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError) as error:
        save_checkpoint(path, CONFIG, {"state": {"step": 2}})
    assert str(error.value) == f"{path}: cannot be written: No space left on device"
    assert load_checkpoint(path)["state"] == {"step": 1}


def test_a_run_directory_stands_for_its_best_checkpoint(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    save_checkpoint(tmp_path / "checkpoints" / "best.pt", CONFIG, {"state": {"step": 7}})
    assert load_checkpoint(tmp_path)["state"]["step"] == 7


def test_a_sweep_is_no_checkpoint(tmp_path):
    (tmp_path / "multirun.yaml").touch()
    with pytest.raises(UserError, match=r"is a sweep; name one of its runs, e.g. checkpoint=.*/0$"):
        load_checkpoint(tmp_path)


def truncated(path):
    save_checkpoint(path, CONFIG, {"model": {"w": torch.zeros(1000)}})
    path.write_bytes(path.read_bytes()[:500])


def edited(path):
    save_checkpoint(path, CONFIG, {"model": {"w": torch.zeros(3)}})
    record = torch.load(path, weights_only=True)
    record["model"]["w"][1] = 1e-3
    torch.save(record, path)


def compressed(path):
    save_checkpoint(path, CONFIG, {"model": {"w": torch.zeros(100_000)}})
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def inflated(path):
    record = {"format": "rnnexp checkpoint", "format_version": 1, "config": "{}"}
    torch.save({**record, "model": {"w": torch.zeros(1).expand(10**12)}}, path)


def without_a_configuration(path):
    torch.save({"format": "rnnexp checkpoint", "format_version": 1, "config": "{broken"}, path)


def of_another_version(path):
    torch.save({"format": "rnnexp checkpoint", "format_version": 99, "config": "{}"}, path)


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda path: None, "no such file"),
        (truncated, "cannot be read: truncated, or not a checkpoint of rnnexp"),
        (lambda path: path.write_text("hello"), "cannot be read: truncated, or not a checkpoint of rnnexp"),
        (lambda path: path.write_bytes(b""), "cannot be read: truncated, or not a checkpoint of rnnexp"),
        (lambda path: torch.save({"weights": 1}, path), "a torch file, but not a checkpoint of rnnexp"),
        (lambda path: torch.save(nn.Linear(2, 2), path), "it holds more than tensors, numbers and texts"),
        (edited, "is damaged: its content does not agree with its checksum"),
        (compressed, "cannot be read: truncated, or not a checkpoint of rnnexp"),
        (inflated, "is damaged"),
        (without_a_configuration, "is damaged"),
        (of_another_version, "has format version 99, this rnnexp reads versions 1, 2"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, write, text):
    path = tmp_path / "best.pt"
    write(path)
    with pytest.raises(UserError) as error:
        load_checkpoint(path)
    assert str(error.value).startswith(f"checkpoint={path}: ")
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_checkpoints_without_a_checksum_are_still_read(tmp_path):
    path = tmp_path / "old.pt"
    record = {"format": "rnnexp checkpoint", "format_version": 1, "config": "{}", "state": {"step": 3}}
    torch.save(record, path)
    assert load_checkpoint(path) == {**record, "config": {}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": [1, 2]}, {"a": [[1], 2]}),
        ({"a": torch.zeros(2)}, {"a": torch.zeros(2, 1)}),
        ({"a": torch.zeros(2)}, {"a": torch.zeros(2, dtype=torch.float64)}),
        ({"a": torch.zeros(2)}, {"a": torch.tensor([0.0, -0.0])}),
        ({"a": True, "b": 1}, {"b": 1, "a": True}),
        ({"a": "1"}, {"a": 1}),
        ({"a": torch.tensor(1j)}, {"a": torch.tensor(-1j)}),
    ],
)
def test_the_checksum_tells_contents_apart(one, other):
    assert checksum(one) != checksum(other)
    assert checksum(one) == checksum({**one})


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


def test_a_pickle_is_never_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "rnnexp checkpoint", "bomb": Bomb()}, "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Bomb()))
    for name in ("evil.pt", "evil.pkl"):
        with pytest.raises(UserError):
            load_checkpoint(name)
    assert not (tmp_path / "exploded").exists()


def test_weights_that_do_not_fit_name_keys_and_shapes():
    state = {"weight": torch.zeros(2, 5), "extra": torch.zeros(1)}
    with pytest.raises(UserError) as error:
        load_weights(nn.Linear(4, 2), state, origin="checkpoint=x.pt")
    assert str(error.value) == (
        "checkpoint=x.pt: weights do not fit the model: bias is missing; extra is unknown; "
        "weight has shape (2, 5), expected (2, 4)"
    )
