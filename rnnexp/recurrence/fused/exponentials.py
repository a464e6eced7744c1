"""Exponential functions for use inside kernels.

In float32 they are written out, so that the compiler can compute several at once, which it cannot do with a call of
the C library; exp and expm1 are within 2 units in the last place, tanh within 4, over the whole range. In float64 the
C library is called.

The reductions need every rounding where it stands: the functions that hold them are compiled without the flags that
let the compiler reorder sums.
"""

import math
from collections.abc import Callable

import numba
import numpy as np
from numba import types
from numba.extending import overload

Number = float | np.floating

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


def exp(x: Number) -> Number:
    """Return e^x."""
    return math.exp(x)


def expm1(x: Number) -> Number:
    """Return e^x - 1."""
    return math.expm1(x)


def tanh(x: Number) -> Number:
    """Return the hyperbolic tangent of x."""
    return math.tanh(x)


def log1p(x: Number) -> Number:
    """Return log(1 + x), in float32 for 0 <= x <= 1 only."""
    return math.log1p(x)


def _take_in_float32(function: Callable[[Number], Number], function_32: Callable[[Number], Number]) -> None:
    """Let kernels call function_32 where they call the function with a float32."""

    @overload(function, strict=False)
    def choose(x: types.Type) -> Callable[[Number], Number]:
        return (lambda x: function_32(x)) if x == types.float32 else function


_take_in_float32(exp, _exp_32)
_take_in_float32(expm1, _expm1_32)
_take_in_float32(tanh, _tanh_32)
_take_in_float32(log1p, _log1p_32)
