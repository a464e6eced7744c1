"""`rnnexp simulate`: run a trained network on the user's own inputs, or freely."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnexp.commands.array_files import check_out, read_array, write_npz
from rnnexp.commands.lesion import lesion
from rnnexp.config.validation import validate
from rnnexp.errors import UserError
from rnnexp.saved.model import load_model
from rnnexp.saved.simulation import Given, simulated

ARRAYS = ("inputs", "initial", "start", "t_connectivity")


def job(cfg: DictConfig) -> None:
    """Run one `rnnexp simulate` command."""
    validate(cfg, "simulate")
    run(OmegaConf.to_container(cfg, resolve=True))


def run(config: dict[str, Any]) -> None:
    """Simulate and write one .npz file with inputs, latents, rates, outputs and initial.

    Args:
        config: resolved and validated configuration of `rnnexp simulate`.

    Raises:
        UserError: the checkpoint, the inputs or the output file cannot be used.
    """
    out = check_out(config["out"], config["overwrite"])
    if config["inputs"] is None and config["n_steps"] is None:
        raise UserError("simulate needs inputs=STIM.npz (B, T, K), or n_steps=N for a free run")
    saved = load_model(config)
    given = {
        key: None if config[key] is None else Given(read_array(key, config[key]), config[key])
        for key in ARRAYS
    }
    lesion(saved.model, config["lesion"], saved.config["seed"] if config["seed"] is None else config["seed"])
    settings = {key: config[key] for key in ("n_steps", "noise", "seed", "units")}
    simulation = simulated(saved, **given, **settings)
    write_npz(out, simulation.arrays())
    n_trials, n_steps, n_outputs = simulation.outputs.shape
    known = {"data": " in the units of the data", "standardized": " in standardised units", None: ""}
    outputs = f"{n_outputs} outputs{known[simulation.units]}"
    print(f"{out}: {n_trials} trials, {n_steps} steps, {outputs}, {simulation.latents.shape[-1]} latents")
