"""`import rnnexp`: its names and signatures, and that it gives what the commands give."""

import doctest
import functools
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import rnnexp
from rnnexp import api, networks
from rnnexp.cli import main
from rnnexp.saved import run as run_module

SHORT = ["trainer.n_steps=4", "trainer.eval_every=2", "trainer.batch_size=8", "trainer.n_validation_trials=16",
         "trainer.n_test_trials=16", "trainer.plots=false"]  # fmt: skip
SIGNATURES = {
    "load": "(path: str | pathlib.Path, trust: bool = False, dtype: Literal['float32', 'float64'] = 'float32') -> "
    "rnnexp.saved.run.Run",
    "build": "(overrides: collections.abc.Sequence[str] = ()) -> 'Parts'",
    "compose": "(overrides: collections.abc.Sequence[str] = ()) -> dict[str, typing.Any]",
    "train": "(overrides: collections.abc.Sequence[str] = ()) -> rnnexp.saved.run.Run",
    "compare": "(paths: collections.abc.Sequence[str | pathlib.Path], n_trials: int = 64, measures: "
    "collections.abc.Sequence[Literal['cka', 'procrustes', 'dsa']] = ('cka', 'procrustes', 'dsa'), trust: bool = False)"
    " -> 'Comparison'",
    "runs": "(directory: str | pathlib.Path) -> 'pd.DataFrame'",
}
MEMBERS = {
    "analyze", "checkpoint", "config", "data_units", "directory", "evaluate", "loss", "metrics", "model", "plot",
    "record", "sample", "simulate", "step", "summary", "task", "weights",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    return rnnexp.train(["task=perceptual_discrim", *SHORT, f"hydra.run.dir={folder / 'run'}"])


def test_the_names_and_signatures_stay():
    assert rnnexp.__all__ == [
        "Run",
        "UserError",
        "__version__",
        "build",
        "compare",
        "compose",
        "load",
        "runs",
        "train",
    ]
    for name, signature in SIGNATURES.items():
        function = getattr(rnnexp, name)
        told = (
            str(inspect.signature(function))
            .replace("typing.Literal", "Literal")
            .replace("pathlib._local.", "pathlib.")
        )
        assert told == signature, name
        assert {"Args:", "Raises:", "Example:"} <= set(inspect.getdoc(function).split())
    public = {name for name in dir(rnnexp.Run) if not name.startswith("_")}
    assert public | {"checkpoint", "directory", "config"} == MEMBERS
    assert all(inspect.getdoc(getattr(rnnexp.Run, name)) for name in public)
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        rnnexp.lod  # noqa: B018 - the error is the point


def test_importing_it_costs_nothing():
    code = "import sys, rnnexp; rnnexp.__version__; print('torch' in sys.modules, 'hydra' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["False", "False"]


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {
        "torch": torch,
        "rnnexp": rnnexp,
        "run": rnnexp.train(["trainer.n_trials=256", "trainer.plots=false"]),
    }
    monkeypatch.chdir(tmp_path / "outputs")
    finder, runner = doctest.DocTestFinder(recurse=True), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    n_examples = 0
    for module in (api, run_module, networks):
        for test in finder.find(module, extraglobs=dict(names)):
            test.examples = [
                example for example in test.examples if "outputs/train/2026" not in example.source
            ]
            n_examples += len(test.examples)
            runner.run(test)
    assert n_examples >= 13
    assert runner.failures == 0


def test_a_run_knows_what_lies_in_its_directory(trained):
    assert trained.directory.name == "run"
    assert trained.config["trainer"]["n_steps"] == 4
    assert trained.record["status"] == "finished"
    assert list(trained.metrics.split) == ["validation", "train", "validation", "train", "validation", "test"]
    assert trained.summary == json.loads((trained.directory / "summary.json").read_text())
    with np.load(trained.directory / "weights.npz") as stored:
        assert trained.weights.keys() == {name for name in stored if not name.endswith("_raw")}
        for name, weight in trained.weights.items():
            assert np.array_equal(weight, stored[name])
    assert "ALRNN on perceptual_discrim, seed 0" in repr(trained)
    assert trained.data_units is None
    assert rnnexp.load(trained.checkpoint).step == trained.step


@pytest.mark.parametrize("step", ["Basic", "CTRNN", "FR_RNN_dale", "ALRNN", "LSTM"])
def test_parts_are_those_that_a_training_starts_from(tmp_path, step):
    line = [f"latent_step={step}", "task=go_nogo", "latent_dim=8", *SHORT, "trainer.n_steps=1"]
    torch.manual_seed(7)
    before = torch.get_rng_state()
    parts = rnnexp.build(line)
    assert torch.equal(torch.get_rng_state(), before)
    run = rnnexp.train([*line, "optimizer.lr=1e-30", f"hydra.run.dir={tmp_path / 'run'}"])
    for name, weight in parts.model.weights().items():
        assert run.weights[name] == pytest.approx(weight.numpy(), abs=1e-20), name


def test_it_simulates_and_evaluates_as_the_commands_do(trained, tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 20, 2))
    np.save(tmp_path / "x.npy", x)
    line = [f"checkpoint={trained.directory}", "device.threads=auto"]
    assert main(["simulate", *line, f"inputs={tmp_path}/x.npy", f"out={tmp_path}/o.npz"]) == 0
    simulation = trained.simulate(x)
    with np.load(tmp_path / "o.npz") as file:
        for name, array in simulation.arrays().items():
            assert np.array_equal(file[name], array), name
    assert (
        main(
            ["eval", *line, "n_trials=32", "plots=false", "task.coherence=0.2", f"hydra.run.dir={tmp_path}/e"]
        )
        == 0
    )
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    values = trained.evaluate(32, coherence=0.2)
    assert {f"test_{name}": value for name, value in values.items()} == pytest.approx(summary)


