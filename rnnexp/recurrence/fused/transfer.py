"""The transfer functions r = f(z) of `rnnexp.latent_steps.activations`, and their slopes, for use inside kernels.

In float32 sigmoid is within 2 units in the last place and softplus within 4, over the whole range.
"""

from collections.abc import Callable
from typing import Any

from rnnexp.latent_steps.activations import CEILING, SLOPE
from rnnexp.recurrence.fused.compilation import Array, inner
from rnnexp.recurrence.fused.exponentials import Number, exp, expm1, log1p, tanh

Compiled = Callable[..., Any]  # a function made by `inner`

LINEAR_FROM = 40.0  # softplus is the identity beyond this, as in the reference


@inner
def _relu(z: Number) -> Number:
    return type(z)(0) if z <= 0 else z  # nan stays nan, here and below


@inner
def _relu_slope(z: Number, r: Number) -> Number:
    return type(z)(0) if r <= 0 else type(z)(1)


@inner
def _tanh_value(z: Number) -> Number:
    return tanh(z)


@inner
def _tanh_slope(z: Number, r: Number) -> Number:
    return type(z)(1) - r * r


@inner
def sigmoid(z: Number) -> Number:
    """Return 1 / (1 + exp(-z))."""
    return type(z)(1) / (type(z)(1) + exp(-z))


@inner
def _sigmoid_slope(z: Number, r: Number) -> Number:
    return r * (type(z)(1) - r)


@inner
def _softplus(z: Number) -> Number:
    return z if z > LINEAR_FROM else _relu(z) + log1p(exp(-abs(z)))


@inner
def _softplus_slope(z: Number, r: Number) -> Number:
    return type(z)(1) if z > LINEAR_FROM else sigmoid(z)


@inner
def _elu(z: Number) -> Number:
    return z if z > 0 else expm1(z)


@inner
def _elu_slope(z: Number, r: Number) -> Number:
    return type(z)(1) if z > 0 else exp(z)


@inner
def _leaky_relu(z: Number) -> Number:
    return z if z > 0 else z * type(z)(SLOPE)


@inner
def _leaky_relu_slope(z: Number, r: Number) -> Number:
    return type(z)(1) if r > 0 else type(z)(SLOPE)


@inner
def _identity(z: Number) -> Number:
    return z


@inner
def _identity_slope(z: Number, r: Number) -> Number:
    return type(z)(1)


@inner
def _retanh(z: Number) -> Number:
    return _relu(tanh(z))


@inner
def _retanh_slope(z: Number, r: Number) -> Number:
    return type(z)(0) if r <= 0 else type(z)(1) - r * r


@inner
def _clipped(r: Number) -> Number:
    return type(r)(CEILING) if r > CEILING else r


@inner
def _clipped_relu(z: Number) -> Number:
    return _clipped(_relu(z))


@inner
def _clipped_relu_slope(z: Number, r: Number) -> Number:
    return type(z)(1) if z >= 0 and z <= CEILING else type(z)(0)


@inner
def _clipped_softplus(z: Number) -> Number:
    return _clipped(_softplus(z))


@inner
def _clipped_softplus_slope(z: Number, r: Number) -> Number:
    slope = _softplus_slope(z, r)
    return type(z)(0) if _softplus(z) > CEILING else slope


_NAMES = (
    "relu", "tanh", "sigmoid", "softplus", "elu", "leaky_relu", "identity", "retanh", "clipped_relu",
    "clipped_softplus",
)  # fmt: skip
_RELU, _TANH, _SIGMOID, _SOFTPLUS, _ELU, _LEAKY_RELU, _IDENTITY, _RETANH, _CLIPPED_RELU, _CLIPPED_SOFTPLUS = (
    range(len(_NAMES))
)
_SLOPE_IN_RATES = (
    "relu",
    "tanh",
    "sigmoid",
    "leaky_relu",
    "identity",
    "retanh",
)  # f'(z) follows from f(z) alone


def number_of(activation: str) -> int:
    """Return the number by which kernels know a function. They hold all of them, to be compiled only once.

    Raises:
        ValueError: there is no such function.
    """
    if activation not in _NAMES:
        raise ValueError(f"activation must be one of {', '.join(_NAMES)}, got {activation!r}")
    return _NAMES.index(activation)


