"""Fixtures that tests of whole trainings share."""

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

CONF = Path(__file__).parents[1] / "conf"
TINY = [
    "trainer.n_steps=6",
    "trainer.eval_every=2",
    "trainer.batch_size=8",
    "trainer.n_validation_trials=16",
    "trainer.n_test_trials=16",
    "trainer.plots=false",
    "latent_dim=8",
    "task.T=300",
    "task.dt=20",
]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small networks are fastest with one thread, and test processes run side by side."""
    torch.set_num_threads(1)


@pytest.fixture
def compose_config():
    """Compose a resolved configuration as the command line would."""

    def compose_(*overrides, command="train"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return OmegaConf.to_container(compose(command, overrides=list(overrides)), resolve=True)

    return compose_


@pytest.fixture
def tiny_config(compose_config):
    """Compose a configuration of a training that takes a fraction of a second."""
    return lambda *overrides: compose_config(*TINY, *overrides)


def pytest_collection_modifyitems(items):
    """Thin out what is marked so; let the slowest tests begin first, so that processes end at about the same time."""
    if os.environ.get("RNNEXP_FAULTS") != "long":
        alike = Counter()
        kept = []
        for item in items:
            name = (item.path, item.originalname)
            if item.get_closest_marker("thinned") is None or alike[name] % 2 == 0:
                kept.append(item)
            alike[name] += 1
        items[:] = kept
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
