"""Trials of unequal length: padding changes no loss, no gradient and no metric."""

from dataclasses import replace

import pytest
import torch

from rnnexp.building.parts import build_parts
from rnnexp.recurrence import by_length
from rnnexp.recurrence.noise import Noise
from rnnexp.tasks import DelayedDiscrim, GoNogo, SimpleReaches, Trials
from rnnexp.tasks.base import Task
from rnnexp.training.evaluation import evaluate

STEPS = [
    "PLRNN", "ALRNN", "shPLRNN", "clipped_shPLRNN", "CTRNN", "Basic", "FR_RNN_dale", "LeakyRate", "LSTM", "GRU",
]  # fmt: skip
LOSSES = {
    "rnn_loss": ["loss.lambda_fr=0.1", "loss.lambda_fr_sd=0.1", "loss.lambda_fr_cv=0.1"],
    "nn4n": [
        f"loss.lambda_{name}=0.1" for name in (
            "cross_entropy", "fr_l1", "fr_l2", "fr_sd", "fr_cv", "fr_mean_ad", "fr_max_ad", "state_pred", "entropy",
        )
    ] + ["loss.state_pred_steps=3"],
    "psychrnn": ["loss.lambda_bce=0.1", "loss.lambda_l2_firing_rate=0.1", "loss.lambda_l2_rec=0.1"],
    "spikernn": ["loss.lambda_l1=0.5"],
    "dsr": ["loss.lambda_invert=0.1", "loss.invert_states=7"],
}  # fmt: skip
CONFIG = [
    "task=perceptual_discrim", "task.T={uniform:[380,400]}", "task.dt=20", "latent_dim=6", "device.dtype=float64",
]  # fmt: skip


def padded(trials, extra):
    """Append steps that belong to no trial."""
    lengths = torch.full((trials.n_trials,), trials.n_steps) if trials.lengths is None else trials.lengths
    parts = {}
    for name in ("inputs", "targets", "mask"):
        tensor = getattr(trials, name)
        parts[name] = torch.cat((tensor, tensor.new_zeros(len(tensor), extra, tensor.shape[2])), 1)
    return replace(trials, **parts, lengths=lengths)


def scores(parts, trials, backend, noise=None):
    model = parts.model
    model.backend = backend
    model.zero_grad()
    losses = parts.loss.of_update(model, trials, noise)
    losses.total.backward()
    gradients = {
        n: p.grad.clone() for n, p in model.named_parameters() if p.requires_grad and p.grad is not None
    }
    return {name: value.detach() for name, value in losses.items()}, gradients


def assert_same(found, wanted):
    for part, other in zip(found, wanted, strict=True):
        assert part.keys() == other.keys()
        for name in part:
            torch.testing.assert_close(part[name], other[name], rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("latent_step", "loss"),
    [
        *((step, "rnn_loss") for step in STEPS),
        *((step, loss) for loss in LOSSES for step in ("ALRNN", "LSTM")),
    ],
)
def test_padding_changes_no_loss_and_no_gradient(compose_config, latent_step, loss):
    parts = build_parts(compose_config(*CONFIG, f"latent_step={latent_step}", f"loss={loss}", *LOSSES[loss]))
    trials = parts.task.sample(5, torch.Generator().manual_seed(1), torch.float64)
    trials = trials.ending_after(torch.tensor([18, 9, 17, 3, 18]))
    whole = replace(trials, lengths=None)[trials.lengths == trials.lengths.max()]
    whole = Trials(*(x[:, : trials.lengths.max()] for x in (whole.inputs, whole.targets, whole.mask)))
    for batch in (trials, whole):
        wanted = scores(parts, batch, "reference")
        for backend in ("reference", "fused"):
            for extra in (0, 13):
                assert_same(scores(parts, padded(batch, extra), backend), wanted)


@pytest.mark.parametrize(
    ("latent_step", "loss"),
    [
        ("ALRNN", "dsr"),
        ("CTRNN", "rnn_loss"),
        ("LeakyRate", "spikernn"),
        ("LSTM", "nn4n"),
        ("shPLRNN", "psychrnn"),
    ],
)
def test_groups_of_similar_length_give_the_same(compose_config, monkeypatch, latent_step, loss):
    more = ["latent_step.pre_noise=0.1"] if latent_step in ("CTRNN", "LeakyRate") else []
    config = compose_config(*CONFIG, f"latent_step={latent_step}", f"loss={loss}", *more)
    parts = build_parts(config)
    trials = parts.task.sample(70, torch.Generator().manual_seed(4), torch.float64)
    trials = trials.ending_after(1 + torch.randperm(70, generator=torch.Generator().manual_seed(5)) % 18)
    assert len(by_length.groups_by_length(trials)) == 4
    ways = {}
    for worth in (0.85, 0.0):
        monkeypatch.setattr(by_length, "WORTH", worth)
        for backend in ("reference", "fused"):
            noise = torch.Generator().manual_seed(6)
            ways[worth, backend] = scores(parts, trials, backend, noise)
            noise = torch.Generator().manual_seed(6)
            trajectory = parts.model(trials, noise)
            named = {name: getattr(trajectory, name) for name in ("latents", "rates", "outputs", "initial")}
            ways[worth, backend] += ({name: value.detach() for name, value in named.items()},)
    wanted = ways.pop((0.0, "reference"))
    for found in ways.values():
        assert_same(found, wanted)


