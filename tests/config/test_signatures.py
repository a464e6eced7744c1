"""Constructor arguments read from source: they must be those that the imported classes have."""

import inspect

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

from rnnexp.config.paths import options_by_group
from rnnexp.config.schema import OPTIMIZERS
from rnnexp.config.signatures import class_names, constructor, fixed_size

TARGETS = sorted(
    {
        target
        for group, options in options_by_group().items()
        if group not in ("experiment", "device", "curriculum", "hydra")
        for path in options.values()
        if (target := OmegaConf.to_container(OmegaConf.load(path)).get("_target_"))  # else its base says it
    }
)


@pytest.mark.parametrize("target", [target for target in TARGETS if target.startswith("rnnexp.")])
def test_arguments_are_those_of_the_imported_class(target):
    found = constructor(target)
    parameters = inspect.signature(get_class(target)).parameters
    assert found is not None
    assert not found.is_open
    assert list(found.rules) == list(parameters)


@pytest.mark.parametrize("target", sorted(OPTIMIZERS))
def test_the_listed_arguments_of_an_optimizer_are_those_of_torch(target):
    parameters = set(inspect.signature(get_class(target)).parameters) - {"params"}
    assert set(OPTIMIZERS[target]) == parameters


def test_a_class_that_is_imported_elsewhere_is_found_there():
    found = constructor("rnnexp.observation.Linear")
    assert list(found.rules) == list(constructor("rnnexp.observation.affine.Linear").rules)


@pytest.mark.parametrize(
    "target",
    [
        "rnnexp.nothing.Here",
        "rnnexp.models.os",
        "rnnexp.latent_steps.almost_linear.ALRN",
        "os.system",
        "Linear",
    ],
)
def test_what_is_no_class_of_rnnexp_is_not_found(target):
    assert constructor(target) is None


def test_annotations_become_rules():
    rules = constructor("rnnexp.training.trainer.Trainer").rules
    assert rules["n_steps"].allowed == "an integer >= 1 or null"
    assert rules["clip"].allowed == "norm, per_variable or none"
    assert rules["progress"].accepts(True)
    assert rules["progress"].accepts("auto")
    assert not rules["progress"].accepts("always")
    loss = constructor("rnnexp.losses.rnn_loss.RNNLoss").rules
    assert loss["variant"].allowed == "documented or nn4n_1_2"  # an alias, imported from another module
    assert loss["lambda_terms"].accepts({"mine": 1})
    assert not loss["lambda_terms"].accepts({"mine": "much"})
    task = constructor("rnnexp.tasks.cognitive.delayed_discrim.DelayedDiscrim").rules
    assert task["frequency_pairs"].accepts([[1, 2.0]])
    assert not task["frequency_pairs"].accepts([1, 2.0])
    assert task["onset_time"] is None


def test_sizes_that_a_task_fixes_are_known():
    assert fixed_size("rnnexp.tasks.cognitive.simple_pd.SimplePD", "input_dim") == 2
    assert fixed_size("rnnexp.tasks.cognitive.match_to_category.MatchToCategory", "input_dim") is None
    assert fixed_size("my_lab.tasks.MyTask", "input_dim") is None


def test_the_classes_beside_a_mistyped_one_are_known():
    assert "rnnexp.latent_steps.almost_linear.PLRNN" in class_names("rnnexp.latent_steps.almost_linear.PLRN")
    assert class_names("rnnexp.nothing.PLRN") == []


def test_arguments_without_a_name_are_not_for_configurations():
    rules = constructor("rnnexp.tasks.time_series.base.TimeSeries").rules
    assert "dt" in rules
    assert not {"self", "recordings"} & set(rules)


def test_settings_that_are_passed_on_are_those_of_the_base_class():
    rules = constructor("rnnexp.tasks.time_series.lorenz63.Lorenz63").rules
    assert {"sigma", "sequence_length", "d_stsp"} <= set(rules)
    assert "settings" not in rules
    assert rules["n_test"].allowed == "an integer >= 1"
    assert rules["d_stsp"].allowed == "auto, padded, minmax, two_sd or gmm"


def test_the_classes_of_a_package_are_those_that_it_imports():
    names = class_names("rnnexp.tasks.DelayedDiscrm")
    assert {"rnnexp.tasks.DelayedDiscrim", "rnnexp.tasks.Task"} <= set(names)
    assert class_names("rnnexp.nothing.Here") == []
