"""A training that is killed, at any moment, gives the same results to the last bit once it is continued."""

import os
import random
import shutil
import signal
import time

import pytest

SHORT = ["task.T=200", "task.dt=20", "latent_dim=4"]
EVERY = ["trainer.n_steps=6", "trainer.eval_every=2", "trainer.batch_size=4", "trainer.n_validation_trials=4",
         "trainer.n_test_trials=4", "trainer.plots=false", "trainer.save_every=3"]  # fmt: skip
SERIES = ["task=lorenz63", "task.n_training=300", "task.n_validation=200", "task.n_test=200",
          "task.sequence_length=20", "task.free_run_steps=100", "task.lyapunov_steps=20"]  # fmt: skip
KINDS = {
    "cognitive": ["task=simple_pd", *SHORT, "latent_step.num_relus=2"],
    "curriculum": ["curriculum=coherence", *SHORT, "latent_step.num_relus=2", "curriculum.thresholds=0.3",
                   "curriculum.n_trials=4"],
    "adaptive forcing": [*SERIES, "latent_dim=5", "latent_step.num_relus=2", "forcing=agtf",
                         "forcing.update_every=2"],
    "LSTM": ["task=simple_pd", *SHORT, "latent_step=LSTM"],
    "chunks": ["task=perceptual_discrim", *SHORT, "latent_step.num_relus=2", "trainer.chunk_size=3"],
    "restored": ["task=simple_pd", *SHORT, "latent_step.num_relus=2", "optimizer=sgd", "optimizer.lr=1e38",
                 "trainer.clip=none", "loss.lambda_mse=1e6", "trainer.on_nonfinite=restore_and_lower_lr"],
    "Dale": ["task=simple_pd", *SHORT, "latent_dim=5", "latent_step=Basic", "constraint=dale"],
}  # fmt: skip
TOLD_TO_START_AGAIN = "was stopped before its configuration was written"


class Trial:
    """Kills one kind of training again and again, each time in a directory of its own."""

    def __init__(self, processes, folder, line):
        self.processes, self.folder, self.line = processes, folder, [*line, *EVERY]
        begin = time.monotonic()
        self.path = folder / "run"  # always the same: nothing about it may depend on the name
        assert self.run(watch={"folder": str(self.path)}).code == 0
        self.duration = time.monotonic() - begin
        self.n_events, self.n_writes = processes.counts()
        self.whole = folder / "whole"
        self.path.rename(self.whole)

    def run(self, **faults):
        return self.processes.run(["train", *self.line, f"hydra.run.dir={self.path}"], self.folder, **faults)

    def resume(self, **faults):
        return self.processes.run(["train", f"resume={self.path}"], self.folder, **faults)

    def remove(self):
        shutil.rmtree(self.path)

    def killed_at_a_time(self, draw):
        """Kill the process from outside, at a moment between its start and its end."""
        words = ["train", *self.line, f"hydra.run.dir={self.path}"]
        started = self.processes.start(words, self.folder)
        time.sleep(draw.uniform(0, self.duration))
        if not self.path.exists():  # most of the time goes into what comes before; wait for something to lose
            while not self.path.exists():
                time.sleep(0.001)
            time.sleep(draw.uniform(0, self.duration / 4))
        os.kill(started[0], signal.SIGKILL)
        return self.processes.wait(started)

    def killed(self, draw):
        """Kill one training; returns how it was done."""
        how = draw.choice(["time", "event", "write", "write"])
        if how == "time":
            return how, self.killed_at_a_time(draw)
        n = self.n_events if how == "event" else self.n_writes
        watch = {"folder": str(self.path), how: draw.randrange(n), "share": draw.random()}
        return f"{how} {watch[how]} of {n}, share {watch['share']:.2f}", self.run(watch=watch)

    def goes_on(self, draw):
        """Continue the training, sometimes after it was killed once more while it was continued."""
        how = ""
        if draw.random() < 0.3:
            watch = {"folder": str(self.path), "write": draw.randrange(self.n_writes), "share": draw.random()}
            self.resume(watch=watch)
            how = f", again at write {watch['write']}"
        ended = self.resume()
        if ended.code and TOLD_TO_START_AGAIN in ended.err:
            long_ago = time.time() - 120
            for path in (self.path, *self.path.rglob("*")):
                os.utime(path, (long_ago, long_ago))
            return f"{how}, from the same line", self.run()
        return how, ended


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    kind, processes, results, is_long, tmp_path, capsys
):
    trial = Trial(processes, tmp_path, KINDS[kind])
    whole = results(trial.whole)
    number = list(KINDS).index(kind)
    draw = random.Random(number)
    n_killed, told = 0, []
    while n_killed < (9 if is_long else 1):
        assert len(told) < 30, told
        how, ended = trial.killed(draw)
        assert ended.code in (0, -signal.SIGKILL), (how, ended.err)
        n_killed += ended.code != 0
        again, ended = trial.goes_on(draw)
        told.append(how + again)
        assert ended.code == 0, (told, ended.err)
        differing = {name for name, value in results(trial.path).items() if whole.get(name) != value}
        assert not differing, (told, differing)
        assert results(trial.path).keys() == whole.keys(), told
        left = [path.name for path in trial.path.rglob(".*") if ".tmp" in path.name or ".pt." in path.name]
        assert not left, (told, left)
        trial.remove()
    if is_long:
        with capsys.disabled():
            print(f"\n{kind}: {n_killed} killed: {'; '.join(told)}")
