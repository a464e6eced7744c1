"""The texts of `rnnexp --help`, `rnnexp train --help` and the like; imports the standard library only."""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from rnnexp.config.paths import ConfigDirectory, bundled_conf, description, options_by_group

COMMANDS = {
    "train": "train one network on one task, or a sweep of them with -m",
    "eval": "evaluate a checkpoint on fresh trials: metrics and plots",
    "simulate": "run a trained network on your own inputs, or freely",
    "analyze": "fixed points, cycles, linear regions and Lyapunov exponents of a trained network",
    "export": "write the weights of a trained network to a file, under PsychRNN's names or ours",
    "import": "make a run directory from a weight file of PsychRNN, spikeRNN, a run or a PLRNN",
    "collect": "gather the runs below a directory into one table and pictures",
    "ls": "list the runs below a directory: how they stand, and in what they differ",
    "report": "one page with table, curves and pictures of a sweep or a run",
    "status": "how the jobs of a sweep stand, also while it runs elsewhere",
    "prune": "remove extra checkpoints or runs; says first what it would remove",
    "compare": "how alike trained networks are: states, flows, choices, fixed points",
    "diff": "the settings in which runs differ, and their summaries side by side",
    "plot": "draw the pictures of a run or a sweep again, or those that were not drawn",
    "list": "what there is to choose from, one line each, or the settings of an option",
    "completion": "print the completion script of a shell: bash, zsh or fish",
}
PLAIN_COMMANDS = (  # a module each, with main(words)
    "collect", "compare", "diff", "ls", "plot", "prune", "report", "status",
)  # fmt: skip
HYDRA_COMMANDS = ("train", "eval", "simulate", "analyze", "export", "import")

EXAMPLES = {
    "train": (
        "rnnexp train task=delayed_discrim latent_step=ALRNN",
        "rnnexp train task=match_to_category latent_dim=30 latent_step.num_relus=10 trainer.n_trials=20000",
        "rnnexp train -m latent_step=PLRNN,ALRNN seed=0,1,2 hydra/launcher=joblib hydra.launcher.n_jobs=2",
        "rnnexp train experiment=debug",
        "rnnexp train resume=RUN_DIR trainer.n_trials=100000",
        "rnnexp train init_from=RUN_DIR task.delay_duration=1000 freeze=[W_in] lr_of.B=1e-4",
    ),
    "eval": (
        "rnnexp eval checkpoint=RUN_DIR",
        "rnnexp eval checkpoint=RUN_DIR task.stim_noise=0.5 n_trials=4096",
        "rnnexp eval -m checkpoint=RUN_DIR task.stim_noise=0,0.2,0.4",
        "rnnexp eval checkpoint=RUN_DIR lesion.percentage=0.2 lesion.by_type=true",
        "rnnexp eval -m checkpoint=RUN_DIR lesion.percentage=0,0.1,0.2,0.4 'lesion.seed=range(3)'",
    ),
    "simulate": (
        "rnnexp simulate checkpoint=RUN_DIR inputs=stimuli.npy out=answers.npz",
        "rnnexp simulate checkpoint=RUN_DIR n_steps=1000 out=free_run.npz",
        "rnnexp simulate checkpoint=RUN_DIR inputs=stimuli.npy t_connectivity=ablation.npy out=answers.npz",
    ),
    "analyze": (
        "rnnexp analyze checkpoint=RUN_DIR",
        "rnnexp analyze checkpoint=RUN_DIR n_steps=100000 max_order=1 plots=false",
        "rnnexp analyze -m checkpoint=RUN_DIR input=0,0.5,1",
    ),
    "export": (
        "rnnexp export checkpoint=RUN_DIR out=weights.npz",
        "rnnexp export checkpoint=RUN_DIR format=npz out=weights.npz",
    ),
    "import": (
        "rnnexp import file=weights.npz task=delayed_discrim transfer_function=relu",
        "rnnexp import file=Task_go-nogo_N_200.mat task=go_nogo",
        "rnnexp import file=weights.npz latent_step=ALRNN latent_step.num_relus=2 n_outputs=3",
        "rnnexp train resume=RUN_DIR trainer.n_trials=20000",
    ),
}

