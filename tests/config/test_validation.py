"""The check of a whole configuration: every problem in a line of its own, before torch is needed."""

import subprocess
import sys

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnexp.config.paths import bundled_conf, options_by_group
from rnnexp.config.validation import find_problems, validate
from rnnexp.errors import ConfigError


@pytest.fixture(scope="module")
def configs():
    """Composed configurations of all commands, to be changed."""
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        return {name: compose(name) for name in ("train", "eval", "simulate", "analyze", "export", "import")}


@pytest.fixture
def changed(configs):
    """Return the problems of a configuration after changes, dotted keys to values."""

    def changed_(changes, command="train", removed=()):
        cfg = configs[command].copy()
        OmegaConf.set_struct(cfg, False)
        for key, value in changes.items():
            OmegaConf.update(cfg, key, value, force_add=True, merge=False)
        for key in removed:
            del cfg[key]
        return find_problems(cfg, command)

    return changed_


EVAL = {"checkpoint": "run"}
LEAKY = {group: ["latent_step=Basic"] for group in ("constraint", "connectivity")}
OWN_DATA = [
    f"experiment={name}" for name in options_by_group()["experiment"] if name.endswith(("ecg", "eeg", "fmri"))
]
NEEDS = {
    "initializer=from_file": ["initializer.path=weights.npz"],
    "plant=own": ["plant._target_=my_lab.plants.MyPlant"],
    "perturbation=own": ["perturbation._target_=my_lab.fields.MyField"],
    "perturbation=clamped_units": ["perturbation.units={0: 1.0}"],
    "perturbation=driven_units": ["perturbation.units={0: 1.0}"],
    "task=own": ["task._target_=my_lab.tasks.MyTask"],
    "latent_step=own": ["latent_step._target_=my_lab.steps.MyStep"],
    **{option: ["task.path=my_series.npy"] for option in ("task=timeseries", *OWN_DATA)},
    "task=trials": ["task.path=my_trials.npz"],
}
EXPORT = {"checkpoint": "run", "out": "x.npz"}
IMPORT = {"file": "x.npz", "task": {"_target_": "rnnexp.tasks.cognitive.go_nogo.GoNogo"}}
SIMULATE = {"checkpoint": "run", "out": "x.npz", "n_steps": 10}


def test_the_bundled_configurations_are_right(changed):
    assert changed({}) == []
    assert changed(EVAL, "eval") == []
    assert changed(SIMULATE, "simulate") == []
    assert changed(EVAL, "analyze") == []
    assert changed(EXPORT, "export") == []
    assert changed(IMPORT, "import") == []


