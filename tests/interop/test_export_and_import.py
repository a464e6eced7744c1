"""`rnnexp export` and `rnnexp import`: weights to and from files of PsychRNN and spikeRNN."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from scipy.io import savemat

from rnnexp import simulator
from rnnexp.commands import export, simulate
from rnnexp.commands.eval import run as evaluate
from rnnexp.commands.import_weights import run as import_weights
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.run import resume, train

VECTORS = Path(__file__).parents[1] / "vectors"
DEVICE = {"name": "cpu", "dtype": "float64", "threads": 1}
SMALL = [
    "trainer.n_validation_trials=8",
    "trainer.n_test_trials=8",
    "trainer.batch_size=8",
    "trainer.plots=false",
]
THREE_INPUTS = ("task=match_to_category", "task.n_in=3")  # those of PsychRNN's vectors


def arrays(path, case=None):
    with np.load(VECTORS / path, allow_pickle=False) as file:
        names = [name for name in file.files if case is None or name.startswith(f"{case}__")]
        return {name.removeprefix(f"{case}__"): file[name] for name in names}


def saved(path):
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def model_of(directory):
    return load_model({"checkpoint": directory, "trust": False, "device": DEVICE}).model


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


@pytest.fixture
def import_file(compose_config, tmp_path):
    """Import a file, return the run directory."""

    def make(file, *overrides, into="imported"):
        config = compose_config(f"file={file}", *SMALL, *overrides, command="import")
        import_weights(config, tmp_path / into, [])
        return tmp_path / into

    return make


@pytest.fixture
def export_file(compose_config, tmp_path):
    """Export a checkpoint, return the file."""

    def make(checkpoint, *overrides, name="weights.npz"):
        out = tmp_path / name
        export.run(compose_config(f"checkpoint={checkpoint}", f"out={out}", *overrides, command="export"))
        return out

    return make


@pytest.fixture
def trained(tiny_config, tmp_path):
    """Train a tiny network, return its run directory."""

    def make(*overrides, into="trained"):
        train(tiny_config(*overrides), tmp_path / into, [])
        return tmp_path / into

    return make


# the whole way round


@pytest.mark.parametrize(
    "kind",
    [
        ["constraint=dale", "latent_step.activation=softplus", "connectivity=sparse", "connectivity.recurrent=0.5"],
        ["constraint=none", "latent_step.activation=tanh"],
        ["constraint=dale_projected", "connectivity.autapses=false"],
    ],
)  # fmt: skip
def test_a_trained_network_exported_imported_and_simulated_stays_itself(
    trained, export_file, import_file, compose_config, tmp_path, kind
):
    task = ["task=perceptual_discrim", "task.T=300", "task.dt=20"]
    run = trained("latent_step=Basic", *task, *kind)
    file = export_file(run)
    imported = import_file(file, *task)
    rng = np.random.default_rng(0)
    x, scale = rng.normal(size=(3, 7, 2)), rng.uniform(size=(7, 8, 8))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "scale.npy", scale)
    for given, overrides in ((None, []), (scale, [f"t_connectivity={tmp_path}/scale.npy"])):
        outputs, states = simulator.load(file).run_trials(x, given)
        for checkpoint in (run, imported):
            config = compose_config(
                f"checkpoint={checkpoint}", f"inputs={tmp_path}/x.npy", f"out={tmp_path}/out.npz",
                "device.dtype=float64", "overwrite=true", *overrides, command="simulate",
            )  # fmt: skip
            simulate.run(config)
            found = saved(tmp_path / "out.npz")
            close(found["outputs"], outputs, 1e-6)
            close(found["latents"], states, 1e-6)


def test_connections_scaled_to_zero_are_removed_at_their_step_only(trained, compose_config, tmp_path):
    run = trained("latent_step=Basic")
    scale = np.ones((6, 8, 8))
    scale[3] = 0
    np.save(tmp_path / "scale.npy", scale)
    base = [
        f"checkpoint={run}",
        "n_steps=6",
        f"out={tmp_path}/out.npz",
        "overwrite=true",
        "device.dtype=float64",
    ]
    simulate.run(compose_config(*base, command="simulate"))
    whole = saved(tmp_path / "out.npz")
    simulate.run(compose_config(*base, f"t_connectivity={tmp_path}/scale.npy", command="simulate"))
    cut = saved(tmp_path / "out.npz")
    close(cut["latents"][:, :3], whole["latents"][:, :3], 1e-12)
    with np.load(run / "weights.npz") as w:
        alpha = 20 / w["tau"].astype(float)
        close(cut["latents"][:, 3], (1 - alpha) * whole["latents"][:, 2] + alpha * w["b_rec"], 1e-9)
    assert not np.allclose(cut["latents"][:, 4], whole["latents"][:, 4])


def test_noise_of_the_rates_passes_through_the_scaled_connections(trained, compose_config, tmp_path):
    run = trained("latent_step=CTRNN", "latent_step.post_noise=0.5", "latent_step.test_noise=true")
    np.save(tmp_path / "scale.npy", np.zeros((5, 8, 8)))
    where = [f"checkpoint={run}", f"out={tmp_path}/out.npz", f"t_connectivity={tmp_path}/scale.npy"]
    simulate.run(
        compose_config(*where, "n_steps=5", "noise=true", "device.dtype=float64", command="simulate")
    )
    found = saved(tmp_path / "out.npz")
    assert np.abs(found["rates"] - np.maximum(found["latents"], 0)).max() > 0.1
    assert np.abs(found["latents"]).max() < 1e-12  # nothing but the recurrence drives them


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["latent_step=ALRNN"], r"t_connectivity: .*: scales W_rec of leaky networks, this one is ALRNN"),
        (["latent_step=Basic"], r"must have the shape .*\(6, 8, 8\), got \(5, 8, 8\)"),
    ],
)
def test_connections_in_time_that_do_not_fit_are_one_sentence(
    trained, compose_config, tmp_path, overrides, text
):
    run = trained(*overrides)
    np.save(tmp_path / "scale.npy", np.ones((5, 8, 8)))
    config = compose_config(
        f"checkpoint={run}", "n_steps=6", f"out={tmp_path}/o.npz", f"t_connectivity={tmp_path}/scale.npy",
        command="simulate",
    )  # fmt: skip
    with pytest.raises(UserError, match=text):
        simulate.run(config)


# export


def test_export_has_psychrnns_names_and_shapes_and_no_pickles(trained, export_file):
    file = saved(export_file(trained("latent_step=Basic", "constraint=dale", "connectivity.autapses=false")))
    shapes = {name: array.shape for name, array in file.items()}
    assert shapes == {
        "W_in": (8, 2), "W_rec": (8, 8), "W_out": (2, 8), "b_rec": (8,), "b_out": (2,), "init_state": (1, 8),
        "Dale_rec": (8, 8), "Dale_out": (8, 8), "input_connectivity": (8, 2), "rec_connectivity": (8, 8),
        "output_connectivity": (2, 8), "dale_ratio": (), "transfer_function": (), "dt": (), "tau": (),
        "rec_noise": (), "format_version": (),
    }  # fmt: skip
    assert (file["dale_ratio"], file["transfer_function"], file["dt"], file["tau"]) == (
        0.75,
        "relu",
        20.0,
        100.0,
    )
    assert file["W_rec"].dtype == np.float32
    assert np.array_equal(np.diagonal(file["Dale_rec"]), [1, 1, 1, 1, 1, 1, -1, -1])
    assert np.array_equal(np.diagonal(file["Dale_out"]), [1, 1, 1, 1, 1, 1, 0, 0])
    assert np.array_equal(file["rec_connectivity"], 1 - np.eye(8))
    assert (file["W_rec"] @ np.diag([1, 1, 1, 1, 1, 1, -1, -1]) >= 0).all()


def test_psychrnn_reads_an_export_of_another_form_of_dale_as_plain_weights(trained, export_file):
    file = saved(export_file(trained("latent_step=Basic", "constraint=dale", "constraint.inputs=any",
                                     "constraint.readout=signed")))  # fmt: skip
    assert np.isnan(file["dale_ratio"])
    assert (np.diagonal(file["Dale_rec"]) < 0).sum() == 2


def test_weights_of_float64_stay_exact(trained, export_file, compose_config, tmp_path):
    run = trained("latent_step=ALRNN", "device.dtype=float64")
    weights, exported = saved(run / "weights.npz"), saved(export_file(run, "format=npz"))
    assert all(np.array_equal(exported[name], array) for name, array in weights.items())
    assert any((array != array.astype(np.float32)).any() for array in weights.values())
    again = trained(
        "latent_step=ALRNN", "device.dtype=float64", "initializer=from_file", f"initializer.path={run}/weights.npz",
        "trainer.n_steps=1", "optimizer.lr=1e-300", into="again",
    )  # fmt: skip
    assert np.array_equal(saved(again / "weights.npz")["A"], weights["A"])


def test_export_under_our_names_holds_raw_weights_and_feeds_the_simulator(trained, export_file):
    run = trained("latent_step=CTRNN", "constraint=dale", "latent_step.input_bias=true", "observation=linear")
    file = export_file(run, "format=npz")
    assert {"W_rec", "W_in", "B", "z0", "tau", "W_rec_raw", "transfer_function", "dt"} <= set(saved(file))
    x = np.random.default_rng(0).normal(size=(2, 5, 2))
    trajectory = model_of(run).run(torch.from_numpy(x))
    outputs, states = simulator.load(file).run_trials(x)
    close(outputs, trajectory.outputs.detach(), 1e-6)
    close(states, trajectory.latents.detach(), 1e-6)


def test_noise_is_exported_in_the_units_of_psychrnn(trained, export_file):
    run = trained("latent_step=CTRNN", "latent_step.pre_noise=0.3", "latent_step.tau=80")
    network = simulator.load(export_file(run))
    close(np.sqrt(2 * network.alpha) * network.rec_noise, np.full(8, 0.3 * 20 / 80), 1e-9)


@pytest.mark.parametrize(
    ("network", "overrides", "text"),
    [
        (
            [],
            ["format=psychrnn"],
            r"format: psychrnn: the network must be leaky or an LSTM, it is ALRNN; format=npz takes every",
        ),
        (
            ["latent_step=Basic", "observation=identity"],
            ["format=psychrnn"],
            r"format: psychrnn: the observation must be linear or affine, it is Identity; format=npz",
        ),
        (
            ["latent_step=Basic"],
            ["out=weights.txt"],
            r"out: weights.txt: must be a file name that ends with .npz",
        ),
    ],
)
def test_export_says_what_it_cannot_write(trained, export_file, network, overrides, text):
    run = trained(*network)
    with pytest.raises(UserError, match=text):
        export_file(run, *overrides)


@pytest.mark.parametrize(
    ("network", "chosen", "weight"), [("ALRNN", "npz", "A"), ("Basic", "psychrnn", "W_rec")]
)
def test_export_chooses_a_format_that_fits_and_says_which(
    trained, export_file, capsys, network, chosen, weight
):
    basic = [] if network == "ALRNN" else [f"latent_step={network}"]
    assert weight in saved(export_file(trained(*basic)))
    assert f"weights.npz: format={chosen}: " in capsys.readouterr().out


def test_export_replaces_a_file_only_if_asked(trained, export_file, tmp_path):
    run = trained("latent_step=ALRNN")
    (tmp_path / "weights.npz").write_text("precious")
    with pytest.raises(UserError, match="exists already; choose another name or set overwrite=true"):
        export_file(run, "format=npz")
    assert (tmp_path / "weights.npz").read_text() == "precious"
    file = saved(export_file(run, "format=npz", "overwrite=true"))
    assert np.array_equal(file["W"], saved(run / "weights.npz")["W"])


# import from PsychRNN


def psychrnn_file(path, **changes):
    """Write a file as PsychRNN does, with its two pickles."""
    content = arrays("psychrnn/saved_weights_dale.npz") | {"transfer_function": np.array(len, dtype=object)}
    np.savez(path, **(content | changes))
    return path


def test_a_network_of_psychrnn_gives_its_outputs_and_trains_on(import_file, tmp_path):
    g = arrays("psychrnn/saved_weights_dale_expected.npz")
    file = psychrnn_file(tmp_path / "weights.npz")
    run = import_file(file, *THREE_INPUTS, "task.dt=10", "tau=100", "transfer_function=relu")
    trajectory = model_of(run).run(torch.from_numpy(g["x"]).double())
    close(trajectory.outputs.detach(), g["outputs"])
    close(trajectory.latents.detach(), g["states"])
    cfg = OmegaConf.load(run / ".hydra" / "config.yaml")
    cfg.trainer.n_steps = 3
    resume(cfg, run)
    after = saved(run / "weights.npz")
    before = arrays("psychrnn/saved_weights_dale.npz")
    assert not np.array_equal(after["W_rec"], before["W_rec"])
    assert (after["W_rec"] @ before["Dale_rec"] >= 0).all()
    assert not after["W_rec"][before["rec_connectivity"] == 0].any()
    assert json.loads((run / "run.json").read_text())["status"] == "finished"


def test_an_imported_network_can_be_evaluated(import_file, compose_config, tmp_path):
    run = import_file(psychrnn_file(tmp_path / "w.npz"), *THREE_INPUTS, "transfer_function=relu")
    loss = evaluate(
        compose_config(f"checkpoint={run}", "n_trials=8", "plots=false", command="eval"),
        tmp_path / "eval",
        [],
    )
    assert np.isfinite(loss)
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["exit_reason"]) == ("finished", f"imported {tmp_path}/w.npz")
    assert record["imported_from"] == str(tmp_path / "w.npz")
    assert load_checkpoint(run)["state"]["step"] == 0


def test_without_dales_law_dale_ratio_is_a_pickle_that_needs_no_answer(import_file, tmp_path):
    g = arrays("psychrnn/basic_tanh.npz")
    names = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "init_state", "Dale_rec", "Dale_out")
    file = tmp_path / "w.npz"
    np.savez(file, **{name: g[name] for name in names}, dale_ratio=np.array(None, dtype=object))
    run = import_file(file, *THREE_INPUTS, "task.dt=10", "tau=100", "transfer_function=tanh")
    trajectory = model_of(run).run(torch.from_numpy(g["x"]).double())
    close(trajectory.outputs.detach(), g["outputs"])


def test_a_time_constant_for_each_unit_is_imported(import_file, tmp_path):
    g = arrays("psychrnn/basic_per_unit_tau.npz")
    names = ("W_in", "W_rec", "W_out", "b_rec", "b_out", "init_state", "tau", "dt")
    np.savez(tmp_path / "w.npz", **{name: g[name] for name in names}, transfer_function="relu")
    run = import_file(tmp_path / "w.npz", *THREE_INPUTS, "task.dt=10")
    close(model_of(run).run(torch.from_numpy(g["x"]).double()).outputs.detach(), g["outputs"])


@pytest.mark.parametrize(
    ("changes", "overrides", "text"),
    [
        (
            {},
            [],
            r"file: .*w.npz: the transfer function is pickled there, which is never read; say it with trans",
        ),
        (
            {"dt": 5.0},
            ["transfer_function=relu"],
            r"task.dt: 10: must be the time step .* that of .*w.npz, 5 ms",
        ),
        (
            {},
            ["transfer_function=relu", "dt=4"],
            r"task.dt: 10: must be the time step of the network, dt, 4 ms",
        ),
        ({}, ["transfer_function=relu", "dale_ratio=0.5"], r"dale_ratio: 0.5: means 5 .* of 10, .* has 8"),
        (
            {},
            ["transfer_function=relu", "tau=5"],
            r"latent_step: tau must be .* >= dt, which is 10 ms, got 5",
        ),
        (
            {},
            ["transfer_function=relu", "task.n_in=4"],
            r"file: .*: has 3 inputs and 2 outputs, the task MatchToCategory has 4 and 2",
        ),
        (
            {"W_rec": -np.ones((10, 10))},
            ["transfer_function=relu"],
            r"file: .*w.npz: W_rec breaks the rules of this network: \d+ of its 100 entries",
        ),
        (
            {"b_rec": np.ones(7)},
            ["transfer_function=relu"],
            r"file: .*w.npz: b_rec must have the shape \(10,\), got \(7,\)",
        ),
        (
            {"dale_ratio": np.array([0.5, 0.8])},
            ["transfer_function=relu"],
            r"file: .*w.npz: dale_ratio must be a number, got float64 of the shape \(2,\)",
        ),
        (
            {"W_in": np.full((10, 3), "a")},
            ["transfer_function=relu"],
            r"file: .*w.npz: W_in must hold real numbers, got dtype <U1",
        ),
        (
            {"rec_connectivity": np.zeros((4, 4))},
            ["transfer_function=relu"],
            r"file: .*w.npz: the mask of W_rec must have the shape \(10, 10\), got \(4, 4\)",
        ),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(import_file, tmp_path, changes, overrides, text):
    file = psychrnn_file(tmp_path / "w.npz", **changes)
    with pytest.raises(UserError, match=text) as error:
        import_file(file, *THREE_INPUTS, "task.dt=10", *overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("w.npz", None, "file: .*w.npz: no such file"),
        ("w.txt", "1", "file: .*w.txt: must end with .npz or .mat"),
        ("w.npz", "1", "file: .*w.npz: cannot be read as a .npz file"),
        ("w.mat", "1", "file: .*w.mat: cannot be read as a MATLAB file"),
    ],
)
def test_files_of_no_network_are_one_sentence(import_file, tmp_path, name, content, text):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=text):
        import_file(tmp_path / name, *THREE_INPUTS)


# weights under our own names, and without a task

OWN = {
    "ALRNN": ["latent_step=ALRNN", "latent_step.num_relus=3"],
    "PLRNN": ["latent_step=PLRNN"],
    "shPLRNN": ["latent_step=shPLRNN", "latent_step.hidden_dim=9"],
    "clipped_shPLRNN": ["latent_step=clipped_shPLRNN", "latent_step.hidden_dim=9"],
    "GRU": ["latent_step=GRU"],
}


def same_outputs(run, imported, tmp_path, compose_config, *overrides):
    outputs = []
    for number, checkpoint in enumerate((run, imported)):
        line = [
            f"checkpoint={checkpoint}",
            f"out={tmp_path}/{number}.npz",
            "overwrite=true",
            "device.dtype=float64",
        ]
        simulate.run(compose_config(*line, *overrides, command="simulate"))
        outputs.append(saved(tmp_path / f"{number}.npz")["outputs"])
    close(*outputs, 1e-6)
    return outputs[0]


@pytest.mark.thinned
@pytest.mark.parametrize("kind", OWN)
def test_weights_of_a_run_make_the_same_network_with_and_without_a_task(
    import_file, trained, compose_config, tmp_path, kind
):
    task = ["task=perceptual_discrim", "task.T=300", "task.dt=20"]
    run = trained(*OWN[kind], *task)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(3, 7, 2)))
    for into, words in (("with", task), ("without", [])):
        imported = import_file(run / "weights.npz", *OWN[kind], *words, into=into)
        same_outputs(run, imported, tmp_path, compose_config, f"inputs={tmp_path}/x.npy")
    assert load_checkpoint(tmp_path / "with")["config"]["task"]["dt"] == 20
    with pytest.raises(
        UserError, match="the network was imported without a task; import it again with task="
    ):
        evaluate(compose_config(f"checkpoint={tmp_path / 'without'}", command="eval"), tmp_path / "out", [])
    config = OmegaConf.create(load_checkpoint(tmp_path / "without")["config"])
    with pytest.raises(UserError, match="the network was imported without a task"):
        resume(config, tmp_path / "without")


@pytest.mark.parametrize("format", ["npz", "psychrnn"])
@pytest.mark.parametrize("kind", ["Basic", "LSTM"])
def test_leaky_networks_and_lstms_are_imported_without_a_task(
    import_file, export_file, trained, compose_config, tmp_path, format, kind
):
    run = trained(f"latent_step={kind}", "task=perceptual_discrim", "task.T=300", "task.dt=20")
    imported = import_file(export_file(run, f"format={format}"))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(3, 7, 2)))
    same_outputs(run, imported, tmp_path, compose_config, f"inputs={tmp_path}/x.npy")


LORENZ = ["task=lorenz63", "task.n_training=500", "task.n_validation=300", "task.n_test=300"]


@pytest.mark.parametrize("is_matrix", [False, True])
@pytest.mark.parametrize("task", [[], LORENZ], ids=["no task", "lorenz63"])
def test_weights_of_the_reconstruction_papers_are_imported(
    import_file, compose_config, tmp_path, is_matrix, task
):
    rng = np.random.default_rng(0)
    A, W, h = rng.uniform(0.2, 0.9, 6), 0.1 * rng.normal(size=(6, 6)), rng.normal(size=6)
    np.savez(tmp_path / "papers.npz", A=np.diag(A) if is_matrix else A, W=W, h=h, L=np.zeros((3, 3)))
    imported = import_file(
        tmp_path / "papers.npz", "latent_step=ALRNN", "latent_step.num_relus=2", *task, "device.dtype=float64"
    )
    x = np.array([[0.5, -0.2, 0.1]])
    np.save(tmp_path / "x.npy", x)
    line = [f"checkpoint={imported}", f"out={tmp_path}/o.npz", "n_steps=20", f"start={tmp_path}/x.npy"]
    units = ["units=standardized"] if task else []
    simulate.run(compose_config(*line, *units, "device.dtype=float64", command="simulate"))
    z = np.concatenate((x[0], np.zeros(3)))
    found = saved(tmp_path / "o.npz")["latents"][0]
    for step in range(20):
        phi = z.copy()
        phi[-2:] = np.maximum(phi[-2:], 0)
        z = A * z + W @ phi + h
        np.testing.assert_allclose(found[step], z, rtol=1e-5)


PLRNN = {"A": 4, "W": (4, 4), "h": 4}
LEAKY = {"W_rec": (4, 4), "B": (2, 4)}


@pytest.mark.parametrize(
    ("arrays", "overrides", "text"),
    [
        (PLRNN, [], "latent_step: not given: .* holds A, W, h; must be latent_step=PLRNN or latent_step=ALRNN"),
        ({"A": 4, "W1": (4, 9), "W2": (9, 4)}, [], "must be latent_step=shPLRNN or latent_step=clipped_shPLRNN"),
        ({"x": 3}, [], "latent_step: not given: .* holds x, which is no leaky network"),
        (PLRNN, ["latent_step=PLRNN"], "n_outputs: not given: .* holds neither B nor L"),
        ({**PLRNN, "L": (2, 2)}, ["latent_step=PLRNN", "n_outputs=3"], "n_outputs: 3: .* has 2 outputs"),
        ({"A": 4, "W": (4, 4)}, ["latent_step=PLRNN", "n_outputs=2"], "file: it lacks h, which PLRNN has"),
        ({**PLRNN, "A": (4, 4)}, ["latent_step=PLRNN"], r"A must be \(M,\), or a diagonal matrix"),
        ({**PLRNN, "W": (5, 5)}, ["latent_step=PLRNN", "n_outputs=2"], r"W has the shape \(5, 5\), expected \(4, 4\)"),
        ({**LEAKY, "dt": ()}, ["transfer_function=relu", "n_outputs=7"], "n_outputs: 7: .* has 2 outputs"),
        ({**PLRNN, "B": (2, 4)}, ["latent_step=PLRNN", "observation=affine"], "holds a readout B; must be linear"),
        (LEAKY, [], "transfer_function: not given: .* does not tell it"),
        (LEAKY, ["transfer_function=relu"], "dt: not given: .* there is no task"),
        (LEAKY, ["latent_step=ALRNN"], "holds a leaky network; leave latent_step out"),
        ({**PLRNN, "B": (2, 4)}, ["latent_step=PLRNN", "observation=identity"],
         "observation: identity: the file holds a readout B"),
    ],
)  # fmt: skip
def test_own_weights_that_do_not_tell_enough_are_refused(import_file, tmp_path, arrays, overrides, text):
    np.savez(tmp_path / "own.npz", **{name: np.full(shape, 0.1) for name, shape in arrays.items()})
    with pytest.raises(UserError, match=text):
        import_file(tmp_path / "own.npz", *overrides)
    assert not (tmp_path / "imported" / "checkpoints").exists()


def test_an_lstm_of_psychrnn_gives_its_outputs_and_goes_back_unchanged(import_file, export_file, tmp_path):
    g = arrays("psychrnn/lstm.npz")
    names = [name for name in g if name.startswith(("W_", "b_", "init_"))]
    unused = {
        "W_in": np.ones((10, 3)),
        "W_rec": np.ones((10, 10)),
        "transfer_function": np.array(len, dtype=object),
    }
    np.savez(tmp_path / "lstm.npz", **{name: g[name] for name in names}, **unused)
    run = import_file(tmp_path / "lstm.npz", *THREE_INPUTS)
    start = torch.from_numpy(np.concatenate((g["init_hidden"], g["init_cell"]), 1)).double()
    trajectory = model_of(run).run(torch.from_numpy(g["x"]).double(), start)
    close(trajectory.outputs.detach(), g["outputs"])
    close(trajectory.rates.detach(), g["hidden"])
    for format in ("psychrnn", "npz"):
        file = export_file(run, f"format={format}", name=f"{format}.npz")
        outputs, hidden = simulator.load(file).run_trials(g["x"].astype(float))
        close(outputs, g["simulator_outputs"], 1e-9)
        close(hidden, g["simulator_hidden"], 1e-9)
    stored = saved(tmp_path / "psychrnn.npz")
    for name in names:
        assert np.array_equal(stored[name], g[name][:1] if name.startswith("init_") else g[name])


def test_settings_of_leaky_networks_are_refused_for_an_lstm(import_file, tmp_path):
    g = arrays("psychrnn/lstm.npz")
    np.savez(tmp_path / "lstm.npz", **{name: g[name] for name in g if name.startswith(("W_", "b_"))})
    with pytest.raises(UserError, match=r"tau: 50: is for leaky networks, .*lstm.npz is none"):
        import_file(tmp_path / "lstm.npz", *THREE_INPUTS, "tau=50")


# import from spikeRNN

CASES = {
    "dale_taus": ["task=go_nogo"],
    "clipped_single_tau": ["task=xor"],
    "softplus_som": ["task=mante"],
    "nodale": ["task=go_nogo"],
}


def mat_file(path, case, layout):
    """Write a model file as spikeRNN does: the original without activation and with rectified w, the port with all."""
    g = arrays("spikernn_rate/fr_rnn_dale_forward.npz", case)
    w = np.maximum(g["w"], 0) if layout == "old" and g["apply_dale"] else g["w"]
    column = g["inh"][:, None]
    content = {
        "N": len(w), "som_N": 0, "inh": column, "exc": ~column, "m": g["mask"], "som_m": g["som_mask"], "w": w,
        "w_in": g["w_in"], "w_out": g["w_out"], "b_out": np.atleast_2d(g["b_out"]), "taus": g["taus"],
    }  # fmt: skip
    if len(g["taus"]) == 2:
        content["taus_gaus"] = g["taus_gaus"]
    if layout == "new":
        content |= {"activation": str(g["activation"]), "b_out": float(g["b_out"])}
    savemat(path, {name: np.asarray(value) for name, value in content.items()})
    return g


@pytest.mark.thinned
@pytest.mark.parametrize("layout", ["old", "new"])
@pytest.mark.parametrize("case", CASES)
def test_a_network_of_spikernn_gives_its_states_rates_and_outputs(import_file, tmp_path, case, layout):
    g = mat_file(tmp_path / "net.mat", case, layout)
    ours = {"softplus": "clipped_softplus"}.get(str(g["activation"]), str(g["activation"]))
    overrides = [] if layout == "new" else [f"transfer_function={ours}"]
    run = import_file(tmp_path / "net.mat", *CASES[case], *overrides, "device.dtype=float64")
    model = model_of(run)
    inputs = torch.from_numpy(g["u"].T[None, :-1].astype(float))
    start = torch.from_numpy(g["x0_standard_normal"].T.astype(float) / 100)
    trajectory = model.run(inputs, start)
    close(trajectory.latents[0].detach().T, g["x_f64"][:, 1:], 1e-9)
    close(trajectory.rates[0].detach().T, g["r_f64"][:, 1:], 1e-9)
    close(trajectory.outputs[0, :, 0].detach(), g["o_f64"], 1e-9)
    close(model.weights()["W_rec"], g["w_eff"], 1e-9)
    assert model.latent_step.pre_noise == 0.1


def test_a_network_of_spikernn_keeps_its_cell_types_through_training_and_export(
    import_file, export_file, tmp_path
):
    g = mat_file(tmp_path / "net.mat", "softplus_som", "new")
    run = import_file(tmp_path / "net.mat", "task=mante")
    cfg = OmegaConf.load(run / ".hydra" / "config.yaml")
    cfg.trainer.n_steps = 2
    resume(cfg, run)
    weights = saved(run / "weights.npz")
    assert not np.array_equal(weights["W_rec"], g["w_eff"].astype(np.float32))
    assert (weights["W_rec"] * g["sign"] >= 0).all()
    assert not weights["W_rec"][g["som_mask"] == 0].any()
    file = saved(export_file(run))
    assert np.array_equal(np.diagonal(file["Dale_rec"]), g["sign"])
    again = import_file(export_file(run, name="again.npz"), "task=mante", into="again")
    assert model_of(again).latent_step.pre_noise == pytest.approx(0.1)
    rule = model_of(again).latent_step.W_rec_rule
    assert np.array_equal(rule.signs.numpy(), g["sign"])
    assert np.array_equal(rule.mask.numpy(), g["som_mask"])


@pytest.mark.parametrize(
    ("change", "overrides", "text"),
    [
        ({"activation": None}, [], r"does not say its activation; say it with transfer_function=sigmoid"),
        ({"activation": "swish"}, [], r"activation swish: must be one of sigmoid, clipped_relu, softplus"),
        ({"taus": None}, [], r"holds no time constants \(taus\); say them with tau=..., in ms"),
        (
            {"taus_gaus": None},
            [],
            r"holds taus without taus_gaus; say the time constants with tau=..., in ms",
        ),
        ({"som_m": None}, [], r"is no network of spikeRNN: it lacks som_m"),
        ({"som_m": np.ones((2, 2))}, [], r"w, m and som_m must be square and of one size, got .* \(2, 2\)"),
        ({"w": np.ones((4, 4)) * 1j}, [], r"w must hold real numbers, got dtype complex128"),
        ({"b_out": np.ones(2)}, [], r"b_out must have the shape \(1,\), got \(2,\)"),
        ({"w_in": np.ones((3, 1))}, [], r"W_in must have the shape"),
        ({"taus": np.array(["a", "b"])}, [], r"taus must hold real numbers, got dtype <U1"),
        ({}, ["dale_ratio=0.5"], r"say themselves who is inhibitory; leave dale_ratio out"),
    ],
)
def test_what_a_file_of_spikernn_lacks_is_asked_for(import_file, tmp_path, change, overrides, text):
    from scipy.io import loadmat

    path = tmp_path / "net.mat"
    mat_file(path, "dale_taus", "new")
    content = {k: v for k, v in (loadmat(path) | change).items() if v is not None and not k.startswith("__")}
    savemat(path, content)
    with pytest.raises(UserError, match=text) as error:
        import_file(path, "task=go_nogo", *overrides)
    assert str(error.value).startswith(f"file: {path}: ")


def test_time_constants_that_the_file_lacks_come_from_the_command_line(import_file, tmp_path):
    from scipy.io import loadmat

    path = tmp_path / "net.mat"
    mat_file(path, "dale_taus", "new")
    content = {k: v for k, v in loadmat(path).items() if not k.startswith(("__", "taus"))}
    savemat(path, content)
    run = import_file(path, "task=go_nogo", "tau=60")
    assert model_of(run).latent_step.alpha == 5 / 60
