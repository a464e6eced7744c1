"""Progress: a bar in a terminal, log lines elsewhere."""

import io
import logging
import multiprocessing
import sys

import pytest

from rnnexp.training.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(show_bar, n_steps=20):
    with Progress(n_steps, batch_size=8, first_step=0, show_bar=show_bar) as progress:
        for step in range(1, n_steps + 1):
            progress.step()
            progress.evaluated(step, 0.125, {"accuracy": 0.75}, 1234.5)


def test_a_terminal_gets_a_bar_with_loss_and_accuracy(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run(None)
    assert "160/160" in terminal.getvalue()
    assert "loss=0.125, accuracy=0.750" in terminal.getvalue()


@pytest.mark.parametrize("reason", ["pipe", "worker", "off"])
def test_no_bar_in_a_pipe_in_a_worker_or_when_switched_off(monkeypatch, reason):
    stream = io.StringIO() if reason == "pipe" else Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    if reason == "worker":
        monkeypatch.setattr(multiprocessing.current_process(), "name", "LokyProcess-1")
    run(False if reason == "off" else None)
    assert stream.getvalue() == ""


def test_about_ten_log_lines_and_one_at_the_end(caplog):
    with caplog.at_level(logging.INFO):
        run(False, n_steps=200)
    assert 10 <= len(caplog.messages) <= 12
    assert caplog.messages[-1] == ("step 200 of 200: validation loss 0.125, accuracy 0.750; 1234 trials/s")
