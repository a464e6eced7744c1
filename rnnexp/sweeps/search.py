"""A search by Optuna: the jobs of a sweep are chosen as it goes, by what came of the earlier ones."""

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from omegaconf import OmegaConf

from rnnexp.config.composition import Composer, without_hydra
from rnnexp.config.sweep import JobComposer
from rnnexp.errors import ConfigError, UserError
from rnnexp.numbers import integer_at_least, one_of
from rnnexp.plots.names import split_and_metric
from rnnexp.sweeps.jobs import Sweep, SweepJob, place, plain
from rnnexp.sweeps.launchers import Launcher
from rnnexp.sweeps.launchers.base import engine
from rnnexp.sweeps.pruner import PRUNED, Study
from rnnexp.sweeps.running import SweepFailedError, outcomes
from rnnexp.sweeps.search_results import conclude
from rnnexp.sweeps.standing import is_alive
from rnnexp.sweeps.telling import Teller, continuing_line, is_higher_better, read_summary
from rnnexp.sweeps.working import Outcome, Work, mark_begun
from rnnexp.training.records import read_record

if TYPE_CHECKING:
    import optuna

KEY = "hydra/sweeper=optuna"
TRIAL = ".trial"  # lies in the directory of a trial until the process that asked for it has told how it ended
ASKING = ".asking"  # a lock: processes at one study ask for trials, and write tables, one after the other


@dataclass
class Search:
    """Settings of hydra/sweeper=optuna; see conf/hydra/sweeper/optuna.yaml.

    Raises:
        ValueError: one is out of its range.
    """

    n_trials: int = 20
    objective: str = "best_validation_loss"
    direction: Literal["auto", "minimize", "maximize"] = "auto"
    sampler: Literal["tpe", "random", "cmaes"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    n_startup_trials: int = 8
    seed: int = 0
    storage: str | None = None
    study_name: str = "rnnexp"
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        integer_at_least("n_trials", self.n_trials, 1)
        integer_at_least("n_startup_trials", self.n_startup_trials, 1)
        integer_at_least("seed", self.seed, 0)
        one_of("direction", self.direction, ("auto", "minimize", "maximize"))
        one_of("sampler", self.sampler, ("tpe", "random", "cmaes"))
        one_of("pruner", self.pruner, ("median", "hyperband", "none"))
        if self.direction == "auto" and is_higher_better(self.objective) is None:
            raise ValueError(
                f"direction must be minimize or maximize, since it is not known for objective={self.objective}"
            )

    @property
    def is_maximized(self) -> bool:
        """Whether large values of the objective are the good ones."""
        if self.direction == "auto":
            return bool(is_higher_better(self.objective))
        return self.direction == "maximize"

    def study(self, directory: Path) -> Study:
        """Return where the study is."""
        return Study(
            self.storage or f"sqlite:///{(directory / 'study.db').absolute()}",
            self.study_name,
            split_and_metric(self.objective)[1],
            self.pruner,
            self.n_startup_trials,
        )


def distributions(overrides: Sequence[Override]) -> "dict[str, optuna.distributions.BaseDistribution]":
    """Return what is searched, by key: a,b choices; range(a,b) and int(interval(a,b)) whole numbers; interval(a,b).

    tag(log, interval(a,b)) searches on a logarithmic scale.

    Raises:
        ConfigError: a range is empty, or not positive on a logarithmic scale.
    """
    engine("optuna", "optuna", KEY)
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    space: dict[str, Any] = {}
    problems = []
    for override in overrides:
        value, key = override.value(), override.key_or_group
        is_log = "log" in getattr(value, "tags", ())
        try:
            if isinstance(value, IntervalSweep):
                is_whole = isinstance(value.start, int) and "int(" in (override.input_line or "")
                kind = IntDistribution if is_whole else FloatDistribution
                space[key] = kind(value.start, value.end, log=is_log)
            elif isinstance(value, RangeSweep) and not value.shuffle:
                low, high = value.start, list(value.range())[-1]
                kind = (
                    IntDistribution
                    if isinstance(low, int) and isinstance(value.step, int)
                    else FloatDistribution
                )
                space[key] = kind(low, high, step=value.step)
            else:
                space[key] = CategoricalDistribution(list(override.sweep_string_iterator()))
        except (ValueError, IndexError) as error:
            problems.append(f"{override.input_line}: {str(error).splitlines()[0]}")
    if problems:
        raise ConfigError(problems)
    return space


@dataclass
class SearchedJobs:
    """Makes jobs of trials.

    Attributes:
        composing: composes configurations; in use as long as the search goes.
        fixed: overrides that all jobs share.
        sweep: in which they are.
        swept: overrides that say what is searched.
    """

    composing: Composer
    fixed: list[str]
    sweep: Sweep
    swept: Sequence[Override] = ()

    def __post_init__(self) -> None:
        typed = [(o.key_or_group, (o.input_line or "").partition("=")[0]) for o in self.swept]
        self._typed = dict(typed)  # ++key, where the key is new
        self._composer = JobComposer(self.composing)

    def common(self) -> dict[str, Any]:
        """Return what the line composes to without the settings that are searched."""
        return plain(without_hydra(self.composing.compose(self.fixed)))

    def job(self, number: int, params: dict[str, Any]) -> SweepJob:
        """Return the job of a trial."""
        overrides = [*self.fixed, *(f"{self._typed.get(key, key)}={value}" for key, value in params.items())]
        config = OmegaConf.to_container(
            self._composer.compose(overrides, number), resolve=False, enum_to_str=True
        )
        job = SweepJob(number, overrides, self._composer.choices(overrides, number), config, "")
        return replace(job, directory=str(place(self.sweep.hydra, job)))


def run_search(
    settings: Search,
    space: "dict[str, optuna.distributions.BaseDistribution]",
    jobs: SearchedJobs,
    launcher: Launcher,
    words: Sequence[str],
) -> None:
    """Run trials until the study has as many as asked for; other processes may be at the same study.

    Args:
        settings: of the search.
        space: what is searched.
        jobs: makes jobs of trials.
        launcher: where they run, as many at once as it can.
        words: the command line as typed.

    Raises:
        SweepFailedError: all trials failed.
        KeyboardInterrupt: its notes name the line that goes on.
    """
    import optuna

    from rnnexp.training.interruption import termination_as_interrupt

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sweep = jobs.sweep
    directory = Path(sweep.directory)
    sweep.search = {"settings": asdict(settings), "fixed": jobs.fixed, "config": jobs.common()}
    with FileLock(directory / ASKING):
        sweep.save()
    where = settings.study(directory)
    study = _study(settings, where)
    work = Work("train", list(words), sweep.hydra, [], sweep.working_directory, study=where)
    tellers = replace(sweep, jobs=[])
    failed: list[str] = []
    n_left = settings.n_trials - _n_ended(study)
    try:
        with (
            termination_as_interrupt(),
            closing(launcher),
            Teller(tellers, range(n_left), settings.objective, launcher.n_at_once) as teller,
        ):
            while batch := _next(study, space, settings, jobs, launcher.n_at_once, directory):
                tellers.jobs = [*tellers.jobs, *batch]
                for job, outcome in outcomes(launcher, work, batch, directory):
                    with FileLock(directory / ASKING):
                        error = _tell(study, job, outcome, settings.objective)
                        (job.path / TRIAL).unlink(missing_ok=True)
                    teller.ended(job, outcome if error is None else Outcome(error=error))
                    failed += [] if error is None else [f"job {job.number} ({tellers.telling(job)}): {error}"]
    except KeyboardInterrupt as stop:
        with FileLock(directory / ASKING):
            conclude(study, settings.objective, settings.is_maximized, directory)
        stop.__notes__ = [f"continue with: {continuing_line(sweep)}"]
        raise
    with FileLock(directory / ASKING):
        conclude(study, settings.objective, settings.is_maximized, directory)
    if failed and len(failed) >= len(study.trials):
        raise SweepFailedError("\n".join(failed))


def _study(settings: Search, where: Study) -> "optuna.Study":
    import optuna

    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(
            seed=settings.seed, n_startup_trials=settings.n_startup_trials
        ),
        "random": lambda: optuna.samplers.RandomSampler(seed=settings.seed),
        "cmaes": lambda: optuna.samplers.CmaEsSampler(seed=settings.seed),
    }
    try:
        return optuna.create_study(
            storage=where.storage,
            study_name=where.name,
            direction="maximize" if settings.is_maximized else "minimize",
            sampler=samplers[settings.sampler](),
            pruner=where.make_pruner(),
            load_if_exists=True,
        )
    except Exception as error:  # of the database
        raise UserError(f"hydra.sweeper.storage: {where.storage}: {str(error).splitlines()[0]}") from error


