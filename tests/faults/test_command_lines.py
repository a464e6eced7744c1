"""Random command lines from the real groups and keys: they go well or say why in a sentence."""

import os
import random
import shutil
import string

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from rnnexp.config.paths import bundled_conf, options_by_group

N_LINES = 2000 if os.environ.get("RNNEXP_FAULTS") == "long" else 10
N_PARTS = 20 if N_LINES > 100 else 2
MEMORY = 8 * 2**30
SECONDS = 60
SHORT = ["trainer.n_steps=2", "trainer.eval_every=1", "trainer.batch_size=4", "trainer.n_validation_trials=4",
         "trainer.n_test_trials=4", "latent_dim=6"]  # fmt: skip
PHASED = ("yang", "yang_20", "multitask", "trials", "n_back", "multisensory", "two_armed_bandit", "ready_set_go",
          "interval_reproduction")  # fmt: skip
COGNITIVE = ["task.T=200", "task.dt=20"]
SERIES = ["task.n_training=300", "task.n_validation=150", "task.n_test=150", "task.sequence_length=20",
          "task.free_run_steps=50", "task.lyapunov_steps=10"]  # fmt: skip
VALUES = [
    "-1", "0", "1", "3", "0.5", "-0.0", "1e-320", "1e308", "-1e308", "1e400", "nan", "inf", "-inf", "1000000000000",
    "99999999999999999999999", "1e12", "true", "false", "null", "abc", "''", "[]", "[1,2]", "[[1],[2]]", "{}", "{a:1}",
    "[1,2", "{a:", "'", '"', "~", "=", "a=b", "?", "???", "\u00fc\u20ac\U0001f600", "0x10", "1_000", "1,2", "range(3)",
    "choice(1,2)", "x" * 3000, "[" * 500, "${x}", "\\\\${x}", "${oc.env:HOME}", "${now:%Y}", "..", "/", "NaN",
    "/dev/null", "[nan,inf]", "[1e308,1e308]", "auto", "none", " ", "a b", "\\t", "rnnexp.models.RNN",
    "{_target_: os.system}",
]  # fmt: skip
FOREVER = ("trainer.n_steps", "trainer.n_trials")  # whose large values are no mistake


def flat(node, prefix=""):
    """The dotted keys of a configuration."""
    for name, value in node.items():
        key = f"{prefix}{name}"
        yield key
        if isinstance(value, dict):
            yield from flat(value, f"{key}.")


def keys_of(command):
    with initialize_config_dir(str(bundled_conf()), version_base="1.3"):
        return sorted(flat(OmegaConf.to_container(compose(command), resolve=False)))


