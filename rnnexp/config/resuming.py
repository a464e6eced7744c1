"""`rnnexp train resume=RUN_DIR`: continues a run with its own configuration, without composing a new one."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from rnnexp.config.arguments import Arguments, UsageError
from rnnexp.config.console import log_to_file_and_stderr, logging_restored
from rnnexp.config.fine_tuning import DEFAULTS
from rnnexp.config.launch import typed_command_line
from rnnexp.config.plain_data import read_yaml, refuse_interpolations
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


def resume(words: Sequence[str], arguments: Arguments) -> None:
    """Continue a run in its own directory.

    Args:
        words: the command line as typed.
        arguments: the same, sorted: resume=RUN_DIR, changes to trainer.*, and trust=true for a run with
            classes from outside rnnexp.

    Raises:
        UserError: there is no run, or a change is not allowed.
    """
    if arguments.multirun:
        raise UsageError("resume: continues one run, not together with -m")
    if arguments.config_name is not None:
        raise UsageError("resume: a run goes on with its own configuration, not together with --config-name")
    parsed = [_parse(text) for text in arguments.overrides]
    values = {override.key_or_group: override for override in parsed}
    directory = _directory(values.pop("resume"))
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
    from rnnexp.training.checkpoint import load_checkpoint

    is_trusted = trust is not None and trust.value() is True
    check_trusted(stored, is_trusted)
    if stored["init_from"] is not None and not any((directory / "checkpoints").glob("*.pt")):
        check_trusted(load_checkpoint(stored["init_from"])["config"], is_trusted)
    from rnnexp.training.run import resume as resume_training

    with typed_command_line(["train", *words]), logging_restored():
        log_to_file_and_stderr(directory / "train.log")
        try:
            resume_training(cfg, directory)
        except Exception as error:
            log.error("failed: %s", reason_of(error), exc_info=True)
            error.add_note(f"the traceback is in {directory / 'train.log'}")
            raise


def _directory(override: Override) -> Path:
    value = override.value()
    typed = (override.input_line or "").partition("=")[2]
    return run_directory(Path(value if isinstance(value, str) else typed).expanduser())


def _parse(text: str) -> Override:
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

    if (directory / "multirun.yaml").is_file():
        raise UserError(
            f"resume: {directory}: is a sweep; name one of its runs, e.g. resume={directory / '0'}"
        )
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
