"""A run directory as an object: what `import rnnexp` gives to a notebook.

Letters: B trials, T time steps, K inputs, O outputs, M latents.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rnnexp.errors import UserError
from rnnexp.numbers import one_of
from rnnexp.tasks.base import Task, Trials
from rnnexp.training.checkpoint import load_checkpoint
from rnnexp.training.checkpoint_file import checkpoint_file, run_directory_of
from rnnexp.training.records import read_record

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from rnnexp.losses.base import CompositeLoss
    from rnnexp.models import RNN
    from rnnexp.saved.analysis import Analysis
    from rnnexp.saved.model import SavedModel
    from rnnexp.saved.simulation import Simulation
    from rnnexp.tasks.units import DataUnits

Split = Literal["training", "validation", "test"]
DTYPES = ("float32", "float64")


class Run:
    """A trained network with its task and its history.

    The network is built when it is first asked for; the task of a time series reads its data then, unless only
    `simulate` is used.

    Args:
        path: a run directory, which stands for its best checkpoint, or a checkpoint file.
        trust: build classes from outside rnnexp that the checkpoint names. Only for files whose origin you trust.
        dtype: "float32" or "float64", in which the network runs.

    Attributes:
        checkpoint: the checkpoint file.
        directory: of the run; that of the file, where a checkpoint lies alone.
        config: the resolved configuration of the training, plain containers.

    Raises:
        UserError: there is no such run, its checkpoint is damaged, or it names foreign classes without trust.

    Example:
        >>> run = rnnexp.load("outputs/train/2026-01-01/12-00-00_delayed_discrim_ALRNN")
        >>> trials = run.sample(64)
        >>> run.simulate(trials).outputs.shape
        (64, 200, 2)
    """

    def __init__(
        self, path: str | Path, trust: bool = False, dtype: Literal["float32", "float64"] = "float32"
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be {' or '.join(DTYPES)}, got {dtype!r}")
        self.checkpoint = checkpoint_file(path).absolute()
        self.directory = run_directory_of(path)
        self.config: dict[str, Any] = load_checkpoint(self.checkpoint)["config"]
        self._command = {
            "checkpoint": str(self.checkpoint),
            "trust": trust,
            "device": {"name": "cpu", "dtype": dtype, "threads": "auto"},
        }

    def __repr__(self) -> str:
        from rnnexp.config.option_names import option_name

        names = [option_name(group, self.config[group]) for group in ("latent_step", "task")]
        return f"Run({str(self.directory)!r}: {names[0]} on {names[1]}, seed {self.config['seed']})"

    @cached_property
    def _remembered(self) -> "SavedModel":
        from rnnexp.saved.model import load_model

        return load_model(self._command)

    @cached_property
    def _with_data(self) -> "SavedModel":
        from rnnexp.saved.model import load_model

        return load_model(self._command, needs_data=True)

    @property
    def model(self) -> "RNN":
        """The network, a `torch.nn.Module` on the CPU, in evaluation mode."""
        return self._remembered.model

    @property
    def task(self) -> Task:
        """The task that it was to learn, with the data of a time series; that of the last stage of a curriculum.

        Raises:
            UserError: the data are gone.
        """
        return self._with_data.task

    @property
    def loss(self) -> "CompositeLoss":
        """The loss, with the weights of its terms at the step of the checkpoint."""
        return self._remembered.loss

    @property
    def step(self) -> int:
        """Updates before the checkpoint."""
        return self._remembered.step

    @property
    def weights(self) -> dict[str, np.ndarray]:
        """The effective weights under the names of the equations: A, W, h, C; W_rec, W_in, b_rec; B, b; z0 or L."""
        return {name: weight.numpy(force=True).copy() for name, weight in self.model.weights().items()}

    @property
    def data_units(self) -> "DataUnits | None":
        """Mean and sd by which a time series is standardised; None for tasks that standardise nothing."""
        return self._remembered.task.data_units

    @cached_property
    def metrics(self) -> "pd.DataFrame":
        """metrics.csv, a row per evaluation and split; see docs/run_directory.md for its columns.

        Raises:
            UserError: the run directory has none.
        """
        import pandas as pd

        return pd.read_csv(self._file("metrics.csv"))

    @property
    def summary(self) -> dict[str, float | int | None]:
        """summary.json, written at the end of a training.

        Raises:
            UserError: the run directory has none.
        """
        return read_record(self._file("summary.json"))

    @property
    def record(self) -> dict[str, Any]:
        """run.json: status, command, versions, files.

        Raises:
            UserError: the run directory has none.
        """
        return read_record(self._file("run.json"))

    def _file(self, name: str) -> Path:
        path = self.directory / name
        if not path.is_file():
            raise UserError(f"{path}: no such file: the checkpoint does not lie in the directory of its run")
        return path

    def sample(self, n_trials: int, split: Split = "test", seed: int | None = None) -> Trials:
        """Draw trials of the task.

        Args:
            n_trials: B >= 1.
            split: which part of a time series, and which random stream.
            seed: of the trials; None takes the run's, and gives the trials of `rnnexp eval`.

        Raises:
            UserError: the data of a time series are gone.
            ValueError: n_trials or split is not allowed.
        """
        from rnnexp.tasks.time_series.recordings import SPLITS
        from rnnexp.training.streams import globals_seeded, stream

        one_of("split", split, SPLITS)
        seed = self.config["seed"] if seed is None else seed
        with globals_seeded(seed, f"{split}_trials"):
            generator = stream(seed, f"{split}_trials")
            return self.task.for_split(split).sample(n_trials, generator, self.model.z0.dtype)

    def simulate(
        self,
        inputs: Trials | np.ndarray | None = None,
        *,
        n_steps: int | None = None,
        initial: np.ndarray | None = None,
        start: np.ndarray | None = None,
        t_connectivity: np.ndarray | None = None,
        noise: bool = False,
        seed: int | None = None,
        units: Literal["data", "standardized"] = "data",
    ) -> "Simulation":
        """Run the network open loop, as `rnnexp simulate` does; on trials of a movement in closed loop with its plant.

        Args:
            inputs: (B, T, K) array; or trials of the task, whose inputs are in the units of the network, and whose
                observations a network of a time series starts from; None for a free run of n_steps.
            n_steps: T of a free run.
            initial: states (B, S) or (S,) to start from.
            start: observations (B, O) or (O,) to start from, of a time series.
            t_connectivity: (T, M, M), multiplies W_rec of a leaky network at every step.
            noise: whether the network has its noise.
            seed: of the noise; None takes the run's.
            units: of start, inputs and outputs of a time series: "data" or "standardized".

        Returns:
            latents, rates (B, T, M), outputs (B, T, O), initial (B, S), inputs: numpy arrays of the network's dtype;
            after a movement what the plant did by name in `movement`.

        Raises:
            UserError: an array does not fit the network.
        """
        from rnnexp.saved.simulation import Given, moved, simulated

        if isinstance(inputs, Trials) and inputs.reach is not None:
            others = {
                "n_steps": n_steps,
                "initial": initial,
                "start": start,
                "t_connectivity": t_connectivity,
            }
            for name, value in others.items():
                if value is not None:
                    raise UserError(f"{name}: a movement starts as its trials say, and lasts as long")
            return moved(self._remembered, inputs, noise, seed)
        if isinstance(inputs, Trials):
            inputs, start = self._of_trials(inputs, start, units)
        arrays = {"inputs": inputs, "initial": initial, "start": start, "t_connectivity": t_connectivity}
        given = {
            name: None if array is None else Given(_numbers(name, array)) for name, array in arrays.items()
        }
        return simulated(self._remembered, **given, n_steps=n_steps, noise=noise, seed=seed, units=units)

    def _of_trials(
        self, trials: Trials, start: np.ndarray | None, units: str
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the inputs of trials and the observations that they begin with, in the units that are asked for."""
        inputs = trials.inputs.numpy(force=True).astype(np.float64)
        scaling = self._remembered.units(units)
        if start is None and trials.signal is not None and self.model.data_start is not None:
            start = trials.signal[:, 0].numpy(force=True).astype(np.float64)
            start = start if scaling is None else scaling.outputs.undo(start)
        return inputs if scaling is None else scaling.inputs.undo(inputs), start

    def evaluate(
        self,
        n_trials: int = 2048,
        split: Split = "test",
        seed: int | None = None,
        batch_size: int = 512,
        **task: Any,
    ) -> dict[str, float]:
        """Measure the network on fresh trials, as `rnnexp eval` does.

        Args:
            n_trials: B >= 1.
            split: "test", "validation" or "training".
            seed: of the trials and the noise; None takes the run's.
            batch_size: trials that are run at once, >= 1.
            task: changed arguments of the task, such as delay_duration=400; path= for new data of a time series.

        Returns:
            The loss, its weighted terms, and the metrics of the task by name.

        Raises:
            UserError: a change is refused, or the data are gone.
            ValueError: a number or the split is not allowed.
        """
        from rnnexp.saved.evaluation import evaluated
        from rnnexp.saved.model import load_model

        saved = load_model(self._command, task, needs_data=True) if task else self._with_data
        seed = self.config["seed"] if seed is None else seed
        return evaluated(saved, n_trials, split, seed, batch_size).values

    def analyze(self, **settings: Any) -> "Analysis":
        """Find attractor, fixed points, cycles and Lyapunov exponents of the network, as `rnnexp analyze` does.

        Args:
            settings: those of conf/analyze.yaml that differ from their defaults: start, input, n_transient, n_steps,
                max_order, n_exponents, units, ...

        Returns:
            summary, fixed_points, states, outputs, findings, spectra, dynamics; float64.

        Raises:
            UserError: there is no such setting, or its value does not fit the network.

        Example:
            >>> run.analyze(n_steps=200, max_order=1).summary["steps"]
            200
        """
        from rnnexp.saved.analysis import prepared
        from rnnexp.saved.model import load_model

        checked = _analysis_settings(settings)
        saved = load_model(
            {**self._command, "device": {**self._command["device"], "dtype": "float64", "threads": 1}}
        )
        return prepared(saved, checked)()

    def plot(
        self,
        kind: str,
        width: Literal["single", "double"] | None = None,
        style: str | Path | None = None,
    ) -> "Figure":
        """Draw a picture of the run, as `rnnexp plot` does.

        Args:
            kind: its name: "loss_history", a metric such as "accuracy", "trials", "outputs", "latents", "components",
                "rates", "weights", "spectrum", "eigenvalues", ...; of a time series "overlay", "state_space", ...
            width: "single" for a column of a journal (85 mm), "double" for a page (180 mm); None leaves it its own.
            style: a matplotlib style file that changes how it looks.

        Returns:
            A matplotlib figure, which a notebook shows; `figure.savefig` writes it.

        Raises:
            UserError: the run has no such picture, and the message lists those that it has; or it cannot be drawn.
            ValueError: there is no such width.

        Example:
            >>> run.plot("weights").get_size_inches().round(1).tolist()[0]
            7.1
        """
        from rnnexp.plots.album import Album
        from rnnexp.saved.drawing import draw_saved

        album = Album(None, [kind], width=width, sheet=style)
        draw_saved(self._command, self.directory, album)
        return album.figures[kind]


