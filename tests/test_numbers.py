"""Numbers of numpy and of torch are taken wherever numbers are, and become plain ones; booleans and nan are not."""

import math

import numpy as np
import pytest
import torch

from rnnexp.analysis.forcing_interval import forcing_interval
from rnnexp.analysis.reconstruction_metrics import (
    binned_divergence,
    free_run_diverged,
    gmm_divergence,
    mean_absolute_scaled_error,
    power_spectrum_correlation,
    spectral_distance,
)
from rnnexp.constraints.connectivity import Sparse
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.initializers import TaskInitializer
from rnnexp.constraints.multi_area import MultiArea
from rnnexp.constraints.psychrnn_initializer import PsychRNNInitializer
from rnnexp.constraints.spectral_radius_initializer import SpectralRadiusInitializer
from rnnexp.constraints.spikernn_initializer import SpikeRNNInitializer
from rnnexp.latent_steps import ALRNN, PLRNN, ShPLRNN
from rnnexp.latent_steps.gated import GRU, LSTM
from rnnexp.latent_steps.initial_state import InitialState
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.losses.dynamics import ManifoldAttractor, OrientationReversal
from rnnexp.losses.lambdas import checked_lambda
from rnnexp.losses.population import RateEntropy, StatePrediction
from rnnexp.losses.schedules import Exponential as ExponentialWeight
from rnnexp.losses.schedules import Linear as LinearWeight
from rnnexp.losses.schedules import Step as StepWeight
from rnnexp.numbers import integer_at_least, is_number, number
from rnnexp.recurrence.forcing.adaptive import AdaptiveForcing
from rnnexp.recurrence.forcing.generalized import GeneralizedForcing
from rnnexp.recurrence.forcing.sparse import SparseForcing
from rnnexp.tasks.cognitive.delayed_discrim import DelayedDiscrim
from rnnexp.tasks.cognitive.go_nogo import GoNogo
from rnnexp.tasks.cognitive.mante import Mante
from rnnexp.tasks.cognitive.match_to_category import MatchToCategory
from rnnexp.tasks.cognitive.perceptual_discrim import PerceptualDiscrim
from rnnexp.tasks.cognitive.simple_pd import SimplePD
from rnnexp.tasks.cognitive.xor import XOR
from rnnexp.tasks.time_series import Lorenz63, Lorenz96
from rnnexp.training.curriculum import Curriculum
from rnnexp.training.schedules import Cosine
from rnnexp.training.schedules import Step as StepFactor
from rnnexp.training.trainer import Trainer

