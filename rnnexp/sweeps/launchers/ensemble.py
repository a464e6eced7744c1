"""Jobs whose networks have the same structure, trained as one in this process."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import reason_of
from rnnexp.numbers import integer_at_least
from rnnexp.sweeps.jobs import SweepJob
from rnnexp.sweeps.launchers.base import Launcher
from rnnexp.sweeps.launchers.memory import check_memory, networks_in_memory
from rnnexp.sweeps.working import Outcome, Work, at_it, has_begun
from rnnexp.training.interruption import termination_as_interrupt

if TYPE_CHECKING:
    from rnnexp.training.ensemble.members import Member
    from rnnexp.training.run import Training

log = logging.getLogger("rnnexp")


class Ensemble(Launcher):
    """hydra/launcher=ensemble.

    Jobs that fit no group, and those that go on after an interruption, run one after the other.

    Args:
        max_networks: trained at once, >= 1; None: as many as the memory holds.

    Raises:
        ValueError: max_networks is out of its range.
    """

    draws_best = True

    def __init__(self, max_networks: int | None = None) -> None:
        self.max_networks = (
            None if max_networks is None else integer_at_least("max_networks", max_networks, 1)
        )

    def check(self) -> None:
        """Always works."""
        self.n_at_once = self.max_networks or 1_000_000

    def check_jobs(self, configs: Sequence[Mapping[str, Any]]) -> None:
        """Refuse more networks at once than the memory holds.

        Raises:
            UserError: with the number that would fit.
        """
        if self.max_networks is not None:
            check_memory(self.max_networks, configs)

    def run(
        self, function: Work, jobs: Sequence[SweepJob], folder: Path
    ) -> Iterator[tuple[SweepJob, Outcome]]:
        """Run jobs, those of one structure together."""
        from rnnexp.training.ensemble.alike import structure

        del folder
        groups: dict[str, list[tuple[SweepJob, dict[str, Any]]]] = {}
        alone = []
        for job in jobs:
            config = None if _needs_its_own_process_state(function, job) else _resolved(job)
            if config is None:
                alone.append(job)
            else:
                groups.setdefault(structure(config), []).append((job, config))
        for group in groups.values():
            most = self.max_networks or networks_in_memory(group[0][1])
            for start in range(0, len(group), most):
                chunk = [job for job, _ in group[start : start + most]]
                if len(chunk) == 1:
                    alone += chunk
                else:
                    yield from _Group(function).run(chunk)
        for job in alone:
            yield job, function(job)


def _needs_its_own_process_state(function: Work, job: SweepJob) -> bool:
    """Whether a job is no fresh training, or changes what all in a process share."""
    settings = function.hydra["job"]
    return (
        function.command != "train"
        or function.study is not None
        or has_begun(job.path)
        or bool(settings.get("chdir"))
        or bool(settings.get("env_set"))
    )


def _resolved(job: SweepJob) -> dict[str, Any] | None:
    try:
        return OmegaConf.to_container(OmegaConf.create(job.config), resolve=True)
    except OmegaConfBaseException:  # it asks for something that only its own process knows
        return None


@dataclass(eq=False)
class _Started:
    """A job of a group that has begun.

    Attributes:
        job: which one.
        around: what is to be closed when it ends.
        handlers: of its log.
        training: its run directory and parts.
        member: its part of the group.
    """

    job: SweepJob
    around: ExitStack
    handlers: list[logging.Handler] = field(default_factory=list)
    level: int = logging.INFO
    training: "Training | None" = None
    member: "Member | None" = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let log lines go into the log of this job."""
        root = logging.getLogger()
        before = root.handlers[:], root.level
        root.handlers[:], root.level = self.handlers, self.level
        try:
            yield
        finally:
            root.handlers[:], root.level = before


