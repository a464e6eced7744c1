"""Fixtures of the tests of rollouts."""

import pytest
import torch

from rnnexp.recurrence import threads
from rnnexp.recurrence.fused import compilation


@pytest.fixture
def assert_threads_change_no_bit(monkeypatch):
    """Compute tensors with one, two and three threads, even where these do not pay, and compare them."""
    monkeypatch.setattr(compilation, "WORTH_A_THREAD", 1)

    def check(compute):
        found = []
        for count in (1, 2, 3):
            monkeypatch.setattr(threads, "_most", count)
            found.append(compute())
        for other in found[1:]:
            assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))

    return check
