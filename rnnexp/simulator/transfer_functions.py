"""The transfer functions r = f(z) of rate networks, in NumPy; those of `rnnexp.latent_steps.activations`."""

from collections.abc import Callable

import numpy as np

from rnnexp.errors import UserError

Array = np.ndarray
Transfer = Callable[[Array], Array]

CEILING = 20.0  # of the bounded functions, as in spikeRNN
SLOPE = 0.2  # of leaky_relu below 0, as in TensorFlow


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + e^-z), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * z))


def _softplus(z: Array) -> Array:
    return np.logaddexp(z, z.dtype.type(0))


TRANSFER_FUNCTIONS: dict[str, Transfer] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": _softplus,
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "leaky_relu": lambda z: np.where(z > 0, z, z * z.dtype.type(SLOPE)),
    "identity": lambda z: z,
    "retanh": lambda z: np.maximum(np.tanh(z), 0),
    "clipped_relu": lambda z: np.clip(z, 0, CEILING),
    "clipped_softplus": lambda z: np.minimum(_softplus(z), CEILING),
}


def transfer_named(transfer_function: str | Transfer) -> Transfer:
    """Return a transfer function by its name; a function is returned as it is.

    Raises:
        UserError: there is no such function.
    """
    if callable(transfer_function):
        return transfer_function
    if transfer_function not in TRANSFER_FUNCTIONS:
        allowed = ", ".join(TRANSFER_FUNCTIONS)
        raise UserError(f"transfer_function: {transfer_function}: must be one of {allowed}, or a function")
    return TRANSFER_FUNCTIONS[transfer_function]
