"""How many threads are used, and that a training does not depend on it."""

import multiprocessing

import pytest
import torch

from rnnexp.recurrence import threads
from rnnexp.recurrence.fused import compilation
from rnnexp.training.run import train


@pytest.fixture(autouse=True)
def restored():
    before = threads._most, threads._of_torch
    yield
    threads._most, threads._of_torch = before
    torch.set_num_threads(1)


def threads_of_a_worker(queue):
    threads._AVAILABLE = 4
    threads.use_threads("auto")
    queue.put(threads.most_threads())


def test_auto_takes_all_cores_but_one_in_a_parallel_job(monkeypatch):
    monkeypatch.setattr(threads, "_AVAILABLE", 4)
    threads.use_threads("auto")
    assert threads.most_threads() == 4
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=threads_of_a_worker, args=(queue,))
    worker.start()
    assert queue.get(timeout=60) == 1
    worker.join()


def test_torch_has_one_thread_beside_compiled_recurrences():
    torch.set_num_threads(2)
    threads.use_threads(3)
    assert threads.most_threads() == 3
    assert torch.get_num_threads() == 1
    threads.use_threads_for_torch()
    assert torch.get_num_threads() == 3
    threads.use_threads("auto")
    threads.use_threads_for_torch()
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("latent_step", ["ALRNN", "CTRNN"])
def test_a_training_is_the_same_to_the_last_bit(latent_step, tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(compilation, "WORTH_A_THREAD", 1)
    used = set()
    pool = compilation._threads
    monkeypatch.setattr(compilation, "_threads", lambda count: used.add(count) or pool(count))
    for count in (1, 2):
        config = tiny_config(f"latent_step={latent_step}", f"device.threads={count}", "trainer.batch_size=70")
        train(config, tmp_path / str(count), [])
    one, two = (torch.load(tmp_path / n / "checkpoints" / "last.pt")["model"] for n in ("1", "2"))
    assert used == {1}
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_small_work_is_not_shared(monkeypatch):
    def no_pool(count):
        raise AssertionError("a thread was called for a small piece of work")

    monkeypatch.setattr(compilation, "_threads", no_pool)
    threads.use_threads(4)
    calls = []

    def function(part, start, stop, array):
        calls.append((part, start, stop))

    monkeypatch.setattr(compilation, "_compile", lambda function, arrays: None)
    compilation.run(function, 70, 1000, torch.zeros(1))
    assert calls == [(0, 0, 16), (1, 16, 32), (2, 32, 48), (3, 48, 64), (4, 64, 70)]
