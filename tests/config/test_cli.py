"""The `rnnexp` command before anything runs: help, versions, lists, mistakes, how fast it answers."""

import re
import subprocess
import sys
import time

import pytest
from omegaconf import OmegaConf

from rnnexp.cli import main
from rnnexp.config.explaining import NOT_SETTINGS, notes_and_settings
from rnnexp.config.paths import options_by_group


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


@pytest.mark.parametrize("line", ["", "-h", "--help"])
def test_help_names_every_command(run, line):
    result = run(line)
    assert (result.code, result.err) == (0, "")
    for command in (
        "train",
        "eval",
        "simulate",
        "analyze",
        "export",
        "import",
        "collect",
        "compare",
        "list",
        "completion",
    ):
        assert f"\n  {command} " in result.out


def test_version_names_what_matters(run):
    lines = dict(line.split(maxsplit=1) for line in run("--version").out.splitlines())
    assert list(lines) == ["rnnexp", "torch", "hydra-core", "python"]
    assert lines["hydra-core"].startswith("1.3.")
    assert run("train --version").out == run("--version").out


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("trian", "rnnexp: trian: unknown command, did you mean train?"),
        (
            "xyz",
            "rnnexp: xyz: unknown command; there is: analyze, collect, compare, completion, diff, eval, export, "
            "import, list, ls, plot, prune, report, simulate, status, train",
        ),
        ("--versoin", "rnnexp: --versoin: unknown flag, did you mean --version?"),
        ("train --mulitrun", "rnnexp train: --mulitrun: unknown flag, did you mean --multirun?"),
        ("list tusk", "rnnexp list: tusk: there is no such group, did you mean task?"),
        ("list task loss", "rnnexp list: task loss: must be one group, or none for all of them"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_a_suggestion(run, line, sentence):
    result = run(line)
    assert (result.code, result.out, result.err) == (2, "", f"{sentence}\n")


def test_help_version_and_mistakes_import_neither_hydra_nor_torch():
    code = (
        "import sys; from rnnexp.cli import main;"
        "[main(words) for words in (['--help'], ['--version'], ['trian'], ['train', '--help'], ['list'])];"
        "print([m for m in ('hydra', 'omegaconf', 'torch', 'numpy') if m in sys.modules])"
    )
    assert python(code).stdout.splitlines()[-1] == "[]"


def test_help_answers_at_once():
    code = (
        "import sys; from rnnexp.cli import main; main(['--help']); import time; print(time.process_time())"
    )
    assert min(float(python(code).stdout.splitlines()[-1]) for _ in range(3)) < 0.15


def test_showing_a_configuration_is_quick():
    code = "from rnnexp.cli import main; main(['train', '--cfg', 'job']); import time; print(time.process_time())"
    assert min(float(python(code).stdout.splitlines()[-1]) for _ in range(3)) < 0.9


def test_help_of_a_command_lists_groups_options_and_settings(run, lab):
    result = run("train task=mine --help")
    assert result.code == 0
    assert {"delayed_discrim*", "match_to_category", "mine"} <= set(result.out.split())
    assert "latent_dim=50 " in result.out
    for command in ("eval", "simulate", "analyze", "export"):
        assert f"usage: rnnexp {command}" in run(f"{command} -h").out
        assert "checkpoint=???" in run(f"{command} -h").out


def test_hydras_own_help_is_still_there(run, empty):
    assert "hydra/launcher: " in run("train --hydra-help").out


def test_info_reports_the_search_path(run, lab):
    assert "rnnexp ./conf" in run("train --info searchpath task=mine").out


def test_list_gives_a_line_for_each_option(run, lab):
    lines = {line.split()[0]: line for line in run("list task").out.splitlines()}
    assert {"task=delayed_discrim", "task=match_to_category", "task=mine"} <= set(lines)
    assert lines["task=mine"].endswith(f"My own task  ({lab.conf / 'task' / 'mine.yaml'})")
    everything = run("list").out
    assert "latent_step=ALRNN " in everything
    assert "experiment=debug " in everything
    assert "@package" not in everything
    assert "usage: rnnexp list" in run("list --help").out


def test_list_explains_the_settings_of_an_option(run, lab):
    told = run("list task=delayed_discrim").out
    assert told.startswith("task=delayed_discrim: Compare two frequencies shown a delay apart")
    assert "A parameter marked (D) is a number" in told
    assert re.search(r"^task.dt = 10.0 +time step, ms, > 0$", told, re.MULTILINE)
    assert "_target_" not in told
    inherited = run("list task=bursting_neuron").out
    assert re.search(r"^task.sequence_length = 500 +T, steps of a window, >= 1$", inherited, re.MULTILINE)
    nested = run("list latent_step=FR_RNN_dale").out
    assert re.search(r"^latent_step.tau +time constants, ms", nested, re.MULTILINE)
    assert re.search(r"^latent_step.tau.min = 20.0 ", nested, re.MULTILINE)
    assert "trainer.batch_size = 50" in run("list experiment=psychrnn_curriculum").out
    assert run("list task=mine").out.startswith("task=mine: My own task")


@pytest.mark.parametrize(
    ("group", "path"), [(g, p) for g, files in options_by_group().items() for p in files.values()]
)
def test_every_setting_of_the_bundled_options_is_explained(group, path):
    """All but presets, whose settings are explained where they belong."""
    notes, settings = notes_and_settings(path)
    keys = {setting.key for setting in settings}
    node = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    assert {
        str(key) for key, value in node.items() if key not in NOT_SETTINGS and not isinstance(value, dict)
    } <= keys
    if group not in ("experiment", "curriculum"):
        assert [s.key for s in settings if not s.comment and not s.key.startswith("learnable")] == [], notes


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m rnnexp.cli list | true"
    result = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True)
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_the_interrupt_key_ends_a_command_with_130(lab):
    code = (
        "import os, signal, sys, threading; from rnnexp.cli import main;"
        "threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start();"
        "sys.exit(main(['train', '-m', '--dry-run', 'seed=range(0,200)', 'latent_dim=range(20,40)']))"
    )
    start = time.monotonic()
    result = python(code)
    assert (result.returncode, result.stderr.splitlines()[-1]) == (130, "rnnexp train: interrupted")
    assert time.monotonic() - start < 60


def test_help_begins_with_the_groups_that_are_chosen_most(run, empty):
    lines = run("train --help").out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("groups ("))
    assert lines[first + 1].startswith("  task          ")
    assert max(len(line) for line in lines if line.startswith(" " * 16)) <= 110


def test_help_shows_nested_settings_and_what_is_needed(run, empty):
    shown = " ".join(run("eval --help").out.split())
    assert "checkpoint=??? needed: a checkpoint file, or a run directory" in shown
    assert "lesion.percentage=null share of the recurrent connections to lesion, in [0, 1]" in shown
    assert "groups (" not in run("export --help").out


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("odd"),
            ["rnnexp: RuntimeError: odd", "rnnexp: set HYDRA_FULL_ERROR=1 for the traceback"],
        ),
        (OSError(27, "File too large"), ["rnnexp: a file: cannot be read or written: File too large"]),
        (MemoryError(), ["rnnexp: not enough memory: fewer time steps, units or trials at once need less"]),
    ],
)
def test_only_a_fault_of_the_program_says_how_to_see_its_traceback(monkeypatch, capsys, error, told):
    def broken(words):
        raise error

    monkeypatch.setattr("rnnexp.cli.dispatch", broken)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    assert main(["list"]) == 1
    assert [line.replace("rnnexp list:", "rnnexp:") for line in capsys.readouterr().err.splitlines()] == told
