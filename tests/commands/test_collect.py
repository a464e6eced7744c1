"""Tables and picture of a sweep, from run directories as trainings leave them, whole and broken."""

import json

import numpy as np
import pandas as pd
import pytest

from rnnexp.cli import main as rnnexp
from rnnexp.commands.collect import main
from rnnexp.errors import UserError
from rnnexp.plots.names import is_log_spaced, metric_label
from rnnexp.plots.term_curves import term_curves
from rnnexp.saved.collecting import collect


def write_run(path, overrides=(), status="finished", reason="done", summary=None, choices=None):
    (path / ".hydra").mkdir(parents=True)
    lines = "\n".join(f"- {line}" for line in overrides) or "[]"
    (path / ".hydra" / "overrides.yaml").write_text(lines + "\n")
    chosen = {"task": "delayed_discrim", "latent_step": "ALRNN", **(choices or {})}
    body = "".join(f"      {key}: {value}\n" for key, value in chosen.items())
    (path / ".hydra" / "hydra.yaml").write_text(f"hydra:\n  runtime:\n    choices:\n{body}")
    if status is not None:
        seed = next((int(line[5:]) for line in overrides if line.startswith("seed=")), 0)
        record = {
            "status": status, "exit_reason": reason, "seed": seed,
            "start": "2026-01-01T10:00:00+01:00", "end": "2026-01-01T10:01:30+01:00",
        }  # fmt: skip
        (path / "run.json").write_text(json.dumps(record))
    if summary is not None:
        (path / "summary.json").write_text(json.dumps(summary))


@pytest.fixture
def sweep(tmp_path):
    """Twelve jobs: two latent steps, three learning rates, two seeds; job 11 is left to the tests."""
    number = 0
    for step in ("ALRNN", "PLRNN"):
        for lr in (0.1, 0.01, 0.001):
            for seed in (0, 1):
                if number < 11:
                    write_run(
                        tmp_path / str(number),
                        [f"latent_step={step}", f"optimizer.lr={lr}", f"seed={seed}", "trainer.plots=False"],
                        summary={"test_accuracy": 0.5 + 0.01 * number, "test_loss": 1.0 / (1 + number)},
                        choices={"latent_step": step},
                    )
                number += 1
    return tmp_path


LAST = ["latent_step=PLRNN", "optimizer.lr=0.001", "seed=1", "trainer.plots=False"]


def test_results_hold_a_row_per_job_in_numerical_order(sweep):
    write_run(sweep / "11", LAST, summary={"test_accuracy": 0.9}, choices={"latent_step": "PLRNN"})
    collect(sweep)
    table = pd.read_csv(sweep / "results.csv")
    assert table.job.tolist() == list(range(12))
    assert table["optimizer.lr"].tolist() == [0.1, 0.1, 0.01, 0.01, 0.001, 0.001] * 2
    assert table.seed.tolist() == [0, 1] * 6
    assert (table.run_seconds == 90).all()
    assert list(table)[:8] == [
        "job",
        "command",
        "task",
        "latent_step",
        "seed",
        "status",
        "error",
        "run_seconds",
    ]
    assert list(table)[-1] == "path"
    assert np.isnan(table.test_loss.iloc[-1])


def test_groups_are_runs_that_differ_by_their_seed_only(sweep):
    write_run(sweep / "11", LAST, summary={"test_accuracy": 0.9}, choices={"latent_step": "PLRNN"})
    keys = collect(sweep).keys
    groups = pd.read_csv(sweep / "results_by_group.csv")
    assert keys == ["latent_step", "optimizer.lr"]
    assert len(groups) == 6
    assert (groups.n == 2).all()
    first = groups.iloc[0]
    assert (first.latent_step, first["optimizer.lr"]) == ("ALRNN", 0.1)
    assert first.test_accuracy_mean == pytest.approx(0.505)
    assert first.test_accuracy_sd == pytest.approx(np.std([0.5, 0.51], ddof=1))
    assert first.test_accuracy_median == pytest.approx(0.505)


def failed(path):
    write_run(path, LAST, status="failed", reason="loss became nan at step 7")


def killed_before_it_began(path):
    write_run(path, LAST, status=None)


def corrupt(path):
    write_run(path, LAST, status=None)
    (path / "run.json").write_text('{"status": "fini')


