"""Fixtures of the tests of rollouts."""

import pytest

from rnnexp.recurrence import threads
from rnnexp.recurrence.fused import compilation


@pytest.fixture
def with_threads(monkeypatch):
    """Let compiled recurrences use a number of threads, even where it does not pay."""
    monkeypatch.setattr(compilation, "WORTH_A_THREAD", 1)

    def use(count):
        monkeypatch.setattr(threads, "_most", count)

    return use
