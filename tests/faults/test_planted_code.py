"""Code planted in the files of a run is never run, whatever reads them, unless trust=true vouches for them."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rnnexp.cli import main
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.training.checkpoint import load_checkpoint, save_checkpoint

RUN = ["task=simple_pd", "task.T=200", "task.dt=20", "latent_dim=4", "latent_step.num_relus=2", "trainer.n_steps=2",
       "trainer.eval_every=1", "trainer.batch_size=4", "trainer.n_validation_trials=4", "trainer.n_test_trials=4",
       "trainer.plots=false"]  # fmt: skip
DEVICE = {"name": "cpu", "dtype": "float32", "threads": 1}

# RAN stands for a file, or a folder, that each of these would make.
TEXTS = [
    "${oc.create:{_target_:builtins.open,file:RAN,mode:w}}",
    "${oc.create:{_target_:pathlib.Path.touch,self:RAN}}",
    "${oc.create:[{_target_:os.makedirs,name:RAN}]}",
    "${oc.create:{a:{_target_:builtins.open,file:RAN,mode:w}}}",
    "${oc.decode:'{_target_: builtins.open, file: RAN, mode: w}'}",
    '${oc.decode:"${oc.create:{_target_:builtins.open,file:RAN,mode:w}}"}',
    "${oc.dict.values:planted}",
    "${oc.dict.keys:planted}",
    "${oc.select:planted.a}",
    "${oc.select:nothing,${oc.create:{_target_:builtins.open,file:RAN,mode:w}}}",
    "${oc.deprecated:planted.a}",
    "${oc.env:SECRET}",
    "${oc.env:NOTHING,${oc.create:{_target_:builtins.open,file:RAN,mode:w}}}",
    "${planted.a}",
    "${planted}",
    "${.planted}",
    "${..planted.a}",
    "${hydra:runtime.cwd}",
    "${hydra:job.name}",
    "${now:%Y}",
    "${python_version:micro}",
    "${unknown:1}",
    "before ${oc.env:SECRET} after",
    "${",
    "$${oc.env:SECRET}",
]
ESCAPES = ["", "\\", "\\\\", "\\\\\\"]
NODES = [
    {"_target_": "builtins.open", "file": "RAN", "mode": "w"},
    {"_target_": "os.makedirs", "name": "RAN"},
    {"_target_": "os.system", "command": "touch RAN"},
    {"_target_": "subprocess.check_call", "args": ["touch", "RAN"]},
    {"_target_": "pathlib.Path.touch", "self": "RAN"},
    {"_target_": "shutil.copy", "src": "/etc/hostname", "dst": "RAN"},
    {"_target_": "numpy.save", "file": "RAN", "arr": [1]},
    {"_target_": "numpy.lib.npyio.save", "file": "RAN", "arr": [1]},
    {"_target_": "torch.save", "obj": 1, "f": "RAN"},
    {"_target_": "builtins.exec", "_args_": ["open('RAN','w')"]},
    {"_target_": "builtins.eval", "_args_": ["open('RAN','w')"]},
    {"_target_": "hydra.utils.instantiate", "config": {"_target_": "os.makedirs", "name": "RAN"}},
    {"_target_": "hydra.utils.call", "config": {"_target_": "os.makedirs", "name": "RAN"}},
    {"_target_": "functools.partial", "_args_": ["open", "RAN", "w"]},
    {"_target_": "rnnexp.training.run_directory.RunDirectory", "path": "RAN"},
    {"_target_": "rnnexp.training.run_directory.os.makedirs", "name": "RAN"},
    {"_target_": "rnnexp.training.run_directory.subprocess.check_call", "args": ["touch", "RAN"]},
    {"_target_": "rnnexp.training.checkpoint.os.makedirs", "name": "RAN"},
    {"_target_": "rnnexp.training.history.History", "path": "RAN"},
    {"_target_": "rnnexp.config.instantiate.instantiate", "node": {}, "key": "RAN"},
    {"_target_": "rnnexp.cli.main", "argv": ["train", "hydra.run.dir=RAN"]},
    {"_target_": "rnnexp.cli.dispatch", "words": ["train", "hydra.run.dir=RAN"]},
    {"_target_": "rnnexp.training.run.RunDirectory", "path": "RAN"},
    {"_target_": "rnnexp.interop.from_file.FromFile", "path": "RAN"},
    {"_target_": "torch.optim.Adam", "params": []},
    {"_target_": "planted_module.Task"},
    {"_target_": "hydra_plugins.planted.Task"},
    {"_target_": ".os.makedirs", "name": "RAN"},
    {"_target_": "os .makedirs", "name": "RAN"},
    {"_target_": ["os.makedirs"], "name": "RAN"},
    {"_target_": {"_target_": "os.makedirs", "name": "RAN"}},
    {"_target_": "${planted.a}", "name": "RAN"},
    {"_target_": "builtins.open", "file": "RAN", "mode": "w", "_partial_": True},
    {"_target_": "builtins.open", "file": "RAN", "mode": "w", "_recursive_": False, "_convert_": "object"},
]  # fmt: skip
PLACES = [
    ("task", "T"), ("task", "_target_"), ("task", "planted"), ("latent_step", "num_relus"), ("latent_step", "_target_"),
    ("latent_dim",), ("seed",), ("initial_state",), ("observation",), ("observation", "planted"), ("forcing",),
    ("constraint", "fixed"), ("connectivity", "planted"), ("initializer",), ("initializer", "gain"),
    ("loss", "lambda_in"), ("loss", "terms", "planted"), ("loss", "lambda_terms", "planted"), ("curriculum", "stages"),
    ("curriculum", "thresholds"), ("optimizer", "lr"), ("optimizer",), ("scheduler", "planted"), ("trainer", "n_steps"),
    ("trainer", "planted"), ("device", "name"), ("device",), ("planted",), ("resume",), ("hydra",),
]  # fmt: skip
WRAPPINGS = {
    "value": lambda planted: planted,
    "list": lambda planted: [planted],
    "mapping": lambda planted: {"planted": planted},
    "list in a mapping": lambda planted: {"planted": [[planted]]},
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("planted") / "run"
    assert main(["train", *RUN, f"hydra.run.dir={folder}"]) == 0
    return folder


@pytest.fixture
def run(original, tmp_path, monkeypatch):
    """A copy of the run in a working directory of its own, where planted files would show."""
    shutil.copytree(original, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "the-secret-of-the-reader")
    return tmp_path / "run"


def variants():
    """Every planted text and node, at a place that goes around with their number, in every wrapping."""
    texts = [escape + text for escape in ESCAPES for text in TEXTS]
    for number, planted in enumerate([*texts, *NODES]):
        for shift, wrap in enumerate(WRAPPINGS.values()):
            yield PLACES[(7 * number + shift) % len(PLACES)], wrap(planted)
    for place in PLACES:  # and the worst of them everywhere
        yield place, TEXTS[0]
        yield place, NODES[0]


def plant(record, place, planted, ran):
    """Return the configuration of a checkpoint with something planted in it."""
    config = copy.deepcopy(record["config"])
    if "planted" in json.dumps(planted):  # what such an interpolation would lead to
        config["planted"] = {"a": {"_target_": "builtins.open", "file": "RAN", "mode": "w"}}
    node = config
    for key in place[:-1]:
        node = node.setdefault(key, {})
    node[place[-1]] = planted
    return json.loads(json.dumps(config).replace("RAN", str(ran)))


def rewrite(path, record, config):
    save_checkpoint(
        path,
        config,
        {k: v for k, v in record.items() if k in ("model", "state", "optimizer")}
        | {k: v for k, v in record.items() if k not in ("config", "format", "format_version", "digest")},
    )


def refused(line, capsys):
    """Assert that a command is refused, a sentence for every problem, and tells no secret."""
    assert main(line) == 1, line
    told = capsys.readouterr()
    assert all(text.startswith(f"rnnexp {line[0]}: ") for text in told.err.splitlines()), told.err
    assert told.err
    assert os.environ["SECRET"] not in told.out + told.err


def test_nothing_planted_in_a_checkpoint_runs(run, capsys):
    """All variants by the loader that every command shares; each seventh, in the long form all, by whole commands."""
    best, last, ran = run / "checkpoints" / "best.pt", run / "checkpoints" / "last.pt", run.parent / "ran"
    record = load_checkpoint(best)
    before = sorted(path.name for path in run.parent.iterdir())
    every = 1 if os.environ.get("RNNEXP_FAULTS") == "long" else 17
    for count, (place, planted) in enumerate(variants()):
        config = plant(record, place, planted, ran)
        rewrite(best, record, config)
        with pytest.raises(UserError):
            load_model({"checkpoint": str(best), "trust": False, "device": DEVICE})
        if count % every == 0:
            rewrite(last, record, config)
            refused(["export", f"checkpoint={best}", "format=npz", "out=w.npz"], capsys)
            refused(["train", f"resume={run}", "trainer.n_steps=3"], capsys)
        assert sorted(path.name for path in run.parent.iterdir()) == before, (place, planted)
    assert count > 500


@pytest.mark.parametrize(
    "command", ["eval", "simulate n_steps=3 out=f.npz", "analyze", "export format=npz out=w.npz"]
)
@pytest.mark.parametrize("planted", [TEXTS[0], "\\" + TEXTS[0], NODES[14], NODES[0]])
def test_no_command_runs_what_is_planted(run, capsys, command, planted):
    best, ran = run / "checkpoints" / "best.pt", run.parent / "ran"
    record = load_checkpoint(best)
    rewrite(best, record, plant(record, ("task", "T"), planted, ran))
    name, *words = command.split()
    refused([name, f"checkpoint={best}", *words], capsys)
    assert not ran.exists()


@pytest.mark.parametrize("file", ["config.yaml", "hydra.yaml", "overrides.yaml"])
@pytest.mark.parametrize("text", [*TEXTS[:4], "\\" + TEXTS[0], "\\\\\\" + TEXTS[0]])
def test_the_files_of_hydra_are_data(run, capsys, file, text):
    """What is planted in .hydra/ is neither resolved nor built by resume, --cfg, collect and the table of a sweep."""
    ran = run.parent / "ran"
    planted = json.dumps(text.replace("RAN", str(ran)))
    path = run / ".hydra" / file
    if file == "overrides.yaml":
        path.write_text(f"- seed={planted}\n- {planted}\n")
    else:
        path.write_text(f"task:\n  T: {planted}\nhydra: {planted}\ntrainer: {planted}\n")
    assert main(["train", f"resume={run}", "--cfg", "job"]) == 0
    assert main(["train", f"resume={run}", "trainer.n_steps=3"]) == 0
    assert main(["collect", str(run.parent)]) == 0
    told = capsys.readouterr()
    assert not ran.exists()
    assert os.environ["SECRET"] not in told.out + told.err


def test_a_short_file_that_stands_for_a_huge_one_is_not_read(run, capsys):
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
    for file in ("hydra.yaml", "overrides.yaml"):
        (run / ".hydra" / file).write_text(f"a0: &a0 [lol]\n{levels}\n")
    assert main(["collect", str(run.parent)]) == 0


@pytest.mark.parametrize("text", ["\\${oc.env:SECRET}", "a \\${x}.csv"])
def test_a_text_that_could_not_be_read_back_is_refused_before_a_training(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *RUN, "hydra.run.dir=run", f"device.name='{text}'"]) == 1
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert "Traceback" not in capsys.readouterr().err


SHADOWS = ["dill", "pyarrow", "numexpr", "bottleneck", "tensorboard", "IPython", "joblib", "scipy", "yaml", "torch",
           "numpy", "sitecustomize", "usercustomize", "conftest", "my_lab"]  # fmt: skip


def test_modules_in_the_working_directory_are_not_imported(original, tmp_path):
    """Neither in place of installed ones, nor as optional imports, nor as plugins of Hydra."""
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__)\n"
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(code)
    for package in ("hydra_plugins/planted", "hydra_plugins/hydra_planted"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text(code)
    program = Path(sys.executable).with_name("rnnexp")
    lines = (
        ["export", f"checkpoint={original}", "format=npz", "out=w.npz"],
        ["train", f"resume={original}", "--cfg", "job"],
        ["eval", f"checkpoint={original}", "n_trials=4", "plots=false"],
    )
    for words in lines:
        done = subprocess.run([program, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
