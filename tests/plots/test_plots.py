"""What the plots show: labels, lines and limits, on good data and on what a broken run leaves."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rnnexp.plots.history import loss_history, metric_history
from rnnexp.plots.latents import latent_components, latents_over_time, principal_components
from rnnexp.plots.style import save
from rnnexp.plots.sweep import comparison, group_label
from rnnexp.plots.trials import sample_trials
from rnnexp.plots.weights import eigenvalues, weight_matrices

RNG = np.random.default_rng(0)


def history(n=6, **columns):
    rows = []
    for i in range(n):
        for split in ("train", "validation") if i else ("validation",):
            rows.append(
                {
                    "step": 10 * i,
                    "trials": 1280 * i,
                    "split": split,
                    "loss": 1 / (1 + i),
                    "accuracy": 0.5 + i / 20,
                }
            )
    rows.append(
        {"step": 10 * (n - 1), "trials": 1280 * (n - 1), "split": "test", "loss": 0.2, "accuracy": 0.8}
    )
    table = pd.DataFrame(rows)
    table.loc[table.split == "train", "accuracy"] = np.nan
    return table.assign(**columns)


def texts(figure):
    """All that is written in a figure."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left"), axes.get_title()]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return [text for text in found if text]


def drawn(figure, tmp_path):
    """Draw a figure to a file and return its array of pixels."""
    return np.asarray(Image.open(save(figure, tmp_path / "figure.png")).convert("L"))


def test_loss_is_drawn_on_a_log_axis_with_best_and_test(tmp_path):
    figure = loss_history(history(60).assign(loss=lambda t: 10.0 ** (-t.step / 100)), [])
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert {"total loss", "trials", "train", "validation", "best checkpoint", "test"} <= set(texts(figure))
    assert drawn(figure, tmp_path).min() < 100


def test_terms_have_a_panel_of_their_own_unless_there_is_one_only():
    table = history(mse=lambda t: 0.9 * t.loss, fr=lambda t: 0.1 * t.loss, l2=0.0)
    figure = loss_history(table, ["mse", "fr", "l2"])
    assert len(figure.axes) == 2
    assert {"weighted term", "mse", "fr", "zero throughout: l2"} <= set(texts(figure))
    assert len(loss_history(history(mse=lambda t: t.loss), ["mse"]).axes) == 1


@pytest.mark.parametrize("n", [1, 2])
def test_short_and_diverged_histories_are_drawn(tmp_path, n):
    table = history(n)
    table.loc[table.index[-2:], "loss"] = np.nan
    drawn(loss_history(table, []), tmp_path)
    drawn(loss_history(table.assign(loss=np.nan), []), tmp_path)
    drawn(metric_history(table), tmp_path)


def test_accuracy_runs_from_zero_to_one_with_the_chance_line():
    figure = metric_history(history(), ["accuracy"], chance={"accuracy": 0.5})
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert low == 0
    assert 1 <= high < 1.1
    assert any(np.allclose(line.get_ydata(), 0.5) for line in axes.lines)


def test_missing_column_is_named():
    with pytest.raises(ValueError, match="mse"):
        loss_history(history(), ["mse"])


def trial_arrays(b=4, t=20, k=2, o=2):
    mask = np.zeros((b, t, o))
    mask[:, t // 2 :] = 1
    return RNG.normal(size=(b, t, k)), mask * 0.5, mask, RNG.normal(size=(b, t, o))


@pytest.mark.parametrize(("k", "kind"), [(2, "lines"), (16, "image")])
def test_trials_show_inputs_targets_and_outputs(k, kind, tmp_path):
    labels = [f"in {i}" for i in range(k)]
    figure = sample_trials(*trial_arrays(k=k), dt=10, input_labels=labels, output_labels=["left", "right"])
    assert len([axes for axes in figure.axes if axes.get_title(loc="left").startswith("trial")]) == 4
    written = texts(figure)
    assert {"time (ms)", "input", "output", "target, where scored", "left", "right"} <= set(written)
    assert (len(figure.axes[0].images) == 1) == (kind == "image")
    drawn(figure, tmp_path)


def test_scored_steps_are_shaded():
    inputs, targets, mask, outputs = trial_arrays(b=1)
    axes = sample_trials(inputs, targets, mask, outputs, 10, ["a", "b"], ["c", "d"]).axes[-1]
    shaded = [patch for patch in axes.patches if patch.get_extents().width > 0] + list(axes.collections)
    assert shaded
    blank = sample_trials(inputs, targets, 0 * mask, outputs, 10, ["a", "b"], ["c", "d"]).axes[-1]
    assert not [*blank.patches, *blank.collections]


def test_wrong_number_of_labels_is_refused():
    with pytest.raises(ValueError, match="label"):
        sample_trials(*trial_arrays(), dt=10, input_labels=["a"], output_labels=["c", "d"])


@pytest.mark.parametrize("shape", [(3, 20, 10), (1, 1, 5), (2, 20, 1), (2, 20, 2)])
def test_latents_of_any_size_are_drawn(tmp_path, shape):
    latents = RNG.normal(size=shape)
    figure = latents_over_time(latents, dt=10)
    assert "time (ms)" in texts(figure)
    drawn(figure, tmp_path)
    drawn(latent_components(latents, np.arange(shape[0]) % 2, dt=10), tmp_path)


def test_components_are_named_by_explained_variance_and_condition():
    latents = np.zeros((10, 30, 4))
    latents[:5, :, 0] = np.linspace(0, 3, 30)
    latents[5:, :, 0] = -np.linspace(0, 3, 30)
    latents[..., 1] = np.sin(np.arange(30))
    figure = latent_components(latents, np.repeat([0, 1], 5), dt=10, label_name="choice")
    written = " ".join(texts(figure))
    assert "PC1 (" in written
    assert "PC2 (" in written
    assert {"0", "1"} <= set(texts(figure))
    assert figure.legends[0].get_title().get_text() == "choice"


def test_principal_components_are_those_of_the_covariance():
    latents = RNG.normal(size=(5, 40, 6)) @ np.diag([5, 3, 1, 0.1, 0.1, 0.1])
    scores, explained = principal_components(latents, 3)
    values = np.sort(np.linalg.eigvalsh(np.cov(latents.reshape(-1, 6).T, ddof=0)))[::-1]
    assert np.allclose(explained, values[:3] / values.sum())
    assert np.allclose(scores.reshape(-1, 3).var(0), values[:3])


def test_trials_that_are_not_finite_are_left_out_and_counted(tmp_path):
    latents = RNG.normal(size=(4, 20, 3))
    latents[0, 5] = np.inf
    figure = latent_components(latents, np.zeros(4), dt=10)
    assert "1 trials not finite" in texts(figure)
    drawn(latent_components(np.full((2, 5, 3), np.nan), np.zeros(2), dt=10), tmp_path)


def test_weights_are_images_with_symmetric_limits_and_stems(tmp_path):
    weights = {
        "W": RNG.normal(size=(8, 8)),
        "C": RNG.normal(size=(8, 2)),
        "h": RNG.normal(size=8),
        "none": np.zeros((8, 0)),
    }
    figure = weight_matrices(weights)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) >= 2
    assert all(low == -high for low, high in (image.get_clim() for image in images[:2]))
    assert {"W", "C", "h", "post unit", "pre unit"} <= set(texts(figure))
    drawn(figure, tmp_path)
    drawn(weight_matrices({"W": np.zeros((3, 3)), "z": np.array([np.nan, 1.0])}), tmp_path)


