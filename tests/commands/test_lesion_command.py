"""Lesions on the command line: `rnnexp eval` and `rnnexp simulate`, one by one and as a sweep."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from rnnexp.cli import main
from rnnexp.commands import simulate
from rnnexp.commands.eval import run as evaluate
from rnnexp.commands.lesion import lesion
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.run import train

DALE = ["task=perceptual_discrim", "latent_step=Basic", "constraint=dale_rectified", "trainer.n_steps=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained(folder, tiny_config):
    """Return a run directory by the name of the kind of network: with types, or without."""

    def train_(name):
        if not (folder / name).exists():
            chosen = {"dale": DALE, "ALRNN": ["task=perceptual_discrim", "trainer.n_steps=1"]}[name]
            train(tiny_config(*chosen, "latent_dim=20"), folder / name, [])
        return folder / name

    return train_


@pytest.fixture
def eval_config(compose_config, trained):
    def make(*overrides, name="dale"):
        common = (f"checkpoint={trained(name)}", "plots=false", "n_trials=16")
        return compose_config(*common, *overrides, command="eval")

    return make


def settings(**changes):
    whole = {"percentage": None, "scale": 0.0, "by_type": False, "units": None}
    return {**whole, "unit_type": None, "unit_fraction": 1.0, "seed": None, **changes}


@pytest.fixture
def model(eval_config):
    return load_model(eval_config()).model


def test_eval_lesions_the_model_and_says_how_much(tmp_path, eval_config, trained):
    before = (trained("dale") / "checkpoints" / "best.pt").read_bytes()
    losses = [
        evaluate(eval_config(*lesion), tmp_path / str(index), [])
        for index, lesion in enumerate([[], ["lesion.percentage=0"], ["lesion.percentage=0.5"]])
    ]
    assert losses[0] == losses[1] != losses[2]
    none, nothing, half = (json.loads((tmp_path / str(i) / "summary.json").read_text()) for i in range(3))
    assert "lesioned_connections" not in none
    assert nothing["lesioned_connections"] == 0
    assert half["lesioned_connections"] == int(0.5 * half["connections"]) > 0
    assert (trained("dale") / "checkpoints" / "best.pt").read_bytes() == before


def test_by_type_takes_the_share_of_every_pairing(model):
    excitatory = model.latent_step.unit_signs > 0
    before = model.latent_step.W_rec.detach().clone()
    lesion(model, settings(percentage=0.3, by_type=True), seed=0)
    after = model.latent_step.W_rec.detach()
    for target in (excitatory, ~excitatory):
        for source in (excitatory, ~excitatory):
            block = target[:, None] & source
            n = int((before[block] != 0).sum())
            assert int((after[block] != 0).sum()) == n - int(0.3 * n)


def test_the_seed_of_the_lesion_chooses_what_is_lesioned(eval_config):
    def lesioned(**changes):
        model = load_model(eval_config()).model
        lesion(model, settings(percentage=0.5, **changes), seed=7)
        return model.latent_step.W_rec == 0

    assert torch.equal(lesioned(), lesioned(seed=7))
    assert not torch.equal(lesioned(), lesioned(seed=8))


def test_units_are_silenced_by_index_and_by_type(model):
    inhibitory = torch.nonzero(model.latent_step.unit_signs < 0).flatten().tolist()
    done = lesion(model, settings(units=[0, 2], unit_type="inhibitory"), seed=0)
    units = sorted({0, 2, *inhibitory})
    assert done == {"silenced_units": len(units)}
    assert (model.latent_step.W_rec[units] == 0).all()
    assert (model.latent_step.W_rec[:, units] == 0).all()
    assert (model.output_matrix[:, units] == 0).all()
    assert (model.z0[units] == 0).all()
    run = model.run(torch.ones(2, 9, 2))
    assert (run.latents[:, :, units] == 0).all()
    assert run.latents.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        (
            "ALRNN",
            {"percentage": 0.1, "by_type": True},
            "lesion.by_type: true: this network has no excitatory and inhibitory units; .*constraint=dale",
        ),
        (
            "ALRNN",
            {"unit_type": "inhibitory"},
            "lesion.unit_type: inhibitory: this network has no excitatory",
        ),
        ("dale", {"units": [3, 20]}, "lesion.units: 20: the network has 20 units, so must be from 0 to 19"),
    ],
)
def test_what_a_network_does_not_have_is_one_sentence(eval_config, name, change, text):
    model = load_model(eval_config(name=name)).model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(UserError, match=text):
        lesion(model, settings(**change), seed=0)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_networks_without_recurrent_weights_are_refused(model, monkeypatch):
    step = type(model.latent_step)
    monkeypatch.setattr(step, "recurrent_parameters", ())
    monkeypatch.setattr(step, "unit_entries", ())
    with pytest.raises(UserError, match=r"lesion.percentage: 0.1: Leaky has no recurrent weight matrix"):
        lesion(model, settings(percentage=0.1), seed=0)
    with pytest.raises(UserError, match="lesion: units of Leaky cannot be silenced"):
        lesion(model, settings(units=[0]), seed=0)


def test_networks_without_types_lose_connections_and_units_too(eval_config):
    model = load_model(eval_config(name="ALRNN")).model
    done = lesion(model, settings(percentage=0.25, units=[1], unit_type="any", unit_fraction=0.5), seed=0)
    assert done["lesioned_connections"] == 100
    assert done["silenced_units"] in (10, 11)


def test_simulate_runs_the_lesioned_network(tmp_path, compose_config, trained):
    outputs = []
    for name, overrides in {"whole": [], "silent": ["lesion.unit_type=any"]}.items():
        out = tmp_path / f"{name}.npz"
        line = (f"checkpoint={trained('dale')}", f"out={out}", "n_steps=5", *overrides)
        simulate.run(compose_config(*line, command="simulate"))
        outputs.append(np.load(out))
    assert (outputs[0]["latents"] != 0).any()
    assert (outputs[1]["latents"] == 0).all()


def test_a_sweep_leaves_the_lesion_curve_over_seeds(tmp_path, trained, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = [
        "eval",
        "-m",
        f"checkpoint={trained('dale')}",
        "n_trials=8",
        "plots=false",
        "hydra.sweep.dir=sweep",
    ]
    assert main([*line, "lesion.percentage=0,0.5,1", "lesion.seed=range(2)"]) == 0
    table = pd.read_csv(tmp_path / "sweep" / "results.csv")
    assert table["lesion.percentage"].tolist() == [0, 0, 0.5, 0.5, 1, 1]
    assert table.lesioned_connections.tolist()[-1] == table.connections.tolist()[-1]
    groups = pd.read_csv(tmp_path / "sweep" / "results_by_group.csv")
    assert groups[["lesion.percentage", "n"]].values.tolist() == [[0, 2], [0.5, 2], [1, 2]]
    assert (tmp_path / "sweep" / "plots" / "lesion_curve.png").stat().st_size > 5000


def test_a_lesion_that_would_do_nothing_stops_before_the_checkpoint_is_read(capsys):
    assert main(["eval", "checkpoint=nowhere", "lesion.by_type=true"]) == 1
    assert "lesion.by_type: true: has no effect without lesion.percentage" in capsys.readouterr().err


def test_eval_draws_the_weights_by_type_and_the_choices(tmp_path, eval_config):
    evaluate({**eval_config(), "plots": True}, tmp_path, [])
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == {
        "trials", "outputs", "latents", "components", "rates", "weights", "spectrum", "ei_weights", "eigenvalues",
        "psychometric",
    }  # fmt: skip
