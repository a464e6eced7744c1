"""Shell completion: the script of a shell, and the answers to its questions.

The shell calls `rnnexp -sc query=SHELL` with the line typed so far in COMP_LINE. Hydra answers for overrides
once the sub-command is taken out of the line; sub-commands, flags and plain words are answered here.
"""

import contextlib
import glob
import io
import os
import re
import sys

from rnnexp.config.arguments import ALLOWED_VALUES, INFO, VALUED, UsageError, known_flags
from rnnexp.config.help import COMMANDS, HYDRA_COMMANDS
from rnnexp.config.paths import ConfigDirectory, bundled_conf, options_by_group, user_directories
from rnnexp.errors import UserError

SHELLS = ("bash", "fish", "zsh")
FLAGS = {
    "collect": ["--format", "--group-by", "--help", "--json", "--metric", "--out", "--sort", "--where"],
    "compare": ["--help", "--trust"],
    "diff": ["--help", "--json"],
    "ls": ["--columns", "--help", "--json", "--metric", "--sort", "--where"],
    "plot": ["--help", "--trust"],
    "prune": ["--help", "--keep", "--metric", "--sort", "--what", "--where", "--yes"],
    "report": ["--help", "--metric", "--out", "--port", "--serve"],
    "status": ["--help", "--json"],
}  # of commands that take a folder


HELP = """\
usage: rnnexp completion SHELL

Print what teaches a shell, bash, zsh or fish, to complete the command lines of rnnexp: put it into its start-up file.

examples
  eval "$(rnnexp completion bash)"       # in ~/.bashrc
  eval "$(rnnexp completion zsh)"        # in ~/.zshrc, after compinit
  rnnexp completion fish | source        # in ~/.config/fish/config.fish"""


def print_script(words: list[str]) -> None:
    """Print the completion script of a shell.

    Args:
        words: what follows `rnnexp completion`: the name of the shell.

    Raises:
        UsageError: not exactly one of the shells.
    """
    if set(words) & {"-h", "--help"}:
        print(HELP)
        return
    if len(words) != 1 or words[0] not in SHELLS:
        raise UsageError(f"{' '.join(words) or 'shell not given'}: must be one of {', '.join(SHELLS)}")
    shell = "fish" if words[0] == "fish" else "bash"
    if words[0] == "zsh":
        print("autoload -Uz bashcompinit && bashcompinit")
    script = io.StringIO()
    with contextlib.redirect_stdout(script):  # Hydra takes a reader that has seen enough for a fault
        ask_hydra("train", [f"install={shell}"], "rnnexp")
    print(script.getvalue(), end="")


def answer(words: list[str]) -> None:
    """Answer a question of a shell: `query=bash`, `query=zsh` or `query=fish`, the line in COMP_LINE.

    Raises:
        UsageError: no such question.
    """
    action, _, shell = words[0].partition("=") if len(words) == 1 else ("", "", "")
    if action != "query" or shell not in SHELLS or "COMP_LINE" not in os.environ:
        raise UsageError('-sc: is for shells only; install completion with: eval "$(rnnexp completion bash)"')
    line = os.environ["COMP_LINE"]
    typed = line.split()[1:]
    current = "" if line.endswith(" ") or not typed else typed.pop()
    if not typed:
        suggest(["--help", "--version"] if current.startswith("-") else list(COMMANDS), current, shell)
    elif typed[0] == "list":
        suggest(list(options_by_group(_directories())), current, shell)
    elif typed[0] in FLAGS or typed[-1] in ("-cd", "--config-dir"):
        _suggest_paths(FLAGS.get(typed[0], []), current, shell)
    elif typed[0] == "completion":
        suggest(list(SHELLS), current, shell)
    elif typed[0] in HYDRA_COMMANDS:
        _answer_for_command(typed[0], typed[1:], current, shell)


def _answer_for_command(command: str, earlier: list[str], current: str, shell: str) -> None:
    last = earlier[-1] if earlier else ""
    if last in VALUED or last in INFO:
        choices = ALLOWED_VALUES.get(VALUED.get(last, "info"))
        if choices is not None or last not in INFO:
            suggest(list(choices or ()), current, shell)
            return
    if current.startswith("-"):
        suggest([flag for flag in known_flags() if flag.startswith("--")], current, shell)
        return
    from rnnexp.config.search_path import use_directories

    overrides, is_sweep, config_dir = _sorted(earlier)
    use_directories(_directories(config_dir))
    os.environ["COMP_LINE"] = " ".join(["rnnexp", *(["-m"] if is_sweep else []), *overrides, current])
    answers = io.StringIO()
    with contextlib.redirect_stdout(answers):
        ask_hydra(command, [f"query={shell}"], "rnnexp")
    print(re.sub(r"\S+=_\S+\s?", "", answers.getvalue()), end="")  # files that begin with _ are no options


def _directories(config_dir: str | None = None) -> list[ConfigDirectory]:
    try:
        return user_directories(config_dir)
    except UserError:  # a folder that is still being typed
        return []


def _sorted(words: list[str]) -> tuple[list[str], bool, str | None]:
    """Return the overrides among the words, whether they are a sweep, and the folder of --config-dir."""
    overrides, config_dir, remaining = [], None, list(words)
    while remaining:
        word = remaining.pop(0)
        if word in VALUED and remaining:
            value = remaining.pop(0)
            config_dir = value if VALUED[word] == "config_dir" else config_dir
        elif not word.startswith("-"):
            overrides.append(word)
    return overrides, bool({"-m", "--multirun"} & set(words)), config_dir


def _suggest_paths(flags: list[str], current: str, shell: str) -> None:
    """Leave paths to the shell, but for fish, which is told not to complete them by itself."""
    if current.startswith("-"):
        suggest(flags, current, shell)
    elif shell == "fish":
        suggest(
            [f"{path}/" for path in glob.glob(f"{glob.escape(current)}*") if os.path.isdir(path)],
            current,
            shell,
        )


def suggest(words: list[str], current: str, shell: str) -> None:
    """Print the words that go on from what is typed, as the shell wants them."""
    matches = sorted(word for word in words if word.startswith(current))
    print(("\n" if shell == "fish" else " ").join(matches))


def ask_hydra(command: str, words: list[str], name: str) -> None:
    """Let Hydra complete the line in COMP_LINE, or print a script.

    Args:
        command: whose configuration counts.
        words: Hydra's own sub-command.
        name: of the program, as the script shall call it.
    """
    import hydra

    previous = sys.argv
    sys.argv = [name, "--shell-completion", *words]
    try:
        hydra.main(version_base="1.3", config_path=str(bundled_conf()), config_name=command)(_never_run)()
    finally:
        sys.argv = previous


def _never_run(cfg: object) -> None:
    """Hydra wants a function though it runs none for a completion."""
