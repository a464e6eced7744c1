"""Runs trained leaky and LSTM networks in NumPy alone: no torch, any batch size and length, step by step if asked.

network = rnnexp.simulator.load("weights.npz")
outputs, states = network.run_trials(x)
"""

from rnnexp.simulator.leaky import LeakySimulator
from rnnexp.simulator.loading import load
from rnnexp.simulator.lstm import LSTMSimulator
from rnnexp.simulator.transfer_functions import TRANSFER_FUNCTIONS

__all__ = ["TRANSFER_FUNCTIONS", "LSTMSimulator", "LeakySimulator", "load"]
