"""Adam as TensorFlow 1 has it, and so PsychRNN."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class TensorFlowAdam(torch.optim.Adam):
    """Adam with "epsilon hat": w <- w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps).

    torch's Adam divides v by 1 - beta2^t before it adds its eps, so it is the same with eps / sqrt(1 - beta2^t) there.
    The two differ where gradients are about as small as eps, most in the first updates.
    Source: Kingma & Ba 2015, end of section 2; TensorFlow 1, AdamOptimizer.

    Args:
        params: parameters, as torch takes them.
        lr: learning rate, > 0.
        betas: decay of the two running means, each in [0, 1).
        eps: epsilon hat, >= 0.
        fused: one pass over all parameters.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        fused: bool | None = None,
    ) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, fused=fused)

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Update all parameters that have a gradient."""
        given = [group["eps"] for group in self.param_groups]
        try:
            for group, eps in zip(self.param_groups, given, strict=True):
                counts = [int(self.state[p]["step"]) for p in group["params"] if self.state.get(p)]
                t = max(counts, default=0) + 1
                group["eps"] = eps / (1 - group["betas"][1] ** t) ** 0.5
            return super().step(closure)
        finally:
            for group, eps in zip(self.param_groups, given, strict=True):
                group["eps"] = eps  # checkpoints hold epsilon hat
