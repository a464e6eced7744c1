"""From a configuration to the parts of an experiment: task, model, loss, optimizer."""

import inspect
import logging
from typing import TYPE_CHECKING, Any

import torch

from rnnexp.building.learning import freeze, optimized
from rnnexp.building.loops import build_loop, check_perturbations, network_sizes
from rnnexp.building.tasks import build_curriculum, build_task
from rnnexp.config.instantiate import instantiate, locate
from rnnexp.constraints.connectivity import Sizes
from rnnexp.constraints.constraint import Constraint
from rnnexp.constraints.plasticity import Plasticity
from rnnexp.constraints.weight_rule import WeightRules
from rnnexp.errors import UserError
from rnnexp.latent_steps.base import LatentStep
from rnnexp.losses.base import CompositeLoss
from rnnexp.models import RNN
from rnnexp.observation.base import Observation
from rnnexp.observation.identity import Identity
from rnnexp.recurrence.forcing import Forcing, NoForcing, SparseForcing
from rnnexp.recurrence.threads import use_threads
from rnnexp.tasks.base import Task
from rnnexp.training.plain_optimizer import spare_compiler, without_hooks
from rnnexp.training.state import Parts
from rnnexp.training.streams import seeded, stream

if TYPE_CHECKING:
    from rnnexp.saved.ancestor import Ancestor

log = logging.getLogger(__name__)
Config = dict[str, Any]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def build_parts(config: Config, restoring: bool = False, ancestor: "Ancestor | None" = None) -> Parts:
    """Build everything that a training needs from a resolved, validated configuration.

    Args:
        config: resolved and validated.
        restoring: the weights come from a checkpoint, see `build_model`.
        ancestor: the trained network that this one begins with.

    Raises:
        UserError: a part refuses its arguments, or two parts do not fit together.
    """
    device, dtype = prepare_device(config["device"])
    task, curriculum = build_task(config), build_curriculum(config)
    task = task if curriculum is None else curriculum.tasks[-1]
    model = build_model(config, task, restoring=restoring, ancestor=ancestor).to(device, dtype)
    loss = build_loss(config)
    freeze(model, config.get("freeze", []))
    learning = optimized(model, config.get("lr_of", {}))
    spare_compiler()
    optimizer = without_hooks(instantiate(config["optimizer"], key="optimizer", params=learning))
    if ancestor is not None and config["init_optimizer"]:
        ancestor.give_optimizer(optimizer, model)
    schedule = instantiate(config["scheduler"], key="scheduler")
    parts = Parts(task, model, loss, optimizer, schedule, device, dtype, curriculum)
    check_fit(parts)
    return parts


def ancestor_of(config: Config) -> "Ancestor | None":
    """Return the trained network that a configuration names with init_from, None if it names none.

    Raises:
        UserError: there is no such network, or it is damaged.
    """
    if config.get("init_from") is None:
        return None
    from rnnexp.saved.ancestor import Ancestor  # loads models, which other trainings do not

    return Ancestor(config)


def prepare_device(config: Config) -> tuple[torch.device, torch.dtype]:
    """Choose the device and dtype and set the number of threads, see `rnnexp.recurrence.threads`.

    Raises:
        UserError: cuda was asked for and is not there.
    """
    name = config["name"]
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device.name: {name}: no CUDA device was found; use device=cpu or device=auto")
    use_threads(config["threads"])
    return torch.device(name), DTYPES[config["dtype"]]


def build_model(
    config: Config,
    task: Task,
    default_tau: float | None = None,
    restoring: bool = False,
    ancestor: "Ancestor | None" = None,
) -> RNN:
    """Build the model for a task, float32 on the CPU.

    Args:
        config: resolved and validated configuration.
        task: sets the sizes and the time step.
        default_tau: time constant of leaky networks whose tau is null, ms; None takes the task's.
        restoring: the weights, masks and signs come from a checkpoint: files of masks are not read, and initial
            weights are not drawn.
        ancestor: a trained network whose weights, masks and signs this one begins with.

    Raises:
        UserError: a part refuses its arguments, or two parts do not fit together.
    """
    generator = stream(config["seed"], "initialisation")
    latent_dim = config["latent_dim"]
    loop = build_loop(config, task)
    n_inputs, n_outputs = network_sizes(task, loop)
    constraint, rules = build_rules(config, Sizes(n_inputs, latent_dim, n_outputs), generator, restoring)
    optional = {"dt": task.dt, "default_tau": default_tau or task.tau, "rules": rules}
    with seeded(generator):
        latent_step = _instantiate_part(
            config, "latent_step", LatentStep, optional, latent_dim=latent_dim, input_dim=n_inputs
        )
        observation = _instantiate_part(
            config, "observation", Observation, {"rule": rules.output},
            latent_dim=latent_dim, output_dim=n_outputs,
        )  # fmt: skip
    forcing = build_forcing(config, task, restoring)
    try:
        start = initial_state(config["initial_state"], task)
        model = RNN(latent_step, observation, start, forcing=forcing, loop=loop)
    except ValueError as error:
        raise UserError(f"forcing: {error}") from error
    check_perturbations(loop, latent_step.state_dim, task.T)
    exponents = getattr(task, "lyapunov_exponents", 1)
    if exponents > latent_step.state_dim:
        raise UserError(
            f"task.lyapunov_exponents: {exponents}: the network has {latent_step.state_dim} states, must be from 1 to "
            f"{latent_step.state_dim}"
        )
    if ancestor is not None:
        ancestor.give_rules(model)
    if not restoring:
        initializer = instantiate(config["initializer"], key="initializer")
        try:
            model.initialize(initializer.resolve(task.kind, latent_step.auto_initializer), generator)
            initializer.apply_to(model.to(DTYPES[config["device"]["dtype"]]))
        except ValueError as error:
            raise UserError(f"initializer: {error}") from error
    if ancestor is not None:
        ancestor.give_weights(model)
    if constraint.fixed or constraint.plasticity:
        try:
            model.plasticity = Plasticity(model, constraint.fixed, constraint.plasticity)
        except ValueError as error:
            raise UserError(f"constraint: {error}") from error
    return model


