"""The input matrix C of the PLRNN family: learned, or the fixed identity on the last units."""

import torch
from torch import Tensor, nn


def add_input_matrix(module: nn.Module, latent_dim: int, input_dim: int, learnable: bool) -> None:
    """Give a module its input matrix `C` (M, K).

    Learned: a parameter of zeros, to be initialised. Fixed: the buffer [0; I_K], by which the inputs drive the
    last K units (Durstewitz lab, latent step model). Without inputs C is None.

    Raises:
        ValueError: a fixed C needs more units than inputs.
    """
    if input_dim == 0:
        module.C = None
    elif learnable:
        module.C = nn.Parameter(torch.zeros(latent_dim, input_dim))
    elif latent_dim <= input_dim:
        raise ValueError(
            f"learnable_C=False lets the inputs drive the last units one to one, so latent_dim must be > the number "
            f"of inputs ({input_dim}), got latent_dim={latent_dim}"
        )
    else:
        fixed = torch.zeros(latent_dim, input_dim)
        fixed[latent_dim - input_dim :] = torch.eye(input_dim)
        module.register_buffer("C", fixed)


def add_input(z: Tensor, matrix: Tensor | None, s: Tensor | None) -> Tensor:
    """Return z + C s, or z when there is no input; z (B, M), s (B, K)."""
    return z if s is None or matrix is None else z + s @ matrix.T


def fill_input_matrix(module: nn.Module, bound: float, generator: torch.Generator) -> None:
    """Draw a learned C uniformly from [-bound, bound]; a fixed one stays."""
    if isinstance(module.C, nn.Parameter):
        with torch.no_grad():
            module.C.uniform_(-bound, bound, generator=generator)