@pytest.mark.parametrize(
    ("write", "status", "error"),
    [
        (failed, "failed", "loss became nan at step 7"),
        (killed_before_it_began, "missing", "left no run.json"),
        (corrupt, "unreadable", "run.json: cannot be read"),
    ],
)
def test_jobs_that_failed_have_a_row_with_the_reason_and_are_counted(sweep, write, status, error):
    write(sweep / "11")
    collect(sweep)
    row = pd.read_csv(sweep / "results.csv").iloc[-1]
    assert row.status == status
    assert error in row.error
    groups = pd.read_csv(sweep / "results_by_group.csv")
    assert groups[["n", "n_failed"]].sum().tolist() == [11, 1]
    assert (sweep / "plots" / "comparison.png").stat().st_size > 5000


def test_running_jobs_are_neither_finished_nor_failed(sweep):
    write_run(sweep / "11", LAST, status="running", reason=None)
    collect(sweep)
    assert pd.read_csv(sweep / "results.csv").status.iloc[-1] == "running"
    assert pd.read_csv(sweep / "results_by_group.csv").n_failed.sum() == 0


def test_only_failed_jobs_still_give_tables(tmp_path):
    failed(tmp_path / "0")
    collection = collect(tmp_path)
    assert collection.metric is None
    assert (tmp_path / "results.csv").exists()
    assert not (tmp_path / "plots").exists()


def test_a_file_is_no_directory_of_runs(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file: is a file, must be a directory"):
        collect(tmp_path / "file")


def test_a_sweep_over_seeds_alone_is_one_group(tmp_path):
    for seed in range(3):
        write_run(tmp_path / str(seed), [f"seed={seed}"], summary={"test_loss": float(seed)})
    groups = collect(tmp_path).groups
    assert groups[["group", "n", "test_loss_mean", "test_loss_sd"]].values.tolist() == [
        ["all runs", 3, 1.0, 1.0]
    ]


@pytest.mark.parametrize(
    ("summary", "metric"),
    [
        ({"test_loss": 0.1, "test_d_stsp": 2.0, "test_lyapunov": 0.9}, "test_d_stsp"),
        ({"test_loss": 0.1, "test_d_stsp": None}, "test_loss"),
        ({"regions": 3, "lyapunov": 0.9}, "lyapunov"),
    ],
)
def test_series_are_compared_by_d_stsp_and_analyses_by_their_exponent(tmp_path, summary, metric):
    for number in range(3):
        write_run(tmp_path / str(number), [f"input={number}"], summary=summary)
    collection = collect(tmp_path)
    assert collection.metric == metric
    assert tmp_path / "plots" / "input_curve.png" in collection.files


def test_runs_of_many_places_are_told_apart_by_task_and_latent_step(tmp_path):
    for day, step in (("2026-01-01", "PLRNN"), ("2026-01-02", "ALRNN")):
        run = tmp_path / day / f"10-00_{step}"
        write_run(run, choices={"latent_step": step}, summary={"test_accuracy": 0.9})
    collection = collect(tmp_path)
    assert collection.keys == ["latent_step"]
    assert collection.table.job.tolist() == ["2026-01-01/10-00_PLRNN", "2026-01-02/10-00_ALRNN"]


def test_overrides_lose_prefixes_and_quotes_and_hydras_own_are_left_out(tmp_path):
    write_run(
        tmp_path / "0",
        ["+loss.extra=1", "'++task.name=\"a b\"'", "hydra.job.num=3"],
        summary={"test_loss": 1},
    )
    table = collect(tmp_path).table
    assert table["loss.extra"].tolist() == [1]
    assert table["task.name"].tolist() == ["a b"]
    assert "hydra.job.num" not in table


def test_collecting_again_replaces_its_own_files_and_leaves_the_runs(sweep):
    failed(sweep / "11")
    collect(sweep)
    before = {p: p.read_bytes() for p in sweep.rglob("*.json")}
    first = (sweep / "results.csv").read_text()
    collect(sweep)
    assert (sweep / "results.csv").read_text() == first
    assert before == {p: p.read_bytes() for p in sweep.rglob("*.json")}


def test_the_command_prints_groups_and_files(sweep, capsys):
    failed(sweep / "11")
    assert main([str(sweep), "--metric", "test_loss"]) == 0
    printed = capsys.readouterr().out
    assert "test_loss_mean" in printed
    assert not (sweep / "results_by_group.csv").exists()  # brought up to date by a plain line alone
    assert main([str(sweep)]) == 0
    printed = capsys.readouterr().out
    assert str(sweep / "results_by_group.csv") in printed


def test_json_is_all_that_is_printed(sweep, capsys):
    failed(sweep / "11")
    assert main([str(sweep), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 12
    assert rows[-1]["status"] == "failed"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: path / "nowhere", "nowhere: no such directory"),
        (lambda path: path, "holds no run; name a run, a sweep or a directory above them"),
    ],
)
def test_a_place_without_runs_is_one_sentence(tmp_path, make, text):
    with pytest.raises(UserError, match=text):
        collect(make(tmp_path))


