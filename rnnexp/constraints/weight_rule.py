"""From the raw parameter of a weight matrix to the effective weight: who is connected, and with which sign."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

SignRule = Literal["absolute", "rectified", "projected"]
SIGN_RULES = get_args(SignRule)


class WeightRule(nn.Module):
    """The rule that one weight matrix obeys; it holds no parameter itself.

        no signs    W_eff = W * mask
        absolute    W_eff = |W * mask| diag(signs)         (PsychRNN)
        rectified   W_eff = relu(W * mask) diag(signs)     (spikeRNN)
        projected   W_eff = W * mask, and `project` sets entries of the wrong sign to 0 after each update (nn4n)

    Weights are (post, pre): the sign goes with the column, the presynaptic unit. Mask and signs are part of the
    state dict.

    Args:
        mask: (post, pre), entries >= 0, 0 where there is no connection; None connects all.
        signs: (pre,), +1 excitatory, -1 inhibitory, 0 for a unit without any connection here; None allows both.
        sign_rule: how signs are kept; needs signs.
        excitatory_fraction: nominal share of excitatory units, in [0, 1], for the balance of initial weights.

    Raises:
        ValueError: an argument is not allowed.
    """

    def __init__(
        self,
        mask: Tensor | None = None,
        signs: Tensor | None = None,
        sign_rule: SignRule | None = None,
        excitatory_fraction: float | None = None,
    ) -> None:
        super().__init__()
        if (signs is None) != (sign_rule is None):
            raise ValueError("signs and sign_rule must be given together")
        if sign_rule not in (None, *SIGN_RULES):
            raise ValueError(f"sign_rule must be one of {', '.join(SIGN_RULES)}, got {sign_rule!r}")
        if mask is not None and not (torch.isfinite(mask).all() and (mask >= 0).all()):
            raise ValueError("a connectivity mask must hold finite numbers >= 0")
        dtype = torch.get_default_dtype()
        self.sign_rule = sign_rule
        self.excitatory_fraction = excitatory_fraction
        self.register_buffer("mask", None if mask is None else mask.to(dtype))
        self.register_buffer("signs", None if signs is None else signs.to(dtype))

    def forward(self, raw: Tensor) -> Tensor:
        """Return the effective weight (post, pre) of a raw one."""
        masked = raw if self.mask is None else raw * self.mask
        if self.sign_rule == "absolute":
            return masked.abs() * self.signs
        if self.sign_rule == "rectified":
            return torch.relu(masked) * self.signs
        return masked

    def project(self, raw: Tensor) -> None:
        """Set entries of a projected raw weight that have the wrong sign or no connection to 0, in place."""
        if self.sign_rule == "projected":
            with torch.no_grad():
                raw.masked_fill_(raw * self.signs < 0, 0.0)
                raw.masked_fill_((self.signs == 0).expand_as(raw), 0.0)
                if self.mask is not None:
                    raw.masked_fill_(self.mask == 0, 0.0)


@dataclass(frozen=True)
class WeightRules:
    """The rules of a network's matrices; None leaves a matrix free."""

    input: WeightRule | None = None
    recurrent: WeightRule | None = None
    output: WeightRule | None = None


def effective(raw: Tensor, rule: WeightRule | None) -> Tensor:
    """Return the effective weight of a raw one; without a rule it is the raw one itself."""
    return raw if rule is None else rule(raw)
