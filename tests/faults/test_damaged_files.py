"""Files of a run that were damaged are noticed by whatever reads them, and nothing is lost by going on."""

import json
import os
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from rnnexp.cli import main
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.checkpoint import checksum, load_checkpoint, save_checkpoint
from rnnexp.training.run import train

LONG = os.environ.get("RNNEXP_FAULTS") == "long"
RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=6",
       "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       "trainer.plots=false", "trainer.save_every=3"]  # fmt: skip
FILES = ["run.json", "config.json", "summary.json", "metrics.csv", "weights.npz", "train.log", "checkpoints/last.pt",
         "checkpoints/best.pt", "checkpoints/.previous.pt", ".hydra/config.yaml", ".hydra/hydra.yaml",
         ".hydra/overrides.yaml"]  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A finished run of six updates."""
    folder = tmp_path_factory.mktemp("damaged") / "run"
    assert main(["train", *RUN, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def run(original, tmp_path, monkeypatch):
    """A copy of the run in a working directory of its own."""
    shutil.copytree(original, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def results(folder):
    """What a training must give again, to the last bit."""
    metrics = pd.read_csv(folder / "metrics.csv").drop(columns="seconds")
    best = load_checkpoint(folder / "checkpoints" / "best.pt")
    last = load_checkpoint(folder / "checkpoints" / "last.pt")
    return metrics.to_csv(), checksum(best["model"]), checksum(last["model"]), checksum(last["optimizer"])


def mutations(content, seed):
    """Damaged forms of a file, each with its name; None stands for a directory in its place."""
    draw = random.Random(seed)
    size = max(len(content), 1)
    yield "empty", b""
    yield "zeros", bytes(size)
    yield "a folder", None
    yield "another format", b"PK\x03\x04 this is no archive"
    yield "a text", b"step,split\nseven,validation\n1\n"
    yield "a list", b"[1, 2]\n"
    yield "nested", b"[" * 5000
    yield "not utf-8", b"\xff\xfe\x00" + content[3:]
    yield "twice", content + content
    for number in range(100 if LONG else 1):  # three damages each
        yield f"cut {number}", content[: draw.randrange(size)]
        position = draw.randrange(size)
        flipped = bytearray(content or b"\0")
        flipped[position] ^= 1 << draw.randrange(8)
        yield f"flip {number} at {position}", bytes(flipped)
        hole = bytearray(content or b"\0")
        hole[position : position + 64] = bytes(len(hole[position : position + 64]))
        yield f"hole {number} at {position}", bytes(hole)


def put(path, content):
    """Put content in the place of a file."""
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


def told(line, capsys):
    """Run a command line that may be refused, but in sentences; returns its exit code and what it said."""
    code = main(line)
    said = capsys.readouterr()
    assert "Traceback" not in said.err, said.err
    assert code in (0, 1)
    if code:
        lines = [text for text in said.err.splitlines() if text.startswith(f"rnnexp {line[0]}: ")]
        assert lines, said.err
        assert "HYDRA_FULL_ERROR" not in said.err, said.err
        assert not any("Error:" in text for text in lines), said.err
    return code, said.err


def test_no_flip_of_a_bit_loads_other_weights(run):
    path = run / "checkpoints" / "best.pt"
    content = path.read_bytes()
    truth = checksum(load_checkpoint(path))
    draw, refused = random.Random(0), 0
    for _ in range(300):
        position = draw.randrange(len(content))
        damaged = bytearray(content)
        damaged[position] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            assert checksum(load_checkpoint(path)) == truth, position
        except UserError as error:
            refused += "checkpoint=" in str(error)
    assert refused > 100


@pytest.mark.thinned
@pytest.mark.parametrize("file", FILES)
def test_what_reads_a_damaged_file_says_so_or_does_without(run, capsys, file):
    """Export, collect and the continuing of a run: never a raw exception, and a refused one changes nothing."""
    path = run / file
    content = path.read_bytes()
    every = list(mutations(content, file))
    for name, damaged in every if LONG else every[FILES.index(file) % 2 :: 2]:
        put(path, damaged)
        before = {
            p: p.read_bytes()
            for p in run.rglob("*")
            if p.is_file() and p.name not in ("train.log", "run.json")
        }
        told(["export", f"checkpoint={run}", "format=npz", "out=w.npz"], capsys)
        Path("w.npz").unlink(missing_ok=True)
        told(["collect", str(run.parent)], capsys)
        code, said = told(["train", f"resume={run}", "trainer.n_steps=6"], capsys)
        if code:
            after = {p: p.read_bytes() for p in before if p.exists()}
            assert after == before, (name, said)
        restore(run, path, content)


def restore(run, path, content):
    for aside in run.rglob("*.damaged-*"):
        aside.unlink() if aside.is_file() else aside.rmdir()
    put(path, content)


@pytest.mark.parametrize("damage", ["cut", "gone", "zeros"])
def test_the_previous_checkpoint_is_gone_on_from(run, original, capsys, damage):
    last = run / "checkpoints" / "last.pt"
    for path in [*last.parent.glob("step_*.pt"), last.parent / "best.pt"]:
        path.unlink()
    content = last.read_bytes()
    put(last, {"cut": content[:1000], "zeros": bytes(len(content)), "gone": b""}[damage])
    if damage == "gone":
        last.unlink()
    code, said = told(["train", f"resume={run}"], capsys)
    assert code == 0
    assert "the run goes on from .previous.pt, step 4" in said
    assert results(run) == results(original)
    assert (last.parent / "last.pt.damaged-1").exists() == (damage != "gone")


@pytest.mark.parametrize("name", ["best", "step_0000003"])
def test_failing_that_any_other_checkpoint_is(run, original, capsys, name):
    for path in (run / "checkpoints").glob("*.pt"):
        if path.stem != name:
            put(path, b"nothing")
    code, said = told(["train", f"resume={run}"], capsys)
    assert code == 0
    assert f"the run goes on from {name}.pt, step " in said
    assert results(run)[0] == results(original)[0]


def test_a_run_without_any_checkpoint_starts_from_the_beginning(run, original, capsys):
    shutil.rmtree(run / "checkpoints")
    for name in ("summary.json", "weights.npz"):
        (run / name).unlink()
    code, said = told(["train", f"resume={run}"], capsys)
    assert code == 0
    assert "there is no checkpoint yet: the run starts from the beginning" in said
    assert results(run) == results(original)


@pytest.mark.parametrize("gone", ["config.json", ".hydra/config.yaml"])
def test_either_copy_of_the_configuration_will_do(run, original, gone):
    shutil.rmtree(run / "checkpoints")
    (run / gone).unlink()
    assert main(["train", f"resume={run}"]) == 0
    assert results(run) == results(original)


def test_an_edited_configuration_does_not_slip_in(run, capsys):
    shutil.rmtree(run / "checkpoints")
    config = json.loads((run / "config.json").read_text())
    config["config"]["latent_dim"] = 5
    (run / "config.json").write_text(json.dumps(config))
    code, said = told(["train", f"resume={run}"], capsys)
    assert code == 1
    assert "config.json: is damaged or was edited" in said


def test_rows_of_a_damaged_table_are_kept(run, capsys):
    metrics = run / "metrics.csv"
    content = metrics.read_text().replace("validation", "validatoin", 1)
    metrics.write_text(content)
    code, said = told(["train", f"resume={run}", "trainer.n_steps=8"], capsys)
    assert code == 0
    assert "metrics.csv is damaged: kept as metrics.csv.damaged-1" in said
    assert (run / "metrics.csv.damaged-1").read_text() == content
    assert pd.read_csv(metrics).step.max() == 8


def test_an_extra_checkpoint_that_a_kill_prevented_is_made_up_for(run, original):
    name = "checkpoints/step_0000006.pt"
    (run / name).unlink()
    assert main(["train", f"resume={run}"]) == 0
    assert checksum(load_checkpoint(run / name)["model"]) == checksum(
        load_checkpoint(original / name)["model"]
    )


def test_without_its_best_checkpoint_a_run_ends_with_the_present_network(run, capsys):
    put(run / "checkpoints" / "best.pt", b"nothing")
    code, said = told(["train", f"resume={run}"], capsys)
    assert code == 0
    assert "best.pt is missing: the present network, step 6, counts as the best so far" in said
    assert load_checkpoint(run)["state"]["best_step"] == 6


def test_a_directory_that_vanishes_is_one_sentence(run, tmp_path, capsys, monkeypatch):
    from rnnexp.training import state

    monkeypatch.setattr(state.Session, "append_training_row", lambda self: shutil.rmtree(self.run.path))
    code, said = told(["train", f"resume={run}", "trainer.n_steps=8"], capsys)
    assert code == 1
    assert f"{run / 'metrics.csv'}: cannot be written: No such file or directory" in said


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("latent_dim", 10**9, "is damaged: latent_dim is 1000000000, no weight has as many a side"),
        ("latent_dim", 9999, "is damaged: latent_dim is 9999, no weight has as many a side"),
        ("latent_step.hidden_dim", 10**12, "is damaged: hidden_dim is 1000000000000, no weight"),
        ("latent_dim", "many", "latent_dim must be a whole number >= 1, got 'many'"),
        ("latent_dim", None, "latent_dim must be a whole number >= 1, got None"),
        ("latent_step.hidden_dim", "x", "hidden_dim must be a whole number >= 1, got 'x'"),
    ],
)
def test_a_network_that_its_weights_cannot_fill_is_refused_before_it_is_built(
    tmp_path, tiny_config, key, value, text
):
    run = tmp_path / "run"
    train(tiny_config("latent_step=shPLRNN"), run, [])
    record = load_checkpoint(run / "checkpoints" / "last.pt")
    config = OmegaConf.create(record["config"])
    OmegaConf.update(config, key, value)
    forged = OmegaConf.to_container(config)
    content = {
        name: entry for name, entry in record.items() if name not in ("format", "format_version", "config")
    }
    save_checkpoint(tmp_path / "forged.pt", forged, content)
    device = {"name": "cpu", "dtype": "float64", "threads": 1}
    with pytest.raises(UserError, match=text):
        load_model({"checkpoint": tmp_path / "forged.pt", "trust": False, "device": device})
    with pytest.raises(UserError, match=text):
        train(forged, run, [], resume_from={**record, "config": forged})
