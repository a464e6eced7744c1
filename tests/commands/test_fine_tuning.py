"""`init_from`, `freeze` and `lr_of`: a trained network trained further, on its own or another task."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import rnnexp
from rnnexp.cli import main
from rnnexp.config.option_names import OF_ANCESTOR
from rnnexp.constraints.parameter_names import parameters_by_name
from rnnexp.errors import UserError
from rnnexp.training.checkpoint import load_checkpoint

TINY = [
    "trainer.n_steps=6", "trainer.eval_every=2", "trainer.batch_size=8", "trainer.n_validation_trials=16",
    "trainer.n_test_trials=16", "trainer.plots=false", "latent_dim=8", "task.T=300", "task.dt=20",
]  # fmt: skip
NETWORKS = {
    "ALRNN": [],
    "PLRNN": ["device.dtype=float64"],
    "clipped_shPLRNN": [],
    "FR_RNN_dale": ["connectivity=sparse"],
    "CTRNN": ["constraint=dale_projected"],
    "Basic": ["constraint=dale", "initial_state=zero"],
    "GRU": [],
    "LSTM": [],
}
OWN_STEP = '''
import torch
from rnnexp.latent_steps import LatentStep


class TwoLayers(LatentStep):
    """Two layers, whose parameters share their names."""

    def __init__(self, latent_dim, input_dim, gain=1.0):
        super().__init__(latent_dim, input_dim)
        self.first = torch.nn.Linear(latent_dim, latent_dim)
        self.second = torch.nn.Linear(latent_dim, latent_dim)
        self.gain = gain

    def step(self, z, s):
        return torch.tanh(self.gain * self.second(torch.relu(self.first(z))) + s.sum(1, keepdim=True))
'''


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Train a tiny network and return its directory; the working directory is the test's own."""
    monkeypatch.chdir(tmp_path)

    def train(*overrides, name="first"):
        return rnnexp.train([*TINY, f"hydra.run.dir={tmp_path / name}", *overrides]).directory

    return train


def last(directory):
    return load_checkpoint(directory / "checkpoints" / "last.pt")


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.thinned
@pytest.mark.parametrize("latent_step", NETWORKS)
def test_begins_with_the_ancestor_to_the_last_bit_and_frozen_weights_stay_it(trained, latent_step):
    source = trained(f"latent_step={latent_step}", *NETWORKS[latent_step])
    weights = load_checkpoint(source)["model"]
    assert same(rnnexp.build([f"init_from={source}", "seed=5"]).model.state_dict(), weights)

    names = parameters_by_name(rnnexp.load(source).model)
    others = ",".join(name for name in names if name != "B")
    tuned = rnnexp.train([f"init_from={source}", f"freeze=[{others}]", f"hydra.run.dir={source}_tuned"])
    after = last(tuned.directory)["model"]
    changed = [name for name, weight in after.items() if not torch.equal(weight, weights[name])]
    assert changed == ["observation.B_raw"]
    assert tuned.summary["n_parameters"] == names["B"].numel()


def test_time_series_with_forcing_and_a_start_from_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = [f"task.n_{split}=2000" for split in ("training", "validation", "test")]
    short = ["trainer.n_steps=4", "trainer.eval_every=2", "trainer.plots=false", "latent_step.num_relus=4"]
    rnnexp.train(["experiment=alrnn_lorenz63", *small, *short, "latent_dim=8", "hydra.run.dir=series"])
    parts = rnnexp.build(["init_from=series"])
    assert same(parts.model.state_dict(), load_checkpoint("series")["model"])


def test_the_configuration_of_the_ancestor_is_the_base(trained):
    source = trained("latent_step=CTRNN", "optimizer=sgd", "seed=3")
    config = rnnexp.compose(["init_from=first", "task.delay_duration=100", "scheduler=constant"])
    before = load_checkpoint(source)["config"]
    changed = {key for key in config if config[key] != before[key]}
    assert changed == {"init_from", "task", "scheduler"}
    assert config["task"] == {**before["task"], "delay_duration": 100}
    assert config["init_from"] == str(source / "checkpoints" / "best.pt")


def test_a_run_keeps_its_ancestor_and_goes_on_without_it(trained):
    source = trained()
    tuned = rnnexp.train(["init_from=first", "task.delay_duration=60", "hydra.run.dir=second"])
    assert main(["train", "init_from=second", "hydra.run.dir=third"]) == 0
    ancestor = json.loads(Path("third/run.json").read_text())["init_from"]
    assert ancestor["checkpoint_relative"] == os.path.join("..", "second", "checkpoints", "best.pt")
    assert ancestor["step"] == tuned.summary["best_step"]
    (source / "checkpoints" / "best.pt").unlink()
    assert main(["train", "resume=second", "trainer.n_steps=8"]) == 0
    assert rnnexp.load("second").record["init_from"]["step"] == 6
    assert last(tuned.directory)["state"]["step"] == 8


