"""The tasks of spikeRNN: randomness, counts of conditions, options, option files and refused arguments."""

import inspect
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rnnexp.tasks import XOR, GoNogo, Mante

CONF = Path(__file__).parents[2] / "conf" / "task"
TASKS = {"go_nogo": GoNogo, "xor": XOR, "mante": Mante}
every_task = pytest.mark.parametrize("task_class", TASKS.values())


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tensors(trials) -> list[torch.Tensor]:
    return [trials.inputs, trials.targets, trials.mask, *trials.conditions.values()]


def shares(values: torch.Tensor) -> dict[float, float]:
    found, counts = values.unique(return_counts=True)
    return dict(zip(found.tolist(), (counts / len(values)).tolist(), strict=True))


@every_task
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(task_class):
    task = task_class()
    first, again, other = (task.sample(16, seeded(seed)) for seed in (5, 5, 6))
    assert all(torch.equal(a, b) for a, b in zip(tensors(first), tensors(again), strict=True))
    assert not torch.equal(first.inputs, other.inputs)
    assert not torch.equal(first.targets, other.targets)


@every_task
def test_trials_draw_nothing_from_the_global_generator_and_the_task_keeps_nothing(task_class):
    before, task, generator = torch.get_rng_state(), task_class(), seeded(5)
    task.sample(4, generator)
    state = generator.get_state()
    second = task.sample(4, generator)
    generator.set_state(state)
    assert torch.equal(second.inputs, task_class().sample(4, generator).inputs)
    assert torch.equal(before, torch.get_rng_state())


@every_task
def test_the_noise_level_does_not_change_which_trials_come_next(task_class):
    def second_conditions(stim_noise):
        task, generator = task_class(stim_noise=stim_noise), seeded(1)
        task.sample(8, generator)
        return task.sample(8, generator).conditions

    quiet, noisy = second_conditions(0.0), second_conditions(0.5)
    assert all(torch.equal(quiet[name], noisy[name]) for name in quiet)


@every_task
def test_tensors_have_the_declared_sizes_labels_and_types(task_class):
    task = task_class(dt=15)
    trials = task.sample(3, seeded(0), torch.float64)
    assert trials.inputs.shape == (3, task.n_steps, task.input_dim)
    assert trials.targets.shape == trials.mask.shape == (3, task.n_steps, 1)
    assert {t.dtype for t in (trials.inputs, trials.targets, trials.mask)} == {torch.float64}
    assert task.sample(3, seeded(0)).inputs.dtype == torch.float32
    assert len({*task.input_labels}) == task.input_dim
    assert len(task.output_labels) == task.output_dim == 1
    assert trials.conditions[task.condition].dtype == torch.int64
    assert task.kind == "cognitive"
    assert all(tensor.is_contiguous() for tensor in tensors(trials))


def test_go_and_nogo_trials_have_the_shares_that_are_asked_for():
    for probability in (0.5, 0.2):
        go = GoNogo(go_probability=probability).sample_conditions(20000, seeded(0))["go"]
        assert shares(go)[1] == pytest.approx(probability, abs=0.01)
    assert shares(GoNogo(go_probability=0).sample_conditions(500, seeded(0))["go"]) == {0: 1.0}
    assert shares(GoNogo(go_probability=1).sample_conditions(500, seeded(0))["go"]) == {1: 1.0}


def test_the_four_trial_types_of_xor_are_equally_frequent():
    drawn = XOR().sample_conditions(20000, seeded(0))
    types = shares(2 * drawn["sign_1"] + drawn["sign_2"])
    assert types == {code: pytest.approx(0.25, abs=0.01) for code in (-3, -1, 1, 3)}
    assert torch.equal(drawn["same"] == 1, drawn["sign_1"] * drawn["sign_2"] == 1)
    fixed = XOR(sign_2=-1).sample_conditions(2000, seeded(0))
    assert shares(fixed["sign_2"]) == {-1: 1.0}
    assert shares(fixed["sign_1"])[1] == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("variant", ["paper", "torch_port"])
