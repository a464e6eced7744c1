"""The training loop: sample, roll out, loss, backward, clip, step; evaluate, log, checkpoint."""

import logging
import math
import time
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rnnexp.errors import UserError
from rnnexp.numbers import integer_at_least, one_of, positive
from rnnexp.recurrence.threads import use_threads_for_torch
from rnnexp.tasks.base import Trials
from rnnexp.training.checkpoint import best_step, load_weights
from rnnexp.training.evaluation import evaluate, leading
from rnnexp.training.history import History
from rnnexp.training.interruption import stop_requests
from rnnexp.training.progress import Progress
from rnnexp.training.run_directory import RunDirectory
from rnnexp.training.stages import check_stage
from rnnexp.training.state import Parts, Session, State
from rnnexp.training.stopping import StoppingRules
from rnnexp.training.streams import (
    GlobalGenerators,
    globals_kept,
    globals_seeded,
    seed_globals,
    seed_modules,
    stream,
)
from rnnexp.training.trouble import OnNonfinite, Trouble

log = logging.getLogger(__name__)
TRAINING_STREAMS = ("training_trials", "training_noise")
CURRICULUM_STREAMS = ("curriculum_trials", "curriculum_noise")


class Trainer:
    """Trains a model on a task.

    Args:
        n_trials: training trials in all, > 0; the number of updates is ceil(n_trials / batch_size).
        n_steps: updates in all, > 0; when given, n_trials is not used.
        batch_size: trials of one update, > 0.
        chunk_size: trials of an update whose gradient is computed at once, > 0, which limits the memory; the
            gradients are added up. Every loss term is then the mean over the chunks, weighted by their trials, which
            is the term itself if that is a mean over trials; noise of the network is drawn chunk by chunk. None: the
            whole batch.
        eval_batch_size: trials that are run at once in an evaluation, > 0; sets the memory that it takes. No more than
            chunk_size are.
        eval_every: updates between evaluations on the validation trials, > 0.
        n_validation_trials: size of the fixed set of validation trials, > 0.
        n_test_trials: size of the set of fresh trials on which the best checkpoint is tested at the end, > 0.
        clip: "norm" scales all gradients so that their common norm is at most clip_norm, "per_variable" each
            parameter's gradient by itself (PsychRNN), "none" leaves them.
        clip_norm: > 0.
        best_metric: column of the validation rows by which best.pt is chosen.
        best_mode: "min", "max" or "auto": "max" for psc and what is named an accuracy, else "min".
        accuracy_cutoff: stop once the validation accuracy, of many tasks that of the worst, is >= this value in (0, 1];
            None: not asked for. In a curriculum the cutoffs count in the last stage only.
        loss_cutoff: stop once the validation loss is <= this value; None: not asked for. Where both cutoffs are
            given, both must hold in the same validation.
        patience: stop after that many evaluations without a better best_metric, > 0; None: never.
        min_steps: no stop by cutoffs or patience before that many updates, >= 0.
        on_nonfinite: what happens when the loss, a gradient or a parameter is not finite, see `Trouble`.
        max_nonfinite: how often a training goes on after that, >= 1.
        save_every: updates between extra checkpoints step_*.pt, > 0; None: none.
        plots: which plots/*.png are drawn at the end: "few", those looked at first; "all" or True; False: none; "best":
            few, and in a sweep of the best runs only.
        progress: show a bar: True, False, or "auto", in a terminal only.
        backend: how the model is rolled out, see `rnnexp.recurrence.rollout`.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        n_trials: int = 50_000,
        n_steps: int | None = None,
        batch_size: int = 128,
        chunk_size: int | None = None,
        eval_batch_size: int = 512,
        eval_every: int = 20,
        n_validation_trials: int = 512,
        n_test_trials: int = 2048,
        clip: Literal["norm", "per_variable", "none"] = "norm",
        clip_norm: float = 1.0,
        best_metric: str = "loss",
        best_mode: Literal["auto", "min", "max"] = "auto",
        accuracy_cutoff: float | None = None,
        loss_cutoff: float | None = None,
        patience: int | None = None,
        min_steps: int = 0,
        on_nonfinite: OnNonfinite = "stop",
        max_nonfinite: int = 10,
        save_every: int | None = None,
        plots: bool | Literal["few", "all", "best"] = "few",
        progress: bool | Literal["auto"] = "auto",
        backend: Literal["auto", "reference", "fused"] = "auto",
    ) -> None:
        self.batch_size = integer_at_least("batch_size", batch_size, 1)
        n_updates = math.ceil(integer_at_least("n_trials", n_trials, 1) / self.batch_size)
        self.n_steps = n_updates if n_steps is None else integer_at_least("n_steps", n_steps, 1)
        most = self.eval_batch_size = integer_at_least("eval_batch_size", eval_batch_size, 1)
        self.chunk_size = self.batch_size
        if chunk_size is not None:
            self.chunk_size = integer_at_least("chunk_size", chunk_size, 1)
            self.eval_batch_size = min(most, self.chunk_size)
        self.eval_every = integer_at_least("eval_every", eval_every, 1)
        self.n_validation_trials = integer_at_least("n_validation_trials", n_validation_trials, 1)
        self.n_test_trials = integer_at_least("n_test_trials", n_test_trials, 1)
        self.clip = one_of("clip", clip, ("norm", "per_variable", "none"))
        self.clip_norm = positive("clip_norm", clip_norm)
        if not isinstance(best_metric, str):
            raise ValueError(f"best_metric must be the name of a column, got {best_metric!r}")
        self.best_metric = best_metric
        one_of("best_mode", best_mode, ("auto", "min", "max"))
        self.best_is_largest = _is_largest_best(best_metric, best_mode)
        self.stopping = StoppingRules(accuracy_cutoff, loss_cutoff, patience, min_steps, best_metric)
        self.trouble = Trouble(on_nonfinite, max_nonfinite, clip, min(16, self.eval_batch_size))
        self.save_every = None if save_every is None else integer_at_least("save_every", save_every, 1)
        self.plots = one_of("plots", plots, (True, False, "few", "all", "best"))
        self.backend = one_of("backend", backend, ("auto", "reference", "fused"))
        self.show_bar = None if one_of("progress", progress, (True, False, "auto")) == "auto" else progress

    @globals_kept()
    def fit(
        self,
        parts: Parts,
        run: RunDirectory,
        config: dict[str, Any],
        seed: int,
        resume_from: dict[str, Any] | None = None,
    ) -> tuple[State, str]:
        """Train until the last step or an early stop; the global random generators are left as they were.

        Args:
            parts: the model and what trains it.
            run: where metrics.csv and checkpoints go.
            config: resolved configuration, stored in every checkpoint.
            seed: fixes the trials and their noise.
            resume_from: content of a last.pt to continue from, or None.

        Returns:
            The final state and why the training ended, one sentence.

        Raises:
            UserError: trainer.backend=fused cannot be had for this model.
            TrainingDivergedError: a value is not finite.
            KeyboardInterrupt: a signal asked to stop; last.pt holds the state of that moment.
        """
        session = self.begin(parts, run, config, seed, resume_from)
        return session.state, self.loop(session)

    def begin(
        self,
        parts: Parts,
        run: RunDirectory,
        config: dict[str, Any],
        seed: int,
        resume_from: dict[str, Any] | None = None,
    ) -> Session:
        """Evaluate the initial network, or restore what a checkpoint holds; the arguments are those of `fit`.

        The global random generators are left as the training needs them.
        """
        backend, why = parts.model.choose_backend(self.backend, parts.device, parts.dtype)
        log.info("rollout: %s (%s)", backend, why)
        if backend == "reference":
            use_threads_for_torch()
        parts.model.backend = self.backend
        names = TRAINING_STREAMS if parts.curriculum is None else TRAINING_STREAMS + CURRICULUM_STREAMS
        generators: dict[str, torch.Generator | GlobalGenerators] = {
            name: stream(seed, name) for name in names
        }
        generators |= {"modules": seed_modules(seed), "globals": seed_globals(seed)}
        state = State() if resume_from is None else self._restore(parts, generators, resume_from)
        history = History(
            run.path / "metrics.csv",
            None if resume_from is None else state.step,
            state.history,
            added=["n_nonfinite"] if self.trouble.goes_on else [],
        )
        session = Session(
            parts, run, config, state, history, seed, generators, self.batch_size, self.n_validation_trials,
            self.n_steps, begin=time.perf_counter(), counts_nonfinite=self.trouble.goes_on,
        )  # fmt: skip
        if resume_from is None:
            with globals_seeded(seed, "validation_noise"):
                self.trouble.look_at_start(session)
            self.evaluate(session)
        else:
            self._complete_checkpoints(session)
        return session

    def _complete_checkpoints(self, session: Session) -> None:
        """Write what a kill or a damage took from the checkpoints beside last.pt, as far as it is the present state."""
        state, folder = session.state, session.run.checkpoints
        if not (folder / "last.pt").exists():
            session.save("last.pt")
        if self.save_every and state.step and state.step % self.save_every == 0:
            name = f"step_{state.step:07d}.pt"
            if not (folder / name).exists():
                session.save(name)
        if state.best_step == state.step and best_step(folder) not in (None, state.step):
            session.save("best.pt")
        if not (folder / "best.pt").exists():
            log.warning(
                "best.pt is missing: the present network, step %d, counts as the best so far", state.step
            )
            state.best_value, state.best_step = state.validation[self.best_metric], state.step
            session.save("best.pt")

    def loop(self, session: Session) -> str:
        """Make the updates of a training that was begun; returns why it ended, one sentence."""
        parts, state = session.parts, session.state
        parameters = [p for p in parts.model.parameters() if p.requires_grad]
        draws, noise = (session.generators[name] for name in TRAINING_STREAMS)
        with (
            stop_requests() as asked_to_stop,
            Progress(self.n_steps, self.batch_size, state.step, self.show_bar) as progress,
        ):
            if early := self.already_ended(session):
                return early
            while state.step < self.n_steps and not session.all_stages_passed:
                self.set_learning_rate(session)
                task = session.task.for_split("training")
                trials = task.sample(self.batch_size, draws, parts.dtype, batch=state.step + 1)
                trials = trials.to(parts.device)
                parts.model.at_update(state.step)
                parts.model.update_forcing(trials, state.step, self.n_steps)
                for parameter in parameters:
                    parameter.grad = None
                losses = self._add_gradients(session, trials, noise)
                parts.model.mask_gradients()
                grad_norm = self._clip(parameters)
                is_kept_out = self.trouble.is_kept_out(session, trials, losses, grad_norm)
                state.step += 1
                if not is_kept_out:
                    with parts.model.constrained_update():
                        parts.optimizer.step()
                    _add(state.sums, {**losses, "grad_norm": grad_norm})
                    state.n_summed += 1
                progress.step()
                is_new_stage = check_stage(session, self.eval_batch_size)
                if is_new_stage or self.evaluates_at(state.step):
                    metrics = self.evaluate(session)
                    speed = state.step * self.batch_size / session.seconds
                    progress.evaluated(state.step, state.validation["loss"], metrics, speed)
                    early = self.early_end(session)
                    if early and not asked_to_stop():
                        return early
                if self.save_every and state.step % self.save_every == 0:
                    session.save(f"step_{state.step:07d}.pt")
                if asked_to_stop():
                    session.save("last.pt")
                    raise KeyboardInterrupt(f"stopped by a signal after step {state.step}")
        return self.end(session)

    def evaluates_at(self, step: int) -> bool:
        """Whether an evaluation follows after so many updates."""
        return step % self.eval_every == 0 or step == self.n_steps

    def already_ended(self, session: Session) -> str | None:
        """Return why a training that was stopped after its last evaluation does not go on, None if it does."""
        state = session.state
        return self.early_end(session) if state.step and not state.n_summed else None

    def _add_gradients(self, session: Session, trials: Trials, noise: torch.Generator) -> dict[str, Tensor]:
        """Add the gradient of the loss to the parameters, chunk by chunk; returns the loss and its terms."""
        model, sums = session.parts.model, {}
        for start in range(0, trials.n_trials, self.chunk_size):
            is_whole = self.chunk_size >= trials.n_trials
            chunk = trials if is_whole else trials[start : start + self.chunk_size]
            losses = session.loss.of_update(model, chunk, noise)
            values = {"loss": losses.total, **losses, **session.loss.raw_columns(losses)}
            if not is_whole:
                values = {name: value * (chunk.n_trials / trials.n_trials) for name, value in values.items()}
            values["loss"].backward()
            _add(sums, values)
        return sums

    def early_end(self, session: Session) -> str | None:
        """Return why the training ends after the evaluation that was just made, None if it goes on."""
        if session.all_stages_passed:
            return None
        return (
            self.stopping.reason(session.state, session.is_last_stage)
            or session.run.watchers.reason_to_stop()
        )

    def end(self, session: Session) -> str:
        """Say why the loop ended, one sentence."""
        if session.stage is None:
            return f"all {session.state.step} steps done"
        last = session.parts.curriculum.n_stages - 1
        if session.all_stages_passed:
            return f"all stages of the curriculum, 0 to {last}, passed after {session.state.step} steps"
        return f"all {session.state.step} steps done, in stage {session.stage} of the curriculum, 0 to {last}"

    def evaluate(self, session: Session) -> dict[str, float]:
        """Write a training and a validation row, and the checkpoints; returns the task's metrics of all trials."""
        parts, state = session.parts, session.state
        self.trouble.check_parameters(session)
        parts.model.at_update(state.step)
        task = session.task.for_split("validation")
        with globals_seeded(session.seed, "validation_noise"):
            losses, metrics = evaluate(
                parts.model,
                task,
                session.loss,
                session.validation,
                self.eval_batch_size,
                stream(session.seed, "validation_noise"),
            )
        is_first = not state.validation
        state.validation = {**losses, **metrics}
        self._check_metric_names(parts, losses, metrics)
        session.columns = [*state.validation, *task.metric_notes]
        session.append_training_row()
        session.append("validation", {**state.validation, **task.metric_notes})

        self.trouble.look_at_validation(session)
        is_best = state.judge(state.validation[self.best_metric], self.best_is_largest, is_first)
        session.save(
            "last.pt"
        )  # first, since what it holds can become best.pt after a kill, but not the other way
        if is_best:
            session.save("best.pt")
        return leading(metrics, task, session.validation)

    def _check_metric_names(self, parts: Parts, losses: dict, metrics: dict) -> None:
        asked_for = {"trainer.best_metric": self.best_metric}
        if parts.curriculum is not None:
            asked_for["curriculum.metric"] = parts.curriculum.metric
        for key, name in asked_for.items():
            if name not in {**losses, **metrics}:
                raise UserError(f"{key}: {name}: must be one of {', '.join({**losses, **metrics})}")
        self.stopping.check_names(metrics)
        fixed = {
            "step",
            "trials",
            "seconds",
            "split",
            "stage",
            "grad_norm",
            "lr",
            "forcing_alpha",
            "n_nonfinite",
        }
        clashes = sorted((set(losses) & set(metrics)) | ((set(losses) | set(metrics)) & fixed))
        if clashes:
            raise UserError(
                f"loss terms and task metrics need names of their own, these are used twice: {', '.join(clashes)}"
            )

    def set_learning_rate(self, session: Session) -> None:
        """Set the learning rates of the next update."""
        parts, state = session.parts, session.state
        factor = state.lr_factor * parts.schedule.factor(state.step, self.n_steps)
        for group in parts.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
            group["lr"] = group["initial_lr"] * factor

    def _clip(self, parameters: list[nn.Parameter]) -> Tensor:
        """Clip the gradients in place and return their common norm before that."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        if self.clip == "per_variable":
            torch._foreach_div_(gradients, list((norms / self.clip_norm).clamp(min=1.0).unbind()))
        total = torch.linalg.vector_norm(norms)
        if self.clip == "norm":
            torch._foreach_mul_(gradients, (self.clip_norm / total).clamp(max=1.0))
        return total

    def _restore(self, parts: Parts, generators: dict[str, torch.Generator], record: dict[str, Any]) -> State:
        load_weights(parts.model, record["model"], origin="resume")
        parts.optimizer.load_state_dict(record["optimizer"])
        for name in generators.keys() & record.keys():  # earlier versions kept no state of modules
            generators[name].set_state(record[name])
        state = State(**record["state"])
        before = record["config"]["trainer"]
        was_largest = _is_largest_best(before["best_metric"], before["best_mode"])
        if (before["best_metric"], was_largest) != (self.best_metric, self.best_is_largest):
            state.best_value, state.evaluations_since_best = math.nan, 0  # of another kind
        state.sums = {name: total.to(parts.device) for name, total in state.sums.items()}
        return state


def _is_largest_best(metric: str, mode: str) -> bool:
    return mode == "max" or (mode == "auto" and ("accuracy" in metric or metric == "psc"))


def _add(sums: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        previous = sums.get(name)
        sums[name] = value.detach() if previous is None else previous + value.detach()
