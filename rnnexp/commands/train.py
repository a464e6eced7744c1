"""`rnnexp train`: one training, or one job of a sweep."""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from rnnexp.config.plain_data import refuse_interpolations
from rnnexp.config.validation import validate
from rnnexp.training.run import train


def job(cfg: DictConfig) -> float:
    """Train one run of a `rnnexp train` command; returns the best validation value, for sweepers."""
    validate(cfg, "train")
    hydra = HydraConfig.get()
    config = OmegaConf.to_container(cfg, resolve=True)
    refuse_interpolations(config, "train")  # a text such as \\${x} could not be read back
    return train(config, Path(hydra.runtime.output_dir), list(hydra.overrides.task))