class Lines:
    """Draws command lines."""

    def __init__(self, seed, folder):
        self.draw = random.Random(seed)
        self.folder = folder
        self.groups = {name: list(options) for name, options in options_by_group().items()}
        self.keys = {
            name: keys_of(name) for name in ("train", "eval", "simulate", "analyze", "export", "import")
        }

    def typo(self, text):
        place = self.draw.randrange(len(text) + 1)
        letter = self.draw.choice([*string.ascii_letters, ".", "_", "=", "\u00e4", ""])
        return text[:place] + letter + text[place + self.draw.randrange(2) :]

    def change(self, command):
        """One override, most of them wrong."""
        kind = self.draw.random()
        if kind < 0.25 and command == "train":
            group = self.draw.choice(list(self.groups))
            option = self.draw.choice(self.groups[group])
            return f"{group}={option if self.draw.random() < 0.8 else self.typo(option)}"
        key = self.draw.choice(self.keys[command])
        if self.draw.random() < 0.15:
            key = self.typo(key)
        if key in FOREVER:
            return f"{key}={self.draw.choice(['-1', '0', 'abc', 'null', '2'])}"
        sign = self.draw.choice(["", "", "", "", "", "", "+", "++", "~"])
        if sign == "~":
            return f"~{key}"
        return f"{sign}{key}={self.draw.choice(VALUES)}"

    def line(self):
        command = self.draw.choice(
            ["train"] * 12 + ["eval", "simulate", "analyze", "export", "import", "other"]
        )
        if command == "other":
            return self.other()
        words = [command, *self.beginning(command)]
        words += [self.change(command) for _ in range(self.draw.choice([0, 1, 1, 1, 2, 3]))]
        if self.draw.random() < 0.08:
            words.append(
                self.draw.choice(["-m", "--cfg", "--help", "--dry-run", "--mulitrun", "-x", "--config-dir"])
            )
        if self.draw.random() < 0.05:
            self.draw.shuffle(words)
        return words

    def beginning(self, command):
        origin, out = f"checkpoint={self.folder / 'run'}", f"out={self.folder / 'out.npz'}"
        if command == "train":
            task = self.draw.choice(
                [name for name in self.groups["task"] if name not in ("own", "timeseries")]
            )
            series = task in ("lorenz63", "lorenz96", "rossler", "duffing", "bursting_neuron", "dysts")
            own = SERIES if series else COGNITIVE
            if task in PHASED:
                own = []
            if self.draw.random() < 0.1:
                own = [word for word in SERIES if "n_" not in word]
                task, path = "timeseries", f"task.path={self.folder / 'series.npy'}"
                own = [path, *own]
            step = self.draw.choice(
                ["ALRNN", "PLRNN", "shPLRNN", "clipped_shPLRNN", "LSTM", "GRU", "Basic", "CTRNN"]
            )
            plots = [] if self.draw.random() < 0.05 else ["trainer.plots=false"]
            return [f"task={task}", f"latent_step={step}", *own, *SHORT, *plots]
        return {
            "eval": [origin, "n_trials=8", "plots=false"],
            "simulate": [origin, out, "overwrite=true", "n_steps=10"],
            "analyze": [origin, "n_steps=50", "n_transient=10", "max_order=1", "plots=false"],
            "export": [origin, out, "overwrite=true"],
            "import": [f"file={self.folder / 'weights.npz'}", "task=simple_pd", "transfer_function=relu"],
        }[command]

    def other(self):
        command = self.draw.choice(
            ["collect", "list", "completion", "plot", "nothing", "", "--version", "-sc"]
        )
        words = ["--json", "--metric", "bash", "latent_step", str(self.folder / "run"), *VALUES]
        return [command, *(self.draw.choice(words) for _ in range(self.draw.randrange(3)))]


@pytest.fixture(scope="module")
def lab(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    line = ["train", "task=simple_pd", "latent_step=ALRNN", *COGNITIVE, *SHORT, "trainer.plots=false"]
    assert processes.run([*line, f"hydra.run.dir={folder / 'run'}"], folder).code == 0
    leaky = ["train", "task=simple_pd", "latent_step=Basic", *COGNITIVE, *SHORT, "trainer.plots=false"]
    assert processes.run([*leaky, f"hydra.run.dir={folder / 'leaky'}"], folder).code == 0
    assert (
        processes.run(["export", f"checkpoint={folder / 'leaky'}", f"out={folder / 'weights.npz'}"]).code == 0
    )
    t = np.arange(500) * 0.1
    np.save(folder / "series.npy", np.c_[np.sin(t), np.cos(1.3 * t)])
    return folder


@pytest.mark.parametrize("part", range(N_PARTS))
def test_random_lines_go_well_or_say_why(processes, lab, tmp_path, part, capsys):
    lines, counts = Lines(part, lab), {}
    for number in range(N_LINES // N_PARTS):
        words = lines.line()
        ended = processes.run(words, tmp_path, SECONDS, memory=MEMORY)
        shown = (part, number, words, ended.code, ended.err[-2000:])
        assert ended.code in (0, 1, 2), shown  # one that takes too long is interrupted, and ends with 130
        assert "Traceback" not in ended.err, shown
        assert "HYDRA_FULL_ERROR" not in ended.err, shown
        if ended.code:
            assert any(line.startswith(("rnnexp", "usage: rnnexp")) for line in ended.err.splitlines()), shown
        counts[ended.code] = counts.get(ended.code, 0) + 1
        shutil.rmtree(tmp_path / "outputs", ignore_errors=True)
    if N_LINES > 100:
        with capsys.disabled():
            print(f"\nlines {part}: exit codes {dict(sorted(counts.items()))}")
    if N_LINES > 100:
        assert min(counts.get(0, 0), counts.get(1, 0)) > 0
