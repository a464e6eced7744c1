"""Flags in any order, their values, and command lines that make no sense."""

import itertools

import pytest

from rnnexp.config.arguments import UsageError, parse


@pytest.mark.parametrize("words", list(itertools.permutations(["task=a", "-m", "seed=1,2"])))
def test_flags_may_stand_anywhere_and_overrides_keep_their_order(words):
    arguments = parse(list(words))
    assert arguments.multirun
    assert arguments.overrides == [word for word in words if word != "-m"]
    assert arguments.for_hydra() == ["--multirun", *arguments.overrides]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("task=a -c job seed=1", ["--cfg", "job", "task=a", "seed=1"]),
        ("task=a --cfg all -p task --resolve", ["--resolve", "--cfg", "all", "--package", "task", "task=a"]),
        ("task=a --cfg=hydra", ["--cfg", "hydra", "task=a"]),
        ("-cn other task=a", ["--config-name", "other", "task=a"]),
        ("--info task=a", ["--info", "all", "task=a"]),
        ("task=a -i", ["--info", "all", "task=a"]),
        ("-i defaults task=a", ["--info", "defaults", "task=a"]),
        ("task=a --info=searchpath", ["--info", "searchpath", "task=a"]),
        ("task=a --hydra-help", ["--hydra-help", "task=a"]),
    ],
)
def test_hydra_gets_flags_with_their_values_in_front(line, expected):
    assert parse(line.split()).for_hydra() == expected


def test_config_dir_and_dry_run_are_not_handed_to_hydra():
    arguments = parse(["task=a", "-cd", "mine", "--dry-run"])
    assert (arguments.config_dir, arguments.dry_run) == ("mine", True)
    assert arguments.for_hydra(("x=1",)) == ["task=a", "x=1"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--multirn", "--multirn: unknown flag, did you mean --multirun?"),
        ("--cfg", "--cfg: needs a value: job, hydra, all"),
        ("--cfg -m", "--cfg: needs a value: job, hydra, all"),
        ("--cfg jobs", "--cfg: jobs: must be one of job, hydra, all"),
        ("-cd", "-cd: needs a value"),
        ("-cp conf", "-cp: not available: it would hide the configurations of rnnexp"),
        ("--config-path=conf", "--config-path: not available"),
        (
            "--experimental-rerun x",
            "--experimental-rerun: not available: it runs whatever code is in the file",
        ),
        ("-m --cfg job", "--cfg: not together with -m: --dry-run lists the jobs of a sweep"),
        ("-m -i", "--info: not together with -m"),
        ("--cfg job --info", "--cfg: not together with --info"),
        ("-p task", "--package: only together with --cfg"),
        ("--resolve", "--resolve: only together with --cfg"),
        ("--dry-run=yes", "--dry-run=yes: unknown flag"),
    ],
)
def test_a_wrong_command_line_is_explained(line, sentence):
    with pytest.raises(UsageError) as error:
        parse(line.split())
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    ("typed", "handed_over"),
    [
        ("checkpoint=epoch=3-step=4.pt", "checkpoint='epoch=3-step=4.pt'"),
        ("checkpoint=it's.pt", "checkpoint='it\\'s.pt'"),
        ("task.path=a, b (1).csv", "task.path='a, b (1).csv'"),
        ("file=r\u00e9seau.mat", "file=r\u00e9seau.mat"),
        ("checkpoint=there=is=none.pt", "checkpoint=there=is=none.pt"),
        ("checkpoint=a.pt,b.pt", "checkpoint=a.pt,b.pt"),
        ("checkpoint='epoch=3-step=4.pt'", "checkpoint='epoch=3-step=4.pt'"),
        ("checkpoint=x" + "y" * 5000 + "=", "checkpoint=x" + "y" * 5000 + "="),
        ("out=a=b.npz", "out='a=b.npz'"),
        ("out=a=b.npz,c=d.npz", "out=a=b.npz,c=d.npz"),
        ("task.name=a=b", "task.name=a=b"),
    ],
)
def test_names_of_files_need_no_quotes(tmp_path, monkeypatch, typed, handed_over):
    monkeypatch.chdir(tmp_path)
    for name in ("epoch=3-step=4.pt", "it's.pt", "a, b (1).csv", "r\u00e9seau.mat", "a.pt", "b.pt"):
        (tmp_path / name).touch()
    assert parse([typed]).overrides == [handed_over]