NOT_SETTINGS = ("checkpoint", "trust", "plots", "n_checkpoints", "defaults", "hydra")  # of the command alone


def _analysis_settings(changed: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of an analysis, checked.

    Raises:
        UserError: there is no such setting, or it has a wrong value.
    """
    from omegaconf import OmegaConf

    from rnnexp.config.paths import bundled_conf
    from rnnexp.config.schema import SCHEMAS
    from rnnexp.config.validation import check_mapping
    from rnnexp.errors import ConfigError
    from rnnexp.numbers import plain

    node = OmegaConf.to_container(OmegaConf.load(bundled_conf() / "analyze.yaml"), resolve=False)
    defaults = {name: value for name, value in node.items() if name not in NOT_SETTINGS}
    settings = defaults | {name: plain(value) for name, value in changed.items()}
    schema = {name: rule for name, rule in SCHEMAS["analyze"].items() if name in defaults}
    if problems := check_mapping(settings, schema, ""):
        raise ConfigError(problems)
    return settings


def _numbers(name: str, array: Any) -> np.ndarray:
    """Return finite float64 numbers.

    Raises:
        UserError: it holds something else.
    """
    try:
        numbers = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name}: must be an array of numbers ({error})") from error
    if not np.isfinite(numbers).all():
        raise UserError(f"{name}: must be finite")
    return numbers