CASES = [
    (PLRNN, {"latent_dim": 6, "input_dim": 2, "clip_range": 8.0}),
    (ALRNN, {"latent_dim": 6, "input_dim": 2, "num_relus": 3, "ar_epsilon": 0.25}),
    (ShPLRNN, {"latent_dim": 6, "input_dim": 2, "hidden_dim": 9, "clip_range": 8.0}),
    (LSTM, {"latent_dim": 6, "input_dim": 2}),
    (GRU, {"latent_dim": 6, "input_dim": 2}),
    (Leaky, {"latent_dim": 3, "input_dim": 2, "dt": 10.0, "tau": 100, "pre_noise": 0.5, "post_noise": 0.25}),
    (Leaky, {"latent_dim": 3, "input_dim": 0, "dt": 10, "tau": [50.0, 100.0, 200.0], "initial_sd": 0.5}),
    (Leaky, {"latent_dim": 3, "input_dim": 0, "dt": 10, "tau": {"min": 20, "max": 50.0}}),
    (InitialState, {"mean": 0.5, "sd": 0.25}),
    (Constraint, {"sign_rule": "absolute", "dale_ratio": 0.75, "som_units": 1}),
    (Sparse, {"recurrent": 0.25}),
    (MultiArea, {"n_areas": 2, "forward": 0.25, "input_areas": [0, 1]}),
    (MultiArea, {"n_areas": [2, 4], "densities": [[0.5, 0.25], [0.25, 0.5]]}),
    (TaskInitializer, {"decay": [0.5, 0.75], "coupling": 0.25}),
    (PsychRNNInitializer, {"spec_rad": 0.5, "minval": -0.5, "maxval": 0.5}),
    (SpikeRNNInitializer, {"gain": 1.5, "P_rec": 0.5}),
    (SpectralRadiusInitializer, {"radius": 0.5}),
    (SparseForcing, {"tau": 5, "alpha": 0.5}),
    (GeneralizedForcing, {"alpha": 0.5, "final_alpha": 0.25, "anneal": "linear", "interval": 2}),
    (AdaptiveForcing, {"alpha": 0.5, "decay": 0.5, "update_every": 2}),
    (StatePrediction, {"state_pred_steps": 2}),
    (RateEntropy, {"entropy_reg": 0.5}),
    (ManifoldAttractor, {"ratio": 0.25}),
    (OrientationReversal, {"n_states": 10}),
    (LinearWeight, {"initial": 0.5, "final": 1.0}),
    (StepWeight, {"initial": 0.5, "gamma": 0.5, "step_size": 2, "updates_per_epoch": 3}),
    (ExponentialWeight, {"initial": 0.5, "gamma": 0.5, "updates_per_epoch": 3}),
    (Cosine, {"final_factor": 0.5, "warmup": 0.25}),
    (StepFactor, {"milestones": [0.25, 0.5], "gamma": 0.5}),
    (SimplePD, {"dt": 10.0, "T": 2000, "coherence": [0.25, 0.5], "direction": 1}),
    (PerceptualDiscrim, {"coherence": 0.5, "stim_duration": [250.0, 500.0]}),
    (DelayedDiscrim, {"delay_duration": 500.0, "frequency_pairs": [[18.0, 10.0], [22.0, 14.0]]}),
    (MatchToCategory, {"n_in": 8, "n_out": 2}),
    (GoNogo, {"go_probability": 0.5, "accuracy_window": [500.0, 900.0]}),
    (XOR, {"stim_dur": 250}),
    (Mante, {"color": [0.25, 0.5], "motion": 0.5}),
    (Lorenz63, {"n_training": 50, "n_validation": 20, "n_test": 20, "sequence_length": 10, "dt": 0.0625}),
    (Lorenz96, {"dim": 5, "n_training": 50, "n_validation": 20, "n_test": 20, "sequence_length": 10}),
    (Curriculum, {"tasks": [SimplePD(), SimplePD()], "thresholds": [0.5, 0.75], "check_every": 2}),
]


def to_numpy(value):
    if isinstance(value, dict):
        return {key: to_numpy(entry) for key, entry in value.items()}
    if isinstance(value, bool | str) or (
        isinstance(value, list) and not isinstance(value[0], float | int | list)
    ):
        return value
    return (
        np.asarray(value)
        if isinstance(value, list)
        else np.float32(value)
        if isinstance(value, float)
        else (np.int64(value))
    )


def to_arrays(value):
    changed = to_numpy(value)
    return np.asarray(changed) if isinstance(changed, np.generic) else changed


def to_tensors(value):
    changed = to_numpy(value)
    return torch.as_tensor(changed) if isinstance(changed, np.generic | np.ndarray) else changed


