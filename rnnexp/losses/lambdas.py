"""How a loss option turns its lambda_<key> arguments and the user's own terms into a weighted sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rnnexp.config.suggestions import did_you_mean
from rnnexp.losses.entries import TermLike, Weight, snake_case
from rnnexp.losses.schedules import Constant, Lambda, WeightSchedule, schedule_from
from rnnexp.numbers import finite_non_negative


def with_user_terms(
    built_in: Mapping[str, tuple[Lambda, TermLike]],
    terms: Mapping[str, TermLike] | None,
    lambda_terms: Mapping[str, Lambda] | None,
) -> tuple[dict[str, TermLike], dict[str, Weight]]:
    """Check all lambdas and put the user's terms after the built-in ones.

    Args:
        built_in: key -> (value of the argument lambda_<key>, term).
        terms: name -> further term, or None.
        lambda_terms: name -> lambda of an entry of `terms`, 1 for names not given; or None.

    Returns:
        The terms and the weights of a CompositeLoss, both by name.

    Raises:
        ValueError: a lambda that is negative, not finite or no schedule, all of them 0, a name of `terms` that a
            built-in term has, or a name of `lambda_terms` that `terms` lacks.
    """
    lambdas = {key: checked_lambda(f"lambda_{key}", value) for key, (value, _) in built_in.items()}
    lambdas |= _user_lambdas(terms or {}, lambda_terms or {}, reserved=built_in)
    if not any(lambdas.values()):
        raise ValueError("every lambda is 0: at least one term of the loss must have a lambda > 0")
    return {key: term for key, (_, term) in built_in.items()} | dict(terms or {}), lambdas


def checked_lambda(name: str, value: object) -> Weight:
    """The value as a float, or the schedule that it is or describes; a constant schedule is its number.

    Args:
        name: of the argument, for the error text.
        value: a finite number >= 0, a schedule, or a mapping, see `rnnexp.losses.schedules.schedule_from`.

    Raises:
        ValueError: if it is anything else.
    """
    if isinstance(value, Mapping):
        value = schedule_from(name, value)
    if isinstance(value, Constant):
        return value.value(0, 1)
    if isinstance(value, WeightSchedule):
        return value
    return finite_non_negative(name, value)


def _user_lambdas(
    terms: Mapping[str, TermLike], lambda_terms: Mapping[str, Lambda], reserved: Iterable[str]
) -> dict[str, Weight]:
    """The lambda of every user term."""
    for name in terms:
        if snake_case(name) in reserved:
            raise ValueError(f"terms.{name}: {', '.join(reserved)} are built-in terms, choose another name")
    for name in lambda_terms:
        if name not in terms:
            raise ValueError(
                f"lambda_terms.{name}: no entry of terms has this name{did_you_mean(name, terms)}"
            )
    return {name: checked_lambda(f"lambda_terms.{name}", lambda_terms.get(name, 1.0)) for name in terms}
