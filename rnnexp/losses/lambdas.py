"""How a loss option turns its lambda_<key> arguments and the user's own terms into a weighted sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rnnexp.config.suggestions import did_you_mean
from rnnexp.losses.entries import TermLike, as_scalar, snake_case


def with_user_terms(
    built_in: Mapping[str, tuple[float, TermLike]],
    terms: Mapping[str, TermLike] | None,
    lambda_terms: Mapping[str, float] | None,
) -> tuple[dict[str, TermLike], dict[str, float]]:
    """Check all lambdas and put the user's terms after the built-in ones.

    Args:
        built_in: key -> (value of the argument lambda_<key>, term).
        terms: name -> further term, or None.
        lambda_terms: name -> lambda of an entry of `terms`, 1 for names not given; or None.

    Returns:
        The terms and the weights of a CompositeLoss, both by name.

    Raises:
        ValueError: a lambda that is negative or not finite, all of them 0, a name of `terms` that a built-in
            term has, or a name of `lambda_terms` that `terms` lacks.
    """
    lambdas = {key: checked_lambda(f"lambda_{key}", value) for key, (value, _) in built_in.items()}
    lambdas |= _user_lambdas(terms or {}, lambda_terms or {}, reserved=built_in)
    if not any(lambdas.values()):
        raise ValueError("every lambda is 0: at least one term of the loss must have a lambda > 0")
    return {key: term for key, (_, term) in built_in.items()} | dict(terms or {}), lambdas


def checked_lambda(name: str, value: object) -> float:
    """The value as a float.

    Args:
        name: of the argument, for the error text.
        value: a finite number >= 0.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        number = as_scalar(value, name)
    except ValueError:
        number = -1.0
    if number < 0.0:
        raise ValueError(f"{name} must be a finite number >= 0, got {value}")
    return number


def _user_lambdas(
    terms: Mapping[str, TermLike], lambda_terms: Mapping[str, float], reserved: Iterable[str]
) -> dict[str, float]:
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
