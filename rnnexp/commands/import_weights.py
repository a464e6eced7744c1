"""`rnnexp import`: a run directory from a weight file of PsychRNN, spikeRNN, a run, or a PLRNN."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnexp.building.parts import build_parts
from rnnexp.building.tasks import build_task
from rnnexp.config.instantiate import instantiate
from rnnexp.config.option_names import option_name
from rnnexp.config.targets import NO_TASK
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.interop import psychrnn, spikernn
from rnnexp.interop.from_file import format_of
from rnnexp.interop.lstm_names import named_lstm
from rnnexp.interop.model_network import PLAIN, model_config, option, set_rules, train_defaults, write_masks
from rnnexp.interop.network import LeakyNetwork, LSTMNetwork
from rnnexp.interop.own_names import OwnNetwork, read_own
from rnnexp.interop.parameters import set_weights
from rnnexp.saved.files import input_files
from rnnexp.tasks.base import Task
from rnnexp.training.run import save_weights
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.state import Parts

log = logging.getLogger(__name__)

LEAKY_SETTINGS = ("transfer_function", "dale_ratio", "dt", "tau", "rec_noise")
KEPT = ("seed", "loss", "optimizer", "scheduler", "trainer", "device")  # in the run's configuration
Network = LeakyNetwork | LSTMNetwork | OwnNetwork


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
    network = _read(config)
    if config["n_outputs"] not in (None, network.sizes[2]):
        raise UserError(f"n_outputs: {config['n_outputs']}: {config['file']} has {network.sizes[2]} outputs")
    node = config.get("task")
    if node is None:
        node = _no_task(network, config)
    task = build_task({"task": node})
    network = _with_settings(network, config, task)
    _check_sizes(config["file"], network, task)
    masks = directory.absolute() / "masks.npz"
    own = train_defaults() | {name: config[name] for name in KEPT} | {"task": node}
    try:
        own |= _model_config(network, config, task, masks)
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
        if config.get("task") is not None:
            out.write_summary({f"final_validation_{name}": value for name, value in state.validation.items()})
        save_weights(parts, out.path / "weights.npz")
    except BaseException as error:
        out.fail(error)
        raise
    out.finish("finished", f"imported {config['file']}")
    if config.get("task") is not None:
        shown = ", ".join(f"{name} {value:.4g}" for name, value in state.validation.items())
        log.info("validation: %s", shown)
    print(out.path)


def _no_task(network: Network, config: dict[str, Any]) -> dict[str, Any]:
    """Return the node of what takes the place of a task.

    Raises:
        UserError: the time step of a leaky network is not known.
    """
    n_inputs, _, n_outputs = network.sizes
    node = {"_target_": NO_TASK, "input_dim": n_inputs, "output_dim": n_outputs}
    if isinstance(network, OwnNetwork):
        return (
            node | {"of": "time_series" if network.starts_from_data else "cognitive"} | _given(config, "dt")
        )
    if isinstance(network, LSTMNetwork):
        return node | _given(config, "dt")
    dt = network.dt if config["dt"] is None else config["dt"]
    if dt is None:
        raise UserError(
            f"dt: not given: {config['file']} does not tell it, and there is no task; must be a number, ms"
        )
    return node | {"dt": dt} | _given(config, "tau")


def _given(config: dict[str, Any], name: str) -> dict[str, Any]:
    return {} if config[name] is None else {name: config[name]}


def _model_config(network: Network, config: dict[str, Any], task: Task, masks: Path) -> dict[str, Any]:
    """Return the parts of the configuration that make the model.

    Raises:
        UserError: an observation was chosen that the file does not have.
        ValueError: no latent step has such a network.
    """
    found = network.observation if isinstance(network, OwnNetwork) else "affine"
    chosen = config.get("observation")
    if chosen is not None and option_name("observation", chosen) != found:
        what = (
            "no readout B"
            if found == "identity"
            else "a readout B and b"
            if found == "affine"
            else "a readout B"
        )
        name = option_name("observation", chosen)
        raise UserError(f"observation: {name}: the file holds {what}; must be {found}")
    read = {"observation": chosen or option("observation", found), "forcing": config["forcing"]}
    if not isinstance(network, OwnNetwork):
        return model_config(network, task.dt, masks) | read
    parts = {group: option(group, name) for group, name in PLAIN.items()}
    return {
        **parts,
        "latent_dim": network.sizes[1],
        "initial_state": "data" if network.starts_from_data else "learned",
        "latent_step": network.step,
        **read,
    }


def _read(config: dict[str, Any]) -> Network:
    path = config["file"]
    try:
        found = format_of(path) if config["format"] == "auto" else config["format"]
        if found == "npz":
            return _read_own(config)
        if config.get("latent_step") is not None:
            raise UserError(f"{path}: says itself what network it holds; leave latent_step out")
        if found == "spikernn":
            if config["dale_ratio"] is not None:
                raise UserError(
                    f"{path}: spikeRNN's files say themselves who is inhibitory; leave dale_ratio out"
                )
            return spikernn.read_network(path, config["transfer_function"], config["tau"])
        return psychrnn.read_network(path, config["transfer_function"], config["dale_ratio"])
    except UserError as error:
        text = str(error)
        names_a_key = text.split(":")[0] in config
        raise UserError(text if names_a_key else f"file: {text}") from error


def _read_own(config: dict[str, Any]) -> Network:
    if config["dale_ratio"] is not None:
        raise UserError(
            f"dale_ratio: {config['dale_ratio']}: is for PsychRNN's files, {config['file']} is none"
        )
    node = config.get("task")
    of_task = None if node is None else build_task({"task": node}).output_dim
    step, function = config.get("latent_step"), config["transfer_function"]
    return read_own(config["file"], step, function, config["n_outputs"], of_task)


def _with_settings(network: Network, config: dict[str, Any], task: Task) -> Network:
    """Let the settings of the command line take the place of those of the file."""
    if not isinstance(network, LeakyNetwork):
        given = [name for name in LEAKY_SETTINGS if config[name] is not None]
        if config.get("task") is None and "dt" in given:
            given.remove("dt")
        if given:
            raise UserError(
                f"{given[0]}: {config[given[0]]}: is for leaky networks, {config['file']} is none"
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


def _check_sizes(file: str, network: Network, task: Task) -> None:
    n_inputs, _, n_outputs = network.sizes
    if (n_inputs, n_outputs) != (task.input_dim, task.output_dim):
        raise UserError(
            f"file: {file}: has {n_inputs} inputs and {n_outputs} outputs, the task {type(task).__name__} has "
            f"{task.input_dim} and {task.output_dim}"
        )


def _fill(parts: Parts, network: Network, file: str) -> None:
    try:
        if isinstance(network, LeakyNetwork):
            set_rules(parts.model, network)
            set_weights(parts.model, network.named(), origin=file)
        elif isinstance(network, OwnNetwork):
            _check_all_there(parts, network)
            set_weights(parts.model, network.arrays, origin=file)
        else:
            set_weights(parts.model, named_lstm(network), origin=file)
    except ValueError as error:
        raise UserError(f"file: {error}") from error


def _check_all_there(parts: Parts, network: OwnNetwork) -> None:
    """Refuse a file that lacks a weight of the latent step or the readout.

    Raises:
        ValueError: with its name.
    """
    needed = {**parts.model.latent_step.weights(), **parts.model.observation.weights()}
    missing = [name for name in needed if name not in network.arrays and needed[name].numel()]
    if missing:
        kind = option_name("latent_step", network.step)
        raise ValueError(f"it lacks {', '.join(missing)}, which {kind} has")


def _write_config(config: dict[str, Any], directory: Path, overrides: list[str]) -> None:
    """Write what `rnnexp train resume=...` and `rnnexp collect` read."""
    folder = directory / ".hydra"
    folder.mkdir(exist_ok=True)
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    OmegaConf.save(OmegaConf.create(overrides), folder / "overrides.yaml")