def test_contexts_and_choices_of_mante_are_balanced_and_independent(variant):
    drawn = Mante(variant=variant).sample_conditions(20000, seeded(0))
    sides = 4 * drawn["context"] + 2 * (drawn["color"] > 0) + (drawn["motion"] > 0)
    assert shares(sides) == {code: pytest.approx(0.125, abs=0.01) for code in range(8)}
    cued = torch.where(drawn["context"] == 0, drawn["color"], drawn["motion"])
    assert torch.equal(drawn["choice"], cued.sign().long())


def test_the_coherences_of_mante_follow_the_variant_unless_they_are_given():
    paper, port = (
        Mante(variant=variant).sample_conditions(20000, seeded(0)) for variant in ("paper", "torch_port")
    )
    for name in ("color", "motion"):
        assert paper[name].unique().tolist() == [-0.5, 0.5]
        assert -1.25 <= port[name].min() < -1.24
        assert 1.24 < port[name].max() <= 1.25
        assert port[name].std().item() == pytest.approx(2.5 / 12**0.5, rel=0.02)
    given = Mante(color=[0.1, 0.2], motion={"uniform": [-2, -1]}).sample_conditions(500, seeded(0))
    assert given["color"].unique().tolist() == [0.1, 0.2]
    assert -2 <= given["motion"].min() <= given["motion"].max() <= -1


def test_a_coherence_of_zero_counts_as_negative():
    assert shares(Mante(color=0, motion=0).sample_conditions(9, seeded(0))["choice"]) == {-1: 1.0}


@pytest.mark.parametrize("context", ["color", "motion"])
def test_a_fixed_context_is_the_context_of_every_trial(context):
    drawn = Mante(context=context, color=0.5, motion=-0.5).sample_conditions(50, seeded(0))
    assert shares(drawn["context"]) == {("color", "motion").index(context): 1.0}
    assert shares(drawn["choice"]) == {1 if context == "color" else -1: 1.0}


def test_noise_is_on_all_steps_but_for_mante_on_the_signals_during_the_stimulus():
    for task in (GoNogo(go_probability=0, stim_noise=0.3), XOR(stim_noise=0.3)):
        quiet = type(task)(go_probability=0) if isinstance(task, GoNogo) else XOR()
        noise = task.sample(200, seeded(0)).inputs - quiet.sample(200, seeded(0)).inputs
        assert noise.std(dim=(0, 1)) == pytest.approx(0.3, rel=0.02)
    for variant, signals in (("paper", slice(0, 2)), ("torch_port", slice(1, 3))):
        task = Mante(variant=variant, stim_noise=0.3)
        noisy = task.sample(200, seeded(0)).inputs
        noise = noisy - Mante(variant=variant, stim_noise=0.0).sample(200, seeded(0)).inputs
        assert noise[:, 50:250, signals].std(dim=(0, 1)) == pytest.approx(0.3, rel=0.02)
        noise[:, 50:250, signals] = 0
        assert (noise == 0).all()
    paper = Mante().sample(200, seeded(0))
    noise = paper.inputs[:, 50:250, 0] - paper.conditions["color"][:, None]
    assert noise.std().item() == pytest.approx(1.0, rel=0.02)
    assert (noise[:, 1:] * noise[:, :-1]).mean().item() == pytest.approx(0.0, abs=0.02)


def test_times_and_levels_of_go_nogo_are_options():
    task = GoNogo(
        dt=2, T=400, stim_on=[100], stim_dur=60, go_probability=1, stim_amplitude=3, target_amplitude=2
    )
    trials = task.sample(1, seeded(0))
    assert task.n_steps == 200
    assert trials.inputs[0, :, 0].nonzero().flatten().tolist() == list(range(50, 80))
    assert trials.targets[0, :, 0].nonzero().flatten().tolist() == list(range(80, 200))
    assert (trials.inputs.max().item(), trials.targets.max().item()) == (3, 2)