def _n_ended(study: "optuna.Study") -> int:
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def _next(
    study: "optuna.Study",
    space: "dict[str, Any]",
    settings: Search,
    jobs: SearchedJobs,
    most: int,
    directory: Path,
) -> list[SweepJob]:
    """Return jobs to run at once: those whose process was killed first, then new ones; none when there are enough."""
    batch = []
    with FileLock(directory / ASKING):
        for trial in study.get_trials(deepcopy=False):
            if len(batch) < most and not trial.state.is_finished():
                job = jobs.job(trial.number, trial.params)
                if not is_alive(job.path, TRIAL):
                    batch.append(job)
                    mark_begun(job.path, TRIAL)
        while len(batch) < most and len(study.get_trials(deepcopy=False)) < settings.n_trials:
            trial = study.ask(space)
            batch.append(jobs.job(trial.number, trial.params))
            mark_begun(batch[-1].path, TRIAL)
    return batch


def _tell(study: "optuna.Study", job: SweepJob, outcome: Outcome, objective: str) -> str | None:
    """Tell the study how a trial ended; returns why it failed, None if it did not."""
    from optuna.trial import TrialState

    error, value = outcome.error, None
    if error is None:
        record, summary = read_record(job.path / "run.json"), read_summary(job)
        if str(record.get("exit_reason")).startswith(PRUNED):
            study.tell(job.number, state=TrialState.PRUNED)
            return None
        value = summary.get(objective)
        if not isinstance(value, int | float) or not math.isfinite(value):
            known = [name for name, entry in summary.items() if isinstance(entry, int | float)]
            error = f"objective={objective}: " + (
                "is not finite" if objective in summary else f"must be one of {', '.join(known)}"
            )
    if error is not None:
        study.tell(job.number, state=TrialState.FAIL)
    else:
        study.tell(job.number, float(value))
    return error