def test_an_unknown_metric_names_those_there_are(sweep):
    with pytest.raises(UserError, match=r"--metric test_acc: must be one of .*test_accuracy, test_loss"):
        collect(sweep, "test_acc")


def test_a_varied_number_gives_a_curve_named_by_its_key(sweep):
    assert sweep / "plots" / "optimizer_lr_curve.png" in collect(sweep).files
    assert (sweep / "plots" / "optimizer_lr_curve.png").stat().st_size > 5000


def test_lesions_of_several_seeds_are_one_group_and_one_curve(tmp_path):
    for job, (percentage, seed) in enumerate([(0.0, 0), (0.0, 1), (0.2, 0), (0.2, 1)]):
        overrides = [f"lesion.percentage={percentage}", f"lesion.seed={seed}"]
        write_run(tmp_path / str(job), overrides, summary={"test_accuracy": 1 - percentage - 0.1 * seed})
    collection = collect(tmp_path)
    assert collection.keys == ["lesion.percentage"]
    assert collection.groups.test_accuracy_mean.tolist() == pytest.approx([0.95, 0.75])
    assert collection.files[-1] == tmp_path / "plots" / "lesion_curve.png"


def test_without_a_varied_number_there_is_no_curve(tmp_path):
    for step in ("PLRNN", "ALRNN"):
        overrides = [f"latent_step={step}"]
        write_run(tmp_path / step, overrides, summary={"test_accuracy": 0.9}, choices={"latent_step": step})
    assert [path.name for path in collect(tmp_path).files] == [
        "results.csv", "results_by_group.csv", "comparison.png",
    ]  # fmt: skip


def test_a_number_that_only_failed_runs_vary_gives_no_curve(tmp_path):
    for lr, status, summary in ((0.1, "finished", {"test_accuracy": 0.9}), (1e30, "failed", None)):
        write_run(tmp_path / str(lr), [f"optimizer.lr={lr}"], status=status, summary=summary)
    assert [path.name for path in collect(tmp_path).files][-1] == "comparison.png"