@pytest.mark.thinned
@pytest.mark.parametrize(
    "override",
    [f"{group}={name}" for group, options in options_by_group().items() for name in options],
)
def test_every_bundled_option_passes(override):
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        cfg = compose(
            "train",
            overrides=[override, *LEAKY.get(override.partition("=")[0], []), *NEEDS.get(override, [])],
        )
    assert find_problems(cfg, "train") == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": -1}, "seed: -1: must be an integer >= 0"),
        ({"seed": True}, "seed: true: must be an integer >= 0"),
        ({"seed": 1.0}, "seed: 1.0: must be an integer >= 0"),
        ({"seed": None}, "seed: null: must be an integer >= 0"),
        ({"latent_dim": 0}, "latent_dim: 0: must be an integer >= 1"),
        ({"initial_state": "lerned"}, "initial_state: lerned: must be auto, learned, zero or data"),
        ({"sed": 3}, "sed: 3: unknown key, did you mean seed?"),
        ({"experiment": {"seed": 3}}, "experiment: its file must start with the line `# @package _global_`"),
        ({"task": None}, "task: null: must be one of bursting_neuron, "),
        ({"task.dt": "abc"}, "task.dt: abc: must be a finite number > 0"),
        ({"task.dt": ""}, "task.dt: '': must be a finite number > 0"),
        ({"task.dt": True}, "task.dt: true: must be a finite number > 0"),
        ({"task.tau": 0}, "task.tau: 0: must be a finite number > 0"),
        ({"task.T": float("nan")}, "task.T: nan: must be a finite number > 0"),
        ({"task.T": float("inf")}, "task.T: inf: must be a finite number > 0"),
        ({"task.T": 5}, "task.T: 5: must be at least task.dt, which is 10.0 ms"),
        ({"task.onset_time": float("nan")}, "task.onset_time: nan: must be without nan"),
        ({"task.dtt": 5}, "task.dtt: 5: unknown key of DelayedDiscrim, did you mean task.dt?"),
        ({"task._target_": None}, "task._target_: null: must be the dotted path of a class"),
        (
            {"task._target_": "rnnexp.tasks.cognitive.simple_pd.SimplePd"},
            "task._target_: rnnexp.tasks.cognitive.simple_pd.SimplePd: rnnexp has no such class, did you mean "
            "rnnexp.tasks.cognitive.simple_pd.SimplePD?",
        ),
        ({"latent_step.num_relus": 51}, "latent_step.num_relus: 51: must be at most latent_dim, which is 50"),
        ({"latent_step.num_relus": -1}, "latent_step.num_relus: -1: must be an integer >= 0"),
        ({"latent_step.clip_range": 0}, "latent_step.clip_range: 0: must be a finite number > 0 or null"),
        ({"latent_step.learnable_C": 1}, "latent_step.learnable_C: 1: must be true or false"),
        ({"latent_step.latent_dim": 5}, "latent_step.latent_dim: 5: is set by the program, not here"),
        ({"loss.lambda_mse": -1}, "loss.lambda_mse: -1: must be a finite number >= 0"),
        ({"loss.lambda_in": float("inf")}, "loss.lambda_in: inf: must be a finite number >= 0"),
        (
            {"loss.lambda_msee": 3},
            "loss.lambda_msee: 3: unknown key of RNNLoss, did you mean loss.lambda_mse?",
        ),
        ({"loss.variant": "x"}, "loss.variant: x: must be documented or nn4n_1_2"),
        (
            {"loss.terms": {"mine": {"_target_": "rnnexp.losses.output.Nothing"}}},
            "loss.terms.mine._target_: rnnexp.losses.output.Nothing: rnnexp has no such class",
        ),
        ({"optimizer.lr": 0}, "optimizer.lr: 0: must be a finite number > 0"),
        ({"optimizer.lr": "1e-3x"}, "optimizer.lr: 1e-3x: must be a finite number > 0"),
        ({"optimizer.betas": [0.9]}, "optimizer.betas: [0.9]: must be a list of length 2"),
        ({"optimizer.betas": [0.9, 1]}, "optimizer.betas: [0.9, 1]: must be a list of length 2, each"),
        ({"optimizer.momentum": 0.9}, "optimizer.momentum: 0.9: unknown key of Adam"),
        ({"scheduler.final_factor": 2}, "scheduler.final_factor: 2: must be a finite number in [0, 1]"),
        ({"scheduler.warmup": 1}, "scheduler.warmup: 1: must be a finite number in [0, 1)"),
        ({"trainer.n_trials": 0}, "trainer.n_trials: 0: must be an integer >= 1"),
        ({"trainer.n_steps": 10**20}, f"trainer.n_steps: {10**20}: must be an integer >= 1 or null"),
        ({"optimizer.lr": 10**400}, f"optimizer.lr: 1{56 * '0'}...: must be a finite number > 0"),
        ({"trainer.n_steps": 1.5}, "trainer.n_steps: 1.5: must be an integer >= 1 or null"),
        ({"trainer.clip": None}, "trainer.clip: null: must be norm, per_variable or none"),
        ({"trainer.best_mode": "low"}, "trainer.best_mode: low: must be auto, min or max"),
        ({"trainer.best_metric": ""}, "trainer.best_metric: '': must be a text, not empty"),
        ({"trainer.patience": 0}, "trainer.patience: 0: must be an integer >= 1 or null"),
        (
            {"trainer.accuracy_cutoff": 90},
            "trainer.accuracy_cutoff: 90: must be a finite number in (0, 1] or null",
        ),
        ({"trainer.progress": "yes"}, "trainer.progress: yes: must be true or false or auto"),
        ({"trainer.backend": "fast"}, "trainer.backend: fast: must be auto, reference or fused"),
        ({"device.name": "gpu"}, "device.name: gpu: must be cpu, cuda or auto"),
        ({"device.dtype": "float16"}, "device.dtype: float16: must be float32 or float64"),
        ({"device.threads": 0}, "device.threads: 0: must be auto or an integer >= 1"),
        ({"device.nme": "cpu"}, "device.nme: cpu: unknown key, did you mean device.name?"),
        ({"device": "cpu"}, "device: cpu: must be a group of settings, device.<key>=<value>"),
        ({"seed": "${nowhere}"}, "seed: ${nowhere}: Interpolation key 'nowhere' not found"),
        ({"task.dt": "???"}, "task.dt: not given: must be a finite number > 0"),
    ],
)
def test_one_wrong_value_is_one_line(changed, changes, problem):
    (found,) = changed(changes)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("command", "changes", "problem"),
    [
        ("eval", {"checkpoint": "???"}, "checkpoint: not given: must be a path, not empty"),
        ("eval", {"n_trials": 0}, "n_trials: 0: must be an integer >= 1"),
        ("eval", {"split": "tset"}, "split: tset: must be test, validation or training"),
        ("eval", {"trust": "yes"}, "trust: yes: must be true or false"),
        ("eval", {"task": 5}, "task: 5: must be a group of settings, task.<key>=<value>"),
        (
            "eval",
            {"lesion.percentage": 1.5},
            "lesion.percentage: 1.5: must be a finite number in [0, 1] or null",
        ),
        (
            "eval",
            {"lesion.scale": -1, "lesion.percentage": 0.1},
            "lesion.scale: -1: must be a finite number >= 0",
        ),
        (
            "eval",
            {"lesion.units": [0.5]},
            "lesion.units: [0.5]: must be a list, each an integer >= 0 or null",
        ),
        (
            "eval",
            {"lesion.unit_type": "E"},
            "lesion.unit_type: E: must be excitatory, inhibitory or any or null",
        ),
        ("eval", {"lesion.by_type": True}, "lesion.by_type: true: has no effect without lesion.percentage"),
        ("eval", {"lesion.scale": 0.5}, "lesion.scale: 0.5: has no effect without lesion.percentage"),
        (
            "eval",
            {"lesion.unit_fraction": 0.5},
            "lesion.unit_fraction: 0.5: has no effect without lesion.unit_type",
        ),
        (
            "simulate",
            {"lesion.seed": 1},
            "lesion.seed: 1: has no effect without lesion.percentage or lesion.unit_type",
        ),
        (
            "eval",
            {"lesion.percent": 0.1},
            "lesion.percent: 0.1: unknown key, did you mean lesion.percentage?",
        ),
        ("simulate", {"n_steps": None}, "inputs: null: give inputs=FILE.npy (B, T, K), or n_steps=N"),
        ("simulate", {"inputs": ""}, "inputs: '': must be a path, not empty or null"),
        ("simulate", {"out": None}, "out: null: must be a path, not empty"),
        ("analyze", {"start": "x0"}, "start: x0: must be auto, data or z0"),
        ("analyze", {"max_order": 0}, "max_order: 0: must be an integer >= 1"),
        ("analyze", {"input": "a"}, "input: a: must be a finite number or a list, each a finite number"),
        ("analyze", {"n_step": 5}, "n_step: 5: unknown key, did you mean n_steps?"),
        ("export", {"format": "mat"}, "format: mat: must be auto, psychrnn or npz"),
        ("import", {"n_outputs": 0}, "n_outputs: 0: must be "),
        ("import", {"dale_ratio": 2}, "dale_ratio: 2: must be a finite number in [0, 1]"),
        ("import", {"transfer_function": "rely"}, "transfer_function: rely: must be relu, tanh, "),
        ("import", {"tau": [10, 0]}, "tau: [10, 0]: must be "),
    ],
)
def test_the_other_commands_are_checked_too(changed, command, changes, problem):
    valid = {"eval": EVAL, "simulate": SIMULATE, "analyze": EVAL, "export": EXPORT, "import": IMPORT}[command]
    (found,) = changed(valid | changes, command)
    assert found.startswith(problem)


