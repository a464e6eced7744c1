"""`rnnexp import`: a run directory from a weight file of PsychRNN or spikeRNN."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnexp.commands.experiment import build_parts
from rnnexp.commands.input_files import input_files
from rnnexp.commands.tasks import build_task
from rnnexp.commands.train import save_weights
from rnnexp.config.instantiate import instantiate
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.interop import psychrnn, spikernn
from rnnexp.interop.from_file import format_of
from rnnexp.interop.lstm_names import named_lstm
from rnnexp.interop.model_network import model_config, set_rules, train_defaults, write_masks
from rnnexp.interop.network import LeakyNetwork, LSTMNetwork
from rnnexp.interop.parameters import set_weights
from rnnexp.tasks.base import Task
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.state import Parts

log = logging.getLogger(__name__)

LEAKY_SETTINGS = ("transfer_function", "dale_ratio", "dt", "tau", "rec_noise")
KEPT = ("seed", "task", "loss", "optimizer", "scheduler", "trainer", "device")  # in the run's configuration


def job(cfg: DictConfig) -> None:
    """Run one `rnnexp import` command."""
    validate(cfg, "import")
    hydra = HydraConfig.get()
    run(
        OmegaConf.to_container(cfg, resolve=True),
        Path(hydra.runtime.output_dir),
        list(hydra.overrides.task),
    )


def run(config: dict[str, Any], directory: Path, overrides: list[str]) -> None:
    """Leave a run directory as if the network had been trained here for 0 steps.

    Args:
        config: resolved and validated configuration of `rnnexp import`.
        directory: the run directory.
        overrides: what the command line changed, for run.json.

    Raises:
        UserError: the file cannot be used, or does not fit the task.
    """
    task = build_task(config)
    network = _with_settings(_read(config), config, task)
    _check_sizes(config["file"], network, task)
    masks = directory.absolute() / "masks.npz"
    own = train_defaults() | {name: config[name] for name in KEPT}
    try:
        own |= model_config(network, task.dt, masks)
    except ValueError as error:
        raise UserError(f"file: {config['file']}: {error}") from error
    out = RunDirectory(directory)
    origin = str(Path(config["file"]).absolute())
    out.start(config["seed"], overrides, files=input_files(own, directory), imported_from=origin)
    try:
        parts = build_parts(own, restoring=True)
        _fill(parts, network, config["file"])
        if isinstance(network, LeakyNetwork):
            write_masks(network, masks)
        _write_config(own, out.path, overrides)
        trainer = instantiate(own["trainer"], key="trainer")
        trainer.n_steps = 0  # evaluates once, which writes both checkpoints
        state, _ = trainer.fit(parts, out, own, own["seed"])
        out.write_summary({f"final_validation_{name}": value for name, value in state.validation.items()})
        save_weights(parts, out.path / "weights.npz")
    except BaseException as error:
        out.fail(error)
        raise
    out.finish("finished", f"imported {config['file']}")
    shown = ", ".join(f"{name} {value:.4g}" for name, value in state.validation.items())
    log.info("validation: %s", shown)
    print(out.path)


def _read(config: dict[str, Any]) -> LeakyNetwork | LSTMNetwork:
    path = config["file"]
    try:
        found = format_of(path) if config["format"] == "auto" else config["format"]
        if found == "npz":
            raise UserError(
                f"{path}: must be a file of PsychRNN, with W_out; train from weights.npz of a run with "
                f"initializer=from_file initializer.path={path}"
            )
        if found == "spikernn":
            if config["dale_ratio"] is not None:
                raise UserError(
                    f"{path}: spikeRNN's files say themselves who is inhibitory; leave dale_ratio out"
                )
            return spikernn.read_network(path, config["transfer_function"], config["tau"])
        return psychrnn.read_network(path, config["transfer_function"], config["dale_ratio"])
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith("dale_ratio") else f"file: {text}") from error


def _with_settings(
    network: LeakyNetwork | LSTMNetwork, config: dict[str, Any], task: Task
) -> LeakyNetwork | LSTMNetwork:
    """Let the settings of the command line take the place of those of the file."""
    if isinstance(network, LSTMNetwork):
        given = [name for name in LEAKY_SETTINGS if config[name] is not None]
        if given:
            raise UserError(
                f"{given[0]}: {config[given[0]]}: is for leaky networks, {config['file']} is an LSTM"
            )
        return network
    if config["tau"] is not None:
        network = network.with_tau(config["tau"])
    dt = network.dt if config["dt"] is None else config["dt"]
    if dt is not None and dt != task.dt:
        source = f"that of {config['file']}" if config["dt"] is None else "dt"
        raise UserError(
            f"task.dt: {task.dt:g}: must be the time step of the network, {source}, {dt:g} ms; set task.dt={dt:g}, "
            "or dt=... to run the network with another step"
        )
    noise = network.rec_noise if config["rec_noise"] is None else config["rec_noise"]
    return replace(network, rec_noise=noise)


def _check_sizes(file: str, network: LeakyNetwork | LSTMNetwork, task: Task) -> None:
    n_inputs, _, n_outputs = network.sizes
    if (n_inputs, n_outputs) != (task.input_dim, task.output_dim):
        raise UserError(
            f"file: {file}: has {n_inputs} inputs and {n_outputs} outputs, the task {type(task).__name__} has "
            f"{task.input_dim} and {task.output_dim}"
        )


def _fill(parts: Parts, network: LeakyNetwork | LSTMNetwork, file: str) -> None:
    try:
        if isinstance(network, LeakyNetwork):
            set_rules(parts.model, network)
            set_weights(parts.model, network.named(), origin=file)
        else:
            set_weights(parts.model, named_lstm(network), origin=file)
    except ValueError as error:
        raise UserError(f"file: {error}") from error


def _write_config(config: dict[str, Any], directory: Path, overrides: list[str]) -> None:
    """Write what `rnnexp train resume=...` and `rnnexp collect` read."""
    folder = directory / ".hydra"
    folder.mkdir(exist_ok=True)
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    OmegaConf.save(OmegaConf.create(overrides), folder / "overrides.yaml")
