"""checkpoint=latest: the run of the outputs whose best checkpoint was written last."""

import json
import os
import shutil

import pytest

from rnnexp.cli import main
from rnnexp.errors import UserError
from rnnexp.training.checkpoint_file import checkpoint_file, latest_run

RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=2",
       "trainer.eval_every=1", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       "trainer.plots=false"]  # fmt: skip


def test_every_command_understands_the_latest_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNEXP_OUTPUT_ROOT", raising=False)
    assert main(["eval", "checkpoint=latest"]) == 1
    assert f"latest: there is no run with a checkpoint in {tmp_path}/outputs" in capsys.readouterr().err
    assert main(["train", *RUN, "seed=1"]) == 0
    (first,) = tmp_path.glob("outputs/train/*/*")
    assert main(["train", "-m", *RUN, "seed=2,3"]) == 0
    (sweep,) = tmp_path.glob("outputs/sweeps/*/*")
    assert latest_run().absolute() == sweep / "1"
    assert main(["eval", "checkpoint=latest", "n_trials=4", "plots=false", "hydra.run.dir=e"]) == 0
    record = json.loads((tmp_path / "e" / "run.json").read_text())
    assert record["checkpoint"] == str(sweep / "1")
    assert record["seed"] == 3
    assert (
        main(["analyze", "checkpoint=latest", "n_steps=20", "max_order=1", "plots=false", "hydra.run.dir=a"])
        == 0
    )
    assert json.loads((tmp_path / "a" / "run.json").read_text())["checkpoint"] == str(sweep / "1")
    assert main(["simulate", "checkpoint=latest", "n_steps=5", "out=o.npz"]) == 0
    assert main(["export", "checkpoint=latest", "out=w.npz"]) == 0
    os.utime(first / "checkpoints" / "best.pt")
    assert main(["train", "resume=latest", "trainer.n_steps=4"]) == 0
    assert json.loads((first / "summary.json").read_text())["steps"] == 4
    assert main(["plot", "latest"]) == 0
    assert (first / "plots" / "trials.png").exists()


def test_a_file_of_that_name_and_another_root_come_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNNEXP_OUTPUT_ROOT", str(tmp_path / "root"))
    assert main(["train", *RUN]) == 0
    (run,) = tmp_path.glob("root/train/*/*")
    assert checkpoint_file("latest") == run / "checkpoints" / "best.pt"
    shutil.copytree(run, tmp_path / "latest")
    assert checkpoint_file("latest").absolute() == tmp_path / "latest" / "checkpoints" / "best.pt"
    with pytest.raises(UserError, match="no such file"):
        checkpoint_file("newest")