class _Group:
    """Trains jobs together.

    Args:
        work: how a job is run.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._open: list[_Started] = []

    def run(self, jobs: Sequence[SweepJob]) -> Iterator[tuple[SweepJob, Outcome]]:
        """Run jobs; those that turn out to differ are trained in groups of their own."""
        with self._work.working_there(), termination_as_interrupt():
            try:
                yield from self._run(jobs)
            except BaseException as error:
                for started in self._open[:]:
                    self._leave(started, error)
                raise

    def _run(self, jobs: Sequence[SweepJob]) -> Iterator[tuple[SweepJob, Outcome]]:
        from rnnexp.training.ensemble.alike import facts

        together: dict[str, list[_Started]] = {}
        for job in jobs:
            started, error = self._begin(job)
            if error is not None:
                yield job, Outcome(error=error)
                continue
            training, session = started.training, started.member.session
            found = facts(training.trainer, session) or f"alone {job.number}"
            together.setdefault(found, []).append(started)
        for group in together.values():
            yield from self._train(group)

    def _begin(self, job: SweepJob) -> tuple[_Started | None, str | None]:
        """Open the run directory of a job and evaluate its initial network; returns an error as the second value."""
        from rnnexp.config.console import logging_restored
        from rnnexp.training.ensemble.members import Member
        from rnnexp.training.streams import globals_kept

        started = _Started(job, ExitStack())

        def begin(cfg: Any) -> None:
            from rnnexp.config.job import arguments_of_training
            from rnnexp.training.run import Training

            training = Training(*arguments_of_training(cfg))
            started.around.enter_context(training.recorded())
            training.build()
            session = training.trainer.begin(
                training.parts, training.run, training.config, training.config["seed"]
            )
            started.training = training
            started.member = Member(training.trainer, session, started.at_work)

        started.around.enter_context(at_it(job.path))
        self._open.append(started)
        with logging_restored(), globals_kept():
            result = self._work.run_with_hydra(job, begin)
            root = logging.getLogger()
            started.handlers, started.level = root.handlers[:], root.level
            root.handlers[:] = []
        error = None if started.member is not None else result._return_value
        if error is not None:
            return None, self._leave(started, error)
        return started, None

    def _train(self, group: list[_Started]) -> Iterator[tuple[SweepJob, Outcome]]:
        from rnnexp.training.ensemble.training import CannotBeOneError, Ensemble

        by_member = {started.member: started for started in group}
        if len(group) > 1:
            try:
                ensemble = Ensemble(list(by_member))
            except CannotBeOneError as reason:
                print(f"rnnexp: {len(group)} jobs are trained one by one: {reason}", file=sys.stderr)
            else:
                for member, reason in ensemble.train():
                    started = by_member.pop(member)
                    yield started.job, self._end(started, reason)
        for started in by_member.values():
            yield started.job, self._end(started, None)

    def _end(self, started: _Started, reason: str | Exception | None) -> Outcome:
        """Test and close a training that its group is done with; without a reason it goes on alone."""
        training, member = started.training, started.member
        try:
            with started.at_work():
                if isinstance(reason, Exception):
                    raise reason
                if reason is None:
                    reason = member.go_on_alone()
                training.test(member.session.state)
        except Exception as error:
            return Outcome(error=self._leave(started, error))
        self._leave(started, None)
        with started.at_work():
            value = training.close(
                member.session.state, reason, draws=training.trainer.plots in (True, "all")
            )
        _close(started.handlers)
        return Outcome(value=float(value))

    def _leave(self, started: _Started, error: BaseException | None) -> str | None:
        """Let the records of a job say how it ended; returns the reason of a failure."""
        self._open.remove(started)
        with started.at_work():
            if isinstance(error, Exception) and started.member is not None:
                log.error("failed: %s", reason_of(error), exc_info=error)
            with suppress(BaseException):
                started.around.__exit__(
                    None if error is None else type(error), error, getattr(error, "__traceback__", None)
                )
        if error is not None:
            _close(started.handlers)
        return None if error is None else reason_of(error)


def _close(handlers: Sequence[logging.Handler]) -> None:
    for handler in handlers:
        handler.close()
