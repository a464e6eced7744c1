"""One training of a group: what of the process it would have for itself alone."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rnnexp.config.targets import is_own
from rnnexp.tasks.base import Trials
from rnnexp.training.ensemble.scoring import Given, given_of
from rnnexp.training.progress import Progress
from rnnexp.training.state import Session
from rnnexp.training.streams import GlobalGenerators, globals_kept
from rnnexp.training.trainer import TRAINING_STREAMS, Trainer


class _Held:
    """A generator whose position stands still while other trainings use it; for checkpoints."""

    def __init__(self, generator: Any) -> None:
        self.generator, self._state = generator, generator.get_state()

    def get_state(self) -> Any:
        return self._state

    def put(self) -> None:
        self.generator.set_state(self._state)

    def take(self) -> None:
        self._state = self.generator.get_state()


@dataclass(eq=False)
class Member:
    """A training of a group.

    Args:
        trainer, session: begun, and nobody else has used the global generators since.
        at_work: what is around everything that this training does and says, such as its log.

    Attributes:
        draws_globally: whether trials may come from the global random generators, as those of a task of a user.
        trials: of the present update.
        lines: writes the log lines of its progress.
    """

    trainer: Trainer
    session: Session
    at_work: Callable[[], AbstractContextManager[None]] = nullcontext
    trials: Trials | None = field(default=None, init=False)
    lines: Progress = field(init=False)

    def __post_init__(self) -> None:
        session, trainer = self.session, self.trainer
        self.lines = Progress(trainer.n_steps, trainer.batch_size, session.state.step, show_bar=False)
        self._held = {name: _Held(session.generators[name]) for name in ("modules", "globals")}
        session.generators |= self._held
        self.draws_globally = not is_own(f"{type(session.task).__module__}.{type(session.task).__name__}")

    def prepare(self) -> Given:
        """Draw the trials of the next update and the noise of the network."""
        session, state, model = self.session, self.session.state, self.session.parts.model
        draws, noise = (session.generators[name] for name in TRAINING_STREAMS)
        self.trainer.set_learning_rate(session)
        task = session.task.for_split("training")
        with self._globals() if self.draws_globally else nullcontext():
            trials = task.sample(self.trainer.batch_size, draws, session.parts.dtype, batch=state.step + 1)
        self.trials = trials.to(session.parts.device)
        model.at_update(state.step)
        model.update_forcing(self.trials, state.step, self.trainer.n_steps)
        return given_of(model, self.trials, noise, self.trainer.chunk_size)

    def go_on_alone(self) -> str:
        """Make the updates that are left; returns why the training ended, one sentence."""
        session = self.session
        with globals_kept():
            for name, held in self._held.items():
                held.put()
                session.generators[name] = held.generator
            return self.trainer.loop(session)

    @contextmanager
    def _globals(self) -> Iterator[None]:
        """Let the global generators be where this training left them; tasks of a user may draw from them."""
        held = [_Held(generator) for generator in (torch.default_generator, GlobalGenerators())]
        for own in self._held.values():
            own.put()
        try:
            yield
        finally:
            for own in self._held.values():
                own.take()
            for other in held:
                other.put()


@dataclass
class Sums:
    """Values of the updates since the last evaluation, of all networks.

    Args:
        count: K.
    """

    count: int
    values: dict[str, Tensor] = field(default_factory=dict)
    n_summed: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.n_summed = [0] * self.count

    def add(self, values: dict[str, Tensor], kept: list[bool]) -> None:
        """Add values (K,) of an update, of the networks that made it."""
        if not all(kept):
            chosen = torch.tensor(kept, device=values["loss"].device)
            values = {name: torch.where(chosen, value, 0.0) for name, value in values.items()}
        for name, value in values.items():
            self.values[name] = self.values[name] + value if name in self.values else value
        self.n_summed = [count + is_kept for count, is_kept in zip(self.n_summed, kept, strict=True)]

    def hand_over(self, number: int, session: Session, names: list[str]) -> None:
        """Put what belongs to one network into its state; `names` are its columns."""
        state = session.state
        if self.n_summed[number]:
            for name in names:
                value = self.values[name][number].clone()
                state.sums[name] = state.sums[name] + value if name in state.sums else value
            state.n_summed += self.n_summed[number]
            self.n_summed[number] = 0
            for value in self.values.values():
                value[number] = 0.0