def test_whole_numbers_stay_whole_beside_failed_runs(tmp_path):
    write_run(tmp_path / "0", ["latent_dim=10"], summary={"steps": 20, "test_accuracy": 1.0})
    write_run(tmp_path / "1", ["latent_dim=20"], status="failed")
    collect(tmp_path)
    header, row, _ = (tmp_path / "results.csv").read_text().splitlines()
    written = dict(zip(header.split(","), row.split(","), strict=True))
    assert (written["steps"], written["latent_dim"], written["test_accuracy"]) == ("20", "10", "1.0")


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A sweep over two numbers and two seeds."""
    folder = tmp_path_factory.mktemp("grid") / "sweep"
    line = ["train", "-m", "task=perceptual_discrim", "latent_dim=4,5", "latent_step.num_relus=2", "seed=0,1",
            "optimizer.lr=1e-4,1e-3,1e-2", "trainer.n_steps=4", "trainer.eval_every=2", "trainer.batch_size=8",
            "trainer.n_validation_trials=8", "trainer.n_test_trials=8", "trainer.plots=false"]  # fmt: skip
    assert rnnexp([*line, f"hydra.sweep.dir={folder}"]) == 0
    return folder


def test_a_sweep_leaves_pictures_with_the_tables_behind_them(grid):
    names = {"comparison", "optimizer_lr_curve", "heat_map", "learning_curves"}
    assert {path.name for path in (grid / "plots").iterdir()} == {
        f"{n}.{end}" for n in names for end in ("png", "csv")
    }
    results = pd.read_csv(grid / "results.csv")
    cells = pd.read_csv(grid / "plots" / "heat_map.csv")
    assert len(cells) == 6
    for _, cell in cells.iterrows():
        rows = results[
            (results["optimizer.lr"] == cell["optimizer.lr"]) & (results.latent_dim == cell.latent_dim)
        ]
        assert (cell.n, cell["mean"]) == (2, pytest.approx(rows.test_accuracy.mean()))
    curves = pd.read_csv(grid / "plots" / "learning_curves.csv")
    assert curves.trials.unique().tolist() == [0, 16, 32]
    chosen = results[(results.latent_dim == 4) & (results["optimizer.lr"] == 1e-3)].job
    values = [
        pd.read_csv(grid / str(job) / "metrics.csv").query("split == 'validation'").accuracy.iloc[-1]
        for job in chosen
    ]
    last = curves[(curves.latent_dim == 4) & (curves["optimizer.lr"] == 1e-3) & (curves.trials == 32)].iloc[0]
    assert (last.n, last["mean"], last["max"]) == (2, pytest.approx(np.mean(values)), max(values))


def test_plot_draws_a_sweep_for_a_paper(grid, tmp_path, capsys):
    assert (
        rnnexp(
            [
                "plot",
                str(grid),
                "learning_curves",
                "format=pdf",
                "metric=test_loss",
                f"out={tmp_path / 'paper'}",
            ]
        )
        == 0
    )
    assert {path.name for path in (tmp_path / "paper").iterdir()} == {
        "learning_curves.pdf",
        "learning_curves.csv",
    }
    capsys.readouterr()
    for words, sentence in (
        (
            ["trials"],
            "trials: no such picture: must be one of comparison, optimizer_lr_curve, heat_map",
        ),
        (["metric=accuracy"], "--metric accuracy: must be one of"),
    ):
        assert rnnexp(["plot", str(grid), *words, f"out={tmp_path / 'none'}"]) == 1
        assert sentence in capsys.readouterr().err
    assert rnnexp(["plot", str(grid / "0"), "metric=test_loss"]) == 1
    assert "metric: test_loss: is for sweeps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "is_log"),
    [([1e-3, 1e-2, 1e-1], True), ([5e-4, 2e-3, 8e-3], True), ([1, 2, 3, 4, 5], False), ([10, 20, 50, 100], True),
     ([0, 1, 10], False), ([1, 10], False), ([0.1, 0.2, 0.3], False)],
)  # fmt: skip
def test_log_spaced_settings_are_noticed(values, is_log):
    assert is_log_spaced(np.array(values, dtype=float)) is is_log


def test_columns_have_words():
    assert metric_label("test_accuracy") == "test accuracy"
    assert metric_label("best_validation_d_stsp") == "best validation $D_{stsp}$ (lower is better)"
    assert metric_label("pe_20") == "prediction error, 20 steps (lower is better)"
    assert metric_label("my_own") == "my own"


def write_history(path, terms, trials=(0, 100, 1000)):
    """A metrics.csv of a movement: weighted terms, their raw values, and a metric."""
    rows = [
        {"step": n // 10, "trials": n, "split": split, "loss": sum(terms) / (n + 1), "position": terms[0] / (n + 1),
         "effort": terms[1] / (n + 1), "raw_effort": 10 * terms[1] / (n + 1),
         "endpoint_error": None if split == "train" else 1.0}
        for n in trials for split in ("train", "validation")
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path / "metrics.csv", index=False)


def test_terms_of_movements_are_drawn_with_their_spread_over_seeds(tmp_path):
    for number, (step, seed) in enumerate([("GRU", 0), ("GRU", 1), ("Basic", 0)]):
        path = tmp_path / str(number)
        write_run(path, [f"latent_step={step}", f"seed={seed}", "loss=hold"], summary={"test_loss": 1.0},
                  choices={"latent_step": step})  # fmt: skip
        write_history(path, (1.0 + seed, 0.1))
    collect(tmp_path)
    curves = pd.read_csv(tmp_path / "plots" / "loss_terms.csv")
    assert curves.term.unique().tolist() == ["loss", "position", "effort"]
    row = curves.query("latent_step == 'GRU' and term == 'position' and trials == 100").iloc[0]
    assert (row.n, row["median"], row["max"]) == (2, pytest.approx(1.5 / 101), pytest.approx(2 / 101))
    assert (tmp_path / "plots" / "loss_terms.png").stat().st_size > 10_000


def test_term_curves_refuse_an_empty_table():
    with pytest.raises(ValueError, match="must have rows"):
        term_curves(pd.DataFrame(columns=["term", "trials"]), [])
