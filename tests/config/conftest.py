"""A user's folder with a task of his own, and a way to run command lines in it."""

from types import SimpleNamespace

import pytest

from rnnexp.cli import main

TASKS = """
from rnnexp.tasks.cognitive.simple_pd import SimplePD


class MyTask(SimplePD):
    def __init__(self, trouble: str = "none", dt: float = 20.0, T: float = 300.0) -> None:
        super().__init__(dt=dt, T=T)
        self.trouble = trouble

    def sample_conditions(self, batch_size, generator):
        if self.trouble == "bug":
            raise RuntimeError("a bug in my task")
        if self.trouble == "impatience":
            raise KeyboardInterrupt
        return super().sample_conditions(batch_size, generator)


def not_a_class():
    return 0
"""
MY_TASK = "# My own task\n_target_: my_lab.tasks.MyTask\ntrouble: none\ndt: 20.0\nT: 300.0\n"
QUICK = """\
# A training of a moment
defaults: [default]
n_steps: 2
eval_every: 1
batch_size: 4
n_validation_trials: 4
n_test_trials: 4
plots: false
progress: false
"""


@pytest.fixture(scope="session")
def lab_template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    (folder / "my_lab").mkdir()
    (folder / "my_lab" / "tasks.py").write_text(TASKS)
    for path, text in {"task/mine.yaml": MY_TASK, "trainer/quick.yaml": QUICK}.items():
        (folder / "conf" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "conf" / path).write_text(text)
    return folder


@pytest.fixture
def lab(lab_template, tmp_path, monkeypatch):
    """The working directory of a user with ./my_lab and ./conf; results go to a folder of the test."""
    monkeypatch.chdir(lab_template)
    monkeypatch.setenv("RNNEXP_OUTPUT_ROOT", str(tmp_path / "out"))
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return SimpleNamespace(conf=lab_template / "conf", out=tmp_path / "out")


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty working directory."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RNNEXP_OUTPUT_ROOT", raising=False)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return folder


@pytest.fixture
def run(capsys):
    """Run a command line, given as one text; returns exit code, stdout and stderr."""

    def run_(line, *words):
        capsys.readouterr()
        code = main([*line.split(), *words])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run_


@pytest.fixture
def problems(run):
    """Run a command line that must fail; returns the sentences on stderr without the name of the command."""

    def problems_(line, *words, code=1):
        result = run(line, *words)
        assert result.code == code, result
        assert "Traceback" not in result.err
        prefix = f"rnnexp {line.split()[0]}: "
        return [text.removeprefix(prefix) for text in result.err.splitlines() if text.startswith(prefix)]

    return problems_
