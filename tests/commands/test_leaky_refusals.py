"""Leaky networks and constraints: what is refused, before torch is needed or before a training starts."""

import json

import pytest
from omegaconf import OmegaConf

from rnnexp.config.validation import find_problems
from rnnexp.errors import UserError
from rnnexp.training.run import train


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ["constraint=dale"],
            "constraint.sign_rule: absolute: Dale's law acts on W_rec of leaky networks, ALRNN has no",
        ),
        (
            ["connectivity=sparse"],
            "connectivity: Sparse: connections act on W_rec and W_in of leaky networks, ALRNN",
        ),
        (["connectivity.autapses=false"], "connectivity: Full: connections act on W_rec and W_in"),
        (["latent_step=Basic", "latent_step.tau=0"], "latent_step.tau: 0: must be a finite number > 0"),
        (
            ["latent_step=Basic", "latent_step.activation=reul"],
            "latent_step.activation: reul: must be relu, tanh",
        ),
        (
            ["latent_step=Basic", "latent_step.pre_noise=-1"],
            "latent_step.pre_noise: -1: must be a finite number >= 0",
        ),
        (["latent_step=Basic", "+latent_step.dt=1"], "latent_step.dt: 1: is set by the program, not here"),
        (
            ["latent_step=Basic", "constraint=dale", "constraint.dale_ratio=2"],
            "constraint.dale_ratio: 2: must be a",
        ),
        (
            ["latent_step=Basic", "constraint.fixed={W_rec: -1}"],
            "constraint.fixed.W_rec: -1: must be a text, not empty or a list",
        ),
    ],
)
def test_mistakes_are_found_before_torch_is_needed(compose_config, overrides, text):
    problems = find_problems(OmegaConf.create(compose_config(*overrides)), "train")
    assert [problem for problem in problems if problem.startswith(text)] == problems
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            ["constraint=dale"],
            "latent_step: ALRNN: has no weights that constraint or connectivity could act on",
        ),
        (
            ["latent_step=Basic", "constraint=dale", "observation=identity"],
            "observation: Identity: has no weights that",
        ),
        (["latent_step=Basic", "latent_step.tau=5"], "latent_step: tau must be a finite number of ms >= dt"),
        (
            ["latent_step=Basic", "initializer=task"],
            "initializer: TaskInitializer does not say how to draw W_rec",
        ),
        (["initializer=psychrnn"], "initializer: PsychRNNInitializer does not say how to draw A"),
        (
            ["latent_step=Basic", "constraint.fixed={W: 1}"],
            "constraint: fixed and plasticity name parameters of the",
        ),
        (
            ["latent_step=Basic", "connectivity=multi_area", "connectivity.n_areas=3"],
            "n_areas must divide latent_dim",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_before_training(tmp_path, tiny_config, overrides, text):
    with pytest.raises(UserError, match=text):
        train(tiny_config(*overrides), tmp_path, [])
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "failed"
