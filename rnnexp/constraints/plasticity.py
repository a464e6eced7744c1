"""Entries of parameters that learn slowly or not at all, whatever the optimizer."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from rnnexp.constraints.array_files import Table, read_array
from rnnexp.constraints.parameter_names import parameters_by_name


class Plasticity(nn.Module):
    """Multiplies every update of a model's parameters: W <- W_old + m (W_new - W_old), entry by entry.

    The update is scaled, not the gradient: Adam undoes any scale of the gradient. Entries with m = 0 keep their
    value to the last bit and do not count in the gradient norm. The multipliers are part of the state dict.

    Args:
        model: its parameters go by their last name, without `_raw`: W_rec, W_in, b_rec, tau, A, W, C, B, b, z0.
        fixed: name -> array of the parameter's shape, nonzero where m is 0; for None nothing is fixed.
        plasticity: name -> m, >= 0; for None it is 1.

    Raises:
        ValueError: the model has no such parameter, or an array does not fit it.
    """

    def __init__(
        self,
        model: nn.Module,
        fixed: Mapping[str, Table | float | None],
        plasticity: Mapping[str, Table | float | None],
    ) -> None:
        super().__init__()
        parameters = parameters_by_name(model)
        for name in dict.fromkeys([*fixed, *plasticity]):
            if name not in parameters:
                raise ValueError(
                    f"fixed and plasticity name parameters of the model: {', '.join(parameters)}; got {name}"
                )
            shape = parameters[name].shape
            multiplier = torch.ones(shape, dtype=torch.float64)
            if plasticity.get(name) is not None:
                multiplier = read_array(name, plasticity[name], shape)
                if (multiplier < 0).any():
                    raise ValueError(f"plasticity.{name} must hold numbers >= 0")
            if fixed.get(name) is not None:
                multiplier = torch.where(read_array(name, fixed[name], shape) != 0, 0.0, multiplier)
            self.register_buffer(name, multiplier.to(torch.get_default_dtype()))

    def mask_gradients(self, model: nn.Module) -> None:
        """Set the gradients of entries that never change to 0, in place."""
        parameters = parameters_by_name(model)
        for name, multiplier in self.named_buffers():
            gradient = parameters[name].grad
            if gradient is not None:
                gradient.masked_fill_(multiplier == 0, 0.0)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Scale the update that happens inside the block."""
        parameters = parameters_by_name(model)
        old = {name: parameters[name].detach().clone() for name, _ in self.named_buffers()}
        yield
        with torch.no_grad():
            for name, multiplier in self.named_buffers():
                new = parameters[name]
                scaled = old[name] + multiplier * (new - old[name])
                new.copy_(torch.where(multiplier == 0, old[name], torch.where(multiplier == 1, new, scaled)))
