"""Training steps of other tools on the workloads of `benchmark.py`, as far as they can be imported here.

Every function takes the number of steps and returns a function that gives the milliseconds of one step, made after
everything has been built and compiled. Tools: PsychRNN (whole iterations, trials included), nn4n (given data), motornet
(its own reaches) and JAX (a scan that was compiled, given data, the optimizer Adam by hand).
"""

import contextlib
import importlib.util
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Timer = Callable[[], float]


def psychrnn_step(steps: int, n_units: int, batch: int) -> Timer:
    """Time iterations of PsychRNN's Basic network on its perceptual discrimination."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from psychrnn.backend.models.basic import Basic
    from psychrnn.tasks.perceptual_discrimination import PerceptualDiscrimination

    task = PerceptualDiscrimination(dt=10, tau=100, T=2000, N_batch=batch)
    network = Basic({**task.get_task_params(), "name": "benchmark", "N_rec": n_units})
    settings = {"training_iters": batch * (steps + 2), "verbosity": False}

    def milliseconds() -> float:
        begins = []  # of iterations: of the first ones, which build a graph, the median knows nothing

        def trials() -> Iterator[Any]:
            for trials_of_one in task.batch_generator():
                begins.append(time.perf_counter())
                yield trials_of_one

        with contextlib.redirect_stdout(io.StringIO()):
            network.train(trials(), settings)
        return 1e3 * statistics.median(np.diff(begins))

    return milliseconds


def nn4n_step(steps: int, n_units: int, batch: int) -> Timer:
    """Time updates of nn4n's CTRNN with its mean squared error, T 200, 2 inputs, 2 outputs."""
    import torch
    from nn4n.criterion import RNNLoss
    from nn4n.model import CTRNN

    network = CTRNN(dims=[2, n_units, 2], tau=100, dt=10)
    loss = RNNLoss(model=network, lambda_mse=1)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    inputs, targets = torch.randn(200, batch, 2), torch.randn(200, batch, 2)

    def step() -> None:
        optimizer.zero_grad()
        outputs, states = network(inputs)
        total = loss(outputs, targets, states=states)
        (total[0] if isinstance(total, tuple) else total).backward()
        optimizer.step()

    return _timer(step, steps)


def motornet_step(steps: int, n_units: int, batch: int) -> Timer:
    """Time updates of a GRU that moves motornet's point mass with four muscles, 99 steps of 50 ms."""
    import motornet
    import torch

    effector = motornet.effector.ReluPointMass24(timestep=0.05)
    environment = motornet.environment.RandomTargetReach(effector=effector, max_ep_duration=4.95)
    observed, _ = environment.reset(options={"batch_size": batch})
    cell = torch.nn.GRUCell(observed.shape[1], n_units)
    readout = torch.nn.Linear(n_units, environment.action_space.shape[0])
    parameters = [*cell.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-3)

    def step() -> None:
        observed, info = environment.reset(options={"batch_size": batch})
        h, errors = torch.zeros(batch, n_units), []
        for _ in range(99):
            h = cell(observed, h)
            observed, _, _, _, info = environment.step(action=torch.sigmoid(readout(h)))
            hand = info["states"]["fingertip"]
            errors.append((hand - info["goal"][:, : hand.shape[1]]).square().sum(1))
        optimizer.zero_grad()
        torch.stack(errors).mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return _timer(step, steps)


def jax_leaky_step(steps: int, n_units: int, batch: int, count: int = 1) -> Timer:
    """Time updates of a leaky network with rectified rates, T 200, 2 inputs, 2 outputs, or of many by vmap."""
    import jax
    import jax.numpy as jnp

    def outputs(weights: dict, inputs: Any) -> Any:
        def step(z: Any, s: Any) -> tuple[Any, Any]:
            drive = jax.nn.relu(z) @ weights["W"].T + s @ weights["W_in"].T + weights["h"]
            z = 0.9 * z + 0.1 * drive
            return z, jax.nn.relu(z) @ weights["W_out"].T

        start = jnp.broadcast_to(weights["z0"], (batch, n_units))
        return jax.lax.scan(step, start, inputs)[1]

    rng = np.random.default_rng(0)
    shapes = {
        "W": (n_units, n_units),
        "W_in": (n_units, 2),
        "h": (n_units,),
        "W_out": (2, n_units),
        "z0": (n_units,),
    }
    weights = {name: rng.normal(0, n_units**-0.5, shape).astype("f4") for name, shape in shapes.items()}
    return _jax_timer(outputs, weights, rng.normal(size=(200, batch, 2)).astype("f4"), steps, count)


