"""Time series: systems to reconstruct, generated or recorded."""

from rnnexp.tasks.time_series.base import Series, TimeSeries
from rnnexp.tasks.time_series.bursting_neuron import BurstingNeuron
from rnnexp.tasks.time_series.duffing import Duffing
from rnnexp.tasks.time_series.lorenz63 import Lorenz63
from rnnexp.tasks.time_series.lorenz96 import Lorenz96
from rnnexp.tasks.time_series.recorded import RecordedSeries
from rnnexp.tasks.time_series.recordings import Recording, Recordings
from rnnexp.tasks.time_series.rossler import Rossler

__all__ = [
    "BurstingNeuron",
    "Duffing",
    "Lorenz63",
    "Lorenz96",
    "RecordedSeries",
    "Recording",
    "Recordings",
    "Rossler",
    "Series",
    "TimeSeries",
]
