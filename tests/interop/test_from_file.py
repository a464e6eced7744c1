"""initializer=from_file: a training that starts from weights of a file, whole or in part."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from rnnexp.building.parts import build_parts
from rnnexp.config.validation import find_problems
from rnnexp.errors import UserError
from rnnexp.training.run import train

VECTORS = Path(__file__).parents[1] / "vectors"
DALE_FILE = VECTORS / "psychrnn" / "saved_weights_dale.npz"
BASIC = ("task=match_to_category", "task.n_in=3", "latent_step=Basic", "latent_dim=10")
DALE = (*BASIC, "constraint=dale")
SPIKE = ("task=go_nogo", "latent_step=FR_RNN_dale", "latent_dim=12")


def stored(path, prefix=""):
    with np.load(path, allow_pickle=False) as file:
        return {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}


@pytest.fixture
def start(compose_config):
    """Build the model of a configuration, return its weights."""

    def weights(*overrides, path=None):
        given = [] if path is None else ["initializer=from_file", f"initializer.path={path}"]
        model = build_parts(compose_config(*given, *overrides)).model
        return {name: weight.numpy() for name, weight in model.weights().items()}

    return weights


@pytest.fixture
def mat_file(tmp_path):
    g = stored(VECTORS / "spikernn_rate" / "fr_rnn_dale_forward.npz", "dale_taus__")
    content = {name: g[name] for name in ("w", "w_in", "w_out", "b_out", "taus", "taus_gaus")}
    savemat(tmp_path / "net.mat", {**content, "m": g["mask"], "som_m": g["som_mask"]})
    return tmp_path / "net.mat", g


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_a_training_starts_from_all_weights_of_psychrnn(start):
    g, weights = stored(DALE_FILE), start(*DALE, path=DALE_FILE)
    for ours, theirs in (
        ("W_in", "W_in"),
        ("W_rec", "W_rec"),
        ("B", "W_out"),
        ("b_rec", "b_rec"),
        ("b", "b_out"),
    ):
        same(weights[ours], g[theirs])
    same(weights["z0"], g["init_state"][0])


def test_what_is_not_taken_starts_as_without_a_file(start):
    g, own = stored(DALE_FILE), start(*DALE)
    weights = start(*DALE, "initializer.only=[W_rec,b]", path=DALE_FILE)
    same(weights["W_rec"], g["W_rec"])
    same(weights["b"], g["b_out"])
    for name in ("W_in", "B", "b_rec", "z0"):
        assert np.array_equal(weights[name], own[name])


def test_a_training_starts_from_all_weights_of_spikernn_and_takes_its_cell_types(start, mat_file):
    path, g = mat_file
    weights = start(*SPIKE, path=path)
    same(weights["W_rec"], g["w_eff"])
    same(weights["W_in"], g["w_in"])
    same(weights["B"], g["w_out"])
    same(weights["tau"], 5 * g["tau_eff"])


@pytest.mark.parametrize(
    "network", [["latent_step=ALRNN"], ["latent_step=PLRNN"], ["latent_step=shPLRNN"], ["latent_step=LSTM"],
                ["latent_step=GRU"], ["latent_step=Basic", "constraint=dale"], ["latent_step=FR_RNN_dale"]],
)  # fmt: skip
def test_weights_of_a_run_start_another_one(tiny_config, tmp_path, network):
    train(tiny_config(*network), tmp_path / "run", [])
    first = stored(tmp_path / "run" / "weights.npz")
    again = ["initializer=from_file", f"initializer.path={tmp_path}/run/weights.npz", "seed=1"]
    model = build_parts(tiny_config(*network, *again)).model
    weights = {name: weight.numpy() for name, weight in model.weights().items()}
    for name, weight in weights.items():
        same(weight, first[name])
    raw = {
        name.rpartition(".")[2]: parameter.detach().numpy() for name, parameter in model.named_parameters()
    }
    for name in first.keys() - weights.keys():
        assert np.array_equal(raw[name], first[name]), name


def test_a_run_that_starts_from_a_file_trains_and_is_restored_without_it(
    tiny_config, tmp_path, compose_config
):
    from rnnexp.commands.eval import run as evaluate

    train(tiny_config("latent_step=Basic"), tmp_path / "run", [])
    file = tmp_path / "run" / "weights.npz"
    given = ["initializer=from_file", f"initializer.path={file}", "initializer.only=[W_rec]"]
    train(tiny_config("latent_step=Basic", *given), tmp_path / "second", [])
    file.unlink()
    config = compose_config(f"checkpoint={tmp_path}/second", "plots=false", "n_trials=8", command="eval")
    assert np.isfinite(evaluate(config, tmp_path / "eval", []))


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            [*DALE, "latent_dim=12"],
            r"initializer: .*dale.npz: W_in has the shape \(10, 3\), expected \(12, 3\); W_rec has the shape ",
        ),
        (
            [*DALE, "initializer.only=[W_recc]"],
            r"initializer: only: W_recc: .* no such weight, did you mean W_rec\?",
        ),
        (
            [*DALE, "constraint.dale_ratio=0.5"],
            r"initializer: .*: W_rec breaks the rules of this network: \d+ of its 100 entries .*; B breaks",
        ),
        (
            [*BASIC, "initializer.format=npz"],
            r"initializer: .*: .*this network has no W_out; .*; choose",
        ),
        ([*BASIC, "initializer.format=spikernn"], r"initializer.path: .*: cannot be read as a MATLAB file"),
        (
            [*BASIC, "latent_step=ALRNN"],
            r"initializer: .*: this network has no W_in; .*choose the others with only=",
        ),
        ([*BASIC, "initializer.path=nothing.npz"], r"initializer.path: nothing.npz: no such file"),
        ([*BASIC, "initializer.path=w.csv"], r"initializer.path: w.csv: must end with .npz or .mat"),
    ],
)
def test_a_file_that_does_not_fit_is_one_sentence(start, overrides, text):
    with pytest.raises(UserError, match=text) as error:
        start(*overrides, path=DALE_FILE) if "path=" not in overrides[-1] else start(
            "initializer=from_file", *overrides
        )
    assert "\n" not in str(error.value)


def test_a_time_constant_that_is_not_trained_cannot_be_taken_alone(start, mat_file):
    with pytest.raises(UserError, match=r"tau is fixed in this network"):
        start(*SPIKE, "latent_step.tau=50", "initializer.only=[tau]", path=mat_file[0])
    assert (start(*SPIKE, "latent_step.tau=50", path=mat_file[0])["tau"] == 50).all()


def test_a_missing_path_is_told_before_anything_runs(compose_config):
    from omegaconf import OmegaConf

    config = OmegaConf.create(compose_config("initializer=from_file", "initializer.path=null"))
    assert any(
        problem.startswith("initializer.path: null: must be") for problem in find_problems(config, "train")
    )
