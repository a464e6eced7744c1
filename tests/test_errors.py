"""What is said about an error: one sentence, with the type only where the message is not meant for the user."""

import numpy as np
import pytest
import torch

from rnnexp.errors import UserError, reason_of


def test_a_message_for_the_user_stands_alone():
    assert reason_of(UserError("seed: -1: must be >= 0")) == "seed: -1: must be >= 0"
    assert reason_of(ZeroDivisionError("division by zero")) == "ZeroDivisionError: division by zero"
    assert reason_of(ValueError()) == "ValueError"


@pytest.mark.parametrize("allocate", [lambda: torch.empty(10**15), lambda: np.empty(10**18)])
def test_too_little_memory_is_said_in_words(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate()
    reason = reason_of(caught.value)
    assert reason.startswith("not enough memory for ")
    assert reason.endswith(": fewer time steps, units or trials at once need less")


def test_the_wanted_memory_is_given_in_gigabytes():
    error = RuntimeError(
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 800000000000 bytes."
    )
    assert reason_of(error).startswith("not enough memory for 800 GB:")
    error = RuntimeError(
        "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 1 GiB"
    )
    assert reason_of(error).startswith("not enough memory for 2.50 GiB:")


def test_a_full_disk_is_said_in_words():
    error = OSError(28, "No space left on device", "/data/metrics.csv")
    assert reason_of(error) == "/data/metrics.csv: cannot be written: the disk is full"
    assert reason_of(OSError(28, "No space left on device")) == "a file: cannot be written: the disk is full"
