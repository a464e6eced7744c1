"""`rnnexp train resume=RUN_DIR`: continues a run with its own configuration, without composing a new one."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from rnnexp.config.arguments import Arguments, UsageError
from rnnexp.config.composition import composer
from rnnexp.config.console import log_to_file, logging_restored
from rnnexp.config.fine_tuning import DEFAULTS, ancestor_as_base
from rnnexp.config.job import typed_command_line
from rnnexp.config.paths import ConfigDirectory
from rnnexp.config.plain_data import read_yaml, refuse_interpolations
from rnnexp.config.planning import make_plan
from rnnexp.config.run_directories import fixed_directory
from rnnexp.config.suggestions import did_you_mean_key
from rnnexp.config.targets import check_trusted
from rnnexp.config.validation import validate
from rnnexp.errors import ConfigError, UserError, reason_of
from rnnexp.training.checkpoint_file import run_directory

log = logging.getLogger("rnnexp")


def names_a_run(arguments: Arguments) -> bool:
    """Whether a command line asks to continue a run."""
    given = [text.lstrip("+") for text in arguments.overrides if text.lstrip("+").startswith("resume=")]
    return bool(given) and given[-1] not in ("resume=null", "resume=")


def is_automatic(arguments: Arguments) -> bool:
    """Whether a command line asks to continue what is in its directory, if there is something."""
    return [text for text in arguments.overrides if text.startswith("resume=")][-1:] == ["resume=auto"]


def resume_same(words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory]) -> bool:
    """Continue what the same line has begun in its fixed directory.

    Args:
        words: the command line as typed.
        arguments: the same, sorted, without resume=auto.
        directories: where configurations are looked up.

    Returns:
        Whether there was something; else the line is still to be run.

    Raises:
        UserError: the directory is not fixed, or what is in it is of another line.
    """
    from rnnexp.sweeps.planned import planned_sweep

    with (
        ancestor_as_base("train", arguments) as based,
        composer(based.config_name or "train", directories) as by,
    ):
        plan = make_plan(by, "train", based)
        directory = fixed_directory(plan.cfg, "sweep" if plan.is_sweep else "run")
        if plan.is_sweep:
            if not (directory / "sweep.json").exists():
                return False
            planned = planned_sweep(plan, arguments.overrides, directory) if plan.jobs is not None else None
        else:
            composed = OmegaConf.to_container(plan.job_configs[0], resolve=True)
    if plan.is_sweep:
        from rnnexp.sweeps.continuing import continue_same, continue_sweep

        if planned is not None:
            continue_same(planned, words, arguments)
        else:  # a search, which goes on by its own line
            same = replace(arguments, overrides=["trust=true"], multirun=True, config_name=None)
            continue_sweep(directory, words, same, directories)
        return True
    if not any((directory / name).exists() for name in ("run.json", ".hydra/hydra.yaml")):
        return False
    stored = DEFAULTS | load_run(directory)
    _refuse_other(directory, stored, composed)
    same_length = stored["trainer"] == composed["trainer"]
    if same_length and (directory / "summary.json").exists():
        print(f"rnnexp: {directory}: is finished", file=sys.stderr)
        return True
    quoted = str(directory).replace("\\", "\\\\").replace("'", "\\'")
    changes = [text for text in arguments.overrides if text.startswith("trainer.")]
    resume(
        words, replace(arguments, overrides=[f"resume='{quoted}'", *changes, "trust=true"], config_name=None)
    )
    return True


def _refuse_other(directory: Path, stored: dict[str, Any], composed: dict[str, Any]) -> None:
    """Refuse a run that is not of this line, its length apart.

    Raises:
        ConfigError: settings differ.
    """
    from rnnexp.saved.differences import flat

    left, right = flat(stored), flat(composed)
    none = "(none)"
    other = [
        f"resume=auto: {directory}: is a run with {key}={left.get(key, none)}, this line has {right.get(key, none)}"
        for key in {**left, **right}
        if left.get(key) != right.get(key) and not key.startswith(("trainer.", "resume"))
    ]
    if other:
        raise ConfigError(other)


def resume(words: Sequence[str], arguments: Arguments, directories: Sequence[ConfigDirectory] = ()) -> None:
    """Continue a run in its own directory, or a sweep in its.

    Args:
        words: the command line as typed.
        arguments: the same, sorted: resume=DIR, changes to trainer.*, and trust=true for a run with
            classes from outside rnnexp; of a sweep further jobs too.
        directories: where configurations are looked up, for further jobs.

    Raises:
        UserError: there is no run, or a change is not allowed.
    """
    parsed = [
        parse_override(text) for text in arguments.overrides if not text.startswith(("zip(", "jobs=", "?"))
    ]
    values = {override.key_or_group: override for override in parsed}
    directory = _directory(values["resume"])
    if (directory / "multirun.yaml").is_file():
        from rnnexp.sweeps.continuing import continue_sweep

        continue_sweep(directory, words, arguments, directories)
        return
    if arguments.multirun:
        what = "is no sweep, and one run goes on without -m" if directory.exists() else "no such directory"
        raise UsageError(f"resume: {directory}: {what}")
    if arguments.config_name is not None:
        raise UsageError("resume: a run goes on with its own configuration, not together with --config-name")
    del values["resume"]
    trust = values.pop("trust", None)
    stored = DEFAULTS | load_run(directory)
    cfg = changed(OmegaConf.create(stored), list(values.values()))
    with open_dict(cfg):
        cfg.resume = str(directory)
    validate(cfg, "train")
    if arguments.cfg == "job":
        print(OmegaConf.to_yaml(cfg, resolve=arguments.resolve), end="")
        return
    if arguments.dry_run or arguments.check:
        print("ok: 1 job" if arguments.check else directory)
        return
    check_ancestry(directory, stored, trust is not None and trust.value() is True)
    with typed_command_line(["train", *words]), logging_restored():
        log_to_file(directory / "train.log")
        _train_on(cfg, directory)


def check_ancestry(directory: Path, stored: dict[str, Any], is_trusted: bool) -> None:
    """Refuse a run with classes from outside rnnexp that the user did not say to trust, its ancestor's included.

    Raises:
        UserError: it names some.
    """
    from rnnexp.training.checkpoint import load_checkpoint

    check_trusted(stored, is_trusted)
    if stored["init_from"] is not None and not any((directory / "checkpoints").glob("*.pt")):
        check_trusted(load_checkpoint(stored["init_from"])["config"], is_trusted)


def continued(directory: Path, changes: Sequence[str], words: Sequence[str]) -> float:
    """Continue a run that is a job of a sweep; its log goes to its file alone.

    Args:
        directory: of the run, which is trusted.
        changes: overrides of trainer.*.
        words: the command line as typed.

    Returns:
        The best validation value.

    Raises:
        UserError: it cannot go on.
    """
    cfg = changed(
        OmegaConf.create(DEFAULTS | load_run(directory)), [parse_override(text) for text in changes]
    )
    with open_dict(cfg):
        cfg.resume = str(directory)
    validate(cfg, "train")
    with typed_command_line(["train", *words]), logging_restored():
        log_to_file(directory / "train.log", console=False)
        return _train_on(cfg, directory)


def _train_on(cfg: DictConfig, directory: Path) -> float:
    from rnnexp.training.run import resume as resume_training

    try:
        return resume_training(cfg, directory)
    except Exception as error:
        log.error("failed: %s", reason_of(error), exc_info=True)
        error.add_note(f"the traceback is in {directory / 'train.log'}")
        raise


def _directory(override: Override) -> Path:
    value = override.value()
    typed = (override.input_line or "").partition("=")[2]
    return run_directory(Path(value if isinstance(value, str) else typed).expanduser())


def parse_override(text: str) -> Override:
    """Read an override without looking at any configuration.

    Raises:
        ConfigError: it does not have the form key=value.
    """
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        raise ConfigError([f"{text}: must have the form key=value, special characters in quotes"]) from error


def load_run(directory: Path) -> dict[str, Any]:
    """Return the configuration of a run, plain data: of its last checkpoint, or before there is one, of its start.

    Raises:
        UserError: the directory does not hold a run, or its files are damaged.
    """
    from rnnexp.training.checkpoint import resume_point
    from rnnexp.training.records import read_record
    from rnnexp.training.run_directory import check_files

    check_files(directory)
    record, _ = resume_point(directory)
    if record is not None:
        return record["config"]
    start, composed = directory / "config.json", directory / ".hydra" / "config.yaml"
    next_written = composed.with_name("hydra.yaml")  # once it is there, config.yaml is complete
    if start.exists():
        config = read_record(start).get("config")
    elif composed.is_file() and next_written.exists():  # stopped even before, or an earlier version began it
        config = read_yaml(composed)
    elif composed.parent.is_dir() and not next_written.exists():
        raise UserError(
            f"resume: {directory}: was stopped before its configuration was written, there is nothing to continue; "
            "start it again by its own line, a minute after it was stopped"
        )
    else:
        raise UserError(f"resume: {directory}: must be the directory of a run; it has no .hydra/config.yaml")
    if not isinstance(config, dict):
        raise UserError(f"resume: {directory}: the configuration of the run is damaged")
    refuse_interpolations(config, f"resume={directory}")
    return config


def changed(cfg: DictConfig, overrides: Sequence[Override]) -> DictConfig:
    """Apply changes to the trainer; n_trials takes effect though the run was started with n_steps.

    Raises:
        ConfigError: a change to anything but the trainer, or to a setting that it lacks.
    """
    problems = []
    batch_size = cfg.trainer.batch_size
    OmegaConf.set_struct(cfg, True)
    for override in overrides:
        key = override.key_or_group
        if not key.startswith("trainer.") or override.is_delete() or override.is_sweep_override():
            problems.append(
                f"{override.input_line}: a run goes on as it was; only trainer.<key>=<value> may change"
            )
            continue
        try:
            OmegaConf.update(cfg, key, override.value(), force_add=not override.input_line[0].isalpha())
        except OmegaConfBaseException:
            hint = did_you_mean_key(key, [f"trainer.{name}" for name in cfg.trainer])
            problems.append(f"{override.input_line}: unknown key{hint}")
    if cfg.trainer.batch_size != batch_size:
        problems.append(
            f"trainer.batch_size: {cfg.trainer.batch_size}: a run goes on with the batches that it began with, "
            f"{batch_size} trials"
        )
    if problems:
        raise ConfigError(problems)
    keys = [override.key_or_group for override in overrides]
    if "trainer.n_trials" in keys and "trainer.n_steps" not in keys:
        cfg.trainer.n_steps = None
    return cfg