def test_it_analyses_as_the_command_does(trained, tmp_path):
    settings = {"n_steps": 100, "n_transient": 20, "max_order": 2, "n_exponents": 3, "input": 0.5}
    line = [f"{name}={value}" for name, value in settings.items()]
    out = tmp_path / "a"
    assert (
        main(["analyze", f"checkpoint={trained.directory}", *line, "plots=false", f"hydra.run.dir={out}"])
        == 0
    )
    analysis = trained.analyze(**{**settings, "n_steps": np.int64(100)})
    assert analysis.summary == json.loads((out / "summary.json").read_text())
    with np.load(out / "analysis.npz") as file:
        assert np.array_equal(file["states"], analysis.states)
        assert np.array_equal(file["outputs"], analysis.outputs)
        assert len(file["fixed_points"]) == len(analysis.fixed_points)
    with pytest.raises(rnnexp.UserError, match="n_step: 5: unknown key, did you mean n_steps"):
        trained.analyze(n_step=5)
    with pytest.raises(rnnexp.UserError, match="n_steps: 0: must be an integer >= 1"):
        trained.analyze(n_steps=0)
    with pytest.raises(rnnexp.UserError, match="n_exponents: 99: the network has 50 states"):
        trained.analyze(n_exponents=99)


def test_trials_of_the_task_are_simulated(trained):
    trials = trained.sample(6, seed=3)
    simulation = trained.simulate(trials)
    with torch.no_grad():
        expected = trained.model(trials).outputs.numpy()
    assert np.array_equal(simulation.outputs, expected)
    assert torch.equal(trained.sample(6, seed=3).inputs, trials.inputs)
    assert not torch.equal(trained.sample(6, seed=4).inputs, trials.inputs)


def test_a_network_of_a_time_series_needs_its_data_for_trials_alone(tmp_path):
    t = np.arange(900) * 0.1
    u = np.sin(0.3 * t)
    np.savez(tmp_path / "x.npz", x=np.c_[10 + 3 * np.sin(t), np.cos(1.3 * t) + u], u=5 + u)
    run = rnnexp.train(
        ["task=timeseries", f"task.path={tmp_path}/x.npz", "task.key=x", "task.inputs_key=u",
         "task.standardize_inputs=true", "task.sequence_length=20", "task.free_run_steps=50", "task.lyapunov_steps=0",
         "latent_dim=5", *SHORT, f"hydra.run.dir={tmp_path}/run"]
    )  # fmt: skip
    run = rnnexp.load(run.directory, dtype="float64")
    trials = run.sample(4)
    with torch.no_grad():
        model = run.model
        expected = model.run(trials.inputs, model.start_from(trials.signal[:, 0])).outputs.numpy()
    scale = run.data_units.outputs
    assert run.simulate(trials).outputs == pytest.approx(scale.undo(expected))
    assert run.simulate(trials, units="standardized").outputs == pytest.approx(expected)
    (tmp_path / "x.npz").unlink()
    again = rnnexp.load(run.directory)
    assert again.simulate(np.full((1, 30, 1), 5.0)).outputs.shape == (1, 30, 2)
    with pytest.raises(rnnexp.UserError, match=r"task.path: .*x.npz: the file is gone"):
        again.sample(4)


