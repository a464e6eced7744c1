"""Which parameters of a model learn, and how fast each of them does."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnexp.constraints.parameter_names import matching, parameters_by_name
from rnnexp.errors import UserError
from rnnexp.models import RNN


def freeze(model: RNN, patterns: Sequence[str]) -> None:
    """Let parameters keep their values.

    Args:
        model: changed in place.
        patterns: plain names, or patterns such as "W*".

    Raises:
        UserError: a pattern matches nothing, or nothing is left to learn.
    """
    parameters = parameters_by_name(model)
    try:
        frozen = matching(patterns, parameters, "freeze")
    except ValueError as error:
        raise UserError(str(error)) from error
    for name in frozen:
        parameters[name].requires_grad_(False)
    if frozen and not any(parameter.requires_grad for parameter in parameters.values()):
        raise UserError(f"freeze: [{', '.join(patterns)}]: nothing is left to learn")


def groups_of_names(model: RNN, rates: Mapping[str, float]) -> list[tuple[list[str], float | None]]:
    """Return the plain names of the parameters that learn, each group with its learning rate.

    Args:
        model: with its frozen parameters.
        rates: learning rates by plain name or pattern; of several that match the first counts.

    Returns:
        First those that have the rate of the optimizer, None, if there are any.

    Raises:
        UserError: a pattern matches no parameter that learns and has no rate yet.
    """
    rest = [name for name, parameter in parameters_by_name(model).items() if parameter.requires_grad]
    groups: list[tuple[list[str], float | None]] = []
    for pattern, rate in rates.items():
        try:
            names = matching([pattern], rest, "lr_of")
        except ValueError as error:
            raise UserError(f"{error}, of those that learn and have no rate yet") from error
        rest = [name for name in rest if name not in names]
        groups.append((names, rate))
    return [(rest, None), *groups] if rest else groups


def optimized(model: RNN, rates: Mapping[str, float]) -> list[Any]:
    """Return the parameters that learn as an optimizer takes them, in groups where there are further learning rates.

    Raises:
        UserError: see `groups_of_names`.
    """
    groups = groups_of_names(model, rates)
    parameters = parameters_by_name(model)
    if not rates:
        return [parameters[name] for name in groups[0][0]]
    return [
        {"params": [parameters[name] for name in names], **({} if rate is None else {"lr": rate})}
        for names, rate in groups
    ]
