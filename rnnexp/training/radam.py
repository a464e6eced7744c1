"""RAdam in one pass over all parameters: with small networks torch's own loop takes longer than the gradient."""

import inspect
from collections.abc import Iterable

import torch
from torch import Tensor


class RAdam(torch.optim.RAdam):
    """Rectified Adam (Liu et al. 2020), the updates of `torch.optim.RAdam` to rounding.

    Once the variance of the second moment is tractable, from the sixth update on with the usual betas, an update of
    RAdam is one of Adam with the learning rate times the rectification and eps divided by sqrt(1 - beta2^t). So it is
    done by torch's fused Adam; the updates before that by torch's RAdam.

    Args:
        params: parameters, on one device and in one dtype.
        lr: learning rate, > 0.
        betas: decay of the two running means, each in [0, 1).
        eps: >= 0.
        weight_decay: L2 penalty, >= 0.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update all parameters that have a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            states = [self.state[p] for p in params]
            if not states:
                continue
            if not all(states) or rectification(int(states[0]["step"]) + 1, group["betas"][1]) is None:
                inspect.unwrap(torch.optim.RAdam.step)(self, closure)
                return
        for group in self.param_groups:
            self._fused_update(group)

    def _fused_update(self, group: dict) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        states = [self.state[p] for p in params]
        if not states:
            return
        beta1, beta2 = group["betas"]
        t = int(states[0]["step"]) + 1
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(  # what torch.optim.Adam(fused=True) calls in the end
            params,
            [p.grad for p in params],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"] * rectification(t, beta2),
            weight_decay=group["weight_decay"],
            eps=group["eps"] / (1 - beta2**t) ** 0.5,
            maximize=False,
        )


def rectification(t: int, beta2: float) -> float | None:
    """Return r_t, Liu et al. 2020, or None where the variance is not tractable, rho_t <= 5."""
    rho_max = 2 / (1 - beta2) - 1
    rho = rho_max - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return None
    return ((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho)) ** 0.5