def initial_state(name: str, task: Task) -> str:
    """Return how the initial state comes about: from the data of a time series, where the configuration leaves it open.

    Raises:
        UserError: it shall come from data, and the task has none.
    """
    if name == "data" and task.kind != "time_series":
        raise UserError(
            "initial_state: data: needs a time series as the task; choose auto, learned or zero for "
            f"{type(task).__name__}"
        )
    return "data" if name == "auto" and task.kind == "time_series" else name


def build_forcing(config: Config, task: Task, restoring: bool) -> Forcing | None:
    """Build the forcing of a configuration, None if there is none.

    Raises:
        UserError: its arguments are refused, or the task has no data to force with.
    """
    forcing = instantiate(config["forcing"], key="forcing")
    if isinstance(forcing, NoForcing):
        return None
    if task.kind != "time_series":
        raise UserError(
            f"forcing: needs the data of a time series; choose forcing=none for the task {type(task).__name__}"
        )
    if isinstance(forcing, SparseForcing) and not restoring:
        try:
            forcing.prepare(task.forcing_interval)
        except ValueError as error:
            raise UserError(f"forcing.tau: auto: {error}") from error
    return forcing


def build_rules(
    config: Config, sizes: Sizes, generator: torch.Generator, restoring: bool
) -> tuple[Constraint, WeightRules]:
    """Build the constraint and draw the rules of the weights from it.

    Raises:
        UserError: the settings do not fit the network.
    """
    constraint, connectivity = (
        instantiate(without_files(config[key]) if restoring else config[key], key=key)
        for key in ("constraint", "connectivity")
    )
    try:
        return constraint, constraint.rules(sizes, connectivity, generator)
    except ValueError as error:
        raise UserError(f"constraint, connectivity: {error}") from error


def without_files(node: Any) -> Any:
    """Return a node with the names of .npy and .npz files replaced by None, which leaves all connected and free."""
    if isinstance(node, dict):
        return {key: without_files(value) for key, value in node.items()}
    return None if isinstance(node, str) and node.endswith((".npy", ".npz")) else node


def _instantiate_part(config: Config, key: str, base: type, optional: Config, **arguments: Any) -> Any:
    """Build a latent step or an observation, with those of the optional arguments that it takes.

    Raises:
        UserError: it is of another type, or cannot obey rules that there are.
    """
    target = config[key]["_target_"]
    called = locate(target, f"{key}._target_")
    taken = inspect.signature(called).parameters if inspect.isclass(called) else {}
    part = instantiate(
        config[key],
        key=key,
        **arguments,
        **{name: value for name, value in optional.items() if name in taken},
    )
    if not isinstance(part, base):
        raise UserError(f"{key}._target_: {target}: must be a subclass of {base.__module__}.{base.__name__}")
    for name in ("rules", "rule"):
        if optional.get(name) not in (None, WeightRules()) and name not in taken:
            raise UserError(
                f"{key}: {type(part).__name__}: has no weights that constraint or connectivity could act on; choose "
                f"constraint=none connectivity=full, or another {key}"
            )
    return part


def build_loss(config: Config) -> CompositeLoss:
    """Build the loss; a bare term counts as 1.0 times itself."""
    loss = instantiate(config["loss"], key="loss")
    return loss if isinstance(loss, CompositeLoss) else CompositeLoss([loss])


def check_fit(parts: Parts) -> None:
    """Refuse parts that do not work together, before any time is spent, and warn of those that hardly do.

    Raises:
        UserError: a loss term needs what the model lacks, or the AR convergence threshold has no weight.
    """
    try:
        parts.loss.check_model(parts.model)
    except ValueError as error:
        raise UserError(f"loss: {error}") from error
    epsilon = getattr(parts.model.latent_step, "ar_epsilon", None)
    if epsilon is not None and "ar" not in parts.loss.used:
        raise UserError(
            f"latent_step.ar_epsilon: {epsilon}: has no effect while loss.lambda_ar is 0; set loss.lambda_ar > 0"
        )
    step, n_outputs = parts.model.latent_step, parts.task.output_dim
    is_fixed = "C" in dict(step.named_buffers())
    if (
        is_fixed
        and isinstance(parts.model.observation, Identity)
        and step.latent_dim < n_outputs + step.input_dim
    ):
        log.warning(
            "latent_step.learnable_C: false: the inputs drive units that are read out too; latent_dim >= %d, the "
            "outputs and the inputs, gives each its own, it is %d", n_outputs + step.input_dim, step.latent_dim,
        )  # fmt: skip
