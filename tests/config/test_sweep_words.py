"""Words that only sweeps have: zip(...), jobs=FILE, ?key=value."""

import pytest

SWEEP = "train -m --dry-run task=perceptual_discrim"


def jobs(result):
    assert result.code == 0, result.err
    return [
        line.partition(": ")[2].replace("task=perceptual_discrim ", "") for line in result.out.splitlines()
    ]


def test_zip_pairs_values_and_multiplies_with_the_others(run, empty):
    result = run(SWEEP, "zip(latent_step=ALRNN,PLRNN, optimizer.lr=1e-3,3e-3)", "seed=0,1")
    assert jobs(result) == [
        "seed=0 latent_step=ALRNN optimizer.lr=0.001",
        "seed=1 latent_step=ALRNN optimizer.lr=0.001",
        "seed=0 latent_step=PLRNN optimizer.lr=0.003",
        "seed=1 latent_step=PLRNN optimizer.lr=0.003",
    ]


def test_commas_in_brackets_and_quotes_do_not_split_a_zip(run, empty):
    result = run(
        SWEEP, "zip(freeze=[W,A],[], seed='range(2)', latent_dim=5,6)".replace("'range(2)'", "range(2)")
    )
    assert jobs(result) == ["freeze=[W,A] seed=0 latent_dim=5", "freeze=[] seed=1 latent_dim=6"]


def test_a_setting_goes_to_those_jobs_that_have_it(run, empty):
    result = run(SWEEP, "latent_step=ALRNN,PLRNN", "?latent_step.num_relus=3,4")
    assert jobs(result) == [
        "latent_step=ALRNN latent_step.num_relus=3",
        "latent_step=ALRNN latent_step.num_relus=4",
        "latent_step=PLRNN",
    ]


def test_jobs_are_listed_in_a_file(run, empty):
    (empty / "jobs.yaml").write_text(
        "- {latent_step: PLRNN, latent_dim: 7, freeze: [W, A]}\n- latent_step=ALRNN latent_step.num_relus=3\n"
        "- [seed=4, 'optimizer.lr=0.1']\n"
    )
    assert jobs(run(SWEEP, "jobs=jobs.yaml", "latent_dim=5")) == [
        "latent_step=PLRNN latent_dim=7 freeze=[W,A]",  # what the file says wins
        "latent_dim=5 latent_step=ALRNN latent_step.num_relus=3",
        "latent_dim=5 seed=4 optimizer.lr=0.1",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["zip(seed=0,1, latent_dim=5)"], "zip(seed=0,1, latent_dim=5): must have the form zip(key=value,value, "
         "key=value,value), with as many values of each key, has seed 2, latent_dim 1"),
        (["zip(seed=0,1)"], "zip(seed=0,1): must have the form zip("),
        (["zip(seed=0,1"], "zip(seed=0,1: must have the form zip("),
        (["zip(seed=0,1, seed=2,3)"], "zip(seed=0,1, seed=2,3): must have the form zip("),
        (["zip(seed=0,1, optimizer.lr=interval(0,1))"], "optimizer.lr=interval(0,1): must list its values"),
        (["zip(seed=0,1, latent_dim=5,6)", "seed=3,4"], "seed: is swept over twice"),
        (["?latent_step.num_relu=3"], "?latent_step.num_relu=3: no job of the sweep has this setting, did you mean "
         "latent_step.num_relus?"),
        (["?latent_step.num_relus"], "?latent_step.num_relus: must have the form ?key=value"),
        (["jobs=none.yaml"], "jobs: none.yaml: cannot be read: No such file or directory"),
        (["latent_step=ALRNN,PLRNN", "?latent_step.num_relus=-1"], "latent_step.num_relus: -1: must be"),
    ],
)  # fmt: skip
def test_words_that_make_no_sense_are_explained(problems, empty, words, sentence):
    (problem,) = problems("train -m task=perceptual_discrim", *words)
    assert problem.startswith(sentence)
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("text", ["a: 1", "[]", "- 3"])
def test_a_file_of_jobs_must_hold_a_list_of_jobs(problems, empty, text):
    (empty / "jobs.yaml").write_text(text)
    (problem,) = problems("train -m jobs=jobs.yaml")
    assert problem.startswith("jobs: jobs.yaml: ")
    assert "must hold a list" in problem


def test_the_words_are_for_sweeps(problems, empty):
    (problem,) = problems("train", "zip(seed=0,1, latent_dim=5,6)")
    assert problem == "zip(...), jobs=FILE and ?key=value: are for sweeps, which need -m"
