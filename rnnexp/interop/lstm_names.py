"""The names that the weights of PsychRNN's LSTM have in a model."""

import numpy as np

from rnnexp.interop.network import LSTMNetwork


def named_lstm(network: LSTMNetwork) -> dict[str, np.ndarray]:
    """Return the weights of an LSTM by the names of the latent step; z0 (2 N) is the hidden state, then the cell."""
    return {
        **network.gates,
        "B": network.W_out,
        "b": network.b_out,
        "z0": np.concatenate((network.init_hidden, network.init_cell)),
    }
