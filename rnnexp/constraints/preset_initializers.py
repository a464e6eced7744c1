"""The recipes that initializer=auto stands for in leaky networks, with their published defaults."""

from typing import Literal

from rnnexp.constraints.initializers import Initializer
from rnnexp.constraints.nn4n_initializer import NN4NInitializer
from rnnexp.constraints.psychrnn_initializer import PsychRNNInitializer
from rnnexp.constraints.spectral_radius_initializer import SpectralRadiusInitializer
from rnnexp.constraints.spikernn_initializer import SpikeRNNInitializer

InitializerName = Literal["psychrnn", "nn4n", "spikernn", "spectral_radius"]

RECIPES: dict[str, type[Initializer]] = {
    "psychrnn": PsychRNNInitializer,
    "nn4n": NN4NInitializer,
    "spikernn": SpikeRNNInitializer,
    "spectral_radius": SpectralRadiusInitializer,
}


def initializer_named(name: InitializerName) -> Initializer:
    """Return a recipe with its published defaults.

    Raises:
        ValueError: there is no such recipe.
    """
    if name not in RECIPES:
        raise ValueError(f"auto_initializer must be one of {', '.join(RECIPES)}, got {name!r}")
    return RECIPES[name]()