def test_times_and_levels_of_xor_are_options():
    task = XOR(
        dt=10,
        T=1000,
        stim_on=100,
        stim_dur=200,
        delay=150,
        response_delay=0,
        response_dur=100,
        sign_1=1,
        sign_2=-1,
        stim_amplitude=0.5,
        target_amplitude=2,
    )
    trials = task.sample(1, seeded(0))
    assert (trials.inputs[0, :, 0] == 0.5).nonzero().flatten().tolist() == list(range(10, 30))
    assert (trials.inputs[0, :, 1] == -0.5).nonzero().flatten().tolist() == list(range(45, 65))
    assert (trials.targets[0, :, 0] == -2).nonzero().flatten().tolist() == list(range(65, 75))
    assert (trials.targets != 0).sum() == 10
    cut = XOR(response_dur=5000).sample(1, seeded(0)).targets[0, :, 0]
    assert cut.nonzero().flatten().tolist() == list(range(170, 300))


def test_times_and_levels_of_mante_are_options():
    options = {
        "dt": 10,
        "T": 600,
        "stim_on": 100,
        "stim_dur": 300,
        "context": "motion",
        "color": 0.25,
        "motion": -0.75,
        "stim_noise": 0,
        "context_amplitude": 2,
        "target_amplitude": 3,
    }
    paper, port = (
        Mante(variant=variant, **options).sample(1, seeded(0)) for variant in ("paper", "torch_port")
    )
    assert paper.inputs[0, 0].tolist() == [0, 0, 0, 2]
    assert paper.inputs[0, 10].tolist() == paper.inputs[0, 39].tolist() == [0.25, -0.75, 0, 2]
    assert port.inputs[0, 9].tolist() == port.inputs[0, 40].tolist() == [0, 0, 0, 0]
    assert port.inputs[0, 10].tolist() == port.inputs[0, 39].tolist() == [-2, 0.25, -0.75, 0]
    for trials in (paper, port):
        assert (trials.targets[0, :, 0] == -3).nonzero().flatten().tolist() == list(range(40, 60))
        assert (trials.targets != 0).sum() == 20


@every_task
def test_times_may_be_drawn_anew_in_every_trial(task_class):
    task = task_class(stim_on={"uniform": [50, 200]}, stim_dur=[100, 200], stim_noise=0)
    trials = task.sample(300, seeded(0))
    drawn = trials.conditions
    assert 50 <= drawn["stim_on"].min() < 60 < 190 < drawn["stim_on"].max() <= 200
    assert drawn["stim_dur"].unique().tolist() == [100, 200]
    onset = drawn["stim_on"] + drawn["stim_dur"]
    if task_class is XOR:
        onset = onset + drawn["delay"] + drawn["stim_dur"] + 50
    for trial in range(300):
        steps = trials.targets[trial, :, 0].nonzero().flatten()
        if len(steps):
            assert 0 <= steps[0].item() * task.dt - onset[trial].item() < task.dt
    assert (trials.targets != 0).any(1).double().mean() > 0.4


@pytest.mark.parametrize("name", TASKS)
def test_the_option_file_spells_out_every_argument_with_its_default(name):
    node = OmegaConf.load(CONF / f"{name}.yaml")
    options = OmegaConf.to_container(node)
    assert options.pop("_target_") == f"{TASKS[name].__module__}.{TASKS[name].__name__}"
    defaults = {
        key: parameter.default for key, parameter in inspect.signature(TASKS[name]).parameters.items()
    }
    assert options == defaults
    assert list(options) == list(defaults)
    from_file, from_code = instantiate(node), TASKS[name]()
    assert torch.equal(from_file.sample(2, seeded(0)).inputs, from_code.sample(2, seeded(0)).inputs)


