"""What the kernels of the gated networks do unit by unit; the equations stand at the top of `gated.py`.

Arrays are flat, (-): units of trials, or of steps and trials, one after the other, so that loops over them are long.
Where there are four in one, (4, -), they belong to the gates f, i, q, o of an LSTM, or to r, u, n, m of a GRU.
"""

from typing import Literal

from rnnexp.recurrence.fused.compilation import Array, inner
from rnnexp.recurrence.fused.transfer import fill_sigmoid, fill_tanh

Cell = Literal["lstm_sigmoid", "lstm_tanh", "gru"]
LSTM_SIGMOID, LSTM_TANH, GRU = range(3)
CELLS: dict[str, int] = {"lstm_sigmoid": LSTM_SIGMOID, "lstm_tanh": LSTM_TANH, "gru": GRU}


@inner
def open_gates(cell: int, v: Array, gates: Array) -> None:
    """Set gates (4, -) to f, i, q, o, or to r, u, n, v_m, given v (4, -), whose v_n is changed."""
    fill_sigmoid(v[:2], gates[:2])
    if cell == GRU:
        r, v_n, v_m, m = gates[0], v[2], v[3], gates[3]
        for e in range(len(r)):
            v_n[e] += r[e] * v_m[e]
        for e in range(len(r)):
            m[e] = v_m[e]
    else:
        fill_sigmoid(v[3:], gates[3:])
    fill_tanh(v[2:3], gates[2:3])


@inner
def step_gru(gates: Array, h: Array) -> None:
    """Make a step of the states h (-)."""
    u, n = gates[1], gates[2]
    for e in range(len(h)):
        h[e] = n[e] + u[e] * (h[e] - n[e])


@inner
def step_lstm(cell: int, gates: Array, c: Array, h: Array) -> None:
    """Make a step of the states c and h, both (1, -)."""
    f, i, q, o = gates[0], gates[1], gates[2], gates[3]
    for e in range(len(f)):
        c[0, e] = f[e] * c[0, e] + i[e] * q[e]
    _cell_rates(cell, c, h)
    for e in range(len(f)):
        h[0, e] *= o[e]


@inner
def _cell_rates(cell: int, c: Array, rates: Array) -> None:
    """Set rates to phi(c), both (1, -)."""
    if cell == LSTM_TANH:
        fill_tanh(c, rates)
    else:
        fill_sigmoid(c, rates)


@inner
def slopes_gru(gates: Array, before: Array, slopes: Array) -> None:
    """Set slopes (4, -) to dv / dh, given h before the step (-)."""
    one = before.dtype.type(1)
    r, u, n, m = gates[0], gates[1], gates[2], gates[3]
    of_r, of_u, of_n, of_m = slopes[0], slopes[1], slopes[2], slopes[3]
    for e in range(len(r)):
        of_u[e] = (before[e] - n[e]) * u[e] * (one - u[e])
    for e in range(len(r)):
        of_n[e] = (one - u[e]) * (one - n[e] * n[e])
    for e in range(len(r)):
        of_m[e] = r[e] * of_n[e]
    for e in range(len(r)):
        of_r[e] = m[e] * of_m[e] * (one - r[e])


@inner
def slopes_lstm(cell: int, gates: Array, before: Array, after: Array, slopes: Array) -> None:
    """Set slopes (4, -) to dv_f / dc, dv_i / dc, dv_q / dc, dv_o / dh.

    Args:
        cell: which LSTM.
        gates: (4, -).
        before: c before the step, (1, -); spoilt.
        after: c after the step, (1, -); becomes o phi'(c).
        slopes: (4, -).
    """
    one = before.dtype.type(1)
    f, i, q, o = gates[0], gates[1], gates[2], gates[3]
    of_f, of_i, of_q, of_o = slopes[0], slopes[1], slopes[2], slopes[3]
    for e in range(len(f)):
        of_f[e] = before[0, e] * f[e] * (one - f[e])
    for e in range(len(f)):
        of_i[e] = q[e] * i[e] * (one - i[e])
    for e in range(len(f)):
        of_q[e] = i[e] * (one - q[e] * q[e])
    rates = before
    _cell_rates(cell, after, rates)
    for e in range(len(f)):
        of_o[e] = rates[0, e] * o[e] * (one - o[e])
    for e in range(len(f)):
        rate = rates[0, e]
        after[0, e] = o[e] * (one - rate * rate if cell == LSTM_TANH else rate * (one - rate))


@inner
def back_gru(u: Array, slopes: Array, low: int, dh: Array) -> None:
    """Turn the slopes of a step into dv, and dh (-) into what reaches the state before without going through W."""
    for k in range(4):
        _scale(slopes[k], low, dh)
    for e in range(len(dh)):
        dh[e] *= u[e]


@inner
def back_lstm(f: Array, through: Array, slopes: Array, low: int, dh: Array, dc: Array) -> None:
    """Turn the slopes of a step into dv, and dh and dc (-) as in `back_gru`; through (-) is o phi'(c)."""
    for e in range(len(dh)):
        dc[e] += dh[e] * through[e]
    for k in range(3):
        _scale(slopes[k], low, dc)
    _scale(slopes[3], low, dh)
    for e in range(len(dh)):
        dc[e] *= f[e]
    for e in range(len(dh)):
        dh[e] = 0


@inner
def _scale(slopes: Array, low: int, d: Array) -> None:
    """Multiply the slopes (-) of a step, which begin at low, by d (-)."""
    for e in range(len(d)):
        slopes[low + e] *= d[e]
