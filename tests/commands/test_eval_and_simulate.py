"""`rnnexp eval` and `rnnexp simulate` on checkpoints of tiny trainings."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.cli import main
from rnnexp.commands import simulate
from rnnexp.commands.eval import run as evaluate
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.checkpoint import load_checkpoint, save_checkpoint
from rnnexp.training.evaluation import evaluate as metrics_of
from rnnexp.training.run import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run directory, shared by the tests of this file."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def checkpoint(trained, tiny_config):
    if not (trained / "run.json").exists():
        train(tiny_config("task=perceptual_discrim"), trained, [])
    return trained / "checkpoints" / "best.pt"


@pytest.fixture
def eval_config(compose_config, checkpoint):
    def make(*overrides, **task):
        config = compose_config(f"checkpoint={checkpoint}", "plots=false", *overrides, command="eval")
        return {**config, "task": task}

    return make


@pytest.fixture
def simulate_config(compose_config, checkpoint, tmp_path):
    return lambda *overrides: compose_config(
        f"checkpoint={checkpoint}", f"out={tmp_path / 'out.npz'}", *overrides, command="simulate"
    )


def write(path, array, key=None):
    if key is None:
        np.save(path, array)
    else:
        np.savez(path, **{key: array})
    return path


def test_eval_repeats_the_test_of_the_training(tmp_path, trained, eval_config, capsys):
    evaluate(eval_config("n_trials=16", "batch_size=8"), tmp_path, [])
    expected = json.loads((trained / "summary.json").read_text())
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["test_accuracy"] == expected["test_accuracy"]
    assert summary["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-6)
    row = pd.read_csv(tmp_path / "metrics.csv").iloc[0]
    assert (row.split, row.trials, row.accuracy) == ("test", 16, expected["test_accuracy"])
    assert "accuracy" in capsys.readouterr().out
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "finished"


def test_eval_draws_plots(tmp_path, eval_config):
    evaluate({**eval_config("n_trials=8"), "plots": True}, tmp_path, [])
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {
        "trials.png", "outputs.png", "latents.png", "components.png", "weights.png",
        "spectrum.png", "eigenvalues.png", "psychometric.png",
    }  # fmt: skip


def test_task_changes_reach_the_trials(tmp_path, eval_config):
    losses = [
        evaluate(eval_config(**change), tmp_path / str(i), [])
        for i, change in enumerate([{}, {"coherence": 0.9}])
    ]
    assert losses[0] != losses[1]


def test_a_seed_of_its_own_gives_other_trials(tmp_path, eval_config):
    losses = [evaluate(eval_config(f"seed={seed}"), tmp_path / str(seed), []) for seed in (0, 1)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"coherense": 0.1}, r"task.coherense: .*coherence"),
        ({"dt": -1}, r"task: dt must be .*-1"),
    ],
)
def test_wrong_task_changes_are_one_sentence(tmp_path, eval_config, change, text):
    with pytest.raises(UserError, match=text):
        evaluate(eval_config(**change), tmp_path, [])


def test_another_number_of_inputs_names_the_shapes(tmp_path, eval_config):
    config = eval_config()
    record = load_checkpoint(config["checkpoint"])
    record["config"]["latent_dim"] = 9
    path = tmp_path / "other.pt"
    save_checkpoint(
        path, record.pop("config"), {k: v for k, v in record.items() if not k.startswith("format")}
    )
    with pytest.raises(UserError, match=r"weights do not fit the model: .*has shape \(8,\), expected \(9,\)"):
        evaluate({**config, "checkpoint": str(path)}, tmp_path / "out", [])


def test_foreign_classes_in_a_checkpoint_need_trust(tmp_path, eval_config, monkeypatch):
    (tmp_path / "foreign_lab.py").write_text(
        "from rnnexp.tasks import PerceptualDiscrim\nclass Mine(PerceptualDiscrim):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = eval_config("n_trials=4")
    record = load_checkpoint(config["checkpoint"])
    record["config"]["task"]["_target_"] = "foreign_lab.Mine"
    path = tmp_path / "foreign.pt"
    save_checkpoint(
        path, record.pop("config"), {k: v for k, v in record.items() if not k.startswith("format")}
    )
    with pytest.raises(UserError, match=r"task._target_: foreign_lab.Mine: .*trust=true"):
        evaluate({**config, "checkpoint": str(path)}, tmp_path / "no", [])
    evaluate({**config, "checkpoint": str(path), "trust": True}, tmp_path / "yes", [])


@pytest.mark.parametrize("key", [None, "inputs", "stim"])
def test_simulate_runs_the_net_on_given_inputs(tmp_path, simulate_config, trained, key):
    inputs = np.random.default_rng(0).normal(size=(3, 7, 2))
    path = write(tmp_path / f"stim.{'npy' if key is None else 'npz'}", inputs, key)
    simulate.run(simulate_config(f"inputs={path}", "device.dtype=float64"))
    with np.load(tmp_path / "out.npz", allow_pickle=False) as out, np.load(trained / "weights.npz") as w:
        w = {name: w[name].astype(float) for name in w.files}
        assert out["outputs"].shape == (3, 7, 2)
        assert np.array_equal(out["inputs"], inputs)
        assert float(out["dt"]) == 20.0
        n_linear = len(w["A"]) - len(w["A"]) // 2
        z, latents = np.tile(w["z0"], (3, 1)), []
        for t in range(7):
            rectified = np.where(np.arange(len(w["A"])) < n_linear, z, np.maximum(z, 0))
            z = w["A"] * z + rectified @ w["W"].T + w["h"] + inputs[:, t] @ w["C"].T
            latents.append(z)
        latents = np.stack(latents, 1)
        assert np.allclose(out["latents"], latents, atol=1e-10)
        assert np.allclose(out["outputs"], latents @ w["B"].T + w["b"], atol=1e-10)


def test_free_run_from_given_states(tmp_path, simulate_config):
    initial = write(tmp_path / "z.npy", np.random.default_rng(0).normal(size=(4, 8)))
    simulate.run(simulate_config("n_steps=5", f"initial={initial}"))
    with np.load(tmp_path / "out.npz") as out:
        assert out["latents"].shape == (4, 5, 8)
        assert "inputs" not in out


def test_existing_output_is_kept_unless_asked(tmp_path, simulate_config):
    (tmp_path / "out.npz").write_text("precious")
    with pytest.raises(UserError, match="exists already; choose another name or set overwrite=true"):
        simulate.run(simulate_config("n_steps=5"))
    assert (tmp_path / "out.npz").read_text() == "precious"
    simulate.run(simulate_config("n_steps=5", "overwrite=true"))
    assert np.load(tmp_path / "out.npz")["outputs"].shape == (1, 5, 2)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (
            RNG.normal(size=(7, 2)),
            r"must have the shape \(trials, time steps, inputs\), no trials or steps missing, got \(7, 2\)",
        ),
        (RNG.normal(size=(3, 0, 2)), r"no trials or steps missing, got \(3, 0, 2\)"),
        (RNG.normal(size=(3, 7, 5)), r"the network has 2 inputs, the array has 5 in its last axis"),
        (np.full((3, 7, 2), "a"), r"must hold real numbers, got dtype <U1"),
        (np.ones((3, 7, 2), complex), r"must hold real numbers, got dtype complex128"),
        (np.full((3, 7, 2), np.nan), r"must be finite, got nan at index \(0, 0, 0\)"),
    ],
)
def test_inputs_that_do_not_fit_are_one_sentence(tmp_path, simulate_config, array, text):
    path = write(tmp_path / "stim.npy", array)
    with pytest.raises(UserError, match=text) as error:
        simulate.run(simulate_config(f"inputs={path}"))
    assert str(error.value).startswith(f"inputs: {path}: ")
    assert not (tmp_path / "out.npz").exists()


def corrupt(path):
    path.write_bytes(b"PK\x03\x04 not really")


def of_objects(path):
    np.save(path, np.array([{}, 1], dtype=object), allow_pickle=True)


def of_two_arrays(path):
    with path.open("wb") as file:
        np.savez(file, a=np.ones(1), b=np.ones(1))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_text("1,2,3"), "cannot be read as a .npy or .npz file of numbers"),
        (corrupt, "cannot be read as a .npy or .npz file of numbers"),
        (of_objects, "cannot be read as a .npy or .npz file of numbers"),
        (of_two_arrays, "holds a, b; must hold an array called inputs, or one array only"),
    ],
)
def test_files_that_hold_no_inputs_are_one_sentence(tmp_path, simulate_config, make, text):
    path = tmp_path / "stim.npy"
    make(path)
    with pytest.raises(UserError, match=text):
        simulate.run(simulate_config(f"inputs={path}"))


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ([], r"simulate needs inputs=STIM.npz \(B, T, K\), or n_steps=N for a free run"),
        (["n_steps=5", "out=result.csv"], "must be a file name that ends with .npz"),
        (["n_steps=5", "out=/dev/null/x.npz"], "/dev/null is a file, must be a folder"),
        (["n_steps=5", "out=/dev/null/deep/x.npz"], "/dev/null is a file, must be a folder"),
        (["n_steps=5", "checkpoint=nothing.pt"], "checkpoint=nothing.pt: no such file"),
    ],
)
def test_simulate_says_what_it_lacks(simulate_config, overrides, text):
    with pytest.raises(UserError, match=text):
        simulate.run(simulate_config(*overrides))


def test_folders_of_the_output_are_made_with_it_and_not_before(tmp_path, simulate_config):
    out = tmp_path / "new folder" / "deep" / "x.npz"
    with pytest.raises(UserError, match="no such file"):
        simulate.run({**simulate_config("n_steps=5", "checkpoint=nothing.pt"), "out": str(out)})
    assert not (tmp_path / "new folder").exists()
    simulate.run({**simulate_config("n_steps=5"), "out": str(out)})
    assert np.load(out)["outputs"].shape[1] == 5


def test_states_of_another_size_are_one_sentence(tmp_path, simulate_config):
    initial = write(tmp_path / "z.npy", np.zeros((4, 3)))
    with pytest.raises(UserError, match=r"must have the shape \(trials, 8\) or \(8,\), got \(4, 3\)"):
        simulate.run(simulate_config("n_steps=5", f"initial={initial}"))


def test_more_steps_than_inputs_is_one_sentence(tmp_path, simulate_config):
    path = write(tmp_path / "stim.npy", np.zeros((1, 7, 2)))
    with pytest.raises(UserError, match="n_steps: 9: must be at most the number of time steps of inputs, 7"):
        simulate.run(simulate_config(f"inputs={path}", "n_steps=9"))


def test_simulation_leaves_the_checkpoint_alone(simulate_config, checkpoint):
    before = checkpoint.read_bytes()
    simulate.run(simulate_config("n_steps=5"))
    assert checkpoint.read_bytes() == before
    assert torch.load(checkpoint, weights_only=True)["format"] == "rnnexp checkpoint"


def test_inputs_beyond_float32_are_one_sentence(tmp_path, simulate_config):
    path = write(tmp_path / "stim.npy", np.full((1, 5, 2), 1e300))
    with pytest.raises(
        UserError, match=r"stim.npy: 1e\+300 is too large for float32; use device.dtype=float64"
    ):
        simulate.run(simulate_config(f"inputs={path}"))


def test_a_diverged_simulation_is_written_and_told(tmp_path, simulate_config, caplog):
    path = write(tmp_path / "initial.npy", np.full((2, 8), [[0.0], [3e38]]))
    simulate.run(simulate_config("n_steps=5", f"initial={path}"))
    assert "the network diverged: 1 of 2 trials are not finite throughout" in caplog.text
    assert np.isfinite(np.load(tmp_path / "out.npz")["latents"]).all(axis=(1, 2)).tolist() == [True, False]


@pytest.mark.parametrize("command", ["eval", "simulate", "analyze", "export", "plot"])
def test_a_network_that_is_not_finite_is_refused(
    tmp_path, trained, eval_config, capsys, monkeypatch, command
):
    record = load_checkpoint(trained)
    name = next(name for name in record["model"] if name.endswith(("A", "A_raw")))
    record["model"][name][0] = torch.nan
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    shutil.copy(trained / "run.json", tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "best.pt"
    save_checkpoint(
        path, record.pop("config"), {k: v for k, v in record.items() if not k.startswith("format")}
    )
    monkeypatch.chdir(tmp_path)
    words = {"export": ["format=npz", "out=w.npz"], "simulate": ["out=t.npz", "n_steps=3"]}.get(command, [])
    assert (
        main(
            [command, str(tmp_path / "run")] if command == "plot" else [command, f"checkpoint={path}", *words]
        )
        == 1
    )
    assert f"{name} is not finite" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.npz"))
    assert not list(tmp_path.rglob("*.png"))


def test_outputs_that_are_not_finite_have_no_accuracy(trained, eval_config):
    device = eval_config()["device"]
    saved = load_model({"checkpoint": trained, "trust": False, "device": device})
    trials = saved.task.sample(8, torch.Generator().manual_seed(0))
    assert 0 <= metrics_of(saved.model, saved.task, saved.loss, trials, 4)[1]["accuracy"] <= 1
    trials.inputs[5, 3] = torch.inf
    assert np.isnan(metrics_of(saved.model, saved.task, saved.loss, trials, 4)[1]["accuracy"])
