"""What a mistyped override is answered with: one sentence for each, nothing run, nothing written."""

import pytest

from rnnexp.config.paths import options_by_group

OPTIONS = f"must be one of {', '.join(options_by_group()['latent_step'])}"
EXPERIMENTS = ", ".join(options_by_group()["experiment"])


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("latent_step=ALRN", f"latent_step: ALRN: {OPTIONS}, did you mean ALRNN?"),
        ("latent_step=alrnn", f"latent_step: alrnn: {OPTIONS}, did you mean ALRNN?"),
        ("latent_step=null", f"latent_step: null: {OPTIONS}"),
        ("latent_step=5", f"latent_step: 5: {OPTIONS}"),
        ("~latent_step", f"latent_step: not given: {OPTIONS}, or an option of your own"),
        ("laten_step=ALRNN", "laten_step: ALRNN: unknown key, did you mean latent_step?"),
        ("task.dtt=5", "task.dtt: 5: unknown key, did you mean task.dt?"),
        ("dt=5", "dt: 5: unknown key, did you mean task.dt?"),
        ("seed.foo=3", "seed.foo: 3: unknown key"),
        ("~task.dtt", "task.dtt: unknown key, did you mean task.dt?"),
        ("+task=simple_pd", "task: simple_pd: is there already: write task=simple_pd, without +"),
        ("+task.dt=5", "task.dt: 5: is there already: write task.dt=5, without +"),
        ("+experiment=debug", "experiment: debug: is there already: write experiment=debug, without +"),
        ("experiment=dbug", f"experiment: dbug: must be one of {EXPERIMENTS}, did you mean debug?"),
        (
            "hydra/launcher=basix",
            "hydra/launcher: basix: must be one of basic, ensemble, joblib, ray, submitit_local, submitit_slurm, did "
            "you mean basic?",
        ),
        ("hydra.jo.chdir=true", "hydra.jo.chdir: true: unknown key, did you mean hydra.job.chdir?"),
        ("hydra.job.chdir=abc", "hydra.job.chdir: abc: Value 'abc' is not a valid bool (type str)"),
        ("hydra.searchpath=[file:///nope]", "hydra.searchpath: [file:///nope]: "),
        ("ALRNN", "ALRNN: must have the form key=value, did you mean latent_step=ALRNN?"),
        ("nonsense", "nonsense: must have the form key=value, e.g. task=delayed_discrim or seed=1"),
        ("=5", "=5: must have the form key=value"),
        ("~", "~: must have the form key=value"),
        ("task.name=x=y", "task.name: x=y: cannot be read: a value with special characters needs quotes"),
        ("task.dt=[1", "task.dt: [1: cannot be read: a bracket or quote is not closed"),
        ("task.dt='a", "task.dt: 'a: cannot be read: a bracket or quote is not closed"),
        ("seed=foo(3)", "seed: foo(3): there is no function of this name"),
        (
            "seed=1,2",
            "seed: 1,2: several values: add -m to run one job for each, or write seed=[1,2] for a list",
        ),
        ("seed=range(3)", "seed: range(3): several values: add -m to run one job for each"),
        ("task.dt=${tas.T}", "task.dt: ${tas.T}: Interpolation key 'tas.T' not found"),
    ],
)
def test_a_mistyped_override_is_explained(problems, empty, override, sentence):
    (problem,) = problems("train", override)
    assert problem.startswith(sentence)
    assert list(empty.iterdir()) == []


def test_all_wrong_overrides_are_told_together_with_wrong_values(problems, empty):
    found = problems("train latent_step=shPLRN latent_step.hidden_dim=0 laten_dim=3 seed=-1 task.dt=[1")
    assert found == [
        "task.dt: [1: cannot be read: a bracket or quote is not closed",
        f"latent_step: shPLRN: {OPTIONS}, did you mean shPLRNN?",
        "laten_dim: 3: unknown key, did you mean latent_dim?",
        "seed: -1: must be an integer >= 0",
        "latent_step.hidden_dim: 0: must be an integer >= 1",
    ]


