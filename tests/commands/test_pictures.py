"""Which trials the pictures of a run show, and what they are called."""

import shutil

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import rnnexp
from rnnexp.cli import main
from rnnexp.latent_steps import Leaky
from rnnexp.models import RNN
from rnnexp.observation import Affine
from rnnexp.plots.album import Album
from rnnexp.saved import pictures
from rnnexp.saved.pictures import N_SHOWN, _alignments, _titles, _varied, draw_model
from rnnexp.tasks import DelayedDiscrim, PerceptualDiscrim


def test_every_condition_is_shown_before_one_is_repeated():
    assert _varied(np.array([0, 0, 0, 0, 1, 2, 0]), 7).tolist() == [0, 4, 5, 1]
    assert _varied(np.array([0.3, 0.1, 0.7]), 3).tolist() == [0, 1, 2]
    assert _varied(None, 9).tolist() == list(range(N_SHOWN))


def test_trials_are_called_by_their_condition_and_whether_the_answer_is_right():
    task = DelayedDiscrim()
    trials = task.sample(2, torch.Generator().manual_seed(0))
    labels = np.array([1, 0])
    right = trials.targets.clone()
    right[1] = right[1].flip(-1)
    assert _titles(task, trials, right, labels) == ["f1 < f2: right", "f1 > f2: wrong"]
    assert _titles(task, trials, right, None) == ["trial 1: right", "trial 2: wrong"]
    one = PerceptualDiscrim().sample(1, torch.Generator().manual_seed(0))
    assert _titles(PerceptualDiscrim(), one, one.targets, np.array([1])) == ["direction 1: right"]


def test_events_that_vary_are_what_trials_are_aligned_to():
    trials = DelayedDiscrim().sample(20, torch.Generator().manual_seed(0))
    (decision,) = _alignments(DelayedDiscrim(), trials)
    assert decision.name == "decision"
    first = (trials.mask[:, :, 0] > 0).int().argmax(dim=1)
    np.testing.assert_array_equal(decision.steps, first)
    fixed = DelayedDiscrim(onset_time=100, stim_duration_1=300, delay_duration=300, stim_duration_2=300)
    assert _alignments(fixed, fixed.sample(20, torch.Generator().manual_seed(0))) == []