def slope_needs_states(activation: str) -> bool:
    """Return whether f'(z) depends on z beyond f(z), so that kernels have to load z."""
    return activation not in _SLOPE_IN_RATES


@inner
def slope_is_of_value(number: int) -> bool:
    """Return whether f'(z) follows from f(z) alone; else it follows from z alone."""
    return number not in (_SOFTPLUS, _ELU, _CLIPPED_RELU, _CLIPPED_SOFTPLUS)


def _over_arrays(value: Compiled, slope: Compiled) -> tuple[Compiled, Compiled]:
    """Return functions that set the first M columns of x to f(z), and slopes to f'(z), for z (b, M)."""

    @inner
    def fill_values(z: Array, x: Array) -> None:
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                x[i, j] = value(z[i, j])

    @inner
    def fill_slopes(z: Array, x: Array, slopes: Array) -> None:
        for i in range(z.shape[0]):
            for j in range(z.shape[1]):
                slopes[i, j] = slope(z[i, j], x[i, j])

    return fill_values, fill_slopes


_fill_relu, _fill_relu_slopes = _over_arrays(_relu, _relu_slope)
fill_tanh, _fill_tanh_slopes = _over_arrays(_tanh_value, _tanh_slope)
fill_sigmoid, _fill_sigmoid_slopes = _over_arrays(sigmoid, _sigmoid_slope)
_fill_softplus, _fill_softplus_slopes = _over_arrays(_softplus, _softplus_slope)
_fill_elu, _fill_elu_slopes = _over_arrays(_elu, _elu_slope)
_fill_leaky_relu, _fill_leaky_relu_slopes = _over_arrays(_leaky_relu, _leaky_relu_slope)
_fill_identity, _fill_identity_slopes = _over_arrays(_identity, _identity_slope)
_fill_retanh, _fill_retanh_slopes = _over_arrays(_retanh, _retanh_slope)
_fill_clipped_relu, _fill_clipped_relu_slopes = _over_arrays(_clipped_relu, _clipped_relu_slope)
_fill_clipped_softplus, _fill_clipped_softplus_slopes = _over_arrays(
    _clipped_softplus, _clipped_softplus_slope
)


@inner
def transfer(number: int, z: Array, x: Array) -> None:
    """Set the first M columns of x to f(z), z (b, M), for the function of that number."""
    if number == _RELU:
        _fill_relu(z, x)
    elif number == _TANH:
        fill_tanh(z, x)
    elif number == _SIGMOID:
        fill_sigmoid(z, x)
    elif number == _SOFTPLUS:
        _fill_softplus(z, x)
    elif number == _ELU:
        _fill_elu(z, x)
    elif number == _LEAKY_RELU:
        _fill_leaky_relu(z, x)
    elif number == _IDENTITY:
        _fill_identity(z, x)
    elif number == _RETANH:
        _fill_retanh(z, x)
    elif number == _CLIPPED_RELU:
        _fill_clipped_relu(z, x)
    else:
        _fill_clipped_softplus(z, x)


@inner
def transfer_slopes(number: int, z: Array, x: Array, slopes: Array) -> None:
    """Set slopes (b, M) to f'(z), z (b, M), given f(z) in the first M columns of x."""
    if number == _RELU:
        _fill_relu_slopes(z, x, slopes)
    elif number == _TANH:
        _fill_tanh_slopes(z, x, slopes)
    elif number == _SIGMOID:
        _fill_sigmoid_slopes(z, x, slopes)
    elif number == _SOFTPLUS:
        _fill_softplus_slopes(z, x, slopes)
    elif number == _ELU:
        _fill_elu_slopes(z, x, slopes)
    elif number == _LEAKY_RELU:
        _fill_leaky_relu_slopes(z, x, slopes)
    elif number == _IDENTITY:
        _fill_identity_slopes(z, x, slopes)
    elif number == _RETANH:
        _fill_retanh_slopes(z, x, slopes)
    elif number == _CLIPPED_RELU:
        _fill_clipped_relu_slopes(z, x, slopes)
    else:
        _fill_clipped_softplus_slopes(z, x, slopes)