def test_eval_does_not_choose_a_task(problems, empty):
    (problem,) = problems("eval checkpoint=x task=simple_pd")
    assert problem == (
        "task: simple_pd: this command does not choose a task, it takes that of the checkpoint; "
        "change its settings with task.<key>=<value>"
    )


def test_an_option_that_brings_others_which_the_command_lacks_is_refused(problems, empty):
    assert problems("import file=x.npz latent_step=FR_RNN_dale")[0] == (
        "latent_step: FR_RNN_dale: goes with a choice of constraint, which this command does not make"
    )


def test_a_command_does_not_suggest_groups_that_it_does_not_take(problems, empty):
    (problem,) = problems("eval checkpoint=x latent_dim=20")
    assert problem.startswith("latent_dim: 20: unknown key; there is: batch_size, checkpoint, ")


@pytest.mark.parametrize("flag", ["--cfg job", "--info config"])
def test_showing_a_wrong_configuration_explains_it_too(problems, empty, flag):
    assert problems(f"train {flag} laten_step=ALRNN") == [
        "laten_step: ALRNN: unknown key, did you mean latent_step?"
    ]


def test_an_unknown_primary_configuration_is_explained(problems, empty):
    assert problems("train -cn foo") == [
        "--config-name: foo: must be one of analyze, eval, export, import, simulate, train"
    ]


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        (
            "-m latent_step=ALRNN,PLRN seed=1,2,a",
            [
                "seed: a: must be an integer >= 0",
                f"latent_step: PLRN: {OPTIONS}, did you mean PLRNN?",
            ],
        ),
        ("-m seed=1,2 laten=3", ["laten: 3: unknown key, did you mean latent_dim?"]),
        (
            "-m seed=1,-2 laten_dim=3",
            ["laten_dim: 3: unknown key, did you mean latent_dim?", "seed: -2: must be an integer >= 0"],
        ),
        ("-m seed=range(3,3)", ["the sweep has no jobs: one of its ranges is empty"]),
        (
            "-m seed=interval(0,3)",
            [
                "seed=interval(0,3): Hydra's basic sweeper takes listed values only, seed=A,B; a range of real "
                "numbers needs a sweeper such as hydra/sweeper=optuna"
            ],
        ),
        (
            "-m hydra.job.chdir=true,false",
            ["hydra.job.chdir=true,false: a sweep cannot go over Hydra's own settings"],
        ),
        (
            "-m hydra.sweep.subdir=x seed=1,2",
            ["hydra.sweep.subdir: x: all jobs would share it; must hold ${hydra.job.num}"],
        ),
        (
            "-m latent_step=ALRNN,PLRNN latent_step.ar_epsilon=0.1",
            ["latent_step.ar_epsilon: 0.1: unknown key"],
        ),
    ],
)
def test_one_wrong_value_stops_a_sweep_before_its_first_job(problems, empty, line, sentences):
    found = problems(f"train {line}")
    assert len(found) == len(sentences)
    assert all(problem.startswith(sentence) for problem, sentence in zip(found, sentences, strict=True))
    assert list(empty.iterdir()) == []


def test_a_value_that_only_a_constructor_refuses_stops_a_sweep_too(problems, empty):
    (problem,) = problems("train -m loss.lambda_ar=0,1 latent_step=PLRNN")
    assert problem.startswith("loss: lambda_ar needs a latent step with ar_epsilon")
    assert list(empty.iterdir()) == []


def test_the_jobs_of_a_sweep_are_listed_and_not_started(run, empty):
    result = run("train latent_step=ALRNN,PLRNN -m --dry-run seed=0,1")
    assert result.code == 0
    assert result.out.splitlines() == [
        "0: latent_step=ALRNN seed=0",
        "1: latent_step=ALRNN seed=1",
        "2: latent_step=PLRNN seed=0",
        "3: latent_step=PLRNN seed=1",
    ]
    assert list(empty.iterdir()) == []