def test_a_sweep_becomes_a_table(tmp_path):
    line = ["train", "-m", "task=simple_pd", *SHORT, "seed=1,2", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    assert main(line) == 0
    table = rnnexp.runs(tmp_path / "sweep")
    assert isinstance(table, pd.DataFrame)
    assert table.seed.tolist() == [1, 2]
    assert [rnnexp.load(path).config["seed"] for path in table.path] == [1, 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: rnnexp.load("nowhere"), "checkpoint=nowhere: no such file"),
        (lambda: rnnexp.compose("latent_dim=20"), r'must be a list of texts, \["latent_dim=20"\]'),
        (
            lambda: rnnexp.compose(["latent_dim=20", "-m"]),
            "overrides: '-m': must be a text such as latent_dim=20",
        ),
        (lambda: rnnexp.compose(["latent_dm=20"]), "latent_dm: 20: unknown key, did you mean latent_dim"),
        (lambda: rnnexp.train(["latent_dim=0"]), "latent_dim: 0: must be an integer >= 1"),
        (lambda: rnnexp.runs("nowhere"), "nowhere: no such directory"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, call, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rnnexp.UserError, match=text):
        call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "n_steps: not given: a run without inputs needs it"),
        ({"inputs": np.zeros((2, 5, 3))}, "inputs: the network has 2 inputs, the array has 3 in its last axis"),
        ({"inputs": [[["a", "b"]]]}, "inputs: must be an array of numbers"),
        ({"inputs": np.full((1, 2, 2), np.nan)}, "inputs: must be finite"),
        ({"n_steps": 5, "start": [1.0, 2.0]}, "start: this network starts from a state of its own"),
        ({"n_steps": 5, "initial": [1.0]}, r"initial: must have the shape \(trials, 50\) or \(50,\), got \(1, 1\)"),
        ({"n_steps": 5, "units": "standardized"}, "units: standardized: the task PerceptualDiscrim"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_one_sentence(trained, settings, text):
    with pytest.raises(rnnexp.UserError, match=f"^{text}"):
        trained.simulate(**settings)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda run: run.sample(4, split="tst"), "split must be training, validation or test, got 'tst'"),
        (lambda run: run.evaluate(4, split="tst"), "split must be training, validation or test, got 'tst'"),
        (lambda run: run.evaluate(4, batch_size=0), "batch_size must be a whole number >= 1, got 0"),
        (lambda run: run.sample(0), "batch_size must be a whole number >= 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_refused(trained, call, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        call(trained)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("Basic", "perceptual_discrim"),
        ("CTRNN", "go_nogo"),
        ("FR_RNN_dale", "xor"),
        ("ALRNN", "mante"),
        ("LSTM", "go_nogo"),
    ],
)
def test_a_network_alone_is_that_of_a_training(name, task):
    parts = rnnexp.build([f"latent_step={name}", f"task={task}", "latent_dim=12", "seed=3"])
    sizes = {"input_dim": parts.task.input_dim, "output_dim": parts.task.output_dim, "latent_dim": 12}
    make = getattr(networks, name, functools.partial(networks.network, name))
    taus = {"tau": parts.task.tau} if name in ("Basic", "CTRNN") else {}
    before = torch.get_rng_state()
    net = make(**sizes, dt=parts.task.dt, seed=3, **taus)
    assert torch.equal(torch.get_rng_state(), before)
    for weight, expected in zip(net.weights().values(), parts.model.weights().values(), strict=True):
        assert torch.equal(weight, expected)
    trials = parts.task.sample(4, torch.Generator().manual_seed(0))
    assert torch.equal(net.run(trials.inputs).outputs, parts.model(trials).outputs)
    assert networks.network(name, **sizes, overrides=["device.dtype=float64"]).z0.dtype == torch.float64


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"actvation": "tanh"},
            "latent_step.actvation: tanh: unknown key, did you mean latent_step.activation",
        ),
        ({"pre_noise": -1}, "latent_step.pre_noise: -1: must be a finite number >= 0"),
        ({"tau": 5.0}, "tau must be a finite number of ms >= dt, which is 10 ms, got 5.0"),
        ({"latent_dim": 0}, "latent_dim must be a whole number >= 1, got 0"),
        ({"dt": -1}, "dt must be > 0 ms, got -1"),
        ({"input_dim": 1.5}, "input_dim must be a whole number >= 0, got 1.5"),
        (
            {"activation": print},
            "latent_step.activation: <built-in function print>: must be a number, a text, ",
        ),
        ({"overrides": ["seed=1,2"]}, "seed: 1,2: several values"),
    ],
)
def test_a_network_that_cannot_be_is_refused(settings, told):
    with pytest.raises((rnnexp.UserError, ValueError), match=re.escape(told)):
        networks.Basic(**{"input_dim": 2, "output_dim": 1, **settings})


def test_settings_of_a_network_are_taken_as_python_has_them():
    units = np.array([20.0, 30.0, 40.0])
    net = networks.Basic(
        input_dim=1, output_dim=1, latent_dim=3, tau=units, learnable_W_in=False, pre_noise=np.float32(0.5)
    )
    assert net.latent_step.alpha.tolist() == pytest.approx((10 / units).tolist())
    assert not net.latent_step.W_in_raw.requires_grad
    assert net.latent_step.pre_noise == 0.5


def test_nothing_but_the_command_line_imports_from_the_commands():
    package = Path(rnnexp.__file__).parent
    files = [
        path for path in package.rglob("*.py") if path.parent.name != "commands" and path.name != "cli.py"
    ]
    assert len(files) > 150
    guilty = [str(path) for path in files if re.search(r"(from|import) rnnexp\.commands", path.read_text())]
    assert guilty == []
