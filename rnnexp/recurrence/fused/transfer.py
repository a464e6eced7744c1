"""The transfer functions r = f(z) of `rnnexp.latent_steps.activations`, and their slopes, for use inside kernels.

Exponentials in float32 are written out here, so that the compiler can compute several at once, which it cannot
do with a call of the C library; exp, expm1 and sigmoid are within 2 units in the last place, tanh and softplus
within 4, over the whole range. In float64 the C library is called.

The reductions need every rounding where it stands: the functions that hold them are compiled without the flags that
let the compiler reorder sums.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import overload

from rnnexp.latent_steps.activations import CEILING, SLOPE
from rnnexp.recurrence.fused.compilation import Array, inner

Number = float | np.floating
Compiled = Callable[..., Any]  # a function made by `inner`

LINEAR_FROM = 40.0  # softplus is the identity beyond this, as in the reference

_exact = numba.njit(no_cpython_wrapper=True, error_model="numpy", fastmath={"contract"})

_F = np.float32
_LOG2_E = _F(1.4426950408889634)
_LN2_HIGH = _F(0.693359375)  # few bits: its product with a small integer is exact
_LN2_LOW = _F(-2.1219444005469057e-4)  # the rest of ln 2
_LOWEST, _HIGHEST = (
    _F(-87.3),
    _F(88.3),
)  # beyond, e^x would leave the normal float32 numbers: it stays as it is there


@_exact
def _reduced_exp(x: Number) -> tuple[Number, Number]:
    """Return p and s with e^x = s + s p, s a power of 2 and |p| < 0.5, for a float32 x; nan stays nan in p."""
    x = _HIGHEST if x > _HIGHEST else x
    x = _LOWEST if x < _LOWEST else x
    n = np.floor(x * _LOG2_E + _F(0.5))
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    q = _F(1 / 5040)
    q = q * r + _F(1 / 720)
    q = q * r + _F(1 / 120)
    q = q * r + _F(1 / 24)
    q = q * r + _F(1 / 6)
    q = q * r + _F(1 / 2)
    scale = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return q * r * r + r, scale


@_exact
def _exp_32(x: Number) -> Number:
    p, scale = _reduced_exp(x)
    return p * scale + scale


@_exact
def _expm1_32(x: Number) -> Number:
    p, scale = _reduced_exp(x)
    return p * scale + (scale - _F(1))


@_exact
def _tanh_32(x: Number) -> Number:
    twice = _F(2) * abs(x)
    twice = _F(30) if twice > _F(30) else twice
    grown = _expm1_32(twice)
    return math.copysign(grown / (grown + _F(2)), x)


@_exact
def _log1p_32(x: Number) -> Number:
    """Return log(1 + x) for 0 <= x <= 1, as 2 artanh(x / (2 + x))."""
    s = x / (_F(2) + x)
    s2 = s * s
    q = _F(1 / 13)
    q = q * s2 + _F(1 / 11)
    q = q * s2 + _F(1 / 9)
    q = q * s2 + _F(1 / 7)
    q = q * s2 + _F(1 / 5)
    q = q * s2 + _F(1 / 3)
    return _F(2) * (s + s * s2 * q)


def _exp(x: Number) -> Number:
    return math.exp(x)


def _expm1(x: Number) -> Number:
    return math.expm1(x)


def _tanh(x: Number) -> Number:
    return math.tanh(x)


def _log1p(x: Number) -> Number:
    return math.log1p(x)


def _take_in_float32(function: Callable[[Number], Number], function_32: Callable[[Number], Number]) -> None:
    """Let kernels call function_32 where they call the function with a float32."""

    @overload(function, strict=False)
    def choose(x: types.Type) -> Callable[[Number], Number]:
        return (lambda x: function_32(x)) if x == types.float32 else function


_take_in_float32(_exp, _exp_32)
_take_in_float32(_expm1, _expm1_32)
_take_in_float32(_tanh, _tanh_32)
_take_in_float32(_log1p, _log1p_32)


@inner
def _relu(z: Number) -> Number:
    return type(z)(0) if z <= 0 else z  # nan stays nan, here and below


@inner
def _relu_slope(z: Number, r: Number) -> Number:
    return type(z)(0) if r <= 0 else type(z)(1)


@inner
def _tanh_value(z: Number) -> Number:
    return _tanh(z)


@inner
def _tanh_slope(z: Number, r: Number) -> Number:
    return type(z)(1) - r * r


@inner
def _sigmoid(z: Number) -> Number:
    return type(z)(1) / (type(z)(1) + _exp(-z))


@inner
def _sigmoid_slope(z: Number, r: Number) -> Number:
    return r * (type(z)(1) - r)


@inner
def _softplus(z: Number) -> Number:
    return z if z > LINEAR_FROM else _relu(z) + _log1p(_exp(-abs(z)))


@inner
def _softplus_slope(z: Number, r: Number) -> Number:
    return type(z)(1) if z > LINEAR_FROM else _sigmoid(z)


@inner
def _elu(z: Number) -> Number:
    return z if z > 0 else _expm1(z)


@inner
def _elu_slope(z: Number, r: Number) -> Number:
    return type(z)(1) if z > 0 else _exp(z)


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
    return _relu(_tanh(z))


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
_RELU, _TANH, _SIGMOID, _SOFTPLUS, _ELU, _LEAKY_RELU, _IDENTITY, _RETANH, _CLIPPED_RELU, _ = range(
    len(_NAMES)
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
fill_sigmoid, _fill_sigmoid_slopes = _over_arrays(_sigmoid, _sigmoid_slope)
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