def test_an_experiment_may_be_a_sweep_by_itself(run, empty):
    lines = run("train experiment=cognitive_matrix --dry-run").out.splitlines()
    assert len(lines) == 36
    assert lines[0].startswith("0: latent_step=PLRNN task=perceptual_discrim seed=0")


def test_the_command_line_wins_over_the_values_of_an_experiment(run, empty):
    lines = run("train experiment=cognitive_matrix seed=5 latent_step=ALRNN --dry-run").out.splitlines()
    assert len(lines) == 3
    assert all("seed=5" in line and "latent_step=ALRNN" in line for line in lines)


def test_a_large_sweep_is_checked_in_part_and_every_value_is_seen(problems, empty):
    found = problems("train -m seed=range(0,100) trainer.batch_size=8,16,0")
    assert found == ["trainer.batch_size: 0: must be an integer >= 1"]


def test_the_pattern_of_the_run_directory_is_shown(run, empty):
    result = run("train task=simple_pd --dry-run")
    assert result.out == "outputs/train/<%Y-%m-%d>/<%H-%M-%S-%f>_simple_pd_ALRNN\n"
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "n_steps"),
    [
        ("experiment=debug trainer.n_trials=640", "null"),
        ("trainer.n_trials=640", "null"),
        ("experiment=debug trainer.n_trials=640 trainer.n_steps=3", "3"),
        ("experiment=debug trainer.n_trials=null", "4"),
    ],
)
def test_a_number_of_trials_takes_the_place_of_the_steps_of_an_experiment(run, empty, line, n_steps):
    shown = run(f"train {line} --cfg job -p trainer").out
    assert f"n_steps: {n_steps}\n" in shown


def test_the_steps_of_an_experiment_give_way_in_a_sweep_too(run, empty):
    lines = run("train -m experiment=debug trainer.n_trials=640,128 --dry-run").out.splitlines()
    assert [line.split()[-2:] for line in lines] == [
        ["trainer.n_trials=640", "trainer.n_steps=null"],
        ["trainer.n_trials=128", "trainer.n_steps=null"],
    ]


@pytest.mark.parametrize(
    "line",
    ["experiment=debug trainer.n_trials=64 trainer.n_steps=4", "-m experiment=debug, trainer.n_trials=64"],
)
def test_trials_beside_steps_are_refused(problems, empty, line):
    assert problems(f"train {line.replace('debug,', 'debug,debug')}") == [
        "trainer.n_trials: 64: has no effect beside trainer.n_steps, which is 4; set one of them to null"
    ]


@pytest.mark.parametrize(
    "line",
    ["eval checkpoint=x", "eval -m checkpoint=x n_trials=4,8", "simulate checkpoint=x out=a.npz n_steps=3"],
)
def test_a_missing_checkpoint_is_told_before_a_directory_is_made(problems, empty, line):
    assert problems(line) == ["checkpoint=x: no such file"]
    assert list(empty.iterdir()) == []


def test_a_folder_without_a_run_is_no_checkpoint(problems, empty):
    assert problems("eval checkpoint=.") == [
        "checkpoint=.: must be a checkpoint file or the directory of a run, and has no checkpoints/"
    ]


def test_a_mistyped_class_of_rnnexp_is_explained(problems, empty):
    assert problems("train task._target_=rnnexp.tasks.DelayedDiscrm") == [
        "task._target_: rnnexp.tasks.DelayedDiscrm: rnnexp has no such class, did you mean rnnexp.tasks.DelayedDiscrim?"
    ]


def test_check_builds_the_parts_of_all_jobs_and_starts_nothing(run, empty):
    result = run("train -m latent_step=ALRNN,CTRNN seed=0,1 latent_dim=8 --check")
    assert (result.code, result.out) == (0, "ok: 4 jobs\n")
    assert run("train --check").out == "ok: 1 job\n"
    assert run("train task=delayed_discrim task.delay_duration=5000 --check").code == 1
    wrong = run("train -m constraint=dale latent_step=Basic,CTRNN constraint.dale_ratio=0.8,2 --check")
    assert wrong.code == 1
    assert "constraint.dale_ratio: 2" in wrong.err
    assert list(empty.iterdir()) == []
