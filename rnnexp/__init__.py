"""Train, sweep and compare recurrent networks on cognitive tasks and time series.

From Python: `load` a run, `train` one, `compose` its configuration, `build` its parts, gather `runs` into a table,
`compare` networks. All that is heavy is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnexp.api import build, compare, compose, load, runs, train
    from rnnexp.errors import UserError
    from rnnexp.saved.run import Run

__version__ = "0.1.0"
__all__ = ["Run", "UserError", "__version__", "build", "compare", "compose", "load", "runs", "train"]
_HOMES = {
    "Run": "rnnexp.saved.run", "UserError": "rnnexp.errors", "build": "rnnexp.api", "compare": "rnnexp.api",
    "compose": "rnnexp.api", "load": "rnnexp.api", "runs": "rnnexp.api", "train": "rnnexp.api",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rnnexp' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