def test_an_accuracy_window_can_be_given_in_an_option_file():
    node = OmegaConf.merge(OmegaConf.load(CONF / "xor.yaml"), {"accuracy_window": [1000, 1500]})
    assert instantiate(node).accuracy_window == (1000.0, 1500.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GoNogo(dt=0), "dt must be > 0 ms, got 0"),
        (lambda: GoNogo(go_probability=1.5), r"go_probability must be a number in \[0, 1\], got 1.5"),
        (lambda: GoNogo(go_probability=True), r"go_probability must be a number in \[0, 1\], got True"),
        (lambda: GoNogo(stim_on=-5), "stim_on must be >= 0 ms, got -5"),
        (lambda: GoNogo(stim_dur=None), "stim_dur must be a number, .* got None"),
        (lambda: GoNogo(stim_amplitude=0), "stim_amplitude must be > 0, got 0"),
        (lambda: GoNogo(target_amplitude=-1), "target_amplitude must be > 0, got -1"),
        (lambda: GoNogo(stim_noise=-1), "stim_noise must be >= 0, got -1"),
        (lambda: GoNogo(accuracy_threshold=-0.1), "accuracy_threshold must be >= 0, got -0.1"),
        (lambda: GoNogo(nogo_threshold=0), "nogo_threshold must be > 0, got 0"),
        (
            lambda: GoNogo(stim_on=800, stim_dur=[125, 195]),
            r"epochs must fit into T = 1000 ms, but stim_on \(800\) \+ stim_dur \(125 to 195\) "
            r"\+ two steps of response \(10\) take 935 to 1005 ms; shorten them or raise T",
        ),
        (
            lambda: GoNogo(accuracy_window=[995, 1000]),
            r"accuracy_window must be null or \[start, stop\] in ms that holds a step other than the last one, "
            r"at 995 ms, got \[995, 1000\]",
        ),
        (lambda: GoNogo(accuracy_window=[500, 400]), r"accuracy_window must be .* got \[500, 400\]"),
        (lambda: XOR(accuracy_window=[501, 505]), r"accuracy_window must be .* got \[501, 505\]"),
        (lambda: XOR(accuracy_window=1000), "accuracy_window must be .* got 1000"),
        (lambda: XOR(accuracy_window="ab"), "accuracy_window must be .* got 'ab'"),
        (lambda: XOR(accuracy_window=[1000]), r"accuracy_window must be .* got \[1000\]"),
        (lambda: Mante(accuracy_window=["0", 9]), r"accuracy_window must be .* got \['0', 9\]"),
        (lambda: XOR(sign_1=0), "sign_1 must be null, -1 or 1, got 0"),
        (lambda: XOR(sign_2="+"), r"sign_2 must be null, -1 or 1, got '\+'"),
        (lambda: XOR(delay={"uniform": [-5, 5]}), "delay must be >= 0 ms, but .* can be -5"),
        (lambda: XOR(response_delay=-1), "response_delay must be >= 0 ms, got -1"),
        (lambda: XOR(response_dur=0), "response_dur must be > 0 ms, got 0"),
        (lambda: XOR(response_dur=4), "response_dur must be >= dt = 5 ms, got 4"),
        (
            lambda: XOR(T=855),
            r"stim_on \(250\) \+ stim_dur \(250\) \+ delay \(50\) \+ stim_dur again \(250\) \+ response_delay "
            r"\(50\) \+ two steps of response \(10\) take 860 ms",
        ),
        (lambda: Mante(variant="original"), "variant must be paper or torch_port, got 'original'"),
        (lambda: Mante(variant=None), "variant must be paper or torch_port, got None"),
        (lambda: Mante(context=1), "context must be null, color or motion, got 1"),
        (lambda: Mante(color="red"), "color must be a number, .* got 'red'"),
        (lambda: Mante(motion={"uniform": [1, 0]}), "motion must be a number, .* uniform needs"),
        (lambda: Mante(stim_noise=-1), "stim_noise must be >= 0, got -1"),
        (lambda: Mante(context_amplitude=0), "context_amplitude must be > 0, got 0"),
        (lambda: Mante(T=1255), r"stim_on \(250\) \+ stim_dur \(1000\) \+ two .* take 1260 ms"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(("task", "first"), [(GoNogo(T=385), 75), (XOR(T=860), 170), (Mante(T=1260), 250)])
def test_the_shortest_trial_leaves_one_step_to_judge(task, first):
    trials = task.sample(4, seeded(0))
    outputs = torch.zeros_like(trials.targets)
    outputs[:, first] = 10 * trials.targets[:, first]
    assert task.n_steps == first + 2
    assert task.metrics(outputs, trials)["accuracy"] == 1
