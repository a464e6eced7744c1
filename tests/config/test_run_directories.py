"""Directories are claimed before anything is written: none is shared, none is overwritten."""

import subprocess
import sys

import pytest

from rnnexp.config.composition import composer
from rnnexp.config.run_directories import claim, pattern
from rnnexp.errors import UserError

CLAIMING = """
import sys
from rnnexp.config.composition import composer
from rnnexp.config.run_directories import claim
from rnnexp.errors import UserError
with composer("train", []) as composing:
    cfg = composing.compose([sys.argv[1]])
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(claim(cfg, "run").path)
    except UserError as error:
        print("refused:", error)
"""


def claimed(*overrides, kind="run"):
    with composer("train", []) as composing:
        return claim(composing.compose(list(overrides)), kind)


def eight_at_once(override):
    """Let eight processes claim a directory in the same instant; returns what each of them says."""
    command = [sys.executable, "-c", CLAIMING, override]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate()[0].strip() for process in processes]


def test_runs_that_start_at_the_same_time_get_directories_of_their_own(empty):
    said = eight_at_once("hydra.run.dir=out/${now:%Y}_run")
    assert len(set(said)) == 8
    assert len(list((empty / "out").iterdir())) == 8
    assert all((empty / path).is_dir() for path in said)


def test_only_one_of_several_runs_gets_a_directory_that_the_user_fixed(empty):
    said = eight_at_once("hydra.run.dir=out")
    assert sorted(text.split(":")[0] for text in said) == ["out", *["refused"] * 7]


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_a_check_that_came_too_late_does_not_let_a_second_run_in(empty, monkeypatch, kind):
    monkeypatch.setattr("rnnexp.config.run_directories._refuse_taken", lambda key, path: None)
    claimed(f"hydra.{kind}.dir=mine", kind=kind)
    with pytest.raises(UserError, match=r"holds a .* already"):
        claimed(f"hydra.{kind}.dir=mine", kind=kind)


def test_the_default_directory_names_the_date_the_time_the_task_and_the_latent_step(empty):
    run = claimed("task=simple_pd", "latent_step=PLRNN")
    assert run.path.match("outputs/train/????-??-??/??-??-??-??????_simple_pd_PLRNN")
    assert run.path.is_dir()
    assert run.overrides() == (f"hydra.run.dir='{run.path}'",)


def test_the_root_of_all_output_can_be_moved(empty, monkeypatch):
    monkeypatch.setenv("RNNEXP_OUTPUT_ROOT", "elsewhere")
    assert claimed().path.parts[:2] == ("elsewhere", "train")
    assert claimed(kind="sweep").path.parts[:2] == ("elsewhere", "sweeps")
    with composer("train", []) as composing:
        shown = pattern(composing.compose([]), "run")
    assert shown == "elsewhere/train/<%Y-%m-%d>/<%H-%M-%S-%f>_delayed_discrim_ALRNN"


@pytest.mark.parametrize("mark", ["run.json", ".hydra"])
def test_a_directory_that_holds_a_run_is_refused_and_left_as_it_is(empty, mark):
    (empty / "mine" / mark).mkdir(parents=True)
    before = sorted(empty.rglob("*"))
    with pytest.raises(UserError, match=rf"^hydra.run.dir: mine: holds a run already \({mark}\)"):
        claimed("hydra.run.dir=mine")
    assert sorted(empty.rglob("*")) == before


@pytest.mark.parametrize("mark", ["multirun.yaml", "3"])
def test_a_directory_that_holds_a_sweep_is_refused(empty, mark):
    (empty / "mine" / mark).mkdir(parents=True)
    with pytest.raises(UserError, match=rf"^hydra.sweep.dir: mine: holds a sweep already \({mark}\)"):
        claimed("hydra.sweep.dir=mine", kind="sweep")


@pytest.mark.parametrize("kind", ["run", "sweep"])
def test_a_fixed_directory_with_other_files_is_used(empty, kind):
    (empty / "mine").mkdir()
    (empty / "mine" / "notes.txt").touch()
    run = claimed(f"hydra.{kind}.dir=mine", kind=kind)
    assert (str(run.path), run.overrides()) == ("mine", ())


@pytest.mark.parametrize("name", ["file", "file/below", "'${now:%Y}/../file'"])
def test_a_file_in_the_way_is_explained(empty, name):
    (empty / "file").touch()
    (empty / "2").mkdir()
    with pytest.raises(UserError, match=r"^hydra.run.dir: .*file.*: cannot be made: "):
        claimed(f"hydra.run.dir={name}")


@pytest.mark.parametrize("kind", ["run", "sweep"])
@pytest.mark.parametrize("name", ["mine", "'${now:%Y}_mine'"])
def test_a_directory_that_stayed_empty_is_given_back(empty, kind, name):
    run = claimed(f"hydra.{kind}.dir={name}", kind=kind)
    assert run.path.is_dir()
    run.release()
    assert not run.path.exists()


def test_a_directory_with_results_is_kept(empty):
    run = claimed()
    (run.path / "run.json").touch()
    run.release()
    assert (run.path / "run.json").exists()


def test_a_name_that_cannot_be_resolved_is_explained(empty):
    with pytest.raises(
        UserError, match=r"^hydra.run.dir: \$\{nowhere\}: Interpolation key 'nowhere' not found"
    ):
        claimed("hydra.run.dir=${nowhere}")
