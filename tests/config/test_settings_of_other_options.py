"""A setting that another option of the same group has is told with the options that have it."""

import pytest


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "constraint.dale_ratio=0.8",
            "constraint.dale_ratio: 0.8: unknown key; it is a setting of constraint=dale, dale_projected, "
            "dale_rectified",
        ),
        (
            "latent_step=PLRNN latent_step.num_relus=3",
            "latent_step.num_relus: 3: unknown key; it is a setting of latent_step=ALRNN",
        ),
        (
            "task=go_nogo task.coherence=0.1",
            "task.coherence: 0.1: unknown key; it is a setting of task=multisensory, perceptual_discrim, simple_pd",
        ),
        ("latent_step.dt=3", "latent_step.dt: 3: unknown key, did you mean task.dt?"),
    ],
)
def test_options_that_have_the_setting_are_named(problems, empty, line, sentence):
    assert problems(f"train {line}") == [sentence]


def test_a_broken_option_of_the_user_does_not_hide_the_others(problems, empty):
    (empty / "conf" / "constraint").mkdir(parents=True)
    (empty / "conf" / "constraint" / "broken.yaml").write_text("defaults: [nothing]\n")
    (problem,) = problems("train constraint.P_inh=0.3")
    assert problem.endswith("it is a setting of constraint=dale, dale_projected, dale_rectified")
