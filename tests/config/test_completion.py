"""What the shell is offered for the line typed so far."""

import os
import subprocess

import pytest


@pytest.fixture
def complete(run, monkeypatch):
    def complete_(line, shell="bash"):
        monkeypatch.setenv("COMP_LINE", line)
        result = run(f"-sc query={shell}")
        assert (result.code, result.err) == (0, "")
        return result.out.split()

    return complete_


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "rnnexp ",
            [
                "analyze",
                "collect",
                "compare",
                "completion",
                "diff",
                "eval",
                "export",
                "import",
                "list",
                "ls",
                "plot",
                "prune",
                "report",
                "simulate",
                "status",
                "train",
            ],
        ),
        ("rnnexp tr", ["train"]),
        ("rnnexp train la", ["latent_dim=", "latent_step.", "latent_step="]),
        ("rnnexp train latent_step=A", ["latent_step=ALRNN"]),
        ("rnnexp train task=_", []),
        ("rnnexp train latent_step=PLRNN latent_step.m", ["latent_step.mean_centering="]),
        ("rnnexp train -m latent_step=PLRNN,ALRNN task.d", None),
        ("rnnexp train latent_step=ALRNN --dry-run latent_step.n", ["latent_step.num_relus="]),
        ("rnnexp train hydra/launcher=b", ["hydra/launcher=basic"]),
        ("rnnexp train --multi", ["--multirun"]),
        ("rnnexp train --cfg ", ["all", "hydra", "job"]),
        ("rnnexp train --cfg job sched", ["scheduler.", "scheduler="]),
        ("rnnexp eval check", ["checkpoint="]),
        ("rnnexp list ta", ["task"]),
        ("rnnexp completion ", ["bash", "fish", "zsh"]),
        ("rnnexp collect ", []),
        ("rnnexp collect --me", ["--metric"]),
        ("rnnexp --v", ["--version"]),
    ],
)
def test_the_shell_is_offered_what_goes_on(complete, empty, line, words):
    offered = complete(line)
    assert "task.dt=" in offered if words is None else offered == words


def test_zsh_and_fish_ask_in_their_own_name(complete, empty):
    assert complete("rnnexp train latent_step=PL", "zsh") == ["latent_step=PLRNN"]
    assert complete("rnnexp train latent_step=PL", "fish") == ["latent_step=PLRNN"]


def test_configurations_of_the_user_are_offered(complete, lab, tmp_path, empty):
    assert complete(f"rnnexp train -cd {lab.conf} task=mi") == ["task=mine"]
    assert complete("rnnexp train -cd /not/yet/typed task=simple_p") == ["task=simple_pd"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_asks_rnnexp(run, shell):
    result = run(f"completion {shell}")
    assert result.code == 0
    assert f"-sc query={'fish' if shell == 'fish' else 'bash'}" in result.out
    assert (
        result.out.rstrip()
        .splitlines()[-1]
        .startswith(("complete ", "COMP_WORDBREAKS=$COMP_WORDBREAKS complete"))
    )
    assert "rnnexp train" not in result.out


def test_bash_accepts_the_script(run):
    script = run("completion bash").out
    result = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_question_that_no_shell_asks_is_refused(run, monkeypatch):
    monkeypatch.setitem(os.environ, "COMP_LINE", "rnnexp ")
    result = run("-sc install=bash")
    assert result.code == 2
    assert 'install completion with: eval "$(rnnexp completion bash)"' in result.err


@pytest.mark.parametrize("words", ["", "tcsh", "bash zsh"])
def test_an_unknown_shell_is_a_usage_error(run, words):
    result = run(f"completion {words}")
    assert result.code == 2
    assert "must be one of bash, fish, zsh" in result.err


def test_fish_is_offered_folders_because_it_completes_no_paths_by_itself(complete, tmp_path, empty):
    for name in ("runs_a", "runs_b"):
        (tmp_path / name).mkdir()
    (tmp_path / "runs.txt").touch()
    wanted = [f"{tmp_path}/runs_a/", f"{tmp_path}/runs_b/"]
    assert complete(f"rnnexp collect {tmp_path}/ru", "fish") == wanted
    assert complete(f"rnnexp train --config-dir {tmp_path}/ru", "fish") == wanted
    assert complete(f"rnnexp collect {tmp_path}/ru", "bash") == []


def test_the_groups_of_the_user_are_offered_to_list(complete, lab):
    (lab.conf / "plant").mkdir(exist_ok=True)
    (lab.conf / "plant" / "arm.yaml").write_text("# An arm\n")
    try:
        assert complete("rnnexp list pl") == ["plant"]
    finally:
        (lab.conf / "plant" / "arm.yaml").unlink()
        (lab.conf / "plant").rmdir()


def test_completion_says_how_to_install_it(run, empty):
    result = run("completion --help")
    assert result.code == 0
    assert 'eval "$(rnnexp completion bash)"' in result.out
