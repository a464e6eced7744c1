"""A neuron that fires in bursts: a fast spike and a slow variable that ends the burst."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnexp.tasks.time_series.base import TimeSeries
from rnnexp.tasks.time_series.orbits import Flow, finite, orbits, velocity

# Conductances in mS, potentials in mV, capacitance in uF, times in ms.
C_M, G_L, E_L, G_NA, E_NA, G_K, E_K, G_M = 6.0, 8.0, -80.0, 20.0, 60.0, 10.0, -90.0, 25.0
V_M, K_M, V_N, K_N, V_H, K_H = -20.0, 15.0, -25.0, 5.0, -15.0, 5.0
TAU_N, TAU_H = 1.0, 200.0


@velocity
def bursting_neuron(state: np.ndarray, time: float, g_NMDA: float, current: float) -> np.ndarray:
    """Return the velocity (3,), 1/ms, at a state (3,)."""
    V, n, h = state
    m_inf = 1 / (1 + math.exp((V_M - V) / K_M))
    n_inf = 1 / (1 + math.exp((V_N - V) / K_N))
    h_inf = 1 / (1 + math.exp((V_H - V) / K_H))
    s_inf = 1 / (1 + 0.33 * math.exp(-0.0625 * V))
    ions = G_L * (V - E_L) + G_NA * m_inf * (V - E_NA) + (G_K * n + G_M * h) * (V - E_K) + g_NMDA * s_inf * V
    return np.array([(current - ions) / C_M, (n_inf - n) / TAU_N, (h_inf - h) / TAU_H])


class BurstingNeuron(TimeSeries):
    """C_m V' = I - g_L (V - E_L) - g_Na m_inf(V) (V - E_Na) - (g_K n + g_M h) (V - E_K) - g_NMDA s_inf(V) V,
    tau_n n' = n_inf(V) - n,  tau_h h' = h_inf(V) - h.

    x_inf(V) = 1 / (1 + exp((V_x - V) / k_x)) for m, n, h and s_inf(V) = 1 / (1 + 0.33 exp(-0.0625 V)). The variables
    are V in mV and the gates n and h of two potassium currents; the other constants stand in this file. For the default
    g_NMDA the orbit is a limit cycle of one burst in 148 ms; at 10.0, for example, it is one of regular spikes.

    Args:
        g_NMDA: conductance of the NMDA current, mS, finite; the parameter that bifurcations are sought in.
        current: I, constant current, uA, finite.
        dt: time between two samples, ms, > 0; see `orbits`.
        n_training, n_validation, n_test, observation_noise, observed, data_seed: see `orbits`.
        settings: see `TimeSeries`.

    Raises:
        ValueError: an argument is out of its range.

    Source: Durstewitz 2009; Schmidt et al. 2021 and Brenner et al. 2022, which reconstruct it.
    """

    def __init__(
        self,
        g_NMDA: float = 10.2,
        current: float = 0.0,
        dt: float = 0.05,
        n_training: int = 100_000,
        n_validation: int = 10_000,
        n_test: int = 100_000,
        observation_noise: float = 0.0,
        observed: Sequence[int | str] | None = None,
        data_seed: int = 0,
        **settings: Any,
    ) -> None:
        flow = Flow(
            bursting_neuron,
            finite(g_NMDA=g_NMDA, current=current),
            labels=("V", "n", "h"),
            start=(-24.5, 0.04, 0.02),
            spread=(1.0, 0.0, 0.001),
            warm_up=1000.0,
            time_unit="ms",
        )
        recordings = orbits(
            flow, dt, n_training, n_validation, n_test, observation_noise, observed, data_seed
        )
        super().__init__(recordings, dt=dt, **settings)