@pytest.mark.parametrize("latent_step", ["ALRNN", "CTRNN", "LSTM"])
def test_a_mean_over_steps_is_that_of_the_trials_one_by_one(compose_config, latent_step):
    parts = build_parts(compose_config(*CONFIG, f"latent_step={latent_step}", "loss.lambda_fr=0.1"))
    trials = parts.task.sample(6, torch.Generator().manual_seed(2), torch.float64)
    trials = trials.ending_after(torch.tensor([18, 9, 17, 3, 18, 1]))
    values, gradients = scores(parts, trials, "auto")
    summed = dict.fromkeys(values, 0.0)
    for index, length in enumerate(trials.lengths.tolist()):
        one = Trials(*(x[index : index + 1, :length] for x in (trials.inputs, trials.targets, trials.mask)))
        own, own_gradients = scores(parts, one, "auto")
        share = length / int(trials.lengths.sum())
        summed = {name: summed[name] + share * own[name] for name in summed}
        gradients = {name: gradients[name] - share * own_gradients[name] for name in gradients}
    assert_same([summed], [values])
    assert max(gradient.abs().max() for gradient in gradients.values()) < 1e-12


def test_noise_in_padding_changes_nothing(compose_config):
    parts = build_parts(compose_config(*CONFIG, "latent_step=CTRNN", "latent_step.pre_noise=0.3"))
    trials = parts.task.sample(4, torch.Generator().manual_seed(3), torch.float64)
    trials = trials.ending_after(torch.tensor([2, 9, 17, 3]))
    draw = torch.randn(4, trials.n_steps, 6, dtype=torch.float64)
    other = torch.where(trials.is_real[:, :, None], draw, 100.0)
    for backend in ("reference", "fused"):
        wanted = scores(parts, trials, backend, Noise(increments=draw))
        assert_same(scores(parts, trials, backend, Noise(increments=other)), wanted)


@pytest.mark.parametrize(
    "task", ["delayed_discrim", "go_nogo", "mante", "xor", "simple_pd", "match_to_category"]
)
def test_padding_changes_no_metric(compose_config, task):
    longest = {"mante": 3000, "xor": 2000, "go_nogo": 1500, "match_to_category": 2400}.get(task, 800)
    shortest = {"mante": 2500, "xor": 1500, "go_nogo": 1000, "match_to_category": 2000}.get(task, 400)
    law = f"task.T={{uniform:[{shortest},{longest}]}}"
    parts = build_parts(compose_config(f"task={task}", law, "task.dt=20", "latent_dim=6"))
    for seed, extra in ((0, 1), (1, 30), (2, 7)):
        trials = parts.task.sample(9, torch.Generator().manual_seed(seed))
        assert trials.n_steps == longest / 20
        wanted = evaluate(parts.model, parts.task, parts.loss, trials, 9)
        longer = evaluate(parts.model, parts.task, parts.loss, padded(trials, extra), 9)
        for found, value in zip(longer, wanted, strict=True):
            assert found == pytest.approx(value, rel=1e-5)


def test_what_a_trial_of_its_own_length_holds():
    task = DelayedDiscrim(dt=20, T={"uniform": [200, 400]}, stim_noise=0.0, decision_duration=50)
    fixed = DelayedDiscrim(dt=20, T=200, stim_noise=0.0, decision_duration=50)
    assert (task.shortest_T, task.T, task.n_steps) == (200, 400, 20)
    assert task.durations.keys() == fixed.durations.keys()
    trials = task.sample(50, torch.Generator().manual_seed(0))
    assert trials.lengths.min() >= 10
    assert trials.lengths.max() <= 20
    assert (trials.lengths == (trials.conditions["T"] / 20).ceil()).all()
    past = ~trials.is_real
    assert past.any()
    for tensor in (trials.inputs, trials.targets, trials.mask):
        assert not tensor[past].any()
    half = trials[:7].to("cpu")
    assert torch.equal(half.lengths, trials.lengths[:7])
    assert half.ending_after(torch.full((7,), 3)).lengths.tolist() == [3] * 7
    for bad in (torch.zeros(7, dtype=torch.int64), torch.full((7,), 21), torch.ones(6, dtype=torch.int64)):
        with pytest.raises(ValueError, match="lengths must be"):
            half.ending_after(bad)
    assert torch.equal(
        task.events(trials)["decision"] <= (trials.lengths - 1) * 20, torch.ones(50, dtype=bool)
    )


def test_a_fixed_duration_draws_nothing():
    same = [
        GoNogo(T=T).sample(8, torch.Generator().manual_seed(5)).inputs
        for T in (1000, [1000], {"uniform": [1000] * 2})
    ]
    assert torch.equal(same[0], same[1])
    assert torch.equal(same[0], same[2])


@pytest.mark.parametrize(
    ("T", "told"),
    [
        ({"normal": [500, 10]}, "T must be >= 5 ms"),
        ({"exponential": [500, 100, float("inf")]}, "T must have a longest duration"),
        ([], "T must be a number, a list"),
        ({"uniform": [1, 500]}, "T must be >= 5 ms"),
    ],
)
def test_durations_that_cannot_be(T, told):
    with pytest.raises(ValueError, match=told):
        GoNogo(T=T, stim_on=0, stim_dur=0)


def test_a_task_that_samples_by_itself_has_one_duration():
    class Own(Task):
        def sample(self, batch_size, generator, dtype=torch.float32, batch=1):
            raise NotImplementedError

    with pytest.raises(ValueError, match="T must be one duration for all trials of Own"):
        Own(input_dim=1, output_dim=1, dt=10, T=[100, 200])
    with pytest.raises((ValueError, TypeError)):
        SimpleReaches(T={"uniform": [500, 1000]})
