"""The plain names of a model's parameters, W_rec, W_in, b_rec, tau, A, W, C, B, b, z0, and patterns of them."""

from collections import Counter
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from torch import nn

from rnnexp.config.suggestions import did_you_mean


def parameters_by_name(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters of a model by their plain names.

    The plain name is the last part of the full one, without the `_raw` of a parameter that a rule acts on; where
    several parameters share it, these go by their full names.
    """
    named = dict(model.named_parameters())
    plain = {full: full.rpartition(".")[2].removesuffix("_raw") for full in named}
    count = Counter(plain.values())
    return {plain[full] if count[plain[full]] == 1 else full: named[full] for full in named}


def matching(patterns: Iterable[str], names: Collection[str], key: str) -> list[str]:
    """Return the names that at least one pattern matches, in their order.

    Args:
        patterns: names, or shell patterns such as "W*".
        names: there are.
        key: what error messages call the patterns.

    Raises:
        ValueError: a pattern matches nothing.
    """
    patterns = list(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{key}: {pattern}: there is no such weight{did_you_mean(pattern, names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