HELP_WIDTH = 110
FIRST_GROUPS = ("task", "latent_step", "observation", "loss", "optimizer", "scheduler", "trainer")

FLAGS = """\
  -m, --multirun          run one job for each combination of values, a=1,2 b=x,y
  --dry-run               list the jobs, or the run directory; start nothing
  --check                 build the parts of every job, say what is wrong; start nothing
  -c, --cfg job|hydra|all print the configuration; -p GROUP a part of it, --resolve with ${...} filled in
  -cd, --config-dir DIR   a folder of your own configurations; ./conf and $RNNEXP_CONFIG_PATH work too
  -cn, --config-name NAME another primary configuration
  -i, --info              what Hydra knows: defaults, search path, plugins
  -h, --help              this text; --hydra-help for Hydra's own"""


def general_help() -> str:
    """Return the text of `rnnexp --help`."""
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
    examples = "\n".join(f"  {EXAMPLES[name][0]}" for name in HYDRA_COMMANDS)
    return (
        "usage: rnnexp COMMAND ...\n\nTrain, sweep and compare recurrent networks.\n\n"
        f"commands\n{commands}\n\n"
        "  rnnexp COMMAND --help   what a command takes\n"
        "  rnnexp --version        versions of rnnexp, torch, ...\n\n"
        f"examples\n{examples}"
    )


def command_help(command: str, directories: Iterable[ConfigDirectory]) -> str:
    """Return the text of `rnnexp COMMAND --help` for a command with a configuration.

    Args:
        command: one of `HYDRA_COMMANDS`, such as "train".
        directories: the user's configuration folders.
    """
    path = bundled_conf() / f"{command}.yaml"
    defaults = default_options(path)
    options = options_by_group(directories)
    groups = [
        _wrapped(group, [_starred(option, default) for option in options.get(group, ())])
        for group, default in sorted(defaults.items(), key=lambda item: _place(item[0]))
    ]
    settings = [f"  {line}" for line in settings_of(path)]
    blocks = [
        f"usage: rnnexp {command} [flags] [group=option ...] [key=value ...]\n\n{description(path)}.",
        "\n".join(["settings (key=value)", *settings]),
        "\n".join(
            ["groups (group=option, * is the default; `rnnexp list GROUP` says what they are)", *groups]
            if groups
            else []
        ),
        f"Settings of an option are set by group.key=value; `rnnexp {command} --cfg job` shows all of them."
        if groups
        else "",
        f"flags, in any place\n{FLAGS}",
        "\n".join(["examples", *(f"  {example}" for example in EXAMPLES[command])]),
    ]
    return "\n\n".join(block for block in blocks if block)


def _wrapped(group: str, options: list[str]) -> str:
    first = f"  {group:<13} "
    return textwrap.fill(
        " ".join(options), HELP_WIDTH, initial_indent=first, subsequent_indent=" " * len(first),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _place(group: str) -> int:
    """Put what a user chooses most first; a primary configuration has the order in which Hydra composes."""
    return FIRST_GROUPS.index(group) if group in FIRST_GROUPS else len(FIRST_GROUPS)


def _starred(option: str, default: str | None) -> str:
    return f"{option}*" if option == default else option


def default_options(path: Path) -> dict[str, str | None]:
    """Return group -> default option of a primary configuration, None where there is no default."""
    found = re.findall(r"^ {2}- (\w+): (\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {group: None if option == "null" else option for group, option in found}


def settings_of(path: Path) -> list[str]:
    """Return the lines of the settings of a primary configuration, lesion.seed among them, comments aligned."""
    found, section = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line[:1].isalpha():
            section = line.partition(":")[0]
        entry = re.fullmatch(r"( *)(\w+): (\S+) +# (.*)", line)
        if entry and section not in ("defaults", "hydra"):
            indent, key, value, comment = entry.groups()
            needed = "needed: " if value == "???" else ""
            found.append((f"{section}.{key}" if indent else key, value, needed + comment))
    width = max(len(f"{key}={value}") for key, value, _ in found)
    return [f"{f'{key}={value}':<{width}}  {comment}" for key, value, comment in found]
