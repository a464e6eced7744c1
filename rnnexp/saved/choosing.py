"""Which rows of a table of runs are wanted, and in which order: --where, --sort, --group-by."""

import operator
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnexp.config.suggestions import did_you_mean
from rnnexp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

COMPARISONS = {
    "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "=": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
CONDITION = re.compile(r"\s*([^=!<>]+?)\s*(!=|<=|>=|==|=|<|>)\s*(.*?)\s*")


def chosen(table: "pd.DataFrame", where: Sequence[str] = (), sort: str | None = None) -> "pd.DataFrame":
    """Return the rows that are wanted, in order.

    Args:
        table: of runs.
        where: conditions such as "optimizer.lr<=1e-3", "latent_step=ALRNN", "status!=finished"; all must hold. Values
            are compared as values: 1e-3 is 0.001, False is false.
        sort: a column, with - before it the largest first; rows without a value come last.

    Raises:
        UserError: there is no such column, or a condition has another form.
    """
    attributes = table.attrs
    for condition in where:
        table = table[_holds(table, condition)]
    if sort is not None:
        name = column(table, sort.removeprefix("-"), "--sort")
        table = table.sort_values(name, ascending=not sort.startswith("-"), kind="stable", na_position="last")
    table.attrs = attributes
    return table


def column(table: "pd.DataFrame", name: str, flag: str) -> str:
    """Return the name of a column.

    Raises:
        UserError: the table has none of this name.
    """
    if name not in table.columns:
        hint = did_you_mean(name, table.columns) or f", must be one of {', '.join(table.columns)}"
        raise UserError(f"{flag} {name}: no run has this{hint}")
    return name


def _holds(table: "pd.DataFrame", condition: str) -> "pd.Series":
    import pandas as pd

    found = CONDITION.fullmatch(condition)
    if found is None:
        raise UserError(f"--where {condition}: must have the form KEY=VALUE, with = != < <= > >=")
    key, sign, text = found.groups()
    values = table[column(table, key, "--where")]
    compare = COMPARISONS["=" if sign == "==" else sign]
    numbers = pd.to_numeric(values, errors="coerce")
    try:
        wanted = float(text)
    except ValueError:
        if sign not in ("=", "==", "!="):
            raise UserError(f"--where {condition}: {text}: must be a number") from None
        return compare(values.map(_text), text.strip("'\"").lower())
    return compare(numbers, wanted) & numbers.notna() if sign != "!=" else ~(numbers == wanted)


def _text(value: Any) -> str:
    return "null" if value is None or value != value else str(value).lower()