def test_resuming_gives_the_same_as_never_having_stopped(trained):
    trained("latent_step=Basic")
    line = ["init_from=first", "freeze=[W_in]", "lr_of.B=1e-4", "init_optimizer=true", "scheduler=constant"]
    whole = rnnexp.train([*line, "hydra.run.dir=whole"])
    rnnexp.train([*line, "hydra.run.dir=parts", "trainer.n_steps=4"])
    assert main(["train", "resume=parts", "trainer.n_steps=6"]) == 0
    assert same(last(whole.directory)["model"], load_checkpoint("parts/checkpoints/last.pt")["model"])


def test_tables_and_directories_name_what_the_ancestor_was(trained, capsys):
    trained("latent_step=CTRNN")
    line = ["train", "-m", "init_from=first", "seed=1,2", "lr_of.W_in=1e-4,1e-3", "hydra.sweep.dir=sweep"]
    assert main(line) == 0
    table = pd.read_csv("sweep/results.csv")
    assert set(zip(table.seed, table["lr_of.W_in"], strict=True)) == {
        (1, 1e-4),
        (1, 1e-3),
        (2, 1e-4),
        (2, 1e-3),
    }
    assert set(table.latent_step) == {"CTRNN"}
    assert set(table.task) == {"delayed_discrim"}
    capsys.readouterr()
    assert main(["train", "init_from=first", "--dry-run"]) == 0
    assert capsys.readouterr().out.endswith("_delayed_discrim_CTRNN\n")
    assert main(["train", "init_from=first", "task=nothing"]) == 1
    assert OF_ANCESTOR not in capsys.readouterr().err


def test_only_some_weights(trained):
    source = trained("latent_step=Basic")
    before = rnnexp.load(source).weights
    fresh = rnnexp.build(["init_from=first", "task=mante", "init_weights=[W_rec,b_rec]"]).model.weights()
    alone = rnnexp.build(["latent_dim=8", "latent_step=Basic", "task=mante"]).model.weights()
    for name, weight in fresh.items():
        is_taken = name in ("W_rec", "b_rec")
        np.testing.assert_array_equal(weight, before[name] if is_taken else alone[name], err_msg=name)


def test_into_another_latent_step_and_other_rules(trained):
    source = trained("latent_step=PLRNN")
    before = rnnexp.load(source, dtype="float64").weights
    after = rnnexp.build(
        ["init_from=first", "latent_step=ALRNN", "latent_step.off_diagonal_W=true"]
    ).model.weights()
    for name in before:
        np.testing.assert_allclose(after[name], before[name], atol=1e-6, err_msg=name)
    trained("latent_step=Basic", name="leaky")
    with pytest.raises(UserError, match=r"W_rec breaks the rules of this network: .* another sign"):
        rnnexp.build(["init_from=leaky", "constraint=dale"])
    zero = rnnexp.build(["init_from=leaky", "initial_state=zero"]).model
    assert not zero.z0.any()


@pytest.mark.parametrize("optimizer", ["adam", "radam", "sgd"])
def test_the_optimizer_goes_on_on_request(trained, optimizer):
    momentum = ["optimizer.momentum=0.9"] if optimizer == "sgd" else []
    source = trained(f"optimizer={optimizer}", *momentum, "lr_of.h=1e-4", "freeze=[A]")
    moments = load_checkpoint(source)["optimizer"]["state"]
    line = ["init_from=first", "init_optimizer=true", "lr_of={B: 0.5}", "optimizer.lr=0.25"]
    parts = rnnexp.build(line)  # what was frozen stays so, and rates of single weights are added to
    names = {id(parameter): name for name, parameter in parameters_by_name(parts.model).items()}
    order = ["z0", "W", "C", "B", "b", "h"]  # of the ancestor's optimizer, where h has a group of its own
    for group, rate in zip(parts.optimizer.param_groups, (0.25, 1e-4, 0.5), strict=True):
        assert group["lr"] == rate
        for parameter in group["params"]:
            given = moments[order.index(names[id(parameter)])]
            for key, value in parts.optimizer.state[parameter].items():
                assert torch.equal(torch.as_tensor(value), torch.as_tensor(given[key]))


