"""Command lines from end to end: what a run, a sweep and a continued run leave, and how they fail."""

import json
import os

import pytest

from rnnexp.config.with_hydra import failures

RUN = "train task=mine trainer=quick latent_dim=6"


def runs_below(folder):
    return sorted(path.parent for path in folder.rglob("run.json"))


def record(directory):
    return json.loads((directory / "run.json").read_text())


def test_a_run_leaves_a_directory_and_its_log_and_uses_stderr_only(run, lab):
    result = run(RUN)
    assert (result.code, result.out) == (0, "")
    (directory,) = runs_below(lab.out)
    assert record(directory)["status"] == "finished"
    assert record(directory)["command"] == f"rnnexp {RUN}"
    assert record(directory)["overrides"] == ["task=mine", "trainer=quick", "latent_dim=6"]
    assert "training ALRNN on MyTask" in (directory / "train.log").read_text()
    assert "training ALRNN on MyTask" in result.err


def test_a_failing_run_ends_with_1_a_sentence_and_its_traceback_in_the_log(run, lab):
    result = run(f"{RUN} task.trouble=bug")
    assert result.code == 1
    (directory,) = runs_below(lab.out)
    assert result.err.splitlines()[-2:] == [
        "rnnexp train: RuntimeError: a bug in my task",
        f"rnnexp train: the traceback is in {directory / 'train.log'}",
    ]
    assert "Traceback" not in result.err
    assert "Error executing job" not in result.err
    assert "Traceback (most recent call last)" in (directory / "train.log").read_text()
    assert record(directory)["status"] == "failed"


def test_a_traceback_is_shown_on_request(run, lab, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    result = run(f"{RUN} task.trouble=bug")
    assert result.code == 1
    assert 'raise RuntimeError("a bug in my task")' in result.err


def test_the_users_setting_for_tracebacks_is_left_alone(run, lab, monkeypatch):
    run(f"{RUN} --dry-run")
    run(RUN)
    assert "HYDRA_FULL_ERROR" not in os.environ
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    run(RUN)
    assert os.environ["HYDRA_FULL_ERROR"] == "0"


def test_an_interrupted_run_ends_with_130(run, lab):
    result = run(f"{RUN} task.trouble=impatience")
    assert result.code == 130
    (directory,) = runs_below(lab.out)
    last = result.err.splitlines()[-1]
    assert last == f"rnnexp train: interrupted; start again with: rnnexp train resume={directory}"
    assert record(directory)["status"] == "interrupted"
    assert record(directory)["exit_reason"] == "stopped by the user before the first checkpoint"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("+task.troubel=bug", "task.troubel: MyTask takes no such argument, did you mean task.trouble?"),
        ("task._target_=my_lab.tasks.MyTsk", "task._target_: my_lab.tasks.MyTsk: my_lab.tasks has no MyTsk"),
        (
            "task._target_=my_labb.tasks.MyTask",
            "task._target_: my_labb.tasks.MyTask: there is no module my_labb",
        ),
    ],
)
def test_mistakes_with_a_class_of_the_user_are_explained(problems, lab, override, sentence):
    (problem,) = problems(f"{RUN} {override}")
    assert problem.startswith(sentence)


def test_a_value_that_only_a_constructor_refuses_leaves_no_directory(problems, empty):
    (problem,) = problems("train loss.lambda_mse=0")
    assert problem == "loss: every lambda is 0: at least one term of the loss must have a lambda > 0"
    assert list(empty.iterdir()) == []


def test_a_fixed_directory_is_never_used_twice(run, problems, lab, tmp_path):
    fixed = f"hydra.run.dir={tmp_path / 'fixed'}"
    assert run(f"{RUN} {fixed}").code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "fixed").rglob("*")}
    (problem,) = problems(f"{RUN} {fixed}")
    assert problem.startswith(f"hydra.run.dir: {tmp_path / 'fixed'}: holds a run already")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "fixed").rglob("*")} == before


def test_in_a_sweep_the_other_jobs_run_and_every_failure_is_told(run, lab):
    result = run(f"{RUN} -m task.trouble=bug,none seed=1,2")
    assert result.code == 1
    assert [line for line in result.err.splitlines() if line.startswith("rnnexp train: job")] == [
        f"rnnexp train: job {number} (task.trouble=bug seed={seed}): {record(path)['exit_reason']}"
        for number, seed, path in zip((0, 1), (1, 2), runs_below(lab.out)[:2], strict=True)
    ]
    assert "Traceback" not in result.err
    assert [record(path)["status"] for path in runs_below(lab.out)] == [
        "failed",
        "failed",
        "finished",
        "finished",
    ]
    (sweep,) = lab.out.glob("sweeps/*/*")
    assert [path.name for path in runs_below(sweep)] == ["0", "1", "2", "3"]
    assert "Traceback" in (sweep / "0" / "train.log").read_text()


def test_a_sweep_without_failures_ends_with_0_and_a_table_of_its_results(run, lab):
    result = run("train -m task=mine trainer=quick latent_dim=6 seed=1,2")
    assert result.code == 0, result.err
    (table,) = lab.out.rglob("results.csv")
    assert table.match("out/sweeps/????-??-??/??-??-??-??????/results.csv")
    assert [record(path)["seed"] for path in runs_below(table.parent)] == [1, 2]
    assert len(table.read_text().splitlines()) == 3


def test_an_interrupted_sweep_is_collected_too(run, lab):
    result = run(f"{RUN} -m task.trouble=impatience,none")
    assert result.code == 130
    assert [path.name for path in runs_below(lab.out)] == ["0"]