def state(value):
    """What an object holds, as text that does not depend on where it lies in memory."""
    if isinstance(value, torch.nn.Module):
        return {k: state(v) for k, v in vars(value).items() if not k.startswith("_")} | {
            k: state(v) for k, v in value.state_dict().items()
        }
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {k: state(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [state(v) for v in value]
    return repr(value) if type(value).__module__ in ("builtins", "numpy") else type(value).__name__


@pytest.mark.parametrize("changed", [to_numpy, to_arrays, to_tensors])
@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_numbers_of_numpy_and_torch_are_taken_as_plain_ones(kind, arguments, changed):
    plain, other = kind(**arguments), kind(**{name: changed(value) for name, value in arguments.items()})
    assert state(vars(other)) == state(vars(plain))


@pytest.mark.parametrize("value", [0.5, np.float64(0.5), np.array(0.5), torch.tensor(0.5)])
def test_weights_of_losses_may_be_any_number(value):
    assert checked_lambda("lambda_mse", value) == 0.5


@pytest.mark.parametrize(
    "value", [True, np.bool_(True), torch.tensor(True), "1", None, [1.0], np.ones(2), 10**400]
)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^x must be a finite number, got "):
        number("x", value)


@pytest.mark.parametrize("value", [math.nan, np.float32("nan"), torch.tensor(math.nan)])
def test_nan_is_no_number(value):
    assert not is_number(value)


@pytest.mark.parametrize("value", [2.0, np.float64(2), True, np.bool_(True), 0, np.int64(0)])
def test_what_is_no_whole_number_from_1_is_refused(value):
    with pytest.raises(ValueError, match=r"^n must be a whole number >= 1, got "):
        integer_at_least("n", value, 1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_trials": 0}, "n_trials must be a whole number >= 1, got 0"),
        ({"n_steps": 2.5}, "n_steps must be a whole number >= 1, got 2.5"),
        ({"batch_size": True}, "batch_size must be a whole number >= 1, got True"),
        ({"chunk_size": -1}, "chunk_size must be a whole number >= 1, got -1"),
        ({"eval_batch_size": "8"}, "eval_batch_size must be a whole number >= 1, got '8'"),
        ({"eval_every": 0}, "eval_every must be a whole number >= 1, got 0"),
        ({"n_test_trials": None}, "n_test_trials must be a whole number >= 1, got None"),
        ({"save_every": 0}, "save_every must be a whole number >= 1, got 0"),
        ({"clip": "norms"}, "clip must be norm, per_variable or none, got 'norms'"),
        ({"clip_norm": 0}, "clip_norm must be > 0, got 0"),
        ({"best_mode": "least"}, "best_mode must be auto, min or max, got 'least'"),
        ({"accuracy_cutoff": 0}, r"accuracy_cutoff must be a number in \(0, 1\], got 0"),
        ({"loss_cutoff": math.nan}, "loss_cutoff must be a finite number, got nan"),
        ({"patience": 0}, "patience must be a whole number >= 1, got 0"),
        ({"min_steps": -1}, "min_steps must be a whole number >= 0, got -1"),
        ({"best_metric": 3}, "best_metric must be the name of a column, got 3"),
        ({"plots": "some"}, "plots must be True, False, few, all or best, got 'some'"),
        ({"progress": "always"}, "progress must be True, False or auto, got 'always'"),
        ({"backend": "jax"}, "backend must be auto, reference or fused, got 'jax'"),
    ],
)  # fmt: skip
def test_a_trainer_says_what_its_arguments_may_be(settings, text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        Trainer(**settings)


def test_a_trainer_takes_numbers_of_numpy_and_torch():
    trainer = Trainer(
        n_trials=np.int64(100), batch_size=torch.tensor(8), clip_norm=np.float32(0.5), patience=np.int32(3),
        accuracy_cutoff=np.float64(0.9), save_every=np.array(4), chunk_size=np.uint8(2),
    )  # fmt: skip
    assert (trainer.n_steps, trainer.batch_size, trainer.chunk_size, trainer.save_every) == (13, 8, 2, 4)
    assert type(trainer.stopping.patience) is int
    assert trainer.eval_batch_size == 2


SERIES = np.random.default_rng(0).normal(size=(60, 2))


@pytest.mark.parametrize("kind", [np.int64, np.array, torch.tensor])
def test_measures_take_numbers_of_numpy_and_torch(kind):
    half = SERIES / 2
    for measured, plain_one in (
        (binned_divergence(SERIES, half, n_bins=kind(10)), binned_divergence(SERIES, half, n_bins=10)),
        (gmm_divergence(SERIES, half, variance=kind(2)), gmm_divergence(SERIES, half, variance=2)),
        (spectral_distance(SERIES, half, smoothing=kind(3)), spectral_distance(SERIES, half, smoothing=3)),
        (mean_absolute_scaled_error(SERIES, half, kind(5)), mean_absolute_scaled_error(SERIES, half, 5)),
        (forcing_interval(SERIES, kind(20), kind(16)), forcing_interval(SERIES, 20, 16)),
    ):
        assert measured == plain_one
    assert not free_run_diverged(half, kind(100))


@pytest.mark.parametrize("wrong", ["20", None, 20.5, True, math.nan, -1])
def test_measures_say_what_their_arguments_may_be(wrong):
    calls = {
        "n_bins": lambda: binned_divergence(SERIES, SERIES, n_bins=wrong),
        "max_lag": lambda: forcing_interval(SERIES, wrong),
        "n_steps": lambda: mean_absolute_scaled_error(SERIES, SERIES, wrong),
        "cutoff": lambda: power_spectrum_correlation(SERIES, SERIES, cutoff=wrong),
    }
    if wrong != 20.5:
        calls |= {
            "variance": lambda: gmm_divergence(SERIES, SERIES, variance=wrong),
            "smoothing": lambda: spectral_distance(SERIES, SERIES, smoothing=wrong),
            "limit": lambda: free_run_diverged(SERIES, wrong),
        }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=f"^{name} must be"):
            call()