def test_changes_to_the_task_of_a_checkpoint_are_left_to_the_checkpoint(changed):
    assert changed({**EVAL, "task.coherence": 0.1}, "eval") == []


def test_all_problems_are_told_at_once_in_the_order_of_the_configuration(configs):
    cfg = OmegaConf.merge(configs["train"].copy(), {"device": {"threads": 0}, "task": {"dt": -1}, "seed": -1})
    with pytest.raises(ConfigError) as error:
        validate(cfg, "train")
    assert [problem.split(":")[0] for problem in error.value.problems] == [
        "seed",
        "task.dt",
        "device.threads",
    ]


@pytest.mark.parametrize("group", ["task", "loss", "trainer", "optimizer"])
def test_a_missing_group_is_a_problem(changed, group):
    (problem,) = changed({}, removed=[group])
    assert problem.startswith(f"{group}: not given: must be one of ")


def test_a_fixed_input_matrix_needs_more_units_than_inputs(changed):
    changes = {"latent_dim": 2, "latent_step.learnable_C": False}
    (problem,) = changed(changes)
    assert problem.startswith("latent_step.learnable_C: false: ")
    assert "must be > the number of inputs, 2, but is 2" in problem
    assert changed({**changes, "latent_dim": 3}) == []


def test_an_identity_observation_needs_a_unit_for_each_output(changed):
    changes = {"latent_dim": 1, "observation": {"_target_": "rnnexp.observation.Identity"}}
    (problem,) = changed(changes)
    assert problem.endswith("latent_dim must be >= the number of outputs, 2, but is 1")
    assert changed({**changes, "latent_dim": 2}) == []


def test_nesterov_needs_momentum(changed):
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.1, "nesterov": True}
    assert changed({"optimizer": sgd}) == ["optimizer.nesterov: true: needs optimizer.momentum > 0"]
    assert changed({"optimizer": {**sgd, "momentum": 0.9}}) == []


def test_classes_of_the_user_take_what_they_like(changed):
    assert changed({"task": {"_target_": "my_lab.tasks.MyTask", "anything": "goes"}}) == []
    assert changed({"optimizer": {"_target_": "torch.optim.LBFGS", "history_size": 5}}) == []
    terms = {"mine": {"_target_": "my_lab.losses.slowness", "_partial_": True}}
    assert changed({"loss.terms": terms, "loss.lambda_terms": {"mine": 0.1}}) == []
    (problem,) = changed({"loss.terms": terms, "loss.lambda_terms": {"mine": -0.1}})
    assert problem.startswith("loss.lambda_terms.mine: -0.1: must be a finite number >= 0")


def test_neither_torch_nor_numpy_is_imported():
    code = (
        "import sys; from rnnexp.cli import main; main(['train', '--dry-run']); main(['train', '--cfg', 'job']);"
        "main(['list']); print([m for m in ('torch', 'numpy', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