def test_jobs_that_did_not_finish_are_told_in_the_order_of_their_numbers(tmp_path):
    for number, content in {"10": "{}", "2": '{"status": "running"}', "1": '{"status": "finished"}'}.items():
        (tmp_path / number / ".hydra").mkdir(parents=True)
        (tmp_path / number / ".hydra" / "overrides.yaml").write_text(f"- seed={number}\n")
        (tmp_path / number / "run.json").write_text(content)
    assert [line.split(":")[0] for line in failures(tmp_path)] == ["job 2 (seed=2)", "job 10 (seed=10)"]
    assert failures(tmp_path)[0].endswith("it ended without a reason: was its process killed?")


@pytest.mark.slow
def test_a_sweep_in_processes_behaves_the_same(run, lab):
    line = f"{RUN} -m task.trouble=bug,none hydra/launcher=joblib hydra.launcher.n_jobs=2"
    result = run(line)
    assert result.code == 1
    assert "rnnexp train: job 0 (task.trouble=bug): " in result.err
    (sweep,) = lab.out.glob("sweeps/*/*")
    assert [record(path)["status"] for path in runs_below(sweep)] == ["failed", "finished"]
    assert record(sweep / "1")["command"] == f"rnnexp {line}"


def test_an_experiment_file_may_be_a_sweep(run, lab):
    experiment = lab.conf / "experiment" / "two_seeds.yaml"
    experiment.parent.mkdir(exist_ok=True)
    experiment.write_text("# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '1,2'}}}\n")
    assert run(f"{RUN} experiment=two_seeds").code == 0
    assert [record(path)["seed"] for path in runs_below(lab.out)] == [1, 2]


def test_an_experiment_wins_over_the_defaults_and_the_command_line_over_it(run, empty):
    assert run("train experiment=debug --cfg job -p trainer.n_steps").out == "4\n"
    assert run("train experiment=debug trainer.n_steps=9 --cfg job -p trainer.n_steps").out == "9\n"


@pytest.fixture
def finished(run, lab):
    assert run(RUN).code == 0
    return runs_below(lab.out)[0]


def test_a_run_is_continued_in_its_own_directory(run, lab, finished):
    line = f"train resume={finished} trainer.n_trials=16 trust=true"
    result = run(line)
    assert (result.code, result.out) == (0, "")
    assert runs_below(lab.out) == [finished]
    assert record(finished)["command"] == f"rnnexp {line}"
    assert record(finished)["exit_reason"] == "all 4 steps done"  # 16 trials in batches of 4
    assert len((finished / "train.log").read_text().split("training ALRNN on MyTask")) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("task.dt=5", "task.dt=5: a run goes on as it was; only trainer.<key>=<value> may change"),
        ("trainer.n_trias=5", "trainer.n_trias=5: unknown key, did you mean trainer.n_trials?"),
        ("trainer.n_trials=0", "trainer.n_trials: 0: must be an integer >= 1"),
        (
            "trainer.batch_size=5",
            "trainer.batch_size: 5: a run goes on with the batches that it began with, 4 trials",
        ),
        ("trainer.n_trials=[1", "trainer.n_trials=[1: must have the form key=value"),
        ("", "task._target_: my_lab.tasks.MyTask: is not a class of rnnexp"),
    ],
)
def test_what_cannot_be_changed_in_a_continued_run_is_explained(problems, finished, words, sentence):
    (problem,) = problems(f"train resume={finished} {words}")
    assert problem.startswith(sentence)


def test_only_a_run_can_be_continued(run, problems, lab, tmp_path):
    (problem,) = problems(f"train resume={tmp_path}")
    assert problem == f"resume: {tmp_path}: must be the directory of a run; it has no .hydra/config.yaml"
    (problem,) = problems(f"train -m resume={tmp_path}", code=2)
    assert problem == f"resume: {tmp_path}: is no sweep, and one run goes on without -m"
    (problem,) = problems(f"train resume={tmp_path} -cn other", code=2)
    assert problem.startswith("resume: a run goes on with its own configuration")


def test_the_configuration_of_a_run_is_shown(run, finished):
    shown = run(f"train resume={finished} --cfg job")
    assert shown.code == 0
    assert "_target_: my_lab.tasks.MyTask" in shown.out
    assert "n_steps: 7\n" in run(f"train resume={finished} trainer.n_steps=7 --cfg job").out


def test_eval_takes_changes_to_the_task_without_plus_signs(run, problems, lab, finished):
    line = f"eval checkpoint={finished} trust=true n_trials=4 plots=false"
    assert run(f"{line} task.dt=30").code == 0
    (problem,) = problems(f"{line} task.dtt=30")
    assert problem.startswith("task.dtt: ")
    assert "did you mean task.dt?" in problem


def test_simulate_writes_its_file_and_nothing_else(run, finished, empty):
    result = run(f"simulate checkpoint={finished} trust=true n_steps=3 out=free.npz")
    assert (result.code, result.err) == (0, "[WARNING] trust=true: imports my_lab.tasks.MyTask\n")
    assert [path.name for path in empty.iterdir()] == ["free.npz"]


def test_memory_that_is_not_there_is_told_in_a_sentence(run, finished, empty):
    result = run(f"simulate checkpoint={finished} trust=true n_steps=1000000000000 out=free.npz")
    assert result.code == 1
    _, told = result.err.splitlines()
    assert told.startswith("rnnexp simulate: not enough memory for ")
    assert list(empty.iterdir()) == []
