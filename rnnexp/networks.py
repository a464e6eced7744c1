"""Networks for loops of your own: the options of `latent_step` as constructors, for inputs and outputs of any size.

Letters: B trials, T time steps, K inputs, O outputs, M latents, S states.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnexp.api import compose
from rnnexp.building.parts import build_model, prepare_device
from rnnexp.errors import UserError
from rnnexp.models import RNN
from rnnexp.numbers import integer_at_least, plain, positive
from rnnexp.tasks.no_task import NoTask
from rnnexp.training.streams import globals_kept, globals_seeded


def network(
    latent_step: str,
    *,
    input_dim: int,
    output_dim: int,
    latent_dim: int = 50,
    dt: float = 10.0,
    seed: int = 0,
    overrides: Sequence[str] = (),
    **settings: Any,
) -> RNN:
    """Build an untrained network, as `rnnexp train latent_step=...` does for a task of these sizes.

    Args:
        latent_step: name of the option: "ALRNN", "PLRNN", "shPLRNN", "Basic", "CTRNN", "FR_RNN_dale", "LSTM", ...
        input_dim: K >= 0.
        output_dim: O >= 1.
        latent_dim: M >= 1.
        dt: time step, ms, > 0.
        seed: of the initial weights, >= 0; global random generators stay as they are.
        overrides: for other groups, as on the command line: "constraint=dale", "initializer=orthogonal", ...
        settings: those of the option, see conf/latent_step/, such as activation="tanh", tau=50.0, pre_noise=0.05.

    Returns:
        A torch module with the initial weights. `run(inputs)` takes (B, T, K) and returns a `Trajectory`: latents and
        rates (B, T, M), outputs (B, T, O), initial (B, S). float32, on the CPU where there is no CUDA device;
        device=cpu and device.dtype=float64 among the overrides choose.

    Raises:
        UserError: there is no such option or setting, or a value is not allowed.
        ValueError: a size is not allowed.

    Example:
        >>> net = network("Basic", input_dim=2, output_dim=2, latent_dim=20, activation="tanh")
        >>> net.run(torch.zeros(8, 100, 2)).outputs.shape
        torch.Size([8, 100, 2])
    """
    integer_at_least("latent_dim", latent_dim, 1)
    task = NoTask(input_dim, output_dim, positive("dt", dt, "ms"))
    words = [f"latent_step={latent_step}", f"latent_dim={latent_dim}", f"seed={seed}", *overrides]
    words += [f"latent_step.{name}={_text(name, value)}" for name, value in settings.items()]
    config = compose(words)
    device, dtype = prepare_device(config["device"])
    with globals_kept(), globals_seeded(config["seed"], "initialisation"):
        return build_model(config, task).to(device, dtype)


def Basic(**settings: Any) -> RNN:
    """Build PsychRNN's Basic network; arguments are those of `network` but for its name.

    Example:
        >>> Basic(input_dim=2, output_dim=1, latent_dim=30, pre_noise=0.1).weights()["W_rec"].shape
        torch.Size([30, 30])
    """
    return network("Basic", **settings)


def CTRNN(**settings: Any) -> RNN:
    """Build nn4n's CTRNN; arguments are those of `network` but for its name.

    Example:
        >>> round(float(CTRNN(input_dim=1, output_dim=1, tau=50.0, dt=5.0).latent_step.alpha), 6)
        0.1
    """
    return network("CTRNN", **settings)


def FR_RNN_dale(**settings: Any) -> RNN:
    """Build spikeRNN's rate network under Dale's law; arguments are those of `network` but for its name.

    Example:
        >>> net = FR_RNN_dale(input_dim=2, output_dim=1, latent_dim=100, dt=5.0, tau={"min": 20, "max": 100})
        >>> sorted(set(net.latent_step.unit_signs.tolist()))
        [-1.0, 1.0]
    """
    return network("FR_RNN_dale", **settings)


def _text(name: str, value: Any) -> str:
    """Return a value as it is written on a command line.

    Raises:
        UserError: it cannot be.
    """
    value = plain(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float | str):
        return str(value)
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{_text(name, entry)}' for key, entry in value.items())}}}"
    if isinstance(value, Sequence):
        return f"[{','.join(_text(name, entry) for entry in value)}]"
    raise UserError(f"latent_step.{name}: {value!r}: must be a number, a text, a list or a mapping")