def test_trials_that_diverge_are_drawn_as_far_as_they_go(tmp_path):
    task = PerceptualDiscrim(T=2000, dt=10)
    step = Leaky(4, 2, dt=10.0, tau=10.0, activation="softplus")
    with torch.no_grad():
        step.W_rec_raw.fill_(3.0)
    model = RNN(step, Affine(4, 2))
    trials = task.sample(6, torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not model(trials).latents.isfinite().all()
    draw_model(model, task, trials, Album(tmp_path))
    assert (tmp_path / "eigenvalues.png").exists()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run without pictures, with excitatory and inhibitory units."""
    folder = tmp_path_factory.mktemp("pictures") / "run"
    settings = ["latent_step=FR_RNN_dale", "task=perceptual_discrim", "latent_dim=10", "trainer.n_steps=2",
                "trainer.eval_every=1", "trainer.batch_size=4", "trainer.n_validation_trials=4",
                "trainer.n_test_trials=4", "trainer.plots=false"]  # fmt: skip
    assert main(["train", *settings, f"hydra.run.dir={folder}"]) == 0
    return folder


def test_chosen_pictures_are_drawn_into_a_folder(run, tmp_path, capsys):
    assert main(["plot", str(run), "trials", "weights", "format=svg", f"out={tmp_path / 'paper'}"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'paper'}\n"
    files = {path.name: path.read_bytes() for path in (tmp_path / "paper").iterdir()}
    assert set(files) == {"trials.svg", "weights.svg"}
    assert b">scored</text>" in files["trials.svg"]  # a text, not outlines
    assert main(["plot", str(run), "trials", "weights", "format=svg", f"out={tmp_path / 'paper'}"]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "paper").iterdir()} == files
    assert main(["plot", str(run), "trials", "format=pdf", f"out={tmp_path / 'paper'}"]) == 0
    content = (tmp_path / "paper" / "trials.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"CreationDate" not in content
    assert b"/FontFile2" in content  # TrueType, which drawing programs can edit
    assert not (run / "plots").exists()


@pytest.mark.parametrize(("width", "mm"), [("single", 85), ("double", 180)])
def test_every_picture_has_the_width_that_was_asked_for(run, width, mm):
    loaded = rnnexp.load(run)
    with pytest.raises(rnnexp.UserError, match="no such picture: must be one of ") as refused:
        loaded.plot("everything")
    names = str(refused.value).partition("one of ")[2].split(", ")
    assert {"loss_history", "accuracy", "trials", "ei_weights", "psychometric"} <= set(names)
    for name in names:
        figure = loaded.plot(name, width=width)
        assert isinstance(figure, Figure)
        assert figure.get_size_inches()[0] * 25.4 == pytest.approx(mm)
        figure.canvas.draw()
        inside = figure.get_tightbbox(figure.canvas.get_renderer())
        assert inside.x0 > -0.05, name
        assert inside.x1 * 25.4 < mm + 1.3, name


def test_a_style_file_changes_how_pictures_look_and_nothing_else(run, tmp_path):
    sheet = tmp_path / "mine.mplstyle"
    sheet.write_text("font.size: 11\naxes.labelsize: 11\n")
    before = dict(matplotlib.rcParams)
    figure = rnnexp.load(run).plot("loss_history", style=sheet)
    assert figure.axes[0].yaxis.label.get_fontsize() == 11
    assert rnnexp.load(run).plot("loss_history").axes[0].yaxis.label.get_fontsize() == 7
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trails"], "trails: no such picture: must be one of loss_history, accuracy, trials, "),
        (["fromat=pdf"], "fromat: unknown key: must be one of format, width, style, out"),
        (["format=jpg"], "format must be png, pdf or svg, got 'jpg'"),
        (["out="], "out: '': must be a folder"),
        (["format=png", "format=pdf"], "format: pdf: is given twice, png before"),
        (["width=85"], "width must be single or double, got '85'"),
        (["style=none.mplstyle"], "style: none.mplstyle: no such file"),
        (
            ["style=wrong.mplstyle"],
            "style: wrong.mplstyle: is no style file of matplotlib: there is no",
        ),
        (["out=wrong.mplstyle"], "out: wrong.mplstyle: is a file, must be a folder"),
    ],
)
def test_settings_of_plot_that_are_refused(run, tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong.mplstyle").write_text("font.sise: 7\n")
    assert main(["plot", str(run), *words]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("rnnexp plot: ")][-1].startswith(f"rnnexp plot: {told}")
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.mplstyle"]
    assert not (run / "plots").exists()


def test_of_a_checkpoint_alone_the_network_is_drawn_beside_it(run, tmp_path, capsys):
    (tmp_path / "mail").mkdir()
    (tmp_path / "metrics.csv").write_text("of another run\n")
    path = shutil.copy(run / "checkpoints" / "best.pt", tmp_path / "mail" / "net.pt")
    assert rnnexp.load(path).directory == tmp_path / "mail"
    assert main(["plot", str(path), "weights"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'mail' / 'plots'}\n"
    assert (tmp_path / "mail" / "plots" / "weights.png").exists()
    assert main(["plot", str(path), "loss_history"]) == 1
    assert (
        "loss_history: this picture could not be drawn; a warning before says why" in capsys.readouterr().err
    )
    with pytest.raises(rnnexp.UserError, match="loss_history: this picture could not be drawn"):
        rnnexp.load(path).plot("loss_history")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mail", "metrics.csv"]


def test_pictures_are_drawn_in_the_precision_of_the_training(tmp_path, monkeypatch):
    settings = ["task=perceptual_discrim", "latent_dim=4", "trainer.n_steps=1", "trainer.batch_size=4",
                "trainer.n_validation_trials=4", "trainer.n_test_trials=4", "device.dtype=float64",
                "trainer.plots=all"]  # fmt: skip
    dtypes = []
    monkeypatch.setattr(pictures, "weight_matrices", lambda weights: dtypes.append(weights["W"].dtype))
    assert main(["train", *settings, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert main(["plot", str(tmp_path / "run")]) == 0
    assert dtypes == [np.float64, np.float64]


def test_a_training_and_an_evaluation_draw_few_pictures_and_say_how_to_get_the_others(tmp_path, capsys):
    run = tmp_path / "run"
    settings = ["task=perceptual_discrim", "latent_dim=4", "trainer.n_steps=1", "trainer.batch_size=4",
                "trainer.n_validation_trials=4", "trainer.n_test_trials=4"]  # fmt: skip
    assert main(["train", *settings, f"hydra.run.dir={run}"]) == 0
    first = {"loss_history.png", "accuracy.png", "trials.png", "psychometric.png"}
    assert {path.name for path in (run / "plots").iterdir()} == first
    told = capsys.readouterr().err
    assert f"4 pictures in {run / 'plots'}; 6 more: rnnexp plot {run}" in told
    assert main(["eval", f"checkpoint={run}", "n_trials=4", f"hydra.run.dir={tmp_path / 'eval'}"]) == 0
    assert {path.name for path in (tmp_path / "eval" / "plots").iterdir()} == {
        "trials.png",
        "psychometric.png",
    }
    assert main(["plot", str(run)]) == 0
    assert len(list((run / "plots").iterdir())) == 4 + 6