def test_learning_rates_by_weight(trained):
    source = trained("optimizer=sgd", "latent_step=Basic")
    line = [
        "init_from=first",
        "trainer.n_steps=1",
        "scheduler=constant",
        "optimizer.lr=0.5",
        "trainer.clip=none",
    ]
    usual = rnnexp.train([*line, "hydra.run.dir=usual"])
    slow = rnnexp.train([*line, "lr_of.W_in=0.25", "lr_of.b=0.05", "hydra.run.dir=slow"])
    start = load_checkpoint(source)["model"]
    one, other = last(usual.directory)["model"], last(slow.directory)["model"]
    for name, ratio in {
        "latent_step.W_in_raw": 0.5,
        "observation.b": 0.1,
        "latent_step.W_rec_raw": 1.0,
    }.items():
        moved, less = one[name] - start[name], other[name] - start[name]
        assert moved.abs().max() > 1e-4
        torch.testing.assert_close(less, ratio * moved, atol=1e-6, rtol=1e-3)


def test_a_network_of_the_user(trained, tmp_path, monkeypatch):
    (tmp_path / "two_layers.py").write_text(OWN_STEP)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = trained("latent_step._target_=two_layers.TwoLayers")
    with pytest.raises(UserError, match="only with trust=true"):
        rnnexp.build(["init_from=first"])
    parts = rnnexp.build(["init_from=first", "trust=true", "latent_step.gain=1.0"])
    assert same(parts.model.state_dict(), load_checkpoint(source)["model"])
    tuned = rnnexp.train(["init_from=first", "trust=true", "freeze=['*first*',z0]", "hydra.run.dir=second"])
    after = last(tuned.directory)["model"]
    frozen = [name for name, weight in after.items() if torch.equal(weight, parts.model.state_dict()[name])]
    assert frozen == ["z0", "latent_step.first.weight", "latent_step.first.bias"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["init_from=nowhere"], "init_from=nowhere: no such file"),
        (
            ["init_from=first", "latent_dim=9"],
            r"its W_rec has the shape \(8, 8\), this network needs \(9, 9\)",
        ),
        (["init_from=first", "latent_step=GRU"], r"this network has no W_rec; .*init_weights=\[\.\.\.\]"),
        (
            ["init_from=first", "init_weights=[W_rce]"],
            "init_weights: W_rce: there is no such weight, did you mean W_rec",
        ),
        (
            ["init_from=first", "init_optimizer=true", "optimizer=sgd"],
            "init_optimizer: true: .*is Adam, this one is SGD",
        ),
        (["init_from=imported", "init_optimizer=true"], "init_optimizer: true: .* has no state of z0"),
        (["freeze=[W_inn]"], "freeze: W_inn: there is no such weight, did you mean W_in"),
        (["freeze=W_in"], "freeze: W_in: must be a list"),
        (["init_weights=[W_rec]"], r"init_weights: .*W_rec.*: has no effect without init_from=RUN"),
        (["init_optimizer=true"], "init_optimizer: true: has no effect without init_from=RUN"),
        (["freeze=['*']"], r"freeze: \[\*\]: nothing is left to learn"),
        (["lr_of.W_inn=1"], "lr_of: W_inn: there is no such weight, did you mean W_in"),
        (["lr_of.W_in=0"], "lr_of: .*W_in.*: must be a mapping, each a finite number > 0"),
        (["freeze=[W_in]", "lr_of.W_in=1e-3"], "lr_of: W_in: there is no such weight.* that learn"),
        (["init_from=first,imported"], "a sweep has one ancestor"),
        (["init_from=first", "task.delay_durations=3"], "task.delay_durations: 3: unknown key, did you mean"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(ancestors, capsys, line, sentence):
    before = sorted(ancestors.rglob("*"))
    base = [] if line[0].startswith("init_from") else [*TINY, "latent_step=Basic"]
    assert main(["train", *base, *line]) == 1
    error = capsys.readouterr().err
    assert re.search(sentence, error), error
    assert sorted(ancestors.rglob("*")) == before


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Train a tiny network once, and import its weights as another run."""
    folder = tmp_path_factory.mktemp("ancestors")
    before = os.getcwd()
    os.chdir(folder)
    try:
        rnnexp.train([*TINY, "latent_step=Basic", "hydra.run.dir=first"])
        line = [
            "import",
            "file=first/weights.npz",
            "task=delayed_discrim",
            "transfer_function=relu",
        ]
        assert main([*line, "hydra.run.dir=imported"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def ancestors(kept, monkeypatch):
    monkeypatch.chdir(kept)
    return kept
