"""`rnnexp compare`: networks on the same trials."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

import rnnexp
from rnnexp.analysis.similarity import linear_cka, procrustes_similarity
from rnnexp.cli import main
from rnnexp.errors import UserError
from rnnexp.training.checkpoint import load_checkpoint, save_checkpoint

SHORT = ["task=perceptual_discrim", "task.T=600", "task.dt=20", "latent_dim=6", "trainer.n_steps=4",
         "trainer.plots=false", "trainer.batch_size=16", "trainer.n_validation_trials=16",
         "trainer.n_test_trials=16"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two leaky networks and a GRU, and a copy of the first in rotated coordinates of a linear network."""
    folder = tmp_path_factory.mktemp("compared")
    for name, step, seed in (("a", "Basic", 0), ("b", "Basic", 1), ("c", "GRU", 0)):
        rnnexp.train([*SHORT, f"latent_step={step}", f"seed={seed}", f"hydra.run.dir={folder / name}"])
    linear = ["latent_step=CTRNN", "latent_step.activation=identity", "initial_state=learned"]
    rnnexp.train([*SHORT, *linear, f"hydra.run.dir={folder / 'linear'}"])
    record = load_checkpoint(folder / "linear")
    rotation = torch.linalg.qr(
        torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )[0]
    state = {name: weight.double() for name, weight in record["model"].items()}
    state["latent_step.W_rec_raw"] = rotation @ state["latent_step.W_rec_raw"] @ rotation.T
    state["latent_step.W_in_raw"] = rotation @ state["latent_step.W_in_raw"]
    state["z0"] = rotation @ state["z0"]
    state["observation.B_raw"] = state["observation.B_raw"] @ rotation.T
    record["model"] = state
    content = {name: value for name, value in record.items() if not name.startswith("format")}
    save_checkpoint(folder / "rotated.pt", content.pop("config"), content)
    return folder


def test_a_rotated_copy_is_the_same_network_and_another_seed_is_not(folder):
    found = rnnexp.compare([folder / "linear", folder / "rotated.pt", folder / "a", folder / "b"])
    for measure, matrix in found.similarity.items():
        values = matrix.to_numpy()
        assert values[0, 1] == pytest.approx(1, abs=1e-6), measure
        assert values[2, 3] < 0.999, measure
        np.testing.assert_array_equal(values, values.T)
        np.testing.assert_array_equal(np.diag(values), 1)
    distances = found.distances("cka")
    assert distances[0, 1] < 2e-3
    table = found.table
    assert table.loc[0, "loss"] == pytest.approx(table.loc[1, "loss"], rel=1e-5)


def test_states_are_those_of_the_same_trials(folder):
    runs = [rnnexp.load(folder / name, dtype="float64") for name in "ac"]
    trials = runs[0].sample(512)
    states = [run.model(trials).latents.detach().numpy()[:64] for run in runs]
    found = rnnexp.compare([folder / "a", folder / "c"], measures=["cka", "procrustes"])
    assert found.similarity["cka"].iloc[0, 1] == pytest.approx(linear_cka(*states), abs=1e-9)
    assert found.similarity["procrustes"].iloc[0, 1] == pytest.approx(
        procrustes_similarity(*states), abs=1e-9
    )
    assert found.table["name"].tolist() == ["Basic, seed 0", "GRU, seed 0"]
    assert found.table.loc[1, "test_loss"] == runs[1].summary["test_loss"]
    accuracy = runs[0].task.metrics(runs[0].model(trials).outputs, trials)["accuracy"]
    assert found.table.loc[0, "accuracy"] == pytest.approx(accuracy.item())


def test_a_sweep_stands_for_its_runs_and_the_command_leaves_tables_and_pictures(
    folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        shutil.copytree(folder / name, tmp_path / "sweep" / name)
    assert main(["compare", "sweep", "out=result", "n_trials=16", "format=svg"]) == 0
    told = capsys.readouterr()
    assert "results: result" in told.err
    assert "GRU, seed 0" in told.out
    table = pd.read_csv("result/comparison.csv")
    assert table["latent_step"].tolist() == ["Basic", "Basic", "GRU"]
    assert {"fixed_points", "slow_points", "accuracy", "loss", "test_loss"} <= set(table.columns)
    for measure in ("cka", "procrustes", "dsa"):
        assert pd.read_csv(f"result/similarity_{measure}.csv", index_col="name").shape == (3, 3)
    assert {path.name for path in (tmp_path / "result" / "plots").iterdir()} == {
        "similarity.svg", "networks.svg", "psychometric.svg",
    }  # fmt: skip
    assert main(["compare", "sweep", "cka"]) == 0
    (written,) = tmp_path.glob("outputs/compare/*/*")
    assert (written / "similarity_cka.csv").exists()
    assert not (written / "similarity_dsa.csv").exists()


def test_time_series_are_compared_along_their_data(tmp_path):
    small = [f"task.n_{split}=2000" for split in ("training", "validation", "test")]
    line = ["task=lorenz63", *small, *SHORT[4:], "latent_dim=4", "latent_step.num_relus=2", "forcing.tau=10"]
    for seed in (0, 1):
        rnnexp.train([*line, f"seed={seed}", f"hydra.run.dir={tmp_path / str(seed)}"])
    found = rnnexp.compare([tmp_path / "0", tmp_path / "1"])
    assert set(found.similarity) == {"cka", "procrustes", "dsa"}
    assert "fixed_points" not in found.table


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a"], "a comparison needs two networks at least, got 1"),
        (["a", "a"], "a comparison needs two networks at least, got 1"),
        (["a", "nothing"], "run=nothing: no such file"),
        (["a", "c", "n_trials=1"], "n_trials must be a whole number >= 2, got 1"),
        (["a", "c", "n_trials=few"], "n_trials: few: must be a whole number >= 2"),
        (["a", "c", "trials=3"], "trials: unknown key: must be one of n_trials, out"),
        (["a", "c", "format=gif"], "format must be png, pdf or svg"),
        (["a", "c", "out=a"], "out: 'a': must be a new or an empty folder"),
        (["a", "mante"], "its task has input_dim 4, that of the first network 2: not comparable"),
        (["a", "empty"], "empty: holds no finished run"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(folder, tmp_path, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in "ac":
        (tmp_path / name).symlink_to(folder / name)
    if "mante" in words:
        rnnexp.train([*SHORT[3:], "task=mante", "task.dt=20", "hydra.run.dir=mante"])
    assert main(["compare", *words]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert sentence in told[-1]
    assert not (tmp_path / "outputs").exists()


def test_an_unknown_measure_is_refused_in_python(folder):
    with pytest.raises(UserError, match="rsa: no such measure: must be one of cka, procrustes, dsa"):
        rnnexp.compare([folder / "a", folder / "b"], measures=["rsa"])
