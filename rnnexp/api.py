"""What `import rnnexp` offers; the commands of the terminal call the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rnnexp.errors import UserError
from rnnexp.saved.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from rnnexp.saved.comparing import Comparison
    from rnnexp.training.state import Parts


def load(path: str | Path, trust: bool = False, dtype: Literal["float32", "float64"] = "float32") -> Run:
    """Load a trained network.

    Args:
        path: a run directory, which stands for its best checkpoint, or a checkpoint file.
        trust: build classes from outside rnnexp that the checkpoint names. Only for files whose origin you trust.
        dtype: in which the network runs.

    Returns:
        The run; its network is built when it is first asked for.

    Raises:
        UserError: there is no such run, its checkpoint is damaged, or it names foreign classes without trust.

    Example:
        >>> run = rnnexp.load(run.directory)
        >>> sorted(run.weights)
        ['A', 'B', 'C', 'W', 'b', 'h', 'z0']
    """
    return Run(path, trust, dtype)


def compose(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the configuration that `rnnexp train` has with these overrides, resolved and checked.

    Args:
        overrides: as on the command line, such as "task=mante" and "latent_dim=100".

    Raises:
        UserError: something is wrong with them; a line for each problem.

    Example:
        >>> rnnexp.compose(["latent_dim=20"])["latent_dim"]
        20
    """
    from omegaconf import OmegaConf

    from rnnexp.config.arguments import parse
    from rnnexp.config.composition import composer, without_hydra
    from rnnexp.config.fine_tuning import ancestor_as_base
    from rnnexp.config.paths import user_directories
    from rnnexp.config.planning import make_plan

    with (
        ancestor_as_base("train", parse(_words(overrides))) as arguments,
        composer(arguments.config_name or "train", user_directories()) as composing,
    ):
        plan = make_plan(composing, "train", arguments)
        _refuse_sweep(plan.is_sweep)
        return OmegaConf.to_container(without_hydra(plan.cfg), resolve=True)


def build(overrides: Sequence[str] = ()) -> "Parts":
    """Build the untrained parts that `rnnexp train` would train: every preset, task and loss, from one line.

    Args:
        overrides: as on the command line, such as "latent_step=FR_RNN_dale".

    Returns:
        task, model (a torch module), loss, optimizer, schedule, curriculum; initial weights are those of the seed.

    Raises:
        UserError: something is wrong with the overrides, or parts do not fit together.

    Example:
        >>> parts = rnnexp.build(["latent_step=CTRNN", "task=perceptual_discrim", "latent_dim=10"])
        >>> trials = parts.task.sample(8, torch.Generator().manual_seed(0))
        >>> parts.loss(parts.model(trials), trials, parts.model).total.shape
        torch.Size([])
    """
    from rnnexp.building.parts import ancestor_of, build_parts
    from rnnexp.training.streams import globals_kept, globals_seeded

    config = compose(overrides)
    with globals_kept(), globals_seeded(config["seed"], "initialisation"):
        return build_parts(config, ancestor=ancestor_of(config))


def train(overrides: Sequence[str] = ()) -> Run:
    """Train a network, as `rnnexp train` does, and load its best checkpoint.

    Args:
        overrides: as on the command line; hydra.run.dir=DIR says where the run directory goes.

    Returns:
        The finished run.

    Raises:
        UserError: something is wrong with the overrides, before any time is spent; or the training diverged.
        KeyboardInterrupt: it was stopped; its notes name the line that continues it.

    Example:
        >>> run = rnnexp.train(["trainer.n_trials=2560", "trainer.plots=false"])
        >>> run.record["status"]
        'finished'
    """
    from rnnexp.config.arguments import parse
    from rnnexp.config.launch import launch
    from rnnexp.config.paths import user_directories

    words = _words(overrides)
    arguments = parse(words)
    directory = launch("train", words, arguments, user_directories())
    return Run(directory, trust=True)  # what was just trained here


def runs(directory: str | Path) -> "pd.DataFrame":
    """Return a row per run at and below a directory: what it was, how it ended, its overrides and its summary.

    Args:
        directory: a run, a sweep, or a directory above them.

    Returns:
        Columns job, command, task, latent_step, seed, status, error, run_seconds, host, one per setting that any of
        the lines set, with the value of every run, one per entry of summary.json, and path; see `rnnexp collect`.

    Raises:
        UserError: there is no run.

    Example:
        >>> rnnexp.runs(run.directory.parent).status.tolist()
        ['finished']
    """
    from rnnexp.saved.tables import run_table

    return run_table(Path(directory))


def compare(
    paths: Sequence[str | Path],
    n_trials: int = 64,
    measures: Sequence[Literal["cka", "procrustes", "dsa"]] = ("cka", "procrustes", "dsa"),
    trust: bool = False,
) -> "Comparison":
    """Say how alike trained networks are on the same trials, as `rnnexp compare` does.

    Args:
        paths: runs, checkpoints, and directories above runs, which stand for all finished runs in them; two networks
            at least, with the same numbers of inputs and outputs. The trials are those of the task of the first one.
        n_trials: on which states are compared, >= 2.
        measures: "cka" (linear, Kornblith et al. 2019), "procrustes" (Williams et al. 2021), "dsa" (of the flows,
            Ostrow et al. 2023); each 1 for networks that differ by their coordinates only.
        trust: build classes from outside rnnexp that the checkpoints name. Only for files whose origin you trust.

    Returns:
        `table`, a row per network: metrics, bias and slope of psychometric curves, fixed points; `similarity`, a
        DataFrame by measure; `distances(measure)`, radians; `choices`.

    Raises:
        UserError: a network cannot be loaded, or they are not comparable.

    Example:
        >>> alike = rnnexp.compare([run.directory, run.directory / "checkpoints" / "last.pt"], measures=["cka"])
        >>> alike.similarity["cka"].shape
        (2, 2)
    """
    from rnnexp.saved.comparing import compared

    return compared(paths, n_trials, measures, trust)


def _words(overrides: Sequence[str]) -> list[str]:
    """Return overrides as words of a command line.

    Raises:
        UserError: they are a single text, no overrides, or a flag.
    """
    if isinstance(overrides, str):
        raise UserError(f'overrides: {overrides!r}: must be a list of texts, ["{overrides}"]')
    words = list(overrides)
    for word in words:
        if not isinstance(word, str) or word.startswith("-"):
            raise UserError(f"overrides: {word!r}: must be a text such as latent_dim=20")
    return words


def _refuse_sweep(is_sweep: bool) -> None:
    if is_sweep:
        raise UserError("overrides: hydra.mode=MULTIRUN: must be those of one run")