def jax_almost_linear_step(
    steps: int, n_units: int, batch: int, n_relus: int = 2, interval: int = 16, count: int = 1
) -> Timer:
    """Time updates of an almost-linear network on 3 observed dimensions, T 200, forced every `interval` steps."""
    import jax
    import jax.numpy as jnp

    def outputs(weights: dict, data: Any) -> Any:
        def step(z: Any, row: tuple[Any, Any]) -> tuple[Any, Any]:
            x, is_forced = row
            z = z.at[:, :3].set(jnp.where(is_forced, x, z[:, :3]))
            rates = jnp.concatenate([z[:, :-n_relus], jax.nn.relu(z[:, -n_relus:])], 1)
            z = weights["A"] * z + rates @ weights["W"].T + weights["h"]
            return z, z[:, :3]

        start = jnp.concatenate([data[0], data[0] @ weights["L"].T], 1)
        return jax.lax.scan(step, start, (data, jnp.arange(200) % interval == 0))[1]

    rng = np.random.default_rng(0)
    shapes = {"A": (n_units,), "W": (n_units, n_units), "h": (n_units,), "L": (n_units - 3, 3)}
    weights = {name: rng.normal(0, 0.05, shape).astype("f4") for name, shape in shapes.items()}
    return _jax_timer(outputs, weights, rng.normal(size=(200, batch, 3)).astype("f4"), steps, count)


def _jax_timer(
    outputs: Callable[[dict, Any], Any], weights: dict, data: np.ndarray, steps: int, count: int
) -> Timer:
    """Time updates by Adam towards random targets, per network of `count`."""
    import jax
    import jax.numpy as jnp

    targets = np.random.default_rng(1).normal(size=np.shape(outputs(weights, data))).astype("f4")

    def update(weights: dict, moments: tuple[dict, dict], data: Any) -> tuple[dict, tuple[dict, dict]]:
        gradients = jax.grad(lambda w: jnp.mean((outputs(w, data) - targets) ** 2))(weights)
        first = jax.tree_util.tree_map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradients)
        second = jax.tree_util.tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradients)
        weights = jax.tree_util.tree_map(
            lambda w, m, v: w - 1e-3 * m / (jnp.sqrt(v) + 1e-8), weights, first, second
        )
        return weights, (first, second)

    if count > 1:
        update = jax.vmap(update)
        weights = {name: np.stack([weight] * count) for name, weight in weights.items()}
        data = np.stack([data] * count)
    update = jax.jit(update)
    zeros = {name: np.zeros_like(weight) for name, weight in weights.items()}
    state = [weights, (zeros, zeros)]

    def step() -> None:
        state[:] = jax.block_until_ready(update(*state, data))

    timer = _timer(step, steps)
    return lambda: timer() / count


def _timer(step: Callable[[], None], steps: int) -> Timer:
    step()

    def milliseconds() -> float:
        begin = time.perf_counter()
        for _ in range(steps):
            step()
        return 1e3 * (time.perf_counter() - begin) / steps

    return milliseconds


PEERS: dict[str, dict[str, tuple[str, Callable[[int], Timer]]]] = {
    "H": {
        "PsychRNN, trials included": ("psychrnn", lambda n: psychrnn_step(n, 50, 128)),
        "nn4n, given data": ("nn4n", lambda n: nn4n_step(n, 50, 128)),
        "JAX, given data": ("jax", lambda n: jax_leaky_step(n, 50, 128)),
    },
    "H200": {
        "nn4n, given data": ("nn4n", lambda n: nn4n_step(n, 200, 64)),
        "JAX, given data": ("jax", lambda n: jax_leaky_step(n, 200, 64)),
    },
    "R": {"motornet, with muscles": ("motornet", lambda n: motornet_step(n, 50, 250))},
    "D": {"JAX, given data": ("jax", lambda n: jax_almost_linear_step(n, 20, 16))},
    "K H": {"JAX, vmap": ("jax", lambda n: jax_leaky_step(n, 50, 128, count=32))},
    "K D": {"JAX, vmap": ("jax", lambda n: jax_almost_linear_step(n, 20, 16, count=32))},
}
"""By workload and what is timed: the module that it needs, and what makes the timer for a number of steps."""


def timers_of_peers(workload: str, steps: int) -> dict[str, Timer]:
    """Return the timers of those tools that can be imported."""
    peers = PEERS.get(workload, {})
    return {
        name: make(steps)
        for name, (module, make) in peers.items()
        if importlib.util.find_spec(module) is not None
    }