def test_eigenvalues_outside_the_unit_circle_are_counted(tmp_path):
    values = np.array([[0.5, 1.5 + 0.1j, 1.5 - 0.1j], [0.2, np.nan, 0.9]])
    figure = eigenvalues(values, title="Jacobian")
    assert "2 of 5 outside the unit circle, 1 not finite" in texts(figure)
    assert {"real part", "imaginary part"} <= set(texts(figure))
    drawn(figure, tmp_path)


def sweep_table(n_groups=3, n_seeds=4):
    rows = [
        {
            "latent_step": f"step{g}",
            "optimizer.lr": 0.1 * g,
            "seed": s,
            "status": "finished",
            "test_accuracy": g + 0.01 * s,
        }
        for g in range(n_groups)
        for s in range(n_seeds)
    ]
    return pd.DataFrame(rows)


def test_sweep_has_a_row_per_group_and_a_point_per_job(tmp_path):
    table = sweep_table()
    table.loc[0, ["status", "test_accuracy"]] = ["failed", np.nan]
    figure = comparison(table, ["latent_step", "optimizer.lr"], "test_accuracy")
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["step0, lr 0 (1 of 4 failed), n = 3", "step1, lr 0.1, n = 4", "step2, lr 0.2, n = 4"]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    assert [len(line.get_xdata()) for line in points] == [3, 4, 4]
    drawn(figure, tmp_path)


def test_a_single_job_is_a_point_without_a_bar():
    (axes,) = comparison(pd.DataFrame({"task": ["a", "b"], "x": [1.0, 2.0]}), ["task"], "x").axes
    assert [line.get_marker() for line in axes.lines] == ["o", "o"]


def test_groups_with_the_same_first_setting_stand_together():
    table = pd.DataFrame(
        {"task": ["a", "b", "a", "b"], "latent_step": ["P", "P", "S", "S"], "x": [1.0, 2, 3, 4]}
    )
    (axes,) = comparison(table, ["task", "latent_step"], "x").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a, P", "a, S", "b, P", "b, S"]


def test_sweep_without_values_or_with_many_groups_is_drawn(tmp_path):
    drawn(comparison(sweep_table().assign(test_accuracy=np.nan), ["latent_step"], "test_accuracy"), tmp_path)
    figure = comparison(sweep_table(70, 1), ["latent_step"], "test_accuracy")
    assert "the first 60 of 70 groups" in texts(figure)


def test_group_names_are_short():
    assert group_label({"latent_step": "ALRNN", "optimizer.lr": 0.01, "task.dt": None}) == "ALRNN, lr 0.01"
    assert group_label({}) == "all jobs"


def test_plots_leave_matplotlib_as_it_was(tmp_path):
    before = {name: value for name, value in mpl.rcParams.items() if name != "backend"}
    drawn(loss_history(history(), []), tmp_path)
    assert {name: value for name, value in mpl.rcParams.items() if name != "backend"} == before


def test_a_picture_that_cannot_be_drawn_leaves_the_old_file(tmp_path, monkeypatch):
    path = save(loss_history(history(), []), tmp_path / "figure.png")
    before = path.read_bytes()
    figure = loss_history(history(3), [])

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(figure), "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        save(figure, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_notebook_is_given_the_picture():
    figure = comparison(sweep_table(), ["latent_step"], "test_accuracy")
    assert figure._repr_png_().startswith(b"\x89PNG")
