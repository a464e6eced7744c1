"""`rnnexp train`: one training, or one job of a sweep."""

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from rnnexp.config.job import arguments_of_training
from rnnexp.training.run import train


def job(cfg: DictConfig) -> float:
    """Train one run of a `rnnexp train` command; returns the best validation value, for sweepers."""
    config, directory, overrides = arguments_of_training(cfg)
    is_later = HydraConfig.get().mode == RunMode.MULTIRUN and config["trainer"]["plots"] == "best"
    return train(config, directory, overrides, draws=not is_later)
