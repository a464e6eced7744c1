"""The maps z_{t+1} = F(z_t, s_t)."""

from rnnexp.latent_steps.almost_linear import ALRNN, PLRNN
from rnnexp.latent_steps.base import LatentStep
from rnnexp.latent_steps.gated import GRU, LSTM
from rnnexp.latent_steps.leaky import Leaky
from rnnexp.latent_steps.leaky_rate import LeakyRate
from rnnexp.latent_steps.shallow import ShPLRNN

__all__ = ["ALRNN", "GRU", "LSTM", "PLRNN", "LatentStep", "Leaky", "LeakyRate", "ShPLRNN"]
